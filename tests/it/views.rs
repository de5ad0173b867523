//! Callers with limits (contract sections 3 and 4.6): on no surface does what they cannot see show,
//! and nothing tells it from what does not exist.

use std::{collections::BTreeSet, pin::pin, sync::Arc};

use http::{Method, StatusCode};
use sddc_gateway::{
    access::{self, CallerKey, CallerSettings, Scope, View},
    simulator::{Fault, FaultKind, Target},
};
use serde_json::{Value, json};

use crate::harness::{Answer, Cloud, DEADLINE, Setup, TestGateway, cloud_of};

const NOWHERE: &str = "00000000-0000-4000-8000-000000000000";

/// The limits of a view, as they are configured.
#[derive(Debug, Clone, Default)]
struct Limits {
    orgs: Vec<String>,
    ids: Vec<String>,
    names: Vec<&'static str>,
}

impl Limits {
    fn orgs(orgs: &[String]) -> Self {
        Self { orgs: orgs.to_vec(), ..Self::default() }
    }

    fn ids(ids: &[String]) -> Self {
        Self { ids: ids.to_vec(), ..Self::default() }
    }

    fn names(names: &[&'static str]) -> Self {
        Self { names: names.to_vec(), ..Self::default() }
    }

    fn view(&self) -> View {
        let orgs = self.orgs.iter().map(|org| org.parse().unwrap()).collect::<BTreeSet<_>>();
        View {
            orgs: (!self.orgs.is_empty()).then_some(Arc::new(orgs)),
            sddc_ids: (!self.ids.is_empty())
                .then(|| self.ids.iter().map(|id| id.parse().unwrap()).collect()),
            sddc_names: (!self.names.is_empty())
                .then(|| self.names.iter().map(|name| name.parse().unwrap()).collect()),
        }
    }
}

/// Lets in one more caller for each of the limits.
fn with_viewers(setup: Setup, limits: &[Limits]) -> (Setup, Vec<CallerKey>) {
    let keys: Vec<_> = limits.iter().map(|_| CallerKey::generate().unwrap()).collect();
    let setup = setup.with(|config| {
        let access::Settings::Callers(callers) = &mut config.access else { panic!("open") };
        callers.extend(limits.iter().zip(&keys).enumerate().map(|(at, (limits, key))| {
            CallerSettings {
                name: format!("viewer-{at}").parse().unwrap(),
                key_sha256: vec![key.digest()],
                scopes: vec![Scope::SddcRead],
                view: limits.view(),
            }
        }));
    });
    (setup, keys)
}

/// Two organizations of three SDDCs each; a gateway that finds them, and one that is told of them.
async fn both_modes(
    limits: impl Fn(&Cloud) -> Vec<Limits>,
) -> Vec<(Cloud, TestGateway, Vec<CallerKey>)> {
    let mut modes = Vec::new();
    for is_configured in [false, true] {
        let cloud = cloud_of(2).await;
        let (mut setup, keys) = with_viewers(Setup::on_demand(&cloud), &limits(&cloud));
        if is_configured {
            setup = setup.with_configured_orgs(&cloud);
        }
        modes.push((cloud, setup.start().await, keys));
    }
    modes
}

async fn ask(gateway: &TestGateway, key: &CallerKey, path: &str) -> Answer {
    let headers = [("x-api-key", key.reveal()), ("x-request-id", "same")];
    gateway.send_bare(Method::GET, path, &headers).await
}

/// What an answer is, but for the moment that it was sent at.
fn told(answer: &Answer) -> (StatusCode, http::HeaderMap, String) {
    let mut headers = answer.headers.clone();
    headers.remove("date");
    (answer.status, headers, answer.text())
}

fn items(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let body = answer.json();
    body.as_array().or_else(|| body["items"].as_array()).unwrap().clone()
}

/// The SDDC that an item of a list is, or is a part of.
fn sddc_of(item: &Value) -> &Value {
    [&item["sddc_id"], &item["labels"]["__meta_vmc_sddc_id"], &item["id"]]
        .into_iter()
        .find(|id| !id.is_null())
        .unwrap_or(&Value::Null)
}

fn org_of(cloud: &Cloud, sddc: &str) -> String {
    cloud.simulator.sddc(sddc).unwrap()["org_id"].as_str().unwrap().to_owned()
}

fn name_of(cloud: &Cloud, sddc: &str) -> String {
    cloud.simulator.sddc(sddc).unwrap()["name"].as_str().unwrap().to_owned()
}

/// How often VMC was asked for anything.
fn upstream_calls(cloud: &Cloud) -> u64 {
    cloud.simulator.stats().endpoints().values().sum()
}

/// An event stream as a caller reads it.
struct Events {
    response: reqwest::Response,
    text: String,
}

impl Events {
    async fn open(gateway: &TestGateway, key: &CallerKey, query: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = http.get(format!("http://{}/sddcs/events{query}", gateway.api));
        let response = request.header("x-api-key", key.reveal()).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Self { response, text: String::new() }
    }

