//! Event streams while all goes well.

use std::time::Duration;

use sddc_gateway::config::Config;
use serde_json::{Value, json};

use super::client::{Event, EventFacts, Watcher, poll, watched_by};
use crate::harness::{Cloud, Setup, TestGateway, cloud, configured_callers};

async fn polling(cloud: &Cloud) -> TestGateway {
    let gateway = Setup::polling(cloud).start().await;
    gateway.get("/sddcs").await;
    gateway
}

fn names(list: &Event) -> Vec<Value> {
    list.json()["items"].as_array().unwrap().iter().map(|item| item["name"].clone()).collect()
}

#[tokio::test]
async fn first_comes_the_whole_list_as_it_is_asked_for() {
    let cloud = cloud().await;
    let gateway = polling(&cloud).await;
    for query in ["", "?state=READY", "?state=READY&state=DEPLOYING&q=prod", "?q=nothing-like-it"] {
        let plain = gateway.get(&format!("/sddcs{query}")).await;
        let mut watcher = Watcher::open(&gateway, query).await;
        let sync = watcher.sync().await;
        assert_eq!(sync.data.as_bytes(), plain.body, "{query}");
        assert_eq!(sync.id.as_deref(), Some(plain.header("etag")));
        assert!(!watcher.head.contains("content-length"), "{}", watcher.head);
    }
}

#[tokio::test]
async fn what_changes_is_told_with_the_names_of_what_differs() {
    let cloud = cloud().await;
    let gateway = polling(&cloud).await;
    let ids = cloud.simulator.sddc_ids();
    let mut watcher = Watcher::open(&gateway, "").await;
    watcher.sync().await;

    cloud.simulator.patch_sddc(&ids[0], json!({ "name": "renamed" }));
    poll(&gateway).await;
    let event = watcher.next().await;
    let plain = gateway.get("/sddcs").await;
    let fields = ["name", "updated_at"].map(str::to_owned);
    assert_eq!(event.told(), ("changed".to_owned(), "renamed".to_owned(), fields.to_vec()));
    assert_eq!(event.id.as_deref(), Some(plain.header("etag")));
    assert_eq!(event.json()["sddc"], gateway.get(&format!("/sddcs/{}", ids[0])).await.json());

    cloud.simulator.create_sddc(json!({ "id": "new", "name": "new" }));
    poll(&gateway).await;
    let event = watcher.next().await;
    assert_eq!(event.told(), ("added".to_owned(), "new".to_owned(), Vec::new()));
    assert_eq!(event.id.as_deref(), Some(gateway.get("/sddcs").await.header("etag")));

    cloud.simulator.delete_sddc("new");
    poll(&gateway).await;
    let event = watcher.next().await;
    assert_eq!(event.told(), ("removed".to_owned(), "new".to_owned(), Vec::new()));
    assert_eq!(event.id.as_deref(), Some(plain.header("etag")), "it is the same list again");
}

#[tokio::test]
async fn of_several_changes_the_last_one_has_the_id() {
    let cloud = cloud().await;
    let gateway = polling(&cloud).await;
    let ids = cloud.simulator.sddc_ids();
    let mut watcher = Watcher::open(&gateway, "").await;
    watcher.sync().await;
    cloud.simulator.patch_sddc(&ids[0], json!({ "sddc_state": "FAILED" }));
    cloud.simulator.patch_sddc(&ids[1], json!({ "name": "another" }));
    cloud.simulator.delete_sddc(&ids[2]);
    cloud.simulator.create_sddc(json!({ "name": "new" }));
    poll(&gateway).await;
    let events = watcher.until(|event| event.id.is_some()).await;
    let mut kinds: Vec<_> = events.iter().map(|event| event.name.clone()).collect();
    kinds.sort();
    assert_eq!(kinds, ["added", "changed", "changed", "removed"]);
    let tag = gateway.get("/sddcs").await.header("etag").to_owned();
    assert_eq!(events[3].id, Some(tag));
}

