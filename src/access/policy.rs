//! The rules as they are now: which credential is whose, and what each caller may do.
//!
//! Flow: configuration and callers' file → [`Policy`] → who asks, at each request → a [`Caller`].
//!
//! The rules are replaced as a whole, and a request looks at them once: it sees the old ones or the
//! new ones, never half. Whether access is open is decided at start and never changes.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use http::HeaderMap;
use jiff::Timestamp;
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use tokio::sync::watch;

use super::{
    AuthFailureLimiter, Caller, CallerName, CallerSettings, CertificateFault, ClientAuthorities,
    ClientCertificate, CredentialId, IssuedToken, KeyDigest, Limiter, SanName, Settings, View,
    identity::{Authenticated, CredentialProof, Identity, PresentedCredentials, Refusal},
    oidc::{ClaimPattern, Claims, JwtFault, Oidc},
};
use crate::{
    clock::{Clock, Instant},
    gauges,
};

/// Who may call. Cheap to clone; all clones see a change at once.
#[derive(Debug, Clone)]
pub struct Policy(Arc<PolicyState>);

/// What verifies credentials that are no keys.
#[derive(Debug, Clone, Default)]
pub struct Verifiers {
    /// Tokens, if any are taken.
    pub oidc: Option<Oidc>,
    /// Certificates, if any are asked for.
    pub authorities: Option<ClientAuthorities>,
}

#[derive(Debug)]
struct PolicyState {
    rules: ArcSwap<PolicyRules>,
    /// The newest rules' version.
    changes: watch::Sender<u64>,
    /// The callers of the configuration, who stay.
    listed: Vec<CallerSettings>,
    auth_failures: AuthFailureLimiter,
    verifiers: Verifiers,
    clock: Clock,
}

/// All rules of one moment.
#[derive(Debug)]
struct PolicyRules {
    /// How often they were replaced before.
    version: u64,
    access: PolicyAccess,
}

#[derive(Debug, Clone)]
enum PolicyAccess {
    Open(Caller),
    Callers(Arc<CallerTable>),
}

#[derive(Debug, Default)]
struct CallerTable {
    by_key: HashMap<KeyDigest, Caller>,
    /// The keys of each caller who has any.
    keys_of: HashMap<CallerName, Vec<KeyDigest>>,
    /// Callers who are known by tokens, and by what these must say, in file order.
    by_claims: Vec<(BTreeMap<String, ClaimPattern>, Caller)>,
    /// Callers who are known by a certificate's name, and their places in file order.
    by_san: HashMap<SanName, (usize, Caller)>,
    limiters: Limiters,
    /// Until when each caller that has an end may ask.
    ends: BTreeMap<CallerName, Timestamp>,
}

/// What each caller has asked lately, by its name.
type Limiters = HashMap<CallerName, Arc<Limiter>>;

impl Policy {
    /// Builds the rules of a configuration.
    pub fn new(settings: &Settings, verifiers: Verifiers, clock: Clock) -> Self {
        let (access, listed) = match settings {
            Settings::Open => {
                let settings = CallerSettings::new(CallerName::anonymous());
                let anonymous = Caller::new(&settings, Arc::default(), None);
                (PolicyAccess::Open(anonymous), Vec::new())
            }
            Settings::Callers(configured) => {
                let table = CallerTable::of(configured.all(), &HashMap::new(), clock.now());
                (PolicyAccess::Callers(Arc::new(table)), configured.callers.clone())
            }
        };
        let auth_failures = AuthFailureLimiter::new(clock.now());
        let rules = ArcSwap::from_pointee(PolicyRules { version: 0, access });
        Self(Arc::new(PolicyState {
            rules,
            changes: watch::Sender::new(0),
            listed,
            auth_failures,
            verifiers,
            clock,
        }))
    }

    /// Whether everyone is let in as `anonymous`.
    pub fn is_open(&self) -> bool {
        matches!(self.0.rules.load().access, PolicyAccess::Open(_))
    }

    /// Until when each caller that has a `not_after` may ask, by the rules as they are now.
    pub fn ends(&self) -> BTreeMap<CallerName, Timestamp> {
        match &self.0.rules.load().access {
            PolicyAccess::Open(_) => BTreeMap::new(),
            PolicyAccess::Callers(table) => table.ends.clone(),
        }
    }

