//! Every list and single document of the facade (contract sections 4, 4.1, 4.2, 4.6 and 4.7): what
//! is in it, what can be asked of it, and in which order it refuses.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use jiff::Timestamp;
use sddc_gateway::simulator::{Fault, Target};
use serde_json::{Value, json};

use crate::harness::{Answer, Cloud, Setup, TestGateway, cloud_of};

/// Two organizations of three SDDCs each, and a gateway that has read nothing yet.
async fn two_orgs() -> (Cloud, TestGateway) {
    let cloud = cloud_of(2).await;
    let gateway = Setup::on_demand(&cloud).start().await;
    (cloud, gateway)
}

fn items(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()["items"].as_array().unwrap().clone()
}

async fn list(gateway: &TestGateway, path: &str) -> Vec<Value> {
    items(&gateway.get(path).await)
}

fn text<'a>(item: &'a Value, field: &str) -> &'a str {
    item[field].as_str().unwrap_or_else(|| panic!("no {field} in {item}"))
}

fn column(items: &[Value], field: &str) -> Vec<String> {
    items.iter().map(|item| item[field].as_str().unwrap_or("null").to_owned()).collect()
}

fn only<'a>(items: &'a [Value], field: &str, wanted: &str) -> Vec<&'a Value> {
    items.iter().filter(|item| item[field] == wanted).collect()
}

/// A fault as one line.
fn faults(answer: &Answer) -> Vec<String> {
    let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|it| format!("{}: {}", text(it, "parameter"), text(it, "problem"))).collect()
}

/// Follows `Link` from a path to the end, and does something between two pages.
async fn walk(gateway: &TestGateway, path: &str, mut between: impl AsyncFnMut()) -> Vec<Value> {
    let (mut path, mut found) = (path.to_owned(), Vec::new());
    for _ in 0..100 {
        let page = gateway.get(&path).await;
        found.extend(items(&page));
        let cursor = page.json()["next_cursor"].as_str().map(str::to_owned);
        let link = page.header("link");
        let Some(cursor) = cursor else {
            assert_eq!(link, "");
            return found;
        };
        let next = link.strip_prefix('<').and_then(|it| it.strip_suffix(">; rel=\"next\""));
        path = next.unwrap_or_else(|| panic!("no link but {link}")).to_owned();
        assert!(path.ends_with(&format!("cursor={cursor}")), "{path}");
        between().await;
    }
    panic!("no end to {path}");
}

/// Every path of the published document, about what there is.
async fn every_path(cloud: &Cloud, gateway: &TestGateway) -> Vec<String> {
    let org = cloud.simulator.org_ids()[0].clone();
    let task = cloud.simulator.tasks(&org)[0]["id"].as_str().unwrap().to_owned();
    let document = gateway.send_bare(Method::GET, "/openapi.json", &[]).await.json();
    let paths = document["paths"].as_object().unwrap().keys().map(|path| {
        path.replace("{org_id}", &org)
            .replace("{sddc_id}", &cloud.simulator.sddc_ids()[0])
            .replace("{task_id}", &task)
            .replace("/sd/prometheus", "/sd/prometheus?target=vcenter")
    });
    let paths: Vec<_> = paths.collect();
    assert_eq!(paths.len(), 14, "{paths:?}");
    paths
}

// Documents.

