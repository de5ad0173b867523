//! What the operator sets of the token source: section `[csp]`, and `vmc.orgs` for the orgs.

use std::path::PathBuf;

use url::Url;

use super::credentials::{ClientId, ClientSecret};

/// Section `[csp]`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `csp.url`: VMware Cloud Services. Plain `http` only to a loopback host.
    pub url: Url,
    /// `csp.token_path`: starts with `/`.
    pub token_path: String,
    /// `csp.client_id`.
    pub client_id: ClientId,
    /// `csp.client_secret` or `csp.client_secret_file`.
    pub client_secret: SecretOrigin,
    /// `csp.basic_encoding`.
    pub basic_encoding: BasicEncoding,
}

/// Where the client secret comes from.
#[derive(Debug, Clone)]
pub enum SecretOrigin {
    /// `csp.client_secret`: as given at start, for the life of the process.
    Value(ClientSecret),
    /// `csp.client_secret_file`: read at start and re-read while running.
    File(PathBuf),
}

/// How id and secret are joined for HTTP Basic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BasicEncoding {
    /// RFC 7617: UTF-8, as they are.
    #[default]
    Raw,
    /// RFC 6749 section 2.3.1: each form-encoded first.
    Form,
}
