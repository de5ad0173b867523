//! `GET /orgs`, `GET /orgs/{org_id}` and `GET /orgs/{org_id}/sddcs`.

use std::slice;

use axum::{extract::Path, response::Response};

use super::{
    answer::What,
    ask::{Ask, Listed, Topic},
    error::ApiError,
    question::Takes,
};
use crate::inventory::{List, Orgs, Served, model::Org};

/// List organizations
///
/// The organizations that the gateway serves and the caller may see, ordered by name, then id.
///
/// Source: `GET /vmc/api/orgs`, or `GET /vmc/api/orgs/{org}` for each organization of `vmc.orgs`.
#[cfg_attr(test, utoipa::path(
    get, path = "/orgs", tag = "orgs",
    responses((status = 200, description = "The organizations"))
))]
pub(super) async fn list_orgs(ask: Ask) -> Result<Response, ApiError> {
    let scope = ask.visibility.scope();
    let draft = ask.draft::<Org>(Takes::LIST, &scope);
    let known = draft.needs_view().then(|| ask.state.inventory.known_orgs(&scope));
    let asking = draft.begin(known.iter().flatten())?;
    let applied = ask.freshness(&[List::Orgs], &scope);
    let served = ask.state.inventory.orgs(&scope, &applied.requirement).await?;
    let Served { content: Orgs { orgs, missing }, age, outcome } = applied.note(served);
    ask.state.history.note_orgs(&orgs);
    let question = ask.judge(asking, &missing, orgs.iter())?;
    let missing = ask.admit_missing(&missing, question.allows_part())?;
    let selection = question.select(orgs.iter());
    let encoded = ask.state.answers.same(&selection.page(missing), selection.next.clone());
    Ok(ask.answer(&Listed { encoded, served: Served { content: (), age, outcome } }))
}

/// Show an organization
///
/// Source: `GET /vmc/api/orgs`, or `GET /vmc/api/orgs/{org}` for each organization of `vmc.orgs`.
#[cfg_attr(test, utoipa::path(
    get, path = "/orgs/{org_id}", tag = "orgs",
    responses((status = 200, description = "The organization"))
))]
pub(super) async fn show_org(ask: Ask, Path(id): Path<String>) -> Result<Response, ApiError> {
    let question = ask.document_question::<Org>()?;
    let scope = ask.visibility.org(&id);
    let applied = ask.freshness(&[List::Orgs], &scope);
    let served = ask.state.inventory.org(&scope, &applied.requirement).await?;
    let Served { content: org, age, outcome } = applied.note(served);
    let encoded = ask.state.answers.same(&question.show(&org), None);
    Ok(ask.answer(&Listed { encoded, served: Served { content: (), age, outcome } }))
}

/// List an organization's SDDCs
///
/// As `GET /sddcs`, for one organization.
///
/// Source: `GET /vmc/api/orgs/{org}/sddcs`.
#[cfg_attr(test, utoipa::path(
    get, path = "/orgs/{org_id}/sddcs", tag = "orgs",
    responses((status = 200, description = "The organization's SDDCs"))
))]
pub(super) async fn list_org_sddcs(ask: Ask, Path(id): Path<String>) -> Result<Response, ApiError> {
    let scope = ask.visibility.org(&id);
    let topic = Topic { what: What::Sddcs, scope, within: Some(id.into()) };
    ask.list_of_sddcs(topic, slice::from_ref).await
}
