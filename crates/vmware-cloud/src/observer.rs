//! What happens in here, told to whoever runs the client: to count it and to log it.

use std::{fmt, sync::Arc, time::Duration};

use base::{
    clock::Clock,
    trace::{self, Span},
};
use http::{Method, StatusCode};

use crate::{
    csp::CspError,
    upstream::{BuildError, Failure, Kind, Upstream},
};

/// Is told what happens, at once and on the task that it happens on.
pub trait Observer: fmt::Debug + Send + Sync {
    /// Takes note of an event.
    fn observe(&self, event: &Event<'_>);

    /// Whether work and tries are to be spans of a trace. Then each try tells its upstream so, by
    /// `traceparent`.
    fn is_tracing(&self) -> bool {
        false
    }
}

/// Takes note of nothing.
impl Observer for () {
    fn observe(&self, _: &Event<'_>) {}
}

/// Does work as a span of its own, where that is traced, and tells how it ended.
pub(crate) async fn traced<T, E>(
    (observer, clock): (&dyn Observer, &Clock),
    (name, endpoint): (&'static str, &'static str),
    work: impl Future<Output = Result<T, E>>,
    kind: impl FnOnce(&E) -> Kind,
) -> Result<T, E> {
    let span = observer.is_tracing().then(|| Span::begin(trace::current()));
    let begun = clock.now();
    // Without tracing there is no current trace to leave either.
    let outcome = trace::within(span.map(|span| span.context), work).await;
    if let Some(span) = span {
        let (took, failed) = (clock.now().since(begun), outcome.as_ref().err().map(kind));
        observer.observe(&Event::WorkEnded(TracedWork { name, endpoint, span, took, failed }));
    }
    outcome
}

/// Something that an operator wants to know of.
#[derive(Debug)]
pub enum Event<'a> {
    /// A try at an upstream has ended.
    CallEnded(UpstreamCall),
    /// A read or a mint has ended that is traced, with all its tries.
    WorkEnded(TracedWork),
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
    /// The method.
    pub method: Method,
    /// What was asked: a closed set.
    pub endpoint: &'static str,
    /// The status, once a head arrived.
    pub status: Option<StatusCode>,
    /// How it failed, if it did; also after a good status.
    pub failed: Option<Kind>,
    /// How long it took.
    pub took: Duration,
    /// Its span, where tries are traced.
    pub span: Option<Span>,
}

/// A read or a mint.
#[derive(Debug)]
pub struct TracedWork {
    /// `read` or `mint`.
    pub name: &'static str,
    /// What was asked: a closed set.
    pub endpoint: &'static str,
    /// Its span.
    pub span: Span,
    /// How long it took.
    pub took: Duration,
    /// How it failed, if it did.
    pub failed: Option<Kind>,
}
