//! What happens in here, told to whoever runs the client: to count it and to log it.

use std::{fmt, sync::Arc, time::Duration};

use http::StatusCode;

use crate::{
    csp::CspError,
    upstream::{BuildError, Failure, Upstream},
};

/// Is told what happens, at once and on the task that it happens on.
pub trait Observer: fmt::Debug + Send + Sync {
    /// Takes note of an event.
    fn observe(&self, event: &Event<'_>);
}

/// Takes note of nothing.
impl Observer for () {
    fn observe(&self, _: &Event<'_>) {}
}

/// Something that an operator wants to know of.
#[derive(Debug)]
pub enum Event<'a> {
    /// A try at an upstream has ended.
    CallEnded(UpstreamCall),
    /// The CAs of an upstream were replaced.
    AuthoritiesChanged(Upstream),
    /// The CAs of an upstream could not be read again; the old connections stay in use.
    AuthoritiesUnusable(Upstream, &'a BuildError),
    /// Mints for an organization may follow; its label is `default` for the app's own.
    MintsExpected(&'a Arc<str>),
    /// A token was minted.
    Minted {
        /// The label of the organization in metrics.
        metric_label: &'a Arc<str>,
        /// Its label in logs.
        org: &'a str,
        /// The number of the token.
        generation: u64,
        /// How long it lasts.
        life: Duration,
    },
    /// A token is used that another replica of the gateway has minted.
    TokenAdopted {
        /// The label of the organization in logs.
        org: &'a str,
        /// The number of the token.
        generation: u64,
    },
    /// A token was not minted.
    MintFailed {
        /// The label of the organization in metrics.
        metric_label: &'a Arc<str>,
        /// Its label in logs.
        org: &'a str,
        /// Why.
        error: &'a CspError,
        /// Mints that failed since the last good one.
        failures: u32,
        /// Whether the token that was to be replaced can still be used.
        is_token_usable: bool,
    },
    /// A token answer did not say how long the token lasts, and this is assumed.
    LifeAssumed(Duration),
    /// A new client secret was proven by a mint.
    SecretAccepted,
    /// A new client secret was not accepted; the old one stays in use.
    SecretNotAccepted {
        /// The label of the organization in metrics.
        metric_label: &'a Arc<str>,
        /// Why.
        error: &'a CspError,
    },
    /// A failed read is made again after a pause.
    ReadRetried {
        /// What is read.
        endpoint: &'static str,
        /// Why it failed.
        failure: &'a Failure,
        /// How long it pauses.
        pause: Duration,
    },
}

/// A try at an upstream.
#[derive(Debug)]
pub struct UpstreamCall {
    /// Which one.
    pub upstream: Upstream,
    /// What was asked: a closed set.
    pub endpoint: &'static str,
    /// The status, once a head arrived.
    pub status: Option<StatusCode>,
    /// Whether the deadline ended it.
    pub timed_out: bool,
    /// How long it took.
    pub took: Duration,
}
