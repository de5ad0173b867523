//! HTTP/2 abuse costs the abuser its connection, and nobody else anything.

use std::time::Duration;

use h2::client::Builder;
use sddc_gateway::simulator::{self, Fault, FaultKind, Target};

use super::{
    authority::Files,
    client::{Dialer, Http2, gateway, gateway_with, get},
    frames::{
        CONTINUATION, DATA, ENDS, Frame, GOAWAY, HEADERS, PING, Raw, SETTINGS, WHOLE_HEAD, frame,
        head, request, reset,
    },
};
use crate::harness::{Cloud, DEADLINE, TestGateway, clock, cloud};

/// More than any flood may get through.
const PLENTY: usize = 16 << 20;
const ENHANCE_YOUR_CALM: u32 = 11;
/// Far more than taking a piece of an answer takes.
const SOON: Duration = Duration::from_secs(2);

async fn counted(gateway: &TestGateway, reason: &str) {
    gateway
        .until(reason, async |gateway| {
            let labels = format!("reason=\"{reason}\"");
            gateway.metric("sddc_gateway_connection_errors_total", &labels).await >= 1.0
        })
        .await;
}

async fn in_flight(gateway: &TestGateway) -> String {
    let page = gateway.ops("/metrics").await.text();
    let line = page.lines().find(|line| line.starts_with("sddc_gateway_http_in_flight "));
    line.unwrap().rsplit(' ').next().unwrap().to_owned()
}

/// Floods a gateway while another caller asks on a connection of its own, before, amidst and after.
async fn flood(make: impl FnMut() -> Vec<u8>) -> Vec<Frame> {
    let (cloud, files) = (cloud().await, Files::new());
    let gateway = gateway(&cloud, &files).await;
    let dialer = Dialer::trusting(&files.authority);
    let other = dialer.http2(gateway.api).await;
    assert_eq!(other.get("/sddcs").await.unwrap().status, 200);
    let raw = Raw::open(&dialer, gateway.api).await;
    let mut flood = std::pin::pin!(raw.flood(PLENTY, make));
    let (sent, frames) = loop {
        tokio::select! {
            biased;
            answer = other.get("/sddcs") => assert_eq!(answer.unwrap().status, 200),
            ended = &mut flood => break ended,
        }
    };
    assert!(sent < PLENTY, "it went on and on");
    assert_eq!(other.get("/sddcs").await.unwrap().status, 200);
    counted(&gateway, "flood").await;
    gateway.until("nothing is left of it", async |gateway| in_flight(gateway).await == "0").await;
    frames
}

fn was_told_to_calm_down(frames: &[Frame]) -> bool {
    frames.iter().any(|frame| frame.kind == GOAWAY && frame.reason() == ENHANCE_YOUR_CALM)
}

#[tokio::test]
async fn a_rapid_reset_ends_the_connection() {
    let mut stream = 1;
    let frames = flood(|| {
        let mut bytes = Vec::new();
        for _ in 0..100 {
            bytes.extend(request(stream, "/sddcs"));
            bytes.extend(reset(stream));
            stream += 2;
        }
        bytes
    })
    .await;
    assert!(was_told_to_calm_down(&frames));
}

#[tokio::test]
async fn a_head_without_an_end_ends_the_connection() {
    let mut begun = false;
    let frames = flood(|| {
        if std::mem::replace(&mut begun, true) {
            frame(CONTINUATION, 0, 1, &[0])
        } else {
            frame(HEADERS, ENDS, 1, &head("/sddcs"))
        }
    })
    .await;
    assert!(was_told_to_calm_down(&frames));
}

#[tokio::test]
async fn a_flood_of_settings_ends_the_connection() {
    flood(|| frame(SETTINGS, 0, 0, &[]).repeat(1000)).await;
}

#[tokio::test]
async fn a_flood_of_pings_ends_the_connection() {
    flood(|| frame(PING, 0, 0, &[7; 8]).repeat(1000)).await;
}

#[tokio::test]
async fn a_flood_of_frames_that_mean_nothing_ends_the_connection() {
    flood(|| frame(0xfa, 0, 0, &[7; 100]).repeat(100)).await;
}

