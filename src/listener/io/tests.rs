use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;

const LIMITS: Limits = Limits {
    header: Duration::from_secs(10),
    idle: Duration::from_secs(75),
    write: Duration::from_secs(30),
};

#[expect(clippy::disallowed_methods, reason = "the paused clock of these tests is tokio's")]
async fn waits(io: &mut TimedIo<tokio::io::DuplexStream>) -> u64 {
    let begun = Instant::now();
    let read = io.read(&mut [0; 64]).await.unwrap();
    assert_eq!(read, 0, "the end looks like the peer's going");
    begun.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn head_and_idle_have_their_own_limits() {
    let (ours, mut theirs) = duplex(64);
    let state = Arc::new(ConnectionState::default());
    let mut io = TimedIo::new(ours, state.clone(), LIMITS);
    assert_eq!(waits(&mut io).await, 10, "the first head");
    for _ in 0..2 {
        drop(state.begin());
        assert_eq!(waits(&mut io).await, 75, "between requests");
    }
    theirs.write_all(b"GET").await.unwrap();
    assert_eq!(io.read(&mut [0; 64]).await.unwrap(), 3);
    assert_eq!(waits(&mut io).await, 10, "from a later head's first byte");
}

#[tokio::test(start_paused = true)]
async fn the_idle_limit_begins_with_the_flush_of_an_answer() {
    let (ours, _theirs) = duplex(64);
    let state = Arc::new(ConnectionState::default());
    let limits = Limits { idle: Duration::from_secs(5), ..LIMITS };
    let mut io = TimedIo::new(ours, state.clone(), limits);
    assert!(futures_util::poll!(std::pin::pin!(io.read(&mut [0; 64]))).is_pending());
    drop(state.begin());
    io.flush().await.unwrap();
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(waits(&mut io).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_cut() {
    let (ours, _theirs) = duplex(8);
    let mut io = TimedIo::new(ours, Arc::default(), LIMITS);
    let error = io.write_all(&[0; 64]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn with_many_requests_at_once_the_idle_limit_begins_when_the_last_is_over() {
    let (ours, mut theirs) = duplex(64);
    let state = Arc::new(ConnectionState::default());
    state.set_http2();
    let mut io = TimedIo::new(ours, state.clone(), LIMITS);
    let (one, other) = (state.begin(), state.begin());
    drop(one);
    let long = Duration::from_secs(1000);
    assert!(tokio::time::timeout(long, io.read(&mut [0; 64])).await.is_err(), "one is open");
    drop(other);
    theirs.write_all(b"ping").await.unwrap();
    assert_eq!(io.read(&mut [0; 64]).await.unwrap(), 4);
    assert_eq!(waits(&mut io).await, 75, "a frame is no head");
}

#[tokio::test(start_paused = true)]
async fn a_flood_ends_the_connection() {
    let (ours, mut theirs) = duplex(1 << 20);
    let state = Arc::new(ConnectionState::default());
    state.set_http2();
    let mut io = TimedIo::new(ours, state.clone(), LIMITS);
    theirs.write_all(&vec![0; 300 * 1024]).await.unwrap();
    let mut buffer = vec![0; 1 << 20];
    let error = io.read(&mut buffer).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
}
