//! What a connection with many requests at once (HTTP/2) may do, beyond its time limits.
//!
//! Writing to a socket does not show that a peer never opens its flow-control window, and reading from
//! it does not show that a peer sends frames without a request. The guard counts both: chunks of
//! answers that the peer does not take, bytes between requests, requests that are taken back. An answer
//! that is not taken is reset, and only that: behind a proxy the others on the connection belong to
//! other callers. A flood ends the connection: its sender pays.

use std::{collections::BTreeMap, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

/// Reasons of the metric.
pub(super) const FLOOD: &str = "flood";
pub(super) const ANSWER_NOT_TAKEN: &str = "answer_not_taken";

/// How much of an answer is handed out at a time.
pub(super) const CHUNK_BYTES: usize = 16 * 1024;

/// Bytes that a peer may send without asking anything. A request with all that it may have is less
/// than half of it.
const MAX_BYTES_UNASKED: u64 = 256 * 1024;
/// More of it for each request that is open: its body, with frames around it.
const BYTES_OF_A_REQUEST: u64 = 96 * 1024;
/// Of which so much is forgotten: pings for days are no flood.
const BYTES_FORGOTTEN_A_SECOND: u64 = 1024;
/// A peer that takes an answer reports it: 16 KiB with some 100 bytes of window updates. What is
/// written for pings and settings, in turn, is less than what they were.
const WRITTEN_PER_BYTE_FORGIVEN: u64 = 16;
/// Requests that may be taken back before their answers are whole, or reset because these are not
/// taken: all of a connection's, twice. One is forgotten with each whole answer, and each second.
const MAX_TAKEN_BACK: u64 = 256;

/// Why the library ended a connection: a closed set.
pub(super) fn reason(error: &h2::Error) -> &'static str {
    match error.reason() {
        Some(h2::Reason::ENHANCE_YOUR_CALM) if error.is_library() => FLOOD,
        Some(_) if error.is_library() => "bad_request",
        _ => "io",
    }
}

tokio::task_local! {
    /// Resets the request whose task has it.
    pub(super) static RESET: CancellationToken;
}

/// Counts what the peer of one HTTP/2 connection does.
#[derive(Debug)]
pub(super) struct Http2Guard {
    state: Mutex<GuardState>,
    /// Tells the connection to look at its guard, and at what it waits for.
    pub(super) changed: Notify,
}

#[derive(Debug)]
struct GuardState {
    open: BTreeMap<u32, OpenRequest>,
    /// Bytes, and requests that were not answered whole, since they were last forgotten.
    unasked: u64,
    taken_back: u64,
    looked: Instant,
    flooded: bool,
}

/// A request that is not over.
#[derive(Debug)]
struct OpenRequest {
    reset: CancellationToken,
    /// Since when its answer has a piece that has not gone yet.
    chunk_sent: Option<Instant>,
}

