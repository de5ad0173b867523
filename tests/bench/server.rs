//! The servers that are compared, each a process of its own, on a core that they share in turns.

use std::{
    convert::Infallible,
    env,
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::json;
use support::{
    http,
    process::{Cloud, program},
};
use tokio_util::task::TaskTracker;

pub const KEY: &str = "sgw_bench";
/// SHA-256 of `KEY`.
pub const KEY_SHA256: &str = "068d80644523c92241117f133eaec7a6c8e861e47dd3cf14a78ba62719ed2414";

/// Of another caller.
pub const OTHER_KEY: &str = "sgw_other";
/// SHA-256 of `OTHER_KEY`.
pub const OTHER_KEY_SHA256: &str =
    "b49c989da8b53ceac2ed64839da2e74741d89b711651a362a1d9ba1062a0b407";

/// A running server, ended when dropped.
pub struct Server {
    child: Child,
    address: SocketAddr,
    path: &'static str,
    /// Of a gateway: the simulator behind it.
    upstream: Option<Cloud>,
    /// Of a gateway: its ops port.
    ops: Option<SocketAddr>,
    pub ready_ms: f64,
}

/// An answer of the gateway.
pub struct Answer {
    pub etag: String,
    pub body: Vec<u8>,
    /// From the connection's begin to the body's end.
    pub took_ms: f64,
}

impl Server {
    /// The gateway in front of a simulator: key auth, metrics, request id and access log on.
    pub fn gateway(sddcs: usize) -> Self {
        let keys = format!("bench:{KEY_SHA256}");
        let server = Self::gateway_with(sddcs, &[("ACCESS__KEYS", &keys)]);
        server.answer();
        server
    }

    /// The same of another build.
    pub fn gateway_of(program: &Path, sddcs: usize) -> Self {
        let keys = format!("bench:{KEY_SHA256}");
        let server = Self::start_gateway(program, sddcs, &[("ACCESS__KEYS", &keys)]);
        server.answer();
        server
    }

    /// The same with these settings, named as in the environment, and without a key of its own.
    pub fn gateway_with(sddcs: usize, settings: &[(&str, &str)]) -> Self {
        Self::start_gateway(&program(), sddcs, settings)
    }

    /// The same of so many organizations.
    pub fn gateway_of_orgs(orgs: usize, sddcs: usize, settings: &[(&str, &str)]) -> Self {
        Self::start(&program(), [orgs, sddcs], settings)
    }

    fn start_gateway(program: &Path, sddcs: usize, settings: &[(&str, &str)]) -> Self {
        // No organization has more than a thousand: an answer of VMware's has bounds.
        Self::start(program, [sddcs.div_ceil(1000), sddcs], settings)
    }

    fn start(program: &Path, of_cloud: [usize; 2], settings: &[(&str, &str)]) -> Self {
        let [orgs, sddcs] = of_cloud.map(|count| count.to_string());
        let upstream = Cloud::start(&["--orgs", &orgs, "--sddcs", &sddcs]);
        let [api, ops] = [free_port(), free_port()];
        let begun = now();
        let gateway = on_core_0(program)
            .arg("serve")
            .env("SDDC_GATEWAY_API__LISTEN", api.to_string())
            .env("SDDC_GATEWAY_OPS__LISTEN", ops.to_string())
            .env("SDDC_GATEWAY_CSP__URL", upstream.url())
            .env("SDDC_GATEWAY_VMC__URL", upstream.url())
            .env("SDDC_GATEWAY_CSP__CLIENT_ID", "demo-app")
            .env("SDDC_GATEWAY_CSP__CLIENT_SECRET", "demo-secret")
            // As the image has it.
            .env("MALLOC_MMAP_THRESHOLD_", "262144")
            .envs(settings.iter().map(|(key, value)| (format!("SDDC_GATEWAY_{key}"), *value)))
            .stderr(Stdio::null())
            .spawn()
            .expect("the gateway starts");
        let (upstream, path) = (Some(upstream), "/sddcs");
        let mut server =
            Self { child: gateway, address: api, path, upstream, ops: Some(ops), ready_ms: 0.0 };
        while !is_ready(ops) {
            assert!(begun.elapsed() < Duration::from_secs(20), "the gateway never got ready");
        }
        server.ready_ms = begun.elapsed().as_secs_f64() * 1000.0;
        server
    }

    /// A bare hyper server that sends these bytes and knows nothing else.
    pub fn bare(body: &[u8]) -> Self {
        let mut file = tempfile::NamedTempFile::new().expect("the temporary folder is writable");
        file.write_all(body).expect("the temporary folder has room");
        let this = env::current_exe().expect("this program has a path");
        let mut child = on_core_0(&this)
            .env("BARE_SERVER", file.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the bare server starts");
        let mut lines = BufReader::new(child.stdout.take().expect("it was piped")).lines();
        let address = lines.next().expect("it says where it is").expect("in text");
        let address = address.parse().expect("an address");
        let (upstream, ops) = (None, None);
        Self { child, address, path: "/", upstream, ops, ready_ms: 0.0 }
    }

    /// Another server, which listens at an address soon.
    pub fn other(program: &Path, arguments: &[&OsStr], address: SocketAddr) -> Self {
        let server = Self::other_unasked(program, arguments, address);
        server.answer();
        server
    }

    /// The same, of which nothing is asked yet: it may have TLS.
    pub fn other_unasked(program: &Path, arguments: &[&OsStr], address: SocketAddr) -> Self {
        let child = on_core_0(program).args(arguments).spawn().expect("it starts");
        let (upstream, ops) = (None, None);
        let server = Self { child, address, path: "/", upstream, ops, ready_ms: 0.0 };
        let begun = now();
        while std::net::TcpStream::connect(address).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "it never listens");
        }
        server
    }

    pub fn url(&self) -> String {
        self.url_of(self.path)
    }

    pub fn url_of(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Asks once, by hand, for what it is loaded with.
    pub fn answer(&self) -> Answer {
        self.ask(self.path, "")
    }

    /// Asks once, by hand, with more header fields.
    pub fn ask(&self, path: &str, fields: &str) -> Answer {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n\
             {fields}Connection: close\r\n\r\n"
        );
        exchange(self.address, &head)
    }

    /// Asks once, by hand, with another credential.
    pub fn ask_with(&self, path: &str, (name, value): &(String, String)) -> Answer {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\n{name}: {value}\r\nConnection: close\r\n\r\n"
        );
        exchange(self.address, &head)
    }

    /// Renames an SDDC at the upstream of a gateway.
    pub fn rename(&self, id: &str, name: &str) {
        self.upstream().control("PATCH", &format!("/__sddcs/{id}"), &json!({"name": name}));
    }

    /// Where the upstream of a gateway is.
    pub fn upstream_url(&self) -> String {
        self.upstream().url()
    }

    /// A token of the upstream's.
    pub fn upstream_token(&self) -> String {
        token_of(self.upstream())
    }

    fn upstream(&self) -> &Cloud {
        self.upstream.as_ref().expect("a gateway has one")
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds an SDDC at the upstream of a gateway.
    pub fn change(&self) {
        self.upstream().control("POST", "/__sddcs", &json!({"id": "a"}));
    }

    /// Lets the upstream of a gateway take so long for each read of SDDCs.
    pub fn delay_reads(&self, ms: u64) {
        self.upstream().delay_reads(ms);
    }

    /// Lets the gateway read its upstream now.
    pub fn refresh(&self) {
        self.ask(self.path, "Cache-Control: no-cache\r\n");
    }

    /// The value of a figure of one series.
    pub fn figure(&self, name: &str) -> f64 {
        let head = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let page = exchange(self.ops.expect("a gateway has one"), head).body;
        let page = String::from_utf8_lossy(&page);
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).expect("such a figure")
    }

    /// Where the ops port listens.
    pub fn ops(&self) -> SocketAddr {
        self.ops.expect("a gateway has one")
    }

    /// CPU time that the server's process has used.
    pub fn cpu_us(&self) -> f64 {
        let stat = self.proc("stat");
        // The name in brackets may hold spaces; the fields after it are counted from 3.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<_> = fields.split_whitespace().collect();
        let ticks = |at: usize| fields[at - 3].parse::<f64>().expect("a count of ticks");
        (ticks(14) + ticks(15)) * 1e6 / 100.0
    }

    pub fn resident_mib(&self) -> f64 {
        self.status_mib("VmRSS:")
    }

    /// The most that was ever resident.
    pub fn peak_mib(&self) -> f64 {
        self.status_mib("VmHWM:")
    }

    fn status_mib(&self, name: &str) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        let kib = line.split_whitespace().nth(1).and_then(|text| text.parse::<f64>().ok());
        kib.unwrap_or(f64::NAN) / 1024.0
    }

    fn proc(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(path).expect("the process runs")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request and its good answer, on a connection of its own.
pub fn exchange(address: SocketAddr, request: &str) -> Answer {
    let begun = now();
    let (head, body) = http::exchange(address, request).expect("an answer");
    let took_ms = begun.elapsed().as_secs_f64() * 1000.0;
    assert!(head.starts_with("HTTP/1.1 2"), "{head}");
    let etag = head.lines().find_map(|line| line.strip_prefix("etag: "));
    Answer { etag: etag.unwrap_or_default().to_owned(), body, took_ms }
}

/// A token of the simulator's.
pub fn token_of(cloud: &Cloud) -> String {
    let head = "POST /csp/gateway/am/api/auth/token HTTP/1.1\r\nHost: localhost\r\n\
                Authorization: Basic ZGVtby1hcHA6ZGVtby1zZWNyZXQ=\r\n\
                Content-Type: application/x-www-form-urlencoded\r\n";
    let answer = http::ask(cloud.address, head, "grant_type=client_credentials").json();
    answer["access_token"].as_str().expect("a token").to_owned()
}

/// What lets a caller in.
pub fn authorization() -> (String, String) {
    ("Authorization".to_owned(), format!("Bearer {KEY}"))
}

fn on_core_0(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(program);
    command
}

pub fn free_port() -> SocketAddr {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    socket.local_addr().expect("it is bound")
}

fn is_ready(ops: SocketAddr) -> bool {
    let head = "GET /readyz HTTP/1.1\r\nHost: localhost\r\n";
    http::try_ask(ops, head, "").is_ok_and(|answer| answer.status == 200)
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
pub fn now() -> Instant {
    Instant::now()
}

/// The bare server: hyper with nothing around it.
pub fn serve_bare(body: &Path) {
    let body = Bytes::from(fs::read(body).expect("the bytes are there"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        println!("{}", socket.local_addr().expect("it is bound"));
        let connections = TaskTracker::new();
        loop {
            let Ok((stream, _)) = socket.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            let body = body.clone();
            let service = service_fn(move |_request| {
                let response = Response::builder()
                    .header("content-type", "application/json")
                    .body(Full::new(body.clone()))
                    .expect("a fixed head");
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            connections.spawn(async move { drop(connection.await) });
        }
    });
}
