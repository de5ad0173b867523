//! The steps that watchers take, each made once for all who stand at the same place.

use std::{sync::Arc, time::Duration};

use moka::{policy::EvictionPolicy, sync::Cache};

use super::state::{State, Step};
use crate::{
    api::answer::{Subject, narrow},
    ids::OrgId,
    inventory::model::SddcEntry,
};

/// Watchers take a step within moments of each other; who is slower gets one made anew.
const KEPT_UNASKED: Duration = Duration::from_secs(60);
const KEPT_BYTES: u64 = 32 * 1024 * 1024;

/// Steps and beginnings by what they lead from and to, bounded in bytes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Steps {
    beginnings: Cache<Subject, Arc<State>>,
    steps: Cache<Place, Arc<Step>>,
}

/// From which state to which view of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    from: u64,
    revision: u64,
    missing: Vec<OrgId>,
}

impl Default for Steps {
    fn default() -> Self {
        let weight = |state: &State| size_of::<Arc<SddcEntry>>() * state.sddcs.len() + 256;
        let missing = |place: &Place| -> usize {
            place.missing.iter().map(|org| size_of::<OrgId>() + org.as_str().len()).sum()
        };
        Self {
            beginnings: Cache::builder()
                .max_capacity(KEPT_BYTES)
                .weigher(move |subject: &Subject, state: &Arc<State>| {
                    narrow(subject.size() + weight(state))
                })
                .time_to_idle(KEPT_UNASKED)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
            steps: Cache::builder()
                .max_capacity(KEPT_BYTES)
                .weigher(move |place: &Place, step: &Arc<Step>| {
                    narrow(missing(place) + step.events.len() + weight(&step.to))
                })
                .time_to_idle(KEPT_UNASKED)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
        }
    }
}

impl Steps {
    /// Where a watcher begins who is told of this answer: the same for all of them.
    pub(super) fn begin(
        &self,
        subject: Subject,
        seen: impl FnOnce() -> Vec<Arc<SddcEntry>>,
    ) -> Arc<State> {
        self.beginnings.get_with(subject, || Arc::new(State::new(seen())))
    }

    /// The step from one state to what is `seen` of a view, of which `missing` orgs are not shown.
    /// It leads to where watchers of that answer begin: whenever they came, all go on together.
    /// `tag` is asked for the answer's validator.
    pub(super) fn step(
        &self,
        from: &State,
        subject: &Subject,
        missing: Vec<OrgId>,
        seen: impl FnOnce() -> Vec<Arc<SddcEntry>>,
        tag: impl FnOnce() -> String,
    ) -> Arc<Step> {
        let place = Place { from: from.number, revision: subject.revision, missing };
        self.steps.get_with(place.clone(), || {
            let now = self.begin(subject.clone(), seen);
            Arc::new(from.step(now, &place.missing, tag))
        })
    }

    /// Bytes that are kept.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.beginnings.run_pending_tasks();
        self.steps.run_pending_tasks();
        self.beginnings.weighted_size() + self.steps.weighted_size()
    }
}
