//! The state behind the inventory: slots, the merged snapshot, and how both are brought up to date.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use futures_util::{FutureExt, future::join_all};

use super::{
    CacheOutcome, FreshnessRequirement, ListSnapshot, Observer, OrgSelector, Served, Settings,
    Unavailable,
    change_feed::ChangeFeed,
    directory::{Directory, Discovery},
    entry::Entry,
    list::{self, Kind, Merged},
    model::{SddcEntry, TaskEntry},
    outcome::RefreshOutcome,
    slot::Slot,
};
use crate::{
    clock::Clock,
    ids::OrgId,
    tasks::Tasks,
    telemetry::Metrics,
    upstream::Priority,
    vmc::{Endpoint, VmcError},
};

/// On demand the list of orgs is not read more often than this: orgs come and go by the month.
const MIN_DIRECTORY_FRESH: Duration = Duration::from_secs(60);
/// On demand a list of orgs that could not be read, and an org that VMware does not know, are not read
/// more often than this: the first questions after an end of the trouble find it out.
const MIN_PAUSE: Duration = Duration::from_secs(4);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) tasks: Tasks,
    pub(super) directory: Directory,
    /// Ordered by id.
    pub(super) slots: ArcSwap<Vec<Arc<Slot>>>,
    pub(super) sddcs: Merged<SddcEntry>,
    pub(super) with_deleted: Merged<SddcEntry>,
    pub(super) task_list: Merged<TaskEntry>,
    pub(super) revisions: AtomicU64,
    /// What watchers wait for.
    pub(super) changes: ChangeFeed,
    /// Is told of each change.
    pub(super) observer: OnceLock<Arc<dyn Observer>>,
    /// Held while the snapshot or the slots are made again; never by a request.
    pub(super) making: Mutex<()>,
}

impl Inner {
    /// Reads the list of orgs if there is none, or none young enough.
    pub(super) async fn freshen_directory(
        self: &Arc<Self>,
        requirement: &FreshnessRequirement,
    ) -> Result<CacheOutcome, Unavailable> {
        let Directory::Discovered(discovery) = &self.directory else {
            return Ok(CacheOutcome::Hit);
        };
        let fresh = self.settings.fresh.max(self.settings.poll * 2).max(MIN_DIRECTORY_FRESH);
        match discovery.age() {
            Some(_) if requirement.only_if_cached => Ok(CacheOutcome::Hit),
            None if requirement.only_if_cached => Err(Unavailable::NotCached),
            Some(age) => {
                let is_due = age >= fresh || discovery.orgs.trouble().is_some();
                let tried = discovery.orgs.tried();
                let now = self.clock.now();
                if is_due && tried.is_none_or(|tried| now.since(tried) >= MIN_PAUSE) {
                    // Its outcome shows in the next answer: this one need not wait for it.
                    drop(discovery.refresh(self, Priority::Callers));
                }
                Ok(CacheOutcome::Hit)
            }
            None => {
                let (settings, any) = (&self.settings, FreshnessRequirement::default());
                let attempt = if discovery.orgs.age().is_some() {
                    // It is being acted on.
                    RefreshOutcome::wait(discovery.refresh(self, Priority::Callers), None).await
                } else {
                    discovery
                        .orgs
                        .freshen(settings, &any, || discovery.refresh(self, Priority::Callers))
                        .await
                };
                if discovery.age().is_some() {
                    Ok(attempt.into())
                } else {
                    let trouble = discovery.orgs.trouble().or(attempt.failure());
                    Err(Unavailable::upstream(trouble, discovery.reader.held_for(Endpoint::Orgs)))
                }
            }
        }
    }

    /// How long questions leave an org alone that VMware does not know. The poller asks for it too.
    pub(super) fn unknown_pause(&self) -> Duration {
        self.settings.poll.max(MIN_PAUSE)
    }

    /// A list that is fresh and complete as it is.
    pub(super) fn fresh_view<E: Entry>(
        &self,
        kind: &'static Kind<E>,
        selector: &OrgSelector,
        requirement: &FreshnessRequirement,
    ) -> Option<Served<ListSnapshot<E>>> {
        let picture = (kind.merged)(self).picture.load();
        let age = picture.age(self.clock.now())?;
        if *selector != OrgSelector::All || !picture.is_settled {
            return None;
        }
        if age >= self.settings.fresh || requirement.wants_newer_than(Some(age)) {
            return None;
        }
        // What VMware refuses may have to be hidden though it is fresh.
        let is_denied = |(slot, _): &(Arc<Slot>, _)| (kind.of)(slot).kept.is_denied();
        if age > self.settings.stale_denied && picture.orgs.iter().any(is_denied) {
            return None;
        }
        if !kind.is_main {
            picture
                .orgs
                .iter()
                .for_each(|(slot, _)| (kind.of)(slot).kept.note_question(requirement));
        }
        let content = ListSnapshot::whole(picture.content.clone());
        Some(Served { content, age, outcome: CacheOutcome::Hit })
    }

