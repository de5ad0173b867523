//! What operators see: the log, the audit, the metrics and traces.
//!
//! All are handed in through constructors, so that one process can run two gateways. Nothing here
//! knows a secret; what knows one cannot be printed.

mod access_log;
mod audit;
mod cloud_events;
mod event_spell;
mod histogram;
mod json_line;
mod line_buffer;
mod log;
mod log_queue;
mod metrics;
mod proc_self;
mod process;
mod prometheus_text;
mod settings;
mod traces;

pub(crate) use self::audit::probe_audit_file;
pub use self::{
    access_log::{AccessLog, AccessRecord},
    audit::{
        Audit, AuditFailed, AuditGuard, AuditPermit, AuditRecord, CertificateRecord, Decision,
    },
    cloud_events::TracedCloud,
    event_spell::EventSpell,
    log::{LogGuard, start},
    metrics::{CacheResult, HttpCall, Metrics, WaitKind},
    process::ProcessCollector,
    prometheus_text::prometheus_text,
    settings::{AuditTarget, Format, Settings},
    traces::{Exporter, Tracer, probe_collector},
};
