//! What is known already, and how old it is: asked without an upstream call.

use std::{sync::Arc, time::Duration};

use super::{
    CacheOutcome, Content, FreshnessRequirement, Inventory, List, ListSnapshot, OrgSelector,
    Served, Unavailable,
    directory::Directory,
    list,
    model::{Org, SddcEntry, TaskEntry},
};
use crate::{clock::Instant, ids::OrgId};

impl Inventory {
    /// The snapshot's SDDCs as they are, whatever their age. Asks no upstream.
    #[must_use]
    pub fn known(&self) -> Arc<Content<SddcEntry>> {
        self.0.sddcs.picture.load().content.clone()
    }

    /// The same of the tasks that were read last.
    #[must_use]
    pub fn known_tasks(&self) -> Arc<Content<TaskEntry>> {
        self.0.task_list.picture.load().content.clone()
    }

    /// The same of the organizations in scope.
    #[must_use]
    pub fn known_orgs(&self, selector: &OrgSelector) -> Vec<Org> {
        let mut orgs = match &self.0.directory {
            Directory::Discovered(discovery) => {
                discovery.orgs.reading().map(|it| it.content.to_vec()).unwrap_or_default()
            }
            Directory::Configured => {
                let slots = self.0.selected(selector).into_iter();
                let readings =
                    slots.filter(|slot| !slot.is_unknown()).map(|slot| slot.org.reading());
                readings.flatten().map(|reading| Org::clone(&reading.content)).collect()
            }
        };
        orgs.retain(|org| selector.holds(&org.id));
        orgs
    }

    /// How old a list's parts in scope are; `None` if some were never read. Asks no upstream.
    #[must_use]
    pub fn age(&self, of: List, selector: &OrgSelector) -> Option<Duration> {
        let inner = &self.0;
        match (of, &inner.directory) {
            (List::Sddcs, _) => inner.age(&list::SDDCS, selector),
            (List::WithDeleted, _) => inner.age(&list::WITH_DELETED, selector),
            (List::Tasks, _) => inner.age(&list::TASKS, selector),
            (List::Orgs, Directory::Discovered(discovery)) => discovery.orgs.age(),
            (List::Orgs, Directory::Configured) => {
                let mut ages = inner.selected(selector).into_iter().map(|slot| slot.org.age());
                ages.try_fold(Duration::ZERO, |oldest, age| age.map(|age| oldest.max(age)))
            }
        }
    }

    /// Whose read a demand would force, of the parts of a list in scope: organizations, or (`None`)
    /// the list of organizations, also where no served organization is in scope.
    #[must_use]
    pub fn forced_reads(
        &self,
        of: List,
        selector: &OrgSelector,
        requirement: &FreshnessRequirement,
    ) -> Vec<Option<OrgId>> {
        let orgs = self.0.selected(selector);
        let is_discovered = matches!(self.0.directory, Directory::Discovered(_));
        if orgs.is_empty() || (of == List::Orgs && is_discovered) {
            let is_forced = requirement.wants_newer_than(self.age(of, selector));
            return is_forced.then_some(None).into_iter().collect();
        }
        let ids = orgs.into_iter().map(|slot| slot.id.clone());
        ids.filter(|id| requirement.wants_newer_than(self.age(of, &OrgSelector::Org(id.clone()))))
            .map(Some)
            .collect()
    }

    /// The SDDCs in scope as they are now, if they are what is required. Asks no upstream and waits
    /// for nothing: the poller brings what is newer, and its turn is told.
    ///
    /// # Errors
    /// As [`Inventory::sddcs`].
    pub fn sddcs_kept(
        &self,
        with_deleted: bool,
        selector: &OrgSelector,
        requirement: &FreshnessRequirement,
    ) -> Result<Served<ListSnapshot<SddcEntry>>, Unavailable> {
        let inner = &self.0;
        let kind = if with_deleted { &list::WITH_DELETED } else { &list::SDDCS };
        let (picture, now) = ((kind.merged)(inner).picture.load(), inner.clock.now());
        let is_old = |begun: Instant| now.since(begun) >= inner.settings.fresh;
        let stale = picture.orgs.iter().filter_map(|(slot, begun)| {
            let kept = &(kind.of)(slot).kept;
            let outcome = if kept.confirm_at().is_some() {
                CacheOutcome::Unconfirmed
            } else if begun.is_some_and(is_old) || slot.is_gone() {
                CacheOutcome::Stale(kept.trouble().map(|error| error.kind()))
            } else {
                return None;
            };
            Some((slot.id.clone(), outcome))
        });
        inner.look(kind, selector, requirement, CacheOutcome::Hit, &stale.collect::<Vec<_>>())
    }
}
