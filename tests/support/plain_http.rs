//! The tests' HTTP client. It speaks plain HTTP only, but reqwest wants TLS all the same, and would
//! read the CAs of the system for it.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::ring};

/// One that trusts no CA and takes no proxy from the environment.
pub fn client() -> reqwest::ClientBuilder {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls)
}
