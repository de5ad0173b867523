//! One connection: what it is served with, HTTP/1.1, and how it ends.

use std::{
    convert::Infallible,
    error::Error as _,
    fmt::Display,
    future::poll_fn,
    io::{self, ErrorKind},
    iter,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, Either as EitherFuture, Map, Ready},
    stream::FuturesUnordered,
};
use http::{Request, Response};
use hyper::{
    body::Incoming,
    server::conn::http1::{self, Parts},
    service::Service,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::server::TlsStream;
use tokio_util::{either::Either, sync::CancellationToken, task::TaskTracker};

use super::{
    body::AnswerBody,
    http2_guard,
    io::{Limits, TimedIo},
    late::{LateAnswer, LateSlot, ResponseWriter},
    rest::Rewound,
    state::ConnectionState,
    tls::Tls,
};
use crate::{access::ClientCertificate, telemetry::Metrics};

/// A head may be larger than what the edge lets pass, so that it can answer with a problem.
const HEAD_BUFFER_BYTES: usize = 64 * 1024;
/// For the first request of a client that had just connected when the listener closed.
const FIRST_REQUEST_GRACE: Duration = Duration::from_secs(1);
/// For an idle connection that makes room for another to close in good order: to be polled once is
/// enough for a request that has come.
pub(super) const EVICTION_GRACE: Duration = Duration::from_millis(2);

/// Answers the requests of a listener. The request is open until the guard that
/// [`ConnectionState::begin`] gives is dropped, which the answer's body holds.
pub type Handler =
    Arc<dyn Fn(Request<Incoming>, Peer, Arc<ConnectionState>) -> Answering + Send + Sync>;

/// An answer that is there, or is being made. The latter is boxed: hyper keeps room for a request's
/// future as long as its connection, also while it is idle.
pub(super) type Answering =
    EitherFuture<Ready<Response<AnswerBody>>, BoxFuture<'static, Response<AnswerBody>>>;

/// The other end of a connection. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Peer {
    /// As the socket has it.
    pub address: SocketAddr,
    /// What was shown and verified in the TLS handshake.
    pub certificate: Option<Arc<ClientCertificate>>,
}

/// A connection's stream, with or without TLS.
pub(super) type MaybeTls = Either<TimedIo<TcpStream>, Box<TlsStream<TimedIo<TcpStream>>>>;

/// What the connections of a listener share.
pub struct ListenerContext {
    /// Answers their requests.
    pub handler: Handler,
    /// Time limits of each connection.
    pub limits: Limits,
    /// TLS instead of plaintext.
    pub tls: Option<Tls>,
    /// HTTP/2 connections say GOAWAY from here on; what comes is still answered.
    pub ending: CancellationToken,
    /// Ends accepting and idle connections.
    pub close: CancellationToken,
    /// Tracks the connections, and the requests of HTTP/2, which are tasks of their own.
    pub connections: TaskTracker,
    /// Counts connections that end badly.
    pub metrics: Metrics,
}

/// A connection, and what it needs to be served. As an HTTP service it hands each request to the
/// listener's handler.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) context: Arc<ListenerContext>,
    pub(super) peer: Peer,
    pub(super) state: Arc<ConnectionState>,
    /// HTTP/1.1 only.
    late: LateSlot,
}

/// Why a connection is not served on.
enum Pause {
    /// It has ended.
    End(hyper::Result<()>),
    /// It is not wanted any longer.
    Close,
    /// It has been idle for a moment.
    Rest,
    /// Its answer is late.
    Wait,
}

impl Service<Request<Incoming>> for Connection {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future =
        Map<Answering, fn(Response<AnswerBody>) -> Result<Response<AnswerBody>, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (peer, state) = (self.peer.clone(), self.state.clone());
        if state.http2().is_none() {
            let writer = ResponseWriter::of(&request);
            let answering = (self.context.handler)(request, peer, state);
            let answering = match (answering, writer) {
                (EitherFuture::Right(making), Some(writer)) => {
                    self.late.clone().wait(making, writer).boxed().right_future()
                }
                (answering, _) => answering,
            };
            return answering.map(Ok);
        }
        // A request of HTTP/2 is a task of its own, and begins in it.
        let context = self.context.clone();
        let task = async move { (context.handler)(request, peer, state).await };
        task.boxed().right_future().map(Ok)
    }
}

