//! `config`: what the configuration is, could be, and must look like.

use std::process::ExitCode;

use clap::Subcommand;

use super::{ConfigArgs, bad_configuration, say};
use crate::config::{self, Config};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print each setting in force and where it comes from, secrets as ***
    Show(ConfigArgs),
    /// Print a commented configuration file with every key
    Example,
    /// Print the JSON schema of the configuration file
    Schema,
}

pub(super) fn run(command: ConfigCommand, before: ConfigArgs) -> Result<(), ExitCode> {
    match command {
        ConfigCommand::Show(own) => {
            say(Config::show(&own.or(before).source())
                .map_err(|faults| bad_configuration(&faults))?
                .trim_end());
        }
        ConfigCommand::Example => say(config::example().trim_end()),
        ConfigCommand::Schema => say(config::schema()),
    }
    Ok(())
}
