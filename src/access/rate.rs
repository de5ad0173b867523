//! How often a caller may ask: `rate = "600/m"` and `burst`.
//!
//! Flow: [`Rate`] (what was configured) → [`Limiter`] (one per caller) → 200, or 429 with
//! [`RateExceeded::retry_after`]; [`Rate::policy`] and [`Quota::field`] say it in header fields.
//!
//! GCRA, the leaky bucket that needs one number per caller: when it would be full again. What is
//! refused costs nothing, so a caller that goes on knocking is let in as soon as one that waits.
//! Ours, because a 304 gives its cell back, which the crates for this cannot.

use std::{
    fmt,
    io::Write,
    num::NonZeroU32,
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use http::{HeaderName, HeaderValue};

use crate::clock::Instant;

/// The largest count and burst: an interval stays above a microsecond, and no sum overflows.
const MOST: u32 = 1_000_000;

const UNITS: &[(&str, Duration)] = &[
    ("s", Duration::from_secs(1)),
    ("m", Duration::from_secs(60)),
    ("h", Duration::from_secs(3600)),
];

/// What is left (draft-ietf-httpapi-ratelimit-headers).
pub const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// Of what.
pub const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// The policy's name in both, of a caller's own rate.
pub const CALLER: &str = "caller";

/// A count per second, minute or hour, and how many may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: NonZeroU32,
    /// Index into [`UNITS`].
    unit: usize,
    burst: NonZeroU32,
}

/// A text that is no rate. Reads after the value: `"600" must be …`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a rate of 1 to 1000000 per s, m or h, such as 10/s, 600/m or 1000/h")]
pub struct InvalidRate;

impl FromStr for Rate {
    type Err = InvalidRate;
    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        let (count, unit) = text.split_once('/').ok_or(InvalidRate)?;
        // `u32::from_str` alone would take a sign.
        let digits = count.bytes().all(|byte| byte.is_ascii_digit());
        let count = count.parse().ok().filter(|count: &NonZeroU32| digits && count.get() <= MOST);
        let count = count.ok_or(InvalidRate)?;
        let unit = UNITS.iter().position(|(name, _)| *name == unit).ok_or(InvalidRate)?;
        Ok(Self { count, unit, burst: count })
    }
}

impl Rate {
    /// One cell per second, `burst` at once.
    pub(super) const fn one_a_second(burst: NonZeroU32) -> Self {
        Self { count: NonZeroU32::MIN, unit: 0, burst }
    }

    /// The same rate with another burst, at most 1 000 000. Without this it is the count.
    #[must_use]
    pub fn with_burst(self, burst: NonZeroU32) -> Self {
        let most = NonZeroU32::new(MOST).expect("it is not zero");
        Self { burst: burst.min(most), ..self }
    }

    /// How many may come in each [`window`](Self::window).
    pub fn requests(self) -> NonZeroU32 {
        self.count
    }

    /// A second, a minute or an hour.
    pub fn window(self) -> Duration {
        UNITS[self.unit].1
    }

    /// How many may come at once.
    pub fn burst(self) -> NonZeroU32 {
        self.burst
    }

    /// The value of `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers): `"caller";q=600;w=60`.
    ///
    /// `q` is the burst, the most that `r` of `RateLimit` ever is, and `w` the seconds in which an
    /// empty bucket fills up, rounded up: `600/m` with a burst of 50 is `q=50;w=5`, the same rate
    /// said with the quota that holds at once. Who sends `q` in each `w` is never refused.
    pub fn policy(self, name: &'static str) -> HeaderValue {
        let window = whole_seconds(nanoseconds(self.cells().capacity()));
        field(format_args!("\"{name}\";q={};w={window}", self.burst))
    }

    /// The rate in words, such as `600 requests per minute`.
    pub fn in_words(self) -> String {
        let requests = if self.count.get() == 1 { "request" } else { "requests" };
        let unit = match UNITS[self.unit].0 {
            "s" => "second",
            "m" => "minute",
            _ => "hour",
        };
        format!("{} {requests} per {unit}", self.count)
    }