    /// How old the parts in scope are; `None` if one was never read.
    pub(super) fn age<E: Entry>(
        &self,
        kind: &'static Kind<E>,
        selector: &OrgSelector,
    ) -> Option<Duration> {
        let (picture, now) = ((kind.merged)(self).picture.load(), self.clock.now());
        let mut parts = picture.orgs.iter().filter(|(slot, _)| selector.holds(&slot.id));
        parts.try_fold(Duration::ZERO, |oldest, (_, begun)| {
            begun.map(|begun| oldest.max(now.since(begun)))
        })
    }

    /// Brings a list of those slots up to date that need it, all at once. Tells how each was.
    pub(super) async fn freshen<E: Entry>(
        self: &Arc<Self>,
        kind: &'static Kind<E>,
        slots: &[Arc<Slot>],
        requirement: &FreshnessRequirement,
    ) -> Vec<(OrgId, CacheOutcome)> {
        let attempts = slots.iter().map(async |slot| {
            let outcome = match self.look_for(slot, requirement).await {
                Some(outcome) if kind.is_main || slot.is_gone() => outcome,
                _ => {
                    let refresh = || slot.refresh(self, kind, Priority::Callers);
                    let kept = &(kind.of)(slot).kept;
                    kept.freshen(&self.settings, requirement, refresh).await.into()
                }
            };
            (slot.id.clone(), outcome)
        });
        join_all(attempts).await
    }

    /// Sees now and then if an org is there again that VMware did not know: for whatever list it is
    /// asked, its SDDCs tell. `None` if there is nothing to look for.
    async fn look_for(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        requirement: &FreshnessRequirement,
    ) -> Option<CacheOutcome> {
        if !slot.is_gone() {
            return None;
        }
        if requirement.only_if_cached || !slot.may_be_back(self.clock.now(), self.unknown_pause()) {
            return Some(CacheOutcome::Stale(Some(VmcError::NotFound.kind())));
        }
        let refresh = || slot.refresh(self, &list::SDDCS, Priority::Callers);
        Some(slot.sddcs.kept.freshen(&self.settings, requirement, refresh).await.into())
    }

    /// What the snapshot shows of a scope now. Of `outcomes`, those count whose org is shown.
    pub(super) fn look<E: Entry>(
        &self,
        kind: &'static Kind<E>,
        selector: &OrgSelector,
        requirement: &FreshnessRequirement,
        mut outcome: CacheOutcome,
        outcomes: &[(OrgId, CacheOutcome)],
    ) -> Result<Served<ListSnapshot<E>>, Unavailable> {
        let (picture, now) = ((kind.merged)(self).picture.load(), self.clock.now());
        let (mut shown, mut missing) = (None, Vec::new());
        for (slot, begun) in picture.orgs.iter().filter(|(slot, _)| selector.holds(&slot.id)) {
            let age = begun.map(|begun| now.since(begun));
            let kept = &(kind.of)(slot).kept;
            match age.filter(|age| kept.may_show(*age, &self.settings, requirement)) {
                Some(age) => {
                    shown = shown.max(Some(age));
                    let own = outcomes.iter().find(|(org, _)| *org == slot.id);
                    outcome = own.map_or(outcome, |(_, own)| outcome.worst(*own));
                }
                None => missing.push(slot),
            }
        }
        // What was never read is not missing for any reason but that nothing may be read now.
        let is_unread = |slot: &&Arc<Slot>| (kind.of)(slot).kept.tried().is_none();
        let lacks = !missing.is_empty() && (shown.is_none() || missing.iter().any(is_unread));
        if requirement.only_if_cached && lacks {
            return Err(Unavailable::NotCached);
        }
        let age = match (shown, missing.first()) {
            (Some(oldest), _) => oldest,
            (None, Some(first)) => return Err(first.unavailable(kind)),
            (None, None) if selector.is_one() => return Err(Unavailable::NoSuchOrg),
            // All are gone: a wrong base URL looks like that, and no SDDCs would be a wrong answer.
            (None, None) if !self.selected(selector).is_empty() => {
                return Err(Unavailable::upstream(Some(Arc::new(VmcError::NotFound)), None));
            }
            // That there is no org is as old as the list of orgs.
            (None, None) => self.directory_age(requirement)?,
        };
        let missing = missing.into_iter().map(|slot| slot.gap(&slot.unavailable(kind))).collect();
        let mut view = ListSnapshot::whole(picture.content.clone());
        view.missing = missing;
        let held_back = view.content.held_back.iter();
        view.held_back =
            held_back.map(|held| (held.entry.clone(), now.since(held.begun))).collect();
        Ok(Served { content: view, age, outcome })
    }

