//! Questions about lists, and about one document of a list.

use std::{sync::Arc, time::Duration};

use super::{
    belief,
    context::InventoryContext,
    entry::Entry,
    freshness::{FreshnessRequirement, List, OrgSelector},
    listing::{Listing, SddcListing, TaskListing},
    org::OrgCache,
    org_source::OrgSource,
    orgs::{Inventory, InventoryState},
    outcome::{CacheOutcome, MissingOrg, Served, Unavailable},
    snapshot::{ListContent, Snapshot},
};
use crate::{clock::Instant, ids::OrgId, vmc::VmcError};

/// The documents of a list that are in scope.
#[derive(Debug)]
pub struct ListSnapshot<E> {
    /// Documents of all orgs, some of them not in scope or too old to be shown: see
    /// [`ListSnapshot::shows`].
    pub content: Arc<ListContent<E>>,
    /// Orgs in scope that must not be shown.
    pub missing: Vec<MissingOrg>,
    /// Documents that are older than the rest of their org's list, and how old. Some of them may not be
    /// in scope.
    pub held_back: Vec<(Arc<E>, Duration)>,
}

/// One document and the [revision](ListContent::revision) it is of.
#[derive(Debug)]
pub struct FoundDocument<E> {
    /// The content's revision.
    pub revision: u64,
    /// The document.
    pub entry: Arc<E>,
    /// The orgs that were asked for it.
    pub read: OrgSelector,
}

impl Inventory {
    /// The revision of what a list shows of a scope, while all of that is fresh as it is: what was made
    /// of this revision before is made of nothing else now.
    ///
    /// Costs no lock, no allocation and no wait.
    pub fn fresh_revision(
        &self,
        list: List,
        selector: &OrgSelector,
        now: Instant,
    ) -> Option<Served<u64>> {
        match list {
            List::Sddcs => self.0.fresh_revision(SddcListing::Current, selector, now),
            List::WithDeleted => self.0.fresh_revision(SddcListing::WithDeleted, selector, now),
            List::Tasks => self.0.fresh_revision(TaskListing, selector, now),
            List::Orgs => None,
        }
    }

    /// What a list shows of the orgs in scope, as new as is required, or as can be had in time.
    ///
    /// Costs no lock, no allocation and no wait while the snapshot of all orgs is fresh.
    ///
    /// # Errors
    /// [`Unavailable`] when no org in scope has anything to show, or there is no such org. Some
    /// orgs missing is no error here, see [`ListSnapshot::missing`].
    pub(crate) async fn list<L: Listing>(
        &self,
        listing: L,
        selector: &OrgSelector,
        requirement: &FreshnessRequirement,
    ) -> Result<Served<ListSnapshot<L::Entry>>, Unavailable> {
        let state = &self.0;
        if requirement.as_it_is {
            return self.kept(listing, selector, requirement);
        }
        if let Some(served) = state.fresh_list(listing, selector, requirement) {
            return Ok(served);
        }
        let outcome = state.ensure_discovered(requirement).await?;
        let orgs = state.selected(selector);
        let mut outcomes = state.ensure_fresh(listing, &orgs, requirement).await;
        // Those that were found meanwhile: without a first reading they would seem to be missing.
        let mut new = state.selected(selector);
        new.retain(|org| orgs.iter().all(|before| before.id() != org.id()));
        if !new.is_empty() {
            outcomes.extend(state.ensure_fresh(listing, &new, requirement).await);
        }
        state.look(listing, selector, requirement, outcome, &outcomes)
    }

    /// The same as it is now. Asks no upstream and waits for nothing: the poller brings what is newer,
    /// and its change is told.
    ///
    /// # Errors
    /// As [`Inventory::list`].
    pub(crate) fn kept<L: Listing>(
        &self,
        listing: L,
        selector: &OrgSelector,
        requirement: &FreshnessRequirement,
    ) -> Result<Served<ListSnapshot<L::Entry>>, Unavailable> {
        let InventoryContext { feed, clock, settings, .. } = &*self.0.context;
        let (snapshot, now) = (feed.snapshot(), clock.now());
        let outcomes = listing.published(&snapshot).orgs.iter().filter_map(|org| {
            let is_old = org.state.age(now).is_some_and(|age| age >= settings.fresh);
            let outcome = if org.state.confirm_at().is_some() {
                CacheOutcome::Unconfirmed
            } else if is_old || org.is_gone {
                CacheOutcome::Stale(org.state.last_error.as_ref().map(|error| error.kind()))
            } else {
                return None;
            };
            Some((org.id.clone(), outcome))
        });
        let outcomes: Vec<_> = outcomes.collect();
        drop(snapshot);
        self.0.look(listing, selector, requirement, CacheOutcome::Hit, &outcomes)
    }

