//! How many watch at once, and the bounds above which more are refused.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::{access::CallerName, telemetry::Metrics};

/// Counts long polls and event streams, up to `api.max_watchers`, of which one caller holds at most
/// three quarters: a caller that leaks its streams leaves places to the others. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WatcherLimit(Arc<WatcherCount>);

#[derive(Debug)]
struct WatcherCount {
    held: Mutex<OpenWatches>,
    max: usize,
    max_per_caller: usize,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct OpenWatches {
    all: usize,
    by_caller: HashMap<CallerName, usize>,
}

/// One watcher's place; given back when dropped.
#[derive(Debug)]
pub(in crate::api) struct WatchPermit {
    count: Arc<WatcherCount>,
    caller: CallerName,
}

impl WatcherLimit {
    /// At most `max` at once.
    pub fn new(max: usize, metrics: Metrics) -> Self {
        let max_per_caller = (max * 3 / 4).max(1);
        Self(Arc::new(WatcherCount { held: Mutex::default(), max, max_per_caller, metrics }))
    }

    /// `None` when there are too many already, of this caller or of all.
    pub(in crate::api) fn enter(&self, caller: &CallerName) -> Option<WatchPermit> {
        let count = &self.0;
        let mut held = count.held.lock();
        let own = held.by_caller.get(caller).copied().unwrap_or_default();
        if held.all >= count.max || own >= count.max_per_caller {
            return None;
        }
        held.all += 1;
        held.by_caller.insert(caller.clone(), own + 1);
        count.metrics.watchers().inc();
        Some(WatchPermit { count: count.clone(), caller: caller.clone() })
    }
}

impl Drop for WatchPermit {
    fn drop(&mut self) {
        let mut held = self.count.held.lock();
        held.all -= 1;
        if let Some(own) = held.by_caller.get_mut(&self.caller) {
            *own -= 1;
            // Callers come and go with the callers' file.
            if *own == 0 {
                held.by_caller.remove(&self.caller);
            }
        }
        self.count.metrics.watchers().dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(name: &str) -> CallerName {
        name.parse().unwrap()
    }

    #[test]
    fn above_the_bound_nobody_gets_in_and_leaving_makes_room() {
        let watchers = WatcherLimit::new(2, Metrics::new());
        let first = watchers.enter(&caller("a"));
        let second = watchers.enter(&caller("b"));
        assert!(first.is_some() && second.is_some() && watchers.enter(&caller("c")).is_none());
        drop(first);
        assert!(watchers.enter(&caller("c")).is_some());
    }

    #[test]
    fn one_caller_holds_at_most_three_quarters() {
        for (max, most) in [(1, 1), (2, 1), (3, 2), (4, 3), (5, 3), (8, 6), (6000, 4500)] {
            let watchers = WatcherLimit::new(max, Metrics::new());
            let greedy = caller("greedy");
            let held: Vec<_> = std::iter::from_fn(|| watchers.enter(&greedy)).collect();
            assert_eq!(held.len(), most, "of {max}");
            let other = std::iter::from_fn(|| watchers.enter(&caller("second")));
            let rest: Vec<_> = other.take(max).collect();
            assert_eq!(rest.len(), (max - most).min(most), "of {max}");
            drop((held, rest));
            assert!(watchers.0.held.lock().by_caller.is_empty());
            assert!(watchers.enter(&greedy).is_some());
        }
    }
}
