//! `GET /orgs`, `GET /orgs/{org_id}` and `GET /orgs/{org_id}/sddcs`.

use axum::{
    extract::{Path, State},
    response::Response,
};

use super::{
    answer::{Answers, Asked, Key},
    caller::SddcReader,
    error::ApiError,
    page::Page,
    question::{ListQuestion, Query},
    sddcs::admit_missing,
};
use crate::{
    ids::OrgId,
    inventory::{
        Demand, Inventory, Orgs, Scope, SddcList,
        model::{Org, Sddc},
    },
};

/// List organizations
///
/// The organizations that the gateway serves and the caller may see, ordered by id.
///
/// Source: `GET /vmc/api/orgs`, or `GET /vmc/api/orgs/{org}` for each organization of `vmc.orgs`.
#[utoipa::path(
    get, path = "/orgs", tag = "orgs", params(ListQuestion),
    responses((status = 200, description = "The organizations", body = Page<Org>))
)]
pub(super) async fn list_orgs(
    State(inventory): State<Inventory>,
    State(answers): State<Answers>,
    _caller: SddcReader,
    query: Query,
    asked: Asked,
) -> Result<Response, ApiError> {
    let question = query.list()?;
    let served = inventory.orgs(&Scope::All, &Demand::default()).await?;
    let Orgs { orgs, missing } = &served.content;
    let missing = admit_missing(missing, question)?;
    let encoded = answers.same(&Page::whole(orgs.iter().collect(), missing));
    Ok(answers.answer(&encoded, &served, &asked, None))
}

/// Show an organization
///
/// Source: `GET /vmc/api/orgs`, or `GET /vmc/api/orgs/{org}` for each organization of `vmc.orgs`.
#[utoipa::path(
    get, path = "/orgs/{org_id}", tag = "orgs",
    params(("org_id" = String, Path, description = "The organization's `id`")),
    responses((status = 200, description = "The organization", body = Org))
)]
pub(super) async fn show_org(
    State(inventory): State<Inventory>,
    State(answers): State<Answers>,
    _caller: SddcReader,
    Path(id): Path<String>,
    query: Query,
    asked: Asked,
) -> Result<Response, ApiError> {
    query.nothing()?;
    let id = id.parse().map_err(|_| ApiError::OrgNotFound)?;
    let served = inventory.org(&Scope::Org(id), &Demand::default()).await?;
    Ok(answers.answer(&answers.same(&served.content), &served, &asked, None))
}

/// List an organization's SDDCs
///
/// As `GET /sddcs`, for one organization.
///
/// Source: `GET /vmc/api/orgs/{org}/sddcs`.
#[utoipa::path(
    get, path = "/orgs/{org_id}/sddcs", tag = "orgs",
    params(("org_id" = String, Path, description = "The organization's `id`"), ListQuestion),
    responses((status = 200, description = "The organization's SDDCs", body = Page<Sddc>))
)]
pub(super) async fn list_org_sddcs(
    State(inventory): State<Inventory>,
    State(answers): State<Answers>,
    _caller: SddcReader,
    Path(id): Path<String>,
    query: Query,
    asked: Asked,
) -> Result<Response, ApiError> {
    query.list()?;
    let org: OrgId = id.parse().map_err(|_| ApiError::OrgNotFound)?;
    let served =
        inventory.sddcs(SddcList::Present, &Scope::Org(org.clone()), &Demand::default()).await?;
    let view = &served.content;
    let key = Key::OrgSddcs { revision: view.content.revision, org: org.to_string() };
    let encoded = answers.encoded(key, || {
        let entries = view.content.entries.iter().filter(|entry| entry.sddc.org_id == org);
        // Of one org nothing can be missing: it is shown, or the answer is its problem.
        Page::whole(entries.map(|entry| &entry.sddc).collect(), Vec::new())
    });
    Ok(answers.answer(&encoded, &served, &asked, None))
}
