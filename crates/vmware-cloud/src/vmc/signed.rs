//! Calls with the token of the moment: the one place where a token meets a request.
//!
//! A 401 costs the token at most once, and a 403 where the token's age may be the reason; either is sent
//! again once. What passes is tried again within the deadline.
//!
//! *Must not break*: only reads that the gateway makes for itself can find the token refused. That VMware refuses
//! one path of a caller's choice holds back nothing else. Test: `tests/it/drop_in/faults.rs`.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base::clock::{Clock, Instant};
use bytes::Bytes;
use http::{Method, StatusCode};
use parking_lot::Mutex;
use url::Url;

use super::{VmcError, reader::Remote};
use crate::{
    Event,
    csp::{Token, TokenSource, TokenTrust},
    upstream::{
        CircuitBreaker, Failure, InvalidResponse, Kind, Priority, REFUSED_OPEN, RemainingTries,
        Reply,
    },
};

// VMware's own client renews its token on a 403 too: roles change, and a token made before the
// change does not know.
const TOKEN_TOO_YOUNG_TO_BE_STALE: Duration = Duration::from_secs(30);
const BETWEEN_DOUBTS: Duration = Duration::from_secs(60);

/// The token of one organization, and what VMware said of it. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Signer(Arc<SignerState>);

#[derive(Debug)]
struct SignerState {
    tokens: TokenSource,
    clock: Clock,
    /// When the token was last replaced because it may be the reason of a status.
    doubted: Mutex<BTreeMap<StatusCode, Instant>>,
    /// The generation of the last token that was refused.
    refused: AtomicU64,
}

/// A request to make, as often as that may help.
pub(super) struct SignedRequest<'a> {
    /// Its metric label.
    pub(super) endpoint: &'static str,
    pub(super) url: Url,
    pub(super) priority: Priority,
    /// For the whole of it: mint, pauses and all tries.
    pub(super) deadline: Duration,
    /// Whose opening ends the tries: another read has found out meanwhile that nothing should be asked.
    pub(super) circuit: &'a CircuitBreaker<VmcError>,
    /// Whether a 401 is a verdict on the token. Of a path of a caller's choice it may be one on the path.
    pub(super) judges_token: bool,
}

/// What one try with one token gave.
enum TokenTry {
    Answer(Result<Reply, VmcError>),
    /// The token is not good.
    Unauthorized,
    /// The token's age may be the reason.
    Denied(StatusCode, Bytes),
}

impl Signer {
    pub(super) fn new(tokens: TokenSource, clock: Clock) -> Self {
        Self(Arc::new(SignerState {
            tokens,
            clock,
            doubted: Mutex::default(),
            refused: AtomicU64::new(0),
        }))
    }

    pub(super) fn tokens(&self) -> &TokenSource {
        &self.0.tokens
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Notes that the newest token was refused, to another replica.
    pub(super) fn note_newest_refused(&self) {
        self.0.refused.fetch_max(self.0.tokens.newest(), Ordering::Relaxed);
    }

    /// Closes circuits that a refused token has opened, if there is a newer one: what was refused to the
    /// older one says nothing of it.
    pub(super) fn reset_mended<'a>(
        &self,
        circuits: impl IntoIterator<Item = &'a CircuitBreaker<VmcError>>,
    ) {
        if self.0.tokens.newest() > self.0.refused.load(Ordering::Relaxed) {
            for circuit in circuits {
                circuit.reset_if(|because| because.kind() == Kind::CredentialsRejected);
            }
        }
    }

    /// Tries as often as that may help, each time with the token of the moment. A last 403 is an answer,
    /// [`Reply::Refused`]; a last 401 is [`VmcError::Unauthorized`], or an answer where it is no verdict on
    /// the token.
    pub(super) async fn send(
        &self,
        remote: &Remote,
        request: &SignedRequest<'_>,
        mut tries: RemainingTries,
    ) -> Result<Reply, VmcError> {
        let clock = &self.0.clock;
        let deadline = clock.now() + request.deadline;
        let mut failed = None;
        loop {
            let time_left = deadline.since(clock.now());
            let signed = tokio::time::timeout(time_left, self.signed(remote, request)).await;
            let failure = match (signed, failed) {
                (Ok(Err(VmcError::Upstream(failure))), _) => failure,
                // What VMC did counts, and not that there was no room or time to ask it again.
                (Ok(Err(VmcError::QueueFull(_))) | Err(_), Some(before)) => return Err(before),
                (Ok(outcome), _) => return outcome,
                (Err(_overdue), None) => return Err(Failure::Timeout(request.deadline).into()),
            };
            let time_left = deadline.since(clock.now());
            let Some(pause) = tries.pause_after(&failure, time_left) else {
                return Err(failure.into());
            };
            let retried =
                Event::ReadRetried { endpoint: request.endpoint, failure: &failure, pause };
            remote.client.observer().observe(&retried);
            tokio::time::sleep(pause).await;
            if request.circuit.retry_at().is_some() {
                return Err(failure.into());
            }
            failed = Some(VmcError::from(failure));
        }
    }

