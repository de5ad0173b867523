//! The keys as they are now, and how their last renewal went.
//!
//! Good keys are replaced by good ones only: whatever an issuer's endpoint or a file turns into, the
//! last good set stays.

use std::{fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;

use super::jwks::{self, KeySet, SetFault};
use crate::clock::{Clock, Instant};

/// A key set and its number: what was verified with another set is verified again.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) set: KeySet,
    pub(super) generation: u64,
}

#[derive(Debug)]
pub(super) struct KeyStore {
    held: ArcSwapOption<Held>,
    renewal: Mutex<KeyRenewal>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct KeyRenewal {
    good_at: Option<Instant>,
    /// When the newest good document was asked for.
    good_since: Option<Instant>,
    error: Option<&'static str>,
    /// More on the error, for operators.
    why: Option<Arc<str>>,
}

/// How the issuer's keys do, for `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcStatus {
    /// Usable keys; 0 until the first good set.
    pub keys: usize,
    /// Time since they were last found to be the issuer's; `None` without keys.
    pub age: Option<Duration>,
    /// Why the last renewal failed, if it did: a text from a closed set.
    pub error: Option<&'static str>,
    /// The same with its circumstances, for operators.
    pub why: Option<Arc<str>>,
}

impl KeyStore {
    pub(super) fn new(clock: Clock) -> Self {
        Self { held: ArcSwapOption::empty(), renewal: Mutex::default(), clock }
    }

    /// The keys. One load, no lock.
    pub(super) fn held(&self) -> Option<Arc<Held>> {
        self.held.load_full()
    }

    /// Takes a document, asked for at `since`, if it is a good set. The same one again costs its hash.
    pub(super) fn take(&self, document: &[u8], since: Instant) -> Result<(), SetFault> {
        // Over the whole of it: of two documents the one that came last stays.
        let mut renewal = self.renewal.lock();
        let outcome = self.replace(document);
        match &outcome {
            Ok(()) => {
                let (good_at, good_since) = (Some(self.clock.now()), Some(since));
                *renewal = KeyRenewal { good_at, good_since, error: None, why: None };
            }
            Err(fault) => {
                renewal.error = Some(fault.reason);
                renewal.why = Some(fault.to_string().into());
            }
        }
        outcome
    }

    fn replace(&self, document: &[u8]) -> Result<(), SetFault> {
        let held = self.held();
        if held.as_ref().is_some_and(|held| held.set.digest == jwks::digest(document)) {
            return Ok(());
        }
        let set = KeySet::read(document)?;
        let generation = held.map_or(0, |held| held.generation) + 1;
        tracing::info!(keys = set.len(), "the keys of access.oidc.issuer have changed");
        self.held.store(Some(Arc::new(Held { set, generation })));
        Ok(())
    }

    /// Notes that there was no document to take.
    pub(super) fn failed(&self, reason: &'static str, why: &dyn fmt::Display) {
        let mut renewal = self.renewal.lock();
        renewal.error = Some(reason);
        renewal.why = Some(why.to_string().into());
    }

    /// Whether a good document was asked for at that moment or later, and has come.
    pub(super) fn is_good_since(&self, moment: Instant) -> bool {
        self.renewal.lock().good_since.is_some_and(|since| since >= moment)
    }

    pub(super) fn status(&self) -> OidcStatus {
        let renewal = self.renewal.lock();
        OidcStatus {
            keys: self.held().map_or(0, |held| held.set.len()),
            age: renewal.good_at.map(|good_at| self.clock.now().since(good_at)),
            error: renewal.error,
            why: renewal.why.clone(),
        }
    }
}
