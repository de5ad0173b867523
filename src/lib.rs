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
//!
//! Below them is the crate [`vmware_cloud`], which knows nothing of the gateway:
//!
//! - [`vmc`]: reads of VMware Cloud on AWS, as types that have no place for a secret
//! - [`csp`]: the one access token per organization: minted, shared, renewed, invalidated
//! - [`upstream`]: the leaf below both: deadlines, bounded bodies, the circuit breaker
//!
//! Around them: [`cli`] has the commands, [`config`] the settings, [`gateway`] puts a running gateway
//! together, [`reload`] re-reads its files and [`validity`] their dates, [`lifecycle`] winds it down,
//! [`simulator`] plays VMware Cloud. Below everything is the crate [`base`].

/// The commit that was built, in full; `unknown` where neither the checkout nor
/// `SDDC_GATEWAY_COMMIT` told the build.
pub const COMMIT: &str = env!("SDDC_GATEWAY_COMMIT");

/// What upstreams see as the client.
const USER_AGENT: &str = concat!("sddc-gateway/", env!("CARGO_PKG_VERSION"));

pub mod access;
pub mod api;
pub mod cli;
pub mod config;
pub mod contact;
mod copy_on_write;
pub mod drop_in;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod gateway;
mod gauges;
pub mod in_flight;
pub mod inventory;
pub mod lifecycle;
pub mod listener;
pub mod problem;
pub mod public_path;
pub mod reload;
pub mod sharing;
mod target_map;
pub mod tasks;
pub mod telemetry;
pub mod validity;

pub use base::{clock, ids, single_flight};
pub(crate) use base::{crypto, loopback, os_error};
pub use sddc_simulator as simulator;
pub use vmware_cloud::{csp, upstream, vmc};
