//! TLS in front of HTTP: the gateway's own certificate, and what is asked of callers for theirs.
//!
//! Flow: socket (with its time limits) → handshake → HTTP/2 or HTTP/1.1, as agreed (ALPN).
//!
//! One rustls configuration serves for good; certificate, CAs and CRLs behind it are swapped, so a
//! new certificate costs no connection. A new one that is broken, or has another key, leaves the
//! old one in place. The private key is in no text: faults are a closed set, `Debug` shows nothing.

use std::{fmt, io, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use parking_lot::Mutex;
use rustls::{
    InconsistentKeys, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
    time_provider::TimeProvider,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{refusals::CertificateRefusals, settings::TlsSettings};
use crate::{
    access::{AuthorityFault, ClientAuthorities},
    clock::Clock,
    crypto::provider,
    reload::{LoadedFile, Rejection},
    telemetry::Audit,
    validity::Validity,
};

/// HTTP/2, as ALPN calls it.
pub(super) const HTTP2: &[u8] = b"h2";
/// In the order of preference.
const PROTOCOLS: [&[u8]; 2] = [HTTP2, b"http/1.1"];
/// How long, and for how many bytes, a peer whose handshake has failed is listened to.
const PARTING: Duration = Duration::from_secs(1);
const PARTING_BYTES: u64 = 64 * 1024;

/// Why a certificate and its key cannot be used: a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityFault {
    /// `api.tls_cert`.
    #[error("contains broken PEM")]
    BrokenCert,
    /// No certificate in it.
    #[error("contains no certificate")]
    NoCert,
    /// One that cannot be read.
    #[error("contains a certificate that cannot be used")]
    UnusableCert,
    /// `api.tls_key`, without saying what is in it.
    #[error("contains no private key in PEM (an encrypted key cannot be used)")]
    NoKey,
    /// Of a kind that is not known, or too short.
    #[error("contains a private key that cannot be used")]
    UnusableKey,
    /// Both are good, but not for each other.
    #[error("is not the key of the certificate in api.tls_cert")]
    Mismatch,
    /// Its end has passed: no client would go on.
    #[error("contains a certificate that expired on {0}")]
    Expired(Timestamp),
}

impl IdentityFault {
    /// As in `/readyz`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BrokenCert => "broken pem",
            Self::NoCert => "no certificate",
            Self::UnusableCert => "unusable certificate",
            Self::NoKey => "no private key",
            Self::UnusableKey => "unusable private key",
            Self::Mismatch => "key does not match",
            Self::Expired(_) => "expired",
        }
    }

    /// The configuration key whose file is to blame.
    pub const fn key(self) -> &'static str {
        match self {
            Self::BrokenCert | Self::NoCert | Self::UnusableCert | Self::Expired(_) => {
                "api.tls_cert"
            }
            Self::NoKey | Self::UnusableKey | Self::Mismatch => "api.tls_key",
        }
    }
}

impl From<IdentityFault> for Rejection {
    fn from(fault: IdentityFault) -> Self {
        let detail = Some(format!("{} {fault}", fault.key()));
        Self { reason: fault.as_str(), detail, retry_in: None }
    }
}

/// Why TLS cannot be offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// Certificate or key.
    #[error("{key} {fault}", key = fault.key())]
    Identity {
        /// Which, and why.
        #[from]
        fault: IdentityFault,
    },
    /// CAs or CRLs.
    #[error("{key} {fault}", key = fault.key())]
    Authority {
        /// Which, and why.
        #[from]
        fault: AuthorityFault,
    },
}

/// The gateway's certificate and its private key. No part of it is printed.
#[derive(Clone)]
pub(crate) struct ServerIdentity {
    key: Arc<CertifiedKey>,
    /// Of the certificate itself; `None` if its dates cannot be read.
    validity: Option<Validity>,
}

impl ServerIdentity {
    /// Reads PEM, and checks that the key is the certificate's.
    ///
    /// # Errors
    /// [`IdentityFault`].
    pub(crate) fn from_pem(cert: &[u8], key: &[u8]) -> Result<Self, IdentityFault> {
        let chain = read_chain(cert)?;
        let private = read_key(key)?;
        let validity = Validity::of_certificate(&chain[0]).ok();
        let certified = CertifiedKey::new(chain, private);
        match certified.keys_match() {
            Ok(()) => Ok(Self { key: Arc::new(certified), validity }),
            Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                Err(IdentityFault::Mismatch)
            }
            Err(_) => Err(IdentityFault::UnusableCert),
        }
    }

    /// Whether the certificate can still be shown. Those above it are left to the clients: some have
    /// a way to a CA that does without them.
    ///
    /// # Errors
    /// [`IdentityFault::Expired`].
    pub(crate) fn check_dates(&self, now: Timestamp) -> Result<(), IdentityFault> {
        match self.validity {
            Some(validity) if validity.is_over(now) => {
                Err(IdentityFault::Expired(validity.not_after.unwrap_or_default()))
            }
            _ => Ok(()),
        }
    }
}

