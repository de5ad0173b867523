//! Event streams while VMware Cloud fails.

use std::time::Duration;

use sddc_gateway::{
    config::Config,
    simulator::{Fault, Target},
};
use serde_json::{Value, json};

use super::client::{Event, EventFacts, Watcher, poll, watched_by};
use crate::harness::{Cloud, Setup, TestGateway, cloud, cloud_of};

/// `inventory.stale` here.
const STALE: u64 = 300;

fn sddcs_of(org: &str) -> String {
    format!("/vmc/api/orgs/{org}/sddcs")
}

async fn polling(cloud: &Cloud) -> TestGateway {
    let limit = |config: &mut Config| config.inventory.stale = Duration::from_secs(STALE);
    let gateway = Setup::polling(cloud).with(limit).start().await;
    gateway.get("/sddcs").await;
    gateway
}

/// Lets an org fail from now on, and that be known; the others are read.
async fn fail(cloud: &Cloud, gateway: &TestGateway, org: &str) {
    cloud.simulator.script(Fault::on(Target::Vmc, &sddcs_of(org)).status(500));
    gateway.advance(30);
    let is_done = |it: &Value| match &it["org_id"] {
        id if id == org => !it["inventory"]["last_error"].is_null(),
        _ => it["inventory"]["age_s"] == 0,
    };
    let failed = async |gateway: &TestGateway| {
        let page = gateway.ops("/readyz").await.json();
        page["orgs"].as_array().unwrap().iter().all(is_done)
    };
    gateway.until("failure", failed).await;
}

fn is(age_s: Option<u64>, completeness: &str) -> impl Fn(&Event) -> bool {
    move |event| event.status().is_some_and(|(age, part)| age == age_s && part == completeness)
}

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| &*event.name).collect()
}

#[tokio::test]
async fn status_is_told_when_the_snapshot_turns_old_and_when_it_is_fresh_again() {
    let cloud = cloud().await;
    let gateway = polling(&cloud).await;
    let mut watcher = Watcher::open(&gateway, "").await;
    watcher.sync().await;
    fail(&cloud, &gateway, &cloud.simulator.org_ids()[0]).await;
    gateway.advance(29);
    watched_by(&gateway, 1).await;
    gateway.advance(1);
    let event = watcher.next().await;
    assert_eq!(event.status(), Some((Some(60), "complete".to_owned())));
    assert_eq!(event.id, None);
    // Who comes now is told at once.
    let mut late = Watcher::open(&gateway, "").await;
    late.sync().await;
    assert_eq!(late.next().await.status(), Some((Some(60), "complete".to_owned())));
    // Too old: nothing can be shown any more, and nothing is removed.
    gateway.advance(STALE);
    let event = watcher.next().await;
    assert_eq!(event.status(), Some((Some(360), "partial".to_owned())));
    cloud.simulator.clear_faults();
    gateway.advance(60);
    for watcher in [&mut watcher, &mut late] {
        let events = watcher.until(is(Some(0), "complete")).await;
        assert!(events.iter().all(|event| event.status().is_some()), "{events:?}");
    }
}

#[tokio::test]
async fn an_org_that_cannot_be_read_is_not_removed_and_what_changed_meanwhile_is_told() {
    let cloud = cloud_of(2).await;
    let orgs = cloud.simulator.org_ids();
    let gateway = polling(&cloud).await;
    let mut watcher = Watcher::open(&gateway, "").await;
    let sync = watcher.sync().await;
    let ids: Vec<String> = sync.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["org_id"] == orgs[1])
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect();
    fail(&cloud, &gateway, &orgs[1]).await;
    gateway.advance(STALE);
    let events = watcher.until(is(Some(0), "partial")).await;
    assert!(events.iter().all(|event| event.status().is_some()), "{:?}", kinds(&events));

    // What changes elsewhere is told, without an id: no list has what this watcher has.
    let other = sync.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["org_id"] == orgs[0])
        .unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    cloud.simulator.patch_sddc(&other, json!({ "name": "elsewhere" }));
    gateway.advance(30);
    let event = watcher.until(|event| event.name == "changed").await.pop().unwrap();
    assert_eq!((event.told().1, event.id), ("elsewhere".to_owned(), None));

    cloud.simulator.patch_sddc(&ids[0], json!({ "name": "back" }));
    cloud.simulator.delete_sddc(&ids[1]);
    cloud.simulator.clear_faults();
    gateway.advance(60);
    let events = watcher.until(is(Some(0), "complete")).await;
    let told: Vec<_> = events.iter().filter(|event| event.status().is_none()).collect();
    let mut kinds: Vec<_> =
        told.iter().map(|event| (event.told().0, event.told().2.len())).collect();
    kinds.sort();
    assert_eq!(kinds, [("changed".to_owned(), 2), ("removed".to_owned(), 0)]);
    let tag = gateway.get("/sddcs").await.header("etag").to_owned();
    assert_eq!(told.last().unwrap().id, Some(tag));
}

