//! What a caller learns of a read that VMware refuses, or that fails.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;

use crate::{
    api::upstream_problem,
    csp::Scrubber,
    drop_in::{
        redaction::redact_text,
        vmc_error::{VmcErrorBody, allowed},
    },
    problem::Problem,
    upstream::Failure,
    vmc::VmcError,
};

const MAX_MESSAGES: usize = 16;
const MAX_MESSAGE_CHARS: usize = 1000;
const MAX_CODE_CHARS: usize = 64;

/// Why there is no document.
#[derive(Debug, Clone)]
pub(super) enum ReadFailure {
    /// The gateway says so.
    Problem(Problem),
    /// VMware says so.
    Told(VmcErrorBody),
}

impl From<Problem> for ReadFailure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl IntoResponse for ReadFailure {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => {
                let status = allowed(problem.status());
                let mut response = problem.into_response();
                // The audit's record has the status that is sent.
                *response.status_mut() = status;
                response
            }
            Self::Told(error) => error.into_response(),
        }
    }
}

impl ReadFailure {
    /// A 4xx of VMware's, with what it says: nothing of it but code, sentences and whether it passes, and none
    /// that carries a secret.
    pub(super) fn told(status: StatusCode, body: &Bytes, scrubber: &Scrubber) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |value: &Value, max| match value {
            Value::String(text) => {
                let text = redact_text(text).unwrap_or_else(|| "[redacted]".to_owned());
                let text: String = scrubber.scrub(text.into()).chars().take(max).collect();
                (!text.is_empty()).then_some(text)
            }
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let listed = body["error_messages"].as_array().into_iter().flatten();
        let single = ["message", "error_message"].map(|name| &body[name]);
        let mut messages: Vec<_> = listed
            .chain(single)
            .filter_map(|message| text(message, MAX_MESSAGE_CHARS))
            .take(MAX_MESSAGES)
            .collect();
        if messages.is_empty() {
            messages.push(format!("VMware Cloud answered {status} without saying why"));
        }
        let code = text(&body["error_code"], MAX_CODE_CHARS);
        Self::Told(VmcErrorBody {
            error_messages: messages,
            retryable: body["retryable"].as_bool().unwrap_or(false),
            ..VmcErrorBody::new(status, &code.unwrap_or_else(|| status.as_str().to_owned()), "")
        })
    }

