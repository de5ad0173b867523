//! The kinds of lists that are read per org and merged over all of them.
//!
//! ```text
//! Kind: endpoint ─► parse ─► Slot's List (one org) ─► Merged (all orgs) ─► what requests read
//! ```
//!
//! All kinds share one way of being read, believed, kept and merged. What differs between them
//! stands in their [`Kind`].

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use arc_swap::ArcSwap;

use super::{
    Inner,
    entry::Entry,
    kept::Kept,
    mapping,
    model::{Gap, SddcEntry, TaskEntry},
    picture::{Content, Part, Picture},
    slot::Slot,
};
use crate::{
    clock::Clock,
    csp::TokenSource,
    ids::OrgId,
    tasks::Tasks,
    upstream::{Breach, Lane},
    vmc::{Endpoint, OddCount, VmcError, wire},
};

/// The documents of one org.
pub(super) type Entries<E> = Vec<Arc<E>>;

/// One org's list as it was read.
#[derive(Debug, PartialEq)]
pub(super) struct OrgList<E> {
    pub(super) entries: Entries<E>,
    /// What of the list is not in `entries`.
    pub(super) gaps: Vec<Gap>,
}

impl<E> OrgList<E> {
    /// A list of which nothing is left out.
    pub(super) fn whole(entries: Entries<E>) -> Self {
        Self { entries, gaps: Vec::new() }
    }
}

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
    /// Polled always, and the one that tells whether VMware knows the org. Others are polled while
    /// they are asked for.
    pub(super) is_main: bool,
    /// What looks like loss is read again before it is believed.
    may_be_lost: bool,
}

/// The SDDCs, deleted ones apart.
pub(super) static SDDCS: Kind<SddcEntry> = Kind {
    name: "SDDCs",
    of: |slot| &slot.sddcs,
    merged: |inner| &inner.sddcs,
    endpoint: |org| Endpoint::Sddcs(org),
    parse: parse_sddcs,
    is_main: true,
    may_be_lost: true,
};

/// The SDDCs, deleted ones included.
pub(super) static WITH_DELETED: Kind<SddcEntry> = Kind {
    name: "SDDCs with deleted ones",
    of: |slot| &slot.with_deleted,
    merged: |inner| &inner.with_deleted,
    endpoint: |org| Endpoint::SddcsWithDeleted(org),
    parse: parse_sddcs,
    is_main: false,
    may_be_lost: true,
};

/// The newest tasks.
pub(super) static TASKS: Kind<TaskEntry> = Kind {
    name: "tasks",
    of: |slot| &slot.tasks,
    merged: |inner| &inner.task_list,
    endpoint: |org| Endpoint::Tasks(org),
    parse: parse_tasks,
    is_main: false,
    // Old ones leave the list as new ones come.
    may_be_lost: false,
};

fn parse_sddcs(
    body: &[u8],
    org: &OrgId,
    _: &TokenSource,
    odd: &mut OddCount,
) -> Result<(Vec<SddcEntry>, Vec<Gap>), VmcError> {
    let wires = wire::parse_sddcs(body).map_err(|_| Breach::Body("a list of SDDCs"))?;
    Ok((mapping::sddcs(wires, org, odd), Vec::new()))
}

fn parse_tasks(
    body: &[u8],
    org: &OrgId,
    tokens: &TokenSource,
    odd: &mut OddCount,
) -> Result<(Vec<TaskEntry>, Vec<Gap>), VmcError> {
    let wires = wire::parse_tasks(body).map_err(|_| Breach::Body("a list of tasks"))?;
    let scrubber = tokens.scrubber();
    let tasks = mapping::tasks(wires, org, odd, &|text| scrubber.scrub(text));
    if tasks.dropped > 0 {
        tracing::debug!(org.id = %org, dropped = tasks.dropped, "older tasks are not kept");
    }
    Ok((tasks.entries, Vec::new()))
}

/// One org's part of a kind of list.
#[derive(Debug)]
pub(super) struct List<E> {
    pub(super) kept: Kept<OrgList<E>>,
    /// Documents of the last reading with something unreadable in them.
    odd: AtomicUsize,
}

impl<E: Entry> List<E> {
    pub(super) fn new(clock: &Clock, tasks: &Tasks) -> Self {
        let kept = Kept::new(clock.clone(), tasks.flights.clone());
        Self { kept, odd: AtomicUsize::new(0) }
    }

    /// Reads the list, twice where the first answer looks like loss.
    pub(super) async fn read(
        &self,
        kind: &'static Kind<E>,
        slot: &Slot,
        inner: &Inner,
        lane: Lane,
    ) -> Result<OrgList<E>, VmcError> {
        let first = match self.read_once(kind, slot, inner, lane).await {
            // That an org is gone looks like loss too.
            Err(VmcError::NotFound) if kind.is_main && !slot.is_gone() => {
                self.read_once(kind, slot, inner, lane).await?
            }
            first => first?,
        };
        let Some(before) = self.kept.reading() else { return Ok(first) };
        if !kind.may_be_lost || !looks_like_loss(&before.content.entries, &first.entries) {
            return Ok(keep_newer(&before.content, first));
        }
        tracing::warn!(
            org.id = %slot.id, before = before.content.entries.len(), now = first.entries.len(),
            "more than half of the {} are not in the list: reading it again", kind.name
        );
        Ok(keep_newer(&before.content, self.read_once(kind, slot, inner, lane).await?))
    }

