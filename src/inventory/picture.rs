//! The merged picture: what every request reads, without a lock.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{model::SddcEntry, slot::Slot};
use crate::{
    clock::Instant,
    ids::{OrgId, SddcId},
};

/// Content and its age. A new one for each reading; the content only when something changed.
#[derive(Debug, Clone)]
pub(super) struct Picture {
    pub(super) content: Arc<Content>,
    /// The served orgs, and when the reading began that is in the content: here, so that no age
    /// speaks of a newer one.
    pub(super) orgs: Vec<(Arc<Slot>, Option<Instant>)>,
    /// When the oldest reading of all orgs began; `None` while an org has no reading.
    pub(super) oldest: Option<Instant>,
}

/// SDDCs of all orgs that were ever read, whatever their age.
#[derive(Debug, Default)]
pub struct Content {
    /// Another one for each change; good in this process only.
    pub revision: u64,
    /// Ordered by name, then id; those without a name last.
    pub sddcs: Vec<Arc<SddcEntry>>,
    by_id: HashMap<SddcId, usize>,
    parts: Vec<Part>,
}

/// What one org contributed.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) org: OrgId,
    pub(super) sddcs: Arc<Vec<Arc<SddcEntry>>>,
}

impl Picture {
    pub(super) fn empty() -> Self {
        Self { content: Arc::default(), orgs: Vec::new(), oldest: None }
    }

    /// The age of the oldest part, if every org has one.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        self.oldest.map(|oldest| now.since(oldest))
    }
}

impl Content {
    /// Merges what the orgs contribute.
    pub(super) fn merge(revision: u64, parts: Vec<Part>) -> Self {
        let mut sddcs: Vec<_> = parts.iter().flat_map(|part| part.sddcs.iter().cloned()).collect();
        sddcs.sort_by(|one, other| sort_key(one).cmp(&sort_key(other)));
        let ids = sddcs.iter().enumerate().map(|(at, entry)| (entry.sddc.id.clone(), at));
        Self { revision, by_id: ids.collect(), sddcs, parts }
    }

    /// Whether these parts would give this content.
    pub(super) fn is_of(&self, parts: &[Part]) -> bool {
        self.parts.len() == parts.len()
            && self.parts.iter().zip(parts).all(|(mine, theirs)| {
                mine.org == theirs.org && Arc::ptr_eq(&mine.sddcs, &theirs.sddcs)
            })
    }

    /// One SDDC.
    #[must_use]
    pub fn sddc(&self, id: &str) -> Option<&Arc<SddcEntry>> {
        self.by_id.get(id).map(|at| &self.sddcs[*at])
    }
}

fn sort_key(entry: &SddcEntry) -> (bool, Option<&str>, &SddcId) {
    let name = entry.sddc.name.as_deref();
    (name.is_none(), name, &entry.sddc.id)
}