fn read_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, IdentityFault> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|_| IdentityFault::BrokenCert)?;
    if chain.is_empty() { Err(IdentityFault::NoCert) } else { Ok(chain) }
}

fn read_key(pem: &[u8]) -> Result<Arc<dyn rustls::sign::SigningKey>, IdentityFault> {
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| IdentityFault::NoKey)?;
    provider().key_provider.load_private_key(key).map_err(|_| IdentityFault::UnusableKey)
}

/// Checks `api.tls_cert` alone.
///
/// # Errors
/// [`IdentityFault`].
pub(crate) fn check_chain(pem: &[u8]) -> Result<(), IdentityFault> {
    read_chain(pem).map(|_| ())
}

/// Checks `api.tls_key` alone.
///
/// # Errors
/// [`IdentityFault`].
pub(crate) fn check_key(pem: &[u8]) -> Result<(), IdentityFault> {
    read_key(pem).map(|_| ())
}

/// What a TLS listener offers. Cheap to clone.
#[derive(Clone)]
pub struct Tls(Arc<TlsOffer>);

struct TlsOffer {
    acceptor: TlsAcceptor,
    shown: Arc<CertificateResolver>,
    authorities: Option<ClientAuthorities>,
    refusals: CertificateRefusals,
}

impl Tls {
    /// Takes the files as they were loaded. Refused client certificates are recorded in `audit`.
    ///
    /// # Errors
    /// [`TlsFault`].
    pub fn new(settings: &TlsSettings, clock: &Clock, audit: Audit) -> Result<Self, TlsFault> {
        let (cert, key) = (settings.cert.content(), settings.key.content());
        let identity = ServerIdentity::from_pem(cert, key)?;
        identity.check_dates(clock.wall())?;
        let shown = Arc::new(CertificateResolver::new(identity, clock.clone()));
        let authorities = settings.client.as_ref().map(|client| {
            let (ca, crl) = (client.ca.content(), client.crl.as_ref().map(LoadedFile::content));
            ClientAuthorities::from_pem(ca, crl, client.required, provider())
        });
        let authorities = authorities.transpose()?;
        let config = configure(shown.clone(), authorities.as_ref(), clock);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let refusals = CertificateRefusals::new(clock.clone(), audit);
        Ok(Self(Arc::new(TlsOffer { acceptor, shown, authorities, refusals })))
    }

    /// Takes new contents of `api.tls_cert` and `api.tls_key`. Connections stay, new
    /// ones see the new certificate; what is refused changes nothing. A pair that has expired never
    /// replaces one that has not.
    ///
    /// # Errors
    /// [`IdentityFault`].
    pub fn take_identity(&self, cert: &[u8], key: &[u8]) -> Result<(), IdentityFault> {
        self.0.shown.replace(cert, key)
    }

    /// Where refused client certificates are logged, counted and recorded.
    pub(super) fn refusals(&self) -> &CertificateRefusals {
        &self.0.refusals
    }

    /// The authorities of callers' certificates; `None` where callers are asked for none.
    pub fn authorities(&self) -> Option<&ClientAuthorities> {
        self.0.authorities.as_ref()
    }

    /// Shakes hands. The time that it may take is the stream's to limit, and the caller's.
    pub(super) async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let shaken = self.0.acceptor.accept(stream).into_fallible().await;
        match shaken {
            Ok(stream) => Ok(stream),
            Err((error, stream)) => {
                let _ = tokio::time::timeout(PARTING, part(stream)).await;
                Err(error)
            }
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("authorities", &self.0.authorities).finish_non_exhaustive()
    }
}

/// Closes so that the peer reads the alert that it was sent. Closed with unread bytes, which is what a
/// client's request right behind its certificate is, a socket is reset, and the alert with it.
async fn part<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> io::Result<()> {
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(PARTING_BYTES), &mut tokio::io::sink()).await?;
    Ok(())
}

