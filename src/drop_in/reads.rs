//! Reads of VMware Cloud for callers: a closed table of routes, one shared read for all who ask at once.
//!
//! ```text
//! path ─► routes ─► admit ─► policy ─► query ─► cache ─┬─► the document, filtered for its caller ─► prepared
//!                                                      └─► limits ─► upstream ─► redaction ─► cache
//! ```
//!
//! Large documents are held in memory, bounded: one read holds at most twice `vmc.max_body`, the document and
//! what is shown of it, while it is redacted; at most [`limits::MAX_READS`] are under way, and 32 MiB are kept.
//!
//! *Must not break*: what reaches VMware is a template of [`routes`] with plain ids in it and keys of its closed
//! list, with the gateway's own token and nothing of the caller's header fields.

mod cache;
mod failure;
mod filter;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub mod limits;
pub mod policy;
mod prepared;
mod query;
pub mod routes;
mod scrubbed;
mod upstream;

use std::{fmt::Write as _, sync::Arc};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::future::try_join_all;
use http::{
    HeaderMap, HeaderValue, Method, Request,
    header::{AGE, CACHE_CONTROL, CONTENT_LENGTH, VARY},
    request::Parts,
};

use self::{
    cache::{FRESH, ReadCache, ReadDocument, ReadOutcome},
    failure::ReadFailure,
    limits::ReadLimits,
    prepared::PreparedReads,
    query::CheckedQuery,
    routes::{MatchedRead, ReadMatcher},
    upstream::{PlannedRead, RawReaders},
};
use super::{
    denied,
    redaction::{UnknownFields, select_items},
};
use crate::{
    access::{Caller, Denied, Refusal, RequestIdentity, Scope, View},
    api::{AnswerCache, CacheStatus, PassedDocument, upstream_problem},
    clock::{Clock, Instant},
    ids::{OrgId, SddcId},
    in_flight::Permit,
    inventory::{FreshnessRequirement, Inventory, OrgSelector, SddcListing, Unavailable},
    problem::{Code, Problem},
    tasks::BackgroundJobs,
    telemetry::CacheResult,
    upstream::Kind,
    vmc::Remote,
};

const VARY_ON: HeaderValue =
    HeaderValue::from_static("Accept-Encoding, Authorization, csp-auth-token");

/// Answers VMware's reads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reads(Arc<ReadsState>);

/// What reads are made with.
#[derive(Debug)]
pub struct ReadsContext {
    /// Which organizations are served, with which tokens, and what SDDCs are called.
    pub inventory: Inventory,
    /// VMware Cloud, with limits and retries of its own: [`limits::MAX_READS`] at once.
    pub remote: Remote,
    /// Codings of answers.
    pub answers: AnswerCache,
    /// What becomes of fields that are not known.
    pub unknown_fields: UnknownFields,
    /// Time.
    pub clock: Clock,
    /// Tracks reads.
    pub jobs: BackgroundJobs,
}

#[derive(Debug)]
struct ReadsState {
    matcher: ReadMatcher,
    inventory: Inventory,
    readers: RawReaders,
    cache: ReadCache,
    prepared: PreparedReads,
    limits: ReadLimits,
    answers: AnswerCache,
    clock: Clock,
}

/// What a caller gets.
struct ShownDocument {
    read: ReadDocument,
    outcome: ReadOutcome,
    /// It is all of what VMware said, and kept; else it was made for this answer.
    is_kept: bool,
}

impl Reads {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(context: ReadsContext) -> Self {
        let ReadsContext { inventory, remote, answers, unknown_fields, clock, jobs } = context;
        Self(Arc::new(ReadsState {
            matcher: ReadMatcher::default(),
            inventory,
            readers: RawReaders::new(remote, unknown_fields),
            cache: ReadCache::new(clock.clone(), jobs),
            prepared: PreparedReads::default(),
            limits: ReadLimits::default(),
            answers,
            clock,
        }))
    }

    /// The answer to a caller's `GET` that was given lately, if its document is still fresh. `admit` judges last
    /// whether the caller may ask now.
    #[must_use]
    pub fn recall<B>(
        &self,
        request: &Request<B>,
        caller: &Caller,
        now: Instant,
        admit: impl FnOnce(Scope) -> bool,
    ) -> Option<(Response<Bytes>, CacheStatus)> {
        let read = self.0.prepared.find(request, caller, &self.0.inventory)?;
        let shown = ShownDocument { read, outcome: ReadOutcome::Hit, is_kept: true };
        let is_good = now.since(shown.read.begun) < FRESH && admit(Scope::VmcRead);
        is_good.then(|| self.0.pass(&shown, request.headers(), now))
    }

