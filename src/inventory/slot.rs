//! One served organization: its reader, what was read of it, and its background refresh.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{
    Inner, Unavailable, directory,
    kept::Kept,
    mapping,
    model::{Org, SddcEntry},
};
use crate::{
    clock::Instant,
    flight::Run,
    ids::OrgId,
    upstream::{Breach, Kind},
    vmc::{Endpoint, OddCount, Reader, VmcError, wire},
};

/// The least wait after a failure: a gate that opens just now must not make a busy loop.
const LEAST_PAUSE: Duration = Duration::from_millis(250);

pub(super) type Sddcs = Vec<Arc<SddcEntry>>;

/// One organization. Lives as long as the org is served.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) id: OrgId,
    pub(super) reader: Reader,
    pub(super) sddcs: Kept<Sddcs>,
    pub(super) org: Kept<Org>,
    /// VMware answers 404 for it: it contributes nothing, and nothing is missing without it.
    gone: AtomicBool,
    /// Documents of the last list with something unreadable in them.
    odd: AtomicUsize,
    /// Ends the background refresh once the org left the discovery.
    pub(super) retired: CancellationToken,
}

/// Why an org has nothing to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Which org.
    pub org_id: OrgId,
    /// Why.
    pub reason: Kind,
    /// When asking again may help, where that is known.
    pub retry_in: Option<Duration>,
}

