//! The one provider of cryptography, never the process's default, and the one reader of CAs.

use std::sync::Arc;

use rustls::{
    RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, pem::PemObject},
};

/// Cipher suites, key exchange and signatures, for both sides of TLS.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Why a file is no file of CAs: a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CaFault {
    /// Its PEM has no end, or no base64 in it.
    #[error("contains broken PEM")]
    BrokenPem,
    /// No certificate.
    #[error("contains no PEM certificate")]
    None,
    /// One that is no CA, or that cannot be read.
    #[error("contains a certificate that is not a usable CA: number {0}")]
    Unusable(usize),
}

impl CaFault {
    /// As in `/readyz`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BrokenPem => "broken pem",
            Self::None => "no certificate",
            Self::Unusable(_) => "unusable ca",
        }
    }
}

/// At least one certificate, and all of them usable: who trusts only some of a bundle fails later, and
/// far from the cause.
///
/// # Errors
/// [`CaFault`].
pub fn authorities(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CaFault> {
    let mut store = RootCertStore::empty();
    let mut authorities: Vec<CertificateDer<'static>> = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| CaFault::BrokenPem)?;
        let unusable = CaFault::Unusable(authorities.len() + 1);
        store.add(certificate.clone()).map_err(|_| unusable)?;
        authorities.push(certificate);
    }
    if authorities.is_empty() { Err(CaFault::None) } else { Ok(authorities) }
}
