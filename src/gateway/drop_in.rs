//! VMware's own API for tools, where it is offered.

use super::{StartError, Upstreams, files::own_secrets};
use crate::{
    api::ApiState,
    clock::Clock,
    config::Config,
    drop_in::{
        DropIn,
        reads::{Reads, ReadsContext, limits::MAX_READS, policy::REASONS},
        tokens::GatewayTokens,
    },
    reload::LoadedFile,
    tasks::Tasks,
    upstream::{ConcurrencyLimit, Retries},
    vmc::Remote,
};

/// What issues and verifies the tokens of its callers.
pub(super) fn tokens(
    config: &Config,
    upstreams: &Upstreams,
    clock: &Clock,
) -> Result<Option<GatewayTokens>, StartError> {
    if !config.drop_in.enabled {
        return Ok(None);
    }
    let keys = config.keys_file.as_ref().map(LoadedFile::content);
    if let Some(keys) = keys {
        upstreams.mint.hold(own_secrets(config.sharing.as_ref(), keys));
    }
    Ok(Some(GatewayTokens::new(keys, clock.clone())?))
}

/// The reasons for which its callers are refused, where it is offered.
pub(super) fn denials(config: &Config) -> impl Iterator<Item = &'static str> {
    config.drop_in.enabled.then_some(REASONS).into_iter().flatten()
}

/// The surface. Its reads go by the inventory's connections, with limits and retries of their own.
pub(super) fn surface(
    config: &Config,
    upstreams: &Upstreams,
    state: &ApiState,
    tasks: &Tasks,
    tokens: GatewayTokens,
) -> DropIn {
    let reads = Reads::new(ReadsContext {
        inventory: state.inventory.clone(),
        remote: Remote {
            retries: Retries::new(config.vmc.retries),
            concurrency: ConcurrencyLimit::new(MAX_READS.min(config.vmc.max_in_flight)),
            ..upstreams.vmc.clone()
        },
        answers: state.answers.clone(),
        unknown_fields: config.drop_in.unknown_fields,
        clock: state.clock.clone(),
        jobs: tasks.jobs.clone(),
    });
    DropIn { tokens, inventory: state.inventory.clone(), reads }
}
