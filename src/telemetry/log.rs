//! The log: lines on standard error, written in batches by a thread of their own.
//!
//! A writer that cannot keep up, or cannot write at all, costs lines, which are counted, and never a
//! caller's time.

use std::io;

use prometheus_client::metrics::counter::Counter;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer, Registry, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt,
};

use super::{
    access_log::AccessLog,
    log_queue::{LogQueue, LogWriterGuard},
    settings::{Format, Settings},
};

/// Keeps the writer thread. Dropping it writes out what is waiting.
#[must_use = "dropping it ends the log"]
pub struct LogGuard {
    _writer: LogWriterGuard,
    lost: Counter,
}

impl LogGuard {
    /// Counts the lines that were lost: dropped because the writer could not keep up, or not written.
    pub fn lost(&self) -> Counter {
        self.lost.clone()
    }
}

/// Starts the process's log. Only the first call in a process sets the subscriber for events; each
/// gets an access log of its own.
pub fn start(settings: &Settings) -> (AccessLog, LogGuard) {
    let queue = LogQueue::default();
    let writer = queue.start(io::stderr());
    // `RUST_LOG` is ignored on purpose: other crates log requests, headers among them, below `info`.
    let filter = Targets::new()
        .with_default(settings.log.min(LevelFilter::INFO))
        .with_target("sddc_gateway", settings.log);
    let lines = tracing_subscriber::fmt::layer().with_writer(queue.clone());
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match settings.format {
        Format::Text => Box::new(lines.with_ansi(false).with_filter(filter)),
        Format::Json => Box::new(lines.json().flatten_event(true).with_filter(filter)),
    };
    // A second gateway in the process keeps the first one's subscriber.
    let _ = tracing_subscriber::registry().with(lines).try_init();
    let access = if settings.log >= LevelFilter::INFO {
        let queue = queue.clone();
        AccessLog::new(settings.format, move |line| queue.push(line))
    } else {
        AccessLog::off()
    };
    (access, LogGuard { _writer: writer, lost: queue.lost() })
}
