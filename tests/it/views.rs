//! Callers with limits (contract sections 3 and 4.6): on no surface does what they cannot see show,
//! and nothing tells it from what does not exist.

mod apart;
mod hidden;
mod watching;

use std::{collections::BTreeSet, sync::Arc};

use http::{Method, StatusCode};
use sddc_gateway::{
    access::{CallerKey, CallerSettings, View},
    simulator::{Fault, FaultKind, Target},
};
use serde_json::{Value, json};

pub use self::watching::Events;
use crate::harness::{Answer, Cloud, Setup, TestGateway, cloud_of, configured_callers};

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
        configured_callers(config).callers.extend(limits.iter().zip(&keys).enumerate().map(
            |(at, (limits, key))| CallerSettings {
                view: limits.view(),
                ..CallerSettings::with_key(format!("viewer-{at}").parse().unwrap(), key.digest())
            },
        ));
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
    cloud.simulator.stats().endpoints.values().sum()
}

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
            let viewer = Viewer { cloud: &cloud, gateway: &gateway, key, view: limits.view() };
            viewer.sees_its_part_of_each_list().await;
            viewer.sees_its_sddcs_and_what_is_below_them().await;
            viewer.sees_its_orgs_and_tasks().await;
            let mut events = Events::open(&gateway, key, "").await;
            let (event, id, data) = events.next().await;
            let list = viewer.ask("/sddcs").await;
            assert_eq!((&*event, id.as_deref()), ("sync", Some(list.header("etag"))));
            assert_eq!(data, list.json());
        }
    }
}

/// One caller with limits, held against what a caller without any sees.
struct Viewer<'a> {
    cloud: &'a Cloud,
    gateway: &'a TestGateway,
    key: &'a CallerKey,
    view: View,
}

impl Viewer<'_> {
    async fn ask(&self, path: &str) -> Answer {
        ask(self.gateway, self.key, path).await
    }

    fn sees_org(&self, org: &str) -> bool {
        self.view.shows_org(&org.parse().unwrap())
    }

    fn sees(&self, id: &str) -> bool {
        let (org, name) = (org_of(self.cloud, id), name_of(self.cloud, id));
        self.view.shows_sddc(&org.parse().unwrap(), &id.parse().unwrap(), Some(&name))
    }

    /// Of what belongs to no SDDC.
    fn sees_beside_sddcs(&self, org: &str) -> bool {
        !self.view.limits_sddcs() && self.sees_org(org)
    }

    async fn sees_its_part_of_each_list(&self) {
        for path in [
            "/sddcs",
            "/sddcs?include_deleted=true",
            "/clusters",
            "/hosts",
            "/tasks",
            "/orgs",
            "/sd/prometheus?target=vcenter",
        ] {
            let mut expected = items(&self.gateway.get(path).await);
            expected.retain(|item| match sddc_of(item).as_str() {
                _ if path == "/orgs" => self.sees_org(item["id"].as_str().unwrap()),
                _ if path == "/tasks" && item["sddc_id"].is_null() => {
                    self.sees_beside_sddcs(item["org_id"].as_str().unwrap())
                }
                id => self.sees(id.unwrap()),
            });
            assert_eq!(items(&self.ask(path).await), expected, "{path} {:?}", self.view);
        }
    }

    async fn sees_its_sddcs_and_what_is_below_them(&self) {
        for id in self.cloud.simulator.sddc_ids() {
            for part in ["", "/clusters", "/hosts", "/tasks"] {
                let path = format!("/sddcs/{id}{part}");
                let mine = self.ask(&path).await;
                if self.sees(&id) {
                    assert_eq!(mine.body, self.gateway.get(&path).await.body, "{path}");
                } else {
                    assert_eq!(mine.code(), "sddc-not-found", "{path} {:?}", self.view);
                }
            }
        }
    }

    async fn sees_its_orgs_and_tasks(&self) {
        for org in self.cloud.simulator.org_ids() {
            let code = if self.sees_org(&org) { "200" } else { "org-not-found" };
            assert_eq!(self.ask(&format!("/orgs/{org}")).await.code(), code);
            let sddcs = self.ask(&format!("/orgs/{org}/sddcs")).await;
            assert_eq!(sddcs.code(), code);
            let shown = sddcs.json()["items"].as_array().cloned().unwrap_or_default();
            assert!(shown.iter().all(|sddc| self.sees(sddc["id"].as_str().unwrap())));
            for task in self.cloud.simulator.tasks(&org) {
                let sddc = task["resource_id"].as_str();
                let is_seen = sddc.map_or_else(|| self.sees_beside_sddcs(&org), |id| self.sees(id));
                let code = if is_seen { "200" } else { "task-not-found" };
                let path = format!("/tasks/{}", task["id"].as_str().unwrap());
                assert_eq!(self.ask(&path).await.code(), code, "{path} {:?}", self.view);
            }
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
    assert_eq!(
        whole.json()["missing"],
        json!([{ "org_id": bad, "sddc_id": null, "reason": "upstream-contract" }])
    );
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
