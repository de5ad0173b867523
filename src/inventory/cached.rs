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

use std::{future::Future, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{self, Notify};

use super::{
    freshness::FreshnessRequirement,
    outcome::RefreshOutcome,
    settings::Settings,
    shared_state::{self, SharedContent},
    state::{Reading, State},
};
use crate::{
    clock::{Clock, Instant},
    sharing::{Lease, Record, SharedResource, Turn},
    single_flight::{InFlightCall, SingleFlight},
    tasks::{BackgroundJobs, blocking},
    vmc::{Endpoint, Reader, VmcError},
};

/// How long a request waits for a refresh while there is something that may be shown.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a request waits for a read that it forces, while there is something that may be shown:
/// long enough for a try that was under way to end and for one more.
const PATIENCE_FORCED: Duration = Duration::from_secs(20);
/// Reads that callers force (`no-cache`, `max-age`) begin no closer together than this.
const BETWEEN_FORCED: Duration = Duration::from_secs(1);
/// A reading of another replica that began so shortly before one is due here stands in for it.
const AT_ONCE: Duration = Duration::from_secs(1);
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
enum Next {
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
                Next::Call(call) => {
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
                Next::Older(call) => {
                    let outcome = RefreshOutcome::wait(call, None).await;
                    if outcome.failure().is_none() && !requirement.wants_newer_than(self.age()) {
                        return outcome;
                    }
                }
                Next::Due(due) => self.clock.sleep_until(due).await,
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
    ) -> Next {
        let mut forced = self.forced.lock();
        match self.refreshes.latest() {
            Some(call) if call.number > before => return Next::Call(call),
            Some(call) if call.is_under_way() => return Next::Older(call),
            _ => {}
        }
        let now = self.clock.now();
        if let Some(due) = forced.map(|forced| forced + BETWEEN_FORCED).filter(|due| *due > now) {
            return Next::Due(due);
        }
        let call = refresh();
        if call.started {
            *forced = Some(now);
        }
        Next::Call(call)
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

    /// Reads and keeps what came, or takes over what another replica has read. Part of a refresh's job.
    /// `reader` reads the `endpoint` in `read`, which is told when it begins. A 404 is a failure like
    /// others, unless `may_go`: then it says that there is nothing any longer.
    pub(super) async fn update<R>(
        &self,
        may_go: bool,
        (reader, endpoint): (&Reader, Endpoint<'_>),
        read: impl FnOnce(Instant) -> R,
    ) -> Result<(), VmcError>
    where
        R: Future<Output = Result<ReadVerdict<T>, VmcError>>,
    {
        let wanted = self.clock.now();
        let Some(shared) = &self.shared else { return self.read(may_go, wanted, read).await };
        let _updating = self.updating.lock().await;
        loop {
            match shared.turn().await {
                Turn::Unshared => return self.read(may_go, self.clock.now(), read).await,
                Turn::Granted(mut lease) => {
                    let outcome = self.read(may_go, self.clock.now(), read).await;
                    if outcome.as_ref().err().is_none_or(shared_state::is_shared) {
                        lease.stamp();
                        self.share(shared, lease, reader.held_for(endpoint));
                    }
                    return outcome;
                }
                Turn::Taken(record) => {
                    let adopted = self.adopt(shared, record, reader).await;
                    if let Some(state) = adopted.filter(|it| self.stands_in(it, wanted)) {
                        return state
                            .last_error
                            .map_or(Ok(()), |error| Err(VmcError::clone(&error)));
                    }
                }
            }
        }
    }

    /// Gives what was just read to the other replicas. Nobody waits for that: what is kept is not shown
    /// before its refresh is over.
    fn share(&self, shared: &SharedResource, lease: Lease, held_for: Option<Duration>) {
        let (state, now, life) = (self.state(), self.clock.now(), self.settings.stale);
        // It is in use here already.
        shared.adopted(lease.fence());
        self.jobs.spawn("share", async move {
            let encode = move || shared_state::encode(&state, now, held_for);
            if let Some(body) = blocking(encode).await {
                lease.publish(&body, life).await;
            }
        });
    }

    /// Takes over what another replica has published, if that is newer, and reads nothing: what is
    /// announced, by whomever, costs VMware Cloud no read. Tells how that replica's read had ended.
    pub(super) async fn catch_up(&self, reader: &Reader) -> Option<Result<(), VmcError>> {
        let shared = self.shared.as_ref()?;
        let _updating = self.updating.lock().await;
        let record = shared.published().await?;
        let state = self.adopt(shared, record, reader).await?;
        Some(state.last_error.map_or(Ok(()), |error| Err(VmcError::clone(&error))))
    }

    /// Takes over what another replica has read, unless this one has read later. `None`: it has, or
    /// the record is of another version.
    async fn adopt(
        &self,
        shared: &SharedResource,
        record: Record,
        reader: &Reader,
    ) -> Option<State<T>> {
        let before = self.state();
        let (fence, now) = (record.fence, self.clock.now());
        let written = now - record.age();
        let (known, scrubber) = (before.reading.clone(), reader.tokens().scrubber());
        let decode = move || {
            let before = known.as_ref().map(|reading| &*reading.content);
            shared_state::decode::<T>(&record.body, written, now, before, &scrubber)
        };
        let state = blocking(decode).await.flatten();
        let is_later = |last: &Instant| before.last_attempt.is_none_or(|it| it < *last);
        let state = state.filter(|it| it.last_attempt.as_ref().is_some_and(is_later));
        if let Some(state) = &state {
            self.change(|own| *own = state.clone().over(own));
            if self.confirm_at().is_some() {
                self.doubted.notify_one();
            }
        }
        shared.adopted(fence);
        state
    }

    /// Whether another replica's read is new enough to stand in for one that was `wanted`.
    fn stands_in(&self, state: &State<T>, wanted: Instant) -> bool {
        let is_new = state.last_attempt.is_some_and(|last| last + AT_ONCE >= wanted);
        is_new
            || match &state.last_error {
                None => state.age(wanted).is_some_and(|age| age < self.settings.fresh),
                // It holds reads back here too.
                Some(error) => error.retry_in().is_some_and(|left| !left.is_zero()),
            }
    }

    /// Returns when another replica has published what is not in use here.
    pub(super) async fn fallen_behind(&self) {
        match &self.shared {
            Some(shared) => shared.changed().await,
            None => std::future::pending().await,
        }
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
