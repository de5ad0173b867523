//! `GET /orgs`, `GET /orgs/{org_id}` and `GET /orgs/{org_id}/sddcs`.

use axum::{extract::Path, response::Response};

use super::{
    answer::{ClientCaching, ResourceType},
    error::ApiError,
    pipeline::{EncodedPage, check_values, list_of_sddcs, respond},
    query::AllowedParams,
    request::{InventoryRequest, ListTarget},
};
use crate::inventory::{
    List, Orgs, Served,
    model::{Org, SddcEntry},
};

/// List organizations
///
/// The organizations that the gateway serves and the caller may see, ordered by name, then id.
///
/// Source: `GET /vmc/api/orgs`, or `GET /vmc/api/orgs/{org}` for each organization of `vmc.orgs`.
#[cfg_attr(test, utoipa::path(
    get, path = "/orgs", tag = "orgs",
    responses((status = 200, description = "The organizations"))
))]
pub(super) async fn list_orgs(request: InventoryRequest) -> Result<Response, ApiError> {
    let scope = request.visibility.scope();
    let parser = request.parser::<Org>(AllowedParams::LIST, &scope);
    let known = parser.needs_view().then(|| request.state.inventory.known_orgs(&scope));
    let pending = parser.begin(known.iter().flatten())?;
    let applied = request.freshness(&[List::Orgs], &scope).await;
    let served = request.state.inventory.orgs(&scope, &applied.requirement).await?;
    let Served { content: Orgs { orgs, missing }, age, outcome } = applied.note(served);
    request.state.history.note_orgs(&orgs);
    let query = check_values(&request, pending, &missing, orgs.iter())?;
    let missing = request.admit_missing(&missing, query.partial)?;
    let selection = query.select(orgs.iter());
    let encoded = request.state.answers.same(&selection.page(missing), selection.next.clone());
    let page = EncodedPage::new(encoded, Served { content: (), age, outcome });
    Ok(respond(&request, &page, ClientCaching::WhileFresh))
}

/// Show an organization
///
/// One organization, by its id.
///
/// Source: `GET /vmc/api/orgs`, or `GET /vmc/api/orgs/{org}` for each organization of `vmc.orgs`.
#[cfg_attr(test, utoipa::path(
    get, path = "/orgs/{org_id}", tag = "orgs",
    responses((status = 200, description = "The organization"))
))]
pub(super) async fn show_org(
    request: InventoryRequest,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let query = request.document_query::<Org>()?;
    let scope = request.visibility.org(&id);
    let applied = request.freshness(&[List::Orgs], &scope).await;
    let served = request.state.inventory.org(&scope, &applied.requirement).await?;
    let Served { content: org, age, outcome } = applied.note(served);
    let encoded = request.state.answers.same(&query.show(&org), None);
    let page = EncodedPage::new(encoded, Served { content: (), age, outcome });
    Ok(respond(&request, &page, ClientCaching::WhileFresh))
}

/// List an organization's SDDCs
///
/// The same as `GET /sddcs`, for one organization.
///
/// Source: `GET /vmc/api/orgs/{org}/sddcs`.
#[cfg_attr(test, utoipa::path(
    get, path = "/orgs/{org_id}/sddcs", tag = "orgs",
    responses((status = 200, description = "The organization's SDDCs"))
))]
pub(super) async fn list_org_sddcs(
    request: InventoryRequest,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let scope = request.visibility.org(&id);
    let target = ListTarget { what: ResourceType::Sddcs, scope, within: Some(id.into()) };
    list_of_sddcs::<SddcEntry>(request, target).await
}
