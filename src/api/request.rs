//! A request to the inventory: who asks, how new the answer has to be, and the way from what the
//! caller sees to the answer.

use std::{iter, sync::Arc};

use axum::{extract::FromRequestParts, response::Response};
use http::request::Parts;

use super::{
    ApiState,
    answer::{AnswerSubject, ClientCaching, ConditionalHeaders, EncodedAnswer, ResourceType},
    caller::{SddcReader, Visibility},
    error::ApiError,
    gaps::{self, EntryFilter, gaps},
    history::SeenBy,
    query::{AllowedParams, ListQuery, PendingQuery, QueryParser, RawQuery},
    resource::Resource,
    watch::LongPoll,
};
use crate::{
    access::{Admitted, CallerName},
    in_flight::Permit,
    inventory::{
        CacheOutcome, Entry, Found, FreshnessRequirement, List, ListSnapshot, Missing, OrgSelector,
        Served, Watch, model::SddcEntry,
    },
    problem::MissingPart,
};

/// What handlers of the inventory ask with. Rejects with 401, 429, then 403.
pub(super) struct InventoryRequest {
    pub(super) state: Arc<ApiState>,
    pub(super) reader: SddcReader,
    pub(super) visibility: Visibility,
    pub(super) conditions: ConditionalHeaders,
    pub(super) raw_query: RawQuery,
    /// The request's place among those that are worked on: given back while it waits.
    pub(super) permit: Option<Permit>,
}

impl FromRequestParts<Arc<ApiState>> for InventoryRequest {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<ApiState>,
    ) -> Result<Self, ApiError> {
        let reader = SddcReader::from_request_parts(parts, state).await?;
        let Ok(conditions) = ConditionalHeaders::from_request_parts(parts, state).await;
        let Ok(raw_query) = RawQuery::from_request_parts(parts, state).await;
        Ok(Self {
            state: state.clone(),
            visibility: reader.visibility(),
            reader,
            conditions,
            raw_query,
            permit: parts.extensions.get::<Permit>().cloned(),
        })
    }
}

/// Which documents a list has, before anything is asked of them.
#[derive(Debug, Clone)]
pub(super) struct ListTarget {
    pub(super) what: ResourceType,
    pub(super) scope: OrgSelector,
    /// The org that the path names, or the SDDC as [`within`] writes it.
    pub(super) within: Option<Box<str>>,
}

/// A question, and the view of which it is asked.
pub(super) struct FetchedList<R: Resource> {
    pub(super) query: ListQuery<R>,
    pub(super) served: Served<ListSnapshot<SddcEntry>>,
    /// From before the view, for who waits for changes.
    pub(super) watch: Option<Watch>,
    /// How new the view had to be.
    requirement: FreshnessRequirement,
}

/// How long who asks stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WatchMode {
    /// For the answer, or for as long as the question says.
    AsAsked,
    /// For all changes that come. How new the first view is matters little to them.
    Forever,
}

impl WatchMode {
    fn is_longer_than_a_look<R: Resource>(self, pending: &PendingQuery<R>) -> bool {
        self == Self::Forever || pending.wait().is_some_and(|wait| !wait.is_zero())
    }
}

/// An answer as it is now.
#[derive(Debug)]
pub(super) struct EncodedPage {
    pub(super) encoded: Arc<EncodedAnswer>,
    pub(super) served: Served<()>,
}

/// How new an answer has to be, and whether that was less than the request wanted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct AppliedFreshness {
    pub(super) requirement: FreshnessRequirement,
    over_budget: bool,
}

impl AppliedFreshness {
    /// Says in the answer that the caller's budget is spent: a read that was joined may have begun
    /// before the request too.
    pub(super) fn note<T>(self, mut served: Served<T>) -> Served<T> {
        if self.over_budget && matches!(served.outcome, CacheOutcome::Hit | CacheOutcome::Collapsed)
        {
            served.outcome = CacheOutcome::OverBudget;
        }
        served
    }
}

/// What an answer about one document, or about what it holds, is within: orgs may have one each of
/// the same id.
pub(super) fn within<E: Entry>(entry: &E) -> Box<str> {
    format!("{}/{}", entry.org().as_str(), entry.id()).into()
}

