//! Reads of one organization, with its token, through its circuit breakers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use base::{
    clock::{Clock, Instant},
    ids::OrgId,
    jobs::blocking,
    single_flight::TaskLost,
};
use bytes::Bytes;
use http::{Method, StatusCode};
use parking_lot::Mutex;
use url::Url;

use super::VmcError;
use crate::{
    Event,
    csp::{Token, TokenSource, TokenTrust},
    observer::traced,
    upstream::{
        CallPermit, CircuitBreaker, CircuitStatus, Client, ConcurrencyLimit, Failure,
        InvalidResponse, Kind, MAX_BACKOFF, MAX_FIRST_BACKOFF, OpenFor, Priority, REFUSED_OPEN,
        RemainingTries, Reply, Retries,
    },
};

// VMware's own client renews its token on a 403 too: roles change, and a token made before the
// change does not know.
const TOKEN_TOO_YOUNG_TO_BE_STALE: Duration = Duration::from_secs(30);
const BETWEEN_MINTS_FOR_403: Duration = Duration::from_secs(60);
/// A shared read's own deadline, mint and second try included: it may outlive every caller that
/// waits for it.
const READ_DEADLINE: Duration = Duration::from_secs(30);

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
    tokens: TokenSource,
    clock: Clock,
    circuit: CircuitBreaker<VmcError>,
    /// One per kind of endpoint: a list that VMware denies says nothing of the others.
    lists: [CircuitBreaker<VmcError>; Endpoint::KINDS],
    has_snapshot: AtomicBool,
    minted_for_403: Mutex<Option<Instant>>,
    /// The generation of the last token that was refused.
    refused: AtomicU64,
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

/// What one try with one token gave.
enum TokenTry {
    Answer(Result<Bytes, VmcError>),
    Unauthorized,
    Denied,
}

impl Reader {
    /// A reader with closed circuits, of an organization without a snapshot.
    #[must_use]
    pub fn new(remote: Remote, tokens: TokenSource, clock: Clock) -> Self {
        tokens.begin_without_snapshot();
        Self(Arc::new(ReaderState {
            remote,
            tokens,
            circuit: CircuitBreaker::new(clock.clone()),
            lists: std::array::from_fn(|_| CircuitBreaker::new(clock.clone())),
            has_snapshot: AtomicBool::new(false),
            clock,
            minted_for_403: Mutex::default(),
            refused: AtomicU64::new(0),
        }))
    }

    /// A reader for another organization that the same token can see, with circuits of its own.
    #[must_use]
    pub fn sibling(&self) -> Self {
        let ReaderState { remote, tokens, clock, .. } = &*self.0;
        Self::new(remote.clone(), tokens.clone(), clock.clone())
    }

    /// The token that this reader asks with.
    #[must_use]
    pub fn tokens(&self) -> &TokenSource {
        &self.0.tokens
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
        self.held_until(endpoint).map(|until| until.since(self.0.clock.now()))
    }

    /// When reads of a list that are held back are let through again; `None` when nothing holds
    /// them back.
    #[must_use]
    pub fn held_until(&self, endpoint: Endpoint<'_>) -> Option<Instant> {
        let [org, list] = self.circuits(endpoint).map(CircuitBreaker::retry_at);
        org.max(list).max(self.0.tokens.held_until())
    }

