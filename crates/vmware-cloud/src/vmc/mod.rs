//! VMware Cloud on AWS: the reads the gateway makes, as types that have no place for a secret.
//!
//! Flow: [`Endpoint`] → the org's circuit breaker → a token of [`crate::csp`] → `GET {base}/vmc/api/…` →
//! [`wire`] types. A 401 costs the token at most once and is sent again once.

mod error;
mod lenient;
mod reader;
mod signed;
pub mod wire;

pub use self::{
    error::VmcError,
    lenient::{Lenient, OddCount},
    reader::{Endpoint, Reader, Remote},
};
