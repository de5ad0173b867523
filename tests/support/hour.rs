//! An hour of polling by many callers, whose seconds last as long as their answers take.

use std::{net::SocketAddr, time::Duration};

use base::clock::Clock;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What the callers saw.
#[derive(Debug, Default)]
pub struct Hour {
    pub answers: u64,
    pub failures: u64,
    pub stale: u64,
    pub oldest_s: u64,
}

/// Each caller has a connection and asks once a second, with the tag of the answer before.
pub async fn poll(api: SocketAddr, key: &str, clock: &Clock, seconds: u64, callers: usize) -> Hour {
    let mut connections = Vec::new();
    for _ in 0..callers {
        connections.push(Caller::connect(api, key).await);
    }
    let mut hour = Hour::default();
    for _ in 0..seconds {
        clock.advance(Duration::from_secs(1));
        for caller in &mut connections {
            caller.ask().await;
        }
        for caller in &mut connections {
            caller.answer(&mut hour).await;
        }
    }
    hour
}

struct Caller {
    stream: TcpStream,
    head: String,
    etag: String,
    buffer: Vec<u8>,
}

impl Caller {
    async fn connect(api: SocketAddr, key: &str) -> Self {
        let stream = TcpStream::connect(api).await.expect("it listens");
        stream.set_nodelay(true).expect("a TCP socket");
        let head = format!("GET /sddcs HTTP/1.1\r\nHost: {api}\r\nAuthorization: Bearer {key}\r\n");
        Self { stream, head, etag: String::new(), buffer: Vec::new() }
    }

    async fn ask(&mut self) {
        let request = format!("{}If-None-Match: {}\r\n\r\n", self.head, self.etag);
        self.stream.write_all(request.as_bytes()).await.expect("it reads");
    }

    async fn answer(&mut self, hour: &mut Hour) {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(self.stream.read_buf(&mut self.buffer).await.expect("an answer") > 0);
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        let field =
            |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("");
        let is_same = head.starts_with("HTTP/1.1 304");
        let body = if is_same { 0 } else { field("content-length: ").parse().unwrap_or(0) };
        while self.buffer.len() < end + body {
            assert!(self.stream.read_buf(&mut self.buffer).await.expect("a whole answer") > 0);
        }
        self.buffer.drain(..end + body);
        field("etag: ").clone_into(&mut self.etag);
        hour.answers += 1;
        hour.failures += u64::from(!is_same && !head.starts_with("HTTP/1.1 200"));
        hour.stale += u64::from(field("cache-status: ").contains("stale"));
        hour.oldest_s = hour.oldest_s.max(field("age: ").parse().unwrap_or(u64::MAX));
    }
}
