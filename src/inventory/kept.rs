//! One upstream list kept in memory: its last good reading, and the one refresh that may run.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;

use super::{FreshnessRequirement, Settings, belief::CONFIRM_AFTER, outcome::RefreshOutcome};
use crate::{
    clock::{Clock, Instant},
    single_flight::{InFlightCall, SingleFlight},
    tasks::BackgroundJobs,
    vmc::VmcError,
};

/// How long a request waits for a refresh while there is something that may be shown.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a request waits for a read that it forces, while there is something that may be shown:
/// long enough for a try that was under way to end and for one more.
const PATIENCE_ANEW: Duration = Duration::from_secs(20);
/// Reads that callers force on a list (`no-cache`, `max-age`) begin no closer together than this.
const BETWEEN_FORCED: Duration = Duration::from_secs(1);
/// How long a list that nobody has to poll is refreshed after the last question about it.
const KEPT_UNASKED: Duration = Duration::from_secs(600);

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

/// What a reading gives.
#[derive(Debug)]
pub(super) enum Verdict<T> {
    /// It is kept.
    Believed(T),
    /// It says too little to be believed yet: what is kept stays until a later reading confirms it.
    Unconfirmed,
}

/// How a request comes to a read that began after it.
enum Next {
    /// By this one.
    Run(InFlightCall<Result<(), VmcError>>),
    /// First this one has to end, which began before.
    Older(InFlightCall<Result<(), VmcError>>),
    /// One may begin then.
    Due(Instant),
}

/// The last good reading and the last failure since. A failure never replaces a reading.
#[derive(Debug)]
pub(super) struct Kept<T> {
    reading: ArcSwapOption<Reading<T>>,
    trouble: ArcSwapOption<VmcError>,
    flight: SingleFlight<Result<(), VmcError>>,
    tried: ArcSwapOption<Instant>,
    /// When a caller last forced a read.
    forced: Mutex<Option<Instant>>,
    /// VMware has refused since the last good reading; that it fails now too says nothing new.
    denied: AtomicBool,
    /// VMware has answered 404, where that says that there is nothing, since the last good reading.
    gone: AtomicBool,
    /// When the first reading began of those that lose most of what is kept and are not confirmed.
    unconfirmed: Mutex<Option<Instant>>,
    /// A reading has to be confirmed.
    doubted: Notify,
    asked: Mutex<Option<Instant>>,
    asked_again: Notify,
    clock: Clock,
}

