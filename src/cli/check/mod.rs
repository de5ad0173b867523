//! `check`: is the configuration good, do the credentials work, and will the gateway start here?
//!
//! Each step is a line, with what to do where it is not good. Nothing is changed, here or at VMware
//! Cloud; no text holds a secret.

mod callers;
mod cloud;
mod dates;
mod issuer;
mod local;
mod render;
mod report;
mod sharing;
mod traces;

use std::process::ExitCode;

use clap::Args;

use self::{
    render::{ReportFormat, ReportWriter},
    report::CheckStep,
};
use super::{ConfigArgs, EX_CONFIG, block_on};
use crate::{access, clock::Clock, config::Config};

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Only look at what is on this machine; ask nobody
    #[arg(long)]
    offline: bool,
    /// Exit with 1 after a warning too; beside the running gateway there are two, for its ports
    #[arg(long)]
    strict: bool,
    /// How to write the report
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

pub(super) fn run(options: &CheckArgs) -> Result<(), ExitCode> {
    let mut writer = ReportWriter::new(options.format);
    let config = load(options, &mut writer)?;
    writer.add(CheckStep::ok("configuration", "configuration"));
    writer.extend(
        config.warnings().into_iter().map(|warning| CheckStep::warning("configuration", warning)),
    );
    writer.extend(local::secrets(&config));
    show_callers(&config, &mut writer);
    writer.extend(local::drop_in(&config));
    writer.extend(local::routes(&config));
    writer.extend(dates::check(&config, Clock::system().wall()));
    writer.extend(local::ports(&config));
    writer.extend(local::files(&config));
    if !options.offline {
        block_on(async {
            writer.extend(issuer::check(&config).await);
            writer.extend(sharing::check(&config).await);
            writer.extend(traces::check(&config).await);
            cloud::check(&config, &mut writer).await;
            Ok(())
        })?;
    }
    writer.finish().outcome(options.strict)
}

/// Every fault goes to standard error, as with the other commands, and into the JSON document.
fn load(options: &CheckArgs, writer: &mut ReportWriter) -> Result<Config, ExitCode> {
    let faults = match Config::load(&options.config.source()) {
        Ok(config) => return Ok(config),
        Err(faults) => faults,
    };
    eprintln!("{faults}");
    if options.format == ReportFormat::Json {
        let faults =
            faults.iter().map(|fault| CheckStep::failure("configuration", fault.to_string()));
        writer.extend(faults);
        std::mem::take(writer).finish();
    }
    Err(ExitCode::from(EX_CONFIG))
}

/// What each caller may do.
fn show_callers(config: &Config, writer: &mut ReportWriter) {
    match &config.access {
        access::Settings::Open => writer.add(CheckStep::ok(
            "callers",
            "access is open: everyone who can reach the listener has sddc:read",
        )),
        access::Settings::Callers(configured) => {
            let count = configured.all().count();
            writer.add(CheckStep::ok("callers", format!("{count} caller(s) have access")));
            writer.callers(callers::rows(configured.all(), Clock::system().wall()));
        }
    }
}
