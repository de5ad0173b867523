//! The edge: what every request to the API passes, from top to bottom.
//!
//! One function instead of a stack of layers: measured, the usual stack costs more than everything
//! else that a cached answer needs. No span is opened here.

use std::{
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
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Version, header};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::{sync::Semaphore, time::error::Elapsed};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{
    Peer,
    body::{AnswerBody, WatchedStream},
    host::{HostRule, check_any_host},
    io::Activity,
    record::{Departure, End, Judged, Seen, decided, refusal, unrecorded},
    request_id::{X_REQUEST_ID, accept_or_new},
    routes::Routes,
    target,
};
use crate::{
    access::{Policy, Sender, TrustedProxies},
    api::{Outcome, StreamMarker},
    clock::Clock,
    in_flight::{InFlight, Permit},
    lifecycle::Readiness,
    problem::{Code, Problem},
    public_path::PublicPath,
    telemetry::{AccessLog, Audit, Decision, Metrics},
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
    /// Where callers reach it: the `type` of problems begins with it.
    pub public_path: PublicPath,
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
    /// Time.
    pub clock: Clock,
    /// Counters.
    pub metrics: Metrics,
    /// One line per request.
    pub access_log: AccessLog,
    /// One record per decision.
    pub audit: Audit,
}

impl Edge {
    /// Answers one request.
    pub async fn answer(
        &self,
        request: Request<Incoming>,
        peer: &Peer,
        activity: &Arc<Activity>,
    ) -> Response<AnswerBody> {
        let exchange = activity.begin();
        let seen = self.look_at(&request, peer);
        let mut departure = Departure::of(self, &seen);
        let permit = self.in_flight.enter(seen.route.is_probe());
        let judged = match &permit {
            Some(permit) => self.work_until_cut(request, peer, permit, &mut departure).await,
            None => (overloaded("too many requests at once").into_response(), None),
        };
        let judged = departure.record(judged).await;
        departure.end();
        let response = self.finish(judged, &seen);
        let watched = is_stream(&response).then(|| WatchedStream {
            metrics: self.metrics.clone(),
            clock: self.clock.clone(),
            route: seen.route.label.clone(),
            began: seen.began,
        });
        response.map(|body| AnswerBody::new(body, exchange, permit, watched))
    }

    fn look_at(&self, request: &Request<Incoming>, peer: &Peer) -> Seen {
        let headers = request.headers();
        let route = self.routes.find(request.uri().path());
        let certificate = peer.certificate.as_ref();
        let identity = self.policy.identify(headers, certificate, route.asks_for_caller());
        Seen {
            began: self.clock.now(),
            client: self.proxies.client(peer.address.ip(), headers),
            id: accept_or_new(headers), // only a sane one of the caller's is kept
            traceparent: headers.get("traceparent").cloned(),
            version: request.version(),
            uri: request.uri().clone(),
            method: request.method().clone(),
            route,
            identity: identity.map_or_else(OnceLock::new, OnceLock::from),
            certificate: peer.certificate.clone(),
        }
    }

    /// Works on a request until it is answered, or until the time of the drain is up: then it is
    /// told so before its connection is cut.
    async fn work_until_cut(
        &self,
        request: Request<Incoming>,
        peer: &Peer,
        permit: &Permit,
        departure: &mut Departure<'_>,
    ) -> Judged {
        tokio::select! {
            biased;
            judged = self.work(request, peer, permit, departure) => return judged,
            () = self.cutting.cancelled() => {}
        }
        (shutting_down().into_response(), departure.decision())
    }

    async fn work(
        &self,
        request: Request<Incoming>,
        peer: &Peer,
        permit: &Permit,
        departure: &mut Departure<'_>,
    ) -> Judged {
        let seen = departure.seen();
        if let Err(problem) = self.admit(&request, seen) {
            let decision = refusal(&problem);
            if decision.is_some() && departure.reserve().await.is_err() {
                return (unrecorded().into_response(), None);
            }
            return (problem.into_response(), decision);
        }
        let request = match self.take_in(request, permit).await {
            Ok(request) => request,
            Err(problem) => return (problem.into_response(), None),
        };
        self.wait_for_keys(request.headers(), peer, permit, seen).await;
        // Before anything is decided: there is no decision without a record.
        if seen.route.asks_for_caller() && departure.reserve().await.is_err() {
            return (unrecorded().into_response(), None);
        }
        self.route(request, permit, departure).await
    }

