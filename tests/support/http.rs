//! HTTP as a user's client speaks it, and by hand.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    thread::JoinHandle,
};

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use serde_json::Value;

use crate::DEADLINE;

/// A client that trusts no CA and takes no proxy from the environment. It speaks plain HTTP only, but
/// reqwest wants TLS all the same, and would read the CAs of the system for it.
pub fn client() -> reqwest::ClientBuilder {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls)
}

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// In lower case.
    pub head: String,
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

pub fn try_ask(address: SocketAddr, head: &str, body: &str) -> io::Result<Answer> {
    let length = body.len();
    let request = format!("{head}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    let (head, body) = exchange(address, &request)?;
    let status = head.get(9..12).and_then(|status| status.parse().ok());
    let status = status.ok_or(io::ErrorKind::InvalidData)?;
    let body = String::from_utf8(body).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(Answer { status, head: head.to_ascii_lowercase(), body })
}

/// Sends these bytes, and reads until the connection is closed: the answer's head and its body.
pub fn exchange(address: SocketAddr, request: &str) -> io::Result<(String, Vec<u8>)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let body = answer.split_off(end.ok_or(io::ErrorKind::UnexpectedEof)? + 4);
    answer.truncate(answer.len() - 4);
    Ok((String::from_utf8_lossy(&answer).into_owned(), body))
}

/// Asks in the background.
pub fn ask_meanwhile(address: SocketAddr, path: &str) -> JoinHandle<Answer> {
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n");
    std::thread::spawn(move || ask(address, &head, ""))
}

pub fn bearer(address: SocketAddr, path: &str, key: &str) -> Answer {
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n");
    ask(address, &head, "")
}
