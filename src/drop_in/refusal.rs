//! Why a caller may not, in sentences for people who use VMware's tools.

use crate::{
    access::{Denied, Refusal, oidc::JwtFault},
    api::{denied_problem, denied_text},
    problem::Problem,
};

/// Where a tool gets its token.
const HOW: &str = "get an access token with POST /csp/gateway/am/api/auth/api-tokens/authorize and \
                   your caller key of this gateway, and send it as Authorization: Bearer or csp-auth-token";

/// What a caller of a read learns that may not read.
#[must_use]
pub fn denied(denied: &Denied) -> Problem {
    let detail = match denied {
        Denied::Unauthenticated(refusal) => unauthenticated(*refusal),
        other => denied_text(other),
    };
    denied_problem(denied, detail)
}

fn unauthenticated(refusal: Refusal) -> String {
    let what = match refusal {
        Refusal::Missing | Refusal::OtherScheme => "no access token was sent",
        Refusal::ForeignToken => {
            "this is not an access token of this gateway (keys, tokens of VMware's and tokens of \
             other issuers are not accepted here)"
        }
        Refusal::Token(JwtFault::Expired) => "the access token has expired",
        Refusal::Unknown => "the access token's caller or key no longer exists",
        Refusal::Doubled => {
            return "send one access token: Authorization and csp-auth-token at most once each, \
                    and the same token if both are sent"
                .to_owned();
        }
        Refusal::Expired => return denied_text(&Denied::Unauthenticated(refusal)),
        _ => "the access token is not valid",
    };
    format!("{what}; {HOW}")
}
