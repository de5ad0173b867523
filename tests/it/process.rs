//! The real binary (contract sections 2, 3 and 8): commands, exit codes, signals, and what it writes.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
};

use rustix::process::{Pid, Signal, kill_process};
use sddc_gateway::{access::KeyDigest, clock::Clock};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::DEADLINE;

const SECRET: &str = "demo-secret";

/// A running command; killed when dropped.
pub struct Process {
    child: Child,
    lines: Receiver<Line>,
    /// What came so far.
    stdout: String,
    stderr: String,
}

enum Line {
    Stdout(String),
    Stderr(String),
}

/// How a command ended, and all that it wrote.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// What a command is started with.
pub struct Setup {
    command: Command,
    /// Whether standard error is read, or goes where the test has put it.
    reads_stderr: bool,
}

/// The gateway's command with these arguments, in an environment with nothing but a path.
pub fn gateway(arguments: &[&str]) -> Setup {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sddc-gateway"));
    command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Setup::new(command)
}

/// A line as somebody pastes it into a shell, which becomes the command that it names.
fn pasted(line: &str) -> Setup {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec {line}")]).env_remove("http_proxy");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Setup::new(command)
}

impl Setup {
    /// This command.
    pub fn new(command: Command) -> Self {
        Self { command, reads_stderr: true }
    }

    pub fn with(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Points it at a cloud, with ports of the system's choice.
    pub fn of(self, cloud: &Cloud) -> Self {
        self.with("SDDC_GATEWAY_CSP__URL", cloud.url())
            .with("SDDC_GATEWAY_VMC__URL", cloud.url())
            .with("SDDC_GATEWAY_CSP__CLIENT_ID", "demo-app")
            .with("SDDC_GATEWAY_API__LISTEN", "127.0.0.1:0")
            .with("SDDC_GATEWAY_OPS__LISTEN", "127.0.0.1:0")
    }

    pub fn with_secret(self, secret: &str) -> Self {
        self.with("SDDC_GATEWAY_CSP__CLIENT_SECRET", secret)
    }

    fn with_stderr(mut self, file: fs::File) -> Self {
        self.command.stderr(file);
        self.reads_stderr = false;
        self
    }

    pub fn start(mut self) -> Process {
        let mut child = self.command.spawn().unwrap();
        let (sender, lines) = channel();
        read_lines(child.stdout.take().unwrap(), sender.clone(), Line::Stdout);
        if self.reads_stderr {
            read_lines(child.stderr.take().unwrap(), sender, Line::Stderr);
        }
        Process { child, lines, stdout: String::new(), stderr: String::new() }
    }

    /// Leaves standard error to the test, which may close it.
    fn start_with_own_stderr(mut self) -> (Process, BufReader<std::process::ChildStderr>) {
        self.reads_stderr = false;
        let mut process = self.start();
        let stderr = BufReader::new(process.child.stderr.take().unwrap());
        (process, stderr)
    }

    pub fn run(self) -> Ended {
        self.start().ended()
    }

    /// Starts `serve` and waits until it listens.
    pub fn serve(self) -> Served {
        let mut process = self.start();
        let started = process.line("\"message\":\"started\"");
        let (api, ops) = addresses(&started);
        Served { process, api, ops }
    }
}

fn addresses(started: &str) -> (SocketAddr, SocketAddr) {
    let line: Value = serde_json::from_str(started).unwrap();
    let address = |name: &str| line[name].as_str().unwrap().parse().unwrap();
    (address("api"), address("ops"))
}

fn read_lines(
    from: impl Read + Send + 'static,
    to: Sender<Line>,
    line: impl Fn(String) -> Line + Send + 'static,
) {
    std::thread::spawn(move || {
        for text in BufReader::new(from).lines() {
            let Ok(text) = text else { return };
            if to.send(line(text)).is_err() {
                return;
            }
        }
    });
}

impl Process {
    /// The next line of standard error or standard output that holds `text`.
    pub fn line(&mut self, text: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(DEADLINE) else {
                panic!("never came: {text}\n{}\n{}", self.stdout, self.stderr);
            };
            let line = self.keep(line);
            if line.contains(text) {
                return line;
            }
        }
    }

