//! What the operator sets of the log: section `[telemetry]`.

use tracing::level_filters::LevelFilter;

/// Section `[telemetry]`.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// `telemetry.log`: `off`, `error`, `warn`, `info`, `debug` or `trace`. Other crates than this
    /// one are never logged below `info`.
    pub log: LevelFilter,
    /// `telemetry.format`.
    pub format: Format,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
