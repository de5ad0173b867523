//! The queue of records, and the thread that writes them.
//!
//! Flow: [`QueuedRecord`] → [`AuditQueue::send`] → all that has gathered, in one write → each entry learns
//! whether its record is out.
//!
//! While writing fails no caller is let in. Once per pause the first record that was lost is tried again:
//! that finds out whether it works again without a request, since a gateway that is not ready gets none.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{
        Notify, OwnedSemaphorePermit, Semaphore,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::output::AuditOutput;
use crate::telemetry::{line_buffer::LineBuffer, metrics::Metrics};

/// A record on its way.
pub(super) struct QueuedRecord {
    pub(super) line: Vec<u8>,
    /// The request that waits for it. Dropped unsent, the record was not written.
    pub(super) written: Option<oneshot::Sender<()>>,
    /// Bounds the queue: given back once the record is written, so that also a batch that is being
    /// written counts. A permit of a bounded channel would be free again when the thread takes it.
    pub(super) _permit: OwnedSemaphorePermit,
}

/// What requests and the thread share.
pub(super) struct AuditQueue {
    pub(super) permits: Arc<Semaphore>,
    entries: UnboundedSender<QueuedRecord>,
    /// Entries that the thread has not taken yet.
    waiting: AtomicUsize,
    /// Lets the thread end once it has written what there is.
    pub(super) stop: CancellationToken,
    /// Tells the thread that writing is taken for broken.
    changed: Notify,
    /// The last try failed: no caller is let in for the time of a pause.
    is_broken: AtomicBool,
    /// Why writing fails, until it works again; logged already.
    fault: Mutex<Option<io::ErrorKind>>,
    metrics: Metrics,
}

impl AuditQueue {
    pub(super) fn new(
        max_records: usize,
        metrics: Metrics,
    ) -> (Self, UnboundedReceiver<QueuedRecord>) {
        let (entries, receiver) = unbounded_channel();
        let queue = Self {
            permits: Arc::new(Semaphore::new(max_records.min(Semaphore::MAX_PERMITS))),
            entries,
            waiting: AtomicUsize::new(0),
            stop: CancellationToken::new(),
            changed: Notify::new(),
            is_broken: AtomicBool::new(false),
            fault: Mutex::default(),
            metrics,
        };
        (queue, receiver)
    }

    /// Why records cannot be written at the moment.
    pub(super) fn fault(&self) -> Option<io::ErrorKind> {
        *self.fault.lock()
    }

    pub(super) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::SeqCst)
    }

    /// Puts a record into the queue. Once the thread has ended it is lost, and counted.
    pub(super) fn send(&self, entry: QueuedRecord) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        if self.entries.send(entry).is_err() {
            self.count_failures(1);
        }
    }

    /// Counts a request that got no permit in time.
    pub(super) fn on_full(&self) {
        self.count_failures(1);
        // Else the permits are held by requests that have not decided yet, and nothing is wrong.
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.log_fault(&io::ErrorKind::TimedOut.into());
        }
    }

    /// Counts a request that got no word in time, and takes the writer for broken. A record that
    /// cannot be written after all is counted again.
    pub(super) fn on_late(&self) {
        self.count_failures(1);
        self.log_fault(&io::ErrorKind::TimedOut.into());
        self.is_broken.store(true, Ordering::SeqCst);
        self.changed.notify_one();
    }

    pub(super) fn count_failures(&self, count: usize) {
        (0..count).for_each(|_| self.metrics.audit_failure());
    }

    /// Logs a failure once a spell. The kind alone: an error's own text may name more.
    fn log_fault(&self, error: &io::Error) {
        let before = self.fault.lock().replace(error.kind());
        if before.is_none() {
            let error = crate::os_error::describe(error);
            tracing::error!(%error, "the audit record cannot be written");
        }
    }

    fn log_recovery(&self) {
        if self.fault.lock().take().is_some() {
            tracing::info!("audit records can be written again");
        }
    }
}

/// The thread's side of the queue.
pub(super) struct AuditWriter {
    queue: Arc<AuditQueue>,
    entries: UnboundedReceiver<QueuedRecord>,
    output: Box<dyn AuditOutput>,
    lines: LineBuffer,
    /// The first record that was lost, until one is written.
    lost: Option<Vec<u8>>,
    pause: Duration,
}

impl AuditWriter {
    pub(super) fn new(
        queue: Arc<AuditQueue>,
        entries: UnboundedReceiver<QueuedRecord>,
        output: Box<dyn AuditOutput>,
        pause: Duration,
    ) -> Self {
        Self { queue, entries, output, lines: LineBuffer::default(), lost: None, pause }
    }

    /// The thread's work until the queue is stopped. What is there then is written, and what comes
    /// meanwhile.
    pub(super) async fn run(mut self) {
        let queue = self.queue.clone();
        let mut batch = Vec::new();
        loop {
            let is_broken = queue.is_broken();
            tokio::select! {
                biased;
                _ = self.entries.recv_many(&mut batch, usize::MAX) => self.write(&mut batch),
                () = queue.stop.cancelled() => break,
                () = queue.changed.notified() => {}
                () = sleep(self.pause), if is_broken => self.retry(),
            }
        }
        self.entries.close();
        while self.entries.recv_many(&mut batch, usize::MAX).await > 0 {
            self.write(&mut batch);
        }
    }

    /// Writes a batch, and tells each of its entries whether it is out.
    fn write(&mut self, batch: &mut Vec<QueuedRecord>) {
        self.queue.waiting.fetch_sub(batch.len(), Ordering::SeqCst);
        let (whole, result) = self.put(batch.iter().map(|entry| &*entry.line));
        let queue = &self.queue;
        queue.count_failures(batch.len() - whole);
        match result {
            Ok(()) => {
                self.lost = None;
                queue.log_recovery();
            }
            Err(error) => {
                self.lost.get_or_insert_with(|| batch[whole].line.clone());
                queue.log_fault(&error);
            }
        }
        // Before any request learns of it: after a failure the next one is refused at once.
        queue.is_broken.store(whole < batch.len(), Ordering::SeqCst);
        for written in batch.drain(..).take(whole).filter_map(|entry| entry.written) {
            // A request that no longer waits has been answered.
            let _ = written.send(());
        }
    }

    /// Tries a lost record again.
    fn retry(&mut self) {
        let lost = self.lost.take();
        if lost.as_deref().is_none_or(|line| self.put([line]).1.is_ok()) {
            self.queue.log_recovery();
            self.queue.is_broken.store(false, Ordering::SeqCst);
        } else {
            self.lost = lost;
        }
    }

    /// Writes lines. Tells how many of them are out as a whole, the first ones.
    fn put<'a>(&mut self, lines: impl IntoIterator<Item = &'a [u8]>) -> (usize, io::Result<()>) {
        match self.output.ready() {
            Ok(Some(is_torn)) => self.lines.set_torn(is_torn),
            Ok(None) => {}
            Err(error) => return (0, Err(error)),
        }
        for line in lines {
            self.lines.push(line);
        }
        let written = self.lines.write_to(self.output.writer());
        (written.whole, written.result)
    }
}

/// However the thread ends, no request waits for it any longer.
impl Drop for AuditWriter {
    fn drop(&mut self) {
        self.entries.close();
        while self.entries.try_recv().is_ok() {
            self.queue.count_failures(1);
        }
        self.queue.permits.close();
    }
}
