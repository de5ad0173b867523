//! How many requests are being worked on, and the bound above which more are shed.
//!
//! Only work is counted: a long poll or an event stream that waits is [parked](Permit::park), and not
//! counted meanwhile.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use prometheus_client::metrics::gauge::Gauge;

use crate::telemetry::Metrics;

/// Counts requests being worked on, up to a bound.
#[derive(Debug, Clone)]
pub struct InFlight {
    now: Gauge,
    max: i64,
}

/// The right to be worked on; given back when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Permit(Arc<HeldPermit>);

#[derive(Debug)]
struct HeldPermit {
    now: Gauge,
    is_parked: AtomicBool,
}

impl InFlight {
    /// At most `max` at once.
    pub fn new(max: usize, metrics: &Metrics) -> Self {
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        Self { now: metrics.http_in_flight().clone(), max }
    }

    /// `None` when too many are; a probe always gets in.
    #[must_use]
    pub fn enter(&self, is_probe: bool) -> Option<Permit> {
        let before = self.now.inc();
        let held = HeldPermit { now: self.now.clone(), is_parked: AtomicBool::new(false) };
        let permit = Permit(Arc::new(held));
        (is_probe || before < self.max).then_some(permit)
    }
}

impl Permit {
    /// Makes room for another request while this one only waits.
    pub fn park(&self) {
        if !self.0.is_parked.swap(true, Ordering::Relaxed) {
            self.0.now.dec();
        }
    }

    /// Counts again. Never refused: the work that is left is little, and shedding it would waste
    /// the wait.
    pub fn resume(&self) {
        if self.0.is_parked.swap(false, Ordering::Relaxed) {
            self.0.now.inc();
        }
    }

    /// Whether the request only waits.
    pub fn is_parked(&self) -> bool {
        self.0.is_parked.load(Ordering::Relaxed)
    }
}

impl Drop for HeldPermit {
    fn drop(&mut self) {
        if !*self.is_parked.get_mut() {
            self.now.dec();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn above_the_bound_only_probes_get_in_and_leaving_makes_room() {
        let in_flight = InFlight::new(1, &Metrics::new());
        let first = in_flight.enter(false);
        assert!(first.is_some() && in_flight.enter(false).is_none());
        assert!(in_flight.enter(true).is_some());
        drop(first);
        assert!(in_flight.enter(false).is_some());
    }

    #[test]
    fn who_is_parked_is_not_counted_until_resumed() {
        let in_flight = InFlight::new(1, &Metrics::new());
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
        assert_eq!(in_flight.now.get(), 0);
    }
}
