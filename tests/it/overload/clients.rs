//! Clients that take what they can get: what each costs is bounded, and ends when its time is over.
//!
//! Bounds are for a debug build, about twice what is seen there.

use std::{net::SocketAddr, time::Duration};

use h2::{RecvStream, client::Builder};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::holding::{Cost, Held};
use crate::tls_listener::client::Http2;

/// Between two bytes of who sends one at a time.
const PACE: Duration = Duration::from_millis(250);
const GET: &str = "GET /sddcs HTTP/1.1\r\nHost: localhost\r\n";

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Has sent this, and waits for the answer if it is a whole request.
async fn having_sent(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = connect(address).await;
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Does nothing until the gateway ends the connection, in whatever way.
async fn wait(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

/// Sends a byte at a time until the gateway ends the connection.
async fn drip(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    loop {
        match timeout(PACE, stream.read(&mut buffer)).await {
            Ok(Ok(read)) if read > 0 => {}
            Ok(_) => return,
            Err(_) if stream.write_all(b"x").await.is_err() => return,
            Err(_) => {}
        }
    }
}

fn is_at_most(cost: &Cost, most_kib: f64, counted: usize) {
    println!("{cost:?} of {most_kib}");
    assert!(cost.each_kib < most_kib, "{cost:?}");
    #[expect(clippy::cast_precision_loss, reason = "hundreds")]
    let counted = counted as f64;
    assert!((cost.counted - counted).abs() < 0.5, "{cost:?}");
}

#[tokio::test]
async fn idle_connections_cost_little_and_end() {
    let held = Held::with("IDLE_TIMEOUT");
    let open = async |address| {
        let asked = format!("{GET}If-None-Match: *\r\n\r\n");
        let mut stream = having_sent(address, &asked).await;
        let mut answer = [0; 4096];
        assert!(stream.read(&mut answer).await.unwrap() > 0);
        assert!(answer.starts_with(b"HTTP/1.1 304"));
        stream
    };
    let cost = held.cost_of(500, "io", open, wait).await;
    is_at_most(&cost, 80.0, 0);
}

#[tokio::test]
async fn who_is_gone_without_a_word_after_connecting_costs_little_and_ends() {
    let held = Held::with("HEADER_TIMEOUT");
    let cost = held.cost_of(500, "incomplete_head", connect, wait).await;
    is_at_most(&cost, 60.0, 0);
}

#[tokio::test]
async fn heads_a_byte_at_a_time_cost_little_and_end() {
    let held = Held::with("HEADER_TIMEOUT");
    let open = async |address| having_sent(address, &format!("{GET}X: ")).await;
    let cost = held.cost_of(300, "incomplete_head", open, drip).await;
    is_at_most(&cost, 100.0, 300);
}

#[tokio::test]
async fn heads_as_large_as_can_be_that_never_end_cost_no_more_than_that() {
    let held = Held::with("HEADER_TIMEOUT");
    let large = format!("{GET}X: {}", "x".repeat(60_000));
    let open = async |address| having_sent(address, &large).await;
    let cost = held.cost_of(200, "incomplete_head", open, drip).await;
    is_at_most(&cost, 320.0, 200);
}

#[tokio::test]
async fn bodies_a_byte_at_a_time_cost_little_and_end() {
    let held = Held::with("HEADER_TIMEOUT");
    let open =
        async |address| having_sent(address, &format!("{GET}Content-Length: 60000\r\n\r\n")).await;
    let cost = held.cost_of(300, "io", open, drip).await;
    is_at_most(&cost, 80.0, 0);
}

#[tokio::test]
async fn large_answers_that_nobody_reads_cost_little_and_end() {
    let held = Held::with_large_answers("WRITE_TIMEOUT");
    let open = async |address| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        let asked = format!("{GET}\r\n").repeat(20);
        stream.write_all(asked.as_bytes()).await.unwrap();
        stream
    };
    // Reading would be progress: the end shows when something more is sent.
    let wait_for_the_end = async |mut stream: TcpStream| {
        while stream.write_all(b" ").await.is_ok() {
            let _ = timeout(PACE, stream.ready(Interest::ERROR)).await;
        }
    };
    let cost = held.cost_of(200, "io", open, wait_for_the_end).await;
    is_at_most(&cost, 120.0, 200);
}

#[tokio::test]
async fn handshakes_that_stall_cost_little_and_end() {
    let held = Held::with_tls("HEADER_TIMEOUT", 4);
    // The beginning of a hello of 512 bytes.
    let hello = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03];
    let open = async |address| {
        let mut stream = connect(address).await;
        stream.write_all(&hello).await.unwrap();
        stream
    };
    let cost = held.cost_of(300, "tls", open, wait).await;
    is_at_most(&cost, 140.0, 300);
}

/// More streams than may be worked on at once: who takes nothing is no work.
#[tokio::test]
async fn streams_that_nobody_reads_cost_little_and_keep_nobody_out() {
    const CONNECTIONS: usize = 15;
    const STREAMS: usize = 100;
    let held = Held::with_tls("WRITE_TIMEOUT", 1000);
    let shut = Builder::new().initial_window_size(0).clone();
    let dialer = held.dialer();
    let open = async |address| {
        let connection = dialer.http2_with(address, &shut).await;
        let mut streams = Vec::new();
        for _ in 0..STREAMS {
            streams.push(connection.stall("/sddcs").await);
        }
        (connection, streams)
    };
    let wait_for_resets = async |(_connection, streams): (Http2, Vec<RecvStream>)| {
        for mut stream in streams {
            let end = stream.data().await.expect("more of it").unwrap_err();
            assert!(end.is_reset(), "{end}");
        }
    };
    let cost = held.cost_of(CONNECTIONS, "answer_not_taken", open, wait_for_resets).await;
    is_at_most(&cost, 1000.0, CONNECTIONS * STREAMS);
}
