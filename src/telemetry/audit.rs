//! `telemetry.audit`: one JSON record per decision, never sampled, never dropped.
//!
//! Flow: [`Audit::reserve`] before the work → [`AuditPermit::write`] before the answer, or
//! [`AuditPermit::leave`] when the caller has left → a thread of its own → standard output or a file.
//!
//! An answer goes out only when its record was taken by the operating system (`write(2)` has
//! returned; nothing is synced to the disk, so a machine that loses power may lose the last ones).
//! Otherwise the request is answered 503. The other way round is possible: the record of a request
//! that was answered 503 may come later, or in part on a line of its own.

mod output;
mod queue;
mod record;
#[cfg(test)]
mod tests;

use std::{
    convert::Infallible,
    fmt,
    fs::File,
    io::{self, Write},
    os::fd::AsFd,
    path::Path,
    sync::{Arc, mpsc},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::timeout,
};

pub(crate) use self::output::probe as probe_audit_file;
pub use self::record::{AuditRecord, CertificateRecord, Decision};
use self::{
    output::{AuditFile, AuditOutput, WriterOutput},
    queue::{AuditQueue, AuditWriter, QueuedRecord},
    record::line,
};
use super::{metrics::Metrics, settings::AuditTarget};

/// How long a request waits for a permit while the queue is full.
const PERMIT_PATIENCE: Duration = Duration::from_secs(1);
/// How long it waits for its record to be written.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);
/// After a failure, how long requests are refused until the next may try.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the end of the process waits for what is queued.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// Where audit records go. Cheap to clone.
#[derive(Clone)]
pub struct Audit(Option<Arc<AuditQueue>>);

/// The record cannot be written, or it is not known whether it was: 503.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit record cannot be written")]
pub struct AuditFailed;

/// Keeps the writing thread. Dropping it writes out what is queued, for at most 5 s, and ends it;
/// after that no request gets a permit.
#[must_use = "dropping it ends the audit"]
pub struct AuditGuard {
    queue: Arc<AuditQueue>,
    /// Say when the thread has ended: their other ends are gone then.
    ended: mpsc::Receiver<()>,
    died: Option<oneshot::Receiver<Infallible>>,
}

/// The right to put one record into the queue. Dropped unused, it is given back and nothing is written.
#[must_use = "a decision without a record"]
pub struct AuditPermit(Option<(Arc<AuditQueue>, OwnedSemaphorePermit)>);

impl Audit {
    /// No records: `telemetry.audit` is not set. Every permit is there and nothing is written.
    pub fn off() -> Self {
        Self(None)
    }

    /// Opens what is configured. `max_records` bounds the records waiting and the permits held together:
    /// as many as requests can be there at once, those that watch or wait included.
    ///
    /// # Errors
    /// The file cannot be opened or is no regular file, or the thread not started.
    pub fn open(
        target: &AuditTarget,
        max_records: usize,
        metrics: Metrics,
    ) -> io::Result<(Self, AuditGuard)> {
        match target {
            AuditTarget::Stdout => Self::to_stdout(max_records, metrics),
            AuditTarget::File(path) => Self::to_file(path, max_records, metrics),
        }
    }

    /// Records go to standard output. A reader that is gone is a failure like any other.
    ///
    /// # Errors
    /// As [`Audit::open`].
    pub fn to_stdout(max_records: usize, metrics: Metrics) -> io::Result<(Self, AuditGuard)> {
        // `io::Stdout` keeps what it could not write, and would write it twice.
        let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Self::to_writer(stdout, max_records, metrics)
    }

    /// Records are appended to a file, made with mode 0600 if it is not there. When it is renamed
    /// or removed a new one is made.
    ///
    /// # Errors
    /// As [`Audit::open`].
    pub fn to_file(
        path: &Path,
        max_records: usize,
        metrics: Metrics,
    ) -> io::Result<(Self, AuditGuard)> {
        Self::start(Box::new(AuditFile::open(path)?), max_records, PAUSE, metrics)
    }

