//! `telemetry.audit`: one JSON record per decision, never sampled, never dropped.
//!
//! Flow: [`Audit::reserve`] before the work → [`Slot::write`] before the answer, or [`Slot::leave`]
//! when the caller has left → a thread of its own → standard output or a file.
//!
//! An answer goes out only when its record was taken by the operating system (`write(2)` has
//! returned; nothing is synced to the disk, so a machine that loses power may lose the last ones).
//! Otherwise the request is answered 503. The other way round is possible: the record of a request
//! that was answered 503 may come later, or in part on a line of its own.

mod output;
mod record;
#[cfg(test)]
mod tests;
mod writer;

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
    output::{AuditFile, Output, Stream},
    writer::{Desk, Entry},
};
use super::{AuditTarget, Metrics};

/// How long a request waits for a place in a full queue.
const PLACE_PATIENCE: Duration = Duration::from_secs(1);
/// How long it waits for its record to be written.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);
/// After a failure, how long requests are refused until the next may try.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the end of the process waits for what is queued.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// Where audit records go. Cheap to clone.
#[derive(Clone)]
pub struct Audit(Option<Arc<Desk>>);

/// The record cannot be written, or nobody knows whether it was: 503.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit record cannot be written")]
pub struct AuditFailed;

/// Keeps the writing thread. Dropping it writes out what is queued, for at most 5 s, and ends it;
/// after that nobody gets a place.
#[must_use = "dropping it ends the audit"]
pub struct AuditGuard {
    desk: Arc<Desk>,
    /// Say when the thread has ended: their other ends are gone then.
    ended: mpsc::Receiver<()>,
    died: Option<oneshot::Receiver<Infallible>>,
}

/// A place in the queue for one record. Dropped unused, it is free again and nothing is written.
#[must_use = "a decision without a record"]
pub struct Slot(Option<(Arc<Desk>, OwnedSemaphorePermit)>);

impl Audit {
    /// No records: `telemetry.audit` is not set. Every place is there and nothing is written.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Opens what is configured. `places` bounds the records waiting and the slots held together:
    /// as many as requests can be there at once, those that watch or wait included.
    ///
    /// # Errors
    /// The file cannot be opened or is no regular file, or the thread not started.
    pub fn open(
        target: &AuditTarget,
        places: usize,
        metrics: Metrics,
    ) -> io::Result<(Self, AuditGuard)> {
        match target {
            AuditTarget::Stdout => Self::to_stdout(places, metrics),
            AuditTarget::File(path) => Self::to_file(path, places, metrics),
        }
    }

    /// Records go to standard output. A reader that is gone is a failure like any other.
    ///
    /// # Errors
    /// As [`Audit::open`].
    pub fn to_stdout(places: usize, metrics: Metrics) -> io::Result<(Self, AuditGuard)> {
        // `io::Stdout` keeps what it could not write, and would write it twice.
        let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Self::to_writer(stdout, places, metrics)
    }

    /// Records are appended to a file, made with mode 0600 if it is not there. When it is renamed
    /// or removed a new one is made.
    ///
    /// # Errors
    /// As [`Audit::open`].
    pub fn to_file(path: &Path, places: usize, metrics: Metrics) -> io::Result<(Self, AuditGuard)> {
        Self::start(Box::new(AuditFile::open(path)?), places, PAUSE, metrics)
    }

    /// Records go to `write`, one call per batch. What it takes counts as written: it is not
    /// flushed.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn to_writer(
        write: impl Write + Send + 'static,
        places: usize,
        metrics: Metrics,
    ) -> io::Result<(Self, AuditGuard)> {
        Self::start(Box::new(Stream(write)), places, PAUSE, metrics)
    }

    fn start(
        output: Box<dyn Output>,
        places: usize,
        pause: Duration,
        metrics: Metrics,
    ) -> io::Result<(Self, AuditGuard)> {
        let desk = Arc::new(Desk::new(places, pause, metrics));
        let (alive, ended) = mpsc::channel();
        let (living, died) = oneshot::channel();
        let writing = desk.clone();
        std::thread::Builder::new().name("audit".into()).spawn(move || {
            let _alive: (mpsc::Sender<()>, oneshot::Sender<Infallible>) = (alive, living);
            writing.write_all(output);
        })?;
        Ok((Self(Some(desk.clone())), AuditGuard { desk, ended, died: Some(died) }))
    }

    /// Why records cannot be written at the moment, from a closed set. `None`: they can, or none are
    /// made.
    #[must_use]
    pub fn last_error(&self) -> Option<&'static str> {
        self.0.as_ref()?.fault().map(word)
    }

    /// Whether records are made at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Takes a place in the queue. Held from before the work, so that a caller who leaves can still
    /// be recorded. Costs a count where one is free.
    ///
    /// # Errors
    /// [`AuditFailed`] when no place comes free for 1 s, or at once when the last try to write
    /// failed less than 1 s ago.
    pub async fn reserve(&self) -> Result<Slot, AuditFailed> {
        let Some(desk) = &self.0 else { return Ok(Slot(None)) };
        if desk.is_broken() {
            desk.failed(1);
            return Err(AuditFailed);
        }
        let place = match desk.places.clone().try_acquire_owned() {
            Ok(place) => place,
            Err(_) => match timeout(PLACE_PATIENCE, desk.places.clone().acquire_owned()).await {
                Ok(Ok(place)) => place,
                Ok(Err(_ended)) => {
                    desk.failed(1);
                    return Err(AuditFailed);
                }
                Err(_late) => {
                    desk.is_full();
                    return Err(AuditFailed);
                }
            },
        };
        Ok(Slot(Some((desk.clone(), place))))
    }
}

impl Audit {
    /// Records a certificate that was refused in a handshake, and does not wait for it to be written:
    /// nobody is answered. If it cannot be written that is counted.
    pub async fn record_certificate(&self, record: &CertificateRecord<'_>) {
        if let Ok(Slot(Some((desk, place)))) = self.reserve().await {
            desk.hand_over(Entry { line: record.line(), written: None, _place: place });
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

impl Slot {
    /// Hands the record over, at once, and returns a future that is ready once it is written. To
    /// drop that future takes nothing back.
    ///
    /// # Errors
    /// [`AuditFailed`] when it could not be written, or is not for 5 s; it may still be later.
    pub fn write(
        self,
        record: &AuditRecord<'_>,
    ) -> impl Future<Output = Result<(), AuditFailed>> + Send + use<> {
        let waiting = self.0.map(|(desk, place)| {
            let (written, result) = oneshot::channel();
            let entry = Entry { line: record.line(), written: Some(written), _place: place };
            desk.hand_over(entry);
            (desk, result)
        });
        async move {
            let Some((desk, result)) = waiting else { return Ok(()) };
            match timeout(WRITE_PATIENCE, result).await {
                Ok(written) => written.map_err(|_lost| AuditFailed),
                Err(_late) => {
                    desk.is_late();
                    Err(AuditFailed)
                }
            }
        }
    }

    /// Hands the record over and does not wait: there is nobody to answer. If it cannot be written
    /// that is counted.
    pub fn leave(self, record: &AuditRecord<'_>) {
        if let Some((desk, place)) = self.0 {
            desk.hand_over(Entry { line: record.line(), written: None, _place: place });
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
        self.desk.end();
        if self.ended.recv_timeout(END_PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::error!("audit records that were still queued could not be written");
        }
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("on", &self.is_on()).finish()
    }
}

impl fmt::Debug for AuditGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditGuard")
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}
