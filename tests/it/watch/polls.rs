//! Long polls.

use std::time::Duration;

use sddc_gateway::{
    config::Config,
    simulator::{Fault, Target},
};
use serde_json::json;

use super::client::{Answer, Client, figure, poll, watched_by};
use crate::harness::{Cloud, Setup, TestGateway, cloud};

/// What no client cache repeats without asking.
const NO_CACHE: &str = "private, no-cache";
const SDDCS: &str = "*/sddcs";

/// The tag of a list as it is now.
async fn tag(gateway: &TestGateway, path: &str) -> String {
    gateway.get(path).await.header("etag").to_owned()
}

/// Begins to wait for another answer than the one that has this tag.
async fn wait(gateway: &TestGateway, path: &str, tag: &str) -> Client {
    Client::send(gateway, "GET", path, &[("If-None-Match", tag)]).await
}

/// A gateway that polls, and has the first snapshot.
async fn polling(cloud: &Cloud) -> TestGateway {
    let gateway = Setup::polling(cloud).start().await;
    gateway.get("/sddcs").await;
    gateway
}

#[tokio::test]
async fn who_has_no_tag_or_another_one_is_answered_at_once() {
    let cloud = cloud().await;
    let gateway = polling(&cloud).await;
    let plain = gateway.get("/sddcs").await;
    for headers in [&[][..], &[("If-None-Match", "W/\"another\"")]] {
        let answer = Client::send(&gateway, "GET", "/sddcs?wait=100s", headers).await;
        let answer = answer.answer("GET").await;
        assert_eq!((answer.status, answer.body.as_bytes()), (200, &*plain.body));
        assert_eq!(answer.header("etag"), plain.header("etag"));
        assert_eq!(answer.header("cache-control"), NO_CACHE);
    }
    assert!(figure(&gateway, "sddc_gateway_watchers").await.abs() < 0.5);
}

#[tokio::test]
async fn a_wait_ends_as_soon_as_the_answer_is_another_one() {
    let cloud = cloud().await;
    let gateway = polling(&cloud).await;
    let before = tag(&gateway, "/sddcs").await;
    let waiting = wait(&gateway, "/sddcs?wait=100s", &before).await;
    watched_by(&gateway, 1).await;
    // A poll without a change is none.
    poll(&gateway).await;
    cloud.simulator.patch_sddc(&cloud.simulator.sddc_ids()[0], json!({ "name": "another" }));
    poll(&gateway).await;
    let answer = waiting.answer("GET").await;
    let plain = gateway.get("/sddcs").await;
    assert_eq!((answer.status, answer.body.as_bytes()), (200, &*plain.body));
    assert_eq!(answer.header("etag"), plain.header("etag"));
    assert_eq!(
        (answer.header("age"), answer.header("cache-status")),
        ("0", "sddc-gateway; hit; ttl=60")
    );
    assert_ne!(answer.header("etag"), before);
    watched_by(&gateway, 0).await;
}

#[tokio::test]
async fn at_the_end_of_the_wait_who_has_the_answer_gets_304() {
    let cloud = cloud().await;
    let gateway = polling(&cloud).await;
    let tag = tag(&gateway, "/sddcs").await;
    // Also of whom any answer will do: none is another one.
    for (path, known) in [("/sddcs?wait=25s", &*tag), ("/sddcs?wait=25", "*")] {
        let waiting = wait(&gateway, path, known).await;
        watched_by(&gateway, 1).await;
        gateway.advance(24);
        watched_by(&gateway, 1).await;
        gateway.advance(1);
        let answer = waiting.answer("GET").await;
        assert_eq!((answer.status, answer.header("etag")), (304, &*tag));
        assert_eq!(answer.header("cache-control"), NO_CACHE);
        watched_by(&gateway, 0).await;
    }
    let waiting = wait(&gateway, "/sddcs?wait=0s", &tag).await;
    let answer = waiting.answer("GET").await;
    assert_eq!(answer.status, 304, "no wait is a wait too");
    assert_eq!(answer.header("cache-control"), NO_CACHE);
}

#[tokio::test]
async fn a_wait_of_more_than_two_minutes_is_refused_and_no_other_path_waits() {
    let cloud = cloud().await;
    let gateway = polling(&cloud).await;
    for wait in ["121s", "121", "3m", "120001ms", "-1", "1h", "soon", ""] {
        let answer = gateway.get(&format!("/sddcs?wait={wait}")).await;
        assert_eq!(answer.told(), (400, "invalid-parameter".to_owned()), "{wait}");
        assert_eq!(answer.json()["errors"][0]["parameter"], "wait");
    }
    for wait in ["120s", "120", "2m"] {
        assert_eq!(gateway.get(&format!("/sddcs?wait={wait}")).await.status, 200);
    }
    for path in ["/clusters?wait=1s", "/sddcs/events?wait=1s", "/orgs?wait=1s"] {
        assert_eq!(gateway.get(path).await.told(), (400, "invalid-parameter".to_owned()));
    }
}