    /// Puts these in the place of the callers' file's. Acts on the next request, and on who waits.
    pub fn replace(&self, of_file: &[CallerSettings]) {
        let rules = self.0.rules.load();
        let PolicyAccess::Callers(before) = &rules.access else { return };
        let callers = self.0.listed.iter().chain(of_file);
        let table = CallerTable::of(callers, &before.limiters, self.0.clock.now());
        let access = PolicyAccess::Callers(Arc::new(table));
        // Told once they hold, and numbered under the channel's lock.
        self.0.changes.send_modify(|version| {
            *version += 1;
            self.0.rules.store(Arc::new(PolicyRules { version: *version, access }));
        });
    }

    /// Has everyone who stays judged once more by the rules that there are: what certificates are
    /// verified with has changed.
    pub fn judge_anew(&self) {
        self.0.changes.send_modify(|version| {
            *version += 1;
            let access = self.0.rules.load().access.clone();
            self.0.rules.store(Arc::new(PolicyRules { version: *version, access }));
        });
    }

    /// Tells the newest version of the rules.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// The bad credentials of each client.
    pub(super) fn auth_failures(&self) -> &AuthFailureLimiter {
        &self.0.auth_failures
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Finds out who sent a request: `Authorization: Bearer <key or JWT>`, `X-API-Key: <key>`, and
    /// the connection's certificate. `None` for a token that cannot be judged before the issuer's
    /// keys were [fetched anew](Self::fetch_keys).
    ///
    /// A key costs one SHA-256 and one lookup, good or bad; so does a token that was verified before.
    /// Where nobody is asked who he is, tokens are not looked at.
    ///
    /// A certificate that is no caller's proves nothing, and is in the way of nothing: in a mesh every
    /// client has one. Where access is open a wrong credential is refused all the same: its sender
    /// believes something that is not so.
    pub fn identify(
        &self,
        headers: &HeaderMap,
        certificate: Option<&Arc<ClientCertificate>>,
        is_asked: bool,
    ) -> Option<Identity> {
        if !is_asked
            && PresentedCredentials::in_headers(headers).is_ok_and(|shown| shown.jwt().is_some())
        {
            return Some(Identity::Refused(Refusal::Unknown));
        }
        let oidc = self.0.verifiers.oidc.as_ref();
        match self.known(headers, certificate) {
            Err(Refusal::Token(fault)) if oidc.is_some_and(|oidc| oidc.awaits_keys(fault)) => None,
            Err(refusal) => Some(Identity::Refused(refusal)),
            Ok(known) => Some(Identity::Authenticated(known)),
        }
    }

    /// Finds out who sent a request, by the keys that there are. `retry_in` is set where newer ones
    /// could not be had: a token that these may make good is then not refused as a bad one.
    pub fn judge(
        &self,
        headers: &HeaderMap,
        certificate: Option<&Arc<ClientCertificate>>,
        retry_in: Option<Duration>,
    ) -> Identity {
        match (self.known(headers, certificate), retry_in) {
            (Ok(known), _) => Identity::Authenticated(known),
            (Err(Refusal::Token(fault)), Some(retry_in)) if fault.may_pass() => {
                Identity::Refused(Refusal::Token(JwtFault::Unavailable { retry_in }))
            }
            (Err(refusal), _) => Identity::Refused(refusal),
        }
    }

    /// Waits for the issuer's keys, if newer ones may make the token good that a request shows: at
    /// most 5 s, for one fetch that is shared by all. Answers until when to wait if they cannot be
    /// had and the token cannot be judged without.
    pub async fn fetch_keys(&self, headers: &HeaderMap) -> Option<Duration> {
        let token = PresentedCredentials::in_headers(headers).ok()?.jwt()?;
        // What it finds is remembered, and judged together with the rest.
        match self.0.verifiers.oidc.as_ref()?.verify_fresh(token).await {
            Err(JwtFault::Unavailable { retry_in }) => Some(retry_in),
            _ => None,
        }
    }

    /// Finds out whose keys these are, where a path takes nothing else: one caller's.
    pub fn identify_keys<'a>(&self, keys: impl IntoIterator<Item = &'a [u8]>) -> Identity {
        let rules = self.0.rules.load();
        let mut known: Option<Authenticated> = None;
        for key in keys {
            match (rules.holder(KeyDigest::of(key)), &known) {
                (Err(refusal), _) => return Identity::Refused(refusal),
                (Ok(found), Some(known)) if !found.caller().is(known.caller()) => {
                    return Identity::Refused(Refusal::Conflict);
                }
                (Ok(found), _) => known = Some(found),
            }
        }
        Identity::from(known.ok_or(Refusal::Missing).and_then(|known| self.in_time(known)))
    }

