//! Reads of one organization, with its token, through its circuit breakers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base::{
    clock::{Clock, Instant},
    ids::OrgId,
    jobs::blocking_if,
    single_flight::TaskLost,
};
use bytes::Bytes;
use http::StatusCode;
use url::Url;

use super::{
    VmcError,
    raw::RawReader,
    signed::{SignedRequest, Signer},
};
use crate::{
    csp::TokenSource,
    observer::traced,
    upstream::{
        CallPermit, CircuitBreaker, CircuitStatus, Client, ConcurrencyLimit, InvalidResponse, Kind,
        MAX_BACKOFF, MAX_FIRST_BACKOFF, OpenFor, Priority, REFUSED_OPEN, RemainingTries, Reply,
        Retries,
    },
};

/// A shared read's own deadline, mint and second try included: it may outlive every caller that
/// waits for it.
pub(super) const READ_DEADLINE: Duration = Duration::from_secs(30);

/// Bytes of a body that is read where it arrives: a few SDDCs, a fraction of a millisecond. A thread for it would
/// be woken first.
const MAX_SHORT_BODY: usize = 128 * 1024;

/// Reads VMware Cloud on AWS for one organization (or, for the list of organizations, for the
/// app's own). Cheap to clone; clones share the circuit breakers.
#[derive(Debug, Clone)]
pub struct Reader(Arc<ReaderState>);

/// The service, and what bounds all of its readers together.
#[derive(Debug, Clone)]
pub struct Remote {
    /// Makes a try.
    pub client: Client,
    /// Scheme and host.
    pub base: Url,
    /// How often one is made again.
    pub retries: Retries,
    /// How many are under way at once.
    pub concurrency: ConcurrencyLimit,
}

#[derive(Debug)]
struct ReaderState {
    remote: Remote,
    signer: Signer,
    circuit: CircuitBreaker<VmcError>,
    /// One per kind of endpoint: a list that VMware denies says nothing of the others.
    lists: [CircuitBreaker<VmcError>; Endpoint::KINDS],
    has_snapshot: AtomicBool,
}

/// A read that the gateway makes.
#[derive(Debug, Clone, Copy)]
pub enum Endpoint<'a> {
    /// `GET /vmc/api/orgs`.
    Orgs,
    /// `GET /vmc/api/orgs/{org}`.
    Org(&'a OrgId),
    /// `GET /vmc/api/orgs/{org}/sddcs`.
    Sddcs(&'a OrgId),
    /// `GET /vmc/api/orgs/{org}/sddcs?includeDeleted=true`.
    SddcsWithDeleted(&'a OrgId),
    /// `GET /vmc/api/orgs/{org}/tasks`.
    Tasks(&'a OrgId),
}

impl Endpoint<'_> {
    const KINDS: usize = 5;

    const fn kind(self) -> usize {
        match self {
            Self::Orgs => 0,
            Self::Org(_) => 1,
            Self::Sddcs(_) => 2,
            Self::SddcsWithDeleted(_) => 3,
            Self::Tasks(_) => 4,
        }
    }

    /// The metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Orgs => "orgs",
            Self::Org(_) => "org",
            Self::Sddcs(_) => "sddcs",
            Self::SddcsWithDeleted(_) => "sddcs_with_deleted",
            Self::Tasks(_) => "tasks",
        }
    }

    fn url(self, base: &Url) -> Url {
        let mut url = base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(["vmc", "api", "orgs"]);
            match self {
                Self::Orgs => {}
                Self::Org(org) => {
                    path.push(org.as_str());
                }
                Self::Sddcs(org) | Self::SddcsWithDeleted(org) => {
                    path.extend([org.as_str(), "sddcs"]);
                }
                Self::Tasks(org) => {
                    path.extend([org.as_str(), "tasks"]);
                }
            }
        }
        if let Self::SddcsWithDeleted(_) = self {
            url.set_query(Some("includeDeleted=true"));
        }
        url
    }
}

