//! Answers and their bodies.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use serde_json::Value;

/// Why a connection ends without an answer, or in the midst of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum HangUp {
    /// TCP reset.
    #[error("the script says: reset the connection")]
    Reset,
    /// Fewer bytes than announced.
    #[error("the script says: truncate the body")]
    Truncate,
}

/// Any body; its error ends the connection.
pub(super) type ReplyBody = UnsyncBoxBody<Bytes, HangUp>;
/// An answer.
pub(super) type Reply = Response<ReplyBody>;

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An answer with this body and content type.
pub(super) fn reply(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<Bytes>,
) -> Reply {
    let mut reply = Response::new(boxed(Full::new(body.into())));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, content_type);
    reply
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: &Value) -> Reply {
    reply(status, JSON, body.to_string())
}

/// A JSON list of documents that are encoded already; nothing is copied.
pub(super) fn json_list(documents: impl IntoIterator<Item = Bytes>) -> Reply {
    let mut chunks = VecDeque::from([Bytes::from_static(b"[")]);
    for document in documents {
        if chunks.len() > 1 {
            chunks.push_back(Bytes::from_static(b","));
        }
        chunks.push_back(document);
    }
    chunks.push_back(Bytes::from_static(b"]"));
    let mut reply = Response::new(boxed(Chunks::new(chunks)));
    reply.headers_mut().insert(header::CONTENT_TYPE, JSON);
    reply
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(boxed(Full::new(Bytes::new())));
    *reply.status_mut() = status;
    reply
}

pub(super) fn boxed(
    body: impl Body<Data = Bytes, Error = Infallible> + Send + 'static,
) -> ReplyBody {
    body.map_err(|never| match never {}).boxed_unsync()
}

/// A body of known length in shared pieces.
pub(super) struct Chunks {
    chunks: VecDeque<Bytes>,
    left: u64,
}

impl Chunks {
    pub(super) fn new(chunks: VecDeque<Bytes>) -> Self {
        let left = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        Self { chunks, left }
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.chunks.pop_front();
        self.left -= next.as_ref().map_or(0, |chunk| chunk.len() as u64);
        Poll::Ready(next.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
