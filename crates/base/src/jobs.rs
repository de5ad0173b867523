//! One-shot background tasks: reads, mints, the making of variants of answers.
//!
//! One that panics has lost what it was doing, which is reported; the next one starts from the
//! beginning.

use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::Arc,
};

use futures_util::FutureExt;
use tokio_util::task::TaskTracker;

use crate::trace;

/// Is told of jobs that panic.
pub trait PanicReport: fmt::Debug + Send + Sync {
    /// A job of this name, from a closed set, has panicked.
    fn panicked(&self, job: &'static str);
}

/// Takes note of nothing.
impl PanicReport for () {
    fn panicked(&self, _: &'static str) {}
}

/// One-shot tasks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BackgroundJobs {
    tracker: TaskTracker,
    report: Arc<dyn PanicReport>,
}

impl BackgroundJobs {
    /// None yet.
    #[must_use]
    pub fn new(report: impl PanicReport + 'static) -> Self {
        Self { tracker: TaskTracker::new(), report: Arc::new(report) }
    }

    /// Runs a task to its end, whoever waits for it, in the trace of the task that starts it. If it
    /// panics that is reported by `name`; what it holds is dropped, so that who waits learns of it.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let report = self.report.clone();
        let task = trace::within(trace::current(), task);
        self.tracker.spawn(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                report.panicked(name);
            }
        });
    }

    /// Reports a panic that its task has caught itself.
    pub fn note_panic(&self, name: &'static str) {
        self.report.panicked(name);
    }

    /// How many are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.tracker.len()
    }

    /// Waits until none is under way.
    pub async fn ended(&self) {
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

/// The same for what takes its time only where it `is_long`: sooner done than a thread is there, it is done in
/// place.
pub async fn blocking_if<T: Send + 'static>(
    is_long: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    if is_long { blocking(work).await } else { Some(work()) }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    #[derive(Debug, Default, Clone)]
    struct Panicked(Arc<Mutex<Vec<&'static str>>>);

    impl PanicReport for Panicked {
        fn panicked(&self, job: &'static str) {
            self.0.lock().push(job);
        }
    }

    #[tokio::test]
    async fn a_job_that_panics_is_reported_and_no_other() {
        let panicked = Panicked::default();
        let jobs = BackgroundJobs::new(panicked.clone());
        jobs.spawn("good", async {});
        jobs.spawn("broken", async {
            let _: Option<()> = blocking(|| panic!("on purpose")).await;
        });
        jobs.ended().await;
        assert_eq!(*panicked.0.lock(), ["broken"]);
    }
}