/// The documents of a view that a caller sees.
pub(super) fn visible<'a, E: Entry, R: 'a>(
    view: &'a ListSnapshot<E>,
    scope: &'a OrgSelector,
    sees: impl Fn(&E) -> bool + Clone + 'a,
    parts: fn(&E) -> &[R],
) -> impl Iterator<Item = &'a R> + Clone {
    let entries = view.content.entries.iter().map(|entry| &**entry);
    entries
        .filter(move |it| scope.holds(it.org()) && view.shows(it.org()) && sees(it))
        .flat_map(parts)
}

/// Encodes the page that a question gives of a view.
fn encoder<'a, E: Entry, R: Resource>(
    subject: &AnswerSubject,
    topic: &'a ListTarget,
    query: &'a ListQuery<R>,
    view: &'a ListSnapshot<E>,
    visibility: impl EntryFilter<E> + 'a,
    parts: fn(&E) -> &[R],
) -> impl FnOnce() -> EncodedAnswer + 'a {
    let mut missing = subject.missing.clone();
    move || {
        let sees = |entry: &E| visibility.entry(entry);
        let selection = query.select(visible(view, &topic.scope, sees, parts));
        missing.extend(gaps(topic, query, view, visibility, parts));
        gaps::merge(&mut missing);
        EncodedAnswer::json(&selection.page(missing)).followed_by(selection.next)
    }
}

impl InventoryRequest {
    /// The same without what was asked: for who lives long, as that holds on to the buffer in which
    /// the request's head came.
    pub(super) fn without_head(self) -> Self {
        Self { conditions: ConditionalHeaders::default(), raw_query: RawQuery::default(), ..self }
    }

    /// Everything that the caller sees.
    pub(super) fn all(&self, what: ResourceType) -> ListTarget {
        ListTarget { what, scope: self.visibility.scope(), within: None }
    }

    /// How new the answer has to be, which is made from these lists. Reads that a caller forces have
    /// a budget for each organization, which is spent once for a request: beyond it the snapshot has
    /// to do.
    pub(super) fn freshness(&self, of: &[List], scope: &OrgSelector) -> AppliedFreshness {
        let directives = self.conditions.directives;
        let mut requirement = FreshnessRequirement {
            max_age: directives.newest,
            only_if_cached: directives.only_if_cached,
            stale_if_error: directives.stale_if_error,
        };
        let ApiState { inventory, budget, clock, .. } = &*self.state;
        let mut forced = Vec::new();
        if requirement.max_age.is_some() && !requirement.only_if_cached {
            forced.extend(
                of.iter().flat_map(|list| inventory.forced_reads(*list, scope, &requirement)),
            );
            forced.sort_unstable();
            forced.dedup();
        }
        let over_budget = !forced.is_empty() && !budget.spend(self.caller(), &forced, clock.now());
        if over_budget {
            requirement.max_age = None;
        }
        AppliedFreshness { requirement, over_budget }
    }

    /// The orgs that cannot be shown: an error, unless the question allows a part.
    pub(super) fn admit_missing(
        &self,
        missing: &[Missing],
        allows_part: bool,
    ) -> Result<Vec<MissingPart>, ApiError> {
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        self.state.metrics.incomplete(allows_part);
        if allows_part {
            Ok(missing.iter().map(MissingPart::from).collect())
        } else {
            Err(ApiError::incomplete(missing.to_vec()))
        }
    }

    /// A list that is made of SDDCs or of parts of them.
    pub(super) async fn list_of_sddcs<R: Resource>(
        mut self,
        mut topic: ListTarget,
        parts: fn(&SddcEntry) -> &[R],
    ) -> Result<Response, ApiError> {
        let began = self.state.clock.now();
        let FetchedList { query, served, watch, requirement } =
            self.settle(&topic, AllowedParams::LIST, WatchMode::AsAsked, parts).await?;
        let mut page = self.page_of_sddcs(&topic, &query, &served, parts).await?;
        if let Some((watch, wait)) = watch.zip(query.wait()) {
            let with_deleted = query.includes_deleted();
            // The newest was read for the first look; what is read from now on is newer.
            let later = FreshnessRequirement { max_age: None, ..requirement };
            let mut poll = LongPoll::new(&self, watch, began + wait);
            // A failure ends the wait: it is another answer too.
            while self.conditions.known.holds(page.encoded.etag()) && !poll.is_over() {
                poll.changed().await?;
                self.see_as(poll.reader(), &mut topic);
                let inventory = &self.state.inventory;
                let served = inventory.sddcs_kept(with_deleted, &topic.scope, &later)?;
                page = self.page_of_sddcs(&topic, &query, &served, parts).await?;
            }
        }
        let reuse = query.wait().map_or(ClientCaching::WhileFresh, |_| ClientCaching::Never);
        Ok(self.answer_with(&page, reuse))
    }

