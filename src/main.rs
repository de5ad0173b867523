//! Parses the command line and runs the command. See the library for everything else.

use std::process::ExitCode;

use clap::Parser;
use sddc_gateway::cli::{Cli, run};

fn main() -> ExitCode {
    run(Cli::parse())
}
