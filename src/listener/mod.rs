//! Sockets and the edge that every request passes.
//!
//! Flow: accept (at most `api.max_connections`) → [`io`] (three time limits) → hyper (HTTP/1.1) →
//! [`edge`] → the router. The ops port has a router of its own and takes the same way.

pub mod body;
pub mod edge;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub mod host;
pub mod io;
pub mod ops;
pub mod request_id;
pub mod routes;
mod settings;
mod target;

use std::{convert::Infallible, future::Future, net::SocketAddr, sync::Arc, time::Duration};

use axum::response::Response;
use http::Request;
use http_body::Body;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::io::{Activity, Limits, TimedIo};
pub use self::settings::{OpsSettings, Settings};
use crate::telemetry::Metrics;

/// A head may be larger than what the edge lets pass, so that it can answer with a problem.
const HEAD_BUFFER_BYTES: usize = 64 * 1024;
const MOST_HEADER_FIELDS: usize = 200;
/// After an accept that failed, for want of file descriptors perhaps.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// One listening socket and how it is served.
#[derive(Debug)]
pub struct Listener {
    /// The bound socket.
    pub socket: TcpListener,
    /// Connections open at once; above it accepting pauses.
    pub max_connections: usize,
    /// Time limits of each connection.
    pub limits: Limits,
    /// Ends accepting and idle connections.
    pub close: CancellationToken,
    /// Tracks the connections.
    pub connections: TaskTracker,
    /// Counts connections that end badly.
    pub metrics: Metrics,
}

impl Listener {
    /// Accepts until closed. Each request is answered by `answer`.
    pub async fn serve<A, F, B>(self, answer: A)
    where
        A: Fn(Request<Incoming>, SocketAddr, Arc<Activity>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data: Send, Error: Into<axum::BoxError>> + Send + 'static,
    {
        let places = Arc::new(Semaphore::new(self.max_connections));
        loop {
            let accepted = self.close.run_until_cancelled(self.accept(&places)).await;
            let Some((stream, peer, place)) = accepted else { return };
            let connection = serve_connection(
                stream,
                peer,
                self.limits,
                self.close.clone(),
                self.metrics.clone(),
                answer.clone(),
            );
            self.connections.spawn(async move {
                connection.await;
                drop(place);
            });
        }
    }

    async fn accept(
        &self,
        places: &Arc<Semaphore>,
    ) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
        let place = places.clone().acquire_owned().await.ok();
        let mut failing = false;
        loop {
            match self.socket.accept().await {
                Ok((stream, peer)) => return (stream, peer, place),
                Err(error) => {
                    self.metrics.connection_error("accept");
                    // Once a spell: want of file descriptors lasts, and comes back at each try.
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(%error, "connections cannot be accepted");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

async fn serve_connection<A, F, B>(
    stream: TcpStream,
    peer: SocketAddr,
    limits: Limits,
    close: CancellationToken,
    metrics: Metrics,
    answer: A,
) where
    A: Fn(Request<Incoming>, SocketAddr, Arc<Activity>) -> F + Send + Sync,
    F: Future<Output = Response<B>> + Send,
    B: Body<Data: Send, Error: Into<axum::BoxError>> + Send + 'static,
{
    // Answers are written whole: waiting to fill a segment only delays them.
    let _ = stream.set_nodelay(true);
    let activity = Arc::new(Activity::default());
    let io = TokioIo::new(TimedIo::new(stream, activity.clone(), limits));
    let service = service_fn(|request| {
        let answer = answer(request, peer, activity.clone());
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(HEAD_BUFFER_BYTES)
        .max_headers(MOST_HEADER_FIELDS)
        .serve_connection(io, service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = close.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        metrics.connection_error(reason(&error));
        tracing::debug!(client.address = %peer.ip(), %error, "a connection ended badly");
    }
}

/// Why a connection ended badly: a closed set.
fn reason(error: &hyper::Error) -> &'static str {
    if error.is_parse_too_large() {
        "head_too_large"
    } else if error.is_parse() {
        "bad_request"
    } else if error.is_incomplete_message() {
        "incomplete_head"
    } else if error.is_timeout() {
        "timeout"
    } else if error.is_body_write_aborted() {
        "answer_not_taken"
    } else {
        "io"
    }
}
