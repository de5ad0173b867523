//! What systemd hears of a unit of `Type=notify`.

use std::{os::unix::net::UnixDatagram, path::PathBuf};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::harness::DEADLINE;

use super::run::{Cloud, SECRET, gateway};

/// A service manager's socket.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
    _folder: TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { socket, path, _folder: folder }
    }

    /// The next message.
    fn heard(&self) -> String {
        let mut bytes = [0; 256];
        let length = self.socket.recv(&mut bytes).expect("a message within the deadline");
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }
}

#[test]
fn systemd_hears_that_the_gateway_listens_that_it_is_alive_and_that_it_stops() {
    let (cloud, manager) = (Cloud::start(&[]), Manager::new());
    let served = gateway(&["serve"])
        .of(&cloud)
        .with_secret(SECRET)
        .with("NOTIFY_SOCKET", &manager.path)
        .with("WATCHDOG_USEC", "100000")
        .with("SDDC_GATEWAY_API__DRAIN_DELAY", "1h")
        .serve();
    assert_eq!(manager.heard(), "READY=1\n");
    for _ in 0..3 {
        assert_eq!(manager.heard(), "WATCHDOG=1\n");
    }
    served.signal(Signal::TERM);
    let heard = std::iter::from_fn(|| Some(manager.heard()));
    assert!(heard.take(100).any(|heard| heard == "STOPPING=1\n"));
    // Draining takes its time, and is no reason to be killed.
    assert_eq!(manager.heard(), "WATCHDOG=1\n");
    served.signal(Signal::TERM);
    assert_eq!(served.exit_code(), Some(0));
}

#[test]
fn a_start_during_an_outage_is_a_start_for_systemd_too() {
    let (cloud, manager) = (Cloud::start(&[]), Manager::new());
    cloud.control(
        "POST",
        "/__faults",
        &serde_json::json!({
            "target": "csp", "path": "*", "kind": "status", "status": 503,
        }),
    );
    let served = gateway(&["serve"])
        .of(&cloud)
        .with_secret(SECRET)
        .with("NOTIFY_SOCKET", &manager.path)
        .serve();
    assert_eq!(manager.heard(), "READY=1\n");
    assert_eq!(served.ready().status, 503);
    assert_eq!(served.interrupt().code, Some(0));
    assert_eq!(manager.heard(), "STOPPING=1\n");
}

#[test]
fn a_socket_that_cannot_be_used_is_told_and_does_no_harm() {
    const TOLD: &str = "systemd could not be notified";
    let cloud = Cloud::start(&[]);
    let mut served = gateway(&["serve"])
        .of(&cloud)
        .with_secret(SECRET)
        .with("NOTIFY_SOCKET", "/nowhere/notify")
        .serve();
    // Of a task of its own: it may come before the line by which the start is known.
    let before = served.process.stderr.lines().find(|line| line.contains(TOLD)).map(str::to_owned);
    let line = before.unwrap_or_else(|| served.process.line(TOLD));
    assert!(line.contains("READY=1") && line.contains("no such file"), "{line}");
    assert_eq!(served.get("/livez").status, 200);
}
