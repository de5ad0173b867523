//! Callers who show a token of the operator's own issuer (OAuth 2): a JWT.
//!
//! Flow: token → length → its SHA-256 → verified before with these keys? → [`Claims`];
//! else form and header → the key → signature → `iss`, `aud`, `exp`, `nbf` → [`Claims`].
//!
//! Nothing in a token chooses how it is verified: the algorithms are a closed set, each for its own
//! type of key, and keys come from the one configured place. Claims are judged only under a good
//! signature, times again at each use. A token is kept nowhere: only its SHA-256 and what it said.
//!
//! Keys come from `access.oidc.jwks_url`, regularly and when a token is signed with one that is not
//! known, or from `access.oidc.jwks_file`. Good keys are replaced by good ones only.

mod claims;
mod fault;
mod fetch;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod jwks;
mod jwt;
mod key_store;
mod pattern;
mod settings;
mod signature;

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use moka::{policy::EvictionPolicy, sync::Cache};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

pub use self::{
    claims::{Claims, WORDS},
    fault::JwtFault,
    key_store::OidcStatus,
    pattern::ClaimPattern,
    settings::{KeysFrom, Settings},
};
use self::{
    fetch::Source,
    jwks::KeySet,
    jwt::SignedToken,
    key_store::{Held, KeyStore},
};
use super::CredentialId;
use crate::{
    clock::{Clock, Instant},
    reload::LoadedFile,
    single_flight::{InFlightCall, SingleFlight},
    tasks::BackgroundJobs,
    telemetry::Metrics,
    upstream::{BuildError, Proxies, backoff, jittered},
};

/// Between two fetches that unknown keys ask for, whoever sends them.
const BETWEEN_REQUESTED_FETCHES: Duration = Duration::from_secs(10);
/// How long a caller waits for such a fetch.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// Between regular fetches: a key that was withdrawn is trusted no longer than this.
const BETWEEN_FETCHES: Duration = Duration::from_secs(300);

/// What is remembered of verified tokens: 10 000 of them, fewer if they say much.
const REMEMBERED_BYTES: u64 = 20 * 1024 * 1024;
const MIN_WEIGHT: u32 = 2 * 1024;

/// Verifies callers' tokens. Cheap to clone.
#[derive(Clone)]
pub struct Oidc(Arc<Inner>);

struct Inner {
    settings: Settings,
    clock: Clock,
    key_store: Arc<KeyStore>,
    fetching: Option<Fetching>,
    verified: Cache<[u8; 32], Verified>,
}

/// Fetches at most one document at a time.
struct Fetching {
    source: Source,
    flight: SingleFlight<Fetched>,
    requested_at: Mutex<Option<Instant>>,
}

/// Whether the fetch brought a good set.
type Fetched = bool;

#[derive(Clone)]
struct Verified {
    claims: Arc<Claims>,
    generation: u64,
    weight: u32,
}

/// Tokens cannot be verified: a gateway does not start so.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The HTTPS client for `access.oidc.jwks_url`.
    #[error(transparent)]
    Client(#[from] BuildError),
    /// `access.oidc.jwks_file` holds no usable set.
    #[error("access.oidc.jwks_file cannot be used: {0}")]
    File(String),
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc").field("issuer", &self.0.settings.issuer).finish_non_exhaustive()
    }
}

/// Whether a file's content is a JWK set with at least one usable key, of at most 1 MiB and 100
/// keys.
///
/// # Errors
/// What is wrong with it; nothing of the content.
pub fn check_keys(content: &[u8]) -> Result<(), String> {
    KeySet::read(content).map(drop).map_err(|fault| fault.to_string())
}

impl Oidc {
    /// Takes the file of keys, if they come from one; fetches nothing. `jobs` tracks the fetches,
    /// which run until they end: their callers may have left.
    ///
    /// # Errors
    /// [`StartError`], see there.
    pub fn new(
        settings: Settings,
        proxies: &Proxies,
        clock: Clock,
        metrics: Metrics,
        jobs: BackgroundJobs,
    ) -> Result<Self, StartError> {
        let key_store = Arc::new(KeyStore::new(clock.clone()));
        let fetching = match &settings.keys {
            KeysFrom::Url(url) => {
                let ca = settings.ca_file.as_ref().map(LoadedFile::content);
                let source = Source::new(url.clone(), ca, proxies, clock.clone(), metrics)?;
                Some(Fetching {
                    source,
                    flight: SingleFlight::new("keys", jobs),
                    requested_at: Mutex::default(),
                })
            }
            KeysFrom::File(file) => {
                let taken = key_store.take(file.content(), clock.now());
                taken.map_err(|fault| StartError::File(fault.to_string()))?;
                None
            }
        };
        let verified = Cache::builder()
            .max_capacity(REMEMBERED_BYTES)
            .weigher(|_, verified: &Verified| verified.weight)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Ok(Self(Arc::new(Inner { settings, clock, key_store, fetching, verified })))
    }

