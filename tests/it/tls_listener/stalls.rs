//! Who does not take an answer loses that answer, and whoever shares its connection nothing.

use std::time::Duration;

use h2::{Reason, RecvStream, client::Builder};
use sddc_gateway::{config::Config, simulator};
use tokio::time::timeout;

use super::{
    abuse::{counted, in_flight},
    authority::Files,
    client::{Dialer, gateway, gateway_with, get},
    frames::{Raw, SETTINGS, WINDOW_UPDATE, frame, request},
};
use crate::harness::{Cloud, DEADLINE, TestGateway, clock};

/// Far more than taking a piece of an answer takes.
const SOON: Duration = Duration::from_secs(2);
const REASONS: &str = "sddc_gateway_connection_errors_total";

/// SDDCs enough for an answer of several MB.
async fn large() -> Cloud {
    let options = simulator::Options { sddcs: 2000, ..simulator::Options::default() };
    Cloud::start(&clock(), options).await
}

fn limits(config: &mut Config) {
    config.api.write_timeout = SOON;
    config.api.max_in_flight = 12;
}

/// A client that gives each stream a window of so many bytes, and their connection a wide one.
fn windows(stream: u32) -> Builder {
    Builder::new().initial_window_size(stream).initial_connection_window_size(1 << 24).clone()
}

async fn has_figure(gateway: &TestGateway, line: &str) {
    gateway
        .until(line, async |gateway| {
            gateway.ops("/metrics").await.text().lines().any(|has| has == line)
        })
        .await;
}

async fn is_reset(mut answer: RecvStream) {
    let rest = async {
        loop {
            if let Err(error) = answer.data().await.expect("more of it") {
                return error;
            }
        }
    };
    let error = timeout(DEADLINE, rest).await.expect("an end in time");
    assert!(error.is_reset() && error.is_remote(), "{error}");
    assert_eq!(error.reason(), Some(Reason::CANCEL));
}

#[tokio::test]
async fn an_answer_that_is_not_taken_is_reset_and_the_others_on_its_connection_go_on() {
    let (cloud, files) = (large().await, Files::new());
    let gateway = gateway_with(&cloud, &files, limits).await;
    let dialer = Dialer::trusting(&files.authority);
    let connection = dialer.http2_with(gateway.api, &windows(65_535)).await;
    let known = connection.get("/sddcs").await.unwrap();
    assert!(known.body.len() > 1_000_000);

    let events = connection.listen("/sddcs/events").await;
    let mut poll = get("/sddcs?wait=60s");
    poll.headers_mut().insert("if-none-match", known.headers["etag"].clone());
    let poll = connection.begin(poll);
    has_figure(&gateway, "sddc_gateway_watchers 2").await;
    let stalled = connection.stall("/sddcs").await;
    gateway
        .until("it is reset", async |gateway| {
            let meanwhile = connection.get("/sddcs").await.unwrap();
            assert_eq!(meanwhile.body.len(), known.body.len());
            gateway.metric(REASONS, "answer_not_taken").await > 0.5
        })
        .await;
    is_reset(stalled).await;
    assert!(connection.is_open() && !events.is_finished() && !poll.is_finished());
    assert_eq!(connection.get("/sddcs").await.unwrap().status, 200);
    has_figure(&gateway, "sddc_gateway_watchers 2").await;
    has_figure(&gateway, "sddc_gateway_watchers_dropped_total 0").await;
    assert!((gateway.metric(REASONS, "").await - 1.0).abs() < 0.5);
    counted(&gateway, "answer_not_taken").await;
}

