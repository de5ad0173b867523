//! The endpoints of VMware Cloud Services (CSP) that tools use: a caller's key becomes an access token.
//!
//! Flow: form, query or Basic → [`TokenRequest`] → the policy says whose key it is → 401, 429, 403, 400 →
//! a token, in CSP's shape. The key is never repeated, and no answer is stored anywhere.

mod error;
mod keys;
mod token_request;

use axum::{body::Body, response::IntoResponse};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::json;

use self::token_request::AskedGrant;
pub(super) use self::{error::render_error, token_request::TokenRequest};
use super::{DropIn, JSON};
use crate::{
    access::{Admitted, Denied, Refusal, RequestIdentity, Scope},
    api::{denied_problem, denied_text},
    ids::OrgId,
    inventory::OrgSelector,
    problem::{Code, Problem},
};

/// What CSP answers at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CspEndpoint {
    /// A key in the place of an API token: `POST …/auth/api-tokens/authorize`.
    ApiToken,
    /// A key in the place of a client's secret: `POST …/auth/token`, `POST …/auth/authorize`.
    ClientCredentials,
    /// `GET …/auth/keys`.
    Keys,
    /// `GET …/auth/token-public-key`.
    PublicKey,
    /// `GET …/.well-known/openid-configuration`.
    Discovery,
}

/// CSP's paths.
pub(super) static ROUTES: &[(&str, CspEndpoint)] = &[
    ("/csp/gateway/am/api/auth/api-tokens/authorize", CspEndpoint::ApiToken),
    ("/csp/gateway/am/api/auth/token", CspEndpoint::ClientCredentials),
    ("/csp/gateway/am/api/auth/authorize", CspEndpoint::ClientCredentials),
    ("/csp/gateway/am/api/auth/keys", CspEndpoint::Keys),
    ("/csp/gateway/am/api/auth/token-public-key", CspEndpoint::PublicKey),
    ("/csp/gateway/am/api/.well-known/openid-configuration", CspEndpoint::Discovery),
];

impl CspEndpoint {
    /// Whether it exchanges a key for a token. The others are for anybody.
    pub const fn issues_tokens(self) -> bool {
        matches!(self, Self::ApiToken | Self::ClientCredentials)
    }

    const fn allowed_methods(self) -> &'static str {
        if self.issues_tokens() { "POST" } else { "GET,HEAD" }
    }

    fn allows(self, method: &Method) -> bool {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        if self.issues_tokens() { *method == Method::POST } else { is_read }
    }
}

/// Answers a request to one of CSP's paths.
pub(super) fn answer(
    drop_in: &DropIn,
    endpoint: CspEndpoint,
    request: &Request<Body>,
) -> Response<Body> {
    if !endpoint.allows(request.method()) {
        return wrong_method(endpoint).into_response();
    }
    let answered = match endpoint {
        CspEndpoint::ApiToken | CspEndpoint::ClientCredentials => issue(drop_in, endpoint, request),
        CspEndpoint::Keys => Ok(keys::key_set(&drop_in.tokens.public_keys())),
        CspEndpoint::PublicKey => {
            keys::public_key(&drop_in.tokens.public_keys(), request.uri().query())
        }
        CspEndpoint::Discovery => Ok(keys::discovery()),
    };
    match answered {
        Ok(document) => json_answer(&document),
        Err(problem) => problem.into_response(),
    }
}

fn issue(
    drop_in: &DropIn,
    endpoint: CspEndpoint,
    request: &Request<Body>,
) -> Result<serde_json::Value, Problem> {
    let extensions = request.extensions();
    let (identity, asked) = (extensions.get::<RequestIdentity>(), extensions.get::<AskedGrant>());
    // Without an edge before it this lets nobody in.
    let sender = identity.ok_or_else(|| refused(endpoint, &NOBODY, false))?;
    let is_open = sender.policy.is_open();
    let admitted = sender.admit(Scope::VmcRead);
    let admitted = admitted.map_err(|denied| refused(endpoint, &denied, is_open))?;
    if let Some(fault) = asked.and_then(|asked| asked.fault()) {
        return Err(Problem::new(Code::BadRequest, fault.to_string()));
    }
    let key = admitted.key().ok_or_else(|| refused(endpoint, &NOBODY, is_open))?;
    let org = only_org(drop_in, &admitted);
    let token = drop_in.tokens.issue(admitted.caller(), key, org.as_ref());
    Ok(json!({
        "id_token": null,
        "token_type": "bearer",
        "expires_in": token.expires_in,
        "scope": token.scope,
        "access_token": token.text,
        "refresh_token": null,
    }))
}