    /// The next event: its name, its id, its data. Comments are passed over.
    async fn next(&mut self) -> (String, Option<String>, Value) {
        let next = async {
            loop {
                if let Some((event, rest)) = self.text.split_once("\n\n") {
                    let (event, rest) = (event.to_owned(), rest.to_owned());
                    self.text = rest;
                    let line = |name: &str| {
                        event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned)
                    };
                    if let Some(name) = line("event: ") {
                        let data = serde_json::from_str(&line("data: ").unwrap()).unwrap();
                        return (name, line("id: "), data);
                    }
                } else {
                    let chunk = self.response.chunk().await.unwrap().expect("the stream goes on");
                    self.text.push_str(std::str::from_utf8(&chunk).unwrap());
                }
            }
        };
        tokio::time::timeout(DEADLINE, next).await.expect("an event in time")
    }
}

// What is seen.

#[tokio::test]
async fn every_list_shows_what_the_limits_leave_and_nothing_else() {
    let limits = |cloud: &Cloud| {
        let (orgs, ids) = (cloud.simulator.org_ids(), cloud.simulator.sddc_ids());
        vec![
            Limits::default(),
            Limits::orgs(&orgs[1..]),
            Limits::ids(&ids[..2]),
            Limits::names(&["prod-*", "?ev-us-oregon-0?"]),
            Limits { names: vec!["*-01"], ..Limits::orgs(&orgs[..1]) },
            Limits { names: vec!["prod-*", "vdi-*"], ids: ids[..4].to_vec(), ..Limits::default() },
            Limits { orgs: orgs[..1].to_vec(), ids: vec![ids[1].clone()], names: Vec::new() },
            Limits::orgs(&["none".to_owned()]),
        ]
    };
    for (cloud, gateway, keys) in both_modes(limits).await {
        for (limits, key) in limits(&cloud).iter().zip(&keys) {
            let view = limits.view();
            let sees_org = |id: &str| view.shows_org(&id.parse().unwrap());
            let sees = |id: &str| {
                let (org, name) = (org_of(&cloud, id), name_of(&cloud, id));
                view.shows_sddc(&org.parse().unwrap(), &id.parse().unwrap(), Some(&name))
            };
            for path in [
                "/sddcs",
                "/sddcs?include_deleted=true",
                "/clusters",
                "/hosts",
                "/tasks",
                "/orgs",
                "/sd/prometheus?target=vcenter",
            ] {
                let mut expected = items(&gateway.get(path).await);
                expected.retain(|item| match sddc_of(item).as_str() {
                    _ if path == "/orgs" => sees_org(item["id"].as_str().unwrap()),
                    _ if path == "/tasks" && item["sddc_id"].is_null() => {
                        !view.limits_sddcs() && sees_org(item["org_id"].as_str().unwrap())
                    }
                    id => sees(id.unwrap()),
                });
                assert_eq!(items(&ask(&gateway, key, path).await), expected, "{path} {limits:?}");
            }
            for id in cloud.simulator.sddc_ids() {
                for part in ["", "/clusters", "/hosts", "/tasks"] {
                    let path = format!("/sddcs/{id}{part}");
                    let (mine, whole) = (ask(&gateway, key, &path).await, gateway.get(&path).await);
                    if sees(&id) {
                        assert_eq!(mine.body, whole.body, "{path} {limits:?}");
                    } else {
                        assert_eq!(mine.code(), "sddc-not-found", "{path} {limits:?}");
                    }
                }
            }
            for org in cloud.simulator.org_ids() {
                let one = ask(&gateway, key, &format!("/orgs/{org}")).await;
                let sddcs = ask(&gateway, key, &format!("/orgs/{org}/sddcs")).await;
                if sees_org(&org) {
                    assert_eq!(one.status, StatusCode::OK);
                    assert!(items(&sddcs).iter().all(|it| sees(it["id"].as_str().unwrap())));
                } else {
                    assert_eq!(
                        (one.code(), sddcs.code()),
                        ("org-not-found".into(), "org-not-found".into())
                    );
                }
                for task in cloud.simulator.tasks(&org) {
                    let sddc = task["resource_id"].as_str();
                    let seen = sddc.map_or(!view.limits_sddcs() && sees_org(&org), &sees);
                    let path = format!("/tasks/{}", task["id"].as_str().unwrap());
                    let code = if seen { "200" } else { "task-not-found" };
                    assert_eq!(ask(&gateway, key, &path).await.code(), code, "{path} {limits:?}");
                }
            }
            let mut events = Events::open(&gateway, key, "").await;
            let (event, id, data) = events.next().await;
            let list = ask(&gateway, key, "/sddcs").await;
            assert_eq!((&*event, id.as_deref()), ("sync", Some(list.header("etag"))));
            assert_eq!(data, list.json());
        }
    }
}