#[tokio::test]
async fn requests_that_are_taken_back_one_by_one_end_the_connection_too() {
    let (cloud, files) = (cloud().await, Files::new());
    cloud.simulator.script(Fault::on(Target::Vmc, "*").kind(FaultKind::Hang));
    let gateway = gateway(&cloud, &files).await;
    let dialer = Dialer::trusting(&files.authority);
    let mut raw = Raw::open(&dialer, gateway.api).await;
    let mut taken_back = 0;
    for stream in (1..).step_by(2) {
        // The ping's answer shows that the request before it has been taken in.
        let mut bytes = request(stream, "/sddcs");
        bytes.extend(frame(PING, 0, 0, &[7; 8]));
        if !raw.send(&bytes).await {
            break;
        }
        loop {
            match raw.coming.next().await {
                Some(frame) if frame.kind == PING && frame.flags == ENDS => break,
                Some(_) => {}
                None => break,
            }
        }
        if !raw.send(&reset(stream)).await {
            break;
        }
        taken_back += 1;
        assert!(taken_back < 2000, "it went on and on");
    }
    assert!(taken_back > 200, "hasty is not hostile");
    counted(&gateway, "flood").await;
    gateway.until("nothing is left of it", async |gateway| in_flight(gateway).await == "0").await;
}

#[tokio::test]
async fn bodies_in_small_frames_are_no_flood() {
    let (cloud, files) = (cloud().await, Files::new());
    let gateway = gateway(&cloud, &files).await;
    let dialer = Dialer::trusting(&files.authority);
    let mut raw = Raw::open(&dialer, gateway.api).await;
    let mut stream = 1;
    for _ in 0..50 {
        let mut bytes = frame(HEADERS, WHOLE_HEAD, stream, &head("/sddcs"));
        for _ in 0..63 {
            bytes.extend(frame(DATA, 0, stream, &[b'x'; 1024]));
        }
        bytes.extend(frame(DATA, ENDS, stream, &[b'x'; 1024]));
        assert!(raw.send(&bytes).await);
        loop {
            let frame = raw.coming.next_of(HEADERS).await;
            if frame.stream == stream {
                break;
            }
        }
        stream += 2;
    }
}

/// SDDCs enough for an answer of several MB.
async fn large() -> Cloud {
    let options = simulator::Options { sddcs: 2000, ..simulator::Options::default() };
    Cloud::start(&clock(), options).await
}

async fn stall(connection: &Http2) -> h2::RecvStream {
    let mut ready = connection.requests.clone().ready().await.unwrap();
    let (answer, _) = ready.send_request(get("/sddcs"), true).unwrap();
    let answer = tokio::time::timeout(DEADLINE, answer).await.expect("a head in time").unwrap();
    assert_eq!(answer.status(), 200);
    answer.into_body()
}

#[tokio::test]
async fn a_peer_that_never_opens_its_window_is_cut_and_its_permits_come_back() {
    let (cloud, files) = (large().await, Files::new());
    let limits = |config: &mut sddc_gateway::config::Config| {
        config.api.write_timeout = SOON;
        config.api.max_in_flight = 3;
    };
    let gateway = gateway_with(&cloud, &files, limits).await;
    let dialer = Dialer::trusting(&files.authority);
    // One that has nothing to say to a patient listener, from before to after.
    let quiet = dialer.http2(gateway.api).await;
    let events = quiet.listen("/sddcs/events").await;

    let whole = dialer.http2(gateway.api).await.get("/sddcs").await.unwrap();
    assert!(whole.body.len() > 1_000_000);
    let closed = Builder::new().initial_window_size(0).clone();
    let half = Builder::new().initial_window_size(100_000).clone();
    let mut stalled = Vec::new();
    for builder in [closed, half] {
        let connection = dialer.http2_with(gateway.api, &builder).await;
        stalled.push((stall(&connection).await, connection));
    }
    gateway.until("both hold a permit", async |gateway| in_flight(gateway).await == "2").await;
    for (body, connection) in stalled {
        connection.ended().await;
        drop(body);
    }
    gateway.until("they came back", async |gateway| in_flight(gateway).await == "0").await;
    counted(&gateway, "answer_not_taken").await;
    assert!(quiet.is_open() && !events.is_finished());
    assert_eq!(quiet.get("/livez").await.unwrap().status, 200);
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
