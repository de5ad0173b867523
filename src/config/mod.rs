//! Typed settings: defaults < TOML file < environment < flags.
//!
//! One table of keys says for each its name, its default, its meaning and how it is read; the
//! loader, the unknown-key check, the origins in error texts and `deploy/gateway.example.toml` all
//! come from it. Everything that is wrong is reported at once, each fault with its key and where it
//! was set, and nothing is opened or bound before all is right.

use crate::{access, csp, inventory, listener, telemetry, vmc};

/// What was checked: every value in range, every file there, every combination sensible.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[api]`.
    pub api: listener::Settings,
    /// `[ops]`.
    pub ops: listener::OpsSettings,
    /// `[csp]`.
    pub csp: csp::Settings,
    /// `[vmc]`.
    pub vmc: vmc::Settings,
    /// `[inventory]`.
    pub inventory: inventory::Settings,
    /// `[access]`.
    pub access: access::Settings,
    /// `[telemetry]`.
    pub telemetry: telemetry::Settings,
}
