//! `application/problem+json` (RFC 9457): the one shape of every failure.
//!
//! A handler answers a [`Problem`] without knowing whose request it is; the edge adds the path and
//! the request id when it [renders](Problem::render) it. [`Code`] is contract: clients branch on
//! it, and each has a page with cause and remedy at `/problems/{code}`.

use std::{borrow::Cow, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

/// The closed set of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the table below says it in the words that users read")]
pub enum Code {
    InvalidParameter,
    BadRequest,
    Unauthenticated,
    Forbidden,
    Misdirected,
    NotFound,
    SddcNotFound,
    TaskNotFound,
    OrgNotFound,
    MethodNotAllowed,
    TooLarge,
    RateLimited,
    Internal,
    UpstreamCredentialsRejected,
    UpstreamContract,
    UpstreamUnavailable,
    Incomplete,
    Overloaded,
    UpstreamTimeout,
    NotCached,
}

/// What is fixed for a code.
#[derive(Debug)]
pub struct Entry {
    /// The code as clients see it.
    pub code: &'static str,
    /// The status; `too-large` has three, of which this is one.
    pub status: StatusCode,
    /// A short summary, the same for each occurrence.
    pub title: &'static str,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// What has happened, for people.
    pub cause: &'static str,
    /// What to do about it, for people.
    pub remedy: &'static str,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 20] = [
        Self::InvalidParameter,
        Self::BadRequest,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::Misdirected,
        Self::NotFound,
        Self::SddcNotFound,
        Self::TaskNotFound,
        Self::OrgNotFound,
        Self::MethodNotAllowed,
        Self::TooLarge,
        Self::RateLimited,
        Self::Internal,
        Self::UpstreamCredentialsRejected,
        Self::UpstreamContract,
        Self::UpstreamUnavailable,
        Self::Incomplete,
        Self::Overloaded,
        Self::UpstreamTimeout,
        Self::NotCached,
    ];

    /// What is fixed for this code.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub const fn entry(self) -> &'static Entry {
        match self {
            Self::InvalidParameter => &Entry {
                code: "invalid-parameter",
                status: StatusCode::BAD_REQUEST,
                title: "Invalid parameter",
                retryable: false,
                cause: "The query holds a parameter that this path does not know, or a value that it does not allow: one that is neither documented for the field, nor of its form, nor shown to you anywhere. So a misspelt `state=REDY` is an error and not an empty list.",
                remedy: "Look at `errors`: it names every fault of the query at once, what is allowed instead, and the nearest name where one is near. A cursor belongs to the question that it came from: change the question, and begin again without it. /docs lists every parameter.",
            },
            Self::BadRequest => &Entry {
                code: "bad-request",
                status: StatusCode::BAD_REQUEST,
                title: "Bad request",
                retryable: false,
                cause: "The request is not well-formed HTTP: no Host or two of them, or a target that is not correctly percent-encoded.",
                remedy: "Send one Host header, and encode the target with your HTTP library instead of by hand.",
            },
            Self::Unauthenticated => &Entry {
                code: "unauthenticated",
                status: StatusCode::UNAUTHORIZED,
                title: "Not authenticated",
                retryable: false,
                cause: "No credential came with the request, it is not one that the gateway knows, its time is over, or two came that belong to different callers. `detail` says which.",
                remedy: "Send your caller key as `Authorization: Bearer <key>` or `X-API-Key: <key>`, or a token of the configured issuer as `Authorization: Bearer <token>`. An operator makes a key with `sddc-gateway key NAME`.",
            },
            Self::Forbidden => &Entry {
                code: "forbidden",
                status: StatusCode::FORBIDDEN,
                title: "Forbidden",
                retryable: false,
                cause: "The caller is known but lacks the scope that this path needs; or a web page of another site sent the request through a browser.",
                remedy: "Ask the operator for the scope named in `detail`. From a browser, open the page of the gateway itself.",
            },
            Self::Misdirected => &Entry {
                code: "misdirected",
                status: StatusCode::MISDIRECTED_REQUEST,
                title: "Misdirected request",
                retryable: false,
                cause: "The Host header names a host that this gateway does not answer for. Where no key is asked for it answers only for loopback names, so that no web page can reach it under a name of its own.",
                remedy: "Use localhost or 127.0.0.1, or have the operator add the name to `api.hosts`.",
            },
            Self::NotFound => &Entry {
                code: "not-found",
                status: StatusCode::NOT_FOUND,
                title: "No such path",
                retryable: false,
                cause: "The gateway has no such path. A trailing slash makes another path.",
                remedy: "/docs lists every path.",
            },
            Self::SddcNotFound => &Entry {
                code: "sddc-not-found",
                status: StatusCode::NOT_FOUND,
                title: "No such SDDC",
                retryable: false,
                cause: "No SDDC that you may see has this id. A deleted SDDC is shown in lists that ask for it only.",
                remedy: "Take the id from `GET /sddcs`. Ask `GET /sddcs?include_deleted=true` for deleted SDDCs, and `GET /tasks?sddc_id=` for their tasks.",
            },
            Self::TaskNotFound => &Entry {
                code: "task-not-found",
                status: StatusCode::NOT_FOUND,
                title: "No such task",
                retryable: false,
                cause: "No task that you may see has this id, or the gateway does not keep it: it keeps the newest 1000 of each organization, and up to 1000 older ones that have not ended. Tasks that belong to no SDDC are shown only to callers who may see every SDDC.",
                remedy: "Take the id from `GET /tasks`.",
            },
            Self::OrgNotFound => &Entry {
                code: "org-not-found",
                status: StatusCode::NOT_FOUND,
                title: "No such organization",
                retryable: false,
                cause: "No organization that you may see has this id.",
                remedy: "Take the id from `GET /orgs`.",
            },
            Self::MethodNotAllowed => &Entry {
                code: "method-not-allowed",
                status: StatusCode::METHOD_NOT_ALLOWED,
                title: "Method not allowed",
                retryable: false,
                cause: "The gateway only reads: every path takes GET and HEAD, and nothing else.",
                remedy: "Use GET. The `Allow` header lists what the path takes.",
            },
            Self::TooLarge => &Entry {
                code: "too-large",
                status: StatusCode::PAYLOAD_TOO_LARGE,
                title: "Request too large",
                retryable: false,
                cause: "The body is over 64 KiB (413), the target over 8 KiB (414), or all header fields together over 16 KiB (431).",
                remedy: "Send less. The gateway's reads need no body; large headers are often forgotten cookies.",
            },
            Self::RateLimited => &Entry {
                code: "rate-limited",
                status: StatusCode::TOO_MANY_REQUESTS,
                title: "Too many requests",
                retryable: true,
                cause: "The caller has asked more often than its `rate` allows; or this client address has sent too many bad credentials. `detail` says which. A 304 does not count.",
                remedy: "Try again after `Retry-After` seconds; `RateLimit` and `RateLimit-Policy` say how much is left and of what. Send `If-None-Match`, or watch instead of asking again and again. A good credential is never refused for bad ones from the same address.",
            },
            Self::Internal => &Entry {
                code: "internal",
                status: StatusCode::INTERNAL_SERVER_ERROR,
                title: "Internal error",
                retryable: false,
                cause: "A fault of the gateway itself.",
                remedy: "Tell the operator the `request_id`: the log has the rest.",
            },
            Self::UpstreamCredentialsRejected => &Entry {
                code: "upstream-credentials-rejected",
                status: StatusCode::BAD_GATEWAY,
                title: "VMware Cloud refuses the gateway's credentials",
                retryable: false,
                cause: "VMware Cloud refused the gateway's OAuth app, or the token it got for it. Your own credential is fine.",
                remedy: "Operator: run `sddc-gateway check`; it says which setting, secret or role is wrong. A corrected secret file is taken up within seconds.",
            },
            Self::UpstreamContract => &Entry {
                code: "upstream-contract",
                status: StatusCode::BAD_GATEWAY,
                title: "VMware Cloud answered something unexpected",
                retryable: true,
                cause: "An upstream answer was whole but not what it should be: another content type, broken JSON, too large, a redirect.",
                remedy: "Operator: check `csp.url`, `vmc.url` and any proxy between; the log names the call and the reason.",
            },
            Self::UpstreamUnavailable => &Entry {
                code: "upstream-unavailable",
                status: StatusCode::SERVICE_UNAVAILABLE,
                title: "VMware Cloud cannot be reached",
                retryable: true,
                cause: "VMware Cloud cannot be reached or answers with errors, and the gateway has no picture young enough to show.",
                remedy: "Try again after `Retry-After` seconds. Operator: `/readyz` on the ops listener says what fails.",
            },
            Self::Incomplete => &Entry {
                code: "incomplete",
                status: StatusCode::SERVICE_UNAVAILABLE,
                title: "Some organizations cannot be shown",
                retryable: true,
                cause: "The organizations in `missing` have no picture young enough to show, so the answer would be a part that looks like the whole. An id that is not found is told like this too, for it may be in one of them.",
                remedy: "Try again after `Retry-After` seconds. If a part will do, ask a list with `partial=allow`: it then says `\"completeness\": \"partial\"`. Service discovery takes no part; Prometheus keeps the targets that it has.",
            },
            Self::Overloaded => &Entry {
                code: "overloaded",
                status: StatusCode::SERVICE_UNAVAILABLE,
                title: "The gateway is overloaded",
                retryable: true,
                cause: "More requests are being worked on than the gateway takes at once (`api.max_in_flight`), or as many long polls and event streams are open as it takes (`api.max_watchers`); or the audit cannot be written (`telemetry.audit`), without which nobody is answered. `detail` says which.",
                remedy: "Try again after `Retry-After` seconds, with fewer requests or watchers at a time; a list without `wait` needs no place of a watcher.",
            },
            Self::UpstreamTimeout => &Entry {
                code: "upstream-timeout",
                status: StatusCode::GATEWAY_TIMEOUT,
                title: "VMware Cloud does not answer in time",
                retryable: true,
                cause: "VMware Cloud gave no whole answer in time, and the gateway has no picture young enough to show.",
                remedy: "Try again later. Operator: `vmc.timeout` bounds one try.",
            },
            Self::NotCached => &Entry {
                code: "not-cached",
                status: StatusCode::GATEWAY_TIMEOUT,
                title: "Nothing is kept",
                retryable: true,
                cause: "The request says `Cache-Control: only-if-cached`, and the gateway keeps nothing that may be shown and is as new as the request wants it.",
                remedy: "Ask without `only-if-cached`: the gateway then reads VMware Cloud. Tasks and deleted SDDCs are kept only while somebody asks for them.",
            },
        }
    }

    /// The code as clients see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.entry().code
    }
}

