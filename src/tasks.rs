//! Tasks: tracked, cancellable, never silent.
//!
//! Lasting ones ([`Tasks::spawn`]) keep something going: one that is gone takes the process with it.
//! One-shot ones ([`BackgroundJobs`]) do one thing and end: one that panics has lost what it was
//! doing and is counted, and the next one starts from the beginning.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc};

use base::jobs::PanicReport;
pub use base::jobs::{BackgroundJobs, blocking};
use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::telemetry::Metrics;

impl PanicReport for Metrics {
    fn panicked(&self, job: &'static str) {
        tracing::error!(task = job, "a task panicked");
        self.task_failure(job);
    }
}

/// The background tasks of one gateway. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tasks {
    /// Tells every task to end.
    pub stop: CancellationToken,
    /// Tells them that a second signal has come: what can be lost is not waited for.
    pub hurry: CancellationToken,
    /// One-shot tasks. Nobody waits for them at the end: their callers are gone.
    pub jobs: BackgroundJobs,
    lasting: TaskTracker,
    failed: Arc<Notify>,
    metrics: Metrics,
}

impl Tasks {
    /// No tasks yet.
    pub fn new(metrics: Metrics) -> Self {
        Self {
            stop: CancellationToken::new(),
            hurry: CancellationToken::new(),
            jobs: BackgroundJobs::new(metrics.clone()),
            lasting: TaskTracker::new(),
            failed: Arc::default(),
            metrics,
        }
    }

    /// Spawns a task that lives until `stop`, which it watches itself. One that ends earlier, or
    /// panics, ends the process: a gateway whose poller is dead must not look healthy.
    pub fn spawn(
        &self,
        name: &'static str,
        stop: CancellationToken,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let tasks = self.clone();
        self.lasting.spawn(async move {
            let panicked = AssertUnwindSafe(task).catch_unwind().await.is_err();
            if panicked || !stop.is_cancelled() {
                tracing::error!(task = name, panicked, "a background task ended unexpectedly");
                tasks.metrics.task_failure(name);
                tasks.failed.notify_one();
            }
        });
    }

    /// Returns when a task has ended unasked.
    pub async fn failed(&self) {
        self.failed.notified().await;
    }

    /// Tells the tasks to end, and waits until they have.
    pub async fn end(&self) {
        self.stop.cancel();
        self.lasting.close();
        self.lasting.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_unasked_or_panics_is_told() {
        let tasks = Tasks::new(Metrics::new());
        tasks.spawn("short", tasks.stop.clone(), async {});
        tasks.failed().await;
        tasks.spawn("broken", tasks.stop.clone(), async { panic!("on purpose") });
        tasks.failed().await;
        let page = tasks.metrics.page(&Registry::default()).unwrap();
        for task in ["short", "broken"] {
            let line = format!("sddc_gateway_task_failures_total{{task=\"{task}\"}} 1");
            assert!(page.contains(&line), "{page}");
        }
    }

    #[tokio::test]
    async fn a_job_that_panics_is_counted_and_nothing_ends() {
        let tasks = Tasks::new(Metrics::new());
        tasks.jobs.spawn("good", async {});
        tasks.jobs.spawn("broken", async {
            let _: Option<()> = blocking(|| panic!("on purpose")).await;
        });
        tasks.jobs.ended().await;
        assert!(tasks.failed().now_or_never().is_none());
        let page = tasks.metrics.page(&Registry::default()).unwrap();
        assert!(page.contains("sddc_gateway_task_failures_total{task=\"broken\"} 1"), "{page}");
        assert!(!page.contains("task=\"good\""), "{page}");
    }

    #[tokio::test]
    async fn a_task_that_ends_when_told_is_no_failure() {
        let tasks = Tasks::new(Metrics::new());
        tasks.spawn("good", tasks.stop.clone(), tasks.stop.clone().cancelled_owned());
        tasks.end().await;
        assert!(!tasks.metrics.page(&Registry::default()).unwrap().contains("task=\"good\""));
    }
}
