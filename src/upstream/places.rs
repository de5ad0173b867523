//! Places: how many calls of one upstream are under way at once.
//!
//! Reads that a caller began and reads of the poller have their own, so that a flood of the ones does
//! not keep the others waiting. A read takes its place once it holds a token, and gives it back between its
//! tries: who waits for a mint, or for a pause to end, holds up nobody.

use std::{sync::Arc, time::Duration};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Reads that wait for a place, of each lane. Shared reads are few, one per organization and list:
/// more than this is a flood.
const MAX_WAITING: usize = 4096;
/// How long a read waits for a place.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// The places of one upstream. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Places {
    callers: Arc<Line>,
    poller: Arc<Line>,
}

/// Whose read it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// A caller began it.
    Callers,
    /// It keeps a snapshot fresh that is there.
    Poller,
}

#[derive(Debug)]
struct Line {
    places: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// Held while a call is under way.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

/// No place became free in time, or too many wait for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("vmc.max_in_flight calls are under way, and too many wait for one to end")]
pub struct Crowded;

impl Places {
    /// So many places in each lane.
    #[must_use]
    pub fn new(each: usize) -> Self {
        Self { callers: Arc::new(Line::new(each)), poller: Arc::new(Line::new(each)) }
    }

    /// Waits for a place: in the order of asking, at most 10 s.
    ///
    /// # Errors
    /// [`Crowded`].
    pub async fn take(&self, lane: Lane) -> Result<Place, Crowded> {
        let taken = match lane {
            Lane::Callers => self.callers.take().await,
            Lane::Poller => self.poller.take().await,
        };
        taken.map(|permit| Place { _permit: permit })
    }
}

impl Line {
    fn new(places: usize) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self { places: semaphore(places), waiting: semaphore(MAX_WAITING) }
    }

    async fn take(&self) -> Result<OwnedSemaphorePermit, Crowded> {
        if let Ok(permit) = self.places.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = self.waiting.try_acquire().map_err(|_| Crowded)?;
        let permit = tokio::time::timeout(MAX_WAIT, self.places.clone().acquire_owned());
        let never_closed = |_: AcquireError| Crowded;
        permit.await.map_err(|_elapsed| Crowded)?.map_err(never_closed)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn lanes_do_not_wait_for_each_other_and_places_are_given_in_turn() {
        let places = Places::new(1);
        let first = places.take(Lane::Callers).await.unwrap();
        places.take(Lane::Poller).await.unwrap();
        let mut second = std::pin::pin!(places.take(Lane::Callers));
        let mut third = std::pin::pin!(places.take(Lane::Callers));
        assert!(poll!(&mut second).is_pending() && poll!(&mut third).is_pending());
        drop(first);
        assert!(poll!(&mut third).is_pending());
        let second = second.await.unwrap();
        drop(second);
        third.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever_nor_in_a_crowd_without_bound() {
        let places = Places::new(1);
        let _taken = places.take(Lane::Callers).await.unwrap();
        assert_eq!(places.take(Lane::Callers).await.unwrap_err(), Crowded);
        let mut crowd: Vec<_> =
            (0..MAX_WAITING).map(|_| Box::pin(places.take(Lane::Callers))).collect();
        for waiting in &mut crowd {
            assert!(poll!(waiting).is_pending());
        }
        let mut beyond = std::pin::pin!(places.take(Lane::Callers));
        assert!(poll!(&mut beyond).is_ready(), "refused at once");
        crowd.pop();
        let mut next = std::pin::pin!(places.take(Lane::Callers));
        assert!(poll!(&mut next).is_pending(), "who leaves makes room");
    }
}
