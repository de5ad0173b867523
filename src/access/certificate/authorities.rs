//! The CAs of callers' certificates, and what these have revoked, as they are now.

use std::{cell::RefCell, fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use parking_lot::Mutex;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime, pem::PemObject},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use webpki::BorrowedCertRevocationList;

use super::{AuthorityFault, CertificateFault, ClientCertificate, CredentialId, CrlProblem};
use crate::{
    crypto,
    validity::{Validity, is_der},
};

/// The CAs whose certificates callers may show, and what they have revoked. Replaceable while
/// connections are open. Cheap to clone.
///
/// A CA that has expired admits nobody: the TLS library looks at the dates of what a CA has issued and
/// not at its own, so this is done here, each time that a certificate is judged.
///
/// If there are CRLs, each certificate of a chain below the CA must be on the books of one: a CA
/// without a CRL, and a CRL past its `nextUpdate`, let nobody in (as nginx and Envoy do). To go on
/// without knowing would make a forgotten file a way in for what it should have revoked.
#[derive(Clone)]
pub struct ClientAuthorities(Arc<AuthorityState>);

struct AuthorityState {
    current: ArcSwap<CurrentVerifier>,
    material: Mutex<AuthorityMaterial>,
    provider: Arc<CryptoProvider>,
    required: bool,
}

/// What certificates are verified with until a CA expires.
struct CurrentVerifier {
    /// Counts replacements, from 1 on.
    generation: u32,
    /// The CAs that have not expired; `None` if all have.
    valid: Option<Arc<dyn ClientCertVerifier>>,
    /// Those that have: only to say so.
    expired: Option<Arc<dyn ClientCertVerifier>>,
    /// The end of the first of them that will.
    until: Option<Timestamp>,
}

struct AuthorityMaterial {
    authorities: Vec<CertificateAuthority>,
    crls: Vec<CertificateRevocationListDer<'static>>,
}

#[derive(Clone)]
struct CertificateAuthority {
    certificate: CertificateDer<'static>,
    /// `None` if its dates cannot be read: it counts as good for ever, as the TLS library has it.
    validity: Option<Validity>,
}

impl CertificateAuthority {
    fn is_over(&self, now: Timestamp) -> bool {
        self.validity.is_some_and(|validity| validity.is_over(now))
    }
}

impl AuthorityMaterial {
    fn current(
        &self,
        generation: u32,
        now: Timestamp,
        provider: &Arc<CryptoProvider>,
    ) -> CurrentVerifier {
        let verifier = |over: bool| {
            let wanted = self.authorities.iter().filter(|authority| authority.is_over(now) == over);
            self.verifier(wanted, provider)
        };
        let ends = self.authorities.iter().filter(|authority| !authority.is_over(now));
        let ends = ends.filter_map(|authority| authority.validity?.not_after);
        CurrentVerifier {
            generation,
            valid: verifier(false),
            expired: verifier(true),
            until: ends.min(),
        }
    }

    /// `None` without a CA. Everything was read when it was taken, so nothing fails here.
    fn verifier<'a>(
        &self,
        authorities: impl Iterator<Item = &'a CertificateAuthority>,
        provider: &Arc<CryptoProvider>,
    ) -> Option<Arc<dyn ClientCertVerifier>> {
        let mut store = RootCertStore::empty();
        for authority in authorities {
            store.add(authority.certificate.clone()).ok()?;
        }
        WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider.clone())
            .with_crls(self.crls.iter().cloned())
            .enforce_revocation_expiration()
            .build()
            .ok()
    }
}

impl ClientAuthorities {
    /// Reads PEM: CAs, and CRLs if there are any, which may be one in DER. `required`: a handshake
    /// without certificate is refused.
    ///
    /// # Errors
    /// [`AuthorityFault`], of either.
    pub fn from_pem(
        authorities: &[u8],
        crls: Option<&[u8]>,
        required: bool,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, AuthorityFault> {
        let material = AuthorityMaterial {
            authorities: read_authorities(authorities)?,
            crls: crls.map(read_crls).transpose()?.unwrap_or_default(),
        };
        // The time is looked at by who asks.
        let current = material.current(1, Timestamp::UNIX_EPOCH, &provider);
        Ok(Self(Arc::new(AuthorityState {
            current: ArcSwap::from_pointee(current),
            material: Mutex::new(material),
            provider,
            required,
        })))
    }

    /// Takes the new content of `api.tls_client_ca`; what is refused changes nothing.
    ///
    /// # Errors
    /// [`AuthorityFault`].
    pub fn take_authorities(&self, pem: &[u8]) -> Result<(), AuthorityFault> {
        let authorities = read_authorities(pem)?;
        self.replace(|material| material.authorities = authorities);
        Ok(())
    }

    /// Takes the new content of `api.tls_client_crl`; what is refused changes nothing.
    ///
    /// # Errors
    /// [`AuthorityFault`].
    pub fn take_crls(&self, content: &[u8]) -> Result<(), AuthorityFault> {
        let crls = read_crls(content)?;
        self.replace(|material| material.crls = crls);
        Ok(())
    }

    fn replace(&self, change: impl FnOnce(&mut AuthorityMaterial)) {
        let mut material = self.0.material.lock();
        change(&mut material);
        self.renew(&material, Timestamp::UNIX_EPOCH);
        tracing::info!("callers' CAs or CRLs have changed");
    }

    /// Called with the material's lock held.
    fn renew(&self, material: &AuthorityMaterial, now: Timestamp) -> Arc<CurrentVerifier> {
        let generation = self.0.current.load().generation.wrapping_add(1).max(1);
        let current = Arc::new(material.current(generation, now, &self.0.provider));
        self.0.current.store(current.clone());
        current
    }

    /// What holds at a time: made again when a CA has expired meanwhile.
    fn current(&self, now: Timestamp) -> Arc<CurrentVerifier> {
        let holds = |current: &CurrentVerifier| current.until.is_none_or(|until| now <= until);
        let current = self.0.current.load_full();
        if holds(&current) {
            return current;
        }
        let material = self.0.material.lock();
        let current = self.0.current.load_full();
        if holds(&current) { current } else { self.renew(&material, now) }
    }

    /// Whether a certificate that was let in is still good.
    ///
    /// Costs an atomic load or two; one verification of the chain at the first call, after CAs or
    /// CRLs were replaced or a CA has expired, and each minute.
    ///
    /// # Errors
    /// [`CertificateFault`]: why it is not.
    pub fn check(
        &self,
        certificate: &ClientCertificate,
        now: Timestamp,
    ) -> Result<(), CertificateFault> {
        let current = self.current(now);
        let second = u64::try_from(now.as_second()).unwrap_or_default();
        if let Some(found) = certificate.remembered(current.generation, second) {
            return found;
        }
        let (leaf, intermediates) =
            certificate.chain.split_first().ok_or(CertificateFault::Malformed)?;
        let at = UnixTime::since_unix_epoch(Duration::from_secs(second));
        let found = current.verify(leaf, intermediates, at).map(drop).map_err(|(fault, _)| fault);
        certificate.remember(current.generation, second, found);
        found
    }

    /// [`Self::check`] without the reason.
    pub fn admits(&self, certificate: &ClientCertificate, now: Timestamp) -> bool {
        self.check(certificate, now).is_ok()
    }

    /// For the handshake: always the newest CAs and CRLs.
    pub(crate) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::new(NewestVerifier(self.clone()))
    }
}

