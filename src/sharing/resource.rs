//! One thing that replicas share: its newest record, and whose turn it is to make the next.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{FromRedisValue, Value};
use tokio::sync::watch;

use super::{
    Lease, Replicas, ResourceKind, SharingError, lease::LIFE, metrics::TurnOutcome, scripts,
};

/// Who waits for another replica looks again at least this often.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Nothing that a replica holds a lease for takes longer.
const MAX_WAIT: Duration = Duration::from_secs(35);

/// A resource that is shared. Cheap to clone.
#[derive(Clone)]
pub struct SharedResource {
    replicas: Replicas,
    state: Arc<ResourceState>,
}

#[derive(Debug)]
pub(super) struct ResourceState {
    kind: ResourceKind,
    name: Arc<str>,
    /// The highest fence of a record that was adopted or published here: older ones are refused.
    known: AtomicU64,
    /// The highest fence that was heard of.
    announced: watch::Sender<u64>,
}

impl ResourceState {
    pub(super) fn new(kind: ResourceKind, name: Arc<str>) -> Self {
        Self { kind, name, known: AtomicU64::new(0), announced: watch::Sender::new(0) }
    }

    pub(super) fn announce(&self, fence: u64) {
        self.announced.send_if_modified(|announced| {
            let is_newer = fence > *announced;
            *announced = fence.max(*announced);
            is_newer
        });
    }
}

/// Who does what is to be done.
#[derive(Debug)]
pub enum Turn {
    /// Another replica has done it.
    Taken(Record),
    /// This one does it, and publishes what comes of it.
    Granted(Lease),
    /// Each for itself: nothing can be shared now.
    Unshared,
}

/// What another replica has published.
#[derive(Debug)]
pub struct Record {
    /// The number of the lease that it was made under.
    pub fence: u64,
    /// How long ago, by the clock of Redis.
    pub age: Duration,
    /// What it holds.
    pub body: Vec<u8>,
}

/// What Redis answers.
enum Answer {
    Taken { fence: u64, age: Duration, sealed: Vec<u8> },
    Busy(Duration),
    Granted(u64),
}

impl FromRedisValue for Answer {
    fn from_redis_value(value: Value) -> Result<Self, redis::ParsingError> {
        let Value::Array(fields) = value else { return Err("not a list".into()) };
        let mut fields = fields.into_iter();
        let mut next = || fields.next().ok_or("too few fields");
        let word: String = redis::from_redis_value(next()?)?;
        let number: u64 = redis::from_redis_value(next()?)?;
        match &*word {
            "taken" => {
                let age: i64 = redis::from_redis_value(next()?)?;
                let age = Duration::from_millis(u64::try_from(age).unwrap_or(0));
                let sealed = redis::from_redis_value(next()?)?;
                Ok(Self::Taken { fence: number, age, sealed })
            }
            "busy" => Ok(Self::Busy(Duration::from_millis(number))),
            "granted" => Ok(Self::Granted(number)),
            _ => Err("an unknown word".into()),
        }
    }
}

impl SharedResource {
    pub(super) fn new(replicas: Replicas, state: Arc<ResourceState>) -> Self {
        Self { replicas, state }
    }

    pub(super) fn replicas(&self) -> &Replicas {
        &self.replicas
    }

    pub(super) fn name(&self) -> &str {
        &self.state.name
    }

    /// Finds out who does what is to be done: another replica that has published since the last record
    /// [adopted](Self::adopted) here, or this one. While another one is at it, waits for what it
    /// publishes, or for its lease to end.
    pub async fn turn(&self) -> Turn {
        let turn = tokio::time::timeout(MAX_WAIT, self.take()).await;
        let turn = turn.ok().and_then(Result::ok).unwrap_or(Turn::Unshared);
        let outcome = match turn {
            Turn::Taken(_) => TurnOutcome::Taken,
            Turn::Granted(_) => TurnOutcome::Granted,
            Turn::Unshared => TurnOutcome::Unshared,
        };
        self.replicas.0.counts.turn(self.state.kind, outcome);
        turn
    }

    async fn take(&self) -> Result<Turn, SharingError> {
        let state = &self.replicas.0;
        let mut known = self.state.known.load(Ordering::Relaxed);
        loop {
            // From before the look, so that nothing is missed.
            let mut announced = self.state.announced.subscribe();
            match self.ask(known).await? {
                Answer::Granted(fence) => {
                    return Ok(Turn::Granted(Lease::new(self.clone(), fence)));
                }
                Answer::Taken { fence, age, sealed } => {
                    if let Ok(body) = state.keys.open(self.name(), fence, &sealed) {
                        return Ok(Turn::Taken(Record { fence, age, body }));
                    }
                    state.counts.not_ours();
                    tracing::warn!(
                        resource = self.name(),
                        "Redis holds a record that is not sealed with keys.file: it is replaced"
                    );
                    known = fence;
                }
                Answer::Busy(left) => {
                    // A message may be lost, and a lease end without one.
                    let wait = left.min(LOOK_AGAIN);
                    let _ = tokio::time::timeout(wait, announced.changed()).await;
                }
            }
        }
    }

    async fn ask(&self, known: u64) -> Result<Answer, SharingError> {
        let state = &self.replicas.0;
        let mut script = scripts::TAKE.key(self.replicas.record_key(self.name()));
        let life = u64::try_from(LIFE.as_millis()).unwrap_or(u64::MAX);
        script.key(self.replicas.lease_key(self.name())).arg(known).arg(&state.owner).arg(life);
        state.connection.run_script(&script).await
    }

    /// A record of this fence is in use here: only newer ones are of interest.
    pub fn adopted(&self, fence: u64) {
        self.state.known.fetch_max(fence, Ordering::Relaxed);
    }

    /// Whether another replica has published what is not in use here.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        *self.state.announced.borrow() > self.state.known.load(Ordering::Relaxed)
    }

    /// Returns while that is so.
    pub async fn changed(&self) {
        let mut announced = self.state.announced.subscribe();
        let is_new = |fence: &u64| *fence > self.state.known.load(Ordering::Relaxed);
        // The sender is held here.
        let _ = announced.wait_for(is_new).await;
    }
}

impl fmt::Debug for SharedResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedResource").field(&self.state.name).finish()
    }
}
