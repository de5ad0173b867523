//! Load over TLS from a generator of our own: `wrk` shows no client certificate.
//!
//! As `wrk` with HTTP/1.1: 64 connections, made before anything is measured, each of which asks again
//! as soon as it is answered, on one thread. Handshakes are not part of what is measured.

use std::{cell::RefCell, process::Command, sync::Arc, time::Duration};

use futures_util::future::join_all;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use support::authority::{Authority, Pair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Runtime,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    load::Round,
    server::{Server, now},
    spread,
};

const CONNECTIONS: usize = 64;

/// A load on one server.
pub struct TlsLoad<'a> {
    server: &'a Server,
    request: String,
    runtime: Runtime,
    connections: RefCell<Vec<Connection>>,
}

struct Connection {
    stream: TlsStream<TcpStream>,
    came: Vec<u8>,
}

/// Moves this process to the load generator's core.
pub fn take_core_1() {
    let process = std::process::id().to_string();
    let moved = Command::new("taskset").args(["-a", "-p", "-c", "1", &process]).output();
    assert!(moved.is_ok_and(|output| output.status.success()), "taskset is there");
}

impl<'a> TlsLoad<'a> {
    /// Opens the connections, showing a certificate if there is one.
    pub fn open(
        server: &'a Server,
        authority: &Authority,
        pair: Option<&Pair>,
        fields: &str,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let connector = TlsConnector::from(Arc::new(config(authority, pair)));
        let dials = (0..CONNECTIONS).map(|_| Connection::dial(server, &connector));
        let connections = runtime.block_on(join_all(dials)).into();
        let request = format!("GET /sddcs HTTP/1.1\r\nHost: {}\r\n{fields}\r\n", server.address());
        Self { server, request, runtime, connections }
    }

    /// Runs it.
    pub fn run(&self, span: Duration) -> Round {
        let mut connections = self.connections.borrow_mut();
        let before = self.server.cpu_us();
        let asking = connections.iter_mut().map(|one| one.ask_for(&self.request, span));
        let took = self.runtime.block_on(join_all(asking)).concat();
        let cpu_us = self.server.cpu_us() - before;
        round(cpu_us, took, span)
    }
}

fn round(cpu_us: f64, mut took: Vec<f64>, span: Duration) -> Round {
    #[expect(clippy::cast_precision_loss, reason = "millions at most")]
    let requests = took.len() as f64;
    took.sort_by(f64::total_cmp);
    Round {
        cpu_us: cpu_us / requests,
        per_second: requests / span.as_secs_f64(),
        p99_us: took[took.len() * 99 / 100],
        p50_us: spread(took).1,
    }
}

fn config(authority: &Authority, pair: Option<&Pair>) -> ClientConfig {
    let ca = CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("PEM of our own");
    let mut roots = RootCertStore::empty();
    roots.add(ca).expect("a CA of our own");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_root_certificates(roots);
    let Some(pair) = pair else { return config.with_no_client_auth() };
    let cert = CertificateDer::from_pem_slice(pair.cert.as_bytes()).expect("PEM of our own");
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("PEM of our own");
    config.with_client_auth_cert(vec![cert], key).expect("a pair of our own")
}

impl Connection {
    async fn dial(server: &Server, connector: &TlsConnector) -> Self {
        let stream = TcpStream::connect(server.address()).await.expect("it listens");
        stream.set_nodelay(true).expect("a socket has it");
        let name = "localhost".try_into().expect("a name");
        let stream = connector.connect(name, stream).await.expect("a handshake");
        Self { stream, came: Vec::with_capacity(64 * 1024) }
    }

    /// How long each answer took, in microseconds.
    async fn ask_for(&mut self, request: &str, span: Duration) -> Vec<f64> {
        let mut took = Vec::new();
        let until = now() + span;
        loop {
            let begun = now();
            if begun >= until {
                return took;
            }
            self.ask(request).await;
            took.push(begun.elapsed().as_secs_f64() * 1e6);
        }
    }

    async fn ask(&mut self, request: &str) {
        self.stream.write_all(request.as_bytes()).await.expect("it reads");
        self.came.clear();
        let mut whole = None;
        while whole.is_none_or(|length| self.came.len() < length) {
            let read = self.stream.read_buf(&mut self.came).await.expect("it answers");
            assert!(read > 0, "the connection stays: {}", String::from_utf8_lossy(&self.came));
            whole = whole.or_else(|| length(&self.came));
        }
    }
}

/// The length of an answer, once its head is there.
fn length(came: &[u8]) -> Option<usize> {
    let end = came.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&came[..end]).expect("a head is text");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    Some(end + length.and_then(|length| length.parse::<usize>().ok()).expect("a length"))
}
