//! The shared token of one organization: read, renewed, invalidated.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use base::{
    clock::{Clock, Instant},
    ids::OrgId,
    jobs::BackgroundJobs,
    single_flight::SingleFlight,
};
use http::HeaderValue;
use parking_lot::Mutex;
use secrecy::ExposeSecret;
use tokio::sync::{self, Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{
    ClientSecret, CspError, Mint, ReplicaToken, Scrubber, Token, TokenLease, TokenSharing,
    TokenTurn,
    token::{Lifetime, TokenTrust},
};
use crate::{
    Event,
    observer::traced,
    upstream::{
        CircuitBreaker, CircuitStatus, InvalidResponse, Kind, MAX_BACKOFF, MAX_FIRST_BACKOFF,
        OpenFor, REFUSED_OPEN,
    },
};

/// One organization's token. Cheap to clone; every clone shares the token.
#[derive(Debug, Clone)]
pub struct TokenSource(Arc<SharedToken>);

#[derive(Debug)]
struct SharedToken {
    org: Option<OrgId>,
    /// Of log lines; changes once the app's own organization is known.
    label: ArcSwap<Arc<str>>,
    metric_label: Arc<str>,
    mint: Mint,
    clock: Clock,
    current: ArcSwapOption<Token>,
    /// The generation of the newest token; 0 before the first.
    minted: watch::Sender<u64>,
    circuit: CircuitBreaker<CspError>,
    /// What is read with this token and has no snapshot yet.
    without_snapshot: AtomicUsize,
    flight: SingleFlight<Result<Arc<Token>, CspError>>,
    /// Held while CSP is asked: a secret may be proven beside the flight.
    minting: sync::Mutex<()>,
    /// Where other replicas use the same token.
    sharing: Option<Arc<dyn TokenSharing>>,
    trouble: Mutex<MintTrouble>,
    wake: Notify,
}

#[derive(Debug, Default, Clone, Copy)]
struct MintTrouble {
    consecutive_failures: u32,
    last_error: Option<Kind>,
}

/// A token source as probes and metrics see it.
#[derive(Debug, Clone, Copy)]
pub struct TokenStatus {
    /// What there is.
    pub state: TokenState,
    /// The token's end, perhaps in the past; `None` without a token.
    pub expires_at: Option<Instant>,
    /// Mints that failed since the last good one.
    pub consecutive_failures: u32,
    /// How the last mint failed, if it did.
    pub last_error: Option<Kind>,
}

base::closed_set! {
    /// What there is to send, as `/readyz` shows it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum TokenState {
        /// None was minted yet, or it was invalidated.
        None = "none",
        /// A token that may be sent.
        Valid = "valid",
        /// A token that may be sent, but VMC has refused it.
        Refused = "refused",
        /// Only one that is too old to be sent.
        Expired = "expired",
    }
}

impl TokenSource {
    /// A source without a token yet: for `org`, or for the app's own organization.
    pub fn new(
        org: Option<OrgId>,
        mint: Mint,
        clock: Clock,
        jobs: BackgroundJobs,
        sharing: Option<Arc<dyn TokenSharing>>,
    ) -> Self {
        let label = Arc::from(org.as_ref().map_or("default", OrgId::as_str));
        mint.observer().observe(&Event::MintsExpected(&label));
        Self(Arc::new(SharedToken {
            org,
            label: ArcSwap::from_pointee(label.clone()),
            metric_label: label,
            mint,
            circuit: CircuitBreaker::new(clock.clone()),
            without_snapshot: AtomicUsize::new(0),
            clock,
            current: ArcSwapOption::empty(),
            minted: watch::Sender::new(0),
            flight: SingleFlight::new("mint", jobs),
            minting: sync::Mutex::default(),
            sharing,
            trouble: Mutex::default(),
            wake: Notify::new(),
        }))
    }

    /// The token: at once while there is a good one, else from the one mint in flight.
    ///
    /// # Errors
    /// [`CspError`] when there is no good token and minting one failed or is held back.
    pub async fn token(&self) -> Result<Arc<Token>, CspError> {
        match self.usable() {
            Some(token) => Ok(token),
            None => self.mint(0).await,
        }
    }

