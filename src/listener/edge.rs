//! The edge: what every request to the API passes, from top to bottom.
//!
//! One function instead of a stack of layers: measured, the usual stack costs more than everything
//! else that a cached answer needs. No span is opened here.

use std::{
    net::IpAddr,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::Poll,
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version, header};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::error::Elapsed;
use tower::ServiceExt;
use uuid::Uuid;

use super::{
    Peer,
    body::AnswerBody,
    host::{HostRule, only_host},
    io::Activity,
    request_id::{X_REQUEST_ID, accept_or_new, trace_id},
    routes::{Route, Routes},
    target,
};
use crate::{
    access::{self, CredentialId, Identity, Policy, Refusal, Sender, TrustedProxies},
    api::{Outcome, Streaming},
    clock::{Clock, Instant},
    in_flight::{InFlight, Permit},
    lifecycle::Readiness,
    problem::{Code, Problem},
    telemetry::{
        AccessLog, AccessRecord, Audit, AuditFailed, AuditRecord, Decision, HttpCall, Metrics, Slot,
    },
};

const MOST_BODY_BYTES: u64 = 64 * 1024;
const MOST_HEADER_BYTES: usize = 16 * 1024;

/// Everything the edge needs. Shared by all connections.
#[derive(Debug)]
pub struct Edge {
    /// The routes behind it.
    pub router: Router,
    /// What they are called, and which of them ask who calls.
    pub routes: Routes,
    /// Who may call.
    pub policy: Policy,
    /// Whose word counts for where a request comes from.
    pub proxies: TrustedProxies,
    /// Which names it answers for.
    pub host: HostRule,
    /// Whether the end has begun.
    pub readiness: Readiness,
    /// Requests being worked on.
    pub in_flight: InFlight,
    /// `api.request_timeout`.
    pub request_timeout: Duration,
    /// How long a body may take to arrive: `api.header_timeout`.
    pub body_timeout: Duration,
    /// Time.
    pub clock: Clock,
    /// Counters.
    pub metrics: Metrics,
    /// One line per request.
    pub access_log: AccessLog,
    /// One record per decision.
    pub audit: Audit,
}

/// What is known of a request once it has been looked at.
struct Seen {
    began: Instant,
    client: IpAddr,
    id: HeaderValue,
    traceparent: Option<HeaderValue>,
    version: Version,
    uri: Uri,
    method: Method,
    route: Route,
    /// Empty until it is known.
    identity: OnceLock<Identity>,
}

/// How a request ended.
struct End<'a> {
    status: StatusCode,
    bytes: Option<u64>,
    outcome: Option<&'a Outcome>,
    decision: Option<Decision>,
    reason: Option<&'static str>,
}

/// An answer, and what was decided about who asked; nothing where nobody was judged.
type Judged = (Response, Option<Decision>);

impl Edge {
    /// Answers one request.
    pub async fn answer(
        &self,
        request: Request<Incoming>,
        peer: &Peer,
        activity: &Arc<Activity>,
    ) -> Response<AnswerBody> {
        let exchange = activity.begin();
        let seen = self.look_at(&request, peer.address.ip());
        let mut departure = Departure { edge: self, seen: Some(&seen), slot: None };
        let permit = self.in_flight.enter(seen.route.is_probe());
        let may_wait = permit.is_some() && seen.route.asks_for_caller();
        let certificate = peer.certificate.as_ref();
        let identity = self.policy.identify(request.headers(), certificate, may_wait).await;
        seen.identity.get_or_init(|| identity);
        let judged = match &permit {
            Some(permit) => self.work(request, &seen, permit, &mut departure).await,
            None => {
                let overloaded = Problem::new(Code::Overloaded, "too many requests at once")
                    .with_retry_after(Some(Duration::from_secs(1)));
                (overloaded.into_response(), None)
            }
        };
        let judged = self.record(judged, &seen, departure.slot.take()).await;
        departure.seen = None;
        let response = self.finish(judged, &seen);
        let is_stream = response.extensions().get::<Streaming>().is_some();
        let watched = is_stream.then(|| self.metrics.clone());
        response.map(|body| AnswerBody::new(body, exchange, permit, watched))
    }

