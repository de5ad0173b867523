//! **sddc-gateway** holds a VMware Cloud OAuth app's credentials, keeps one shared access token and
//! answers `GET /sddcs` and its kin to internal services.
//!
//! ```text
//! caller ──► listener ──► access ──► api ──► inventory ──► vmc ──► csp ──► VMware Cloud
//! ```
//!
//! Read the modules in that order; nothing points back up.
//!
//! - [`listener`]: sockets, time limits, and the edge that every request passes; the ops port
//! - [`access`]: who calls, and what they may do
//! - [`api`]: handlers, answers and their freshness, the published document
//! - [`inventory`]: the cached SDDCs, kept fresh, merged into one snapshot
//! - [`vmc`]: reads of VMware Cloud on AWS, as types that have no place for a secret
//! - [`csp`]: the one access token per organization: minted, shared, renewed, invalidated
//! - [`upstream`]: the leaf below both: deadlines, bounded bodies, the circuit breaker
//!
//! Around them: [`cli`] has the commands, [`config`] the settings, [`gateway`] puts a running gateway
//! together, [`reload`] re-reads its files and [`validity`] their dates, [`lifecycle`] winds it down,
//! [`os_error`] puts the system's errors in words, [`simulator`] plays VMware Cloud.

/// The commit that was built, in full; `unknown` where neither the checkout nor
/// `SDDC_GATEWAY_COMMIT` told the build.
pub const COMMIT: &str = env!("SDDC_GATEWAY_COMMIT");

pub mod access;
pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub(crate) mod crypto;
pub mod csp;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod gateway;
mod gauges;
pub mod ids;
pub mod in_flight;
pub mod inventory;
pub mod lifecycle;
pub mod listener;
mod loopback;
pub mod os_error;
pub mod problem;
pub mod public_path;
pub mod reload;
pub mod single_flight;
pub mod tasks;
pub mod telemetry;
pub mod upstream;
pub mod validity;
pub mod vmc;

pub use sddc_simulator as simulator;
