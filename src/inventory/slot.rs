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
    Inner, Settings, Unavailable, directory,
    entry::Entry,
    kept::Kept,
    list::{Kind, List},
    model::{Org, SddcEntry, TaskEntry},
};
use crate::{
    clock::Instant,
    flight::Run,
    ids::OrgId,
    upstream::{self, Lane},
    vmc::{Endpoint, Reader, VmcError},
};

/// The least wait after a failure: a circuit that is half-open just now must not make a busy loop.
const LEAST_PAUSE: Duration = Duration::from_millis(250);

/// Where nothing is polled, watchers cause no more reads than one in this time.
const LEAST_WATCHED: Duration = Duration::from_secs(1);

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
        Self {
            id,
            reader,
            sddcs: List::new(&inner.clock, &inner.tasks),
            with_deleted: List::new(&inner.clock, &inner.tasks),
            tasks: List::new(&inner.clock, &inner.tasks),
            org: Kept::new(inner.clock.clone(), inner.tasks.flights.clone()),
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
        Unavailable::upstream(
            (kind.of)(self).kept.trouble(),
            self.reader.held_for((kind.endpoint)(&self.id)),
        )
    }

    /// This org as one that cannot be shown.
    pub(super) fn gap(&self, why: &Unavailable) -> Missing {
        Missing { org_id: self.id.clone(), reason: why.kind(), retry_in: why.retry_in() }
    }

    /// Whether a list should be read for a request: an org that VMware does not know is asked for
    /// again only now and then, and then for its SDDCs.
    pub(super) fn wants_reading<E: Entry>(
        &self,
        kind: &'static Kind<E>,
        now: Instant,
        pause: Duration,
    ) -> bool {
        let tried = self.sddcs.kept.tried();
        !self.is_gone() || (kind.is_main && tried.is_none_or(|tried| now.since(tried) >= pause))
    }

    /// The same for the organization's own document.
    pub(super) fn wants_document(&self, now: Instant, pause: Duration) -> bool {
        !self.is_unknown() || self.org.tried().is_none_or(|tried| now.since(tried) >= pause)
    }

    /// Joins or starts the refresh of a list. The merged picture is made anew before its waiters go
    /// on.
    pub(super) fn refresh<E: Entry>(
        self: &Arc<Self>,
        inner: &Arc<Inner>,
        kind: &'static Kind<E>,
        lane: Lane,
    ) -> Run<Result<(), VmcError>> {
        (kind.of)(self).kept.refresh(|| {
            let (slot, inner) = (self.clone(), inner.clone());
            async move {
                let list = (kind.of)(&slot);
                let outcome =
                    list.kept.update(kind.is_main, list.read(kind, &slot, &inner, lane)).await;
                if kind.is_main {
                    slot.reader.set_has_snapshot(list.kept.reading().is_some());
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
                }
                outcome
            }
        })
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
        lane: Lane,
    ) -> Run<Result<(), VmcError>> {
        self.org.refresh(|| {
            let (slot, inner) = (self.clone(), inner.clone());
            async move {
                let read = directory::read_org(&slot.reader, &slot.id, lane, &inner.metrics);
                let outcome = slot.org.update(true, read).await;
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
                if !kind.is_main {
                    kept.wanted().await;
                } else if inner.settings.poll.is_zero() {
                    inner.turns.watched().await;
                }
                // The one call of a half-open circuit is the main list's.
                let later = if kind.is_main { Duration::ZERO } else { LEAST_PAUSE };
                poll_is_due(kept, &self.reader, (kind.endpoint)(&self.id), &inner, later).await;
                let is_wanted = if kind.is_main { inner.wants_poll() } else { kept.is_wanted() };
                if is_wanted {
                    // What failed was logged where it happened.
                    let _ = self.refresh(&inner, kind, Lane::Poller).result().await;
                }
            }
        };
        self.retired.run_until_cancelled(poll).await;
    }

    /// The same for the organization's own document.
    pub(super) async fn keep_org_fresh(self: Arc<Self>, inner: Arc<Inner>) {
        let poll = async {
            loop {
                self.org.wanted().await;
                let endpoint = Endpoint::Org(&self.id);
                poll_is_due(&self.org, &self.reader, endpoint, &inner, Duration::ZERO).await;
                if self.org.is_wanted() {
                    let _ = self.refresh_org(&inner, Lane::Poller).result().await;
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
    let due = next_poll(kept, reader, endpoint, inner);
    let due = if is_failing { due + later } else { due };
    tokio::select! {
        () = inner.clock.sleep_until(due) => {}
        Ok(()) = minted.changed(), if is_failing => {}
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
    let poll = if poll.is_zero() { fresh.max(LEAST_WATCHED) } else { poll };
    if kept.trouble().is_some() {
        return reader.held_until(endpoint).unwrap_or(now + poll).max(now + LEAST_PAUSE);
    }
    // Up to a tenth earlier, so that replicas do not read in step.
    let pause = poll.mul_f64(rand::random_range(0.9..=1.0));
    match (kept.reading(), kept.tried()) {
        (Some(reading), _) => reading.begun + pause,
        (None, None) => now,
        // A try that left neither a reading nor a trouble has panicked.
        (None, Some(_)) => now + LEAST_PAUSE,
    }
}
