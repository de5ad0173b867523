//! The right to read or mint for all replicas, for as long as it takes.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::{CancellationToken, DropGuard};

use super::{SharedResource, scripts, sealing::Purpose};
use crate::clock::{Clock, Instant};

/// How long a replica that is lost keeps the others waiting.
pub(super) const LIFE: Duration = Duration::from_secs(3);
const EXTENDED_EVERY: Duration = Duration::from_secs(1);
/// How long one replica tries for all: a little longer than one try of an upstream. Another one may have
/// a better way to VMware Cloud.
pub(super) const MAX_HELD: Duration = Duration::from_secs(10);

/// A lease of one resource. It is extended while it is held, and given back when it is dropped, or has
/// been held for long: what is published after that counts unless another replica has begun.
#[derive(Debug)]
pub struct Lease {
    resource: SharedResource,
    fence: u64,
    granted: Granted,
    /// When what is published was made, in ms by Redis's clock.
    at: u64,
    /// Ends its keeper, which gives it back.
    _held: DropGuard,
}

/// The same moment by two clocks, or the second a little later.
#[derive(Debug, Clone, Copy)]
pub(super) struct Granted {
    /// Redis's, in ms.
    pub(super) at: u64,
    /// This machine's.
    pub(super) heard: Instant,
}

impl Lease {
    pub(super) fn new(resource: SharedResource, fence: u64, granted: Granted) -> Self {
        let end = CancellationToken::new();
        let keeper = run_keeper(resource.clone(), fence, end.clone());
        resource.replicas.0.jobs.spawn("lease", keeper);
        Self { resource, fence, granted, at: granted.at, _held: end.drop_guard() }
    }

    /// Its number, higher than that of any lease of the resource before.
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Ages in what is published count from here on; without this, from when the lease was given.
    /// However late the record arrives, none is called younger than it is.
    pub fn stamp(&mut self) {
        let held = Clock::system().now().since(self.granted.heard);
        self.at = self.granted.at + u64::try_from(held.as_millis()).unwrap_or(0);
    }

    /// Publishes a record for the other replicas, for `life`. One that comes too late, because another
    /// replica has taken over, is refused; that is no fault of anybody's.
    pub async fn publish(self, body: &[u8], life: Duration) {
        let (replicas, name) = (&self.resource.replicas, self.resource.name());
        let state = &replicas.0;
        let purpose = Purpose { name, fence: self.fence, at: self.at };
        let sealed = state.keys.seal(purpose, body);
        let mut script = scripts::PUBLISH.key(replicas.record_key(name));
        script
            .key(replicas.lease_key(name))
            .arg(self.fence)
            .arg(&state.owner)
            .arg(sealed)
            .arg(u64::try_from(life.as_millis()).unwrap_or(u64::MAX).max(1))
            .arg(state.connection.channel())
            .arg(name)
            .arg(self.at);
        // What this replica says of itself is no news to it.
        self.resource.adopted(self.fence);
        match state.connection.run_script::<bool>(&script).await {
            // Whether it was carried out is counted and logged where the connection is kept.
            Ok(true) | Err(_) => {}
            Ok(false) => tracing::info!(
                resource = name,
                fence = self.fence,
                "another replica has taken over: what this one was late with is not shared"
            ),
        }
    }
}

async fn run_keeper(resource: SharedResource, fence: u64, end: CancellationToken) {
    let replicas = &resource.replicas;
    let state = Arc::clone(&replicas.0);
    let extend = async |life: Duration| {
        let mut script = scripts::EXTEND.key(replicas.lease_key(resource.name()));
        script.arg(format!("{} {fence}", state.owner)).arg(life.as_millis().to_string());
        state.connection.run_script::<bool>(&script).await
    };
    let mut due = tokio::time::interval(EXTENDED_EVERY);
    due.reset();
    let mut is_long = std::pin::pin!(tokio::time::sleep(MAX_HELD));
    loop {
        tokio::select! {
            biased;
            () = end.cancelled() => break,
            () = &mut is_long => break,
            _ = due.tick() => {
                // One that is lost is not taken again: what is published with it may be refused.
                if extend(LIFE).await == Ok(false) {
                    return;
                }
            }
        }
    }
    let _ = extend(Duration::ZERO).await;
}
