//! What the operator sets of the token source.

use url::Url;

use super::credentials::{ClientId, ClientSecret};

/// An OAuth app, and where its tokens are minted.
#[derive(Debug, Clone)]
pub struct Settings {
    /// VMware Cloud Services.
    pub url: Url,
    /// The path of the token endpoint; starts with `/`.
    pub token_path: String,
    /// The app's id.
    pub client_id: ClientId,
    /// The app's secret, as it is at the start.
    pub client_secret: ClientSecret,
    /// How both are sent.
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
