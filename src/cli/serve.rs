//! `serve`: the gateway itself.

use std::process::ExitCode;

use super::{ConfigArgs, fail, runtime};
use crate::{
    clock::Clock,
    config::Config,
    gateway::Gateway,
    lifecycle::{Reason, Signals},
    telemetry,
};

pub(super) fn run(args: &ConfigArgs) -> Result<(), ExitCode> {
    let config = args.load()?;
    harden();
    runtime()?.block_on(serve(&config))
}

/// No core dump may hold a token, and connections must not run into a low default limit.
pub(super) fn harden() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = setrlimit(Resource::Core, none);
    let files = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files });
}

async fn serve(config: &Config) -> Result<(), ExitCode> {
    let (access_log, guard) = telemetry::start(config.telemetry);
    let mut signals = Signals::listen().map_err(|error| fail(&error))?;
    config.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
    let dropped = guard.dropped();
    let lost = move || dropped.dropped_lines();
    let gateway = Gateway::start(config, Clock::system(), access_log, lost)
        .await
        .map_err(|error| fail(&error))?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        api = %gateway.api_address(),
        ops = %gateway.ops_address(),
        "started"
    );
    let reason = gateway.run(&mut signals).await;
    tracing::info!(?reason, "ended");
    drop(guard);
    match reason {
        Reason::Terminate | Reason::Interrupt => Ok(()),
        Reason::TaskFailed => Err(ExitCode::FAILURE),
    }
}
