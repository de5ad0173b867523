//! What stays of a request: its access line, its figures, and the audit's record of what was decided.
//!
//! A permit of the audit is taken before anything is decided, and the record is written before
//! the answer goes out: there is neither a decision without a record nor an answer without one. A
//! caller who leaves before that is recorded too, with the status that nginx has for it.

use std::{sync::Arc, time::Duration};

use base::trace::{Span, TraceContext};
use http::StatusCode;
use uuid::Uuid;

use super::{body::WatchedStream, outcome::Outcome, request_info::RequestInfo, routes::Route};
use crate::{
    clock::Clock,
    problem::Problem,
    telemetry::{
        AccessLog, AccessRecord, Audit, AuditFailed, AuditPermit, AuditRecord, Decision, HttpCall,
        Metrics, Tracer, WaitKind,
    },
};

/// Where requests leave what stays of them. Shared by all.
#[derive(Debug)]
pub struct Recorder {
    pub(super) audit: Audit,
    pub(super) access_log: AccessLog,
    pub(super) tracer: Tracer,
    pub(super) metrics: Metrics,
    pub(super) clock: Clock,
    /// The caller's label where no caller is known.
    no_caller: Arc<str>,
}

impl Recorder {
    /// One record per decision; one line, one count and, where there are traces, one span per request.
    pub fn new(
        audit: Audit,
        access_log: AccessLog,
        tracer: Tracer,
        metrics: Metrics,
        clock: Clock,
    ) -> Self {
        Self { audit, access_log, tracer, metrics, clock, no_caller: "none".into() }
    }

    /// The span of a request, where there are traces. Probes have none.
    pub(super) fn begin_span(&self, parent: Option<TraceContext>, route: &Route) -> Option<Span> {
        (self.tracer.is_on() && !route.is_probe()).then(|| Span::begin(parent))
    }

    /// Counts an event stream when it ends.
    pub(super) fn watch_stream(&self, info: &RequestInfo) -> WatchedStream {
        WatchedStream {
            metrics: self.metrics.clone(),
            clock: self.clock.clone(),
            route: info.route.template,
            began: info.began,
        }
    }

    /// The caller's name for log lines and metrics.
    fn caller<'a>(&'a self, info: &'a RequestInfo) -> &'a Arc<str> {
        info.authenticated_caller().map_or(&self.no_caller, |caller| caller.name().label())
    }

    /// Counts a request, writes its line and ends its span.
    pub(super) fn observe(&self, info: &RequestInfo, outcome: &Outcome) {
        let took = self.clock.now().since(info.began);
        let cache = outcome.cache;
        if let Some(cache) = cache {
            self.metrics.cache(cache.result);
        }
        let (caller, method) = (self.caller(info), info.method_name());
        let (route, status) = (info.route.template, outcome.response.status());
        if self.access_log.is_on() || info.span.is_some() {
            let trace_id = info.trace().map(|context| context.trace_id_text());
            let client_san = info.unnamed_san();
            let record = AccessRecord {
                timestamp: self.clock.wall(),
                level: "INFO",
                target: "sddc_gateway::access",
                message: "request",
                request_id: info.id.to_str().unwrap_or_default(),
                trace_id: trace_id.as_deref(),
                caller,
                client: info.client,
                method,
                route,
                status: status.as_u16(),
                duration_ms: milliseconds(took),
                bytes: outcome.bytes(),
                cache: cache.map(|cache| cache.result.as_str()),
                age_s: cache.map(|cache| cache.age_s),
                decision: outcome.decision,
                reason: outcome.reason,
                client_san: client_san.as_deref(),
            };
            self.access_log.write(&record);
            if let Some(span) = info.span {
                self.tracer.request(span, took, &record, (caller, &info.id));
            }
        }
        let waits = if outcome.is_stream() { WaitKind::Stream } else { info.waits() };
        self.metrics.http_call(&HttpCall { route, method, status, caller, took, waits });
    }

