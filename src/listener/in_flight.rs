//! How many requests are being worked on, and the bound above which more are shed.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
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

/// The right to be worked on; given back when dropped.
#[derive(Debug)]
pub struct Permit(Arc<Count>);

impl InFlight {
    /// At most `most` at once.
    #[must_use]
    pub fn new(most: usize, metrics: Metrics) -> Self {
        Self(Arc::new(Count { now: AtomicUsize::new(0), most, metrics }))
    }

    /// `None` when too many are; a probe always gets in.
    #[must_use]
    pub fn enter(&self, probe: bool) -> Option<Permit> {
        let before = self.0.now.fetch_add(1, Ordering::Relaxed);
        let permit = Permit(self.0.clone());
        self.0.metrics.http_in_flight().inc();
        (probe || before < self.0.most).then_some(permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
        self.0.metrics.http_in_flight().dec();
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
}