impl CurrentVerifier {
    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        at: UnixTime,
    ) -> Result<ClientCertVerified, (CertificateFault, rustls::Error)> {
        let error = match &self.valid {
            Some(verifier) => match verifier.verify_client_cert(leaf, intermediates, at) {
                Ok(good) => return Ok(good),
                Err(error) => error,
            },
            None => CertificateError::UnknownIssuer.into(),
        };
        let fault = CertificateFault::of(&error).unwrap_or(CertificateFault::Invalid);
        let is_of_expired = || {
            let verifier = self.expired.as_ref();
            verifier.is_some_and(|it| it.verify_client_cert(leaf, intermediates, at).is_ok())
        };
        let unknown = fault == CertificateFault::UnknownIssuer;
        let fault =
            if unknown && is_of_expired() { CertificateFault::IssuerExpired } else { fault };
        Err((fault, error))
    }
}

impl fmt::Debug for ClientAuthorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAuthorities")
            .field("generation", &self.0.current.load().generation)
            .finish_non_exhaustive()
    }
}

fn read_authorities(pem: &[u8]) -> Result<Vec<CertificateAuthority>, AuthorityFault> {
    let authority = |certificate: CertificateDer<'static>| {
        let validity = Validity::of_certificate(&certificate).ok();
        CertificateAuthority { certificate, validity }
    };
    Ok(crypto::authorities(pem)?.into_iter().map(authority).collect())
}

/// CAs publish their lists in DER (RFC 5280 section 4.2.1.13): one is taken as it was fetched.
fn read_crls(content: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, AuthorityFault> {
    let crls = if is_der(content) {
        vec![CertificateRevocationListDer::from(content.to_vec())]
    } else {
        let crls = CertificateRevocationListDer::pem_slice_iter(content);
        crls.collect::<Result<Vec<_>, _>>().map_err(|_| AuthorityFault::BrokenCrlPem)?
    };
    if crls.is_empty() {
        return Err(AuthorityFault::NoCrl);
    }
    for (at, crl) in crls.iter().enumerate() {
        BorrowedCertRevocationList::from_der(crl)
            .map_err(|error| AuthorityFault::UnusableCrl(at + 1, CrlProblem::of(&error)))?;
    }
    Ok(crls)
}

/// A certificate that a handshake has refused. Its names prove nothing and are not kept.
#[derive(Debug, Clone, Copy)]
pub struct RefusedCertificate {
    /// Why.
    pub fault: CertificateFault,
    /// What the audit calls it.
    pub id: CredentialId,
}

tokio::task_local! {
    /// Of the handshake that this task is at. The TLS library passes on why one has failed, but not
    /// whose certificate it was.
    static REFUSED: RefCell<Option<RefusedCertificate>>;
}

/// Runs a handshake to its end, and tells which certificate it has refused, if that ended it.
pub(crate) async fn watch_for_refusal<T>(
    handshake: impl Future<Output = T>,
) -> (T, Option<RefusedCertificate>) {
    let watched = async {
        let ended = handshake.await;
        (ended, REFUSED.with(RefCell::take))
    };
    REFUSED.scope(RefCell::default(), watched).await
}

/// The verifier of every handshake, whatever replaces what is behind it.
#[derive(Debug)]
struct NewestVerifier(ClientAuthorities);

impl ClientCertVerifier for NewestVerifier {
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
        at: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let second = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
        let now = Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
        self.0.current(now).verify(leaf, intermediates, at).map_err(|(fault, error)| {
            let refused = RefusedCertificate { fault, id: CredentialId::of(leaf) };
            // Outside a handshake nobody asks.
            let _ = REFUSED.try_with(|cell| cell.replace(Some(refused)));
            error
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.0.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.0.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.0.provider.signature_verification_algorithms.supported_schemes()
    }
}
