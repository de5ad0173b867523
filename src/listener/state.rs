//! What a connection is doing, and since when it has been idle.
//!
//! The one thing that a connection's IO ([`TimedIo`](super::io::TimedIo)), its requests
//! ([`RequestGuard`]) and its pool share. It points at no other part: its pool it knows as an
//! `IdleOrder`.

use std::{
    fmt,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
};

use tokio::{sync::Notify, time::Instant};

use super::http2_guard::{Http2Guard, RESET};

/// The time of the sockets.
#[expect(clippy::disallowed_methods, reason = "socket timers are tokio's, like the sockets")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// What a connection is doing: shared between its IO, its requests and its pool.
#[derive(Debug)]
pub struct ConnectionState {
    /// Whether a head is awaited or arriving, unless a request is open.
    head: AtomicBool,
    /// It has been idle for a moment: what is kept for requests can be given back.
    resting: AtomicBool,
    /// Requests so far, and those that are not over: at most one at a time in HTTP/1.1.
    requests: AtomicU32,
    open: AtomicU32,
    /// The peer took nothing for too long.
    stalled: AtomicBool,
    /// Something of an answer is still going out.
    sending: AtomicBool,
    /// HTTP/2 only: others do not pay for it.
    http2: OnceLock<Box<Http2Guard>>,
    /// Its place in the pool of its listener.
    idle_entry: Option<IdleEntry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// A head is awaited or arriving.
    Head,
    /// A request is being worked on or answered.
    Busy,
    /// Between requests.
    Idle,
}

impl Default for ConnectionState {
    fn default() -> Self {
        Self {
            head: AtomicBool::new(true),
            resting: AtomicBool::new(false),
            requests: AtomicU32::new(0),
            open: AtomicU32::new(0),
            stalled: AtomicBool::new(false),
            sending: AtomicBool::new(false),
            http2: OnceLock::new(),
            idle_entry: None,
        }
    }
}

impl ConnectionState {
    /// The state of a connection that may have to make room for another.
    pub(super) fn pooled(entry: IdleEntry) -> Self {
        Self { idle_entry: Some(entry), ..Self::default() }
    }

    pub(super) fn idle_entry(&self) -> Option<&IdleEntry> {
        self.idle_entry.as_ref()
    }

    /// Whether no request is in flight, nor an answer on its way out.
    pub(super) fn is_idle(&self) -> bool {
        self.open.load(Ordering::SeqCst) == 0 && !self.sending.load(Ordering::SeqCst)
    }

    /// Whether the connection was told to make room for another.
    pub(super) fn is_evicted(&self) -> bool {
        self.idle_entry.as_ref().is_some_and(IdleEntry::is_evicted)
    }

    /// Returns once the connection is told to make room for another.
    pub(super) async fn evicted(&self) {
        match &self.idle_entry {
            Some(entry) => entry.evicted().await,
            None => std::future::pending().await,
        }
    }

    /// The peer took nothing for too long.
    pub(super) fn set_stalled(&self) {
        self.stalled.store(true, Ordering::Relaxed);
    }

    /// Whether something of an answer waits for the peer.
    pub(super) fn is_sending(&self) -> bool {
        self.sending.load(Ordering::SeqCst)
    }

    /// Something of an answer waits for the peer.
    pub(super) fn set_sending(&self) {
        self.sending.store(true, Ordering::SeqCst);
    }

    /// Nothing of an answer waits any longer.
    pub(super) fn clear_sending(&self) {
        self.end(|| self.sending.store(false, Ordering::SeqCst));
    }

    /// Ends something that keeps the connection from being idle.
    fn end<T>(&self, end: impl FnOnce() -> T) -> T {
        let Some(entry) = &self.idle_entry else { return end() };
        entry.set_idle_since_now();
        let ended = end();
        if self.is_idle() {
            entry.on_idle();
        }
        ended
    }

    /// A whole head is there. The request is open until what is given is dropped.
    #[must_use]
    pub fn begin(self: &Arc<Self>) -> RequestGuard {
        let request = self.requests.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::SeqCst);
        self.head.store(false, Ordering::Relaxed);
        if let Some(http2) = self.http2() {
            http2.begin(request, RESET.try_with(Clone::clone).unwrap_or_default());
        }
        RequestGuard { state: self.clone(), request, is_whole: false }
    }

    /// The connection has many requests at once from now on.
    pub(super) fn set_http2(&self) {
        let _ = self.http2.set(Box::new(Http2Guard::new(now())));
    }

    pub(super) fn http2(&self) -> Option<&Http2Guard> {
        self.http2.get().map(|http2| &**http2)
    }

    /// Requests so far.
    pub(super) fn request_count(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Whether anything was asked yet.
    pub(super) fn has_requests(&self) -> bool {
        self.request_count() > 0
    }

    /// Whether no request is open.
    pub(super) fn is_quiet(&self) -> bool {
        self.open.load(Ordering::Relaxed) == 0
    }

    /// Bytes have come: between requests they are a next head's, on HTTP/2 they may be anything.
    /// False if they are a flood.
    pub(super) fn on_read(&self, bytes: usize) -> bool {
        if let Some(http2) = self.http2() {
            let open = self.open.load(Ordering::Relaxed);
            return http2.on_read(bytes, open, now());
        }
        if self.phase() == Phase::Idle {
            self.head.store(true, Ordering::Relaxed);
            self.resting.store(false, Ordering::Relaxed);
        }
        true
    }

    /// It has been idle for a moment.
    pub(super) fn set_resting(&self) {
        self.resting.store(true, Ordering::Relaxed);
    }

    /// Whether it has been idle for a moment, and nothing has come since.
    pub(super) fn is_resting(&self) -> bool {
        self.resting.load(Ordering::Relaxed)
    }

    pub(super) fn phase(&self) -> Phase {
        if !self.is_quiet() {
            Phase::Busy
        } else if self.head.load(Ordering::Relaxed) {
            Phase::Head
        } else {
            Phase::Idle
        }
    }
}

