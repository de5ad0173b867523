//! The one reloader: files that are re-read while the gateway runs.
//!
//! Each is compared every 5 s and on SIGHUP. Reading the content instead of watching the file finds
//! a symlink that was swapped, which is how Kubernetes and Docker rotate secrets. A new version
//! that is refused keeps the old one, and says so.

use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

const EVERY: Duration = Duration::from_secs(5);

/// Takes a file's content, or says why not: a reason from a closed set.
pub type Take = Box<dyn Fn(&str) -> Result<(), &'static str> + Send + Sync>;

/// A file and what is done with its content.
pub struct Watched {
    /// The configuration key that names the file.
    pub key: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// Takes the content if it is new and good.
    pub take: Take,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("key", &self.key).finish_non_exhaustive()
    }
}

/// How the last look at each file went. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Reloads(Arc<Mutex<Status>>);

type Status = BTreeMap<&'static str, Option<&'static str>>;

impl Reloads {
    /// Each file's key, and why its newest version was refused, if it was.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, key: &'static str, outcome: Result<(), &'static str>) {
        let mut status = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = status.insert(key, outcome.err());
        match outcome {
            Err(reason) if before != Some(Some(reason)) => {
                tracing::warn!(file = key, reason, "new version refused, the old one stays");
            }
            Ok(()) if before.flatten().is_some() => {
                tracing::info!(file = key, "file is good again");
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// Looks at the files until `stop`. From this call on, not only once the task runs, a SIGHUP
    /// does not end the process.
    pub fn keep_reading(
        self,
        files: Vec<Watched>,
        clock: Clock,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + Send + 'static {
        // Without the signal the timer still does the work.
        let mut hangup = signal(SignalKind::hangup()).ok();
        async move {
            loop {
                for file in &files {
                    let content = tokio::fs::read_to_string(&file.path).await;
                    let content = content.map_err(|_| "unreadable");
                    self.note(file.key, content.and_then(|text| (file.take)(&text)));
                }
                let due = clock.now() + EVERY;
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = clock.sleep_until(due) => {}
                    () = asked(&mut hangup) => {}
                }
            }
        }
    }
}

async fn asked(hangup: &mut Option<tokio::signal::unix::Signal>) {
    match hangup {
        Some(hangup) => {
            hangup.recv().await;
        }
        None => std::future::pending().await,
    }
}

impl Collector for Reloads {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "sddc_gateway_config_reload_ok",
            "1 while the newest version of a re-read file is in use",
            None,
            MetricType::Gauge,
        )?;
        for (file, error) in self.status() {
            let value = i64::from(error.is_none());
            ConstGauge::new(value).encode(family.encode_family(&[("file", file)])?)?;
        }
        Ok(())
    }
}
