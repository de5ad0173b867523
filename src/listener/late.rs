//! Answers that are late: to long polls, event streams, and questions that VMware Cloud takes its time for.
//!
//! hyper has two buffers of 8 KiB for each connection, also while a request waits. So a connection of HTTP/1.1 whose
//! answer is not there after a moment, or is an event stream, is taken out of hyper, waits as a socket and the
//! request's future alone, and sends the answer itself: a head, and a body of known length or in chunks (RFC 9112).
//! Then it is handed to hyper again: `Connection::serve_http1`.
//!
//! ```text
//! hyper ─► LateSlot::wait ─┬─► there at once: hyper sends it
//!                          └─► is_late ─► take ─► LateAnswer::made ─► ResponseWriter::send ─► hyper, for the next request
//! ```
//!
//! *Must not break*: a caller cannot tell which of both has sent an answer, and a request that its caller gives up is
//! dropped. Tests: `late/tests.rs`, `tests/it/late.rs`, `tests/it/watch`.

use std::{
    future::poll_fn,
    io::{self, Write as _},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use futures_util::{FutureExt, future::BoxFuture};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header, response,
};
use http_body::Body as _;
use http_body_util::BodyExt;
use jiff::fmt::rfc2822::DateTimePrinter;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::Sleep,
};

use super::{
    body::AnswerBody,
    request_info::asks_to_wait,
    rest::{REST_AFTER, Rewound},
};

const CHUNKED: HeaderValue = HeaderValue::from_static("chunked");
const CLOSE: HeaderValue = HeaderValue::from_static("close");
const KEEP_ALIVE: HeaderValue = HeaderValue::from_static("keep-alive");

/// Where a connection's request leaves what makes its answer. Cheap to clone; clones share it.
#[derive(Clone, Default)]
pub(super) struct LateSlot(Arc<Mutex<Slot>>);

#[derive(Default)]
struct Slot {
    answer: Option<LateAnswer>,
    /// Nothing is taken any longer.
    is_closed: bool,
}

/// An answer that is not sent yet.
pub(super) struct LateAnswer {
    progress: AnswerProgress,
    writer: ResponseWriter,
    /// When it is late.
    timer: Option<Pin<Box<Sleep>>>,
}

enum AnswerProgress {
    Making(BoxFuture<'static, Response<AnswerBody>>),
    /// An event stream.
    Made(Box<Response<AnswerBody>>),
}

/// How the answer to a request goes out.
#[derive(Debug, Clone, Copy)]
pub(super) struct ResponseWriter {
    version: Version,
    is_head: bool,
    /// Whether the connection may be used again.
    keeps_alive: bool,
    /// Whether it is a long poll, which is late as soon as it is not there at once: thousands that begin together
    /// would have their buffers for a moment too, and leave holes in the memory.
    is_poll: bool,
}

/// What stands between the head and the end of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Nothing,
    Length(u64),
    Chunks,
    /// All that comes until the connection ends.
    UntilClose,
}

impl LateSlot {
    /// The answer to a request, which is made in the slot. If it is taken from there meanwhile it never comes
    /// here; if this future is dropped before, so is what makes the answer.
    pub(super) async fn wait(
        self,
        making: BoxFuture<'static, Response<AnswerBody>>,
        writer: ResponseWriter,
    ) -> Response<AnswerBody> {
        let answer = LateAnswer { progress: AnswerProgress::Making(making), writer, timer: None };
        self.0.lock().answer = Some(answer);
        let waiting = Waiting(self);
        poll_fn(|cx| waiting.0.poll_made(cx)).await
    }

    fn poll_made(&self, cx: &mut Context<'_>) -> Poll<Response<AnswerBody>> {
        let mut slot = self.0.lock();
        let Some(answer) = &mut slot.answer else { return Poll::Pending };
        if let AnswerProgress::Making(making) = &mut answer.progress {
            answer.progress = AnswerProgress::Made(Box::new(ready!(making.poll_unpin(cx))));
        }
        let stays =
            matches!(&answer.progress, AnswerProgress::Made(made) if made.body().is_event_stream());
        if stays && !slot.is_closed {
            return Poll::Pending;
        }
        match slot.answer.take().map(|answer| answer.progress) {
            Some(AnswerProgress::Made(made)) => Poll::Ready(*made),
            _ => Poll::Pending,
        }
    }

    /// Whether there is an answer that the connection has to send itself.
    pub(super) fn is_late(&self, cx: &mut Context<'_>) -> bool {
        let mut slot = self.0.lock();
        let Some(answer) = &mut slot.answer else { return false };
        if answer.writer.is_poll || matches!(answer.progress, AnswerProgress::Made(_)) {
            return true;
        }
        let timer = answer.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(REST_AFTER)));
        timer.poll_unpin(cx).is_ready()
    }

    /// Takes it.
    pub(super) fn take(&self) -> Option<LateAnswer> {
        self.0.lock().answer.take()
    }

    /// Leaves all answers to hyper from here on.
    pub(super) fn close(&self) {
        self.0.lock().is_closed = true;
    }
}

/// Empties the slot when hyper gives the request up.
struct Waiting(LateSlot);

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}

impl LateAnswer {
    /// The answer, once it is made, and how it goes out. `None` if the peer goes before.
    pub(super) async fn made<S: AsyncRead + AsyncWrite + Unpin>(
        self,
        stream: &mut Rewound<S>,
    ) -> Option<(Response<AnswerBody>, ResponseWriter)> {
        let made = match self.progress {
            AnswerProgress::Made(made) => *made,
            AnswerProgress::Making(making) => tokio::select! {
                biased;
                made = making => made,
                () = stream.gone() => return None,
            },
        };
        Some((made, self.writer))
    }
}

