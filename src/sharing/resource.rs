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
    Lease, Replicas, ResourceKind, SharingError,
    lease::{Granted, LIFE},
    metrics::TurnOutcome,
    scripts,
    sealing::Purpose,
};
use crate::clock::{Clock, Instant};

/// A replica that waits for another one looks again at least this often.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Nothing that a replica holds a lease for takes longer.
const MAX_WAIT: Duration = Duration::from_secs(35);

/// A resource that is shared. Cheap to clone.
#[derive(Clone)]
pub struct SharedResource {
    pub(super) replicas: Replicas,
    pub(super) state: Arc<ResourceState>,
}

#[derive(Debug)]
pub(super) struct ResourceState {
    kind: ResourceKind,
    name: Arc<str>,
    /// The highest fence of a record that was adopted or published here: older ones are refused.
    known: AtomicU64,
    /// The last fence that was heard of and not looked at yet; 0: there is none.
    announced: watch::Sender<u64>,
}

impl ResourceState {
    pub(super) fn new(kind: ResourceKind, name: Arc<str>) -> Self {
        Self { kind, name, known: AtomicU64::new(0), announced: watch::Sender::new(0) }
    }

    pub(super) fn announce(&self, fence: u64) {
        // Not the highest one: somebody else may have announced what never comes.
        if fence > self.known.load(Ordering::Relaxed) {
            self.announced.send_replace(fence);
        }
    }
}

/// Whose turn it is.
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
    /// What it holds.
    pub body: Vec<u8>,
    /// How old it was, by the clock of Redis, when Redis was asked or later.
    age: Duration,
    asked: Instant,
}

impl Record {
    /// How long ago it was made, or a little longer: never less.
    pub fn age(&self) -> Duration {
        self.age + Clock::system().now().since(self.asked)
    }
}

/// What Redis answers.
enum Answer {
    Taken { fence: u64, at: u64, age: Duration, sealed: Vec<u8> },
    Busy(Duration),
    Granted { fence: u64, at: u64 },
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
                let at = redis::from_redis_value(next()?)?;
                let age: i64 = redis::from_redis_value(next()?)?;
                let age = Duration::from_millis(u64::try_from(age).unwrap_or(0));
                let sealed = redis::from_redis_value(next()?)?;
                Ok(Self::Taken { fence: number, at, age, sealed })
            }
            "busy" => Ok(Self::Busy(Duration::from_millis(number))),
            "granted" => {
                let at = redis::from_redis_value(next()?)?;
                Ok(Self::Granted { fence: number, at })
            }
            _ => Err("an unknown word".into()),
        }
    }
}

impl SharedResource {
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
        let mut known = self.state.known.load(Ordering::Relaxed);
        loop {
            // From before the look, so that nothing is missed.
            let mut announced = self.state.announced.subscribe();
            let asked = Clock::system().now();
            match self.ask(known, LIFE).await? {
                Answer::Granted { fence, at } => {
                    let granted = Granted { at, heard: Clock::system().now() };
                    return Ok(Turn::Granted(Lease::new(self.clone(), fence, granted)));
                }
                Answer::Taken { fence, at, age, sealed } => match self.open(fence, at, &sealed) {
                    Some(body) => return Ok(Turn::Taken(Record { fence, body, age, asked })),
                    None => known = fence,
                },
                Answer::Busy(left) => {
                    // A message may be lost, and a lease end without one.
                    let wait = left.min(LOOK_AGAIN);
                    let _ = tokio::time::timeout(wait, announced.changed()).await;
                }
            }
        }
    }

    /// What another replica has published since the last record that was adopted here. Takes no turn,
    /// and waits for nobody. Whatever comes of it, one announcement is worth one look.
    pub async fn published(&self) -> Option<Record> {
        let announced = *self.state.announced.borrow();
        let asked = Clock::system().now();
        let answer = self.ask(self.state.known.load(Ordering::Relaxed), Duration::ZERO).await;
        self.state.announced.send_if_modified(|fence| {
            if *fence == announced {
                *fence = 0;
            }
            false
        });
        let Ok(Answer::Taken { fence, at, age, sealed }) = answer else { return None };
        let body = self.open(fence, at, &sealed)?;
        Some(Record { fence, body, age, asked })
    }

    fn open(&self, fence: u64, at: u64, sealed: &[u8]) -> Option<Vec<u8>> {
        let state = &self.replicas.0;
        let opened = state.keys.open(Purpose { name: self.name(), fence, at }, sealed);
        if opened.is_err() {
            state.counts.not_ours();
            tracing::warn!(
                resource = self.name(),
                "Redis holds a record that is not sealed with keys.file: it is replaced at the next turn"
            );
        }
        opened.ok()
    }

    /// Asks for a newer record than the known one, or for a lease of this `life`.
    async fn ask(&self, known: u64, life: Duration) -> Result<Answer, SharingError> {
        let state = &self.replicas.0;
        let mut script = scripts::TAKE.key(self.replicas.record_key(self.name()));
        let life = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
        script.key(self.replicas.lease_key(self.name())).arg(known).arg(&state.owner).arg(life);
        state.connection.run_script(&script).await
    }

    /// A record of this fence is in use here: only newer ones are of interest.
    pub fn adopted(&self, fence: u64) {
        self.state.known.fetch_max(fence, Ordering::Relaxed);
    }

    /// Returns while another replica has published what was not [looked at](Self::published) here.
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
