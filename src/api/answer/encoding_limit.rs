//! The right to encode an answer that is not there yet: bounded, so that questions which are each a
//! new one take neither the processor from answers that are there, nor all of it from other callers.
//!
//! ```text
//! question without an answer ─► is it being encoded? wait for that ─► else take a turn ─► encode
//!                                                          └─► the wait would be too long: shed
//! ```
//!
//! Whether a wait is too long is judged by how many wait and by how long encoding has taken of late:
//! what is shed is shed before any work on it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::AnswerKey;
use crate::{access::CallerName, api::error::ApiError};

/// An answer that would wait longer is shed: its caller may have gone by then.
const MAX_WAIT: Duration = Duration::from_millis(200);
/// So many of one caller may wait all the same, and twice as many in all: where encoding takes long,
/// few would otherwise be shed that are no flood.
const MIN_WAITING: u64 = 8;
/// How many of the latest encodings their mean follows.
const MEAN_OF: u64 = 16;

/// Turns of encoding. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct EncodingLimit(Arc<LimitState>);

#[derive(Debug)]
struct LimitState {
    /// One processor is left to everything else, where there is more than one.
    turns: Arc<Semaphore>,
    at_once: u64,
    /// Mean duration of an encoding, in microseconds.
    mean_us: AtomicU64,
    waiting: Mutex<WaitingCallers>,
    under_way: Mutex<HashMap<AnswerKey, CancellationToken>>,
}

#[derive(Debug, Default)]
struct WaitingCallers {
    all: u64,
    by_caller: HashMap<CallerName, u64>,
}

/// Too many encodings wait, of this caller or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) struct Overloaded;

impl From<Overloaded> for ApiError {
    fn from(Overloaded: Overloaded) -> Self {
        Self::Overloaded
    }
}

/// Whose work an answer is.
pub(super) enum EncodingClaim {
    /// The one who has this encodes.
    Leader(LeaderGuard),
    /// Another one does: this ends when that has ended, well or not.
    Follower(CancellationToken),
}

/// Ends the wait of followers when dropped.
pub(super) struct LeaderGuard {
    state: Arc<LimitState>,
    key: AnswerKey,
}

/// A place among those who wait or encode; given back when dropped.
struct WaitGuard {
    state: Arc<LimitState>,
    caller: CallerName,
}

/// The right to encode, until it is dropped.
pub(super) struct EncodingPermit {
    _turn: OwnedSemaphorePermit,
    wait: WaitGuard,
}

impl Default for EncodingLimit {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::new((processors - 1).max(1))
    }
}

impl EncodingLimit {
    fn new(at_once: usize) -> Self {
        Self(Arc::new(LimitState {
            turns: Arc::new(Semaphore::new(at_once)),
            at_once: at_once as u64,
            mean_us: AtomicU64::new(0),
            waiting: Mutex::default(),
            under_way: Mutex::default(),
        }))
    }

    /// Makes the caller of this the one who encodes, unless another one is.
    pub(super) fn claim(&self, key: &AnswerKey) -> EncodingClaim {
        let mut under_way = lock(&self.0.under_way);
        if let Some(other) = under_way.get(key) {
            return EncodingClaim::Follower(other.clone());
        }
        under_way.insert(key.clone(), CancellationToken::new());
        EncodingClaim::Leader(LeaderGuard { state: self.0.clone(), key: key.clone() })
    }

    /// Waits for a turn of this caller.
    ///
    /// # Errors
    /// [`Overloaded`], at once, where the wait would be too long.
    pub(super) async fn turn(&self, caller: &CallerName) -> Result<EncodingPermit, Overloaded> {
        let wait = self.enter(caller).ok_or(Overloaded)?;
        let turn = self.0.turns.clone().acquire_owned().await;
        // It is never closed.
        Ok(EncodingPermit { _turn: turn.map_err(|_| Overloaded)?, wait })
    }

    /// One caller's wait is at most half of the longest: a turn of another one is never far.
    fn enter(&self, caller: &CallerName) -> Option<WaitGuard> {
        let state = &self.0;
        let mean_us = state.mean_us.load(Ordering::Relaxed);
        let max_us = u64::try_from(MAX_WAIT.as_micros()).unwrap_or(u64::MAX);
        let mut waiting = lock(&state.waiting);
        let own = waiting.by_caller.get(caller).copied().unwrap_or_default();
        let takes_us = |count: u64| count.saturating_mul(mean_us) / state.at_once;
        let is_crowded = waiting.all >= 2 * MIN_WAITING && takes_us(waiting.all) > max_us;
        if is_crowded || own >= MIN_WAITING && takes_us(own) > max_us / 2 {
            return None;
        }
        waiting.all += 1;
        waiting.by_caller.insert(caller.clone(), own + 1);
        Some(WaitGuard { state: state.clone(), caller: caller.clone() })
    }

