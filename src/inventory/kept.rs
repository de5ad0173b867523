//! One upstream list kept in memory: its last good reading, and the one refresh that may run.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::{Demand, Settings, service::Attempt};
use crate::{
    clock::{Clock, Instant},
    flight::{Flight, Run},
    vmc::VmcError,
};

/// How long a request waits for a refresh while there is something that may be shown.
const PATIENCE: Duration = Duration::from_secs(1);
/// Reads that callers force on a list (`no-cache`, `max-age`) begin no closer together than this.
const BETWEEN_FORCED: Duration = Duration::from_secs(1);
/// How long a list that nobody has to poll is refreshed after the last question about it.
const KEPT_UNASKED: Duration = Duration::from_secs(600);

/// What was read, and when the read began: the content is at least as new as that.
#[derive(Debug)]
pub(super) struct Reading<T> {
    pub(super) content: Arc<T>,
    pub(super) begun: Instant,
    /// Which of the tries it was.
    number: u64,
}

impl<T> Clone for Reading<T> {
    fn clone(&self) -> Self {
        Self { content: self.content.clone(), begun: self.begun, number: self.number }
    }
}

/// The last good reading and the last failure since. A failure never replaces a reading.
#[derive(Debug)]
pub(super) struct Kept<T> {
    reading: ArcSwapOption<Reading<T>>,
    trouble: ArcSwapOption<VmcError>,
    flight: Flight<Result<(), VmcError>>,
    tried: ArcSwapOption<Instant>,
    /// How many tries have begun: tells whether one began after a request came, also where the
    /// clock stands still in between.
    tries: AtomicU64,
    forced: Mutex<Option<Instant>>,
    /// VMware has refused since the last good reading; that it fails now too says nothing new.
    denied: AtomicBool,
    asked: Mutex<Option<Instant>>,
    asked_again: Notify,
    clock: Clock,
}

impl<T: PartialEq + Send + Sync + 'static> Kept<T> {
    pub(super) fn new(clock: Clock, tasks: TaskTracker) -> Self {
        Self {
            reading: ArcSwapOption::empty(),
            trouble: ArcSwapOption::empty(),
            flight: Flight::new(tasks),
            tried: ArcSwapOption::empty(),
            tries: AtomicU64::new(0),
            forced: Mutex::default(),
            denied: AtomicBool::new(false),
            asked: Mutex::default(),
            asked_again: Notify::new(),
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

    /// How old a reading may be and still be shown while upstream fails.
    pub(super) fn limit(&self, settings: &Settings) -> Duration {
        if self.denied.load(Ordering::Relaxed) {
            settings.stale.min(settings.stale_denied)
        } else {
            settings.stale
        }
    }

    /// Whether a reading of this age may be shown. The limits are for as long as upstream fails:
    /// what was just read well is shown, however long the read took.
    pub(super) fn may_show(&self, age: Duration, settings: &Settings, demand: &Demand) -> bool {
        if demand.only_if_cached && demand.newest.is_some_and(|newest| age > newest) {
            return false;
        }
        // The caller's bound counts from where freshness ends (RFC 5861 section 4).
        let bound =
            demand.stale_if_error.map_or(Duration::MAX, |more| settings.fresh.saturating_add(more));
        self.trouble.load().is_none() || age <= self.limit(settings).min(bound)
    }

    /// Brings the list as far up to date as a request wants it, and tells how that went.
    pub(super) async fn freshen(
        &self,
        settings: &Settings,
        demand: &Demand,
        refresh: impl Fn() -> Run<Result<(), VmcError>>,
    ) -> Attempt {
        let attempt = self.attempt(settings, demand, refresh).await;
        // Last, so that the poller that this wakes finds done what the request wanted.
        self.note_question();
        attempt
    }

    async fn attempt(
        &self,
        settings: &Settings,
        demand: &Demand,
        refresh: impl Fn() -> Run<Result<(), VmcError>>,
    ) -> Attempt {
        let age = self.age();
        if demand.only_if_cached {
            return if age.is_some_and(|age| age < settings.fresh) {
                Attempt::NotNeeded
            } else {
                Attempt::NotAllowed
            };
        }
        if demand.wants_newer_than(age) {
            return self.read_anew(refresh).await;
        }
        match age {
            Some(age) if age < settings.fresh => Attempt::NotNeeded,
            Some(age) if age <= self.limit(settings) => {
                Attempt::wait(refresh(), Some(PATIENCE)).await
            }
            _ => Attempt::wait(refresh(), None).await,
        }
    }

    /// Waits for a read that begins from here on: those who ask meanwhile share the next one.
    async fn read_anew(&self, refresh: impl Fn() -> Run<Result<(), VmcError>>) -> Attempt {
        let before = self.tries.load(Ordering::SeqCst);
        loop {
            if self.reading.load().as_ref().is_some_and(|reading| reading.number > before) {
                return Attempt::Done { started: false };
            }
            if self.flight.is_idle() {
                if let Some(trouble) = self.trouble()
                    && self.tries.load(Ordering::SeqCst) > before
                {
                    return Attempt::Failed(trouble);
                }
                let due = self.next_forced();
                if due > self.clock.now() {
                    self.clock.sleep_until(due).await;
                    continue;
                }
            }
            let run = refresh();
            if run.started {
                *self.forced.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(self.clock.now());
                return Attempt::wait(run, None).await;
            }
            // It may have begun before the request came; how it ended is seen above.
            let _ = run.result().await;
        }
    }

    fn next_forced(&self) -> Instant {
        let forced = *self.forced.lock().unwrap_or_else(PoisonError::into_inner);
        forced.map_or(self.clock.now(), |forced| forced + BETWEEN_FORCED)
    }

    /// Notes that somebody asked: what is polled only while it is wanted is wanted again.
    pub(super) fn note_question(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.clock.now());
        self.asked_again.notify_one();
    }

    /// Returns while the list is asked for: at once if the last question is not long ago, else with
    /// the next one.
    pub(super) async fn wanted(&self) {
        loop {
            let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            if asked.is_some_and(|asked| self.clock.now().since(asked) < KEPT_UNASKED) {
                return;
            }
            self.asked_again.notified().await;
        }
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
        let number = self.tries.fetch_add(1, Ordering::SeqCst) + 1;
        self.tried.store(Some(Arc::new(begun)));
        match read.await {
            Ok(content) => {
                self.keep(content, begun, number);
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

    /// Takes over what another process read at `begun`, if nothing was read here yet.
    pub(super) fn restore(&self, content: T, begun: Instant) {
        if self.reading.load().is_none() {
            let reading = Reading { content: Arc::new(content), begun, number: 0 };
            self.reading.store(Some(Arc::new(reading)));
        }
    }

    /// Equal content stays the same `Arc`, so that what was built from it stays good.
    fn keep(&self, content: T, begun: Instant, number: u64) {
        let before = self.reading.load();
        let content = match &*before {
            Some(reading) if *reading.content == content => reading.content.clone(),
            _ => Arc::new(content),
        };
        self.reading.store(Some(Arc::new(Reading { content, begun, number })));
        self.trouble.store(None);
        self.denied.store(false, Ordering::Relaxed);
    }
}
