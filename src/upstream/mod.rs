//! The leaf below `vmc`, `csp` and `access`: how an upstream is called at all.
//!
//! ```text
//! read ─► CircuitBreaker: is it worth trying ─┬─► Places: how many at once ─► Client: one try, JSON or nothing ─► Reply
//!                                             └──── Retries: again, after a pause, within a budget ◄───────────── Failure
//! ```
//!
//! Each keeps one thing from getting out of hand, and nothing else: a [`Client`] the time and size of
//! a try, [`Places`] the calls under way, [`Retries`] what a passing fault costs, the
//! [`CircuitBreaker`] what an outage costs. Nothing here knows what a token or an SDDC is.

mod circuit;
mod client;
mod error;
mod places;
mod pool;
mod proxy;
mod retry;

use std::time::Duration;

pub use self::{
    circuit::{
        CallPermit, CircuitBreaker, CircuitOpen, CircuitState, CircuitStatus, MAX_BACKOFF,
        MAX_FIRST_BACKOFF, OpenFor, REFUSED_OPEN,
    },
    client::{Bounds, Client, Reply, Upstream},
    error::{Breach, Detail, Failure, Kind},
    places::{Crowded, Lane, Place, Places},
    pool::BuildError,
    proxy::{Proxies, Proxy, ProxyFault, Route},
    retry::{Retries, Tries},
};

/// A duration as people write it in a log: `8s`, `1.5s`.
pub(crate) fn seconds(span: Duration) -> String {
    format!("{}s", span.as_secs_f64())
}

/// Half to whole, so that those who failed together do not come back together.
fn jittered(span: Duration) -> Duration {
    span.mul_f64(rand::random_range(0.5..=1.0))
}
