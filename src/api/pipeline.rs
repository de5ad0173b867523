//! The way of a list from a request to its answer, in five steps:
//!
//! 1. [`fetch`]: parses the query, and asks the inventory for a snapshot that is young enough;
//! 2. [`check_values`]: judges the values of filters by what the caller may see;
//! 3. [`ListQuery::select`]: filters, sorts and cuts the page;
//! 4. [`encode`]: makes the bytes, once for all who may see the same and ask the same;
//! 5. [`respond`]: sends them, or 304, with how old they are.
//!
//! Nothing is shown that [`visible`] does not give: it is the one place where a list meets what its
//! caller may see. `tests/it/views` holds that.

use std::sync::Arc;

use axum::{body::Body, response::Response};

use super::{
    answer::{AnswerSubject, ClientCaching, EncodedAnswer, ResourceType},
    error::ApiError,
    gaps::{self, EntryFilter, gaps},
    prepared::AnswerSource,
    query::{AllowedParams, ListQuery, PendingQuery},
    request::{AppliedFreshness, InventoryRequest, ListTarget},
    resource::{HeldBy, Resource},
    watch::LongPoll,
};
use crate::{
    inventory::{
        CacheOutcome, Entry, FoundDocument, FreshnessRequirement, List, ListSnapshot, ListWatch,
        Listing, MissingOrg, OrgSelector, SddcListing, Served, model::SddcEntry,
    },
    problem::MissingPart,
};

/// A query whose values are checked, and the snapshot that answers it.
pub(super) struct FetchedList<R: Resource> {
    pub(super) query: ListQuery<R>,
    pub(super) list: List,
    pub(super) served: Served<ListSnapshot<SddcEntry>>,
    /// From before the snapshot, for a request that waits for changes.
    pub(super) watch: Option<ListWatch>,
    /// How new the snapshot had to be.
    requirement: FreshnessRequirement,
}

/// How long a request stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WatchMode {
    /// For the answer, or for as long as the query says.
    AsAsked,
    /// For all changes that come. How new the first snapshot is matters little to it.
    Forever,
}

/// An answer as it is now.
#[derive(Debug)]
pub(super) struct EncodedPage {
    pub(super) encoded: Arc<EncodedAnswer>,
    pub(super) served: Served<()>,
    /// What it is made from, if that can be told.
    source: Option<AnswerSource>,
}

impl EncodedPage {
    /// A page that is asked for again each time.
    pub(super) fn new(encoded: Arc<EncodedAnswer>, served: Served<()>) -> Self {
        Self { encoded, served, source: None }
    }

    /// The same, made from one list of these orgs and of nothing else.
    pub(super) fn of(self, list: List, scope: &OrgSelector, revision: u64) -> Self {
        let source = AnswerSource { list, scope: scope.clone(), revision };
        Self { source: Some(source), ..self }
    }
}

/// What an answer about one document, or about what it holds, is within: orgs may have one each of
/// the same id.
pub(super) fn within<E: Entry>(entry: &E) -> Box<str> {
    format!("{}/{}", entry.org().as_str(), entry.id()).into()
}

/// Answers with a list that is made of SDDCs or of parts of them; waits, where the query says so,
/// until the answer is another one than the caller has.
pub(super) async fn list_of_sddcs<R: HeldBy<SddcEntry>>(
    mut request: InventoryRequest,
    mut target: ListTarget,
) -> Result<Response, ApiError> {
    let began = request.state.clock.now();
    let FetchedList { query, list, served, watch, requirement } =
        fetch::<R>(&request, &target, AllowedParams::LIST, WatchMode::AsAsked).await?;
    let mut page = encode(&request, &target, &query, 0, &served, &request.visibility).await?;
    if served.content.missing.is_empty() {
        page = page.of(list, &target.scope, served.content.content.revision);
    }
    let later = requirement.after_first_look();
    let mut poll = LongPoll::new(&request, watch, began + query.wait.unwrap_or_default());
    // A failure ends the wait: it is another answer too.
    while poll.outdates(&page, &mut request).await? {
        // About the same target: everything, or the org that the path names.
        let (visibility, org) = (&request.visibility, target.within.as_deref());
        target.scope = org.map_or_else(|| visibility.scope(), |org| visibility.org(org));
        let inventory = &request.state.inventory;
        let listing = listing_of(query.include_deleted);
        let served = inventory.list(listing, &target.scope, &later).await?;
        page = encode(&request, &target, &query, 0, &served, &request.visibility).await?;
    }
    Ok(respond(&request, &page, ClientCaching::of(query.wait)))
}