    /// Finds out who sends a token of the gateway's own, by the rules as they are now.
    pub fn identify_issued(&self, token: &Arc<IssuedToken>) -> Identity {
        let known = self.0.rules.load().issued_for(token);
        Identity::from(known.and_then(|known| self.in_time(known)))
    }

    /// The keys of a caller, by the rules as they are now.
    pub fn keys_of(&self, caller: &CallerName) -> Vec<KeyDigest> {
        match &self.0.rules.load().access {
            PolicyAccess::Open(_) => Vec::new(),
            PolicyAccess::Callers(table) => table.keys_of.get(caller).cloned().unwrap_or_default(),
        }
    }

    pub(super) fn known(
        &self,
        headers: &HeaderMap,
        certificate: Option<&Arc<ClientCertificate>>,
    ) -> Result<Authenticated, Refusal> {
        let shown = PresentedCredentials::in_headers(headers)?;
        let rules = self.0.rules.load();
        let named = certificate.map(|shown| self.holder_of(&rules, shown));
        let unnamed = certificate.filter(|_| matches!(named, Some(Ok(None))));
        let certificate = named.and_then(Result::transpose);
        let token = shown.jwt().map(|token| self.bearer_of(&rules, token));
        let keys = shown.keys().map(|key| rules.holder(KeyDigest::of(key)));
        let mut known: Option<Authenticated> = None;
        for found in token.into_iter().chain(keys).chain(certificate) {
            let found = found?;
            if known.as_ref().is_some_and(|known| !known.caller().is(found.caller())) {
                return Err(Refusal::Conflict);
            }
            known.get_or_insert(found);
        }
        let known = match known {
            Some(known) => known,
            None => rules.nobody().ok_or_else(|| match unnamed {
                Some(certificate) => self.unnamed(certificate),
                None => shown.none(),
            })?,
        };
        self.in_time(known)
    }

    /// Whose token this is.
    fn bearer_of(&self, rules: &PolicyRules, token: &str) -> Result<Authenticated, Refusal> {
        // Without an issuer a key may have the form of a token.
        let Some(oidc) = &self.0.verifiers.oidc else {
            return rules.holder(KeyDigest::of(token.as_bytes()));
        };
        let verified = oidc.verify_named(token, self.0.clock.wall());
        let (claims, id) = verified.map_err(Refusal::Token)?;
        rules.named_by(&claims, id)
    }

    /// Whose certificate this is, if it is anybody's.
    fn holder_of(
        &self,
        rules: &PolicyRules,
        certificate: &Arc<ClientCertificate>,
    ) -> Result<Option<Authenticated>, Refusal> {
        let Some(known) = rules.certified(certificate) else { return Ok(None) };
        self.check(certificate).map_err(Refusal::Certificate)?;
        Ok(Some(known))
    }

    /// It was good in the handshake: it may have been revoked since, or have ended.
    fn check(&self, certificate: &ClientCertificate) -> Result<(), CertificateFault> {
        let authorities = self.0.verifiers.authorities.as_ref();
        let authorities = authorities.ok_or(CertificateFault::UnknownIssuer)?;
        authorities.check(certificate, self.0.clock.wall())
    }

    /// Why a certificate that no caller is known by does not help.
    fn unnamed(&self, certificate: &ClientCertificate) -> Refusal {
        match self.check(certificate) {
            Ok(()) => Refusal::UnnamedCertificate,
            Err(fault) => Refusal::Certificate(fault),
        }
    }

    /// Judges once more, by the rules as they are now, who was let in before.
    pub(super) fn again(&self, known: &Authenticated) -> Result<Authenticated, Refusal> {
        let rules = self.0.rules.load();
        self.in_time(match &known.proof {
            CredentialProof::None => rules.nobody().ok_or(Refusal::Missing)?,
            CredentialProof::Key(digest) => rules.holder(*digest)?,
            CredentialProof::Token(claims, id) if self.still_trusts(claims) => {
                rules.named_by(claims, *id)?
            }
            CredentialProof::Token(..) => return Err(Refusal::Token(JwtFault::UnknownKey)),
            CredentialProof::Issued(token) => rules.issued_for(token)?,
            CredentialProof::Certificate(shown) => {
                self.holder_of(&rules, shown)?.ok_or(Refusal::UnnamedCertificate)?
            }
        })
    }

    fn still_trusts(&self, claims: &Claims) -> bool {
        self.0.verifiers.oidc.as_ref().is_some_and(|oidc| oidc.still_trusts(claims))
    }

    fn in_time(&self, known: Authenticated) -> Result<Authenticated, Refusal> {
        match known.until() {
            Some(end) if self.0.clock.wall() >= end => Err(Refusal::Expired),
            _ => Ok(known),
        }
    }
}

