//! What a caller learns of a failure: the one place where errors become problems.

use std::{borrow::Cow, time::Duration};

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, header::WWW_AUTHENTICATE};

use crate::{
    access::{
        AuthFailureLimiter, CALLER, Denied, Quota, RATELIMIT, RATELIMIT_POLICY, RateExceeded,
        Refusal, oidc::JwtFault,
    },
    inventory::{MissingOrg, Unavailable, model::Gap},
    problem::{Code, MissingPart, ParameterFault, Problem},
    upstream::Kind,
};

/// Why a handler has no answer. Its text is public.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error("{}", denied_text(.0))]
    Denied(Denied),
    #[error("{}", summary(.0))]
    InvalidParameter(Vec<ParameterFault>),
    #[error("there is no SDDC with this id")]
    SddcNotFound,
    #[error("there is no task with this id among those that the gateway keeps")]
    TaskNotFound,
    #[error("too many long polls and event streams are open, by all callers or by this one")]
    TooManyWatchers,
    #[error("too many new queries at once, from all callers or from this one")]
    Overloaded,
    #[error("there is no organization with this id")]
    OrgNotFound,
    #[error("{} organization(s) cannot be shown: see `missing`", missing.len())]
    Incomplete { missing: Vec<MissingOrg>, retry_in: Option<Duration> },
    #[error("nothing is cached and only-if-cached was requested")]
    NotCached,
    #[error("{}", upstream_text(.0.kind()))]
    Unavailable(Unavailable),
}

impl ApiError {
    /// Some organizations cannot be shown, and the question does not allow a part.
    pub(super) fn incomplete(missing: Vec<MissingOrg>) -> Self {
        Unavailable::Incomplete(missing).into()
    }

    /// Why an SDDC cannot be shown.
    pub(super) fn about_sddc(unavailable: Unavailable) -> Self {
        Self::about(unavailable, Self::SddcNotFound)
    }

    /// Why a task cannot be shown.
    pub(super) fn about_task(unavailable: Unavailable) -> Self {
        Self::about(unavailable, Self::TaskNotFound)
    }

