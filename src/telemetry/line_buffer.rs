//! Whole lines on their way to an output that may fail in the midst of one.

use std::io::{self, Write};

/// What the buffer of many lines is cut down to once they are written.
const MAX_IDLE_BYTES: usize = 256 * 1024;

/// Gathers lines, and writes them so that each begins on a line of its own, whatever became of the
/// last one.
#[derive(Debug, Default)]
pub(super) struct LineBuffer {
    bytes: Vec<u8>,
    /// The last thing written is a part of a line.
    is_torn: bool,
}

impl LineBuffer {
    /// The output is another one, which ends in the midst of a line or does not.
    pub(super) fn set_torn(&mut self, is_torn: bool) {
        self.is_torn = is_torn;
    }

    /// Adds a line, or a part of one, with its line end.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes what another buffer has gathered, which gets the empty one of this.
    pub(super) fn swap(&mut self, other: &mut Vec<u8>) {
        debug_assert!(self.bytes.is_empty(), "what was gathered is written first");
        std::mem::swap(&mut self.bytes, other);
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Writes out what was gathered, and forgets it.
    pub(super) fn write_to(&mut self, output: &mut (impl Write + ?Sized)) -> WrittenLines {
        let prefix = usize::from(self.is_torn);
        if self.is_torn {
            // A part of a line stands on a line of its own.
            self.bytes.insert(0, b'\n');
        }
        let (taken, result) = write_all(output, &self.bytes);
        if let Some(last) = self.bytes[..taken].last() {
            self.is_torn = *last != b'\n';
        }
        let split = taken.max(prefix);
        let whole = count_lines(&self.bytes[prefix..split]);
        let lost = count_lines(&self.bytes[split..]);
        self.bytes.clear();
        self.bytes.shrink_to(MAX_IDLE_BYTES);
        WrittenLines { whole, lost, result }
    }
}

/// What became of lines.
#[derive(Debug)]
pub(super) struct WrittenLines {
    /// Lines that are out as a whole, the first ones.
    pub(super) whole: usize,
    /// The others.
    pub(super) lost: usize,
    /// Why there are others.
    pub(super) result: io::Result<()>,
}

pub(super) fn count_lines(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', bytes).count()
}

/// As [`Write::write_all`], and says how many bytes were taken.
fn write_all(output: &mut (impl Write + ?Sized), bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut taken = 0;
    while taken < bytes.len() {
        match output.write(&bytes[taken..]) {
            Ok(0) => return (taken, Err(io::ErrorKind::WriteZero.into())),
            Ok(more) => taken += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (taken, Err(error)),
        }
    }
    (taken, Ok(()))
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_line_that_is_written_in_part_is_lost_and_the_next_begins_on_its_own() {
        let (mut lines, mut output) = (LineBuffer::default(), Room(Vec::new(), 6));
        lines.push(b"one\ntwo\nthree\n");
        assert_eq!(lines.write_to(&mut output).lost, 2);
        output.1 = 100;
        lines.push(b"four\n");
        assert_eq!(lines.write_to(&mut output).lost, 0);
        assert_eq!(output.0, b"one\ntw\nfour\n");
    }

    #[test]
    fn a_torn_line_is_ended_also_after_another_failure_and_counted_once() {
        let (mut lines, mut output) = (LineBuffer::default(), Room(Vec::new(), 2));
        let mut lost = 0;
        for (line, room) in [("one\n", 0), ("two\n", 100), ("three\n", 100)] {
            lines.push(line.as_bytes());
            lost += lines.write_to(&mut output).lost;
            output.1 = room;
        }
        assert_eq!(output.0, b"on\nthree\n");
        assert_eq!(lost, 2);
    }
}
