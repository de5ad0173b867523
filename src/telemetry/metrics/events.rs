//! What happens and is counted.

use std::{sync::Arc, time::Duration};

use http::StatusCode;

/// A request that was answered.
#[derive(Debug)]
pub struct HttpCall<'a> {
    /// The route's template.
    pub route: &'static str,
    /// The method, or `other`.
    pub method: &'static str,
    /// The status.
    pub status: StatusCode,
    /// The caller's name, `none` when no caller is known.
    pub caller: &'a Arc<str>,
    /// From the request's head to the answer's.
    pub took: Duration,
    /// Whether it is a wait, whose duration says nothing of the gateway.
    pub waits: WaitKind,
}

/// Whether a request is answered as soon as it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitKind {
    /// It is.
    No,
    /// It waits for a change (`wait=`).
    Poll,
    /// It is answered by an event stream, which is timed at its own end.
    Stream,
}

base::closed_set! {
    /// How the inventory served a request.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum CacheResult {
        /// From a fresh snapshot.
        Hit = "hit",
        /// From a snapshot older than `inventory.fresh`.
        Stale = "stale",
        /// From a read that this request began.
        Miss = "miss",
        /// From a read that another request or the poller began.
        Collapsed = "collapsed",
        /// The caller had it already: 304.
        Revalidated = "revalidated",
    }
}

base::closed_set! {
    /// How a mint ended.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub(crate) enum MintOutcome {
        /// A token came.
        Minted = "minted",
        /// CSP refused our credentials.
        Refused = "refused",
        /// Anything else.
        Failed = "failed",
    }
}
