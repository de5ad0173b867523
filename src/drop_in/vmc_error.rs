//! Errors in the shape of VMware's own API, which its tools read: `ErrorResponse`.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;

use super::JSON;
use crate::problem::{Problem, json_failure, shortened};

/// What VMware's errors hold but for the path, which the edge knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmcErrorBody {
    /// Never 502: VMware's Python client has no error of its own for it and breaks.
    pub status: StatusCode,
    /// For programs.
    pub error_code: String,
    /// For people; tools show the first one.
    pub error_messages: Vec<String>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// `Retry-After`, where it is known.
    pub retry_after: Option<Duration>,
}

/// The body (`ErrorResponse`): VMware's schema requires all five members.
#[derive(Debug, Serialize)]
struct ErrorResponse<'a> {
    status: u16,
    path: &'a str,
    retryable: bool,
    error_code: &'a str,
    error_messages: &'a [String],
}

impl VmcErrorBody {
    /// An error with one sentence of ours.
    pub fn new(status: StatusCode, error_code: &str, sentence: impl Into<String>) -> Self {
        Self {
            status: allowed(status),
            error_code: error_code.to_owned(),
            error_messages: vec![sentence.into()],
            retryable: false,
            retry_after: None,
        }
    }

    /// The answer to a request for the path.
    pub fn render(&self, path: &str) -> Response {
        let document = ErrorResponse {
            status: self.status.as_u16(),
            path: shortened(path),
            retryable: self.retryable,
            error_code: &self.error_code,
            error_messages: &self.error_messages,
        };
        json_failure(self.status, JSON, &document, self.retry_after)
    }
}

/// VMware's tools take a 503 for what passes, and break on a 502.
pub(super) fn allowed(status: StatusCode) -> StatusCode {
    if status == StatusCode::BAD_GATEWAY { StatusCode::SERVICE_UNAVAILABLE } else { status }
}

impl From<&Problem> for VmcErrorBody {
    fn from(problem: &Problem) -> Self {
        let status = allowed(problem.status());
        Self {
            status,
            error_code: problem.code().as_str().to_owned(),
            error_messages: vec![problem.detail().to_owned()],
            retryable: problem.code().entry().retryable
                || status == StatusCode::SERVICE_UNAVAILABLE,
            retry_after: problem.retry_after(),
        }
    }
}

impl IntoResponse for VmcErrorBody {
    /// A bare response that carries the error to the edge, which renders it.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use http::header;
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::problem::Code;

    #[tokio::test]
    async fn a_problem_takes_vmwares_shape_and_is_never_a_502() {
        let problem = Problem::new(Code::UpstreamContract, "VMware Cloud sent a web page")
            .with_retry_after(Some(Duration::from_millis(1500)));
        let response = VmcErrorBody::from(&problem).render("/vmc/api/orgs");
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let expected = serde_json::json!({
            "status": 503,
            "path": "/vmc/api/orgs",
            "retryable": true,
            "error_code": "upstream-contract",
            "error_messages": ["VMware Cloud sent a web page"],
        });
        assert_eq!(body, expected);
    }
}