/// Keeps a request open, from its whole head to the end of its answer or until the peer has gone.
#[derive(Debug)]
pub struct RequestGuard {
    state: Arc<ConnectionState>,
    request: u32,
    is_whole: bool,
}

impl RequestGuard {
    /// The answer has been handed out whole.
    pub(super) fn mark_whole(&mut self) {
        self.is_whole = true;
    }

    /// Whether it ends because the peer took nothing: of this answer, or at all.
    pub(super) fn was_cut(&self) -> bool {
        let state = &self.state;
        state.stalled.load(Ordering::Relaxed)
            || state.http2().is_some_and(|http2| http2.was_reset(self.request))
    }

    /// Whether the answer goes out in chunks, each of them watched.
    pub(super) fn is_in_chunks(&self) -> bool {
        self.state.http2().is_some()
    }

    /// The connection was handed a chunk of the answer.
    pub(super) fn chunk_sent(&self) {
        if let Some(http2) = self.state.http2() {
            http2.chunk_sent(self.request, now());
        }
    }

    /// The connection comes back for more.
    pub(super) fn chunk_polled(&self) {
        if let Some(http2) = self.state.http2() {
            http2.chunk_polled(self.request);
        }
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let state = &self.state;
        let left = state.end(|| state.open.fetch_sub(1, Ordering::SeqCst) - 1);
        if let Some(http2) = self.state.http2() {
            http2.done(self.request, self.is_whole, left, now());
        }
    }
}

/// A pool that orders its connections by the time since when they have been idle.
pub(super) trait IdleOrder: fmt::Debug + Send + Sync {
    /// Puts a connection that was busy into the order again.
    fn relist(&self, id: u64);
}

/// The place of a connection in the idle order of its pool.
#[derive(Debug)]
pub(super) struct IdleEntry {
    pool: Weak<dyn IdleOrder>,
    id: u64,
    began: Instant,
    /// Microseconds since the pool began.
    idle_since: AtomicU64,
    /// It was busy when its turn came, and has to be put into the order again.
    is_unlisted: AtomicBool,
    /// Told to make room.
    is_evicted: AtomicBool,
    eviction: Notify,
}

impl IdleEntry {
    /// The entry of a connection that is idle from now on, in a pool that began at `began`.
    pub(super) fn new(pool: Weak<dyn IdleOrder>, id: u64, began: Instant) -> Self {
        Self {
            pool,
            id,
            began,
            idle_since: AtomicU64::new(micros_since(began)),
            is_unlisted: AtomicBool::new(false),
            is_evicted: AtomicBool::new(false),
            eviction: Notify::new(),
        }
    }

    /// Since when it has been idle, in microseconds since the pool began.
    pub(super) fn idle_since(&self) -> u64 {
        self.idle_since.load(Ordering::SeqCst)
    }

    /// It was taken out of the order, because it is busy.
    pub(super) fn set_unlisted(&self) {
        self.is_unlisted.store(true, Ordering::SeqCst);
    }

    /// Whether it was taken out of the order, and is to be put there again by whoever asks.
    pub(super) fn take_unlisted(&self) -> bool {
        self.is_unlisted.swap(false, Ordering::SeqCst)
    }

    /// Tells the connection to make room.
    pub(super) fn evict(&self) {
        self.is_evicted.store(true, Ordering::SeqCst);
        self.eviction.notify_one();
    }

    /// Whether it was told to make room.
    pub(super) fn is_evicted(&self) -> bool {
        self.is_evicted.load(Ordering::SeqCst)
    }

    /// Returns once it is told to make room.
    async fn evicted(&self) {
        while !self.is_evicted() {
            self.eviction.notified().await;
        }
    }

    /// The connection is about to be idle: called before anybody can see that it is.
    fn set_idle_since_now(&self) {
        self.idle_since.store(micros_since(self.began), Ordering::SeqCst);
    }

    /// The connection is idle.
    fn on_idle(&self) {
        if self.is_unlisted.load(Ordering::SeqCst)
            && self.take_unlisted()
            && let Some(pool) = self.pool.upgrade()
        {
            pool.relist(self.id);
        }
    }
}

/// Microseconds from a moment until now.
pub(super) fn micros_since(began: Instant) -> u64 {
    let span = now().saturating_duration_since(began);
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