    fn look_at(&self, request: &Request<Incoming>, peer: IpAddr) -> Seen {
        let headers = request.headers();
        Seen {
            began: self.clock.now(),
            client: self.proxies.client(peer, headers),
            id: accept_or_new(headers), // only a sane one of the caller's is kept
            traceparent: headers.get("traceparent").cloned(),
            version: request.version(),
            uri: request.uri().clone(),
            method: request.method().clone(),
            route: self.routes.find(request.uri().path()),
            identity: OnceLock::new(),
        }
    }

    async fn work(
        &self,
        mut request: Request<Incoming>,
        seen: &Seen,
        permit: &Permit,
        departure: &mut Departure<'_>,
    ) -> Judged {
        // Before anything is decided: there is no decision without a record.
        if self.audit.is_on() && !seen.route.is_probe() {
            match self.audit.reserve().await {
                Ok(slot) => departure.slot = Some(slot),
                Err(failed) => return (unrecorded(failed), None),
            }
        }
        if let Err(problem) = self.admit(&request, seen) {
            let decision = refusal(problem.code());
            return (problem.into_response(), decision);
        }
        let (policy, identity) = (self.policy.clone(), seen.identity().clone());
        request.extensions_mut().insert(Sender { policy, identity, client: seen.client });
        request.extensions_mut().insert(permit.clone());
        let work = AssertUnwindSafe(self.route(request, permit)).catch_unwind();
        let mut work = std::pin::pin!(work);
        // An answer from the picture is there at once: only what waits pays for a timer.
        let worked = match futures_util::poll!(&mut work) {
            Poll::Ready(worked) => Ok(worked),
            Poll::Pending => self.in_time(work, permit).await,
        };
        let problem = match worked {
            Ok(Ok(Ok(response))) => {
                let decision = decided(&response, seen);
                return (response, decision);
            }
            Ok(Ok(Err(problem))) => return (problem.into_response(), None),
            Ok(Err(_panic)) => {
                tracing::error!(http.route = &*seen.route.label, "a handler panicked");
                Problem::new(Code::Internal, "internal error")
            }
            Err(_late) => {
                let detail = "no answer could be had within the time a request may take";
                Problem::new(Code::UpstreamTimeout, detail)
            }
        };
        // Who is refused is refused at once: this one was let in.
        let decision = seen.route.asks_for_caller().then_some(Decision::Allow);
        (problem.into_response(), decision)
    }

    /// Writes the audit's record, if there was a decision; without it there is no answer.
    async fn record(&self, judged: Judged, seen: &Seen, slot: Option<Slot>) -> Judged {
        let (response, Some(decision)) = &judged else { return judged };
        let Some(slot) = slot else { return judged };
        let problem = response.extensions().get::<Problem>();
        let reason = problem.filter(|_| *decision == Decision::Deny).map(Problem::reason);
        let written = self
            .with_record(seen, *decision, response.status(), reason, |record| slot.write(record));
        match written.await {
            Ok(()) => judged,
            Err(failed) => (unrecorded(failed), Some(*decision)),
        }
    }

