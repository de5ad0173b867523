//! The steps that watchers take, each made once for all who stand at the same place.

use std::{sync::Arc, time::Duration};

use moka::{policy::EvictionPolicy, sync::Cache};

use super::state::{State, Step};
use crate::{api::answer::Subject, ids::OrgId, inventory::model::SddcEntry};

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
pub(super) struct Place {
    pub(super) from: u64,
    pub(super) revision: u64,
    pub(super) missing: Vec<OrgId>,
}

impl Default for Steps {
    fn default() -> Self {
        let weight = |state: &State| size_of::<Arc<SddcEntry>>() * state.sddcs.len() + 256;
        let narrow = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        Self {
            beginnings: Cache::builder()
                .max_capacity(KEPT_BYTES)
                .weigher(move |_, state: &Arc<State>| narrow(weight(state)))
                .time_to_idle(KEPT_UNASKED)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
            steps: Cache::builder()
                .max_capacity(KEPT_BYTES)
                .weigher(move |_, step: &Arc<Step>| narrow(step.events.len() + weight(&step.to)))
                .time_to_idle(KEPT_UNASKED)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
        }
    }
}

impl Steps {
    /// Where a watcher of this answer begins.
    pub(super) fn begin(
        &self,
        subject: Subject,
        seen: impl FnOnce() -> Vec<Arc<SddcEntry>>,
    ) -> Arc<State> {
        self.beginnings.get_with(subject, || Arc::new(State::new(seen())))
    }

    /// The step from one place.
    pub(super) fn step(&self, place: Place, make: impl FnOnce() -> Step) -> Arc<Step> {
        self.steps.get_with(place, || Arc::new(make()))
    }

    /// Bytes that are kept.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.beginnings.run_pending_tasks();
        self.steps.run_pending_tasks();
        self.beginnings.weighted_size() + self.steps.weighted_size()
    }
}
