//! Places: how many watch, and what they take from others.

use std::time::Duration;

use futures_util::future::join_all;
use sddc_gateway::{
    access,
    config::Config,
    simulator::{Fault, FaultKind, Options, Target},
};
use serde_json::json;

use super::client::{Client, Event, EventFacts, Watcher, figure, poll, watched_by};
use crate::harness::{Cloud, Setup, TestGateway, clock, cloud};

async fn polling(cloud: &Cloud, change: impl FnOnce(&mut Config)) -> TestGateway {
    let gateway = Setup::polling(cloud).with(change).start().await;
    gateway.get("/sddcs").await;
    gateway
}

/// Begins to wait for another answer than the one that there is.
async fn wait(gateway: &TestGateway) -> Client {
    let tag = gateway.get("/sddcs").await.header("etag").to_owned();
    Client::send(gateway, "GET", "/sddcs?wait=100s", &[("If-None-Match", &tag)]).await
}

#[tokio::test]
async fn who_waits_takes_no_place_of_who_works() {
    let cloud = cloud().await;
    let gateway = polling(&cloud, |config| config.api.max_in_flight = 1).await;
    let mut waiting = Vec::new();
    let mut watching = Vec::new();
    for count in 1..=10 {
        let mut watcher = Watcher::open(&gateway, "").await;
        watcher.sync().await;
        watching.push(watcher);
        waiting.push(wait(&gateway).await);
        watched_by(&gateway, 2 * count).await;
    }
    assert!(figure(&gateway, "sddc_gateway_http_in_flight").await.abs() < 0.5);
    assert_eq!(gateway.get("/sddcs").await.status, 200);
    cloud.simulator.delete_sddc(&cloud.simulator.sddc_ids()[0]);
    poll(&gateway).await;
    for watcher in &mut watching {
        assert_eq!(watcher.next().await.name, "removed");
    }
    for waiting in waiting {
        assert_eq!(waiting.answer("GET").await.status, 200);
    }
    drop(watching);
    watched_by(&gateway, 0).await;
    assert!(figure(&gateway, "sddc_gateway_http_in_flight").await.abs() < 0.5);
}

#[tokio::test]
async fn above_the_bound_watchers_are_refused_until_one_leaves() {
    let cloud = cloud().await;
    // Three quarters of them are for one caller.
    let gateway = polling(&cloud, |config| config.api.max_watchers = 3).await;
    let watcher = Watcher::open(&gateway, "").await;
    let waiting = wait(&gateway).await;
    watched_by(&gateway, 2).await;
    let refused = gateway.get("/sddcs/events").await;
    assert_eq!(refused.told(), (503, "overloaded".to_owned()));
    assert_eq!(refused.header("retry-after"), "1");
    let refused = wait(&gateway).await.answer("GET").await;
    assert_eq!(refused.told(), (503, "overloaded".to_owned()));
    assert_eq!(refused.header("retry-after"), "1");
    // Who need not wait takes no place.
    assert_eq!(gateway.get("/sddcs?wait=100s").await.status, 200);
    drop(waiting);
    watched_by(&gateway, 1).await;
    let mut other = Watcher::open(&gateway, "").await;
    other.sync().await;
    drop((watcher, other));
    watched_by(&gateway, 0).await;
    let head = gateway.send(http::Method::HEAD, "/sddcs/events", &[]).await;
    assert_eq!((head.status.as_u16(), &*head.body), (200, &b""[..]));
    assert_eq!(head.header("content-type"), "text/event-stream");
    watched_by(&gateway, 0).await;
}

#[tokio::test]
async fn one_caller_leaves_a_quarter_of_the_places_to_others() {
    let cloud = cloud().await;
    let (setup, key) = Setup::polling(&cloud).with_caller("second", &[access::Scope::SddcRead]);
    let gateway = setup.with(|config| config.api.max_watchers = 4).start().await;
    gateway.get("/sddcs").await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(Watcher::open(&gateway, "").await);
    }
    watched_by(&gateway, 3).await;
    let refused = gateway.get("/sddcs/events").await;
    assert_eq!(refused.told(), (503, "overloaded".to_owned()));
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(wait(&gateway).await.answer("GET").await.told(), (503, "overloaded".to_owned()));
    let bearer = format!("Bearer {}", key.reveal());
    let headers = [("Authorization", &*bearer)];
    let path = "/sddcs/events";
    let other = gateway.send_bare(http::Method::HEAD, path, &headers).await;
    assert_eq!(other.status, 200);
    drop(held);
    watched_by(&gateway, 0).await;
    Watcher::open(&gateway, "").await.sync().await;
}

#[tokio::test]
async fn a_caller_who_leaves_bytes_behind_its_request_gives_the_place_back_too() {
    const NEXT: &[u8] = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let cloud = cloud().await;
    let gateway = polling(&cloud, |_| ()).await;
    for path in ["/sddcs?wait=100s", "/sddcs/events"] {
        // With the request, and later: once, and more often than is read.
        for later in [0, 1, 3] {
            let mut client =
                Client::pipelined(&gateway, path, if later == 0 { NEXT } else { b"" }).await;
            watched_by(&gateway, 1).await;
            for _ in 0..later {
                client.send_more(NEXT).await;
            }
            drop(client);
            // A look is due by then at the latest.
            gateway.advance(15);
            watched_by(&gateway, 0).await;
        }
    }
}

