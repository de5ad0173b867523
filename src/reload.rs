//! The one reloader: files that are re-read while the gateway runs.
//!
//! Each is compared every 5 s and on SIGHUP. Reading the content instead of watching the file finds
//! a symlink that was swapped, which is how Kubernetes and Docker rotate secrets. A new version
//! that is refused keeps the old one, and says so. What belongs together, a certificate and its key,
//! is read and taken together. Each file has its own pace: one that hangs delays no other.
//!
//! Flow: [`LoadedFile`] (read once, when the configuration is checked) → what uses it, and
//! [`Watched`] → a look → a content with another digest → [`Take`]. Only the reloader knows whether
//! a file has changed: what uses a file is given a new content, or nothing.

mod file;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::future::{BoxFuture, join_all};
use parking_lot::Mutex;
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use sha2::{Digest, Sha256};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
};
use tokio_util::sync::CancellationToken;

use self::file::FileLooks;
pub use self::file::{LoadedFile, MAX_BYTES, ReadFault, read};
use crate::{
    clock::{Clock, Instant},
    gauges,
};

const EVERY: Duration = Duration::from_secs(5);
/// A content that is another one after this is being written: it is left for the next look.
const SETTLES_WITHIN: Duration = Duration::from_millis(50);

/// Takes the files' contents, in the order of their paths, or says why not. Called only with contents
/// that are not in use.
pub type Take =
    Box<dyn Fn(Vec<Vec<u8>>) -> BoxFuture<'static, Result<(), Rejection>> + Send + Sync>;

/// A [`Take`] of one file.
pub fn take_one<F>(take: impl Fn(Vec<u8>) -> F + Send + Sync + 'static) -> Take
where
    F: Future<Output = Result<(), Rejection>> + Send + 'static,
{
    Box::new(move |contents| Box::pin(take(contents.into_iter().next().unwrap_or_default())))
}

/// A [`Take`] of one file that needs nothing but its content.
pub fn take_at_once<E: Into<Rejection>>(
    take: impl Fn(&[u8]) -> Result<(), E> + Send + Sync + 'static,
) -> Take {
    take_one(move |content| std::future::ready(take(&content).map_err(Into::into)))
}

/// Why a new version is not in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// As in `/readyz`: from a closed set.
    pub reason: &'static str,
    /// What more there is to say, for the log. It holds nothing of the content that may be secret.
    pub detail: Option<String>,
    /// When the same content is worth another try; never if it is the content's own fault.
    pub retry_in: Option<Duration>,
}

impl From<&'static str> for Rejection {
    fn from(reason: &'static str) -> Self {
        Self { reason, detail: None, retry_in: None }
    }
}

impl From<ReadFault> for Rejection {
    fn from(fault: ReadFault) -> Self {
        let detail = Some(fault.to_string());
        Self { reason: fault.as_str(), detail, retry_in: None }
    }
}

/// Files that belong together, and what is done with their contents.
pub struct Watched {
    key: &'static str,
    paths: Vec<PathBuf>,
    take: Take,
    retry: Option<Arc<Notify>>,
    loaded: Option<ContentDigest>,
}

impl Watched {
    /// Files that are in use as they were loaded, and whose refusal is final until they change. `key`
    /// is the configuration's, of the first of them.
    pub fn new(key: &'static str, files: &[&LoadedFile], take: Take) -> Self {
        let contents: Vec<_> = files.iter().map(|file| file.content()).collect();
        let paths = files.iter().map(|file| file.path().to_owned()).collect();
        Self { key, paths, take, retry: None, loaded: Some(digest(&contents)) }
    }

    /// A file of which no version is in use yet.
    pub fn not_loaded(key: &'static str, path: &Path, take: Take) -> Self {
        Self { key, paths: vec![path.to_owned()], take, retry: None, loaded: None }
    }

    /// What was refused is tried again at once whenever `retry` is notified.
    #[must_use]
    pub fn retried_on(self, retry: Arc<Notify>) -> Self {
        Self { retry: Some(retry), ..self }
    }
}

type ContentDigest = [u8; 32];

/// What is known of one [`Watched`]. Contents are compared by their digest, since they may be secrets.
struct KnownFiles {
    file: Watched,
    looks: FileLooks,
    refused: Option<RefusedReload>,
}

struct RefusedReload {
    digest: ContentDigest,
    rejection: Rejection,
    retry_at: Option<Instant>,
}

impl KnownFiles {
    fn of(file: Watched) -> Self {
        Self { file, looks: FileLooks::default(), refused: None }
    }

    async fn look(&mut self, clock: &Clock) -> Result<(), Rejection> {
        let contents = self.looks.read(&self.file.paths).await?;
        let digest = digest(&contents);
        if self.file.loaded == Some(digest) {
            self.refused = None;
            return Ok(());
        }
        if let Some(refused) = &self.refused
            && refused.digest == digest
            && refused.retry_at.is_none_or(|at| clock.now() < at)
        {
            return Err(refused.rejection.clone());
        }
        let is_first = self.file.loaded.is_none() && self.refused.is_none();
        if !is_first && !self.is_settled(&contents).await? {
            return self.refused.as_ref().map_or(Ok(()), |refused| Err(refused.rejection.clone()));
        }
        match (self.file.take)(contents).await {
            Ok(()) => {
                (self.file.loaded, self.refused) = (Some(digest), None);
                Ok(())
            }
            Err(rejection) => {
                let retry_at = rejection.retry_in.map(|span| clock.now() + span);
                self.refused =
                    Some(RefusedReload { digest, rejection: rejection.clone(), retry_at });
                Err(rejection)
            }
        }
    }

