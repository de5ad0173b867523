//! One served organization: its reader, what was read of it, and its background refreshes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{
    Inner, Settings, Unavailable,
    belief::Regressions,
    directory::{self, Directory},
    entry::Entry,
    kept::{Kept, Verdict},
    list::{self, Kind, List},
    model::{Org, SddcEntry, TaskEntry},
    texts::Texts,
};
use crate::{
    clock::Instant,
    ids::OrgId,
    single_flight::InFlightCall,
    tasks::blocking,
    upstream::{self, Priority},
    vmc::{Endpoint, Reader, VmcError},
};

/// The least wait after a failure: a circuit that is half-open just now must not make a busy loop.
const MIN_PAUSE: Duration = Duration::from_millis(250);

/// Where nothing is polled, watchers cause no more reads than one in this time.
const MIN_WATCHED: Duration = Duration::from_secs(1);

/// The orgs whose documents are shown: those that VMware knows. If it knows none, what was read of all
/// of them before is shown as old as it is: a wrong base URL looks like that.
pub(super) fn shown(slots: &[Arc<Slot>]) -> impl Iterator<Item = &Arc<Slot>> {
    let none_is_left = slots.iter().all(|slot| slot.is_gone());
    slots.iter().filter(move |slot| none_is_left || !slot.is_gone())
}

/// One organization. Lives as long as the org is served.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) id: OrgId,
    pub(super) reader: Reader,
    pub(super) sddcs: List<SddcEntry>,
    pub(super) with_deleted: List<SddcEntry>,
    pub(super) tasks: List<TaskEntry>,
    pub(super) org: Kept<Org>,
    /// VMware answers 404 for it: it contributes nothing, and nothing is missing without it.
    gone: AtomicBool,
    /// Ends the background refreshes once the org left the discovery.
    pub(super) retired: CancellationToken,
}

/// Why an org has nothing to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Which org.
    pub org_id: OrgId,
    /// Why.
    pub reason: upstream::Kind,
    /// When asking again may help, where that is known.
    pub retry_in: Option<Duration>,
}

