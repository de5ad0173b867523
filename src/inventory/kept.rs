//! One upstream list kept in memory: its last good reading, and the one refresh that may run.

use std::{future::Future, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use tokio_util::task::TaskTracker;

use crate::{
    clock::{Clock, Instant},
    flight::{Flight, Run},
    upstream::Failure,
    vmc::VmcError,
};

/// A shared read's own deadline: it may outlive every caller that waits for it.
const READ_DEADLINE: Duration = Duration::from_secs(30);

/// What was read, and when the read began: the content is at least as new as that.
#[derive(Debug)]
pub(super) struct Reading<T> {
    pub(super) content: Arc<T>,
    pub(super) begun: Instant,
}

impl<T> Clone for Reading<T> {
    fn clone(&self) -> Self {
        Self { content: self.content.clone(), begun: self.begun }
    }
}

/// The last good reading and the last failure since. A failure never replaces a reading.
#[derive(Debug)]
pub(super) struct Kept<T> {
    reading: ArcSwapOption<Reading<T>>,
    trouble: ArcSwapOption<VmcError>,
    flight: Flight<Result<(), VmcError>>,
    tried: ArcSwapOption<Instant>,
    clock: Clock,
}

impl<T: PartialEq + Send + Sync + 'static> Kept<T> {
    pub(super) fn new(clock: Clock, tasks: TaskTracker) -> Self {
        Self {
            reading: ArcSwapOption::empty(),
            trouble: ArcSwapOption::empty(),
            flight: Flight::new(tasks),
            tried: ArcSwapOption::empty(),
            clock,
        }
    }

    /// The last good reading.
    pub(super) fn reading(&self) -> Option<Reading<T>> {
        self.reading.load().as_deref().cloned()
    }

    /// How the reads since the last good one failed.
    pub(super) fn trouble(&self) -> Option<Arc<VmcError>> {
        self.trouble.load_full()
    }

    /// When the last read began, good or not.
    pub(super) fn tried(&self) -> Option<Instant> {
        self.tried.load().as_deref().copied()
    }

    /// How old the last good reading is.
    pub(super) fn age(&self) -> Option<Duration> {
        self.reading.load().as_ref().map(|reading| self.clock.now().since(reading.begun))
    }

    /// Joins the refresh under way, or starts `job`.
    pub(super) fn refresh<F>(&self, job: impl FnOnce() -> F) -> Run<Result<(), VmcError>>
    where
        F: Future<Output = Result<(), VmcError>> + Send + 'static,
    {
        self.flight.join(job)
    }

    /// Reads within the shared deadline and keeps what came. Part of a refresh's job.
    pub(super) async fn update(
        &self,
        read: impl Future<Output = Result<T, VmcError>>,
    ) -> Result<(), VmcError> {
        let begun = self.clock.now();
        self.tried.store(Some(Arc::new(begun)));
        let outcome = tokio::time::timeout(READ_DEADLINE, read)
            .await
            .unwrap_or_else(|_elapsed| Err(Failure::Timeout(READ_DEADLINE).into()));
        match outcome {
            Ok(content) => {
                self.keep(content, begun);
                Ok(())
            }
            Err(error) => {
                // Held back is no news: what closed the gate stays the reason.
                if !error.is_held() || self.trouble.load().is_none() {
                    self.trouble.store(Some(Arc::new(error.clone())));
                }
                Err(error)
            }
        }
    }

    /// Equal content stays the same `Arc`, so that what was built from it stays good.
    fn keep(&self, content: T, begun: Instant) {
        let before = self.reading.load();
        let content = match &*before {
            Some(reading) if *reading.content == content => reading.content.clone(),
            _ => Arc::new(content),
        };
        self.reading.store(Some(Arc::new(Reading { content, begun })));
        self.trouble.store(None);
    }
}
