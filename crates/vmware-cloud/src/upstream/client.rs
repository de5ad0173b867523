//! The HTTP client: one deadline over the whole call, a bound on the body, JSON or nothing.

use std::{mem, sync::Arc, time::Duration};

use base::{
    clock::Clock,
    trace::{self, Span},
};
use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use jiff::Timestamp;
use reqwest::{Request, RequestBuilder, Response};
use url::Url;

use super::{
    BuildError, Failure, FailureDetail, InvalidResponse, Proxies, circuit::MAX_RETRY_AFTER,
    pool::ClientPool,
};
use crate::{Event, Observer, UpstreamCall};

/// The trace that a request is a part of (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A service that is called, as its operator knows it.
#[derive(Debug, Clone, Copy)]
pub struct Upstream {
    /// Its name in metrics and logs.
    pub name: &'static str,
    /// The setting that names its extra CAs, for faults.
    pub ca_setting: &'static str,
    /// What it sees as the client: `User-Agent`.
    pub user_agent: &'static str,
    /// Which content types its good answers may have.
    pub accepts: ContentType,
}

/// A set of content types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentType {
    /// JSON, and what is built on it.
    Json,
    /// Any but a web page, which is what a wrong address has: files have a type that a server guesses
    /// or leaves out.
    AnyButHtml,
}

/// What bounds a call.
#[derive(Debug, Clone, Copy)]
pub struct CallBounds {
    /// Name lookup, connection and TLS.
    pub connect_timeout: Duration,
    /// The whole call, from the first byte sent to the last byte read.
    pub timeout: Duration,
    /// Bytes of the answer, decoded.
    pub max_body: u64,
}

/// Asks one upstream. Cheap to clone; clones share its connections.
#[derive(Debug, Clone)]
pub struct Client {
    pool: Arc<ClientPool>,
    upstream: Upstream,
    bounds: CallBounds,
    errors: ErrorBodies,
    clock: Clock,
    observer: Arc<dyn Observer>,
}

/// What becomes of the body of an answer that is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ErrorBodies {
    /// It is not read; only statuses that mean something to the service's own client are answers.
    Ignored,
    /// JSON is read up to [`MAX_ERROR_BYTES`]; every 4xx but 429 is an answer.
    Read,
}

/// Bytes of an error's body.
const MAX_ERROR_BYTES: u64 = 64 * 1024;

/// An answer whose status means something to the service's own client.
#[derive(Debug)]
pub enum Reply {
    /// 200 with a whole JSON body.
    Json(Bytes),
    /// 400, 401, 403 or 404, or any other 4xx but 429 for a client [with error bodies](Client::with_error_bodies);
    /// and the JSON that it has to say, empty where that was not read.
    Refused(StatusCode, Bytes),
}

impl Client {
    /// A client for the upstream at `base`, which is reached as `proxies` say. `authorities` are CAs in
    /// PEM that are trusted beside the system's.
    ///
    /// # Errors
    /// [`BuildError`] when these or the system's CAs cannot be used.
    pub fn new(
        upstream: Upstream,
        base: &Url,
        bounds: CallBounds,
        authorities: Option<&[u8]>,
        proxies: &Proxies,
        clock: Clock,
        observer: impl Observer + 'static,
    ) -> Result<Self, BuildError> {
        let route = proxies.route(base);
        let timeout = bounds.connect_timeout;
        let pool = ClientPool::new(upstream, base, timeout, authorities, route, clock.clone())?;
        let (pool, observer) = (Arc::new(pool), Arc::new(observer));
        Ok(Self { pool, upstream, bounds, errors: ErrorBodies::Ignored, clock, observer })
    }

    /// The same client, on the same connections, for one who passes errors on.
    #[must_use]
    pub fn with_error_bodies(&self) -> Self {
        Self { errors: ErrorBodies::Read, ..self.clone() }
    }

