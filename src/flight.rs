//! Single flight: at most one run of a job at a time, whose result all who asked meanwhile share.
//!
//! The job is a task of its own. Whoever asked first may leave: the run goes on, and its result is
//! there for the others. A run that has ended is joined by nobody; what is to last, the job stores
//! itself. Only its number and result stay until the next one, for who asked before it began and
//! looks after it ended.

use std::{
    future::Future,
    sync::{Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::tasks::Flights;

/// The place of the one run.
#[derive(Debug)]
pub struct Flight<T> {
    name: &'static str,
    latest: Mutex<Option<Latest<T>>>,
    flights: Flights,
}

#[derive(Debug)]
struct Latest<T> {
    slot: Slot<T>,
    number: u64,
}

type Slot<T> = watch::Receiver<Option<T>>;

/// A run that was joined, started, or looked at.
#[derive(Debug)]
pub struct Run<T> {
    slot: Slot<T>,
    /// Whether this call started the run; otherwise it joined one that was under way.
    pub started: bool,
    /// Grows from run to run: of two runs the one with the higher number began later.
    pub number: u64,
}

/// The run ended without a result: its task panicked, or the process is going down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the task ended without a result")]
pub struct Lost;

impl<T: Clone + Send + Sync + 'static> Flight<T> {
    /// A place whose runs are tracked by `flights`; `name` is what a panic is counted by.
    #[must_use]
    pub fn new(name: &'static str, flights: Flights) -> Self {
        Self { name, latest: Mutex::new(None), flights }
    }

    /// Joins the run under way, or starts one.
    pub fn join<F>(&self, job: impl FnOnce() -> F) -> Run<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = latest.as_ref().filter(|run| is_under_way(&run.slot)) {
            return run.joined();
        }
        let (result, slot) = watch::channel(None);
        let number = latest.as_ref().map_or(1, |before| before.number + 1);
        *latest = Some(Latest { slot: slot.clone(), number });
        let job = job();
        self.flights.spawn(self.name, async move {
            let value = job.await;
            result.send_replace(Some(value));
        });
        Run { slot, started: true, number }
    }

    /// The run that began last, be it under way or over; `None` before the first.
    pub fn latest(&self) -> Option<Run<T>> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.as_ref().map(Latest::joined)
    }
}

impl<T> Latest<T> {
    fn joined(&self) -> Run<T> {
        Run { slot: self.slot.clone(), started: false, number: self.number }
    }
}

fn is_under_way<T>(slot: &Slot<T>) -> bool {
    // A sender that is gone without a result has panicked: the next one may try.
    slot.borrow().is_none() && slot.has_changed().is_ok()
}

impl<T: Clone> Run<T> {
    /// Whether it goes on: its result is not there yet, and not lost.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        is_under_way(&self.slot)
    }

    /// Waits for the result. Leaving early costs the run nothing.
    ///
    /// # Errors
    /// [`Lost`] when the run's task panicked.
    pub async fn result(mut self) -> Result<T, Lost> {
        let value = self.slot.wait_for(Option::is_some).await.map_err(|_| Lost)?;
        value.clone().ok_or(Lost)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use tokio::sync::Notify;

    use super::*;
    use crate::telemetry::Metrics;

    #[tokio::test]
    async fn those_who_ask_meanwhile_share_one_run_and_the_first_may_leave() {
        let flight = Flight::new("read", Flights::new(Metrics::new()));
        let (runs, go) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let job = || {
            let (runs, go) = (runs.clone(), go.clone());
            move || async move {
                go.notified().await;
                runs.fetch_add(1, Ordering::SeqCst)
            }
        };
        let first = flight.join(job());
        let others: Vec<_> = (0..10).map(|_| flight.join(job())).collect();
        assert!(first.started && others.iter().all(|run| !run.started));
        drop(first);
        go.notify_one();
        for run in others {
            assert_eq!(run.result().await, Ok(0));
        }
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        let ended = flight.latest().unwrap();
        assert!((ended.started, ended.number, ended.is_under_way()) == (false, 1, false));
        assert_eq!(ended.result().await, Ok(0), "for who asked before it began");
        let next = flight.join(job());
        assert!(next.started && next.number == 2, "nobody joins what has ended");
    }

    #[tokio::test]
    async fn a_run_that_panics_is_lost_and_the_next_one_starts() {
        let flight = Flight::new("read", Flights::new(Metrics::new()));
        let run = flight.join(|| async { panic!("on purpose") });
        assert_eq!(run.result().await, Err::<u8, _>(Lost));
        assert!(!flight.latest().unwrap().is_under_way());
        assert_eq!(flight.join(|| async { 7 }).result().await, Ok(7));
    }
}
