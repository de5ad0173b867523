//! Spans of requests, reads and mints, exported to an OpenTelemetry collector by OTLP over HTTP.
//!
//! ```text
//! request, try, read ─► Tracer::record ─► queue ─► Exporter: batches ─► POST …/v1/traces
//! ```
//!
//! A request never waits for the collector: a span that finds the queue full is dropped and counted.
//! Attributes are those of the access line, so there is no place for a raw path, a query or a secret.

mod exporter;
mod otlp;

use std::{sync::Arc, time::Duration};

use base::trace::Span;
use http::{HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use vmware_cloud::{
    TracedWork, UpstreamCall,
    upstream::{BuildError, Kind, Proxies},
};

pub use self::exporter::{Exporter, probe_collector};
use super::{EventSpell, Metrics, access_log::AccessRecord};
use crate::clock::Clock;

/// Spans that wait to be exported; about 1 MiB.
const MAX_QUEUED: usize = 4096;

/// Takes spans that have ended. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tracer(Option<SpanQueue>);

#[derive(Debug, Clone)]
struct SpanQueue {
    sender: mpsc::Sender<FinishedSpan>,
    clock: Clock,
    metrics: Metrics,
    drops: Arc<Mutex<EventSpell>>,
}

/// A span with what is known of it.
#[derive(Debug)]
struct FinishedSpan {
    span: Span,
    ended: Timestamp,
    took: Duration,
    detail: SpanDetail,
}

#[derive(Debug)]
enum SpanDetail {
    /// A request of a caller.
    Request {
        method: &'static str,
        route: &'static str,
        status: u16,
        caller: Arc<str>,
        request_id: HeaderValue,
        cache: Option<&'static str>,
        age_s: Option<u64>,
        reason: Option<&'static str>,
    },
    /// A read or a mint, with all its tries.
    Work { name: &'static str, endpoint: &'static str, failed: Option<Kind> },
    /// A try at an upstream.
    Try {
        upstream: &'static str,
        method: Method,
        endpoint: &'static str,
        status: Option<StatusCode>,
        failed: Option<Kind>,
    },
}

base::closed_set! {
    /// What becomes of spans.
    #[derive(Debug, Clone, Copy)]
    pub(super) enum SpanOutcome {
        /// The collector has taken it.
        Exported = "exported",
        /// The queue was full.
        Dropped = "dropped",
        /// The collector has not taken it.
        Failed = "failed",
    }
}

impl Tracer {
    /// A tracer, and who exports its spans to the collector at `endpoint`, the address of its traces.
    ///
    /// # Errors
    /// [`BuildError`] when the system's CAs cannot be used.
    pub fn new(
        endpoint: &url::Url,
        proxies: &Proxies,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<(Self, Exporter), BuildError> {
        let (sender, spans) = mpsc::channel(MAX_QUEUED);
        let exporter = Exporter::new(endpoint, proxies, clock.clone(), metrics.clone(), spans)?;
        let queue = SpanQueue { sender, clock, metrics, drops: Arc::default() };
        Ok((Self(Some(queue)), exporter))
    }

    /// Whether there are spans at all.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A request was answered. `record` is its access line, which is of this caller and id.
    pub(crate) fn request(
        &self,
        span: Span,
        took: Duration,
        record: &AccessRecord<'_>,
        (caller, request_id): (&Arc<str>, &HeaderValue),
    ) {
        let AccessRecord { timestamp, method, route, status, cache, age_s, reason, .. } = *record;
        // The line's own time: writing the line takes time, by which the span would begin after its reads.
        self.record(span, took, Some(timestamp), || SpanDetail::Request {
            method,
            route,
            status,
            caller: caller.clone(),
            request_id: request_id.clone(),
            cache,
            age_s,
            reason,
        });
    }

    /// A read or a mint has ended.
    pub(super) fn work_ended(&self, work: &TracedWork) {
        let TracedWork { name, endpoint, span, took, failed } = *work;
        self.record(span, took, None, || SpanDetail::Work { name, endpoint, failed });
    }

    /// A try at an upstream has ended.
    pub(super) fn call_ended(&self, call: &UpstreamCall) {
        let Some(span) = call.span else { return };
        self.record(span, call.took, None, || SpanDetail::Try {
            upstream: call.upstream.name,
            method: call.method.clone(),
            endpoint: call.endpoint,
            status: call.status,
            failed: call.failed,
        });
    }

    /// Without `ended` it has ended now.
    fn record(
        &self,
        span: Span,
        took: Duration,
        ended: Option<Timestamp>,
        detail: impl FnOnce() -> SpanDetail,
    ) {
        let Some(queue) = self.0.as_ref().filter(|_| span.context.is_sampled) else { return };
        let finished = match queue.sender.try_reserve() {
            Ok(permit) => {
                let ended = ended.unwrap_or_else(|| queue.clock.wall());
                permit.send(FinishedSpan { span, ended, took, detail: detail() });
                return;
            }
            Err(full) => full,
        };
        // The exporter is gone at the very end only.
        let mpsc::error::TrySendError::Full(()) = finished else { return };
        queue.metrics.trace_spans(SpanOutcome::Dropped, 1);
        if queue.drops.lock().begins() {
            tracing::warn!(
                "spans are dropped: they come faster than the collector of traces takes them"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;

    #[tokio::test]
    async fn what_finds_the_queue_full_is_dropped_and_counted() {
        let (endpoint, metrics) = ("http://127.0.0.1:9/v1/traces".parse().unwrap(), Metrics::new());
        let (clock, proxies) = (Clock::manual(Timestamp::UNIX_EPOCH), Proxies::default());
        let (tracer, _exporter) = Tracer::new(&endpoint, &proxies, clock, metrics.clone()).unwrap();
        let ended = |is_sampled| {
            let mut span = Span::begin(None);
            span.context.is_sampled = is_sampled;
            let (name, endpoint, took) = ("read", "sddcs", Duration::ZERO);
            tracer.work_ended(&TracedWork { name, endpoint, span, took, failed: None });
        };
        (0..MAX_QUEUED).for_each(|_| ended(true));
        (0..3).for_each(|_| ended(false));
        (0..2).for_each(|_| ended(true));
        let page = metrics.page(&Registry::default()).unwrap();
        assert!(page.contains("trace_spans_total{outcome=\"dropped\"} 2"), "{page}");
    }
    #[test]
    fn a_request_ends_with_its_access_record_however_long_the_line_takes() {
        let (sender, mut spans) = mpsc::channel(1);
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let (metrics, drops) = (Metrics::new(), Arc::default());
        let queue = SpanQueue { sender, clock: clock.clone(), metrics, drops };
        let record = AccessRecord {
            timestamp: clock.wall(),
            level: "INFO",
            target: "access",
            message: "request",
            request_id: "job-7",
            trace_id: None,
            caller: "tester",
            client: std::net::Ipv4Addr::LOCALHOST.into(),
            method: "GET",
            route: "/sddcs",
            status: 200,
            duration_ms: 1.0,
            bytes: None,
            cache: None,
            age_s: None,
            decision: None,
            reason: None,
            client_san: None,
        };
        clock.advance(Duration::from_millis(1));
        let of = (&"tester".into(), &HeaderValue::from_static("job-7"));
        Tracer(Some(queue)).request(Span::begin(None), Duration::ZERO, &record, of);
        assert_eq!(spans.try_recv().unwrap().ended, record.timestamp);
    }
}