impl PolicyRules {
    /// The caller that a request without a credential is of, where access is open.
    fn nobody(&self) -> Option<Authenticated> {
        match &self.access {
            PolicyAccess::Open(anonymous) => Some(self.known(anonymous, CredentialProof::None)),
            PolicyAccess::Callers(_) => None,
        }
    }

    /// Whose key this is.
    fn holder(&self, digest: KeyDigest) -> Result<Authenticated, Refusal> {
        let PolicyAccess::Callers(table) = &self.access else { return Err(Refusal::Unknown) };
        let caller = table.by_key.get(&digest).ok_or(Refusal::Unknown)?;
        Ok(self.known(caller, CredentialProof::Key(digest)))
    }

    /// For whom a token of ours was issued: its key must still be this caller's.
    fn issued_for(&self, token: &Arc<IssuedToken>) -> Result<Authenticated, Refusal> {
        let holder = self.holder(token.key)?;
        if *holder.caller().name() != token.caller {
            return Err(Refusal::Unknown);
        }
        Ok(self.known(holder.caller(), CredentialProof::Issued(token.clone())))
    }

    /// Whom a token is about: the one caller all of whose claims it has.
    fn named_by(&self, claims: &Arc<Claims>, id: CredentialId) -> Result<Authenticated, Refusal> {
        let PolicyAccess::Callers(table) = &self.access else { return Err(Refusal::Unknown) };
        let mut named = table.by_claims.iter().filter(|(wanted, _)| claims.fit(wanted));
        let (_, caller) = named.next().ok_or(Refusal::NoMatchingCaller)?;
        if named.next().is_some() {
            return Err(Refusal::SeveralCallers);
        }
        Ok(self.known(caller, CredentialProof::Token(claims.clone(), id)))
    }

    /// Whose certificate this is: the first caller, in the order of the configuration, whose name it
    /// has.
    fn certified(&self, certificate: &Arc<ClientCertificate>) -> Option<Authenticated> {
        let PolicyAccess::Callers(table) = &self.access else { return None };
        let found = certificate.names().iter().filter_map(|name| table.by_san.get(name));
        let (_, caller) = found.min_by_key(|(place, _)| *place)?;
        Some(self.known(caller, CredentialProof::Certificate(certificate.clone())))
    }

    fn known(&self, caller: &Caller, proof: CredentialProof) -> Authenticated {
        Authenticated { caller: caller.clone(), proof, version: self.version }
    }
}

impl CallerTable {
    /// Callers whose rate is as it was `before` go on where they were: a new file is no new quota.
    fn of<'a>(
        callers: impl Iterator<Item = &'a CallerSettings>,
        before: &Limiters,
        now: Instant,
    ) -> Self {
        let (mut table, mut views) = (Self::default(), HashSet::<Arc<View>>::new());
        for (place, settings) in callers.enumerate() {
            let limiter = settings.rate.map(|rate| {
                let known = before.get(&settings.name).filter(|limiter| limiter.rate() == rate);
                known.cloned().unwrap_or_else(|| Arc::new(Limiter::new(rate, now)))
            });
            let named = limiter.iter().map(|limiter| (settings.name.clone(), limiter.clone()));
            table.limiters.extend(named);
            table.ends.extend(settings.not_after.map(|end| (settings.name.clone(), end)));
            // Callers who see the same share one view, and by it what is made for them.
            let view = views.get(&settings.view).cloned();
            let view = view.unwrap_or_else(|| Arc::new(settings.view.clone()));
            views.insert(view.clone());
            let caller = Caller::new(settings, view, limiter);
            let keys = settings.key_sha256.iter();
            table.by_key.extend(keys.map(|digest| (*digest, caller.clone())));
            table.keys_of.insert(settings.name.clone(), settings.key_sha256.clone());
            let name = settings.tls_san.iter().cloned();
            table.by_san.extend(name.map(|name| (name, (place, caller.clone()))));
            if !settings.oidc.is_empty() {
                table.by_claims.push((settings.oidc.clone(), caller));
            }
        }
        table
    }
}

impl Collector for Policy {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let ends = self.ends();
        gauges::gauges(
            &mut encoder,
            "sddc_gateway_caller_not_after_timestamp_seconds",
            "The not_after of each caller that has one, in seconds since 1970: from then on its credentials are not accepted",
            ends.iter().map(|(caller, end)| ([("caller", caller.as_str())], end.as_second())),
        )
    }
}

#[cfg(test)]
mod tests;
