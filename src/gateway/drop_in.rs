//! VMware's own API for tools, where it is offered.

use super::{StartError, Upstreams, files::own_secrets};
use crate::{clock::Clock, config::Config, drop_in::tokens::GatewayTokens, reload::LoadedFile};

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
