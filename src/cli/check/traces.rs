//! Whether a collector takes traces.

use super::report::CheckStep;
use crate::{config::Config, telemetry::probe_collector};

/// `None` where there are no traces.
pub(super) async fn check(config: &Config) -> Option<CheckStep> {
    let endpoint = config.telemetry.otlp_endpoint.as_ref()?;
    let origin = endpoint.origin().ascii_serialization();
    Some(match probe_collector(endpoint, &config.proxies).await {
        Ok(()) => CheckStep::ok("traces", format!("the collector at {origin} takes traces")),
        // The gateway runs without it.
        Err(error) => {
            CheckStep::warning("traces", format!("the collector at {origin}: {error}")).remedy(
                "check telemetry.otlp_endpoint: it must take OTLP over HTTP (usually port 4318, not \
                 4317, which is gRPC's); until it does, spans are lost and nothing else is",
            )
        }
    })
}