    fn keep(&mut self, line: Line) -> String {
        let (kept, line) = match line {
            Line::Stdout(line) => (&mut self.stdout, line),
            Line::Stderr(line) => (&mut self.stderr, line),
        };
        writeln!(kept, "{line}").unwrap();
        line
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end: it closes what it writes to.
    fn ended(mut self) -> Ended {
        loop {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(line) => drop(self.keep(line)),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    panic!("does not end\n{}\n{}", self.stdout, self.stderr)
                }
            }
        }
        let code = self.child.wait().unwrap().code();
        let (stdout, stderr) = (std::mem::take(&mut self.stdout), std::mem::take(&mut self.stderr));
        Ended { code, stdout, stderr }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running gateway.
pub struct Served {
    process: Process,
    pub api: SocketAddr,
    pub ops: SocketAddr,
}

impl Served {
    pub fn get(&self, path: &str) -> Answer {
        ask(self.api, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n"), "")
    }

    fn ready(&self) -> Answer {
        ask(self.ops, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n", "")
    }

    pub fn in_flight(&self) -> String {
        self.figure("sddc_gateway_http_in_flight")
    }

    /// The value of a figure of one series.
    fn figure(&self, name: &str) -> String {
        let page = ask(self.ops, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n", "").body;
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap().to_owned()
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for its end.
    pub fn ended(self) -> Ended {
        self.process.ended()
    }

    /// Waits for its end, and gives the exit code.
    pub fn exit_code(self) -> Option<i32> {
        self.ended().code
    }

    /// Ends it in the quickest orderly way.
    pub fn interrupt(self) -> Ended {
        self.signal(Signal::INT);
        self.process.ended()
    }
}

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// In lower case.
    head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
}

/// Sends one request on a connection of its own, and reads until that is closed.
pub fn ask(address: SocketAddr, head: &str, body: &str) -> Answer {
    try_ask(address, head, body).unwrap_or_else(|error| panic!("{head}: {error}"))
}

fn try_ask(address: SocketAddr, head: &str, body: &str) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let length = body.len();
    write!(stream, "{head}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = head.get(9..12).and_then(|status| status.parse().ok());
    let status = status.ok_or(std::io::ErrorKind::InvalidData)?;
    Ok(Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
}

/// Asks in the background.
fn ask_meanwhile(address: SocketAddr, path: &str) -> JoinHandle<Answer> {
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n");
    std::thread::spawn(move || ask(address, &head, ""))
}

/// Asks until something has come about that nothing announces.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let clock = Clock::system();
    let began = clock.now();
    while !holds() {
        assert!(clock.now().since(began) < DEADLINE, "never came: {what}");
        std::thread::yield_now();
    }
}

/// The `simulator` command.
pub struct Cloud {
    process: Process,
    pub address: SocketAddr,
}

impl Cloud {
    pub fn start(options: &[&str]) -> Self {
        let arguments: Vec<_> = ["simulator", "--listen", "127.0.0.1:0"]
            .into_iter()
            .chain(options.iter().copied())
            .collect();
        let mut process = gateway(&arguments).start();
        let line = process.line("Simulated CSP and VMC at http://");
        let address = line.rsplit("http://").next().unwrap().parse().unwrap();
        Self { process, address }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn control(&self, method: &str, path: &str, body: &Value) {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        let answer = ask(self.address, &head, &body.to_string());
        assert_eq!(answer.status, 204, "{answer:?}");
    }

    /// Reads of SDDCs take so long from now on.
    fn delay_reads(&self, ms: u64) {
        let fault = json!({"target": "vmc", "path": "*/sddcs", "kind": "delay", "delay_ms": ms});
        self.control("POST", "/__faults", &fault);
    }
}

/// Each test that needs a port known beforehand has a loopback address of its own: no other socket
/// of the machine takes its ports by chance.
fn own_address(test: u8, port: u16) -> SocketAddr {
    let [.., high, low] = std::process::id().to_be_bytes();
    SocketAddr::from(([127, 100 + test, high, low.max(1)], port))
}

/// Where nobody listens.
fn dead_address() -> SocketAddr {
    own_address(0, 1)
}

pub fn file(folder: &TempDir, name: &str, content: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    path
}

/// What `key NAME` printed.
pub struct Printed {
    pub key: String,
    pub variable: String,
    stanza: String,
}

pub fn new_key(name: &str) -> Printed {
    let ended = gateway(&["key", name]).run();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines = || ended.stdout.lines().map(str::trim);
    let key = lines().find(|line| line.starts_with("sgw_")).unwrap().to_owned();
    let assigned = lines().find_map(|line| line.strip_prefix("SDDC_GATEWAY_ACCESS__KEYS="));
    let stanza: Vec<_> = lines()
        .skip_while(|line| *line != "[[access.callers]]")
        .take_while(|line| !line.is_empty())
        .collect();
    Printed { key, variable: assigned.unwrap().to_owned(), stanza: stanza.join("\n") }
}

pub fn bearer(address: SocketAddr, path: &str, key: &str) -> Answer {
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n");
    ask(address, &head, "")
}

#[test]
fn help_and_version_are_printed_everywhere() {
    for command in ["serve", "demo", "simulator", "check", "key", "openapi", "healthcheck"] {
        let ended = gateway(&[command, "--help"]).run();
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{command}");
        assert!(ended.stdout.contains("Usage: sddc-gateway"), "{}", ended.stdout);
        let all = gateway(&["--help"]).run();
        assert!(all.stdout.lines().any(|line| line.trim_start().starts_with(command)));
    }
    let ended = gateway(&["--version"]).run();
    assert_eq!(ended.stdout, format!("sddc-gateway {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(ended.code, Some(0));
}

#[test]
fn a_printed_key_lets_its_caller_in_by_both_stanzas() {
    let cloud = Cloud::start(&[]);
    let folder = TempDir::new().unwrap();
    let (one, other) = (new_key("billing"), new_key("audit"));
    assert_ne!(one.key, other.key);
    for printed in [&one, &other] {
        let secret_part = printed.key.strip_prefix("sgw_").unwrap();
        assert_eq!(secret_part.len(), 43);
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        assert!(secret_part.bytes().all(is_base64url), "{}", printed.key);
        let digest = KeyDigest::of(printed.key.as_bytes()).to_string();
        assert!(printed.stanza.contains(&format!("key_sha256 = [\"{digest}\"]")));
        assert!(printed.variable.ends_with(&format!(":{digest}")));
    }
    let config = file(&folder, "gateway.toml", &one.stanza);
    let by_file = gateway(&["serve", "--config", config.to_str().unwrap()])
        .of(&cloud)
        .with_secret(SECRET)
        .serve();
    let by_variable = gateway(&["serve"])
        .of(&cloud)
        .with_secret(SECRET)
        .with("SDDC_GATEWAY_ACCESS__KEYS", &other.variable)
        .serve();
    assert_eq!(bearer(by_file.api, "/sddcs", &one.key).status, 200);
    assert_eq!(bearer(by_file.api, "/sddcs", &other.key).status, 401);
    assert_eq!(bearer(by_variable.api, "/sddcs", &other.key).status, 200);
    assert_eq!(bearer(by_variable.api, "/sddcs", &one.key).status, 401);
    assert_eq!(by_variable.get("/sddcs").status, 401);
}

#[test]
fn a_bad_name_gets_no_key() {
    for name in ["bad name", "", "anonymous", "a\u{1b}[2J"] {
        let ended = gateway(&["key", name]).run();
        assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{name:?}");
        assert!(ended.stderr.contains("name"), "{}", ended.stderr);
        assert!(!ended.stderr.contains('\u{1b}'), "it is escaped");
    }
}

#[test]
fn the_openapi_command_prints_the_published_document() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi");
    for (arguments, name) in [
        (&["openapi"][..], "openapi.json"),
        (&["openapi", "--format", "json"], "openapi.json"),
        (&["openapi", "--format", "yaml"], "openapi.yaml"),
    ] {
        let ended = gateway(arguments).run();
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
        let published = fs::read_to_string(folder.join(name)).unwrap();
        assert!(ended.stdout == published, "{arguments:?} is not openapi/{name}");
    }
}

#[test]
fn a_bad_configuration_is_told_whole_and_nothing_is_bound() {
    let folder = TempDir::new().unwrap();
    // Binding these would fail, and be told.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = file(
        &folder,
        "gateway.toml",
        &format!(
            "[api]\nlisten = \"{}\"\nlissten = 1\n[csp]\nclient_secret = \"CANARY\"\n\
             client_secret_file = \"/nowhere\"\n[inventory]\nfresh = \"often\"\n",
            taken.local_addr().unwrap()
        ),
    );
    let config = config.to_str().unwrap();
    for arguments in
        [&["serve", "--config", config][..], &["--config", config], &["check", "--config", config]]
    {
        let ended = gateway(arguments)
            .with("SDDC_GATEWAY_API__MAX_IN_FLIGHT", "many")
            .with("SDDC_GATEWAY_CSP__CLIENT_IDD", "x")
            .with("SDDC_GATEWAY_PORT", "tcp://10.0.0.1:80")
            .run();
        assert_eq!((ended.code, &*ended.stdout), (Some(78), ""), "{arguments:?} {ended:?}");
        for fault in [
            "SDDC_GATEWAY_CSP__CLIENT_IDD: unknown key",
            "api.lissten: unknown key",
            "gateway.toml:3",
            "api.max_in_flight: \"many\"",
            "(SDDC_GATEWAY_API__MAX_IN_FLIGHT)",
            "csp.client_id: required but not set",
            "csp.client_secret: set together with csp.client_secret_file",
            "inventory.fresh: \"often\"",
            "gateway.toml:8",
        ] {
            assert!(ended.stderr.contains(fault), "{fault} is not in\n{}", ended.stderr);
        }
        assert_eq!(ended.stderr.lines().count(), 6, "{}", ended.stderr);
        assert!(!ended.stderr.contains("CANARY") && !ended.stderr.contains("listened on"));
    }
}

#[test]
fn without_callers_it_starts_on_loopback_only() {
    for arguments in [&["serve"][..], &[]] {
        let ended = gateway(arguments)
            .with("SDDC_GATEWAY_API__LISTEN", "0.0.0.0:0")
            .with("SDDC_GATEWAY_CSP__CLIENT_ID", "demo-app")
            .with_secret(SECRET)
            .run();
        assert_eq!(ended.code, Some(78), "{ended:?}");
        assert!(ended.stderr.contains("sddc-gateway key NAME"), "{}", ended.stderr);
        assert!(ended.stderr.contains("access.open = true"), "{}", ended.stderr);
    }
}

#[test]
fn a_key_that_could_not_be_printed_is_a_failure() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sddc-gateway"));
    let ended = command.args(["key", "billing"]).stdout(full).output().unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{told}");
    assert!(told.starts_with("sddc-gateway: the key cannot be printed: "), "{told}");
    assert!(!told.contains("sgw_"));
}

#[test]
fn check_says_what_the_credentials_are_good_for() {
    let cloud = Cloud::start(&[]);
    let key = new_key("billing");
    let ended = gateway(&["check"])
        .of(&cloud)
        .with_secret(SECRET)
        .with("SDDC_GATEWAY_ACCESS__KEYS", key.variable)
        .run();
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
    for line in [
        "ok    configuration",
        "CALLER   SCOPES     KNOWN BY      SEES        RATE      UNTIL",
        "billing  sddc:read  key ",
        "ok    token of the app's own organization, good for 1800 s",
        "      organization  ",
        "      permission    csp:org_member",
        "warn  external/vmc-service-definition-id/nsx:cloud_admin can do more than read",
        "ok    1 organization(s)",
    ] {
        assert!(ended.stdout.contains(line), "{line} is not in\n{}", ended.stdout);
    }
    assert!(!ended.stdout.contains("FAIL"));
    assert!(!ended.stdout.contains("Q0FOQVJZLXRva2VuL") && !ended.stdout.contains(SECRET));
}

#[test]
fn check_names_the_setting_that_is_wrong() {
    let cloud = Cloud::start(&[]);
    let wrong = gateway(&["check"]).of(&cloud).with_secret("CANARY-wrong").run();
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.stdout.contains("FAIL  token of"), "{}", wrong.stdout);
    assert!(wrong.stdout.contains("csp.client_secret"), "{}", wrong.stdout);
    assert!(!wrong.stdout.contains("CANARY") && !wrong.stderr.contains("CANARY"));

    let nowhere = format!("http://{}", dead_address());
    let to_nowhere = |arguments: &[&str]| {
        gateway(arguments).of(&cloud).with_secret(SECRET).with("SDDC_GATEWAY_CSP__URL", &nowhere)
    };
    let dead = to_nowhere(&["check"]).run();
    assert_eq!(dead.code, Some(1), "{dead:?}");
    assert!(dead.stdout.contains("FAIL  token of"), "{}", dead.stdout);
    assert!(dead.stdout.contains(&format!("check csp.url ({nowhere}")), "{}", dead.stdout);
    let offline = to_nowhere(&["check", "--offline"]).run();
    assert_eq!(offline.code, Some(0), "{offline:?}");
    assert!(!offline.stdout.contains("token"), "nobody was asked: {}", offline.stdout);

    let no_vmc = gateway(&["check"])
        .of(&cloud)
        .with_secret(SECRET)
        .with("SDDC_GATEWAY_VMC__URL", &nowhere)
        .run();
    assert_eq!(no_vmc.code, Some(1), "{no_vmc:?}");
    assert!(no_vmc.stdout.contains("ok    token of"), "{}", no_vmc.stdout);
    assert!(no_vmc.stdout.contains(&format!("check vmc.url ({nowhere}")), "{}", no_vmc.stdout);
}

#[test]
fn check_says_that_the_other_encoding_works() {
    let secret = "a b+c%&=ü";
    let cloud = Cloud::start(&["--client-secret", secret]);
    cloud.control("PATCH", "/__csp", &json!({"basic_encoding": "form"}));
    let raw = gateway(&["check"]).of(&cloud).with_secret(secret).run();
    assert_eq!(raw.code, Some(1), "{raw:?}");
    assert!(raw.stdout.contains("csp.basic_encoding = \"form\""), "{}", raw.stdout);
    let form = gateway(&["check"])
        .of(&cloud)
        .with_secret(secret)
        .with("SDDC_GATEWAY_CSP__BASIC_ENCODING", "form")
        .run();
    assert_eq!(form.code, Some(0), "{form:?}");
}

#[test]
fn healthcheck_tells_alive_from_ready() {
    let cloud = Cloud::start(&[]);
    let asked = |ops: SocketAddr, arguments: &[&str]| {
        let ended = gateway(arguments).with("SDDC_GATEWAY_OPS__LISTEN", ops.to_string()).run();
        (ended.code, ended.stderr)
    };
    let good = gateway(&["serve"]).of(&cloud).with_secret(SECRET).serve();
    assert_eq!(good.get("/sddcs").status, 200);
    assert_eq!(asked(good.ops, &["healthcheck"]).0, Some(0));
    assert_eq!(asked(good.ops, &["healthcheck", "--ready"]).0, Some(0));
    let refused = gateway(&["serve"]).of(&cloud).with_secret("wrong").serve();
    assert_eq!(asked(refused.ops, &["healthcheck"]).0, Some(0));
    let (code, told) = asked(refused.ops, &["healthcheck", "--ready"]);
    assert_eq!(code, Some(1));
    assert!(told.contains("/readyz: status 503"), "{told}");
    let (code, told) = asked(dead_address(), &["healthcheck"]);
    assert_eq!(code, Some(1));
    assert!(told.contains("/livez"), "{told}");
}

#[test]
fn the_simulator_says_where_it_is_and_ends_when_told() {
    let mut cloud = Cloud::start(&["--orgs", "2", "--sddcs", "3"]);
    for name in ["CSP__URL", "VMC__URL"] {
        cloud.process.line(&format!("SDDC_GATEWAY_{name}={}", cloud.url()));
    }
    let orgs = cloud.process.line("Organizations: ");
    assert_eq!(orgs.split(", ").count(), 2, "{orgs}");
    let answer = ask(cloud.address, "GET /__stats HTTP/1.1\r\nHost: localhost\r\n", "");
    assert_eq!(answer.status, 200);
    cloud.process.signal(Signal::TERM);
    assert_eq!(cloud.process.ended().code, Some(0));
}

#[test]
fn each_curl_line_of_the_demo_works() {
    let any = "127.0.0.1:0";
    let mut demo = gateway(&["demo", "--listen", any, "--ops-listen", any, "--sddcs", "5"]).start();
    let url = |line: String| line[line.find("http://").unwrap()..].to_owned();
    let (sddcs, docs) = (url(demo.line("SDDCs  ")), url(demo.line("docs  ")));
    let (state, metrics) = (url(demo.line("state  ")), url(demo.line("metrics  ")));
    let printed: Vec<_> = (0..3).map(|_| demo.line("  curl ").trim().to_owned()).collect();
    let curl = |line: &str| {
        let line = line.replacen("curl ", "curl -sS --max-time 20 ", 1);
        let output = Command::new("sh").args(["-c", &line]).env_remove("http_proxy").output();
        let output = output.unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let list: Value = serde_json::from_str(&curl(&printed[0])).unwrap();
    let sddcs_shown = list["items"].as_array().unwrap().len();
    assert!((5..=7).contains(&sddcs_shown), "up to two come and go: {list}");
    let ready = curl(&printed[1]);
    assert!(
        ready.starts_with("HTTP/1.1 200 OK\r\n") && ready.contains("cache-status: "),
        "{ready}"
    );
    let list: Value = serde_json::from_str(ready.split_once("\r\n\r\n").unwrap().1).unwrap();
    for sddc in list["items"].as_array().unwrap() {
        let fields: Vec<&str> = sddc.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!((&sddc["state"], fields), (&json!("READY"), vec!["id", "name", "state"]));
    }
    assert_ne!(list["items"], json!([]));
    let refused = curl(&format!("curl -i '{sddcs}?partail=allow'"));
    assert!(refused.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{refused}");
    assert!(refused.contains("\"did_you_mean\":\"partial\""), "{refused}");
    // A stream does not end by itself: what matters is that it begins.
    let mut events = pasted(&printed[2]).start();
    events.line("event: sync");
    assert!(events.line("data: ").contains("\"items\""));
    assert!(curl(&format!("curl -f {sddcs}")).contains("\"items\""));
    assert!(curl(&format!("curl -f {docs}")).contains("<html"));
    assert!(curl(&format!("curl -f {state}")).contains("\"ready\":true"));
    assert!(curl(&format!("curl -f {metrics}")).ends_with("# EOF\n"));
    demo.signal(Signal::INT);
    let ended = demo.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn three_settings_serve_the_sddcs() {
    let cloud = Cloud::start(&[]);
    let folder = TempDir::new().unwrap();
    let key = new_key("billing");
    for arguments in [&["serve"][..], &[]] {
        let secret = file(&folder, "secret", "demo-secret\n");
        let served = gateway(arguments)
            .of(&cloud)
            .with("SDDC_GATEWAY_CSP__CLIENT_SECRET_FILE", secret)
            .with("SDDC_GATEWAY_ACCESS__KEYS", &key.variable)
            .serve();
        let answer = bearer(served.api, "/sddcs", &key.key);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["items"].as_array().unwrap().len(), 4);
        assert_eq!(served.interrupt().code, Some(0));
    }
}

#[test]
fn a_corrected_secret_file_is_taken_up_without_a_restart() {
    let cloud = Cloud::start(&[]);
    let folder = TempDir::new().unwrap();
    let secret = file(&folder, "secret", "wrong\n");
    let served =
        gateway(&[]).of(&cloud).with("SDDC_GATEWAY_CSP__CLIENT_SECRET_FILE", &secret).serve();
    let answer = served.get("/sddcs");
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_eq!(answer.json()["code"], "upstream-credentials-rejected");
    let ready = served.ready();
    assert_eq!(ready.status, 503, "{ready:?}");
    let token = ready.json()["orgs"][0]["token"].clone();
    assert_eq!(token["last_error"], "upstream-credentials-rejected");
    fs::write(&secret, "demo-secret\n").unwrap();
    served.signal(Signal::HUP);
    until("recovery", || served.get("/sddcs").status == 200);
    assert_eq!(served.ready().status, 200);
    assert_eq!(served.interrupt().code, Some(0));
}

#[test]
fn sighup_never_ends_it_even_with_nothing_to_read_again() {
    let cloud = Cloud::start(&[]);
    let served = gateway(&[]).of(&cloud).with_secret(SECRET).serve();
    served.signal(Signal::HUP);
    assert_eq!(served.get("/sddcs").status, 200);
    let ended = served.interrupt();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn sigterm_is_told_first_and_a_second_signal_cuts_it_short() {
    for second in [Signal::TERM, Signal::INT] {
        let cloud = Cloud::start(&[]);
        let mut served = gateway(&[])
            .of(&cloud)
            .with_secret(SECRET)
            .with("SDDC_GATEWAY_API__DRAIN_DELAY", "1h")
            .serve();
        let answer = served.get("/sddcs");
        assert_eq!((answer.status, served.ready().status), (200, 200));
        served.signal(Signal::TERM);
        served.process.line("shutting down");
        let ready = served.ready();
        assert_eq!((ready.status, &ready.json()["ready"]), (503, &json!(false)));
        assert_eq!(served.get("/readyz").status, 503);
        assert_eq!(served.get("/livez").status, 200);
        let mut stream = TcpStream::connect(served.api).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(b"GET /sddcs HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        served.signal(second);
        let ended = served.process.ended();
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}

#[test]
fn what_is_in_flight_at_sigterm_is_finished() {
    let cloud = Cloud::start(&[]);
    cloud.delay_reads(1500);
    let mut served = gateway(&[])
        .of(&cloud)
        .with_secret(SECRET)
        .with("SDDC_GATEWAY_INVENTORY__POLL", "0s")
        .with("SDDC_GATEWAY_API__DRAIN_DELAY", "100ms")
        .serve();
    let slow = ask_meanwhile(served.api, "/sddcs");
    until("the slow request", || served.in_flight() == "1");
    served.signal(Signal::TERM);
    served.process.line("shutting down");
    let answer = slow.join().unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("connection: close"), "{answer:?}");
    assert_eq!(answer.json()["items"].as_array().unwrap().len(), 4);
    let ended = served.process.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("\"message\":\"ended\""), "{}", ended.stderr);
}

#[test]
fn sigterm_answers_who_waits_and_ends_event_streams() {
    let cloud = Cloud::start(&[]);
    let served = gateway(&[])
        .of(&cloud)
        .with_secret(SECRET)
        // Neither waits for it.
        .with("SDDC_GATEWAY_API__DRAIN_DELAY", "1h")
        .serve();
    assert_eq!(served.get("/sddcs").status, 200);
    let open = |path: &str, header: &str| {
        let mut stream = TcpStream::connect(served.api).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n").unwrap();
        BufReader::new(stream)
    };
    let mut lines = String::new();
    let mut waiting = open("/sddcs?wait=100s", "If-None-Match: *\r\n");
    let mut watching = open("/sddcs/events", "");
    while !lines.contains("event: sync") {
        assert_ne!(watching.read_line(&mut lines).unwrap(), 0, "{lines}");
    }
    until("two watchers", || served.figure("sddc_gateway_watchers") == "2");
    served.signal(Signal::TERM);
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 304"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    while !lines.ends_with("\r\n0\r\n") {
        assert_ne!(watching.read_line(&mut lines).unwrap(), 0, "{lines}");
    }
    until("no watcher", || served.figure("sddc_gateway_watchers") == "0");
    served.signal(Signal::TERM);
    assert_eq!(served.process.ended().code, Some(0));
}

#[test]
fn sigint_skips_the_delay_but_not_what_is_in_flight() {
    let cloud = Cloud::start(&[]);
    cloud.delay_reads(1000);
    let mut served = gateway(&[])
        .of(&cloud)
        .with_secret(SECRET)
        .with("SDDC_GATEWAY_INVENTORY__POLL", "0s")
        .with("SDDC_GATEWAY_API__DRAIN_DELAY", "1h")
        .serve();
    // A connection that nobody uses must not be waited for.
    let idle = TcpStream::connect(served.api).unwrap();
    let slow = ask_meanwhile(served.api, "/sddcs");
    until("the slow request", || served.in_flight() == "1");
    served.signal(Signal::INT);
    served.process.line("shutting down");
    let answer = slow.join().unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(served.process.ended().code, Some(0));
    drop(idle);
}

/// Tells a gateway to end that has one request, which hangs, and an audit; then looks for the two
/// lines about it.
pub fn is_cut_on_record(mut served: Served, second: Option<Signal>, audit: &Path) {
    until("it hangs", || served.in_flight() == "1");
    served.signal(Signal::TERM);
    served.process.line("shutting down");
    if let Some(second) = second {
        served.signal(second);
    }
    let ended = served.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let records = fs::read_to_string(audit).unwrap();
    for (text, what) in [(&ended.stderr, "sddc_gateway::access"), (&records, "\"caller\"")] {
        let mut lines = text.lines().filter(|line| line.contains(what));
        let line: Value = serde_json::from_str(lines.next().expect(text)).unwrap();
        assert_eq!(lines.next(), None);
        assert_eq!(line["http.response.status_code"], 499, "{line}");
        assert_eq!(line["http.route"], "/tasks", "{line}");
        assert_eq!(line["caller"], "billing", "{line}");
    }
}

#[test]
fn what_is_cut_at_the_end_of_a_drain_leaves_its_line_and_its_record() {
    let cloud = Cloud::start(&[]);
    let hang = json!({"target": "vmc", "path": "*/tasks", "kind": "hang"});
    cloud.control("POST", "/__faults", &hang);
    let folder = TempDir::new().unwrap();
    let caller = new_key("billing");
    for (drain, second) in [("100ms", None), ("1h", Some(Signal::TERM))] {
        let audit = folder.path().join(format!("{drain}.jsonl"));
        let served = gateway(&["serve"])
            .of(&cloud)
            .with_secret(SECRET)
            .with("SDDC_GATEWAY_ACCESS__KEYS", &caller.variable)
            .with("SDDC_GATEWAY_TELEMETRY__AUDIT", &audit)
            .with("SDDC_GATEWAY_API__DRAIN_DELAY", "0s")
            .with("SDDC_GATEWAY_API__DRAIN", drain)
            .serve();
        let mut hanging = TcpStream::connect(served.api).unwrap();
        let key = &caller.key;
        write!(
            hanging,
            "GET /tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n"
        )
        .unwrap();
        is_cut_on_record(served, second, &audit);
    }
}

#[test]
fn a_port_in_use_is_told_with_its_key() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for key in ["api.listen", "ops.listen"] {
        let variable = format!("SDDC_GATEWAY_{}", key.replace('.', "__").to_ascii_uppercase());
        let nowhere = format!("http://{}", dead_address());
        let ended = gateway(&["serve"])
            .with("SDDC_GATEWAY_API__LISTEN", "127.0.0.1:0")
            .with("SDDC_GATEWAY_OPS__LISTEN", "127.0.0.1:0")
            .with("SDDC_GATEWAY_CSP__URL", nowhere)
            .with("SDDC_GATEWAY_CSP__CLIENT_ID", "demo-app")
            .with_secret(SECRET)
            .with(&variable, &address)
            .run();
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let told = format!("{key}: {address} cannot be listened on");
        assert!(ended.stderr.contains(&told), "{told} is not in {}", ended.stderr);
    }
}

#[test]
fn core_dumps_are_off_wherever_a_secret_is_held() {
    let cloud = Cloud::start(&[]);
    let served = gateway(&[]).of(&cloud).with_secret(SECRET).serve();
    let any = "127.0.0.1:0";
    let mut demo = gateway(&["demo", "--listen", any, "--ops-listen", any]).start();
    demo.line("Paste one of these");
    for pid in [served.process.child.id(), demo.child.id()] {
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        let numbers: Vec<_> = line.split_whitespace().skip(4).take(2).collect();
        assert_eq!(numbers, ["0", "0"], "{line}");
    }
}

#[test]
fn rust_log_is_ignored() {
    let cloud = Cloud::start(&[]);
    let served = gateway(&[]).of(&cloud).with_secret(SECRET).with("RUST_LOG", "trace").serve();
    assert_eq!(served.get("/sddcs").status, 200);
    let ended = served.interrupt();
    for line in ended.stderr.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let level = line["level"].as_str().unwrap();
        assert!(!matches!(level, "DEBUG" | "TRACE"), "{line}");
    }
}

#[test]
fn the_log_at_trace_holds_no_secret_and_each_line_is_json() {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let secret = "CANARY-client+secret/%:ü";
    let cloud = Cloud::start(&["--client-secret", secret]);
    let key = new_key("billing");
    let served = gateway(&[])
        .of(&cloud)
        .with_secret(secret)
        .with("SDDC_GATEWAY_ACCESS__KEYS", &key.variable)
        .with("SDDC_GATEWAY_TELEMETRY__LOG", "trace")
        .with("SDDC_GATEWAY_INVENTORY__POLL", "0s")
        .with("SDDC_GATEWAY_INVENTORY__FRESH", "0s")
        .serve();
    assert_eq!(bearer(served.api, "/sddcs", &key.key).status, 200);
    assert_eq!(bearer(served.api, "/orgs", "sgw_CANARY-wrong-key").status, 401);
    // Pasted where it does not belong.
    let misplaced = format!("/{0}?{0}={0}", key.key);
    assert_eq!(bearer(served.api, &misplaced, &key.key).status, 404);
    assert_eq!(bearer(served.api, &format!("/sddcs/{}", key.key), &key.key).status, 404);
    // A token that VMC refuses, bodies that cannot be read, and a refused mint.
    cloud.control("PATCH", "/__csp", &json!({"revoke_tokens": true}));
    bearer(served.api, "/sddcs", &key.key);
    for kind in ["garbage", "truncate", "reset"] {
        let fault = json!({"target": "vmc", "path": "*", "kind": kind, "times": 1});
        cloud.control("POST", "/__faults", &fault);
        bearer(served.api, "/sddcs", &key.key);
    }
    // What is no HTTP, which is told at debug.
    let mut garbage = TcpStream::connect(served.api).unwrap();
    garbage.write_all(format!("{}\r\n\r\n", key.key).as_bytes()).unwrap();
    garbage.read_to_string(&mut String::new()).unwrap();
    drop(garbage);
    let mut log = served.interrupt().stderr;
    let refused = gateway(&[])
        .of(&cloud)
        .with_secret("CANARY-refused")
        .with("SDDC_GATEWAY_TELEMETRY__LOG", "trace")
        .serve();
    assert_eq!(refused.get("/sddcs").status, 502);
    log += &refused.interrupt().stderr;
    let mut levels = Vec::new();
    for line in log.lines() {
        let event: Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        assert!(event["timestamp"].is_string() && event["message"].is_string(), "{line}");
        let level = event["level"].as_str().unwrap().to_owned();
        if matches!(&*level, "DEBUG" | "TRACE") {
            let target = event["target"].as_str().unwrap();
            assert!(target.starts_with("sddc_gateway"), "{line}");
        }
        levels.push(level);
    }
    assert!(levels.iter().any(|level| level == "DEBUG" || level == "TRACE"), "{log}");
    let basic = BASE64_STANDARD.encode(format!("demo-app:{secret}"));
    for text in ["CANARY", "Q0FOQVJZLXRva2VuL", &*key.key, "client+secret", &*basic, "sgw_"] {
        assert!(!log.contains(text), "{text} is in\n{log}");
    }
}

#[test]
fn a_log_that_nobody_reads_any_more_does_not_end_it() {
    let cloud = Cloud::start(&[]);
    let (process, mut stderr) = gateway(&[]).of(&cloud).with_secret(SECRET).start_with_own_stderr();
    let mut started = String::new();
    while !started.contains("\"message\":\"started\"") {
        started.clear();
        assert!(stderr.read_line(&mut started).unwrap() > 0, "it ended");
    }
    let (api, ops) = addresses(&started);
    drop(stderr);
    let served = Served { process, api, ops };
    for _ in 0..20 {
        assert_eq!(served.get("/sddcs").status, 200);
    }
    assert_eq!(served.ready().status, 200);
    served.signal(Signal::INT);
    assert_eq!(served.process.ended().code, Some(0));
}

#[test]
fn a_full_disk_below_the_log_does_not_end_it() {
    let cloud = Cloud::start(&[]);
    let (api, ops) = (own_address(1, 8080), own_address(1, 9090));
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let process = gateway(&[])
        .of(&cloud)
        .with_secret(SECRET)
        .with("SDDC_GATEWAY_API__LISTEN", api.to_string())
        .with("SDDC_GATEWAY_OPS__LISTEN", ops.to_string())
        .with_stderr(full)
        .start();
    let served = Served { process, api, ops };
    until("it listens", || TcpStream::connect(api).is_ok());
    for _ in 0..20 {
        assert_eq!(served.get("/sddcs").status, 200);
    }
    served.signal(Signal::INT);
    assert_eq!(served.process.ended().code, Some(0));
}