    async fn read_once(
        &self,
        kind: &'static Kind<E>,
        slot: &Slot,
        inner: &Inner,
        lane: Lane,
    ) -> Result<OrgList<E>, VmcError> {
        let (org, tokens) = (slot.id.clone(), slot.reader.tokens().clone());
        let read = slot.reader.read((kind.endpoint)(&slot.id), lane, move |body| {
            let mut odd = OddCount::default();
            let (entries, gaps) = (kind.parse)(body, &org, &tokens, &mut odd)?;
            let entries = entries.into_iter().map(Arc::new).collect();
            Ok((OrgList { entries, gaps }, odd))
        });
        let (list, odd) = read.await?;
        inner.metrics.odd_documents(odd.documents);
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

/// Of each document that was there before the copy with the higher `version`: an answer may come
/// from a replica of VMware's that lags behind. What has not changed stays the same `Arc`.
fn keep_newer<E: Entry>(before: &OrgList<E>, mut now: OrgList<E>) -> OrgList<E> {
    let before: HashMap<&str, &Arc<E>> =
        before.entries.iter().map(|entry| (entry.id(), entry)).collect();
    for entry in &mut now.entries {
        if let Some(kept) = before.get(entry.id())
            && ((entry.version().is_some() && entry.version() < kept.version()) || entry == *kept)
        {
            *entry = Arc::clone(kept);
        }
    }
    now
}

/// A 200 that loses everything, or more than half, is read twice before it is believed: VMware's
/// lists are eventually consistent.
fn looks_like_loss<E: Entry>(before: &Entries<E>, now: &Entries<E>) -> bool {
    let now: HashSet<&str> = now.iter().map(|entry| entry.id()).collect();
    let lost = before.iter().filter(|entry| !now.contains(entry.id())).count();
    lost * 2 > before.len()
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
    /// Makes the picture anew from what the orgs hold; `next_revision` is asked for a number if
    /// the content has changed. One at a time: see [`Inner::merge`].
    pub(super) fn make(
        &self,
        kind: &'static Kind<E>,
        slots: &[Arc<Slot>],
        next_revision: impl FnOnce() -> u64,
    ) {
        let (mut parts, mut orgs) = (Vec::new(), Vec::new());
        for slot in slots.iter().filter(|slot| !slot.is_gone()) {
            let reading = (kind.of)(slot).kept.reading();
            orgs.push((slot.clone(), reading.as_ref().map(|reading| reading.begun)));
            parts.extend(
                reading.map(|reading| Part { org: slot.id.clone(), list: reading.content }),
            );
        }
        // `None` sorts first: an org without a reading leaves no oldest one.
        let oldest = orgs.iter().map(|(_, begun)| *begun).min().flatten();
        let before = self.picture.load();
        let content = if before.content.is_of(&parts) {
            before.content.clone()
        } else {
            Arc::new(Content::merge(next_revision(), parts))
        };
        self.picture.store(Arc::new(Picture { content, orgs, oldest }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: &[u8] = include_bytes!("../../tests/fixtures/upstream/sddcs.json");

    fn read() -> Entries<SddcEntry> {
        let wires = wire::parse_sddcs(SAMPLES).unwrap();
        let org = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d".parse().unwrap();
        let entries = mapping::sddcs(wires, &org, &mut OddCount::default());
        entries.into_iter().map(Arc::new).collect()
    }

    fn changed(entry: &mut Arc<SddcEntry>, version: Option<i64>) {
        let entry = Arc::make_mut(entry);
        entry.sddc.name = Some("changed".into());
        entry.version = version;
    }

    #[test]
    fn what_has_not_changed_stays_the_same() {
        let before = read();
        let mut now = read();
        changed(&mut now[0], before[0].version.map(|version| version + 1));
        let kept = keep_newer(&OrgList::whole(before.clone()), OrgList::whole(now)).entries;
        assert_eq!(kept[0].sddc.name.as_deref(), Some("changed"));
        assert!(kept.len() > 2);
        for (before, kept) in before.iter().zip(&kept).skip(1) {
            assert!(Arc::ptr_eq(before, kept), "{:?}", kept.sddc.name);
        }
    }

    #[test]
    fn a_lower_version_replaces_nothing_and_an_unknown_one_does() {
        let before = read();
        let known = before[0].version.unwrap();
        for (version, is_newer) in
            [(Some(known - 1), false), (Some(known), true), (Some(known + 1), true), (None, true)]
        {
            let mut now = read();
            changed(&mut now[0], version);
            let before = OrgList::whole(before.clone());
            let kept = keep_newer(&before, OrgList::whole(now)).entries;
            assert_eq!(!Arc::ptr_eq(&kept[0], &before.entries[0]), is_newer, "{version:?}");
        }
    }

    #[test]
    fn more_than_half_missing_looks_like_loss() {
        let before: Entries<SddcEntry> = read().into_iter().take(4).collect();
        for (left, is_loss) in [(4, false), (3, false), (2, false), (1, true), (0, true)] {
            let now = before[..left].to_vec();
            assert_eq!(looks_like_loss(&before, &now), is_loss, "{left} left");
        }
        assert!(!looks_like_loss(&Vec::new(), &before), "nothing was there");
    }
}
