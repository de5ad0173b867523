//! How many requests are being worked on, and the bound above which more are shed.
//!
//! What is counted is work: who only waits, a long poll or an event stream, [parks](Permit::park)
//! and is not counted meanwhile.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crate::telemetry::Metrics;

/// Counts requests being worked on, up to a bound.
#[derive(Debug, Clone)]
pub struct InFlight(Arc<Count>);

#[derive(Debug)]
struct Count {
    now: AtomicUsize,
    most: usize,
    metrics: Metrics,
}

/// The right to be worked on; given back when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Permit(Arc<Held>);

#[derive(Debug)]
struct Held {
    count: Arc<Count>,
    parked: AtomicBool,
}

impl InFlight {
    /// At most `most` at once.
    #[must_use]
    pub fn new(most: usize, metrics: Metrics) -> Self {
        Self(Arc::new(Count { now: AtomicUsize::new(0), most, metrics }))
    }

    /// `None` when too many are; a probe always gets in.
    #[must_use]
    pub fn enter(&self, probe: bool) -> Option<Permit> {
        let before = self.0.enter();
        let held = Held { count: self.0.clone(), parked: AtomicBool::new(false) };
        let permit = Permit(Arc::new(held));
        (probe || before < self.0.most).then_some(permit)
    }
}

impl Count {
    fn enter(&self) -> usize {
        self.metrics.http_in_flight().inc();
        self.now.fetch_add(1, Ordering::Relaxed)
    }

    fn leave(&self) {
        self.now.fetch_sub(1, Ordering::Relaxed);
        self.metrics.http_in_flight().dec();
    }
}

impl Permit {
    /// Makes room for another request while this one only waits.
    pub fn park(&self) {
        if !self.0.parked.swap(true, Ordering::Relaxed) {
            self.0.count.leave();
        }
    }

    /// Counts again. Never refused: the work that is left is little, and shedding it would waste
    /// the wait.
    pub fn resume(&self) {
        if self.0.parked.swap(false, Ordering::Relaxed) {
            self.0.count.enter();
        }
    }

    /// Whether the request only waits.
    #[must_use]
    pub fn is_parked(&self) -> bool {
        self.0.parked.load(Ordering::Relaxed)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !*self.parked.get_mut() {
            self.count.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn above_the_bound_only_probes_get_in_and_leaving_makes_room() {
        let in_flight = InFlight::new(1, Metrics::new());
        let first = in_flight.enter(false);
        assert!(first.is_some() && in_flight.enter(false).is_none());
        assert!(in_flight.enter(true).is_some());
        drop(first);
        assert!(in_flight.enter(false).is_some());
    }

    #[test]
    fn who_is_parked_is_not_counted_until_resumed() {
        let in_flight = InFlight::new(1, Metrics::new());
        let waiting = in_flight.enter(false).unwrap();
        waiting.park();
        waiting.park();
        let other = in_flight.enter(false);
        assert!(other.is_some() && in_flight.enter(false).is_none());
        waiting.resume();
        drop(other);
        assert!(in_flight.enter(false).is_none(), "the one that waited works again");
        waiting.park();
        drop(waiting);
        assert_eq!(in_flight.0.now.load(Ordering::Relaxed), 0);
    }
}
