//! `GET /sddcs` and `GET /sddcs/{sddc_id}`.

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
};
use crate::{
    ids::SddcId,
    inventory::{Demand, Found, Inventory, Missing, Scope, SddcList, model::Sddc},
    problem::MissingOrg,
};

/// List SDDCs
///
/// Every SDDC of every organization that the caller may see, ordered by name, then id. Served from
/// the gateway's picture: `Age` and `Cache-Status` tell how old it is and whether VMware Cloud could
/// be reached. Deleted SDDCs are not listed.
///
/// Source: `GET /vmc/api/orgs/{org}/sddcs`.
#[utoipa::path(
    get, path = "/sddcs", tag = "sddcs", params(ListQuestion),
    responses((status = 200, description = "The SDDCs", body = Page<Sddc>))
)]
pub(super) async fn list_sddcs(
    State(inventory): State<Inventory>,
    State(answers): State<Answers>,
    _caller: SddcReader,
    query: Query,
    asked: Asked,
) -> Result<Response, ApiError> {
    let question = query.list()?;
    let served = inventory.sddcs(SddcList::Present, &Scope::All, &Demand::default()).await?;
    let view = &served.content;
    let missing = admit_missing(&view.missing, question)?;
    let key = Key::Sddcs { revision: view.content.revision, missing: missing.clone() };
    let encoded = answers.encoded(key, || {
        let entries = view.content.entries.iter().filter(|entry| view.shows(&entry.sddc.org_id));
        Page::whole(entries.map(|entry| &entry.sddc).collect(), missing)
    });
    Ok(answers.answer(&encoded, &served, &asked, None))
}

/// Show an SDDC
///
/// One SDDC, from the same picture as the list. A deleted SDDC is not found.
///
/// Source: `GET /vmc/api/orgs/{org}/sddcs`.
#[utoipa::path(
    get, path = "/sddcs/{sddc_id}", tag = "sddcs",
    params(("sddc_id" = String, Path, description = "The SDDC's `id`")),
    responses((status = 200, description = "The SDDC", body = Sddc))
)]
pub(super) async fn show_sddc(
    State(inventory): State<Inventory>,
    State(answers): State<Answers>,
    _caller: SddcReader,
    Path(id): Path<String>,
    query: Query,
    asked: Asked,
) -> Result<Response, ApiError> {
    query.nothing()?;
    let id: SddcId = id.parse().map_err(|_| ApiError::SddcNotFound)?;
    let served = inventory.sddc(&id, &Scope::All, |_| true, &Demand::default()).await?;
    let Found { revision, entry } = &served.content;
    let key = Key::Sddc { revision: *revision, id: id.to_string() };
    let encoded = answers.encoded(key, || &entry.sddc);
    Ok(answers.answer(&encoded, &served, &asked, None))
}

/// The orgs that cannot be shown: an error, unless the question allows a part.
pub(super) fn admit_missing(
    missing: &[Missing],
    question: ListQuestion,
) -> Result<Vec<MissingOrg>, ApiError> {
    if missing.is_empty() || question.partial {
        Ok(missing.iter().map(MissingOrg::from).collect())
    } else {
        Err(ApiError::incomplete(missing.to_vec()))
    }
}