    fn with_record<T>(
        &self,
        seen: &Seen,
        decision: Decision,
        status: StatusCode,
        reason: Option<&str>,
        then: impl FnOnce(&AuditRecord<'_>) -> T,
    ) -> T {
        let (org, sddc) = self.routes.ids(seen.uri.path());
        let credential = seen.credential().map(|id| id.to_string());
        then(&AuditRecord {
            timestamp: self.clock.wall(),
            id: Uuid::new_v4(),
            request_id: seen.id.to_str().unwrap_or_default(),
            caller: &self.caller(seen),
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

    /// The caller's name for log lines and metrics.
    fn caller(&self, seen: &Seen) -> Arc<str> {
        match seen.identity() {
            Identity::Known(known) => known.caller().name().label(),
            Identity::Refused(_) => self.routes.nobody(),
        }
    }

    /// Waits for at most `api.request_timeout`, not counting while the request is parked.
    async fn in_time<T>(
        &self,
        mut work: Pin<&mut impl Future<Output = T>>,
        permit: &Permit,
    ) -> Result<T, Elapsed> {
        loop {
            match tokio::time::timeout(self.request_timeout, &mut work).await {
                Err(_) if permit.is_parked() => {}
                worked => return worked,
            }
        }
    }

    /// Refuses what is no request for this listener.
    fn admit(&self, request: &Request<Incoming>, seen: &Seen) -> Result<(), Problem> {
        target::check(request.uri())?;
        let fields = request.headers().iter();
        // As on the wire: the colon, the blank and the line's end count too.
        let size: usize = fields.map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if size > MOST_HEADER_BYTES {
            let detail = "all header fields together may have 16 KiB";
            return Err(Problem::new(Code::TooLarge, detail)
                .with_status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
        }
        if request.body().size_hint().lower() > MOST_BODY_BYTES {
            return Err(body_too_large());
        }
        // A load balancer asks its probes by address.
        if seen.route.is_probe() {
            return only_host(seen.version, request.uri(), request.headers()).map(|_| ());
        }
        self.host.check(seen.version, request.uri(), request.headers())
    }

    async fn route(
        &self,
        request: Request<Incoming>,
        permit: &Permit,
    ) -> Result<Response, Problem> {
        let (parts, body) = request.into_parts();
        // No handler wants a body: what comes is read within its bound, so that the connection can
        // be used again.
        if !body.is_end_stream() {
            // To wait for bytes is no work: callers who send none would shed everybody else.
            permit.park();
            let swallowed = tokio::time::timeout(self.body_timeout, swallow(body)).await;
            permit.resume();
            let late = || Problem::new(Code::BadRequest, "the body did not arrive in time");
            swallowed.map_err(|_| late())??;
        }
        let request = Request::from_parts(parts, Body::empty());
        Ok(self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {}))
    }

    /// Makes a problem a document, adds what every answer has, counts it and writes its line.
    fn finish(&self, (response, decision): Judged, seen: &Seen) -> Response {
        let (mut response, reason) = self.render(response, seen);
        self.tell_rate(&mut response, seen);
        let headers = response.headers_mut();
        common_headers(headers);
        headers.insert(X_REQUEST_ID, seen.id.clone());
        // HTTP/2 has GOAWAY for it.
        if self.readiness.is_ending() && seen.version != Version::HTTP_2 {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let end = End {
            status: response.status(),
            bytes: response.body().size_hint().exact(),
            outcome: response.extensions().get::<Outcome>(),
            decision,
            reason,
        };
        self.observe(seen, &end);
        response
    }

    /// Gives a 304 back to its caller's rate, and says what is left of it.
    fn tell_rate(&self, response: &mut Response, seen: &Seen) {
        let Identity::Known(known) = seen.identity() else { return };
        let Some(limiter) = known.caller().limiter() else { return };
        if !seen.route.asks_for_caller() || response.status() == StatusCode::METHOD_NOT_ALLOWED {
            return;
        }
        match response.status() {
            StatusCode::NOT_MODIFIED => limiter.give_back(),
            StatusCode::TOO_MANY_REQUESTS => {
                self.metrics.rate_limited(known.caller().name().label());
            }
            _ => {}
        }
        let standing = limiter.standing(self.clock.now()).field(access::CALLER);
        let headers = response.headers_mut();
        headers.insert(access::RATELIMIT_POLICY, limiter.rate().policy(access::CALLER));
        headers.insert(access::RATELIMIT, standing);
    }

    fn render(&self, mut response: Response, seen: &Seen) -> (Response, Option<&'static str>) {
        let status = response.status();
        if !status.is_client_error() && !status.is_server_error() {
            return (response, None);
        }
        let problem = match response.extensions_mut().remove::<Problem>() {
            Some(problem) => problem,
            // On this listener a probe shows its status only.
            None if seen.route.is_probe() => return (response, None),
            // axum's own rejections carry none.
            None => Problem::new(code_of(status), "the request cannot be read"),
        };
        if refusal(problem.code()).is_some() {
            self.metrics.access_denied(problem.reason());
        }
        let id = seen.id.to_str().unwrap_or_default();
        let mut rendered = problem.render(seen.uri.path(), id);
        if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
            rendered.headers_mut().insert(header::ALLOW, allow);
        }
        (rendered, Some(problem.reason()))
    }

    fn observe(&self, seen: &Seen, end: &End<'_>) {
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
            });
        }
        let route = seen.route.label.clone();
        self.metrics.http_call(HttpCall { route, method, status: end.status, caller, took });
    }
}

impl Seen {
    fn identity(&self) -> &Identity {
        const UNKNOWN: &Identity = &Identity::Refused(Refusal::Missing);
        self.identity.get().unwrap_or(UNKNOWN)
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
fn decided(response: &Response, seen: &Seen) -> Option<Decision> {
    if !seen.route.asks_for_caller() || response.status() == StatusCode::METHOD_NOT_ALLOWED {
        return None;
    }
    let problem = response.extensions().get::<Problem>();
    problem.and_then(|problem| refusal(problem.code())).or(Some(Decision::Allow))
}

/// Whether a problem is that somebody may not.
fn refusal(code: Code) -> Option<Decision> {
    let refused = [Code::Unauthenticated, Code::RateLimited, Code::Forbidden, Code::Misdirected];
    refused.contains(&code).then_some(Decision::Deny)
}

fn unrecorded(failed: AuditFailed) -> Response {
    Problem::new(Code::Overloaded, failed.to_string())
        .with_retry_after(Some(Duration::from_secs(1)))
        .with_reason("audit")
        .into_response()
}

/// Sees a caller who leaves before the answer: the future of its request is dropped.
struct Departure<'a> {
    edge: &'a Edge,
    seen: Option<&'a Seen>,
    /// For the audit's record of it.
    slot: Option<Slot>,
}

impl Drop for Departure<'_> {
    fn drop(&mut self) {
        let Some(seen) = self.seen else { return };
        // Nobody gets this status: it is nginx's for the same.
        let status = StatusCode::from_u16(499).expect("three digits");
        let reason = Some("client_left");
        // Who is refused is answered before anybody can leave.
        let decision = seen.route.asks_for_caller().then_some(Decision::Allow);
        if let (Some(slot), Some(decision)) = (self.slot.take(), decision) {
            self.edge.with_record(seen, decision, status, reason, |record| slot.leave(record));
        }
        let end = End { status, bytes: None, outcome: None, decision, reason };
        self.edge.observe(seen, &end);
    }
}

/// What every answer has, on both listeners. A page that needs more has set its own policy.
pub(super) fn common_headers(headers: &mut HeaderMap) {
    const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
    const NOTHING: HeaderValue =
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    const CSP: HeaderName = header::CONTENT_SECURITY_POLICY;
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    if !headers.contains_key(CSP) {
        headers.insert(CSP, NOTHING);
    }
}

fn body_too_large() -> Problem {
    Problem::new(Code::TooLarge, "a body may have 64 KiB")
}

fn code_of(status: StatusCode) -> Code {
    match status.as_u16() {
        404 => Code::NotFound,
        405 => Code::MethodNotAllowed,
        413 => Code::TooLarge,
        400..=499 => Code::BadRequest,
        _ => Code::Internal,
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

/// Reads a body away, within its bound.
async fn swallow(body: Incoming) -> Result<(), Problem> {
    let limit = usize::try_from(MOST_BODY_BYTES).unwrap_or(usize::MAX);
    let mut body = Limited::new(body, limit);
    while let Some(frame) = body.frame().await {
        if let Err(error) = frame {
            return Err(if error.is::<LengthLimitError>() {
                body_too_large()
            } else {
                Problem::new(Code::BadRequest, "the body breaks off")
            });
        }
    }
    Ok(())
}
