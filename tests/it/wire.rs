//! HTTP as it really comes (contract sections 3, 4.6 and 8): raw bytes to both listeners.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use http::Method;
use sddc_gateway::{
    access::{CallerKey, CallerSettings},
    simulator::{self, Fault, FaultKind, Target},
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::harness::{Cloud, DEADLINE, Setup, TestGateway, clock, cloud};

const HOUR: Duration = Duration::from_secs(3600);
/// Far more than an answer takes, and short enough to wait for.
const SOON: Duration = Duration::from_millis(250);
const SDDCS: &str = "*/sddcs";

/// A raw connection.
struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

/// One answer off the wire.
#[derive(Debug)]
struct Reply {
    status: u16,
    /// Names in lower case.
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Wire {
    async fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, read: Vec::new() }
    }

    /// Sends as much as the other side takes: it may have answered and gone before the end.
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = timeout(DEADLINE, self.stream.write_all(bytes.as_ref()));
        drop(sent.await.expect("sent in time"));
    }

    /// Reads more; nothing at the end of the connection, in whatever way it came.
    async fn more(&mut self) -> usize {
        let read = timeout(DEADLINE, self.stream.read_buf(&mut self.read));
        read.await.expect("something in time").unwrap_or(0)
    }

    /// The next answer.
    async fn reply(&mut self) -> Reply {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            let seen = String::from_utf8_lossy(&self.read).into_owned();
            assert!(self.more().await > 0, "the end instead of an answer: {seen}");
        };
        let head: Vec<u8> = self.read.drain(..end + 4).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap()[9..12].parse().unwrap();
        let headers: BTreeMap<_, _> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length = headers.get("content-length").map_or(0, |text| text.parse().unwrap());
        while self.read.len() < length {
            assert!(self.more().await > 0, "the end in the midst of a body");
        }
        Reply { status, headers, body: self.read.drain(..length).collect() }
    }

    /// Waits for the end of the connection, and gives what came before it.
    async fn ended(mut self) -> String {
        while self.more().await > 0 {}
        String::from_utf8_lossy(&self.read).into_owned()
    }

    async fn ask(&mut self, request: impl AsRef<[u8]>) -> Reply {
        self.send(request).await;
        self.reply().await
    }
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The code of what must be a problem.
    fn code(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        assert_eq!(self.header("cache-control"), "no-store");
        let problem: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        problem["code"].as_str().unwrap().to_owned()
    }

    fn status_and_code(&self) -> (u16, String) {
        (self.status, self.code())
    }
}

/// One request on a connection of its own.
async fn ask(address: SocketAddr, request: impl AsRef<[u8]>) -> Reply {
    Wire::open(address).await.ask(request).await
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

fn get_as(id: &str) -> String {
    format!("GET /sddcs HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: {id}\r\n\r\n")
}

/// So many header fields.
fn fields(count: usize, value: &str) -> String {
    let lines: Vec<_> = (0..count).map(|at| format!("X-{at}: {value}\r\n")).collect();
    lines.concat()
}

async fn open_gateway() -> (Cloud, TestGateway) {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).open().start().await;
    (cloud, gateway)
}

async fn in_flight(gateway: &TestGateway) -> u64 {
    let page = gateway.ops("/metrics").await.text();
    let line = page.lines().find(|line| line.starts_with("sddc_gateway_http_in_flight "));
    line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
}

async fn connection_errors(gateway: &TestGateway, reason: &str, expected: f64) {
    gateway
        .until(reason, async |gateway| {
            let labels = format!("reason=\"{reason}\"");
            gateway.metric("sddc_gateway_connection_errors_total", &labels).await >= expected
        })
        .await;
}