#[tokio::test]
async fn every_part_of_an_sddc_is_told_alike_by_each_path_that_has_it() {
    let (cloud, gateway) = two_orgs().await;
    let all = list(&gateway, "/sddcs?include=clusters,hosts").await;
    let (clusters, hosts) = (list(&gateway, "/clusters").await, list(&gateway, "/hosts").await);
    let tasks = list(&gateway, "/tasks").await;
    for path in ["/sddcs", "/clusters", "/hosts", "/tasks", "/orgs"] {
        assert!(!list(&gateway, path).await.is_empty(), "{path}");
    }
    for sddc in &all {
        let id = text(sddc, "id");
        let path = format!("/sddcs/{id}");
        let part = async |name: &str| list(&gateway, &format!("{path}/{name}")).await;
        let whole = gateway.get(&format!("{path}?include=clusters,hosts")).await.json();
        assert_eq!(whole, *sddc);
        let (its_clusters, its_hosts) = (part("clusters").await, part("hosts").await);
        assert_eq!(its_clusters.iter().collect::<Vec<_>>(), only(&clusters, "sddc_id", id));
        assert_eq!(its_hosts.iter().collect::<Vec<_>>(), only(&hosts, "sddc_id", id));
        assert_eq!(part("tasks").await.iter().collect::<Vec<_>>(), only(&tasks, "sddc_id", id));
        assert_eq!(sddc["clusters"].as_array().unwrap().len(), its_clusters.len());
        assert_eq!(sddc["hosts"].as_array().unwrap().len(), its_hosts.len());
        // What is not known is null, and not 0.
        let known = !cloud.simulator.sddc(id).unwrap()["resource_config"].is_null();
        assert_eq!(sddc["cluster_count"], json!(known.then_some(its_clusters.len())));
        assert_eq!(sddc["host_count"], json!(known.then_some(its_hosts.len())));
    }
    for org in list(&gateway, "/orgs").await {
        let path = format!("/orgs/{}", text(&org, "id"));
        assert_eq!(gateway.get(&path).await.json(), org);
        let sddcs = list(&gateway, &format!("{path}/sddcs?include=clusters,hosts")).await;
        assert_eq!(sddcs.iter().collect::<Vec<_>>(), only(&all, "org_id", text(&org, "id")));
    }
    for task in &tasks {
        assert_eq!(gateway.get(&format!("/tasks/{}", text(task, "id"))).await.json(), *task);
    }
}

#[tokio::test]
async fn each_host_is_listed_once_and_a_witness_never() {
    let (cloud, gateway) = two_orgs().await;
    let hosts = list(&gateway, "/hosts").await;
    let ids: BTreeSet<_> = column(&hosts, "id").into_iter().collect();
    assert_eq!(ids.len(), hosts.len());
    let counts = list(&gateway, "/sddcs?fields=host_count").await;
    let counted: u64 = counts.iter().filter_map(|it| it["host_count"].as_u64()).sum();
    assert_eq!(usize::try_from(counted).unwrap(), hosts.len());
    // VMware shows the hosts of the first cluster twice, and a witness apart.
    let (mut twice, mut witnesses) = (0, 0);
    for id in cloud.simulator.sddc_ids() {
        let config = cloud.simulator.sddc(&id).unwrap()["resource_config"].clone();
        twice += config["esx_hosts"].as_array().map_or(0, Vec::len);
        for cluster in config["clusters"].as_array().into_iter().flatten() {
            if let Some(witness) = cluster["vsan_witness"]["esx_id"].as_str() {
                witnesses += 1;
                assert!(!ids.contains(witness));
            }
        }
    }
    assert!(twice > 0 && witnesses > 0, "the cloud has what this is about");
    let one_cluster = list(&gateway, "/sddcs?cluster_count=1&host_count=6").await;
    let path = format!("/sddcs/{}/hosts", text(&one_cluster[0], "id"));
    assert_eq!(list(&gateway, &path).await.len(), 6);
}

#[tokio::test]
async fn deleted_sddcs_are_listed_only_where_they_are_asked_for() {
    let (cloud, gateway) = two_orgs().await;
    let [gone, stays] = [0, 1].map(|at| cloud.simulator.sddc_ids()[at].clone());
    let before = list(&gateway, "/sddcs").await;
    assert_eq!(list(&gateway, "/sddcs?include_deleted=true").await, before);
    assert!(cloud.simulator.delete_sddc(&gone));
    gateway.advance(61);
    let (plain, whole) = (
        list(&gateway, "/sddcs").await,
        list(&gateway, "/sddcs?include_deleted=true&fields=id,state").await,
    );
    assert_eq!((plain.len(), whole.len()), (before.len() - 1, before.len()));
    assert_eq!(only(&whole, "state", "DELETED"), [&json!({ "id": gone, "state": "DELETED" })]);
    assert_eq!(only(&plain, "id", &gone), Vec::<&Value>::new());
    let deleted = list(&gateway, "/sddcs?state=DELETED&include_deleted=true").await;
    assert_eq!(column(&deleted, "id"), [&*gone]);
    let org = format!("/orgs/{}/sddcs", text(&before[0], "org_id"));
    assert!(list(&gateway, &format!("{org}?include_deleted=true")).await.len() == 3);
    assert!(list(&gateway, "/sddcs?state=DELETED").await.is_empty());
    for part in ["", "/clusters", "/hosts", "/tasks"] {
        let told = gateway.get(&format!("/sddcs/{gone}{part}")).await.told();
        assert_eq!(told, (404, "sddc-not-found".to_owned()), "{part}");
    }
    // Its parts are in no list, its tasks are still among those of all.
    assert!(list(&gateway, &format!("/hosts?sddc_id={gone}")).await.is_empty());
    assert!(!list(&gateway, &format!("/tasks?sddc_id={gone}")).await.is_empty());
    assert!(!list(&gateway, &format!("/hosts?sddc_id={stays}")).await.is_empty());
}