    async fn page_of_sddcs<R: Resource>(
        &self,
        topic: &ListTarget,
        query: &ListQuery<R>,
        served: &Served<ListSnapshot<SddcEntry>>,
        parts: fn(&SddcEntry) -> &[R],
    ) -> Result<EncodedPage, ApiError> {
        self.page(topic, query, 0, served, &self.visibility, parts).await
    }

    /// Goes on with what the caller may see now, about the same topic: everything, or the org that
    /// the path names.
    fn see_as(&mut self, reader: &Admitted, topic: &mut ListTarget) {
        let visibility = Visibility::from(reader);
        if visibility == self.visibility {
            return;
        }
        topic.scope =
            topic.within.as_deref().map_or_else(|| visibility.scope(), |org| visibility.org(org));
        self.visibility = visibility;
    }

    /// What the query says by itself, with what the caller's view has had since start.
    pub(super) fn parser<R: Resource>(
        &self,
        allowed: AllowedParams,
        scope: &OrgSelector,
    ) -> QueryParser<R> {
        self.raw_query.parser::<R>(allowed).with_history(|| SeenBy {
            history: self.state.history.clone(),
            visibility: self.visibility.clone(),
            scope: scope.clone(),
        })
    }

    /// A question about SDDCs or parts of them, and the view of which it is asked.
    pub(super) async fn settle<R: Resource>(
        &self,
        topic: &ListTarget,
        allowed: AllowedParams,
        stay: WatchMode,
        parts: fn(&SddcEntry) -> &[R],
    ) -> Result<FetchedList<R>, ApiError> {
        let sees = |entry: &SddcEntry| self.visibility.sees(entry);
        let parser = self.parser::<R>(allowed, &topic.scope);
        let with_deleted = parser.includes_deleted();
        let inventory = &self.state.inventory;
        let known = inventory.known();
        let known = known.entries.iter().filter(|entry| topic.scope.holds(entry.org()));
        let pending = parser.begin(known.filter(|it| sees(it)).flat_map(|it| parts(it)))?;

        // Before the first look, so that no change is missed.
        let watch = stay.is_longer_than_a_look(&pending).then(|| inventory.watch());
        let of = if with_deleted { List::WithDeleted } else { List::Sddcs };
        let applied = match stay {
            WatchMode::AsAsked => self.freshness(&[of], &topic.scope),
            WatchMode::Forever => AppliedFreshness::default(),
        };
        let served = inventory.sddcs(with_deleted, &topic.scope, &applied.requirement).await?;
        let served = applied.note(served);
        let view = &served.content;
        let shown = visible(view, &topic.scope, sees, parts);
        let query = self.judge(pending, &view.missing, shown)?;
        Ok(FetchedList { query, served, watch, requirement: applied.requirement })
    }