    /// Notes which token this is said of.
    fn refuse(&self, token: &Token) {
        self.0.refused.fetch_max(token.generation(), Ordering::Relaxed);
    }

    async fn signed(
        &self,
        remote: &Remote,
        request: &SignedRequest<'_>,
    ) -> Result<Reply, VmcError> {
        let mut token = self.0.tokens.token().await?;
        if let TokenTrust::Refused(first) = token.trust() {
            // Perhaps to another reader of the same token: it would be refused here too.
            if self.0.clock.now().since(first) < REFUSED_OPEN {
                return self.unauthorized(&token);
            }
            token = self.0.tokens.replace(&token).await?;
        }
        let now = self.0.clock.now();
        let mut token = match self.attempt(remote, request, &mut token).await {
            TokenTry::Answer(answer) => return answer,
            // A late 401 to a token that is gone is no verdict on the one that replaced it.
            TokenTry::Unauthorized if token.refused(now) == TokenTrust::Accepted => {
                self.0.tokens.replace(&token).await?
            }
            TokenTry::Unauthorized => return self.unauthorized(&token),
            TokenTry::Denied(status, body) if self.may_be_stale(&token, status) => {
                match self.0.tokens.newer_than(&token).await {
                    Ok(newer) => newer,
                    Err(_) => return Ok(self.denied(request, &token, status, body)),
                }
            }
            TokenTry::Denied(status, body) => {
                return Ok(self.denied(request, &token, status, body));
            }
        };
        match self.attempt(remote, request, &mut token).await {
            TokenTry::Answer(answer) => answer,
            TokenTry::Unauthorized => {
                token.refused(now);
                self.unauthorized(&token)
            }
            TokenTry::Denied(status, body) => Ok(self.denied(request, &token, status, body)),
        }
    }

    fn unauthorized(&self, token: &Token) -> Result<Reply, VmcError> {
        self.refuse(token);
        Err(VmcError::Unauthorized)
    }

    fn denied(
        &self,
        request: &SignedRequest<'_>,
        token: &Token,
        status: StatusCode,
        body: Bytes,
    ) -> Reply {
        if request.judges_token {
            self.refuse(token);
        }
        Reply::Refused(status, body)
    }

    /// One try, with this token, or with the next one if it ended while a permit was waited for.
    async fn attempt(
        &self,
        remote: &Remote,
        request: &SignedRequest<'_>,
        token: &mut Arc<Token>,
    ) -> TokenTry {
        let Remote { client, concurrency, .. } = remote;
        let _permit = loop {
            let permit = match concurrency.take(request.priority).await {
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
        let signed = token.sign(client.request(Method::GET, request.url.clone()));
        let reply = match signed.build() {
            Ok(signed) => client.call(request.endpoint, signed).await,
            Err(_) => return TokenTry::Answer(Err(InvalidResponse::Address.into())),
        };
        match reply {
            Ok(Reply::Refused(StatusCode::UNAUTHORIZED, _)) if request.judges_token => {
                TokenTry::Unauthorized
            }
            Ok(Reply::Refused(
                status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN),
                body,
            )) => TokenTry::Denied(status, body),
            // Who is told what is wrong with the question has been let in.
            Ok(answer) => {
                token.accepted();
                TokenTry::Answer(Ok(answer))
            }
            Err(failure) => TokenTry::Answer(Err(failure.into())),
        }
    }

    /// Whether a 401 or 403 may be due to the token's age: at most once a minute each.
    fn may_be_stale(&self, token: &Token, status: StatusCode) -> bool {
        let now = self.0.clock.now();
        let is_young = now.since(token.minted()) <= TOKEN_TOO_YOUNG_TO_BE_STALE;
        if is_young && status == StatusCode::FORBIDDEN {
            return false;
        }
        let mut doubted = self.0.doubted.lock();
        let may = doubted.get(&status).is_none_or(|last| now.since(*last) >= BETWEEN_DOUBTS);
        if may {
            doubted.insert(status, now);
        }
        may
    }
}