impl Slot {
    pub(super) fn new(id: OrgId, reader: Reader, inner: &Inner) -> Self {
        Self {
            id,
            reader,
            sddcs: Kept::new(inner.clock.clone(), inner.tasks.flights.clone()),
            org: Kept::new(inner.clock.clone(), inner.tasks.flights.clone()),
            gone: AtomicBool::new(false),
            odd: AtomicUsize::new(0),
            retired: inner.tasks.stop.child_token(),
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// Why the SDDCs cannot be shown, where that is so.
    pub(super) fn unavailable(&self) -> Unavailable {
        Unavailable::upstream(self.sddcs.trouble(), self.reader.held_for())
    }

    /// Whether VMware answers 404 for the organization's own document.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self.org.trouble().as_deref(), Some(VmcError::NotFound))
    }

    /// This org as one that cannot be shown.
    pub(super) fn gap(&self, why: &Unavailable) -> Missing {
        Missing { org_id: self.id.clone(), reason: why.kind(), retry_in: why.retry_in() }
    }

    /// Whether the SDDCs should be read for a request: an org that VMware does not know is asked
    /// for again only now and then.
    pub(super) fn wants_reading(&self, now: Instant, pause: Duration) -> bool {
        !self.is_gone() || self.sddcs.tried().is_none_or(|tried| now.since(tried) >= pause)
    }

    /// Joins or starts the refresh of the SDDCs. The merged picture is made anew before its waiters
    /// go on.
    pub(super) fn refresh(self: &Arc<Self>, inner: &Arc<Inner>) -> Run<Result<(), VmcError>> {
        self.sddcs.refresh(|| {
            let (slot, inner) = (self.clone(), inner.clone());
            async move {
                let outcome = slot.sddcs.update(slot.read_sddcs(&inner)).await;
                match outcome {
                    Ok(()) => slot.gone.store(false, Ordering::Relaxed),
                    Err(VmcError::NotFound) => {
                        if !slot.gone.swap(true, Ordering::Relaxed) {
                            tracing::warn!(org.id = %slot.id, "organization dropped: VMware answers 404");
                        }
                    }
                    // Says nothing about whether there is such an org.
                    Err(_) => {}
                }
                if let Err(error) = &outcome
                    && !error.is_held()
                    && !slot.is_gone()
                {
                    tracing::warn!(org.id = %slot.id, %error, "SDDCs not refreshed");
                }
                inner.merge();
                outcome
            }
        })
    }

    /// Joins or starts the refresh of the organization's own document.
    pub(super) fn refresh_org(self: &Arc<Self>, inner: &Arc<Inner>) -> Run<Result<(), VmcError>> {
        self.org.refresh(|| {
            let (slot, inner) = (self.clone(), inner.clone());
            async move {
                let read = directory::read_org(&slot.reader, &slot.id, &inner.metrics);
                let outcome = slot.org.update(read).await;
                if let Err(error) = &outcome
                    && !error.is_held()
                {
                    tracing::warn!(org.id = %slot.id, %error, "organization not refreshed");
                }
                outcome
            }
        })
    }

    async fn read_sddcs(&self, inner: &Inner) -> Result<Sddcs, VmcError> {
        let first = match self.read_sddcs_once(inner).await {
            // That an org is gone looks like loss too.
            Err(VmcError::NotFound) if !self.is_gone() => self.read_sddcs_once(inner).await?,
            first => first?,
        };
        let Some(before) = self.sddcs.reading() else { return Ok(first) };
        if !looks_like_loss(&before.content, &first) {
            return Ok(keep_newer(&before.content, first));
        }
        tracing::warn!(
            org.id = %self.id, before = before.content.len(), now = first.len(),
            "more than half of the SDDCs are not in the list: reading it again"
        );
        Ok(keep_newer(&before.content, self.read_sddcs_once(inner).await?))
    }

    async fn read_sddcs_once(&self, inner: &Inner) -> Result<Sddcs, VmcError> {
        let org = self.id.clone();
        let read = self.reader.read(Endpoint::Sddcs(&self.id), move |body| {
            let wires = wire::parse_sddcs(body).map_err(|_| Breach::Body("a list of SDDCs"))?;
            let mut odd = OddCount::default();
            let entries = mapping::sddcs(wires, &org, &mut odd);
            Ok((entries.into_iter().map(Arc::new).collect(), odd))
        });
        let (entries, odd) = read.await?;
        inner.metrics.odd_documents(odd.documents);
        let before = self.odd.swap(odd.documents, Ordering::Relaxed);
        if odd.documents > 0 && odd.documents != before {
            tracing::warn!(
                org.id = %self.id, odd = odd.documents, not_shown = odd.skipped,
                "SDDC documents with something unreadable in them: it is shown as null"
            );
        }
        Ok(entries)
    }

    /// Refreshes the SDDCs every `inventory.poll`, and after a failure when the gate lets it,
    /// until the org is retired.
    pub(super) async fn keep_fresh(self: Arc<Self>, inner: Arc<Inner>) {
        while self.retired.run_until_cancelled(self.poll(&inner)).await.is_some() {}
    }

    async fn poll(self: &Arc<Self>, inner: &Arc<Inner>) {
        inner.clock.sleep_until(next_poll(&self.sddcs, &self.reader, inner)).await;
        // What failed was logged where it happened.
        let _ = self.refresh(inner).result().await;
    }
}

/// When a list is read next: a poll interval after the last good reading, or as soon as what holds
/// it back lets it.
pub(super) fn next_poll<T: PartialEq + Send + Sync + 'static>(
    kept: &Kept<T>,
    reader: &Reader,
    inner: &Inner,
) -> Instant {
    let now = inner.clock.now();
    let poll = inner.settings.poll;
    if kept.trouble().is_some() {
        return reader.held_until().unwrap_or(now + poll).max(now + LEAST_PAUSE);
    }
    // Up to a tenth earlier, so that replicas do not read in step.
    let pause = poll.mul_f64(rand::random_range(0.9..=1.0));
    kept.reading().map_or(now, |reading| reading.begun + pause)
}

/// Of each SDDC that was there before, the copy with the higher `version`: an answer may come from a
/// replica of VMware's that lags behind.
fn keep_newer(before: &Sddcs, mut now: Sddcs) -> Sddcs {
    let before: HashMap<&str, &Arc<SddcEntry>> =
        before.iter().map(|entry| (entry.sddc.id.as_str(), entry)).collect();
    for entry in &mut now {
        if let Some(kept) = before.get(entry.sddc.id.as_str())
            && entry.version.is_some()
            && entry.version < kept.version
        {
            *entry = Arc::clone(kept);
        }
    }
    now
}

/// A 200 that loses everything, or more than half, is read twice before it is believed: VMware's
/// lists are eventually consistent.
fn looks_like_loss(before: &Sddcs, now: &Sddcs) -> bool {
    let now: HashSet<&str> = now.iter().map(|entry| entry.sddc.id.as_str()).collect();
    let lost = before.iter().filter(|entry| !now.contains(entry.sddc.id.as_str())).count();
    lost * 2 > before.len()
}