/// TLS 1.3 and 1.2 with rustls' safe defaults: it has no older version, no renegotiation, no
/// compression, and no cipher suite without forward secrecy.
fn configure(
    shown: Arc<CertificateResolver>,
    authorities: Option<&ClientAuthorities>,
    clock: &Clock,
) -> ServerConfig {
    let verifier = match authorities {
        Some(authorities) => authorities.verifier(),
        None => WebPkiClientVerifier::no_client_auth(),
    };
    let mut config =
        ServerConfig::builder_with_details(provider(), Arc::new(WallClock(clock.clone())))
            .with_safe_default_protocol_versions()
            .expect("the provider has cipher suites of both versions")
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(shown);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    if authorities.is_some() {
        // A resumed session is not verified again, which would skip the CRLs.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    config
}

/// The certificate that is shown at the moment.
struct CertificateResolver {
    now: ArcSwap<CertifiedKey>,
    identity: Mutex<ServerIdentity>,
    clock: Clock,
}

impl CertificateResolver {
    fn new(identity: ServerIdentity, clock: Clock) -> Self {
        Self { now: ArcSwap::new(identity.key.clone()), identity: Mutex::new(identity), clock }
    }

    fn replace(&self, cert: &[u8], key: &[u8]) -> Result<(), IdentityFault> {
        let identity = ServerIdentity::from_pem(cert, key)?;
        let now = self.clock.wall();
        let mut known = self.identity.lock();
        if known.check_dates(now).is_ok() {
            identity.check_dates(now)?;
        }
        self.now.store(identity.key.clone());
        *known = identity;
        tracing::info!("the listener's certificate has changed");
        Ok(())
    }
}

impl ResolvesServerCert for CertificateResolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now.load_full())
    }
}

base::opaque_debug!(CertificateResolver);

/// The gateway's clock as rustls asks for it.
#[derive(Debug)]
struct WallClock(Clock);

impl TimeProvider for WallClock {
    fn current_time(&self) -> Option<UnixTime> {
        let second = u64::try_from(self.0.wall().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(second)))
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn pair() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn fault(cert: &str, key: &str) -> Option<IdentityFault> {
        ServerIdentity::from_pem(cert.as_bytes(), key.as_bytes()).err()
    }

    #[test]
    fn a_certificate_needs_its_own_key() {
        let ((cert, key), (other_cert, other_key)) = (pair(), pair());
        assert_eq!(fault(&cert, &key), None);
        assert_eq!(fault(&format!("{cert}{other_cert}"), &key), None, "a chain");
        let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let bad_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for (cert, key, expected) in [
            (&*cert, &*other_key, IdentityFault::Mismatch),
            (&format!("{other_cert}{cert}"), &key, IdentityFault::Mismatch),
            (&key, &cert, IdentityFault::NoCert),
            ("", &key, IdentityFault::NoCert),
            ("-----BEGIN CERTIFICATE-----\nAA", &key, IdentityFault::BrokenCert),
            (empty, &key, IdentityFault::UnusableCert),
            (&cert, "", IdentityFault::NoKey),
            (&cert, &key[..40], IdentityFault::NoKey),
            (&cert, &key.replace("PRIVATE", "ENCRYPTED PRIVATE"), IdentityFault::NoKey),
            (&cert, bad_key, IdentityFault::UnusableKey),
        ] {
            assert_eq!(fault(cert, key), Some(expected));
        }
    }

    #[test]
    fn a_broken_new_pair_leaves_the_old_one() {
        let ((cert, key), (new_cert, new_key)) = (pair(), pair());
        let identity = ServerIdentity::from_pem(cert.as_bytes(), key.as_bytes()).unwrap();
        let shown = CertificateResolver::new(identity, Clock::system());
        let old = shown.now.load_full();
        for (cert, key) in [(&*new_cert, &*key), (&new_cert, ""), ("", &new_key)] {
            assert!(shown.replace(cert.as_bytes(), key.as_bytes()).is_err());
        }
        assert!(Arc::ptr_eq(&old, &shown.now.load_full()));
        assert_eq!(shown.replace(new_cert.as_bytes(), new_key.as_bytes()), Ok(()));
        assert!(!Arc::ptr_eq(&old, &shown.now.load_full()));
    }

    #[test]
    fn no_part_of_a_key_is_printed() {
        let (cert, key) = pair();
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            LoadedFile::read(&path).unwrap()
        };
        let mut settings =
            TlsSettings { cert: write("cert", &cert), key: write("key", &key), client: None };
        let tls = Tls::new(&settings, &Clock::system(), Audit::off()).unwrap();
        assert_eq!(format!("{tls:?}"), "Tls { authorities: None, .. }");
        settings.key = write("key", "-----BEGIN PRIVATE KEY-----\nCANARY");
        assert!(!format!("{settings:?}").contains("CANARY"));
        let fault = Tls::new(&settings, &Clock::system(), Audit::off()).unwrap_err();
        assert!(fault.to_string().starts_with("api.tls_key contains no private key"), "{fault}");
        assert!(!format!("{fault:?}{fault}").contains("CANARY"));
    }
}
