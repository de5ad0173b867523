//! The one reloader: files that are re-read while the gateway runs.
//!
//! Each is compared every 5 s and on SIGHUP. Reading the content instead of watching the file finds
//! a symlink that was swapped, which is how Kubernetes and Docker rotate secrets. A new version
//! that is refused keeps the old one, and says so. What belongs together, a certificate and its key,
//! is read and taken together.

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
use sha2::{Digest, Sha256};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

const EVERY: Duration = Duration::from_secs(5);
/// A content that is another one after this is being written: it is left for the next look.
const SETTLES_WITHIN: Duration = Duration::from_millis(50);

/// Takes the files' contents, in the order of their paths, or says why not: a reason from a closed
/// set. Called when a content has changed, not at each look.
pub type Take = Box<dyn Fn(&[&[u8]]) -> Result<(), &'static str> + Send + Sync>;

/// Files that belong together, and what is done with their contents.
pub struct Watched {
    /// The configuration key that names the first of them.
    pub key: &'static str,
    /// Where they are.
    pub paths: Vec<PathBuf>,
    /// Takes the contents if they are good.
    pub take: Take,
}

/// What was last taken or refused of one [`Watched`]: contents are compared by their digest, since
/// they may be secrets.
#[derive(Default)]
struct Seen {
    digest: Option<[u8; 32]>,
    outcome: Option<Result<(), &'static str>>,
}

impl Watched {
    async fn look(&self, seen: &mut Seen) -> Result<(), &'static str> {
        let contents = self.read().await?;
        let digest = Some(digest(&contents));
        match seen.outcome {
            Some(outcome) if seen.digest == digest => outcome,
            Some(outcome) if !self.is_settled(&contents).await? => outcome,
            _ => {
                let contents: Vec<_> = contents.iter().map(Vec::as_slice).collect();
                let outcome = (self.take)(&contents);
                *seen = Seen { digest, outcome: Some(outcome) };
                outcome
            }
        }
    }

    async fn read(&self) -> Result<Vec<Vec<u8>>, &'static str> {
        let mut contents = Vec::with_capacity(self.paths.len());
        for path in &self.paths {
            contents.push(tokio::fs::read(path).await.map_err(|_| "unreadable")?);
        }
        Ok(contents)
    }

    /// Whether a new content is whole: an editor, or a shell's `>`, empties a file before it writes it.
    async fn is_settled(&self, contents: &[Vec<u8>]) -> Result<bool, &'static str> {
        tokio::time::sleep(SETTLES_WITHIN).await;
        Ok(self.read().await? == contents)
    }
}

fn digest(contents: &[Vec<u8>]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for content in contents {
        digest.update(content.len().to_be_bytes());
        digest.update(content);
    }
    digest.finalize().into()
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
        let mut files: Vec<_> = files.into_iter().map(|file| (file, Seen::default())).collect();
        async move {
            loop {
                // From the look's begin: what is written meanwhile is not passed over.
                let due = clock.now() + EVERY;
                for (file, seen) in &mut files {
                    let outcome = file.look(seen).await;
                    self.note(file.key, outcome);
                }
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
            "1 while the newest version of a re-read file is in use, else 0",
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