    /// Settles a question by all that is shown. While orgs are missing nobody can tell a new value
    /// that only they have from a typing error.
    pub(super) fn judge<'a, R: Resource>(
        &self,
        pending: PendingQuery<R>,
        missing: &[Missing],
        shown: impl Iterator<Item = &'a R> + Clone,
    ) -> Result<ListQuery<R>, ApiError> {
        if missing.is_empty() {
            return pending.finish(shown);
        }
        if !pending.allows_part() {
            self.admit_missing(missing, false)?;
        }
        pending.trust()
    }

    /// The page that a question gives of a view.
    ///
    /// # Errors
    /// 503 where orgs are missing that may not, or where it would have to wait too long to be encoded.
    pub(super) async fn page<E: Entry, R: Resource>(
        &self,
        topic: &ListTarget,
        query: &ListQuery<R>,
        seen_by: u64,
        served: &Served<ListSnapshot<E>>,
        visibility: impl EntryFilter<E>,
        parts: fn(&E) -> &[R],
    ) -> Result<EncodedPage, ApiError> {
        let view = &served.content;
        let missing = self.admit_missing(&view.missing, query.allows_part())?;
        let subject = self.subject(topic, query, seen_by, view.content.revision, missing);
        let encode = encoder(&subject, topic, query, view, visibility, parts);
        let ApiState { answers, clock, .. } = &*self.state;
        let entries = view.content.entries.len();
        let encoded =
            answers.encoded_in_turn(subject, entries, self.caller(), clock, encode).await?;
        let shows = |entry: &E| {
            topic.scope.holds(entry.org()) && view.shows(entry.org()) && visibility.entry(entry)
        };
        let without_content = served.without_content().with_held_back(view, shows);
        Ok(EncodedPage { encoded, served: without_content })
    }

    /// What an answer to a question is made from.
    pub(super) fn subject<R: Resource>(
        &self,
        topic: &ListTarget,
        query: &ListQuery<R>,
        seen_by: u64,
        revision: u64,
        missing: Vec<MissingPart>,
    ) -> AnswerSubject {
        AnswerSubject {
            what: topic.what,
            within: topic.within.clone(),
            revision,
            seen_by,
            visibility: self.visibility.clone(),
            missing,
            query: query.canonical().into(),
        }
    }

    /// Encodes a page, unless that was done before.
    pub(super) fn encode<E: Entry, R: Resource>(
        &self,
        subject: AnswerSubject,
        topic: &ListTarget,
        query: &ListQuery<R>,
        view: &ListSnapshot<E>,
        visibility: impl EntryFilter<E>,
        parts: fn(&E) -> &[R],
    ) -> Arc<EncodedAnswer> {
        let encode = encoder(&subject, topic, query, view, visibility, parts);
        self.state.answers.encoded(subject, self.caller(), encode)
    }

    /// The caller that asks.
    pub(super) fn caller(&self) -> &CallerName {
        self.reader.0.caller().name()
    }

    /// The page that a question gives of documents, and what is missing among them.
    pub(super) fn page_of<R: Resource>(
        &self,
        topic: &ListTarget,
        query: &ListQuery<R>,
        served: &Served<u64>,
        documents: &[R],
        missing: Vec<MissingPart>,
    ) -> EncodedPage {
        let subject = self.subject(topic, query, 0, served.content, Vec::new());
        let encoded = self.state.answers.encoded(subject, self.caller(), || {
            let selection = query.select(documents.iter());
            EncodedAnswer::json(&selection.page(missing)).followed_by(selection.next)
        });
        EncodedPage { encoded, served: served.without_content() }
    }

    /// The question about one document.
    pub(super) fn document_query<R: Resource>(&self) -> Result<ListQuery<R>, ApiError> {
        self.raw_query.parser::<R>(AllowedParams::DOCUMENT).finish(iter::empty())
    }

    /// One document as the question shows it.
    pub(super) fn document<E: Entry, R: Resource>(
        &self,
        what: ResourceType,
        query: &ListQuery<R>,
        served: &Served<Found<E>>,
        document: fn(&E) -> &R,
    ) -> Response {
        let found = &served.content;
        let topic =
            ListTarget { what, scope: OrgSelector::Hidden, within: Some(within(&*found.entry)) };
        let subject = self.subject(&topic, query, 0, found.revision, Vec::new());
        let encoded = self.state.answers.encoded(subject, self.caller(), || {
            EncodedAnswer::json(&query.show(document(&found.entry)))
        });
        self.answer(&EncodedPage { encoded, served: served.without_content() })
    }

    /// The answer, as the request's header fields want it.
    pub(super) fn answer(&self, page: &EncodedPage) -> Response {
        self.answer_with(page, ClientCaching::WhileFresh)
    }

    fn answer_with(&self, page: &EncodedPage, reuse: ClientCaching) -> Response {
        let link = page.encoded.next().map(|next| self.raw_query.next_link(next));
        self.state.answers.answer(&page.encoded, &page.served, &self.conditions, reuse, link)
    }
}
