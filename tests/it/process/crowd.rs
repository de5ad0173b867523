//! Many callers that ask without pause, each on a connection that it keeps as long as it may.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use sddc_gateway::clock::{Clock, Instant};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    runtime::{Builder, Runtime},
    sync::watch,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{harness::DEADLINE, tls_listener::client::Dialer};

/// Where callers knock.
#[derive(Clone)]
pub enum Door {
    Plain(SocketAddr),
    Tls(SocketAddr, Box<Dialer>),
}

/// The callers. Nobody asks again after a failure: none is made good by a second try.
pub struct Crowd {
    runtime: Runtime,
    callers: TaskTracker,
    leave: CancellationToken,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    tally: watch::Sender<Tally>,
    failures: Mutex<Vec<Failure>>,
}

/// What was answered, all of it whole and 200.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    pub answered: u64,
    /// From a snapshot that is past its freshness.
    pub stale: u64,
    /// Said to be the connection's last.
    pub last: u64,
    /// Connections that were opened.
    pub connections: u64,
}

/// A request without a good answer.
pub struct Failure {
    pub at: Instant,
    pub met: Met,
    why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    /// Nobody listens.
    Refused,
    /// The connection ended before anything was answered on it: nobody may have accepted it.
    Unanswered,
    /// It ended later, or amidst an answer, or nothing came.
    Lost,
    /// Another answer than 200.
    Status,
}

impl Crowd {
    /// So many callers. `head` is the head of what one of them asks, without its end.
    pub fn at(door: &Door, callers: usize, head: impl Fn(usize) -> String) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (tasks, leave) = (TaskTracker::new(), CancellationToken::new());
        let seen = Arc::new(Seen::default());
        for number in 0..callers {
            let request = format!("{}\r\n", head(number));
            let asking = ask_on(door.clone(), request, leave.clone(), seen.clone());
            tasks.spawn_on(asking, runtime.handle());
        }
        tasks.close();
        Self { runtime, callers: tasks, leave, seen }
    }

    /// Waits until so much has been seen.
    pub fn until(&self, what: &str, holds: impl FnMut(&Tally) -> bool) {
        let mut tally = self.seen.tally.subscribe();
        let wait = async { timeout(DEADLINE, tally.wait_for(holds)).await.map(drop) };
        let came = self.runtime.block_on(wait);
        assert!(came.is_ok(), "never came: {what}\n{:?}", self.seen);
    }

    /// Waits for some more answers for each of them.
    pub fn goes_on(&self) {
        let more = self.tally().answered + 5 * self.callers.len() as u64;
        self.until("more answers", |tally| tally.answered >= more);
    }

    pub fn tally(&self) -> Tally {
        *self.seen.tally.borrow()
    }

    /// Waits until all callers have left by themselves, and gives what they met.
    pub fn ended(self) -> (Tally, Vec<Failure>) {
        let wait = async { timeout(DEADLINE, self.callers.wait()).await };
        assert!(self.runtime.block_on(wait).is_ok(), "some are still there: {:?}", self.seen);
        let failures = std::mem::take(&mut *self.seen.failures.lock().unwrap());
        (self.tally(), failures)
    }

    /// Lets all leave once they are answered. None has failed.
    pub fn leaves_content(self) -> Tally {
        self.leave.cancel();
        let (tally, failures) = self.ended();
        assert!(failures.is_empty(), "{} failed: {failures:?}", failures.len());
        assert!(tally.answered > 0);
        tally
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.met, self.why)
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", *self.tally.borrow(), self.failures.lock().unwrap())
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Door {
    async fn knock(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Plain(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Self::Tls(address, dialer) => Ok(Box::new(dialer.dial(*address).await?)),
        }
    }
}

async fn ask_on(door: Door, request: String, leave: CancellationToken, seen: Arc<Seen>) {
    while !leave.is_cancelled() {
        if let Err((met, why)) = stay(&door, &request, &leave, &seen).await {
            let at = Clock::system().now();
            return seen.failures.lock().unwrap().push(Failure { at, met, why });
        }
    }
}

/// Asks on one connection as long as it lasts.
async fn stay(
    door: &Door,
    request: &str,
    leave: &CancellationToken,
    seen: &Seen,
) -> Result<(), (Met, String)> {
    let stream = timeout(DEADLINE, door.knock()).await.unwrap_or_else(|late| Err(late.into()));
    let mut stream = stream.map_err(|error| {
        let is_refused = error.kind() == io::ErrorKind::ConnectionRefused;
        (if is_refused { Met::Refused } else { Met::Unanswered }, error.to_string())
    })?;
    seen.tally.send_modify(|tally| tally.connections += 1);
    let mut met = Met::Unanswered;
    let mut is_last = false;
    while !is_last && !leave.is_cancelled() {
        let mut answer = Vec::with_capacity(8 * 1024);
        let exchange = timeout(DEADLINE, exchange(&mut stream, request, &mut answer)).await;
        let head = match exchange {
            Ok(Ok(head)) => head,
            Ok(Err(error)) if answer.is_empty() => return Err((met, error.to_string())),
            Ok(Err(error)) => return Err((Met::Lost, error.to_string())),
            Err(late) => return Err((Met::Lost, late.to_string())),
        };
        if !head.starts_with("http/1.1 200") {
            return Err((Met::Status, String::from_utf8_lossy(&answer).into_owned()));
        }
        met = Met::Lost;
        is_last = head.contains("\r\nconnection: close\r\n");
        seen.tally.send_modify(|tally| {
            tally.answered += 1;
            tally.last += u64::from(is_last);
            tally.stale += u64::from(head.contains("detail=stale-"));
        });
    }
    Ok(())
}

/// Asks, and reads an answer until it is whole; gives its head, in lower case.
async fn exchange(
    stream: &mut Box<dyn Stream>,
    request: &str,
    answer: &mut Vec<u8>,
) -> io::Result<String> {
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let ends_at = loop {
        if stream.read_buf(answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(at) = answer.windows(4).position(|end| end == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let head = String::from_utf8_lossy(&answer[..ends_at]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.and_then(|length| length.parse().ok()).expect(&head);
    let read = answer.len();
    answer.resize(read.max(ends_at + length), 0);
    stream.read_exact(&mut answer[read..]).await?;
    Ok(head)
}
