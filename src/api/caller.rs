//! The extractor of who asks, and what the caller may see.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::error::ApiError;
use crate::{
    access::{Admitted, Denied, Refusal, Scope as Right, Sender, View},
    ids::OrgId,
    inventory::{
        Content, Scope,
        model::{SddcEntry, TaskEntry},
    },
};

/// A caller with the scope `sddc:read`. Rejects with 401, 429, then 403, before anything else of the
/// request is looked at.
#[derive(Debug)]
pub(super) struct SddcReader(pub(super) Admitted);

impl<S: Sync> FromRequestParts<S> for SddcReader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        // Without an edge before it a route lets nobody in.
        let sender = parts.extensions.get::<Sender>();
        let sender = sender.ok_or(Denied::Unauthenticated(Refusal::Missing))?;
        Ok(Self(sender.admit(Right::SddcRead)?))
    }
}

impl SddcReader {
    /// What this caller sees of the inventory.
    pub(super) fn sight(&self) -> Sight {
        Sight::from(&self.0)
    }
}

/// A caller's view of the inventory: the one place where the policy meets the data. What is not
/// seen takes the way of what does not exist. The default sees everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Sight(Arc<View>);

impl From<&Admitted> for Sight {
    fn from(admitted: &Admitted) -> Self {
        Self(admitted.caller().view().clone())
    }
}

impl Sight {
    /// What callers with these limits see.
    #[cfg(test)]
    pub(super) fn of(view: View) -> Self {
        Self(Arc::new(view))
    }

    /// The orgs that are seen.
    pub(super) fn scope(&self) -> Scope {
        self.0.orgs.clone().map_or(Scope::All, Scope::Only)
    }

    /// One org, by an id that a caller named.
    pub(super) fn org(&self, id: &str) -> Scope {
        match id.parse::<OrgId>() {
            Ok(id) if self.0.shows_org(&id) => Scope::Org(id),
            Ok(_) | Err(_) => Scope::Hidden,
        }
    }

    /// Whether an SDDC is seen.
    pub(super) fn sees(&self, entry: &SddcEntry) -> bool {
        let sddc = &entry.sddc;
        self.0.shows_sddc(&sddc.org_id, &sddc.id, sddc.name.as_deref())
    }

    /// Whether a task is seen: its SDDC is, or it has none and SDDCs are not limited. `known` tells
    /// the SDDCs' names, see [`Sight::limits_names`].
    pub(super) fn sees_task(&self, entry: &TaskEntry, known: &Content<SddcEntry>) -> bool {
        let task = &entry.task;
        let Some(id) = &task.sddc_id else {
            return !self.0.limits_sddcs() && self.0.shows_org(&task.org_id);
        };
        let sddc = known.get_all(id.as_str()).find(|entry| entry.sddc.org_id == task.org_id);
        let name = sddc.and_then(|entry| entry.sddc.name.as_deref());
        self.0.shows_sddc(&task.org_id, id, name)
    }

    /// Whether what is seen of tasks depends on the SDDCs' names.
    pub(super) fn limits_names(&self) -> bool {
        self.0.sddc_names.is_some()
    }
}