    /// Answers a GET or HEAD of an identified caller. A failure is left to the edge, which gives it VMware's
    /// shape.
    pub async fn answer(&self, request: Request<Body>) -> Response {
        // VMware's Python client sends a body with its GETs, which means nothing.
        let (parts, _body) = request.into_parts();
        match self.0.document(&parts).await {
            Ok(shown) => self.0.respond(&shown, &parts),
            Err(failure) => failure.into_response(),
        }
    }
}

impl ShownDocument {
    fn made(document: Bytes, begun: Instant, outcome: ReadOutcome) -> Self {
        let read = ReadDocument { document: PassedDocument::new(document), begun };
        Self { read, outcome, is_kept: false }
    }
}

impl ReadsState {
    /// The document that a request asks for: its refusals in the order 404 path, 401, 429, 403, 400, 404 object.
    async fn document(&self, parts: &Parts) -> Result<ShownDocument, ReadFailure> {
        let found = self.matcher.find(parts.uri.path()).ok_or_else(no_such_path)?;
        let sender = parts.extensions.get::<RequestIdentity>();
        let sender = sender.ok_or_else(|| denied(&Denied::Unauthenticated(Refusal::Missing)))?;
        let admitted = sender.admit(Scope::VmcRead).map_err(|refusal| denied(&refusal))?;
        let caller = admitted.caller();
        policy::permit(found.route, caller)?;
        let query = query::check(found.route, parts.uri.query())?;
        let permit = parts.extensions.get::<Permit>();
        let shown = self.shown(&found, &query, caller, permit).await?;
        // Which SDDCs a caller sees may change with their names.
        let is_asked_again = shown.outcome == ReadOutcome::Hit && parts.method == Method::GET;
        if is_asked_again && shown.is_kept && !caller.view().limits_sddcs() {
            let org = found.org.as_ref().or(query.org.as_ref());
            self.prepared.remember(caller, &parts.uri, &shown.read, org);
        }
        Ok(shown)
    }

    async fn shown(
        &self,
        found: &MatchedRead,
        query: &CheckedQuery,
        caller: &Caller,
        permit: Option<&Permit>,
    ) -> Result<ShownDocument, ReadFailure> {
        if found.route.lists_orgs() {
            return self.orgs(found, caller, permit).await;
        }
        let org = found.org.as_ref().or(query.org.as_ref()).ok_or_else(names_no_org)?;
        let read = self.plan(found, query.text.as_deref(), org, caller.view()).await?;
        let (document, outcome) = self.read(read, caller, permit).await?;
        let view = caller.view();
        if found.route.lists_sddcs() && view.limits_sddcs() {
            let seen = self.seen_sddcs(&document, org, view).await?;
            return Ok(ShownDocument::made(seen, document.begun, outcome));
        }
        Ok(ShownDocument { read: document, outcome, is_kept: true })
    }

    /// The read of a route in an organization, if the caller sees what it names.
    async fn plan(
        &self,
        found: &MatchedRead,
        query: Option<&str>,
        org: &OrgId,
        view: &View,
    ) -> Result<PlannedRead, Problem> {
        if !view.shows_org(org) {
            return Err(no_such_org());
        }
        let reader = self.inventory.reader(org).await.map_err(|why| unavailable(&why))?;
        if let Some(sddc) = found.sddc.as_ref().filter(|_| view.limits_sddcs()) {
            self.check_sddc(org, sddc, view).await?;
        }
        Ok(self.readers.plan(found.route, &found.path, query, Some(org.clone()), &reader))
    }

    /// Whether a caller sees an SDDC. What it is called, only the inventory knows.
    async fn check_sddc(&self, org: &OrgId, sddc: &SddcId, view: &View) -> Result<(), Problem> {
        if view.sddc_names.is_none() {
            let is_seen = view.shows_sddc(org, sddc, None);
            return if is_seen { Ok(()) } else { Err(no_such_sddc()) };
        }
        let selector = OrgSelector::Org(org.clone());
        let requirement = FreshnessRequirement::default();
        let sees = |entry: &crate::inventory::model::SddcEntry| {
            let sddc = &entry.sddc;
            view.shows_sddc(&sddc.org_id, &sddc.id, sddc.name.as_deref())
        };
        let found = self
            .inventory
            .find(SddcListing::Current, sddc.as_str(), &selector, sees, &requirement)
            .await;
        found.map(drop).map_err(|why| unavailable(&why))
    }

