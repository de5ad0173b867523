//! The gateway on real sockets, against the crate's own simulator of CSP and VMC.
//!
//! No test sleeps, and none needs a network: a wait is for an event, with a deadline that is only
//! reached when something is wrong. Where time matters it comes from a clock that the test moves.

#![expect(clippy::unwrap_used, reason = "a test's own trouble may panic, in its helpers too")]
#![expect(unreachable_pub, reason = "nothing outside sees a test binary")]

mod audit;
mod belief;
mod canary;
mod coding;
mod contact;
mod drop_in;
mod facade;
mod freshness;
mod harness;
mod home;
mod inventory;
mod late;
mod limits;
mod lists;
mod oidc;
mod openapi;
mod overload;
mod partial;
mod policy;
mod process;
mod prometheus;
mod public_path;
mod recalled;
mod resting;
mod secret;
mod sharing;
mod snapshot;
mod time;
mod tls;
mod tls_listener;
mod token;
mod traces;
mod upstream;
mod views;
mod watch;
mod whoami;
mod wire;
