//! The edge: what every request to the API passes, a numbered list of steps from top to bottom.
//!
//! One function instead of a stack of layers: measured, the usual stack costs more than everything
//! else that a cached answer needs. A span is made of what the access line says, once it is over. An answer that was given before is there
//! at once (`Edge::recall`), without a future of its own; all others are worked on
//! (`Edge::work`), and leave by the same steps (`Edge::send`).

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::Poll,
    time::Duration,
};

use axum::{body::Body, response::IntoResponse};
use base::trace;
use bytes::Bytes;
use futures_util::{FutureExt, future};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::{Body as _, Incoming};
use tokio::{sync::Semaphore, time::error::Elapsed};
use tokio_util::sync::CancellationToken;

use super::{
    body::{AnswerBody, Content, read_body},
    connection::{Answering, Peer},
    head,
    host::{HostRule, check_any_host},
    outcome::{Outcome, add_common_headers, render},
    record::{Recorder, RequestLog},
    request_id::{accept_or_new, trace_context},
    request_info::RequestInfo,
    routes::{Route, RouteMatcher},
    state::RequestGuard,
};
use crate::{
    access::{self, Identity, Policy, RequestIdentity, TrustedProxies},
    api::Api,
    contact::Contact,
    drop_in::{DropIn, Endpoint, vmc_error::VmcErrorBody},
    in_flight::{InFlight, Permit},
    lifecycle::Readiness,
    problem::{Code, Problem},
    public_path::PublicPath,
    telemetry::{Decision, WaitKind},
};

/// Everything the edge needs. Shared by all connections.
#[derive(Debug)]
pub struct Edge {
    /// What answers behind it.
    pub api: Api,
    /// VMware's own API, where it is offered.
    pub drop_in: Option<DropIn>,
    /// Which route a path leads to.
    pub routes: RouteMatcher,
    /// Decides which callers are let in.
    pub policy: Policy,
    /// The proxies whose `X-Forwarded-For` tells where a request comes from.
    pub proxies: TrustedProxies,
    /// The names that the listener answers for.
    pub host: HostRule,
    /// Where callers reach it: the `type` of problems begins with it.
    pub public_path: PublicPath,
    /// Whom a caller without a credential is told to ask.
    pub contact: Option<Contact>,
    /// Whether the end has begun.
    pub readiness: Readiness,
    /// Cancelled when the time of the drain is up: what is still being worked on is answered 503.
    pub cutting: CancellationToken,
    /// Requests being worked on.
    pub in_flight: InFlight,
    /// Places for requests that only wait, for a body or for an issuer's keys.
    pub waiting: Semaphore,
    /// `api.request_timeout`.
    pub request_timeout: Duration,
    /// How long a body may take to arrive: `api.header_timeout`.
    pub body_timeout: Duration,
    /// What is kept of each request.
    pub recorder: Recorder,
}

impl Edge {
    /// Answers one request.
    pub fn answer(
        self: &Arc<Self>,
        mut request: Request<Incoming>,
        peer: Peer,
        // 1. The connection is in use until its peer has taken the answer: it is not closed as idle.
        guard: RequestGuard,
    ) -> Answering {
        // 2. The head is read once, for all later steps.
        let mut info = self.inspect(&request, peer);
        // 3. Above `api.max_in_flight` requests are shed at once, so that the others stay fast.
        let permit = self.in_flight.enter(info.route.is_probe());
        // 4. What was answered before, and is still the answer, is there at once.
        if permit.is_some()
            && let Some(recalled) = self.recall(&request, &info)
        {
            return future::ready(self.send(recalled, info, permit, guard)).left_future();
        }
        if let WaitKind::Poll = info.waits() {
            info.leave_buffer(&mut request);
        }
        // Boxed: each step's future would have room for the whole of it.
        let request = Box::new(request);
        let (edge, span) = (self.clone(), info.span.map(|span| span.context));
        let work = async move {
            // 5. From here on the request leaves its line, count and record, also if its caller leaves.
            let mut log = RequestLog::new(&edge.recorder, &info);
            let mut outcome = match &permit {
                Some(permit) => edge.work_until_cut(request, permit, &mut log).await,
                None => Outcome::undecided(overloaded("too many requests at once")),
            };
            // 11. Without its audit record no answer goes out.
            log.write_record(&mut outcome).await;
            log.finish();
            edge.send(outcome, info, permit, guard)
        };
        trace::within(span, work).boxed().right_future()
    }

