//! Tasks: tracked, cancellable, never silent.
//!
//! Lasting ones ([`Tasks::spawn`]) keep something going: one that is gone takes the process with it.
//! One-shot ones ([`BackgroundJobs`]) do one thing and end: one that panics has lost what it was
//! doing and is counted, and the next one starts from the beginning.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::Arc,
};

use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::telemetry::Metrics;

/// One-shot tasks: reads, mints, the making of variants of answers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BackgroundJobs {
    tracker: TaskTracker,
    metrics: Metrics,
}

impl BackgroundJobs {
    /// None yet.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        Self { tracker: TaskTracker::new(), metrics }
    }

    /// Runs a task to its end, whoever waits for it. If it panics that is logged and counted by
    /// `name`, a closed set; what it holds is dropped, so that who waits learns of it.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let jobs = self.clone();
        self.tracker.spawn(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                tracing::error!(task = name, "a task panicked");
                jobs.note_panic(name);
            }
        });
    }

    /// Counts a panic that its task has caught itself.
    pub fn note_panic(&self, name: &'static str) {
        self.metrics.task_failure(name);
    }

    /// How many are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.tracker.len()
    }

    /// Waits until none is under way.
    #[cfg(test)]
    pub(crate) async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
        self.tracker.reopen();
    }
}

/// Runs what takes its time, or reads files, on a thread where it may. A panic goes on in the task that
/// waits, as if the work had been its own. `None`: the process is going down.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => Some(value),
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_cancelled) => None,
        },
    }
}

/// The background tasks of one gateway. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tasks {
    /// Tells every task to end.
    pub stop: CancellationToken,
    /// One-shot tasks. Nobody waits for them at the end: their callers are gone.
    pub jobs: BackgroundJobs,
    lasting: TaskTracker,
    failed: Arc<Notify>,
    metrics: Metrics,
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        Self {
            stop: CancellationToken::new(),
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
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_unasked_or_panics_is_told() {
        let tasks = Tasks::new(Metrics::new());
        tasks.spawn("short", tasks.stop.clone(), async {});
        tasks.failed().await;
        tasks.spawn("broken", tasks.stop.clone(), async { panic!("on purpose") });
        tasks.failed().await;
        let page = tasks.metrics.collect(0, Vec::new()).unwrap();
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
        let page = tasks.metrics.collect(0, Vec::new()).unwrap();
        assert!(page.contains("sddc_gateway_task_failures_total{task=\"broken\"} 1"), "{page}");
        assert!(!page.contains("task=\"good\""), "{page}");
    }

    #[tokio::test]
    async fn a_task_that_ends_when_told_is_no_failure() {
        let tasks = Tasks::new(Metrics::new());
        tasks.spawn("good", tasks.stop.clone(), tasks.stop.clone().cancelled_owned());
        tasks.end().await;
        assert!(!tasks.metrics.collect(0, Vec::new()).unwrap().contains("task=\"good\""));
    }
}