#[tokio::test]
async fn tasks_are_seen_by_the_present_name_of_their_sddc() {
    let cloud = cloud_of(2).await;
    let (setup, keys) = with_viewers(Setup::on_demand(&cloud), &[Limits::names(&["prod-*"])]);
    let gateway = setup.start().await;
    let id = cloud.simulator.sddc_ids()[0].clone();
    let before = ask(&gateway, &keys[0], "/tasks").await;
    assert!(!items(&before).is_empty() && items(&before).iter().all(|it| it["sddc_id"] == *id));
    cloud.simulator.patch_sddc(&id, json!({ "name": "retired" }));
    gateway.advance(61);
    let after = ask(&gateway, &keys[0], "/tasks").await;
    assert!(items(&after).is_empty());
    assert_ne!(before.header("etag"), after.header("etag"));
    assert!(!items(&gateway.get("/tasks").await).is_empty());
}

#[tokio::test]
async fn tasks_whose_sddcs_names_cannot_be_told_are_missing_and_not_left_out() {
    let cloud = cloud_of(2).await;
    let ids = cloud.simulator.sddc_ids();
    let limits = [Limits::names(&["*-01"]), Limits::ids(&ids)];
    let (setup, keys) =
        with_viewers(Setup::on_demand(&cloud).with_configured_orgs(&cloud), &limits);
    let gateway = setup.start().await;
    let [good, bad] = [0, 1].map(|at| cloud.simulator.org_ids()[at].clone());
    let failing = format!("/vmc/api/orgs/{bad}/sddcs");
    cloud.simulator.script(Fault::on(Target::Vmc, &failing).kind(FaultKind::Html));
    let by_id = ask(&gateway, &keys[1], "/tasks").await;
    assert!(items(&by_id).iter().any(|task| task["org_id"] == *bad));
    assert_eq!(cloud.sddc_reads(), 0, "ids need no names");

    let whole = ask(&gateway, &keys[0], "/tasks").await;
    assert_eq!(whole.told(), (503, "incomplete".to_owned()));
    assert_eq!(whole.json()["missing"], json!([{ "org_id": bad, "reason": "upstream-contract" }]));
    let part = ask(&gateway, &keys[0], "/tasks?partial=allow").await;
    assert_eq!(part.json()["completeness"], "partial");
    assert!(!items(&part).is_empty() && items(&part).iter().all(|it| it["org_id"] == *good));
    let tasks = cloud.simulator.tasks(&bad);
    let hidden = tasks.iter().find(|task| task["resource_id"].is_string()).unwrap();
    for id in [hidden["id"].as_str().unwrap(), NOWHERE] {
        let answer = ask(&gateway, &keys[0], &format!("/tasks/{id}")).await;
        assert_eq!(answer.told(), (503, "incomplete".to_owned()), "{id}");
    }
}

