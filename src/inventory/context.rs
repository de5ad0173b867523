//! What every part of the inventory works with: settings, clock, metrics, tasks, and where changes
//! are published.

use std::sync::Arc;

use super::{cached::CachedResource, change_feed::ChangeFeed, known::List, settings::Settings};
use crate::{clock::Clock, tasks::Tasks, telemetry::Metrics};

#[derive(Debug)]
pub(super) struct InventoryContext {
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) tasks: Tasks,
    pub(super) feed: ChangeFeed,
}

impl InventoryContext {
    /// A resource of which nothing was read yet.
    pub(super) fn resource<T: PartialEq + Send + Sync + 'static>(&self) -> CachedResource<T> {
        CachedResource::new(self.settings.clone(), self.clock.clone(), self.tasks.jobs.clone())
    }

    /// Whether a list that is due is polled: where nothing is polled of itself, the last watcher may
    /// have gone since.
    pub(super) fn wants_poll(&self, list: List) -> bool {
        !self.settings.poll.is_zero() || self.feed.is_watched(list)
    }
}