    /// Takes the new content of `access.oidc.ca_file`, from the next fetch on.
    ///
    /// # Errors
    /// What is wrong with it, from a closed set; the old CAs stay.
    pub async fn take_authorities(&self, pem: &[u8]) -> Result<(), &'static str> {
        match &self.0.fetching {
            Some(fetching) => fetching.source.take_authorities(pem).await,
            None => Ok(()),
        }
    }

    /// Whether a bearer credential has the form of a JWT: three non-empty parts of base64url with
    /// dots between them.
    pub fn looks_like_jwt(token: &[u8]) -> bool {
        jwt::has_form(token)
    }

    /// Verifies a token with the keys that are held. Never waits: a SHA-256 and a look-up for a
    /// token that was verified before, else one signature.
    ///
    /// # Errors
    /// [`JwtFault`], see there.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<Claims>, JwtFault> {
        self.verify_named(token, now).map(|(claims, _)| claims)
    }

    /// The same, and what the audit calls the token: both are of one SHA-256.
    pub(super) fn verify_named(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<(Arc<Claims>, CredentialId), JwtFault> {
        jwt::check_length(token)?;
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let claims = self.verify_digested(token, digest, now)?;
        Ok((claims, CredentialId::of_digest(&digest)))
    }

    fn verify_digested(
        &self,
        token: &str,
        digest: [u8; 32],
        now: Timestamp,
    ) -> Result<Arc<Claims>, JwtFault> {
        let held = self.0.key_store.held();
        if let Some(claims) = held.as_ref().and_then(|held| self.remembered(&digest, held)) {
            return match claims.check_time(now) {
                Ok(()) => Ok(claims),
                Err(fault) => {
                    self.0.verified.invalidate(&digest);
                    Err(fault)
                }
            };
        }
        let jwt = SignedToken::parse(token)?;
        let held = held.ok_or(JwtFault::NoKeys)?;
        let claims = Arc::new(self.verify_anew(&jwt, &held.set, now)?);
        let weight = u32::try_from(claims.bytes()).unwrap_or(u32::MAX).max(MIN_WEIGHT);
        let verified = Verified { claims: claims.clone(), generation: held.generation, weight };
        self.0.verified.insert(digest, verified);
        Ok(claims)
    }

    /// As [`Oidc::verify`]; for a token that newer keys may make good it waits up to 5 s for a fetch
    /// begun since, shared by all who ask and begun at most every 10 s, and tries once more. A caller
    /// that leaves cancels nothing.
    ///
    /// # Errors
    /// [`JwtFault`], see there. A key that is not known is the token's fault only after a good fetch
    /// begun since; else it is [`JwtFault::Unavailable`].
    pub async fn verify_fresh(&self, token: &str) -> Result<Arc<Claims>, JwtFault> {
        let began = self.0.clock.now();
        let mut verdict = self.verify(token, self.0.clock.wall());
        let Some(fetching) = &self.0.fetching else { return verdict };
        let deadline = began + MAX_WAIT;
        let may_pass =
            |verdict: &Result<_, JwtFault>| verdict.as_ref().is_err_and(|it| it.may_pass());
        // A fetch that was under way when the request came may bring what was old by then.
        for _ in 0..2 {
            if !may_pass(&verdict) {
                return verdict;
            }
            if let Some(run) = self.requested_fetch(fetching) {
                tokio::select! {
                    biased;
                    _ = run.result() => {}
                    () = self.0.clock.sleep_until_coarse(deadline) => {}
                }
            }
            // Without a wait too: a fetch may have ended since the first try.
            verdict = self.verify(token, self.0.clock.wall());
            if self.0.key_store.is_good_since(began) {
                return verdict;
            }
        }
        match verdict {
            Err(JwtFault::UnknownKey | JwtFault::NoKeys) => {
                Err(JwtFault::Unavailable { retry_in: self.next_fetch_in(fetching) })
            }
            verdict => verdict,
        }
    }

    /// Whether it is worth waiting for newer keys, where a token has this fault.
    pub(super) fn awaits_keys(&self, fault: JwtFault) -> bool {
        let Some(fetching) = &self.0.fetching else { return false };
        match fault {
            JwtFault::UnknownKey | JwtFault::NoKeys => true,
            JwtFault::Signature => {
                fetching.flight.latest().is_some_and(|run| run.is_under_way())
                    || self.next_fetch_in(fetching).is_zero()
            }
            _ => false,
        }
    }

    /// Whether a key set has ever been had.
    pub fn has_keys(&self) -> bool {
        self.0.key_store.held().is_some()
    }

    /// Fetches the keys once, and tells how they do then. From a file they have come already.
    pub async fn fetch_now(&self) -> OidcStatus {
        if let Some(fetching) = &self.0.fetching {
            let _ = self.fetch(fetching).result().await;
        }
        self.status()
    }

    /// Fetches the keys at once, every 5 min from then on, and sooner after a failure, until `stop`.
    /// Waits for `stop` alone where keys come from a file.
    pub async fn run_fetcher(self, stop: CancellationToken) {
        let Some(fetching) = &self.0.fetching else { return stop.cancelled().await };
        let mut failures = 0;
        loop {
            let run = self.fetch(fetching);
            let Some(outcome) = stop.run_until_cancelled(run.result()).await else { return };
            // A lost run is a panic in the fetch: as bad as a failed one.
            failures = if outcome == Ok(true) { 0 } else { failures + 1 };
            let due = self.0.clock.now() + pause(failures);
            if stop.run_until_cancelled(self.0.clock.sleep_until(due)).await.is_none() {
                return;
            }
        }
    }

    /// Whether the key that signed a token is still one of the issuer's: who stays by a token is let
    /// go when its key was withdrawn.
    pub fn still_trusts(&self, claims: &Claims) -> bool {
        self.0
            .key_store
            .held()
            .is_some_and(|held| claims.key().is_some_and(|key| held.set.holds(key)))
    }

    /// Takes the file of keys as it is now.
    ///
    /// # Errors
    /// What is wrong with it, from a closed set; the keys before it stay.
    pub fn take_file(&self, content: &[u8]) -> Result<(), &'static str> {
        self.0.key_store.take(content, self.0.clock.now()).map_err(|fault| {
            tracing::warn!(%fault, "access.oidc.jwks_file cannot be used");
            fault.reason
        })
    }

    /// How the keys do.
    pub fn status(&self) -> OidcStatus {
        self.0.key_store.status()
    }

    fn remembered(&self, digest: &[u8; 32], held: &Held) -> Option<Arc<Claims>> {
        let verified = self.0.verified.get(digest)?;
        (verified.generation == held.generation).then_some(verified.claims)
    }

    fn verify_anew(
        &self,
        jwt: &SignedToken<'_>,
        keys: &KeySet,
        now: Timestamp,
    ) -> Result<Claims, JwtFault> {
        let candidates = keys.candidates(jwt.kid.as_deref(), jwt.algorithm)?;
        let key = candidates.into_iter().find(|key| jwt.is_signed_by(&key.public));
        let claims = jwt.claims(key.ok_or(JwtFault::Signature)?.id)?;
        claims.check_parties(&self.0.settings)?;
        claims.check_time(now)?;
        Ok(claims)
    }

    /// The fetch under way, or a new one if the last that was asked for is long enough ago.
    fn requested_fetch(&self, fetching: &Fetching) -> Option<InFlightCall<Fetched>> {
        let now = self.0.clock.now();
        // Held until the fetch is begun, so that of many callers only one begins it.
        let mut requested_at = fetching.requested_at.lock();
        if let Some(run) = fetching.flight.latest().filter(InFlightCall::is_under_way) {
            return Some(run);
        }
        if requested_at.is_some_and(|before| now.since(before) < BETWEEN_REQUESTED_FETCHES) {
            return None;
        }
        *requested_at = Some(now);
        Some(self.fetch(fetching))
    }

    /// Until a fetch may be asked for again.
    fn next_fetch_in(&self, fetching: &Fetching) -> Duration {
        let requested_at = fetching.requested_at.lock();
        let since = requested_at.map(|before| self.0.clock.now().since(before));
        since.map_or(Duration::ZERO, |since| BETWEEN_REQUESTED_FETCHES.saturating_sub(since))
    }

    fn fetch(&self, fetching: &Fetching) -> InFlightCall<Fetched> {
        let (source, key_store) = (fetching.source.clone(), self.0.key_store.clone());
        let since = self.0.clock.now();
        fetching.flight.join(|| async move { fetch_into(&source, &key_store, since).await })
    }
}

async fn fetch_into(source: &Source, key_store: &KeyStore, since: Instant) -> Fetched {
    let before = key_store.status();
    match source.fetch().await {
        Ok(document) => match key_store.take(&document, since) {
            Ok(()) if before.error.is_some() => {
                tracing::info!("the keys of access.oidc.issuer can be fetched again");
            }
            Ok(()) => {}
            Err(fault) => tell(&before, fault.reason, &fault),
        },
        Err(error) => {
            key_store.failed(error.as_str(), &error);
            tell(&before, error.as_str(), &error);
        }
    }
    key_store.status().error.is_none()
}

/// One line per kind of trouble, not one per try.
fn tell(before: &OidcStatus, reason: &'static str, why: &dyn fmt::Display) {
    if before.error != Some(reason) {
        tracing::warn!(
            error = %why,
            keys = before.keys,
            "the keys of access.oidc.issuer cannot be fetched; the known keys stay in use",
        );
    }
}

/// Until the next fetch. Jittered, so that replicas do not come together.
fn pause(failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => BETWEEN_FETCHES.mul_f64(rand::random_range(0.9..=1.1)),
        Some(before) => jittered(backoff(before)),
    }
}
