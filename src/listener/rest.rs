//! How a connection keeps little between two requests that are far apart.
//!
//! hyper has two buffers of 8 KiB for each connection and gives none back. So a connection that has been
//! idle for [`REST_AFTER`] is taken out of hyper, rests as a socket alone, and is handed to hyper again
//! with its next byte: `Connection::serve_http1`.
//!
//! *Must not break*: no byte is lost on the way. Test: `tests/it/resting.rs`.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// Longer than a client takes that asks again and again, so that only idle connections rest.
pub(super) const REST_AFTER: Duration = Duration::from_millis(100);

/// What is read ahead while an answer is late: as much as hyper would.
const MAX_AHEAD_BYTES: usize = 64 * 1024;

/// A stream, and what was read of it before it is read again.
#[derive(Debug)]
pub(super) struct Rewound<S> {
    came: Bytes,
    stream: S,
}

impl<S: AsyncRead + Unpin> Rewound<S> {
    /// A stream of which these bytes were read already, and nothing was done with them.
    pub(super) fn new(came: Bytes, stream: S) -> Self {
        Self { came, stream }
    }

    /// The same with these bytes in front of all that is still to be read: they were read, and nothing was
    /// done with them.
    pub(super) fn put_back(self, came: Bytes) -> Self {
        let came = match (came.is_empty(), self.came.is_empty()) {
            // Empty, it would still keep the buffer that it is a part of.
            (true, _) => self.came,
            (false, true) => came,
            (false, false) => [came, self.came].concat().into(),
        };
        Self { came, ..self }
    }

    /// Waits for the next byte, without taking it. False at the end of the stream.
    ///
    /// # Errors
    /// The stream's.
    pub(super) async fn has_more(&mut self) -> io::Result<bool> {
        if self.came.is_empty() {
            let mut byte = [0];
            let read = self.stream.read(&mut byte).await?;
            self.came = Bytes::copy_from_slice(&byte[..read]);
        }
        Ok(!self.came.is_empty())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Rewound<S> {
    /// Returns when the peer has gone. What it sends meanwhile is kept, up to [`MAX_AHEAD_BYTES`]: a socket with
    /// unread bytes does not wake who waits for its end.
    pub(super) async fn gone(&mut self) {
        poll_fn(|cx| {
            let mut bytes = [0; 1024];
            while self.came.len() < MAX_AHEAD_BYTES {
                let mut buffer = ReadBuf::new(&mut bytes);
                match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                    Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                        self.came = [&*self.came, buffer.filled()].concat().into();
                    }
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending => break,
                }
            }
            // A peer that has sent more than is kept may still be seen to go.
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(Err(_)) => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
    }

    /// How many bytes of the peer's wait to be read again.
    pub(super) fn waiting(&self) -> usize {
        self.came.len()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.came.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let taken = self.came.len().min(buffer.remaining());
        buffer.put_slice(&self.came[..taken]);
        self.came.advance(taken);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn what_was_read_before_comes_first_and_once() {
        let (ours, mut theirs) = duplex(64);
        let mut stream = Rewound::new(Bytes::from_static(b"GE"), ours);
        assert!(stream.has_more().await.unwrap());
        theirs.write_all(b"T /").await.unwrap();
        drop(theirs);
        let mut all = Vec::new();
        let mut first = [0; 1];
        stream.read_exact(&mut first).await.unwrap();
        stream.read_to_end(&mut all).await.unwrap();
        assert_eq!((&first, &*all), (b"G", &b"ET /"[..]));
        assert!(!stream.has_more().await.unwrap());
    }

    #[tokio::test]
    async fn what_is_put_back_comes_before_what_was_not_read_again_yet() {
        let (ours, theirs) = duplex(64);
        let mut stream = Rewound::new(Bytes::from_static(b"GET /"), ours);
        drop(theirs);
        let mut read = [0; 2];
        stream.read_exact(&mut read).await.unwrap();
        let mut stream = stream.put_back(Bytes::from_static(b"E")).put_back(Bytes::new());
        assert_eq!(stream.waiting(), 4);
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "ET /");
    }

    #[tokio::test]
    async fn a_byte_that_was_waited_for_is_not_taken() {
        let (ours, mut theirs) = duplex(64);
        let mut stream = Rewound::new(Bytes::new(), ours);
        theirs.write_all(b"GET").await.unwrap();
        assert!(stream.has_more().await.unwrap());
        let mut came = [0; 3];
        stream.read_exact(&mut came).await.unwrap();
        assert_eq!(&came, b"GET");
    }
}