    /// Whether a new content is whole: an editor, or a shell's `>`, empties a file before it writes it.
    async fn is_settled(&mut self, contents: &[Vec<u8>]) -> Result<bool, Rejection> {
        tokio::time::sleep(SETTLES_WITHIN).await;
        Ok(self.looks.read(&self.file.paths).await? == contents)
    }

    /// When to look again, at the latest.
    fn due(&self, looked_at: Instant) -> Instant {
        let due = looked_at + EVERY;
        // A retry that was due was this look itself: what it could not read is not looked at sooner.
        let retry_at = self.refused.as_ref().and_then(|refused| refused.retry_at);
        let retry_at = retry_at.filter(|at| *at > looked_at);
        retry_at.map_or(due, |at| due.min(at))
    }

    /// Has what was refused tried at the next look.
    fn retry_now(&mut self, now: Instant) {
        if let Some(refused) = &mut self.refused
            && refused.retry_at.is_some()
        {
            refused.retry_at = Some(now);
        }
    }
}

fn digest(contents: &[impl AsRef<[u8]>]) -> ContentDigest {
    let mut digest = Sha256::new();
    for content in contents {
        let content = content.as_ref();
        digest.update(content.len().to_be_bytes());
        digest.update(content);
    }
    digest.finalize().into()
}

/// How the last look at each file went. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Reloads(Arc<Mutex<ReloadStatus>>);

type ReloadStatus = BTreeMap<&'static str, Option<&'static str>>;

impl Reloads {
    /// Each file's key, and why its newest version was refused, if it was.
    pub fn status(&self) -> ReloadStatus {
        self.0.lock().clone()
    }

    fn record(&self, file: &Watched, outcome: &Result<(), Rejection>) {
        let (key, reason) = (file.key, outcome.as_ref().err().map(|rejection| rejection.reason));
        let before = self.0.lock().insert(key, reason);
        match outcome {
            Err(Rejection { reason, detail, .. }) if before != Some(Some(reason)) => {
                let detail = detail.as_deref();
                if file.loaded.is_some() {
                    tracing::warn!(
                        file = key,
                        reason,
                        detail,
                        "the new version of the file cannot be used; the old one stays in use"
                    );
                } else {
                    tracing::warn!(
                        file = key,
                        reason,
                        detail,
                        "the file cannot be used and there is no older version: its callers cannot \
                         authenticate"
                    );
                }
            }
            Ok(()) if before.flatten().is_some() => {
                tracing::info!(file = key, "the file can be used again");
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// Looks at the files until `stop`. From this call on, not only once the task runs, a SIGHUP
    /// does not end the process.
    pub fn run_reloader(
        self,
        files: Vec<Watched>,
        clock: &Clock,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<> {
        // One for no file too. Without the signal the timer still does the work.
        let hangup = Hangups::listen();
        let watch = |file| {
            let (reloads, clock, stop) = (self.clone(), clock.clone(), stop.clone());
            reloads.watch(KnownFiles::of(file), Hangups::listen(), clock, stop)
        };
        let watches: Vec<_> = files.into_iter().map(watch).collect();
        async move {
            join_all(watches).await;
            stop.cancelled().await;
            drop(hangup);
        }
    }

    async fn watch(
        self,
        mut known: KnownFiles,
        mut hangups: Hangups,
        clock: Clock,
        stop: CancellationToken,
    ) {
        loop {
            // From the look's begin: what is written meanwhile is not passed over.
            let looked_at = clock.now();
            let look = stop.run_until_cancelled(known.look(&clock));
            let Some(outcome) = look.await else { return };
            self.record(&known.file, &outcome);
            let (due, retry) = (known.due(looked_at), known.file.retry.clone());
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = clock.sleep_until(due) => {}
                () = hangups.next() => {}
                () = notified(retry) => known.retry_now(clock.now()),
            }
        }
    }
}

async fn notified(retry: Option<Arc<Notify>>) {
    match retry {
        Some(retry) => retry.notified().await,
        None => std::future::pending().await,
    }
}

/// SIGHUPs from the moment of listening on.
#[derive(Debug)]
pub struct Hangups(Option<Signal>);

impl Hangups {
    /// From here on a SIGHUP does not end the process.
    pub fn listen() -> Self {
        Self(signal(SignalKind::hangup()).ok())
    }

    /// The next one; never if signals cannot be had.
    pub async fn next(&mut self) {
        match &mut self.0 {
            Some(hangups) => {
                hangups.recv().await;
            }
            None => std::future::pending().await,
        }
    }
}

impl Collector for Reloads {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        gauges::gauges(
            &mut encoder,
            "sddc_gateway_config_reload_ok",
            "1 while the newest version of a re-read file is in use, else 0",
            self.status()
                .into_iter()
                .map(|(file, error)| ([("file", file)], i64::from(error.is_none()))),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_content_that_is_not_in_use_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        write("old");
        let taken: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let seen = taken.clone();
        let take = take_at_once(move |content| {
            seen.lock().push(content.to_vec());
            if content == b"bad" { Err("bad") } else { Ok(()) }
        });
        let file = LoadedFile::read(&path).unwrap();
        let mut known = KnownFiles::of(Watched::new("a.key", &[&file], take));
        let clock = Clock::manual(jiff::Timestamp::UNIX_EPOCH);
        for (text, outcome) in [
            ("old", Ok(())),
            ("bad", Err("bad")),
            ("bad", Err("bad")),
            ("old", Ok(())),
            ("new", Ok(())),
            ("new", Ok(())),
        ] {
            write(text);
            assert_eq!(known.look(&clock).await, outcome.map_err(Rejection::from), "{text}");
        }
        assert_eq!(*taken.lock(), [b"bad", b"new"]);
    }
}