impl Slot {
    pub(super) fn new(id: OrgId, reader: Reader, inner: &Inner) -> Self {
        let sddcs: Arc<Regressions> = Arc::default();
        Self {
            id,
            reader,
            sddcs: List::new(&inner.clock, &inner.tasks, sddcs.clone()),
            with_deleted: List::new(&inner.clock, &inner.tasks, sddcs),
            tasks: List::new(&inner.clock, &inner.tasks, Arc::default()),
            org: Kept::new(inner.clock.clone(), inner.tasks.jobs.clone()),
            gone: AtomicBool::new(false),
            retired: inner.tasks.stop.child_token(),
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// Whether VMware answers 404 for the organization's own document.
    pub(super) fn is_unknown(&self) -> bool {
        self.org.is_gone()
    }

    /// Why a list cannot be shown, where that is so.
    pub(super) fn unavailable<E: Entry>(&self, kind: &'static Kind<E>) -> Unavailable {
        if self.is_gone() {
            return Unavailable::upstream(Some(Arc::new(VmcError::NotFound)), None);
        }
        Unavailable::upstream(
            (kind.of)(self).kept.trouble(),
            self.reader.held_for((kind.endpoint)(&self.id)),
        )
    }

    /// This org as one that cannot be shown.
    pub(super) fn gap(&self, why: &Unavailable) -> Missing {
        Missing { org_id: self.id.clone(), reason: why.kind(), retry_in: why.retry_in() }
    }

    /// Whether it is time to see if an org that VMware did not know is there again.
    pub(super) fn may_be_back(&self, now: Instant, pause: Duration) -> bool {
        self.sddcs.kept.tried().is_none_or(|tried| now.since(tried) >= pause)
    }

    /// The same for the organization's own document.
    pub(super) fn wants_document(&self, now: Instant, pause: Duration) -> bool {
        !self.is_unknown() || self.org.tried().is_none_or(|tried| now.since(tried) >= pause)
    }

    /// Joins or starts the refresh of a list. The merged snapshot is made again before its waiters go
    /// on.
    pub(super) fn refresh<E: Entry>(
        self: &Arc<Self>,
        inner: &Arc<Inner>,
        kind: &'static Kind<E>,
        priority: Priority,
    ) -> InFlightCall<Result<(), VmcError>> {
        (kind.of)(self).kept.refresh(|| {
            let (slot, inner) = (self.clone(), inner.clone());
            async move {
                let held = slot.reader.tokens().held_generation();
                let (list, begun) = ((kind.of)(&slot), inner.clock.now());
                let read = list.read(kind, &slot, &inner, priority, begun);
                let outcome = list.kept.update(kind.is_main, begun, read).await;
                // What came to be held since the texts were scrubbed: from here on the scrubber sees them.
                if held != slot.reader.tokens().held_generation() {
                    let slot = slot.clone();
                    let scrub =
                        move || (kind.of)(&slot).scrub_again(&slot.reader.tokens().scrubber());
                    let _ = blocking(scrub).await;
                }
                if kind.is_main {
                    let has_snapshot = list.kept.reading().is_some() && !list.kept.is_gone();
                    slot.reader.set_has_snapshot(has_snapshot);
                }
                let has_come_or_gone = kind.is_main && slot.note_whether_gone(&outcome);
                if let Err(error) = &outcome
                    && !error.is_held()
                    && !slot.is_gone()
                {
                    tracing::warn!(org.id = %slot.id, %error, "{} not refreshed", kind.name);
                }
                // What is gone is gone from every list, and would be read for none of them.
                if has_come_or_gone {
                    inner.merge_all();
                } else {
                    inner.merge(kind);
                    if let Some(sibling) = kind.sibling {
                        inner.merge(sibling());
                    }
                }
                outcome
            }
        })
    }

    /// Takes secrets out of what was read before they were held, now and whenever one comes, until the
    /// org is retired.
    pub(super) async fn run_scrubber(self: Arc<Self>, inner: Arc<Inner>) {
        let mut changes = self.reader.tokens().held_changes();
        let scrub = async {
            loop {
                let (slot, inner) = (self.clone(), inner.clone());
                let _ = blocking(move || slot.scrub_again(&inner)).await;
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        self.retired.run_until_cancelled(scrub).await;
    }

    /// Takes secrets out of all that is kept of the organization.
    pub(super) fn scrub_again(&self, inner: &Inner) {
        let scrubber = self.reader.tokens().scrubber();
        if self.sddcs.scrub_again(&scrubber) {
            inner.merge(&list::SDDCS);
        }
        if self.with_deleted.scrub_again(&scrubber) {
            inner.merge(&list::WITH_DELETED);
        }
        if self.tasks.scrub_again(&scrubber) {
            inner.merge(&list::TASKS);
        }
        let clean = |org: &Org| {
            let mut clean = org.clone();
            clean.make_fit_to_show(&scrubber);
            clean
        };
        self.org.rewrite(|org| Some(clean(org)).filter(|clean| clean != org));
        if let Directory::Discovered(discovery) = &inner.directory {
            let clean = |orgs: &Vec<Org>| orgs.iter().map(clean).collect::<Vec<_>>();
            discovery.orgs.rewrite(|orgs| Some(clean(orgs)).filter(|clean| clean != orgs));
        }
    }

    /// Tells whether that is news.
    fn note_whether_gone(&self, outcome: &Result<(), VmcError>) -> bool {
        match outcome {
            Ok(()) => self.gone.swap(false, Ordering::Relaxed),
            Err(VmcError::NotFound) => {
                let is_news = !self.gone.swap(true, Ordering::Relaxed);
                if is_news {
                    tracing::warn!(org.id = %self.id, "organization dropped: VMware answers 404");
                }
                is_news
            }
            // Says nothing about whether there is such an org.
            Err(_) => false,
        }
    }

    /// Joins or starts the refresh of the organization's own document.
    pub(super) fn refresh_org(
        self: &Arc<Self>,
        inner: &Arc<Inner>,
        priority: Priority,
    ) -> InFlightCall<Result<(), VmcError>> {
        self.org.refresh(|| {
            let (slot, inner) = (self.clone(), inner.clone());
            async move {
                let read = directory::read_org(&slot.reader, &slot.id, priority, &inner.metrics);
                let read = async { read.await.map(Verdict::Believed) };
                let outcome = slot.org.update(true, inner.clock.now(), read).await;
                if let Err(error) = &outcome
                    && !error.is_held()
                {
                    tracing::warn!(org.id = %slot.id, %error, "organization not refreshed");
                }
                outcome
            }
        })
    }

    /// Refreshes a list every `inventory.poll`, and after a failure when the circuit breaker lets it, until
    /// the org is retired. The main one always, or while it is watched if nothing is polled; others
    /// while they are asked for.
    pub(super) async fn keep_fresh<E: Entry>(
        self: Arc<Self>,
        inner: Arc<Inner>,
        kind: &'static Kind<E>,
    ) {
        let poll = async {
            let kept = &(kind.of)(&self).kept;
            loop {
                tokio::select! {
                    () = self.until_polled(&inner, kind) => {}
                    // Whatever is polled, what is in doubt is read until it is confirmed.
                    () = kept.doubted() => {}
                }
                // The one call of a half-open circuit is the main list's.
                let later = if kind.is_main { Duration::ZERO } else { MIN_PAUSE };
                poll_is_due(kept, &self.reader, (kind.endpoint)(&self.id), &inner, later).await;
                let is_wanted = match kept.confirm_at() {
                    // A reading that begins earlier would confirm nothing.
                    Some(at) => inner.clock.now() >= at,
                    None if kind.is_main => inner.wants_poll(),
                    None => !inner.settings.poll.is_zero() && kept.is_wanted(),
                };
                if is_wanted {
                    // What failed was logged where it happened.
                    let _ = self.refresh(&inner, kind, Priority::Poller).result().await;
                }
            }
        };
        self.retired.run_until_cancelled(poll).await;
    }

    /// Returns while a list is polled: the main one always, or while it is watched if nothing is
    /// polled; others while they are asked for.
    async fn until_polled<E: Entry>(&self, inner: &Inner, kind: &'static Kind<E>) {
        match (kind.is_main, inner.settings.poll.is_zero()) {
            (true, false) => {}
            (true, true) => inner.changes.watched().await,
            (false, false) => (kind.of)(self).kept.wanted().await,
            (false, true) => std::future::pending().await,
        }
    }

    /// The same for the organization's own document.
    pub(super) async fn keep_org_fresh(self: Arc<Self>, inner: Arc<Inner>) {
        let poll = async {
            loop {
                self.org.wanted().await;
                let endpoint = Endpoint::Org(&self.id);
                poll_is_due(&self.org, &self.reader, endpoint, &inner, Duration::ZERO).await;
                if self.org.is_wanted() {
                    let _ = self.refresh_org(&inner, Priority::Poller).result().await;
                }
            }
        };
        self.retired.run_until_cancelled(poll).await;
    }
}

/// Returns when a list is to be read next; so much later while reads fail, but at once with a new
/// token: it may have mended what they fail for, as when the client secret was changed.
pub(super) async fn poll_is_due<T: PartialEq + Send + Sync + 'static>(
    kept: &Kept<T>,
    reader: &Reader,
    endpoint: Endpoint<'_>,
    inner: &Inner,
    later: Duration,
) {
    // From before the look at how reads fail, so that no token is missed.
    let mut minted = reader.tokens().minted();
    let is_failing = kept.trouble().is_some();
    let is_certain = kept.confirm_at().is_none();
    let due = next_poll(kept, reader, endpoint, inner);
    let due = if is_failing { due + later } else { due };
    tokio::select! {
        () = inner.clock.sleep_until(due) => {}
        Ok(()) = minted.changed(), if is_failing => {}
        // A request has read something that has to be confirmed.
        () = kept.doubted(), if is_certain => {}
    }
}

/// When a list is read next: a poll interval after the last good reading, or as soon as what holds
/// it back lets it.
fn next_poll<T: PartialEq + Send + Sync + 'static>(
    kept: &Kept<T>,
    reader: &Reader,
    endpoint: Endpoint<'_>,
    inner: &Inner,
) -> Instant {
    let now = inner.clock.now();
    let Settings { poll, fresh, .. } = inner.settings;
    // Watchers of what is not polled want it as fresh as it is called.
    let is_polled = !poll.is_zero();
    let poll = if is_polled { poll } else { fresh.max(MIN_WATCHED) };
    if kept.trouble().is_some() {
        return reader.held_until(endpoint).unwrap_or(now + poll).max(now + MIN_PAUSE);
    }
    // Up to a tenth earlier, so that replicas do not read in step.
    let pause = poll.mul_f64(rand::random_range(0.9..=1.0));
    if let (Some(at), Some(tried)) = (kept.confirm_at(), kept.tried()) {
        return if is_polled { at.max(tried + pause) } else { at };
    }
    match (kept.reading(), kept.tried()) {
        (Some(reading), _) => reading.begun + pause,
        (None, None) => now,
        // A try that left neither a reading nor a trouble has panicked.
        (None, Some(_)) => now + MIN_PAUSE,
    }
}
