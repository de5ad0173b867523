//! One upstream list kept in memory: its last good reading, and the one refresh that may run.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tokio_util::task::TaskTracker;

use super::Settings;
use crate::{
    clock::{Clock, Instant},
    flight::{Flight, Run},
    vmc::VmcError,
};

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
    /// VMware has refused since the last good reading; that it fails now too says nothing new.
    denied: AtomicBool,
    clock: Clock,
}

impl<T: PartialEq + Send + Sync + 'static> Kept<T> {
    pub(super) fn new(clock: Clock, tasks: TaskTracker) -> Self {
        Self {
            reading: ArcSwapOption::empty(),
            trouble: ArcSwapOption::empty(),
            flight: Flight::new(tasks),
            tried: ArcSwapOption::empty(),
            denied: AtomicBool::new(false),
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

    /// How old a reading may be and still be shown.
    pub(super) fn limit(&self, settings: &Settings) -> Duration {
        if self.denied.load(Ordering::Relaxed) {
            settings.stale.min(settings.stale_denied)
        } else {
            settings.stale
        }
    }

    /// Whether a reading of this age may be shown: the limit is for as long as upstream fails.
    pub(super) fn may_show(&self, age: Duration, settings: &Settings) -> bool {
        self.trouble.load().is_none() || age <= self.limit(settings)
    }

    /// Joins the refresh under way, or starts `job`.
    pub(super) fn refresh<F>(&self, job: impl FnOnce() -> F) -> Run<Result<(), VmcError>>
    where
        F: Future<Output = Result<(), VmcError>> + Send + 'static,
    {
        self.flight.join(job)
    }

    /// Reads, and keeps what came. Part of a refresh's job.
    pub(super) async fn update(
        &self,
        read: impl Future<Output = Result<T, VmcError>>,
    ) -> Result<(), VmcError> {
        let begun = self.clock.now();
        self.tried.store(Some(Arc::new(begun)));
        match read.await {
            Ok(content) => {
                self.keep(content, begun);
                Ok(())
            }
            Err(error) => {
                if error.is_denial() {
                    self.denied.store(true, Ordering::Relaxed);
                }
                // What is gone must not come back with the next failure.
                if matches!(error, VmcError::NotFound) {
                    self.reading.store(None);
                }
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
        self.denied.store(false, Ordering::Relaxed);
    }
}