impl ResponseWriter {
    /// How the answer to a request goes out; `None` of a request whose body is still to come.
    pub(super) fn of<B: http_body::Body>(request: &Request<B>) -> Option<Self> {
        let (version, fields) = (request.version(), request.headers());
        let may_stay = version == Version::HTTP_11 || has_connection_option(fields, "keep-alive");
        let keeps_alive = may_stay && !has_connection_option(fields, "close");
        let is_head = request.method() == Method::HEAD;
        let is_poll = asks_to_wait(request.uri());
        request.body().is_end_stream().then_some(Self { version, is_head, keeps_alive, is_poll })
    }

    /// Nothing is answered after it.
    pub(super) fn as_last(self) -> Self {
        Self { keeps_alive: false, ..self }
    }

    /// Sends an answer. Tells whether the connection may be used again: not if the peer goes before the end.
    ///
    /// # Errors
    /// The stream's, and [`io::ErrorKind::Other`] if the body breaks off.
    pub(super) async fn send<S: AsyncRead + AsyncWrite + Unpin>(
        mut self,
        answer: Response<AnswerBody>,
        stream: &mut Rewound<S>,
    ) -> io::Result<bool> {
        let (parts, mut body) = answer.into_parts();
        let framing = self.framing(parts.status, body.size_hint().exact());
        self.keeps_alive &= framing != Framing::UntilClose;
        self.keeps_alive &= !has_connection_option(&parts.headers, "close");
        let head = Bytes::from(self.head(parts, framing));
        let unsent = match framing {
            Framing::Nothing => Some(head),
            _ if self.is_head => Some(head),
            _ => send_frames(head, &mut body, framing, stream).await?,
        };
        let Some(mut unsent) = unsent else { return Ok(false) };
        stream.write_all_buf(&mut unsent).await?;
        stream.flush().await?;
        Ok(self.keeps_alive)
    }

    fn framing(self, status: StatusCode, length: Option<u64>) -> Framing {
        let has_none = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        match length {
            _ if has_none => Framing::Nothing,
            Some(length) => Framing::Length(length),
            None if self.is_head => Framing::Nothing,
            None if self.version == Version::HTTP_11 => Framing::Chunks,
            None => Framing::UntilClose,
        }
    }

    /// The status line and the header fields.
    fn head(self, parts: response::Parts, framing: Framing) -> Vec<u8> {
        let response::Parts { status, mut headers, .. } = parts;
        match framing {
            // The length that a GET would get is unknown, or its field is set already.
            Framing::Length(0) if self.is_head => {}
            Framing::Length(length) => {
                headers.insert(header::CONTENT_LENGTH, length.into());
            }
            Framing::Chunks => {
                headers.insert(header::TRANSFER_ENCODING, CHUNKED);
            }
            Framing::Nothing | Framing::UntilClose => {}
        }
        // What the version has as its rule is not said.
        match (self.keeps_alive, self.version) {
            (false, Version::HTTP_11) => drop(headers.insert(header::CONNECTION, CLOSE)),
            (true, Version::HTTP_10) => drop(headers.insert(header::CONNECTION, KEEP_ALIVE)),
            _ => {}
        }
        headers.entry(header::DATE).or_insert_with(date);
        let mut head = Vec::with_capacity(512);
        let reason = status.canonical_reason().unwrap_or_default();
        let _ = write!(head, "{:?} {} {reason}\r\n", self.version, status.as_str());
        for (name, value) in &headers {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}

/// Sends a head and a body, but for what stands at the end, which it gives. `None` if the peer goes.
async fn send_frames<S: AsyncRead + AsyncWrite + Unpin>(
    mut unsent: Bytes,
    body: &mut AnswerBody,
    framing: Framing,
    stream: &mut Rewound<S>,
) -> io::Result<Option<Bytes>> {
    loop {
        // What is there of the body goes out with the head.
        let frame = match body.frame().now_or_never() {
            Some(frame) => frame,
            None => {
                stream.write_all_buf(&mut unsent).await?;
                stream.flush().await?;
                tokio::select! {
                    biased;
                    frame = body.frame() => frame,
                    () = stream.gone() => return Ok(None),
                }
            }
        };
        let Some(frame) = frame else { break };
        let Ok(data) = frame.map_err(io::Error::other)?.into_data() else { continue };
        let (before, after) = match framing {
            Framing::Chunks if data.is_empty() => continue,
            Framing::Chunks => (format!("{:X}\r\n", data.len()), "\r\n"),
            _ => (String::new(), ""),
        };
        let mut piece = unsent.chain(Bytes::from(before)).chain(data).chain(after.as_bytes());
        stream.write_all_buf(&mut piece).await?;
        unsent = Bytes::new();
    }
    if framing == Framing::Chunks {
        stream.write_all_buf(&mut unsent).await?;
        unsent = Bytes::from_static(b"0\r\n\r\n");
    }
    Ok(Some(unsent))
}

/// Whether `Connection` has an option (RFC 9110 section 7.6.1).
fn has_connection_option(fields: &HeaderMap, option: &str) -> bool {
    let values = fields.get_all(header::CONNECTION).into_iter();
    let options = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    options.map(str::trim).any(|it| it.eq_ignore_ascii_case(option))
}

/// Now, as the header field has it.
#[expect(clippy::disallowed_methods, reason = "hyper's is the system's time too")]
fn date() -> HeaderValue {
    let now = jiff::Timestamp::now();
    let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&now);
    let text = text.expect("the year is one of four digits");
    HeaderValue::try_from(text).expect("a date is visible ASCII")
}

#[cfg(test)]
mod tests;
