//! HTTP/2 as bytes (RFC 9113 section 4.1), for what no client library sends.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;

use super::client::Dialer;
use crate::harness::DEADLINE;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Flags: `END_STREAM` (and `ACK`), `END_HEADERS`.
pub const ENDS: u8 = 1;
pub const WHOLE_HEAD: u8 = 4;

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// `GET path` as a header block (RFC 7541), without Huffman's code.
pub fn head(path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x87, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend(path.as_bytes());
    block.extend([0x01, 9]);
    block.extend(b"localhost");
    block
}

/// A whole request.
pub fn request(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, ENDS | WHOLE_HEAD, stream, &head(path))
}

pub fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

/// A frame that came.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The reason of a GOAWAY.
    pub fn reason(&self) -> u32 {
        assert_eq!(self.kind, GOAWAY);
        u32::from_be_bytes(self.payload[4..8].try_into().unwrap())
    }
}

/// A connection that has said hello.
pub struct Raw {
    sending: WriteHalf<TlsStream<TcpStream>>,
    pub coming: Coming,
}

/// Its other direction.
pub struct Coming(ReadHalf<TlsStream<TcpStream>>);

impl Raw {
    pub async fn open(dialer: &Dialer, address: SocketAddr) -> Self {
        let stream = dialer.clone().offering(&["h2"]).dial(address).await.unwrap();
        let (coming, sending) = split(stream);
        let mut raw = Self { sending, coming: Coming(coming) };
        assert!(raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await);
        assert!(raw.send(&frame(SETTINGS, 0, 0, &[])).await);
        raw.coming.next_of(SETTINGS).await;
        assert!(raw.send(&frame(SETTINGS, ENDS, 0, &[])).await);
        raw
    }

    /// Whether it could be sent.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        let sent = async {
            self.sending.write_all(bytes).await?;
            self.sending.flush().await
        };
        timeout(DEADLINE, sent).await.expect("sent in time").is_ok()
    }

    /// Sends what is made, again and again, until the gateway ends the connection or `most` bytes
    /// have gone; reads meanwhile. Gives how many went, and the frames that came.
    pub async fn flood(
        self,
        most: usize,
        mut make: impl FnMut() -> Vec<u8>,
    ) -> (usize, Vec<Frame>) {
        let Self { mut sending, mut coming } = self;
        let send = async {
            let mut sent = 0;
            while sent < most {
                let bytes = make();
                if sending.write_all(&bytes).await.is_err() || sending.flush().await.is_err() {
                    break;
                }
                sent += bytes.len();
            }
            sent
        };
        let read = async {
            let mut frames = Vec::new();
            while let Some(frame) = coming.next().await {
                frames.push(frame);
            }
            frames
        };
        timeout(DEADLINE, async { tokio::join!(send, read) }).await.expect("an end in time")
    }
}

impl Coming {
    /// The next frame; `None` at the end, however it came.
    pub async fn next(&mut self) -> Option<Frame> {
        let read = async {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let [a, b, c, kind, flags, id @ ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            self.0.read_exact(&mut payload).await.ok()?;
            Some(Frame { kind, flags, stream: u32::from_be_bytes(id), payload })
        };
        timeout(DEADLINE, read).await.expect("something in time")
    }

    /// The next frame of a kind, which must come.
    pub async fn next_of(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next().await.unwrap_or_else(|| panic!("the end, not kind {kind}"));
            if frame.kind == kind {
                return frame;
            }
        }
    }
}
