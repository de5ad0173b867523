//! A client of VMware Cloud on AWS for services that ask it all the time.
//!
//! ```text
//! vmc::Reader ──► csp::TokenSource ──► upstream::Client ──► VMware Cloud
//! ```
//!
//! - [`vmc`]: reads, as types that have no place for a secret
//! - [`csp`]: the one access token per organization: minted, shared, renewed, invalidated
//! - [`upstream`]: the leaf below both: deadlines, bounded bodies, retries, the circuit breaker
//!
//! Nothing here logs, counts or exports spans: what happens is told to an [`Observer`].

pub mod csp;
mod observer;
pub mod upstream;
pub mod vmc;

pub use self::observer::{Event, Observer, TracedWork, UpstreamCall};
