//! What the client of VMware Cloud tells, as metrics, log lines and spans.

use vmware_cloud::{Event, Observer, csp::CspError, upstream::Kind};

use super::{Metrics, Tracer, metrics::MintOutcome};

/// The same with spans of a trace, where that is on.
#[derive(Debug, Clone)]
pub struct TracedCloud {
    /// Counts and logs.
    pub metrics: Metrics,
    /// Takes the spans.
    pub tracer: Tracer,
}

impl Observer for TracedCloud {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::CallEnded(call) => self.tracer.call_ended(call),
            Event::WorkEnded(work) => self.tracer.work_ended(work),
            _ => {}
        }
        self.metrics.observe(event);
    }

    fn is_tracing(&self) -> bool {
        self.tracer.is_on()
    }
}

impl Observer for Metrics {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::CallEnded(call) => self.upstream_call(call),
            Event::WorkEnded(_) => {}
            Event::AuthoritiesChanged(upstream) => {
                tracing::info!(upstream = upstream.name, "the CAs of an upstream have changed");
            }
            Event::AuthoritiesUnusable(upstream, error) => tracing::warn!(
                upstream = upstream.name, %error,
                "the new CAs of an upstream cannot be used; the old connections stay in use"
            ),
            Event::MintsExpected(org_id) => self.expect_mints(org_id),
            Event::Minted { metric_label, org, generation, life } => {
                self.mint(metric_label, MintOutcome::Minted);
                tracing::info!(org.id = org, generation, life_s = life.as_secs(), "token minted");
            }
            Event::TokenAdopted { org, generation } => {
                tracing::info!(org.id = org, generation, "another replica's token is used");
            }
            Event::MintFailed { metric_label, org, error, failures, is_token_usable } => {
                let outcome = outcome(error);
                self.mint(metric_label, outcome);
                match (outcome, is_token_usable) {
                    (MintOutcome::Refused, _) => tracing::error!(
                        org.id = org, failures, %error,
                        "the token could not be minted: check csp.client_id and the client secret"
                    ),
                    (_, true) => tracing::warn!(
                        org.id = org, failures, %error,
                        "the token could not be renewed; the current one is still valid"
                    ),
                    (_, false) => tracing::error!(
                        org.id = org, failures, %error,
                        "the token could not be minted"
                    ),
                }
            }
            Event::LifeAssumed(life) => tracing::warn!(
                assumed_s = life.as_secs(),
                "CSP sent no usable expires_in: a default lifetime is assumed"
            ),
            Event::SecretAccepted => {
                tracing::info!("the client secret has changed: CSP has accepted the new one");
            }
            // The reloader logs it.
            Event::SecretNotAccepted { metric_label, error } => {
                self.mint(metric_label, outcome(error));
            }
            Event::ReadRetried { endpoint, failure, pause } => tracing::debug!(
                endpoint, %failure, pause_s = pause.as_secs_f64(),
                "a failed read is retried"
            ),
        }
    }
}

fn outcome(error: &CspError) -> MintOutcome {
    match error.kind() {
        Kind::CredentialsRejected => MintOutcome::Refused,
        Kind::Unavailable | Kind::Timeout | Kind::Contract => MintOutcome::Failed,
    }
}
