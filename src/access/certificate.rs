//! Callers' certificates: who they name, and whether they still may.
//!
//! Flow: TLS handshake → [`ClientAuthorities`] (is it of our CA, in time, not revoked) →
//! [`ClientCertificate`], kept with its connection → for each request its names, if the authorities
//! still admit it.
//!
//! A handshake lasts as long as its connection: a certificate that is revoked or expires meanwhile
//! must lose its rights there too, so its chain is kept and looked at again. A certificate that
//! fails is never anonymous: the handshake fails.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::CryptoProvider,
    pki_types::{
        CertificateDer, CertificateRevocationListDer, UnixTime,
        pem::{PemObject, SliceIter},
    },
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use sha2::{Digest, Sha256};
use webpki::EndEntityCert;

use super::{CredentialId, SanName};

/// How long a look at a chain holds, while CAs and CRLs stay: this late a certificate's end or its
/// CRL's may be noticed.
const LOOK_AGAIN_AFTER: u64 = 60;

/// A caller's certificate, as verified in the handshake. Holds no key material.
pub struct ClientCertificate {
    id: CredentialId,
    names: Vec<SanName>,
    /// The leaf first.
    chain: Vec<CertificateDer<'static>>,
    last_look: Look,
    /// When it was last found not to be: it does not get better within a minute.
    last_refusal: Look,
}

/// When a chain was last found good, in one atomic: the generation of the authorities in the upper
/// half, the second in the lower. Zero: never.
#[derive(Default)]
struct Look(AtomicU64);

impl Look {
    fn holds(&self, generation: u32, second: u64) -> bool {
        let look = self.0.load(Ordering::Acquire);
        let (of, at) = (look >> 32, look & u64::from(u32::MAX));
        look != 0
            && of == u64::from(generation)
            && (at..=at + LOOK_AGAIN_AFTER).contains(&(second & u64::from(u32::MAX)))
    }

    fn note(&self, generation: u32, second: u64) {
        let look = u64::from(generation) << 32 | second & u64::from(u32::MAX);
        self.0.store(look, Ordering::Release);
    }
}

impl ClientCertificate {
    /// Takes a chain that a handshake has verified, the leaf first; `None` for an empty one.
    ///
    /// A leaf without subject alternative names has no names: it is nobody's.
    #[must_use]
    pub fn of_chain(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let leaf = chain.first()?;
        Some(Self {
            id: CredentialId::of(leaf),
            names: names(leaf),
            chain: chain.iter().cloned().map(CertificateDer::into_owned).collect(),
            last_look: Look::default(),
            last_refusal: Look::default(),
        })
    }

    /// Its subject alternative names of the kinds that a caller can be known by.
    #[must_use]
    pub fn names(&self) -> &[SanName] {
        &self.names
    }

    /// What the audit calls it: of the SHA-256 of the leaf's DER.
    #[must_use]
    pub fn id(&self) -> CredentialId {
        self.id
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientCertificate({})", self.id)
    }
}

fn names(leaf: &CertificateDer<'_>) -> Vec<SanName> {
    let Ok(leaf) = EndEntityCert::try_from(leaf) else { return Vec::new() };
    let uris = leaf.valid_uri_names().filter_map(SanName::uri);
    uris.chain(leaf.valid_dns_names().filter_map(SanName::dns)).collect()
}

/// Why CAs or CRLs cannot be used: a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityFault {
    /// Either file.
    #[error("holds broken PEM")]
    BrokenPem,
    /// No certificate.
    #[error("holds no certificate")]
    NoAuthority,
    /// One that is no CA, or that cannot be read.
    #[error("holds a certificate that is no usable CA")]
    UnusableAuthority,
    /// No CRL.
    #[error("holds no CRL")]
    NoCrl,
    /// One that cannot be read: a delta CRL for example.
    #[error("holds a CRL that cannot be used")]
    UnusableCrl,
}

impl AuthorityFault {
    /// As in `/readyz`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BrokenPem => "broken pem",
            Self::NoAuthority => "no certificate",
            Self::UnusableAuthority => "unusable ca",
            Self::NoCrl => "no crl",
            Self::UnusableCrl => "unusable crl",
        }
    }

    /// The configuration key whose file is to blame, as far as can be told.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::NoCrl | Self::UnusableCrl => "api.tls_client_crl",
            Self::BrokenPem | Self::NoAuthority | Self::UnusableAuthority => "api.tls_client_ca",
        }
    }
}

/// The CAs whose certificates callers may show, and what they have revoked. Replaceable while
/// connections are open. Cheap to clone.
///
/// If there are CRLs, each certificate of a chain below the CA must be on the books of one: a CA
/// without a CRL, and a CRL past its `nextUpdate`, let nobody in (as nginx and Envoy do). To go on
/// without knowing would make a forgotten file a way in for what it should have revoked.
#[derive(Clone)]
pub struct ClientAuthorities(Arc<Shared>);

struct Shared {
    current: ArcSwap<Current>,
    material: Mutex<Material>,
    provider: Arc<CryptoProvider>,
    required: bool,
}

struct Current {
    /// Counts replacements, from 1 on.
    generation: u32,
    verifier: Arc<dyn ClientCertVerifier>,
}

#[derive(Clone)]
struct Material {
    authorities: Arc<RootCertStore>,
    crls: Vec<CertificateRevocationListDer<'static>>,
    /// Of the files' content: most looks find what is known.
    authorities_digest: [u8; 32],
    crls_digest: Option<[u8; 32]>,
}

