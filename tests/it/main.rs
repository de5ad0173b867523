//! The gateway on real sockets, against the crate's own simulator of CSP and VMC.
//!
//! No test sleeps, and none needs a network: a wait is for an event, with a deadline that is only
//! reached when something is wrong. Where time matters it comes from a clock that the test moves.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]
#![expect(unreachable_pub, reason = "nothing outside sees a test binary")]

mod harness;
mod openapi;
mod process;
mod token;
mod wire;