    pub(super) fn cells(self) -> BucketCells {
        let period = UNITS[self.unit].1.as_nanos();
        // Rounded up: never more than the rate, and less by a thousandth at most.
        let interval = period.div_ceil(u128::from(self.count.get()));
        let interval = u64::try_from(interval).expect("an hour has fewer nanoseconds");
        BucketCells { interval, burst: u64::from(self.burst.get()) }
    }
}

/// The rate alone, as in the configuration: `600/m`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, UNITS[self.unit].0)
    }
}

/// Too often. Answered with 429 `rate-limited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the rate limit is exceeded")]
pub struct RateExceeded {
    /// When the next one is let in, if nobody else takes it; never zero.
    pub retry_after: Duration,
}

/// What is left at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// How many may come now.
    pub remaining: u64,
    /// When it will be one more; zero when nothing was taken.
    pub next: Duration,
}

impl Quota {
    /// The value of `RateLimit` (draft-ietf-httpapi-ratelimit-headers): `"caller";r=599;t=1`. With
    /// nothing left `t` is what `Retry-After` says.
    pub fn field(self, name: &'static str) -> HeaderValue {
        let next = whole_seconds(self.next);
        field(format_args!("\"{name}\";r={};t={next}", self.remaining))
    }
}

impl From<RateExceeded> for Quota {
    fn from(exceeded: RateExceeded) -> Self {
        Self { remaining: 0, next: exceeded.retry_after }
    }
}

/// Each answer to a caller with a rate has one: it is put together where it costs no memory, which
/// has room for a short name and two numbers of any size.
fn field(text: fmt::Arguments<'_>) -> HeaderValue {
    let mut buffer = [0; 64];
    let mut rest = &mut buffer[..];
    rest.write_fmt(text).expect("a policy's name and two numbers are shorter");
    let left = rest.len();
    let text = &buffer[..buffer.len() - left];
    HeaderValue::from_bytes(text).expect("policy names and numbers are visible ASCII")
}

fn whole_seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

/// The arithmetic: a bucket's whole state is the moment, in nanoseconds, at which it is full again
/// (GCRA's theoretical arrival time). Zero, or any moment past, is a full bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct BucketCells {
    /// Nanoseconds in which one cell comes back.
    interval: u64,
    burst: u64,
}

impl BucketCells {
    /// Nanoseconds in which an empty bucket fills up.
    fn capacity(self) -> u64 {
        self.interval.saturating_mul(self.burst)
    }

    /// The state after one cell was taken, or how long there is none.
    pub(super) fn take(self, full_at: u64, now: u64) -> Result<u64, RateExceeded> {
        let after = full_at.max(now).saturating_add(self.interval);
        match after.saturating_sub(now.saturating_add(self.capacity())) {
            0 => Ok(after),
            wait => Err(RateExceeded { retry_after: nanoseconds(wait) }),
        }
    }

    /// The state after one cell was given back. A full bucket stays full.
    fn give_back(self, full_at: u64) -> u64 {
        full_at.saturating_sub(self.interval)
    }

    fn quota(self, full_at: u64, now: u64) -> Quota {
        let debt = full_at.saturating_sub(now);
        let taken = debt.div_ceil(self.interval);
        let next = match debt % self.interval {
            0 if debt > 0 => self.interval,
            part => part,
        };
        Quota { remaining: self.burst.saturating_sub(taken), next: nanoseconds(next) }
    }
}

/// The moment `now` as a bucket counts it.
pub(super) fn since(start: Instant, now: Instant) -> u64 {
    u64::try_from(now.since(start).as_nanos()).unwrap_or(u64::MAX)
}

fn nanoseconds(count: u64) -> Duration {
    Duration::from_nanos(count)
}

/// One caller's bucket. Shared by all its requests, without a lock.
#[derive(Debug)]
pub struct Limiter {
    rate: Rate,
    /// What each answer says of it.
    policy: HeaderValue,
    cells: BucketCells,
    start: Instant,
    full_at: AtomicU64,
}

impl Limiter {
    /// A full bucket. `start` is any moment before the first [`Limiter::take`].
    pub fn new(rate: Rate, start: Instant) -> Self {
        let policy = rate.policy(CALLER);
        Self { rate, policy, cells: rate.cells(), start, full_at: AtomicU64::new(0) }
    }

