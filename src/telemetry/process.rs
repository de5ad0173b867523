//! What is read of the process at each scrape: `process_*`, the figures that every Prometheus client
//! library gives, and those of the runtime.

use std::fmt;

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use rustix::process::{Resource, getrlimit};
use tokio::runtime::Handle;

use super::proc_self::{ProcessStat, boot_seconds, open_fds};
use crate::gauges::{counter, gauge};

/// Reads `/proc/self` at each scrape; says nothing on a system without it.
#[derive(Debug)]
pub struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(stat) = ProcessStat::read() else { return Ok(()) };
        counter(
            &mut encoder,
            "process_cpu_seconds",
            "CPU time used, in seconds",
            stat.cpu_seconds,
        )?;
        let max_fds = getrlimit(Resource::Nofile).current;
        let started = boot_seconds().map(|boot| boot + stat.started_after_seconds);
        for (name, help, value) in [
            ("process_threads", "Threads", Some(stat.threads)),
            ("process_resident_memory_bytes", "Resident memory", Some(stat.resident_bytes)),
            ("process_virtual_memory_bytes", "Virtual memory", Some(stat.virtual_bytes)),
            ("process_open_fds", "Open file descriptors", open_fds()),
            ("process_max_fds", "Limit of open file descriptors", max_fds),
            (
                "process_start_time_seconds",
                "When the process started, in seconds since 1970",
                started,
            ),
        ] {
            if let Some(value) = value {
                gauge(&mut encoder, name, help, i64::try_from(value).unwrap_or(i64::MAX))?;
            }
        }
        Ok(())
    }
}

/// Counts the tasks of the gateway's own runtime, wherever the scrape runs; says nothing outside of
/// one. Each connection and each watcher is a task, and each background job: a number that stays high
/// while there are no requests shows tasks that do not end.
#[derive(Debug, Clone)]
pub(super) struct RuntimeCollector(Option<Handle>);

impl RuntimeCollector {
    /// The runtime that this is called on.
    pub(super) fn current() -> Self {
        Self(Handle::try_current().ok())
    }
}

impl Collector for RuntimeCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(runtime) = &self.0 else { return Ok(()) };
        let alive = i64::try_from(runtime.metrics().num_alive_tasks()).unwrap_or(i64::MAX);
        gauge(
            &mut encoder,
            "runtime_tasks",
            "Tasks of the async runtime that have not ended",
            alive,
        )
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;
    use tokio_util::{sync::CancellationToken, task::TaskTracker};

    use crate::telemetry::Metrics;

    const NAME: &str = "sddc_gateway_runtime_tasks ";

    fn page() -> String {
        Metrics::new().page(&Registry::default()).unwrap()
    }

    #[tokio::test]
    async fn the_tasks_that_have_not_ended_are_counted() {
        let tasks = || page().lines().find_map(|line| line.strip_prefix(NAME)?.parse::<u32>().ok());
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        assert_eq!(tasks(), Some(0));
        for _ in 0..3 {
            tracker.spawn(stop.clone().cancelled_owned());
        }
        assert_eq!(tasks(), Some(3));
        stop.cancel();
        tracker.close();
        tracker.wait().await;
        tokio::task::yield_now().await;
        assert_eq!(tasks(), Some(0));
    }

    #[test]
    fn outside_of_a_runtime_there_is_no_number_of_tasks() {
        assert!(!page().contains(NAME));
    }
}
