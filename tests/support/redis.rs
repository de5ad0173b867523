//! A Redis server of a test's own: that of the system, or the one that `REDIS_SERVER` names.

use std::{
    env,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Ends with the test.
pub struct RedisServer {
    scheme: &'static str,
    process: Child,
    pub port: u16,
    arguments: Vec<String>,
    directory: TempDir,
}

impl RedisServer {
    pub fn start() -> Self {
        Self::with(&[])
    }

    pub fn with(arguments: &[&str]) -> Self {
        Self::on(free_port(), "redis", arguments)
    }

    /// One that speaks TLS only, with this certificate and key for `localhost`.
    pub fn encrypted(cert: &Path, key: &Path) -> Self {
        let (port, cert, key) = (free_port(), cert.to_str().unwrap(), key.to_str().unwrap());
        let encrypted = port.to_string();
        let files = ["--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no"];
        let arguments = ["--port", "0", "--tls-port", &encrypted].into_iter().chain(files);
        Self::on(port, "rediss", &arguments.collect::<Vec<_>>())
    }

    fn on(port: u16, scheme: &'static str, arguments: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        let process = Self::launch(port, &directory, &arguments);
        Self { scheme, process, port, arguments, directory }
    }

    fn launch(port: u16, directory: &TempDir, arguments: &[String]) -> Child {
        // Debian's package of tools has the server under this name; called by its own it is the server.
        let program = env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-check-rdb".into());
        let mut process = Command::new(program)
            .arg0("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(directory.path())
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-server is there: make test-setup");
        let log = BufReader::new(process.stdout.take().unwrap());
        let mut lines = log.lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("Ready to accept connections")), "it has ended");
        // What more it has to say must not make it wait.
        thread::spawn(move || lines.for_each(drop));
        process
    }

    pub fn url(&self) -> String {
        let host = if self.scheme == "rediss" { "localhost" } else { "127.0.0.1" };
        format!("{}://{host}:{}", self.scheme, self.port)
    }

    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub fn restart(&mut self) {
        self.process = Self::launch(self.port, &self.directory, &self.arguments);
    }

    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
