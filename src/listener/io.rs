//! The time limits of one connection, told apart.
//!
//! hyper has one timer for a head, which also runs between requests. Here are three: to a whole
//! head, between requests, and without progress in sending. All end in a plain close.

use std::{
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
    task::unconstrained,
    time::{Instant, Sleep},
};

use super::{
    rest::REST_AFTER,
    settings::Settings,
    state::{ConnectionState, Phase, now},
};

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

/// A stream that can tell that its peer has gone, also while what it sent before was not read.
pub(super) trait PeerWatch {
    /// Whether the peer will send nothing more. Wakes the task when that may have changed, unless
    /// bytes of the peer lie unread.
    fn poll_gone(&self, cx: &mut Context<'_>) -> bool;
}

impl PeerWatch for TcpStream {
    fn poll_gone(&self, cx: &mut Context<'_>) -> bool {
        if self.poll_read_ready(cx).is_pending() {
            return false;
        }
        // What the kernel has told of the socket by now: nothing is waited for.
        let ready = std::pin::pin!(self.ready(Interest::READABLE)).poll(cx);
        matches!(ready, Poll::Ready(Ok(ready)) if ready.is_read_closed())
    }
}

#[cfg(test)]
impl PeerWatch for tokio::io::DuplexStream {
    fn poll_gone(&self, _cx: &mut Context<'_>) -> bool {
        false
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
    pub fn new(stream: S, state: Arc<ConnectionState>, limits: Limits) -> Self {
        let waiting = Some((Phase::Head, 0, now()));
        Self { stream, state, limits, waiting, reading: None, writing: None, stalled: None }
    }

    /// Whether the wait for the peer has lasted too long.
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
        let request = self.state.request_count();
        let since = match self.waiting {
            Some((known, after, since)) if (known, after) == (phase, request) => since,
            _ => now(),
        };
        self.waiting = Some((phase, request, since));
        let may_rest = phase == Phase::Idle && self.state.http2().is_none();
        if may_rest && !self.state.is_resting() {
            if !has_passed(&mut self.reading, since + limit.min(REST_AFTER), cx) {
                return false;
            }
            self.state.set_resting();
        }
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

/// Polls a timer for `deadline`. The timer is set again only when it fires or is too late, and is
/// polled only then: for each request that would cost more than the rest of the IO. It wakes the
/// connection's task, which is always the same.
fn has_passed(
    timer: &mut Option<Pin<Box<Sleep>>>,
    deadline: Instant,
    cx: &mut Context<'_>,
) -> bool {
    let is_set = timer.as_ref().is_some_and(|timer| timer.deadline() <= deadline);
    let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
    if is_set && !timer.is_elapsed() {
        return false;
    }
    if timer.deadline() > deadline {
        timer.as_mut().reset(deadline);
    }
    // Outside of the task's budget: a poll that this refuses would leave the timer without a waker.
    while pin!(unconstrained(timer.as_mut())).poll(cx).is_ready() {
        if deadline <= now() {
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

    fn limit_write<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            if self.stalled.take().is_some() {
                self.state.clear_sending();
            }
            return polled;
        }
        if self.stalled.is_none() {
            self.state.set_sending();
        }
        let since = *self.stalled.get_or_insert_with(now);
        if has_passed(&mut self.writing, since + self.limits.write, cx) {
            self.state.set_stalled();
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