// Tasks.

#[tokio::test]
async fn tasks_come_newest_first_and_can_be_asked_for_by_org_sddc_and_status() {
    let (cloud, gateway) = two_orgs().await;
    let all = list(&gateway, "/tasks").await;
    let begins = column(&all, "started_at");
    let mut newest: Vec<Timestamp> = begins.iter().map(|it| it.parse().unwrap()).collect();
    newest.sort_unstable_by(|one, other| other.cmp(one));
    assert_eq!(newest, begins.iter().map(|it| it.parse().unwrap()).collect::<Vec<Timestamp>>());
    let upstream: usize =
        cloud.simulator.org_ids().iter().map(|org| cloud.simulator.tasks(org).len()).sum();
    assert_eq!(all.len(), upstream);
    let (org, sddc) = (&cloud.simulator.org_ids()[1], &cloud.simulator.sddc_ids()[0]);
    for (field, value) in
        [("org_id", &**org), ("sddc_id", sddc), ("status", "FAILED"), ("type", "ACCOUNT-LINK")]
    {
        let some = list(&gateway, &format!("/tasks?{field}={value}")).await;
        assert_eq!(some.iter().collect::<Vec<_>>(), only(&all, field, value), "{field}");
        assert!(!some.is_empty() && some.len() < all.len(), "{field}");
    }
    let both = list(&gateway, &format!("/tasks?status=FAILED&status=CANCELED&org_id={org}")).await;
    assert_eq!(both.len(), 2);
    assert!(list(&gateway, "/tasks?sddc_id=never-was").await.is_empty());
    let of_none = only(&all, "type", "ACCOUNT-LINK");
    assert!(of_none.iter().all(|task| task["sddc_id"].is_null()));
}

#[tokio::test]
async fn of_1500_tasks_the_newest_1000_are_kept() {
    let (cloud, gateway) = two_orgs().await;
    let org = &cloud.simulator.org_ids()[0];
    let second = |at: i64| Timestamp::from_second(1_800_000_000 + at).unwrap().to_string();
    for at in 0..1500 {
        let task = json!({ "id": format!("t-{at:04}"), "start_time": second(at) });
        cloud.simulator.create_task(org, task).unwrap();
    }
    let path = format!("/tasks?org_id={org}&limit=300&fields=id");
    let kept = column(&walk(&gateway, &path, async || ()).await, "id");
    let newest: Vec<_> = (500..1500).rev().map(|at| format!("t-{at:04}")).collect();
    assert_eq!(kept, newest);
    assert_eq!(gateway.get("/tasks/t-0500").await.status, StatusCode::OK);
    let too_old = gateway.get("/tasks/t-0499").await;
    assert_eq!(too_old.told(), (404, "task-not-found".to_owned()));
    assert_eq!(cloud.simulator.stats().task_list_reads(), 2, "one of each organization");
}

#[tokio::test]
async fn what_a_task_tells_of_its_failure_is_for_customers_short_and_without_secrets() {
    let (cloud, gateway) = two_orgs().await;
    let org = &cloud.simulator.org_ids()[0];
    let key = format!("sgw_{}", "k".repeat(43));
    let long = "€".repeat(600);
    for (id, told, localized, shown) in [
        ("plain", json!("No room."), json!("Kein Platz."), json!("No room.")),
        ("localized", json!(" "), json!("Kein Platz."), json!("Kein Platz.")),
        ("internal", Value::Null, Value::Null, Value::Null),
        ("lines", json!("one\ntwo\u{7}"), Value::Null, json!("one two ")),
        ("secret", json!("demo-secret, Basic demo-secret"), Value::Null, json!("***, Basic ***")),
        ("key", json!(format!("a key: {key}")), Value::Null, json!("a key: ***")),
        ("long", json!(long), Value::Null, json!("€".repeat(500))),
    ] {
        let task = json!({
            "id": id, "status": "FAILED", "customer_error_message": told,
            "localized_error_message": localized, "error_message": "CANARY-internal",
        });
        cloud.simulator.create_task(org, task).unwrap();
        gateway.advance(61);
        assert_eq!(gateway.get(&format!("/tasks/{id}")).await.json()["error"], shown, "{id}");
    }
    // The harness looks for canaries in every answer.
    assert!(list(&gateway, "/tasks?status=FAILED").await.len() >= 9);
}