    /// One document, from the list of its org.
    ///
    /// `sees` tells which documents the caller may see: any other takes the way of one that does not
    /// exist.
    ///
    /// # Errors
    /// [`Unavailable::NoSuchId`], or why that cannot be said for certain.
    pub(crate) async fn find<L: Listing>(
        &self,
        listing: L,
        id: &str,
        selector: &OrgSelector,
        sees: impl Fn(&L::Entry) -> bool,
        requirement: &FreshnessRequirement,
    ) -> Result<Served<FoundDocument<L::Entry>>, Unavailable> {
        let asked = self.holder(listing, id, selector, &sees);
        let served = self.list(listing, &asked, requirement).await;
        // The org that held it may just have left.
        if asked != *selector && matches!(served, Err(Unavailable::NoSuchOrg)) {
            let served = self.list(listing, selector, requirement).await?;
            return found(served, id, selector, sees);
        }
        found(served?, id, &asked, sees)
    }

    /// The orgs that have to be asked for a document: one that alone holds it is known without asking
    /// the others.
    pub(crate) fn holder<L: Listing>(
        &self,
        listing: L,
        id: &str,
        selector: &OrgSelector,
        sees: impl Fn(&L::Entry) -> bool,
    ) -> OrgSelector {
        let known = listing.published(&self.0.context.feed.snapshot()).content.clone();
        let sees = |entry: &L::Entry| selector.holds(entry.org()) && sees(entry);
        let mut holders = known.get_all(id).filter(|entry| sees(entry)).map(|entry| entry.org());
        match (holders.next(), holders.next()) {
            (Some(only), None) => OrgSelector::Org(only.clone()),
            _ => selector.clone(),
        }
    }
}

/// The document of an id in a list of the orgs that were `asked`.
fn found<E: Entry>(
    Served { content: view, age, outcome }: Served<ListSnapshot<E>>,
    id: &str,
    asked: &OrgSelector,
    sees: impl Fn(&E) -> bool,
) -> Result<Served<FoundDocument<E>>, Unavailable> {
    let is_shown = |entry: &E| asked.holds(entry.org()) && view.shows(entry.org()) && sees(entry);
    match view.content.get_all(id).find(|entry| is_shown(entry)) {
        Some(entry) => {
            let (revision, entry) = (view.content.revision, entry.clone());
            let content = FoundDocument { revision, entry: entry.clone(), read: asked.clone() };
            let served = Served { content, age, outcome };
            Ok(served.with_held_back(&view, |held| std::ptr::eq(held, &raw const *entry)))
        }
        None if view.missing.is_empty() => Err(Unavailable::NoSuchId),
        None => Err(Unavailable::Incomplete(view.missing)),
    }
}

impl InventoryState {
    /// A list that is fresh and complete as it is.
    fn fresh_list<L: Listing>(
        &self,
        listing: L,
        selector: &OrgSelector,
        requirement: &FreshnessRequirement,
    ) -> Option<Served<ListSnapshot<L::Entry>>> {
        let now = self.context.clock.now();
        self.drop_expired(now);
        let snapshot = self.context.feed.snapshot();
        let fresh = self.fresh(&snapshot, listing, selector, requirement, now)?;
        let list = listing.published(&snapshot);
        Some(fresh.of(ListSnapshot::of(list.content.clone(), now)))
    }

    fn fresh_revision<L: Listing>(
        &self,
        listing: L,
        selector: &OrgSelector,
        now: Instant,
    ) -> Option<Served<u64>> {
        self.drop_expired(now);
        let snapshot = self.context.feed.snapshot();
        let requirement = FreshnessRequirement::default();
        let fresh = self.fresh(&snapshot, listing, selector, &requirement, now)?;
        Some(fresh.of(listing.published(&snapshot).content.revision))
    }

    /// How a list is served that is fresh and complete as it is.
    fn fresh<L: Listing>(
        &self,
        snapshot: &Snapshot,
        listing: L,
        selector: &OrgSelector,
        requirement: &FreshnessRequirement,
        now: Instant,
    ) -> Option<Served<()>> {
        let list = listing.published(snapshot);
        let age = list.fresh_age(selector, now, &self.context.settings)?;
        // Of some orgs it has to be asked which are unconfirmed.
        let is_unclear = list.is_unconfirmed && *selector != OrgSelector::All;
        if is_unclear
            || requirement.wants_newer_than(Some(age))
            || snapshot.has_lost_org(now, self.unknown_pause())
        {
            return None;
        }
        if !listing.is_primary() {
            let orgs = self.orgs.load();
            let asked = orgs.iter().filter(|org| selector.holds(org.id()));
            asked.for_each(|org| listing.of(&org.lists).cached.note_question(requirement));
        }
        let outcome =
            if list.is_unconfirmed { CacheOutcome::Unconfirmed } else { CacheOutcome::Hit };
        Some(Served { content: (), age, outcome })
    }

