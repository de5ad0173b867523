//! Client certificates that a handshake refuses: counted by reason, logged, recorded in
//! the audit. Without this their owner sees an alert of TLS, and the operator nothing.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use uuid::Uuid;

use crate::{
    access::{CertificateFault, RefusedCertificate},
    clock::{Clock, Instant},
    telemetry::{Audit, CertificateRecord, Decision, Metrics},
};

/// Each reason gets one line in this time: every client that reaches the port can cause them.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Records refused certificates. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct CertificateRefusals {
    clock: Clock,
    audit: Audit,
    lines: Arc<Mutex<HashMap<CertificateFault, LogBudget>>>,
}

/// The last line of one reason, and how many were left out since.
#[derive(Debug, Default)]
struct LogBudget {
    last: Option<Instant>,
    left_out: u64,
}

impl CertificateRefusals {
    pub(super) fn new(clock: Clock, audit: Audit) -> Self {
        Self { clock, audit, lines: Arc::default() }
    }

    /// Logs, counts and records one. Its names are not repeated: no CA of ours has vouched for them.
    pub(super) async fn record(
        &self,
        refused: RefusedCertificate,
        client: IpAddr,
        metrics: &Metrics,
    ) {
        let RefusedCertificate { fault, id } = refused;
        metrics.access_denied(fault.as_str());
        if let Some(left_out) = self.line_is_due(fault) {
            tracing::info!(
                client.address = %client,
                credential = %id,
                reason = fault.as_str(),
                left_out,
                "client certificate refused: {}",
                fault.text()
            );
        }
        let credential = id.to_string();
        let record = CertificateRecord {
            timestamp: self.clock.wall(),
            id: Uuid::new_v4(),
            event: "client_certificate",
            caller: "none",
            credential: &credential,
            client,
            decision: Decision::Deny,
            reason: fault.as_str(),
        };
        self.audit.record_certificate(&record).await;
    }

    /// How many lines of this reason were left out before, if the next may be written.
    fn line_is_due(&self, fault: CertificateFault) -> Option<u64> {
        let now = self.clock.now();
        let mut lines = self.lines.lock();
        let lines = lines.entry(fault).or_default();
        if lines.last.is_some_and(|last| now.since(last) < BETWEEN_LINES) {
            lines.left_out += 1;
            return None;
        }
        lines.last = Some(now);
        Some(std::mem::take(&mut lines.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_one_line_in_ten_seconds_and_counts_the_rest() {
        let clock = Clock::manual(jiff::Timestamp::UNIX_EPOCH);
        let refusals = CertificateRefusals::new(clock.clone(), Audit::off());
        let due = |fault| refusals.line_is_due(fault);
        assert_eq!(due(CertificateFault::Expired), Some(0));
        assert_eq!(due(CertificateFault::Revoked), Some(0));
        assert_eq!((due(CertificateFault::Expired), due(CertificateFault::Expired)), (None, None));
        clock.advance(BETWEEN_LINES);
        assert_eq!(due(CertificateFault::Expired), Some(2));
        assert_eq!(due(CertificateFault::Revoked), Some(0));
    }
}
