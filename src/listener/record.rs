//! What stays of a request: its access line, its figures, and the audit's record of what was decided.
//!
//! A place in the audit's queue is taken before anything is decided, and the record is written before
//! the answer goes out: there is neither a decision without a record nor an answer without one. A
//! caller who leaves before that is recorded too, with the status that nginx has for it.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, Uri, Version};
use uuid::Uuid;

use super::{edge::Edge, request_id::trace_id, routes::Route};
use crate::{
    access::{self, ClientCertificate, CredentialId, Identity, Refusal},
    api::Outcome,
    clock::Instant,
    problem::{Code, Problem},
    telemetry::{AccessRecord, AuditFailed, AuditRecord, Decision, HttpCall, Slot, Waits},
};

/// More names of one certificate are left out of a log line.
const MAX_LOGGED_NAMES: usize = 8;

/// What is known of a request once it has been looked at.
pub(super) struct Seen {
    pub(super) began: Instant,
    pub(super) client: IpAddr,
    pub(super) id: HeaderValue,
    pub(super) traceparent: Option<HeaderValue>,
    pub(super) version: Version,
    pub(super) uri: Uri,
    pub(super) method: Method,
    pub(super) route: Route,
    /// Empty until it is known.
    pub(super) identity: OnceLock<Identity>,
    /// What the connection's peer has shown.
    pub(super) certificate: Option<Arc<ClientCertificate>>,
}

/// An answer, and what was decided about who asked; nothing where nobody was judged.
pub(super) type Judged = (Response, Option<Decision>);

/// How a request ended.
pub(super) struct End<'a> {
    pub(super) is_stream: bool,
    pub(super) status: StatusCode,
    pub(super) bytes: Option<u64>,
    pub(super) outcome: Option<&'a Outcome>,
    pub(super) decision: Option<Decision>,
    pub(super) reason: Option<&'static str>,
}

impl Seen {
    /// Who asks; nobody until that is known.
    pub(super) fn identity(&self) -> &Identity {
        const UNKNOWN: &Identity = &Identity::Refused(Refusal::Missing);
        self.identity.get().unwrap_or(UNKNOWN)
    }

    /// The names of a certificate that is good and names no caller: what a caller may be given to be
    /// known by it. Signed by one of our CAs, so they are no text of a stranger's making.
    fn unnamed_san(&self) -> Option<String> {
        let is_unnamed = matches!(self.identity(), Identity::Refused(Refusal::UnnamedCertificate));
        let certificate = self.certificate.as_ref().filter(|_| is_unnamed)?;
        let names = certificate.names().iter().take(MAX_LOGGED_NAMES).map(ToString::to_string);
        let names: Vec<_> = names.collect();
        Some(if names.is_empty() { "none".to_owned() } else { names.join(" ") })
    }

    /// Whether it asks to wait for a change.
    fn waits(&self) -> Waits {
        let asks =
            || self.uri.query().is_some_and(|it| it.split('&').any(|it| it.starts_with("wait=")));
        if self.route.may_wait() && asks() { Waits::Poll } else { Waits::No }
    }

    /// Which credential it was.
    fn credential(&self) -> Option<CredentialId> {
        match self.identity() {
            Identity::Known(known) => known.credential(),
            Identity::Refused(_) => None,
        }
    }
}

/// What a route that asks for a caller decided: it lets in whom it does not refuse.
pub(super) fn decided(response: &Response, seen: &Seen) -> Option<Decision> {
    if !seen.route.asks_for_caller() || response.status() == StatusCode::METHOD_NOT_ALLOWED {
        return None;
    }
    let problem = response.extensions().get::<Problem>();
    problem.and_then(refusal).or(Some(Decision::Allow))
}

/// Whether a problem is that somebody may not.
pub(super) fn refusal(problem: &Problem) -> Option<Decision> {
    let is_refused = match problem.code() {
        Code::Unauthenticated
        | Code::RateLimited
        | Code::Forbidden
        | Code::Misdirected
        | Code::IssuerUnavailable => true,
        Code::BadRequest => problem.reason() == Refusal::Doubled.as_str(),
        _ => false,
    };
    is_refused.then_some(Decision::Deny)
}

/// The answer where the audit cannot be written.
pub(super) fn unrecorded() -> Problem {
    Problem::new(Code::AuditUnavailable, "the audit record cannot be written")
        .with_retry_after(Some(Duration::from_secs(1)))
}

/// A request on its way, which sees to what stays of it: also of a caller who leaves before the
/// answer, when the future of its request is dropped.
pub(super) struct Departure<'a> {
    edge: &'a Edge,
    seen: &'a Seen,
    /// The place of its record.
    slot: Option<Slot>,
    /// What was decided so far.
    decision: Option<Decision>,
    has_ended: bool,
}

impl<'a> Departure<'a> {
    pub(super) fn of(edge: &'a Edge, seen: &'a Seen) -> Self {
        Self { edge, seen, slot: None, decision: None, has_ended: false }
    }