impl<T: PartialEq + Send + Sync + 'static> Kept<T> {
    pub(super) fn new(clock: Clock, jobs: BackgroundJobs) -> Self {
        Self {
            reading: ArcSwapOption::empty(),
            trouble: ArcSwapOption::empty(),
            flight: SingleFlight::new("read", jobs),
            tried: ArcSwapOption::empty(),
            forced: Mutex::default(),
            denied: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            unconfirmed: Mutex::default(),
            doubted: Notify::new(),
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

    /// Whether VMware has refused since the last good reading.
    pub(super) fn is_denied(&self) -> bool {
        self.denied.load(Ordering::Relaxed)
    }

    /// Whether VMware has said that there is nothing, since the last good reading.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// When a reading counts that confirms the last one; `None` if there is nothing to confirm.
    pub(super) fn confirm_at(&self) -> Option<Instant> {
        let unconfirmed = *self.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner);
        unconfirmed.map(|first| first + CONFIRM_AFTER)
    }

    /// Whether a reading that begins then is one that confirms the last one.
    pub(super) fn is_confirmed_by(&self, begun: Instant) -> bool {
        self.confirm_at().is_some_and(|at| begun >= at)
    }

    /// Returns while a reading has to be confirmed.
    pub(super) async fn doubted(&self) {
        while self.confirm_at().is_none() {
            self.doubted.notified().await;
        }
    }

    /// How old the last good reading is.
    pub(super) fn age(&self) -> Option<Duration> {
        self.reading.load().as_ref().map(|reading| self.clock.now().since(reading.begun))
    }

    /// How old a reading may be and still be shown while upstream fails.
    pub(super) fn limit(&self, settings: &Settings) -> Duration {
        if self.is_denied() { settings.stale.min(settings.stale_denied) } else { settings.stale }
    }

    /// The same for a caller, whose own bound counts from where freshness ends (RFC 5861 section 4).
    fn bound(&self, settings: &Settings, requirement: &FreshnessRequirement) -> Duration {
        let own = requirement.stale_if_error.map(|more| settings.fresh.saturating_add(more));
        self.limit(settings).min(own.unwrap_or(Duration::MAX))
    }

    /// Whether a reading of this age may be shown. The limits are for as long as upstream fails:
    /// what was just read well is shown, however long the read took.
    pub(super) fn may_show(
        &self,
        age: Duration,
        settings: &Settings,
        requirement: &FreshnessRequirement,
    ) -> bool {
        if requirement.only_if_cached && requirement.max_age.is_some_and(|max_age| age > max_age) {
            return false;
        }
        self.trouble.load().is_none() || age <= self.bound(settings, requirement)
    }

    /// Brings the list as far up to date as a request wants it, and tells how that went.
    pub(super) async fn freshen(
        &self,
        settings: &Settings,
        requirement: &FreshnessRequirement,
        refresh: impl Fn() -> InFlightCall<Result<(), VmcError>>,
    ) -> RefreshOutcome {
        // Only the poller reads what confirms a reading, and no request stands in for it.
        let is_unconfirmed = || self.confirm_at().is_some() && !self.is_gone();
        let attempt = if is_unconfirmed() {
            RefreshOutcome::Unconfirmed
        } else {
            self.attempt(settings, requirement, refresh).await
        };
        // Last, so that the poller that this wakes finds done what the request wanted.
        self.note_question(requirement);
        match attempt {
            RefreshOutcome::Done { .. } if is_unconfirmed() => RefreshOutcome::Unconfirmed,
            attempt => attempt,
        }
    }

    async fn attempt(
        &self,
        settings: &Settings,
        requirement: &FreshnessRequirement,
        refresh: impl Fn() -> InFlightCall<Result<(), VmcError>>,
    ) -> RefreshOutcome {
        // What is gone is no answer, however young it is.
        let age = self.age().filter(|_| !self.is_gone());
        if requirement.only_if_cached {
            return if age.is_some_and(|age| age < settings.fresh) {
                RefreshOutcome::NotNeeded
            } else {
                RefreshOutcome::NotAllowed
            };
        }
        // Where nothing is kept, a read under way is new enough for a caller who bears an age.
        let any_will_do =
            age.is_none() && requirement.max_age.is_some_and(|max_age| !max_age.is_zero());
        if requirement.wants_newer_than(age) && !any_will_do {
            let anew = self.read_anew(requirement, refresh);
            return match age {
                // So that who can be shown something is answered before the request's own limit.
                Some(_) => tokio::time::timeout(PATIENCE_ANEW, anew)
                    .await
                    .unwrap_or(RefreshOutcome::NotDone),
                None => anew.await,
            };
        }
        match (age, self.trouble()) {
            (Some(age), _) if age < settings.fresh => RefreshOutcome::NotNeeded,
            (Some(age), _) if age <= self.bound(settings, requirement) => {
                RefreshOutcome::wait(refresh(), Some(PATIENCE)).await
            }
            // There is an answer already, that of the last failure: a try that takes its time must
            // not keep those waiting who also ask for what can be shown.
            (_, Some(_)) => RefreshOutcome::wait(refresh(), Some(PATIENCE)).await,
            (_, None) => RefreshOutcome::wait(refresh(), None).await,
        }
    }

    /// Waits for a read that begins from here on: those who ask meanwhile share the next one. Who
    /// bears an age is served too by a read under way that is young enough when it ends.
    async fn read_anew(
        &self,
        requirement: &FreshnessRequirement,
        refresh: impl Fn() -> InFlightCall<Result<(), VmcError>>,
    ) -> RefreshOutcome {
        let before = self.flight.latest().map_or(0, |run| run.number);
        loop {
            match self.next_run(before, &refresh) {
                Next::Run(run) => return RefreshOutcome::wait(run, None).await,
                Next::Older(run) => {
                    let outcome = RefreshOutcome::wait(run, None).await;
                    if outcome.failure().is_none() && !requirement.wants_newer_than(self.age()) {
                        return outcome;
                    }
                }
                Next::Due(due) => self.clock.sleep_until(due).await,
            }
        }
    }

    /// What to do for a run of a higher number than `before`. Decided and done under one lock:
    /// otherwise two callers could both find that a read is due, and the second one's would begin
    /// after the first one's had ended.
    fn next_run(
        &self,
        before: u64,
        refresh: impl Fn() -> InFlightCall<Result<(), VmcError>>,
    ) -> Next {
        let mut forced = self.forced.lock().unwrap_or_else(PoisonError::into_inner);
        match self.flight.latest() {
            Some(run) if run.number > before => return Next::Run(run),
            Some(run) if run.is_under_way() => return Next::Older(run),
            _ => {}
        }
        let now = self.clock.now();
        if let Some(due) = forced.map(|forced| forced + BETWEEN_FORCED).filter(|due| *due > now) {
            return Next::Due(due);
        }
        let run = refresh();
        if run.started {
            *forced = Some(now);
        }
        Next::Run(run)
    }

    /// Notes that somebody asked: what is polled only while it is wanted is wanted again. Who wants
    /// nothing to be read causes no polling either.
    pub(super) fn note_question(&self, requirement: &FreshnessRequirement) {
        if requirement.only_if_cached {
            return;
        }
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.clock.now());
        self.asked_again.notify_one();
    }

    /// Returns while the list is asked for: at once if the last question is not long ago, else with
    /// the next one.
    pub(super) async fn wanted(&self) {
        while !self.is_wanted() {
            self.asked_again.notified().await;
        }
    }

    /// Whether the last question is not long ago.
    pub(super) fn is_wanted(&self) -> bool {
        let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.is_some_and(|asked| self.clock.now().since(asked) < KEPT_UNASKED)
    }

    /// Joins the refresh under way, or starts `job`.
    pub(super) fn refresh<F>(&self, job: impl FnOnce() -> F) -> InFlightCall<Result<(), VmcError>>
    where
        F: Future<Output = Result<(), VmcError>> + Send + 'static,
    {
        self.flight.join(job)
    }

    /// Reads, in a reading that begins at `begun`, and keeps what came. Part of a refresh's job. A 404
    /// is a failure like others, unless `may_go`: then it says that there is nothing any longer.
    pub(super) async fn update(
        &self,
        may_go: bool,
        begun: Instant,
        read: impl Future<Output = Result<Verdict<T>, VmcError>>,
    ) -> Result<(), VmcError> {
        self.tried.store(Some(Arc::new(begun)));
        match read.await {
            Ok(Verdict::Believed(content)) => {
                self.keep(content, begun);
                Ok(())
            }
            Ok(Verdict::Unconfirmed) => {
                self.doubt(begun);
                Ok(())
            }
            Err(error) => {
                // Held back says what another list of the org was answered.
                if error.is_denial() && !error.is_held() {
                    self.denied.store(true, Ordering::Relaxed);
                }
                if may_go && matches!(error, VmcError::NotFound) {
                    self.gone.store(true, Ordering::Relaxed);
                }
                // Held back is no news: what opened the circuit stays the reason.
                if !error.is_held() || self.trouble.load().is_none() {
                    self.trouble.store(Some(Arc::new(error.clone())));
                }
                Err(error)
            }
        }
    }

    /// Takes over what another process read at `begun`, if nothing was read here yet; and whether
    /// VMware has refused since.
    pub(super) fn restore(&self, content: T, begun: Instant, denied: bool) {
        if self.reading.load().is_none() {
            self.denied.store(denied, Ordering::Relaxed);
            let reading = Reading { content: Arc::new(content), begun };
            self.reading.store(Some(Arc::new(reading)));
        }
    }

    /// Puts another content in the place of the one that is kept, as old as it is, unless another
    /// reading comes in between. Tells whether there was anything to change.
    pub(super) fn rewrite(&self, change: impl FnOnce(&T) -> Option<T>) -> bool {
        let Some(reading) = self.reading() else { return false };
        let Some(content) = change(&reading.content) else { return false };
        self.replace(&reading, content);
        true
    }

    /// Equal content stays the same `Arc`, so that what was built from it stays good.
    fn keep(&self, content: T, begun: Instant) {
        let before = self.reading.load();
        let content = match &*before {
            Some(reading) if *reading.content == content => reading.content.clone(),
            _ => Arc::new(content),
        };
        self.reading.store(Some(Arc::new(Reading { content, begun })));
        *self.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.trouble.store(None);
        self.denied.store(false, Ordering::Relaxed);
        self.gone.store(false, Ordering::Relaxed);
    }

    /// Leaves everything as it is, until a reading that begins late enough says the same again.
    fn doubt(&self, begun: Instant) {
        self.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(begun);
        self.trouble.store(None);
        self.gone.store(false, Ordering::Relaxed);
        self.doubted.notify_one();
    }

    /// Puts other content in the place of a reading, if that is still what is kept. It stays as old as
    /// it is.
    pub(super) fn replace(&self, old: &Reading<T>, content: T) {
        let content = Arc::new(content);
        self.reading.rcu(|reading| match reading {
            Some(reading) if Arc::ptr_eq(&reading.content, &old.content) => {
                let content = content.clone();
                Some(Arc::new(Reading { content, begun: reading.begun }))
            }
            other => other.clone(),
        });
    }
}
