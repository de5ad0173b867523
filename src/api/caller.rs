//! The extractor of who asks, and what the caller may see.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::error::ApiError;
use crate::{
    access::{Admitted, Caller, Denied, Refusal, RequestIdentity, Scope as Right, View},
    ids::{OrgId, SddcId},
    inventory::{
        ListContent, OrgSelector,
        model::{Gap, SddcEntry, TaskEntry},
    },
};

/// The scope of the facade.
pub(super) const READS: Right = Right::SddcRead;

/// A caller with the scope `sddc:read`. Rejects with 401, 429, then 403, before anything else of the
/// request is looked at.
#[derive(Debug)]
pub(super) struct SddcReader(pub(super) Admitted);

impl<S: Sync> FromRequestParts<S> for SddcReader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Ok(Self(sender(parts)?.admit(READS)?))
    }
}

/// A caller, whatever its scopes. Rejects with 401, then 429.
#[derive(Debug)]
pub(super) struct AnyCaller(pub(super) Caller);

impl<S: Sync> FromRequestParts<S> for AnyCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Ok(Self(sender(parts)?.admit_with_any_scope()?.caller().clone()))
    }
}

/// The identity of the sender of a request. Without an edge before it a route lets nobody in.
fn sender(parts: &Parts) -> Result<&RequestIdentity, Denied> {
    parts.extensions.get().ok_or(Denied::Unauthenticated(Refusal::Missing))
}

impl SddcReader {
    /// What this caller sees of the inventory.
    pub(super) fn visibility(&self) -> Visibility {
        Visibility::from(&self.0)
    }
}

/// A caller's view of the inventory: the one place where the policy meets the data. What is not
/// seen takes the way of what does not exist. The default sees everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Visibility(Arc<View>);

impl From<&Admitted> for Visibility {
    fn from(admitted: &Admitted) -> Self {
        Self(admitted.caller().view().clone())
    }
}

impl Visibility {
    /// Tells it apart from all others that there are.
    pub(super) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// What callers with these limits see.
    #[cfg(test)]
    pub(super) fn of(view: View) -> Self {
        Self(Arc::new(view))
    }

    /// The orgs that are seen.
    pub(super) fn scope(&self) -> OrgSelector {
        self.0.orgs.clone().map_or(OrgSelector::All, OrgSelector::Only)
    }

    /// One org, by an id that a caller named.
    pub(super) fn org(&self, id: &str) -> OrgSelector {
        match id.parse::<OrgId>() {
            Ok(id) if self.0.shows_org(&id) => OrgSelector::Org(id),
            Ok(_) | Err(_) => OrgSelector::Hidden,
        }
    }

    /// Whether an SDDC is seen.
    pub(super) fn sees(&self, entry: &SddcEntry) -> bool {
        let sddc = &entry.sddc;
        self.0.shows_sddc(&sddc.org_id, &sddc.id, sddc.name.as_deref())
    }

    /// Whether a task is seen: its SDDC is, or it has none and SDDCs are not limited. `known` tells
    /// the SDDCs' names, see [`Visibility::limits_names`].
    pub(super) fn sees_task(&self, entry: &TaskEntry, known: &ListContent<SddcEntry>) -> bool {
        self.sees_tasks_of(&entry.task.org_id, entry.task.sddc_id.as_ref(), known)
    }

    /// The same for all tasks of one SDDC, or of none.
    pub(super) fn sees_tasks_of(
        &self,
        org: &OrgId,
        sddc: Option<&SddcId>,
        known: &ListContent<SddcEntry>,
    ) -> bool {
        let mut of_id = sddc.into_iter().flat_map(|id| known.get_all(id.as_str()));
        let entry = of_id.find(|entry| entry.sddc.org_id == *org);
        self.sees_owner(org, sddc, entry.and_then(|entry| entry.sddc.name.as_deref()))
    }

    /// Whether what belongs to an SDDC of this last known name, or to none, is seen.
    pub(super) fn sees_owner(
        &self,
        org: &OrgId,
        sddc: Option<&SddcId>,
        name: Option<&str>,
    ) -> bool {
        match sddc {
            Some(id) => self.0.shows_sddc(org, id, name),
            None => !self.0.limits_sddcs() && self.0.shows_org(org),
        }
    }

    /// Whether it may be told that something of an organization is not in a list of SDDCs. What may
    /// belong to any SDDC is told to callers who see all of them.
    pub(super) fn sees_gap(&self, gap: &Gap) -> bool {
        self.sees_owner(&gap.org_id, gap.sddc_id.as_ref(), None)
    }

    /// Whether what is seen of tasks depends on the SDDCs' names.
    pub(super) fn limits_names(&self) -> bool {
        self.0.sddc_names.is_some()
    }
}