    /// Sends an answer: the caller cannot leave any longer.
    fn send(
        &self,
        mut outcome: Outcome,
        info: RequestInfo,
        permit: Option<Permit>,
        guard: RequestGuard,
    ) -> Response<AnswerBody> {
        // 12. A problem becomes a document here, where the request's id and path are known.
        self.render_problem(&mut outcome, &info);
        // 13. A caller with a rate learns what is left of it.
        self.add_rate_limit(&mut outcome, &info);
        // 14. The answer is counted and logged as it is sent, refusals too.
        self.recorder.observe(&info, &outcome);
        // 15. The permit is given back once the body is handed out, and a stream is timed at its end.
        let watched = outcome.is_stream().then(|| self.recorder.watch_stream(&info));
        // 16. Every answer has the same security headers and its request id.
        self.add_headers(&mut outcome.response, info);
        outcome.response.map(|body| AnswerBody::new(body, guard).holding(permit, watched))
    }

    /// Reads off the head what the steps ask for.
    fn inspect(&self, request: &Request<Incoming>, peer: Peer) -> RequestInfo {
        let headers = request.headers();
        let route = self.routes.find(request.uri().path());
        let certificate = peer.certificate.as_ref();
        let identity = match (&self.drop_in, route.drop_in()) {
            // The body tells who asks for a token.
            (Some(_), Some(endpoint)) if endpoint.reads_body() => None,
            (Some(drop_in), Some(_)) => Some(drop_in.identify(&self.policy, headers)),
            _ => self.policy.identify(headers, certificate, route.asks_for_caller()),
        };
        let traceparent = trace_context(headers);
        RequestInfo {
            began: self.recorder.clock.now(),
            client: self.proxies.client(peer.address.ip(), headers),
            id: accept_or_new(headers), // only a sane one of the caller's is kept
            traceparent,
            span: self.recorder.begin_span(traceparent, route),
            version: request.version(),
            uri: request.uri().clone(),
            method: request.method().clone(),
            route,
            identity: identity.map_or_else(OnceLock::new, OnceLock::from),
            certificate: peer.certificate,
        }
    }

    /// The answer of a plain request of a caller who may have it, if it was given before. Whatever
    /// else there is to it, a refusal too, is left to [`Edge::work`], of which nothing is done here.
    fn recall(&self, request: &Request<Incoming>, info: &RequestInfo) -> Option<Outcome> {
        // A body and an audit record are waited for.
        if !request.body().is_end_stream() || self.recorder.audit.is_on() {
            return None;
        }
        let Identity::Authenticated(known) = info.identity() else { return None };
        let (caller, now) = (known.caller(), info.began);
        let admit = |scope| {
            // Only then does it count against the caller's rate.
            let is_good = self.admit(request, info).is_ok() && caller.has(scope);
            is_good && known.admit(scope, now).is_ok()
        };
        let recall = || match (info.route.drop_in(), &self.drop_in) {
            (None, _) => self.api.recall(request, caller, now, admit),
            (Some(Endpoint::Read), Some(drop_in)) => drop_in.recall(request, caller, now, admit),
            _ => None,
        };
        let recalled = std::panic::catch_unwind(AssertUnwindSafe(recall)).ok()??;
        Some(Outcome::recalled(recalled.0, recalled.1))
    }

    /// Works on a request until it is answered, or until the time of the drain is up: then its caller
    /// is told so before the connection is cut.
    async fn work_until_cut(
        &self,
        request: Box<Request<Incoming>>,
        permit: &Permit,
        log: &mut RequestLog<'_>,
    ) -> Outcome {
        tokio::select! {
            biased;
            outcome = self.work(request, permit, log) => return outcome,
            () = self.cutting.cancelled() => {}
        }
        Outcome::new(shutting_down().into_response(), log.decision())
    }

