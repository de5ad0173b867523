//! What every operation answers that fails: one response, with an example of every code.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use utoipa::openapi::{
    Components, Content, Ref, RefOr, Response, ResponseBuilder, example::ExampleBuilder,
};

use super::{
    examples::Examples,
    headers::{
        self, NO_STORE, RATELIMIT, RATELIMIT_POLICY, REQUEST_ID, RETRY_AFTER, WWW_AUTHENTICATE,
    },
};
use crate::{
    access::{Denied, RateExceeded, Refusal, Scope, oidc::JwtFault},
    api::{
        error::{ApiError, upstream},
        query::{AllowedParams, RawQuery},
    },
    inventory::{MissingOrg, model::SddcEntry},
    problem::{Code, Problem},
    public_path::PublicPath,
    upstream::Kind,
};

/// The request of the examples.
const REQUEST: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

/// Name of the one response among what is shared.
pub(super) const NAME: &str = "Problem";

/// A problem, and the path that its example is of.
struct ProblemExample {
    path: &'static str,
    problem: Problem,
}

/// An example of every problem that an operation may answer, by status.
fn all(examples: &Examples) -> Vec<ProblemExample> {
    let of_list = [
        invalid(examples),
        no_host(),
        denied(Denied::Unauthenticated(Refusal::Missing)),
        denied(Denied::Forbidden(Scope::SddcRead)),
        too_large(413, "a body may have at most 64 KiB"),
        too_large(414, "a target may have at most 8 KiB"),
        misdirected(),
        rate_limited(),
        too_large(431, "all header fields together may have at most 16 KiB"),
        Problem::new(Code::Internal, "internal error"),
        told(Kind::CredentialsRejected),
        told(Kind::Contract),
        told(Kind::Unavailable),
        incomplete(examples),
        ApiError::TooManyWatchers.problem(),
        unavailable(Code::AuditUnavailable, "the audit record cannot be written"),
        unavailable(
            Code::ShuttingDown,
            "the gateway is shutting down, and the time for requests in flight is over",
        ),
        issuer_unavailable(),
        told(Kind::Timeout),
        ApiError::NotCached.problem(),
    ];
    let of_list = of_list.map(|problem| ProblemExample { path: "/sddcs", problem });
    let absent = [
        ("/sddcs/0", ApiError::SddcNotFound),
        ("/tasks/0", ApiError::TaskNotFound),
        ("/orgs/0", ApiError::OrgNotFound),
    ];
    let absent = absent.map(|(path, error)| ProblemExample { path, problem: error.problem() });
    let mut all: Vec<_> = of_list.into_iter().chain(absent).collect();
    all.sort_by_key(|example| example.problem.status());
    all
}

fn denied(denied: Denied) -> Problem {
    ApiError::Denied(denied).problem()
}

fn issuer_unavailable() -> Problem {
    let fault = JwtFault::Unavailable { retry_in: Duration::from_secs(8) };
    denied(Denied::Unauthenticated(Refusal::Token(fault)))
}

fn rate_limited() -> Problem {
    let rate = "600/m".parse().expect("a rate");
    denied(Denied::RateLimited(rate, RateExceeded { retry_after: Duration::from_secs(1) }))
}

fn told(kind: Kind) -> Problem {
    upstream(kind, None)
}

/// Two faults of a real question.
fn invalid(examples: &Examples) -> Problem {
    let query = RawQuery::of("/sddcs?state=REDY&partail=allow");
    let asked = query.parser::<SddcEntry>(AllowedParams::LIST).finish(examples.sddcs.iter());
    asked.expect_err("the question has faults").problem()
}

fn incomplete(examples: &Examples) -> Problem {
    let org_id = examples.sddcs.first().map(|entry| entry.sddc.org_id.clone());
    let missing =
        org_id.map(|org_id| MissingOrg { org_id, reason: Kind::Unavailable, retry_in: None });
    ApiError::incomplete(missing.into_iter().collect()).problem()
}

fn no_host() -> Problem {
    Problem::new(Code::BadRequest, "send exactly one Host header")
}

fn misdirected() -> Problem {
    Problem::new(Code::Misdirected, "this gateway does not answer for the name in Host")
}

fn unavailable(code: Code, detail: &'static str) -> Problem {
    Problem::new(code, detail).with_retry_after(Some(Duration::from_secs(1)))
}

fn too_large(status: u16, detail: &'static str) -> Problem {
    let status = StatusCode::from_u16(status).expect("three digits");
    Problem::new(Code::TooLarge, detail).with_status(status)
}

/// The answer of every operation that fails, which stands once: each problem has the same shape.
pub(super) fn response(examples: &Examples, shared: &mut Components) -> Response {
    let mut content = Content::new(Some(RefOr::Ref(Ref::from_schema_name("Problem"))));
    let mut codes: Vec<(u16, String)> = Vec::new();
    for ProblemExample { path, problem } in all(examples) {
        let (code, status) = (problem.code().as_str(), problem.status().as_u16());
        match codes.last_mut() {
            Some((known, text)) if *known == status => text.extend([", `", code, "`"]),
            _ => codes.push((status, format!("{status} `{code}`"))),
        }
        let example = json!(problem.document(&PublicPath::default(), path, REQUEST));
        let example = ExampleBuilder::new().value(Some(example)).build();
        // One code has several statuses.
        let is_new = !content.examples.contains_key(code);
        let name = if is_new { code.to_owned() } else { format!("{code}-{status}") };
        content.examples.insert(name, example.into());
    }
    let codes: Vec<_> = codes.into_iter().map(|(_, text)| text).collect();
    let mut response = ResponseBuilder::new()
        .description(format!(
            "A failure. `code` says which, and the page that `type` leads to has its cause and \
             remedy: {}.",
            codes.join("; ")
        ))
        .content("application/problem+json", content)
        .build();
    headers::describe(
        shared,
        &mut response,
        &[NO_STORE, REQUEST_ID, RETRY_AFTER, RATELIMIT_POLICY, RATELIMIT, WWW_AUTHENTICATE],
    );
    response
}
