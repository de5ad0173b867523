//! The facade: handlers, one file per resource, and the router.
//!
//! Flow: the edge's [`Identity`](crate::access::Identity) → `InventoryRequest` (401, 429, 403) → `pipeline`:
//! fetch, check the values (400), select, encode, respond ([`AnswerCache`]: `ETag`, 304, `Age`,
//! `Cache-Status`). A handler says one thing in each line; what every answer has is the edge's work.

mod answer;
mod budget;
mod caller;
mod discovery;
mod docs;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod gaps;
mod history;
mod home;
mod openapi;
mod orgs;
mod page;
mod pipeline;
mod prepared;
mod query;
mod request;
mod resource;
mod sddcs;
mod slip;
mod tasks;
mod watch;
mod whoami;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::State,
    response::Response,
    routing::{MethodRouter, get},
};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, StatusCode, Uri};
use tower::ServiceExt;

pub(crate) use self::error::{denied_problem, denied_text, upstream as upstream_problem};
pub use self::{
    answer::{AnswerCache, CacheStatus, PassedDocument, WeakPassedDocument},
    budget::Budget,
    docs::Docs,
    history::ValueHistory,
    home::HomePage,
    openapi::{JSON as OPENAPI_JSON, YAML as OPENAPI_YAML},
    prepared::PreparedAnswers,
    watch::{EventDiffCache, StreamMarker, WatcherLimit},
};
use crate::{
    access::{Caller, Scope},
    clock::{Clock, Instant},
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
    pub answers: AnswerCache,
    /// Those that are asked for again and again.
    pub prepared: PreparedAnswers,
    /// Steps of event streams.
    pub steps: EventDiffCache,
    /// Pages and documents for people and tools.
    pub docs: Docs,
    /// The page for people.
    pub home: HomePage,
    /// Places of long polls and event streams.
    pub watchers: WatcherLimit,
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

/// A route: its template and what answers there.
type RouteHandler = (&'static str, MethodRouter<Arc<ApiState>>);

/// The facade's routes, which ask for a caller. The published document has these and no others.
fn facade() -> [RouteHandler; 15] {
    [
        ("/sddcs", get(sddcs::list_sddcs)),
        ("/sddcs/events", get(watch::watch_sddcs)),
        ("/sddcs/{sddc_id}", get(sddcs::show_sddc)),
        ("/sddcs/{sddc_id}/clusters", get(sddcs::list_sddc_clusters)),
        ("/sddcs/{sddc_id}/hosts", get(sddcs::list_sddc_hosts)),
        ("/sddcs/{sddc_id}/tasks", get(tasks::list_sddc_tasks)),
        ("/clusters", get(sddcs::list_clusters)),
        ("/hosts", get(sddcs::list_hosts)),
        ("/tasks", get(tasks::list_tasks)),
        ("/tasks/{task_id}", get(tasks::show_task)),
        ("/orgs", get(orgs::list_orgs)),
        ("/orgs/{org_id}", get(orgs::show_org)),
        ("/orgs/{org_id}/sddcs", get(orgs::list_org_sddcs)),
        ("/sd/prometheus", get(discovery::discover_targets)),
        ("/whoami", get(whoami::show_caller)),
    ]
}

/// The routes that need no key and stand in no document.
fn pages() -> [RouteHandler; 11] {
    [
        ("/", get(home::index)),
        ("/home/{asset}", get(home::asset)),
        ("/docs", get(docs::part)),
        ("/docs/{asset}", get(docs::part)),
        ("/openapi.json", get(docs::part)),
        ("/openapi.yaml", get(docs::part)),
        ("/problems", get(docs::part)),
        ("/problems/{code}", get(docs::problem)),
        ("/.well-known/security.txt", get(docs::security)),
        ("/livez", get(livez)),
        ("/readyz", get(readyz)),
    ]
}

/// The templates of all routes.
fn all_templates() -> impl Iterator<Item = &'static str> {
    facade().into_iter().chain(pages()).map(|(template, _)| template)
}

/// The templates of the routes that ask for a caller, and of those that do not.
#[cfg(test)]
pub(crate) fn templates() -> (Vec<String>, Vec<String>) {
    let of = |routes: &[RouteHandler]| routes.iter().map(|(path, _)| (*path).to_owned()).collect();
    (of(&facade()), of(&pages()))
}

/// Everything that the API listener answers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Api {
    state: Arc<ApiState>,
    router: Router,
}

impl Api {
    /// The routes and what they answer from. What the edge knows of the routes is in
    /// `listener::routes`.
    pub fn new(state: ApiState) -> Self {
        let state = Arc::new(state);
        let router = facade()
            .into_iter()
            .chain(pages())
            .fold(Router::new(), |router, (path, handler)| router.route(path, handler))
            .fallback(no_such_path)
            .method_not_allowed_fallback(no_such_method)
            .with_state(state.clone());
        Self { state, router }
    }

    /// Answers a request by its route's handler.
    pub fn answer(&self, request: Request<Body>) -> impl Future<Output = Response> + Send + use<> {
        let answer = self.router.clone().oneshot(request);
        answer.map(|Ok(response)| response)
    }

    /// The answer to a caller's request that was given before and still is the one, if `admit` says that the
    /// caller may have it now: see [`PreparedAnswers`].
    pub fn recall<B>(
        &self,
        request: &Request<B>,
        caller: &Caller,
        now: Instant,
        admit: impl FnOnce(Scope) -> bool,
    ) -> Option<(http::Response<Bytes>, CacheStatus)> {
        self.state.recall(request, caller, now, admit)
    }
}

async fn no_such_path(uri: Uri) -> Problem {
    Problem::new(Code::NotFound, "there is no such path; /docs lists every path")
        .with_did_you_mean(slip::path_meant(uri.path()))
}

async fn no_such_method() -> Problem {
    Problem::new(Code::MethodNotAllowed, "this path accepts only GET and HEAD")
}

/// On the API listener the probes show their status only.
async fn livez() -> StatusCode {
    StatusCode::OK
}

async fn readyz(State(state): State<Arc<ApiState>>) -> StatusCode {
    if state.readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