    fn with_record<T>(
        &self,
        info: &RequestInfo,
        (decision, reason): (Decision, Option<&str>),
        status: StatusCode,
        then: impl FnOnce(&AuditRecord<'_>) -> T,
    ) -> T {
        let (org, sddc) = info.route.ids(&info.uri);
        let credential = info.credential().map(|id| id.to_string());
        then(&AuditRecord {
            timestamp: self.clock.wall(),
            id: Uuid::new_v4(),
            request_id: info.id.to_str().unwrap_or_default(),
            caller: self.caller(info),
            credential: credential.as_deref(),
            method: info.method_name(),
            client: info.client,
            route: info.route.template,
            org_id: org.as_ref(),
            sddc_id: sddc.as_ref(),
            decision,
            reason,
            status: status.as_u16(),
        })
    }
}

/// Sees to what stays of one request, also of a caller who leaves before the answer: then the future
/// of the request is dropped, and this guard with it.
pub(super) struct RequestLog<'a> {
    recorder: &'a Recorder,
    info: &'a RequestInfo,
    /// For its audit record.
    permit: Option<AuditPermit>,
    /// What was decided so far.
    decision: Option<Decision>,
    is_finished: bool,
}

impl<'a> RequestLog<'a> {
    pub(super) fn new(recorder: &'a Recorder, info: &'a RequestInfo) -> Self {
        Self { recorder, info, permit: None, decision: None, is_finished: false }
    }

    pub(super) fn info(&self) -> &'a RequestInfo {
        self.info
    }

    /// Takes a permit for the audit's record, where decisions are recorded.
    ///
    /// # Errors
    /// [`AuditFailed`]: nothing may be decided.
    pub(super) async fn reserve_record(&mut self) -> Result<(), AuditFailed> {
        if self.recorder.audit.is_on() {
            self.permit = Some(self.recorder.audit.reserve().await?);
        }
        Ok(())
    }

    /// Remembers what was decided, for a caller who leaves now.
    pub(super) fn set_decision(&mut self, decision: Option<Decision>) {
        self.decision = decision;
    }

    /// What was decided so far.
    pub(super) fn decision(&self) -> Option<Decision> {
        self.decision
    }

    /// Writes the audit's record, if there was a decision; without it there is another answer.
    pub(super) async fn write_record(&mut self, outcome: &mut Outcome) {
        self.decision = outcome.decision;
        let (Some(decision), Some(permit)) = (outcome.decision, self.permit.take()) else { return };
        let problem = outcome.response.extensions().get::<Problem>();
        let reason = problem.filter(|_| decision == Decision::Deny).map(Problem::reason);
        let (status, decided) = (outcome.response.status(), (decision, reason));
        let write = |record: &AuditRecord<'_>| permit.write(record);
        if self.recorder.with_record(self.info, decided, status, write).await.is_err() {
            *outcome = Outcome::unrecorded(Some(decision));
        }
    }

    /// The answer goes out now: from here on the caller cannot leave.
    pub(super) fn finish(mut self) {
        self.is_finished = true;
    }
}

impl Drop for RequestLog<'_> {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        let left = Outcome::client_left(self.decision);
        if let (Some(permit), Some(decision)) = (self.permit.take(), self.decision) {
            let (status, decided) = (left.response.status(), (decision, left.reason));
            self.recorder.with_record(self.info, decided, status, |record| permit.leave(record));
        }
        self.recorder.observe(self.info, &left);
    }
}

/// Rounded to whole microseconds: a quotient of two whole numbers has at most three decimals in a line, and
/// a product has what floating point makes of it.
fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_whole_microseconds() {
        for (nanos, text) in [
            (0, "0.0"),
            (499, "0.0"),
            (500, "0.001"),
            (6_920_660, "6.921"),
            (1_005_000, "1.005"),
            (120_000_123_456, "120000.123"),
        ] {
            let written = serde_json::to_string(&milliseconds(Duration::from_nanos(nanos)));
            assert_eq!(written.unwrap(), text);
        }
    }
}
