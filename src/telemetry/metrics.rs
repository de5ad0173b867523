//! The metrics that are counted as things happen, registered once. What can be read from state at
//! the moment of the scrape (ages, expiry, circuits) is a `Collector` beside it, see [`Metrics::page`].
//!
//! Label values come from closed sets: nothing a caller sends can grow the number of series.

mod events;
mod http_counters;

use std::{fmt, sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Metric, Registry},
};
use vmware_cloud::{UpstreamCall, upstream::Kind};

pub(super) use self::events::MintOutcome;
pub use self::events::{CacheResult, HttpCall, WaitKind};
use self::http_counters::HttpCounters;
use super::{histogram::DurationHistogram, process::RuntimeCollector, traces::SpanOutcome};

/// Seconds; from a cached answer to a request's deadline.
const HTTP_BUCKETS: [f64; 13] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];
const UPSTREAM_BUCKETS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Seconds; from a change that comes at once to the longest wait, and to event streams of hours.
const WAIT_BUCKETS: [f64; 12] =
    [0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 45.0, 60.0, 120.0, 600.0, 3600.0, 21_600.0];
/// Why connections end badly, are refused, or are closed for others.
const CONNECTION_ERRORS: [&str; 11] = [
    "accept",
    "answer_not_taken",
    "bad_request",
    "client_limit",
    "flood",
    "head_too_large",
    "idle_evicted",
    "incomplete_head",
    "io",
    "timeout",
    "tls",
];
/// The tasks that may end unasked.
const TASKS: [&str; 15] = [
    "api",
    "audit",
    "compressor",
    "connection",
    "expiry_ticker",
    "inventory",
    "list",
    "mint",
    "oidc",
    "ops",
    "reload",
    "snapshot",
    "systemd",
    "token",
    "traces",
];

