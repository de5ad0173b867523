//! The TLS handshake of a connection: how long it may take, what it agrees on, and why it fails.

use std::io;

use rustls::Error;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::{
    connection::Connection,
    io::TimedIo,
    tls::{HTTP2, Tls},
};
use crate::access::{CertificateFault, ClientCertificate, watch_for_refusal};

/// Shakes hands, and notes in the connection which certificate the peer has shown. Tells whether
/// HTTP/2 was agreed on; `None` when it failed. The header limit, which runs from accept, is TLS's
/// too.
pub(super) async fn handshake(
    connection: &mut Connection,
    tls: Tls,
    stream: TimedIo<TcpStream>,
) -> Option<(Box<TlsStream<TimedIo<TcpStream>>>, bool)> {
    let mut refused = None;
    let shaken = async {
        // A probe of the port alone has no handshake that could fail.
        let has_hello = tokio::select! {
            biased;
            has_hello = stream.has_client_hello() => has_hello?,
            () = connection.until_closing() => false,
        };
        if !has_hello {
            return Ok(None);
        }
        let (accepted, certificate) = watch_for_refusal(tls.accept(stream)).await;
        refused = certificate;
        accepted.map(Some)
    };
    // The stream's own limit ends a wait to read; this one also a peer that takes nothing.
    let shaken = tokio::time::timeout(connection.context.limits.header, shaken);
    let shaken = tokio::select! {
        biased;
        shaken = shaken => shaken,
        () = connection.state.evicted() => return None,
    };
    let why = match shaken {
        Ok(Ok(stream)) => return stream.map(|stream| agreed(connection, stream)),
        Ok(Err(error)) => failure(&error),
        Err(_late) => "the handshake took too long",
    };
    let (client, metrics) = (connection.peer.address.ip(), &connection.context.metrics);
    metrics.connection_error("tls");
    if let Some(refused) = refused {
        tls.refusals().record(refused, client, metrics).await;
    }
    tracing::debug!(client.address = %client, why, "a TLS handshake failed");
    None
}

/// Notes what was agreed on.
fn agreed(
    connection: &mut Connection,
    stream: TlsStream<TimedIo<TcpStream>>,
) -> (Box<TlsStream<TimedIo<TcpStream>>>, bool) {
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates().and_then(ClientCertificate::of_chain);
    connection.peer.certificate = certificate.map(Into::into);
    let is_http2 = session.alpn_protocol() == Some(HTTP2);
    if is_http2 {
        connection.state.set_http2();
    }
    (Box::new(stream), is_http2)
}

/// Why a handshake failed, in words of ours: what the peer sent is not repeated.
fn failure(error: &io::Error) -> &'static str {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    if let Some(fault) = inner.and_then(CertificateFault::of) {
        return fault.text();
    }
    match inner {
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the client closed the connection, or the handshake took too long"
        }
        None => "the connection broke",
        Some(Error::NoCertificatesPresented) => "no client certificate",
        Some(Error::InvalidMessage(_) | Error::InappropriateMessage { .. }) => {
            "the client does not speak TLS"
        }
        Some(Error::PeerIncompatible(_)) => "no common version or cipher suite",
        Some(Error::NoApplicationProtocol) => "no common application protocol",
        Some(Error::AlertReceived(_)) => "the client refused",
        Some(_) => "protocol error",
    }
}
