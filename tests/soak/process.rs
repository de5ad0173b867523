//! The gateway as a process: how it is set up, what it logs, and what it takes of the machine.

use std::{
    collections::BTreeSet,
    fs,
    io::BufRead,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use rustix::process::Signal;
use support::process::{Process, addresses, gateway};

use crate::{callers::Callers, secrets::Secrets, shared::SharedStore};

/// Longer than anything takes that goes well.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// From this age on nothing is shown any more; while VMware refuses, half as long.
pub const STALE: Duration = Duration::from_secs(20);
pub const STALE_DENIED: Duration = Duration::from_secs(10);

/// A running gateway.
pub struct Gateway {
    process: Mutex<Process>,
    pub api: SocketAddr,
    pub ops: SocketAddr,
    /// Where its upstreams are.
    cloud: SocketAddr,
    http: reqwest::Client,
    /// What is wrong with its log, and the end of it.
    log: Mutex<Receiver<String>>,
}

/// What it takes at a moment.
#[derive(Debug, Clone)]
pub struct Sample {
    pub rss_kib: u64,
    /// Apart from those of connections to its upstreams, which are kept for a while.
    pub fds: u64,
    /// Likewise.
    pub tasks: u64,
    pub series: BTreeSet<String>,
    /// The background tasks that have failed, as their series.
    pub failed_tasks: Vec<String>,
    /// What it says that its snapshots and the answers made of them take.
    pub kept_bytes: u64,
    pub watchers: u64,
    pub in_flight: u64,
}

/// The files that it reads and writes.
pub struct Files<'a> {
    pub folder: &'a Path,
    pub secret: &'a Path,
    pub callers: &'a Callers,
    /// Of the names of files that are this gateway's own.
    pub suffix: &'static str,
}

impl Gateway {
    /// Starts one whose hours are minutes.
    pub fn start(
        cloud: SocketAddr,
        files: &Files<'_>,
        secrets: &Arc<Secrets>,
        shared: &SharedStore,
    ) -> Self {
        let file =
            |name: &str| files.folder.join(format!("{name}{}", files.suffix)).display().to_string();
        let setup = shared.with(gateway(&[]), &file("keys"));
        let setup = setup
            .at(&format!("http://{cloud}"))
            .with("SDDC_GATEWAY_CSP__CLIENT_SECRET_FILE", files.secret)
            .with("SDDC_GATEWAY_VMC__CONNECT_TIMEOUT", "1s")
            .with("SDDC_GATEWAY_VMC__TIMEOUT", "1s")
            .with("SDDC_GATEWAY_VMC__MAX_BODY", "1MiB")
            .with("SDDC_GATEWAY_INVENTORY__POLL", "1s")
            .with("SDDC_GATEWAY_INVENTORY__FRESH", "2s")
            .with("SDDC_GATEWAY_INVENTORY__STALE", format!("{}s", STALE.as_secs()))
            .with("SDDC_GATEWAY_INVENTORY__STALE_DENIED", format!("{}s", STALE_DENIED.as_secs()))
            .with("SDDC_GATEWAY_INVENTORY__SNAPSHOT_FILE", file("snapshot"))
            .with("SDDC_GATEWAY_ACCESS__CALLERS_FILE", &files.callers.file)
            .with("SDDC_GATEWAY_API__HEADER_TIMEOUT", "5s")
            .with("SDDC_GATEWAY_API__WRITE_TIMEOUT", "10s")
            .with("SDDC_GATEWAY_API__REQUEST_TIMEOUT", "10s")
            .with("SDDC_GATEWAY_API__DRAIN_DELAY", "0s")
            .with("SDDC_GATEWAY_TELEMETRY__AUDIT", file("audit"))
            .with("SDDC_GATEWAY_TELEMETRY__FORMAT", "json");
        let (process, log_lines) = setup.start_with_own_stderr();
        let mut lines = log_lines.lines();
        let started = lines.find(|line| line.as_ref().is_ok_and(|it| it.contains("\"started\"")));
        let (api, ops) = addresses(&started.unwrap().unwrap());
        let (faults, log) = channel();
        let secrets = secrets.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let is_bad = line.contains("panicked") || secrets.found_in(line.as_bytes());
                if is_bad && faults.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            api,
            ops,
            cloud,
            process: Mutex::new(process),
            http: support::http::client()
                .pool_max_idle_per_host(0)
                .timeout(DEADLINE)
                .build()
                .unwrap(),
            log: Mutex::new(log),
        }
    }

    /// A line of its log that should not be there.
    pub fn odd_line(&self) -> Option<String> {
        self.log.lock().unwrap().try_recv().ok()
    }

    pub fn signal(&self, signal: Signal) {
        self.process.lock().unwrap().signal(signal);
    }

    /// Ends it, and waits for its end.
    pub fn end(&self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.process.lock().unwrap().child.wait().unwrap().code()
    }

    pub async fn ops(&self, path: &str) -> String {
        let answer = self.http.get(format!("http://{}{path}", self.ops)).send().await.unwrap();
        answer.text().await.unwrap()
    }

    pub async fn sample(&self) -> Sample {
        let page = self.ops("/metrics").await;
        let figure = |name: &str| {
            let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            let value: Option<f64> = value.and_then(|value| value.parse().ok());
            whole(value.unwrap_or_else(|| panic!("no figure {name}")))
        };
        let pid = self.process.lock().unwrap().child.id();
        let upstream = connections(pid, self.cloud);
        let is_comment = |line: &&str| !line.starts_with('#');
        let series = page.lines().filter(is_comment).filter_map(|line| line.rsplit_once(' '));
        let has_failed = |(series, count): &(&str, &str)| {
            series.contains("task_failures_total") && count.parse() != Ok(0.0)
        };
        let failed_tasks = series.clone().filter(has_failed).map(|(series, _)| series.to_owned());
        Sample {
            rss_kib: resident_kib(pid),
            fds: open_fds(pid).saturating_sub(upstream),
            tasks: figure("sddc_gateway_runtime_tasks").saturating_sub(upstream),
            series: series.map(|(series, _)| series.to_owned()).collect(),
            failed_tasks: failed_tasks.collect(),
            kept_bytes: figure("sddc_gateway_inventory_bytes"),
            watchers: figure("sddc_gateway_watchers"),
            in_flight: figure("sddc_gateway_http_in_flight"),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and bytes are whole and not negative"
)]
fn whole(figure: f64) -> u64 {
    figure as u64
}

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn open_fds(pid: u32) -> u64 {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as u64
}

/// How many sockets of a process are connected to an address of IPv4. The system's table names the
/// sockets of all processes, and the other replica has connections to the same cloud.
fn connections(pid: u32, address: SocketAddr) -> u64 {
    let SocketAddr::V4(address) = address else { panic!("an address of IPv4") };
    let ip = u32::from_ne_bytes(address.ip().octets());
    let remote = format!("{ip:08X}:{:04X}", address.port());
    let own: BTreeSet<_> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|fd| fs::read_link(fd.ok()?.path()).ok())
        .collect();
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let is_connected = |line: &&str| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let [_, _, peer, state, _, _, _, _, _, inode, ..] = columns[..] else { return false };
        let socket = format!("socket:[{inode}]");
        peer == remote && state == ESTABLISHED && own.contains(Path::new(&socket))
    };
    table.lines().filter(is_connected).count() as u64
}

/// As `/proc/net/tcp` writes the state of a connection.
const ESTABLISHED: &str = "01";