// Questions.

#[tokio::test]
async fn lists_answer_what_is_asked() {
    let (cloud, gateway) = two_orgs().await;
    let [prod, dev, stage, lab, test, vdi] = [
        "prod-eu-frankfurt-01",
        "dev-us-oregon-01",
        "stage-ap-sydney-01",
        "lab-us-virginia-01",
        "test-eu-london-01",
        "vdi-ap-tokyo-01",
    ];
    let id = cloud.simulator.sddc_ids()[1].to_uppercase();
    let org = cloud.simulator.org_ids()[1].clone();
    for (question, names) in [
        ("", vec![dev, lab, prod, stage, test, vdi]),
        ("state=FAILED", vec![lab]),
        ("state=FAILED&state=DEPLOYING", vec![lab, stage]),
        ("state=READY&region=EU_CENTRAL_1&region=EU_WEST_2", vec![prod, test]),
        ("state=READY&sddc_type=1NODE&deployment_type=SINGLE_AZ", vec![dev]),
        ("region=US_GOV_WEST_1", vec![]),
        ("availability_zones=eu-central-1a", vec![prod]),
        ("host_count=0", vec![stage]),
        ("host_count=10&cluster_count=2", vec![prod]),
        ("name=vdi-ap-tokyo-01", vec![vdi]),
        ("q=EU-", vec![prod, test]),
        (&*format!("q={id}"), vec![dev]),
        (&*format!("q={}", &id[..8]), vec![]),
        (&*format!("org_id={org}&state=READY"), vec![dev, vdi]),
        ("sort=-name", vec![vdi, test, stage, prod, lab, dev]),
        ("sort=created_at", vec![prod, test, dev, vdi, stage, lab]),
        ("sort=host_count", vec![stage, dev, vdi, prod, test, lab]),
        ("sort=-host_count", vec![test, prod, vdi, dev, stage, lab]),
        ("sort=name&limit=2", vec![dev, lab]),
        ("limit=500&partial=allow&include_deleted=false", vec![dev, lab, prod, stage, test, vdi]),
    ] {
        assert_eq!(gateway.get(&format!("/sddcs?{question}")).await.names(), names, "{question}");
    }
    assert_eq!((cloud.sddc_reads(), cloud.simulator.stats().deleted_list_reads()), (2, 0));
    for (path, count) in [
        ("/clusters?state=READY&host_count=6", 2),
        ("/clusters?hyper_threading=true", 0),
        ("/clusters?q=cluster-2", 2),
        ("/hosts?availability_zone=eu-central-1a", 5),
        ("/hosts?q=esx-1-1", 4),
        ("/orgs?state=CREATED", 2),
        ("/orgs?q=SANDBOX", 1),
        ("/tasks?q=account", 2),
    ] {
        assert_eq!(list(&gateway, path).await.len(), count, "{path}");
    }
}

