//! Handshakes: versions, protocols, time, and what is none.

use std::time::Duration;

use rustls::version::{TLS12, TLS13};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    authority::{Authority, Files},
    client::{Dialer, gateway, gateway_with},
};
use crate::harness::{DEADLINE, TestGateway, cloud};

const HOUR: Duration = Duration::from_secs(3600);
/// Far more than a handshake takes, and short enough to wait for.
const SOON: Duration = Duration::from_millis(500);

async fn refused(gateway: &TestGateway, expected: f64) {
    gateway
        .until("a refused handshake", async |gateway| {
            gateway.metric("sddc_gateway_connection_errors_total", "reason=\"tls\"").await
                >= expected
        })
        .await;
}

/// Sends bytes, and reads until the gateway closes.
async fn raw(gateway: &TestGateway, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(gateway.api).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset is an end, too.
    let _ = timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("an end in time");
    answer
}

#[tokio::test]
async fn both_versions_of_tls_and_of_http_are_served_and_agreed_on() {
    let (cloud, files) = (cloud().await, Files::new());
    let gateway = gateway(&cloud, &files).await;
    for version in [&TLS12, &TLS13] {
        let dialer = Dialer::of(&files.authority, None, &[version]);
        for (offered, chosen) in [
            (&["h2", "http/1.1"][..], Some("h2")),
            (&["http/1.1", "h2"], Some("h2")),
            (&["http/1.1"], Some("http/1.1")),
            (&[], None),
        ] {
            let stream = dialer.clone().offering(offered).dial(gateway.api).await.unwrap();
            let (_, session) = stream.get_ref();
            assert_eq!(session.protocol_version(), Some(version.version));
            assert_eq!(session.alpn_protocol(), chosen.map(str::as_bytes), "{offered:?}");
        }
        let text = dialer.ask(gateway.api, "/sddcs").await.unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        let answer = dialer.http2(gateway.api).await.get("/sddcs").await.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    }
    let other = Dialer::trusting(&files.authority).offering(&["spdy/3"]);
    assert!(other.dial(gateway.api).await.is_err(), "no protocol in common");
    refused(&gateway, 1.0).await;
}

#[tokio::test]
async fn older_versions_are_refused_by_name() {
    let (cloud, files) = (cloud().await, Files::new());
    let gateway = gateway(&cloud, &files).await;
    for minor in 0..=2 {
        // A whole ClientHello (RFC 5246 section 7.4.1.2): rustls would not send one so old.
        let mut hello = vec![3, minor];
        hello.extend([7; 32]);
        hello.extend([0, 0, 4, 0xc0, 0x13, 0x00, 0x2f, 1, 0]);
        // supported_groups, ec_point_formats, signature_algorithms
        hello.extend([0, 26, 0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0]);
        hello.extend([0, 13, 0, 8, 0, 6, 4, 1, 4, 3, 8, 4]);
        let mut record = vec![22, 3, 1, 0, u8::try_from(hello.len() + 4).unwrap()];
        record.extend([1, 0, 0, u8::try_from(hello.len()).unwrap()]);
        record.extend(hello);
        let answer = raw(&gateway, &record).await;
        // alert, two bytes: fatal, protocol_version
        assert_eq!((answer[0], &answer[3..]), (21, &[0, 2, 2, 70][..]), "{answer:?}");
    }
    refused(&gateway, 3.0).await;
}

