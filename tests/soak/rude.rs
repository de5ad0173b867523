//! Clients that leave, stall, dawdle or talk nonsense.

use std::{sync::Arc, time::Duration};

use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{load::Load, process::DEADLINE};

const PACE: Duration = Duration::from_millis(300);

#[derive(Debug, Clone, Copy)]
enum Manner {
    LeavesInTheHead,
    LeavesAfterTheHead,
    LeavesInTheAnswer,
    LeavesAStream,
    LeavesALongPoll,
    Babbles,
    NeverEndsTheHead,
    Dawdles,
    ReadsNothing,
}

const MANNERS: [Manner; 9] = [
    Manner::LeavesInTheHead,
    Manner::LeavesAfterTheHead,
    Manner::LeavesInTheAnswer,
    Manner::LeavesAStream,
    Manner::LeavesALongPoll,
    Manner::Babbles,
    Manner::NeverEndsTheHead,
    Manner::Dawdles,
    Manner::ReadsNothing,
];

/// Annoys the gateway until `stop`. Whoever is to be cut has to be cut.
pub async fn annoy(
    load: Arc<Load>,
    mut dice: StdRng,
    stop: CancellationToken,
) -> Result<(), String> {
    // Those that read nothing, until they are many.
    let mut stalled = Vec::new();
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(pace.tick()).await.is_some() {
        let manner = *MANNERS.choose(&mut dice).unwrap();
        load.tally.count(format!("client {manner:?}"));
        let key = load.callers.all.choose(&mut dice).unwrap().key();
        let head = |path: &str| {
            let key = key.reveal();
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n")
        };
        let mut stream = connect(&load).await.map_err(|error| format!("no way in: {error}"))?;
        // The gateway may close at any moment: what cannot be sent is not its fault.
        let sent = match manner {
            Manner::LeavesInTheHead => stream.write_all(b"GET /sddcs HTTP/1.1\r\nHos").await,
            Manner::LeavesAfterTheHead => stream.write_all(head("/hosts").as_bytes()).await,
            Manner::LeavesInTheAnswer => {
                let sent = stream.write_all(head("/hosts").as_bytes()).await;
                let mut start = vec![0; dice.random_range(1..4000)];
                let _ = timeout(DEADLINE, stream.read(&mut start)).await;
                sent
            }
            Manner::LeavesAStream => stream.write_all(head("/sddcs/events").as_bytes()).await,
            Manner::LeavesALongPoll => {
                let head = head("/sddcs?wait=60s");
                stream.write_all(head.replace("\r\n\r\n", KNOWS_IT).as_bytes()).await
            }
            Manner::Babbles => stream.write_all(b"\0\x01nonsense\r\n\r\n").await,
            Manner::NeverEndsTheHead => {
                let sent = stream.write_all(b"GET /sddcs HTTP/1.1\r\nHost: localhost\r\n").await;
                is_cut(&mut stream).await?;
                sent
            }
            Manner::Dawdles => {
                let head = head("/sddcs?include=clusters,hosts");
                let sent = stream.write_all(head.replace("\r\n\r\n", CLOSE).as_bytes()).await;
                dawdle(&mut stream).await?;
                sent
            }
            Manner::ReadsNothing => {
                let requests = head("/hosts").repeat(100);
                let _ = timeout(PACE, stream.write_all(requests.as_bytes())).await;
                stalled.push(stream);
                if stalled.len() > 20 {
                    stalled.clear();
                }
                continue;
            }
        };
        drop(sent);
    }
    Ok(())
}

const CLOSE: &str = "\r\nConnection: close\r\n\r\n";
const KNOWS_IT: &str = "\r\nIf-None-Match: *\r\n\r\n";

/// A connection that takes little that was not read.
async fn connect(load: &Load) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    socket.connect(load.gateway.api).await
}

async fn is_cut(stream: &mut TcpStream) -> Result<(), String> {
    let mut rest = Vec::new();
    let ended = timeout(DEADLINE, stream.read_to_end(&mut rest)).await;
    ended.map(drop).map_err(|_| "an endless head is waited for".to_owned())
}

/// Who goes on reading, however slowly, gets the whole answer.
async fn dawdle(stream: &mut TcpStream) -> Result<(), String> {
    let (mut answer, mut bite) = (Vec::new(), [0; 1500]);
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    loop {
        pace.tick().await;
        match timeout(DEADLINE, stream.read(&mut bite)).await {
            Ok(Ok(0)) => break,
            Ok(Ok(length)) => answer.extend_from_slice(&bite[..length]),
            Ok(Err(error)) => return Err(format!("a slow reader is cut: {error}")),
            Err(_) => return Err("a slow reader gets nothing".to_owned()),
        }
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("a slow reader gets no head")?;
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    if length.is_some_and(|length| length == body.len().to_string()) {
        Ok(())
    } else {
        Err(format!("a slow reader gets less than all:\n{head}"))
    }
}
