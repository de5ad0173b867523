//! The cached SDDCs.

pub mod model;
mod settings;

pub use self::settings::Settings;