#[tokio::test]
async fn what_is_no_tls_is_closed_and_told_nothing() {
    let (cloud, files) = (cloud().await, Files::new());
    let gateway = gateway(&cloud, &files).await;
    let texts =
        ["GET /sddcs HTTP/1.1\r\nHost: localhost\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
    for (count, text) in (1_u8..).zip(texts) {
        let answer = raw(&gateway, text.as_bytes()).await;
        assert!(!answer.windows(4).any(|four| four == b"HTTP"), "{answer:?}");
        refused(&gateway, f64::from(count)).await;
    }
    let answer = Dialer::trusting(&files.authority).ask(gateway.api, "/sddcs").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_handshake_that_does_not_get_whole_in_time_is_cut_without_a_word() {
    let (cloud, files) = (cloud().await, Files::new());
    let limits = |config: &mut sddc_gateway::config::Config| {
        config.api.header_timeout = SOON;
        config.api.idle_timeout = HOUR;
    };
    let gateway = gateway_with(&cloud, &files, limits).await;
    assert_eq!(raw(&gateway, b"").await, b"", "nothing at all");
    assert_eq!(raw(&gateway, &[22, 3, 1, 2, 0, 1, 0]).await, b"", "the beginning of a hello");
    refused(&gateway, 2.0).await;

    // Progress does not buy time.
    let mut dripping = TcpStream::connect(gateway.api).await.unwrap();
    dripping.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]).await.unwrap();
    let (pace, mut byte) = (Duration::from_millis(10), [0]);
    while timeout(pace, dripping.read(&mut byte)).await.is_err() {
        let _ = dripping.write_all(b"x").await;
    }
    refused(&gateway, 3.0).await;
}

#[tokio::test]
async fn a_head_that_does_not_follow_the_handshake_in_time_is_not_waited_for() {
    let (cloud, files) = (cloud().await, Files::new());
    let limits = |config: &mut sddc_gateway::config::Config| {
        // Handshakes must fit into it.
        config.api.header_timeout = Duration::from_secs(3);
        config.api.idle_timeout = HOUR;
    };
    let gateway = gateway_with(&cloud, &files, limits).await;
    let wait = async |protocol: &str| {
        let dialer = Dialer::trusting(&files.authority).offering(&[protocol]);
        let mut stream = dialer.dial(gateway.api).await.unwrap();
        let mut rest = Vec::new();
        let ended = timeout(DEADLINE, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "{protocol}");
    };
    tokio::join!(wait("h2"), wait("http/1.1"));
}

#[tokio::test]
async fn a_handshake_that_takes_its_time_holds_up_nobody() {
    let (cloud, files) = (cloud().await, Files::new());
    let gateway = gateway_with(&cloud, &files, |config| config.api.header_timeout = HOUR).await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        slow.push(TcpStream::connect(gateway.api).await.unwrap());
    }
    let answer = Dialer::trusting(&files.authority).ask(gateway.api, "/sddcs").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_probe_that_says_nothing_is_no_failed_handshake() {
    let (cloud, files) = (cloud().await, Files::new());
    let gateway = gateway(&cloud, &files).await;
    for _ in 0..3 {
        drop(TcpStream::connect(gateway.api).await.unwrap());
    }
    let mut half = TcpStream::connect(gateway.api).await.unwrap();
    half.write_all(&[22, 3, 1]).await.unwrap();
    drop(half);
    refused(&gateway, 1.0).await;
    assert!(gateway.metric("sddc_gateway_connection_errors_total", "\"tls\"").await < 1.5);
}

#[tokio::test]
async fn connections_end_when_idle_without_being_counted_as_faults() {
    let (cloud, files) = (cloud().await, Files::new());
    let limits = |config: &mut sddc_gateway::config::Config| {
        config.api.header_timeout = HOUR;
        config.api.idle_timeout = SOON;
    };
    let gateway = gateway_with(&cloud, &files, limits).await;
    let dialer = Dialer::trusting(&files.authority);
    let connection = dialer.http2(gateway.api).await;
    assert_eq!(connection.get("/sddcs").await.unwrap().status, 200);
    connection.clone().ended().await;

    let mut stream = dialer.offering(&["http/1.1"]).dial(gateway.api).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("an end in time");
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    let errors = gateway.metric("sddc_gateway_connection_errors_total", "reason").await;
    assert!(errors < 0.5, "{errors}");
}

#[tokio::test]
async fn a_certificate_is_for_its_name_and_of_its_ca() {
    let (cloud, files) = (cloud().await, Files::new());
    let gateway = gateway(&cloud, &files).await;
    let other = Dialer::trusting(&Authority::new("another"));
    assert!(other.dial(gateway.api).await.is_err());
    refused(&gateway, 1.0).await;
}
