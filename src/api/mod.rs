//! The facade: handlers, one file per resource, and the router.
//!
//! Flow: the edge's [`Identity`](crate::access::Identity) → `SddcReader` (401, 429, 403) → question (400) →
//! inventory → [`Answers`] (`ETag`, 304, `Age`, `Cache-Status`). A handler says one thing in each
//! line; what every answer has is the edge's work.

mod answer;
mod ask;
mod budget;
mod caller;
mod discovery;
mod docs;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod gaps;
mod history;
mod openapi;
mod orgs;
mod page;
mod question;
mod resource;
mod sddcs;
mod tasks;
mod watch;

use std::sync::Arc;

use axum::{Router, extract::FromRef, routing::get};
use http::StatusCode;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use self::{
    answer::{Answers, Outcome},
    budget::Budget,
    docs::Docs,
    history::ValueHistory,
    openapi::{document as openapi_document, json as openapi_json, yaml as openapi_yaml},
    watch::{Steps, Streaming, Watchers},
};
use crate::{
    clock::Clock,
    inventory::Inventory,
    lifecycle::Readiness,
    problem::{Code, Problem},
    telemetry::{Audit, Metrics},
};

/// What handlers ask for, each for its part.
#[derive(Debug)]
pub struct ApiState {
    /// The cached SDDCs.
    pub inventory: Inventory,
    /// Encoded answers.
    pub answers: Answers,
    /// Steps of event streams.
    pub steps: Steps,
    /// Pages and documents for people and tools.
    pub docs: Docs,
    /// Places of long polls and event streams.
    pub watchers: Watchers,
    /// Values that filters may ask for since they were seen.
    pub history: Arc<ValueHistory>,
    /// What callers may make the gateway ask upstream.
    pub budget: Arc<Budget>,
    /// Whether the gateway wants requests.
    pub readiness: Readiness,
    /// Time.
    pub clock: Clock,
    /// Counters.
    pub metrics: Metrics,
    /// Where it is recorded whom an event stream let go.
    pub audit: Audit,
}

// Behind one pointer: the router clones its state for each request.
impl FromRef<Arc<ApiState>> for Answers {
    fn from_ref(state: &Arc<ApiState>) -> Self {
        state.answers.clone()
    }
}

impl FromRef<Arc<ApiState>> for Docs {
    fn from_ref(state: &Arc<ApiState>) -> Self {
        state.docs.clone()
    }
}

impl FromRef<Arc<ApiState>> for Readiness {
    fn from_ref(state: &Arc<ApiState>) -> Self {
        state.readiness.clone()
    }
}

/// The facade's routes with their documentation.
fn facade() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(sddcs::list_sddcs))
        .routes(routes!(watch::watch_sddcs))
        .routes(routes!(sddcs::show_sddc))
        .routes(routes!(sddcs::list_sddc_clusters))
        .routes(routes!(sddcs::list_sddc_hosts))
        .routes(routes!(tasks::list_sddc_tasks))
        .routes(routes!(sddcs::list_clusters))
        .routes(routes!(sddcs::list_hosts))
        .routes(routes!(tasks::list_tasks))
        .routes(routes!(tasks::show_task))
        .routes(routes!(orgs::list_orgs))
        .routes(routes!(orgs::show_org))
        .routes(routes!(orgs::list_org_sddcs))
        .routes(routes!(discovery::discover_targets))
}

/// The whole API listener's router, and the templates of its routes: those that ask for a caller,
/// and those that do not.
pub fn router(state: ApiState) -> (Router, Vec<String>, Vec<String>) {
    let (facade, document) = facade().split_for_parts();
    let templates = document.paths.paths.into_keys().collect();
    let pages = Router::new()
        .route("/", get(docs::index))
        .route("/docs", get(docs::page))
        .route("/docs/{asset}", get(docs::asset))
        .route("/openapi.json", get(docs::json))
        .route("/openapi.yaml", get(docs::yaml))
        .route("/problems/{code}", get(docs::problem))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz));
    let router = facade
        .merge(pages)
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .with_state(Arc::new(state));
    (router, templates, PAGES.map(str::to_owned).into())
}

/// The routes that need no key and stand in no document.
const PAGES: [&str; 8] = [
    "/",
    "/docs",
    "/docs/{asset}",
    "/openapi.json",
    "/openapi.yaml",
    "/problems/{code}",
    "/livez",
    "/readyz",
];

async fn no_such_path() -> Problem {
    Problem::new(Code::NotFound, "there is no such path; /docs lists every path")
}

async fn no_such_method() -> Problem {
    Problem::new(Code::MethodNotAllowed, "this path takes GET and HEAD only")
}

/// On the API listener the probes show their status only.
async fn livez() -> StatusCode {
    StatusCode::OK
}

async fn readyz(readiness: axum::extract::State<Readiness>) -> StatusCode {
    if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
