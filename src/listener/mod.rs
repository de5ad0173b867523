//! Sockets and the edge that every request passes.
//!
//! Flow: accept → [`connections`] (at most `api.max_connections`) → [`io`] (three time limits) → [`tls`], if there is
//! any → hyper (HTTP/1.1, or HTTP/2 where TLS has agreed on it) → [`edge`] → the router. The ops port
//! has a router and a thread of its own and takes the same way, without TLS.

pub mod body;
pub mod connections;
pub mod edge;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod head;
pub mod host;
mod http2;
mod http2_guard;
pub mod io;
mod metrics_format;
pub mod ops;
pub mod ops_runtime;
mod outcome;
mod peer_watch;
pub mod record;
mod refusals;
pub mod request_id;
mod request_info;
pub mod routes;
mod settings;
pub mod tls;

use std::{
    convert::Infallible, error::Error as _, future::Future, net::SocketAddr, os::fd::AsFd,
    panic::AssertUnwindSafe, sync::Arc, time::Duration,
};

use axum::response::Response;
use futures_util::FutureExt;
use http::Request;
use http_body::Body;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{HttpService, service_fn},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::server::TlsStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::connections::ConnectionBounds;
pub use self::settings::{ClientAuthSettings, OpsSettings, Settings, TlsSettings};
use self::tls::Tls;
use self::{
    connections::{ConnectionGuard, ConnectionPool},
    io::{ConnectionState, Limits, TimedIo},
};
use crate::{
    access::{ClientCertificate, watch_for_refusal},
    telemetry::Metrics,
};

/// A head may be larger than what the edge lets pass, so that it can answer with a problem.
const HEAD_BUFFER_BYTES: usize = 64 * 1024;
const MAX_HEADER_FIELDS: usize = 200;
/// After an accept that failed, for want of file descriptors perhaps.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// For the first word of who had just connected when the listener closed.
const FIRST_REQUEST_GRACE: Duration = Duration::from_secs(1);
/// For an idle connection that makes room for another to close in good order: to be polled once is
/// enough for a request that has come.
const EVICTION_GRACE: Duration = Duration::from_millis(2);

/// Who is at the other end of a connection. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Peer {
    /// As the socket has it.
    pub address: SocketAddr,
    /// What was shown and verified in the TLS handshake.
    pub certificate: Option<Arc<ClientCertificate>>,
}

/// One listening socket and how it is served.
#[derive(Debug)]
pub struct Listener {
    /// The bound socket.
    pub socket: TcpListener,
    /// Connections open at once; at it the longest idle one makes room, see [`connections`].
    pub bounds: ConnectionBounds,
    /// Time limits of each connection.
    pub limits: Limits,
    /// TLS instead of plaintext.
    pub tls: Option<Tls>,
    /// HTTP/2 connections say GOAWAY from here on; what comes is still answered.
    pub ending: CancellationToken,
    /// Ends accepting and idle connections.
    pub close: CancellationToken,
    /// Ends what is left of the connections, amidst their requests.
    pub cut: CancellationToken,
    /// Tracks the connections, and their requests where these are tasks of their own.
    pub connections: TaskTracker,
    /// Counts connections that end badly.
    pub metrics: Metrics,
}

