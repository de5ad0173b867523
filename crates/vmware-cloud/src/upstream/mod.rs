//! The leaf below `vmc`, `csp` and `access`: how an upstream is called at all.
//!
//! ```text
//! read ─► CircuitBreaker: is it worth trying ─┬─► ConcurrencyLimit: how many at once ─► Client: one try, JSON or nothing ─► Reply
//!                                             └──── Retries: again, after a pause, within a budget ◄───────────── Failure
//! ```
//!
//! Each keeps one thing from getting out of hand, and nothing else: a [`Client`] the time and size of
//! a try, [`ConcurrencyLimit`] the calls under way, [`Retries`] what a passing fault costs, the
//! [`CircuitBreaker`] what an outage costs. Nothing here knows what a token or an SDDC is.

mod circuit;
mod client;
mod concurrency;
mod error;
mod pool;
mod proxy;
mod retry;

use std::time::Duration;

const MIN_BACKOFF: Duration = Duration::from_secs(1);
/// The longest backoff.
pub const MAX_BACKOFF: Duration = Duration::from_secs(60);

pub use self::{
    circuit::{
        CallPermit, CircuitBreaker, CircuitOpen, CircuitState, CircuitStatus, MAX_FIRST_BACKOFF,
        OpenFor, REFUSED_OPEN,
    },
    client::{CallBounds, Client, ContentType, Reply, Upstream},
    concurrency::{ConcurrencyLimit, ConcurrencyPermit, Priority, QueueFull},
    error::{Failure, FailureDetail, InvalidResponse, Kind},
    pool::BuildError,
    proxy::{Proxies, Proxy, ProxyFault, Route},
    retry::{RemainingTries, Retries},
};

/// A duration as people write it in a log: `8s`, `1.5s`.
pub fn seconds(span: Duration) -> String {
    format!("{}s", span.as_secs_f64())
}

/// After so many failures in a row, the first being 0: a second, doubled with each, at most a minute.
pub fn backoff(failures: u32) -> Duration {
    MIN_BACKOFF.saturating_mul(2_u32.saturating_pow(failures.min(16))).min(MAX_BACKOFF)
}

/// Half to whole, so that those who failed together do not come back together.
pub fn jittered(span: Duration) -> Duration {
    span.mul_f64(rand::random_range(0.5..=1.0))
}