    /// What the snapshot shows of a scope now. Of `outcomes`, those count whose org is shown.
    fn look<L: Listing>(
        &self,
        listing: L,
        selector: &OrgSelector,
        requirement: &FreshnessRequirement,
        mut outcome: CacheOutcome,
        outcomes: &[(OrgId, CacheOutcome)],
    ) -> Result<Served<ListSnapshot<L::Entry>>, Unavailable> {
        let (settings, now) = (&self.context.settings, self.context.clock.now());
        self.drop_expired(now);
        let (snapshot, orgs) = (self.context.feed.snapshot(), self.orgs.load());
        let list = listing.published(&snapshot);
        let (mut shown, mut missing) = (None, Vec::new());
        for org in list.orgs.iter().filter(|org| selector.holds(&org.id)) {
            if let Some(age) = org.state.shown_age(now, settings, requirement) {
                shown = shown.max(Some(age));
                let own = outcomes.iter().find(|(id, _)| *id == org.id);
                outcome = own.map_or(outcome, |(_, own)| outcome.worst(*own));
            } else if let Some(org) = orgs.iter().find(|other| *other.id() == org.id) {
                missing.push(org);
            }
        }
        // What was never read is not missing for any reason but that nothing may be read now.
        let is_unread =
            |org: &&Arc<OrgCache>| listing.of(&org.lists).cached.state().last_attempt.is_none();
        let lacks = !missing.is_empty() && (shown.is_none() || missing.iter().any(is_unread));
        if requirement.only_if_cached && lacks {
            return Err(Unavailable::NotCached);
        }
        let age = match (shown, missing.first()) {
            (Some(oldest), _) => oldest,
            (None, Some(first)) => return Err(first.unavailable(listing)),
            (None, None) if selector.is_one() => return Err(Unavailable::NoSuchOrg),
            // All are gone: a wrong base URL looks like that, and no SDDCs would be a wrong answer.
            (None, None) if orgs.iter().any(|org| selector.holds(org.id())) => {
                return Err(Unavailable::upstream(Some(Arc::new(VmcError::NotFound)), None));
            }
            // That there is no org is as old as the list of orgs.
            (None, None) => self.discovery_age(requirement)?,
        };
        let missing = missing.into_iter().map(|org| org.missing(&org.unavailable(listing)));
        let missing = missing.collect();
        let content = ListSnapshot { missing, ..ListSnapshot::of(list.content.clone(), now) };
        Ok(Served { content, age, outcome })
    }

    fn discovery_age(&self, requirement: &FreshnessRequirement) -> Result<Duration, Unavailable> {
        let OrgSource::Discovered(discovery) = &self.source else { return Ok(Duration::ZERO) };
        let (state, InventoryContext { settings, clock, .. }) =
            (discovery.orgs.state(), &*self.context);
        let age = state.shown_age(clock.now(), settings, requirement);
        age.ok_or_else(|| discovery.unavailable(None))
    }
}

impl<T> Served<T> {
    /// The same as old as the oldest document that is held back and `shows`.
    #[must_use]
    pub fn with_held_back<E>(mut self, view: &ListSnapshot<E>, shows: impl Fn(&E) -> bool) -> Self {
        let held_back = view.held_back.iter().filter(|(entry, _)| shows(entry));
        if let Some(oldest) = held_back.map(|(_, age)| *age).max() {
            self.age = self.age.max(oldest);
            if self.outcome == CacheOutcome::Hit {
                self.outcome = CacheOutcome::Unconfirmed;
            }
        }
        self
    }
}

impl<E> ListSnapshot<E> {
    /// Everything that is there now.
    fn of(content: Arc<ListContent<E>>, now: Instant) -> Self {
        let held_back = content.held_back.iter();
        let held_back = held_back.map(|held| (held.entry.clone(), now.since(held.begun))).collect();
        Self { content, missing: Vec::new(), held_back }
    }

    /// Everything that is there, whatever its age.
    pub(crate) fn whole(content: Arc<ListContent<E>>) -> Self {
        Self { content, missing: Vec::new(), held_back: Vec::new() }
    }

    /// Hides these orgs' documents too.
    pub fn mark_missing(&mut self, more: &[MissingOrg]) {
        let new: Vec<_> = more.iter().filter(|gap| self.shows(&gap.org_id)).cloned().collect();
        self.missing.extend(new);
        self.missing.sort_by(|one, other| one.org_id.cmp(&other.org_id));
    }

    /// Orgs of which something that has no usable id is not shown.
    pub fn unreadable_orgs(&self) -> impl Iterator<Item = &OrgId> {
        let gaps = self.content.gaps.iter().filter(|gap| belief::is_without_id(gap));
        gaps.map(|gap| &gap.org_id)
    }

    /// Whether an org's documents may be shown; whether it is in scope is the asker's to know.
    pub fn shows(&self, org: &OrgId) -> bool {
        self.missing.iter().all(|missing| missing.org_id != *org)
    }
}
