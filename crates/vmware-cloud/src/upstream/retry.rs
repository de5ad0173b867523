//! Retries: more tries of a failed read, after a jittered pause, within a budget.
//!
//! The budget keeps retries from becoming the outage: each read earns a fifth of a retry, and a
//! retry costs a whole one. A full budget of ten lets single faults through without a word; what
//! fails for longer costs the upstream no more than a fifth more than it is asked anyway. Beyond
//! that the [`CircuitBreaker`](super::CircuitBreaker) holds reads back, and the one call that it lets
//! through while it is half-open is tried once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use super::{Failure, jittered};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// A longer `Retry-After` is for the circuit breaker: who waits is told of it instead of kept.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5);

/// What a read earns, in fifths of a retry: 20 % more load.
const EARNED: u32 = 1;
const COST: u32 = 5;
const FULL: u32 = 10 * COST;

/// The retries of one upstream: how many a read may have, and the budget of them all. Cheap to
/// clone; clones share the budget.
#[derive(Debug, Clone)]
pub struct Retries {
    most: usize,
    budget: Arc<RetryBudget>,
}

/// In fifths of a retry.
#[derive(Debug)]
struct RetryBudget(AtomicU32);

/// What is left of one read's tries.
#[derive(Debug)]
pub struct RemainingTries {
    left: usize,
    pause: Duration,
    budget: Arc<RetryBudget>,
}

impl Retries {
    /// At most `most` extra tries of a read, and a full budget.
    pub fn new(most: usize) -> Self {
        Self { most, budget: Arc::new(RetryBudget(AtomicU32::new(FULL))) }
    }

    /// The tries of a read that begins.
    pub fn begin(&self) -> RemainingTries {
        self.budget.earn();
        RemainingTries { left: self.most, pause: FIRST_PAUSE, budget: self.budget.clone() }
    }

    /// The one try of a read that only finds out whether reads are worth making.
    pub fn begin_single(&self) -> RemainingTries {
        RemainingTries { left: 0, ..self.begin() }
    }
}

impl RemainingTries {
    /// How long to pause before the read is tried again; `None` if it is not: the failure is none
    /// that passes, the tries or the budget are spent, or the pause would outlast `time_left`.
    pub fn pause_after(&mut self, failure: &Failure, time_left: Duration) -> Option<Duration> {
        if self.left == 0 || !failure.is_passing() {
            return None;
        }
        let pause = match failure.retry_after() {
            Some(asked) if asked > MAX_RETRY_AFTER => return None,
            // Never sooner than asked, nor with all the others who were asked the same.
            Some(asked) => asked + jittered(FIRST_PAUSE),
            None => jittered(self.pause),
        };
        if pause >= time_left || !self.budget.spend() {
            return None;
        }
        self.left -= 1;
        self.pause = (self.pause * 2).min(MAX_PAUSE);
        Some(pause)
    }
}

impl RetryBudget {
    fn earn(&self) {
        let earn = |fifths: u32| Some((fifths + EARNED).min(FULL));
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, earn);
    }

    fn spend(&self) -> bool {
        let spend = |fifths: u32| fifths.checked_sub(COST);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::super::InvalidResponse;
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn server(retry_after: Option<u64>) -> Failure {
        let retry_after = retry_after.map(Duration::from_secs);
        Failure::Server { status: StatusCode::SERVICE_UNAVAILABLE, retry_after }
    }

    #[test]
    fn pauses_double_and_end_with_the_tries() {
        let mut tries = Retries::new(3).begin();
        for longest in [200, 400, 800].map(Duration::from_millis) {
            let pause = tries.pause_after(&server(None), LONG).unwrap();
            assert!(pause >= longest / 2 && pause <= longest, "{pause:?} of {longest:?}");
        }
        assert_eq!(tries.pause_after(&server(None), LONG), None);
        assert_eq!(Retries::new(0).begin().pause_after(&server(None), LONG), None);
        assert_eq!(Retries::new(3).begin_single().pause_after(&server(None), LONG), None);
    }

    #[test]
    fn only_what_passes_is_tried_again() {
        let status = |status| Failure::Server { status, retry_after: None };
        for (failure, again) in [
            (Failure::Timeout(LONG), true),
            (Failure::Throttled { retry_after: None }, true),
            (status(StatusCode::INTERNAL_SERVER_ERROR), true),
            (status(StatusCode::BAD_GATEWAY), true),
            (status(StatusCode::GATEWAY_TIMEOUT), true),
            (status(StatusCode::NOT_IMPLEMENTED), false),
            (InvalidResponse::ContentType.into(), false),
            (InvalidResponse::Status(StatusCode::FOUND).into(), false),
            (InvalidResponse::TooLarge(1).into(), false),
        ] {
            let pause = Retries::new(2).begin().pause_after(&failure, LONG);
            assert_eq!(pause.is_some(), again, "{failure}");
        }
    }

    #[test]
    fn retry_after_is_waited_for_while_that_is_short_and_in_time() {
        let second = Duration::from_secs(1);
        for (asked, left, waited) in [(0, 30, true), (5, 30, true), (6, 30, false), (5, 5, false)] {
            let pause = Retries::new(2).begin().pause_after(&server(Some(asked)), second * left);
            let asked = second * u32::try_from(asked).unwrap();
            assert_eq!(pause.is_some(), waited, "{asked:?} of {left}");
            assert!(pause.is_none_or(|pause| pause > asked && pause <= asked + FIRST_PAUSE));
        }
    }

    #[test]
    fn a_long_outage_costs_a_fifth_more() {
        let retries = Retries::new(2);
        let mut made = 0_u32;
        for _ in 0..1000 {
            let mut tries = retries.begin();
            while tries.pause_after(&server(None), LONG).is_some() {
                made += 1;
            }
        }
        assert!((200..=211).contains(&made), "{made} retries of 1000 reads, ten of them at first");
    }
}
