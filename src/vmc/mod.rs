//! VMware Cloud on AWS: the reads the gateway makes, as types that have no place for a secret.

mod lenient;
mod settings;
pub mod wire;

pub use self::settings::Settings;