    async fn work(
        &self,
        request: Box<Request<Incoming>>,
        permit: &Permit,
        log: &mut RequestLog<'_>,
    ) -> Outcome {
        let info = log.info();
        // 6. What is no request for this listener costs nothing more. A refusal is recorded too.
        if let Err(problem) = self.admit(&request, info) {
            let refused = Outcome::refused(problem);
            if refused.decision.is_some() && log.reserve_record().await.is_err() {
                return Outcome::unrecorded(None);
            }
            return refused;
        }
        // 7. Only who asks for a token of ours has a body that is wanted. Others are read away, so that
        //    the connection can be used again.
        let (mut request, body) = match self.take_body(request, permit, info.route).await {
            Ok(taken) => taken,
            Err(problem) => return Outcome::undecided(problem),
        };
        // 8. A token whose key is not known yet waits for the issuer's newest keys.
        self.identify(&mut request, &body, permit, info).await;
        // 9. The audit's permit is taken before anything is decided: no decision is without a record.
        if info.route.asks_for_caller() && log.reserve_record().await.is_err() {
            return Outcome::unrecorded(None);
        }
        // 10. The handler answers in time, and its panic is a 500.
        self.call_handler(request, permit, log).await
    }

    /// Refuses what is no request for this listener.
    fn admit(&self, request: &Request<Incoming>, info: &RequestInfo) -> Result<(), Problem> {
        head::check(request)?;
        head::check_size(request)?;
        // A load balancer asks its probes by address.
        if info.route.is_probe() {
            return check_any_host(info.version, request.uri(), request.headers());
        }
        self.host.check(info.version, request.uri(), request.headers())
    }

    async fn take_body(
        &self,
        request: Box<Request<Incoming>>,
        permit: &Permit,
        route: &Route,
    ) -> Result<(Box<Request<Body>>, Bytes), Problem> {
        let (parts, body) = request.into_parts();
        let mut taken = Bytes::new();
        if !http_body::Body::is_end_stream(&body) {
            let is_wanted = route.drop_in().is_some_and(Endpoint::reads_body);
            let waiting = self.waiting.try_acquire();
            let _permit =
                waiting.map_err(|_| overloaded("too many requests with a body at once"))?;
            // To wait for bytes is no work: callers who send none would shed everybody else.
            permit.park();
            let read = tokio::time::timeout(self.body_timeout, read_body(body, is_wanted)).await;
            permit.resume();
            let late = |_| Problem::new(Code::BadRequest, "the body did not arrive in time");
            taken = read.map_err(late)??;
        }
        Ok((Box::new(Request::from_parts(parts, Body::empty())), taken))
    }

    /// Finds out who sent the request, where its head has not told.
    async fn identify(
        &self,
        request: &mut Request<Body>,
        body: &[u8],
        permit: &Permit,
        info: &RequestInfo,
    ) {
        match (&self.drop_in, info.route.drop_in()) {
            (Some(drop_in), Some(endpoint)) if endpoint.reads_body() => {
                let identity = drop_in.identify_by_body(&self.policy, endpoint, request, body);
                let _ = info.identity.set(identity);
            }
            _ => self.wait_for_keys(request.headers(), permit, info).await,
        }
    }

    /// Waits for the issuer's newest keys where the caller's token needs them, unless too many requests
    /// wait already.
    async fn wait_for_keys(&self, headers: &HeaderMap, permit: &Permit, info: &RequestInfo) {
        if info.identity.get().is_some() {
            return;
        }
        let retry_in = match self.waiting.try_acquire() {
            Ok(_permit) => {
                permit.park();
                let retry_in = self.policy.fetch_keys(headers).await;
                permit.resume();
                retry_in
            }
            // Others have taken every permit: that says nothing of the token.
            Err(_) => Some(Duration::from_secs(1)),
        };
        let certificate = info.certificate.as_ref();
        info.identity.get_or_init(|| self.policy.judge(headers, certificate, retry_in));
    }

