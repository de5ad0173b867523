//! The one provider of cryptography, never the process's default.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// Cipher suites, key exchange and signatures, for both sides of TLS.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