    /// Whether there is something to show while reads fail: until there is, they are tried again
    /// sooner.
    pub fn set_has_snapshot(&self, has: bool) {
        if self.0.has_snapshot.swap(has, Ordering::Relaxed) == has {
            return;
        }
        if has {
            self.0.tokens.end_without_snapshot();
        } else {
            self.0.tokens.begin_without_snapshot();
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
            self.0.refused.fetch_max(self.0.tokens.newest(), Ordering::Relaxed);
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
    /// `check` reads the body, on a thread where it may take its time: an answer it refuses is a
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
            let body = self.tried(endpoint, priority, tries).await?;
            blocking(move || check(&body)).await.unwrap_or(Err(TaskLost.into()))
        };
        let observer = self.0.remote.client.observer();
        let name = ("read", endpoint.as_str());
        let outcome = traced((observer, &self.0.clock), name, work, VmcError::kind).await;
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

    /// Tries as often as that may help, each time with the token of the moment.
    async fn tried(
        &self,
        endpoint: Endpoint<'_>,
        priority: Priority,
        mut tries: RemainingTries,
    ) -> Result<Bytes, VmcError> {
        let deadline = self.0.clock.now() + READ_DEADLINE;
        let mut failed = None;
        loop {
            let time_left = deadline.since(self.0.clock.now());
            let signed = tokio::time::timeout(time_left, self.signed(endpoint, priority)).await;
            let failure = match (signed, failed) {
                (Ok(Err(VmcError::Upstream(failure))), _) => failure,
                // What VMC did counts, and not that there was no room or time to ask it again.
                (Ok(Err(VmcError::QueueFull(_))) | Err(_), Some(before)) => return Err(before),
                (Ok(outcome), _) => return outcome,
                (Err(_overdue), None) => return Err(Failure::Timeout(READ_DEADLINE).into()),
            };
            let time_left = deadline.since(self.0.clock.now());
            let Some(pause) = tries.pause_after(&failure, time_left) else {
                return Err(failure.into());
            };
            let retried =
                Event::ReadRetried { endpoint: endpoint.as_str(), failure: &failure, pause };
            self.0.remote.client.observer().observe(&retried);
            tokio::time::sleep(pause).await;
            if self.0.circuit.retry_at().is_some() {
                // Another read of the org has found out meanwhile that nothing should be asked.
                return Err(failure.into());
            }
            failed = Some(VmcError::from(failure));
        }
    }

    /// The organization's circuit breaker and the list's, as they are now: what was refused to an
    /// older token says nothing of a newer one.
    fn circuits(&self, endpoint: Endpoint<'_>) -> [&CircuitBreaker<VmcError>; 2] {
        let circuits = [&self.0.circuit, &self.0.lists[endpoint.kind()]];
        if self.0.tokens.newest() > self.0.refused.load(Ordering::Relaxed) {
            for circuit in circuits {
                circuit.reset_if(|because| because.kind() == Kind::CredentialsRejected);
            }
        }
        circuits
    }

    fn open_for(&self, error: &VmcError) -> OpenFor {
        let has_snapshot = self.0.has_snapshot.load(Ordering::Relaxed);
        let max = if has_snapshot { MAX_BACKOFF } else { MAX_FIRST_BACKOFF };
        match error.kind() {
            Kind::CredentialsRejected => OpenFor::Given(REFUSED_OPEN),
            Kind::Unavailable | Kind::Timeout | Kind::Contract => {
                error.retry_in().map_or(OpenFor::Backoff(max), OpenFor::Given)
            }
        }
    }

    /// Notes which token this is said of.
    fn refuse(&self, token: &Token, error: VmcError) -> VmcError {
        self.0.refused.fetch_max(token.generation(), Ordering::Relaxed);
        error
    }

    async fn signed(&self, endpoint: Endpoint<'_>, priority: Priority) -> Result<Bytes, VmcError> {
        let mut token = self.0.tokens.token().await?;
        if let TokenTrust::Refused(first) = token.trust() {
            // Perhaps to another reader of the same token: it would be refused here too.
            if self.0.clock.now().since(first) < REFUSED_OPEN {
                return Err(self.refuse(&token, VmcError::Unauthorized));
            }
            token = self.0.tokens.replace(&token).await?;
        }
        let now = self.0.clock.now();
        let mut token = match self.attempt(endpoint, priority, &mut token).await {
            TokenTry::Answer(answer) => return answer,
            // A late 401 to a token that is gone is no verdict on the one that replaced it.
            TokenTry::Unauthorized if token.refused(now) == TokenTrust::Accepted => {
                self.0.tokens.replace(&token).await?
            }
            TokenTry::Unauthorized => return Err(self.refuse(&token, VmcError::Unauthorized)),
            TokenTry::Denied if self.may_be_stale(&token) => self
                .0
                .tokens
                .newer_than(&token)
                .await
                .map_err(|_| self.refuse(&token, VmcError::Denied))?,
            TokenTry::Denied => return Err(self.refuse(&token, VmcError::Denied)),
        };
        match self.attempt(endpoint, priority, &mut token).await {
            TokenTry::Answer(answer) => answer,
            TokenTry::Unauthorized => {
                token.refused(now);
                Err(self.refuse(&token, VmcError::Unauthorized))
            }
            TokenTry::Denied => Err(self.refuse(&token, VmcError::Denied)),
        }
    }

    /// One try, with this token, or with the next one if it ended while a permit was waited for.
    async fn attempt(
        &self,
        endpoint: Endpoint<'_>,
        priority: Priority,
        token: &mut Arc<Token>,
    ) -> TokenTry {
        let Remote { client, base, concurrency, .. } = &self.0.remote;
        let _permit = loop {
            let permit = match concurrency.take(priority).await {
                Ok(permit) => permit,
                Err(full) => return TokenTry::Answer(Err(full.into())),
            };
            if token.is_usable(self.0.clock.now()) {
                break permit;
            }
            drop(permit);
            match self.0.tokens.token().await {
                Ok(next) => *token = next,
                Err(error) => return TokenTry::Answer(Err(error.into())),
            }
        };
        let request = token.sign(client.request(Method::GET, endpoint.url(base)));
        let reply = match request.build() {
            Ok(request) => client.call(endpoint.as_str(), request).await,
            Err(_) => return TokenTry::Answer(Err(InvalidResponse::Address.into())),
        };
        match reply {
            Ok(Reply::Refused(StatusCode::UNAUTHORIZED)) => TokenTry::Unauthorized,
            Ok(Reply::Refused(StatusCode::FORBIDDEN)) => TokenTry::Denied,
            Ok(Reply::Json(body)) => {
                token.accepted();
                TokenTry::Answer(Ok(body))
            }
            // Who is told what is wrong with the question has been let in.
            Ok(Reply::Refused(status)) => {
                token.accepted();
                TokenTry::Answer(Err(match status {
                    StatusCode::NOT_FOUND => VmcError::NotFound,
                    status => InvalidResponse::Status(status).into(),
                }))
            }
            Err(failure) => TokenTry::Answer(Err(failure.into())),
        }
    }

    /// Whether a 403 may be due to the token's age: at most once a minute.
    fn may_be_stale(&self, token: &Token) -> bool {
        let now = self.0.clock.now();
        if now.since(token.minted()) <= TOKEN_TOO_YOUNG_TO_BE_STALE {
            return false;
        }
        let mut last = self.0.minted_for_403.lock();
        let may = last.is_none_or(|last| now.since(last) >= BETWEEN_MINTS_FOR_403);
        if may {
            *last = Some(now);
        }
        may
    }
}

impl Drop for ReaderState {
    fn drop(&mut self) {
        if !*self.has_snapshot.get_mut() {
            self.tokens.end_without_snapshot();
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
