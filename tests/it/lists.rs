//! Every list and single document of the facade (contract sections 4, 4.1, 4.2, 4.6 and 4.7): what
//! is in it, what can be asked of it, and in which order it refuses.

mod questions;
mod refusals;

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use jiff::Timestamp;
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
        // A query alone: relative to what was asked for, whatever a proxy strips of its path.
        let next = link.strip_prefix("<?").and_then(|it| it.strip_suffix(">; rel=\"next\""));
        let next = next.unwrap_or_else(|| panic!("no link but {link}"));
        let asked = path.split_once('?').map_or(&*path, |(asked, _)| asked);
        path = format!("{asked}?{next}");
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
    assert_eq!(paths.len(), 15, "{paths:?}");
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
        // What is not known is null, neither 0 nor none.
        let known = !cloud.simulator.sddc(id).unwrap()["resource_config"].is_null();
        assert_eq!(sddc["clusters"], json!(known.then_some(&its_clusters)));
        assert_eq!(sddc["hosts"], json!(known.then_some(&its_hosts)));
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
async fn of_1500_tasks_the_newest_1000_are_kept_and_what_has_not_ended() {
    let (cloud, gateway) = two_orgs().await;
    let org = &cloud.simulator.org_ids()[0];
    let second = |at: i64| Timestamp::from_second(1_800_000_000 + at).unwrap().to_string();
    for at in 0..1500 {
        let status = if at == 3 { "STARTED" } else { "FINISHED" };
        let id = format!("t-{at:04}");
        let task = json!({ "id": id, "start_time": second(at), "status": status });
        cloud.simulator.create_task(org, task).unwrap();
    }
    let path = format!("/tasks?org_id={org}&limit=300&fields=id");
    let kept = column(&walk(&gateway, &path, async || ()).await, "id");
    let newest: Vec<_> = (500..1500).rev().map(|at| format!("t-{at:04}")).collect();
    assert_eq!(kept[..1000], newest);
    assert!(kept[1000..].contains(&"t-0003".to_owned()), "{:?}", &kept[1000..]);
    assert!(!kept.contains(&"t-0004".to_owned()));
    assert_eq!(gateway.get("/tasks/t-0500").await.status, StatusCode::OK);
    let too_old = gateway.get("/tasks/t-0499").await;
    assert_eq!(too_old.told(), (404, "task-not-found".to_owned()));
    assert_eq!(cloud.simulator.stats().task_list_reads, 2, "one of each organization");
}

const NO_MESSAGE: &str = "The task failed. VMware Cloud gives no message for customers.";

#[tokio::test]
async fn what_a_task_tells_of_its_failure_is_for_customers_short_and_without_secrets() {
    let (cloud, gateway) = two_orgs().await;
    let org = &cloud.simulator.org_ids()[0];
    let key = format!("sgw_{}", "k".repeat(43));
    let long = "€".repeat(600);
    for (id, told, localized, shown) in [
        ("plain", json!("No room."), json!("Kein Platz."), json!("No room.")),
        ("localized", json!(" "), json!("Kein Platz."), json!("Kein Platz.")),
        ("internal", Value::Null, Value::Null, json!(NO_MESSAGE)),
        ("lines", json!("one\ntwo\u{7}"), Value::Null, json!("one two ")),
        (
            "secret",
            json!("demo-secret, Basic demo-secret"),
            Value::Null,
            json!("[redacted], Basic [redacted]"),
        ),
        ("key", json!(format!("a key: {key}")), Value::Null, json!("a key: [redacted]")),
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
