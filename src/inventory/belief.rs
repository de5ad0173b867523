//! What is believed of a reading: VMware's lists are eventually consistent, and its replicas lag.
//!
//! ```text
//! reading ─► elements without a usable id? nothing is removed
//!         ─► all or most are lost? kept as it was, until a later reading loses them too
//!         ─► a lower version? the higher one stays, until three readings agree ─► what is shown
//! ```
//!
//! A document that stays as it was, though the reading has an older copy of it or none, is *held
//! back*: it keeps the time at which it was read, so that no answer calls it newer than it is.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;

use super::{
    entry::Entry,
    model::{Gap, GapReason},
    state::Reading,
};
use crate::{clock::Instant, csp::Scrubber};

/// So many readings in a row have to agree on a lower version.
const AGREEING_READINGS: u8 = 3;

/// One organization's list, as it is shown.
#[derive(Debug)]
pub(super) struct OrgList<E> {
    /// Its documents, those that are held back included.
    pub(super) entries: Vec<Arc<E>>,
    /// What of the list is not in `entries`, or not certain to be.
    pub(super) gaps: Vec<Gap>,
    /// Those of `entries` that are older than the reading.
    pub(super) held_back: Vec<HeldBack<E>>,
}

/// A document that is older than the list it is in.
#[derive(Debug)]
pub(super) struct HeldBack<E> {
    /// The document.
    pub(super) entry: Arc<E>,
    /// When the reading began that it is of.
    pub(super) begun: Instant,
    /// The reading has an older copy of it. One that it lacks stays for at most `inventory.stale`.
    pub(super) is_listed: bool,
}

impl<E> Clone for HeldBack<E> {
    fn clone(&self) -> Self {
        Self { entry: self.entry.clone(), ..*self }
    }
}

impl<E> PartialEq for HeldBack<E> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.entry, &other.entry)
            && (self.begun, self.is_listed) == (other.begun, other.is_listed)
    }
}

impl<E> Clone for OrgList<E> {
    fn clone(&self) -> Self {
        let Self { entries, gaps, held_back } = self;
        Self { entries: entries.clone(), gaps: gaps.clone(), held_back: held_back.clone() }
    }
}

impl<E: PartialEq> PartialEq for OrgList<E> {
    fn eq(&self, other: &Self) -> bool {
        let is_same = |one: &[Arc<E>], other: &[Arc<E>]| {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| is_equal(one, other))
        };
        is_same(&self.entries, &other.entries)
            && (&self.gaps, &self.held_back) == (&other.gaps, &other.held_back)
    }
}

/// Nearly always they are the same.
fn is_equal<E: PartialEq>(one: &Arc<E>, other: &Arc<E>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

impl<E> OrgList<E> {
    /// A list of which nothing is left out.
    #[cfg(test)]
    pub(super) fn whole(entries: Vec<Arc<E>>) -> Self {
        Self { entries, gaps: Vec::new(), held_back: Vec::new() }
    }

    /// How many elements without a usable id the list has: what they stand for is not known.
    pub(super) fn without_id(&self) -> usize {
        self.gaps.iter().filter(|gap| is_without_id(gap)).count()
    }
}

impl<E: Entry> OrgList<E> {
    /// Its documents by their ids.
    pub(super) fn by_id(&self) -> HashMap<&str, &Arc<E>> {
        self.entries.iter().map(|entry| (entry.id(), entry)).collect()
    }

    /// The list without its deleted documents.
    pub(super) fn without_deleted(&self) -> Self {
        let mut list = self.clone();
        list.entries.retain(|entry| !entry.is_deleted());
        list.held_back.retain(|it| !it.entry.is_deleted());
        list
    }

    /// The list without the documents that it did not show and that were read before `oldest`, if it
    /// has any of them.
    pub(super) fn without_expired(&self, oldest: Instant) -> Option<Self> {
        let is_expired = |held: &&HeldBack<E>| !held.is_listed && held.begun < oldest;
        let expired = self.held_back.iter().filter(is_expired);
        let expired: HashSet<&str> = expired.map(|held| held.entry.id()).collect();
        let mut list = self.clone();
        list.entries.retain(|entry| !expired.contains(entry.id()));
        list.held_back.retain(|held| !expired.contains(held.entry.id()));
        (!expired.is_empty()).then_some(list)
    }

    /// The list without the secrets that are held now, if it has any of them.
    pub(super) fn without_secrets(&self, scrubber: &Scrubber) -> Option<Self> {
        let mut has_changed = false;
        let clean = |entry: &Arc<E>| {
            let mut clean = E::clone(entry);
            clean.make_fit_to_show(scrubber);
            let (is_same, may_be_shown) = (clean == **entry, scrubber.is_clean(entry.id()));
            has_changed |= !is_same || !may_be_shown;
            may_be_shown.then(|| if is_same { entry.clone() } else { Arc::new(clean) })
        };
        let entries: Vec<_> = self.entries.iter().filter_map(clean).collect();
        let held_back = self.held_back.iter().filter_map(|held| {
            let entry = entries.iter().find(|entry| entry.id() == held.entry.id())?.clone();
            Some(HeldBack { entry, ..*held })
        });
        let held_back = held_back.collect();
        has_changed.then(|| Self { entries, gaps: self.gaps.clone(), held_back })
    }
}

/// Whether this stands for an element of a list without a usable id.
pub(super) fn is_without_id(gap: &Gap) -> bool {
    gap.sddc_id.is_none() && gap.reason == GapReason::Unreadable
}

/// The copies of documents that are shown now, and when each was read.
#[derive(Debug)]
pub(super) struct ShownCopies<'a, E> {
    copies: HashMap<&'a str, (&'a Arc<E>, Instant)>,
    /// Of both lists, deleted documents among them.
    ids: HashSet<&'a str>,
}