impl Reader {
    /// A reader with closed circuits, of an organization without a snapshot.
    #[must_use]
    pub fn new(remote: Remote, tokens: TokenSource, clock: Clock) -> Self {
        tokens.begin_without_snapshot();
        Self(Arc::new(ReaderState {
            remote,
            circuit: CircuitBreaker::new(clock.clone()),
            lists: std::array::from_fn(|_| CircuitBreaker::new(clock.clone())),
            has_snapshot: AtomicBool::new(false),
            signer: Signer::new(tokens, clock),
        }))
    }

    /// A reader for another organization that the same token can see, with circuits of its own.
    #[must_use]
    pub fn sibling(&self) -> Self {
        let ReaderState { remote, signer, .. } = &*self.0;
        Self::new(remote.clone(), signer.tokens().clone(), signer.clock().clone())
    }

    /// A reader of one more path with the same token, through `remote`, with a circuit of its own.
    #[must_use]
    pub fn raw(&self, remote: Remote) -> RawReader {
        RawReader::new(remote, self.0.signer.clone())
    }

    /// The token that this reader asks with.
    #[must_use]
    pub fn tokens(&self) -> &TokenSource {
        self.0.signer.tokens()
    }

    /// The circuit breaker of the organization together with that of a list, for probes and
    /// metrics.
    #[must_use]
    pub fn circuit(&self, endpoint: Endpoint<'_>) -> CircuitStatus {
        self.0.circuit.status().combined(self.0.lists[endpoint.kind()].status())
    }

    /// What is left of what holds reads of a list back; `None` when nothing does.
    #[must_use]
    pub fn held_for(&self, endpoint: Endpoint<'_>) -> Option<Duration> {
        self.held_until(endpoint).map(|until| until.since(self.0.signer.clock().now()))
    }

    /// When reads of a list that are held back are let through again; `None` when nothing holds
    /// them back.
    #[must_use]
    pub fn held_until(&self, endpoint: Endpoint<'_>) -> Option<Instant> {
        let [org, list] = self.circuits(endpoint).map(CircuitBreaker::retry_at);
        org.max(list).max(self.tokens().held_until())
    }

    /// Whether there is something to show while reads fail: until there is, they are tried again
    /// sooner.
    pub fn set_has_snapshot(&self, has: bool) {
        if self.0.has_snapshot.swap(has, Ordering::Relaxed) == has {
            return;
        }
        if has {
            self.tokens().end_without_snapshot();
        } else {
            self.tokens().begin_without_snapshot();
        }
    }

    /// Acts on what another replica of the gateway was answered to the same read: what holds that one
    /// back holds this one back too, and where it was answered well nothing does.
    pub fn follow(&self, endpoint: Endpoint<'_>, failure: Option<&VmcError>) {
        let circuits = self.circuits(endpoint);
        let Some(error) = failure else {
            return circuits.into_iter().for_each(CircuitBreaker::reset);
        };
        let [org, list] = circuits;
        let circuit = if error.is_denial() { list } else { org };
        if error.kind() == Kind::CredentialsRejected {
            // That of all replicas, until there is a newer one.
            self.0.signer.note_newest_refused();
        }
        let held_for = error.retry_in().filter(|left| !left.is_zero());
        if let Some(retry_in) = held_for
            && let Ok(permit) = circuit.enter()
        {
            permit.failed(OpenFor::Given(retry_in), error.clone());
        }
    }

