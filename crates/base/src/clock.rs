//! The one source of time.
//!
//! Ages and deadlines are measured on a monotonic clock that also counts the time a machine was
//! suspended: a token does not get younger while a laptop sleeps, and a wall clock that is set back
//! makes no snapshot fresh again. Tests pass a clock that stands still until it is told to move.

use std::{
    ops::{Add, Sub},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::watch;

/// tokio's timer stands still while the machine is suspended; a sleep looks at the real clock at
/// least this often.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// The time of day may be set meanwhile: a sleep until one looks again at least this often.
const MAX_SLEEP: Duration = Duration::from_secs(60);

/// Moments this long before the machine's start can be told apart: what was read before it has an
/// age too.
const BEFORE_BOOT: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A moment on the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(Duration);

impl Instant {
    /// The time from `earlier` to here; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span))
    }
}

/// Where time comes from. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Clock(ClockSource);

#[derive(Debug, Clone)]
enum ClockSource {
    System,
    Manual(Arc<watch::Sender<ManualClock>>),
}

#[derive(Debug, Clone, Copy)]
struct ManualClock {
    monotonic: Instant,
    wall: Timestamp,
}

impl Clock {
    /// The operating system's clocks.
    pub fn system() -> Self {
        Self(ClockSource::System)
    }

    /// A clock for tests: it starts at `wall` and moves only by [`Clock::advance`].
    pub fn manual(wall: Timestamp) -> Self {
        let monotonic = Instant(BEFORE_BOOT);
        Self(ClockSource::Manual(Arc::new(watch::Sender::new(ManualClock { monotonic, wall }))))
    }

    /// Moves a manual clock and wakes who sleeps on it. The system's clock moves by itself.
    pub fn advance(&self, span: Duration) {
        if let ClockSource::Manual(state) = &self.0 {
            state.send_modify(|now| {
                now.monotonic = now.monotonic + span;
                now.wall += span;
            });
        }
    }

    /// Sets a manual clock's time of day, as an administrator or NTP does: no time passes.
    pub fn set_wall(&self, wall: Timestamp) {
        if let ClockSource::Manual(state) = &self.0 {
            state.send_modify(|now| now.wall = wall);
        }
    }

    /// The moment on the monotonic clock (`CLOCK_BOOTTIME`).
    pub fn now(&self) -> Instant {
        match &self.0 {
            ClockSource::System => Instant(boottime()),
            ClockSource::Manual(state) => state.borrow().monotonic,
        }
    }

    /// The time of day, for people and files; never for ages.
    pub fn wall(&self) -> Timestamp {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the clock")]
            ClockSource::System => Timestamp::now(),
            ClockSource::Manual(state) => state.borrow().wall,
        }
    }

    /// Returns once the clock shows `deadline` or later.
    pub async fn sleep_until(&self, deadline: Instant) {
        match &self.0 {
            ClockSource::System => loop {
                let left = deadline.since(self.now());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(MAX_PAUSE)).await;
            },
            ClockSource::Manual(state) => {
                // The sender lives in `self`, so the wait can only end by the clock's moving.
                let _ = state.subscribe().wait_for(|now| now.monotonic >= deadline).await;
            }
        }
    }

    /// As [`Clock::sleep_until`], with one timer: late by the time that the machine was suspended.
    /// For sleeps that only keep a caller waiting.
    pub async fn sleep_until_coarse(&self, deadline: Instant) {
        match &self.0 {
            ClockSource::System => tokio::time::sleep(deadline.since(self.now())).await,
            ClockSource::Manual(_) => self.sleep_until(deadline).await,
        }
    }

    /// Returns once the time of day is `end`, however it got there; never without one. For what others
    /// have dated: a credential's end.
    pub async fn sleep_until_wall(&self, end: Option<Timestamp>) {
        let Some(end) = end else { return std::future::pending().await };
        loop {
            let left = Duration::try_from(end.duration_since(self.wall())).unwrap_or_default();
            if left.is_zero() {
                return;
            }
            self.sleep_until_coarse(self.now() + left.min(MAX_SLEEP)).await;
        }
    }
}

#[cfg(target_os = "linux")]
fn boottime() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    BEFORE_BOOT + Duration::try_from(now).unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
fn boottime() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    BEFORE_BOOT + Duration::try_from(now).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_its_sleepers_when_moved_far_enough() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let start = clock.now();
        let sleeper = clock.sleep_until(start + Duration::from_secs(10));
        let mut sleeper = std::pin::pin!(sleeper);
        clock.advance(Duration::from_secs(9));
        assert!(futures_util::poll!(&mut sleeper).is_pending());
        clock.advance(Duration::from_secs(1));
        sleeper.await;
        assert_eq!(clock.now().since(start), Duration::from_secs(10));
        assert_eq!(clock.wall().as_second(), 10);
    }

    #[tokio::test]
    async fn who_waits_for_a_time_of_day_waits_for_the_date_and_no_less() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        clock.sleep_until_wall(Some(Timestamp::UNIX_EPOCH)).await;
        let end = Timestamp::from_second(150).unwrap();
        let mut waiter = std::pin::pin!(clock.sleep_until_wall(Some(end)));
        for _ in 0..2 {
            assert!(futures_util::poll!(&mut waiter).is_pending());
            clock.advance(Duration::from_secs(70));
        }
        assert!(futures_util::poll!(&mut waiter).is_pending());
        clock.advance(Duration::from_secs(10));
        waiter.await;
        let never = std::pin::pin!(clock.sleep_until_wall(None));
        assert!(futures_util::poll!(never).is_pending());
    }

    #[test]
    fn the_system_clock_goes_forward() {
        let clock = Clock::system();
        assert!(clock.now() <= clock.now());
        assert_eq!(Duration::ZERO, clock.now().since(clock.now() + Duration::from_secs(9)));
    }
}
