//! One upstream document or list kept in memory: what was last read of it, and the one refresh that
//! may run. It knows no organization.
//!
//! ```text
//! request ─► ensure_fresh ─┐
//!                          ├─► one refresh (single flight) ─► read ─► State ─► shown_as
//! poller ──────────────────┘
//! ```
//!
//! All that is known is one immutable [`State`]: a failure never replaces a reading, it stands beside
//! it. [`State::shown_as`] alone decides whether a reading may be shown.

mod replicas;

use std::{future::Future, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{self, Notify};

use super::{
    freshness::FreshnessRequirement,
    outcome::RefreshOutcome,
    settings::Settings,
    shared_state::SharedContent,
    state::{Reading, State},
};
use crate::{
    clock::{Clock, Instant},
    sharing::SharedResource,
    single_flight::{InFlightCall, SingleFlight},
    tasks::BackgroundJobs,
    vmc::VmcError,
};

/// How long a request waits for a refresh while there is something that may be shown.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a request waits for a read that it forces, while there is something that may be shown:
/// long enough for a try that was under way to end and for one more.
const PATIENCE_FORCED: Duration = Duration::from_secs(20);
/// Reads that callers force (`no-cache`, `max-age`) begin no closer together than this.
const BETWEEN_FORCED: Duration = Duration::from_secs(1);
/// How long what nobody has to poll is refreshed after the last question about it.
const POLLED_AFTER_QUESTION: Duration = Duration::from_secs(600);

/// What a reading gives.
#[derive(Debug)]
pub(super) enum ReadVerdict<T> {
    /// It is kept.
    Believed(T),
    /// It says too little to be believed yet: what is kept stays until a later reading confirms it.
    Unconfirmed,
}

/// How a request comes to a read that began after it.
enum FreshRead {
    /// By this one.
    Call(InFlightCall<Result<(), VmcError>>),
    /// First this one has to end, which began before.
    Older(InFlightCall<Result<(), VmcError>>),
    /// One may begin then.
    Due(Instant),
}

/// A resource as it is kept.
#[derive(Debug)]
pub(super) struct CachedResource<T> {
    state: ArcSwap<State<T>>,
    refreshes: SingleFlight<Result<(), VmcError>>,
    /// A reading has to be confirmed.
    doubted: Notify,
    /// When a caller last forced a read.
    forced: Mutex<Option<Instant>>,
    /// When the last question about it came.
    asked: Mutex<Option<Instant>>,
    asked_again: Notify,
    /// Where there are other replicas that read it too.
    shared: Option<SharedResource>,
    /// Held while something is read or taken over: one does not undo the other.
    updating: sync::Mutex<()>,
    settings: Arc<Settings>,
    clock: Clock,
    jobs: BackgroundJobs,
}

impl<T: SharedContent> CachedResource<T> {
    /// Nothing was read yet. Where it is `shared`, one replica reads it for all.
    pub(super) fn new(
        settings: Arc<Settings>,
        clock: Clock,
        jobs: BackgroundJobs,
        shared: Option<SharedResource>,
    ) -> Self {
        Self {
            state: ArcSwap::default(),
            refreshes: SingleFlight::new("read", jobs.clone()),
            doubted: Notify::new(),
            forced: Mutex::default(),
            asked: Mutex::default(),
            asked_again: Notify::new(),
            shared,
            updating: sync::Mutex::default(),
            settings,
            clock,
            jobs,
        }
    }

    /// All that is known now.
    pub(super) fn state(&self) -> Arc<State<T>> {
        self.state.load_full()
    }

    /// The last good reading.
    pub(super) fn reading(&self) -> Option<Reading<T>> {
        self.state.load().reading.clone()
    }

    /// How the reads since the last good one failed.
    pub(super) fn last_error(&self) -> Option<Arc<VmcError>> {
        self.state.load().last_error.clone()
    }

    /// Whether VMware has said that there is nothing, since the last good reading.
    pub(super) fn is_gone(&self) -> bool {
        self.state.load().is_gone
    }

    /// When a reading counts that confirms the last one; `None` if there is nothing to confirm.
    pub(super) fn confirm_at(&self) -> Option<Instant> {
        self.state.load().confirm_at()
    }

    /// How old the last good reading is.
    pub(super) fn age(&self) -> Option<Duration> {
        self.state.load().age(self.clock.now())
    }

    /// Whether there was no read for so long.
    pub(super) fn is_unread_for(&self, pause: Duration) -> bool {
        self.state.load().is_unread_for(pause, self.clock.now())
    }

    /// Returns while a reading has to be confirmed.
    pub(super) async fn doubted(&self) {
        while self.confirm_at().is_none() {
            self.doubted.notified().await;
        }
    }

    /// Brings the resource as far up to date as a request wants it, and tells how that went.
    pub(super) async fn ensure_fresh(
        &self,
        requirement: &FreshnessRequirement,
        refresh: impl Fn() -> InFlightCall<Result<(), VmcError>>,
    ) -> RefreshOutcome {
        // Only the poller reads what confirms a reading, and no request stands in for it.
        let is_unconfirmed = || {
            let state = self.state.load();
            state.confirm_at().is_some() && !state.is_gone
        };
        let outcome = if is_unconfirmed() {
            RefreshOutcome::Unconfirmed
        } else {
            self.attempt(requirement, refresh).await
        };
        // Last, so that the poller that this wakes finds done what the request wanted.
        self.note_question(requirement);
        match outcome {
            RefreshOutcome::Done { .. } if is_unconfirmed() => RefreshOutcome::Unconfirmed,
            outcome => outcome,
        }
    }

    async fn attempt(
        &self,
        requirement: &FreshnessRequirement,
        refresh: impl Fn() -> InFlightCall<Result<(), VmcError>>,
    ) -> RefreshOutcome {
        let (state, settings) = (self.state(), &self.settings);
        // What is gone is no answer, however young it is.
        let age = state.age(self.clock.now()).filter(|_| !state.is_gone);
        let is_fresh = age.is_some_and(|age| age < settings.fresh);
        if requirement.only_if_cached {
            return if is_fresh { RefreshOutcome::NotNeeded } else { RefreshOutcome::NotAllowed };
        }
        // Where nothing is kept, a read under way is new enough for a caller who bears an age.
        let any_will_do =
            age.is_none() && requirement.max_age.is_some_and(|max_age| !max_age.is_zero());
        if requirement.wants_newer_than(age) && !any_will_do {
            let forced = self.force_read(requirement, refresh);
            return match age {
                // So that who can be shown something is answered before the request's own limit.
                Some(_) => tokio::time::timeout(PATIENCE_FORCED, forced)
                    .await
                    .unwrap_or(RefreshOutcome::NotDone),
                None => forced.await,
            };
        }
        if is_fresh {
            return RefreshOutcome::NotNeeded;
        }
        let may_be_shown = age.is_some_and(|age| age <= state.max_age_for(requirement, settings));
        // After a failure there is an answer already, that of the failure: a try that takes its time
        // must not keep those waiting who also ask for what can be shown.
        let is_patient = !may_be_shown && state.last_error.is_none();
        RefreshOutcome::wait(refresh(), (!is_patient).then_some(PATIENCE)).await
    }

    /// Waits for a read that begins from here on: those who ask meanwhile share the next one. Who
    /// bears an age is served too by a read under way that is young enough when it ends.
    async fn force_read(
        &self,
        requirement: &FreshnessRequirement,
        refresh: impl Fn() -> InFlightCall<Result<(), VmcError>>,
    ) -> RefreshOutcome {
        let asked = self.clock.now();
        let mut before = self.refreshes.latest().map_or(0, |call| call.number);
        loop {
            match self.next_call(before, &refresh) {
                FreshRead::Call(call) => {
                    let number = call.number;
                    let outcome = RefreshOutcome::wait(call, None).await;
                    let is_new = self.state().last_attempt.is_some_and(|last| last >= asked);
                    if outcome.failure().is_some() || is_new {
                        return outcome;
                    }
                    // Another replica had read before: nothing was read on this request's account.
                    *self.forced.lock() = None;
                    before = number;
                }
                FreshRead::Older(call) => {
                    let outcome = RefreshOutcome::wait(call, None).await;
                    if outcome.failure().is_none() && !requirement.wants_newer_than(self.age()) {
                        return outcome;
                    }
                }
                FreshRead::Due(due) => self.clock.sleep_until(due).await,
            }
        }
    }

    /// What to do for a call of a higher number than `before`. Decided and done under one lock:
    /// otherwise two callers could both find that a read is due, and the second one's would begin
    /// after the first one's had ended.
    fn next_call(
        &self,
        before: u64,
        refresh: impl Fn() -> InFlightCall<Result<(), VmcError>>,
    ) -> FreshRead {
        let mut forced = self.forced.lock();
        match self.refreshes.latest() {
            Some(call) if call.number > before => return FreshRead::Call(call),
            Some(call) if call.is_under_way() => return FreshRead::Older(call),
            _ => {}
        }
        let now = self.clock.now();
        if let Some(due) = forced.map(|forced| forced + BETWEEN_FORCED).filter(|due| *due > now) {
            return FreshRead::Due(due);
        }
        let call = refresh();
        if call.started {
            *forced = Some(now);
        }
        FreshRead::Call(call)
    }

    /// Notes that somebody asked: what is polled only while it is wanted is wanted again. Who wants
    /// nothing to be read causes no polling either.
    pub(super) fn note_question(&self, requirement: &FreshnessRequirement) {
        if requirement.only_if_cached {
            return;
        }
        *self.asked.lock() = Some(self.clock.now());
        self.asked_again.notify_one();
    }

    /// Returns while there are questions: at once if the last one is not long ago, else with the next
    /// one.
    pub(super) async fn wanted(&self) {
        while !self.is_wanted() {
            self.asked_again.notified().await;
        }
    }

    /// Whether the last question is not long ago.
    pub(super) fn is_wanted(&self) -> bool {
        let asked = *self.asked.lock();
        asked.is_some_and(|asked| self.clock.now().since(asked) < POLLED_AFTER_QUESTION)
    }

    /// Joins the refresh under way, or starts `job`.
    pub(super) fn refresh<F>(&self, job: impl FnOnce() -> F) -> InFlightCall<Result<(), VmcError>>
    where
        F: Future<Output = Result<(), VmcError>> + Send + 'static,
    {
        self.refreshes.join(job)
    }

    async fn read<R>(
        &self,
        may_go: bool,
        begun: Instant,
        read: impl FnOnce(Instant) -> R,
    ) -> Result<(), VmcError>
    where
        R: Future<Output = Result<ReadVerdict<T>, VmcError>>,
    {
        self.change(|state| {
            state.last_attempt = Some(begun);
            state.is_adopted = false;
        });
        let verdict = read(begun).await;
        let is_doubted = matches!(verdict, Ok(ReadVerdict::Unconfirmed));
        let outcome = match verdict {
            Ok(ReadVerdict::Believed(content)) => {
                self.keep(content, begun);
                Ok(())
            }
            // All stays as it is, until a reading that begins late enough says the same again.
            Ok(ReadVerdict::Unconfirmed) => {
                self.change(|state| {
                    state.unconfirmed_since.get_or_insert(begun);
                    state.last_error = None;
                    state.is_gone = false;
                });
                Ok(())
            }
            Err(error) => {
                self.change(|state| state.note_failure(may_go, &error));
                Err(error)
            }
        };
        if is_doubted {
            self.doubted.notify_one();
        }
        outcome
    }

    /// Equal content stays the same `Arc`, so that what was built from it stays good.
    fn keep(&self, content: T, begun: Instant) {
        let before = self.reading().filter(|reading| *reading.content == content);
        let content = before.map_or_else(|| Arc::new(content), |reading| reading.content);
        self.change(|state| {
            *state = State {
                reading: Some(Reading { content: content.clone(), begun }),
                last_attempt: state.last_attempt,
                ..State::default()
            };
        });
    }

    /// Takes over what another process read at `begun`, if nothing was read here yet; and whether
    /// VMware has refused since.
    pub(super) fn restore(&self, content: T, begun: Instant, is_denied: bool) {
        let content = Arc::new(content);
        self.change(|state| {
            if state.reading.is_none() {
                state.is_denied = is_denied;
                state.reading = Some(Reading { content: content.clone(), begun });
            }
        });
    }

    /// Puts another content in the place of the one that is kept, as old as it is, unless another
    /// reading comes in between. Tells whether there was anything to change.
    pub(super) fn rewrite(&self, change: impl FnOnce(&T) -> Option<T>) -> bool {
        let Some(reading) = self.reading() else { return false };
        let Some(content) = change(&reading.content) else { return false };
        self.replace(&reading, content);
        true
    }

    /// Puts other content in the place of a reading, if that is still what is kept. It stays as old as
    /// it is.
    pub(super) fn replace(&self, old: &Reading<T>, content: T) {
        let content = Arc::new(content);
        self.change(|state| {
            if let Some(reading) = &mut state.reading
                && Arc::ptr_eq(&reading.content, &old.content)
            {
                reading.content = content.clone();
            }
        });
    }

    /// The one way to another state.
    fn change(&self, change: impl Fn(&mut State<T>)) {
        self.state.rcu(|state| {
            let mut next = State::clone(state);
            change(&mut next);
            next
        });
    }
}
