//! Bodies: a request's, which hardly any handler wants, and an answer's, which tells the connection when it is
//! done with.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::{http2_guard::CHUNK_BYTES, state::RequestGuard};
use crate::{
    clock::{Clock, Instant},
    in_flight::Permit,
    problem::{Code, Problem},
    telemetry::Metrics,
};

pub(super) const MAX_BODY_BYTES: usize = 64 * 1024;

/// Reads a body away, within its bound, and gives its bytes where they are wanted.
///
/// # Errors
/// The problem to answer: 413, or 400 for a body that breaks off.
pub(super) async fn read_body(body: Incoming, is_wanted: bool) -> Result<Bytes, Problem> {
    let mut body = Limited::new(body, MAX_BODY_BYTES);
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) if is_wanted => bytes.extend(frame.into_data().ok()),
            Ok(_) => {}
            Err(error) if error.is::<LengthLimitError>() => return Err(body_too_large()),
            Err(_) => return Err(Problem::new(Code::BadRequest, "the body ended early")),
        }
    }
    Ok(bytes.freeze())
}

pub(super) fn body_too_large() -> Problem {
    Problem::new(Code::TooLarge, "a body may have at most 64 KiB")
}

/// What an answer's body is made of.
#[derive(Debug)]
pub enum Content {
    /// All of its bytes.
    Whole(Bytes),
    /// What gives them.
    Made(Body),
}

impl From<Body> for Content {
    fn from(body: Body) -> Self {
        Self::Made(body)
    }
}

impl http_body::Body for Content {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(mem::take(bytes))))),
            Self::Made(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Made(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Made(body) => body.size_hint(),
        }
    }
}

/// A body that holds its request's permit until it is handed out, and its request open until the
/// connection has taken it whole or given it up. What is still going out then has the write limit.
///
/// HTTP/2 gets it in chunks, so that it can be seen whether the peer takes it; else it is reset.
/// Meanwhile it holds no permit, as in HTTP/1.1, where it is handed out whole: to wait for a peer is
/// no work, and peers that take nothing would shed all other callers.
#[derive(Debug)]
pub struct AnswerBody {
    body: Content,
    guard: RequestGuard,
    /// What is there of it, and not handed out yet.
    rest: Bytes,
    permit: Option<Permit>,
    watched: Option<Box<WatchedStream>>,
}

/// An event stream, to be counted at its end: how long it was open, and whether its watcher is lost
/// because it is too slow.
#[derive(Debug)]
pub(super) struct WatchedStream {
    pub(super) metrics: Metrics,
    pub(super) clock: Clock,
    pub(super) route: &'static str,
    pub(super) began: Instant,
}

impl AnswerBody {
    /// The body of an answer to a request that is open until then.
    pub fn new(body: impl Into<Content>, guard: RequestGuard) -> Self {
        let body = body.into();
        let mut answer = Self { body, guard, rest: Bytes::new(), permit: None, watched: None };
        answer.mark_end();
        answer
    }

    /// Holds the permit of the request, and counts an event stream at its end.
    pub(super) fn holding(
        mut self,
        permit: Option<Permit>,
        watched: Option<WatchedStream>,
    ) -> Self {
        (self.permit, self.watched) = (permit, watched.map(Box::new));
        self
    }

    /// Whether it goes on for as long as its caller listens.
    pub(super) fn is_event_stream(&self) -> bool {
        self.watched.is_some()
    }

    fn mark_end(&mut self) {
        if self.is_end_stream() {
            self.guard.mark_whole();
        }
    }

    /// The next chunk, or the body's end, error or trailers in its place.
    fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.guard.chunk_polled();
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                None => {
                    self.guard.mark_whole();
                    return Poll::Ready(None);
                }
                failed => return Poll::Ready(failed),
            }
        }
        let chunk = self.rest.split_to(self.rest.len().min(CHUNK_BYTES));
        self.permit = None;
        self.mark_end();
        self.guard.chunk_sent();
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.guard.is_in_chunks() {
            return self.poll_chunk(cx);
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        if rest > 0 {
            // The lower bound may not pass the upper on the way.
            if let Some(upper) = hint.upper() {
                hint.set_upper(upper + rest);
            }
            hint.set_lower(hint.lower() + rest);
        }
        hint
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        let Some(stream) = &self.watched else { return };
        stream.metrics.wait(stream.route, stream.clock.now().since(stream.began));
        if self.guard.was_cut() {
            stream.metrics.watcher_dropped();
        }
    }
}
