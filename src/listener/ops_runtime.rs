//! A thread of its own for the ops port.
//!
//! Probes and scrapes are few and cost little, but they have to be answered when the API's workers
//! have more to do than they can: an orchestrator that gets no answer ends the process, and takes
//! away what was left of it. The operating system sees to it that the thread gets its turn.

use std::{future::Future, io};

use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
};
use tokio_util::task::TaskTracker;

/// The thread. It ends, with all that runs on it, when this is dropped.
#[derive(Debug)]
pub struct OpsRuntime(Option<Runtime>);

impl OpsRuntime {
    /// Starts it, and has it wait for connections of a socket.
    ///
    /// # Errors
    /// The operating system's, when there can be no more threads or files.
    pub fn with(name: &str, socket: TcpListener) -> io::Result<(Self, TcpListener)> {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build()?;
        let ops = Self(Some(runtime));
        let socket = socket.into_std()?;
        let socket = {
            let _entered = ops.runtime().enter();
            TcpListener::from_std(socket)?
        };
        Ok((ops, socket))
    }

    /// Runs a task on it to its end, and panics if it does.
    pub async fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        let ended = TaskTracker::new().spawn_on(task, self.runtime().handle()).await;
        if let Some(panic) = ended.err().and_then(|error| error.try_into_panic().ok()) {
            std::panic::resume_unwind(panic);
        }
    }

    fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("it is taken only when dropped")
    }
}

impl Drop for OpsRuntime {
    fn drop(&mut self) {
        // Waiting for it is not for a task to do.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
