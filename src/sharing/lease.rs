//! The right to read or mint for all replicas, for as long as it takes.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::{CancellationToken, DropGuard};

use super::{SharedResource, scripts};

/// How long a replica that is lost keeps the others waiting.
pub(super) const LIFE: Duration = Duration::from_secs(3);
const EXTENDED_EVERY: Duration = Duration::from_secs(1);

/// A lease of one resource. It is extended while it is held, and given back when it is dropped.
#[derive(Debug)]
pub struct Lease {
    resource: SharedResource,
    fence: u64,
    /// Ends its keeper, which gives it back.
    _held: DropGuard,
}

impl Lease {
    pub(super) fn new(resource: SharedResource, fence: u64) -> Self {
        let end = CancellationToken::new();
        let keeper = run_keeper(resource.clone(), fence, end.clone());
        resource.replicas().0.jobs.spawn("lease", keeper);
        Self { resource, fence, _held: end.drop_guard() }
    }

    /// Its number, higher than that of any lease of the resource before.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Publishes a record for the other replicas, for `life`. One that comes too late, because another
    /// replica has taken over, is refused; that is no fault of anybody's.
    pub async fn publish(self, body: &[u8], life: Duration) {
        let (replicas, name) = (self.resource.replicas(), self.resource.name());
        let state = &replicas.0;
        let sealed = state.keys.seal(name, self.fence, body);
        let mut script = scripts::PUBLISH.key(replicas.record_key(name));
        script
            .key(replicas.lease_key(name))
            .arg(self.fence)
            .arg(&state.owner)
            .arg(sealed)
            .arg(u64::try_from(life.as_millis()).unwrap_or(u64::MAX).max(1))
            .arg(state.connection.channel())
            .arg(name);
        match state.connection.run_script::<bool>(&script).await {
            Ok(true) => self.resource.adopted(self.fence),
            Ok(false) => tracing::info!(
                resource = name,
                fence = self.fence,
                "another replica has taken over: what this one was late with is not shared"
            ),
            // Counted and logged where the connection is kept.
            Err(_error) => {}
        }
    }
}

async fn run_keeper(resource: SharedResource, fence: u64, end: CancellationToken) {
    let replicas = resource.replicas();
    let state = Arc::clone(&replicas.0);
    let extend = async |life: Duration| {
        let mut script = scripts::EXTEND.key(replicas.lease_key(resource.name()));
        script.arg(format!("{} {fence}", state.owner)).arg(life.as_millis().to_string());
        state.connection.run_script::<bool>(&script).await
    };
    let mut due = tokio::time::interval(EXTENDED_EVERY);
    due.reset();
    loop {
        tokio::select! {
            biased;
            () = end.cancelled() => break,
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
