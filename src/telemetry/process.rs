//! `process_*`: the figures every Prometheus client library gives of its own process.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder},
    metrics::{MetricType, TypedMetric, counter::ConstCounter, gauge::ConstGauge},
};

/// Reads `/proc/self` at each scrape; says nothing on a system without it.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Ok(process) = procfs::process::Process::myself() else { return Ok(()) };
        let Ok(stat) = process.stat() else { return Ok(()) };
        #[expect(clippy::cast_precision_loss, reason = "seconds of CPU are far below 2^52 ticks")]
        let cpu = (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64;
        counter(&mut encoder, "process_cpu_seconds", "CPU time used", cpu)?;
        gauge(&mut encoder, "process_threads", "Threads", stat.num_threads)?;
        let resident = stat.rss.saturating_mul(procfs::page_size());
        let resident = i64::try_from(resident).unwrap_or(i64::MAX);
        gauge(&mut encoder, "process_resident_memory_bytes", "Resident memory", resident)?;
        let virtual_bytes = i64::try_from(stat.vsize).unwrap_or(i64::MAX);
        gauge(&mut encoder, "process_virtual_memory_bytes", "Virtual memory", virtual_bytes)?;
        if let Ok(open) = process.fd_count() {
            let open = i64::try_from(open).unwrap_or(i64::MAX);
            gauge(&mut encoder, "process_open_fds", "Open file descriptors", open)?;
        }
        if let Ok(limits) = process.limits()
            && let procfs::process::LimitValue::Value(max) = limits.max_open_files.soft_limit
        {
            let max = i64::try_from(max).unwrap_or(i64::MAX);
            gauge(&mut encoder, "process_max_fds", "Limit of open file descriptors", max)?;
        }
        if let Ok(boot) = procfs::boot_time_secs() {
            let started = boot + stat.starttime / procfs::ticks_per_second();
            let started = i64::try_from(started).unwrap_or(i64::MAX);
            let help = "When the process started, in seconds since 1970";
            gauge(&mut encoder, "process_start_time_seconds", help, started)?;
        }
        Ok(())
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: i64) -> fmt::Result {
    let metric = ConstGauge::new(value);
    let metric_encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    metric.encode(metric_encoder)
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    let metric = ConstCounter::new(value);
    let metric_encoder: MetricEncoder<'_> =
        encoder.encode_descriptor(name, help, None, ConstCounter::<f64>::TYPE)?;
    metric.encode(metric_encoder)
}