// What is not seen.

#[tokio::test]
async fn nothing_tells_what_is_hidden_from_what_does_not_exist() {
    let limits = |cloud: &Cloud| {
        let (orgs, ids) = (cloud.simulator.org_ids(), cloud.simulator.sddc_ids());
        vec![Limits::orgs(&orgs[..1]), Limits::ids(&ids[..1]), Limits::names(&["prod-*"])]
    };
    for (cloud, gateway, keys) in both_modes(limits).await {
        // Of the second organization.
        let (org, sddc) = (&cloud.simulator.org_ids()[1], &cloud.simulator.sddc_ids()[1]);
        let tasks = cloud.simulator.tasks(org);
        let task = tasks.iter().find(|task| task["resource_id"] == **sddc).unwrap()["id"].clone();
        let task = task.as_str().unwrap();
        for path in ["/sddcs", "/tasks", "/orgs", "/sddcs?include_deleted=true"] {
            gateway.get(path).await;
        }
        let calls = upstream_calls(&cloud);
        for (key, hides_orgs) in keys.iter().zip([true, false, false]) {
            for (template, hidden) in [
                ("/sddcs/{id}", &**sddc),
                ("/sddcs/{id}?fields=id&include=hosts", sddc),
                ("/sddcs/{id}?x=1", sddc),
                ("/sddcs/{id}/clusters", sddc),
                ("/sddcs/{id}/hosts?state=ODD", sddc),
                ("/sddcs/{id}/hosts?state=ODD&x=1", sddc),
                ("/sddcs/{id}/tasks?limit=1", sddc),
                ("/sddcs/{id}/tasks?status=ODD&x=1", sddc),
                ("/tasks/{id}", task),
                ("/tasks?sddc_id={id}&fields=id", sddc),
                ("/hosts?sddc_id={id}", sddc),
                ("/sddcs?id={id}", sddc),
                ("/sddcs?q={id}&include_deleted=true", sddc),
                ("/sd/prometheus?target=nsx&id={id}", sddc),
                ("/orgs/{id}", org),
                ("/orgs/{id}/sddcs?state=ODD", org),
                ("/orgs/{id}/sddcs?sort=-name", org),
                ("/orgs?id={id}", org),
                ("/tasks?org_id={id}", org),
            ] {
                if template.contains("org") && !hides_orgs {
                    continue;
                }
                let hides = ask(&gateway, key, &template.replace("{id}", hidden)).await;
                let lacks = ask(&gateway, key, &template.replace("{id}", NOWHERE)).await;
                let (status, headers, body) = told(&hides);
                let body = body.replace(hidden, NOWHERE);
                assert_eq!((status, headers, body), told(&lacks), "{template}");
            }
        }
        assert_eq!(upstream_calls(&cloud), calls, "a fresh picture tells");
    }
}