#[tokio::test]
async fn a_request_names_one_host_that_the_gateway_answers_for() {
    let (_cloud, gateway) = open_gateway().await;
    for (hosts, expected) in [
        ("", (400, "bad-request")),
        ("Host: localhost\r\nHost: localhost\r\n", (400, "bad-request")),
        ("Host: localhost\r\nhost: evil.test\r\n", (400, "bad-request")),
        ("Host: evil.test\r\n", (421, "misdirected")),
        ("Host: localhost.evil.test\r\n", (421, "misdirected")),
        ("Host: user@localhost@evil.test\r\n", (400, "bad-request")),
        ("Host:\r\n", (421, "misdirected")),
    ] {
        let reply = ask(gateway.api, format!("GET /sddcs HTTP/1.1\r\n{hosts}\r\n")).await;
        assert_eq!(reply.status_and_code(), (expected.0, expected.1.to_owned()), "{hosts:?}");
        assert!(!String::from_utf8_lossy(&reply.body).contains("evil"), "Host is never reflected");
    }
    for host in ["localhost", "LOCALHOST:80", "127.0.0.1:8080", "[::1]"] {
        let reply = ask(gateway.api, format!("GET /sddcs HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(reply.status, 200, "{host}");
    }
}

#[tokio::test]
async fn an_absolute_target_counts_before_the_host() {
    let (_cloud, gateway) = open_gateway().await;
    let of = |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    assert_eq!(ask(gateway.api, of("http://localhost/sddcs", "localhost")).await.status, 200);
    assert_eq!(ask(gateway.api, of("http://localhost/sddcs", "evil.test")).await.status, 200);
    let reply = ask(gateway.api, of("http://evil.test/sddcs", "localhost")).await;
    assert_eq!(reply.status_and_code(), (421, "misdirected".to_owned()));
    let reply = ask(gateway.api, of("http://localhost/nowhere", "localhost")).await;
    assert_eq!(reply.status_and_code(), (404, "not-found".to_owned()));
}

#[tokio::test]
async fn odd_targets_and_methods_get_problems_too() {
    let (_cloud, gateway) = open_gateway().await;
    for (line, status) in [
        ("OPTIONS *", 405),
        ("CONNECT localhost:80", 404),
        ("TRACE /sddcs", 405),
        ("OPTIONS /sddcs", 405),
        ("BREW /sddcs", 405),
        ("POST /sddcs", 405),
    ] {
        let reply = ask(gateway.api, format!("{line} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        let code = if status == 404 { "not-found" } else { "method-not-allowed" };
        assert_eq!(reply.status_and_code(), (status, code.to_owned()), "{line}");
        assert_eq!(reply.header("allow").contains("GET"), status == 405, "{line}");
        assert!(!reply.headers.keys().any(|name| name.starts_with("access-control")));
    }
}

#[tokio::test]
async fn a_host_with_signs_that_no_host_has_is_a_bad_request_with_a_key_too() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let key = gateway.key().to_owned();
    let of = |target: &str, host: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {key}\r\n\r\n")
    };
    for host in ["a b", "a/b", "user@a", "a,b", "<a>", "a:b", "[::1", "a%41", "a\u{fc}"] {
        for address in [gateway.api, gateway.ops] {
            let reply = ask(address, of("/metrics", host)).await;
            assert_eq!(reply.status_and_code(), (400, "bad-request".to_owned()), "{host}");
        }
        assert_eq!(ask(gateway.api, of("/livez", host)).await.status, 200, "a probe may: {host}");
    }
    let reply = ask(gateway.api, of("http://user@a/sddcs", "a")).await;
    assert_eq!(reply.status_and_code(), (400, "bad-request".to_owned()));
    assert_eq!(ask(gateway.api, of("/sddcs", "any-name.test:8443")).await.status, 200);
}

#[tokio::test]
async fn a_transfer_encoding_other_than_one_chunked_is_refused_and_the_connection_closed() {
    let (_cloud, gateway) = open_gateway().await;
    for fields in [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
    ] {
        for address in [gateway.api, gateway.ops] {
            let mut wire = Wire::open(address).await;
            let smuggled = get("/livez");
            let head = format!("GET /livez HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
            let reply = wire.ask(format!("{head}0\r\n\r\n{smuggled}")).await;
            // A probe of the API listener answers by its status.
            assert_eq!(reply.status, 400, "{fields}");
            assert_eq!(reply.header("connection"), "close", "{fields}");
            assert_eq!(wire.ended().await, "", "what follows is no request: {fields}");
        }
    }
}

#[tokio::test]
async fn health_checks_come_in_http_1_0_without_a_host() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    gateway.until("ready", async |gateway| gateway.ops("/readyz").await.status == 200).await;
    for address in [gateway.api, gateway.ops] {
        for request in ["GET /livez", "GET /readyz", "HEAD /livez"] {
            let mut wire = Wire::open(address).await;
            wire.send(format!("{request} HTTP/1.0\r\n\r\n")).await;
            let text = wire.ended().await;
            assert!(text.starts_with("HTTP/1.0 200 OK\r\n"), "{request}: {text}");
        }
        for path in ["/sddcs", "/metrics"] {
            let reply = ask(address, format!("GET {path} HTTP/1.0\r\n\r\n")).await;
            assert_eq!(reply.status_and_code(), (400, "bad-request".to_owned()), "{path}");
        }
        assert_eq!(ask(address, "GET /livez HTTP/1.1\r\n\r\n").await.status, 400);
    }
    for host in ["evil.test", "10.1.2.3:8080", "a b", ""] {
        let reply = ask(gateway.api, format!("GET /livez HTTP/1.0\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(reply.status, 200, "{host}");
    }
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed() {
    let (_cloud, gateway) = open_gateway().await;
    let mut wire = Wire::open(gateway.api).await;
    let reply = wire.ask("GET /sddcs HTTP/1.0\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(reply.status, 200);
    assert!(reply.headers.contains_key("content-length"), "{reply:?}");
    assert_eq!(wire.ended().await, "");
}

#[tokio::test]
async fn a_page_of_another_site_is_refused_where_no_key_is_asked_for() {
    const CROSS_SITE: &str = "Sec-Fetch-Site: cross-site\r\n";
    const VISIT: &str = "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";
    let (cloud, gateway) = open_gateway().await;
    let of = |more: &str| format!("GET /sddcs HTTP/1.1\r\nHost: localhost\r\n{more}\r\n");
    let reply = ask(gateway.api, of(CROSS_SITE)).await;
    assert_eq!(reply.status_and_code(), (403, "forbidden".to_owned()));
    assert_eq!(ask(gateway.api, of("Sec-Fetch-Site: same-origin\r\n")).await.status, 200);
    let reply = ask(gateway.ops, of(CROSS_SITE)).await;
    assert_eq!(reply.status_and_code(), (403, "forbidden".to_owned()));

    // A link that somebody follows leads to the docs, and to no data.
    let follow = |path: &str, more: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{CROSS_SITE}{more}\r\n")
    };
    for path in ["/docs", "/docs/guide", "/docs/drop-in", "/problems/forbidden"] {
        assert_eq!(ask(gateway.api, follow(path, VISIT)).await.status, 200, "{path}");
        let framed = VISIT.replace("document", "iframe");
        assert_eq!(ask(gateway.api, follow(path, &framed)).await.status, 403, "{path}");
    }
    for path in ["/sddcs", "/openapi.json"] {
        assert_eq!(ask(gateway.api, follow(path, VISIT)).await.status, 403, "{path}");
    }

    let key = CallerKey::generate().unwrap();
    let page = CallerSettings::with_key("page".parse().unwrap(), key.digest());
    let keyed =
        Setup::on_demand(&cloud).with(|config| config.access = vec![page].into()).start().await;
    let with_key = format!("X-API-Key: {}\r\n{CROSS_SITE}", key.reveal());
    assert_eq!(ask(keyed.api, of(&with_key)).await.status, 200);
    assert_eq!(ask(keyed.api, of(CROSS_SITE)).await.status, 401);
    let elsewhere = format!("GET /sddcs HTTP/1.1\r\nHost: gw.test\r\n{with_key}\r\n");
    assert_eq!(ask(keyed.api, elsewhere).await.status, 200, "any name will do");
}

#[tokio::test]
async fn what_is_too_large_is_told_so() {
    let (_cloud, gateway) = open_gateway().await;
    let large = Some("too-large".to_owned());
    let of = |target: &str, more: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n")
    };
    let header = |bytes: usize| of("/sddcs", &format!("Cookie: {}\r\n", "c".repeat(bytes)));
    assert_eq!(ask(gateway.api, header(15_000)).await.status, 200);
    let reply = ask(gateway.api, header(20_000)).await;
    assert_eq!((reply.status, Some(reply.code())), (431, large.clone()));
    let many = fields(90, &"v".repeat(250));
    let reply = ask(gateway.api, of("/sddcs", &many)).await;
    assert_eq!((reply.status, Some(reply.code())), (431, large.clone()));
    for target in [format!("/{}", "t".repeat(9_000)), format!("/sddcs?q={}", "t".repeat(9_000))] {
        let reply = ask(gateway.api, of(&target, "")).await;
        assert_eq!((reply.status, Some(reply.code())), (414, large.clone()));
        assert!(reply.body.len() < 2_000, "little of it is echoed");
    }

    let body = "b".repeat(70 * 1024);
    let announced = of("/sddcs", &format!("Content-Length: {}\r\n", body.len()));
    let chunked = of("/sddcs", "Transfer-Encoding: chunked\r\n");
    for request in [
        format!("{announced}{body}"),
        // Refused before it is sent, if the client asks.
        announced.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n"),
        format!("{chunked}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
        format!("{chunked}{}0\r\n\r\n", format!("400\r\n{}\r\n", &body[..1024]).repeat(70)),
    ] {
        let mut wire = Wire::open(gateway.api).await;
        let reply = wire.ask(request).await;
        assert_eq!((reply.status, Some(reply.code())), (413, large.clone()));
    }
}

#[tokio::test]
async fn a_small_body_does_no_harm_and_the_connection_stays() {
    let (_cloud, gateway) = open_gateway().await;
    let mut wire = Wire::open(gateway.api).await;
    let body = "b".repeat(60 * 1024);
    let head = "GET /sddcs HTTP/1.1\r\nHost: localhost\r\n";
    for request in [
        format!("{head}Content-Length: 5\r\n\r\nhello"),
        format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        format!("{head}Content-Length: 0\r\n\r\n"),
        get("/sddcs"),
    ] {
        let reply = wire.ask(&request).await;
        assert_eq!(reply.status, 200, "{}", &request[..80]);
    }
}

#[tokio::test]
async fn what_the_http_library_refuses_is_a_bare_status_counted_by_reason() {
    let (_cloud, gateway) = open_gateway().await;
    let huge = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(300_000));
    let many = fields(250, "v");
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n");
    for (count, request) in [(1.0, huge), (2.0, many)] {
        let mut wire = Wire::open(gateway.api).await;
        let reply = wire.ask(request).await;
        assert_eq!((reply.status, &*reply.body), (431, &b""[..]));
        assert_eq!(reply.header("x-request-id"), "", "it never became a request");
        assert_eq!(wire.ended().await, "");
        connection_errors(&gateway, "head_too_large", count).await;
    }
    let garbage: [&[u8]; 8] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"\x00\x01\x02\x03\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\nxx",
    ];
    for (count, bytes) in (1_u8..).zip(garbage) {
        let count = f64::from(count);
        let mut wire = Wire::open(gateway.api).await;
        let reply = wire.ask(bytes).await;
        let shown = String::from_utf8_lossy(bytes);
        assert_eq!((reply.status, &*reply.body), (400, &b""[..]), "{shown}");
        assert_eq!(wire.ended().await, "", "{shown}");
        connection_errors(&gateway, "bad_request", count).await;
    }
    assert_eq!(ask(gateway.api, get("/sddcs")).await.status, 200);
}

#[tokio::test]
async fn a_target_is_never_taken_for_another() {
    let (_cloud, gateway) = open_gateway().await;
    for (target, status, code) in [
        ("/%zz", 400, "bad-request"),
        ("/%", 400, "bad-request"),
        ("/sddcs/%ff", 400, "bad-request"),
        ("/sddcs/%c3%28", 400, "bad-request"),
        ("/sddcs/a%00b", 400, "bad-request"),
        ("/sddcs?partial=%ff", 400, "bad-request"),
        ("/sddcs?%zz", 400, "bad-request"),
        ("/sddcs?x=%26partial=allow", 400, "invalid-parameter"),
        ("/%2e%2e/sddcs", 404, "not-found"),
        ("/../sddcs", 404, "not-found"),
        ("/./sddcs", 404, "not-found"),
        ("/sddcs/..", 404, "sddc-not-found"),
        ("/sddcs/%2e%2e", 404, "sddc-not-found"),
        ("/sddcs/%2F", 404, "sddc-not-found"),
        ("/sddcs/..%2f..%2forgs", 404, "sddc-not-found"),
        ("/sddcs/not-a-uuid", 404, "sddc-not-found"),
        ("/sddcs/%C3%BC", 404, "sddc-not-found"),
        ("/orgs/not-a-uuid/sddcs", 404, "org-not-found"),
        ("/sddcs%2f", 404, "not-found"),
        ("/sddcs/", 404, "not-found"),
        ("//sddcs", 404, "not-found"),
        ("/sddcs//", 404, "not-found"),
        ("/SDDCS", 404, "not-found"),
        ("/sddcs;x=1", 404, "not-found"),
        ("/docs/..%2f..%2fetc%2fpasswd", 404, "not-found"),
        ("/problems/..%2fsddcs", 404, "not-found"),
        ("/metrics", 404, "not-found"),
    ] {
        let reply = ask(gateway.api, get(target)).await;
        assert_eq!(reply.status_and_code(), (status, code.to_owned()), "{target}");
    }
    assert_eq!(ask(gateway.api, get("/sddcs?")).await.status, 200);
    let log = gateway.stop().await;
    assert!(log.contains("\"http.route\":\"/sddcs/{sddc_id}\""), "{log}");
    assert!(!log.contains("passwd") && !log.contains("not-a-uuid"), "raw paths are not logged");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (_cloud, gateway) = open_gateway().await;
    let mut wire = Wire::open(gateway.api).await;
    let ids: Vec<_> = (0..20).map(|at| format!("request-{at}")).collect();
    wire.send(ids.iter().map(|id| get_as(id)).collect::<String>()).await;
    for id in &ids {
        let reply = wire.reply().await;
        assert_eq!((reply.status, reply.header("x-request-id")), (200, &**id));
    }
    // And one after the other on the same connection.
    for id in &ids {
        assert_eq!(wire.ask(get_as(id)).await.header("x-request-id"), id);
    }
    let close = get("/sddcs").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    assert_eq!(wire.ask(close).await.header("connection"), "close");
    assert_eq!(wire.ended().await, "");
}

#[tokio::test]
async fn a_head_may_come_byte_by_byte() {
    let (_cloud, gateway) = open_gateway().await;
    let mut wire = Wire::open(gateway.api).await;
    for byte in get("/sddcs").into_bytes() {
        wire.send([byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(wire.reply().await.status, 200);
}

#[tokio::test]
async fn a_head_that_does_not_get_whole_in_time_is_cut_without_a_word() {
    let cloud = cloud().await;
    let setup = Setup::on_demand(&cloud).open();
    let gateway = setup
        .with(|config| {
            config.api.header_timeout = SOON;
            config.api.idle_timeout = HOUR;
        })
        .start()
        .await;
    let silent = Wire::open(gateway.api).await;
    assert_eq!(silent.ended().await, "");
    let mut half = Wire::open(gateway.api).await;
    half.send("GET /sddcs HTTP/1.1\r\nHo").await;
    assert_eq!(half.ended().await, "");
    let mut second = Wire::open(gateway.api).await;
    assert_eq!(second.ask(get("/sddcs")).await.status, 200);
    second.send("G").await;
    assert_eq!(second.ended().await, "");
    // Progress does not buy time.
    let mut dripping = Wire::open(gateway.api).await;
    dripping.send("GET /sddcs HTTP/1.1\r\nX: ").await;
    let pace = Duration::from_millis(10);
    while timeout(pace, dripping.more()).await.is_err() {
        dripping.send("x").await;
    }
    assert_eq!(dripping.ended().await, "");
}

#[tokio::test]
async fn who_waits_for_a_body_sheds_nobody() {
    let cloud = cloud().await;
    let setup = Setup::on_demand(&cloud).open();
    let gateway = setup
        .with(|config| {
            config.api.header_timeout = HOUR;
            config.api.max_in_flight = 1;
        })
        .start()
        .await;
    // The gateway asks for the body when it is about to wait for it.
    let head = get("/sddcs").replace("\r\n\r\n", "\r\nContent-Length: 1\r\n");
    let mut bodiless = Wire::open(gateway.api).await;
    let waits = bodiless.ask(format!("{head}Expect: 100-continue\r\n\r\n")).await;
    assert_eq!(waits.status, 100);
    assert_eq!(ask(gateway.api, get("/sddcs")).await.status, 200);
    assert_eq!(bodiless.ask("x").await.status, 200);
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_closed() {
    let cloud = cloud().await;
    let setup = Setup::on_demand(&cloud).open();
    let gateway = setup
        .with(|config| {
            config.api.header_timeout = HOUR;
            config.api.idle_timeout = SOON;
        })
        .start()
        .await;
    let mut wire = Wire::open(gateway.api).await;
    for _ in 0..2 {
        assert_eq!(wire.ask(get("/sddcs")).await.status, 200);
    }
    assert_eq!(wire.ended().await, "");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut() {
    let options = simulator::Options { sddcs: 2000, ..simulator::Options::default() };
    let cloud = Cloud::start(&clock(), options).await;
    let setup = Setup::on_demand(&cloud).open();
    let gateway = setup.with(|config| config.api.write_timeout = SOON).start().await;
    let whole = gateway.get("/sddcs").await.body.len();
    assert!(whole > 1_000_000, "{whole}");

    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut wire = Wire::over(socket.connect(gateway.api).await.unwrap());
    wire.send(get("/sddcs").repeat(20)).await;
    connection_errors(&gateway, "io", 1.0).await;
    assert!(wire.ended().await.len() < 20 * whole);
    assert_eq!(ask(gateway.api, get("/sddcs")).await.body.len(), whole);
}

#[tokio::test]
async fn an_upstream_that_hangs_costs_a_caller_no_more_than_the_request_timeout() {
    let cloud = cloud().await;
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).kind(FaultKind::Hang));
    let setup = Setup::on_demand(&cloud).open();
    let gateway = setup.with(|config| config.api.request_timeout = SOON).start().await;
    let mut wire = Wire::open(gateway.api).await;
    let reply = wire.ask(get("/sddcs")).await;
    assert_eq!(reply.status_and_code(), (504, "upstream-timeout".to_owned()));
    assert_eq!(wire.ask(get("/openapi.json")).await.status, 200, "the connection stays");
}

#[tokio::test]
async fn above_max_in_flight_requests_are_shed_and_probes_are_not() {
    let cloud = cloud().await;
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).kind(FaultKind::Hang));
    let setup = Setup::on_demand(&cloud).open();
    let gateway = setup.with(|config| config.api.max_in_flight = 1).start().await;
    gateway.until("ready", async |gateway| gateway.ops("/readyz").await.status == 200).await;
    let mut hanging = Wire::open(gateway.api).await;
    hanging.send(get("/sddcs")).await;
    gateway.until("one in flight", async |gateway| in_flight(gateway).await == 1).await;

    let mut wire = Wire::open(gateway.api).await;
    for path in ["/sddcs", "/openapi.json", "/nowhere"] {
        let reply = wire.ask(get(path)).await;
        assert_eq!(reply.status_and_code(), (503, "overloaded".to_owned()), "{path}");
        assert_eq!(reply.header("retry-after"), "1");
    }
    for path in ["/livez", "/readyz"] {
        assert_eq!(wire.ask(get(path)).await.status, 200, "{path}");
        assert_eq!(gateway.ops(path).await.status, 200, "{path}");
    }
    assert_eq!(gateway.ops("/metrics").await.status, 200);
    // A caller that leaves makes room.
    drop(hanging);
    gateway.until("none in flight", async |gateway| in_flight(gateway).await == 0).await;
    assert_eq!(wire.ask(get("/openapi.json")).await.status, 200);
}

#[tokio::test]
async fn at_max_connections_the_longest_idle_one_makes_room() {
    let cloud = cloud().await;
    let setup = Setup::on_demand(&cloud).open();
    let gateway = setup.with(|config| config.api.max_connections = 2).start().await;
    let mut first = Wire::open(gateway.api).await;
    assert_eq!(first.ask(get("/sddcs")).await.status, 200);
    let mut second = Wire::open(gateway.api).await;
    assert_eq!(second.ask(get("/sddcs")).await.status, 200);
    let mut third = Wire::open(gateway.api).await;
    assert_eq!(third.ask(get("/sddcs")).await.status, 200);
    assert_eq!(first.ended().await, "", "it was idle longest");
    assert_eq!(second.ask(get("/sddcs")).await.status, 200, "the others stay");
    assert_eq!(third.ask(get("/sddcs")).await.status, 200);
    connection_errors(&gateway, "idle_evicted", 1.0).await;
    let open = async |gateway: &TestGateway| {
        (gateway.metric("sddc_gateway_connections", "\"api\"").await - 2.0).abs() < 0.5
    };
    gateway.until("two are open", open).await;
}

#[tokio::test]
async fn who_sends_no_request_or_half_a_head_keeps_nobody_out() {
    let cloud = cloud().await;
    let setup = Setup::on_demand(&cloud).open();
    let gateway = setup.with(|config| config.api.max_connections = 20).start().await;
    let mut crowd = Vec::new();
    for at in 0..60 {
        let mut wire = Wire::open(gateway.api).await;
        if at % 2 == 0 {
            wire.send("GET /sddcs HTTP/1.1\r\nHost: loc").await;
        }
        crowd.push(wire);
    }
    for _ in 0..5 {
        assert_eq!(ask(gateway.api, get("/sddcs")).await.status, 200);
    }
    drop(crowd);
}

#[tokio::test]
async fn accepting_pauses_only_while_all_connections_have_requests() {
    let cloud = cloud().await;
    let setup = Setup::on_demand(&cloud).open();
    let gateway = setup.with(|config| config.api.max_connections = 2).start().await;
    assert_eq!(ask(gateway.api, get("/sddcs")).await.status, 200);
    let mut hanging = Vec::new();
    for _ in 0..2 {
        let mut wire = Wire::open(gateway.api).await;
        wire.send("GET /sddcs?wait=100s HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: *\r\n\r\n")
            .await;
        hanging.push(wire);
    }
    let both = async |gateway: &TestGateway| {
        let page = gateway.ops("/metrics").await.text();
        page.lines().any(|line| line == "sddc_gateway_watchers 2")
    };
    gateway.until("both wait", both).await;
    let mut third = Wire::open(gateway.api).await;
    third.send(get("/sddcs")).await;
    let early = timeout(SOON, third.more()).await;
    assert!(early.is_err(), "it is not accepted yet");
    assert_eq!(gateway.ops("/livez").await.status, 200, "probes have a port of their own");
    drop(hanging.pop());
    assert_eq!(third.reply().await.status, 200);
}

#[tokio::test]
async fn a_client_above_its_own_bound_loses_its_own_idle_connection_or_the_new_one() {
    let cloud = cloud().await;
    let setup = Setup::on_demand(&cloud).open();
    let gateway =
        setup.with(|config| config.api.max_connections_per_client = Some(2)).start().await;
    let mut idle = Wire::open(gateway.api).await;
    assert_eq!(idle.ask(get("/sddcs")).await.status, 200);
    let mut stream = Wire::open(gateway.api).await;
    stream.send(get("/sddcs/events")).await;
    assert!(stream.more().await > 0);
    let mut other = Wire::open(gateway.api).await;
    other.send(get("/sddcs/events")).await;
    assert!(other.more().await > 0, "the idle one makes room");
    assert_eq!(idle.ended().await, "");
    let mut refused = Wire::open(gateway.api).await;
    refused.send(get("/sddcs").replace("\r\n\r\n", "\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n")).await;
    assert_eq!(refused.ended().await, "", "both have requests: the new one is closed");
    connection_errors(&gateway, "client_limit", 1.0).await;
}

#[tokio::test]
async fn idle_connections_never_shut_the_ops_port() {
    let (_cloud, gateway) = open_gateway().await;
    let mut crowd = Vec::new();
    for _ in 0..300 {
        crowd.push(TcpStream::connect(gateway.ops).await.unwrap());
    }
    for path in ["/livez", "/metrics"] {
        assert_eq!(ask(gateway.ops, get(path)).await.status, 200, "{path}");
    }
    connection_errors(&gateway, "idle_evicted", 100.0).await;
    assert!(gateway.metric("sddc_gateway_connections", "\"ops\"").await <= 128.0);
    drop(crowd);
}

#[tokio::test]
async fn the_ops_port_has_three_paths_and_the_rules_of_every_listener() {
    let (_cloud, gateway) = open_gateway().await;
    for (request, status, code) in [
        (get("/"), 404, "not-found"),
        (get("/sddcs"), 404, "not-found"),
        (get("/metrics/"), 404, "not-found"),
        (get("/livez").replace("GET", "POST"), 405, "method-not-allowed"),
        (get("/metrics").replace("GET", "OPTIONS"), 405, "method-not-allowed"),
        (get("/livez").replace("localhost", "evil.test"), 421, "misdirected"),
        (get("/readyz").replace("Host: localhost\r\n", ""), 400, "bad-request"),
    ] {
        let reply = ask(gateway.ops, &request).await;
        assert_eq!(reply.status_and_code(), (status, code.to_owned()), "{request}");
        assert_eq!(reply.header("allow").contains("GET"), status == 405);
    }
    for path in ["/livez", "/readyz", "/metrics"] {
        gateway.until(path, async |gateway| gateway.ops(path).await.status == 200).await;
        let reply = ask(gateway.ops, get(path)).await;
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert!(!reply.header("x-request-id").is_empty());
        let head =
            get(path).replace("GET", "HEAD").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        let mut wire = Wire::open(gateway.ops).await;
        wire.send(head).await;
        let text = wire.ended().await;
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\n"), "{text}");
    }
    assert!(gateway.ops("/readyz").await.header("content-type").starts_with("application/json"));
}

#[tokio::test]
async fn tasks_are_counted_of_the_api_though_the_ops_port_has_a_thread_of_its_own() {
    let (_cloud, gateway) = open_gateway().await;
    let tasks = async |gateway: &TestGateway| -> u32 {
        let page = gateway.ops("/metrics").await.text();
        let value = page.lines().find_map(|line| line.strip_prefix("sddc_gateway_runtime_tasks "));
        value.unwrap().parse().unwrap()
    };
    let before = tasks(&gateway).await;
    let mut idle = Vec::new();
    for _ in 0..50 {
        idle.push(TcpStream::connect(gateway.api).await.unwrap());
    }
    gateway.until("a task for each", async |gateway| tasks(gateway).await >= before + 50).await;
    drop(idle);
    gateway.until("their ends", async |gateway| tasks(gateway).await < before + 50).await;
}

#[tokio::test]
async fn the_metrics_are_well_formed_openmetrics() {
    let (_cloud, gateway) = open_gateway().await;
    gateway.get("/sddcs").await;
    gateway.get("/nowhere").await;
    gateway.send(Method::GET, "/sddcs", &[("authorization", "Bearer x")]).await;
    ask(gateway.api, "hello\r\n\r\n").await;
    let open_metrics = get("/metrics").replace(
        "\r\n\r\n",
        "\r\nAccept: application/openmetrics-text;version=1.0.0;q=0.6,*/*;q=0.2\r\n\r\n",
    );
    let reply = ask(gateway.ops, open_metrics).await;
    assert_eq!(
        reply.header("content-type"),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let families = parse_metrics(&String::from_utf8(reply.body).unwrap());
    for (name, kind) in [
        ("sddc_gateway_http_requests", "counter"),
        ("sddc_gateway_http_request_duration_seconds", "histogram"),
        ("sddc_gateway_http_in_flight", "gauge"),
        ("sddc_gateway_cache", "counter"),
        ("sddc_gateway_token_mints", "counter"),
        ("sddc_gateway_token_expiry_timestamp_seconds", "gauge"),
        ("sddc_gateway_upstream_requests", "counter"),
        ("sddc_gateway_upstream_request_duration_seconds", "histogram"),
        ("sddc_gateway_upstream_circuit_open", "gauge"),
        ("sddc_gateway_inventory_age_seconds", "gauge"),
        ("sddc_gateway_sddcs", "gauge"),
        ("sddc_gateway_access_denied", "counter"),
        ("sddc_gateway_connection_errors", "counter"),
        ("sddc_gateway_odd_documents", "counter"),
        ("sddc_gateway_log_lines_dropped", "counter"),
        ("sddc_gateway_runtime_tasks", "gauge"),
        ("sddc_gateway_build_info", "gauge"),
        ("process_cpu_seconds", "counter"),
        ("process_resident_memory_bytes", "gauge"),
        ("process_open_fds", "gauge"),
    ] {
        assert_eq!(families.get(name).map(String::as_str), Some(kind), "{name}");
    }
}

#[tokio::test]
async fn waits_and_streams_are_not_timed_as_requests() {
    let (_cloud, gateway) = open_gateway().await;
    let count = async |gateway: &TestGateway, what: &str, route: &str| {
        let name = format!("sddc_gateway_{what}_duration_seconds_count");
        gateway.metric(&name, &format!("route=\"{route}\"")).await
    };
    let etag = ask(gateway.api, get("/sddcs")).await.header("etag").to_owned();
    let wait =
        get("/sddcs?wait=1s").replace("\r\n\r\n", &format!("\r\nIf-None-Match: {etag}\r\n\r\n"));
    let mut waiting = Wire::open(gateway.api).await;
    waiting.send(wait).await;
    gateway
        .until("it waits", async |gateway| {
            gateway.ops("/metrics").await.text().contains("\nsddc_gateway_watchers 1\n")
        })
        .await;
    gateway.advance(1);
    assert_eq!(waiting.reply().await.status, 304);
    let mut stream = Wire::open(gateway.api).await;
    stream.send(get("/sddcs/events")).await;
    assert!(stream.more().await > 0);
    drop(stream);
    let both = async |gateway: &TestGateway| {
        let polls = count(gateway, "wait", "/sddcs").await;
        let streams = count(gateway, "wait", "/sddcs/events").await;
        (polls - 1.0).abs() < 0.1 && (streams - 1.0).abs() < 0.1
    };
    gateway.until("both are timed as waits", both).await;
    assert!((count(&gateway, "http_request", "/sddcs").await - 1.0).abs() < 0.1);
    assert!(count(&gateway, "http_request", "/sddcs/events").await.abs() < 0.1);
}

#[tokio::test]
async fn closed_label_sets_start_at_zero() {
    let (_cloud, gateway) = open_gateway().await;
    let page = gateway.ops("/metrics").await.text();
    for series in [
        "cache_total{result=\"collapsed\"} 0",
        "connection_errors_total{reason=\"idle_evicted\"} 0",
        "access_denied_total{reason=\"no_credential\"} 0",
        "access_denied_total{reason=\"host\"} 0",
        "token_mints_total{org_id=\"default\",outcome=\"refused\"} 0",
        "snapshot_writes_total{outcome=\"failed\"} 0",
        "task_failures_total{task=\"inventory\"} 0",
        "http_request_duration_seconds_count{route=\"/tasks\"} 0",
        "wait_duration_seconds_count{route=\"/sddcs\"} 0",
        "wait_duration_seconds_count{route=\"/sddcs/events\"} 0",
        "log_lines_dropped_total 0",
        "trace_spans_total{outcome=\"dropped\"} 0",
    ] {
        assert!(page.contains(&format!("\nsddc_gateway_{series}\n")), "{series}\n{page}");
    }
}

#[tokio::test]
async fn a_scraper_that_does_not_name_openmetrics_gets_the_text_format() {
    let (_cloud, gateway) = open_gateway().await;
    gateway.get("/sddcs").await;
    for accept in
        ["text/plain;version=0.0.4", "*/*", "application/openmetrics-text;q=0.1,text/plain"]
    {
        let request = get("/metrics").replace("\r\n\r\n", &format!("\r\nAccept: {accept}\r\n\r\n"));
        let reply = ask(gateway.ops, request).await;
        assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        assert_eq!(reply.header("vary"), "Accept");
        let page = String::from_utf8(reply.body).unwrap();
        assert!(!page.contains("# EOF") && !page.contains("# UNIT"), "{page}");
        let mut typed = BTreeMap::new();
        for line in page.lines() {
            if let Some(described) = line.strip_prefix("# TYPE ") {
                let (name, kind) = described.split_once(' ').unwrap();
                assert_eq!(typed.insert(name.to_owned(), kind.to_owned()), None, "{line}");
            } else if !line.starts_with("# HELP ") {
                let name = line.split(['{', ' ']).next().unwrap();
                let of = |suffix| typed.get(name.strip_suffix(suffix)?).map(String::as_str);
                let of_histogram =
                    ["_bucket", "_sum", "_count"].iter().any(|it| of(it) == Some("histogram"));
                assert!(typed.contains_key(name) || of_histogram, "{line}");
            }
        }
        assert_eq!(typed["sddc_gateway_http_requests_total"], "counter");
        assert_eq!(typed["sddc_gateway_http_in_flight"], "gauge");
    }
}

/// Checks a page against the `OpenMetrics` text format 1.0, and gives the type of each family.
fn parse_metrics(page: &str) -> BTreeMap<String, String> {
    let lines = page.strip_suffix("# EOF\n").expect("the page ends with # EOF").lines();
    let mut families: BTreeMap<String, String> = BTreeMap::new();
    let mut series = BTreeSet::new();
    let mut family = String::new();
    for line in lines {
        if let Some(described) = line.strip_prefix("# ") {
            let mut words = described.splitn(3, ' ');
            let (what, name, text) = (words.next(), words.next().unwrap(), words.next());
            let text = text.unwrap_or_else(|| panic!("nothing is said: {line}"));
            match what {
                Some("TYPE") => {
                    let before = families.insert(name.to_owned(), text.to_owned());
                    assert_eq!(before, None, "a family comes once: {line}");
                    assert!(matches!(text, "counter" | "gauge" | "histogram" | "info"), "{line}");
                }
                Some("HELP" | "UNIT") => {}
                _ => panic!("no line of OpenMetrics: {line}"),
            }
            name.clone_into(&mut family);
            continue;
        }
        let (name_and_labels, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let (name, labels) = match name_and_labels.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
            None => (name_and_labels, ""),
        };
        let suffix = name.strip_prefix(&*family).unwrap_or_else(|| panic!("outside: {line}"));
        let allowed: &[&str] = match &*families[&family] {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            "info" => &["_info"],
            _ => &[""],
        };
        assert!(allowed.contains(&suffix), "{line}");
        check_labels(labels, line);
        assert!(series.insert(name_and_labels.to_owned()), "twice: {line}");
    }
    families
}

/// `name="value"` pairs with commas between them; quotes and backslashes in values are escaped.
fn check_labels(mut labels: &str, line: &str) {
    let mut names = BTreeSet::new();
    while !labels.is_empty() {
        let (name, rest) = labels.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
        let is_name =
            |text: &str| text.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
        assert!(is_name(name) && names.insert(name), "{line}");
        let mut escaped = false;
        let end = rest.find(|letter| {
            let ends = letter == '"' && !escaped;
            escaped = letter == '\\' && !escaped;
            ends
        });
        let rest = &rest[end.unwrap_or_else(|| panic!("{line}")) + 1..];
        labels = rest.strip_prefix(',').unwrap_or(rest);
    }
}
