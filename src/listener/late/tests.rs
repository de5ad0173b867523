use std::{convert::Infallible, sync::Arc};

use axum::body::Body;
use futures_util::stream;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, DuplexStream, duplex};

use super::*;
use crate::listener::state::ConnectionState;

/// Room for all that is sent, so that nobody waits for the reader.
const ROOM: usize = 64 * 1024;

#[derive(Debug, Clone, Copy)]
enum Kind {
    Empty,
    Whole,
    /// In pieces, of which one is empty.
    Pieces,
    NotModified,
    NoContent,
    /// A HEAD's, with the length of what a GET would get.
    HeadOnly,
    Closing,
}

const KINDS: [Kind; 7] = [
    Kind::Empty,
    Kind::Whole,
    Kind::Pieces,
    Kind::NotModified,
    Kind::NoContent,
    Kind::HeadOnly,
    Kind::Closing,
];

impl Kind {
    fn may_answer(self, method: &str) -> bool {
        method == "HEAD" || !matches!(self, Self::HeadOnly)
    }

    fn answer(self) -> Response<AnswerBody> {
        let builder = Response::builder().header("etag", "\"x\"").header("vary", "a");
        let builder = builder.header("vary", "b");
        let built = match self {
            Self::Empty => builder.body(Body::empty()),
            Self::Whole => builder.status(404).body(Body::from("whole")),
            Self::Pieces => {
                let pieces = ["one", "", "a longer piece than sixteen"].map(Ok::<_, Infallible>);
                builder.body(Body::from_stream(stream::iter(pieces)))
            }
            Self::NotModified => builder.status(304).body(Body::empty()),
            Self::NoContent => builder.status(204).body(Body::empty()),
            Self::HeadOnly => builder.header("content-length", "5").body(Body::empty()),
            Self::Closing => builder.header("connection", "close").body(Body::from("whole")),
        };
        let guard = Arc::new(ConnectionState::default()).begin();
        built.unwrap().map(|body| AnswerBody::new(body, guard))
    }
}

/// A request's head, and the same for hyper to read.
fn request(method: &str, version: Version, connection: Option<&str>) -> (Request<Body>, String) {
    let mut builder = Request::builder().method(method).uri("/").version(version);
    let mut fields = "Host: a\r\n".to_owned();
    if let Some(option) = connection {
        builder = builder.header("connection", option);
        fields = format!("Connection: {option}\r\n{fields}");
    }
    let text = format!("{method} / {version:?}\r\n{fields}\r\n");
    (builder.body(Body::empty()).unwrap(), text)
}

/// What was sent before the other end was dropped: the head's lines in order, without the date, and the body.
async fn sent(mut theirs: DuplexStream) -> (Vec<String>, String) {
    let mut all = String::new();
    theirs.read_to_string(&mut all).await.unwrap();
    let (head, body) = all.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{all:?}"));
    assert_eq!(head.matches("\r\ndate: ").count(), 1, "{head}");
    let mut lines: Vec<_> = head.lines().filter(|line| !line.starts_with("date: ")).collect();
    lines[1..].sort_unstable();
    (lines.into_iter().map(str::to_owned).collect(), body.to_owned())
}

async fn by_hyper(kind: Kind, text: &str) -> (Vec<String>, String, bool) {
    let (ours, mut theirs) = duplex(ROOM);
    theirs.write_all(text.as_bytes()).await.unwrap();
    let service = service_fn(move |_| async move { Ok::<_, Infallible>(kind.answer()) });
    let mut serving = http1::Builder::new().serve_connection(TokioIo::new(ours), service);
    // It waits for the next request where the connection stays.
    let stays = (&mut serving).now_or_never().is_none();
    drop(serving);
    let (head, body) = sent(theirs).await;
    (head, body, stays)
}

async fn by_us(kind: Kind, request: &Request<Body>) -> (Vec<String>, String, bool) {
    let (ours, theirs) = duplex(ROOM);
    let mut stream = Rewound::new(Bytes::new(), ours);
    let sending = Sending::of(request).unwrap();
    let stays = sending.send(kind.answer(), &mut stream).await.unwrap();
    drop(stream);
    let (head, body) = sent(theirs).await;
    (head, body, stays)
}

#[tokio::test]
async fn who_gets_an_answer_cannot_tell_who_has_sent_it() {
    let all = KINDS.into_iter().flat_map(|kind| [(kind, "GET"), (kind, "HEAD")]);
    for (kind, method) in all.filter(|(kind, method)| kind.may_answer(method)) {
        for version in [Version::HTTP_11, Version::HTTP_10] {
            for connection in [None, Some("close"), Some("Keep-Alive"), Some("x, CLOSE")] {
                let (request, text) = request(method, version, connection);
                let (mut hyper, ours) = (by_hyper(kind, &text).await, by_us(kind, &request).await);
                // Of a connection that it closes hyper may say that it stays.
                if version == Version::HTTP_10 && !hyper.2 {
                    hyper.0.retain(|line| line != "connection: keep-alive");
                    for line in &mut hyper.0 {
                        line.truncate(
                            line.strip_suffix(", keep-alive").map_or(line.len(), str::len),
                        );
                    }
                }
                assert_eq!(ours, hyper, "{kind:?} to {text:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_is_still_to_come_is_left_to_hyper() {
    let request = Request::new(Body::from("x"));
    assert!(Sending::of(&request).is_none());
}

#[tokio::test]
async fn a_body_that_breaks_off_has_no_end() {
    let (ours, mut theirs) = duplex(ROOM);
    let mut stream = Rewound::new(Bytes::new(), ours);
    let pieces = [Ok("one"), Err(io::Error::other("broken"))];
    let guard = Arc::new(ConnectionState::default()).begin();
    let body = AnswerBody::new(Body::from_stream(stream::iter(pieces)), guard);
    let sending = Sending::of(&Request::new(Body::empty())).unwrap();
    assert!(sending.send(Response::new(body), &mut stream).await.is_err());
    drop(stream);
    let mut all = String::new();
    theirs.read_to_string(&mut all).await.unwrap();
    assert!(all.ends_with("\r\n\r\n3\r\none\r\n"), "{all:?}");
}