#[tokio::test]
async fn what_a_filter_leaves_out_wakes_nobody() {
    let cloud = cloud().await;
    let gateway = polling(&cloud).await;
    let ids = cloud.simulator.sddc_ids();
    let name = gateway.get(&format!("/sddcs/{}", ids[0])).await.json()["name"].clone();
    let path = format!("/sddcs?name={}", name.as_str().unwrap());
    let before = tag(&gateway, &path).await;
    let filtered = wait(&gateway, &format!("{path}&wait=100s"), &before).await;
    let all = wait(&gateway, "/sddcs?wait=100s", &tag(&gateway, "/sddcs").await).await;
    watched_by(&gateway, 2).await;
    cloud.simulator.patch_sddc(&ids[1], json!({ "name": "another" }));
    poll(&gateway).await;
    assert_eq!(all.answer("GET").await.status, 200);
    watched_by(&gateway, 1).await;
    cloud.simulator.patch_sddc(&ids[0], json!({ "sddc_state": "FAILED" }));
    poll(&gateway).await;
    let answer = filtered.answer("GET").await;
    assert_eq!((answer.status, &answer.json()["items"][0]["state"]), (200, &json!("FAILED")));
}

#[tokio::test]
async fn a_failure_ends_the_wait() {
    let cloud = cloud().await;
    let limits = |config: &mut Config| {
        config.inventory.stale = Duration::from_secs(90);
    };
    let gateway = Setup::polling(&cloud).with(limits).start().await;
    let waiting = wait(&gateway, "/sddcs?wait=120s", &tag(&gateway, "/sddcs").await).await;
    watched_by(&gateway, 1).await;
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).status(500));
    gateway.advance(30);
    let failed =
        async |gateway: &TestGateway| !gateway.state().await["inventory"]["last_error"].is_null();
    gateway.until("failure", failed).await;
    // Old, but shown: no other answer.
    gateway.advance(50);
    watched_by(&gateway, 1).await;
    gateway.advance(11);
    let answer = waiting.answer("GET").await;
    assert_eq!(answer.told(), (503, "upstream-unavailable".to_owned()));
    assert!(!answer.header("retry-after").is_empty());
    watched_by(&gateway, 0).await;
}

#[tokio::test]
async fn head_waits_like_get() {
    let cloud = cloud().await;
    let gateway = polling(&cloud).await;
    let tag = tag(&gateway, "/sddcs").await;
    let ask = async || {
        Client::send(&gateway, "HEAD", "/sddcs?wait=100s", &[("If-None-Match", &tag)]).await
    };
    let waiting = ask().await;
    watched_by(&gateway, 1).await;
    gateway.advance(100);
    assert_eq!(waiting.answer("HEAD").await.status, 304);
    let waiting = ask().await;
    watched_by(&gateway, 1).await;
    cloud.simulator.delete_sddc(&cloud.simulator.sddc_ids()[0]);
    poll(&gateway).await;
    let Answer { status, head, .. } = waiting.answer("HEAD").await;
    assert_eq!(status, 200);
    let plain = gateway.get("/sddcs").await;
    assert!(head.contains(&format!("etag: {}", plain.header("etag"))), "{head}");
}

#[tokio::test]
async fn a_wait_over_deleted_sddcs_is_woken_by_their_list() {
    let cloud = cloud().await;
    let gateway = polling(&cloud).await;
    let path = "/sddcs?include_deleted=true";
    let before = tag(&gateway, path).await;
    let waiting = wait(&gateway, &format!("{path}&wait=100s"), &before).await;
    watched_by(&gateway, 1).await;
    cloud.simulator.delete_sddc(&cloud.simulator.sddc_ids()[0]);
    poll(&gateway).await;
    let answer = waiting.answer("GET").await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("\"DELETED\""));
}

#[tokio::test]
async fn nothing_is_read_for_who_waits_and_one_who_asks_meanwhile_wakes_all() {
    let cloud = cloud().await;
    let gateway = polling(&cloud).await;
    let before = tag(&gateway, "/sddcs").await;
    let waiting = wait(&gateway, "/sddcs?wait=100s", &before).await;
    watched_by(&gateway, 1).await;
    assert_eq!(cloud.sddc_reads(), 1);
    cloud.simulator.patch_sddc(&cloud.simulator.sddc_ids()[0], json!({ "name": "another" }));
    let no_cache = [("Cache-Control", "no-cache")];
    gateway.send(http::Method::GET, "/sddcs", &no_cache).await;
    assert_eq!(waiting.answer("GET").await.status, 200);
    assert_eq!(cloud.sddc_reads(), 2);
}