#[tokio::test]
async fn for_what_is_hidden_no_other_org_is_asked_and_none_can_be_in_the_way() {
    let cloud = cloud_of(2).await;
    let [mine, other] = [0, 1].map(|at| cloud.simulator.org_ids()[at].clone());
    let limits = [Limits::orgs(std::slice::from_ref(&mine))];
    let (setup, keys) =
        with_viewers(Setup::on_demand(&cloud).with_configured_orgs(&cloud), &limits);
    let gateway = setup.start().await;
    let failing = format!("/vmc/api/orgs/{other}*");
    cloud.simulator.script(Fault::on(Target::Vmc, &failing).status(503));
    for (path, code) in [
        (format!("/orgs/{other}"), "org-not-found"),
        (format!("/orgs/{other}/sddcs"), "org-not-found"),
    ] {
        assert_eq!(ask(&gateway, &keys[0], &path).await.code(), code, "{path}");
    }
    let stats = cloud.simulator.stats();
    assert_eq!((stats.org_reads(), stats.sddc_list_reads()), (0, 0));
    for (path, code) in [
        (format!("/sddcs/{}", cloud.simulator.sddc_ids()[1]), "sddc-not-found"),
        (format!("/sddcs/{NOWHERE}/tasks"), "sddc-not-found"),
        (format!("/tasks/{NOWHERE}"), "task-not-found"),
        ("/sddcs".to_owned(), "200"),
        ("/tasks".to_owned(), "200"),
        ("/orgs".to_owned(), "200"),
        ("/sd/prometheus?target=vcenter".to_owned(), "200"),
    ] {
        assert_eq!(ask(&gateway, &keys[0], &path).await.code(), code, "{path}");
    }
    let stats = cloud.simulator.stats();
    assert_eq!((stats.faults(), stats.sddc_list_reads(), stats.task_list_reads()), (0, 1, 1));
}

#[tokio::test]
async fn a_value_that_only_others_see_is_a_fault_as_any_other() {
    let limits = |cloud: &Cloud| {
        let (orgs, ids) = (cloud.simulator.org_ids(), cloud.simulator.sddc_ids());
        vec![Limits::orgs(&orgs[..1]), Limits::ids(&ids[..1]), Limits::names(&["prod-*"])]
    };
    for (cloud, gateway, keys) in both_modes(limits).await {
        let (org, sddc) = (&cloud.simulator.org_ids()[1], &cloud.simulator.sddc_ids()[1]);
        let mut clusters =
            cloud.simulator.sddc(sddc).unwrap()["resource_config"]["clusters"].clone();
        clusters[0]["cluster_state"] = json!("Odd");
        clusters[0]["esx_host_list"][0]["esx_state"] = json!("Odd");
        let config = json!({ "clusters": clusters });
        cloud.simulator.patch_sddc(sddc, json!({ "sddc_state": "Odd", "resource_config": config }));
        cloud.simulator.create_task(org, json!({ "resource_id": sddc, "status": "Odd" }));
        for (path, beside) in [
            ("/sddcs?state=", ""),
            ("/sddcs?state=", "&limit=0"),
            ("/clusters?state=", ""),
            ("/hosts?state=", "&x=1"),
            ("/tasks?status=", ""),
            ("/tasks?status=", "&x=1"),
            ("/sd/prometheus?target=nsx&state=", ""),
            ("/sddcs/events?state=", "&x=1"),
        ] {
            // Whoever sees it may ask for it, and has made it known.
            if !path.starts_with("/sddcs/events") {
                let whole = gateway.get(&format!("{path}Odd")).await;
                assert_eq!(whole.status, StatusCode::OK, "{path} {}", whole.text());
            }
            for key in &keys {
                let hides = ask(&gateway, key, &format!("{path}Odd{beside}")).await;
                let lacks = ask(&gateway, key, &format!("{path}Nil{beside}")).await;
                assert_eq!(hides.code(), "invalid-parameter", "{path}");
                let (status, headers, body) = told(&hides);
                assert_eq!((status, headers, body.replace("Odd", "Nil")), told(&lacks), "{path}");
            }
        }
    }
}

// What is shared, and what is apart.