/// A failure on its way to a caller.
#[derive(Debug, Clone)]
pub struct Problem(Box<Facts>);

#[derive(Debug, Clone)]
struct Facts {
    code: Code,
    status: StatusCode,
    detail: Cow<'static, str>,
    errors: Vec<ParameterFault>,
    missing: Vec<MissingOrg>,
    retry_after: Option<Duration>,
    headers: Vec<(header::HeaderName, HeaderValue)>,
    /// Why, for metrics and the access line; a closed set.
    reason: Option<&'static str>,
}

/// One fault of a query string.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ParameterFault {
    /// The parameter's name, at most 64 characters of it.
    #[schema(example = "partail")]
    pub parameter: String,
    /// What is wrong.
    #[schema(example = "unknown parameter")]
    pub problem: String,
    /// What is allowed instead.
    #[schema(example = json!(["partial"]))]
    pub allowed: Vec<String>,
    /// The nearest of what is allowed, where one is near.
    #[schema(example = "partial")]
    pub did_you_mean: Option<String>,
}

/// An organization that cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, ToSchema)]
pub struct MissingOrg {
    /// The organization's id.
    #[schema(example = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d")]
    pub org_id: String,
    /// The problem code that an answer about this organization alone would have.
    #[schema(example = "upstream-unavailable")]
    pub reason: &'static str,
}

