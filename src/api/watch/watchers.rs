//! How many watch at once, and the bound above which more are refused.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::telemetry::Metrics;

/// Counts long polls and event streams, up to `api.max_watchers`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Watchers(Arc<Count>);

#[derive(Debug)]
struct Count {
    now: AtomicUsize,
    most: usize,
    metrics: Metrics,
}

/// One watcher's place; given back when dropped.
#[derive(Debug)]
pub(in crate::api) struct Watching(Arc<Count>);

impl Watchers {
    /// At most `most` at once.
    #[must_use]
    pub fn new(most: usize, metrics: Metrics) -> Self {
        Self(Arc::new(Count { now: AtomicUsize::new(0), most, metrics }))
    }

    /// `None` when there are too many already.
    pub(in crate::api) fn enter(&self) -> Option<Watching> {
        let before = self.0.now.fetch_add(1, Ordering::Relaxed);
        self.0.metrics.watchers().inc();
        let place = Watching(self.0.clone());
        (before < self.0.most).then_some(place)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
        self.0.metrics.watchers().dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn above_the_bound_nobody_gets_in_and_leaving_makes_room() {
        let watchers = Watchers::new(1, Metrics::new());
        let first = watchers.enter();
        assert!(first.is_some() && watchers.enter().is_none());
        drop(first);
        assert!(watchers.enter().is_some());
    }
}
