//! Single flight: at most one call of a job at a time, whose result all who asked meanwhile share.
//!
//! The job is a task of its own. Whoever asked first may leave: the call goes on, and its result is
//! there for the others. A call that has ended is not joined again; what is to last, the job stores
//! itself. Only its number and result stay until the next one, for a waiter that asked before it
//! began and looks after it ended.

use std::future::Future;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::jobs::BackgroundJobs;

/// Runs one job at a time.
#[derive(Debug)]
pub struct SingleFlight<T> {
    name: &'static str,
    latest: Mutex<Option<InFlightCall<T>>>,
    jobs: BackgroundJobs,
}

/// A call that was joined, started, or looked at.
#[derive(Debug, Clone)]
pub struct InFlightCall<T> {
    result: watch::Receiver<Option<T>>,
    /// Whether the asker started the call; otherwise it joined one that was under way.
    pub started: bool,
    /// Grows from call to call: of two calls the one with the higher number began later.
    pub number: u64,
}

/// The call ended without a result: its task panicked, or the process is going down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the task ended without a result")]
pub struct TaskLost;

impl<T: Clone + Send + Sync + 'static> SingleFlight<T> {
    /// No call yet; calls are tracked by `jobs`, and `name` is what a panic is counted by.
    pub fn new(name: &'static str, jobs: BackgroundJobs) -> Self {
        Self { name, latest: Mutex::new(None), jobs }
    }

    /// Joins the call under way, or starts one.
    pub fn join<F>(&self, job: impl FnOnce() -> F) -> InFlightCall<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut latest = self.latest.lock();
        if let Some(call) = latest.as_ref().filter(|call| call.is_under_way()) {
            return call.clone();
        }
        let (sender, result) = watch::channel(None);
        let number = latest.as_ref().map_or(1, |before| before.number + 1);
        let call = InFlightCall { result, started: false, number };
        *latest = Some(call.clone());
        let job = job();
        self.jobs.spawn(self.name, async move {
            let value = job.await;
            sender.send_replace(Some(value));
        });
        InFlightCall { started: true, ..call }
    }

    /// The call that began last, be it under way or over; `None` before the first.
    pub fn latest(&self) -> Option<InFlightCall<T>> {
        self.latest.lock().clone()
    }
}

impl<T: Clone> InFlightCall<T> {
    /// Whether it goes on: its result is not there yet, and not lost.
    pub fn is_under_way(&self) -> bool {
        // A sender that is gone without a result has panicked: the next one may try.
        self.result.borrow().is_none() && self.result.has_changed().is_ok()
    }

    /// Waits for the result. Leaving early costs the call nothing.
    ///
    /// # Errors
    /// [`TaskLost`] when the call's task panicked.
    pub async fn result(mut self) -> Result<T, TaskLost> {
        let value = self.result.wait_for(Option::is_some).await.map_err(|_| TaskLost)?;
        value.clone().ok_or(TaskLost)
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

    #[tokio::test]
    async fn those_who_ask_meanwhile_share_one_run_and_the_first_may_leave() {
        let flight = SingleFlight::new("read", BackgroundJobs::new(()));
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
        let flight = SingleFlight::new("read", BackgroundJobs::new(()));
        let run = flight.join(|| async { panic!("on purpose") });
        assert_eq!(run.result().await, Err::<u8, _>(TaskLost));
        assert!(!flight.latest().unwrap().is_under_way());
        assert_eq!(flight.join(|| async { 7 }).result().await, Ok(7));
    }
}
