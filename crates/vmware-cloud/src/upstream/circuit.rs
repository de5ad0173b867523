//! The circuit breaker: holds back calls that would fail.
//!
//! One per upstream and organization (and one per list that VMware denies), instead of a negative
//! cache, a cool-down and a `Retry-After` hold that overlap. A failed call opens the circuit for a
//! while; then it is half-open: one call is let through, and its outcome closes the circuit or opens
//! it for longer. While it is open it tells the failure that opened it, so that a caller that is
//! held back gets the true reason.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::{MIN_BACKOFF, backoff, jittered};
use base::clock::{Clock, Instant};

/// The longest backoff of what has never been read: there is no snapshot to show meanwhile.
pub const MAX_FIRST_BACKOFF: Duration = Duration::from_secs(10);
/// The longest `Retry-After` of an upstream that is obeyed.
pub(super) const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// How long refused credentials are not sent again.
pub const REFUSED_OPEN: Duration = Duration::from_secs(60);

/// A circuit breaker that remembers the failure `E` that opened it. Cheap to clone.
#[derive(Debug)]
pub struct CircuitBreaker<E> {
    clock: Clock,
    inner: Arc<Mutex<BreakerInner<E>>>,
}

#[derive(Debug)]
struct BreakerInner<E> {
    state: BreakerState<E>,
    /// Grows with each reset: a call that began before it has no say in what came after.
    resets: u64,
}

impl<E> BreakerInner<E> {
    fn reset(&mut self) {
        self.state = BreakerState::Closed;
        self.resets += 1;
    }
}

#[derive(Debug)]
enum BreakerState<E> {
    Closed,
    /// No call passes before `until`, then one.
    Open {
        until: Instant,
        failures: u32,
        because: E,
    },
    /// The one call is under way.
    HalfOpen {
        failures: u32,
        because: E,
    },
}

/// Why a call may not pass now.
#[derive(Debug, Clone)]
pub struct CircuitOpen<E> {
    /// When it is worth asking again.
    pub retry_in: Duration,
    /// What opened the circuit.
    pub because: E,
}

/// How long a failure opens the circuit.
#[derive(Debug, Clone, Copy)]
pub enum OpenFor {
    /// 1 s × 2ⁿ with jitter, at most this: `MAX_BACKOFF` or [`MAX_FIRST_BACKOFF`].
    Backoff(Duration),
    /// As long as the upstream asked (`Retry-After`), or as [refused](REFUSED_OPEN) credentials are
    /// not sent again; at most 5 min.
    Given(Duration),
}

base::closed_set! {
    /// What a circuit breaker does with calls, as `/readyz` shows it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum CircuitState {
        /// They pass.
        Closed = "closed",
        /// One is under way, and the others are held back until its outcome is known.
        HalfOpen = "half_open",
        /// They are held back.
        Open = "open",
    }
}

/// What a circuit breaker shows to probes and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitStatus {
    /// What is done with calls.
    pub state: CircuitState,
    /// Time for which calls are held back, while it is open.
    pub retry_in: Option<Duration>,
}

impl CircuitStatus {
    /// Of two circuits that a call has to pass, what both together do with it.
    #[must_use]
    pub fn combined(self, other: Self) -> Self {
        Self { state: self.state.max(other.state), retry_in: self.retry_in.max(other.retry_in) }
    }

    /// Whether calls are held back.
    pub fn holds_back(self) -> bool {
        self.state != CircuitState::Closed
    }
}

impl<E> Clone for CircuitBreaker<E> {
    fn clone(&self) -> Self {
        Self { clock: self.clock.clone(), inner: self.inner.clone() }
    }
}

