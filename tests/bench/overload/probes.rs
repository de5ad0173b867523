//! Who asks the ops port all the while, as an orchestrator and Prometheus do.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use crate::server::exchange;

const PATHS: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// A thread that asks until it is stopped.
pub struct Probes {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<[f64; 3]>,
}

impl Probes {
    /// Each must be answered, and well.
    pub fn start(ops: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut slowest = [0.0_f64; 3];
            while !told.load(Ordering::Relaxed) {
                for (path, slowest) in PATHS.iter().zip(&mut slowest) {
                    let head = "HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
                    let answer = exchange(ops, &format!("GET {path} {head}"));
                    *slowest = slowest.max(answer.took_ms);
                }
            }
            slowest
        });
        Self { stop, thread }
    }

    /// The slowest answer of each path, in milliseconds.
    pub fn stop(self) -> String {
        self.stop.store(true, Ordering::Relaxed);
        let [livez, readyz, metrics] = self.thread.join().expect("all were answered");
        format!("{livez:.0} {readyz:.0} {metrics:.0}")
    }
}
