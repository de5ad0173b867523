//! Others who ask all the while: the ops port, as an orchestrator and Prometheus do, and another caller.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::server::{OTHER_KEY, Server, exchange};

const PATHS: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// Between two questions of the other caller.
const PAUSE: Duration = Duration::from_millis(5);

/// Threads that ask until they are stopped.
pub struct Probes {
    stop: Arc<AtomicBool>,
    ops: JoinHandle<[f64; 3]>,
    other: Option<JoinHandle<Vec<f64>>>,
}

/// What they have seen.
pub struct Seen {
    /// The slowest answer of each path of the ops port, in milliseconds.
    pub slowest: String,
    /// Of the other caller's answers from the snapshot, in milliseconds.
    pub other_p99_ms: f64,
}

impl Probes {
    /// Each must be answered, and well. The other caller asks only `from_snapshot`, which is there at
    /// once whatever others ask.
    pub fn start(server: &Server, from_snapshot: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (of_ops, of_other) = (stop.clone(), stop.clone());
        let (ops, api) = (server.ops(), server.address());
        Self {
            stop,
            ops: thread::spawn(move || ask_ops(ops, &of_ops)),
            other: from_snapshot.then(|| thread::spawn(move || ask_as_other(api, &of_other))),
        }
    }

    /// Ends them.
    pub fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        let [livez, readyz, metrics] = self.ops.join().expect("all were answered");
        let other = self.other.map(|other| other.join().expect("all were answered"));
        let mut took_ms = other.unwrap_or_default();
        took_ms.sort_by(f64::total_cmp);
        Seen {
            slowest: format!("{livez:.0} {readyz:.0} {metrics:.0}"),
            other_p99_ms: took_ms.get(took_ms.len() * 99 / 100).copied().unwrap_or(f64::NAN),
        }
    }
}

fn ask_ops(ops: SocketAddr, stop: &AtomicBool) -> [f64; 3] {
    let mut slowest = [0.0_f64; 3];
    while !stop.load(Ordering::Relaxed) {
        for (path, slowest) in PATHS.iter().zip(&mut slowest) {
            let head = "HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            let answer = exchange(ops, &format!("GET {path} {head}"));
            *slowest = slowest.max(answer.took_ms);
        }
    }
    slowest
}

/// The same question again and again, whose answer is kept.
fn ask_as_other(api: SocketAddr, stop: &AtomicBool) -> Vec<f64> {
    let question = format!(
        "GET /sddcs?limit=1 HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {OTHER_KEY}\r\n\
         Connection: close\r\n\r\n"
    );
    let mut took_ms = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        took_ms.push(exchange(api, &question).took_ms);
        thread::sleep(PAUSE);
    }
    took_ms
}