#[tokio::test]
async fn an_org_that_fails_for_a_while_and_has_changed_is_told_exactly_that() {
    let cloud = cloud_of(2).await;
    let orgs = cloud.simulator.org_ids();
    let gateway = polling(&cloud).await;
    let mut watcher = Watcher::open(&gateway, "").await;
    let items = watcher.sync().await.json()["items"].clone();
    let of_it = items.as_array().unwrap().iter().find(|item| item["org_id"] == orgs[1]).unwrap();
    fail(&cloud, &gateway, &orgs[1]).await;
    cloud.simulator.patch_sddc(of_it["id"].as_str().unwrap(), json!({ "name": "back" }));
    cloud.simulator.clear_faults();
    gateway.advance(29);
    let event = watcher.next().await;
    let fields = ["name", "updated_at"].map(str::to_owned).to_vec();
    assert_eq!(event.told(), ("changed".to_owned(), "back".to_owned(), fields));
    poll(&gateway).await;
    gateway.advance(15);
    for _ in 0..2 {
        let event = watcher.anything().await.unwrap();
        assert_eq!(event.name, "comment", "{event:?}");
    }
}

#[tokio::test]
async fn an_org_that_is_really_gone_is_removed() {
    let cloud = cloud_of(2).await;
    let orgs = cloud.simulator.org_ids();
    let gateway = polling(&cloud).await;
    let mut watcher = Watcher::open(&gateway, "").await;
    watcher.sync().await;
    cloud.simulator.script(Fault::on(Target::Vmc, &sddcs_of(&orgs[1])).status(404));
    gateway.advance(30);
    let events = watcher.until(|event| event.id.is_some()).await;
    assert_eq!(kinds(&events), ["removed"; 3]);
    assert!(events.iter().all(|event| event.json()["sddc"]["org_id"] == orgs[1]));
    let plain = gateway.get("/sddcs").await;
    assert_eq!(events[2].id.as_deref(), Some(plain.header("etag")));
}

#[tokio::test]
async fn a_stream_that_could_show_nothing_or_a_part_only_is_not_opened() {
    let cloud = cloud_of(2).await;
    let orgs = cloud.simulator.org_ids();
    cloud.simulator.script(Fault::on(Target::Vmc, &sddcs_of(&orgs[0])).status(500));
    let gateway = Setup::on_demand(&cloud).start().await;
    let refused = gateway.get("/sddcs/events").await;
    assert_eq!(refused.told(), (503, "incomplete".to_owned()));
    assert_eq!(refused.json()["missing"][0]["org_id"], orgs[0]);
    let mut watcher = Watcher::open(&gateway, "?partial=allow").await;
    let sync = watcher.sync().await;
    let part = gateway.get("/sddcs?partial=allow").await;
    assert_eq!(
        (sync.data.as_bytes(), sync.id.as_deref()),
        (&*part.body, Some(part.header("etag")))
    );
    assert_eq!(watcher.next().await.status(), Some((Some(0), "partial".to_owned())));
    // Who comes back to the same part goes on, and learns that it is one.
    let mut back = Watcher::again(&gateway, "?partial=allow", part.header("etag")).await;
    assert_eq!(back.next().await.status(), Some((Some(0), "partial".to_owned())));

    cloud.simulator.clear_faults();
    gateway.advance(60);
    for watcher in [&mut watcher, &mut back] {
        let events = watcher.until(|event| event.id.is_some()).await;
        let added: Vec<_> = events.iter().filter(|event| event.name == "added").collect();
        assert_eq!(added.len(), 3, "{:?}", kinds(&events));
    }
    drop((watcher, back));
    watched_by(&gateway, 0).await;

    let none = self::cloud().await;
    none.simulator.script(Fault::on(Target::Vmc, "*/sddcs").status(500));
    let gateway = Setup::on_demand(&none).start().await;
    for query in ["", "?partial=allow"] {
        let refused = gateway.get(&format!("/sddcs/events{query}")).await;
        assert_eq!(refused.told(), (503, "upstream-unavailable".to_owned()));
    }
    watched_by(&gateway, 0).await;
}