impl<'a, E: Entry> ShownCopies<'a, E> {
    /// Of a list and of another one of the same documents. Of two copies the one counts that was read
    /// last; that a document is deleted only its own list says.
    pub(super) fn of(
        own: Option<&'a Reading<OrgList<E>>>,
        other: Option<&'a Reading<OrgList<E>>>,
    ) -> Self {
        let mut shown: HashMap<&str, (&Arc<E>, Instant)> = HashMap::new();
        let mut ids = HashSet::new();
        let lists = own.map(|own| (own, true)).into_iter().chain(other.map(|it| (it, false)));
        for (Reading { content, begun }, is_own) in lists {
            let held: HashMap<&str, Instant> =
                content.held_back.iter().map(|it| (it.entry.id(), it.begun)).collect();
            ids.extend(content.entries.iter().map(|entry| entry.id()));
            for entry in content.entries.iter().filter(|entry| is_own || !entry.is_deleted()) {
                let begun = held.get(entry.id()).copied().unwrap_or(*begun);
                let known = shown.entry(entry.id()).or_insert((entry, begun));
                if begun > known.1 {
                    *known = (entry, begun);
                }
            }
        }
        Self { copies: shown, ids }
    }

    fn get(&self, id: &str) -> Option<(&'a Arc<E>, Instant)> {
        self.copies.get(id).copied()
    }
}

/// The lower versions that were read last of an organization's documents. Lists of the same
/// documents share them, so that they agree.
#[derive(Debug, Default)]
pub(super) struct VersionRegressions(Mutex<HashMap<Box<str>, VersionRegression>>);

#[derive(Debug)]
struct VersionRegression {
    version: Option<i64>,
    readings: u8,
}

/// What became of a lower version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum VersionVerdict {
    /// It is not lower.
    Newer,
    /// It is, and the copy with the higher one stays.
    HeldBack { is_first: bool },
    /// It is, and it is believed all the same.
    Restored,
}

impl VersionRegressions {
    fn judge<E: Entry>(&self, shown: &E, read: &E) -> VersionVerdict {
        let mut regressions = self.0.lock();
        if read.version().is_none() || read.version() >= shown.version() {
            regressions.remove(read.id());
            return VersionVerdict::Newer;
        }
        let is_updated = read.updated_at().zip(shown.updated_at());
        if is_updated.is_some_and(|(read, shown)| read > shown) {
            regressions.remove(read.id());
            return VersionVerdict::Restored;
        }
        let regression = regressions
            .entry(read.id().into())
            .or_insert(VersionRegression { version: read.version(), readings: 0 });
        // One that goes down further comes from a replica that lags even more.
        if read.version() < regression.version {
            regression.readings = 0;
        }
        regression.version = read.version();
        regression.readings += 1;
        if regression.readings >= AGREEING_READINGS {
            regressions.remove(read.id());
            return VersionVerdict::Restored;
        }
        VersionVerdict::HeldBack { is_first: regression.readings == 1 }
    }

    /// Forgets those of documents that a list, which was read elsewhere, does not hold back.
    pub(super) fn follow<E: Entry>(&self, list: &OrgList<E>) {
        let held: HashSet<&str> = list.held_back.iter().map(|it| it.entry.id()).collect();
        self.retain(|id| held.contains(id));
    }

    fn retain(&self, is_there: impl Fn(&str) -> bool) {
        let mut regressions = self.0.lock();
        regressions.retain(|id, _| is_there(id));
    }
}

