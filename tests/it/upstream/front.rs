//! A TCP hop in front of an upstream, which can go wrong below HTTP.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU8, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{mpsc, oneshot},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

/// What happens to connections. On a change those that are open are closed, unless it is to `Mute`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing: bytes go both ways.
    Pass,
    /// Nobody listens.
    Refuse,
    /// Nobody answers: neither with a connection nor with its refusal.
    Silent,
    /// Connections that are open say nothing any more, and do not end. New ones are good.
    Mute,
    /// Reset once the head of an answer has gone through.
    ResetAfterHead,
    /// Reset in the middle of an answer's body.
    ResetInBody,
}

/// It ends with the value.
pub struct Front {
    pub address: SocketAddr,
    modes: mpsc::Sender<(Mode, oneshot::Sender<()>)>,
    _stop: DropGuard,
}

impl Front {
    /// Starts one that passes everything on to `upstream`.
    pub fn start(upstream: SocketAddr) -> Self {
        Self::start_at(own_address(), upstream)
    }

    /// The same, at an address of [`own_address`].
    pub fn start_at(address: SocketAddr, upstream: SocketAddr) -> Self {
        let (modes, changes) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let hop = Hop { address, upstream, tasks: TaskTracker::new() };
        let (listener, ended) = (listen(address, 64), stop.clone());
        TaskTracker::new().spawn(async move {
            ended.run_until_cancelled(hop.run(listener, changes)).await;
        });
        Self { address, modes, _stop: stop.drop_guard() }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes what happens from here on.
    pub async fn set(&self, mode: Mode) {
        let (done, is_done) = oneshot::channel();
        self.modes.send((mode, done)).await.unwrap();
        is_done.await.unwrap();
    }
}

/// A loopback address that no socket of another test gets by chance.
pub fn own_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // 256 fronts at once are more than there are: the first is gone when its address comes again.
    SocketAddr::from(([127, 64 + (high & 63), low, number], 8443))
}

fn listen(address: SocketAddr, backlog: u32) -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket.listen(backlog).unwrap()
}

struct Hop {
    address: SocketAddr,
    upstream: SocketAddr,
    tasks: TaskTracker,
}

impl Hop {
    async fn run(
        self,
        first: TcpListener,
        mut changes: mpsc::Receiver<(Mode, oneshot::Sender<()>)>,
    ) {
        let (mut mode, mut listener) = (Mode::Pass, Some(first));
        // Kept as long as the mode: they fill the queue of a listener that accepts nothing.
        let mut queued = Vec::new();
        let mut open = Open::default();
        loop {
            let accepted = async {
                match &listener {
                    Some(listener) if mode != Mode::Silent => listener.accept().await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                accepted = accepted => {
                    let Ok((stream, _)) = accepted else { continue };
                    let (upstream, open) = (self.upstream, open.clone());
                    let passing = if mode == Mode::Mute { Mode::Pass } else { mode };
                    self.tasks.spawn(async move { open.carry(stream, upstream, passing).await });
                }
                change = changes.recv() => {
                    let Some((next, done)) = change else { return };
                    if next == mode {
                        let _ = done.send(());
                        continue;
                    }
                    let before = std::mem::take(&mut open);
                    if next == Mode::Mute { before.mute.cancel() } else { before.end.cancel() }
                    queued.clear();
                    listener = None;
                    mode = next;
                    match mode {
                        Mode::Refuse => {}
                        Mode::Silent => {
                            listener = Some(listen(self.address, 1));
                            // A queue for one has room for two.
                            for _ in 0..2 {
                                queued.push(TcpStream::connect(self.address).await.unwrap());
                            }
                        }
                        _ => listener = Some(listen(self.address, 64)),
                    }
                    let _ = done.send(());
                }
            }
        }
    }
}

/// Connections of one mode.
#[derive(Default, Clone)]
struct Open {
    end: CancellationToken,
    mute: CancellationToken,
}

impl Open {
    async fn carry(&self, mut near: TcpStream, upstream: SocketAddr, mode: Mode) {
        let Ok(mut far) = TcpStream::connect(upstream).await else { return };
        let carry = async {
            let (mut near_in, mut near_out) = near.split();
            let (mut far_in, mut far_out) = far.split();
            let answer = async {
                match mode {
                    Mode::ResetAfterHead => part_of_answer(&mut far_in, &mut near_out, 0).await,
                    Mode::ResetInBody => part_of_answer(&mut far_in, &mut near_out, 2).await,
                    _ => {
                        let _ = copy(&mut far_in, &mut near_out).await;
                    }
                }
            };
            tokio::select! {
                _ = copy(&mut near_in, &mut far_out) => {}
                () = answer => {}
            }
        };
        tokio::select! {
            () = carry => {}
            () = self.end.cancelled() => {}
            () = self.mute.cancelled() => return std::future::pending().await,
        }
        if matches!(mode, Mode::ResetAfterHead | Mode::ResetInBody) {
            let _ = near.set_zero_linger();
        }
    }
}

/// Carries the head of an answer, and of what has come of its body with it one part in `parts`.
async fn part_of_answer(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    parts: usize,
) {
    let mut bytes = Vec::new();
    let head = loop {
        if from.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        // With a part of the body, if it is to have one.
        if let Some(end) = end.filter(|end| parts == 0 || bytes.len() > end + 8) {
            break end + 4;
        }
    };
    let more = (bytes.len() - head).checked_div(parts).unwrap_or(0);
    let _ = to.write_all(&bytes[..head + more]).await;
}
