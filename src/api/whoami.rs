//! `GET /whoami`: who the caller is to the gateway.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::header::{CACHE_CONTROL, VARY};
use jiff::Timestamp;
use serde::Serialize;

use super::{caller::AnyCaller, error::ApiError, query::RawQuery};
use crate::{
    access::{Caller, Rate},
    ids::{OrgId, SddcId},
};

/// What the gateway knows of a caller. `null` is no limit.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = Caller))]
pub(super) struct CallerDocument<'a> {
    /// The caller's name in the gateway's configuration; `anonymous` where access is open.
    name: &'a str,
    /// What the caller may do: `sddc:read` and `vmc:read`.
    scopes: Vec<&'static str>,
    /// The ids of the only organizations that the caller may see.
    orgs: Option<Vec<&'a str>>,
    /// The ids of the only SDDCs that the caller may see.
    sddc_ids: Option<Vec<&'a str>>,
    /// Patterns of the names of the only SDDCs that the caller may see: `*` is any characters, `?` is one.
    sddc_names: Option<Vec<String>>,
    /// How many requests the caller may send.
    rate: Option<CallerRate>,
    /// From when on the gateway accepts none of the caller's credentials.
    not_after: Option<Timestamp>,
}

/// How many requests a caller may send: `requests` in each `window_s` seconds, and `burst` of them
/// at once.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub(super) struct CallerRate {
    /// Requests in each window.
    requests: u32,
    /// The window in seconds: 1, 60 or 3600.
    window_s: u64,
    /// Requests that may come at once.
    burst: u32,
}

impl<'a> From<&'a Caller> for CallerDocument<'a> {
    fn from(caller: &'a Caller) -> Self {
        let view = &**caller.view();
        Self {
            name: caller.name().as_str(),
            scopes: caller.scopes().iter().map(|scope| scope.as_str()).collect(),
            orgs: view.orgs.as_ref().map(|orgs| orgs.iter().map(OrgId::as_str).collect()),
            sddc_ids: view.sddc_ids.as_ref().map(|ids| ids.iter().map(SddcId::as_str).collect()),
            sddc_names: view
                .sddc_names
                .as_ref()
                .map(|names| names.iter().map(ToString::to_string).collect()),
            rate: caller.limiter().map(|limiter| limiter.rate().into()),
            not_after: caller.not_after(),
        }
    }
}

impl From<Rate> for CallerRate {
    fn from(rate: Rate) -> Self {
        Self {
            requests: rate.requests().get(),
            window_s: rate.window().as_secs(),
            burst: rate.burst().get(),
        }
    }
}

/// Show the caller
///
/// What the gateway knows of the caller: its name, and what it may do and see. Every caller with a valid
/// credential may ask, whatever its scopes.
#[cfg_attr(test, utoipa::path(
    get, path = "/whoami", tag = "caller",
    responses((status = 200, description = "The caller"))
))]
pub(super) async fn show_caller(
    AnyCaller(caller): AnyCaller,
    query: RawQuery,
) -> Result<Response, ApiError> {
    query.refuse_parameters()?;
    let headers = [(CACHE_CONTROL, "no-store"), (VARY, "Authorization, X-API-Key")];
    Ok((headers, Json(CallerDocument::from(&caller))).into_response())
}

#[cfg(test)]
pub(super) fn example() -> serde_json::Value {
    let document = CallerDocument {
        name: "billing",
        scopes: vec!["sddc:read"],
        orgs: None,
        sddc_ids: None,
        sddc_names: Some(vec!["prod-*".to_owned()]),
        rate: "600/m".parse::<Rate>().ok().map(CallerRate::from),
        not_after: "2027-01-31T00:00:00Z".parse().ok(),
    };
    serde_json::to_value(document).expect("the document has string keys only")
}