    /// Reads away the body, which no handler wants, so that the connection can be used again.
    async fn take_in(
        &self,
        request: Request<Incoming>,
        permit: &Permit,
    ) -> Result<Request<Body>, Problem> {
        let (parts, body) = request.into_parts();
        if !body.is_end_stream() {
            let waiting = self.waiting.try_acquire();
            let _place =
                waiting.map_err(|_| overloaded("too many requests with a body at once"))?;
            // To wait for bytes is no work: callers who send none would shed everybody else.
            permit.park();
            let swallowed = tokio::time::timeout(self.body_timeout, swallow(body)).await;
            permit.resume();
            let late = || Problem::new(Code::BadRequest, "the body did not arrive in time");
            swallowed.map_err(|_| late())??;
        }
        Ok(Request::from_parts(parts, Body::empty()))
    }

    /// Where it is not known yet who asks, because the issuer's keys are not the newest: waits for
    /// these, if not too many do already.
    async fn wait_for_keys(&self, headers: &HeaderMap, peer: &Peer, permit: &Permit, seen: &Seen) {
        if seen.identity.get().is_some() {
            return;
        }
        let retry_in = match self.waiting.try_acquire() {
            Ok(_place) => {
                permit.park();
                let retry_in = self.policy.fetch_keys(headers).await;
                permit.resume();
                retry_in
            }
            // Others have taken every place: that says nothing of the token.
            Err(_) => Some(Duration::from_secs(1)),
        };
        let certificate = peer.certificate.as_ref();
        seen.identity.get_or_init(|| self.policy.judge(headers, certificate, retry_in));
    }

    async fn route(
        &self,
        mut request: Request<Body>,
        permit: &Permit,
        departure: &mut Departure<'_>,
    ) -> Judged {
        let seen = departure.seen();
        let (policy, identity) = (self.policy.clone(), seen.identity().clone());
        let (client, request_id) = (seen.client, seen.id.clone());
        request.extensions_mut().insert(Sender { policy, identity, client, request_id });
        request.extensions_mut().insert(permit.clone());
        let work = AssertUnwindSafe(self.router.clone().oneshot(request)).catch_unwind();
        let mut work = std::pin::pin!(work);
        // An answer from the snapshot is there at once: only what waits pays for a timer.
        let worked = match futures_util::poll!(&mut work) {
            Poll::Ready(worked) => Ok(worked),
            Poll::Pending => {
                // Who is refused is refused at once: this one was let in.
                departure.decide(seen.route.asks_for_caller().then_some(Decision::Allow));
                self.in_time(work, permit).await
            }
        };
        let problem = match worked {
            Ok(Ok(Ok(response))) => {
                let decision = decided(&response, seen);
                return (response, decision);
            }
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(_panic)) => {
                tracing::error!(http.route = &*seen.route.label, "a handler panicked");
                Problem::new(Code::Internal, "internal error")
            }
            Err(_late) => {
                let detail = "no answer could be had within the time a request may take";
                Problem::new(Code::UpstreamTimeout, detail)
            }
        };
        (problem.into_response(), seen.route.asks_for_caller().then_some(Decision::Allow))
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
        target::check(request)?;
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
            return check_any_host(seen.version, request.uri(), request.headers());
        }
        self.host.check(seen.version, request.uri(), request.headers())
    }

    /// Makes a problem a document, adds what every answer has, counts it and writes its line.
    fn finish(&self, judged: Judged, seen: &Seen) -> Response {
        let (response, decision) = judged;
        let (response, reason) = self.render(response, seen);
        let mut judged = (response, decision);
        self.tell_rate(&mut judged, seen);
        let (mut response, _) = judged;
        let headers = response.headers_mut();
        common_headers(headers);
        headers.insert(X_REQUEST_ID, seen.id.clone());
        // HTTP/2 has GOAWAY for it.
        if self.readiness.is_ending() && seen.version != Version::HTTP_2 {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let end = End {
            is_stream: is_stream(&response),
            status: response.status(),
            bytes: response.body().size_hint().exact(),
            outcome: response.extensions().get::<Outcome>(),
            decision,
            reason,
        };
        self.observe(seen, &end);
        response
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
        if refusal(&problem).is_some() {
            self.metrics.access_denied(problem.reason());
        }
        let id = seen.id.to_str().unwrap_or_default();
        let mut rendered = problem.render(&self.public_path, seen.uri.path(), id);
        if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
            rendered.headers_mut().insert(header::ALLOW, allow);
        }
        (rendered, Some(problem.reason()))
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

fn is_stream(response: &Response) -> bool {
    response.extensions().get::<StreamMarker>().is_some()
}

/// Try again in a moment.
pub(super) fn overloaded(detail: &'static str) -> Problem {
    Problem::new(Code::Overloaded, detail).with_retry_after(Some(Duration::from_secs(1)))
}

/// Try again elsewhere.
pub(super) fn shutting_down() -> Problem {
    Problem::new(Code::ShuttingDown, "the gateway is ending, and time is up for what was in flight")
        .with_retry_after(Some(Duration::from_secs(1)))
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
