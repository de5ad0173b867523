//! What every part of the inventory works with: settings, clock, metrics, tasks, and where changes
//! are published.

use std::sync::Arc;

use super::{
    cached::CachedResource, change_feed::ChangeFeed, freshness::List, settings::Settings,
    shared_state::SharedContent,
};
use crate::{
    clock::Clock,
    sharing::{Replicas, ResourceKind},
    tasks::Tasks,
    telemetry::Metrics,
};

#[derive(Debug)]
pub(super) struct InventoryContext {
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) tasks: Tasks,
    pub(super) feed: ChangeFeed,
    /// The other replicas, where there are any.
    pub(super) replicas: Option<Replicas>,
}

impl InventoryContext {
    /// A resource of which nothing was read yet. Replicas know it by its kind and id.
    pub(super) fn resource<T: SharedContent>(
        &self,
        kind: ResourceKind,
        id: &str,
    ) -> CachedResource<T> {
        let shared = self.replicas.as_ref().map(|replicas| replicas.resource(kind, id));
        let (settings, jobs) = (self.settings.clone(), self.tasks.jobs.clone());
        CachedResource::new(settings, self.clock.clone(), jobs, shared)
    }

    /// Whether a list that is due is polled: where nothing is polled of itself, the last watcher may
    /// have gone since.
    pub(super) fn wants_poll(&self, list: List) -> bool {
        !self.settings.poll.is_zero() || self.feed.is_watched(list)
    }
}
