//! The ops port: `/livez`, `/readyz`, `/metrics`, and nothing else. No probe asks an upstream.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::FutureExt;
use http::{HeaderMap, Request, StatusCode, header};
use prometheus_client::registry::Registry;
use serde::Serialize;
use tower::ServiceExt;

use super::{
    head,
    host::HostRule,
    metrics_format::MetricsFormat,
    outcome::{add_common_headers, render},
    request_id::accept_or_new,
};
use crate::{
    access::oidc::Oidc,
    clock::{Clock, Instant},
    inventory::{Inventory, OrgStatus},
    lifecycle::Readiness,
    problem::{Code, Problem},
    public_path::PublicPath,
    reload::Reloads,
    sharing::{Replicas, SharingError},
    telemetry::{Audit, Metrics, prometheus_text},
    upstream::{CircuitStatus, Kind},
};

/// What the ops port shows.
#[derive(Clone)]
pub struct Ops {
    /// The cached SDDCs.
    pub inventory: Inventory,
    /// Whether requests are wanted.
    pub readiness: Readiness,
    /// Whether decisions can be recorded.
    pub audit: Audit,
    /// Time.
    pub clock: Clock,
    /// The files that are re-read.
    pub reloads: Reloads,
    /// Verifies callers' tokens, if any are taken.
    pub oidc: Option<Oidc>,
    /// The other replicas, if any share with this one.
    pub replicas: Option<Replicas>,
    /// Counters.
    pub metrics: Metrics,
    /// What is read from state at each scrape.
    pub sources: Arc<Registry>,
}

/// The body of `/readyz`.
#[derive(Debug, Serialize)]
struct ReadyReport {
    ready: bool,
    orgs: Vec<OrgReport>,
    /// Only where the orgs are found instead of configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    discovery: Option<DiscoveryReport>,
    /// Only where callers' tokens are taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    oidc: Option<OidcReport>,
    /// Only where replicas share.
    #[serde(skip_serializing_if = "Option::is_none")]
    shared: Option<PartReport>,
    /// Whether decisions can be recorded; `ok` where none are.
    audit: PartReport,
    reload: BTreeMap<&'static str, PartReport>,
}

/// Whether something works, and why it does not.
#[derive(Debug, Serialize)]
struct PartReport {
    ok: bool,
    last_error: Option<&'static str>,
}

impl From<Option<&'static str>> for PartReport {
    fn from(last_error: Option<&'static str>) -> Self {
        Self { ok: last_error.is_none(), last_error }
    }
}

