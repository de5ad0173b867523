//! The kinds of lists that are read per org and merged over all of them.
//!
//! ```text
//! Kind: endpoint ─► parse ─► Slot's List (one org) ─► Merged (all orgs) ─► what requests read
//! ```
//!
//! All kinds share one way of being read, believed, kept and merged. What differs between them
//! stands in their [`Kind`].

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use arc_swap::ArcSwap;

use super::{
    Inner, Observer,
    belief::{self, OrgList, Regressions, Shown},
    entry::Entry,
    kept::{Kept, Reading, Verdict},
    mapping,
    model::{Gap, GapReason, SddcEntry, TaskEntry},
    picture::{Content, Part, Picture},
    slot::{self, Slot},
};
use crate::{
    clock::{Clock, Instant},
    csp::{Scrubber, TokenSource},
    ids::OrgId,
    tasks::Tasks,
    upstream::{InvalidResponse, Priority},
    vmc::{Endpoint, OddCount, VmcError, wire},
};

/// Reads the documents of an org, and what of them is left out; its tokens know which secrets must
/// not be in a text.
type Parse<E> =
    fn(&[u8], &OrgId, &TokenSource, &mut OddCount) -> Result<(Vec<E>, Vec<Gap>), VmcError>;

/// What is particular to a kind of list.
#[derive(Debug)]
pub(super) struct Kind<E: 'static> {
    /// For log lines.
    pub(super) name: &'static str,
    /// Its part in an org.
    pub(super) of: fn(&Slot) -> &List<E>,
    /// Its whole.
    pub(super) merged: fn(&Inner) -> &Merged<E>,
    pub(super) endpoint: fn(&OrgId) -> Endpoint<'_>,
    pub(super) parse: Parse<E>,
    /// Tells an observer that the list has changed.
    pub(super) observe: fn(&dyn Observer, &Content<E>, &Content<E>),
    /// Polled always, and the one that tells whether VMware knows the org. Others are polled while
    /// they are asked for.
    pub(super) is_main: bool,
    /// What looks like loss is read again before it is believed.
    may_be_lost: bool,
    /// The other list of the same documents: both say the same of them.
    pub(super) sibling: Option<fn() -> &'static Self>,
}

/// The SDDCs, deleted ones apart.
pub(super) static SDDCS: Kind<SddcEntry> = Kind {
    name: "SDDCs",
    of: |slot| &slot.sddcs,
    merged: |inner| &inner.sddcs,
    endpoint: |org| Endpoint::Sddcs(org),
    parse: parse_sddcs,
    observe: |observer, before, now| observer.sddcs_changed(before, now),
    is_main: true,
    may_be_lost: true,
    sibling: Some(|| &WITH_DELETED),
};

/// The SDDCs, deleted ones included.
pub(super) static WITH_DELETED: Kind<SddcEntry> = Kind {
    name: "SDDCs with deleted ones",
    of: |slot| &slot.with_deleted,
    merged: |inner| &inner.with_deleted,
    endpoint: |org| Endpoint::SddcsWithDeleted(org),
    parse: parse_sddcs,
    observe: |observer, before, now| observer.sddcs_changed(before, now),
    is_main: false,
    may_be_lost: true,
    sibling: Some(|| &SDDCS),
};

/// The newest tasks.
pub(super) static TASKS: Kind<TaskEntry> = Kind {
    name: "tasks",
    of: |slot| &slot.tasks,
    merged: |inner| &inner.task_list,
    endpoint: |org| Endpoint::Tasks(org),
    parse: parse_tasks,
    observe: |observer, before, now| observer.tasks_changed(before, now),
    is_main: false,
    // Old ones leave the list as new ones come.
    may_be_lost: false,
    sibling: None,
};

fn parse_sddcs(
    body: &[u8],
    org: &OrgId,
    tokens: &TokenSource,
    odd: &mut OddCount,
) -> Result<(Vec<SddcEntry>, Vec<Gap>), VmcError> {
    let wires = wire::parse_sddcs(body).map_err(|_| InvalidResponse::Body("a list of SDDCs"))?;
    let (listed, entries) = (wires.len(), mapping::sddcs(wires, org, odd, &tokens.scrubber()));
    let gaps = without_id(listed, entries.len(), org, odd, "a list of SDDCs with usable ids")?;
    Ok((entries, gaps))
}

/// One gap for each element of a list that has no usable id.
///
/// # Errors
/// All are such: a list of none would be a wrong answer.
fn without_id(
    listed: usize,
    shown: usize,
    org: &OrgId,
    odd: &OddCount,
    what: &'static str,
) -> Result<Vec<Gap>, VmcError> {
    if listed > 0 && shown == 0 {
        return Err(InvalidResponse::Body(what).into());
    }
    let gap = Gap { org_id: org.clone(), sddc_id: None, reason: GapReason::Unreadable };
    Ok(vec![gap; odd.without_id])
}

