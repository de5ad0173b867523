//! One access token: what it is good for, and until when.

use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::HeaderValue;
use reqwest::RequestBuilder;
use secrecy::SecretString;

use base::clock::Instant;

const MIN_RENEW_AHEAD: Duration = Duration::from_secs(30);
const MAX_RENEW_AHEAD: Duration = Duration::from_secs(300);
// A request sent in a token's last moments may arrive after them.
const MAX_UNUSED: Duration = Duration::from_secs(10);

/// An access token of one organization. The JWT is opaque to us.
pub struct Token {
    header: HeaderValue,
    generation: u64,
    minted: Instant,
    lifetime: Lifetime,
    accepted: AtomicBool,
    refused: OnceLock<Instant>,
}

/// What VMC has said of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenTrust {
    /// Nothing yet.
    Untried,
    /// It was good for at least one call.
    Accepted,
    /// It was refused, then for the first time, before it was ever good: minting again at once
    /// would not help.
    Refused(Instant),
}

/// A token's three moments, counted from the moment at which it was asked for: CSP counts `expires_in` from
/// some moment after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lifetime {
    /// From here on a new one is minted in the background.
    pub(super) renewal: Instant,
    /// From here on it is not sent any more.
    pub(super) last_use: Instant,
    /// The end that CSP told.
    pub(super) end: Instant,
}

impl Lifetime {
    /// Plans a token's life. `jitter` is 0 to 1, drawn once per token, and makes the renewal up to
    /// a tenth of its lead later, so that replicas started together do not renew together.
    pub(super) fn plan(asked_at: Instant, life: Duration, jitter: f64) -> Self {
        let half = life / 2;
        let lead = (life / 5).clamp(MIN_RENEW_AHEAD, MAX_RENEW_AHEAD).min(half);
        let jittered = lead.mul_f64(1.0 - 0.1 * jitter.clamp(0.0, 1.0));
        let lead = jittered.max(MIN_RENEW_AHEAD.min(half));
        let end = asked_at + life;
        Self { renewal: end - lead, last_use: end - (life / 10).min(MAX_UNUSED), end }
    }
}

impl Token {
    pub(super) fn new(
        mut header: HeaderValue,
        generation: u64,
        minted: Instant,
        lifetime: Lifetime,
    ) -> Self {
        header.set_sensitive(true);
        let (accepted, refused) = (AtomicBool::new(false), OnceLock::new());
        Self { header, generation, minted, lifetime, accepted, refused }
    }

    /// Puts the token on an upstream request: the one place where it leaves the gateway.
    pub fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        request.header("csp-auth-token", self.header.clone())
    }

    /// The token's text, to find it in another one.
    pub(super) fn secret(&self) -> Option<SecretString> {
        self.header.to_str().ok().map(SecretString::from)
    }

    /// Grows with each mint of the organization.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// When it was asked for.
    pub fn minted(&self) -> Instant {
        self.minted
    }

    /// Whether it may still be sent.
    pub fn is_usable(&self, now: Instant) -> bool {
        now < self.lifetime.last_use
    }

    /// When a new one is minted in the background.
    pub fn renew_at(&self) -> Instant {
        self.lifetime.renewal
    }

    /// When it ends, as CSP told.
    pub fn expires_at(&self) -> Instant {
        self.lifetime.end
    }

    /// What VMC has said of it.
    pub fn trust(&self) -> TokenTrust {
        match self.refused.get() {
            _ if self.accepted.load(Ordering::Relaxed) => TokenTrust::Accepted,
            Some(first) => TokenTrust::Refused(*first),
            None => TokenTrust::Untried,
        }
    }

    /// VMC took it.
    pub fn accepted(&self) {
        self.accepted.store(true, Ordering::Relaxed);
    }

    /// VMC refused it. Tells what is now known of it.
    pub fn refused(&self, now: Instant) -> TokenTrust {
        self.refused.get_or_init(|| now);
        self.trust()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("generation", &self.generation)
            .field("trust", &self.trust())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use base::clock::Clock;

    fn leads(life: u64, jitter: f64) -> (f64, f64) {
        let start = Clock::manual(jiff::Timestamp::UNIX_EPOCH).now();
        let plan = Lifetime::plan(start, Duration::from_secs(life), jitter);
        let before_end = |moment| plan.end.since(moment).as_secs_f64();
        (before_end(plan.renewal), before_end(plan.last_use))
    }

    #[test]
    fn renewal_leads_by_a_fifth_within_its_bounds() {
        for (life, renew, unused) in [
            (2, 1.0, 0.2),
            (60, 30.0, 6.0),
            (100, 30.0, 10.0),
            (600, 120.0, 10.0),
            (1799, 300.0, 10.0),
            (18_000, 300.0, 10.0),
        ] {
            let (renew_lead, unused_lead) = leads(life, 0.0);
            assert!(
                (renew_lead - renew).abs() < 61.0 && renew_lead <= renew,
                "{life}: {renew_lead}"
            );
            assert!((unused_lead - unused).abs() < 1e-6, "{life}: {unused_lead}");
        }
        assert!((leads(600, 0.0).0 - 120.0).abs() < 1e-6);
        assert!((leads(60, 1.0).0 - 30.0).abs() < 1e-6, "never less than 30 s");
    }

    proptest! {
        #[test]
        fn renewal_always_comes_before_the_token_is_unusable(
            life in 1_u64..86_400, jitter in 0.0_f64..=1.0,
        ) {
            let (renew, unused) = leads(life, jitter);
            let life = Duration::from_secs(life).as_secs_f64();
            prop_assert!(renew > unused);
            prop_assert!(renew <= life / 2.0 + 1e-6 && renew <= 300.0);
            prop_assert!(renew >= 30.0_f64.min(life / 2.0) - 1e-6);
        }
    }

    #[test]
    fn a_token_cannot_be_printed_and_keeps_its_first_good_word() {
        let start = Clock::manual(jiff::Timestamp::UNIX_EPOCH).now();
        let plan = Lifetime::plan(start, Duration::from_secs(60), 0.5);
        let token = Token::new(HeaderValue::from_static("CANARY"), 1, start, plan);
        assert!(!format!("{token:?} {:?}", token.header).contains("CANARY"));
        token.accepted();
        assert_eq!(token.refused(start), TokenTrust::Accepted);
        let other = Token::new(HeaderValue::from_static("CANARY"), 2, start, plan);
        assert_eq!(other.trust(), TokenTrust::Untried);
        assert_eq!(other.refused(start), TokenTrust::Refused(start));
    }
}
