//! Callers' certificates: who they name, and whether they still may.
//!
//! Flow: TLS handshake → [`ClientAuthorities`] (is it of our CA, in time, not revoked) →
//! [`ClientCertificate`], kept with its connection → for each request its names, if the authorities
//! still admit it.
//!
//! A handshake lasts as long as its connection: a certificate that is revoked or expires meanwhile
//! must lose its rights there too, so its chain is kept and looked at again. A certificate that
//! fails is never anonymous: the handshake fails.

mod authorities;
mod fault;

use std::{
    fmt,
    sync::atomic::{AtomicU8, AtomicU64, Ordering},
};

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

pub(crate) use self::authorities::watch_for_refusal;
pub use self::{
    authorities::{ClientAuthorities, RefusedCertificate},
    fault::{AuthorityFault, CertificateFault, CrlProblem},
};
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
    last_look: CheckedAt,
    /// When it was last found not to be: it does not get better within a minute.
    last_refusal: CheckedAt,
    /// Why, as [`CertificateFault`]'s place in its list.
    refused_for: AtomicU8,
}

/// When a chain was last found good, in one atomic: the generation of the authorities in the upper
/// half, the second in the lower. Zero: never.
#[derive(Default)]
struct CheckedAt(AtomicU64);

impl CheckedAt {
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
    pub fn of_chain(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let leaf = chain.first()?;
        Some(Self {
            id: CredentialId::of(leaf),
            names: names(leaf),
            chain: chain.iter().cloned().map(CertificateDer::into_owned).collect(),
            last_look: CheckedAt::default(),
            last_refusal: CheckedAt::default(),
            refused_for: AtomicU8::default(),
        })
    }

    /// Its subject alternative names of the kinds that a caller can be known by.
    pub fn names(&self) -> &[SanName] {
        &self.names
    }

    /// What is remembered of the last look; `None` if it is to be looked at again.
    fn remembered(&self, generation: u32, second: u64) -> Option<Result<(), CertificateFault>> {
        if self.last_look.holds(generation, second) {
            return Some(Ok(()));
        }
        let fault = CertificateFault::at(self.refused_for.load(Ordering::Acquire));
        self.last_refusal.holds(generation, second).then_some(Err(fault))
    }

    fn remember(&self, generation: u32, second: u64, found: Result<(), CertificateFault>) {
        let look = match found {
            Ok(()) => &self.last_look,
            Err(fault) => {
                self.refused_for.store(fault.place(), Ordering::Release);
                &self.last_refusal
            }
        };
        look.note(generation, second);
    }

    /// What the audit calls it: of the SHA-256 of the leaf's DER.
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

#[cfg(test)]
mod tests;