/// Name and value of a label; the value is from a closed set.
type Label = (&'static str, &'static str);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MintLabels {
    org_id: Arc<str>,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamLabels {
    upstream: &'static str,
    endpoint: &'static str,
    status: String,
}

/// One gateway's metrics. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<MetricFamilies>);

type Durations<L> = Family<L, DurationHistogram, fn() -> DurationHistogram>;

struct MetricFamilies {
    http_requests: HttpCounters,
    http_duration: Durations<RouteLabels>,
    wait_duration: Durations<RouteLabels>,
    http_in_flight: Gauge,
    /// One for each result.
    cache: [Counter; CacheResult::ALL.len()],
    token_mints: Family<MintLabels, Counter>,
    upstream_requests: Family<UpstreamLabels, Counter>,
    upstream_duration: Durations<[Label; 2]>,
    access_denied: Family<[Label; 1], Counter>,
    connection_errors: Family<[Label; 1], Counter>,
    connections: Family<[Label; 1], Gauge>,
    odd_documents: Counter,
    watchers: Gauge,
    watchers_dropped: Counter,
    incomplete: Family<[Label; 1], Counter>,
    snapshot_writes: Family<[Label; 1], Counter>,
    rate_limited: Family<[(&'static str, Arc<str>); 1], Counter>,
    audit_failures: Counter,
    trace_spans: Family<[Label; 1], Counter>,
    task_failures: Family<[Label; 1], Counter>,
    /// All of these.
    registry: Registry,
}

/// Families while they are registered: each is given back, to count with.
struct Registration(Registry);

impl Registration {
    fn add<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        self.add_as(name, help, M::default())
    }

    fn add_as<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register(name, help, metric.clone());
        metric
    }

    /// A family of one label, whose values are a closed set. They begin at 0: a rate over a series
    /// that appears with its first event misses that event.
    fn closed<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: [&'static str; N],
    ) -> Family<[Label; 1], Counter> {
        let family: Family<[Label; 1], Counter> = self.add(name, help);
        for value in values {
            drop(family.get_or_create(&[(label, value)]));
        }
        family
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics that have counted nothing yet. Tasks are counted of the runtime that this is called on.
    pub fn new() -> Self {
        let mut all = Registration(Registry::with_prefix("sddc_gateway"));
        let build: Family<[Label; 2], Gauge> =
            all.add("build_info", "Version and commit that is running; always 1");
        let labels = [("version", env!("CARGO_PKG_VERSION")), ("commit", crate::COMMIT)];
        build.get_or_create(&labels).set(1);
        let results = CacheResult::ALL.map(CacheResult::as_str);
        let cache = all.closed("cache", "How answers were served", "result", results);
        all.0.register_collector(Box::new(RuntimeCollector::current()));
        Self(Arc::new(MetricFamilies {
            http_requests: HttpCounters::new(all.add("http_requests", "Requests answered")),
            http_duration: all.add_as(
                "http_request_duration_seconds",
                "Time from the head of the request to the head of its answer, without waits and event streams",
                Durations::new_with_constructor(|| DurationHistogram::new(&HTTP_BUCKETS)),
            ),
            wait_duration: all.add_as(
                "wait_duration_seconds",
                "How long requests waited for a change, and how long event streams were open",
                Durations::new_with_constructor(|| DurationHistogram::new(&WAIT_BUCKETS)),
            ),
            http_in_flight: all.add("http_in_flight", "Requests in flight"),
            cache: results.map(|result| cache.get_or_create(&[("result", result)]).clone()),
            token_mints: all.add("token_mints", "Tokens requested from CSP"),
            upstream_requests: all
                .add("upstream_requests", "Calls to CSP and VMC; each try counts"),
            upstream_duration: all.add_as(
                "upstream_request_duration_seconds",
                "Duration of one try of a call to CSP or VMC",
                Durations::new_with_constructor(|| DurationHistogram::new(&UPSTREAM_BUCKETS)),
            ),
            access_denied: all
                .add("access_denied", "Requests refused for their credentials or scopes"),
            connection_errors: all.closed(
                "connection_errors",
                "Connections that ended with an error, were refused, or were closed to make room for others",
                "reason",
                CONNECTION_ERRORS,
            ),
            connections: all.add("connections", "Open connections by listener"),
            odd_documents: all
                .add("odd_documents", "Upstream documents with something unreadable in them"),
            watchers: all.add("watchers", "Long polls that are waiting, and open event streams"),
            watchers_dropped: all
                .add("watchers_dropped", "Event streams closed because the client did not read"),
            incomplete: all.closed(
                "incomplete_answers",
                "Requests about several organizations of which some could not be shown",
                "answer",
                ["partial", "refused"],
            ),
            snapshot_writes: all.closed(
                "snapshot_writes",
                "Writes of the snapshot file",
                "outcome",
                ["written", "failed"],
            ),
            rate_limited: all
                .add("rate_limited", "Requests refused by their caller's rate limit"),
            audit_failures: all.add("audit_failures", "Audit records that could not be written"),
            trace_spans: all.closed(
                "trace_spans",
                "Spans of traces: exported, dropped because the queue was full, or not taken by the collector",
                "outcome",
                SpanOutcome::ALL.map(SpanOutcome::as_str),
            ),
            task_failures: all.closed(
                "task_failures",
                "Background tasks that ended unexpectedly",
                "task",
                TASKS,
            ),
            registry: all.0,
        }))
    }

    /// Mints for an org will be counted.
    pub(super) fn expect_mints(&self, org_id: &Arc<str>) {
        for outcome in MintOutcome::ALL {
            let labels = MintLabels { org_id: org_id.clone(), outcome: outcome.as_str() };
            drop(self.0.token_mints.get_or_create(&labels));
        }
    }

    /// Requests to a route will be timed, also those that wait where it has such.
    pub fn expect_route(&self, route: &'static str, may_wait: bool) {
        let labels = RouteLabels { route };
        drop(self.0.http_duration.get_or_create(&labels));
        if may_wait {
            drop(self.0.wait_duration.get_or_create(&labels));
        }
    }

    /// Counts a request and its duration.
    pub fn http_call(&self, call: &HttpCall<'_>) {
        let HttpCall { route, took, waits, .. } = *call;
        self.0.http_requests.count(call);
        match waits {
            WaitKind::No => {
                self.0.http_duration.get_or_create(&RouteLabels { route }).observe(took);
            }
            WaitKind::Poll => self.wait(route, took),
            WaitKind::Stream => {}
        }
    }

    /// Notes how long a request waited for a change, or an event stream was open.
    pub fn wait(&self, route: &'static str, took: Duration) {
        self.0.wait_duration.get_or_create(&RouteLabels { route }).observe(took);
    }

    /// The number of requests being worked on.
    pub fn http_in_flight(&self) -> &Gauge {
        &self.0.http_in_flight
    }

    /// Counts how an answer was served.
    pub fn cache(&self, result: CacheResult) {
        self.0.cache[result as usize].inc();
    }

    /// Counts a mint. `org_id` is `default` for the app's own organization.
    pub(super) fn mint(&self, org_id: &Arc<str>, outcome: MintOutcome) {
        let labels = MintLabels { org_id: org_id.clone(), outcome: outcome.as_str() };
        self.0.token_mints.get_or_create(&labels).inc();
    }

    /// Counts a try at an upstream and its duration.
    pub(super) fn upstream_call(&self, call: &UpstreamCall) {
        let (upstream, endpoint) = (call.upstream.name, call.endpoint);
        let status = match call.status {
            _ if call.failed == Some(Kind::Timeout) => "timeout".to_owned(),
            Some(status) => status.as_u16().to_string(),
            None => "error".to_owned(),
        };
        let labels = UpstreamLabels { upstream, endpoint, status };
        self.0.upstream_requests.get_or_create(&labels).inc();
        let labels = [("upstream", upstream), ("endpoint", endpoint)];
        self.0.upstream_duration.get_or_create(&labels).observe(call.took);
    }

    /// Shows the reasons for which callers may be refused at 0: a rule sees the first refusal of each.
    pub fn start_access_denied(&self, reasons: impl Iterator<Item = &'static str>) {
        for reason in reasons {
            let _ = self.0.access_denied.get_or_create(&[("reason", reason)]);
        }
    }

    /// Counts a refused caller.
    pub fn access_denied(&self, reason: &'static str) {
        self.0.access_denied.get_or_create(&[("reason", reason)]).inc();
    }

    /// The number of connections that are open to a listener.
    pub fn connections(&self, listener: &'static str) -> Gauge {
        self.0.connections.get_or_create(&[("listener", listener)]).clone()
    }

    /// Counts a connection that ended badly, or was closed for another.
    pub fn connection_error(&self, reason: &'static str) {
        self.0.connection_errors.get_or_create(&[("reason", reason)]).inc();
    }

    /// Counts upstream documents with something unreadable in them.
    pub fn odd_documents(&self, count: usize) {
        self.0.odd_documents.inc_by(count as u64);
    }

    /// Counts a background task that ended unasked.
    pub fn task_failure(&self, task: &'static str) {
        self.0.task_failures.get_or_create(&[("task", task)]).inc();
    }

    /// The number of long polls that wait and of open event streams.
    pub fn watchers(&self) -> &Gauge {
        &self.0.watchers
    }

    /// Counts an event stream that was cut because its reader no longer took anything.
    pub fn watcher_dropped(&self) {
        self.0.watchers_dropped.inc();
    }

    /// Counts a question that some orgs were missing for: answered in part, or refused.
    pub fn incomplete(&self, answered: bool) {
        let answer = if answered { "partial" } else { "refused" };
        self.0.incomplete.get_or_create(&[("answer", answer)]).inc();
    }

    /// Counts a write of the snapshot file.
    pub fn snapshot_write(&self, good: bool) {
        let outcome = if good { "written" } else { "failed" };
        self.0.snapshot_writes.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// Counts a request refused by a rate limit. `caller` is a configured name, or `none` for who
    /// failed to show who it is too often.
    pub fn rate_limited(&self, caller: Arc<str>) {
        self.0.rate_limited.get_or_create(&[("caller", caller)]).inc();
    }

    /// Counts spans of traces.
    pub(super) fn trace_spans(&self, outcome: SpanOutcome, count: usize) {
        let labels = [("outcome", outcome.as_str())];
        self.0.trace_spans.get_or_create(&labels).inc_by(count as u64);
    }

    /// Counts an audit record that was not written, or not known to be.
    pub fn audit_failure(&self) {
        self.0.audit_failures.inc();
    }

    /// Everything as `OpenMetrics` text: what was counted, and what `sources` read from state now.
    ///
    /// # Errors
    /// [`fmt::Error`] when a source cannot encode itself.
    pub fn page(&self, sources: &Registry) -> Result<String, fmt::Error> {
        let mut page = String::new();
        text::encode_registry(&mut page, &self.0.registry)?;
        text::encode_registry(&mut page, sources)?;
        text::encode_eof(&mut page)?;
        Ok(page)
    }
}

base::opaque_debug!(Metrics);
