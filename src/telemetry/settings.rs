//! What the operator sets of the log, the audit and traces: section `[telemetry]`.

use std::path::PathBuf;

use tracing::level_filters::LevelFilter;
use url::Url;

/// Section `[telemetry]`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `telemetry.log`: `off`, `error`, `warn`, `info`, `debug` or `trace`. Other crates than this
    /// one are never logged below `info`.
    pub log: LevelFilter,
    /// `telemetry.format`.
    pub format: Format,
    /// `telemetry.audit`: where audit records go; `None`: none are made.
    pub audit: Option<AuditTarget>,
    /// `telemetry.otlp_endpoint`: where the collector takes traces; `None`: none are made.
    pub otlp_endpoint: Option<Url>,
}

/// Where audit records go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditTarget {
    /// Standard output. The log is on standard error.
    Stdout,
    /// A file, in a directory that was there when the configuration was checked.
    File(PathBuf),
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
