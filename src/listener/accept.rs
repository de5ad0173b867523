//! A listening socket: accepts connections, and serves each in a task of its own.

use std::{io, net::SocketAddr, os::fd::AsFd, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::{either::Either, sync::CancellationToken};

use super::{
    connection::{Connection, ListenerContext, when_woken},
    handshake::handshake,
    http2,
    io::TimedIo,
    pool::{ConnectionBounds, ConnectionGuard, ConnectionPool},
    state::ConnectionState,
};

/// After an accept that failed, for want of file descriptors perhaps.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Callers that may all come back at once after a restart wait here. The kernel has a bound of its own, 4096 by
/// default (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;

/// Binds a socket and listens.
///
/// # Errors
/// The operating system's.
pub fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As the standard library has it: a restart does not wait for the end of old connections.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// One listening socket and how it is served.
pub struct Listener {
    /// The bound socket.
    pub socket: TcpListener,
    /// Connections open at once; at it the longest idle one makes room, see [`super::pool`].
    pub bounds: ConnectionBounds,
    /// Ends what is left of the connections, requests in flight or not.
    pub cut: CancellationToken,
    /// What the connections share.
    pub context: Arc<ListenerContext>,
}

impl Listener {
    /// Accepts until closed.
    pub async fn serve(self) {
        // While some are still let in, the tracker is not empty.
        let _accepting = self.context.connections.token();
        let pool = ConnectionPool::new(self.bounds, self.context.metrics.clone());
        let close = &self.context.close;
        while let Some((stream, peer)) = close.run_until_cancelled(self.accept()).await {
            let client = peer.ip().to_canonical();
            let admitted = match close.run_until_cancelled(pool.admit(client)).await {
                Some(admitted) => admitted,
                // What waits for room when the listener closes has come in time.
                None => Some(pool.enter(client)),
            };
            if let Some((guard, state)) = admitted {
                self.spawn(stream, peer, state, guard);
            }
        }
        while pool.has_room() {
            let Some((stream, peer)) = self.accept_queued() else { break };
            let (guard, state) = pool.enter(peer.ip().to_canonical());
            self.spawn(stream, peer, state, guard);
        }
    }

    /// Runs a connection until it ends or is cut. What it drops then ends its requests: those of
    /// HTTP/2 see that their connection is gone. A panic (one of a request is caught before) ends the
    /// connection alone, and is counted.
    fn spawn(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        state: Arc<ConnectionState>,
        guard: ConnectionGuard,
    ) {
        // Boxed: each layer around it would keep room for it once more.
        let connection = serve(Connection::new(self.context.clone(), peer, state), stream).boxed();
        let (cut, metrics) = (self.cut.clone(), self.context.metrics.clone());
        self.context.connections.spawn(async move {
            let connection = async {
                tokio::select! {
                    biased;
                    () = connection => {}
                    () = when_woken(cut.cancelled()) => {}
                }
            };
            if AssertUnwindSafe(connection).catch_unwind().await.is_err() {
                tracing::error!("a connection's task panicked");
                metrics.task_failure("connection");
            }
            drop(guard);
        });
    }

    async fn accept(&self) -> (TcpStream, SocketAddr) {
        let mut is_failing = false;
        loop {
            match self.socket.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    self.context.metrics.connection_error("accept");
                    // Once a spell: want of file descriptors lasts, and comes back at each try.
                    if !std::mem::replace(&mut is_failing, true) {
                        let error = crate::os_error::describe(&error);
                        tracing::warn!(%error, "the listener cannot accept connections");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// A connection that came before the socket is closed. Its client may have sent a request as well,
    /// and would get a reset. Does not wait: tokio's own accept would, for its driver.
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

/// Serves a connection to its end: with or without TLS, over HTTP/1.1 or HTTP/2.
async fn serve(mut connection: Connection, stream: TcpStream) {
    // Answers are written whole: waiting to fill a segment only delays them.
    let _ = stream.set_nodelay(true);
    let stream = TimedIo::new(stream, connection.state.clone(), connection.context.limits);
    // Large futures are boxed: an idle HTTP/1.1 connection keeps no room for them.
    let (stream, is_http2) = match connection.context.tls.clone() {
        None => (Either::Left(stream), false),
        Some(tls) => match Box::pin(handshake(&mut connection, tls, stream)).await {
            Some((stream, is_http2)) => (Either::Right(stream), is_http2),
            None => return,
        },
    };
    if is_http2 {
        Box::pin(http2::serve(&connection, stream)).await;
    } else {
        connection.serve_http1(stream).await;
    }
}
