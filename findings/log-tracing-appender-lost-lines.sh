#!/usr/bin/env bash
# tracing-appender counts no log line as dropped that it could not write.
#
# Software: crates.io tracing-appender 0.2.5 (non_blocking, lossy as by default); control: the same with a queue that is full.
# Expected: its documentation: ErrorCounter tracks how often a log line was dropped by the background thread.
# Seen: while the disk is full (here /dev/full) each line is accepted, fails to be written and is gone; the counter stays at 0 and
#   nothing is said on stderr. It counts the lines that find the queue full and no others, so an alert on it misses a full disk.
# Output (2026-11-30):
#   full queue: 5 lines accepted, some dropped by the counter
#   /dev/full: 5 lines accepted, 5 writes failed, 0 dropped by the counter
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "try"
version = "0.0.0"
edition = "2021"

[dependencies]
tracing-appender = "=0.2.5"
TOML
cat >src/main.rs <<'RUST'
use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;
use tracing_appender::non_blocking::NonBlockingBuilder;

static FAILED: AtomicUsize = AtomicUsize::new(0);

struct Slow;

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        sleep(Duration::from_millis(300));
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Watched(File);

impl Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.0.write(bytes);
        FAILED.fetch_add(usize::from(result.is_err()), Ordering::SeqCst);
        result
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn lines(writer: impl Write + Send + 'static) -> (usize, usize) {
    let (mut log, guard) = NonBlockingBuilder::default().buffered_lines_limit(1).finish(writer);
    let counter = log.error_counter();
    let mut accepted = 0;
    for _ in 0..5 {
        accepted += usize::from(log.write_all(b"a line\n").is_ok());
        sleep(Duration::from_millis(20));
    }
    sleep(Duration::from_millis(700));
    drop(guard);
    (accepted, counter.dropped_lines())
}

fn main() {
    let (accepted, dropped) = lines(Slow);
    assert!(accepted == 5 && dropped > 0, "the control has changed");
    println!("full queue: 5 lines accepted, some dropped by the counter");
    let (accepted, dropped) = lines(Watched(File::options().write(true).open("/dev/full").unwrap()));
    let failed = FAILED.load(Ordering::SeqCst);
    println!("/dev/full: {accepted} lines accepted, {failed} writes failed, {dropped} dropped by the counter");
    assert_eq!((accepted, failed, dropped), (5, 5, 0), "the behaviour has changed");
}
RUST
cargo run --quiet