impl<E: Clone> CircuitBreaker<E> {
    /// A closed circuit.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            inner: Arc::new(Mutex::new(BreakerInner { state: BreakerState::Closed, resets: 0 })),
        }
    }

    /// Asks for leave to make a call. Its outcome is told to the [`CallPermit`].
    ///
    /// # Errors
    /// [`CircuitOpen`] while the circuit is open, or half-open with its one call under way.
    pub fn enter(&self) -> Result<CallPermit<E>, CircuitOpen<E>> {
        let now = self.clock.now();
        let mut inner = self.inner.lock();
        let is_trial = match &inner.state {
            BreakerState::Closed => false,
            BreakerState::Open { until, because, .. } if now < *until => {
                return Err(CircuitOpen { retry_in: until.since(now), because: because.clone() });
            }
            BreakerState::Open { failures, because, .. } => {
                inner.state =
                    BreakerState::HalfOpen { failures: *failures, because: because.clone() };
                true
            }
            BreakerState::HalfOpen { because, .. } => {
                return Err(CircuitOpen { retry_in: MIN_BACKOFF, because: because.clone() });
            }
        };
        Ok(CallPermit { circuit: self.clone(), is_trial, resets: inner.resets, judged: false })
    }

    /// When a call is let through again; `None` while the circuit is closed.
    pub fn retry_at(&self) -> Option<Instant> {
        match &self.inner.lock().state {
            BreakerState::Closed => None,
            BreakerState::Open { until, .. } => Some(*until),
            BreakerState::HalfOpen { .. } => Some(self.clock.now() + MIN_BACKOFF),
        }
    }

    /// Closes the circuit: what opened it is known to be mended.
    pub fn reset(&self) {
        self.inner.lock().reset();
    }

    /// Closes the circuit if what opened it is mended.
    pub fn reset_if(&self, mended: impl FnOnce(&E) -> bool) {
        let mut inner = self.inner.lock();
        let is_mended = match &inner.state {
            BreakerState::Closed => false,
            BreakerState::Open { because, .. } | BreakerState::HalfOpen { because, .. } => {
                mended(because)
            }
        };
        if is_mended {
            inner.reset();
        }
    }

    /// For probes and metrics.
    pub fn status(&self) -> CircuitStatus {
        let now = self.clock.now();
        match &self.inner.lock().state {
            BreakerState::Closed => CircuitStatus { state: CircuitState::Closed, retry_in: None },
            BreakerState::Open { until, .. } => {
                CircuitStatus { state: CircuitState::Open, retry_in: Some(until.since(now)) }
            }
            BreakerState::HalfOpen { .. } => {
                CircuitStatus { state: CircuitState::HalfOpen, retry_in: None }
            }
        }
    }
}

/// Leave to make one call. Dropped without an outcome it changes nothing: after an abandoned trial
/// the next call is let through.
#[derive(Debug)]
pub struct CallPermit<E: Clone> {
    circuit: CircuitBreaker<E>,
    is_trial: bool,
    resets: u64,
    judged: bool,
}

impl<E: Clone> CallPermit<E> {
    /// Whether this is the one call of a half-open circuit.
    pub fn is_trial(&self) -> bool {
        self.is_trial
    }

    /// The upstream answered: the circuit closes.
    pub fn succeeded(mut self) {
        self.judged = true;
        let mut inner = self.circuit.inner.lock();
        // A call that began before the circuit opened proves nothing about now.
        if self.is_trial && inner.resets == self.resets {
            inner.state = BreakerState::Closed;
        }
    }

    /// The call failed, its tries spent: opens the circuit.
    pub fn failed(mut self, open_for: OpenFor, because: E) {
        self.judged = true;
        let now = self.circuit.clock.now();
        let mut inner = self.circuit.inner.lock();
        let failures = match &inner.state {
            _ if inner.resets != self.resets => return,
            BreakerState::Closed => 0,
            BreakerState::HalfOpen { failures, .. } if self.is_trial => failures.saturating_add(1),
            // Others that were under way with the one that opened it: one outage, counted once.
            BreakerState::Open { .. } | BreakerState::HalfOpen { .. } => return,
        };
        let span = match open_for {
            OpenFor::Backoff(max) => jittered(backoff(failures).min(max)),
            OpenFor::Given(span) => span.clamp(MIN_BACKOFF, MAX_RETRY_AFTER),
        };
        inner.state = BreakerState::Open { until: now + span, failures, because };
    }
}

