//! Sockets and the edge that every request passes.

mod settings;

pub use self::settings::{OpsSettings, Settings};