    /// Reads a JSON document.
    ///
    /// `check` reads the body, a long one on a thread where it may take its time: an answer it refuses is a
    /// failure like any other, so it opens the circuit. What passes is tried again ([`Retries`]),
    /// unless this is the one read of a half-open circuit. A 401 or 403 is tried once more with
    /// another token where that can help. A list that is denied opens its own circuit only.
    ///
    /// # Errors
    /// [`VmcError`], see there.
    pub async fn read<T: Send + 'static>(
        &self,
        endpoint: Endpoint<'_>,
        priority: Priority,
        check: impl FnOnce(&[u8]) -> Result<T, VmcError> + Send + 'static,
    ) -> Result<T, VmcError> {
        let [org, list] = self.circuits(endpoint);
        let (org, list) = (org.enter()?, list.enter()?);
        let retries = &self.0.remote.retries;
        let tries = if [&org, &list].into_iter().any(CallPermit::is_trial) {
            retries.begin_single()
        } else {
            retries.begin()
        };
        let work = async {
            let body = self.body(endpoint, priority, tries).await?;
            let is_long = body.len() > MAX_SHORT_BODY;
            blocking_if(is_long, move || check(&body)).await.unwrap_or(Err(TaskLost.into()))
        };
        let observer = self.0.remote.client.observer();
        let name = ("read", endpoint.as_str());
        let clock = self.0.signer.clock();
        let outcome = traced((observer, clock), name, work, VmcError::kind).await;
        match &outcome {
            // VMC was not asked: without a token, CSP's own circuit breaker holds that back.
            Err(VmcError::Token(_) | VmcError::QueueFull(_)) => {}
            Ok(_) => {
                org.succeeded();
                list.succeeded();
            }
            Err(error) if error.is_answer() => {
                org.succeeded();
                list.succeeded();
            }
            Err(VmcError::Denied) => {
                org.succeeded();
                list.failed(OpenFor::Given(REFUSED_OPEN), VmcError::Denied);
            }
            Err(error) => org.failed(self.open_for(error), error.clone()),
        }
        outcome
    }

    async fn body(
        &self,
        endpoint: Endpoint<'_>,
        priority: Priority,
        tries: RemainingTries,
    ) -> Result<Bytes, VmcError> {
        let request = SignedRequest {
            endpoint: endpoint.as_str(),
            url: endpoint.url(&self.0.remote.base),
            priority,
            deadline: READ_DEADLINE,
            circuit: &self.0.circuit,
            judges_token: true,
        };
        match self.0.signer.send(&self.0.remote, &request, tries).await? {
            Reply::Json(body) => Ok(body),
            Reply::Refused(StatusCode::FORBIDDEN, _) => Err(VmcError::Denied),
            Reply::Refused(StatusCode::NOT_FOUND, _) => Err(VmcError::NotFound),
            Reply::Refused(status, _) => Err(InvalidResponse::Status(status).into()),
        }
    }

    /// The organization's circuit breaker and the list's, as they are now: what was refused to an
    /// older token says nothing of a newer one.
    fn circuits(&self, endpoint: Endpoint<'_>) -> [&CircuitBreaker<VmcError>; 2] {
        let circuits = [&self.0.circuit, &self.0.lists[endpoint.kind()]];
        self.0.signer.reset_mended(circuits);
        circuits
    }

    fn open_for(&self, error: &VmcError) -> OpenFor {
        let has_snapshot = self.0.has_snapshot.load(Ordering::Relaxed);
        open_for(error, if has_snapshot { MAX_BACKOFF } else { MAX_FIRST_BACKOFF })
    }
}

/// How long a failed read opens its circuit, where VMware does not say.
pub(super) fn open_for(error: &VmcError, max_backoff: Duration) -> OpenFor {
    match error.kind() {
        Kind::CredentialsRejected => OpenFor::Given(REFUSED_OPEN),
        Kind::Unavailable | Kind::Timeout | Kind::Contract => {
            error.retry_in().map_or(OpenFor::Backoff(max_backoff), OpenFor::Given)
        }
    }
}

impl Drop for ReaderState {
    fn drop(&mut self) {
        if !*self.has_snapshot.get_mut() {
            self.signer.tokens().end_without_snapshot();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_read_has_its_url_and_its_label() {
        let base = Url::parse("https://vmc.example/ignored").unwrap();
        let org: OrgId = "o-1".parse().unwrap();
        for (endpoint, url, label) in [
            (Endpoint::Orgs, "/vmc/api/orgs", "orgs"),
            (Endpoint::Org(&org), "/vmc/api/orgs/o-1", "org"),
            (Endpoint::Sddcs(&org), "/vmc/api/orgs/o-1/sddcs", "sddcs"),
            (
                Endpoint::SddcsWithDeleted(&org),
                "/vmc/api/orgs/o-1/sddcs?includeDeleted=true",
                "sddcs_with_deleted",
            ),
            (Endpoint::Tasks(&org), "/vmc/api/orgs/o-1/tasks", "tasks"),
        ] {
            assert_eq!(endpoint.url(&base).as_str(), format!("https://vmc.example{url}"));
            assert_eq!(endpoint.as_str(), label);
        }
    }
}
