//! `GET /sddcs`, `GET /sddcs/{sddc_id}`, and what is below it.

use std::slice;

use axum::{extract::Path, response::Response};

use super::{
    answer::ResourceType,
    error::ApiError,
    gaps::gap_of,
    query::AllowedParams,
    request::{AppliedFreshness, InventoryRequest, ListTarget, within},
    resource::Resource,
};
use crate::{
    ids::SddcId,
    inventory::{Found, List, OrgSelector, Served, model::SddcEntry},
};

/// List SDDCs
///
/// Every SDDC of every organization that the caller may see. Served from the gateway's snapshot: `Age`
/// and `Cache-Status` tell how old it is and whether VMware Cloud could be reached. Deleted SDDCs are
/// listed only with `include_deleted=true`.
///
/// With `wait` and `If-None-Match` the answer comes as soon as it would be another one than the caller
/// has, or as 304 at the end of the wait.
///
/// Source: `GET /vmc/api/orgs/{org}/sddcs`.
#[cfg_attr(test, utoipa::path(
    get, path = "/sddcs", tag = "sddcs",
    responses((status = 200, description = "The SDDCs"))
))]
pub(super) async fn list_sddcs(request: InventoryRequest) -> Result<Response, ApiError> {
    let topic = request.all(ResourceType::Sddcs);
    request.list_of_sddcs(topic, slice::from_ref).await
}

/// Show an SDDC
///
/// One SDDC, from the same snapshot as the list. A deleted SDDC is not found.
///
/// Source: `GET /vmc/api/orgs/{org}/sddcs`.
#[cfg_attr(test, utoipa::path(
    get, path = "/sddcs/{sddc_id}", tag = "sddcs",
    responses((status = 200, description = "The SDDC"))
))]
pub(super) async fn show_sddc(
    request: InventoryRequest,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let query = request.document_query::<SddcEntry>()?;
    let (served, _) = request.sddc(&id, &[List::Sddcs]).await?;
    Ok(request.document(ResourceType::Sddc, &query, &served, |entry| entry))
}

/// List an SDDC's clusters
///
/// Ordered by name, then id. A cluster's witness is not among its hosts.
///
/// Source: `GET /vmc/api/orgs/{org}/sddcs`.
#[cfg_attr(test, utoipa::path(
    get, path = "/sddcs/{sddc_id}/clusters", tag = "sddcs",
    responses((status = 200, description = "The clusters"))
))]
pub(super) async fn list_sddc_clusters(
    request: InventoryRequest,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    request.parts_of_sddc(&id, ResourceType::Clusters, |entry| &entry.clusters).await
}

/// List an SDDC's hosts
///
/// Ordered by name, then id. Each host once; witnesses are not listed.
///
/// Source: `GET /vmc/api/orgs/{org}/sddcs`.
#[cfg_attr(test, utoipa::path(
    get, path = "/sddcs/{sddc_id}/hosts", tag = "sddcs",
    responses((status = 200, description = "The hosts"))
))]
pub(super) async fn list_sddc_hosts(
    request: InventoryRequest,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    request.parts_of_sddc(&id, ResourceType::Hosts, |entry| &entry.hosts).await
}

/// List clusters
///
/// The clusters of every SDDC that the caller may see, ordered by name, then id.
///
/// Source: `GET /vmc/api/orgs/{org}/sddcs`.
#[cfg_attr(test, utoipa::path(
    get, path = "/clusters", tag = "sddcs",
    responses((status = 200, description = "The clusters"))
))]
pub(super) async fn list_clusters(request: InventoryRequest) -> Result<Response, ApiError> {
    let topic = request.all(ResourceType::Clusters);
    request.list_of_sddcs(topic, |entry| &entry.clusters).await
}

/// List hosts
///
/// The hosts of every SDDC that the caller may see, ordered by name, then id. Each host once;
/// witnesses are not listed.
///
/// Source: `GET /vmc/api/orgs/{org}/sddcs`.
#[cfg_attr(test, utoipa::path(
    get, path = "/hosts", tag = "sddcs",
    responses((status = 200, description = "The hosts"))
))]
pub(super) async fn list_hosts(request: InventoryRequest) -> Result<Response, ApiError> {
    let topic = request.all(ResourceType::Hosts);
    request.list_of_sddcs(topic, |entry| &entry.hosts).await
}

impl InventoryRequest {
    /// One SDDC that the caller sees, for an answer that is made from these lists; and what is
    /// required of all of them.
    pub(super) async fn sddc(
        &self,
        id: &str,
        lists: &[List],
    ) -> Result<(Served<Found<SddcEntry>>, AppliedFreshness), ApiError> {
        let id: SddcId = id.parse().map_err(|_| ApiError::SddcNotFound)?;
        let scope = self.visibility.scope();
        let sees = |entry: &SddcEntry| self.visibility.sees(entry);
        // Only the organization that holds it is read, where that is known.
        let known = self.state.inventory.known();
        let mut holders = known.get_all(id.as_str()).filter(|entry| sees(entry));
        let read = match (holders.next(), holders.next()) {
            (Some(only), None) => OrgSelector::Org(only.sddc.org_id.clone()),
            _ => scope.clone(),
        };
        let applied = self.freshness(lists, &read);
        let served = self.state.inventory.sddc(&id, &scope, sees, &applied.requirement).await;
        Ok((applied.note(served.map_err(ApiError::about_sddc)?), applied))
    }

    async fn parts_of_sddc<R: Resource>(
        &self,
        id: &str,
        what: ResourceType,
        parts: fn(&SddcEntry) -> &[R],
    ) -> Result<Response, ApiError> {
        let known = self.state.inventory.known();
        let known = known.get_all(id).find(|entry| self.visibility.sees(entry));
        let known = known.into_iter().flat_map(|entry| parts(entry));
        let pending =
            self.parser::<R>(AllowedParams::LIST, &self.visibility.scope()).begin(known)?;
        let (served, _) = self.sddc(id, &[List::Sddcs]).await?;
        let Found { revision, entry } = &served.content;
        let query = pending.finish(parts(entry).iter())?;
        let topic = ListTarget { what, scope: OrgSelector::Hidden, within: Some(within(&**entry)) };
        let missing = gap_of(&**entry, what.part_kind());
        let served = served.of(*revision);
        let page = self.page_of(&topic, &query, &served, parts(entry), missing);
        Ok(self.answer(&page))
    }
}
