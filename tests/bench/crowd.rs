//! Thousands of connections that wait: what each takes of memory, and how soon a change has reached
//! them all.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::server::{KEY, KEY_SHA256, OTHER_KEY, OTHER_KEY_SHA256, Server, now};

const WATCHERS: usize = 5_000;
const IDLE: usize = 10_000;
/// Connections that are being opened at once: below the socket's backlog.
const AT_ONCE: usize = 200;
/// Longer than anything takes that goes well.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a connection of the crowd does.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Idle,
    Stream,
    LongPoll,
}

/// A connection, and the last bytes that came on it.
pub struct Member {
    stream: TcpStream,
    came: Vec<u8>,
}

/// Opens each kind of crowd in front of a gateway of its own, and prints what it costs.
pub fn measure() {
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    println!(
        "{:<28} {:>10} {:>10} {:>10} {:>10} {:>10} {:>11}",
        "", "open s", "KiB each", "median ms", "p99 ms", "max ms", "CPU µs each"
    );
    for (name, kind, count) in [
        ("10 000 idle connections", Kind::Idle, IDLE),
        ("100 event streams", Kind::Stream, 100),
        ("1 000 event streams", Kind::Stream, 1000),
        ("5 000 event streams", Kind::Stream, WATCHERS),
        ("5 000 long polls", Kind::LongPoll, WATCHERS),
    ] {
        runtime.block_on(async { print(name, kind, count).await });
    }
    println!();
}

async fn print(name: &str, kind: Kind, count: usize) {
    // Of all watchers one caller may be three quarters.
    let keys = format!("bench:{KEY_SHA256},neighbour:{OTHER_KEY_SHA256}");
    let settings = [("ACCESS__KEYS", &*keys), ("API__MAX_CONNECTIONS", "10100")];
    let server = Server::gateway_with(4, &settings);
    let tag = server.answer().etag;
    let before = server.resident_mib();
    let begun = now();
    let mut crowd = Vec::new();
    while crowd.len() < count {
        let keys = [KEY, OTHER_KEY].into_iter().cycle().take(AT_ONCE);
        crowd.extend(join_all(keys.map(|key| Member::open(&server, kind, &tag, key))).await);
    }
    let opened = begun.elapsed();
    if kind != Kind::Idle {
        while server.figure("sddc_gateway_watchers") < f64::from(u32::try_from(count).unwrap_or(0))
        {
            assert!(begun.elapsed() < PATIENCE, "not all of them watch");
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let count = count as f64;
    let each_kib = (server.resident_mib() - before) * 1024.0 / count;
    print!("{name:<28} {:>10.2} {each_kib:>10.1}", opened.as_secs_f64());
    if kind != Kind::Idle {
        let cpu = server.cpu_us();
        server.change();
        let begun = now();
        server.refresh();
        let took = join_all(crowd.iter_mut().map(|member| member.told(kind, begun))).await;
        let cpu_each = (server.cpu_us() - cpu) / count;
        let mut took: Vec<f64> = took.iter().map(|took| took.as_secs_f64() * 1e3).collect();
        took.sort_by(f64::total_cmp);
        let at = |share: usize| took[(took.len() - 1) * share / 100];
        print!(" {:>10.1} {:>10.1} {:>10.1} {cpu_each:>11.1}", at(50), at(99), at(100));
    }
    println!();
}

impl Member {
    pub async fn open(server: &Server, kind: Kind, tag: &str, key: &str) -> Self {
        let stream = TcpStream::connect(server.address()).await.expect("it listens");
        let mut member = Self { stream, came: Vec::new() };
        let request = match kind {
            // One request, so that it is idle and not late with its first head.
            Kind::Idle => format!("GET /sddcs HTTP/1.1\r\nIf-None-Match: {tag}\r\n"),
            Kind::Stream => "GET /sddcs/events HTTP/1.1\r\n".to_owned(),
            Kind::LongPoll => format!("GET /sddcs?wait=120s HTTP/1.1\r\nIf-None-Match: {tag}\r\n"),
        };
        let request = format!("{request}Host: localhost\r\nAuthorization: Bearer {key}\r\n\r\n");
        member.stream.write_all(request.as_bytes()).await.expect("it reads");
        match kind {
            Kind::Idle => member.until("\r\n\r\n").await,
            Kind::Stream => member.until("\n\n").await,
            Kind::LongPoll => {}
        }
        member
    }

    /// Waits until the change has come.
    async fn told(&mut self, kind: Kind, begun: Instant) -> Duration {
        match kind {
            Kind::Idle => {}
            Kind::Stream => self.until("event: added").await,
            Kind::LongPoll => self.until("\"missing\":[]}").await,
        }
        begun.elapsed()
    }

    /// Reads until this has come.
    pub async fn until(&mut self, end: &str) {
        let mut buffer = [0; 2048];
        self.came.clear();
        while !self.came.windows(end.len()).any(|part| part == end.as_bytes()) {
            let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut buffer)).await;
            let read = read.expect("something in time").expect("the connection stays");
            assert!(read > 0, "the connection stays: {}", String::from_utf8_lossy(&self.came));
            self.came.extend_from_slice(&buffer[..read]);
        }
        self.came = Vec::new();
    }
}

/// As many as there may be: the crowd is as large here as there.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).expect("a process may use all that it is allowed");
}