impl Connection {
    pub(super) fn new(
        context: Arc<ListenerContext>,
        address: SocketAddr,
        state: Arc<ConnectionState>,
    ) -> Self {
        let (peer, late) = (Peer { address, certificate: None }, LateSlot::default());
        Self { context, peer, state, late }
    }

    /// Serves HTTP/1.1 until the connection ends, or makes room for another. What hyper keeps for it is
    /// given back while it rests, and while an answer is late.
    pub(super) async fn serve_http1(&self, stream: MaybeTls) {
        let mut stream = Rewound::new(Bytes::new(), stream);
        while let Some((paused, late)) = Box::pin(self.serve_requests(stream)).await {
            let woken = match late {
                Some(late) => Box::pin(self.answer_late(paused, late)).await,
                None => self.rest(paused).await,
            };
            let Some(woken) = woken else { return };
            stream = woken;
        }
    }

    /// Answers requests until the connection rests or an answer is late. `None` when it ends.
    async fn serve_requests(
        &self,
        stream: Rewound<MaybeTls>,
    ) -> Option<(Rewound<MaybeTls>, Option<LateAnswer>)> {
        let mut serving = http1().serve_connection(TokioIo::new(stream), self.clone());
        let mut closing = pin!(when_woken(self.until_closing()));
        let why = poll_fn(|cx| match serving.poll_unpin(cx) {
            Poll::Ready(ended) => Poll::Ready(Pause::End(ended)),
            Poll::Pending if self.state.is_resting() => Poll::Ready(Pause::Rest),
            Poll::Pending if self.is_late(cx) => Poll::Ready(Pause::Wait),
            Poll::Pending => closing.as_mut().poll(cx).map(|()| Pause::Close),
        });
        match why.await {
            Pause::End(ended) => self.record_end(ended),
            Pause::Close => self.close(serving).await,
            Pause::Rest => {
                let stream = parts(serving);
                self.note_waiting(&stream);
                return Some((stream, None));
            }
            Pause::Wait => {
                let late = self.late.take();
                return Some((parts(serving), late));
            }
        }
        None
    }

    /// Whether the connection has to send an answer itself. Not while an earlier one is still going out,
    /// of which hyper has the rest.
    fn is_late(&self, cx: &mut Context<'_>) -> bool {
        !self.state.is_quiet() && !self.state.is_sending() && self.late.is_late(cx)
    }

    /// Sends an answer that is late. `None` when the connection ends.
    async fn answer_late(
        &self,
        mut stream: Rewound<MaybeTls>,
        late: LateAnswer,
    ) -> Option<Rewound<MaybeTls>> {
        let (answer, writer) = late.made(&mut stream).await?;
        let is_last = self.context.close.is_cancelled();
        let writer = if is_last { writer.as_last() } else { writer };
        match writer.send(answer, &mut stream).await {
            Ok(true) if !self.context.close.is_cancelled() => {
                self.note_waiting(&stream);
                return Some(stream);
            }
            Ok(_) => drop(stream.shutdown().await),
            Err(error) => self.record_io_error(&error),
        }
        None
    }

    /// The next head has begun, if bytes came behind the last one.
    fn note_waiting(&self, stream: &Rewound<MaybeTls>) {
        if stream.waiting() > 0 {
            self.state.on_read(stream.waiting());
        }
    }

    /// Closes it in good order: what has come by now is answered.
    async fn close(&self, mut serving: http1::Connection<TokioIo<Rewound<MaybeTls>>, Self>) {
        self.late.close();
        let mut serving = Pin::new(&mut serving);
        serving.as_mut().graceful_shutdown();
        while self.state.is_evicted() {
            // A request may have come in the meantime.
            match tokio::time::timeout(EVICTION_GRACE, serving.as_mut()).await {
                Ok(ended) => return self.record_end(ended),
                Err(_) if self.state.is_idle() => return,
                Err(_) => {}
            }
        }
        self.record_end(serving.await);
    }

