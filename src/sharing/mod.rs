//! What replicas share through Redis or Valkey, so that many cost VMware Cloud what one costs: the
//! tokens, and what was read.
//!
//! ```text
//! mint, read ─► SharedResource::turn ─► Taken     another replica has done it: here is its record
//!                                    ─► Granted   this replica does it, under a lease, and publishes
//!                                    ─► Unshared  Redis gives no answer: each replica for itself
//! ```
//!
//! Each token and each list is a *resource* with a record of its own. A record is sealed with
//! `keys.file`, bound to its resource and to its *fence*: the number of the lease it was made under.
//! Fences only grow. A replica that was frozen while it held a lease comes back with a number that is
//! too low, and its late record is refused where it would be written.
//!
//! Waits here are of the real time, not of the gateway's clock: it is Redis that they are for.
//!
//! *Must not break*: Redis is a helper, never a need. No request waits for a connection to it, every
//! command has a bound of `COMMAND_TIMEOUT`, and whatever it answers
//! (nothing, an error, garbage, a record that somebody else wrote) costs freshness at most. Test:
//! `tests/it/sharing`.

mod connection;
mod lease;
mod master_key;
mod metrics;
mod resource;
mod scripts;
mod sealing;
mod settings;
#[cfg(test)]
mod tests;
mod tokens;

pub use self::{
    lease::Lease,
    master_key::InvalidKeys,
    resource::{Record, SharedResource, Turn},
    sealing::SealingKeys,
    settings::{Settings, SharedUrl},
};

pub(crate) use self::master_key::MasterKey;
use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use self::{connection::Connection, resource::ResourceState};
use crate::tasks::BackgroundJobs;

/// The rights that a user of Redis needs for it, as `deploy/redis.md` gives them.
#[cfg(test)]
const RIGHTS: &str = "~sddc-gateway:* &sddc-gateway:* +get +set +del +type +pttl +pexpire +hget +hset +time \
                      +eval +evalsha +script|load +subscribe +unsubscribe +publish +ping";

/// What the replicas of one gateway share. Cheap to clone.
#[derive(Clone)]
pub struct Replicas(Arc<ReplicasState>);

struct ReplicasState {
    connection: Connection,
    keys: SealingKeys,
    /// Of everything in Redis: gateways of other upstreams, or of other apps, share nothing with this.
    prefix: String,
    /// Names this process among the replicas.
    owner: String,
    resources: Mutex<HashMap<Arc<str>, Arc<ResourceState>>>,
    jobs: BackgroundJobs,
    counts: metrics::Counts,
}

base::closed_set! {
    /// What a resource is: a part of the names of keys, and a metric label.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum ResourceKind {
        /// An access token.
        Token = "token",
        /// The list of organizations.
        Orgs = "orgs",
        /// An organization's own document.
        Org = "org",
        /// The SDDCs of an organization.
        Sddcs = "sddcs",
        /// The same with deleted ones.
        SddcsWithDeleted = "sddcs_with_deleted",
        /// The tasks of an organization.
        Tasks = "tasks",
    }
}

/// How sharing goes, for probes and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharingStatus {
    /// Whether Redis answers.
    pub is_ok: bool,
    /// Why it does not, or why it last did not.
    pub last_error: Option<SharingError>,
}

base::closed_set! {
    /// Why nothing could be shared: a closed set.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
    pub enum SharingError {
        /// No connection: name, route, refusal, TLS; or it broke.
        #[error("Redis cannot be reached")]
        Unreachable = "unreachable",
        /// No answer in time.
        #[error("Redis does not answer in time")]
        Timeout = "timeout",
        /// The password or the user is refused, or a right is missing.
        #[error("Redis refuses the login or a command")]
        Denied = "denied",
        /// It takes no writes now: a replica of Redis, one that loads, or one without memory.
        #[error("Redis takes no writes")]
        ReadOnly = "read-only",
        /// An answer that is none of ours.
        #[error("Redis answers something unexpected")]
        Unexpected = "unexpected",
    }
}

impl Replicas {
    /// Shares with the replicas that have the same `settings` and read the same `source`. Nothing is
    /// connected before [`Replicas::run_connection`].
    pub fn new(settings: &Settings, source: &str, jobs: BackgroundJobs) -> Self {
        let prefix = format!("sddc-gateway:{{{source}}}:");
        Self(Arc::new(ReplicasState {
            connection: Connection::new(&settings.url, format!("{prefix}changes")),
            keys: settings.keys.clone(),
            prefix,
            owner: uuid::Uuid::new_v4().to_string(),
            resources: Mutex::default(),
            jobs,
            counts: metrics::Counts::default(),
        }))
    }

    /// The resource of this kind and id. Every call with the same two gives the same.
    pub fn resource(&self, kind: ResourceKind, id: &str) -> SharedResource {
        let name: Arc<str> = format!("{}/{id}", kind.as_str()).into();
        let mut resources = self.0.resources.lock();
        let new = || Arc::new(ResourceState::new(kind, name.clone()));
        let state = resources.entry(name.clone()).or_insert_with(new).clone();
        SharedResource { replicas: self.clone(), state }
    }

    /// Keeps the connection, and hears of the changes of other replicas, until `stop`.
    pub async fn run_connection(self, stop: CancellationToken) {
        let keep = async {
            loop {
                let pushed = self.0.connection.connect().await;
                self.look_at_all().await;
                self.0.connection.watch(pushed, |message| self.hear(message)).await;
            }
        };
        stop.run_until_cancelled(keep).await;
    }

    /// Connects once, for `check`. Tells the server's `maxmemory-policy`, where that may be asked.
    ///
    /// # Errors
    /// [`SharingError`]: nothing can be shared now.
    pub async fn probe(&self) -> Result<Option<String>, SharingError> {
        self.0.connection.probe().await
    }

    /// Takes one out of each budget, if there is one left of every one: at most `limit` in any `window`.
    ///
    /// # Errors
    /// [`SharingError`]: nothing is known of the other replicas' share.
    pub async fn spend(
        &self,
        budgets: &[String],
        limit: usize,
        window: Duration,
    ) -> Result<bool, SharingError> {
        let mut script = scripts::SPEND.prepare_invoke();
        for budget in budgets {
            script.key(format!("{}budget:{budget}", self.0.prefix));
        }
        script.arg(limit).arg(u64::try_from(window.as_millis()).unwrap_or(u64::MAX));
        self.0.connection.run_script(&script).await
    }

    /// How sharing goes.
    pub fn status(&self) -> SharingStatus {
        self.0.connection.status()
    }

    /// Takes note that a replica has published: `fence name`.
    fn hear(&self, message: &str) {
        let Some((fence, name)) = message.split_once(' ') else { return };
        let Ok(fence) = fence.parse() else { return };
        let state = self.0.resources.lock().get(name).cloned();
        if let Some(state) = state {
            state.announce(fence);
        }
    }

    /// Finds out what was published while there was no connection.
    async fn look_at_all(&self) {
        let names: Vec<_> = self.0.resources.lock().keys().cloned().collect();
        for name in names {
            let Ok(fence) = self.0.connection.fence(&self.record_key(&name)).await else { return };
            self.hear(&format!("{fence} {name}"));
        }
    }

    fn record_key(&self, name: &str) -> String {
        format!("{}record:{name}", self.0.prefix)
    }

    fn lease_key(&self, name: &str) -> String {
        format!("{}lease:{name}", self.0.prefix)
    }
}

impl fmt::Debug for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replicas").field("owner", &self.0.owner).finish_non_exhaustive()
    }
}