    fn directory_age(&self, requirement: &FreshnessRequirement) -> Result<Duration, Unavailable> {
        let Directory::Discovered(discovery) = &self.directory else { return Ok(Duration::ZERO) };
        let orgs = &discovery.orgs;
        let age = orgs.age().filter(|age| orgs.may_show(*age, &self.settings, requirement));
        age.ok_or_else(|| {
            Unavailable::upstream(orgs.trouble(), discovery.reader.held_for(Endpoint::Orgs))
        })
    }

    /// The slots that a question is about, those of orgs that VMware does not know included.
    pub(super) fn selected(&self, selector: &OrgSelector) -> Vec<Arc<Slot>> {
        self.slots.load().iter().filter(|slot| selector.holds(&slot.id)).cloned().collect()
    }

    /// Makes the merged snapshot of a kind of list again from what the slots hold, and wakes who
    /// watches it.
    pub(super) fn merge<E: Entry>(&self, kind: &'static Kind<E>) {
        {
            let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            let picture = &(kind.merged)(self).picture;
            let before = picture.load().content.clone();
            let next = || self.revisions.fetch_add(1, Ordering::Relaxed) + 1;
            (kind.merged)(self).make(kind, &self.slots.load(), next);
            let now = picture.load().content.clone();
            if let Some(observer) = self.observer.get().filter(|_| !Arc::ptr_eq(&before, &now)) {
                (kind.observe)(&**observer, &before, &now);
            }
        }
        self.turn(self.clock.now());
        if kind.is_main {
            self.changes.moved();
        }
    }

    /// The same for every kind, after the orgs have changed.
    pub(super) fn merge_all(&self) {
        self.merge(&list::WITH_DELETED);
        self.merge(&list::TASKS);
        self.merge(&list::SDDCS);
    }

    /// Whether what is due is polled: where nothing is polled of itself, the last watcher may have
    /// gone since.
    pub(super) fn wants_poll(&self) -> bool {
        !self.settings.poll.is_zero() || self.changes.are_watched()
    }

    /// Opens slots for orgs that have been discovered, and retires those that are not any more.
    pub(super) fn reconcile(self: &Arc<Self>) {
        let Directory::Discovered(discovery) = &self.directory else { return };
        let Some(reading) = discovery.orgs.reading() else { return };
        {
            let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            let mut before: HashMap<_, _> =
                self.slots.load().iter().map(|slot| (slot.id.clone(), slot.clone())).collect();
            let mut slots: Vec<_> = reading
                .content
                .iter()
                .map(|org| before.remove(&org.id).unwrap_or_else(|| self.open(&org.id, discovery)))
                .collect();
            for slot in before.values() {
                tracing::info!(org.id = %slot.id, "organization gone");
                slot.retired.cancel();
            }
            slots.sort_by(|one, other| one.id.cmp(&other.id));
            if let [only] = &*slots {
                discovery.reader.tokens().belongs_to(&only.id);
            }
            self.slots.store(Arc::new(slots));
        }
        self.merge_all();
        discovery.note_served();
    }

    fn open(self: &Arc<Self>, org: &OrgId, discovery: &Discovery) -> Arc<Slot> {
        tracing::info!(org.id = %org, "organization found");
        let slot = Arc::new(Slot::new(org.clone(), discovery.reader.sibling(), self));
        self.spawn_pollers(&slot);
        slot
    }

    /// Starts the background refreshes of an org.
    pub(super) fn spawn_pollers(self: &Arc<Self>, slot: &Arc<Slot>) {
        let spawn = |poller| self.tasks.spawn("poller", slot.retired.clone(), poller);
        // Where nothing is polled, they read what has to be confirmed.
        spawn(slot.clone().keep_fresh(self.clone(), &list::SDDCS).boxed());
        spawn(slot.clone().keep_fresh(self.clone(), &list::WITH_DELETED).boxed());
        spawn(slot.clone().run_scrubber(self.clone()).boxed());
        if self.settings.poll.is_zero() {
            return;
        }
        spawn(slot.clone().keep_fresh(self.clone(), &list::TASKS).boxed());
        if matches!(self.directory, Directory::Configured) {
            spawn(slot.clone().keep_org_fresh(self.clone()).boxed());
        }
    }
}
