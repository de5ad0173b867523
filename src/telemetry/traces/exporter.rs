//! Sends what has been queued to the collector, in batches.

use std::time::Duration;

use http::{Method, StatusCode, header::CONTENT_TYPE};
use prost::Message;
use tokio::{sync::mpsc, time};
use tokio_util::sync::CancellationToken;
use url::Url;
use uuid::Uuid;
use vmware_cloud::{
    csp::Scrubber,
    upstream::{
        BuildError, CallBounds, Client, ContentType, Failure, InvalidResponse, Proxies, Reply,
        Upstream, backoff, jittered,
    },
};

use super::{
    FinishedSpan, SpanOutcome,
    otlp::{ExportRequest, ExportResponse},
};
use crate::{
    USER_AGENT,
    clock::Clock,
    telemetry::{EventSpell, Metrics},
};

const ENDPOINT: &str = "traces";
/// The collector of traces.
const COLLECTOR: Upstream = Upstream {
    name: "otlp",
    // There is none: only `https` needs CAs.
    ca_setting: "telemetry.otlp_endpoint to a collector on this host, by http",
    user_agent: USER_AGENT,
    accepts: ContentType::AnyButHtml,
};
const BOUNDS: CallBounds = CallBounds {
    connect_timeout: Duration::from_secs(2),
    timeout: Duration::from_secs(5),
    // It says how many spans it has refused, and why.
    max_body: 64 * 1024,
};
const MAX_BATCH: usize = 512;
/// How long the first span of a batch waits for more.
const MAX_DELAY: Duration = Duration::from_secs(1);
/// The last try of a batch begins at most so long after the first, so that no batch takes more than a
/// quarter of a minute. A collector that restarts is back by then.
const LAST_TRY: Duration = Duration::from_secs(10);
/// What is left at the end is sent within this time, or lost.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);
/// Of what a collector says.
const MAX_MESSAGE_CHARS: usize = 200;

/// Exports spans until it is told to stop, and what is queued then.
#[derive(Debug)]
pub struct Exporter {
    collector: Collector,
    queue: mpsc::Receiver<FinishedSpan>,
    clock: Clock,
    metrics: Metrics,
    /// Taken from the queue and not settled yet.
    batch: Vec<FinishedSpan>,
    losses: EventSpell,
}

#[derive(Debug)]
struct Collector {
    client: Client,
    endpoint: Url,
    /// Of this process.
    instance: String,
}

/// Why a batch was not taken, or not all of it.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    /// No answer, or none that is one.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// 400, 401, 403 or 404: the same batch would be refused again.
    #[error("refused ({0})")]
    Refused(StatusCode),
    /// 200, but not for so many spans, for a reason in the collector's words.
    #[error("{0} rejected: {1:?}")]
    Rejected(usize, String),
}

impl ExportError {
    /// Of a 200 with this body.
    fn of_answer(body: &[u8]) -> Option<Self> {
        // What cannot be read rejects nothing.
        let partial = ExportResponse::decode(body).ok()?.partial_success?;
        let rejected = usize::try_from(partial.rejected_spans).ok().filter(|spans| *spans > 0)?;
        // It knows no secret of the gateway's, but perhaps some of others.
        let message = Scrubber::new([]).scrub(partial.error_message.into());
        Some(Self::Rejected(rejected, message.chars().take(MAX_MESSAGE_CHARS).collect()))
    }

    /// How many spans of a batch are lost.
    fn lost(&self, batch: usize) -> usize {
        match self {
            Self::Failed(_) | Self::Refused(_) => batch,
            Self::Rejected(spans, _) => batch.min(*spans),
        }
    }

    /// How long to wait before the same batch is sent again, `spent` after its first try; `None` if
    /// that would not help, or be too late.
    fn pause(&self, failures: u32, spent: Duration) -> Option<Duration> {
        let left = LAST_TRY.saturating_sub(spent);
        match self {
            Self::Failed(Failure::Contract(_)) | Self::Refused(_) | Self::Rejected(..) => None,
            Self::Failed(_) if left.is_zero() => None,
            Self::Failed(failure) => {
                let asked = failure.retry_after().unwrap_or_default();
                Some(jittered(backoff(failures)).max(asked).min(left))
            }
        }
    }
}

impl Collector {
    fn new(
        endpoint: &Url,
        proxies: &Proxies,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Self, BuildError> {
        let client = Client::new(COLLECTOR, endpoint, BOUNDS, None, proxies, clock, metrics)?;
        Ok(Self { client, endpoint: endpoint.clone(), instance: Uuid::new_v4().to_string() })
    }

    async fn export(&self, spans: &[FinishedSpan]) -> Result<(), ExportError> {
        let body = ExportRequest::of(&self.instance, spans).encode_to_vec();
        let request = self.client.request(Method::POST, self.endpoint.clone());
        let request = request.header(CONTENT_TYPE, "application/x-protobuf").body(body).build();
        let request = request.map_err(|_| Failure::from(InvalidResponse::Address))?;
        match self.client.call(ENDPOINT, request).await {
            Ok(Reply::Json(body)) => ExportError::of_answer(&body).map_or(Ok(()), Err),
            // Not by the book (OTLP wants a 200), but taken: 202 from a queue, 204 from a proxy.
            Err(Failure::Contract(InvalidResponse::Status(status))) if status.is_success() => {
                Ok(())
            }
            Ok(Reply::Refused(status, _)) => Err(ExportError::Refused(status)),
            Err(failure) => Err(failure.into()),
        }
    }
}

/// Sends a batch of no spans: whether a collector takes it, for `check`.
///
/// # Errors
/// What is wrong, in words.
pub async fn probe_collector(endpoint: &Url, proxies: &Proxies) -> Result<(), String> {
    let collector = Collector::new(endpoint, proxies, Clock::system(), Metrics::new());
    let collector = collector.map_err(|error| error.to_string())?;
    collector.export(&[]).await.map_err(|error| error.to_string())
}

impl Exporter {
    pub(super) fn new(
        endpoint: &Url,
        proxies: &Proxies,
        clock: Clock,
        metrics: Metrics,
        queue: mpsc::Receiver<FinishedSpan>,
    ) -> Result<Self, BuildError> {
        let collector = Collector::new(endpoint, proxies, clock.clone(), metrics.clone())?;
        Ok(Self {
            collector,
            queue,
            clock,
            metrics,
            batch: Vec::new(),
            losses: EventSpell::default(),
        })
    }

