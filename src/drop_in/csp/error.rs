//! Errors in the shape of VMware Cloud Services (`CspErrorResponse`).

use axum::body::Body;
use http::Response;
use serde::Serialize;

use crate::{
    access::Refusal,
    drop_in::{JSON, vmc_error::allowed},
    problem::{Code, Problem, json_failure},
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
    let (code, status) = (csp_code(problem), allowed(problem.status()));
    let document = CspErrorResponse {
        status_code: status.as_u16(),
        trace_id: request_id,
        csp_error_code: code,
        error_code: problem.code().as_str(),
        message: problem.detail(),
        module_code: if code.starts_with("340") { 340 } else { 250 },
        request_id,
        metadata: None,
    };
    json_failure(status, JSON, &document, problem.retry_after())
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
