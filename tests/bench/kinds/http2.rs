//! Load over TLS with HTTP/2 from `h2load`, and what it cost the server.

use std::{fs, process::Command, time::Duration};

use tempfile::NamedTempFile;

use crate::{load::Round, server::Server};

const CONNECTIONS: &str = "16";
const STREAMS: &str = "4";

/// A load on one server.
pub struct Http2Load<'a> {
    server: &'a Server,
    url: String,
    headers: Vec<(String, String)>,
}

impl<'a> Http2Load<'a> {
    /// Asks for a path again and again.
    pub fn new(server: &'a Server, path: &str, headers: &[(String, String)]) -> Self {
        let url = format!("https://{}{path}", server.address());
        Self { server, url, headers: headers.to_vec() }
    }

    /// Runs it on a core of its own.
    pub fn run(&self, span: Duration) -> Round {
        let log = NamedTempFile::new().expect("a temporary file");
        let mut h2load = Command::new("taskset");
        h2load.args(["-c", "1", "h2load", "-t", "1", "-c", CONNECTIONS, "-m", STREAMS]);
        h2load.args(["--npn-list", "h2", "-D", &span.as_secs().to_string()]);
        h2load.arg("--log-file").arg(log.path());
        for (name, value) in &self.headers {
            h2load.args(["-H", &format!("{name}: {value}")]);
        }
        let before = self.server.cpu_us();
        let output = h2load.arg(&self.url).output().expect("h2load is installed");
        let cpu_us = self.server.cpu_us() - before;
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains(" 0 failed"), "{text}");
        round(cpu_us, &fs::read_to_string(log.path()).expect("it has logged"), span)
    }
}

/// Of lines that each hold when a request began, its status and how many µs it took.
fn round(cpu_us: f64, log: &str, span: Duration) -> Round {
    let answers = log.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let mut took: Vec<f64> = answers
        .map(|answer| {
            assert_eq!(answer[1], "200");
            answer[2].parse().expect("a number of µs")
        })
        .collect();
    took.sort_by(f64::total_cmp);
    #[expect(clippy::cast_precision_loss, reason = "millions at most")]
    let requests = took.len() as f64;
    let at = |share: usize| took[(took.len() - 1) * share / 100];
    Round {
        cpu_us: cpu_us / requests,
        per_second: requests / span.as_secs_f64(),
        p50_us: at(50),
        p99_us: at(99),
    }
}
