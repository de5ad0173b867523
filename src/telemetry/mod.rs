//! What operators see: the log and the metrics.
//!
//! Both are handed in through constructors, so that one process can run two gateways. Nothing here
//! knows a secret; what knows one cannot be printed.

mod access_log;
mod log;
mod metrics;
mod process;
mod settings;

pub use self::{
    access_log::{AccessLog, AccessRecord},
    log::{LogGuard, start},
    metrics::{CacheResult, HttpCall, Metrics, MintOutcome, UpstreamCall},
    settings::{AuditTarget, Format, Settings},
};
