//! Whether replicas can share through Redis.

use super::report::CheckStep;
use crate::{
    config::Config,
    inventory::SnapshotSource,
    sharing::{Replicas, SharingError},
    tasks::BackgroundJobs,
    telemetry::Metrics,
};

/// What keeps every key that is not past its time.
const KEEPS_ALL: &str = "noeviction";

/// `None` where nothing is shared.
pub(super) async fn check(config: &Config) -> Option<CheckStep> {
    let settings = config.sharing.as_ref()?;
    let source = SnapshotSource::of(&config.csp.url, &config.vmc.url, &config.csp.client_id);
    let jobs = BackgroundJobs::new(Metrics::new());
    let replicas = Replicas::new(settings, source.fingerprint(), jobs);
    let host = settings.url.host();
    Some(match replicas.probe().await {
        Ok(Some(policy)) if policy != KEEPS_ALL => CheckStep::warning(
            "shared",
            format!("Redis at {host} may evict what is shared (maxmemory-policy {policy})"),
        )
        .remedy("set maxmemory-policy to noeviction: an evicted lease costs a second mint or read"),
        Ok(_) => CheckStep::ok("shared", format!("Redis at {host} answers and takes writes")),
        // The gateway runs without it.
        Err(error) => {
            CheckStep::warning("shared", format!("Redis at {host}: {error}")).remedy(advice(error))
        }
    })
}

fn advice(error: SharingError) -> &'static str {
    match error {
        SharingError::Unreachable | SharingError::Timeout => {
            "check shared.redis_url, the network and, with rediss://, the certificate; until it \
             answers each replica mints and polls for itself"
        }
        SharingError::Denied => {
            "check the user and password of shared.redis_url, and the user's rights (deploy/redis.md)"
        }
        SharingError::ReadOnly => {
            "use the primary's address; it must have memory left and have loaded its data"
        }
        SharingError::Unexpected => {
            "Redis 6 or later, or Valkey, is needed, and no node of a cluster: the primary of a \
             server that is none"
        }
    }
}