#[tokio::test]
async fn equal_views_have_equal_answers_whoever_asks_and_however_they_are_written() {
    let limits = |cloud: &Cloud| {
        let ids = cloud.simulator.sddc_ids();
        let turned = [ids[2].clone(), ids[0].clone()];
        vec![
            Limits::ids(&[ids[0].clone(), ids[2].clone()]),
            Limits::ids(&turned),
            Limits::names(&["prod-*", "stage-*"]),
        ]
    };
    for (_cloud, gateway, keys) in both_modes(limits).await {
        for path in [
            "/sddcs",
            "/sddcs?include=hosts&limit=1",
            "/clusters?sort=-host_count",
            "/hosts?fields=id&limit=3",
            "/tasks",
            "/orgs",
            "/sd/prometheus?target=vcenter",
            "/sddcs?state=REDY",
        ] {
            ask(&gateway, &keys[0], path).await;
            let answers = [
                told(&ask(&gateway, &keys[0], path).await),
                told(&ask(&gateway, &keys[1], path).await),
                told(&ask(&gateway, &keys[2], path).await),
            ];
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{path} {answers:?}");
            assert!(answers[0].1.contains_key("etag") || path.ends_with("REDY"));
        }
    }
}

#[tokio::test]
async fn what_happens_where_a_caller_sees_nothing_changes_nothing_for_it() {
    let limits = |cloud: &Cloud| {
        let (orgs, ids) = (cloud.simulator.org_ids(), cloud.simulator.sddc_ids());
        let first = Limits::orgs(&orgs[..1]);
        vec![
            first.clone(),
            Limits { ids: ids[..1].to_vec(), ..first.clone() },
            Limits { names: vec!["prod-*"], ..first },
        ]
    };
    const PATHS: [&str; 7] = [
        "/sddcs?limit=1&sort=-name",
        "/clusters?limit=1",
        "/hosts?limit=2&include_deleted=true",
        "/hosts?limit=2",
        "/tasks?limit=1",
        "/orgs",
        "/sd/prometheus?target=nsx",
    ];
    for (cloud, gateway, keys) in both_modes(limits).await {
        let [mine, other] = [0, 1].map(|at| cloud.simulator.org_ids()[at].clone());
        let hidden = cloud.simulator.sddc_ids()[1].clone();
        let all = async || {
            let mut answers = Vec::new();
            for (key, path) in keys.iter().flat_map(|key| PATHS.map(|path| (key, path))) {
                answers.push((path, told(&ask(&gateway, key, path).await)));
            }
            answers
        };
        all().await;
        let before = all().await;
        for path in ["/sddcs", "/tasks", "/orgs"] {
            gateway.get(path).await;
        }
        cloud.simulator.patch_sddc(&hidden, json!({ "name": "aaa", "sddc_state": "FAILED" }));
        cloud.simulator.create_sddc(json!({ "org_id": other, "name": "prod-zzz" }));
        cloud.simulator.create_task(&other, json!({ "resource_id": hidden }));
        // What others have read meanwhile is newer, but not theirs.
        let forced = [("cache-control", "no-cache")];
        for path in [&*format!("/orgs/{other}/sddcs"), "/tasks"] {
            let answer = gateway.send(Method::GET, path, &forced).await;
            assert_eq!(answer.served(), "fwd=miss; stored", "{path}");
        }
        assert_eq!(all().await, before);

        // Nor does it matter that the other organization cannot be read.
        let failing = format!("/vmc/api/orgs/{other}/*");
        cloud.simulator.script(Fault::on(Target::Vmc, &failing).status(503));
        gateway.advance(61);
        gateway.get("/sddcs").await;
        gateway.get("/tasks").await;
        all().await;
        assert_eq!(all().await, before);
        assert_eq!(gateway.get("/sddcs").await.header("age"), "61", "for others it is old");
        gateway.advance(24 * 3600);
        assert_eq!(gateway.get("/sddcs").await.code(), "incomplete");
        all().await;
        assert_eq!(all().await, before);
        let path = format!("/orgs/{mine}/sddcs");
        assert_eq!(ask(&gateway, &keys[0], &path).await.json()["missing"], json!([]));
    }
}