    /// Of an organization's list what a caller sees.
    async fn seen_sddcs(
        &self,
        list: &ReadDocument,
        org: &OrgId,
        view: &View,
    ) -> Result<Bytes, Problem> {
        let names = match &view.sddc_names {
            None => None,
            Some(_) => {
                let selector = OrgSelector::Org(org.clone());
                let requirement = FreshnessRequirement::default();
                let known =
                    self.inventory.list(SddcListing::Current, &selector, &requirement).await;
                Some(known.map_err(|why| unavailable(&why))?.content.content)
            }
        };
        let is_seen = |id: &str| {
            let Ok(id) = id.parse::<SddcId>() else { return false };
            let known = names.iter().flat_map(|known| known.get_all(id.as_str()));
            let mut of_org = known.filter(|entry| entry.sddc.org_id == *org);
            let name = of_org.next().and_then(|entry| entry.sddc.name.as_deref());
            view.shows_sddc(org, &id, name)
        };
        select_items(list.document.identity(), is_seen)
            .map_err(|_| upstream_problem(Kind::Contract, None))
    }

    /// The list of organizations that the gateway serves and the caller sees. Where organizations have a token
    /// each, each token's list has its own.
    async fn orgs(
        &self,
        found: &MatchedRead,
        caller: &Caller,
        permit: Option<&Permit>,
    ) -> Result<ShownDocument, ReadFailure> {
        let view = caller.view();
        let readers = self.inventory.readers_of_orgs().into_iter();
        let seen = readers.filter(|(org, _)| org.as_ref().is_none_or(|org| view.shows_org(org)));
        let reads = seen.map(|(org, reader)| async move {
            let read = self.readers.plan(found.route, &found.path, None, org.clone(), &reader);
            let (list, outcome) = self.read(read, caller, permit).await?;
            let is_seen = |id: &str| match (&org, id.parse::<OrgId>()) {
                (Some(own), Ok(id)) => *own == id,
                (None, Ok(id)) => view.shows_org(&id),
                (_, Err(_)) => false,
            };
            let seen = select_items(list.document.identity(), is_seen)
                .map_err(|_| upstream_problem(Kind::Contract, None))?;
            Ok::<_, ReadFailure>((seen, list, outcome))
        });
        let lists = try_join_all(reads).await?;
        let begun = lists.iter().map(|(_, list, _)| list.begun).min();
        let begun = begun.unwrap_or_else(|| self.clock.now());
        let outcome = lists.iter().map(|(.., outcome)| *outcome).max().unwrap_or(ReadOutcome::Hit);
        Ok(match <[_; 1]>::try_from(lists) {
            Ok([(seen, list, _)]) if seen == *list.document.identity() => {
                ShownDocument { read: list, outcome, is_kept: true }
            }
            Ok([(seen, ..)]) => ShownDocument::made(seen, begun, outcome),
            Err(lists) => {
                ShownDocument::made(joined(lists.iter().map(|(seen, ..)| seen)), begun, outcome)
            }
        })
    }

    /// A document that was read lately, or that is read now.
    async fn read(
        &self,
        read: PlannedRead,
        caller: &Caller,
        permit: Option<&Permit>,
    ) -> Result<(ReadDocument, ReadOutcome), ReadFailure> {
        if let Some(document) = self.cache.fresh(&read.key) {
            return Ok((document, ReadOutcome::Hit));
        }
        let _parked = permit.map(ParkedRequest::new);
        let waiting; // until it is answered
        let call = match self.cache.under_way(&read.key) {
            // Waiting for what is being read anyway takes nothing from others.
            Some(call) => call,
            None => {
                waiting = self.limits.enter(caller.name())?;
                let right = waiting.begin_read().await?;
                // Somebody else may have begun and ended it meanwhile.
                if let Some(document) = self.cache.fresh(&read.key) {
                    return Ok((document, ReadOutcome::Collapsed));
                }
                let key = read.key.clone();
                self.cache.join(&key, right, || read.make())
            }
        };
        let outcome = if call.started { ReadOutcome::Stored } else { ReadOutcome::Collapsed };
        let lost = |_| Problem::new(Code::Internal, "internal error");
        Ok((call.result().await.map_err(lost)??, outcome))
    }

    fn respond(&self, shown: &ShownDocument, parts: &Parts) -> Response {
        let (mut response, cache) = self.pass(shown, &parts.headers, self.clock.now());
        response.extensions_mut().insert(cache);
        if parts.method == Method::HEAD {
            let length = response.body().len();
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
            response = response.map(|_| Bytes::new());
        }
        response.map(Body::from)
    }