fn listing_of(with_deleted: bool) -> SddcListing {
    if with_deleted { SddcListing::WithDeleted } else { SddcListing::Current }
}

/// Parses the query, and asks the inventory for a snapshot that is young enough to answer it.
///
/// # Errors
/// 400 with every fault of the query; 503, 502 or 504 where there is no such snapshot.
pub(super) async fn fetch<R: HeldBy<SddcEntry>>(
    request: &InventoryRequest,
    target: &ListTarget,
    allowed: AllowedParams,
    mode: WatchMode,
) -> Result<FetchedList<R>, ApiError> {
    let sees = |entry: &SddcEntry| request.visibility.sees(entry);
    let parser = request.parser::<R>(allowed, &target.scope);
    let listing = listing_of(parser.includes_deleted());
    let inventory = &request.state.inventory;
    let known = inventory.known();
    let known = known.entries.iter().filter(|entry| target.scope.holds(entry.org()));
    let pending = parser.begin(known.filter(|it| sees(it)).flat_map(|it| R::of(it)))?;

    // Before the first look, so that no change is missed.
    let list = listing.kind();
    let watch = match mode {
        WatchMode::AsAsked => request.watch(list, pending.wait()),
        WatchMode::Forever => Some(inventory.watch(list)),
    };
    let applied = match mode {
        WatchMode::AsAsked => request.freshness(&[list], &target.scope).await,
        WatchMode::Forever => AppliedFreshness::default(),
    };
    let served = inventory.list(listing, &target.scope, &applied.requirement).await?;
    let served = applied.note(served);
    let view = &served.content;
    let shown = visible(view, &target.scope, sees);
    let query = check_values(request, pending, &view.missing, shown)?;
    Ok(FetchedList { query, list, served, watch, requirement: applied.requirement })
}

/// Checks the values that only the documents in view can tell from a typing error. While orgs are
/// missing a new value may be one that only they have.
///
/// # Errors
/// 400 with every fault of the query; 503 where orgs are missing that may not.
pub(super) fn check_values<'a, R: Resource>(
    request: &InventoryRequest,
    pending: PendingQuery<R>,
    missing: &[MissingOrg],
    shown: impl Iterator<Item = &'a R> + Clone,
) -> Result<ListQuery<R>, ApiError> {
    if missing.is_empty() {
        return pending.finish(shown);
    }
    if !pending.allows_part() {
        request.admit_missing(missing, false)?;
    }
    pending.trust()
}

/// The documents of a snapshot that a caller sees.
pub(super) fn visible<'a, E: Entry, R: HeldBy<E> + 'a>(
    view: &'a ListSnapshot<E>,
    scope: &'a OrgSelector,
    sees: impl Fn(&E) -> bool + Clone + 'a,
) -> impl Iterator<Item = &'a R> + Clone {
    let entries = view.content.entries.iter().map(|entry| &**entry);
    entries
        .filter(move |it| scope.holds(it.org()) && view.shows(it.org()) && sees(it))
        .flat_map(R::of)
}

/// Encodes the page that a query selects of a snapshot, unless that was done before.
///
/// # Errors
/// 503 where orgs are missing that may not, or where it would have to wait too long to be encoded.
pub(super) async fn encode<E: Entry, R: HeldBy<E>>(
    request: &InventoryRequest,
    target: &ListTarget,
    query: &ListQuery<R>,
    seen_by: u64,
    served: &Served<ListSnapshot<E>>,
    filter: impl EntryFilter<E>,
) -> Result<EncodedPage, ApiError> {
    let view = &served.content;
    let missing = request.admit_missing(&view.missing, query.partial)?;
    let subject = request.subject(target, query, seen_by, view.content.revision, missing);
    let make = encoder(&subject, target, query, view, filter);
    let state = &request.state;
    let entries = view.content.entries.len();
    let encoded =
        state.answers.encoded_in_turn(subject, entries, request.caller(), &state.clock, make);
    let encoded = encoded.await?;
    let shows = |entry: &E| {
        target.scope.holds(entry.org()) && view.shows(entry.org()) && filter.entry(entry)
    };
    Ok(EncodedPage::new(encoded, served.without_content().with_held_back(view, shows)))
}

