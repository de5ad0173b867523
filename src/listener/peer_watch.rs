//! Whether a peer has gone, while nothing is read from it.

use std::{
    future::Future,
    task::{Context, Poll},
};

use tokio::{io::Interest, net::TcpStream};

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
