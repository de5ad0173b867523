//! Writes log lines, and counts those that are lost.
//!
//! The queue before it counts what it drops itself, but not what cannot be written: a full disk, a
//! reader that is gone. `BufWriter` would keep such lines and refuse new ones, uncounted too.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Lines gather up to here while more are waiting.
const BUFFER_BYTES: usize = 8 * 1024;

/// Gathers lines, and never fails: a line that cannot be written is lost and counted.
#[derive(Debug)]
pub(super) struct LogWriter<W> {
    output: W,
    lines: Vec<u8>,
    /// The last thing written is a part of a line.
    is_torn: bool,
    lost: Arc<AtomicU64>,
}

impl<W: Write> LogWriter<W> {
    /// Counts into `lost`.
    pub(super) fn new(output: W, lost: Arc<AtomicU64>) -> Self {
        Self { output, lines: Vec::with_capacity(BUFFER_BYTES), is_torn: false, lost }
    }

    fn write_out(&mut self) {
        let Self { output, lines, is_torn, lost } = self;
        if std::mem::take(is_torn) {
            // What was written of a lost line stands on a line of its own.
            lines.insert(0, b'\n');
        }
        let taken = put(output, lines);
        let (written, left) = lines.split_at(taken);
        *is_torn = written.last().is_some_and(|last| *last != b'\n');
        let lost_lines = left.split(|byte| *byte == b'\n').count() - 1;
        lost.fetch_add(lost_lines as u64, Ordering::Relaxed);
        lines.clear();
    }
}

/// As [`Write::write_all`], and says how many bytes were taken.
fn put(output: &mut impl Write, bytes: &[u8]) -> usize {
    let mut taken = 0;
    while taken < bytes.len() {
        match output.write(&bytes[taken..]) {
            Ok(0) => break,
            Ok(more) => taken += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    taken
}

impl<W: Write> Write for LogWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.lines.len() + bytes.len() > BUFFER_BYTES {
            self.write_out();
        }
        self.lines.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.lines.is_empty() {
            self.write_out();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    /// Takes so many bytes in all, and then none.
    struct Room(Vec<u8>, usize);

    impl Write for Room {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.1);
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.1 -= taken;
            self.0.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lost_in(output: impl Write) -> u64 {
        let lost = Arc::default();
        let mut writer = LogWriter::new(output, Arc::clone(&lost));
        for _ in 0..2 {
            writer.write_all(b"one\n").unwrap();
            writer.write_all(b"two\n").unwrap();
            writer.flush().unwrap();
        }
        lost.load(Ordering::Relaxed)
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_do_no_harm() {
        let (reader, closed) = io::pipe().unwrap();
        drop(reader);
        assert_eq!(lost_in(File::options().write(true).open("/dev/full").unwrap()), 4);
        assert_eq!(lost_in(closed), 4);
        assert_eq!(lost_in(io::sink()), 0);
    }

    #[test]
    fn a_line_that_is_written_in_part_is_lost_and_the_next_begins_on_its_own() {
        let lost = Arc::default();
        let mut writer = LogWriter::new(Room(Vec::new(), 6), Arc::clone(&lost));
        writer.write_all(b"one\ntwo\nthree\n").unwrap();
        writer.flush().unwrap();
        assert_eq!(lost.load(Ordering::Relaxed), 2);
        writer.output.1 = 100;
        writer.write_all(b"four\n").unwrap();
        writer.flush().unwrap();
        assert_eq!(writer.output.0, b"one\ntw\nfour\n");
        assert_eq!(lost.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn many_lines_are_gathered() {
        let lost = Arc::default();
        let mut writer = LogWriter::new(Room(Vec::new(), usize::MAX), Arc::clone(&lost));
        let line = [b'x'; 99];
        for _ in 0..1000 {
            writer.write_all(&line).unwrap();
            writer.write_all(b"\n").unwrap();
        }
        writer.flush().unwrap();
        assert_eq!(writer.output.0.len(), 100_000);
    }
}
