//! VMware Cloud on AWS: the reads the gateway makes, as types that have no place for a secret.
//!
//! Flow: [`Endpoint`] → the org's circuit breaker → a token of [`crate::csp`] → `GET {base}/vmc/api/…` →
//! [`wire`] types. A 401 costs the token at most once and is sent again once. A [`RawReader`] takes the same way
//! to a path that its caller names, and hands its answer to its caller as it is.

mod cursor;
mod error;
mod lenient;
mod raw;
mod reader;
mod signed;
pub mod wire;

pub use self::{
    error::VmcError,
    lenient::{Lenient, OddCount},
    raw::{RawAnswer, RawRead, RawReader},
    reader::{Endpoint, Reader, Remote},
};