/// What was made of the versions of a reading.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct JudgedVersions {
    /// Ids of documents whose lower version is held back from now on.
    pub(super) newly_held: Vec<Box<str>>,
    /// How many are held back in all.
    pub(super) held: usize,
    /// Ids of documents whose lower version is believed now.
    pub(super) restored: Vec<Box<str>>,
}

/// Keeps of each document the copy with the higher `version`: an answer may come from a replica of
/// VMware's that lags. Three readings that agree, or a newer `updated`, are believed. What has not
/// changed stays the same `Arc`.
pub(super) fn keep_newer<E: Entry>(
    shown: &ShownCopies<'_, E>,
    read: &mut OrgList<E>,
    regressions: &VersionRegressions,
) -> JudgedVersions {
    let mut versions = JudgedVersions::default();
    for entry in &mut read.entries {
        let Some((kept, begun)) = shown.get(entry.id()) else { continue };
        match regressions.judge(&**kept, &**entry) {
            VersionVerdict::Newer => {}
            VersionVerdict::Restored => versions.restored.push(entry.id().into()),
            VersionVerdict::HeldBack { is_first } => {
                versions.held += 1;
                if is_first {
                    versions.newly_held.push(entry.id().into());
                }
                read.held_back.push(HeldBack { entry: kept.clone(), begun, is_listed: true });
                *entry = kept.clone();
            }
        }
        if is_equal(entry, kept) {
            *entry = kept.clone();
        }
    }
    let ids: HashSet<&str> = read.entries.iter().map(|entry| entry.id()).collect();
    regressions.retain(|id| ids.contains(id) || shown.ids.contains(id));
    versions
}

/// Adds the documents that a list with elements without a usable id does not show: each of those may
/// be one of these. What was read before `oldest` is left out. Gives how many they are.
pub(super) fn keep_unshown<E: Entry>(
    before: &Reading<OrgList<E>>,
    read: &mut OrgList<E>,
    oldest: Instant,
) -> usize {
    let shown = ShownCopies::of(Some(before), None);
    let ids: HashSet<&str> = read.entries.iter().map(|entry| entry.id()).collect();
    let unshown = before.content.entries.iter().filter(|entry| !ids.contains(entry.id()));
    let unshown: Vec<_> = unshown
        .filter_map(|entry| shown.get(entry.id()))
        .filter(|(_, begun)| *begun >= oldest)
        .map(|(entry, begun)| HeldBack { entry: entry.clone(), begun, is_listed: false })
        .collect();
    let count = unshown.len();
    read.entries.extend(unshown.iter().map(|it| it.entry.clone()));
    read.held_back.extend(unshown);
    count
}

/// Whether a reading loses everything, or more than half.
pub(super) fn looks_like_loss<E: Entry>(before: &OrgList<E>, read: &OrgList<E>) -> bool {
    let ids: HashSet<&str> = read.entries.iter().map(|entry| entry.id()).collect();
    let lost = before.entries.iter().filter(|entry| !ids.contains(entry.id())).count();
    lost * 2 > before.entries.len()
}

/// Another list of the same documents with the copies of a reading whose version went back; `None` if
/// it has none of them, or was read later. So that two lists do not decide differently on one document;
/// other changes stay out, since what a list shows was so at one moment.
pub(super) fn with_newer_copies<E: Entry>(
    other: &Reading<OrgList<E>>,
    read: &OrgList<E>,
    begun: Instant,
) -> Option<OrgList<E>> {
    if other.begun > begun {
        return None;
    }
    let held: HashSet<&str> = read.held_back.iter().map(|it| it.entry.id()).collect();
    let newer = read.entries.iter();
    let newer = newer.filter(|entry| !held.contains(entry.id()) && !entry.is_deleted());
    let newer: HashMap<&str, &Arc<E>> = newer.map(|entry| (entry.id(), entry)).collect();
    let is_older =
        |entry: &Arc<E>| newer.get(entry.id()).is_some_and(|it| it.version() < entry.version());
    if !other.content.entries.iter().any(is_older) {
        return None;
    }
    let mut list = OrgList::clone(&other.content);
    for entry in list.entries.iter_mut().filter(|entry| is_older(entry)) {
        if let Some(newer) = newer.get(entry.id()) {
            *entry = Arc::clone(newer);
        }
    }
    list.held_back.retain(|it| {
        let replaced = newer.get(it.entry.id()).is_some_and(|by| by.version() < it.entry.version());
        !replaced
    });
    Some(list)
}

#[cfg(test)]
mod tests;
