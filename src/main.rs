//! Parses the command line and runs the command. See the library for everything else.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use sddc_gateway::cli::{Cli, run};

/// Gives memory back after a burst: glibc's arenas keep what many threads have freed.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    run(Cli::parse())
}
