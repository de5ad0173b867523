//! HTTP/2: bounds, and how a connection ends.
//!
//! A connection is one task, each of its requests another. When the gateway ends, a connection is
//! told so (GOAWAY) and what it has asked by then is answered: at once where something was asked
//! already, else after its first request, since a client that has just connected comes to ask.

use std::{future::Future, time::Duration};

use hyper::{rt::Executor, server::conn::http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    connection::{Connection, EVICTION_GRACE, MaybeTls},
    http2_guard::{ANSWER_NOT_TAKEN, CHUNK_BYTES, FLOOD, Http2Guard, RESET},
    state::now,
};

const MAX_STREAMS: u32 = 100;
/// More than the edge lets pass, so that it can answer with a problem.
const HEADER_LIST_BYTES: u32 = 64 * 1024;
/// A whole body.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// Bytes of request bodies that may lie here before they are read.
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// Streams that the peer, or a fault of its, has reset and that are still remembered.
const MAX_RESET_STREAMS: usize = 20;
const MAX_FAULTY_STREAMS: usize = 100;
/// Finds out that the peer of an event stream is gone without a word.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// For a peer to take GOAWAY when no request is open any longer.
const GOAWAY_GRACE: Duration = Duration::from_secs(1);

/// Runs each request as a task of its own, which ends when it is reset: the library tells the peer
/// of a stream that is dropped (`RST_STREAM` with `CANCEL`), and forgets what it still holds of it.
#[derive(Clone)]
pub(super) struct RequestExecutor(TaskTracker);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for RequestExecutor {
    fn execute(&self, request: F) {
        let reset = CancellationToken::new();
        let request = RESET.scope(reset.clone(), request);
        self.0.spawn(async move {
            reset.run_until_cancelled(request).await;
        });
    }
}

fn http2(requests: TaskTracker) -> http2::Builder<RequestExecutor> {
    let mut builder = http2::Builder::new(RequestExecutor(requests));
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

/// Serves HTTP/2 until the connection ends, or is not wanted any longer.
pub(super) async fn serve(connection: &Connection, stream: MaybeTls) {
    let Connection { context, state, .. } = connection;
    let Some(guard) = state.http2() else { return };
    let builder = http2(context.connections.clone());
    let serving = builder.serve_connection(TokioIo::new(stream), connection.clone());
    let mut serving = std::pin::pin!(serving);
    let mut tick = every(context.limits.write / 4);
    let mut has_goaway = false;
    let mut is_closing = false;
    loop {
        if is_leaving(connection) && !has_goaway {
            serving.as_mut().graceful_shutdown();
            has_goaway = true;
        }
        let is_evicted = state.is_evicted();
        if (is_evicted || context.close.is_cancelled()) && !is_closing {
            tick = every(if is_evicted { EVICTION_GRACE } else { GOAWAY_GRACE });
            tick.reset();
            is_closing = true;
        }
        let has_ticked = tokio::select! {
            ended = &mut serving => {
                // A flood ends it from below, as a fault of the socket.
                if !record_flood(connection, guard) {
                    connection.record_end(ended);
                }
                return;
            }
            () = context.ending.cancelled(), if !context.ending.is_cancelled() => false,
            () = context.close.cancelled(), if !is_closing => false,
            () = state.evicted(), if !is_closing => false,
            () = guard.changed.notified() => false,
            _ = tick.tick() => true,
        };
        if record_flood(connection, guard) {
            return;
        }
        if has_ticked {
            reset_late(connection, guard);
            if is_closing && state.is_quiet() {
                return;
            }
        }
    }
}

/// Whether the connection is not wanted any longer.
fn is_leaving(Connection { context, state, .. }: &Connection) -> bool {
    context.close.is_cancelled()
        || state.is_evicted()
        || context.ending.is_cancelled() && state.has_requests()
}

/// Whether the connection is cut because of a flood, which is counted.
fn record_flood(Connection { context, peer, .. }: &Connection, guard: &Http2Guard) -> bool {
    let is_flooded = guard.is_flooded();
    if is_flooded {
        context.metrics.connection_error(FLOOD);
        tracing::debug!(client.address = %peer.address.ip(), "a connection was closed because of a flood of frames");
    }
    is_flooded
}

/// Resets the requests whose answers the peer does not take.
fn reset_late(Connection { context, peer, .. }: &Connection, guard: &Http2Guard) {
    for _ in 0..guard.reset_late(context.limits.write, now()) {
        context.metrics.connection_error(ANSWER_NOT_TAKEN);
        tracing::debug!(client.address = %peer.address.ip(), "a stream was reset because the client did not read its answer");
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period.max(Duration::from_millis(10)));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
