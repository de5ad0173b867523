//! The real binary (contract sections 2, 3 and 8): commands, exit codes, signals, and what it writes.

mod check;
mod commands;
mod crowd;
mod killed;
mod log;
mod network;
mod nginx;
mod refused;
mod replicas;
mod rolling;
mod rotation;
mod run;
mod serve;
mod signals;
mod suspended;
mod systemd;
mod traces;

pub use self::{
    run::{Cloud, Ended, Process, Served, Setup, ask, bearer, file, gateway, new_key, until},
    signals::is_cut_on_record,
};