fn parse_tasks(
    body: &[u8],
    org: &OrgId,
    tokens: &TokenSource,
    odd: &mut OddCount,
) -> Result<(Vec<TaskEntry>, Vec<Gap>), VmcError> {
    let wires = wire::parse_tasks(body).map_err(|_| InvalidResponse::Body("a list of tasks"))?;
    let listed = wires.len();
    let tasks = mapping::tasks(wires, org, odd, &tokens.scrubber());
    let mut gaps =
        without_id(listed, tasks.entries.len(), org, odd, "a list of tasks with usable ids")?;
    let reason = GapReason::OlderTasks;
    gaps.extend(tasks.dropped_of.into_iter().map(|sddc_id| Gap {
        org_id: org.clone(),
        sddc_id,
        reason,
    }));
    Ok((tasks.entries, gaps))
}

/// One org's part of a kind of list.
#[derive(Debug)]
pub(super) struct List<E> {
    pub(super) kept: Kept<OrgList<E>>,
    /// Documents of the last reading with something unreadable in them.
    odd: AtomicUsize,
    /// Elements of the last reading without a usable id.
    without_id: AtomicUsize,
    /// The last reading had more than is kept.
    is_cut: AtomicBool,
    regressions: Arc<Regressions>,
}

impl<E: Entry> List<E> {
    /// Nothing was read yet. Lists of the same documents share `regressions`.
    pub(super) fn new(clock: &Clock, tasks: &Tasks, regressions: Arc<Regressions>) -> Self {
        Self {
            kept: Kept::new(clock.clone(), tasks.jobs.clone()),
            odd: AtomicUsize::new(0),
            without_id: AtomicUsize::new(0),
            is_cut: AtomicBool::new(false),
            regressions,
        }
    }

    /// Takes secrets out of what was read before they were held. Tells whether there were any.
    pub(super) fn scrub_again(&self, scrubber: &Scrubber) -> bool {
        self.kept.rewrite(|list| list.without_secrets(scrubber))
    }

    /// Reads the list, in a reading that begins at `begun`, and tells what to make of it.
    pub(super) async fn read(
        &self,
        kind: &'static Kind<E>,
        slot: &Slot,
        inner: &Inner,
        priority: Priority,
        begun: Instant,
    ) -> Result<Verdict<OrgList<E>>, VmcError> {
        let list = match self.read_once(kind, slot, inner, priority).await {
            // A 404 is read twice before the org is dropped.
            Err(VmcError::NotFound) if kind.is_main && !slot.is_gone() => {
                self.read_once(kind, slot, inner, priority).await?
            }
            first => first?,
        };
        Ok(self.believe(kind, slot, inner, begun, list))
    }

    /// What is made of a list that was read: see [`belief`].
    fn believe(
        &self,
        kind: &'static Kind<E>,
        slot: &Slot,
        inner: &Inner,
        begun: Instant,
        mut list: OrgList<E>,
    ) -> Verdict<OrgList<E>> {
        self.note_bound(kind, slot, &list);
        let sibling = kind.sibling.map(|sibling| &(sibling().of)(slot).kept);
        let other = sibling.and_then(Kept::reading);
        if let (None, Some(other)) = (self.kept.reading(), &other)
            && kind.may_be_lost
        {
            // Of the other list all that is not deleted: a deleted SDDC is in one of the two only.
            let known = other.content.without_deleted();
            if belief::looks_like_loss(&known, &list) {
                // It has what this first reading lacks: until one of them is confirmed, both show it.
                self.kept.restore(known, other.begun, false);
            }
        }
        let before = self.kept.reading();
        if let Some(before) = &before {
            self.note_without_id(kind, slot, before, &mut list, begun - inner.settings.stale);
            if kind.may_be_lost && belief::looks_like_loss(&before.content, &list) {
                let (was, now) = (before.content.entries.len(), list.entries.len());
                let org = &slot.id;
                if !self.kept.is_confirmed_by(begun) {
                    tracing::warn!(
                        org.id = %org, before = was, now,
                        "more than half of the {} are not in the list: the old list stays until \
                         a later reading confirms it", kind.name
                    );
                    return Verdict::Unconfirmed;
                }
                tracing::warn!(
                    org.id = %org, before = was, now,
                    "a second reading confirms that more than half of the {} are gone", kind.name
                );
            }
        }
        let shown = Shown::of(before.as_ref(), other.as_ref());
        let versions = belief::keep_newer(&shown, &mut list, &self.regressions);
        inner.metrics.odd_documents(versions.held);
        for id in versions.newly_held {
            tracing::warn!(
                org.id = %slot.id, %id,
                "a lower version than before in {}: the higher one stays until three readings agree",
                kind.name
            );
        }
        for id in versions.restored {
            tracing::warn!(
                org.id = %slot.id, %id,
                "a lower version than before in {} is believed: readings agree, or it was updated \
                 later", kind.name
            );
        }
        if let Some((sibling, other)) = sibling.zip(other)
            && let Some(newer) = belief::with_newer_copies(&other, &list, begun)
        {
            sibling.replace(&other, newer);
        }
        Verdict::Believed(list)
    }

