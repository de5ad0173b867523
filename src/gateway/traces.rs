//! The export of traces.

use crate::{
    clock::Clock,
    config::Config,
    tasks::Tasks,
    telemetry::{Metrics, Tracer},
    upstream::BuildError,
};

/// Who takes spans, where there are traces. They are exported in the background.
pub(super) fn start(
    config: &Config,
    clock: &Clock,
    metrics: &Metrics,
    tasks: &Tasks,
) -> Result<Tracer, BuildError> {
    let Some(endpoint) = &config.telemetry.otlp_endpoint else { return Ok(Tracer::default()) };
    let (clock, metrics) = (clock.clone(), metrics.clone());
    let (tracer, exporter) = Tracer::new(endpoint, &config.proxies, clock, metrics)?;
    let stop = tasks.stop.clone();
    tasks.spawn("traces", stop.clone(), exporter.run(stop, tasks.hurry.clone()));
    Ok(tracer)
}
