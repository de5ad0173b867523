//! **sddc-gateway** holds a VMware Cloud OAuth app's credentials, keeps one shared access token and
//! answers `GET /sddcs` and its kin to internal services.
//!
//! ```text
//! caller ──► listener ──► access ──► api ──► inventory ──► vmc ──► csp ──► VMware Cloud
//! ```

pub mod access;
pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod csp;
pub mod flight;
pub mod gateway;
pub mod ids;
pub mod inventory;
pub mod lifecycle;
pub mod listener;
pub mod problem;
pub mod reload;
pub mod simulator;
pub mod tasks;
pub mod telemetry;
pub mod upstream;
pub mod vmc;