#[tokio::test]
async fn fields_and_include_choose_what_is_shown_in_the_documents_order() {
    let (cloud, gateway) = two_orgs().await;
    let (org, sddc) = (&cloud.simulator.org_ids()[0], &cloud.simulator.sddc_ids()[0]);
    let task = cloud.simulator.tasks(org)[0]["id"].as_str().unwrap().to_owned();
    for (path, keys) in [
        ("/sddcs?fields=name,id", "id name"),
        ("/sddcs?fields=id&include=hosts", "id hosts"),
        ("/sddcs?fields=state,id&include=hosts,clusters&sort=-name", "id state clusters hosts"),
        ("/clusters?fields=capacity,id", "id capacity"),
        ("/hosts?fields=id", "id"),
        ("/orgs?fields=type,id", "id type"),
        ("/tasks?fields=error,status&limit=1", "status error"),
        (&*format!("/sddcs/{sddc}?fields=capacity,name"), "name capacity"),
        (&*format!("/sddcs/{sddc}?fields=id&include=clusters"), "id clusters"),
        (&*format!("/sddcs/{sddc}/hosts?fields=state,id"), "id state"),
        (&*format!("/orgs/{org}?fields=display_name"), "display_name"),
        (&*format!("/tasks/{task}?fields=type,id"), "id type"),
    ] {
        let answer = gateway.get(path).await.json();
        let shown = answer.get("items").map_or(&answer, |items| &items[0]);
        let shown: Vec<_> = shown.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(shown.join(" "), keys, "{path}");
    }
    let whole = gateway.get(&format!("/sddcs/{sddc}")).await.json();
    let with_parts = gateway.get(&format!("/sddcs/{sddc}?include=clusters,hosts")).await.json();
    let count = |document: &Value| document.as_object().unwrap().len();
    assert_eq!(count(&with_parts), count(&whole) + 2);
}

// Pages.

#[tokio::test]
async fn pages_end_to_end_are_the_list() {
    let (_cloud, gateway) = two_orgs().await;
    for (path, limit) in [
        ("/sddcs?fields=id,name&sort=-name", 1),
        ("/sddcs?q=-0&include=hosts", 4),
        ("/clusters?", 2),
        ("/hosts?sort=state", 7),
        ("/hosts?sort=-availability_zone&q=esx-1", 5),
        ("/tasks?", 3),
        ("/orgs?", 1),
    ] {
        let whole = list(&gateway, path).await;
        let pages = walk(&gateway, &format!("{path}&limit={limit}"), async || ()).await;
        assert_eq!(pages, whole, "{path}");
    }
}

#[tokio::test]
async fn what_stays_between_pages_is_shown_once_whatever_comes_and_goes() {
    let (cloud, gateway) = two_orgs().await;
    let staying = column(&list(&gateway, "/sddcs").await, "id");
    let mut round = 0;
    let come_and_go = async || {
        // One before and one behind every page's end, and the last ones are gone again.
        for name in ["aaa", "zzz"] {
            let id = format!("guest-{name}-{round}");
            cloud.simulator.create_sddc(json!({ "id": id, "name": format!("{name}-{round}") }));
            if round > 0 {
                cloud.simulator.delete_sddc(&format!("guest-{name}-{}", round - 1));
            }
        }
        round += 1;
        gateway.advance(61);
    };
    let seen = column(&walk(&gateway, "/sddcs?limit=2&fields=id", come_and_go).await, "id");
    let stayed: Vec<_> = seen.iter().filter(|id| !id.starts_with("guest")).collect();
    assert_eq!(stayed, staying.iter().collect::<Vec<_>>());
    assert!(seen.iter().all(|id| !id.starts_with("guest-aaa")), "before where the reader was");
    assert!(seen.iter().any(|id| id.starts_with("guest-zzz")), "behind it");
    let once: BTreeSet<_> = seen.iter().collect();
    assert_eq!(once.len(), seen.len());
}

#[tokio::test]
async fn a_cursor_is_good_on_any_replica_and_for_its_own_question_only() {
    let (cloud, gateway) = two_orgs().await;
    let other = Setup::on_demand(&cloud).start().await;
    let first = gateway.get("/sddcs?limit=2&state=READY").await;
    let cursor = first.json()["next_cursor"].as_str().unwrap().to_owned();
    let same = format!("/sddcs?state=READY&limit=2&cursor={cursor}");
    gateway.advance(3600 * 24 * 365);
    assert_eq!(gateway.get(&same).await.json(), other.get(&same).await.json());
    // How long a page is and what is shown of it may change on the way.
    let more = format!("/sddcs?state=READY&limit=3&fields=id&cursor={cursor}");
    assert_eq!(list(&gateway, &more).await.len(), 2);
    let broken = format!("{}A", &cursor[..cursor.len() - 1]);
    for path in [
        format!("/sddcs?limit=2&cursor={cursor}"),
        format!("/sddcs?limit=2&state=READY&sort=-name&cursor={cursor}"),
        format!("/hosts?limit=2&state=READY&cursor={cursor}"),
        format!("/orgs/{}/sddcs?limit=2&state=READY&cursor={cursor}", cloud.simulator.org_ids()[0]),
        format!("/sddcs?limit=2&state=READY&cursor={broken}x"),
        "/sddcs?limit=2&state=READY&cursor=".to_owned(),
        "/sddcs?limit=2&state=READY&cursor=%C3%BC".to_owned(),
    ] {
        let answer = gateway.get(&path).await;
        assert_eq!(answer.told(), (400, "invalid-parameter".to_owned()), "{path}");
        assert!(faults(&answer)[0].starts_with("cursor: "), "{path}");
    }
}

