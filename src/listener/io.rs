//! The time limits of one connection, told apart.
//!
//! hyper has one timer for a head, which also runs between requests. Here are three: to a whole
//! head, between requests, and without progress in sending. All end in a plain close.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep},
};

use super::{
    Settings,
    connections::PoolEntry,
    http2_guard::{Http2Guard, RESET},
    peer_watch::PeerWatch,
};

/// What a connection is doing: shared between its IO and its requests.
#[derive(Debug)]
pub struct ConnectionState {
    /// Whether a head is awaited or arriving, unless a request is open.
    head: AtomicBool,
    /// Requests so far, and those that are not over: at most one at a time in HTTP/1.1.
    requests: AtomicU32,
    open: AtomicU32,
    /// The peer took nothing for too long.
    stalled: AtomicBool,
    /// Something of an answer is still going out.
    sending: AtomicBool,
    /// HTTP/2 only: others do not pay for it.
    http2: OnceLock<Box<Http2Guard>>,
    /// How its listener knows it.
    pool: Option<PoolEntry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
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
            requests: AtomicU32::new(0),
            open: AtomicU32::new(0),
            stalled: AtomicBool::new(false),
            sending: AtomicBool::new(false),
            http2: OnceLock::new(),
            pool: None,
        }
    }
}

impl ConnectionState {
    /// That of a connection which may have to make room for another.
    pub(super) fn pooled(entry: PoolEntry) -> Self {
        Self { pool: Some(entry), ..Self::default() }
    }

    pub(super) fn pool_entry(&self) -> Option<&PoolEntry> {
        self.pool.as_ref()
    }

    /// Whether no request is in flight, nor an answer on its way out.
    pub(super) fn is_idle(&self) -> bool {
        self.open.load(Ordering::SeqCst) == 0 && !self.sending.load(Ordering::SeqCst)
    }

    /// Whether the connection was told to make room for another.
    pub(super) fn is_evicted(&self) -> bool {
        self.pool.as_ref().is_some_and(PoolEntry::is_evicted)
    }

    /// Returns once the connection is told to make room for another.
    pub(super) async fn evicted(&self) {
        match &self.pool {
            Some(entry) => entry.evicted().await,
            None => std::future::pending().await,
        }
    }

    fn set_sending(&self) {
        self.sending.store(true, Ordering::SeqCst);
    }

    fn has_sent(&self) {
        self.ends(|| self.sending.store(false, Ordering::SeqCst));
    }

    /// Ends something that keeps the connection from being idle.
    fn ends<T>(&self, end: impl FnOnce() -> T) -> T {
        let Some(entry) = &self.pool else { return end() };
        entry.idle_from_now();
        let ended = end();
        if self.is_idle() {
            entry.is_idle_again();
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
        RequestGuard { state: self.clone(), request, whole: false }
    }

    /// The connection has many requests at once from now on.
    #[expect(clippy::disallowed_methods, reason = "socket timers are tokio's, like the sockets")]
    pub(super) fn set_http2(&self) {
        let _ = self.http2.set(Box::new(Http2Guard::new(Instant::now())));
    }

    pub(super) fn http2(&self) -> Option<&Http2Guard> {
        self.http2.get().map(|http2| &**http2)
    }

    /// Whether anything was asked yet.
    pub(super) fn was_asked(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }

    /// Whether no request is open.
    pub(super) fn is_quiet(&self) -> bool {
        self.open.load(Ordering::Relaxed) == 0
    }

    /// Between requests, bytes are a next head's; with many at once they may be anything.
    fn on_read(&self, bytes: usize) -> bool {
        if let Some(http2) = self.http2() {
            let open = self.open.load(Ordering::Relaxed);
            #[expect(clippy::disallowed_methods, reason = "as above")]
            return http2.on_read(bytes, open, Instant::now());
        }
        if self.phase() == Phase::Idle {
            self.head.store(true, Ordering::Relaxed);
        }
        true
    }

    fn phase(&self) -> Phase {
        if !self.is_quiet() {
            Phase::Busy
        } else if self.head.load(Ordering::Relaxed) {
            Phase::Head
        } else {
            Phase::Idle
        }
    }
}

/// A request from its whole head to the end of its answer, or to its sender's going.
#[derive(Debug)]
pub struct RequestGuard {
    state: Arc<ConnectionState>,
    request: u32,
    whole: bool,
}

impl RequestGuard {
    /// The answer has been handed out whole.
    pub(super) fn mark_whole(&mut self) {
        self.whole = true;
    }

    /// Whether it ends because the peer took nothing: of this answer, or at all.
    pub(super) fn was_cut(&self) -> bool {
        let state = &self.state;
        state.stalled.load(Ordering::Relaxed)
            || state.http2().is_some_and(|http2| http2.was_reset(self.request))
    }

    /// Whether the answer goes out in pieces.
    pub(super) fn is_in_chunks(&self) -> bool {
        self.state.http2().is_some()
    }

