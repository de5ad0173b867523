//! The leaf below `vmc` and `csp`: how an upstream is called at all.
//!
//! Flow: request → [`Gate`] (is it worth trying) → [`Client`] (deadline, bounded body, JSON check) →
//! [`Reply`] or [`Failure`]. Nothing here knows what a token or an SDDC is. Retries, when they come,
//! go around [`Client::call`].

mod client;
mod error;
mod gate;

use std::time::Duration;

pub use self::{
    client::{Bounds, BuildError, Client, Reply, Upstream},
    error::{Breach, Detail, Failure, Kind},
    gate::{Gate, GateStatus, Held, Hold, Pass, REFUSED_HOLD},
};

/// A duration as people write it in a log: `8s`, `1.5s`.
pub(crate) fn seconds(span: Duration) -> String {
    format!("{}s", span.as_secs_f64())
}
