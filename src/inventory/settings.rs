//! What the operator sets of the picture's freshness: section `[inventory]`.

use std::time::Duration;

/// Section `[inventory]`.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// `inventory.poll`: background refresh; zero = only on demand.
    pub poll: Duration,
    /// `inventory.fresh`: how old an answer may be without asking upstream again.
    pub fresh: Duration,
    /// `inventory.stale`: how old it may get while upstream fails.
    pub stale: Duration,
    /// `inventory.stale_denied`: the same when VMware refuses instead of failing.
    pub stale_denied: Duration,
}
