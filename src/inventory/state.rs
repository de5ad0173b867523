//! What is known of one upstream document or list, and whether it may be shown. Immutable: it is
//! what [`cached`](super::cached) keeps and what the snapshot publishes.

use std::{sync::Arc, time::Duration};

use super::{freshness::FreshnessRequirement, settings::Settings};
use crate::{clock::Instant, vmc::VmcError};

/// A reading that loses most of a list is confirmed by one that begins at least this much later.
pub(super) const CONFIRM_AFTER: Duration = Duration::from_secs(5);

/// What was read, and when the read began: the content is at least as new as that.
#[derive(Debug)]
pub(super) struct Reading<T> {
    pub(super) content: Arc<T>,
    pub(super) begun: Instant,
}

impl<T> Clone for Reading<T> {
    fn clone(&self) -> Self {
        Self { content: self.content.clone(), begun: self.begun }
    }
}

/// As what a reading may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShownAs {
    Fresh,
    Stale,
    /// Not at all.
    Missing,
}

/// All that is known of a resource.
#[derive(Debug)]
pub(super) struct State<T> {
    /// The last good reading.
    pub(super) reading: Option<Reading<T>>,
    /// When the last read began, good or not.
    pub(super) last_attempt: Option<Instant>,
    /// How the reads since the last good one failed.
    pub(super) last_error: Option<Arc<VmcError>>,
    /// VMware has refused since the last good reading; that it fails now too says nothing new.
    pub(super) is_denied: bool,
    /// VMware has answered 404, where that says that there is nothing, since the last good reading.
    pub(super) is_gone: bool,
    /// When the first reading began of those that lose most of what is kept and are not confirmed.
    pub(super) unconfirmed_since: Option<Instant>,
    /// It is as another replica has published it.
    pub(super) is_adopted: bool,
}

impl<T> Default for State<T> {
    fn default() -> Self {
        Self {
            reading: None,
            last_attempt: None,
            last_error: None,
            is_denied: false,
            is_gone: false,
            unconfirmed_since: None,
            is_adopted: false,
        }
    }
}

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        Self { reading: self.reading.clone(), last_error: self.last_error.clone(), ..*self }
    }
}

impl<T> State<T> {
    /// How old the last good reading is.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        self.reading.as_ref().map(|reading| now.since(reading.begun))
    }

    /// When a reading counts that confirms the last one; `None` if there is nothing to confirm.
    pub(super) fn confirm_at(&self) -> Option<Instant> {
        self.unconfirmed_since.map(|first| first + CONFIRM_AFTER)
    }

    /// Whether there was no read for so long.
    pub(super) fn is_unread_for(&self, pause: Duration, now: Instant) -> bool {
        self.last_attempt.is_none_or(|last| now.since(last) >= pause)
    }

    /// How old a reading may be and still be shown while upstream fails.
    pub(super) fn max_age(&self, settings: &Settings) -> Duration {
        if self.is_denied { settings.stale.min(settings.stale_denied) } else { settings.stale }
    }

    /// The same for a caller, whose own bound counts from where freshness ends (RFC 5861 section 4).
    pub(super) fn max_age_for(
        &self,
        requirement: &FreshnessRequirement,
        settings: &Settings,
    ) -> Duration {
        let own = requirement.stale_if_error.map(|more| settings.fresh.saturating_add(more));
        self.max_age(settings).min(own.unwrap_or(Duration::MAX))
    }

    /// The one answer to whether the last good reading may be shown, and as what. The limits are for
    /// as long as upstream fails: what was just read well is shown, however long the read took.
    pub(super) fn shown_as(
        &self,
        now: Instant,
        settings: &Settings,
        requirement: &FreshnessRequirement,
    ) -> ShownAs {
        let Some(age) = self.age(now) else { return ShownAs::Missing };
        let is_refused =
            requirement.only_if_cached && requirement.max_age.is_some_and(|max_age| age > max_age);
        let is_too_old = self.last_error.is_some() && age > self.max_age_for(requirement, settings);
        match age < settings.fresh {
            _ if is_refused || is_too_old => ShownAs::Missing,
            true => ShownAs::Fresh,
            false => ShownAs::Stale,
        }
    }

    /// The age of a reading that may be shown.
    pub(super) fn shown_age(
        &self,
        now: Instant,
        settings: &Settings,
        requirement: &FreshnessRequirement,
    ) -> Option<Duration> {
        let is_shown = self.shown_as(now, settings, requirement) != ShownAs::Missing;
        self.age(now).filter(|_| is_shown)
    }

    /// Takes note of a failed read.
    pub(super) fn note_failure(&mut self, may_go: bool, error: &VmcError) {
        // Held back says what another list of the org was answered.
        self.is_denied |= error.is_denial() && !error.is_held();
        self.is_gone |= may_go && matches!(error, VmcError::NotFound);
        // Held back is no news: what opened the circuit stays the reason.
        if !error.is_held() || self.last_error.is_none() {
            self.last_error = Some(Arc::new(error.clone()));
        }
    }
}