#[tokio::test]
async fn the_time_that_is_waited_is_no_time_of_a_request() {
    let cloud = cloud().await;
    let limit = |config: &mut Config| config.api.request_timeout = Duration::from_millis(200);
    let gateway = polling(&cloud, limit).await;
    let waiting = wait(&gateway).await;
    let mut watcher = Watcher::open(&gateway, "").await;
    watcher.sync().await;
    watched_by(&gateway, 2).await;
    // Real time passes here: two requests have no answer within theirs.
    cloud.simulator.script(Fault::on(Target::Vmc, "*/sddcs").kind(FaultKind::Hang));
    for _ in 0..2 {
        let asked = gateway.send(http::Method::GET, "/sddcs", &[("Cache-Control", "no-cache")]);
        assert_eq!(asked.await.told(), (504, "upstream-timeout".to_owned()));
    }
    watched_by(&gateway, 2).await;
    gateway.advance(100);
    assert_eq!(waiting.answer("GET").await.status, 304);
    assert!(watcher.anything().await.is_some(), "the stream goes on");
}

#[tokio::test]
async fn a_caller_who_leaves_gives_the_place_back() {
    let cloud = cloud().await;
    let gateway = polling(&cloud, |_| ()).await;
    let (waiting, watcher) = (wait(&gateway).await, Watcher::open(&gateway, "").await);
    watched_by(&gateway, 2).await;
    drop(waiting);
    watched_by(&gateway, 1).await;
    drop(watcher);
    watched_by(&gateway, 0).await;
    assert!(figure(&gateway, "sddc_gateway_watchers_dropped_total").await.abs() < 0.5);
}

/// Renames an SDDC to so many letters, and lets that be known.
async fn rename(cloud: &Cloud, gateway: &TestGateway, letter: &str, letters: usize) {
    let id = &cloud.simulator.sddc_ids()[0];
    cloud.simulator.patch_sddc(id, json!({ "name": letter.repeat(letters) }));
    poll(gateway).await;
}

#[tokio::test]
async fn a_slow_reader_is_cut_and_counted_and_takes_nothing_from_others() {
    let cloud = cloud().await;
    let limit = |config: &mut Config| config.api.write_timeout = Duration::from_millis(500);
    let gateway = polling(&cloud, limit).await;
    let mut quick = Watcher::open(&gateway, "").await;
    quick.sync().await;
    let slow = Watcher::narrow(&gateway).await;
    watched_by(&gateway, 2).await;
    // More than the sockets between the two hold.
    for letter in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        rename(&cloud, &gateway, letter, 2_000_000).await;
        let (event, name, _) = quick.next().await.told();
        assert_eq!((&*event, name.len(), &name[..1]), ("changed", 2_000_000, letter));
    }
    watched_by(&gateway, 1).await;
    let dropped = figure(&gateway, "sddc_gateway_watchers_dropped_total").await;
    assert!((dropped - 1.0).abs() < 0.5, "{dropped}");
    drop(slow);
    rename(&cloud, &gateway, "i", 1).await;
    assert_eq!(quick.next().await.told().1, "i");
}

#[tokio::test]
async fn who_reads_late_is_told_one_step_to_what_there_is_now() {
    let cloud = cloud().await;
    let gateway = polling(&cloud, |_| ()).await;
    let mut quick = Watcher::open(&gateway, "").await;
    quick.sync().await;
    let mut slow = Watcher::narrow(&gateway).await;
    watched_by(&gateway, 2).await;
    let mut tag = None;
    for turn in 0..12 {
        rename(&cloud, &gateway, ["a", "b"][turn % 2], 1_000_000 + turn).await;
        tag = quick.next().await.id;
    }
    slow.sync().await;
    let events = slow.until(|event| event.id == tag).await;
    // What the sockets and one connection's buffer hold, and then the last step; not all twelve.
    assert!(events.len() < 12, "{}", events.len());
    let (_, name, changed) = events.last().map(Event::told).unwrap();
    assert_eq!((name.len(), &*changed[0]), (1_000_011, "name"));
}

#[tokio::test]
async fn one_poll_feeds_hundreds_of_watchers() {
    const WATCHERS: u32 = 300;
    let cloud = Cloud::start(&clock(), Options { sddcs: 20, ..Options::default() }).await;
    let gateway = polling(&cloud, |_| ()).await;
    let mut watchers = Vec::new();
    let mut waiting = Vec::new();
    for _ in 0..WATCHERS {
        watchers.push(Watcher::open(&gateway, "").await);
        waiting.push(wait(&gateway).await);
    }
    let plain = gateway.get("/sddcs").await;
    for watcher in &mut watchers {
        assert_eq!(watcher.sync().await.data.as_bytes(), plain.body);
    }
    watched_by(&gateway, 2 * WATCHERS).await;
    let before = cloud.sddc_reads();
    cloud.simulator.patch_sddc(&cloud.simulator.sddc_ids()[0], json!({ "name": "another" }));
    poll(&gateway).await;
    let events = join_all(watchers.iter_mut().map(Watcher::next)).await;
    let tag = gateway.get("/sddcs").await.header("etag").to_owned();
    for event in events {
        assert_eq!((event.told().1, event.id.as_ref()), ("another".to_owned(), Some(&tag)));
    }
    for answer in join_all(waiting.into_iter().map(|client| client.answer("GET"))).await {
        assert_eq!((answer.status, answer.header("etag")), (200, &*tag));
    }
    assert_eq!(cloud.sddc_reads(), before + 1);
}