    async fn call_handler(
        &self,
        mut request: Box<Request<Body>>,
        permit: &Permit,
        log: &mut RequestLog<'_>,
    ) -> Outcome {
        let info = log.info();
        let (policy, identity) = (self.policy.clone(), info.identity().clone());
        let (client, request_id) = (info.client, info.id.clone());
        request.extensions_mut().insert(RequestIdentity { policy, identity, client, request_id });
        request.extensions_mut().insert(permit.clone());
        let answer = match (&self.drop_in, info.route.drop_in()) {
            (Some(drop_in), Some(endpoint)) => {
                drop_in.answer(endpoint, *request).boxed().left_future()
            }
            _ => self.api.answer(*request).right_future(),
        };
        let work = AssertUnwindSafe(answer).catch_unwind();
        let mut work = std::pin::pin!(work);
        let admitted = info.route.asks_for_caller().then_some(Decision::Allow);
        // A cached answer is there at once: only what waits pays for a timer.
        let worked = match futures_util::poll!(&mut work) {
            Poll::Ready(worked) => Ok(worked),
            Poll::Pending => {
                // A refusal is there at once: this caller was let in.
                log.set_decision(admitted);
                self.in_time(work, permit).await
            }
        };
        let problem = match worked {
            Ok(Ok(response)) => return Outcome::of_handler(response, info.route),
            Ok(Err(_panic)) => {
                tracing::error!(http.route = info.route.template, "a handler panicked");
                Problem::new(Code::Internal, "internal error")
            }
            Err(_late) => {
                let detail = "no answer was ready within the time limit of a request";
                Problem::new(Code::UpstreamTimeout, detail)
            }
        };
        Outcome::new(problem.into_response(), admitted)
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

    fn render_problem(&self, outcome: &mut Outcome, info: &RequestInfo) {
        let response = &mut outcome.response;
        let status = response.status();
        if !status.is_client_error() && !status.is_server_error() {
            return;
        }
        if let Some(error) = response.extensions_mut().remove::<VmcErrorBody>() {
            *response = error.render(info.uri.path()).map(Content::from);
            return;
        }
        let problem = match response.extensions_mut().remove::<Problem>() {
            Some(problem) => problem,
            // On this listener a probe shows its status only.
            None if info.route.is_probe() => return,
            // axum's own rejections carry none.
            None => Problem::new(code_of(status), "the request cannot be read"),
        };
        let problem = match problem.code() {
            Code::Unauthenticated => problem.with_contact(self.contact.clone()),
            _ => problem,
        };
        if Outcome::is_refusal(&problem) {
            self.recorder.metrics.access_denied(problem.reason());
        }
        let path = info.uri.path();
        match info.route.drop_in().map(Endpoint::shape) {
            Some(shape) => {
                let id = info.id.to_str().unwrap_or_default();
                *response = shape.render(&problem, path, id).map(Content::from);
            }
            None => render(response, &problem, &self.public_path, path, &info.id),
        }
        outcome.reason = Some(problem.reason());
    }

    /// Gives a 304 back to its caller's rate, and says what is left of it. A refusal has said so
    /// itself, and what was not judged has cost nothing.
    fn add_rate_limit(&self, outcome: &mut Outcome, info: &RequestInfo) {
        let Some(caller) = info.authenticated_caller() else { return };
        let Some(limiter) = caller.limiter() else { return };
        match (outcome.decision, outcome.response.status()) {
            (Some(Decision::Allow), StatusCode::NOT_MODIFIED) => limiter.give_back(),
            (Some(Decision::Allow), _) => {}
            (Some(Decision::Deny), StatusCode::TOO_MANY_REQUESTS) => {
                self.recorder.metrics.rate_limited(caller.name().label().clone());
                return;
            }
            _ => return,
        }
        let left = limiter.quota(self.recorder.clock.now()).field(access::CALLER);
        let headers = outcome.response.headers_mut();
        headers.insert(access::RATELIMIT_POLICY, limiter.policy());
        headers.insert(access::RATELIMIT, left);
    }

    fn add_headers(&self, response: &mut Response<Content>, info: RequestInfo) {
        let headers = response.headers_mut();
        add_common_headers(headers, info.id);
        // HTTP/2 has GOAWAY for it.
        if self.readiness.is_ending() && info.version != Version::HTTP_2 {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// The caller may try again in a moment.
fn overloaded(detail: &'static str) -> Problem {
    Problem::new(Code::Overloaded, detail).with_retry_after(Some(Duration::from_secs(1)))
}

/// The caller may try again elsewhere.
fn shutting_down() -> Problem {
    Problem::new(
        Code::ShuttingDown,
        "the gateway is shutting down, and the time for requests in flight is over",
    )
    .with_retry_after(Some(Duration::from_secs(1)))
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