    /// What a caller gets, as a request's header fields want it.
    fn pass(
        &self,
        shown: &ShownDocument,
        headers: &HeaderMap,
        now: Instant,
    ) -> (http::Response<Bytes>, CacheStatus) {
        let ShownDocument { read, outcome, is_kept } = shown;
        let is_asked_again = *is_kept && *outcome == ReadOutcome::Hit;
        let mut response = self.answers.pass(&read.document, headers, is_asked_again);
        let age_s = now.since(read.begun).as_secs();
        add_freshness(response.headers_mut(), age_s, *outcome);
        (response, CacheStatus { result: (*outcome).into(), age_s })
    }
}

/// The organization that a query names, of a route whose path names none.
#[must_use]
pub fn named_org(template: &str, query: &str) -> Option<OrgId> {
    let route = routes::READ_ROUTES.iter().find(|route| route.template == template)?;
    query::check(route, Some(query)).ok()?.org
}

fn add_freshness(headers: &mut HeaderMap, age_s: u64, outcome: ReadOutcome) {
    let mut status = "sddc-gateway; ".to_owned();
    let ttl = FRESH.as_secs().saturating_sub(age_s);
    let _ = match outcome {
        ReadOutcome::Hit => write!(status, "hit; ttl={ttl}"),
        ReadOutcome::Collapsed => write!(status, "fwd=miss; collapsed"),
        ReadOutcome::Stored => write!(status, "fwd=miss; stored"),
    };
    headers.insert(AGE, age_s.into());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    let status = HeaderValue::from_str(&status).expect("words and digits are visible ASCII");
    headers.insert("cache-status", status);
    headers.insert(VARY, VARY_ON);
}

/// One list of the items of several.
fn joined<'a>(lists: impl Iterator<Item = &'a Bytes>) -> Bytes {
    let mut joined = BytesMut::from(&b"["[..]);
    for list in lists {
        // As `select_items` has made it, or VMware has sent it.
        let items = list.trim_ascii();
        let items = items.strip_prefix(b"[").and_then(|items| items.strip_suffix(b"]"));
        let items = items.unwrap_or_default().trim_ascii();
        if joined.len() > 1 && !items.is_empty() {
            joined.put_u8(b',');
        }
        joined.extend_from_slice(items);
    }
    joined.put_u8(b']');
    joined.freeze()
}

/// A request that waits: it is no work, and `api.request_timeout` is not about it.
struct ParkedRequest<'a>(&'a Permit);

impl<'a> ParkedRequest<'a> {
    fn new(permit: &'a Permit) -> Self {
        permit.park();
        Self(permit)
    }
}

impl Drop for ParkedRequest<'_> {
    fn drop(&mut self) {
        self.0.resume();
    }
}

impl From<ReadOutcome> for CacheResult {
    fn from(outcome: ReadOutcome) -> Self {
        match outcome {
            ReadOutcome::Hit => Self::Hit,
            ReadOutcome::Collapsed => Self::Collapsed,
            ReadOutcome::Stored => Self::Miss,
        }
    }
}

/// Why what a path names cannot be read.
fn unavailable(why: &Unavailable) -> Problem {
    match why {
        Unavailable::NoSuchOrg => no_such_org(),
        Unavailable::NoSuchId => no_such_sddc(),
        other => upstream_problem(other.kind(), other.retry_in()),
    }
}

fn no_such_path() -> Problem {
    Problem::new(Code::NotFound, "the gateway does not offer this path of VMware's API")
}

fn no_such_org() -> Problem {
    Problem::new(Code::OrgNotFound, "there is no organization with this id")
}

fn no_such_sddc() -> Problem {
    Problem::new(Code::SddcNotFound, "there is no SDDC with this id")
}

fn names_no_org() -> Problem {
    Problem::new(Code::InvalidParameter, "orgId is required: it says whose token is used")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_joined_with_whatever_space_they_have() {
        let of = |lists: &[&'static str]| {
            let lists: Vec<_> =
                lists.iter().map(|list| Bytes::from_static(list.as_bytes())).collect();
            String::from_utf8(joined(lists.iter()).to_vec()).unwrap()
        };
        assert_eq!(of(&[]), "[]");
        assert_eq!(of(&["[1]", " [ ] ", "[ 2,3 ]\n", "[4]"]), "[1,2,3,4]");
    }
}
