//! A flood of requests that cost time: the API is late, and the ops port is not.

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
    process::{Cloud, ask, gateway},
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
                // No answer has an item, and each body ends so.
                let end = b"\"missing\":[]}";
                answered += buffer[..read].windows(end.len()).filter(|part| *part == end).count();
            }
        }
    })
}

/// How long a request takes, whose answer must be good.
fn took(clock: &Clock, address: SocketAddr, path: &str) -> Duration {
    let begun = clock.now();
    let answer = ask(address, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n"), "");
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    clock.now().since(begun)
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
    let (mut api, mut ops) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        api.push(took(&clock, served.api, "/sddcs?q=mine"));
        for path in ["/livez", "/readyz", "/metrics"] {
            ops.push(took(&clock, served.ops, path));
        }
    }
    stop.store(true, Ordering::Relaxed);
    for one in flood {
        one.join().unwrap();
    }
    let (api, ops) = (median(api), median(ops));
    // Beside the API's answers they would take as long as these.
    assert!(2 * ops < api, "the ops port takes {ops:?}, the API {api:?}");
}