    pub(super) fn seen(&self) -> &'a Seen {
        self.seen
    }

    /// Takes a place for the record, where decisions are recorded.
    ///
    /// # Errors
    /// [`AuditFailed`]: nothing may be decided.
    pub(super) async fn reserve(&mut self) -> Result<(), AuditFailed> {
        if self.edge.audit.is_on() {
            self.slot = Some(self.edge.audit.reserve().await?);
        }
        Ok(())
    }

    /// Notes what was decided, for a caller who leaves now.
    pub(super) fn decide(&mut self, decision: Option<Decision>) {
        self.decision = decision;
    }

    /// What was decided so far.
    pub(super) fn decision(&self) -> Option<Decision> {
        self.decision
    }

    /// Writes the audit's record, if there was a decision; without it there is no answer.
    pub(super) async fn record(&mut self, judged: Judged) -> Judged {
        let (response, decision) = &judged;
        self.decide(*decision);
        let (Some(decision), Some(slot)) = (*decision, self.slot.take()) else { return judged };
        let problem = response.extensions().get::<Problem>();
        let reason = problem.filter(|_| decision == Decision::Deny).map(Problem::reason);
        let written =
            self.with_record(decision, response.status(), reason, |record| slot.write(record));
        match written.await {
            Ok(()) => judged,
            Err(_) => (unrecorded().into_response(), Some(decision)),
        }
    }

    /// From here on nobody can leave.
    pub(super) fn end(mut self) {
        self.has_ended = true;
    }

    fn with_record<T>(
        &self,
        decision: Decision,
        status: StatusCode,
        reason: Option<&str>,
        then: impl FnOnce(&AuditRecord<'_>) -> T,
    ) -> T {
        let Self { edge, seen, .. } = self;
        let (org, sddc) = edge.routes.ids(seen.uri.path());
        let credential = seen.credential().map(|id| id.to_string());
        then(&AuditRecord {
            timestamp: edge.clock.wall(),
            id: Uuid::new_v4(),
            request_id: seen.id.to_str().unwrap_or_default(),
            caller: &edge.caller(seen),
            credential: credential.as_deref(),
            method: method_name(&seen.method),
            client: seen.client,
            route: &seen.route.label,
            org_id: org.as_ref(),
            sddc_id: sddc.as_ref(),
            decision,
            reason,
            status: status.as_u16(),
        })
    }
}

impl Drop for Departure<'_> {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        // Nobody gets this status: it is nginx's for the same.
        let status = StatusCode::from_u16(499).expect("three digits");
        let (decision, reason) = (self.decision, Some("client_left"));
        if let (Some(slot), Some(decision)) = (self.slot.take(), decision) {
            self.with_record(decision, status, reason, |record| slot.leave(record));
        }
        let end = End { is_stream: false, status, bytes: None, outcome: None, decision, reason };
        self.edge.observe(self.seen, &end);
    }
}

impl Edge {
    /// Counts a request and writes its line.
    pub(super) fn observe(&self, seen: &Seen, end: &End<'_>) {
        let took = self.clock.now().since(seen.began);
        if let Some(outcome) = end.outcome {
            self.metrics.cache(outcome.result);
        }
        let caller = self.caller(seen);
        let method = method_name(&seen.method);
        if self.access_log.is_on() {
            self.access_log.write(&AccessRecord {
                timestamp: self.clock.wall(),
                level: "INFO",
                target: "sddc_gateway::access",
                message: "request",
                request_id: seen.id.to_str().unwrap_or_default(),
                trace_id: seen.traceparent.as_ref().and_then(trace_id),
                caller: &caller,
                client: seen.client,
                method,
                route: &seen.route.label,
                status: end.status.as_u16(),
                duration_ms: took.as_secs_f64() * 1000.0,
                bytes: end.bytes,
                cache: end.outcome.map(|outcome| outcome.result.as_str()),
                age_s: end.outcome.map(|outcome| outcome.age_s),
                decision: end.decision,
                reason: end.reason,
                client_san: seen.unnamed_san().as_deref(),
            });
        }
        let (route, status) = (seen.route.label.clone(), end.status);
        let waits = if end.is_stream { Waits::Stream } else { seen.waits() };
        self.metrics.http_call(HttpCall { route, method, status, caller, took, waits });
    }

    /// Gives a 304 back to its caller's rate, and says what is left of it. A refusal has said so
    /// itself, and what was not judged has cost nothing.
    pub(super) fn tell_rate(&self, (response, decision): &mut Judged, seen: &Seen) {
        let Identity::Known(known) = seen.identity() else { return };
        let Some(limiter) = known.caller().limiter() else { return };
        match (*decision, response.status()) {
            (Some(Decision::Allow), StatusCode::NOT_MODIFIED) => limiter.give_back(),
            (Some(Decision::Allow), _) => {}
            (Some(Decision::Deny), StatusCode::TOO_MANY_REQUESTS) => {
                self.metrics.rate_limited(known.caller().name().label());
                return;
            }
            _ => return,
        }
        let standing = limiter.standing(self.clock.now()).field(access::CALLER);
        let headers = response.headers_mut();
        headers.insert(access::RATELIMIT_POLICY, limiter.policy());
        headers.insert(access::RATELIMIT, standing);
    }

    /// The caller's name for log lines and metrics.
    fn caller(&self, seen: &Seen) -> Arc<str> {
        match seen.identity() {
            Identity::Known(known) => known.caller().name().label(),
            Identity::Refused(_) => self.routes.nobody(),
        }
    }
}

/// Methods are a closed set in metrics and log lines.
fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "PATCH" => "PATCH",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
