//! HTTP/2 abuse costs the abuser its connection, and nobody else anything.

use sddc_gateway::simulator::{Fault, FaultKind, Target};

use super::{
    authority::Files,
    client::{Dialer, gateway},
    frames::{
        CONTINUATION, DATA, ENDS, Frame, GOAWAY, HEADERS, PING, Raw, SETTINGS, WHOLE_HEAD, frame,
        head, request, reset,
    },
};
use crate::harness::{TestGateway, cloud};

/// More than any flood may get through.
const PLENTY: usize = 16 << 20;
const ENHANCE_YOUR_CALM: u32 = 11;

pub async fn counted(gateway: &TestGateway, reason: &str) {
    gateway
        .until(reason, async |gateway| {
            let labels = format!("reason=\"{reason}\"");
            gateway.metric("sddc_gateway_connection_errors_total", &labels).await >= 1.0
        })
        .await;
}

pub async fn in_flight(gateway: &TestGateway) -> String {
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