// Refusals.

#[tokio::test]
async fn every_path_refuses_a_parameter_that_it_does_not_know() {
    let (cloud, gateway) = two_orgs().await;
    for path in every_path(&cloud, &gateway).await {
        let mark = if path.contains('?') { '&' } else { '?' };
        for unknown in ["x=1", "x", "Fields=id", "filter=state", "%C3%BC=1"] {
            let answer = gateway.get(&format!("{path}{mark}{unknown}")).await;
            assert_eq!(answer.told(), (400, "invalid-parameter".to_owned()), "{path} {unknown}");
            assert_eq!(faults(&answer).len(), 1, "{path} {unknown}");
            let fault = &answer.json()["errors"][0];
            assert!(fault["problem"] == "unknown parameter" && fault["allowed"].is_array());
        }
    }
    let stats = cloud.simulator.stats();
    assert_eq!((stats.sddc_list_reads(), stats.task_list_reads()), (0, 0));
}

#[tokio::test]
async fn every_fault_is_told_at_once_though_vmware_is_down_and_without_asking_it() {
    let (cloud, gateway) = two_orgs().await;
    cloud.simulator.script(Fault::on(Target::Vmc, "*").status(503));
    let sddc = &cloud.simulator.sddc_ids()[0];
    for (path, parameters) in [
        ("/sddcs?limit=0&stat=READY&host_count=few&sort=nam", "limit stat host_count sort"),
        ("/sddcs?state=REDY&limit=0", "state limit"),
        ("/orgs?created_at=then&wait=5s", "created_at wait"),
        ("/orgs/any/sddcs?include=host&wait=3m", "include wait"),
        ("/clusters?hyper_threading=maybe&include=hosts", "hyper_threading include"),
        ("/hosts?limit=1&limit=2&fields=id,nam,e", "limit fields fields"),
        ("/tasks?status=&include_deleted=true", "status include_deleted"),
        ("/tasks/any?status=FAILED&partial=allow", "status partial"),
        ("/sddcs/any?limit=1&fields=nam", "limit fields"),
        (&*format!("/sddcs/{sddc}/tasks?progress_percent=-1&x=1"), "progress_percent x"),
        ("/sddcs/events?limit=1&state=", "limit state"),
        ("/sd/prometheus?target=esx&partial=allow", "target partial"),
        ("/sd/prometheus", "target"),
    ] {
        let answer = gateway.get(path).await;
        assert_eq!(answer.told(), (400, "invalid-parameter".to_owned()), "{path}");
        let told = column(answer.json()["errors"].as_array().unwrap(), "parameter");
        assert_eq!(told.join(" "), parameters, "{path}");
    }
    let stats = cloud.simulator.stats();
    assert_eq!(
        (stats.sddc_list_reads(), stats.org_list_reads(), stats.task_list_reads()),
        (0, 0, 0)
    );
    // What only the view can tell has to wait for one.
    assert_eq!(gateway.get("/sddcs?state=REDY").await.code(), "upstream-unavailable");
}

#[tokio::test]
async fn a_value_that_vmware_uses_is_good_however_new_and_any_other_is_a_fault() {
    let (cloud, gateway) = two_orgs().await;
    let (org, sddc) = (&cloud.simulator.org_ids()[0], &cloud.simulator.sddc_ids()[0]);
    cloud.simulator.patch_sddc(sddc, json!({ "sddc_state": "Hibernating" }));
    let task = cloud.simulator.tasks(org)[0]["id"].as_str().unwrap().to_owned();
    cloud.simulator.patch_task(&task, json!({ "status": "Paused" }));
    cloud.simulator.create_org(json!({ "id": "new", "project_state": "Suspended" }));
    for (path, field, new) in [
        ("/sddcs", "state", "Hibernating"),
        ("/tasks", "status", "Paused"),
        ("/orgs", "state", "Suspended"),
    ] {
        assert_eq!(list(&gateway, &format!("{path}?{field}={new}")).await.len(), 1, "{path}");
        let wrong = gateway.get(&format!("{path}?{field}={new}x")).await;
        assert_eq!(wrong.told(), (400, "invalid-parameter".to_owned()));
        let fault = &wrong.json()["errors"][0];
        assert!(fault["allowed"].as_array().unwrap().contains(&json!(new)), "{fault}");
        assert_eq!(fault["did_you_mean"], new);
        // Beside another fault it is not called wrong either.
        let beside = gateway.get(&format!("{path}?{field}={new}&x=1")).await;
        assert_eq!(faults(&beside), ["x: unknown parameter"], "{path}");
    }
}

