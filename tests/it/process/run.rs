//! The binary, run as a user runs it, and what it says.

pub use support::{
    http::{Answer, ask, ask_meanwhile, bearer},
    process::{
        Cloud, Ended, Printed, Process, SECRET, Served, Setup, addresses, dead_address, file,
        gateway, new_key, own_address, pasted, until,
    },
};