impl Listener {
    /// Accepts until closed. Each request is answered by `answer`.
    pub async fn serve<A, F, B>(self, answer: A)
    where
        A: Fn(Request<Incoming>, Peer, Arc<ConnectionState>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data: Send, Error: Into<axum::BoxError>> + Send + 'static,
    {
        // While some are still let in, the tracker is not empty.
        let _accepting = self.connections.token();
        let pool = ConnectionPool::new(self.bounds, self.metrics.clone());
        while let Some((stream, peer)) = self.close.run_until_cancelled(self.accept()).await {
            let client = peer.ip().to_canonical();
            let admitted = match self.close.run_until_cancelled(pool.admit(client)).await {
                Some(admitted) => admitted,
                // What waits for room when the listener closes has come in time.
                None => Some(pool.enter(client)),
            };
            if let Some((place, state)) = admitted {
                self.begin(stream, peer, place, state, answer.clone());
            }
        }
        while pool.has_room() {
            let Some((stream, peer)) = self.accept_queued() else { break };
            let (place, state) = pool.enter(peer.ip().to_canonical());
            self.begin(stream, peer, place, state, answer.clone());
        }
    }

    fn begin<A, F, B>(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        place: ConnectionGuard,
        state: Arc<ConnectionState>,
        answer: A,
    ) where
        A: Fn(Request<Incoming>, Peer, Arc<ConnectionState>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data: Send, Error: Into<axum::BoxError>> + Send + 'static,
    {
        let plain = Plain {
            address: peer,
            limits: self.limits,
            close: self.close.clone(),
            metrics: self.metrics.clone(),
            state,
        };
        let Some(tls) = &self.tls else {
            return self.spawn(plain.serve(stream, answer), place);
        };
        let secured = Secured {
            tls: tls.clone(),
            ending: self.ending.clone(),
            requests: self.connections.clone(),
            plain,
        };
        self.spawn(secured.serve(stream, answer), place);
    }

    /// Runs a connection until it ends or is cut. What it drops then ends its requests: those of
    /// HTTP/2 see that their connection is gone. A panic (one of a request is caught before) ends the
    /// connection alone, and is counted.
    fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static, place: ConnectionGuard) {
        // One of its own: each poll takes a token's lock.
        let cut = self.cut.child_token();
        let metrics = self.metrics.clone();
        self.connections.spawn(async move {
            let connection = AssertUnwindSafe(cut.run_until_cancelled(connection)).catch_unwind();
            if connection.await.is_err() {
                tracing::error!("a connection's task panicked");
                metrics.task_failure("connection");
            }
            drop(place);
        });
    }

    async fn accept(&self) -> (TcpStream, SocketAddr) {
        let mut failing = false;
        loop {
            match self.socket.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    self.metrics.connection_error("accept");
                    // Once a spell: want of file descriptors lasts, and comes back at each try.
                    if !std::mem::replace(&mut failing, true) {
                        let error = crate::os_error::describe(&error);
                        tracing::warn!(%error, "connections cannot be accepted");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Who has connected before the socket is closed may have asked as well, and would be told by
    /// a reset. Waits for nobody: tokio's own accept would, for its driver.
    fn accept_queued(&self) -> Option<(TcpStream, SocketAddr)> {
        let socket = self.socket.as_fd().try_clone_to_owned().ok()?;
        let socket = std::net::TcpListener::from(socket);
        let (stream, peer) = loop {
            match socket.accept() {
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {}
                accepted => break accepted.ok()?,
            }
        };
        stream.set_nonblocking(true).ok()?;
        Some((TcpStream::from_std(stream).ok()?, peer))
    }
}

/// A connection, and what it needs to be served.
struct Plain {
    address: SocketAddr,
    limits: Limits,
    close: CancellationToken,
    metrics: Metrics,
    state: Arc<ConnectionState>,
}

impl Plain {
    async fn serve<A, F, B>(self, stream: TcpStream, answer: A)
    where
        A: Fn(Request<Incoming>, Peer, Arc<ConnectionState>) -> F + Send + Sync,
        F: Future<Output = Response<B>> + Send,
        B: Body<Data: Send, Error: Into<axum::BoxError>> + Send + 'static,
    {
        // Answers are written whole: waiting to fill a segment only delays them.
        let _ = stream.set_nodelay(true);
        let io = TimedIo::new(stream, self.state.clone(), self.limits);
        let service = service_fn(|request| {
            let peer = Peer { address: self.address, certificate: None };
            let answer = answer(request, peer, self.state.clone());
            async move { Ok::<_, Infallible>(answer.await) }
        });
        if let Some(Err(error)) = self.serve_http1(io, service).await {
            record_bad_end(self.address, &error, &self.metrics);
        }
    }

    /// Serves it to its end. `None`: it was dropped to make room for another.
    async fn serve_http1<I, S, B>(&self, io: I, service: S) -> Option<hyper::Result<()>>
    where
        I: AsyncRead + AsyncWrite + Unpin,
        S: HttpService<Incoming, ResBody = B, Error = Infallible>,
        B: Body<Data: Send, Error: Into<axum::BoxError>> + Send + 'static,
    {
        let connection = http1().serve_connection(TokioIo::new(io), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            biased;
            ended = &mut connection => return Some(ended),
            () = self.until_closing() => connection.as_mut().graceful_shutdown(),
        }
        loop {
            if !self.state.is_evicted() {
                return Some(connection.await);
            }
            // A request may have come in the meantime: it is answered.
            match tokio::time::timeout(EVICTION_GRACE, connection.as_mut()).await {
                Ok(ended) => return Some(ended),
                Err(_) if self.state.is_idle() => return None,
                Err(_) => {}
            }
        }
    }

    /// Returns when a connection ends on which nothing is being answered: when it has to make room for
    /// another, or at the close, or soon after it if nothing was asked yet, since who has just
    /// connected comes to ask.
    async fn until_closing(&self) {
        let closed = async {
            self.close.cancelled().await;
            if !self.state.was_asked() {
                tokio::time::sleep(FIRST_REQUEST_GRACE).await;
            }
        };
        tokio::select! {
            () = closed => {}
            () = self.state.evicted() => {}
        }
    }
}

fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(HEAD_BUFFER_BYTES)
        .max_headers(MAX_HEADER_FIELDS);
    builder
}

/// A connection with TLS, and what it needs to be served.
struct Secured {
    tls: Tls,
    ending: CancellationToken,
    /// Where the requests of one connection run beside each other.
    requests: TaskTracker,
    plain: Plain,
}

type SecureStream = TlsStream<TimedIo<TcpStream>>;

impl Secured {
    async fn serve<A, F, B>(self, stream: TcpStream, answer: A)
    where
        A: Fn(Request<Incoming>, Peer, Arc<ConnectionState>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data: Send, Error: Into<axum::BoxError>> + Send + 'static,
    {
        let _ = stream.set_nodelay(true);
        let Some(stream) = self.handshake(stream).await else { return };
        let peer = Peer { address: self.plain.address, certificate: tls::certificate(&stream) };
        let state = self.plain.state.clone();
        let is_http2 = tls::is_http2(&stream);
        if is_http2 {
            state.set_http2();
        }
        let service = service_fn(move |request| {
            let answer = answer(request, peer.clone(), state.clone());
            async move { Ok::<_, Infallible>(answer.await) }
        });
        // Boxed: either is large, and only one is needed.
        if is_http2 {
            Box::pin(self.serve_http2(stream, service)).await;
        } else {
            let ended = Box::pin(self.plain.serve_http1(stream, service)).await;
            self.record_end(ended.unwrap_or(Ok(())));
        }
    }

    /// `None` when it failed. The header limit, which runs from accept, is TLS's too.
    async fn handshake(&self, stream: TcpStream) -> Option<SecureStream> {
        let Plain { state, limits, .. } = &self.plain;
        let stream = TimedIo::new(stream, state.clone(), *limits);
        let mut refused = None;
        let shaken = async {
            // A probe of the port alone has no handshake that could fail.
            let has_client_hello = tokio::select! {
                biased;
                has_client_hello = stream.has_client_hello() => has_client_hello?,
                () = self.plain.until_closing() => false,
            };
            if !has_client_hello {
                return Ok(None);
            }
            let (accepted, certificate) = watch_for_refusal(self.tls.accept(stream)).await;
            refused = certificate;
            accepted.map(Some)
        };
        // The stream's own limit ends a wait to read; this one also a peer that takes nothing.
        let shaken = tokio::time::timeout(limits.header, shaken);
        let shaken = tokio::select! {
            biased;
            shaken = shaken => shaken,
            () = state.evicted() => return None,
        };
        let why = match shaken {
            Ok(Ok(stream)) => return stream,
            Ok(Err(error)) => tls::failure(&error),
            Err(_late) => "it took too long",
        };
        self.plain.metrics.connection_error("tls");
        if let Some(refused) = refused {
            self.tls.refusals().tell(refused, self.plain.address.ip(), &self.plain.metrics).await;
        }
        tracing::debug!(client.address = %self.plain.address.ip(), why, "a TLS handshake failed");
        None
    }

    /// Notes what ended badly. Who goes between requests without TLS's own farewell, or is sent
    /// away then, has done nothing wrong.
    fn record_end(&self, ended: hyper::Result<()>) {
        let Err(error) = ended else { return };
        if !(self.plain.state.is_quiet() && is_clean_close(&error)) {
            record_bad_end(self.plain.address, &error, &self.plain.metrics);
        }
    }
}

fn is_clean_close(error: &hyper::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    io_kind(error).is_some_and(|kind| matches!(kind, BrokenPipe | ConnectionReset | UnexpectedEof))
}

/// What happened to the socket, if that is what ended the connection.
fn io_kind(error: &hyper::Error) -> Option<std::io::ErrorKind> {
    let source = error.source()?;
    if let Some(error) = source.downcast_ref::<std::io::Error>() {
        return Some(error.kind());
    }
    source.downcast_ref::<h2::Error>()?.get_io().map(std::io::Error::kind)
}

fn record_bad_end(peer: SocketAddr, error: &hyper::Error, metrics: &Metrics) {
    metrics.connection_error(reason(error));
    tracing::debug!(client.address = %peer.ip(), %error, "a connection ended badly");
}

/// Why a connection ended badly: a closed set.
fn reason(error: &hyper::Error) -> &'static str {
    if let Some(error) = error.source().and_then(|source| source.downcast_ref::<h2::Error>()) {
        http2::reason(error)
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