    /// Exports until `stop`, and then what is left, unless `hurry` is told.
    pub async fn run(mut self, stop: CancellationToken, hurry: CancellationToken) {
        let too_late = async {
            stop.cancelled().await;
            hurry.run_until_cancelled(time::sleep(FLUSH_PATIENCE)).await;
        };
        tokio::select! {
            biased;
            () = self.export_all(&stop) => {}
            () = too_late => {
                let lost = self.batch.len() + self.queue.len();
                tracing::warn!(spans = lost, "spans are lost: the collector of traces has not taken them before the end");
            }
        }
    }

    /// A batch that is being sent at `stop` is not sent again: the collector may have taken it.
    async fn export_all(&mut self, stop: &CancellationToken) {
        while stop.run_until_cancelled(self.fill()).await.is_some() {
            self.export_batch(stop).await;
        }
        self.queue.close();
        while !self.batch.is_empty() || self.queue.recv_many(&mut self.batch, MAX_BATCH).await > 0 {
            self.export_batch(stop).await;
        }
    }

    /// Sends the batch until it is taken or lost. A try that begins after `stop` is the last.
    async fn export_batch(&mut self, stop: &CancellationToken) {
        let begun = self.clock.now();
        for failures in 0.. {
            let error = self.collector.export(&self.batch).await.err();
            let spent = self.clock.now().since(begun);
            let pause = error.as_ref().and_then(|error| error.pause(failures, spent));
            match pause.filter(|_| !stop.is_cancelled()) {
                Some(pause) => drop(stop.run_until_cancelled(time::sleep(pause)).await),
                None => return self.settle(error.as_ref()),
            }
        }
    }

    /// Waits for a first span, and then a moment for more.
    async fn fill(&mut self) {
        if self.batch.is_empty() && self.queue.recv_many(&mut self.batch, MAX_BATCH).await == 0 {
            // Everything that could record a span is gone.
            return std::future::pending().await;
        }
        let more = async {
            while self.batch.len() < MAX_BATCH {
                let room = MAX_BATCH - self.batch.len();
                if self.queue.recv_many(&mut self.batch, room).await == 0 {
                    return;
                }
            }
        };
        // What has come stays in the batch.
        let _ = time::timeout(MAX_DELAY, more).await;
    }

    /// Counts what has become of the batch.
    fn settle(&mut self, error: Option<&ExportError>) {
        let lost = error.map_or(0, |error| error.lost(self.batch.len()));
        self.metrics.trace_spans(SpanOutcome::Exported, self.batch.len() - lost);
        self.metrics.trace_spans(SpanOutcome::Failed, lost);
        match error {
            Some(error) if self.losses.begins() => {
                tracing::warn!(%error, "spans are lost: the collector of traces does not take them");
            }
            None if self.losses.ends() => {
                tracing::info!("the collector of traces takes spans again");
            }
            _ => {}
        }
        self.batch.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{super::otlp::PartialSuccess, *};

    #[test]
    fn a_batch_is_sent_again_for_ten_seconds_whatever_the_collector_asks_for() {
        let second = Duration::from_secs(1);
        let busy = |retry_after: Option<u32>| {
            let retry_after = retry_after.map(|seconds| second * seconds);
            ExportError::Failed(Failure::Throttled { retry_after })
        };
        let pause = busy(None).pause(0, Duration::ZERO).unwrap();
        assert!(pause >= second / 2 && pause <= second, "{pause:?}");
        assert_eq!(busy(Some(3)).pause(0, second), Some(second * 3));
        assert_eq!(busy(Some(100)).pause(0, second * 4), Some(second * 6));
        for spent in [10, 11] {
            assert_eq!(busy(None).pause(3, second * spent), None);
        }
        assert_eq!(ExportError::Refused(StatusCode::FORBIDDEN).pause(0, Duration::ZERO), None);
    }
    #[test]
    fn what_a_collector_rejects_is_told_in_its_words_cut_and_without_secrets() {
        let answer = |rejected_spans, error_message: String| {
            let partial_success = Some(PartialSuccess { rejected_spans, error_message });
            ExportError::of_answer(&ExportResponse { partial_success }.encode_to_vec())
        };
        let key = format!("over quota\n sgw_{}", "x".repeat(43));
        let error = answer(3, key).unwrap();
        assert_eq!(error.to_string(), r#"3 rejected: "over quota\n [redacted]""#);
        assert_eq!((error.lost(512), error.lost(2)), (3, 2));
        assert!(answer(1, "ü".repeat(1000)).unwrap().to_string().chars().count() < 220);
        // A warning, and what is no such answer.
        assert!(answer(0, "slow down".to_owned()).is_none() && answer(-1, String::new()).is_none());
        assert!(ExportError::of_answer(b"{}").is_none() && ExportError::of_answer(b"").is_none());
    }
}
