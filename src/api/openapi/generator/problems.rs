//! The problems that an operation may answer, each with an example of every code.

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
    operation::{STREAM, WHOAMI},
};
use crate::{
    access::{Denied, RateExceeded, Refusal, Scope, oidc::JwtFault},
    api::{
        error::{ApiError, upstream},
        query::{AllowedParams, RawQuery},
    },
    inventory::{Missing, model::SddcEntry},
    problem::{Code, Problem},
    public_path::PublicPath,
    upstream::Kind,
};

/// The request of the examples.
const REQUEST: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

/// The problems of one status.
pub(super) struct Problems {
    pub(super) status: StatusCode,
    /// Among what is shared.
    pub(super) name: &'static str,
    /// The path of the examples.
    path: &'static str,
    examples: Vec<Problem>,
}

/// What an operation may answer beside what it is asked for.
pub(super) fn of(path: &str, examples: &Examples) -> Vec<Problems> {
    let mut problems = vec![
        about("BadRequest", "/sddcs", vec![invalid(examples), no_host()]),
        about("Unauthenticated", "/sddcs", vec![denied(Denied::Unauthenticated(Refusal::Missing))]),
        about("Forbidden", "/sddcs", vec![denied(Denied::Forbidden(Scope::SddcRead))]),
        about("RateLimited", "/sddcs", vec![rate_limited()]),
        about("TooLargeBody", "/sddcs", vec![too_large(413, "a body may have at most 64 KiB")]),
        about("TooLargeTarget", "/sddcs", vec![too_large(414, "a target may have at most 8 KiB")]),
        about("Misdirected", "/sddcs", vec![misdirected()]),
        about(
            "TooLargeHeader",
            "/sddcs",
            vec![too_large(431, "all header fields together may have at most 16 KiB")],
        ),
        about("Internal", "/sddcs", vec![Problem::new(Code::Internal, "internal error")]),
    ];
    if path == WHOAMI {
        problems.push(about("GatewayUnavailable", WHOAMI, gateway_unavailable().into()));
        return problems;
    }
    let upstream = [Kind::CredentialsRejected, Kind::Contract].map(told);
    problems.push(about("BadGateway", "/sddcs", upstream.into()));
    let mut unavailable = vec![told(Kind::Unavailable), incomplete(examples)];
    unavailable.extend(gateway_unavailable());
    problems.push(about("Unavailable", "/sddcs", unavailable));
    let timeout = told(Kind::Timeout);
    problems.push(if path == STREAM {
        about("UpstreamTimeout", STREAM, vec![timeout])
    } else {
        about("GatewayTimeout", "/sddcs", vec![timeout, ApiError::NotCached.problem()])
    });
    let absent = [
        ("{sddc_id}", "SddcNotFound", "/sddcs/0", ApiError::SddcNotFound),
        ("{task_id}", "TaskNotFound", "/tasks/0", ApiError::TaskNotFound),
        ("{org_id}", "OrgNotFound", "/orgs/0", ApiError::OrgNotFound),
    ];
    let absent = absent.into_iter().filter(|(id, ..)| path.contains(id));
    problems.extend(absent.map(|(_, name, at, error)| about(name, at, vec![error.problem()])));
    problems
}

/// What the gateway lacks itself.
fn gateway_unavailable() -> [Problem; 4] {
    [
        ApiError::TooManyWatchers.problem(),
        unavailable(Code::AuditUnavailable, "the audit record cannot be written"),
        unavailable(
            Code::ShuttingDown,
            "the gateway is shutting down, and the time for requests in flight is over",
        ),
        issuer_unavailable(),
    ]
}

fn about(name: &'static str, path: &'static str, examples: Vec<Problem>) -> Problems {
    Problems { status: examples[0].status(), name, path, examples }
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
        org_id.map(|org_id| Missing { org_id, reason: Kind::Unavailable, retry_in: None });
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

impl Problems {
    /// As the document says it.
    pub(super) fn response(&self, shared: &mut Components) -> Response {
        let mut content = Content::new(Some(RefOr::Ref(Ref::from_schema_name("Problem"))));
        for problem in &self.examples {
            let example = json!(problem.document(&PublicPath::default(), self.path, REQUEST));
            let example = ExampleBuilder::new().value(Some(example)).build();
            content.examples.insert(problem.code().as_str().to_owned(), example.into());
        }
        let lines = self.examples.iter().map(|problem| {
            let entry = problem.code().entry();
            format!("`{}`: {}", entry.code, entry.cause)
        });
        let mut response = ResponseBuilder::new()
            .description(lines.collect::<Vec<_>>().join("\n\n"))
            .content("application/problem+json", content)
            .build();
        headers::describe(shared, &mut response, &[NO_STORE, REQUEST_ID]);
        match self.status.as_u16() {
            429 => headers::describe(
                shared,
                &mut response,
                &[RETRY_AFTER, RATELIMIT_POLICY, RATELIMIT],
            ),
            401 => headers::describe(shared, &mut response, &[WWW_AUTHENTICATE]),
            502..=504 => headers::describe(shared, &mut response, &[RETRY_AFTER]),
            _ => {}
        }
        response
    }
}
