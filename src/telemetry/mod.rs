//! Log and metrics.

mod settings;

pub use self::settings::{Format, Settings};
