//! The thread that writes, and the queue before it.
//!
//! Flow: [`Entry`] → [`Desk::hand_over`] → all that has gathered, in one write → each entry learns
//! whether its record is out.
//!
//! While writing fails nobody is let in. Once per pause the first record that was lost is tried again:
//! that finds out whether it works again without a request, since a gateway that is not ready gets none.

use std::{
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::output::Output;
use crate::telemetry::Metrics;

/// What a big batch's buffer is cut down to.
const KEPT_BYTES: usize = 256 * 1024;

/// A record on its way.
pub(super) struct Entry {
    pub(super) line: Vec<u8>,
    /// Who waits for it. Dropped unsent, it was not written.
    pub(super) written: Option<oneshot::Sender<()>>,
    pub(super) _place: OwnedSemaphorePermit,
}

/// What requests and the thread share.
pub(super) struct Desk {
    pub(super) places: Arc<Semaphore>,
    queue: Mutex<Queue>,
    gathered: Condvar,
    /// The last try failed: nobody is let in for the time of a pause.
    broken: AtomicBool,
    /// Why writing fails, until it works again. The log has been told.
    fault: Mutex<Option<io::ErrorKind>>,
    pause: Duration,
    metrics: Metrics,
}

struct Queue {
    entries: Vec<Entry>,
    state: State,
}

/// What the thread does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Writes what has gathered.
    Batch,
    /// Tries a lost record again.
    Again,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// What is there is written, and what comes meanwhile.
    Ending,
    Ended,
}

impl Desk {
    pub(super) fn new(places: usize, pause: Duration, metrics: Metrics) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            queue: Mutex::new(Queue { entries: Vec::new(), state: State::Open }),
            gathered: Condvar::new(),
            broken: AtomicBool::new(false),
            fault: Mutex::default(),
            pause,
            metrics,
        }
    }

    /// Why records cannot be written at the moment.
    pub(super) fn fault(&self) -> Option<io::ErrorKind> {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Puts a record into the queue. Once the thread has ended it is lost, and counted.
    pub(super) fn hand_over(&self, entry: Entry) {
        let mut queue = self.lock();
        if queue.state == State::Ended {
            drop(queue);
            return self.failed(1);
        }
        queue.entries.push(entry);
        drop(queue);
        self.gathered.notify_one();
    }

    /// Counts a request that got no place in time.
    pub(super) fn is_full(&self) {
        self.failed(1);
        // Else the places are held by requests that have not decided yet, and nothing is wrong.
        if !self.lock().entries.is_empty() {
            self.tell(&io::ErrorKind::TimedOut.into());
        }
    }

    /// Counts a request that got no word in time, and takes the writer for broken. A record that
    /// cannot be written after all is counted again.
    pub(super) fn is_late(&self) {
        self.failed(1);
        self.tell(&io::ErrorKind::TimedOut.into());
        // Under the lock, so that a thread about to wait waits for a pause only.
        let queue = self.lock();
        self.broken.store(true, Ordering::Relaxed);
        drop(queue);
        self.gathered.notify_one();
    }

    pub(super) fn failed(&self, count: usize) {
        (0..count).for_each(|_| self.metrics.audit_failure());
    }

    /// Lets the thread end once it has written what there is.
    pub(super) fn end(&self) {
        let mut queue = self.lock();
        if queue.state == State::Open {
            queue.state = State::Ending;
        }
        drop(queue);
        self.gathered.notify_one();
    }

    /// The thread's work: until [`Desk::end`].
    pub(super) fn write_all(&self, output: Box<dyn Output>) {
        let _ended = Ended(self);
        let mut lines = Lines { output, torn: false, bytes: Vec::new() };
        let mut batch = Vec::new();
        // The first record that was lost, until one is written.
        let mut lost = None;
        while let Some(turn) = self.gather(&mut batch) {
            match turn {
                Turn::Batch => {
                    let (whole, result) = lines.write(batch.iter().map(|entry| &*entry.line));
                    if result.is_ok() {
                        lost = None;
                    } else if lost.is_none() {
                        lost = batch.get(whole).map(|entry| entry.line.clone());
                    }
                    self.settle(&mut batch, whole, result);
                }
                Turn::Again => {
                    let result = lost.as_deref().map_or(Ok(()), |line| lines.write([line]).1);
                    if result.is_ok() {
                        lost = None;
                        self.works_again();
                        self.broken.store(false, Ordering::Relaxed);
                    }
                }
            }
        }
    }

    /// Waits for entries, or for the end of a pause. `None`: there will be none any more.
    fn gather(&self, batch: &mut Vec<Entry>) -> Option<Turn> {
        let mut queue = self.lock();
        loop {
            if !queue.entries.is_empty() {
                std::mem::swap(&mut queue.entries, batch);
                return Some(Turn::Batch);
            }
            if queue.state != State::Open {
                queue.state = State::Ended;
                return None;
            }
            queue = if self.is_broken() {
                let waited = self.gathered.wait_timeout(queue, self.pause);
                let (queue, waited) = waited.unwrap_or_else(PoisonError::into_inner);
                if waited.timed_out() && queue.entries.is_empty() && queue.state == State::Open {
                    return Some(Turn::Again);
                }
                queue
            } else {
                self.gathered.wait(queue).unwrap_or_else(PoisonError::into_inner)
            };
        }
    }

    /// Tells the first `whole` entries that they are written, and the others that they are not.
    fn settle(&self, batch: &mut Vec<Entry>, whole: usize, result: io::Result<()>) {
        let lost = batch.len() - whole;
        self.failed(lost);
        match result {
            Err(error) => self.tell(&error),
            Ok(()) => self.works_again(),
        }
        // Before anybody learns of it: who hears of a failure finds the door closed.
        self.broken.store(lost > 0, Ordering::Relaxed);
        for written in batch.drain(..).take(whole).filter_map(|entry| entry.written) {
            // Who does not wait any more has been answered.
            let _ = written.send(());
        }
    }

    /// Once per spell. The kind alone: an error's own text may name more.
    fn tell(&self, error: &io::Error) {
        let before =
            self.fault.lock().unwrap_or_else(PoisonError::into_inner).replace(error.kind());
        if before.is_none() {
            let error = crate::os_error::describe(error);
            tracing::error!(%error, "the audit record cannot be written");
        }
    }

    fn works_again(&self) {
        if self.fault.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            tracing::info!("audit records are written again");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// However the thread ends, nobody waits for it any more.
struct Ended<'a>(&'a Desk);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.state = State::Ended;
        let lost = std::mem::take(&mut queue.entries);
        drop(queue);
        self.0.failed(lost.len());
        self.0.places.close();
    }
}

