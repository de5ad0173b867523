//! What the operator sets of the sockets: sections `[api]` and `[ops]`.

use std::{net::SocketAddr, time::Duration};

use ipnet::IpNet;

use crate::{contact::Contact, public_path::PublicPath, reload::LoadedFile};

/// Section `[api]`: the callers' listener.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `api.listen`.
    pub listen: SocketAddr,
    /// `api.hosts`: host names accepted in `Host`, lower case, without port, IPv6 in
    /// brackets. Empty: see [`super::host`].
    pub hosts: Vec<String>,
    /// `api.tls_cert` and what goes with it. `None`: plaintext.
    pub tls: Option<TlsSettings>,
    /// `api.max_in_flight`: requests worked on at once; above it 503 `overloaded`.
    pub max_in_flight: usize,
    /// `api.max_connections`: open connections at which the longest idle one makes room for another.
    pub max_connections: usize,
    /// `api.max_connections_per_client`: open connections of one address. `None`: any number.
    pub max_connections_per_client: Option<usize>,
    /// `api.max_watchers`: long polls and event streams at once; above it 503 `overloaded`.
    pub max_watchers: usize,
    /// `api.header_timeout`: from accept, or a later request's first byte, to a whole head.
    pub header_timeout: Duration,
    /// `api.idle_timeout`: between requests of one connection.
    pub idle_timeout: Duration,
    /// `api.write_timeout`: without progress in sending.
    pub write_timeout: Duration,
    /// `api.request_timeout`: from a whole head to the head of its answer.
    pub request_timeout: Duration,
    /// `api.drain_delay`: how long requests are still accepted after SIGTERM.
    pub drain_delay: Duration,
    /// `api.drain`: how long what is in flight may take after that.
    pub drain: Duration,
    /// `api.contact`: whom callers ask for a key.
    pub contact: Option<Contact>,
    /// `api.public_path`: what a proxy strips.
    pub public_path: PublicPath,
    /// `api.page`: whether the page for people is served.
    pub page: bool,
    /// `api.trusted_proxies`: whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNet>,
}

/// TLS for callers: PEM files, which are re-read while the gateway runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// `api.tls_cert`: the certificate, then those between it and its CA.
    pub cert: LoadedFile,
    /// `api.tls_key`: its private key.
    pub key: LoadedFile,
    /// `api.tls_client_ca` and what goes with it. `None`: callers are asked for no certificate.
    pub client: Option<ClientAuthSettings>,
}

/// Whose certificates callers may show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuthSettings {
    /// `api.tls_client_ca`.
    pub ca: LoadedFile,
    /// `api.tls_client_crl`.
    pub crl: Option<LoadedFile>,
    /// `api.tls_client_auth`: whether a caller without one is refused.
    pub required: bool,
}

/// Section `[ops]`: probes and metrics.
#[derive(Debug, Clone, Copy)]
pub struct OpsSettings {
    /// `ops.listen`.
    pub listen: SocketAddr,
}