/// The same at once, for those who are many and ask for the same.
pub(super) fn encode_now<E: Entry, R: HeldBy<E>>(
    request: &InventoryRequest,
    subject: AnswerSubject,
    target: &ListTarget,
    query: &ListQuery<R>,
    view: &ListSnapshot<E>,
    filter: impl EntryFilter<E>,
) -> Arc<EncodedAnswer> {
    let make = encoder(&subject, target, query, view, filter);
    request.state.answers.encoded(subject, request.caller(), make)
}

fn encoder<'a, E: Entry, R: HeldBy<E>>(
    subject: &AnswerSubject,
    target: &'a ListTarget,
    query: &'a ListQuery<R>,
    view: &'a ListSnapshot<E>,
    filter: impl EntryFilter<E> + 'a,
) -> impl FnOnce() -> EncodedAnswer + 'a {
    let mut missing: Vec<MissingPart> = subject.missing.clone();
    move || {
        let sees = |entry: &E| filter.entry(entry);
        let selection = query.select(visible(view, &target.scope, sees));
        missing.extend(gaps(target, query, view, filter));
        gaps::merge(&mut missing);
        EncodedAnswer::json(&selection.page(missing)).followed_by(selection.next)
    }
}

/// Encodes the page that a query selects of what one SDDC holds; `missing` of that cannot be shown.
pub(super) fn encode_parts<R: HeldBy<SddcEntry>>(
    request: &InventoryRequest,
    what: ResourceType,
    query: &ListQuery<R>,
    served: &Served<FoundDocument<SddcEntry>>,
    missing: Vec<MissingPart>,
) -> EncodedPage {
    let FoundDocument { revision, entry, read } = &served.content;
    let target = one(what, &**entry);
    let subject = request.subject(&target, query, 0, *revision, Vec::new());
    let encoded = request.state.answers.encoded(subject, request.caller(), || {
        let selection = query.select(R::of(entry).iter());
        EncodedAnswer::json(&selection.page(missing)).followed_by(selection.next)
    });
    EncodedPage::new(encoded, served.without_content()).of(List::Sddcs, read, *revision)
}

/// Encodes one document as the query shows it.
pub(super) fn encode_document<E: Entry, R: Resource>(
    request: &InventoryRequest,
    what: ResourceType,
    query: &ListQuery<R>,
    served: &Served<FoundDocument<E>>,
    document: fn(&E) -> &R,
) -> EncodedPage {
    let FoundDocument { revision, entry, .. } = &served.content;
    let subject = request.subject(&one(what, &**entry), query, 0, *revision, Vec::new());
    let encoded = request
        .state
        .answers
        .encoded(subject, request.caller(), || EncodedAnswer::json(&query.show(document(entry))));
    EncodedPage::new(encoded, served.without_content())
}

/// One document, or what it holds.
fn one<E: Entry>(what: ResourceType, entry: &E) -> ListTarget {
    ListTarget { what, scope: OrgSelector::Hidden, within: Some(within(entry)) }
}

/// The answer, as the request's header fields want it.
pub(super) fn respond(
    request: &InventoryRequest,
    page: &EncodedPage,
    caching: ClientCaching,
) -> Response {
    let EncodedPage { encoded, served, source } = page;
    let state = &request.state;
    let link = encoded.next().map(|next| request.raw_query.next_link(next));
    // One that nothing is held back of, and that was asked for before.
    if caching == ClientCaching::WhileFresh
        && served.outcome == CacheOutcome::Hit
        && encoded.note_asked()
        && let Some((source, target)) = source.as_ref().zip(request.raw_query.target())
    {
        let (link, clock) = (link.as_ref(), &state.clock);
        state.prepared.remember(&request.visibility, target, source, encoded, link, clock);
    }
    let answered = state.answers.answer(encoded, served, &request.conditions, caching, link);
    let (response, cache_status) = answered;
    let mut response = response.map(Body::from);
    response.extensions_mut().insert(cache_status);
    response
}
