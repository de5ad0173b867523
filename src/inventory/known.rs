//! What is known already, and how old it is: asked without an upstream call.

use std::{sync::Arc, time::Duration};

use super::{
    freshness::{FreshnessRequirement, List, OrgSelector},
    listing::{Listing, SddcListing, TaskListing},
    model::{Org, SddcEntry, TaskEntry},
    org_source::OrgSource,
    orgs::{Inventory, InventoryState},
    snapshot::ListContent,
};
use crate::ids::OrgId;

impl Inventory {
    /// The snapshot's SDDCs as they are, whatever their age. Asks no upstream.
    pub fn known(&self) -> Arc<ListContent<SddcEntry>> {
        self.0.context.feed.snapshot().sddcs.content.clone()
    }

    /// The same of the tasks that were read last.
    pub fn known_tasks(&self) -> Arc<ListContent<TaskEntry>> {
        self.0.context.feed.snapshot().tasks.content.clone()
    }

    /// The same of the organizations in scope.
    pub fn known_orgs(&self, selector: &OrgSelector) -> Vec<Org> {
        let mut orgs = match &self.0.source {
            OrgSource::Discovered(discovery) => {
                discovery.orgs.reading().map(|it| it.content.to_vec()).unwrap_or_default()
            }
            OrgSource::Configured => {
                let orgs = self.0.selected(selector).into_iter().map(|org| org.document.state());
                let readings = orgs.filter(|it| !it.is_gone).filter_map(|it| it.reading.clone());
                readings.map(|reading| Org::clone(&reading.content)).collect()
            }
        };
        orgs.retain(|org| selector.holds(&org.id));
        orgs
    }

    /// How old a list's parts in scope are; `None` if some were never read. Asks no upstream.
    pub fn age(&self, of: List, selector: &OrgSelector) -> Option<Duration> {
        let state = &self.0;
        match (of, &state.source) {
            (List::Sddcs, _) => state.age(SddcListing::Current, selector),
            (List::WithDeleted, _) => state.age(SddcListing::WithDeleted, selector),
            (List::Tasks, _) => state.age(TaskListing, selector),
            (List::Orgs, OrgSource::Discovered(discovery)) => discovery.orgs.age(),
            (List::Orgs, OrgSource::Configured) => {
                let mut ages = state.selected(selector).into_iter().map(|org| org.document.age());
                ages.try_fold(Duration::ZERO, |oldest, age| age.map(|age| oldest.max(age)))
            }
        }
    }

    /// Whose read a demand would force, of the parts of a list in scope: organizations, or (`None`)
    /// the list of organizations, also where no served organization is in scope.
    pub fn forced_reads(
        &self,
        of: List,
        selector: &OrgSelector,
        requirement: &FreshnessRequirement,
    ) -> Vec<Option<OrgId>> {
        let orgs = self.0.selected(selector);
        let is_discovered = matches!(self.0.source, OrgSource::Discovered(_));
        if orgs.is_empty() || (of == List::Orgs && is_discovered) {
            let is_forced = requirement.wants_newer_than(self.age(of, selector));
            return is_forced.then_some(None).into_iter().collect();
        }
        let ids = orgs.into_iter().map(|org| org.id().clone());
        ids.filter(|id| requirement.wants_newer_than(self.age(of, &OrgSelector::Org(id.clone()))))
            .map(Some)
            .collect()
    }
}

impl InventoryState {
    /// How old the parts in scope are; `None` if one was never read.
    fn age(&self, listing: impl Listing, selector: &OrgSelector) -> Option<Duration> {
        let (snapshot, now) = (self.context.feed.snapshot(), self.context.clock.now());
        let orgs = listing.published(&snapshot).orgs.iter();
        let mut ages = orgs.filter(|org| selector.holds(&org.id)).map(|org| org.state.age(now));
        ages.try_fold(Duration::ZERO, |oldest, age| age.map(|age| oldest.max(age)))
    }
}