#[tokio::test]
async fn refusals_come_in_the_contracts_order_on_every_kind_of_path() {
    let cloud = cloud_of(2).await;
    let (setup, scopeless) = Setup::on_demand(&cloud).with_caller("scopeless", &[]);
    let gateway = setup.start().await;
    let [nobody, scopeless, good] = ["wrong", scopeless.reveal(), gateway.key()];
    for (path, missing) in [
        ("/sddcs/unknown", "sddc-not-found"),
        ("/sddcs/unknown/clusters", "sddc-not-found"),
        ("/sddcs/unknown/hosts", "sddc-not-found"),
        ("/sddcs/unknown/tasks", "sddc-not-found"),
        ("/tasks/unknown", "task-not-found"),
        ("/orgs/unknown", "org-not-found"),
        ("/orgs/unknown/sddcs", "org-not-found"),
    ] {
        for (method, query, key, code) in [
            (Method::POST, "/x?x=1", nobody, "not-found"),
            (Method::POST, "?x=1", nobody, "method-not-allowed"),
            (Method::GET, "?x=1", nobody, "unauthenticated"),
            (Method::GET, "?x=1", scopeless, "forbidden"),
            (Method::GET, "?x=1", good, "invalid-parameter"),
            (Method::GET, "", good, missing),
        ] {
            let path = format!("{path}{query}");
            let answer = gateway.send_bare(method.clone(), &path, &[("x-api-key", key)]).await;
            assert_eq!(answer.code(), code, "{method} {path}");
            assert!(answer.header("allow").is_empty() == (answer.status != 405), "{path}");
        }
    }
}

#[tokio::test]
async fn an_id_of_an_odd_shape_is_not_found() {
    let (_cloud, gateway) = two_orgs().await;
    let long = "x".repeat(65);
    for odd in ["%20", "a%2Fb", "...", "%C3%BC", "%3Cb%3E", &*long] {
        for (path, code) in [
            (format!("/sddcs/{odd}"), "sddc-not-found"),
            (format!("/sddcs/{odd}/clusters"), "sddc-not-found"),
            (format!("/sddcs/{odd}/tasks"), "sddc-not-found"),
            (format!("/tasks/{odd}"), "task-not-found"),
            (format!("/orgs/{odd}"), "org-not-found"),
            (format!("/orgs/{odd}/sddcs"), "org-not-found"),
        ] {
            assert_eq!(gateway.get(&path).await.told(), (404, code.to_owned()), "{path}");
        }
    }
}

#[tokio::test]
async fn head_is_get_without_the_body_on_every_path() {
    let (cloud, gateway) = two_orgs().await;
    for path in every_path(&cloud, &gateway).await {
        let id = [("x-request-id", "same")];
        let head = gateway.send(Method::HEAD, &path, &id).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0), "{path}");
        if path == "/sddcs/events" {
            assert_eq!(head.header("content-type"), "text/event-stream");
            continue;
        }
        // The first request's own read shows in its headers.
        let again = gateway.send(Method::HEAD, &path, &id).await;
        let get = gateway.send(Method::GET, &path, &id).await;
        let fields = |answer: &Answer| {
            let mut fields = answer.headers.clone();
            fields.remove("date");
            fields
        };
        assert_eq!(fields(&again), fields(&get), "{path}");
        assert_eq!(get.header("content-length"), get.body.len().to_string(), "{path}");
    }
    let watchers = async |gateway: &TestGateway| {
        gateway.ops("/metrics").await.text().contains("sddc_gateway_watchers 0\n")
    };
    gateway.until("the stream's place is free", watchers).await;
}