#[tokio::test]
async fn who_leaves_the_filters_is_removed_and_who_enters_is_added() {
    let cloud = cloud().await;
    let gateway = polling(&cloud).await;
    let id = &cloud.simulator.sddc_ids()[0];
    cloud.simulator.patch_sddc(id, json!({ "name": "wanted" }));
    poll(&gateway).await;
    let mut by_state = Watcher::open(&gateway, "?state=READY").await;
    let mut by_name = Watcher::open(&gateway, "?q=WANT").await;
    let mut others = Watcher::open(&gateway, "?state=DEPLOYING").await;
    assert!(names(&by_state.sync().await).contains(&json!("wanted")));
    assert_eq!(names(&by_name.sync().await), ["wanted"]);
    others.sync().await;
    let mut turn = async |patch: Value| {
        cloud.simulator.patch_sddc(id, patch);
        poll(&gateway).await;
        (by_state.next().await.told(), by_name.next().await.told())
    };
    let told = |event: &str, name: &str, changed: &[&str]| {
        let changed = changed.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        (event.to_owned(), name.to_owned(), changed)
    };
    // What is removed is shown as it was told last.
    assert_eq!(
        turn(json!({ "sddc_state": "FAILED" })).await,
        (told("removed", "wanted", &[]), told("changed", "wanted", &["state", "updated_at"]))
    );
    assert_eq!(
        turn(json!({ "sddc_state": "READY", "name": "other" })).await,
        (told("added", "other", &[]), told("removed", "wanted", &[]))
    );
    assert_eq!(
        turn(json!({ "name": "unwanted" })).await,
        (told("changed", "unwanted", &["name", "updated_at"]), told("added", "unwanted", &[]))
    );
    // Whom it does not concern has been told nothing: only comments came.
    gateway.advance(15);
    for _ in 0..2 {
        assert_eq!(others.anything().await.unwrap().name, "comment");
    }
}

#[tokio::test]
async fn a_comment_of_one_line_comes_every_fifteen_seconds() {
    let cloud = cloud().await;
    // The snapshot does not turn old here.
    let limit = |config: &mut Config| config.inventory.fresh = Duration::from_secs(600);
    let gateway = Setup::polling(&cloud).with(limit).start().await;
    let mut watcher = Watcher::open(&gateway, "").await;
    watcher.sync().await;
    for _ in 0..4 {
        gateway.advance(14);
        assert!(gateway.ops("/readyz").await.status.is_success());
        gateway.advance(1);
        assert_eq!(watcher.anything().await, Some(Event::comment()));
    }
}

#[tokio::test]
async fn the_first_event_and_no_other_says_when_to_come_back() {
    let cloud = cloud().await;
    let gateway = polling(&cloud).await;
    let mut new = Watcher::open(&gateway, "").await;
    let first = new.sync().await;
    assert_eq!(first.retry.as_deref(), Some("3000"));
    let mut same = Watcher::again(&gateway, "", &first.id.unwrap()).await;
    let mut other = Watcher::again(&gateway, "", "another").await;
    let reset = other.next().await;
    assert_eq!((&*reset.name, reset.retry.as_deref()), ("reset", Some("3000")));
    assert_eq!(other.sync().await.retry, None);
    // A comment is no event.
    gateway.advance(15);
    assert_eq!(same.anything().await, Some(Event::comment()));
    cloud.simulator.patch_sddc(&cloud.simulator.sddc_ids()[0], json!({ "name": "another" }));
    poll(&gateway).await;
    for (watcher, retry) in [(&mut new, None), (&mut same, Some("3000")), (&mut other, None)] {
        let event = watcher.next().await;
        assert_eq!((&*event.name, event.retry.as_deref()), ("changed", retry));
    }
}

