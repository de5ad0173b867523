//! What the operator sets of the snapshot's freshness: section `[inventory]`.

use std::{path::PathBuf, time::Duration};

/// Section `[inventory]`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `inventory.poll`: background refresh; zero = only on demand.
    pub poll: Duration,
    /// `inventory.fresh`: how old an answer may be without asking upstream again.
    pub fresh: Duration,
    /// `inventory.stale`: how old it may get while upstream fails.
    pub stale: Duration,
    /// `inventory.stale_denied`: the same when VMware refuses the read (401, 403) instead of failing; not when
    /// CSP refuses the app.
    pub stale_denied: Duration,
    /// `inventory.snapshot_file`: keeps the last good snapshot over a restart.
    pub snapshot_file: Option<PathBuf>,
}
