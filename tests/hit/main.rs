//! What an answer that was given before costs in allocations: a bound that no change may pass unseen.
//!
//! A program of its own, because the allocator counts for the whole process.

#![expect(clippy::unwrap_used, reason = "a test's own trouble may panic, in its helpers too")]

use std::{
    alloc::System,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use prometheus_client::metrics::counter::Counter;
use sddc_gateway::{
    access::{CallerKey, CallerSettings},
    config::Config,
    gateway::Gateway,
    simulator::Options,
    telemetry::{AccessLog, Format},
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::cloud::{Cloud, clock};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const REQUESTS: usize = 1000;
/// Header maps of the request and the answer, the request's id, and the permit that the answer's body
/// holds come to four; the bound has some room for other versions of the libraries.
const MAX_ALLOCATIONS: usize = 6;
const MAX_BYTES: usize = 2 * 1024;

/// A connection of a caller, which asks the same again and again and allocates nothing.
struct Caller {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Caller {
    fn new(address: SocketAddr, request: String) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { stream, request: request.into_bytes(), answer: vec![0; 64 * 1024] }
    }

    /// Asks, and gives the answer, which is known to end in `end`.
    fn ask(&mut self, end: &[u8]) -> &str {
        self.stream.write_all(&self.request).unwrap();
        let mut length = 0;
        while !self.answer[..length].ends_with(end) {
            let read = self.stream.read(&mut self.answer[length..]).unwrap();
            assert!(read > 0, "the connection stays");
            length += read;
        }
        std::str::from_utf8(&self.answer[..length]).unwrap()
    }
}

#[test]
fn a_hit_allocates_little_and_a_304_no_more() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.unwrap();
    let key = CallerKey::generate().unwrap();
    let (gateway, _cloud) = runtime.block_on(start(&key));
    let head = format!(
        "GET /sddcs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n",
        key.reveal()
    );
    let mut plain = Caller::new(gateway.api_address(), format!("{head}\r\n"));
    let answer = (0..10).map(|_| plain.ask(b"\"missing\":[]}").to_owned()).last().unwrap();
    let etag = answer.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    let known = format!("{head}If-None-Match: {etag}\r\n\r\n");
    let mut known = Caller::new(gateway.api_address(), known);
    assert!(known.ask(b"\r\n\r\n").starts_with("HTTP/1.1 304"));
    for (caller, end) in [(&mut plain, &b"\"missing\":[]}"[..]), (&mut known, b"\r\n\r\n")] {
        let region = Region::new(ALLOCATOR);
        for _ in 0..REQUESTS {
            caller.ask(end);
        }
        let change = region.change();
        let allocations = (change.allocations + change.reallocations) / REQUESTS;
        let bytes = change.bytes_allocated / REQUESTS;
        println!("{allocations} allocations, {bytes} bytes a request");
        assert!(allocations <= MAX_ALLOCATIONS, "{allocations} allocations a request");
        assert!(bytes <= MAX_BYTES, "{bytes} bytes a request");
    }
}

/// A gateway and the cloud behind it, which stand still.
async fn start(key: &CallerKey) -> (Gateway, Cloud) {
    let cloud = Cloud::start(&clock(), Options::default()).await;
    let any = "127.0.0.1:0".parse().unwrap();
    let mut config = Config::for_demo(any, any, cloud.address);
    let tester = CallerSettings::with_key("tester".parse().unwrap(), key.digest());
    config.access = vec![tester].into();
    config.inventory.poll = Duration::ZERO;
    let access_log = AccessLog::new(Format::Json, |_| ());
    let started = Gateway::start(&config, cloud.clock.clone(), access_log, Counter::default());
    (started.await.unwrap(), cloud)
}
