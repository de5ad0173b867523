//! A flood of requests that cost time: what would be late is shed, and the ops port is not late.

use std::{
    fmt::Write as _,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use sddc_gateway::clock::Clock;

use crate::{
    harness::DEADLINE,
    process::{Cloud, ask, gateway, until},
};

const CONNECTIONS: usize = 20;
/// Questions that a connection has sent before it reads any answer.
const AHEAD: usize = 4;

/// Asks on a connection of its own until told to stop; no question is like another.
fn flood(api: SocketAddr, id: usize, stop: &Arc<AtomicBool>) -> JoinHandle<()> {
    let stop = stop.clone();
    std::thread::spawn(move || {
        let mut stream = TcpStream::connect(api).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut buffer = [0; 16 * 1024];
        for turn in 0.. {
            let mut questions = String::new();
            for at in 0..AHEAD {
                let target = format!("/sddcs?q={id}-{turn}-{at}&include=clusters,hosts");
                write!(questions, "GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            }
            stream.write_all(questions.as_bytes()).unwrap();
            let mut answered = 0;
            while answered < AHEAD {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let read = stream.read(&mut buffer).unwrap();
                assert!(read > 0, "the connection stays");
                // Each answer begins so; those that are shed too.
                let head = b"HTTP/1.1 ";
                let heads = buffer[..read].windows(head.len()).filter(|part| *part == head);
                answered += heads.count();
            }
        }
    })
}

/// How long a request takes, and its status.
fn took(clock: &Clock, address: SocketAddr, path: &str) -> (Duration, u16) {
    let begun = clock.now();
    let answer = ask(address, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n"), "");
    (clock.now().since(begun), answer.status)
}

fn median(mut spans: Vec<Duration>) -> Duration {
    spans.sort();
    spans[spans.len() / 2]
}

#[test]
fn the_ops_port_does_not_wait_behind_a_flood_of_the_api() {
    let cloud = Cloud::start(&["--sddcs", "1000"]);
    let served = gateway(&["serve"]).of(&cloud).with_secret("demo-secret").serve();
    assert_eq!(served.get("/sddcs").status, 200);
    let (clock, stop) = (Clock::system(), Arc::default());
    let flood: Vec<_> = (0..CONNECTIONS).map(|id| flood(served.api, id, &stop)).collect();
    let mut ops = Vec::new();
    until("some are shed", || {
        // Once it is kept, an answer is there for everybody.
        assert_eq!(took(&clock, served.api, "/sddcs").1, 200);
        let shed = "sddc_gateway_http_requests_total{route=\"/sddcs\",method=\"GET\",status=\"503\",caller=\"anonymous\"}";
        served.try_figure(shed).is_some()
    });
    for _ in 0..3 {
        for path in ["/livez", "/readyz", "/metrics"] {
            let (span, status) = took(&clock, served.ops, path);
            assert_eq!(status, 200, "{path}");
            ops.push(span);
        }
    }
    stop.store(true, Ordering::Relaxed);
    for one in flood {
        one.join().unwrap();
    }
    let ops = median(ops);
    assert!(ops < Duration::from_secs(1), "the ops port takes {ops:?}");
}
