//! The gate: holds back calls that would fail.
//!
//! One per upstream and organization, instead of a breaker, a negative cache, a cool-down and a
//! `Retry-After` hold that overlap. A failed call closes it for a while; then one call is let
//! through, and its outcome opens the gate or closes it for longer. While it is closed it tells the
//! failure that closed it, so that who is held back gets the true reason.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::jittered;
use crate::clock::{Clock, Instant};

const FIRST_HOLD: Duration = Duration::from_secs(1);
const LONGEST_HOLD: Duration = Duration::from_secs(60);
/// How long an upstream's own `Retry-After` is believed.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// How long refused credentials are not shown again.
pub const REFUSED_HOLD: Duration = Duration::from_secs(60);

/// A gate that remembers the failure `E` that closed it. Cheap to clone.
#[derive(Debug)]
pub struct Gate<E> {
    clock: Clock,
    inner: Arc<Mutex<Inner<E>>>,
}

#[derive(Debug)]
struct Inner<E> {
    state: State<E>,
    /// Grows with each reset: what began before it has no say in what came after.
    resets: u64,
}

impl<E> Inner<E> {
    fn reset(&mut self) {
        self.state = State::Open;
        self.resets += 1;
    }
}

#[derive(Debug)]
enum State<E> {
    Open,
    /// Nothing passes before `until`, then one.
    Closed {
        until: Instant,
        failures: u32,
        because: E,
    },
    /// The one call is under way.
    Probing {
        failures: u32,
        because: E,
    },
}

/// Why a call may not pass now.
#[derive(Debug, Clone)]
pub struct Held<E> {
    /// When it is worth asking again.
    pub retry_in: Duration,
    /// What closed the gate.
    pub because: E,
}

/// How long a failure closes the gate.
#[derive(Debug, Clone, Copy)]
pub enum Hold {
    /// 1 s × 2ⁿ with jitter, at most 60 s.
    Backoff,
    /// As long as this says: `Retry-After`, refused credentials.
    For(Duration),
}

/// What a gate shows to probes and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateStatus {
    /// `open`, `closed` or `probing`.
    pub name: &'static str,
    /// Time left while closed.
    pub retry_in: Option<Duration>,
}

impl<E> Clone for Gate<E> {
    fn clone(&self) -> Self {
        Self { clock: self.clock.clone(), inner: self.inner.clone() }
    }
}