    /// The answer was handed a piece.
    #[expect(clippy::disallowed_methods, reason = "socket timers are tokio's, like the sockets")]
    pub(super) fn chunk_sent(&self) {
        if let Some(http2) = self.state.http2() {
            http2.chunk_sent(self.request, Instant::now());
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
    #[expect(clippy::disallowed_methods, reason = "socket timers are tokio's, like the sockets")]
    fn drop(&mut self) {
        let state = &self.state;
        let left = state.ends(|| state.open.fetch_sub(1, Ordering::SeqCst) - 1);
        if let Some(http2) = self.state.http2() {
            http2.done(self.request, self.whole, left, Instant::now());
        }
    }
}

/// The limits.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// `api.header_timeout`.
    pub header: Duration,
    /// `api.idle_timeout`.
    pub idle: Duration,
    /// `api.write_timeout`.
    pub write: Duration,
}

impl From<&Settings> for Limits {
    fn from(settings: &Settings) -> Self {
        Self {
            header: settings.header_timeout,
            idle: settings.idle_timeout,
            write: settings.write_timeout,
        }
    }
}

/// A stream with time limits.
#[derive(Debug)]
pub struct TimedIo<S> {
    stream: S,
    state: Arc<ConnectionState>,
    limits: Limits,
    /// Since when reading has waited, and in which phase after which request.
    waiting: Option<(Phase, u32, Instant)>,
    reading: Option<Pin<Box<Sleep>>>,
    writing: Option<Pin<Box<Sleep>>>,
    stalled: Option<Instant>,
}

impl<S> TimedIo<S> {
    /// The header limit runs from here on.
    #[expect(clippy::disallowed_methods, reason = "socket timers are tokio's, like the sockets")]
    pub fn new(stream: S, state: Arc<ConnectionState>, limits: Limits) -> Self {
        let waiting = Some((Phase::Head, 0, Instant::now()));
        Self { stream, state, limits, waiting, reading: None, writing: None, stalled: None }
    }

    /// Whether the wait for the peer has lasted too long.
    #[expect(clippy::disallowed_methods, reason = "socket timers are tokio's, like the sockets")]
    fn has_waited_too_long(&mut self, cx: &mut Context<'_>) -> bool {
        if self.stalled.is_some() {
            // An answer is still going out: sending has a limit of its own.
            self.waiting = None;
            return false;
        }
        let phase = self.state.phase();
        let limit = match phase {
            Phase::Head => self.limits.header,
            Phase::Idle => self.limits.idle,
            Phase::Busy => return false,
        };
        let request = self.state.requests.load(Ordering::Relaxed);
        let since = match self.waiting {
            Some((known, after, since)) if (known, after) == (phase, request) => since,
            _ => Instant::now(),
        };
        self.waiting = Some((phase, request, since));
        has_passed(&mut self.reading, since + limit, cx)
    }
}

impl TimedIo<TcpStream> {
    /// Waits for the peer's first byte, without taking it. False if it goes without one. Has no
    /// time limit.
    pub(super) async fn has_client_hello(&self) -> io::Result<bool> {
        self.stream.peek(&mut [0]).await.map(|bytes| bytes > 0)
    }
}

/// Polls a timer for `deadline`. The timer is set anew only when it fires or is too late: setting
/// it for each request would cost more than the rest of the IO.
#[expect(clippy::disallowed_methods, reason = "socket timers are tokio's, like the sockets")]
fn has_passed(
    timer: &mut Option<Pin<Box<Sleep>>>,
    deadline: Instant,
    cx: &mut Context<'_>,
) -> bool {
    let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
    if timer.deadline() > deadline {
        timer.as_mut().reset(deadline);
    }
    while timer.as_mut().poll(cx).is_ready() {
        if deadline <= Instant::now() {
            return true;
        }
        timer.as_mut().reset(deadline);
    }
    false
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buffer) {
            Poll::Ready(result) => {
                let came = buffer.filled().len() - before;
                if came > 0 && !this.state.on_read(came) {
                    return Poll::Ready(Err(io::ErrorKind::QuotaExceeded.into()));
                }
                Poll::Ready(result)
            }
            // Reading nothing is the peer's going: hyper ends the connection without a word.
            Poll::Pending if this.has_waited_too_long(cx) => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: Unpin> TimedIo<S> {
    fn on_write(&self, polled: &Poll<io::Result<usize>>) {
        if let (Poll::Ready(Ok(bytes)), Some(http2)) = (polled, self.state.http2()) {
            http2.on_write(*bytes);
        }
    }

    #[expect(clippy::disallowed_methods, reason = "socket timers are tokio's, like the sockets")]
    fn limit_write<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            if self.stalled.take().is_some() {
                self.state.has_sent();
            }
            return polled;
        }
        if self.stalled.is_none() {
            self.state.set_sending();
        }
        let since = *self.stalled.get_or_insert_with(Instant::now);
        if has_passed(&mut self.writing, since + self.limits.write, cx) {
            self.state.stalled.store(true, Ordering::Relaxed);
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<S: AsyncWrite + PeerWatch + Unpin> AsyncWrite for TimedIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.on_write(&polled);
        self.limit_write(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.on_write(&polled);
        self.limit_write(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        let flushed = self.limit_write(cx, polled);
        // While hyper holds bytes that came behind a request it stops reading, and would not see that
        // the peer has gone: a wait or an event stream would keep its place to its end.
        let is_waiting = flushed.is_ready() && self.state.phase() == Phase::Busy;
        if is_waiting && self.state.http2().is_none() && self.stream.poll_gone(cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        // hyper has read ahead by then and may not read again until something comes: without this
        // the idle limit would begin only when the timer of the head that is done with fires.
        let idle = flushed.is_ready() && self.state.phase() == Phase::Idle;
        if idle && self.has_waited_too_long(cx) {
            cx.waker().wake_by_ref(); // to the read that ends the connection
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
