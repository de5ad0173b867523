//! The published snapshot: what every request reads, without a lock. It is immutable and points back
//! at nothing.
//!
//! ```text
//! OrgStates (one org) ─┬─► PublishedList (all orgs): ListContent, and each org's State
//! OrgStates (another) ─┘
//! ```

use std::{sync::Arc, time::Duration};

use super::{
    belief::{HeldBack, OrgList},
    entry::Entry,
    freshness::OrgSelector,
    model::{Gap, SddcEntry, TaskEntry},
    settings::Settings,
    state::State,
};
use crate::{clock::Instant, ids::OrgId};

/// What one org contributes: all that is known of each of its lists.
#[derive(Debug)]
pub(super) struct OrgStates {
    pub(super) id: OrgId,
    pub(super) sddcs: Arc<State<OrgList<SddcEntry>>>,
    pub(super) with_deleted: Arc<State<OrgList<SddcEntry>>>,
    pub(super) tasks: Arc<State<OrgList<TaskEntry>>>,
}

impl OrgStates {
    /// VMware does not know the org: it contributes nothing, and nothing is missing without it.
    fn is_gone(&self) -> bool {
        self.sddcs.is_gone
    }
}

/// All lists of all orgs at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(super) sddcs: PublishedList<SddcEntry>,
    pub(super) with_deleted: PublishedList<SddcEntry>,
    pub(super) tasks: PublishedList<TaskEntry>,
    /// Every org is gone. What was read of them before is shown as old as it is: a wrong base URL
    /// looks like that.
    pub(super) all_are_gone: bool,
    /// The least recent look at an org that is gone: it may be there again.
    gone_since: Option<Instant>,
    /// When the oldest document was read that its list did not show: see [`HeldBack::is_listed`].
    pub(super) oldest_unlisted: Option<Instant>,
}

/// A kind of list, of all orgs.
#[derive(Debug)]
pub(crate) struct PublishedList<E> {
    pub(super) content: Arc<ListContent<E>>,
    /// The orgs that are shown, or would be if they could be.
    pub(super) orgs: Vec<PublishedOrg<E>>,
    /// When the oldest reading of these orgs began; `None` while an org has no reading.
    oldest: Option<Instant>,
    /// Of one of them a reading awaits its confirmation.
    pub(super) is_unconfirmed: bool,
    /// VMware refuses to tell of one of them.
    is_denied: bool,
}

/// One org's part of a list.
#[derive(Debug)]
pub(super) struct PublishedOrg<E> {
    pub(super) id: OrgId,
    pub(super) is_gone: bool,
    /// What is known of the list that is in the content: no age speaks of a newer one.
    pub(super) state: Arc<State<OrgList<E>>>,
}

impl Snapshot {
    /// Of no orgs.
    pub(super) fn empty() -> Self {
        Self {
            sddcs: PublishedList::empty(),
            with_deleted: PublishedList::empty(),
            tasks: PublishedList::empty(),
            all_are_gone: true,
            gone_since: None,
            oldest_unlisted: None,
        }
    }

    /// The snapshot after this one. `revision` counts the contents that were made.
    pub(super) fn next(&self, orgs: &[OrgStates], revision: &mut u64) -> Self {
        let all_are_gone = orgs.iter().all(OrgStates::is_gone);
        let shown = || orgs.iter().filter(|org| all_are_gone || !org.is_gone());
        let gone = orgs.iter().filter(|org| org.is_gone());
        let sddcs = self.sddcs.next(shown().map(|org| (org, &org.sddcs)), revision);
        let with_deleted =
            self.with_deleted.next(shown().map(|org| (org, &org.with_deleted)), revision);
        let tasks = self.tasks.next(shown().map(|org| (org, &org.tasks)), revision);
        let unlisted =
            [sddcs.oldest_unlisted(), with_deleted.oldest_unlisted(), tasks.oldest_unlisted()];
        Self {
            sddcs,
            with_deleted,
            tasks,
            all_are_gone,
            gone_since: gone.filter_map(|org| org.sddcs.last_attempt).min(),
            oldest_unlisted: unlisted.into_iter().flatten().min(),
        }
    }

    /// The SDDCs without and with deleted ones.
    pub(super) fn sddc_lists(&self) -> [&Arc<ListContent<SddcEntry>>; 2] {
        [&self.sddcs.content, &self.with_deleted.content]
    }

    /// Whether an org that is gone has to be looked for.
    pub(super) fn has_lost_org(&self, now: Instant, pause: Duration) -> bool {
        self.all_are_gone || self.gone_since.is_some_and(|last| now.since(last) >= pause)
    }
}

impl<E: Entry> PublishedList<E> {
    fn empty() -> Self {
        Self {
            content: Arc::new(ListContent::merge(0, Vec::new())),
            orgs: Vec::new(),
            oldest: None,
            is_unconfirmed: false,
            is_denied: false,
        }
    }

