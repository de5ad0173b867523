//! `application/problem+json` (RFC 9457): the one shape of every failure.
//!
//! A handler answers a [`Problem`] without knowing whose request it is; the edge adds the path and
//! the request id when it [renders](Problem::render) it. [`Code`] is contract: clients branch on
//! it, and each has a page with cause and remedy at `/problems/{code}`.

mod code;

use std::{borrow::Cow, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

pub use self::code::{Code, CodeEntry};
use crate::{contact::Contact, public_path::PublicPath};

/// A failure on its way to a caller.
#[derive(Debug, Clone)]
pub struct Problem(Box<ProblemFacts>);

#[derive(Debug, Clone)]
struct ProblemFacts {
    code: Code,
    status: StatusCode,
    detail: Cow<'static, str>,
    errors: Vec<ParameterFault>,
    missing: Vec<MissingPart>,
    did_you_mean: Option<String>,
    contact: Option<Contact>,
    retry_after: Option<Duration>,
    headers: Vec<(header::HeaderName, HeaderValue)>,
    /// Why, for metrics and the access line; a closed set.
    reason: Option<&'static str>,
}

/// One fault of a query string.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct ParameterFault {
    /// The parameter's name, at most 64 characters of it.
    pub parameter: String,
    /// What is wrong.
    pub problem: String,
    /// What is allowed instead.
    pub allowed: Vec<String>,
    /// The closest of the allowed names or values, where one is close.
    pub did_you_mean: Option<String>,
}

/// Something that a list does not show: a whole organization, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct MissingPart {
    /// The organization's id.
    pub org_id: String,
    /// The id of the SDDC of which something is missing. It is `null` if the whole organization
    /// is missing, if the missing part belongs to no SDDC, or if the SDDC's id is not known.
    pub sddc_id: Option<String>,
    /// The reason. For a whole organization: the problem code of an answer about it alone. For a
    /// part of one: `not-reported` (VMware Cloud does not report it), `unreadable` (VMware Cloud
    /// reports something that cannot be read) or `older-tasks` (there are more tasks than the
    /// gateway keeps).
    pub reason: &'static str,
}

/// The body of every failure (RFC 9457).
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = Problem))]
pub struct ProblemDocument<'a> {
    /// A page about this kind of problem: `/problems/{code}`.
    #[serde(rename = "type")]
    kind: String,
    /// A short summary of this kind of problem.
    title: &'a str,
    /// The status code.
    status: u16,
    /// What happened this time.
    detail: &'a str,
    /// The path of the request.
    instance: &'a str,
    /// A code from a closed set, for clients to branch on.
    code: &'a str,
    /// The answer's `X-Request-Id`.
    request_id: &'a str,
    /// Whether the same request may succeed later.
    retryable: bool,
    /// On `invalid-parameter`: every fault of the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = Vec<ParameterFault>))]
    errors: Option<&'a [ParameterFault]>,
    /// On `incomplete`: the organizations that cannot be shown.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    missing: &'a [MissingPart],
    /// On `not-found`: the path that was probably meant, where one is close.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = String))]
    did_you_mean: Option<String>,
    /// On `unauthenticated`: whom to ask for a key, where the operator says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = String))]
    contact: Option<&'a str>,
}

impl Problem {
    /// A problem with its code's own status.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(ProblemFacts {
            code,
            status: code.entry().status,
            detail: detail.into(),
            errors: Vec::new(),
            missing: Vec::new(),
            did_you_mean: None,
            contact: None,
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
    pub fn with_missing(mut self, missing: Vec<MissingPart>) -> Self {
        self.0.missing = missing;
        self
    }

    /// The path that was probably meant.
    #[must_use]
    pub fn with_did_you_mean(mut self, path: Option<String>) -> Self {
        self.0.did_you_mean = path;
        self
    }

    /// Whom to ask for a key.
    #[must_use]
    pub fn with_contact(mut self, contact: Option<Contact>) -> Self {
        self.0.contact = contact;
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

    /// Without the header fields that it was given.
    #[must_use]
    pub fn without_headers(mut self) -> Self {
        self.0.headers.clear();
        self
    }

    /// Why, for metrics and the access line.
    #[must_use]
    pub fn with_reason(mut self, reason: &'static str) -> Self {
        self.0.reason = Some(reason);
        self
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// What happened this time, in a sentence.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The header fields that it was given.
    pub fn headers(&self) -> &[(header::HeaderName, HeaderValue)] {
        &self.0.headers
    }

    /// When to try again, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The reason for metrics and the access line: the code where nothing finer is known.
    pub fn reason(&self) -> &'static str {
        self.0.reason.unwrap_or(self.0.code.as_str())
    }

    /// The body of the answer to the request `request_id` for the path `instance`; `base` is where
    /// callers reach the pages on problems.
    pub fn document<'a>(
        &'a self,
        base: &PublicPath,
        instance: &'a str,
        request_id: &'a str,
    ) -> ProblemDocument<'a> {
        let facts = &*self.0;
        let entry = facts.code.entry();
        ProblemDocument {
            kind: base.join(&format!("/problems/{}", facts.code.as_str())),
            title: entry.title,
            status: facts.status.as_u16(),
            detail: &facts.detail,
            instance: shortened(instance),
            code: facts.code.as_str(),
            request_id,
            retryable: entry.retryable,
            errors: (facts.status == StatusCode::BAD_REQUEST).then_some(&*facts.errors),
            missing: &facts.missing,
            did_you_mean: facts.did_you_mean.as_deref().map(|path| base.join(path)),
            contact: facts.contact.as_ref().map(Contact::as_str),
        }
    }

    /// The answer to the request `request_id` for the path `instance`; `base` as in
    /// [`Problem::document`].
    pub fn render(&self, base: &PublicPath, instance: &str, request_id: &str) -> Response {
        let facts = &*self.0;
        let document = self.document(base, instance, request_id);
        let mut response = json_failure(facts.status, CONTENT_TYPE, &document, facts.retry_after);
        response.headers_mut().extend(facts.headers.iter().cloned());
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

/// A failure with this document, which no cache keeps.
pub(crate) fn json_failure(
    status: StatusCode,
    content_type: HeaderValue,
    document: &impl Serialize,
    retry_after: Option<Duration>,
) -> Response {
    let body = serde_json::to_vec(document).expect("plain text and numbers serialize");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(span) = retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(span)));
    }
    response
}

/// At most 64 characters of what a caller sent are echoed.
pub fn shortened(text: &str) -> &str {
    text.char_indices().nth(64).map_or(text, |(end, _)| &text[..end])
}

/// `Retry-After`: rounded up, at least one.
pub(crate) fn whole_seconds(span: Duration) -> u64 {
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
