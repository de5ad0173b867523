//! Answers that take longer than a moment leave by another way than hyper, and nothing of that shows.

use std::time::Duration;

use sddc_gateway::simulator::{Fault, Target};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    harness::{Cloud, DEADLINE, Setup, TestGateway, cloud},
    watch::watched_by,
};

/// Longer than hyper keeps a request.
const LATE: Duration = Duration::from_millis(300);

async fn slow(cloud: &Cloud) -> TestGateway {
    let gateway = Setup::on_demand(cloud).start().await;
    cloud.simulator.script(Fault::on(Target::Vmc, "*/sddcs").delay(LATE));
    gateway
}

/// A request for the list. `line` is what stands before and behind the path.
fn request(gateway: &TestGateway, line: [&str; 2], fields: &str) -> String {
    let [method, version] = line;
    let key = gateway.key();
    format!("{method} /sddcs {version}\r\nHost: localhost\r\nX-API-Key: {key}\r\n{fields}\r\n")
}

/// Reads a head and a body of the length that it tells.
async fn answer(stream: &mut TcpStream, has_body: bool) -> (String, String) {
    let read = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.filter(|_| has_body).map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        (head, String::from_utf8(body).unwrap())
    };
    timeout(DEADLINE, read).await.expect("an answer in time")
}

async fn is_closed(mut stream: TcpStream) -> bool {
    let read = timeout(DEADLINE, stream.read(&mut [0])).await.expect("its end in time");
    read.unwrap() == 0
}

#[tokio::test]
async fn a_connection_goes_on_after_a_late_answer_with_what_came_behind_the_request() {
    let cloud = cloud().await;
    let gateway = slow(&cloud).await;
    let mut stream = TcpStream::connect(gateway.api).await.unwrap();
    let get = request(&gateway, ["GET", "HTTP/1.1"], "");
    let head = request(&gateway, ["HEAD", "HTTP/1.1"], "");
    stream.write_all(format!("{get}{head}{get}").as_bytes()).await.unwrap();
    let (first, body) = answer(&mut stream, true).await;
    assert!(first.starts_with("HTTP/1.1 200 OK\r\n"), "{first}");
    assert!(first.contains("fwd=") && body.ends_with('}'), "{first}");
    for (has_body, length) in [(false, 0), (true, body.len())] {
        let (next, again) = answer(&mut stream, has_body).await;
        assert!(next.contains("; hit") && again.len() == length, "{next}");
    }
    // It is a connection as any other.
    gateway.advance(60);
    stream.write_all(get.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream, true).await.1.len(), body.len());
}

#[tokio::test]
async fn who_wants_a_connection_closed_after_a_late_answer_sees_its_end() {
    let cloud = cloud().await;
    let gateway = slow(&cloud).await;
    for (line, fields, told) in [
        (["GET", "HTTP/1.1"], "Connection: close\r\n", "connection: close\r\n"),
        (["GET", "HTTP/1.0"], "", "HTTP/1.0 200 OK\r\n"),
        (["HEAD", "HTTP/1.0"], "", "HTTP/1.0 200 OK\r\n"),
    ] {
        let mut stream = TcpStream::connect(gateway.api).await.unwrap();
        stream.write_all(request(&gateway, line, fields).as_bytes()).await.unwrap();
        let (head, _) = answer(&mut stream, line[0] == "GET").await;
        assert!(head.contains(told) && head.contains("content-length: "), "{head}");
        assert!(is_closed(stream).await);
        gateway.advance(60);
    }
}

#[tokio::test]
async fn the_body_of_a_request_is_read_before_its_answer_is_late() {
    let cloud = cloud().await;
    let gateway = slow(&cloud).await;
    let mut stream = TcpStream::connect(gateway.api).await.unwrap();
    let get = request(&gateway, ["GET", "HTTP/1.1"], "Content-Length: 9\r\n");
    stream.write_all(format!("{get}GET / HT").as_bytes()).await.unwrap();
    assert!(timeout(LATE, stream.read_u8()).await.is_err(), "a byte is still to come");
    stream.write_all(b"T").await.unwrap();
    let next = request(&gateway, ["HEAD", "HTTP/1.1"], "");
    stream.write_all(next.as_bytes()).await.unwrap();
    let (head, _) = answer(&mut stream, true).await;
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    let (head, _) = answer(&mut stream, false).await;
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
}

#[tokio::test]
async fn however_much_comes_behind_late_requests_none_of_it_is_lost() {
    const FAST: usize = 200;
    let cloud = cloud().await;
    let gateway = slow(&cloud).await;
    let mut stream = TcpStream::connect(gateway.api).await.unwrap();
    // Large enough that hyper reads in large pieces from then on.
    let padding = format!("X-Padding: {}\r\n", "x".repeat(12 * 1024));
    let first = request(&gateway, ["GET", "HTTP/1.1"], &padding);
    let known = format!("If-None-Match: {}\r\n", gateway.get("/sddcs").await.header("etag"));
    gateway.advance(60);
    let late = request(&gateway, ["GET", "HTTP/1.1"], &known);
    let wait = late.replace("/sddcs ", "/sddcs?wait=1s ");
    let plain = request(&gateway, ["GET", "HTTP/1.1"], "");
    let fast = (0..FAST).map(|at| plain.replace("/sddcs ", &format!("/sddcs?limit={} ", at + 1)));
    let behind: String = [wait.clone(), wait].into_iter().chain(fast).collect();
    stream.write_all(format!("{first}{behind}").as_bytes()).await.unwrap();
    let (head, _) = answer(&mut stream, true).await;
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    for _ in 0..2 {
        assert!(timeout(LATE, stream.read_u8()).await.is_err(), "it waits");
        gateway.advance(2);
        assert!(answer(&mut stream, false).await.0.starts_with("HTTP/1.1 304"), "for nothing");
    }
    for at in 0..FAST {
        let (head, body) = answer(&mut stream, true).await;
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{at}: {head}");
        let list: serde_json::Value = serde_json::from_str(&body).unwrap();
        let shown = list["items"].as_array().unwrap().len();
        assert_eq!(shown, (at + 1).min(4), "in order");
    }
}

#[tokio::test]
async fn a_caller_that_goes_is_seen_whatever_it_has_sent_meanwhile() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let tag = gateway.get("/sddcs").await.header("etag").to_owned();
    let known = format!("If-None-Match: {tag}\r\n");
    let get = request(&gateway, ["GET", "HTTP/1.1"], &known);
    for path in ["/sddcs?wait=100s ", "/sddcs/events "] {
        for behind in [0, 1, 2, 5000] {
            let mut stream = TcpStream::connect(gateway.api).await.unwrap();
            stream.write_all(get.replace("/sddcs ", path).as_bytes()).await.unwrap();
            watched_by(&gateway, 1).await;
            // By then its answer is late.
            assert!(timeout(LATE, stream.read_to_end(&mut Vec::new())).await.is_err());
            stream.write_all(&vec![b'G'; behind]).await.unwrap();
            drop(stream);
            watched_by(&gateway, 0).await;
        }
    }
}
