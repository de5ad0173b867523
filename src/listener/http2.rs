//! HTTP/2: bounds, and how a connection ends.
//!
//! A connection is one task, each of its requests another. When the gateway ends, a connection is
//! told so (GOAWAY) and what it has asked by then is answered: at once where something was asked
//! already, else after its first request, since a client that has just connected comes to ask.

use std::{convert::Infallible, future::Future, time::Duration};

use http_body::Body;
use hyper::{body::Incoming, rt::Executor, server::conn::http2, service::HttpService};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    EVICTION_GRACE, Plain, SecureStream, Secured,
    http2_guard::{ANSWER_NOT_TAKEN, CHUNK_BYTES, FLOOD, Http2Guard, RESET},
};

const MAX_STREAMS: u32 = 100;
/// More than the edge lets pass, so that it can answer with a problem.
const HEADER_LIST_BYTES: u32 = 64 * 1024;
/// A whole body.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// What may lie here of bodies that nobody has read yet.
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// Streams that the peer, or a fault of its, has reset and that are still remembered.
const MAX_RESET_STREAMS: usize = 20;
const MAX_FAULTY_STREAMS: usize = 100;
/// An event stream's peer that is gone without a word is found out so.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// For a peer to take GOAWAY when nothing is open any more.
const GOAWAY_GRACE: Duration = Duration::from_secs(1);

/// Runs each request as a task of its own, which ends when it is reset: the library tells the peer
/// of a stream that is dropped (`RST_STREAM` with `CANCEL`), and forgets what it still holds of it.
#[derive(Clone)]
pub(super) struct Requests(TaskTracker);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Requests {
    fn execute(&self, request: F) {
        let reset = CancellationToken::new();
        let request = RESET.scope(reset.clone(), request);
        self.0.spawn(async move {
            reset.run_until_cancelled(request).await;
        });
    }
}

fn http2(requests: TaskTracker) -> http2::Builder<Requests> {
    let mut builder = http2::Builder::new(Requests(requests));
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(HEADER_LIST_BYTES)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(CHUNK_BYTES)
        .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
        .max_local_error_reset_streams(MAX_FAULTY_STREAMS)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// Why the library ended a connection: a closed set.
pub(super) fn reason(error: &h2::Error) -> &'static str {
    match error.reason() {
        Some(h2::Reason::ENHANCE_YOUR_CALM) if error.is_library() => FLOOD,
        Some(_) if error.is_library() => "bad_request",
        _ => "io",
    }
}

impl Secured {
    pub(super) async fn serve_http2<S, B>(&self, stream: SecureStream, service: S)
    where
        S: HttpService<Incoming, ResBody = B, Error = Infallible>,
        S::Future: Send + 'static,
        B: Body<Data: Send, Error: Into<axum::BoxError>> + Send + 'static,
    {
        let Plain { state, limits, close, .. } = &self.plain;
        let Some(guard) = state.http2() else { return };
        let builder = http2(self.requests.clone());
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let mut look = every(limits.write / 4);
        let mut told = false;
        let mut closing = false;
        loop {
            if self.is_leaving() && !told {
                connection.as_mut().graceful_shutdown();
                told = true;
            }
            let is_evicted = state.is_evicted();
            if (is_evicted || close.is_cancelled()) && !closing {
                look = every(if is_evicted { EVICTION_GRACE } else { GOAWAY_GRACE });
                look.reset();
                closing = true;
            }
            let ticked = tokio::select! {
                ended = &mut connection => {
                    // A flood ends it from below, as a fault of the socket.
                    if !self.is_flooded(guard) {
                        self.record_end(ended);
                    }
                    return;
                }
                () = self.ending.cancelled(), if !self.ending.is_cancelled() => false,
                () = close.cancelled(), if !closing => false,
                () = state.evicted(), if !closing => false,
                () = guard.changed.notified() => false,
                _ = look.tick() => true,
            };
            if self.is_flooded(guard) {
                return;
            }
            if ticked {
                self.reset_late(guard);
                if closing && state.is_quiet() {
                    return;
                }
            }
        }
    }

    /// Whether the connection is not wanted any more.
    fn is_leaving(&self) -> bool {
        let Plain { state, close, .. } = &self.plain;
        close.is_cancelled()
            || state.is_evicted()
            || self.ending.is_cancelled() && state.was_asked()
    }

    fn is_flooded(&self, guard: &Http2Guard) -> bool {
        let flooded = guard.is_flooded();
        if flooded {
            self.plain.metrics.connection_error(FLOOD);
            tracing::debug!(client.address = %self.plain.address.ip(), "a connection was cut: a flood");
        }
        flooded
    }

    #[expect(clippy::disallowed_methods, reason = "socket timers are tokio's, like the sockets")]
    fn reset_late(&self, guard: &Http2Guard) {
        let Plain { limits, metrics, address, .. } = &self.plain;
        for _ in 0..guard.reset_late(limits.write, tokio::time::Instant::now()) {
            metrics.connection_error(ANSWER_NOT_TAKEN);
            tracing::debug!(client.address = %address.ip(), "an answer was not taken: reset");
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period.max(Duration::from_millis(10)));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
