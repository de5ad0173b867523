//! Watching (contract section 4.4): long polls and event streams.

pub mod client;
mod others;
mod places;
mod polls;
mod recipes;
mod streams;
mod trouble;

pub use self::client::{Watcher, watched_by};
