//! The record of decisions: opened before anything is decided, and watched until the end.

use super::{StartError, Tasks};
use crate::{
    config::Config,
    telemetry::{Audit, AuditGuard, Metrics},
};

/// Opens the audit, if there is one.
pub(super) fn open(
    config: &Config,
    metrics: &Metrics,
) -> Result<(Audit, Option<AuditGuard>), StartError> {
    let Some(target) = &config.telemetry.audit else { return Ok((Audit::off(), None)) };
    // A record is waited for by one request, and a request may wait or watch.
    let places = config.api.max_in_flight + config.api.max_watchers;
    let opened = Audit::open(target, places, metrics.clone());
    let (audit, guard) = opened.map_err(|error| StartError::Audit(error.kind()))?;
    Ok((audit, Some(guard)))
}

/// Without the audit's thread no request could be answered: its end is the gateway's.
pub(super) fn watch(guard: Option<&mut AuditGuard>, tasks: &Tasks) {
    let Some(guard) = guard else { return };
    let (stop, ended) = (tasks.stop.clone(), guard.ended());
    tasks.spawn("audit", stop.clone(), async move {
        stop.run_until_cancelled(ended).await;
    });
}
