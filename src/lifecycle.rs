//! Start, readiness, drain, end.
//!
//! ```text
//! SIGTERM ─► not ready, answers say `Connection: close`, HTTP/2 GOAWAY, waits answer
//!         ─(api.drain_delay)─► accepting stops, event streams end
//!         ─(in flight ends, at most api.drain)─► what is left is answered 503 `shutting-down`, then cut
//!         ─► background tasks end ─► exit 0
//! ```
//!
//! SIGINT skips the delay, a second signal everything that is left. A background task that ends
//! unasked takes the process down: a gateway whose poller is dead must not look healthy.

pub(crate) mod systemd;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{access::oidc::Oidc, gauges::gauge, inventory::Inventory, telemetry::Audit};

/// For the answers of requests that were still in flight when the time was up: they are short, and a
/// client that does not take them is cut.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// Whether the gateway wants requests. Cheap to clone.
///
/// It turns ready once a first snapshot exists, or a good token with a closed circuit, and stays so
/// until drain or an internal fault: upstream trouble shows elsewhere, and does not take the
/// gateway away from its callers.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<ReadinessState>);

#[derive(Debug)]
struct ReadinessState {
    inventory: Inventory,
    /// Verifies tokens, where these are every caller's only credential.
    keys: Option<Oidc>,
    audit: Audit,
    was_ready: AtomicBool,
    ending: CancellationToken,
    draining: CancellationToken,
}

impl Collector for Readiness {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "1 while /readyz says ready, else 0";
        gauge(&mut encoder, "sddc_gateway_ready", help, i64::from(self.is_ready()))
    }
}

impl Readiness {
    /// Follows an inventory, the audit without which no request is answered, and the first key set
    /// where `keys` is given.
    pub fn new(inventory: Inventory, keys: Option<Oidc>, audit: Audit) -> Self {
        Self(Arc::new(ReadinessState {
            inventory,
            keys,
            audit,
            was_ready: AtomicBool::new(false),
            ending: CancellationToken::new(),
            draining: CancellationToken::new(),
        }))
    }

    /// Whether requests are wanted now. Asks no upstream.
    pub fn is_ready(&self) -> bool {
        if self.is_ending() || self.0.audit.last_error().is_some() {
            return false;
        }
        let has_keys = || self.0.keys.as_ref().is_none_or(Oidc::has_keys);
        if !self.0.was_ready.load(Ordering::Relaxed) && self.0.inventory.is_ready() && has_keys() {
            self.0.was_ready.store(true, Ordering::Relaxed);
        }
        self.0.was_ready.load(Ordering::Relaxed)
    }

    /// Whether the end has begun: answers then close their connection.
    pub fn is_ending(&self) -> bool {
        self.0.ending.is_cancelled()
    }

    /// Returns when the end begins: waits are answered.
    pub async fn ending(&self) {
        self.0.ending.cancelled().await;
    }

    /// Returns when accepting stops: event streams end. Until then their readers could only come back
    /// to this gateway, because a load balancer has not learned of its end yet.
    pub async fn draining(&self) {
        self.0.draining.cancelled().await;
    }

    /// Cancelled when the end begins.
    pub fn token(&self) -> CancellationToken {
        self.0.ending.clone()
    }

    fn end(&self) {
        self.0.ending.cancel();
    }

    fn drain(&self) {
        self.0.draining.cancel();
    }
}

/// SIGTERM and SIGINT.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// Why the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShutdownReason {
    /// SIGTERM: a load balancer has to learn of it first.
    Terminate,
    /// SIGINT: a person waits at a terminal.
    Interrupt,
    /// A background task ended unasked.
    TaskFailed,
}

impl Signals {
    /// Takes the signals over from the operating system's default.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn listen() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { terminate, interrupt })
    }

    /// The next signal.
    pub async fn next(&mut self) -> ShutdownReason {
        tokio::select! {
            _ = self.terminate.recv() => ShutdownReason::Terminate,
            _ = self.interrupt.recv() => ShutdownReason::Interrupt,
        }
    }

    /// Waits for the end of some work, and tells it by `hurry` of a signal meanwhile.
    pub async fn hurrying(&mut self, hurry: &CancellationToken, work: impl Future<Output = ()>) {
        let mut work = std::pin::pin!(work);
        tokio::select! {
            () = &mut work => {}
            _ = self.next() => {
                hurry.cancel();
                work.await;
            }
        }
    }
}

/// What is wound down, in this order.
#[derive(Debug)]
pub struct Drain {
    /// Turned off first.
    pub readiness: Readiness,
    /// Ends accepting, and idle connections, on the API listener.
    pub close: CancellationToken,
    /// Has requests that are still in flight answered 503, when the time is up.
    pub cutting: CancellationToken,
    /// Cancelled by a second signal.
    pub hurry: CancellationToken,
    /// The API listener's connections.
    pub connections: TaskTracker,
    /// `api.drain_delay`.
    pub delay: Duration,
    /// `api.drain`.
    pub limit: Duration,
}

impl Drain {
    /// Winds the API listener down. A further signal cuts it short. Connections that are left are
    /// the caller's to cut.
    pub async fn run(self, reason: ShutdownReason, signals: &mut Signals) {
        self.readiness.end();
        let delay = if reason == ShutdownReason::Terminate { self.delay } else { Duration::ZERO };
        tracing::info!(?reason, delay_s = delay.as_secs_f64(), "shutting down");
        let wind_down = async {
            tokio::time::sleep(delay).await;
            self.readiness.drain();
            self.close.cancel();
            self.connections.close();
            if tokio::time::timeout(self.limit, self.connections.wait()).await.is_err() {
                let left = self.connections.len();
                tracing::warn!(
                    left,
                    "connections are still open at the end of api.drain and are closed now"
                );
            }
        };
        tokio::select! {
            () = wind_down => {}
            _ = signals.next() => {
                tracing::warn!("second signal: the gateway no longer waits for requests in flight");
                self.hurry.cancel();
                self.readiness.drain();
                self.close.cancel();
                self.connections.close();
            }
        }
        self.cutting.cancel();
        let _ = tokio::time::timeout(LAST_ANSWERS, self.connections.wait()).await;
    }
}
