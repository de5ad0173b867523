//! `serve`: the gateway itself.

use std::process::ExitCode;

use super::{ConfigArgs, block_on, fail, harden, start_report};
use crate::{
    clock::Clock,
    config::Config,
    gateway::Gateway,
    lifecycle::{ShutdownReason, Signals},
    telemetry,
};

pub(super) fn run(args: &ConfigArgs) -> Result<(), ExitCode> {
    let config = args.load()?;
    block_on(serve(config))
}

async fn serve(mut config: Config) -> Result<(), ExitCode> {
    let (access_log, guard) = telemetry::start(&config.telemetry);
    let mut signals = Signals::listen().map_err(|error| fail(&error))?;
    start_report::log(&config);
    harden::files(&mut config);
    let gateway = Gateway::start(&config, Clock::system(), access_log, guard.lost())
        .await
        .map_err(|error| fail(&error))?;
    let access = config.access.mode();
    // What the gateway needs of it, it has taken.
    drop(config);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        commit = crate::COMMIT,
        access,
        api = %gateway.api_address(),
        ops = %gateway.ops_address(),
        "started"
    );
    let reason = gateway.run(&mut signals).await;
    tracing::info!(?reason, "ended");
    drop(guard);
    exit(reason)
}

/// A gateway that was told to end has ended well.
pub(super) fn exit(reason: ShutdownReason) -> Result<(), ExitCode> {
    match reason {
        ShutdownReason::Terminate | ShutdownReason::Interrupt => Ok(()),
        ShutdownReason::TaskFailed => Err(ExitCode::FAILURE),
    }
}