    /// Another token than `refused`: the current one if that is newer, else a new one for all who
    /// were refused.
    ///
    /// # Errors
    /// As [`TokenSource::token`].
    pub async fn replace(&self, refused: &Token) -> Result<Arc<Token>, CspError> {
        let current = self.0.current.load();
        // A late 401 speaks of a token that is gone: the newer one stays.
        if current.as_ref().is_some_and(|token| token.generation() == refused.generation()) {
            self.0.current.compare_and_swap(&*current, None);
            // Should the callers' mint fail, the background goes on trying.
            self.0.wake.notify_one();
        }
        self.token().await
    }

    /// A newer token than `old`, which stays in use until there is one: a denial may be due to its
    /// age, and it may still be good for everything else.
    ///
    /// # Errors
    /// As [`TokenSource::token`].
    pub async fn newer_than(&self, old: &Token) -> Result<Arc<Token>, CspError> {
        match self.usable().filter(|token| token.generation() > old.generation()) {
            Some(token) => Ok(token),
            None => self.mint(old.generation()).await,
        }
    }

    /// Renews the token ahead of its expiry, and mints the first one, until `stop`.
    pub async fn run_renewal(self, stop: CancellationToken) {
        loop {
            let wait = self.0.clock.sleep_until(self.next_mint_at());
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.0.wake.notified() => {}
                () = wait => {
                    // Logged, counted and held back where it happened.
                    let _ = stop.run_until_cancelled(self.mint(0)).await;
                }
            }
        }
    }

    /// Blanks out all secrets that are held for the app: its own, and every organization's token.
    pub fn scrubber(&self) -> Arc<Scrubber> {
        self.0.mint.held().scrubber()
    }

    /// Another number for each change of what is held.
    pub fn held_generation(&self) -> u64 {
        self.0.mint.held().generation()
    }

    /// Wakes when the app holds another secret or token.
    #[must_use]
    pub fn held_changes(&self) -> watch::Receiver<()> {
        self.0.mint.held().changes()
    }

    /// Proves a new secret by a mint, and takes it into use if CSP does; its token is this
    /// organization's from then on. A refusal changes nothing: the old secret and its token stay.
    /// Asks at once, whatever holds mints with the old secret back.
    ///
    /// # Errors
    /// [`CspError`] of this one try.
    pub async fn prove(&self, candidate: &ClientSecret) -> Result<(), CspError> {
        let _minting = self.0.minting.lock().await;
        let mint = self.0.mint.with_secret(candidate.clone());
        match self.mint_once(&mint, self.newest() + 1).await {
            Ok((token, _)) => {
                self.0.mint.secret().replace(candidate.clone());
                self.use_token(token);
                Ok(())
            }
            Err(error) => {
                let metric_label = &self.0.metric_label;
                self.observe(&Event::SecretNotAccepted { metric_label, error: &error });
                Err(error)
            }
        }
    }

    /// What kept mints from succeeding has changed, a secret or the CAs: they are tried again at once.
    pub fn retry_now(&self) {
        self.0.circuit.reset();
        self.0.wake.notify_one();
    }

    /// The generation of the newest token; 0 before the first.
    pub fn newest(&self) -> u64 {
        *self.0.minted.borrow()
    }

    /// The same, and a wait for the next one.
    #[must_use]
    pub fn minted(&self) -> watch::Receiver<u64> {
        self.0.minted.subscribe()
    }

    /// For probes and metrics.
    pub fn status(&self) -> TokenStatus {
        let now = self.0.clock.now();
        let token = self.0.current.load();
        let state = match &*token {
            None => TokenState::None,
            Some(token) if !token.is_usable(now) => TokenState::Expired,
            Some(token) if matches!(token.trust(), TokenTrust::Refused(_)) => TokenState::Refused,
            Some(_) => TokenState::Valid,
        };
        let MintTrouble { consecutive_failures, last_error } = *self.0.trouble.lock();
        let expires_at = token.as_ref().map(|token| token.expires_at());
        TokenStatus { state, expires_at, consecutive_failures, last_error }
    }

    /// When a caller without a token can have one; `None` when there is one, or nothing holds its
    /// mint back.
    pub fn held_until(&self) -> Option<Instant> {
        if self.usable().is_some() { None } else { self.0.circuit.retry_at() }
    }

    /// The label of metrics: the org's id, `default` for the app's own. It stays the same for life: a
    /// series that changed its name would be two.
    pub fn metric_label(&self) -> &Arc<str> {
        &self.0.metric_label
    }

    /// The label of logs: the org's id, `default` while the app's own is not known.
    pub fn label(&self) -> Arc<str> {
        self.0.label.load().as_ref().clone()
    }

    /// The app's own organization has become known.
    pub fn belongs_to(&self, org: &OrgId) {
        if *self.label() != *org.as_str() {
            self.0.label.store(Arc::new(org.as_str().into()));
        }
    }

    /// The circuit breaker of mints, for probes and metrics.
    pub fn circuit(&self) -> CircuitStatus {
        self.0.circuit.status()
    }

    /// What is read with this token has lost its snapshot, or has none yet: while that is so of
    /// anything, failed mints are tried again sooner.
    pub fn begin_without_snapshot(&self) {
        self.0.without_snapshot.fetch_add(1, Ordering::Relaxed);
    }

    /// The opposite of [`TokenSource::begin_without_snapshot`], once for each call of that.
    pub fn end_without_snapshot(&self) {
        self.0.without_snapshot.fetch_sub(1, Ordering::Relaxed);
    }

    fn usable(&self) -> Option<Arc<Token>> {
        let token = self.0.current.load();
        token.as_ref().filter(|token| token.is_usable(self.0.clock.now())).cloned()
    }

    fn next_mint_at(&self) -> Instant {
        let now = self.0.clock.now();
        let due = self.0.current.load().as_ref().map_or(now, |token| token.renew_at());
        self.0.circuit.retry_at().map_or(due, |retry_at| due.max(retry_at))
    }

    /// Joins or starts the one mint, of a generation newer than this. The task that runs it outlives
    /// its callers.
    async fn mint(&self, newer_than: u64) -> Result<Arc<Token>, CspError> {
        let source = self.clone();
        let run = self.0.flight.join(|| async move { source.mint_unless_done(newer_than).await });
        run.result().await?
    }

    async fn mint_unless_done(&self, newer_than: u64) -> Result<Arc<Token>, CspError> {
        let _minting = self.0.minting.lock().await;
        // Between a caller's look and this run another run may have ended well.
        let now = self.0.clock.now();
        let done = |token: &Arc<Token>| token.generation() > newer_than && now < token.renew_at();
        if let Some(token) = self.usable().filter(done) {
            return Ok(token);
        }
        let lease = match self.take_turn(newer_than).await {
            Ok(token) => return Ok(token),
            Err(lease) => lease,
        };
        let permit = self.0.circuit.enter()?;
        let generation = lease.as_ref().map_or(self.newest() + 1, |lease| lease.generation());
        match self.mint_once(&self.0.mint, generation).await {
            Ok((token, mut shared)) => {
                permit.succeeded();
                self.use_token(token.clone());
                if let Some(lease) = lease {
                    shared.age = self.0.clock.now().since(token.minted());
                    lease.publish(shared).await;
                }
                Ok(token)
            }
            Err(error) => {
                permit.failed(self.open_for(&error), error.clone());
                self.note(&error);
                self.0.wake.notify_one();
                Err(error)
            }
        }
    }

    /// A token that another replica has minted, if that is good for longer; else this one is to mint:
    /// for all, where it gets the lease.
    async fn take_turn(&self, newer_than: u64) -> Result<Arc<Token>, Option<Box<dyn TokenLease>>> {
        let Some(sharing) = &self.0.sharing else { return Err(None) };
        loop {
            match sharing.turn(self.0.org.as_ref(), self.newest().max(newer_than)).await {
                TokenTurn::Unshared => return Err(None),
                TokenTurn::Granted(lease) => return Err(Some(lease)),
                TokenTurn::Taken(shared) => {
                    let Some(token) = self.adopt(shared) else { continue };
                    if self.0.clock.now() < token.renew_at() {
                        return Ok(token);
                    }
                }
            }
        }
    }

    /// Takes over a token that another replica has minted. Whatever that is good for, the next turn is
    /// about a newer one.
    fn adopt(&self, shared: ReplicaToken) -> Option<Arc<Token>> {
        let asked_at = self.0.clock.now() - shared.age;
        let lifetime = Lifetime::plan(asked_at, shared.life, rand::random_range(0.0..=1.0));
        let header = HeaderValue::from_str(shared.token.expose_secret()).ok();
        let token =
            header.map(|it| Arc::new(Token::new(it, shared.generation, asked_at, lifetime)));
        let token = token.filter(|token| token.is_usable(self.0.clock.now()));
        let Some(token) = token else {
            self.0.minted.send_modify(|newest| *newest = shared.generation.max(*newest));
            return None;
        };
        // Nobody has minted since: it was good there. If it is not now, another one may be.
        if shared.age >= REFUSED_OPEN {
            token.accepted();
        }
        self.0.mint.held().hold_token(self.0.org.as_ref(), shared.token);
        let generation = token.generation();
        self.observe(&Event::TokenAdopted { org: &self.label(), generation });
        self.use_token(token.clone());
        Some(token)
    }

    /// Puts a new token in the place of the one before.
    fn use_token(&self, token: Arc<Token>) {
        let generation = token.generation();
        self.0.current.store(Some(token));
        self.0.minted.send_replace(generation);
        *self.0.trouble.lock() = MintTrouble::default();
        self.0.circuit.reset();
        self.0.wake.notify_one();
    }

    async fn mint_once(
        &self,
        mint: &Mint,
        generation: u64,
    ) -> Result<(Arc<Token>, ReplicaToken), CspError> {
        let asked_at = self.0.clock.now();
        let (observer, ask) = ((mint.observer(), &self.0.clock), mint.ask(self.0.org.as_ref()));
        let minted = traced(observer, ("mint", "token"), ask, CspError::kind).await?;
        let lifetime = Lifetime::plan(asked_at, minted.life, rand::random_range(0.0..=1.0));
        let token = Arc::new(Token::new(minted.header, generation, asked_at, lifetime));
        let Some(secret) = token.secret() else {
            return Err(InvalidResponse::Body("a token of visible characters").into());
        };
        // Before anybody has it, so that nothing read with it is shown with it.
        self.0.mint.held().hold_token(self.0.org.as_ref(), secret.clone());
        let now = self.0.clock.now();
        if !token.is_usable(now) {
            return Err(InvalidResponse::Body(
                "an answer with a token that outlives its own delivery",
            )
            .into());
        }
        let (metric_label, org, life) = (&self.0.metric_label, &*self.label(), minted.life);
        self.observe(&Event::Minted { metric_label, org, generation, life });
        let age = now.since(asked_at);
        Ok((token, ReplicaToken { token: secret, generation, age, life: minted.life }))
    }

    fn note(&self, error: &CspError) {
        let mut trouble = self.0.trouble.lock();
        trouble.consecutive_failures = trouble.consecutive_failures.saturating_add(1);
        let before = trouble.last_error.replace(error.kind());
        let failures = trouble.consecutive_failures;
        drop(trouble);
        // Once a spell: an organization that the app was never added to refuses each minute.
        let refused = Some(Kind::CredentialsRejected);
        if Some(error.kind()) == refused && before != refused {
            self.0.mint.secret().refused().notify_one();
        }
        self.observe(&Event::MintFailed {
            metric_label: &self.0.metric_label,
            org: &self.label(),
            error,
            failures,
            is_token_usable: self.usable().is_some(),
        });
    }

    pub(super) fn observe(&self, event: &Event<'_>) {
        self.0.mint.observer().observe(event);
    }

    fn open_for(&self, error: &CspError) -> OpenFor {
        let is_first = self.0.without_snapshot.load(Ordering::Relaxed) > 0;
        let backoff = OpenFor::Backoff(if is_first { MAX_FIRST_BACKOFF } else { MAX_BACKOFF });
        match error {
            CspError::Refused(_) => OpenFor::Given(REFUSED_OPEN),
            CspError::Upstream(failure) => failure.retry_after().map_or(backoff, OpenFor::Given),
            CspError::CircuitOpen { .. } | CspError::TaskLost(_) => backoff,
        }
    }
}
