//! Load at a rate of its own: requests come when they come, not when the last one is answered.
//!
//! A request takes a connection that waits for no answer. Where there is none it is lost, and counted:
//! a caller's pool is not endless either. Time runs from a request's arrival, not from when it got onto
//! the wire. Connections are opened beforehand, so that no arrival waits for one.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{net::TcpStream, runtime::Runtime};

use crate::server::now;

/// What is answered later is no use to anybody.
const USEFUL_MS: f64 = 1000.0;
const TICK: Duration = Duration::from_millis(1);

/// How requests come.
#[derive(Clone, Copy)]
pub enum Mode {
    /// So many callers, each of whom asks again once answered.
    Closed(usize),
    /// At a rate, on so many connections.
    Open { per_second: f64, connections: usize },
}

/// What became of the requests of one run.
#[derive(Default)]
pub struct Tally {
    pub offered: u32,
    /// Answered 200, and soon enough.
    pub good: u32,
    /// Answered 200, but too late.
    pub late: u32,
    /// Answered 503.
    pub shed: u32,
    /// No connection was free.
    pub unsent: u32,
    /// Of all that was answered 200.
    pub took_ms: Vec<f64>,
}

/// Makes requests and sends them.
pub struct Generator<'a> {
    address: SocketAddr,
    request: &'a dyn Fn(u64) -> Vec<u8>,
    made: Cell<u64>,
    runtime: Runtime,
}

/// One run's connections and what came of them.
struct Run<'a> {
    generator: &'a Generator<'a>,
    is_closed: bool,
    connections: Vec<Connection>,
    free: RefCell<Vec<usize>>,
    tally: RefCell<Tally>,
}

struct Connection {
    stream: TcpStream,
    /// When the request came that is not answered yet.
    asked: Cell<Option<Instant>>,
}

impl<'a> Generator<'a> {
    /// `request` makes one of a running number.
    pub fn new(address: SocketAddr, request: &'a dyn Fn(u64) -> Vec<u8>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self { address, request, made: Cell::new(0), runtime: runtime.expect("a runtime") }
    }

    /// Runs for a while. What is not answered by then is dropped.
    pub fn run(&self, mode: Mode, span: Duration) -> Tally {
        let (Mode::Closed(connections) | Mode::Open { connections, .. }) = mode;
        self.runtime.block_on(async {
            let run = Run {
                generator: self,
                is_closed: matches!(mode, Mode::Closed(_)),
                connections: self.open(connections).await,
                free: RefCell::new((0..connections).collect()),
                tally: RefCell::default(),
            };
            run.go_on(mode, span).await;
            run.tally.into_inner()
        })
    }

    async fn open(&self, count: usize) -> Vec<Connection> {
        let mut connections = Vec::new();
        for _ in 0..count {
            let stream = TcpStream::connect(self.address).await.expect("it listens");
            stream.set_nodelay(true).expect("a socket has it");
            connections.push(Connection { stream, asked: Cell::new(None) });
        }
        connections
    }
}

impl Run<'_> {
    async fn go_on(&self, mode: Mode, span: Duration) {
        let connections = 0..self.connections.len();
        let mut reading: FuturesUnordered<_> = connections.map(|id| self.read(id)).collect();
        tokio::select! {
            () = self.arrivals(mode, span) => {}
            _ = reading.next() => panic!("the gateway ended a connection"),
        }
    }

    async fn arrivals(&self, mode: Mode, span: Duration) {
        let begun = now();
        let mut tick = tokio::time::interval(TICK);
        let mut issued = 0_u32;
        if let Mode::Closed(callers) = mode {
            (0..callers).for_each(|_| self.arrive(begun));
        }
        while begun.elapsed() < span {
            tick.tick().await;
            let Mode::Open { per_second, .. } = mode else { continue };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it fits")]
            let due = (begun.elapsed().as_secs_f64() * per_second) as u32;
            while issued < due {
                // When it was due, though the generator may be late.
                self.arrive(begun + Duration::from_secs_f64(f64::from(issued) / per_second));
                issued += 1;
            }
        }
    }

    /// A request comes.
    fn arrive(&self, at: Instant) {
        self.tally.borrow_mut().offered += 1;
        let free = self.free.borrow_mut().pop();
        match free {
            Some(id) => self.ask(id, at),
            None => self.tally.borrow_mut().unsent += 1,
        }
    }

    fn ask(&self, id: usize, at: Instant) {
        let generator = self.generator;
        let request = (generator.request)(generator.made.get());
        generator.made.set(generator.made.get() + 1);
        let connection = &self.connections[id];
        let written = connection.stream.try_write(&request).expect("nothing else is on the way");
        assert_eq!(written, request.len(), "a socket's buffer holds a request");
        connection.asked.set(Some(at));
    }

    async fn read(&self, id: usize) {
        let stream = &self.connections[id].stream;
        let (mut came, mut buffer) = (Vec::new(), vec![0; 16 * 1024]);
        loop {
            stream.readable().await.expect("a socket");
            match stream.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => came.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
            if let Some(status) = whole(&came) {
                came.clear();
                self.answered(id, status);
            }
        }
    }

    fn answered(&self, id: usize, status: u16) {
        let asked = self.connections[id].asked.take().expect("it was asked");
        let took_ms = asked.elapsed().as_secs_f64() * 1e3;
        let mut tally = self.tally.borrow_mut();
        match status {
            200 => {
                let is_good = took_ms <= USEFUL_MS;
                tally.good += u32::from(is_good);
                tally.late += u32::from(!is_good);
                tally.took_ms.push(took_ms);
            }
            503 => tally.shed += 1,
            other => panic!("answered {other}"),
        }
        if self.is_closed {
            tally.offered += 1;
            drop(tally);
            self.ask(id, now());
        } else {
            self.free.borrow_mut().push(id);
        }
    }
}

/// The status of an answer that has come whole.
fn whole(came: &[u8]) -> Option<u16> {
    let end = came.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&came[..end]).expect("a head is text");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.and_then(|length| length.parse::<usize>().ok()).expect("a length");
    (came.len() >= end + length).then(|| head[9..12].parse().expect("a status"))
}
