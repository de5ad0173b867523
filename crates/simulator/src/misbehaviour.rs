//! Plays a scripted fault.
//!
//! What a fault needs of the right answer it gets by asking for it, so that a truncated list is
//! truncated where the real one would be.

use std::{collections::VecDeque, convert::Infallible, sync::LazyLock, time::Duration};

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress};
use futures_util::{StreamExt, stream};
use http::{HeaderValue, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::time::sleep;

use super::{
    Fault, FaultKind, Simulator, Target,
    reply::{self, Chunks, HangUp, Reply, ReplyBody, boxed},
};

/// Time between the bytes of a drip.
const DRIP: Duration = Duration::from_millis(100);
/// How long a truncated body waits before its end: what was written has then left the process.
const BEFORE_TRUNCATION: Duration = Duration::from_millis(20);

/// Items of a huge list come in pieces of this many bytes, 4096 of them.
const HUGE_PIECE_BYTES: usize = 64 * 1024;
const HUGE_PIECES: usize = 4096;
const HUGE_ITEM: &str =
    r#"{"id":"00000000-0000-4000-8000-000000000000","name":"one-of-many","sddc_state":"READY"},"#;

/// A bomb inflates to this many blocks.
const BOMB_BLOCKS: usize = 1024;
const BOMB_BLOCK_BYTES: usize = 1024 * 1024;

const HTML: &str = "<html><head><title>503 Service Temporarily Unavailable</title></head><body>\
    <center><h1>503 Service Temporarily Unavailable</h1></center></body></html>";

impl Simulator {
    /// Plays `fault`; `right` is what would be answered without it.
    pub(super) async fn play(
        &self,
        fault: &Fault,
        target: Target,
        path: &str,
        right: impl FnOnce() -> Reply,
    ) -> Result<Reply, HangUp> {
        let wait = fault.delay_ms.map(Duration::from_millis);
        if let Some(wait) = wait.filter(|_| fault.kind != FaultKind::Drip) {
            sleep(wait).await;
        }
        match fault.kind {
            FaultKind::Hang => std::future::pending().await,
            FaultKind::Reset => Err(HangUp::Reset),
            FaultKind::Delay => Ok(right()),
            FaultKind::ExpireTokens => {
                self.revoke_tokens();
                Ok(right())
            }
            FaultKind::Drip => Ok(drip(right(), wait.unwrap_or(DRIP)).await),
            FaultKind::Truncate => Ok(truncate(right()).await),
            _ => Ok(self.make_up(fault, target, path)),
        }
    }

    /// An answer that owes nothing to the right one.
    fn make_up(&self, fault: &Fault, target: Target, path: &str) -> Reply {
        let mut reply = match fault.kind {
            FaultKind::Garbage => {
                given(fault, StatusCode::OK, reply::JSON, r#"[{"id": "5ddc, NaN]"#)
            }
            FaultKind::Html => {
                given(fault, StatusCode::OK, HeaderValue::from_static("text/html"), HTML)
            }
            FaultKind::Body => given(fault, StatusCode::OK, reply::JSON, ""),
            FaultKind::Empty => reply::empty(fault.status_or(StatusCode::OK)),
            FaultKind::Redirect => redirect(fault),
            FaultKind::Huge => huge(),
            FaultKind::GzipBomb => gzip_bomb(),
            _ => self.error(fault, target, path),
        };
        if let Some(value) = fault.retry_after_header() {
            reply.headers_mut().insert(header::RETRY_AFTER, value);
        }
        reply
    }

    fn error(&self, fault: &Fault, target: Target, path: &str) -> Reply {
        let status = fault.status_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = self.error_for(status, target, path);
        given(fault, status, reply::JSON, &body.to_string())
    }
}

/// The fault's own status, content type and body where it gives them.
fn given(fault: &Fault, status: StatusCode, content_type: HeaderValue, body: &str) -> Reply {
    let own = fault.content_type.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
    let body = fault.body.clone().unwrap_or_else(|| body.to_owned());
    reply::reply(fault.status_or(status), own.unwrap_or(content_type), body)
}

fn redirect(fault: &Fault) -> Reply {
    let mut reply = reply::empty(fault.status_or(StatusCode::FOUND));
    let elsewhere = HeaderValue::from_static("https://elsewhere.example/login");
    reply.headers_mut().insert(header::LOCATION, elsewhere);
    reply
}

/// Head and whole body of an answer, the length written into the head.
async fn taken_apart(reply: Reply) -> (http::response::Parts, Bytes) {
    let (mut head, body) = reply.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    head.headers.insert(header::CONTENT_LENGTH, body.len().into());
    (head, body)
}

async fn drip(reply: Reply, gap: Duration) -> Reply {
    let (head, body) = taken_apart(reply).await;
    let bytes = stream::iter(0..body.len()).then(move |at| {
        let byte = body.slice(at..=at);
        async move {
            sleep(gap).await;
            Ok::<_, Infallible>(Frame::data(byte))
        }
    });
    Reply::from_parts(head, boxed(StreamBody::new(bytes)))
}

async fn truncate(reply: Reply) -> Reply {
    let (head, body) = taken_apart(reply).await;
    let half = body.slice(..body.len() / 2);
    let start = stream::iter([Ok(Frame::data(half))]);
    let end = stream::once(async {
        sleep(BEFORE_TRUNCATION).await;
        Err(HangUp::Truncate)
    });
    Reply::from_parts(head, ReplyBody::new(StreamBody::new(start.chain(end))))
}

/// Sent in chunks, so that no announced length warns the client.
fn huge() -> Reply {
    let piece: Bytes = HUGE_ITEM.repeat(HUGE_PIECE_BYTES / HUGE_ITEM.len() + 1).into();
    let pieces = stream::iter(std::iter::repeat_n(piece, HUGE_PIECES));
    let list = stream::iter([Bytes::from_static(b"[")])
        .chain(pieces)
        .chain(stream::iter([Bytes::from_static(b"{}]")]))
        .map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
    let mut reply = reply::reply(StatusCode::OK, reply::JSON, Bytes::new());
    *reply.body_mut() = boxed(StreamBody::new(list));
    reply
}

/// `[` , a gigabyte of spaces, `]`: valid JSON, which only a bound on the decoded size stops.
fn gzip_bomb() -> Reply {
    static BOMB: LazyLock<GzipBomb> = LazyLock::new(GzipBomb::build);
    let mut chunks = VecDeque::from([BOMB.start.clone()]);
    chunks.extend(std::iter::repeat_n(BOMB.block.clone(), BOMB_BLOCKS));
    chunks.push_back(BOMB.end.clone());
    let mut reply = reply::reply(StatusCode::OK, reply::JSON, Bytes::new());
    *reply.body_mut() = boxed(Chunks::new(chunks));
    reply.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    reply
}

/// The parts of a gzip body (RFC 1952). A full flush ends each deflate block on a byte and forgets
/// what came before it, so that one compressed block can be repeated.
struct GzipBomb {
    start: Bytes,
    block: Bytes,
    end: Bytes,
}

impl GzipBomb {
    fn build() -> Self {
        let spaces = vec![b' '; BOMB_BLOCK_BYTES];
        let mut sum = checksum(b"[");
        let block_sum = checksum(&spaces);
        for _ in 0..BOMB_BLOCKS {
            sum.combine(&block_sum);
        }
        sum.combine(&checksum(b"]"));
        // Magic, deflate, no flags, no time, no extra flags, unknown system.
        let mut start = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
        start.extend(deflated(b"["));
        let mut end = deflated(b"]");
        // An empty last block, then the checksum and the length.
        end.extend([0x03, 0x00]);
        end.extend(sum.sum().to_le_bytes());
        end.extend(sum.amount().to_le_bytes());
        Self { start: start.into(), block: deflated(&spaces).into(), end: end.into() }
    }
}

fn checksum(bytes: &[u8]) -> Crc {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    // Far more than these two kinds of input need: one call takes it all.
    let mut out = Vec::with_capacity(bytes.len() / 100 + 64);
    let mut deflate = Compress::new(Compression::best(), false);
    deflate.compress_vec(bytes, &mut out, FlushCompress::Full).expect("there is room for it");
    out.shrink_to_fit();
    out
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[tokio::test]
    async fn the_bomb_is_a_gzip_body_that_grows_a_thousandfold() {
        let body = gzip_bomb().into_body().collect().await.unwrap().to_bytes();
        assert!(body.len() < 2 * 1024 * 1024, "{}", body.len());
        let mut start = Vec::new();
        let inflated = flate2::read::GzDecoder::new(&*body);
        inflated.take(4 * 1024 * 1024).read_to_end(&mut start).unwrap();
        assert_eq!(start.len(), 4 * 1024 * 1024);
        assert!(start.starts_with(b"[   "));
    }
}
