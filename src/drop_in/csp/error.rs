//! Errors in the shape of VMware Cloud Services (`CspErrorResponse`).

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::{
    access::Refusal,
    problem::{Code, Problem, whole_seconds},
};

/// The body, with the members that CSP's has. CSP's clients show `message`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CspErrorResponse<'a> {
    status_code: u16,
    trace_id: &'a str,
    csp_error_code: &'static str,
    error_code: &'static str,
    message: &'a str,
    module_code: u16,
    request_id: &'a str,
    metadata: Option<()>,
}

/// The answer that a problem makes.
pub(in crate::drop_in) fn render_error(problem: &Problem, request_id: &str) -> Response<Body> {
    let code = csp_code(problem);
    let document = CspErrorResponse {
        status_code: status(problem).as_u16(),
        trace_id: request_id,
        csp_error_code: code,
        error_code: problem.code().as_str(),
        message: problem.detail(),
        module_code: if code.starts_with("340") { 340 } else { 250 },
        request_id,
        metadata: None,
    };
    let body = serde_json::to_vec(&document).expect("plain text and numbers serialize");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status(problem);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(span) = problem.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(span)));
    }
    response
}

/// As at VMware's other API, no tool has to know a 502.
fn status(problem: &Problem) -> StatusCode {
    match problem.status() {
        StatusCode::BAD_GATEWAY => StatusCode::SERVICE_UNAVAILABLE,
        status => status,
    }
}

/// `cspErrorCode`: what CSP was seen to say, and else its module with the status.
fn csp_code(problem: &Problem) -> &'static str {
    match (problem.code(), problem.status().as_u16()) {
        (Code::Unauthenticated, 400) => "340.306",
        (Code::Unauthenticated, _) if problem.reason() == Refusal::Missing.as_str() => "250.100",
        (Code::Unauthenticated, _) => "250.101",
        (_, 403) => "250.403",
        (_, 404) => "250.404",
        (_, 405) => "250.405",
        (_, 429) => "250.429",
        (_, 400..=499) => "250.400",
        (_, 500) => "250.500",
        _ => "250.503",
    }
}
