//! The end of the gateway as HTTP/2 callers see it: GOAWAY, and no request lost.

use rustix::process::Signal;
use serde_json::json;

use super::{
    authority::Files,
    client::{Dialer, get},
    frames::{ENDS, Frame, GOAWAY, HEADERS, PING, Raw, frame, request},
};
use crate::process::{self, Cloud, Served};

fn serve(cloud: &Cloud, files: &Files, drain_delay: &str) -> Served {
    process::gateway(&["serve"])
        .of(cloud)
        .with_secret("demo-secret")
        .with("SDDC_GATEWAY_API__TLS_CERT", files.path("tls.crt"))
        .with("SDDC_GATEWAY_API__TLS_KEY", files.path("tls.key"))
        .with("SDDC_GATEWAY_API__DRAIN_DELAY", drain_delay)
        .with("SDDC_GATEWAY_API__DRAIN", "1h")
        .serve()
}

#[tokio::test]
async fn a_connection_that_has_asked_is_told_at_once_and_all_it_asked_is_answered() {
    let (cloud, files) = (Cloud::start(&[]), Files::new());
    let served = serve(&cloud, &files, "1h");
    let dialer = Dialer::trusting(&files.authority);
    let mut asked = Raw::open(&dialer, served.api).await;
    assert!(asked.send(&request(1, "/sddcs")).await);
    asked.coming.next_of(HEADERS).await;
    let mut silent = Raw::open(&dialer, served.api).await;
    assert!(silent.send(&frame(PING, 0, 0, &[1; 8])).await);
    silent.coming.next_of(PING).await;

    served.signal(Signal::TERM);
    assert_eq!(asked.coming.next_of(GOAWAY).await.reason(), 0);
    // What crosses with it is still answered: the gateway's ping marks where it ends.
    assert!(asked.send(&request(3, "/sddcs")).await);
    let ping = asked.coming.next_of(PING).await;
    assert!(asked.send(&frame(PING, ENDS, 0, &ping.payload)).await);
    let rest = to_the_end(asked).await;
    assert!(rest.iter().any(|frame| (frame.kind, frame.stream) == (HEADERS, 3)), "{rest:?}");

    // Who has not asked yet may, once; so may who comes now.
    let late = Raw::open(&dialer, served.api).await;
    for mut raw in [silent, late] {
        assert!(raw.send(&request(1, "/sddcs")).await);
        let frames = to_the_end(raw).await;
        assert!(frames.iter().any(|frame| frame.kind == GOAWAY));
        assert!(frames.iter().any(|frame| (frame.kind, frame.stream) == (HEADERS, 1)));
    }
}

/// Reads, and answers pings, as long as there is anything.
async fn to_the_end(mut raw: Raw) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some(came) = raw.coming.next().await {
        if came.kind == PING {
            assert!(raw.send(&frame(PING, ENDS, 0, &came.payload)).await);
        }
        frames.push(came);
    }
    frames
}

#[tokio::test]
async fn answers_of_a_drain_say_no_connection_close_and_clients_that_come_back_lose_nothing() {
    let (cloud, files) = (Cloud::start(&[]), Files::new());
    let served = serve(&cloud, &files, "1h");
    let dialer = Dialer::trusting(&files.authority);
    let mut connection = dialer.http2(served.api).await;
    assert_eq!(connection.get("/sddcs").await.unwrap().status, 200);
    served.signal(Signal::TERM);
    let mut connections = 0;
    let mut answers = 0;
    while connections < 3 {
        match connection.get("/sddcs").await {
            Ok(answer) => {
                assert_eq!(answer.status, 200);
                assert!(!answer.headers.contains_key("connection"));
                answers += 1;
            }
            // Not begun, as GOAWAY said: the client may ask again elsewhere.
            Err(error) => {
                assert!(error.is_go_away() || error.is_io() || error.is_reset(), "{error}");
                connection = dialer.http2(served.api).await;
                connections += 1;
            }
        }
    }
    assert!(answers >= 3, "each connection was good for a request at least: {answers}");
    let text = dialer.ask(served.api, "/sddcs").await.unwrap();
    assert!(text.contains("\r\nconnection: close\r\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_flight_at_the_end_is_answered_503_and_recorded() {
    let (cloud, files) = (Cloud::start(&[]), Files::new());
    let hang = json!({"target": "vmc", "path": "*/tasks", "kind": "hang"});
    cloud.control("POST", "/__faults", &hang);
    let caller = process::new_key("billing");
    let audit = files.path("audit.jsonl");
    let served = process::gateway(&["serve"])
        .of(&cloud)
        .with_secret("demo-secret")
        .with("SDDC_GATEWAY_API__TLS_CERT", files.path("tls.crt"))
        .with("SDDC_GATEWAY_API__TLS_KEY", files.path("tls.key"))
        .with("SDDC_GATEWAY_ACCESS__KEYS", &caller.variable)
        .with("SDDC_GATEWAY_TELEMETRY__AUDIT", &audit)
        .with("SDDC_GATEWAY_API__DRAIN_DELAY", "0s")
        .with("SDDC_GATEWAY_API__DRAIN", "100ms")
        .serve();
    let connection = Dialer::trusting(&files.authority).http2(served.api).await;
    let mut request = get("/tasks");
    let key = format!("Bearer {}", caller.key).parse().unwrap();
    request.headers_mut().insert("authorization", key);
    let hanging = connection.begin(request);
    process::is_cut_on_record(served, None, &audit);
    let answer = hanging.await.unwrap().unwrap();
    assert_eq!(answer.status, 503);
    assert!(String::from_utf8_lossy(&answer.body).contains("\"code\":\"shutting-down\""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_flight_at_the_end_is_finished_and_idle_connections_hold_up_nothing() {
    let (cloud, files) = (Cloud::start(&[]), Files::new());
    let served = serve(&cloud, &files, "0s");
    let dialer = Dialer::trusting(&files.authority);
    let fault = json!({
        "target": "vmc", "path": "*/tasks", "kind": "delay", "delay_ms": 700,
    });
    cloud.control("POST", "/__faults", &fault);
    // Never answers a ping: it must be let go all the same.
    let idle = Raw::open(&dialer, served.api).await;
    let connection = dialer.http2(served.api).await;
    assert_eq!(connection.get("/sddcs").await.unwrap().status, 200);
    let working = connection.begin(get("/tasks"));
    process::until("it is worked on", || served.in_flight() == "1");
    served.signal(Signal::TERM);
    assert_eq!(working.await.unwrap().unwrap().status, 200);
    connection.ended().await;
    assert_eq!(served.exit_code(), Some(0));
    drop(idle);
}
