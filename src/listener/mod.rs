//! Sockets and the edge that every request passes.
//!
//! Flow: [`accept`] (at most `api.max_connections`, see [`pool`]) → [`io`] (three time limits) →
//! `handshake`, if there is TLS → HTTP/1.1 (`connection`; `rest` and `late` give
//! hyper's buffers back while a connection or its answer waits), or HTTP/2 where TLS has agreed on it →
//! [`edge`] → the router. The ops port has a router and a thread of its own and takes the same way,
//! without TLS.

pub mod accept;
pub mod body;
mod connection;
pub mod edge;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod handshake;
mod head;
pub mod host;
mod http2;
mod http2_guard;
pub mod io;
mod late;
mod metrics_format;
pub mod ops;
pub mod ops_runtime;
mod outcome;
pub mod pool;
pub mod record;
mod refusals;
pub mod request_id;
mod request_info;
mod rest;
pub mod routes;
mod settings;
pub mod state;
pub mod tls;

pub use self::{
    accept::Listener,
    connection::{Handler, ListenerContext, Peer},
    pool::ConnectionBounds,
    settings::{ClientAuthSettings, OpsSettings, Settings, TlsSettings},
};