impl<E: Clone> Gate<E> {
    /// An open gate.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, inner: Arc::new(Mutex::new(Inner { state: State::Open, resets: 0 })) }
    }

    /// Asks to pass. The verdict on the call is given to the [`Pass`].
    ///
    /// # Errors
    /// [`Held`] while the gate is closed, or while the one call after that is under way.
    pub fn enter(&self) -> Result<Pass<E>, Held<E>> {
        let now = self.clock.now();
        let mut inner = self.lock();
        let probe = match &inner.state {
            State::Open => false,
            State::Closed { until, because, .. } if now < *until => {
                return Err(Held { retry_in: until.since(now), because: because.clone() });
            }
            State::Closed { failures, because, .. } => {
                inner.state = State::Probing { failures: *failures, because: because.clone() };
                true
            }
            State::Probing { because, .. } => {
                return Err(Held { retry_in: FIRST_HOLD, because: because.clone() });
            }
        };
        Ok(Pass { gate: self.clone(), probe, resets: inner.resets, judged: false })
    }

    /// When the gate lets something through again; `None` while it is open.
    #[must_use]
    pub fn opens_at(&self) -> Option<Instant> {
        match &self.lock().state {
            State::Open => None,
            State::Closed { until, .. } => Some(*until),
            State::Probing { .. } => Some(self.clock.now() + FIRST_HOLD),
        }
    }

    /// Opens the gate: what closed it is known to be mended.
    pub fn reset(&self) {
        self.lock().reset();
    }

    /// The same where that is so of what closed the gate.
    pub fn reset_if(&self, mended: impl FnOnce(&E) -> bool) {
        let mut inner = self.lock();
        let is_mended = match &inner.state {
            State::Open => false,
            State::Closed { because, .. } | State::Probing { because, .. } => mended(because),
        };
        if is_mended {
            inner.reset();
        }
    }

    /// For probes and metrics.
    #[must_use]
    pub fn status(&self) -> GateStatus {
        let now = self.clock.now();
        match &self.lock().state {
            State::Open => GateStatus { name: "open", retry_in: None },
            State::Closed { until, .. } => {
                GateStatus { name: "closed", retry_in: Some(until.since(now)) }
            }
            State::Probing { .. } => GateStatus { name: "probing", retry_in: None },
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<E>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave to make one call. Dropped without a verdict it changes nothing: a probe that was abandoned
/// lets the next one through.
#[derive(Debug)]
pub struct Pass<E: Clone> {
    gate: Gate<E>,
    probe: bool,
    resets: u64,
    judged: bool,
}

impl<E: Clone> Pass<E> {
    /// Whether this is the one call that a closed gate lets through, to see how things are.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.probe
    }

    /// The upstream answered: the gate is open.
    pub fn succeeded(mut self) {
        self.judged = true;
        let mut inner = self.gate.lock();
        // A call that began before the gate closed proves nothing about now.
        if self.probe && inner.resets == self.resets {
            inner.state = State::Open;
        }
    }

    /// The call failed, its tries spent: closes the gate.
    pub fn failed(mut self, hold: Hold, because: E) {
        self.judged = true;
        let now = self.gate.clock.now();
        let mut inner = self.gate.lock();
        let failures = match &inner.state {
            _ if inner.resets != self.resets => return,
            State::Open => 0,
            State::Probing { failures, .. } if self.probe => failures.saturating_add(1),
            // Others that were under way with the one that closed it: one outage, counted once.
            State::Closed { .. } | State::Probing { .. } => return,
        };
        let span = match hold {
            Hold::Backoff => jittered(backoff(failures)),
            Hold::For(span) => span.clamp(FIRST_HOLD, LONGEST_RETRY_AFTER),
        };
        inner.state = State::Closed { until: now + span, failures, because };
    }
}

impl<E: Clone> Drop for Pass<E> {
    fn drop(&mut self) {
        if self.judged || !self.probe {
            return;
        }
        let now = self.gate.clock.now();
        let mut inner = self.gate.lock();
        if inner.resets == self.resets
            && let State::Probing { failures, because } = &inner.state
        {
            inner.state =
                State::Closed { until: now, failures: *failures, because: because.clone() };
        }
    }
}

fn backoff(failures: u32) -> Duration {
    FIRST_HOLD.saturating_mul(2_u32.saturating_pow(failures.min(16))).min(LONGEST_HOLD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> (Clock, Gate<&'static str>) {
        let clock = Clock::manual(jiff::Timestamp::UNIX_EPOCH);
        (clock.clone(), Gate::new(clock))
    }

    #[test]
    fn a_failure_closes_the_gate_and_then_one_call_passes() {
        let (clock, gate) = gate();
        gate.enter().unwrap().failed(Hold::Backoff, "down");
        let held = gate.enter().unwrap_err();
        assert_eq!(held.because, "down");
        assert!(held.retry_in >= FIRST_HOLD / 2 && held.retry_in <= FIRST_HOLD);
        clock.advance(FIRST_HOLD);
        let probe = gate.enter().unwrap();
        assert_eq!(gate.enter().unwrap_err().because, "down", "only one passes");
        probe.succeeded();
        assert_eq!(gate.status().name, "open");
    }

    #[test]
    fn holds_double_up_to_a_minute() {
        let (clock, gate) = gate();
        for expected in [1, 2, 4, 8, 16, 32, 60, 60, 60].map(Duration::from_secs) {
            gate.enter().unwrap().failed(Hold::Backoff, "down");
            let held = gate.enter().unwrap_err().retry_in;
            assert!(held >= expected / 2 && held <= expected, "{held:?} of {expected:?}");
            clock.advance(held);
        }
    }

    #[test]
    fn calls_that_fail_together_count_once() {
        let (_, gate) = gate();
        let passes: Vec<_> = (0..50).map(|_| gate.enter().unwrap()).collect();
        for pass in passes {
            pass.failed(Hold::Backoff, "down");
        }
        assert!(gate.enter().unwrap_err().retry_in <= FIRST_HOLD);
    }

    #[test]
    fn retry_after_is_obeyed_within_reason() {
        let (clock, gate) = gate();
        gate.enter().unwrap().failed(Hold::For(Duration::from_secs(7)), "busy");
        assert_eq!(gate.enter().unwrap_err().retry_in, Duration::from_secs(7));
        clock.advance(Duration::from_secs(7));
        gate.enter().unwrap().failed(Hold::For(Duration::MAX), "busy");
        assert_eq!(gate.enter().unwrap_err().retry_in, LONGEST_RETRY_AFTER);
    }

    #[test]
    fn an_abandoned_probe_lets_the_next_one_through() {
        let (clock, gate) = gate();
        gate.enter().unwrap().failed(Hold::Backoff, "down");
        clock.advance(FIRST_HOLD);
        drop(gate.enter().unwrap());
        assert!(gate.enter().is_ok());
    }

    #[test]
    fn a_late_success_does_not_open_a_gate_closed_since() {
        let (_, gate) = gate();
        let early = gate.enter().unwrap();
        gate.enter().unwrap().failed(Hold::For(REFUSED_HOLD), "refused");
        early.succeeded();
        assert_eq!(gate.status().name, "closed");
        gate.reset();
        assert_eq!(gate.status(), GateStatus { name: "open", retry_in: None });
    }

    #[test]
    fn a_gate_is_opened_for_what_mends_its_trouble_alone() {
        let (_, gate) = gate();
        gate.enter().unwrap().failed(Hold::For(REFUSED_HOLD), "refused");
        gate.reset_if(|because| *because == "down");
        assert_eq!(gate.status().name, "closed");
        gate.reset_if(|because| *because == "refused");
        assert_eq!(gate.status().name, "open");
    }

    #[test]
    fn what_began_before_a_reset_does_not_close_the_gate_after_it() {
        let (_, gate) = gate();
        let early = gate.enter().unwrap();
        gate.reset();
        early.failed(Hold::For(REFUSED_HOLD), "the old secret");
        assert!(gate.enter().is_ok());
    }
}
