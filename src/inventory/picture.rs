//! The merged picture of one kind of list: what every request reads, without a lock.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{entry::Entry, slot::Slot};
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
}

/// Documents of all orgs that were ever read, whatever their age.
#[derive(Debug)]
pub struct Content<E> {
    /// Another one for each change; good in this process only.
    pub revision: u64,
    /// In the order of [`Entry::order`].
    pub entries: Vec<Arc<E>>,
    by_id: HashMap<Box<str>, usize>,
    parts: Vec<Part<E>>,
    bytes: usize,
}

/// What one org contributed.
#[derive(Debug)]
pub(super) struct Part<E> {
    pub(super) org: OrgId,
    pub(super) entries: Arc<Vec<Arc<E>>>,
}

impl<E: Entry> Picture<E> {
    pub(super) fn empty() -> Self {
        Self { content: Arc::new(Content::merge(0, Vec::new())), orgs: Vec::new(), oldest: None }
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
            parts.iter().flat_map(|part| part.entries.iter().cloned()).collect();
        entries.sort_by(|one, other| one.order(other));
        let by_id = entries.iter().enumerate().map(|(at, entry)| (entry.id().into(), at));
        let bytes = entries.iter().map(|entry| entry.bytes() + 3 * entry.id().len()).sum();
        Self { revision, by_id: by_id.collect(), entries, parts, bytes }
    }

    /// Documents of whatever orgs.
    #[cfg(test)]
    pub(crate) fn of(entries: Vec<E>) -> Self {
        let parts = entries.into_iter().map(|entry| Part {
            org: entry.org().clone(),
            entries: Arc::new(vec![Arc::new(entry)]),
        });
        Self::merge(1, parts.collect())
    }

    /// Whether these parts would give this content.
    pub(super) fn is_of(&self, parts: &[Part<E>]) -> bool {
        self.parts.len() == parts.len()
            && self.parts.iter().zip(parts).all(|(mine, theirs)| {
                mine.org == theirs.org && Arc::ptr_eq(&mine.entries, &theirs.entries)
            })
    }

    /// One document.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<E>> {
        self.by_id.get(id).map(|at| &self.entries[*at])
    }

    /// Bytes of memory that the documents take; an estimate.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