/// The body of every failure (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument<'a> {
    /// A page on this kind of problem: `/problems/{code}`.
    #[serde(rename = "type")]
    #[schema(example = "/problems/upstream-unavailable")]
    kind: String,
    /// A short summary of this kind of problem.
    #[schema(example = "VMware Cloud cannot be reached")]
    title: &'a str,
    /// The status code.
    #[schema(example = 503)]
    status: u16,
    /// What happened this time.
    #[schema(example = "VMware Cloud cannot be reached, and nothing young enough is cached")]
    detail: &'a str,
    /// The path that was asked for.
    #[schema(example = "/sddcs")]
    instance: &'a str,
    /// What clients branch on: a closed set.
    #[schema(example = "upstream-unavailable")]
    code: &'a str,
    /// The answer's `X-Request-Id`.
    #[schema(example = "0f8fad5b-d9cb-469f-a165-70867728950e")]
    request_id: &'a str,
    /// Whether the same request may succeed later.
    #[schema(example = true)]
    retryable: bool,
    /// On 400: every fault of the query, all at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<ParameterFault>, required = false)]
    errors: Option<&'a [ParameterFault]>,
    /// On `incomplete`: the organizations that cannot be shown.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    missing: &'a [MissingOrg],
}

impl Problem {
    /// A problem with its code's own status.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Facts {
            code,
            status: code.entry().status,
            detail: detail.into(),
            errors: Vec::new(),
            missing: Vec::new(),
            retry_after: None,
            headers: Vec::new(),
            reason: None,
        }))
    }

    /// Another of a code's statuses.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// Faults of the query.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<ParameterFault>) -> Self {
        self.0.errors = errors;
        self
    }

    /// Organizations that cannot be shown.
    #[must_use]
    pub fn with_missing(mut self, missing: Vec<MissingOrg>) -> Self {
        self.0.missing = missing;
        self
    }

    /// `Retry-After`, in whole seconds, rounded up and at least one.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.0.retry_after = retry_after;
        self
    }

    /// One more header field.
    #[must_use]
    pub fn with_header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Why, for metrics and the access line.
    #[must_use]
    pub fn with_reason(mut self, reason: &'static str) -> Self {
        self.0.reason = Some(reason);
        self
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The reason for metrics and the access line: the code where nothing finer is known.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.0.reason.unwrap_or(self.0.code.as_str())
    }

    /// The body of the answer to the request `request_id` for the path `instance`.
    #[must_use]
    pub fn document<'a>(&'a self, instance: &'a str, request_id: &'a str) -> ProblemDocument<'a> {
        let facts = &*self.0;
        let entry = facts.code.entry();
        ProblemDocument {
            kind: format!("/problems/{}", entry.code),
            title: entry.title,
            status: facts.status.as_u16(),
            detail: &facts.detail,
            instance: shortened(instance),
            code: entry.code,
            request_id,
            retryable: entry.retryable,
            errors: (facts.status == StatusCode::BAD_REQUEST).then_some(&*facts.errors),
            missing: &facts.missing,
        }
    }

    /// The answer to the request `request_id` for the path `instance`.
    #[must_use]
    pub fn render(&self, instance: &str, request_id: &str) -> Response {
        let facts = &*self.0;
        let document = self.document(instance, request_id);
        let body = serde_json::to_vec(&document).expect("plain text and numbers serialize");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = facts.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, CONTENT_TYPE);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(span) = facts.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(span)));
        }
        headers.extend(facts.headers.iter().cloned());
        response
    }
}

impl IntoResponse for Problem {
    /// A bare response that carries the problem to the edge, which renders it.
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The media type of RFC 9457.
pub const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// At most 64 characters of what a caller sent are echoed.
#[must_use]
pub fn shortened(text: &str) -> &str {
    text.char_indices().nth(64).map_or(text, |(end, _)| &text[..end])
}

fn whole_seconds(span: Duration) -> u64 {
    (span.as_secs() + u64::from(span.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_say_cause_and_remedy() {
        let mut codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|code| {
            let entry = code.entry();
            entry.cause.ends_with('.') && entry.remedy.ends_with('.')
        }));
    }

    #[test]
    fn retry_after_is_rounded_up_to_whole_seconds() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1001)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(60)), 60);
    }

    #[test]
    fn at_most_64_characters_are_echoed() {
        assert_eq!(shortened(&"ü".repeat(70)).chars().count(), 64);
        assert_eq!(shortened("/sddcs"), "/sddcs");
    }
}