    /// The same client, on the same connections, with another time for a call.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { bounds: CallBounds { timeout, ..self.bounds }, ..self.clone() }
    }

    /// How long a call may take.
    pub fn timeout(&self) -> Duration {
        self.bounds.timeout
    }

    /// Takes the new content of the file of extra CAs, from the next call on.
    ///
    /// # Errors
    /// What is wrong with it, from a closed set; the old CAs stay.
    pub async fn take_authorities(&self, pem: &[u8]) -> Result<(), &'static str> {
        self.pool.take_authorities(pem, self.observer()).await
    }

    /// Is told what happens.
    pub(crate) fn observer(&self) -> &dyn Observer {
        &*self.observer
    }

    /// Starts a request.
    pub fn request(&self, method: http::Method, url: Url) -> RequestBuilder {
        self.pool.current().request(method, url)
    }

    /// Makes one try. `endpoint` names it in the metrics: a closed set.
    ///
    /// # Errors
    /// [`Failure`], see there.
    pub async fn call(
        &self,
        endpoint: &'static str,
        mut request: Request,
    ) -> Result<Reply, Failure> {
        let (begun, method) = (self.clock.now(), request.method().clone());
        let span = self.observer.is_tracing().then(|| Span::begin(trace::current()));
        if let Some(span) = span
            && let Ok(context) = HeaderValue::try_from(span.context.to_string())
        {
            request.headers_mut().insert(TRACEPARENT, context);
        }
        let call = async {
            let http = self.pool.fresh(self.observer()).await;
            let response = http.execute(request).await.map_err(transport)?;
            let status = response.status();
            Ok((status, self.read(response).await))
        };
        let (status, outcome) = match tokio::time::timeout(self.bounds.timeout, call).await {
            Ok(Ok((status, outcome))) => (Some(status), outcome),
            Ok(Err(failure)) => (None, Err(failure)),
            Err(_elapsed) => (None, Err(Failure::Timeout(self.bounds.timeout))),
        };
        self.observer.observe(&Event::CallEnded(UpstreamCall {
            upstream: self.upstream,
            method,
            endpoint,
            status,
            failed: outcome.as_ref().err().map(Failure::kind),
            took: self.clock.now().since(begun),
            span,
        }));
        match outcome {
            Err(Failure::Connect(detail)) => Err(Failure::Connect(self.pool.explain(detail).await)),
            outcome => outcome,
        }
    }

    async fn read(&self, response: Response) -> Result<Reply, Failure> {
        let status = response.status();
        match status.as_u16() {
            200 => {}
            400..=499 if self.errors == ErrorBodies::Read && status != 429 => {
                // What it says is of use, and that it says nothing whole is no failure.
                let is_told = is_json(response.headers());
                let told = if is_told {
                    self.body(response, MAX_ERROR_BYTES).await
                } else {
                    Ok(Bytes::new())
                };
                return Ok(Reply::Refused(status, told.unwrap_or_default()));
            }
            // A page that says 404 comes from something in between, or from a wrong base URL.
            404 if self.upstream.accepts == ContentType::Json && !is_json(response.headers()) => {
                return Err(InvalidResponse::ContentType.into());
            }
            400 | 401 | 403 | 404 => return Ok(Reply::Refused(status, Bytes::new())),
            429 => {
                let retry_after = self.retry_after(response.headers());
                return Err(Failure::Throttled { retry_after });
            }
            500..=599 => {
                let retry_after = self.retry_after(response.headers());
                return Err(Failure::Server { status, retry_after });
            }
            _ => return Err(InvalidResponse::Status(status).into()),
        }
        match self.upstream.accepts {
            ContentType::AnyButHtml if is_html(response.headers()) => {
                return Err(InvalidResponse::WebPage.into());
            }
            ContentType::Json if !is_json(response.headers()) => {
                return Err(InvalidResponse::ContentType.into());
            }
            ContentType::AnyButHtml | ContentType::Json => {}
        }
        self.body(response, self.bounds.max_body).await.map(Reply::Json)
    }

    async fn body(&self, mut response: Response, bound: u64) -> Result<Bytes, Failure> {
        let too_large = || Failure::from(InvalidResponse::TooLarge(bound));
        let announced = response.content_length().unwrap_or(0);
        if announced > bound {
            return Err(too_large());
        }
        // All of it, where it comes at once: nothing has to be put together.
        let mut whole = Bytes::new();
        let mut body = BytesMut::new();
        // To its end, which tells whether it is whole.
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            if (whole.len() + body.len()) as u64 + chunk.len() as u64 > bound {
                return Err(too_large());
            }
            if whole.is_empty() && body.is_empty() {
                whole = chunk;
            } else if !chunk.is_empty() {
                if body.is_empty() {
                    body.reserve(usize::try_from(announced).unwrap_or(0));
                    body.extend_from_slice(&mem::take(&mut whole));
                }
                body.extend_from_slice(&chunk);
            }
        }
        Ok(if body.is_empty() { whole } else { body.freeze() })
    }

    /// `Retry-After` in seconds or as a date (RFC 9110 section 10.2.3), taken as at most 5 min.
    fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        let asked = parse_retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, self.clock.wall())?;
        Some(asked.min(MAX_RETRY_AFTER))
    }
}

fn transport(error: reqwest::Error) -> Failure {
    if error.is_connect() {
        Failure::Connect(FailureDetail::of(error))
    } else {
        Failure::Broken(FailureDetail::of(error))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    essence(headers).is_some_and(|it| it == "application/json" || it.ends_with("+json"))
}

fn is_html(headers: &HeaderMap) -> bool {
    essence(headers).is_some_and(|it| it == "text/html" || it == "application/xhtml+xml")
}

/// The media type without its parameters, in lower case.
fn essence(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

fn parse_retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    // A date in the past means: now.
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let cases = [
            ("5", Some(5)),
            (" 0 ", Some(0)),
            ("Sun, 22 Nov 2026 10:00:30 GMT", Some(30)),
            ("Sun, 22 Nov 2026 09:00:00 GMT", Some(0)),
            ("-3", None),
            ("soon", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse_retry_after(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn json_is_told_by_its_content_type() {
        let headers = |value: &str| {
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(value).unwrap())])
        };
        assert!(is_json(&headers("application/json")));
        assert!(is_json(&headers("Application/JSON; charset=utf-8")));
        assert!(is_json(&headers("application/problem+json")));
        assert!(!is_json(&headers("text/html")));
        assert!(!is_json(&HeaderMap::new()));
    }
}