impl<E: Clone> Drop for CallPermit<E> {
    fn drop(&mut self) {
        if self.judged || !self.is_trial {
            return;
        }
        let now = self.circuit.clock.now();
        let mut inner = self.circuit.inner.lock();
        if inner.resets == self.resets
            && let BreakerState::HalfOpen { failures, because } = &inner.state
        {
            inner.state =
                BreakerState::Open { until: now, failures: *failures, because: because.clone() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::MAX_BACKOFF, *};

    fn circuit() -> (Clock, CircuitBreaker<&'static str>) {
        let clock = Clock::manual(jiff::Timestamp::UNIX_EPOCH);
        (clock.clone(), CircuitBreaker::new(clock))
    }

    #[test]
    fn a_failure_opens_the_circuit_and_then_one_call_passes() {
        let (clock, circuit) = circuit();
        circuit.enter().unwrap().failed(OpenFor::Backoff(MAX_BACKOFF), "down");
        let held = circuit.enter().unwrap_err();
        assert_eq!(held.because, "down");
        assert!(held.retry_in >= MIN_BACKOFF / 2 && held.retry_in <= MIN_BACKOFF);
        clock.advance(MIN_BACKOFF);
        let trial = circuit.enter().unwrap();
        assert_eq!(circuit.enter().unwrap_err().because, "down", "only one passes");
        trial.succeeded();
        assert_eq!(circuit.status().state, CircuitState::Closed);
    }

    #[test]
    fn backoff_doubles_up_to_a_minute() {
        let (clock, circuit) = circuit();
        for expected in [1, 2, 4, 8, 16, 32, 60, 60, 60].map(Duration::from_secs) {
            circuit.enter().unwrap().failed(OpenFor::Backoff(MAX_BACKOFF), "down");
            let held = circuit.enter().unwrap_err().retry_in;
            assert!(held >= expected / 2 && held <= expected, "{held:?} of {expected:?}");
            clock.advance(held);
        }
    }

    #[test]
    fn backoff_ends_at_ten_seconds_where_there_is_no_snapshot() {
        let (clock, circuit) = circuit();
        for expected in [1, 2, 4, 8, 10, 10, 10].map(Duration::from_secs) {
            circuit.enter().unwrap().failed(OpenFor::Backoff(MAX_FIRST_BACKOFF), "down");
            let held = circuit.enter().unwrap_err().retry_in;
            assert!(held >= expected / 2 && held <= expected, "{held:?} of {expected:?}");
            clock.advance(held);
        }
    }

    #[test]
    fn calls_that_fail_together_count_once() {
        let (_, circuit) = circuit();
        let permits: Vec<_> = (0..50).map(|_| circuit.enter().unwrap()).collect();
        for permit in permits {
            permit.failed(OpenFor::Backoff(MAX_BACKOFF), "down");
        }
        assert!(circuit.enter().unwrap_err().retry_in <= MIN_BACKOFF);
    }

    #[test]
    fn retry_after_is_obeyed_within_reason() {
        let (clock, circuit) = circuit();
        circuit.enter().unwrap().failed(OpenFor::Given(Duration::from_secs(7)), "busy");
        assert_eq!(circuit.enter().unwrap_err().retry_in, Duration::from_secs(7));
        clock.advance(Duration::from_secs(7));
        circuit.enter().unwrap().failed(OpenFor::Given(Duration::MAX), "busy");
        assert_eq!(circuit.enter().unwrap_err().retry_in, MAX_RETRY_AFTER);
    }

    #[test]
    fn an_abandoned_trial_lets_the_next_one_through() {
        let (clock, circuit) = circuit();
        circuit.enter().unwrap().failed(OpenFor::Backoff(MAX_BACKOFF), "down");
        clock.advance(MIN_BACKOFF);
        drop(circuit.enter().unwrap());
        assert!(circuit.enter().is_ok());
    }

    #[test]
    fn a_late_success_does_not_close_a_circuit_opened_since() {
        let (_, circuit) = circuit();
        let early = circuit.enter().unwrap();
        circuit.enter().unwrap().failed(OpenFor::Given(REFUSED_OPEN), "refused");
        early.succeeded();
        assert_eq!(circuit.status().state, CircuitState::Open);
        circuit.reset();
        assert_eq!(circuit.status(), CircuitStatus { state: CircuitState::Closed, retry_in: None });
    }

    #[test]
    fn a_circuit_is_closed_only_by_what_mends_its_trouble() {
        let (_, circuit) = circuit();
        circuit.enter().unwrap().failed(OpenFor::Given(REFUSED_OPEN), "refused");
        circuit.reset_if(|because| *because == "down");
        assert_eq!(circuit.status().state, CircuitState::Open);
        circuit.reset_if(|because| *because == "refused");
        assert_eq!(circuit.status().state, CircuitState::Closed);
    }

    #[test]
    fn a_call_begun_before_a_reset_does_not_open_the_circuit_after_it() {
        let (_, circuit) = circuit();
        let early = circuit.enter().unwrap();
        circuit.reset();
        early.failed(OpenFor::Given(REFUSED_OPEN), "the old secret");
        assert!(circuit.enter().is_ok());
    }
}
