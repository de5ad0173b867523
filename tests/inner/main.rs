//! What the inner loops on a request's way take, in time and in allocations: no sockets, no load, one
//! thread.
//!
//! What cannot be reached alone is measured by what differs between two lines: see each part. Run it
//! with `cargo bench --profile release --bench inner`, one part with `-- answers` behind it.

#![expect(unreachable_pub, reason = "a program of its own: nobody reaches into it")]

mod access;
mod answers;
mod redaction;
mod scene;
mod token;
mod watch;

use divan::AllocProfiler;
use tokio::runtime::Builder;

/// Counts for the thread that is measured alone.
#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    // Gateways and the clouds behind them have a thread beside what is measured.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let _entered = runtime.enter();
    divan::main();
}