const NOBODY: Denied = Denied::Unauthenticated(Refusal::Missing);

/// The organization that a caller sees, if it is exactly one.
fn only_org(drop_in: &DropIn, admitted: &Admitted) -> Option<OrgId> {
    let orgs = admitted.caller().view().orgs.clone();
    let selector = orgs.map_or(OrgSelector::All, OrgSelector::Only);
    let mut served = drop_in.inventory.known_orgs(&selector).into_iter();
    let only = served.next()?.id;
    served.next().is_none().then_some(only)
}

/// What CSP says to those who may not, with its statuses.
fn refused(endpoint: CspEndpoint, denied: &Denied, is_open: bool) -> Problem {
    let Denied::Unauthenticated(refusal) = denied else {
        return denied_problem(denied, denied_text(denied));
    };
    let problem = denied_problem(denied, refusal_text(endpoint, *refusal, is_open).to_owned());
    match endpoint {
        // As CSP answers a token that it does not know.
        CspEndpoint::ApiToken => problem.with_status(StatusCode::BAD_REQUEST).without_headers(),
        _ if *refusal == Refusal::Doubled => problem,
        _ => problem.without_headers().with_header(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"sddc-gateway\""),
        ),
    }
}

fn refusal_text(endpoint: CspEndpoint, refusal: Refusal, is_open: bool) -> &'static str {
    if is_open {
        return "this gateway has no callers (access is open), so it issues no access tokens: the operator \
                has to configure a caller with a key and the scope vmc:read";
    }
    match (refusal, endpoint) {
        (Refusal::Missing, CspEndpoint::ApiToken) => {
            "invalid_grant: send the caller key that this gateway's operator gave you as the form field \
             api_token or refresh_token (a client certificate or a token of another issuer is not \
             accepted here)"
        }
        (Refusal::Missing, _) => {
            "Missing mandatory request header: authorization (HTTP Basic whose password is the caller key \
             that this gateway's operator gave you; a client certificate or a token of another issuer \
             is not accepted here)"
        }
        (Refusal::Expired, _) => {
            "invalid_grant: this caller's not_after has passed: its keys have expired"
        }
        (Refusal::Conflict, _) => {
            "invalid_grant: the request has two keys that belong to different callers"
        }
        (Refusal::Doubled, _) => "send Authorization at most once",
        (Refusal::Malformed, _) => {
            "invalid_client: the Authorization header cannot be read as HTTP Basic"
        }
        (_, CspEndpoint::ApiToken) => {
            "invalid_grant: Invalid refresh token: this is not a caller key of this gateway (an API token \
             of VMware's is not accepted here)"
        }
        _ => {
            "invalid_client: Invalid client credentials: the password is not a caller key of this \
             gateway (an OAuth app of VMware's is not accepted here)"
        }
    }
}

fn wrong_method(endpoint: CspEndpoint) -> Problem {
    let detail = if endpoint.issues_tokens() {
        "this path accepts only POST"
    } else {
        "this gateway only reads: this path accepts only GET and HEAD"
    };
    Problem::new(Code::MethodNotAllowed, detail)
        .with_header(header::ALLOW, HeaderValue::from_static(endpoint.allowed_methods()))
}

/// A document that is stored nowhere, and never compressed.
fn json_answer(document: &serde_json::Value) -> Response<Body> {
    let headers = [
        (header::CONTENT_TYPE, JSON),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::PRAGMA, HeaderValue::from_static("no-cache")),
    ];
    (headers, document.to_string()).into_response()
}