    /// Records go to `write`, one call per batch. What it takes counts as written: it is not
    /// flushed.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn to_writer(
        write: impl Write + Send + 'static,
        max_records: usize,
        metrics: Metrics,
    ) -> io::Result<(Self, AuditGuard)> {
        Self::start(Box::new(WriterOutput(write)), max_records, PAUSE, metrics)
    }

    fn start(
        output: Box<dyn AuditOutput>,
        max_records: usize,
        pause: Duration,
        metrics: Metrics,
    ) -> io::Result<(Self, AuditGuard)> {
        let (queue, entries) = AuditQueue::new(max_records, metrics);
        let queue = Arc::new(queue);
        let (alive, ended) = mpsc::channel();
        let (living, died) = oneshot::channel();
        let writer = AuditWriter::new(queue.clone(), entries, output, pause);
        // A runtime of its own: writing blocks, and only the thread waits for it.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        std::thread::Builder::new().name("audit".into()).spawn(move || {
            let _alive: (mpsc::Sender<()>, oneshot::Sender<Infallible>) = (alive, living);
            runtime.block_on(writer.run());
        })?;
        Ok((Self(Some(queue.clone())), AuditGuard { queue, ended, died: Some(died) }))
    }

    /// Why records cannot be written at the moment, from a closed set. `None`: they can, or none are
    /// made.
    pub fn last_error(&self) -> Option<&'static str> {
        self.0.as_ref()?.fault().map(word)
    }

    /// Whether records are made at all.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Takes a permit for a record. Held from before the work, so that a caller who leaves can still
    /// be recorded. Costs a count where one is free.
    ///
    /// # Errors
    /// [`AuditFailed`] when no permit comes free for 1 s, or at once when the last try to write
    /// failed less than 1 s ago.
    pub async fn reserve(&self) -> Result<AuditPermit, AuditFailed> {
        let Some(queue) = &self.0 else { return Ok(AuditPermit(None)) };
        if queue.is_broken() {
            queue.count_failures(1);
            return Err(AuditFailed);
        }
        let permit = match queue.permits.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => match timeout(PERMIT_PATIENCE, queue.permits.clone().acquire_owned()).await {
                Ok(Ok(permit)) => permit,
                Ok(Err(_ended)) => {
                    queue.count_failures(1);
                    return Err(AuditFailed);
                }
                Err(_late) => {
                    queue.on_full();
                    return Err(AuditFailed);
                }
            },
        };
        Ok(AuditPermit(Some((queue.clone(), permit))))
    }

    /// Records a certificate that was refused in a handshake, and does not wait for it to be written:
    /// nobody is answered. If it cannot be written that is counted.
    pub async fn record_certificate(&self, record: &CertificateRecord<'_>) {
        if let Ok(AuditPermit(Some((queue, permit)))) = self.reserve().await {
            queue.send(QueuedRecord { line: line(record), written: None, _permit: permit });
        }
    }
}

/// An error of the operating system in a word.
fn word(kind: io::ErrorKind) -> &'static str {
    use io::ErrorKind::{
        BrokenPipe, FileTooLarge, InvalidInput, IsADirectory, NotADirectory, NotFound,
        PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull, TimedOut, WouldBlock,
        WriteZero,
    };
    match kind {
        StorageFull | WriteZero => "storage_full",
        QuotaExceeded => "quota_exceeded",
        FileTooLarge => "file_too_large",
        ReadOnlyFilesystem => "read_only_filesystem",
        PermissionDenied => "permission_denied",
        NotFound | NotADirectory => "not_found",
        InvalidInput | IsADirectory => "no_regular_file",
        BrokenPipe => "broken_pipe",
        TimedOut | WouldBlock => "timed_out",
        _ => "io",
    }
}

impl AuditPermit {
    /// Hands the record over, at once, and returns a future that is ready once it is written. To
    /// drop that future takes nothing back.
    ///
    /// # Errors
    /// [`AuditFailed`] when it could not be written, or is not for 5 s; it may still be later.
    pub fn write(
        self,
        record: &AuditRecord<'_>,
    ) -> impl Future<Output = Result<(), AuditFailed>> + Send + use<> {
        let waiting = self.0.map(|(queue, permit)| {
            let (written, result) = oneshot::channel();
            let entry =
                QueuedRecord { line: line(record), written: Some(written), _permit: permit };
            queue.send(entry);
            (queue, result)
        });
        async move {
            let Some((queue, result)) = waiting else { return Ok(()) };
            match timeout(WRITE_PATIENCE, result).await {
                Ok(written) => written.map_err(|_lost| AuditFailed),
                Err(_late) => {
                    queue.on_late();
                    Err(AuditFailed)
                }
            }
        }
    }

    /// Hands the record over and does not wait: there is nobody to answer. If it cannot be written
    /// that is counted.
    pub fn leave(self, record: &AuditRecord<'_>) {
        if let Some((queue, permit)) = self.0 {
            queue.send(QueuedRecord { line: line(record), written: None, _permit: permit });
        }
    }
}

impl AuditGuard {
    /// A future that is ready once the thread has ended: unasked, if the guard is still there. Then
    /// no request could ever be recorded again, nor answered. To be asked for once.
    pub fn ended(&mut self) -> impl Future<Output = ()> + Send + use<> {
        let died = self.died.take();
        async move {
            match died {
                Some(died) => drop(died.await),
                None => std::future::pending().await,
            }
        }
    }
}

impl Drop for AuditGuard {
    fn drop(&mut self) {
        self.queue.stop.cancel();
        if self.ended.recv_timeout(END_PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::error!("queued audit records could not be written before the end");
        }
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("on", &self.is_on()).finish()
    }
}

base::opaque_debug!(AuditGuard, AuditPermit);
