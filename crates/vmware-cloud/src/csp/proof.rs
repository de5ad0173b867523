//! A new client secret is proven before it is used: a wrong one would show only when the token ends.
//!
//! Flow: new content of the secret's file → [`ClientSecret`] → one mint of the first
//! organization → in use for all of them, or refused while the old one stays.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::{ClientSecret, CspError, InvalidClientSecret, SecretCell, TokenSource};
use crate::{
    Event,
    upstream::{Kind, REFUSED_OPEN, backoff, jittered},
};

/// No shorter and no longer than this is `Retry-After` believed.
const MIN_RETRY_AFTER: Duration = Duration::from_secs(1);
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// Takes new secrets for all organizations. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SecretProof {
    secret: SecretCell,
    sources: Arc<[TokenSource]>,
    /// Tries without an answer since the last with one.
    unanswered: Arc<Mutex<u32>>,
}

/// Why a new secret is not in use.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProofFault {
    /// The file does not hold one.
    #[error("the file {0}")]
    Invalid(#[from] InvalidClientSecret),
    /// CSP took it not, or did not answer.
    #[error("{error}")]
    Mint {
        /// What the mint met.
        error: CspError,
        /// When it is worth another try.
        retry_in: Duration,
    },
}

impl ProofFault {
    /// As in `/readyz`: a closed set.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Invalid(fault) => fault.as_str(),
            Self::Mint { error, .. } => match error.kind() {
                Kind::CredentialsRejected => "refused by csp",
                Kind::Contract => "unexpected answer from csp",
                Kind::Unavailable | Kind::Timeout => "no answer from csp",
            },
        }
    }

    /// When the same secret is worth another try.
    pub fn retry_in(&self) -> Option<Duration> {
        match self {
            Self::Invalid(_) => None,
            Self::Mint { retry_in, .. } => Some(*retry_in),
        }
    }
}

impl SecretProof {
    /// Proves secrets with the first of `sources`, which all mint with `secret`.
    pub fn new(secret: SecretCell, sources: &[TokenSource]) -> Self {
        Self { secret, sources: sources.into(), unanswered: Arc::default() }
    }

    /// Takes a file's content: at once if it is the secret in use, else if a mint with it succeeds.
    ///
    /// # Errors
    /// [`ProofFault`]; the old secret stays.
    pub async fn take(&self, content: &[u8]) -> Result<(), ProofFault> {
        let candidate = ClientSecret::from_bytes(content)?;
        if self.secret.holds(&candidate) {
            return Ok(());
        }
        let Some(first) = self.sources.first() else { return Ok(()) };
        match first.prove(&candidate).await {
            Ok(()) => {
                self.count_unanswered(false);
                first.observe(&Event::SecretAccepted);
                self.sources.iter().for_each(TokenSource::retry_now);
                Ok(())
            }
            Err(error) => Err(ProofFault::Mint { retry_in: self.retry_in(&error), error }),
        }
    }

    fn retry_in(&self, error: &CspError) -> Duration {
        if error.kind() == Kind::CredentialsRejected {
            self.count_unanswered(false);
            return REFUSED_OPEN;
        }
        let unanswered = self.count_unanswered(true);
        error.retry_in().map_or_else(
            || jittered(backoff(unanswered)),
            |told| told.clamp(MIN_RETRY_AFTER, MAX_RETRY_AFTER),
        )
    }

    /// How many tries had no answer before this one.
    fn count_unanswered(&self, is_one: bool) -> u32 {
        let mut count = self.unanswered.lock();
        let next = if is_one { count.saturating_add(1) } else { 0 };
        std::mem::replace(&mut *count, next)
    }
}