/// The keys that callers' tokens are verified with.
#[derive(Debug, Serialize)]
struct OidcReport {
    keys: usize,
    age_s: Option<u64>,
    last_error: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct OrgReport {
    org_id: String,
    token: TokenReport,
    inventory: InventoryReport,
    upstream: UpstreamReport,
}

#[derive(Debug, Serialize)]
struct TokenReport {
    state: &'static str,
    expires_in_s: Option<u64>,
    consecutive_failures: u32,
    last_error: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct InventoryReport {
    sddcs: Option<usize>,
    age_s: Option<u64>,
    last_error: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct UpstreamReport {
    csp: CircuitReport,
    vmc: CircuitReport,
}

/// Whether calls are held back, and for how long.
#[derive(Debug, Serialize)]
struct CircuitReport {
    circuit: &'static str,
    retry_in_s: Option<u64>,
}

impl From<CircuitStatus> for CircuitReport {
    fn from(status: CircuitStatus) -> Self {
        // Rounded up: a call made after that many seconds is let through.
        let retry_in = status.retry_in.map(|left| left.as_millis().div_ceil(1000));
        let retry_in_s = retry_in.map(|left| left.try_into().unwrap_or(u64::MAX));
        Self { circuit: status.state.as_str(), retry_in_s }
    }
}

#[derive(Debug, Serialize)]
struct DiscoveryReport {
    age_s: Option<u64>,
    last_error: Option<&'static str>,
    #[serde(flatten)]
    circuit: CircuitReport,
}

fn error(kind: Option<Kind>) -> Option<&'static str> {
    kind.map(Kind::as_str)
}

fn seconds(span: Option<Duration>) -> Option<u64> {
    span.map(|span| span.as_secs())
}

impl OrgReport {
    fn new(org: OrgStatus, now: Instant) -> Self {
        Self {
            org_id: org.org_id,
            token: TokenReport {
                state: org.token.state.as_str(),
                expires_in_s: seconds(org.token.expires_at.map(|end| end.since(now))),
                consecutive_failures: org.token.consecutive_failures,
                last_error: error(org.token.last_error),
            },
            inventory: InventoryReport {
                sddcs: org.sddcs,
                age_s: seconds(org.age),
                last_error: error(org.last_error),
            },
            upstream: UpstreamReport { csp: org.csp.into(), vmc: org.vmc.into() },
        }
    }
}

/// The ops port's router.
pub fn router(ops: Ops) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(async || {
            Problem::new(Code::NotFound, "this port has /livez, /readyz and /metrics")
        })
        .method_not_allowed_fallback(async || {
            Problem::new(Code::MethodNotAllowed, "this path accepts only GET and HEAD")
        })
        .with_state(ops)
}

/// Answers one request to the ops port.
pub async fn answer<B>(router: Router, host: &HostRule, request: Request<B>) -> Response {
    let (parts, _) = request.into_parts();
    let id = accept_or_new(&parts.headers);
    let path = parts.uri.path().to_owned();
    let request = Request::from_parts(parts, Body::empty());
    let admitted = admit(host, &request);
    let work = async {
        admitted?;
        Ok(router.oneshot(request).await.unwrap_or_else(|never| match never {}))
    };
    let worked = AssertUnwindSafe(work).catch_unwind().await;
    let worked = worked.unwrap_or_else(|_| Err(Problem::new(Code::Internal, "internal error")));
    let mut response = worked.unwrap_or_else(Problem::into_response);
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        render(&mut response, &problem, &PublicPath::default(), &path, &id);
    }
    add_common_headers(response.headers_mut(), id);
    response
}

/// Refuses what is no request for this listener.
fn admit(host: &HostRule, request: &Request<Body>) -> Result<(), Problem> {
    head::check(request)?;
    let (version, uri, headers) = (request.version(), request.uri(), request.headers());
    if matches!(uri.path(), "/livez" | "/readyz") {
        return host.check_probe(version, uri, headers);
    }
    host.check(version, uri, headers)
}

async fn readyz(State(ops): State<Ops>) -> impl IntoResponse {
    let ready = ops.readiness.is_ready();
    let now = ops.clock.now();
    let orgs = ops.inventory.status().into_iter().map(|org| OrgReport::new(org, now)).collect();
    let discovery = ops.inventory.discovery().map(|discovery| DiscoveryReport {
        age_s: seconds(discovery.age),
        last_error: error(discovery.last_error),
        circuit: discovery.circuit.into(),
    });
    let oidc = ops.oidc.map(|oidc| oidc.status()).map(|status| OidcReport {
        keys: status.keys,
        age_s: seconds(status.age),
        last_error: status.error,
    });
    let shared = ops.replicas.map(|replicas| replicas.status()).map(|status| PartReport {
        ok: status.is_ok,
        last_error: status.last_error.filter(|_| !status.is_ok).map(SharingError::as_str),
    });
    let reload = ops.reloads.status().into_iter();
    let reload = reload.map(|(file, error)| (file, error.into())).collect();
    let audit = ops.audit.last_error().into();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let headers = [(header::CACHE_CONTROL, "no-store")];
    (status, headers, Json(ReadyReport { ready, orgs, discovery, oidc, shared, audit, reload }))
}

async fn metrics(State(ops): State<Ops>, headers: HeaderMap) -> Response {
    match ops.metrics.page(&ops.sources) {
        Ok(page) => {
            let format = MetricsFormat::accepted(&headers);
            let page = match format {
                MetricsFormat::OpenMetrics => page,
                MetricsFormat::Text => prometheus_text(&page),
            };
            let headers = [(header::CONTENT_TYPE, format.media_type()), (header::VARY, "Accept")];
            (headers, page).into_response()
        }
        Err(_) => Problem::new(Code::Internal, "the metrics cannot be written").into_response(),
    }
}
