//! Load from `wrk`, and what it cost the server.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::server::Server;

/// A load on one server.
pub struct Load<'a> {
    server: &'a Server,
    url: String,
    headers: Vec<(String, String)>,
    connections: u32,
    script: Option<PathBuf>,
}

/// What one run of it gave.
pub struct Round {
    pub cpu_us: f64,
    pub per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
}

impl<'a> Load<'a> {
    /// By 64 connections, each of which asks again as soon as it is answered.
    pub fn new(server: &'a Server, headers: &[(String, String)]) -> Self {
        let (url, headers) = (server.url(), headers.to_vec());
        Self { server, url, headers, connections: 64, script: None }
    }

    /// The same on another path, by fewer.
    pub fn on(self, path: &str, connections: u32) -> Self {
        Self { url: self.server.url_of(path), connections, ..self }
    }

    /// The same on another URL, which need not be the server's.
    pub fn at(self, url: &str, connections: u32) -> Self {
        Self { url: url.to_owned(), connections, ..self }
    }

    /// The same with requests made by a script of `wrk`'s.
    pub fn scripted(self, script: &Path) -> Self {
        Self { script: Some(script.to_owned()), ..self }
    }

    /// Runs it on a core of its own.
    pub fn run(&self, span: Duration) -> Round {
        let mut wrk = Command::new("taskset");
        let connections = self.connections.to_string();
        wrk.args(["-c", "1", "wrk", "-t", "1", "-c", &connections, "--latency", "-d"]);
        wrk.arg(format!("{}s", span.as_secs()));
        for (name, value) in &self.headers {
            wrk.args(["-H", &format!("{name}: {value}")]);
        }
        if let Some(script) = &self.script {
            wrk.arg("-s").arg(script);
        }
        let before = self.server.cpu_us();
        let output = wrk.arg(&self.url).output().expect("wrk is installed: make bench does");
        let cpu_us = self.server.cpu_us() - before;
        let text = String::from_utf8_lossy(&output.stdout);
        let failed = ["Non-2xx", "Socket errors"].iter().any(|sign| text.contains(sign));
        assert!(output.status.success() && !failed, "{text}");
        let requests = field(&text, "requests in", 0).parse::<f64>().expect("a count of requests");
        Round {
            cpu_us: cpu_us / requests,
            per_second: field(&text, "Requests/sec:", 1).parse().expect("requests per second"),
            p50_us: micros(&field(&text, "50%", 1)),
            p99_us: micros(&field(&text, "99%", 1)),
        }
    }
}

fn field(text: &str, line: &str, at: usize) -> String {
    let line = text.lines().find(|candidate| candidate.contains(line)).unwrap_or_default();
    line.split_whitespace().nth(at).unwrap_or_default().to_owned()
}

fn micros(text: &str) -> f64 {
    for (unit, factor) in [("us", 1.0), ("ms", 1e3), ("s", 1e6)] {
        if let Some(number) = text.strip_suffix(unit) {
            return number.parse::<f64>().unwrap_or(f64::NAN) * factor;
        }
    }
    f64::NAN
}