    /// What was configured.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// The value of `RateLimit-Policy`, see [`Rate::policy`]. Made once.
    pub fn policy(&self) -> HeaderValue {
        self.policy.clone()
    }

    /// Counts one request.
    ///
    /// # Errors
    /// [`RateExceeded`] when there are too many; then nothing is counted.
    pub fn take(&self, now: Instant) -> Result<(), RateExceeded> {
        let now = since(self.start, now);
        // One number is all there is: no other memory is ordered by it.
        let mut full_at = self.full_at.load(Ordering::Relaxed);
        loop {
            let after = self.cells.take(full_at, now)?;
            match self.full_at.compare_exchange_weak(
                full_at,
                after,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(other) => full_at = other,
            }
        }
    }

    /// Takes back what one successful [`Limiter::take`] counted: its answer was a 304. There are
    /// never more than the burst at once, however often it is called; what came to nothing long ago
    /// may be given back on top of what has come back by itself.
    pub fn give_back(&self) {
        let cells = self.cells;
        let full_at = |full_at| Some(cells.give_back(full_at));
        let _ = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, full_at);
    }

    /// What is left.
    #[must_use]
    pub fn quota(&self, now: Instant) -> Quota {
        self.cells.quota(self.full_at.load(Ordering::Relaxed), since(self.start, now))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Clock;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    fn bursting(text: &str, burst: u32) -> Rate {
        rate(text).with_burst(NonZeroU32::new(burst).unwrap())
    }

    fn limiter(rate: Rate) -> (Limiter, Instant) {
        let start = Clock::manual(Timestamp::UNIX_EPOCH).now();
        (Limiter::new(rate, start), start)
    }

    #[test]
    fn a_rate_is_a_count_per_second_minute_or_hour() {
        for text in ["1/s", "10/s", "600/m", "1000/h", "1000000/s"] {
            assert_eq!(rate(text).to_string(), text);
        }
        assert_eq!(rate("600/m").burst().get(), 600);
        assert_eq!(bursting("600/m", 50).burst().get(), 50);
        assert_ne!(bursting("600/m", 50), rate("600/m"));
        assert_eq!(bursting("600/m", u32::MAX).burst().get(), 1_000_000);
        for odd in [
            "",
            "/",
            "600",
            "600/",
            "/m",
            "0/m",
            "-1/s",
            "+1/s",
            "1.5/s",
            "600/min",
            "600/M",
            "600 /m",
            " 600/m",
            "600/m ",
            "600/d",
            "1000001/s",
            "99999999999/h",
            "6/0/m",
            "٦/m",
        ] {
            let told = odd.parse::<Rate>().unwrap_err().to_string();
            assert!(told.starts_with("must be a rate of 1 to 1000000 per s, m or h"), "{odd}");
        }
    }

    #[test]
    fn a_burst_is_let_in_at_once_and_then_one_per_interval() {
        let (limiter, start) = limiter(bursting("600/m", 3));
        (0..3).for_each(|_| limiter.take(start).unwrap());
        let retry_after = Duration::from_millis(100);
        assert_eq!(limiter.take(start), Err(RateExceeded { retry_after }));
        let just_before = start + Duration::from_millis(99);
        let retry_after = Duration::from_millis(1);
        assert_eq!(limiter.take(just_before), Err(RateExceeded { retry_after }));
        limiter.take(start + Duration::from_millis(100)).unwrap();
        assert!(limiter.take(start + Duration::from_millis(100)).is_err());
    }

    #[test]
    fn an_answer_that_did_not_count_makes_room_for_another() {
        let (limiter, start) = limiter(rate("2/h"));
        limiter.take(start).unwrap();
        limiter.take(start).unwrap();
        assert!(limiter.take(start).is_err());
        limiter.give_back();
        limiter.take(start).unwrap();
        assert!(limiter.take(start).is_err());
    }

    #[test]
    fn the_fields_say_burst_window_and_rest() {
        for (rate, policy) in [
            (rate("600/m"), "\"caller\";q=600;w=60"),
            (rate("1000/h"), "\"caller\";q=1000;w=3600"),
            (bursting("600/m", 50), "\"caller\";q=50;w=5"),
            (bursting("10/s", 5), "\"caller\";q=5;w=1"),
            (bursting("60/m", 600), "\"caller\";q=600;w=600"),
        ] {
            assert_eq!(rate.policy("caller"), policy);
        }
        let (limiter, start) = limiter(rate("600/m"));
        assert_eq!(limiter.quota(start).field("caller"), "\"caller\";r=600;t=0");
        limiter.take(start).unwrap();
        assert_eq!(limiter.quota(start).field("caller"), "\"caller\";r=599;t=1");
        (1..600).for_each(|_| limiter.take(start).unwrap());
        assert_eq!(limiter.quota(start).field("caller"), "\"caller\";r=0;t=1");
        let exceeded = limiter.take(start).unwrap_err();
        assert_eq!(Quota::from(exceeded), limiter.quota(start));
        let later = start + Duration::from_secs(30);
        assert_eq!(limiter.quota(later).remaining, 300);
    }

    #[test]
    fn threads_together_get_the_burst_and_no_more() {
        let (limiter, start) = limiter(bursting("1/h", 1000));
        let granted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1000).filter(|_| limiter.take(start).is_ok()).count()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(granted, 1000);
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Take,
        GiveBack,
        Wait(Duration),
    }

    fn any_rate() -> impl Strategy<Value = Rate> {
        (1..=MOST, prop::sample::select(vec!["s", "m", "h"]), 1..50_u32)
            .prop_map(|(count, unit, burst)| bursting(&format!("{count}/{unit}"), burst))
    }

    fn steps(interval: u64) -> impl Strategy<Value = Vec<Step>> {
        let wait = 0..interval.saturating_mul(4);
        let step = prop_oneof![
            8 => Just(Step::Take),
            1 => Just(Step::GiveBack),
            2 => wait.prop_map(|span| Step::Wait(Duration::from_nanos(span))),
        ];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_window_grants_more_than_burst_and_rate(
            (rate, steps) in any_rate().prop_flat_map(|rate| (Just(rate), steps(rate.cells().interval))),
        ) {
            let (limiter, start) = limiter(rate);
            let (mut now, mut granted) = (start, Vec::new());
            for step in steps {
                match step {
                    Step::Take if limiter.take(now).is_ok() => granted.push(now),
                    Step::Take | Step::GiveBack => {}
                    Step::Wait(span) => now = now + span,
                }
            }
            let per_second = f64::from(rate.count.get()) / UNITS[rate.unit].1.as_secs_f64();
            for (from, first) in granted.iter().enumerate() {
                for (to, last) in granted.iter().enumerate().skip(from) {
                    let grown = per_second * last.since(*first).as_secs_f64();
                    let most = f64::from(rate.burst.get()) + grown + 1e-6;
                    prop_assert!(f64::from(u32::try_from(to - from + 1).unwrap()) <= most);
                }
            }
        }

        #[test]
        fn a_bucket_never_holds_more_than_its_burst_and_tells_the_truth(
            (rate, steps) in any_rate().prop_flat_map(|rate| (Just(rate), steps(rate.cells().interval))),
        ) {
            let (limiter, start) = limiter(rate);
            let mut now = start;
            for step in steps {
                let before = limiter.quota(now);
                prop_assert!(before.remaining <= u64::from(rate.burst.get()));
                match step {
                    Step::GiveBack => limiter.give_back(),
                    Step::Wait(span) => now = now + span,
                    Step::Take => match limiter.take(now) {
                        Ok(()) => {
                            prop_assert_eq!(limiter.quota(now).remaining + 1, before.remaining);
                        }
                        Err(exceeded) => {
                            // What is refused costs nothing, and the wait is long enough.
                            prop_assert_eq!(limiter.quota(now), before);
                            prop_assert_eq!(before, Quota::from(exceeded));
                            prop_assert!(!exceeded.retry_after.is_zero());
                            now = now + exceeded.retry_after;
                            prop_assert_eq!(limiter.take(now), Ok(()));
                        }
                    },
                }
            }
            // All that there is can be had, and no more.
            let rest = limiter.quota(now).remaining;
            let granted = (0..=rate.burst.get()).filter(|_| limiter.take(now).is_ok()).count();
            prop_assert_eq!(granted as u64, rest);
        }
    }
}
