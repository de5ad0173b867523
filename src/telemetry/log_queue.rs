//! Log lines on their way to their output, in batches.
//!
//! ```text
//! thread ─► its own buffer ─┐
//!                           ├─► one writer, each 100 ms or as soon as one has 64 KiB ─► output
//! thread ─► its own buffer ─┘
//! ```
//!
//! A line costs a copy: no system call, and no lock but that of its thread's own buffer, which the
//! writer takes once a batch. Buffers are bounded: lines that find no room are dropped and counted,
//! and so are those that cannot be written.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use prometheus_client::metrics::counter::Counter;
use thread_local::ThreadLocal;
use tracing_subscriber::fmt::MakeWriter;

use super::line_buffer::{LineBuffer, count_lines};

/// How long lines gather.
const GATHER: Duration = Duration::from_millis(100);
/// A buffer of so many bytes is written at once.
const BATCH_BYTES: usize = 64 * 1024;
/// Bytes of one thread that wait for the writer; lines above it are dropped and counted.
const MAX_WAITING_BYTES: usize = 2 * 1024 * 1024;
/// How long the end waits for an output that takes nothing.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// Takes lines. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct LogQueue(Arc<QueueState>);

#[derive(Debug, Default)]
struct QueueState {
    buffers: ThreadLocal<Mutex<Vec<u8>>>,
    lost: Counter,
    wanted: Mutex<WriterDemand>,
    waker: Condvar,
}

/// What the writer is to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum WriterDemand {
    #[default]
    Nothing,
    /// Lines wait: more of them may gather.
    Batch,
    /// Lines are to be written now.
    Lines,
    /// The lines are written now, and it ends.
    End,
}

/// Keeps the writer's thread. Dropping it writes out what waits.
#[derive(Debug)]
pub(super) struct LogWriterGuard {
    queue: LogQueue,
    ended: mpsc::Receiver<()>,
}

impl LogQueue {
    /// Takes a line, or several, to be written with others.
    pub(super) fn push(&self, lines: &[u8]) {
        let mut buffer = self.0.buffers.get_or_default().lock();
        let before = buffer.len();
        let after = before + lines.len();
        if after > MAX_WAITING_BYTES {
            drop(buffer);
            self.lose(count_lines(lines));
            return;
        }
        buffer.extend_from_slice(lines);
        drop(buffer);
        if before < BATCH_BYTES && after >= BATCH_BYTES {
            self.want(WriterDemand::Lines);
        } else if before == 0 {
            self.want(WriterDemand::Batch);
        }
    }

    /// Lines that were dropped, or could not be written.
    pub(super) fn lost(&self) -> Counter {
        self.0.lost.clone()
    }

    fn lose(&self, lines: usize) {
        self.0.lost.inc_by(lines as u64);
    }

    fn want(&self, what: WriterDemand) {
        let mut wanted = self.0.wanted.lock();
        if *wanted < what {
            *wanted = what;
            self.0.waker.notify_one();
        }
    }

    /// Starts the thread that writes to `output`.
    pub(super) fn start(&self, output: impl Write + Send + 'static) -> LogWriterGuard {
        let (done, ended) = mpsc::channel();
        let queue = self.clone();
        let run = move || {
            queue.run(output);
            drop(done);
        };
        // Without it lines are dropped and counted, as where the output takes nothing.
        let _ = thread::Builder::new().name("log".to_owned()).spawn(run);
        LogWriterGuard { queue: self.clone(), ended }
    }

    fn run(&self, mut output: impl Write) {
        let mut lines = LineBuffer::default();
        while self.next() != WriterDemand::End {
            self.write_out(&mut lines, &mut output);
        }
        self.write_out(&mut lines, &mut output);
    }

    /// Waits until there is something to write.
    fn next(&self) -> WriterDemand {
        let QueueState { wanted, waker, .. } = &*self.0;
        let mut wanted = wanted.lock();
        waker.wait_while(&mut wanted, |wanted| *wanted == WriterDemand::Nothing);
        waker.wait_while_for(&mut wanted, |wanted| *wanted == WriterDemand::Batch, GATHER);
        // Before the buffers are emptied: what comes after that is told again.
        mem::take(&mut *wanted)
    }

    fn write_out(&self, lines: &mut LineBuffer, output: &mut impl Write) {
        for buffer in &self.0.buffers {
            lines.swap(&mut buffer.lock());
            if lines.len() > 0 {
                self.lose(lines.write_to(output).lost);
            }
        }
    }
}

impl Drop for LogWriterGuard {
    fn drop(&mut self) {
        self.queue.want(WriterDemand::End);
        // It sends nothing: the wait ends with the thread.
        let _ = self.ended.recv_timeout(END_PATIENCE);
    }
}

/// Writes events, each as soon as it is whole: whoever looks at them waits for them.
#[derive(Debug)]
pub(super) struct EventWriter(LogQueue);

impl<'a> MakeWriter<'a> for LogQueue {
    type Writer = EventWriter;

    fn make_writer(&'a self) -> EventWriter {
        EventWriter(self.clone())
    }
}

impl Write for EventWriter {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.push(event);
        self.0.want(WriterDemand::Lines);
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    /// Shared, so that it can be looked at; takes nothing while it is locked.
    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<Vec<u8>>>>);

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().push(bytes.to_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_of_all_threads_are_written_whole_and_few_at_a_time() {
        let (queue, output) = (LogQueue::default(), Output::default());
        let guard = queue.start(output.clone());
        let line = [&[b'x'; 99][..], b"\n"].concat();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| queue.push(&line)));
            }
        });
        drop(guard);
        let writes = output.0.lock();
        assert!(writes.len() < 100, "{}", writes.len());
        assert!(writes.concat().chunks(100).eq(std::iter::repeat_n(&*line, 4000)));
        assert_eq!(queue.lost().get(), 0);
    }

    #[test]
    fn an_event_does_not_wait_for_others() {
        let (queue, output) = (LogQueue::default(), Output::default());
        let _guard = queue.start(output.clone());
        queue.make_writer().write_all(b"event\n").unwrap();
        while output.0.lock().is_empty() {
            thread::yield_now();
        }
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_counted() {
        let (queue, output) = (LogQueue::default(), Output::default());
        let stuck = output.0.lock();
        let guard = queue.start(output.clone());
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        let lines = 3 * MAX_WAITING_BYTES / line.len();
        (0..lines).for_each(|_| queue.push(&line));
        let lost = usize::try_from(queue.lost().get()).unwrap();
        assert!((lines / 4..lines).contains(&lost), "{lost} of {lines}");
        drop(stuck);
        drop(guard);
        assert_eq!(output.0.lock().concat().len(), (lines - lost) * line.len());
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_do_no_harm() {
        let (reader, closed) = io::pipe().unwrap();
        drop(reader);
        let full = File::options().write(true).open("/dev/full").unwrap();
        let outputs: [Box<dyn Write + Send>; 2] = [Box::new(full), Box::new(closed)];
        for output in outputs {
            let queue = LogQueue::default();
            let guard = queue.start(output);
            queue.push(b"one\n");
            queue.push(b"two\nthree\n");
            drop(guard);
            assert_eq!(queue.lost().get(), 3);
        }
    }
}