#[tokio::test]
async fn who_comes_back_goes_on_if_nothing_has_changed_and_else_begins_anew() {
    let cloud = cloud().await;
    let gateway = polling(&cloud).await;
    let id = Watcher::open(&gateway, "").await.sync().await.id.unwrap();
    let strong = id.strip_prefix("W/").unwrap();
    let bare = strong.trim_matches('"');
    let mut back = Vec::new();
    // As it was told, and as proxies that compress make it.
    for last in [&*id, strong, &format!("W/\"{bare}-gzip\""), &format!("{strong}-br")] {
        back.push(Watcher::again(&gateway, "", last).await);
    }
    cloud.simulator.patch_sddc(&cloud.simulator.sddc_ids()[0], json!({ "name": "another" }));
    poll(&gateway).await;
    for watcher in &mut back {
        assert_eq!(watcher.next().await.told().1, "another", "nothing came before");
    }
    let filtered = gateway.get("/sddcs?state=READY").await.header("etag").to_owned();
    for last in [&*id, strong, &filtered, "*", "W/\"\"", "anything else", "\u{e4}"] {
        let mut watcher = Watcher::again(&gateway, "", last).await;
        let reset = watcher.next().await;
        assert_eq!((&*reset.name, reset.id, &*reset.data), ("reset", None, "{}"), "{last}");
        let sync = watcher.sync().await;
        assert_eq!(sync.data.as_bytes(), gateway.get("/sddcs").await.body);
    }
    // An id that was never told is none.
    Watcher::again(&gateway, "", "").await.sync().await;
}

#[tokio::test]
async fn a_wrong_question_is_refused() {
    let cloud = cloud().await;
    let gateway = polling(&cloud).await;
    let query = "limit=1&fields=id&sort=name&cursor=x&include=hosts&wait=1s&include_deleted=true\
                 &stat=READY&state=REDY&partial=yes";
    let answer = gateway.get(&format!("/sddcs/events?{query}")).await;
    assert_eq!(answer.told(), (400, "invalid-parameter".to_owned()));
    let errors = answer.json()["errors"].as_array().unwrap().clone();
    let told: Vec<_> = errors.iter().map(|error| error["parameter"].as_str().unwrap()).collect();
    let wrong: Vec<_> = query.split('&').map(|pair| pair.split_once('=').unwrap().0).collect();
    assert_eq!(told, wrong);
    watched_by(&gateway, 0).await;
}

#[tokio::test]
async fn where_nothing_is_polled_watching_keeps_the_snapshot_fresh() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let mut watcher = Watcher::open(&gateway, "").await;
    watcher.sync().await;
    let begun = cloud.sddc_reads();
    cloud.simulator.patch_sddc(&cloud.simulator.sddc_ids()[0], json!({ "name": "another" }));
    gateway.advance(60);
    let events = watcher.until(|event| event.name == "changed").await;
    assert_eq!(events.last().unwrap().told().1, "another");
    assert_eq!(cloud.sddc_reads(), begun + 1);
    // New organizations are found too.
    let org = cloud.simulator.create_org(json!({}));
    cloud.simulator.create_sddc(json!({ "org_id": org, "name": "of the new one" }));
    gateway.advance(60);
    let events = watcher.until(|event| event.name == "added").await;
    assert_eq!(events.last().unwrap().told().1, "of the new one");

    drop(watcher);
    watched_by(&gateway, 0).await;
    let stats = cloud.simulator.stats();
    for _ in 0..3 {
        gateway.advance(60);
        // A wait in which a read could come about.
        assert!(gateway.ops("/readyz").await.status.is_success());
    }
    // Who comes next is answered by a read of this one's own.
    assert_eq!(cloud.simulator.stats().sddc_list_reads, stats.sddc_list_reads);
    assert_eq!(cloud.simulator.stats().org_list_reads, stats.org_list_reads);
    Watcher::open(&gateway, "").await.sync().await;
    assert!(cloud.sddc_reads() > stats.sddc_list_reads);
}

#[tokio::test]
async fn a_callers_view_bounds_what_is_told() {
    let cloud = cloud().await;
    let ids = cloud.simulator.sddc_ids();
    let own = [ids[0].parse().unwrap()].into();
    let limit = |config: &mut Config| {
        configured_callers(config).callers[0].view.sddc_ids = Some(own);
        config.inventory.poll = Duration::from_secs(30);
    };
    let gateway = Setup::on_demand(&cloud).with(limit).start().await;
    let mut watcher = Watcher::open(&gateway, "").await;
    let sync = watcher.sync().await;
    assert_eq!(names(&sync).len(), 1);
    cloud.simulator.patch_sddc(&ids[1], json!({ "name": "another's" }));
    poll(&gateway).await;
    cloud.simulator.patch_sddc(&ids[0], json!({ "name": "own" }));
    poll(&gateway).await;
    assert_eq!(watcher.next().await.told().1, "own");
    assert_eq!(gateway.get("/sddcs").await.names(), ["own"]);
}
