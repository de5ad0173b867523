//! The merged snapshot of one kind of list: what every request reads, without a lock.

use std::{sync::Arc, time::Duration};

use super::{
    belief::{HeldBack, OrgList},
    entry::Entry,
    model::Gap,
    slot::Slot,
};
use crate::{clock::Instant, ids::OrgId};

/// Content and its age. A new one for each reading; the content only when something changed.
#[derive(Debug)]
pub(super) struct Picture<E> {
    pub(super) content: Arc<Content<E>>,
    /// The served orgs, and when the reading began that is in the content: here, so that no age
    /// speaks of a newer one.
    pub(super) orgs: Vec<(Arc<Slot>, Option<Instant>)>,
    /// When the oldest reading of all orgs began; `None` while an org has no reading.
    pub(super) oldest: Option<Instant>,
    /// Nothing is held back, awaits a confirming reading, or is gone and may come back.
    pub(super) is_settled: bool,
}

/// Documents of all orgs that were ever read, whatever their age.
#[derive(Debug)]
pub struct Content<E> {
    /// Another one for each change; good in this process only.
    pub revision: u64,
    /// In the order of [`Entry::order`].
    pub entries: Vec<Arc<E>>,
    /// Where the entries are, in the order of their ids: orgs may have one each of the same id.
    by_id: Vec<usize>,
    /// What of these orgs' lists is not in `entries`.
    pub(crate) gaps: Vec<Gap>,
    /// Those of `entries` that are older than their org's reading.
    pub(super) held_back: Vec<HeldBack<E>>,
    parts: Vec<Part<E>>,
    bytes: usize,
}

/// What one org contributed.
#[derive(Debug)]
pub(super) struct Part<E> {
    pub(super) org: OrgId,
    pub(super) list: Arc<OrgList<E>>,
}

impl<E: Entry> Picture<E> {
    pub(super) fn empty() -> Self {
        let content = Arc::new(Content::merge(0, Vec::new()));
        Self { content, orgs: Vec::new(), oldest: None, is_settled: true }
    }

    /// The age of the oldest part, if every org has one.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        self.oldest.map(|oldest| now.since(oldest))
    }
}

impl<E: Entry> Content<E> {
    /// Merges what the orgs contribute.
    pub(super) fn merge(revision: u64, parts: Vec<Part<E>>) -> Self {
        let mut entries: Vec<_> =
            parts.iter().flat_map(|part| part.list.entries.iter().cloned()).collect();
        entries.sort_by(|one, other| one.order(other));
        let mut by_id: Vec<_> = (0..entries.len()).collect();
        by_id.sort_by(|one, other| entries[*one].id().cmp(entries[*other].id()));
        let bytes = entries.iter().map(|entry| entry.bytes() + size_of::<usize>()).sum();
        let gaps = parts.iter().flat_map(|part| part.list.gaps.iter().cloned()).collect();
        let held_back = parts.iter().flat_map(|part| part.list.held_back.iter().cloned()).collect();
        Self { revision, entries, by_id, gaps, held_back, parts, bytes }
    }

    /// Documents of whatever orgs.
    #[cfg(test)]
    pub(crate) fn of(entries: Vec<E>) -> Self {
        let parts = entries.into_iter().map(|entry| Part {
            org: entry.org().clone(),
            list: Arc::new(OrgList::whole(vec![Arc::new(entry)])),
        });
        Self::merge(1, parts.collect())
    }

    /// Whether these parts would give this content.
    pub(super) fn is_of(&self, parts: &[Part<E>]) -> bool {
        self.parts.len() == parts.len()
            && self.parts.iter().zip(parts).all(|(mine, theirs)| {
                mine.org == theirs.org && Arc::ptr_eq(&mine.list, &theirs.list)
            })
    }

    /// The documents of an id, at most one of each org: which of them a caller sees must not depend
    /// on those that the caller does not see.
    pub fn get_all(&self, id: &str) -> impl Iterator<Item = &Arc<E>> {
        let begin = self.by_id.partition_point(|at| self.entries[*at].id() < id);
        let entries = self.by_id[begin..].iter().map(|at| &self.entries[*at]);
        entries.take_while(move |entry| entry.id() == id)
    }

    /// Bytes of memory that the documents take; an estimate.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::inventory::model::{PartGaps, SddcEntry};

    fn entry(org: &str, id: &str, name: Option<&str>) -> SddcEntry {
        let fields = [("id", json!(id)), ("org_id", json!(org)), ("name", json!(name))];
        let sddc = serde_json::from_value(fields.into_iter().collect()).unwrap();
        let gaps = PartGaps::default();
        SddcEntry { sddc, clusters: Vec::new(), hosts: Vec::new(), gaps, version: None }
    }

    #[test]
    fn an_id_that_is_in_two_orgs_gives_both() {
        let content = Content::of(vec![
            entry("one", "twin", Some("z")),
            entry("one", "other", None),
            entry("two", "twin", Some("a")),
            entry("two", "alone", Some("m")),
        ]);
        let orgs = |id| content.get_all(id).map(|it| it.org().as_str()).collect::<Vec<_>>();
        assert_eq!(orgs("twin"), ["two", "one"], "in the order of the list");
        assert_eq!(orgs("alone"), ["two"]);
        assert_eq!(orgs("other"), ["one"]);
        for absent in ["", "b", "twi", "twins", "zz"] {
            assert!(orgs(absent).is_empty(), "{absent}");
        }
    }
}
