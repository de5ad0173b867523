//! Drop-in: VMware's own read API, for tools that people already have. A tool is pointed at the gateway for both
//! of its base URLs and gets a caller's key in the place of its API token.
//!
//! ```text
//! POST /csp/…/authorize ─► csp, tokens   a caller's key becomes a token of the gateway's own
//! GET  /vmc/…, /api/…   ─► reads         the token's caller ─► route ─► VMware Cloud ─► redaction ─► answer
//! ```
//!
//! *Must not break*: VMware's token never leaves the gateway, a token of the gateway is worth nothing at VMware,
//! and no byte of an answer has passed by [`redaction`]. Tests: `tests/it/drop_in`.

mod csp;
mod path;
pub mod reads;
pub mod redaction;
mod refusal;
mod settings;
pub mod tokens;
pub mod vmc_error;

use axum::{body::Body, response::IntoResponse};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};

use self::{
    csp::{CspEndpoint, TokenRequest},
    reads::Reads,
    tokens::GatewayTokens,
    vmc_error::VmcErrorBody,
};
pub use self::{path::is_plain_path, refusal::denied, settings::Settings};
use crate::{
    access::{Caller, Identity, Policy, Scope},
    api::CacheStatus,
    clock::Instant,
    inventory::Inventory,
    problem::{Code, Problem},
};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The drop-in surface. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DropIn {
    pub(crate) tokens: GatewayTokens,
    pub(crate) inventory: Inventory,
    pub(crate) reads: Reads,
}

/// Whose shape answers have, by the beginning of their path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `/csp/`: VMware Cloud Services.
    Csp,
    /// `/vmc/` and `/api/`: VMware Cloud on AWS.
    Vmc,
}

/// What a path of the drop-in surface leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// One of CSP's.
    Csp(CspEndpoint),
    /// A read of VMware Cloud on AWS.
    Read,
    /// Nothing.
    Nothing(Shape),
}

/// The templates of CSP's endpoints, and what they lead to.
pub static CSP_ROUTES: &[(&str, CspEndpoint)] = csp::ROUTES;

impl Shape {
    /// The shape of answers at a path, if it is one of the drop-in surface.
    pub fn of(path: &str) -> Option<Self> {
        if path.starts_with("/csp/") {
            return Some(Self::Csp);
        }
        (path.starts_with("/vmc/") || path.starts_with("/api/")).then_some(Self::Vmc)
    }

    /// A problem as VMware's tools read it.
    pub fn render(self, problem: &Problem, path: &str, request_id: &str) -> Response<Body> {
        let mut response = match self {
            Self::Csp => csp::render_error(problem, request_id),
            Self::Vmc => VmcErrorBody::from(problem).render(path),
        };
        response.headers_mut().extend(problem.headers().iter().cloned());
        response
    }
}

impl Endpoint {
    /// Whether it answers authenticated callers only.
    pub const fn asks_for_caller(self) -> bool {
        match self {
            Self::Csp(endpoint) => endpoint.issues_tokens(),
            Self::Read => true,
            Self::Nothing(_) => false,
        }
    }

    /// Whether who asks is told in the body.
    pub const fn reads_body(self) -> bool {
        matches!(self, Self::Csp(endpoint) if endpoint.issues_tokens())
    }

    /// The shape of its answers.
    pub const fn shape(self) -> Shape {
        match self {
            Self::Csp(_) => Shape::Csp,
            Self::Read => Shape::Vmc,
            Self::Nothing(shape) => shape,
        }
    }
}

impl DropIn {
    /// Finds out who sent a request, where its head tells.
    pub fn identify(&self, policy: &Policy, request: &http::HeaderMap) -> Identity {
        self.tokens.identify(policy, request)
    }

    /// Finds out who asks for a token, and leaves in the request what is asked for. The body and the query
    /// hold a caller's key: neither goes any further.
    pub fn identify_by_body(
        &self,
        policy: &Policy,
        endpoint: Endpoint,
        request: &mut Request<Body>,
        body: &[u8],
    ) -> Identity {
        let Endpoint::Csp(endpoint) = endpoint else {
            return self.tokens.identify(policy, request.headers());
        };
        match TokenRequest::read(endpoint, request, body) {
            Ok(asked) => {
                let identity = policy.identify_keys(asked.keys());
                request.extensions_mut().insert(asked.grant());
                identity
            }
            Err(refusal) => Identity::Refused(refusal),
        }
    }

    /// The answer to a caller's read that was given lately and still is the one, if `admit` says that the caller may
    /// have it now.
    #[must_use]
    pub fn recall<B>(
        &self,
        request: &Request<B>,
        caller: &Caller,
        now: Instant,
        admit: impl FnOnce(Scope) -> bool,
    ) -> Option<(Response<Bytes>, CacheStatus)> {
        self.reads.recall(request, caller, now, admit)
    }

    /// Answers a request.
    pub async fn answer(&self, endpoint: Endpoint, request: Request<Body>) -> Response<Body> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        match endpoint {
            Endpoint::Csp(endpoint) => csp::answer(self, endpoint, &request),
            Endpoint::Read | Endpoint::Nothing(_) if !is_read => read_only().into_response(),
            Endpoint::Read => self.reads.answer(request).await,
            Endpoint::Nothing(_) => no_such_path().into_response(),
        }
    }
}

/// There is nothing at this path.
fn no_such_path() -> Problem {
    Problem::new(
        Code::NotFound,
        "the gateway does not offer this path: /docs/drop-in lists the paths of VMware's API that it offers",
    )
}

/// A write.
fn read_only() -> Problem {
    Problem::new(
        Code::MethodNotAllowed,
        "this gateway only reads VMware Cloud: it accepts GET and HEAD here, and changes nothing",
    )
    .with_header(header::ALLOW, HeaderValue::from_static("GET,HEAD"))
}
