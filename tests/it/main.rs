//! The gateway on real sockets, against the crate's own simulator of CSP and VMC.
//!
//! No test sleeps, and none needs a network: a wait is for an event, with a deadline that is only
//! reached when something is wrong. Where time matters it comes from a clock that the test moves.

mod harness;
mod openapi;
mod token;