    /// What a caller learns of a failure. VMware's own statuses stay. Trouble with the gateway's credentials is
    /// 503, and so is a read that is held back after a failure. `held_for`: for how
    /// long reads are held back now.
    pub(super) fn new(error: &VmcError, held_for: Option<Duration>) -> Self {
        let retry_after = error.retry_in().or(held_for);
        let mut cause = error;
        while let VmcError::CircuitOpen { because, .. } = cause {
            cause = because;
        }
        let (status, code, sentence) = match cause {
            VmcError::Upstream(Failure::Throttled { .. }) => (
                StatusCode::TOO_MANY_REQUESTS,
                "upstream-throttled",
                "VMware Cloud gets too many requests from the gateway".to_owned(),
            ),
            VmcError::Upstream(Failure::Server { status, .. }) if error.is_held() => (
                StatusCode::SERVICE_UNAVAILABLE,
                "upstream-error",
                format!("VMware Cloud answered {status} lately and was not asked again"),
            ),
            VmcError::Upstream(Failure::Server { status, .. }) => {
                (*status, "upstream-error", format!("VMware Cloud answered {status}"))
            }
            _ => return Self::Problem(upstream_problem(error.kind(), retry_after)),
        };
        Self::Told(VmcErrorBody {
            retryable: true,
            retry_after,
            ..VmcErrorBody::new(status, code, sentence)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(body: &str) -> VmcErrorBody {
        let scrubber = Scrubber::new(["the-gateways-secret".to_owned().into()]);
        let body = Bytes::copy_from_slice(body.as_bytes());
        match ReadFailure::told(StatusCode::NOT_FOUND, &body, &scrubber) {
            ReadFailure::Told(error) => error,
            ReadFailure::Problem(problem) => panic!("{problem:?}"),
        }
    }

    #[test]
    fn what_vmware_says_is_told_without_secrets_and_without_anything_else() {
        let error = told(
            r#"{"status": 404, "error_code": "SDDC.1", "retryable": false, "path": "/x", "cloud_password": "x",
                "error_messages": ["No SDDC.", 7, {"a": "b"}, "it was the-gateways-secret", ""]}"#,
        );
        assert_eq!((error.status, &*error.error_code), (StatusCode::NOT_FOUND, "SDDC.1"));
        assert_eq!(error.error_messages, ["No SDDC.", "7", "it was [redacted]"]);
        assert!(!error.retryable && error.retry_after.is_none());
        let other = told(r#"{"message": "gone", "error_code": 0, "retryable": true}"#);
        assert_eq!((&*other.error_code, &*other.error_messages[0]), ("0", "gone"));
        assert!(other.retryable);
    }

    #[test]
    fn who_says_nothing_that_can_be_read_is_told_by_status() {
        for body in ["", "[]", "null", "\"x\"", "{", r#"{"error_messages": []}"#] {
            let error = told(body);
            assert_eq!(error.error_code, "404", "{body}");
            assert!(error.error_messages[0].starts_with("VMware Cloud answered 404"), "{body}");
        }
        let long = told(&format!(r#"{{"message": "{}"}}"#, "ü".repeat(5000)));
        assert_eq!(long.error_messages[0].chars().count(), MAX_MESSAGE_CHARS);
    }

    #[test]
    fn sentences_that_carry_a_secret_are_not_told() {
        let error = told(
            r#"{"error_code": "client_secret=x", "error_messages": [
                "see https://bucket.example/x?X-Amz-Signature=abc", "{\"password\": \"x\", \"name\": \"n\"}",
                "-----BEGIN PRIVATE KEY-----", "login failed: password=x", "No such SDDC."]}"#,
        );
        assert_eq!(error.error_code, "[redacted]");
        let document = r#"{"password": null, "name": "n"}"#;
        let shown = ["[redacted]", document, "[redacted]", "[redacted]", "No such SDDC."];
        assert_eq!(error.error_messages, shown);
    }

    #[test]
    fn who_is_held_back_learns_for_how_long() {
        let held = Some(Duration::from_secs(9));
        for error in [
            VmcError::Upstream(Failure::Timeout(Duration::from_secs(8))),
            VmcError::Upstream(Failure::Throttled { retry_after: None }),
        ] {
            let told = match ReadFailure::new(&error, held) {
                ReadFailure::Told(told) => told.retry_after,
                ReadFailure::Problem(problem) => problem.retry_after(),
            };
            assert_eq!(told, held);
        }
    }

    #[test]
    fn statuses_stay_but_502_and_our_own_trouble_is_503() {
        let retry = Some(Duration::from_secs(7));
        let server = |status| {
            VmcError::Upstream(Failure::Server {
                status: StatusCode::from_u16(status).unwrap(),
                retry_after: retry,
            })
        };
        for (error, status, retry_after) in [
            (server(500), 500, retry),
            (server(502), 503, retry),
            (server(503), 503, retry),
            (VmcError::Upstream(Failure::Throttled { retry_after: retry }), 429, retry),
            (VmcError::Upstream(Failure::Timeout(Duration::from_secs(8))), 504, None),
            (VmcError::Unauthorized, 503, None),
            (
                VmcError::CircuitOpen {
                    retry_in: Duration::from_secs(3),
                    because: Box::new(server(500)),
                },
                503,
                Some(Duration::from_secs(3)),
            ),
        ] {
            let told = match ReadFailure::new(&error, None) {
                ReadFailure::Told(told) => told,
                ReadFailure::Problem(problem) => VmcErrorBody::from(&problem),
            };
            assert_eq!((told.status.as_u16(), told.retry_after), (status, retry_after), "{error}");
        }
    }
}