    /// Keeps what a list with elements without a usable id does not show, and says so.
    fn note_without_id(
        &self,
        kind: &'static Kind<E>,
        slot: &Slot,
        before: &Reading<OrgList<E>>,
        list: &mut OrgList<E>,
        oldest: Instant,
    ) {
        let count = list.without_id();
        let known = self.without_id.swap(count, Ordering::Relaxed);
        let is_cut = list.gaps.iter().any(|gap| gap.reason == GapReason::OlderTasks);
        if count == 0 || is_cut {
            return;
        }
        let unshown = belief::keep_unshown(before, list, oldest);
        if count != known {
            tracing::warn!(
                org.id = %slot.id, without_id = count, kept = unshown,
                "elements without a usable id in {}: nothing is removed, what the list does not \
                 show stays as it was", kind.name
            );
        }
    }

    /// Logs once that a list has more than is kept, until one has not.
    fn note_bound(&self, kind: &'static Kind<E>, slot: &Slot, list: &OrgList<E>) {
        let is_cut = list.gaps.iter().any(|gap| gap.reason == GapReason::OlderTasks);
        if is_cut && !self.is_cut.load(Ordering::Relaxed) {
            tracing::info!(
                org.id = %slot.id, kept = list.entries.len(),
                "older tasks are left out of {}: their lists are partial", kind.name
            );
        }
        self.is_cut.store(is_cut, Ordering::Relaxed);
    }

    async fn read_once(
        &self,
        kind: &'static Kind<E>,
        slot: &Slot,
        inner: &Inner,
        priority: Priority,
    ) -> Result<OrgList<E>, VmcError> {
        let (org, tokens) = (slot.id.clone(), slot.reader.tokens().clone());
        let metrics = inner.metrics.clone();
        let read = slot.reader.read((kind.endpoint)(&slot.id), priority, move |body| {
            let mut odd = OddCount::default();
            let parsed = (kind.parse)(body, &org, &tokens, &mut odd);
            metrics.odd_documents(odd.documents);
            let (entries, gaps) = parsed?;
            let entries = entries.into_iter().map(Arc::new).collect();
            Ok((OrgList { entries, gaps, held_back: Vec::new() }, odd))
        });
        let (list, odd) = read.await?;
        let before = self.odd.swap(odd.documents, Ordering::Relaxed);
        if odd.documents > 0 && odd.documents != before {
            tracing::warn!(
                org.id = %slot.id, odd = odd.documents, not_shown = odd.skipped,
                "documents of {} with something unreadable in them: it is shown as null", kind.name
            );
        }
        Ok(list)
    }
}

/// A kind of list, merged over all orgs.
#[derive(Debug)]
pub(super) struct Merged<E> {
    pub(super) picture: ArcSwap<Picture<E>>,
}

impl<E: Entry> Default for Merged<E> {
    fn default() -> Self {
        Self { picture: ArcSwap::from_pointee(Picture::empty()) }
    }
}

impl<E: Entry> Merged<E> {
    /// Makes the snapshot again from what the orgs hold; `next_revision` is asked for a number if
    /// the content has changed. One at a time: see [`Inner::merge`].
    pub(super) fn make(
        &self,
        kind: &'static Kind<E>,
        slots: &[Arc<Slot>],
        next_revision: impl FnOnce() -> u64,
    ) {
        let (mut parts, mut orgs) = (Vec::new(), Vec::new());
        let mut is_settled = true;
        for slot in slot::shown(slots) {
            let kept = &(kind.of)(slot).kept;
            let reading = kept.reading();
            orgs.push((slot.clone(), reading.as_ref().map(|reading| reading.begun)));
            is_settled &= kept.confirm_at().is_none()
                && reading.as_ref().is_none_or(|reading| reading.content.held_back.is_empty());
            parts.extend(
                reading.map(|reading| Part { org: slot.id.clone(), list: reading.content }),
            );
        }
        is_settled &= !slots.iter().any(|slot| slot.is_gone());
        // `None` sorts first: an org without a reading leaves no oldest one.
        let oldest = orgs.iter().map(|(_, begun)| *begun).min().flatten();
        let before = self.picture.load();
        let content = if before.content.is_of(&parts) {
            before.content.clone()
        } else {
            Arc::new(Content::merge(next_revision(), parts))
        };
        self.picture.store(Arc::new(Picture { content, orgs, oldest, is_settled }));
    }
}
