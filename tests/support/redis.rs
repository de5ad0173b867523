//! A Redis server of a test's own: that of the system, or the one that `REDIS_SERVER` names.

use std::{
    env,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Ends with the test.
pub struct RedisServer {
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
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let directory = TempDir::new().unwrap();
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        let process = Self::launch(port, &directory, &arguments);
        Self { process, port, arguments, directory }
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
        format!("redis://127.0.0.1:{}", self.port)
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

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
