//! What the operator sets of the token source: section `[csp]`, and `vmc.orgs` for the orgs.

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
    /// `csp.client_secret`, or the content of `csp.client_secret_file` at the start.
    pub client_secret: ClientSecret,
    /// `csp.basic_encoding`.
    pub basic_encoding: BasicEncoding,
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
