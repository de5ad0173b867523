//! What every crate of the gateway stands on, and what stands on nothing of theirs.
//!
//! - [`closed_set!`]: enums whose variants each have one fixed text
//! - [`clock`]: the one source of time, which a test can move
//! - [`ids`]: identifiers that must not be mixed up
//! - [`jobs`]: one-shot background tasks, and [`single_flight`] on top of them
//! - [`crypto`]: TLS's provider and the reader of CAs
//! - [`loopback`]: whether an address is this machine's own
//! - [`opaque_debug!`]: `Debug` of what must not be printed
//! - [`os_error`]: the system's errors in words
//! - [`trace`]: which trace a task works for

pub mod clock;
mod closed_set;
pub mod crypto;
pub mod ids;
pub mod jobs;
pub mod loopback;
mod opaque_debug;
pub mod os_error;
pub mod single_flight;
pub mod trace;
