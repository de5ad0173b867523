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
    /// This state, which another replica has published, in the place of an older one of this replica's.
    /// A good reading is lost to a later one only, never to the failure of a replica that has none or
    /// an older one. Equal content stays the same, so that what was built from it stays good.
    pub(super) fn over(mut self, own: &Self) -> Self
    where
        T: PartialEq,
    {
        let Some(mine) = &own.reading else { return self };
        match &mut self.reading {
            Some(its) if its.begun >= mine.begun => {
                if its.content == mine.content {
                    its.content = mine.content.clone();
                }
            }
            _ => {
                self.reading = Some(mine.clone());
                // That speaks of an older list than this one.
                self.unconfirmed_since = self.unconfirmed_since.filter(|first| *first > mine.begun);
                self.is_denied |= own.is_denied;
            }
        }
        self
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn moment(seconds: u64) -> Instant {
        Clock::manual(jiff::Timestamp::UNIX_EPOCH).now() + Duration::from_secs(seconds)
    }

    fn read_at(seconds: u64, content: &'static str) -> State<&'static str> {
        let reading = Some(Reading { content: Arc::new(content), begun: moment(seconds) });
        State { reading, last_attempt: Some(moment(seconds)), ..State::default() }
    }

    fn failed_at(seconds: u64, before: State<&'static str>) -> State<&'static str> {
        let last_error = Some(Arc::new(VmcError::Denied));
        State { last_attempt: Some(moment(seconds)), last_error, is_denied: true, ..before }
    }

    #[test]
    fn a_reading_is_lost_to_a_later_one_only() {
        let own = read_at(10, "mine");
        for its in [State::default(), read_at(5, "older")] {
            let taken = failed_at(20, its).over(&own);
            let reading = taken.reading.unwrap();
            assert_eq!((*reading.content, reading.begun), ("mine", moment(10)));
            assert!(taken.last_error.is_some() && taken.is_denied);
        }
        let taken = failed_at(20, read_at(15, "later")).over(&own);
        assert_eq!(*taken.reading.unwrap().content, "later");
        let taken = read_at(15, "mine").over(&own);
        let reading = taken.reading.unwrap();
        assert!(Arc::ptr_eq(&reading.content, &own.reading.unwrap().content));
        assert_eq!(reading.begun, moment(15));
    }

    #[test]
    fn a_doubt_of_an_older_reading_is_none_of_a_later_one() {
        let its = |unconfirmed_since| State { unconfirmed_since, ..read_at(5, "older") };
        let since =
            |seconds| its(Some(moment(seconds))).over(&read_at(10, "mine")).unconfirmed_since;
        assert_eq!((since(7), since(12)), (None, Some(moment(12))));
    }
}
