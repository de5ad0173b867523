//! A connection that has been idle for a moment keeps no buffers, and nothing of that shows.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    harness::{Setup, cloud},
    tls_listener::{self, authority::Files, client::Dialer},
};

/// Longer than a connection waits until it rests.
const IDLE: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(20);
const PROBE: &[u8] = b"HEAD /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK";

/// Sends the end of a head, and gives the answer's status line.
async fn ask(stream: &mut TcpStream, bytes: &[u8]) -> String {
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    String::from_utf8(answer).unwrap().lines().next().unwrap().to_owned()
}

/// Waits until the connection rests: it is silent, and stays open.
async fn let_rest(stream: &mut TcpStream) {
    assert!(timeout(IDLE, stream.read_u8()).await.is_err(), "it is silent and open");
}

#[tokio::test]
async fn a_request_on_a_connection_that_rests_is_answered_however_it_comes() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let mut stream = TcpStream::connect(gateway.api).await.unwrap();
    assert_eq!(ask(&mut stream, PROBE).await, OK);
    for size in [PROBE.len(), 20, 7] {
        let_rest(&mut stream).await;
        let mut pieces = PROBE.chunks(size);
        let last = pieces.next_back().unwrap();
        for piece in pieces {
            stream.write_all(piece).await.unwrap();
            let_rest(&mut stream).await;
        }
        assert_eq!(ask(&mut stream, last).await, OK, "in pieces of {size}");
    }
}

#[tokio::test]
async fn the_beginning_of_a_head_that_came_behind_a_request_is_not_lost() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let mut stream = TcpStream::connect(gateway.api).await.unwrap();
    let (beginning, rest) = PROBE.split_at(10);
    assert_eq!(ask(&mut stream, &[PROBE, beginning].concat()).await, OK);
    let_rest(&mut stream).await;
    assert_eq!(ask(&mut stream, rest).await, OK);
}

#[tokio::test]
async fn a_connection_that_rests_still_ends_when_it_has_been_idle_for_too_long() {
    let cloud = cloud().await;
    let short = |config: &mut sddc_gateway::config::Config| {
        config.api.idle_timeout = Duration::from_secs(1);
    };
    let gateway = Setup::on_demand(&cloud).with(short).start().await;
    let mut stream = TcpStream::connect(gateway.api).await.unwrap();
    assert_eq!(ask(&mut stream, PROBE).await, OK);
    let_rest(&mut stream).await;
    let read = timeout(PATIENCE, stream.read(&mut [0])).await.unwrap();
    assert_eq!(read.unwrap(), 0, "a plain close");
}

#[tokio::test]
async fn a_connection_with_tls_that_rests_ends_with_tlss_own_close() {
    let (cloud, files) = (cloud().await, Files::new());
    let gateway = tls_listener::client::gateway_with(&cloud, &files, |config| {
        config.api.idle_timeout = Duration::from_secs(1);
    });
    let gateway = gateway.await;
    let dialer = Dialer::trusting(&files.authority).offering(&["http/1.1"]);
    for ends_itself in [false, true] {
        let mut stream = dialer.dial(gateway.api).await.unwrap();
        stream.write_all(PROBE).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
        }
        assert!(timeout(IDLE, stream.read_u8()).await.is_err(), "it is silent and open");
        if ends_itself {
            stream.shutdown().await.unwrap();
        }
        // rustls calls an end without it an error.
        let read = timeout(PATIENCE, stream.read(&mut [0])).await.unwrap();
        assert_eq!(read.unwrap(), 0, "{ends_itself}");
    }
}
