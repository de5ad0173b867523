//! `GET /sddcs`, `GET /sddcs/{sddc_id}`, and what is below it.

use std::str::FromStr;

use axum::{extract::Path, response::Response};

use super::{
    answer::{ClientCaching, ResourceType},
    error::ApiError,
    gaps::gap_of,
    pipeline::{encode_document, encode_parts, list_of_sddcs, respond},
    query::AllowedParams,
    request::{AppliedFreshness, InventoryRequest},
    resource::HeldBy,
    watch::LongPoll,
};
use crate::{
    ids::SddcId,
    inventory::{
        FoundDocument, FreshnessRequirement, List, SddcListing, Served,
        model::{Cluster, Host, SddcEntry},
    },
};

/// List SDDCs
///
/// Every SDDC of every organization that the caller may see. The answer comes from the gateway's
/// snapshot: `Age` says how old it is, and `Cache-Status` whether VMware Cloud could be reached.
/// Deleted SDDCs are listed only with `include_deleted=true`.
///
/// With `wait` and `If-None-Match`, the answer comes as soon as it differs from the one that the
/// caller has, or is 304 at the end of the wait.
///
/// Source: `GET /vmc/api/orgs/{org}/sddcs`.
#[cfg_attr(test, utoipa::path(
    get, path = "/sddcs", tag = "sddcs",
    responses((status = 200, description = "The SDDCs"))
))]
pub(super) async fn list_sddcs(request: InventoryRequest) -> Result<Response, ApiError> {
    let target = request.all(ResourceType::Sddcs);
    list_of_sddcs::<SddcEntry>(request, target).await
}

/// Show an SDDC
///
/// One SDDC, from the same snapshot as the list. A deleted SDDC is not found.
///
/// With `wait` and `If-None-Match`, the answer comes as soon as it differs from the one that the
/// caller has (404 if the SDDC is gone), or is 304 at the end of the wait.
///
/// Source: `GET /vmc/api/orgs/{org}/sddcs`.
#[cfg_attr(test, utoipa::path(
    get, path = "/sddcs/{sddc_id}", tag = "sddcs",
    responses((status = 200, description = "The SDDC"))
))]
pub(super) async fn show_sddc(
    mut request: InventoryRequest,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let began = request.state.clock.now();
    let query = request.document_query::<SddcEntry>()?;
    let watch = request.watch(List::Sddcs, query.wait);
    let (served, applied) = fetch_sddc(&request, &id, &[List::Sddcs]).await?;
    let later = applied.requirement.after_first_look();
    let what = ResourceType::Sddc;
    let mut page = encode_document(&request, what, &query, &served, |entry| entry);
    page = page.of(List::Sddcs, &served.content.read, served.content.revision);
    let mut poll = LongPoll::new(&request, watch, began + query.wait.unwrap_or_default());
    // That it is gone is another answer too.
    while poll.outdates(&page, &mut request).await? {
        let served = find_sddc(&request, &id, &later).await?;
        page = encode_document(&request, what, &query, &served, |entry| entry);
    }
    Ok(respond(&request, &page, ClientCaching::of(query.wait)))
}

/// List an SDDC's clusters
///
/// The clusters of one SDDC, ordered by name, then id. A cluster's witness does not count as one of its hosts.
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
    list_parts_of_sddc::<Cluster>(&request, &id, ResourceType::Clusters).await
}

/// List an SDDC's hosts
///
/// The hosts of one SDDC, ordered by name, then id. Each host is listed once; witnesses are not listed.
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
    list_parts_of_sddc::<Host>(&request, &id, ResourceType::Hosts).await
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
    let target = request.all(ResourceType::Clusters);
    list_of_sddcs::<Cluster>(request, target).await
}

/// List hosts
///
/// The hosts of every SDDC that the caller may see, ordered by name, then id. Each host is listed
/// once; witnesses are not listed.
///
/// Source: `GET /vmc/api/orgs/{org}/sddcs`.
#[cfg_attr(test, utoipa::path(
    get, path = "/hosts", tag = "sddcs",
    responses((status = 200, description = "The hosts"))
))]
pub(super) async fn list_hosts(request: InventoryRequest) -> Result<Response, ApiError> {
    let target = request.all(ResourceType::Hosts);
    list_of_sddcs::<Host>(request, target).await
}

/// One SDDC that the caller sees, for an answer that is made from these lists; and what is required
/// of all of them.
pub(super) async fn fetch_sddc(
    request: &InventoryRequest,
    id: &str,
    lists: &[List],
) -> Result<(Served<FoundDocument<SddcEntry>>, AppliedFreshness), ApiError> {
    SddcId::from_str(id).map_err(|_| ApiError::SddcNotFound)?;
    let (inventory, scope) = (&request.state.inventory, request.visibility.scope());
    let sees = |entry: &SddcEntry| request.visibility.sees(entry);
    // Only the organization that holds it is read, where that is known.
    let read = inventory.holder(SddcListing::Current, id, &scope, sees);
    let applied = request.freshness(lists, &read).await;
    Ok((applied.note(find_sddc(request, id, &applied.requirement).await?), applied))
}

/// The same SDDC, as new as is required.
pub(super) async fn find_sddc(
    request: &InventoryRequest,
    id: &str,
    requirement: &FreshnessRequirement,
) -> Result<Served<FoundDocument<SddcEntry>>, ApiError> {
    let (inventory, scope) = (&request.state.inventory, request.visibility.scope());
    let sees = |entry: &SddcEntry| request.visibility.sees(entry);
    let found = inventory.find(SddcListing::Current, id, &scope, sees, requirement);
    found.await.map_err(ApiError::about_sddc)
}

async fn list_parts_of_sddc<R: HeldBy<SddcEntry>>(
    request: &InventoryRequest,
    id: &str,
    what: ResourceType,
) -> Result<Response, ApiError> {
    let known = request.state.inventory.known();
    let known = known.get_all(id).find(|entry| request.visibility.sees(entry));
    let known = known.into_iter().flat_map(|entry| R::of(entry));
    let parser = request.parser::<R>(AllowedParams::LIST, &request.visibility.scope());
    let pending = parser.begin(known)?;
    let (served, _) = fetch_sddc(request, id, &[List::Sddcs]).await?;
    let entry = &*served.content.entry;
    let query = pending.finish(R::of(entry).iter())?;
    let missing = gap_of(entry, what.part_kind());
    let page = encode_parts(request, what, &query, &served, missing);
    Ok(respond(request, &page, ClientCaching::WhileFresh))
}
