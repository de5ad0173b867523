//! Whether the keys can be read that callers' tokens are verified with.

use super::report::CheckStep;
use crate::{
    access::oidc::{KeysFrom, Oidc},
    clock::Clock,
    config::Config,
    tasks::BackgroundJobs,
    telemetry::Metrics,
};

/// `None` where callers have no tokens.
pub(super) async fn check(config: &Config) -> Option<CheckStep> {
    let settings = config.access.callers()?.oidc.as_ref()?;
    let (clock, metrics) = (Clock::system(), Metrics::new());
    let jobs = BackgroundJobs::new(metrics.clone());
    let oidc = Oidc::new(settings.clone(), &config.proxies, clock, metrics, jobs);
    let (keys, error) = match oidc {
        Ok(oidc) => {
            let status = oidc.fetch_now().await;
            (status.keys, status.why.map(|why| why.to_string()))
        }
        Err(error) => (0, Some(error.to_string())),
    };
    let issuer = &settings.issuer;
    Some(match error {
        None => CheckStep::ok("issuer", format!("{keys} key(s) of {issuer}")),
        Some(error) => CheckStep::failure("issuer", format!("keys of {issuer}: {error}")).remedy(
            match &settings.keys {
                KeysFrom::Url(_) => {
                    "check access.oidc.jwks_url, access.oidc.ca_file, HTTPS_PROXY and the network"
                }
                KeysFrom::File(_) => "check access.oidc.jwks_file",
            },
        ),
    })
}
