//! More than the gateway can do, and clients that take what they can get (contract sections 3 and 10).

mod clients;
mod flood;
mod holding;
mod shedding;