impl Material {
    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, AuthorityFault> {
        let (authorities, provider) = (self.authorities.clone(), provider.clone());
        WebPkiClientVerifier::builder_with_provider(authorities, provider)
            .with_crls(self.crls.iter().cloned())
            .enforce_revocation_expiration()
            .build()
            .map_err(|_| AuthorityFault::UnusableCrl)
    }
}

impl ClientAuthorities {
    /// Reads PEM: CAs, and CRLs if there are any. `required`: who shows no certificate is refused.
    ///
    /// # Errors
    /// [`AuthorityFault`], of either.
    pub fn from_pem(
        authorities: &[u8],
        crls: Option<&[u8]>,
        required: bool,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, AuthorityFault> {
        let material = Material {
            authorities: read_authorities(authorities)?,
            authorities_digest: Sha256::digest(authorities).into(),
            crls: crls.map(read_crls).transpose()?.unwrap_or_default(),
            crls_digest: crls.map(|pem| Sha256::digest(pem).into()),
        };
        let verifier = material.verifier(&provider)?;
        Ok(Self(Arc::new(Shared {
            current: ArcSwap::from_pointee(Current { generation: 1, verifier }),
            material: Mutex::new(material),
            provider,
            required,
        })))
    }

    /// Takes the new content of `api.tls_client_ca`; what is refused changes nothing.
    ///
    /// # Errors
    /// An [`AuthorityFault`]'s short word, or `unreadable` for another number of files than one.
    pub fn take_authorities(&self, contents: &[&[u8]]) -> Result<(), &'static str> {
        let [pem] = contents else { return Err("unreadable") };
        let digest = Sha256::digest(pem).into();
        self.replace(|material| {
            if material.authorities_digest == digest {
                return Ok(false);
            }
            material.authorities = read_authorities(pem)?;
            material.authorities_digest = digest;
            Ok(true)
        })
    }

    /// Takes the new content of `api.tls_client_crl`; what is refused changes nothing.
    ///
    /// # Errors
    /// As for [`Self::take_authorities`].
    pub fn take_crls(&self, contents: &[&[u8]]) -> Result<(), &'static str> {
        let [pem] = contents else { return Err("unreadable") };
        let digest = Sha256::digest(pem).into();
        self.replace(|material| {
            if material.crls_digest == Some(digest) {
                return Ok(false);
            }
            material.crls = read_crls(pem)?;
            material.crls_digest = Some(digest);
            Ok(true)
        })
    }

    /// Changes a copy, and puts it in place if it is good. `change` says whether anything is new.
    fn replace(
        &self,
        change: impl FnOnce(&mut Material) -> Result<bool, AuthorityFault>,
    ) -> Result<(), &'static str> {
        let mut material = self.0.material.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = material.clone();
        let replace = || {
            if change(&mut changed)? {
                let verifier = changed.verifier(&self.0.provider)?;
                let generation = self.0.current.load().generation.wrapping_add(1).max(1);
                self.0.current.store(Arc::new(Current { generation, verifier }));
                *material = changed;
                tracing::info!("callers' CAs or CRLs have changed");
            }
            Ok(())
        };
        replace().map_err(AuthorityFault::as_str)
    }

    /// Whether a certificate that was let in is still good.
    ///
    /// Costs an atomic load or two; one verification of the chain at the first call, after CAs or
    /// CRLs were replaced, and each minute.
    #[must_use]
    pub fn admits(&self, certificate: &ClientCertificate, now: Timestamp) -> bool {
        let current = self.0.current.load();
        let second = u64::try_from(now.as_second()).unwrap_or_default();
        if certificate.last_look.holds(current.generation, second) {
            return true;
        }
        if certificate.last_refusal.holds(current.generation, second) {
            return false;
        }
        let Some((leaf, intermediates)) = certificate.chain.split_first() else { return false };
        let at = UnixTime::since_unix_epoch(Duration::from_secs(second));
        let good = current.verifier.verify_client_cert(leaf, intermediates, at).is_ok();
        let look = if good { &certificate.last_look } else { &certificate.last_refusal };
        look.note(current.generation, second);
        good
    }

    /// For the handshake: always the newest CAs and CRLs.
    pub(crate) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::new(Newest(self.clone()))
    }

    fn newest(&self) -> Arc<dyn ClientCertVerifier> {
        self.0.current.load().verifier.clone()
    }
}

impl fmt::Debug for ClientAuthorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAuthorities")
            .field("generation", &self.0.current.load().generation)
            .finish_non_exhaustive()
    }
}

fn read_authorities(pem: &[u8]) -> Result<Arc<RootCertStore>, AuthorityFault> {
    let mut store = RootCertStore::empty();
    let certificates: SliceIter<'_, CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem);
    for certificate in certificates {
        let certificate = certificate.map_err(|_| AuthorityFault::BrokenPem)?;
        store.add(certificate).map_err(|_| AuthorityFault::UnusableAuthority)?;
    }
    if store.is_empty() { Err(AuthorityFault::NoAuthority) } else { Ok(Arc::new(store)) }
}

fn read_crls(pem: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, AuthorityFault> {
    let crls = CertificateRevocationListDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let crls = crls.map_err(|_| AuthorityFault::BrokenPem)?;
    if crls.is_empty() { Err(AuthorityFault::NoCrl) } else { Ok(crls) }
}

/// The verifier of every handshake, whatever replaces what is behind it.
#[derive(Debug)]
struct Newest(ClientAuthorities);

impl ClientCertVerifier for Newest {
    fn client_auth_mandatory(&self) -> bool {
        self.0.0.required
    }

    /// None: the CAs may be others tomorrow, and they are nobody's business today.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.0.newest().verify_client_cert(leaf, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.newest().verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.newest().verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.newest().supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests;
