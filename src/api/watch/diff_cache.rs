//! The steps that watchers take, each made once for all who stand at the same place.

use std::{sync::Arc, time::Duration};

use moka::{policy::EvictionPolicy, sync::Cache};

use super::watched_state::{EventDiff, WatchedState};
use crate::{
    api::answer::{AnswerSubject, saturating_u32},
    ids::OrgId,
    inventory::model::SddcEntry,
};

/// Watchers take a step within moments of each other; a slower one gets one made again.
const KEPT_UNASKED: Duration = Duration::from_secs(60);
const KEPT_BYTES: u64 = 32 * 1024 * 1024;

/// Steps and beginnings by what they lead from and to, bounded in bytes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EventDiffCache {
    beginnings: Cache<AnswerSubject, Arc<WatchedState>>,
    steps: Cache<DiffKey, Arc<EventDiff>>,
}

/// From which state to which view of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct DiffKey {
    from: u64,
    revision: u64,
    missing: Vec<OrgId>,
}

impl Default for EventDiffCache {
    fn default() -> Self {
        let weight = |state: &WatchedState| size_of::<Arc<SddcEntry>>() * state.sddcs.len() + 256;
        let missing = |place: &DiffKey| -> usize {
            place.missing.iter().map(|org| size_of::<OrgId>() + org.as_str().len()).sum()
        };
        Self {
            beginnings: Cache::builder()
                .max_capacity(KEPT_BYTES)
                .weigher(move |subject: &AnswerSubject, state: &Arc<WatchedState>| {
                    saturating_u32(subject.size() + weight(state))
                })
                .time_to_idle(KEPT_UNASKED)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
            steps: Cache::builder()
                .max_capacity(KEPT_BYTES)
                .weigher(move |place: &DiffKey, step: &Arc<EventDiff>| {
                    saturating_u32(missing(place) + step.events.len() + weight(&step.to))
                })
                .time_to_idle(KEPT_UNASKED)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
        }
    }
}

impl EventDiffCache {
    /// Where a watcher begins who is told of this answer: the same for all of them.
    pub(super) fn begin(
        &self,
        subject: AnswerSubject,
        seen: impl FnOnce() -> Vec<Arc<SddcEntry>>,
    ) -> Arc<WatchedState> {
        self.beginnings.get_with(subject, || Arc::new(WatchedState::new(seen())))
    }

    /// The step from one state to what is `seen` of a view, of which `missing` orgs are not shown.
    /// It leads to where watchers of that answer begin: whenever they came, all go on together.
    /// `tag` is asked for the answer's validator.
    pub(super) fn step(
        &self,
        from: &WatchedState,
        subject: &AnswerSubject,
        missing: Vec<OrgId>,
        seen: impl FnOnce() -> Vec<Arc<SddcEntry>>,
        tag: impl FnOnce() -> String,
    ) -> Arc<EventDiff> {
        let place = DiffKey { from: from.number, revision: subject.revision, missing };
        self.steps.get_with(place.clone(), || {
            let now = self.begin(subject.clone(), seen);
            Arc::new(from.step(now, &place.missing, tag))
        })
    }

    /// Bytes that are kept.
    pub fn bytes(&self) -> u64 {
        self.beginnings.run_pending_tasks();
        self.steps.run_pending_tasks();
        self.beginnings.weighted_size() + self.steps.weighted_size()
    }
}
