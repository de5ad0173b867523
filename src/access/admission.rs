//! The one gate: whether who sent a request may do what it asks for.
//!
//! Flow: the edge puts a [`RequestIdentity`] on each request → the path asks it to [`RequestIdentity::admit`] the scope
//! that it needs → [`Admitted`], from which the answer's view comes, or [`Denied`].
//!
//! Who stays, an event stream or a long poll, is judged again as soon as the rules change or the
//! credential runs out: see [`Admitted::changed`].

use std::{net::IpAddr, time::Duration};

use http::HeaderValue;

use super::{
    Authenticated, Caller, CredentialId, Identity, KeyDigest, Policy, Rate, RateExceeded, Refusal,
    Scope,
};
use crate::clock::Instant;

/// How long a look at what may be withdrawn holds for who stays: as long as for a request at most.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Who sent a request, as far as the edge found out.
#[derive(Debug, Clone)]
pub struct RequestIdentity {
    /// By what everyone is judged.
    pub policy: Policy,
    /// Who it is.
    pub identity: Identity,
    /// From where.
    pub client: IpAddr,
    /// `X-Request-Id` of the answer.
    pub request_id: HeaderValue,
}

/// A caller who may do what was asked for.
#[derive(Debug, Clone)]
pub struct Admitted {
    known: Authenticated,
    scope: Scope,
    policy: Policy,
    client: IpAddr,
    request_id: HeaderValue,
    /// When it was judged.
    looked_at: Instant,
}

/// Why somebody may not. In the order in which it is judged.
#[derive(Debug, Clone)]
pub enum Denied {
    /// 401.
    Unauthenticated(Refusal),
    /// 429 instead of 401: this client's credentials were bad too often.
    TooManyGuesses(RateExceeded),
    /// 429.
    RateLimited(Rate, RateExceeded),
    /// 403.
    Forbidden(Scope),
}

impl RequestIdentity {
    /// Judges whether the sender has a scope and may ask now: 401, then 429, then 403. Counts the
    /// request against its caller's rate.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn admit(&self, scope: Scope) -> Result<Admitted, Denied> {
        let known = self.known()?.clone();
        let looked_at = self.policy.clock().now();
        known.admit(scope, looked_at)?;
        Ok(Admitted {
            known,
            scope,
            policy: self.policy.clone(),
            client: self.client,
            request_id: self.request_id.clone(),
            looked_at,
        })
    }

    /// Judges whether the sender is known and may ask now, whatever its scopes: 401, then 429.
    /// Counts the request against its caller's rate.
    ///
    /// # Errors
    /// [`Denied`], never for a scope.
    pub fn admit_with_any_scope(&self) -> Result<&Authenticated, Denied> {
        let known = self.known()?;
        known.count_request(self.policy.clock().now())?;
        Ok(known)
    }

    fn known(&self) -> Result<&Authenticated, Denied> {
        match &self.identity {
            Identity::Authenticated(known) => Ok(known),
            Identity::Refused(refusal) => Err(self.refuse(*refusal)),
        }
    }

    fn refuse(&self, refusal: Refusal) -> Denied {
        if refusal.is_bad_credential() {
            let now = self.policy.clock().now();
            if let Err(exceeded) = self.policy.auth_failures().note(self.client, now) {
                return Denied::TooManyGuesses(exceeded);
            }
        }
        Denied::Unauthenticated(refusal)
    }
}

impl Authenticated {
    /// Judges whether this caller has a scope and may ask now: 429, then 403. Counts the request against
    /// its rate.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn admit(&self, scope: Scope, now: Instant) -> Result<(), Denied> {
        self.count_request(now)?;
        require(self, scope)
    }

    fn count_request(&self, now: Instant) -> Result<(), Denied> {
        let Some(limiter) = self.caller().limiter() else { return Ok(()) };
        limiter.take(now).map_err(|exceeded| Denied::RateLimited(limiter.rate(), exceeded))
    }
}

fn require(known: &Authenticated, scope: Scope) -> Result<(), Denied> {
    if known.caller().has(scope) { Ok(()) } else { Err(Denied::Forbidden(scope)) }
}

impl Admitted {
    /// Who it is.
    pub fn caller(&self) -> &Caller {
        self.known.caller()
    }

    /// Which credential it showed.
    pub fn credential(&self) -> Option<CredentialId> {
        self.known.credential()
    }

    /// The key that it has shown, if it was one.
    pub fn key(&self) -> Option<KeyDigest> {
        self.known.key()
    }

    /// From where it asked.
    pub fn client(&self) -> IpAddr {
        self.client
    }

    /// The id of its request.
    pub fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    /// Returns when the caller has another view than before. Nothing is lost when it is dropped:
    /// a change between two calls is seen by the next one.
    ///
    /// # Errors
    /// [`Denied`] when the caller may no longer: it is not in the rules any longer, its key or scope
    /// was taken away, or its credential has run out.
    pub async fn changed(&mut self) -> Result<(), Denied> {
        let mut newest = self.policy.changes();
        loop {
            let (version, end) = (self.known.version, self.known.until());
            let clock = self.policy.clock();
            let look = self.looked_at + LOOK_AGAIN_AFTER;
            tokio::select! {
                // The sender lives in the policy, which is held here.
                _ = newest.wait_for(|newest| *newest != version) => {}
                () = clock.sleep_until_wall(end) => {}
                () = clock.sleep_until_coarse(look), if self.known.may_be_withdrawn() => {}
            }
            self.looked_at = clock.now();
            let known = self.policy.again(&self.known).map_err(Denied::Unauthenticated)?;
            require(&known, self.scope)?;
            let before = std::mem::replace(&mut self.known, known);
            if before.caller().view() != self.caller().view() {
                return Ok(());
            }
        }
    }
}
