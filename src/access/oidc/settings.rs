//! Whose tokens are taken: section `[access.oidc]`.

use url::Url;

use crate::reload::LoadedFile;

/// One issuer of callers' tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `access.oidc.issuer`: what a token's `iss` must be, character by character.
    pub issuer: String,
    /// `access.oidc.audience`: what a token's `aud` must be or hold; `None` is not looked at.
    pub audience: Option<String>,
    /// `access.oidc.client_ids`: the clients whose tokens are good; empty is any. Not empty without
    /// an audience.
    pub client_ids: Vec<String>,
    /// `access.oidc.jwks_url` or `access.oidc.jwks_file`.
    pub keys: KeysFrom,
    /// `access.oidc.ca_file`: PEM file with CAs trusted beside the public ones, for `jwks_url`.
    pub ca_file: Option<LoadedFile>,
}

/// Where the issuer's public keys come from: a JWK Set (RFC 7517 section 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysFrom {
    /// Fetched over https, or over http from a loopback host.
    Url(Url),
    /// Read from a file, which the gateway's reloader looks at.
    File(LoadedFile),
}