    fn about(unavailable: Unavailable, not_found: Self) -> Self {
        match unavailable {
            Unavailable::NoSuchId => not_found,
            other => other.into(),
        }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<Unavailable> for ApiError {
    fn from(unavailable: Unavailable) -> Self {
        let retry_in = unavailable.retry_in();
        match unavailable {
            Unavailable::NoSuchId => Self::SddcNotFound,
            Unavailable::NotCached => Self::NotCached,
            Unavailable::NoSuchOrg => Self::OrgNotFound,
            Unavailable::Incomplete(missing) => Self::Incomplete { missing, retry_in },
            other @ (Unavailable::Upstream { .. } | Unavailable::NotYet) => {
                Self::Unavailable(other)
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.problem().into_response()
    }
}

impl ApiError {
    /// What a caller learns.
    pub(super) fn problem(self) -> Problem {
        let detail = self.to_string();
        match self {
            Self::Denied(denied) => denied_problem(&denied, detail),
            Self::InvalidParameter(errors) => {
                Problem::new(Code::InvalidParameter, detail).with_errors(errors)
            }
            Self::SddcNotFound => Problem::new(Code::SddcNotFound, detail),
            Self::TaskNotFound => Problem::new(Code::TaskNotFound, detail),
            Self::TooManyWatchers | Self::Overloaded => {
                Problem::new(Code::Overloaded, detail).with_retry_after(Some(DEFAULT_RETRY))
            }
            Self::OrgNotFound => Problem::new(Code::OrgNotFound, detail),
            Self::NotCached => Problem::new(Code::NotCached, detail),
            Self::Incomplete { missing, retry_in } => Problem::new(Code::Incomplete, detail)
                .with_missing(missing.iter().map(MissingPart::from).collect())
                .with_retry_after(Some(retry_in.unwrap_or(DEFAULT_RETRY))),
            Self::Unavailable(unavailable) => upstream(unavailable.kind(), unavailable.retry_in()),
        }
    }
}

/// What a caller learns of an upstream's failure.
pub(crate) fn upstream(kind: Kind, retry_in: Option<Duration>) -> Problem {
    let code = code(kind);
    let retry_after = match code {
        Code::UpstreamUnavailable => Some(retry_in.unwrap_or(DEFAULT_RETRY)),
        _ => retry_in,
    };
    Problem::new(code, upstream_text(kind)).with_retry_after(retry_after)
}

/// Told where the upstream did not say when to come back.
const DEFAULT_RETRY: Duration = Duration::from_secs(1);

fn code(kind: Kind) -> Code {
    match kind {
        Kind::Unavailable => Code::UpstreamUnavailable,
        Kind::Timeout => Code::UpstreamTimeout,
        Kind::Contract => Code::UpstreamContract,
        Kind::CredentialsRejected => Code::UpstreamCredentialsRejected,
    }
}

/// What a caller that may not learns, with a text for where it asked.
pub(crate) fn denied_problem(denied: &Denied, detail: String) -> Problem {
    match denied {
        Denied::Unauthenticated(Refusal::Doubled) => {
            Problem::new(Code::BadRequest, detail).with_reason(Refusal::Doubled.as_str())
        }
        Denied::Unauthenticated(Refusal::Token(fault)) if fault.is_ours() => {
            let retry_in = match fault {
                JwtFault::Unavailable { retry_in } => *retry_in,
                _ => DEFAULT_RETRY,
            };
            Problem::new(Code::IssuerUnavailable, detail)
                .with_retry_after(Some(retry_in.max(DEFAULT_RETRY)))
                .with_reason("issuer_unavailable")
        }
        Denied::Unauthenticated(refusal) => {
            let (name, value) = challenge(*refusal);
            Problem::new(Code::Unauthenticated, detail)
                .with_header(name, value)
                .with_reason(refusal.as_str())
        }
        Denied::TooManyGuesses(exceeded) => rate_limited(
            detail,
            *exceeded,
            AuthFailureLimiter::policy(),
            AuthFailureLimiter::field(*exceeded),
        )
        .with_reason("too_many_bad_credentials"),
        Denied::RateLimited(rate, exceeded) => {
            let quota = Quota::from(*exceeded).field(CALLER);
            rate_limited(detail, *exceeded, rate.policy(CALLER), quota)
        }
        Denied::Forbidden(_) => Problem::new(Code::Forbidden, detail).with_reason("missing_scope"),
    }
}

fn rate_limited(
    detail: String,
    exceeded: RateExceeded,
    policy: HeaderValue,
    quota: HeaderValue,
) -> Problem {
    Problem::new(Code::RateLimited, detail)
        .with_retry_after(Some(exceeded.retry_after))
        .with_header(RATELIMIT_POLICY, policy)
        .with_header(RATELIMIT, quota)
        .with_reason("rate_limited")
}

/// The first fault in words, and how many there are beside it: `detail` of the problem.
fn summary(faults: &[ParameterFault]) -> String {
    let Some((first, rest)) = faults.split_first() else { return String::new() };
    let meant = first.did_you_mean.as_ref().map(|meant| format!("; did you mean {meant}?"));
    let more = match rest.len() {
        0 => String::new(),
        1 => " (and 1 more fault: see `errors`)".to_owned(),
        more => format!(" (and {more} more faults: see `errors`)"),
    };
    format!("{}: {}{}{more}", first.parameter, first.problem, meant.unwrap_or_default())
}

/// Why a caller may not, in a sentence for the facade.
pub(crate) fn denied_text(denied: &Denied) -> String {
    match denied {
        Denied::Unauthenticated(refusal) => refusal_text(*refusal).into_owned(),
        Denied::TooManyGuesses(_) => {
            "too many invalid credentials from this client address, including this one".to_owned()
        }
        Denied::RateLimited(rate, _) => {
            format!("rate limit exceeded: {}, burst {}", rate.in_words(), rate.burst())
        }
        Denied::Forbidden(scope) => format!("this caller lacks the scope {scope}"),
    }
}

/// `WWW-Authenticate` (RFC 6750 section 3): an error is named only if a credential was sent.
fn challenge(refusal: Refusal) -> (HeaderName, HeaderValue) {
    let value = match refusal {
        Refusal::Missing | Refusal::OtherScheme => "Bearer realm=\"sddc-gateway\"",
        Refusal::Unknown
        | Refusal::Conflict
        | Refusal::Expired
        | Refusal::ForeignToken
        | Refusal::NoMatchingCaller
        | Refusal::SeveralCallers
        | Refusal::UnnamedCertificate
        | Refusal::Certificate(_)
        | Refusal::Token(_) => "Bearer realm=\"sddc-gateway\", error=\"invalid_token\"",
        Refusal::Malformed | Refusal::Doubled => {
            "Bearer realm=\"sddc-gateway\", error=\"invalid_request\""
        }
    };
    (WWW_AUTHENTICATE, HeaderValue::from_static(value))
}

fn refusal_text(refusal: Refusal) -> Cow<'static, str> {
    let text = match refusal {
        Refusal::Token(fault) => return fault.to_string().into(),
        Refusal::Missing => {
            "a credential is required: a caller key as `Authorization: Bearer <key>` or `X-API-Key: <key>`, a \
             token as `Authorization: Bearer <token>`, or a client certificate, whichever the operator \
             has given you"
        }
        Refusal::Unknown => "the credential is unknown to this gateway",
        Refusal::Malformed => {
            "the credential is malformed: send `Authorization: Bearer <key or token>` or \
             `X-API-Key: <key>` with a value"
        }
        Refusal::Doubled => "send `Authorization` and `X-API-Key` at most once each",
        Refusal::OtherScheme => {
            "`Authorization` has a scheme other than Bearer, which is not a credential here: send a caller \
             key as `Authorization: Bearer <key>` or `X-API-Key: <key>`, or a token as \
             `Authorization: Bearer <token>`"
        }
        Refusal::Expired => "this caller's not_after has passed: its credentials have expired",
        Refusal::ForeignToken => "the token is not one that this gateway has issued",
        Refusal::NoMatchingCaller => {
            "the credential is valid but belongs to no caller of this gateway"
        }
        Refusal::UnnamedCertificate => {
            "the client certificate is valid but belongs to no caller of this gateway: the \
             operator finds its subject alternative names in the log, and can give one of them to \
             a caller as tls_san"
        }
        Refusal::SeveralCallers => {
            "the token is valid but matches several callers of this gateway: the operator must \
             make them distinct"
        }
        Refusal::Certificate(fault) => fault.text(),
        Refusal::Conflict => "the request has two credentials that belong to different callers",
    };
    text.into()
}

fn upstream_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Unavailable => "VMware Cloud cannot be reached, and nothing recent enough is cached",
        Kind::Timeout => "VMware Cloud did not answer in time, and nothing recent enough is cached",
        Kind::Contract => {
            "VMware Cloud sent an unexpected answer, and nothing recent enough is cached"
        }
        Kind::CredentialsRejected => {
            "VMware Cloud rejected the gateway's own credentials; yours were accepted"
        }
    }
}

impl From<&Gap> for MissingPart {
    fn from(gap: &Gap) -> Self {
        Self {
            org_id: gap.org_id.to_string(),
            sddc_id: gap.sddc_id.as_ref().map(ToString::to_string),
            reason: gap.reason.as_str(),
        }
    }
}

impl From<&MissingOrg> for MissingPart {
    fn from(missing: &MissingOrg) -> Self {
        let org_id = missing.org_id.to_string();
        Self { org_id, sddc_id: None, reason: missing.reason.as_str() }
    }
}
