//! The callers' listener with TLS (contract sections 2, 3 and 4): handshakes, certificates, HTTP/2.

mod abuse;
pub mod authority;
mod callers;
mod certificates;
pub mod client;
mod drain;
mod frames;
mod handshake;
mod http2;
mod reload;
mod stalls;
