use std::{convert::Infallible, sync::Arc};

use axum::body::Body;
use futures_util::stream;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, DuplexStream, duplex},
    sync::oneshot,
    time::advance,
};

use super::*;
use crate::{
    clock::Clock,
    listener::{body::WatchedStream, state::ConnectionState},
    telemetry::Metrics,
};

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
    let writer = ResponseWriter::of(request).unwrap();
    let stays = writer.send(kind.answer(), &mut stream).await.unwrap();
    drop(stream);
    let (head, body) = sent(theirs).await;
    (head, body, stays)
}

#[tokio::test]
async fn who_gets_an_answer_cannot_tell_who_has_sent_it() {
    let all = KINDS.into_iter().flat_map(|kind| [(kind, "GET"), (kind, "HEAD")]);
    for (kind, method) in all.filter(|(kind, method)| kind.may_answer(method)) {
        for version in [Version::HTTP_11, Version::HTTP_10] {
            for connection in [
                None,
                Some("close"),
                Some("Keep-Alive"),
                Some("x, CLOSE"),
                Some("keep-alive, close"),
            ] {
                // Each has the whole of the task's budget.
                tokio::task::yield_now().await;
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

/// The answer to a request in a slot, polled once, and what gives it.
fn asked(
    slot: &LateSlot,
) -> (Pin<Box<impl Future<Output = Response<AnswerBody>>>>, oneshot::Sender<Response<AnswerBody>>) {
    let (give, given) = oneshot::channel();
    let writer = ResponseWriter::of(&Request::new(Body::empty())).unwrap();
    let making = given.map(|given| given.expect("it is given")).boxed();
    let mut waiting = Box::pin(slot.clone().wait(making, writer));
    assert!((&mut waiting).now_or_never().is_none(), "nothing is given yet");
    (waiting, give)
}

async fn is_late(slot: &LateSlot) -> bool {
    poll_fn(|cx| Poll::Ready(slot.is_late(cx))).await
}

fn event_stream() -> Response<AnswerBody> {
    let clock = Clock::system();
    let (metrics, began) = (Metrics::new(), clock.now());
    let watched = WatchedStream { metrics, clock, route: "/sddcs/events", began };
    Kind::Pieces.answer().map(|body| body.holding(None, Some(watched)))
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_late_after_a_moment_and_is_taken_with_what_makes_it() {
    let slot = LateSlot::default();
    assert!(!is_late(&slot).await, "nothing is asked");
    let (waiting, give) = asked(&slot);
    assert!(!is_late(&slot).await);
    advance(REST_AFTER).await;
    assert!(is_late(&slot).await);
    let late = slot.take().unwrap();
    drop(waiting);
    give.send(Kind::Whole.answer()).expect("it is still wanted");
    let (ours, _theirs) = duplex(ROOM);
    let (answer, _) = late.made(&mut Rewound::new(Bytes::new(), ours)).await.unwrap();
    assert_eq!(answer.status(), 404);
    assert!(!is_late(&slot).await && slot.take().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_given_up_is_dropped_before_and_after_it_is_late() {
    let slot = LateSlot::default();
    let (waiting, give) = asked(&slot);
    drop(waiting);
    assert!(give.is_closed() && slot.take().is_none());
    let (_waiting, give) = asked(&slot);
    let late = slot.take().unwrap();
    let (ours, theirs) = duplex(ROOM);
    drop(theirs);
    assert!(late.made(&mut Rewound::new(Bytes::new(), ours)).await.is_none());
    assert!(give.is_closed());
}

#[tokio::test(start_paused = true)]
async fn an_event_stream_is_taken_at_once_unless_the_connection_is_about_to_close() {
    for closes in [false, true] {
        let slot = LateSlot::default();
        let (mut waiting, give) = asked(&slot);
        assert!(give.send(event_stream()).is_ok());
        assert!((&mut waiting).now_or_never().is_none(), "hyper does not get it");
        assert!(is_late(&slot).await);
        if closes {
            slot.close();
            assert!(waiting.now_or_never().is_some(), "now it does");
        }
        assert_eq!(slot.take().is_none(), closes);
    }
    let slot = LateSlot::default();
    let (waiting, give) = asked(&slot);
    assert!(give.send(Kind::Whole.answer()).is_ok());
    assert!(waiting.now_or_never().is_some(), "what is there in time is hyper's");
}

#[tokio::test]
async fn a_body_that_is_still_to_come_is_left_to_hyper() {
    let request = Request::new(Body::from("x"));
    assert!(ResponseWriter::of(&request).is_none());
}

#[tokio::test]
async fn a_body_that_breaks_off_has_no_end() {
    let (ours, mut theirs) = duplex(ROOM);
    let mut stream = Rewound::new(Bytes::new(), ours);
    let pieces = [Ok("one"), Err(io::Error::other("broken"))];
    let guard = Arc::new(ConnectionState::default()).begin();
    let body = AnswerBody::new(Body::from_stream(stream::iter(pieces)), guard);
    let writer = ResponseWriter::of(&Request::new(Body::empty())).unwrap();
    assert!(writer.send(Response::new(body), &mut stream).await.is_err());
    drop(stream);
    let mut all = String::new();
    theirs.read_to_string(&mut all).await.unwrap();
    assert!(all.ends_with("\r\n\r\n3\r\none\r\n"), "{all:?}");
}
