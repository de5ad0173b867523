//! The log: lines on standard error, written by a thread of their own.
//!
//! A writer that cannot keep up, or cannot write at all, costs lines, which are counted, and never a
//! caller's time.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    Layer, Registry, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt,
};

use super::{
    access_log::AccessLog,
    log_writer::LogWriter,
    settings::{Format, Settings},
};

/// Lines waiting for the writer; above it they are dropped and counted.
const WAITING_LINES: usize = 16_384;

/// Keeps the writer thread. Dropping it writes out what is waiting.
#[must_use = "dropping it ends the log"]
pub struct LogGuard {
    _worker: WorkerGuard,
    lost: LostLines,
}

/// Counts the lines that were lost. Cheap to clone.
#[derive(Clone)]
pub struct LostLines {
    /// For want of room in the queue.
    dropped: ErrorCounter,
    /// Because they could not be written.
    unwritten: Arc<AtomicU64>,
}

impl LostLines {
    /// How many so far.
    #[must_use]
    pub fn count(&self) -> usize {
        let unwritten = self.unwritten.load(Ordering::Relaxed);
        self.dropped
            .dropped_lines()
            .saturating_add(usize::try_from(unwritten).unwrap_or(usize::MAX))
    }
}

impl LogGuard {
    /// Counts the lines that were lost: dropped because the writer could not keep up, or not written.
    #[must_use]
    pub fn lost(&self) -> LostLines {
        self.lost.clone()
    }
}

/// Starts the process's log. Only the first call in a process sets the subscriber for events; each
/// gets an access log of its own.
pub fn start(settings: &Settings) -> (AccessLog, LogGuard) {
    let unwritten = Arc::<AtomicU64>::default();
    let (writer, worker) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING_LINES)
        .thread_name("log")
        .finish(LogWriter::new(io::stderr(), unwritten.clone()));
    let lost = LostLines { dropped: writer.error_counter(), unwritten };
    // `RUST_LOG` is ignored on purpose: other crates log requests, headers among them, below `info`.
    let filter = Targets::new()
        .with_default(settings.log.min(LevelFilter::INFO))
        .with_target("sddc_gateway", settings.log);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer.clone());
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match settings.format {
        Format::Text => Box::new(lines.with_ansi(false).with_filter(filter)),
        Format::Json => Box::new(lines.json().flatten_event(true).with_filter(filter)),
    };
    // A second gateway in the process keeps the first one's subscriber.
    let _ = tracing_subscriber::registry().with(lines).try_init();
    let access = if settings.log >= LevelFilter::INFO {
        // The queue counts what it has to drop.
        AccessLog::new(settings.format, move |line| drop(writer.clone().write_all(line)))
    } else {
        AccessLog::off()
    };
    (access, LogGuard { _worker: worker, lost })
}