    /// Waits for the next request, keeping only the socket. `None` when the connection ends.
    async fn rest(&self, mut stream: Rewound<MaybeTls>) -> Option<Rewound<MaybeTls>> {
        let has_more = tokio::select! {
            biased;
            has_more = stream.has_more() => has_more,
            () = self.until_closing() => {
                // A request may have come in the meantime.
                let last = tokio::time::timeout(EVICTION_GRACE, stream.has_more()).await;
                last.unwrap_or(Ok(false))
            }
        };
        match has_more {
            Ok(true) => return Some(stream),
            Ok(false) => {}
            Err(error) => self.record_io_error(&error),
        }
        // TLS's close_notify. Where that fails the peer has gone.
        let _ = stream.shutdown().await;
        None
    }

    /// Returns when a connection ends on which nothing is being answered: when it has to make room for
    /// another, or at the close, or soon after it if nothing was asked yet, since a client that has
    /// just connected comes to ask.
    pub(super) async fn until_closing(&self) {
        let closed = async {
            self.context.close.cancelled().await;
            if !self.state.has_requests() {
                tokio::time::sleep(FIRST_REQUEST_GRACE).await;
            }
        };
        tokio::select! {
            () = closed => {}
            () = self.state.evicted() => {}
        }
    }

    /// Counts a connection that ended badly. A client that goes between requests without TLS's own
    /// close, or is sent away then, has done nothing wrong.
    pub(super) fn record_end(&self, ended: hyper::Result<()>) {
        let Err(error) = ended else { return };
        if !self.is_clean_close(io_kind(&error)) {
            self.record_error(reason(&error), &error);
        }
    }

    /// Counts a connection whose socket failed while it rested.
    fn record_io_error(&self, error: &io::Error) {
        if !self.is_clean_close(Some(error.kind())) {
            self.record_error("io", error);
        }
    }

    fn is_clean_close(&self, kind: Option<ErrorKind>) -> bool {
        use ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        let is_gone =
            kind.is_some_and(|kind| matches!(kind, BrokenPipe | ConnectionReset | UnexpectedEof));
        is_gone && self.context.tls.is_some() && self.state.is_quiet()
    }

    fn record_error(&self, reason: &'static str, error: &impl Display) {
        self.context.metrics.connection_error(reason);
        tracing::debug!(client.address = %self.peer.address.ip(), %error, "a connection ended with an error");
    }
}

/// The stream of a connection that hyper gives back, and what it has read ahead.
fn parts(serving: http1::Connection<TokioIo<Rewound<MaybeTls>>, Connection>) -> Rewound<MaybeTls> {
    let Parts { io, read_buf, .. } = serving.into_parts();
    io.into_inner().put_back(read_buf)
}

/// Waits for something that seldom happens, and is polled only when that wakes it: not for each
/// request, as it takes a lock that all connections share.
pub(super) async fn when_woken(event: impl Future<Output = ()>) {
    let mut event: FuturesUnordered<_> = iter::once(event).collect();
    event.next().await;
}

/// Of header fields hyper takes 100: another number of them would cost an allocation for each request.
fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEAD_BUFFER_BYTES);
    builder
}

/// What happened to the socket, if that is what ended the connection.
fn io_kind(error: &hyper::Error) -> Option<ErrorKind> {
    let source = error.source()?;
    if let Some(error) = source.downcast_ref::<std::io::Error>() {
        return Some(error.kind());
    }
    source.downcast_ref::<h2::Error>()?.get_io().map(std::io::Error::kind)
}

/// Why a connection ended badly: a closed set.
fn reason(error: &hyper::Error) -> &'static str {
    if let Some(error) = error.source().and_then(|source| source.downcast_ref::<h2::Error>()) {
        http2_guard::reason(error)
    } else if error.is_parse_too_large() {
        "head_too_large"
    } else if error.is_parse() {
        "bad_request"
    } else if error.is_incomplete_message() {
        "incomplete_head"
    } else if error.is_timeout() {
        "timeout"
    } else if error.is_body_write_aborted() {
        http2_guard::ANSWER_NOT_TAKEN
    } else {
        "io"
    }
}
