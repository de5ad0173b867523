//! The binary, run as a user runs it, and what it says.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
};

use base::clock::Clock;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    BETWEEN_LOOKS, DEADLINE,
    http::{Answer, ask},
};

pub const SECRET: &str = "demo-secret";

/// A running command; killed when dropped.
pub struct Process {
    pub child: Child,
    lines: Receiver<Line>,
    /// What came so far.
    pub stdout: String,
    pub stderr: String,
}

pub enum Line {
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
    pub command: Command,
    /// Whether standard error is read, or goes where the test has put it.
    pub reads_stderr: bool,
}

/// The program, of the build that the test is part of: cargo puts it beside the tests' folder.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("sddc-gateway")
}

/// The gateway's command with these arguments, in an environment with nothing but a path.
pub fn gateway(arguments: &[&str]) -> Setup {
    let mut command = Command::new(program());
    command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Setup::new(command)
}

/// A line as somebody pastes it into a shell, which becomes the command that it names.
pub fn pasted(line: &str) -> Setup {
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
        self.at(&cloud.url())
    }

    /// The same of a cloud at this address.
    pub fn at(self, url: &str) -> Self {
        self.with("SDDC_GATEWAY_CSP__URL", url)
            .with("SDDC_GATEWAY_VMC__URL", url)
            .with("SDDC_GATEWAY_CSP__CLIENT_ID", "demo-app")
            .with("SDDC_GATEWAY_API__LISTEN", "127.0.0.1:0")
            .with("SDDC_GATEWAY_OPS__LISTEN", "127.0.0.1:0")
    }

    pub fn with_secret(self, secret: &str) -> Self {
        self.with("SDDC_GATEWAY_CSP__CLIENT_SECRET", secret)
    }

    pub fn with_stderr(mut self, file: fs::File) -> Self {
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
    pub fn start_with_own_stderr(mut self) -> (Process, BufReader<std::process::ChildStderr>) {
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

pub fn addresses(started: &str) -> (SocketAddr, SocketAddr) {
    let line: Value = serde_json::from_str(started).unwrap();
    let address = |name: &str| line[name].as_str().unwrap().parse().unwrap();
    (address("api"), address("ops"))
}

pub fn read_lines(
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

    pub fn keep(&mut self, line: Line) -> String {
        let (kept, line) = match line {
            Line::Stdout(line) => (&mut self.stdout, line),
            Line::Stderr(line) => (&mut self.stderr, line),
        };
        writeln!(kept, "{line}").unwrap();
        line
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end: it closes what it writes to.
    pub fn ended(mut self) -> Ended {
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
    pub process: Process,
    pub api: SocketAddr,
    pub ops: SocketAddr,
}

impl Served {
    pub fn get(&self, path: &str) -> Answer {
        ask(self.api, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n"), "")
    }

    pub fn ready(&self) -> Answer {
        ask(self.ops, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n", "")
    }

    pub fn in_flight(&self) -> String {
        self.figure("sddc_gateway_http_in_flight")
    }

    /// The value of a figure of one series.
    pub fn figure(&self, name: &str) -> String {
        self.try_figure(name).unwrap()
    }

    /// The same of a series that may not be there yet.
    pub fn try_figure(&self, name: &str) -> Option<String> {
        let page = ask(self.ops, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n", "").body;
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map(str::to_owned)
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

/// Asks until something has come about that nothing announces.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let clock = Clock::system();
    let began = clock.now();
    while !holds() {
        assert!(clock.now().since(began) < DEADLINE, "never came: {what}");
        std::thread::park_timeout(BETWEEN_LOOKS);
    }
}

/// The `simulator` command.
pub struct Cloud {
    pub process: Process,
    pub address: SocketAddr,
}

impl Cloud {
    pub fn start(options: &[&str]) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), options)
    }

    pub fn start_at(address: SocketAddr, options: &[&str]) -> Self {
        let address = address.to_string();
        let arguments: Vec<_> = ["simulator", "--listen", &address]
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
        assert!((200..300).contains(&answer.status), "{answer:?}");
    }

    /// What it was asked.
    pub fn stats(&self) -> Value {
        ask(self.address, "GET /__stats HTTP/1.1\r\nHost: localhost\r\n", "").json()
    }

    /// Reads of SDDCs take so long from now on.
    pub fn delay_reads(&self, ms: u64) {
        let fault = json!({"target": "vmc", "path": "*/sddcs", "kind": "delay", "delay_ms": ms});
        self.control("POST", "/__faults", &fault);
    }
}

/// Each test that needs a port known beforehand has a loopback address of its own: no other socket
/// of the machine takes its ports by chance.
pub fn own_address(test: u8, port: u16) -> SocketAddr {
    let [.., high, low] = std::process::id().to_be_bytes();
    SocketAddr::from(([127, 100 + test, high, low.max(1)], port))
}

/// Where nobody listens.
pub fn dead_address() -> SocketAddr {
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
    pub stanza: String,
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
