//! What a request comes to: its answer, and what was decided about its caller. How answers look on
//! both listeners.

use std::time::Duration;

use axum::{body::Body, response::IntoResponse};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::Body as _;

use super::{body::Content, request_id::X_REQUEST_ID, routes::Route};
use crate::{
    access::Refusal,
    api::{CacheStatus, StreamMarker},
    problem::{Code, Problem},
    public_path::PublicPath,
    telemetry::Decision,
};

/// No client gets this status: it is nginx's for one that has closed its connection.
const CLIENT_LEFT: u16 = 499;

/// An answer on its way out.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) response: Response<Content>,
    /// Whether the caller was let in; `None` where that was not decided.
    pub(super) decision: Option<Decision>,
    /// The reason of the problem that it is, once that is rendered.
    pub(super) reason: Option<&'static str>,
    /// How the cache served it, if it did.
    pub(super) cache: Option<CacheStatus>,
}

impl Outcome {
    pub(super) fn new(response: axum::response::Response, decision: Option<Decision>) -> Self {
        let cache = response.extensions().get().copied();
        Self { response: response.map(Content::from), decision, reason: None, cache }
    }

    /// An answer that was given before.
    pub(super) fn recalled(response: Response<Bytes>, cache: CacheStatus) -> Self {
        let response = response.map(Content::Whole);
        Self { response, decision: Some(Decision::Allow), reason: None, cache: Some(cache) }
    }

    /// A problem from before anything was decided.
    pub(super) fn undecided(problem: Problem) -> Self {
        Self::new(problem.into_response(), None)
    }

    /// A problem from before the handler, which may be a refusal of the caller.
    pub(super) fn refused(problem: Problem) -> Self {
        let decision = Self::is_refusal(&problem).then_some(Decision::Deny);
        Self::new(problem.into_response(), decision)
    }

    /// A handler's answer. A route that asks for a caller admits every caller that it does not refuse.
    pub(super) fn of_handler(mut response: axum::response::Response, route: &Route) -> Self {
        if response.status() == StatusCode::NOT_MODIFIED {
            // axum sets `Content-Length: 0` on a HEAD's; a 304's is the 200's or none (RFC 9110 section 8.6).
            response.headers_mut().remove(header::CONTENT_LENGTH);
        }
        if !route.asks_for_caller() || response.status() == StatusCode::METHOD_NOT_ALLOWED {
            return Self::new(response, None);
        }
        let is_refused = response.extensions().get::<Problem>().is_some_and(Self::is_refusal);
        let decision = if is_refused { Decision::Deny } else { Decision::Allow };
        Self::new(response, Some(decision))
    }

    /// The answer where the audit cannot be written.
    pub(super) fn unrecorded(decision: Option<Decision>) -> Self {
        let problem = Problem::new(Code::AuditUnavailable, "the audit record cannot be written")
            .with_retry_after(Some(Duration::from_secs(1)));
        Self::new(problem.into_response(), decision)
    }

    /// What is recorded of a caller who left before the answer.
    pub(super) fn client_left(decision: Option<Decision>) -> Self {
        let mut response = Response::new(Content::Whole(Bytes::new()));
        *response.status_mut() = StatusCode::from_u16(CLIENT_LEFT).expect("three digits");
        Self { response, decision, reason: Some("client_left"), cache: None }
    }

    /// Whether a problem says that the caller may not.
    pub(super) fn is_refusal(problem: &Problem) -> bool {
        match problem.code() {
            Code::Unauthenticated
            | Code::RateLimited
            | Code::Forbidden
            | Code::Misdirected
            | Code::IssuerUnavailable => true,
            Code::BadRequest => problem.reason() == Refusal::Doubled.as_str(),
            _ => false,
        }
    }

    /// Bytes of the body, where they are known and anybody gets them.
    pub(super) fn bytes(&self) -> Option<u64> {
        let is_sent = self.response.status().as_u16() != CLIENT_LEFT;
        self.response.body().size_hint().exact().filter(|_| is_sent)
    }

    /// Whether it is an event stream.
    pub(super) fn is_stream(&self) -> bool {
        self.response.extensions().get::<StreamMarker>().is_some()
    }
}

/// Replaces an answer that failed by the document of its problem. `Allow` stays.
pub(super) fn render<B: From<Body>>(
    response: &mut Response<B>,
    problem: &Problem,
    public_path: &PublicPath,
    path: &str,
    id: &HeaderValue,
) {
    let allow = response.headers_mut().remove(header::ALLOW);
    let rendered = problem.render(public_path, path, id.to_str().unwrap_or_default());
    *response = rendered.map(B::from);
    if let Some(allow) = allow {
        response.headers_mut().insert(header::ALLOW, allow);
    }
}

/// Adds what every answer has. A page that needs more has set its own policy.
pub(super) fn add_common_headers(headers: &mut HeaderMap, id: HeaderValue) {
    const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
    const NOTHING: HeaderValue =
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    const CSP: HeaderName = header::CONTENT_SECURITY_POLICY;
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    if !headers.contains_key(CSP) {
        headers.insert(CSP, NOTHING);
    }
    headers.insert(X_REQUEST_ID, id);
}
