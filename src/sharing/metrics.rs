//! What sharing shows to metrics.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter},
};

use super::{Replicas, ResourceKind};
use crate::gauges::{counter, gauge};

base::closed_set! {
    /// How a turn ended.
    #[derive(Debug, Clone, Copy)]
    pub(super) enum TurnOutcome {
        Taken = "taken",
        Granted = "granted",
        Unshared = "unshared",
    }
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    turns: [[AtomicU64; TurnOutcome::ALL.len()]; ResourceKind::ALL.len()],
    not_ours: AtomicU64,
}

impl Counts {
    pub(super) fn turn(&self, kind: ResourceKind, outcome: TurnOutcome) {
        self.turns[kind as usize][outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn not_ours(&self) {
        self.not_ours.fetch_add(1, Ordering::Relaxed);
    }
}

impl Collector for Replicas {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        gauge(
            &mut encoder,
            "sddc_gateway_shared_store_up",
            "Whether Redis or Valkey answers: 0 means that each replica mints and polls for itself",
            i64::from(self.status().is_ok),
        )?;
        let mut turns = encoder.encode_descriptor(
            "sddc_gateway_shared_turns",
            "Mints and reads that were due, by who did them: taken = another replica, granted = this \
             one for all, unshared = this one for itself",
            None,
            MetricType::Counter,
        )?;
        for kind in ResourceKind::ALL {
            for outcome in TurnOutcome::ALL {
                let count = &self.0.counts.turns[kind as usize][outcome as usize];
                let labels = [("resource", kind.as_str()), ("outcome", outcome.as_str())];
                ConstCounter::new(count.load(Ordering::Relaxed))
                    .encode(turns.encode_family(&labels)?)?;
            }
        }
        counter(
            &mut encoder,
            "sddc_gateway_shared_records_refused",
            "Records in Redis that are not sealed with keys.file, and were replaced",
            self.0.counts.not_ours.load(Ordering::Relaxed),
        )
    }
}