// Watching.

/// A polled gateway with one caller of these limits.
async fn watched(limits: &Limits) -> (Cloud, TestGateway, CallerKey) {
    let cloud = cloud_of(2).await;
    let (setup, mut keys) = with_viewers(Setup::polling(&cloud), std::slice::from_ref(limits));
    (cloud, setup.start().await, keys.remove(0))
}

/// Lets the poller read, until the whole picture shows an SDDC of this name.
async fn until_shown(gateway: &TestGateway, name: &str) {
    gateway.advance(30);
    let path = format!("/sddcs?name={name}");
    gateway.until(name, async |gateway| gateway.get(&path).await.names() == [name]).await;
}

#[tokio::test]
async fn a_long_poll_wakes_for_what_its_caller_sees_and_not_for_the_rest() {
    let (cloud, gateway, key) = watched(&Limits::names(&["prod-*"])).await;
    let [seen, hidden] = [0, 1].map(|at| cloud.simulator.sddc_ids()[at].clone());
    let list = ask(&gateway, &key, "/sddcs").await;
    let headers = [("x-api-key", key.reveal()), ("if-none-match", list.header("etag"))];
    let mut poll = pin!(gateway.send_bare(Method::GET, "/sddcs?wait=120s", &headers));
    let hidden_changes = async {
        let waits = async |gateway: &TestGateway| {
            gateway.ops("/metrics").await.text().contains("sddc_gateway_watchers 1\n")
        };
        gateway.until("the poll waits", waits).await;
        cloud.simulator.patch_sddc(&hidden, json!({ "name": "hidden-now" }));
        until_shown(&gateway, "hidden-now").await;
    };
    tokio::select! {
        biased;
        answer = &mut poll => panic!("woken by what is hidden: {answer:?}"),
        () = hidden_changes => {}
    }
    cloud.simulator.patch_sddc(&seen, json!({ "name": "prod-renamed" }));
    let (answer, ()) = tokio::join!(poll, until_shown(&gateway, "prod-renamed"));
    assert_eq!(answer.names(), ["prod-renamed"]);
    assert_ne!(answer.header("etag"), list.header("etag"));
}

#[tokio::test]
async fn an_sddc_renamed_out_of_the_view_is_removed_and_one_renamed_into_it_is_added() {
    let (cloud, gateway, key) = watched(&Limits::names(&["prod-*"])).await;
    let [prod, dev] = [0, 1].map(|at| cloud.simulator.sddc_ids()[at].clone());
    let mut events = Events::open(&gateway, &key, "").await;
    let (event, _, data) = events.next().await;
    assert_eq!((&*event, &data["items"][0]["id"]), ("sync", &json!(prod)));
    for (id, name, told) in [
        // No event: neither it was seen nor it is.
        (&dev, "staging", None),
        (&prod, "retired", Some(("removed", "prod-eu-frankfurt-01", json!([])))),
        (&dev, "prod-new", Some(("added", "prod-new", json!([])))),
        (&prod, "retired-again", None),
        (&dev, "prod-newer", Some(("changed", "prod-newer", json!(["name", "updated_at"])))),
    ] {
        cloud.simulator.patch_sddc(id, json!({ "name": name }));
        until_shown(&gateway, name).await;
        let Some((event, name, changed)) = told else { continue };
        let (told, tag, data) = events.next().await;
        assert_eq!((&*told, &data["sddc"]["id"]), (event, &json!(id)));
        // What became of one that was removed is not the caller's to know.
        assert_eq!((&data["sddc"]["name"], &data["changed"]), (&json!(name), &changed));
        assert_eq!(tag.unwrap(), ask(&gateway, &key, "/sddcs").await.header("etag"));
    }
}