#[tokio::test]
async fn a_peer_that_stalls_every_answer_gets_each_reset_and_keeps_nobody_out() {
    let (cloud, files) = (large().await, Files::new());
    let gateway = gateway_with(&cloud, &files, limits).await;
    let dialer = Dialer::trusting(&files.authority);
    let good = dialer.http2(gateway.api).await;
    good.get("/sddcs").await.unwrap();
    let mut stalled = Vec::new();
    for window in [0, 100_000] {
        let connection = dialer.http2_with(gateway.api, &windows(window)).await;
        for _ in 0..10 {
            stalled.push((connection.stall("/sddcs").await, connection.clone()));
        }
    }
    assert_eq!(in_flight(&gateway).await, "0");
    assert_eq!(good.get("/sddcs").await.unwrap().status, 200);
    for (answer, connection) in stalled {
        is_reset(answer).await;
        assert!(connection.is_open());
    }
    assert!((gateway.metric(REASONS, "answer_not_taken").await - 20.0).abs() < 0.5);
}

#[tokio::test]
async fn stalling_again_and_again_ends_the_connection() {
    let (cloud, files) = (large().await, Files::new());
    let quick = |config: &mut Config| config.api.write_timeout = Duration::from_millis(100);
    let gateway = gateway_with(&cloud, &files, quick).await;
    let dialer = Dialer::trusting(&files.authority);
    let connection = dialer.http2_with(gateway.api, &windows(0)).await;
    for _ in 0..4 {
        let begin = async || {
            let mut ready = connection.requests.clone().ready().await?;
            Ok::<_, h2::Error>(ready.send_request(get("/sddcs"), true)?.0)
        };
        let mut answers = Vec::new();
        for _ in 0..100 {
            answers.extend(begin().await);
        }
        for answer in answers {
            let _ = timeout(DEADLINE, async { answer.await?.into_body().data().await.transpose() })
                .await
                .expect("an end in time");
        }
    }
    connection.ended().await;
    counted(&gateway, "flood").await;
    gateway.until("nothing is left of it", async |gateway| in_flight(gateway).await == "0").await;
}

#[tokio::test]
async fn an_event_stream_that_is_not_taken_is_a_watcher_dropped() {
    let (cloud, files) = (large().await, Files::new());
    let gateway = gateway_with(&cloud, &files, limits).await;
    let dialer = Dialer::trusting(&files.authority);
    let connection = dialer.http2_with(gateway.api, &windows(100)).await;
    let events = connection.stall("/sddcs/events").await;
    is_reset(events).await;
    has_figure(&gateway, "sddc_gateway_watchers 0").await;
    has_figure(&gateway, "sddc_gateway_watchers_dropped_total 1").await;
    assert!(connection.is_open());
}

#[tokio::test]
async fn a_peer_that_reads_nothing_at_all_loses_its_connection() {
    let (cloud, files) = (large().await, Files::new());
    let gateway = gateway_with(&cloud, &files, |config| config.api.write_timeout = SOON).await;
    let mut raw = Raw::open(&Dialer::trusting(&files.authority), gateway.api).await;
    // Windows as wide as can be: what stops is the socket.
    let widest = [0x00, 0x04, 0x7f, 0xff, 0xff, 0xff];
    let mut bytes = frame(SETTINGS, 0, 0, &widest);
    bytes.extend(frame(WINDOW_UPDATE, 0, 0, &0x7fff_0000_u32.to_be_bytes()));
    for stream in 0..40 {
        bytes.extend(request(2 * stream + 1, "/sddcs"));
    }
    assert!(raw.send(&bytes).await);
    counted(&gateway, "io").await;
    gateway.until("nothing is left of it", async |gateway| in_flight(gateway).await == "0").await;
}

#[tokio::test]
async fn who_takes_a_large_answer_in_small_windows_gets_it_whole() {
    let (cloud, files) = (large().await, Files::new());
    let gateway = gateway(&cloud, &files).await;
    let dialer = Dialer::trusting(&files.authority);
    let whole = dialer.http2(gateway.api).await.get("/sddcs").await.unwrap().body;
    let small = Builder::new().initial_window_size(1000).clone();
    let connection = dialer.http2_with(gateway.api, &small).await;
    for _ in 0..4 {
        assert!(connection.get("/sddcs").await.unwrap().body == whole);
    }
}
