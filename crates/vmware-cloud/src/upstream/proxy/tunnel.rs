//! What a proxy said when it made no tunnel (RFC 9110 section 9.3.6).
//!
//! The HTTP client tells 407 from all others and keeps the status of the others for itself. An
//! operator needs it: 403 is a rule of the proxy's, 502 and 503 a name that it cannot resolve or
//! reach. So a refusal is asked for once more by hand, and only its status line is read.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use url::{Position, Url};

use super::Proxy;

/// How long a refusal is looked into.
const PATIENCE: Duration = Duration::from_secs(1);

// How the HTTP client's errors read: their type is private to it.
const REFUSED: &str = "tunnel error: unsuccessful";
const CREDENTIALS_WANTED: &str = "tunnel error: proxy authorization required";
const UNREACHABLE: &str = "tunnel error: failed to create underlying connection: ";

impl Proxy {
    /// A failed connection to `url` through this proxy, in words that name the proxy. `text` is the
    /// HTTP client's own.
    pub(in crate::upstream) async fn explain(&self, text: &str, url: &Url) -> String {
        if text.contains(CREDENTIALS_WANTED) {
            let has = if self.0.credentials.is_some() { "other" } else { "a" };
            return format!("the proxy {self} wants {has} user name and password (407)");
        }
        if text.contains(REFUSED) {
            let status = tokio::time::timeout(PATIENCE, self.ask(url)).await.ok().flatten();
            let status = status.map(|status| format!(" ({status})")).unwrap_or_default();
            return format!("the proxy {self} refuses the connection{status}");
        }
        match text.split_once(UNREACHABLE) {
            Some((_, why)) => format!("the proxy {self} cannot be reached: {why}"),
            None => format!("through the proxy {self}: {text}"),
        }
    }

    /// The status of a tunnel that is asked for by hand. `None` where there is none, or through TLS.
    async fn ask(&self, url: &Url) -> Option<u16> {
        if self.0.is_encrypted {
            return None;
        }
        let host = self.0.host.trim_start_matches('[').trim_end_matches(']');
        let mut stream = TcpStream::connect((host, self.0.port)).await.ok()?;
        let name = &url[Position::BeforeHost..Position::AfterHost];
        let target = format!("{name}:{}", url.port_or_known_default()?);
        let credentials = self.0.credentials.as_ref().map(|(user, password)| {
            let credentials = BASE64_STANDARD.encode(format!("{user}:{password}"));
            format!("Proxy-Authorization: Basic {credentials}\r\n")
        });
        let credentials = credentials.unwrap_or_default();
        let head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{credentials}\r\n");
        stream.write_all(head.as_bytes()).await.ok()?;
        let mut line = [0; 12]; // "HTTP/1.1 403"
        stream.read_exact(&mut line).await.ok()?;
        let status = line.strip_prefix(b"HTTP/1.")?.get(2..)?;
        let status: u16 = std::str::from_utf8(status).ok()?.parse().ok()?;
        (300..600).contains(&status).then_some(status)
    }
}
