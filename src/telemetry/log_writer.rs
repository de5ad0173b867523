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

use super::line_buffer::LineBuffer;

/// Lines gather up to here while more are waiting.
const BUFFER_BYTES: usize = 8 * 1024;

/// Gathers lines, and never fails: a line that cannot be written is lost and counted.
#[derive(Debug)]
pub(super) struct LogWriter<W> {
    output: W,
    lines: LineBuffer,
    lost: Arc<AtomicU64>,
}

impl<W: Write> LogWriter<W> {
    /// Counts into `lost`.
    pub(super) fn new(output: W, lost: Arc<AtomicU64>) -> Self {
        Self { output, lines: LineBuffer::with_capacity(BUFFER_BYTES), lost }
    }

    fn write_out(&mut self) {
        let written = self.lines.write_to(&mut self.output);
        self.lost.fetch_add(written.lost as u64, Ordering::Relaxed);
    }
}

impl<W: Write> Write for LogWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.lines.len() + bytes.len() > BUFFER_BYTES {
            self.write_out();
        }
        self.lines.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.lines.len() > 0 {
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
    fn a_torn_line_is_ended_also_after_another_failure_and_counted_once() {
        let lost = Arc::default();
        let mut writer = LogWriter::new(Room(Vec::new(), 2), Arc::clone(&lost));
        for (line, room) in [("one\n", 0), ("two\n", 100), ("three\n", 100)] {
            writer.write_all(line.as_bytes()).unwrap();
            writer.flush().unwrap();
            writer.output.1 = room;
        }
        assert_eq!(writer.output.0, b"on\nthree\n");
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
