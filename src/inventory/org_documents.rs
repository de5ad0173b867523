//! Questions about the organizations themselves.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;

use super::{
    context::InventoryContext,
    freshness::{FreshnessRequirement, OrgSelector},
    model::Org,
    org::OrgCache,
    org_source::{self, OrgDiscovery, OrgSource},
    orgs::Inventory,
    outcome::{CacheOutcome, MissingOrg, Served, Unavailable},
};
use crate::{
    upstream::Priority,
    vmc::{Endpoint, VmcError},
};

/// The organizations in scope.
#[derive(Debug)]
pub struct Orgs {
    /// Those that can be shown.
    pub orgs: Vec<Org>,
    /// Those that cannot.
    pub missing: Vec<MissingOrg>,
}

impl Inventory {
    /// The served organizations in scope, ordered by name, then id.
    ///
    /// # Errors
    /// [`Unavailable`] when none can be shown.
    pub async fn orgs(
        &self,
        selector: &OrgSelector,
        requirement: &FreshnessRequirement,
    ) -> Result<Served<Orgs>, Unavailable> {
        match &self.0.source {
            OrgSource::Discovered(discovery) => {
                let mut served = self.discovered_orgs(discovery, requirement).await?;
                served.content.orgs.retain(|org| selector.holds(&org.id));
                Ok(served)
            }
            OrgSource::Configured => {
                self.configured_orgs(&self.0.selected(selector), requirement).await
            }
        }
    }

    /// One served organization.
    ///
    /// # Errors
    /// [`Unavailable::NoSuchOrg`], or why that cannot be said for certain.
    pub async fn org(
        &self,
        selector: &OrgSelector,
        requirement: &FreshnessRequirement,
    ) -> Result<Served<Org>, Unavailable> {
        let served = match &self.0.source {
            OrgSource::Discovered(discovery) => {
                self.discovered_orgs(discovery, requirement).await?
            }
            // Which orgs there are is known here: only the one in question is asked for.
            OrgSource::Configured => {
                let orgs = self.0.selected(selector);
                let served = self.configured_orgs(&orgs, requirement).await;
                if orgs.iter().all(|org| org.document.is_gone()) {
                    return Err(Unavailable::NoSuchOrg);
                }
                served?
            }
        };
        let Served { content, age, outcome } = served;
        let org = content.orgs.into_iter().find(|org| selector.holds(&org.id));
        Ok(Served { content: org.ok_or(Unavailable::NoSuchOrg)?, age, outcome })
    }

    async fn discovered_orgs(
        &self,
        discovery: &OrgDiscovery,
        requirement: &FreshnessRequirement,
    ) -> Result<Served<Orgs>, Unavailable> {
        let InventoryContext { settings, clock, .. } = &*self.0.context;
        let refresh = || self.0.discover(discovery, Priority::Callers);
        let outcome = discovery.orgs.ensure_fresh(requirement, refresh).await;
        let state = discovery.orgs.state();
        match (&state.reading, state.shown_age(clock.now(), settings, requirement)) {
            (Some(reading), Some(age)) => {
                let content = Orgs { orgs: reading.content.to_vec(), missing: Vec::new() };
                Ok(Served { content, age, outcome: outcome.into() })
            }
            _ if requirement.only_if_cached => Err(Unavailable::NotCached),
            _ => Err(discovery.unavailable(outcome.failure())),
        }
    }

    async fn configured_orgs(
        &self,
        orgs: &[Arc<OrgCache>],
        requirement: &FreshnessRequirement,
    ) -> Result<Served<Orgs>, Unavailable> {
        let InventoryContext { settings, clock, .. } = &*self.0.context;
        let pause = self.0.unknown_pause();
        let outcomes =
            orgs.iter().map(async |org| (org, org.ensure_fresh_document(requirement, pause).await));
        let outcomes = join_all(outcomes).await;
        let (mut shown, mut missing, mut first) = (Vec::new(), Vec::new(), None);
        let (mut age, mut worst) = (Duration::ZERO, CacheOutcome::Hit);
        // As with their lists: if none is left, what was read before is shown.
        let none_is_left = self.0.orgs.load().iter().all(|org| org.document.is_gone());
        for (org, outcome) in outcomes {
            let state = org.document.state();
            if state.is_gone && (state.reading.is_none() || !none_is_left) {
                continue;
            }
            match (&state.reading, state.shown_age(clock.now(), settings, requirement)) {
                (Some(reading), Some(part)) => {
                    age = age.max(part);
                    shown.push(Org::clone(&reading.content));
                    worst = worst.worst(if state.is_gone {
                        CacheOutcome::Stale(Some(VmcError::NotFound.kind()))
                    } else {
                        outcome.into()
                    });
                }
                _ => {
                    let error = state.last_error.clone().or(outcome.failure());
                    let held = org.reader().held_for(Endpoint::Org(org.id()));
                    let error = Unavailable::upstream(error, held);
                    missing.push(org.missing(&error));
                    first.get_or_insert(error);
                }
            }
        }
        org_source::sort(&mut shown);
        match first {
            Some(_) if shown.is_empty() && requirement.only_if_cached => {
                Err(Unavailable::NotCached)
            }
            Some(error) if shown.is_empty() => Err(error),
            None if shown.is_empty() && !orgs.is_empty() => {
                Err(Unavailable::upstream(Some(Arc::new(VmcError::NotFound)), None))
            }
            _ => Ok(Served { content: Orgs { orgs: shown, missing }, age, outcome: worst }),
        }
    }
}