/// Whole lines, whatever became of the last one.
struct Lines {
    output: Box<dyn Output>,
    /// The last thing written is a part of a line.
    torn: bool,
    bytes: Vec<u8>,
}

impl Lines {
    /// Writes lines. Tells how many of them are out as a whole, the first ones.
    fn write<'a>(
        &mut self,
        batch: impl IntoIterator<Item = &'a [u8]> + Clone,
    ) -> (usize, io::Result<()>) {
        match self.output.ready() {
            Ok(Some(torn)) => self.torn = torn,
            Ok(None) => {}
            Err(error) => return (0, Err(error)),
        }
        self.bytes.clear();
        if self.torn {
            self.bytes.push(b'\n');
        }
        let mut end = self.bytes.len();
        for line in batch.clone() {
            self.bytes.extend_from_slice(line);
        }
        let (taken, result) = self.put();
        if let Some(last) = self.bytes[..taken].last() {
            self.torn = *last != b'\n';
        }
        let is_whole = |line: &&[u8]| {
            end += line.len();
            end <= taken
        };
        let whole = batch.into_iter().take_while(is_whole).count();
        self.bytes.shrink_to(KEPT_BYTES);
        (whole, result)
    }

    /// As `Write::write_all`, which does not tell how far it came.
    fn put(&mut self) -> (usize, io::Result<()>) {
        let mut taken = 0;
        while taken < self.bytes.len() {
            match self.output.write(&self.bytes[taken..]) {
                Ok(0) => return (taken, Err(io::ErrorKind::WriteZero.into())),
                Ok(more) => taken += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (taken, Err(error)),
            }
        }
        (taken, Ok(()))
    }
}