    /// Whether encodings wait for their turn: no time for work that could be left.
    pub(super) fn is_busy(&self) -> bool {
        self.0.turns.available_permits() == 0
    }
}

impl EncodingPermit {
    /// Remembers how long the encoding took.
    pub(super) fn took(&self, span: Duration) {
        let took_us = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let mean_us = &self.wait.state.mean_us;
        let before = mean_us.load(Ordering::Relaxed);
        let after = before - before / MEAN_OF + took_us / MEAN_OF;
        // Two at once may lose one of the two: it is a mean.
        mean_us.store(if before == 0 { took_us } else { after }, Ordering::Relaxed);
    }
}

impl Drop for WaitGuard {
    fn drop(&mut self) {
        let mut waiting = lock(&self.state.waiting);
        waiting.all -= 1;
        if let Some(own) = waiting.by_caller.get_mut(&self.caller) {
            *own -= 1;
            if *own == 0 {
                waiting.by_caller.remove(&self.caller);
            }
        }
    }
}

impl Drop for LeaderGuard {
    fn drop(&mut self) {
        if let Some(ended) = lock(&self.state.under_way).remove(&self.key) {
            ended.cancel();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, future::BoxFuture};
    use http::HeaderValue;

    use super::*;

    fn caller(name: &str) -> CallerName {
        name.parse().unwrap()
    }

    fn key(tag: &'static str) -> AnswerKey {
        AnswerKey::Content { etag: HeaderValue::from_static(tag) }
    }

    /// Takes turns, or waits for them, until one is refused.
    fn wait_until_refused(
        encoders: &EncodingLimit,
        name: &str,
    ) -> Vec<BoxFuture<'static, Result<EncodingPermit, Overloaded>>> {
        let mut waiting = Vec::new();
        loop {
            let (encoders, caller) = (encoders.clone(), caller(name));
            let mut turn = async move { encoders.turn(&caller).await }.boxed();
            match (&mut turn).now_or_never() {
                Some(Err(Overloaded)) => return waiting,
                Some(Ok(_)) => panic!("a turn while none is free"),
                None => waiting.push(turn),
            }
        }
    }

    #[tokio::test]
    async fn what_would_wait_too_long_is_shed_and_one_caller_has_half_of_the_waiting() {
        let encoders = EncodingLimit::new(1);
        let first = encoders.turn(&caller("first")).await.unwrap();
        first.took(Duration::from_millis(10));
        let greedy = wait_until_refused(&encoders, "greedy");
        assert_eq!(greedy.len(), 11, "100 ms of work");
        let mut other = wait_until_refused(&encoders, "second");
        assert_eq!(other.len(), 9, "200 ms of work in all");
        assert!(encoders.is_busy());
        drop((first, greedy));
        let turn = other.remove(0).await;
        assert!(turn.is_ok());
        drop((turn, other));
        assert!(!encoders.is_busy());
        assert!(lock(&encoders.0.waiting).by_caller.is_empty());
        assert_eq!(lock(&encoders.0.waiting).all, 0);
    }

    #[tokio::test]
    async fn where_encoding_takes_long_a_few_may_wait_all_the_same() {
        let encoders = EncodingLimit::new(1);
        let first = encoders.turn(&caller("first")).await.unwrap();
        first.took(Duration::from_secs(1));
        let waiting = ["a", "b"].map(|name| wait_until_refused(&encoders, name));
        assert_eq!(waiting.map(|of_one| of_one.len()), [8, 7]);
    }

    #[tokio::test]
    async fn quick_encodings_let_many_wait() {
        let encoders = EncodingLimit::new(1);
        let first = encoders.turn(&caller("first")).await.unwrap();
        first.took(Duration::from_micros(100));
        assert!(wait_until_refused(&encoders, "a").len() > 900);
    }

    #[tokio::test]
    async fn one_encodes_and_all_who_ask_the_same_wait_for_it() {
        let encoders = EncodingLimit::new(1);
        let EncodingClaim::Leader(leader) = encoders.claim(&key("a")) else {
            panic!("nobody else")
        };
        let EncodingClaim::Follower(end) = encoders.claim(&key("a")) else {
            panic!("one is enough")
        };
        assert!(matches!(encoders.claim(&key("b")), EncodingClaim::Leader(_)));
        assert!(end.cancelled().now_or_never().is_none());
        drop(leader);
        end.cancelled().await;
        assert!(matches!(encoders.claim(&key("a")), EncodingClaim::Leader(_)));
    }
}