impl Http2Guard {
    pub(super) fn new(now: Instant) -> Self {
        let state = GuardState {
            open: BTreeMap::new(),
            unasked: 0,
            taken_back: 0,
            looked: now,
            flooded: false,
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// A request has come, which `reset` ends: what was sent until here was for it.
    pub(super) fn begin(&self, request: u32, reset: CancellationToken) {
        let mut state = self.state.lock();
        state.unasked = 0;
        state.open.insert(request, OpenRequest { reset, chunk_sent: None });
        drop(state);
        // The first one matters during a drain.
        self.changed.notify_one();
    }

    /// A request is over, its answer whole or not. `left` are open.
    pub(super) fn done(&self, request: u32, whole: bool, left: u32, now: Instant) {
        let mut state = self.state.lock();
        state.open.remove(&request);
        state.forget(now);
        if whole {
            state.taken_back = state.taken_back.saturating_sub(1);
        } else {
            state.taken_back += 1;
        }
        let flooded = state.taken_back > MAX_TAKEN_BACK;
        state.flooded |= flooded;
        drop(state);
        // The idle limit begins, and nothing else need come of it.
        if left == 0 || flooded {
            self.changed.notify_one();
        }
    }

    /// The answer to a request was handed a chunk.
    pub(super) fn chunk_sent(&self, request: u32, now: Instant) {
        self.set_chunk_sent(request, Some(now));
    }

    /// It comes back for more, and may wait for it as long as it likes.
    pub(super) fn chunk_polled(&self, request: u32) {
        self.set_chunk_sent(request, None);
    }

    fn set_chunk_sent(&self, request: u32, chunk_sent: Option<Instant>) {
        if let Some(open) = self.state.lock().open.get_mut(&request) {
            open.chunk_sent = chunk_sent;
        }
    }

    /// Whether a request was reset because its answer was not taken.
    pub(super) fn was_reset(&self, request: u32) -> bool {
        self.state.lock().open.get(&request).is_some_and(|open| open.reset.is_cancelled())
    }

    /// Bytes have come. False if they are too many.
    pub(super) fn on_read(&self, bytes: usize, open: u32, now: Instant) -> bool {
        let mut state = self.state.lock();
        state.forget(now);
        state.unasked = state.unasked.saturating_add(bytes as u64);
        state.flooded |= state.unasked > MAX_BYTES_UNASKED + u64::from(open) * BYTES_OF_A_REQUEST;
        !state.flooded
    }

    /// Bytes have gone.
    pub(super) fn on_write(&self, bytes: usize) {
        let mut state = self.state.lock();
        state.unasked = state.unasked.saturating_sub(bytes as u64 / WRITTEN_PER_BYTE_FORGIVEN);
    }

    /// Whether the connection is to be cut.
    pub(super) fn is_flooded(&self) -> bool {
        self.state.lock().flooded
    }

    /// Resets the requests whose answers have not been taken for too long, and says how many.
    pub(super) fn reset_late(&self, write_limit: Duration, now: Instant) -> usize {
        let is_late = |since: &mut Instant| now.saturating_duration_since(*since) > write_limit;
        let mut late = 0;
        for open in self.state.lock().open.values_mut() {
            if open.chunk_sent.take_if(is_late).is_some() {
                open.reset.cancel();
                late += 1;
            }
        }
        late
    }
}

impl GuardState {
    fn forget(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.looked).as_secs();
        if seconds > 0 {
            self.looked = now;
            self.unasked = self.unasked.saturating_sub(seconds * BYTES_FORGOTTEN_A_SECOND);
            self.taken_back = self.taken_back.saturating_sub(seconds);
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the moments of these tests are made from one")]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LIMIT: Duration = Duration::from_secs(30);

    fn ask(guard: &Http2Guard, id: u32) -> CancellationToken {
        let reset = CancellationToken::new();
        guard.begin(id, reset.clone());
        reset
    }

    #[test]
    fn frames_without_a_request_are_a_flood() {
        let now = Instant::now();
        let guard = Http2Guard::new(now);
        let pings = (0..100_000).take_while(|_| guard.on_read(17, 0, now)).count();
        assert_eq!(pings, 256 * 1024 / 17);
        assert!(guard.is_flooded());
    }

    #[test]
    fn honest_traffic_is_no_flood() {
        let mut now = Instant::now();
        let guard = Http2Guard::new(now);
        ask(&guard, 0);
        // A ping every ten seconds, for a week.
        for _ in 0..7 * 24 * 360 {
            now += 10 * SECOND;
            assert!(guard.on_read(39, 1, now));
        }
        // Window updates, for each 16 KiB of 1 GiB in a moment.
        for _ in 0..65_536 {
            guard.on_write(CHUNK_BYTES);
            assert!(guard.on_read(140, 1, now));
        }
        // Bodies, on all of a connection's streams at once.
        for id in 0..100 {
            ask(&guard, id);
        }
        for _ in 0..100 {
            assert!(guard.on_read(66 * 1024, 100, now));
        }
        assert!(!guard.is_flooded());
    }

    #[test]
    fn requests_that_are_taken_back_without_end_are_a_flood() {
        let now = Instant::now();
        let guard = Http2Guard::new(now);
        let request = |id, whole| {
            ask(&guard, id);
            guard.done(id, whole, 0, now);
        };
        for id in 0..1000 {
            request(id, id % 2 == 0);
        }
        assert!(!guard.is_flooded(), "half of them, by a hasty client");
        for id in 0..256 {
            request(id, false);
        }
        assert!(guard.is_flooded());
    }

    #[test]
    fn taking_back_one_a_second_is_no_flood() {
        let mut now = Instant::now();
        let guard = Http2Guard::new(now);
        for id in 0..10_000 {
            now += SECOND;
            ask(&guard, id);
            guard.done(id, false, 0, now);
        }
        assert!(!guard.is_flooded());
    }

    #[test]
    fn an_answer_that_is_not_taken_is_reset_once_and_the_others_are_not() {
        let now = Instant::now();
        let guard = Http2Guard::new(now);
        let [stalled, waiting, working] = [1, 2, 3].map(|id| ask(&guard, id));
        guard.chunk_sent(1, now);
        guard.chunk_sent(2, now);
        guard.chunk_polled(2);
        assert_eq!(guard.reset_late(LIMIT, now + LIMIT), 0);
        guard.chunk_sent(3, now + SECOND);
        assert_eq!(guard.reset_late(LIMIT, now + LIMIT + SECOND), 1);
        assert_eq!(guard.reset_late(LIMIT, now + LIMIT + SECOND), 0);
        assert!(stalled.is_cancelled() && guard.was_reset(1));
        assert!(!waiting.is_cancelled() && !working.is_cancelled() && !guard.was_reset(3));
        guard.done(1, false, 2, now);
        guard.done(3, true, 1, now);
        assert_eq!(guard.reset_late(LIMIT, now + 1000 * SECOND), 0);
        assert!(!guard.is_flooded());
    }
}
