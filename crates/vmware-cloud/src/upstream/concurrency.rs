//! How many calls of one upstream are under way at once.
//!
//! Reads that a caller began and reads of the poller have a limit each, so that a flood of the ones
//! does not keep the others waiting. A read takes a permit once it holds a token, and gives it back
//! between its tries: a read that waits for a mint, or for a pause to end, holds up no other.

use std::{sync::Arc, time::Duration};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Reads that wait for a permit, of each priority. Shared reads are few, one per organization and list:
/// more than this is a flood.
const MAX_WAITING: usize = 4096;
/// How long a read waits for a permit.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// The limit of one upstream. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ConcurrencyLimit {
    callers: Arc<WaitingLine>,
    poller: Arc<WaitingLine>,
}

/// Whose read it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// A caller began it.
    Callers,
    /// It keeps a snapshot fresh that is there.
    Poller,
}

#[derive(Debug)]
struct WaitingLine {
    limit: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// Held while a call is under way.
#[derive(Debug)]
pub struct ConcurrencyPermit {
    _permit: OwnedSemaphorePermit,
}

/// No permit became free in time, or too many wait for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("vmc.max_in_flight calls are in flight, and too many others are waiting")]
pub struct QueueFull;

impl ConcurrencyLimit {
    /// So many calls of each priority.
    pub fn new(each: usize) -> Self {
        Self { callers: Arc::new(WaitingLine::new(each)), poller: Arc::new(WaitingLine::new(each)) }
    }

    /// Waits for a permit: in the order of asking, at most 10 s.
    ///
    /// # Errors
    /// [`QueueFull`].
    pub async fn take(&self, priority: Priority) -> Result<ConcurrencyPermit, QueueFull> {
        let taken = match priority {
            Priority::Callers => self.callers.take().await,
            Priority::Poller => self.poller.take().await,
        };
        taken.map(|permit| ConcurrencyPermit { _permit: permit })
    }
}

impl WaitingLine {
    fn new(limit: usize) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self { limit: semaphore(limit), waiting: semaphore(MAX_WAITING) }
    }

    async fn take(&self) -> Result<OwnedSemaphorePermit, QueueFull> {
        if let Ok(permit) = self.limit.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = self.waiting.try_acquire().map_err(|_| QueueFull)?;
        let permit = tokio::time::timeout(MAX_WAIT, self.limit.clone().acquire_owned());
        let never_closed = |_: AcquireError| QueueFull;
        permit.await.map_err(|_elapsed| QueueFull)?.map_err(never_closed)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn priorities_do_not_wait_for_each_other_and_permits_are_given_in_turn() {
        let limit = ConcurrencyLimit::new(1);
        let first = limit.take(Priority::Callers).await.unwrap();
        limit.take(Priority::Poller).await.unwrap();
        let mut second = std::pin::pin!(limit.take(Priority::Callers));
        let mut third = std::pin::pin!(limit.take(Priority::Callers));
        assert!(poll!(&mut second).is_pending() && poll!(&mut third).is_pending());
        drop(first);
        assert!(poll!(&mut third).is_pending());
        let second = second.await.unwrap();
        drop(second);
        third.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever_nor_in_a_crowd_without_bound() {
        let limit = ConcurrencyLimit::new(1);
        let _taken = limit.take(Priority::Callers).await.unwrap();
        assert_eq!(limit.take(Priority::Callers).await.unwrap_err(), QueueFull);
        let mut crowd: Vec<_> =
            (0..MAX_WAITING).map(|_| Box::pin(limit.take(Priority::Callers))).collect();
        for waiting in &mut crowd {
            assert!(poll!(waiting).is_pending());
        }
        let mut beyond = std::pin::pin!(limit.take(Priority::Callers));
        assert!(poll!(&mut beyond).is_ready(), "refused at once");
        crowd.pop();
        let mut next = std::pin::pin!(limit.take(Priority::Callers));
        assert!(poll!(&mut next).is_pending(), "who leaves makes room");
    }
}