    fn next<'a>(
        &self,
        orgs: impl Iterator<Item = (&'a OrgStates, &'a Arc<State<OrgList<E>>>)>,
        revision: &mut u64,
    ) -> Self {
        let orgs = orgs.map(|(org, state)| PublishedOrg {
            id: org.id.clone(),
            is_gone: org.is_gone(),
            state: state.clone(),
        });
        let orgs: Vec<_> = orgs.collect();
        let parts = orgs.iter().filter_map(|org| {
            let list = org.state.reading.as_ref()?.content.clone();
            Some(OrgPart { org: org.id.clone(), list })
        });
        let parts: Vec<_> = parts.collect();
        let content = if self.content.is_of(&parts) {
            self.content.clone()
        } else {
            *revision += 1;
            Arc::new(ListContent::merge(*revision, parts))
        };
        Self {
            content,
            oldest: oldest(orgs.iter()),
            is_unconfirmed: orgs.iter().any(|org| org.state.confirm_at().is_some()),
            is_denied: orgs.iter().any(|org| org.state.is_denied),
            orgs,
        }
    }

    /// The age of the oldest part in scope, if all of these are there and fresh, and none may have to
    /// be hidden.
    pub(super) fn fresh_age(
        &self,
        selector: &OrgSelector,
        now: Instant,
        settings: &Settings,
    ) -> Option<Duration> {
        let oldest = match selector {
            OrgSelector::All => self.oldest,
            _ => oldest(self.orgs.iter().filter(|org| selector.holds(&org.id))),
        };
        let age = now.since(oldest?);
        // What VMware refuses may have to be hidden though it is fresh.
        let is_fresh = age < settings.fresh && !(self.is_denied && age > settings.stale_denied);
        is_fresh.then_some(age)
    }

    fn oldest_unlisted(&self) -> Option<Instant> {
        let unlisted = self.content.held_back.iter().filter(|held| !held.is_listed);
        unlisted.map(|held| held.begun).min()
    }
}

/// When the oldest reading of these orgs began; `None` where one of them has none.
fn oldest<'a, E: 'a>(orgs: impl Iterator<Item = &'a PublishedOrg<E>>) -> Option<Instant> {
    // `None` sorts first: an org without a reading leaves no oldest one.
    orgs.map(|org| org.state.reading.as_ref().map(|reading| reading.begun)).min().flatten()
}

/// Documents of all orgs that were ever read, whatever their age.
#[derive(Debug)]
pub struct ListContent<E> {
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
    parts: Vec<OrgPart<E>>,
    bytes: usize,
}

/// What one org contributed.
#[derive(Debug)]
pub(super) struct OrgPart<E> {
    pub(super) org: OrgId,
    pub(super) list: Arc<OrgList<E>>,
}

impl<E: Entry> ListContent<E> {
    /// Merges what the orgs contribute.
    pub(super) fn merge(revision: u64, parts: Vec<OrgPart<E>>) -> Self {
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
        let parts = entries.into_iter().map(|entry| OrgPart {
            org: entry.org().clone(),
            list: Arc::new(OrgList::whole(vec![Arc::new(entry)])),
        });
        Self::merge(1, parts.collect())
    }

    /// Whether these parts would give this content.
    pub(super) fn is_of(&self, parts: &[OrgPart<E>]) -> bool {
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
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        clock::Clock,
        inventory::{model::PartGaps, state::Reading},
    };

    fn entry(org: &str, id: &str, name: Option<&str>) -> SddcEntry {
        let fields = [("id", json!(id)), ("org_id", json!(org)), ("name", json!(name))];
        let sddc = serde_json::from_value(fields.into_iter().collect()).unwrap();
        let gaps = PartGaps::default();
        SddcEntry { sddc, clusters: Vec::new(), hosts: Vec::new(), gaps, version: None }
    }

    #[test]
    fn an_id_that_is_in_two_orgs_gives_both() {
        let content = ListContent::of(vec![
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

    fn states(org: &str, begun: Instant, is_gone: bool) -> OrgStates {
        let entry = Arc::new(entry(org, org, None));
        let held_back = vec![HeldBack { entry: entry.clone(), begun, is_listed: false }];
        let content = Arc::new(OrgList { held_back, ..OrgList::whole(vec![entry]) });
        let sddcs = State {
            reading: Some(Reading { content, begun }),
            last_attempt: Some(begun),
            is_gone,
            ..State::default()
        };
        let (with_deleted, tasks) = (Arc::default(), Arc::default());
        OrgStates { id: org.parse().unwrap(), sddcs: Arc::new(sddcs), with_deleted, tasks }
    }

    #[test]
    fn an_org_that_is_gone_and_a_copy_that_is_held_back_leave_a_list_fresh() {
        let seconds = Duration::from_secs;
        let settings = Settings {
            poll: seconds(30),
            fresh: seconds(60),
            stale: seconds(600),
            stale_denied: seconds(600),
            snapshot_file: None,
        };
        let begun = Clock::manual(jiff::Timestamp::UNIX_EPOCH).now();
        let mut orgs = vec![states("one", begun, false), states("two", begun, true)];
        let snapshot = Snapshot::empty().next(&orgs, &mut 0);
        assert_eq!(snapshot.sddcs.content.entries.len(), 1);
        assert_eq!(snapshot.oldest_unlisted, Some(begun));
        for (age, is_fresh, has_lost_org) in [(0, true, false), (30, true, true), (60, false, true)]
        {
            let now = begun + seconds(age);
            assert_eq!(
                snapshot.sddcs.fresh_age(&OrgSelector::All, now, &settings).is_some(),
                is_fresh,
                "{age}"
            );
            assert_eq!(snapshot.has_lost_org(now, settings.poll), has_lost_org, "{age}");
        }
        orgs.remove(0);
        let snapshot = snapshot.next(&orgs, &mut 1);
        assert_eq!(snapshot.sddcs.content.entries.len(), 1, "none is left");
        assert!(snapshot.has_lost_org(begun, settings.poll));
    }
}
