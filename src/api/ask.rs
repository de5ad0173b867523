//! A request to the inventory: who asks, how new the answer has to be, and the way from what the
//! caller sees to the answer.

use std::{iter, sync::Arc};

use axum::{extract::FromRequestParts, response::Response};
use http::request::Parts;

use super::{
    ApiState,
    answer::{Asked, Encoded, Reuse, Subject, What},
    caller::{SddcReader, Visibility},
    error::ApiError,
    gaps::{self, Sees, gaps},
    history::SeenBy,
    question::{Asking, Draft, Query, Question, Takes},
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
pub(super) struct Ask {
    pub(super) state: Arc<ApiState>,
    pub(super) reader: SddcReader,
    pub(super) visibility: Visibility,
    pub(super) asked: Asked,
    pub(super) query: Query,
    /// The request's place among those that are worked on: given back while it waits.
    pub(super) permit: Option<Permit>,
}

impl FromRequestParts<Arc<ApiState>> for Ask {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<ApiState>,
    ) -> Result<Self, ApiError> {
        let reader = SddcReader::from_request_parts(parts, state).await?;
        let Ok(asked) = Asked::from_request_parts(parts, state).await;
        let Ok(query) = Query::from_request_parts(parts, state).await;
        Ok(Self {
            state: state.clone(),
            visibility: reader.visibility(),
            reader,
            asked,
            query,
            permit: parts.extensions.get::<Permit>().cloned(),
        })
    }
}

/// Which documents a list has, before anything is asked of them.
#[derive(Debug, Clone)]
pub(super) struct Topic {
    pub(super) what: What,
    pub(super) scope: OrgSelector,
    /// The org that the path names, or the SDDC as [`within`] writes it.
    pub(super) within: Option<Box<str>>,
}

/// A question, and the view of which it is asked.
pub(super) struct Settled<R: Resource> {
    pub(super) question: Question<R>,
    pub(super) served: Served<ListSnapshot<SddcEntry>>,
    /// From before the view, for who waits for changes.
    pub(super) watch: Option<Watch>,
    /// How new the view had to be.
    requirement: FreshnessRequirement,
}

/// How long who asks stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stay {
    /// For the answer, or for as long as the question says.
    AsAsked,
    /// For all changes that come. How new the first view is matters little to them.
    Forever,
}

impl Stay {
    fn is_longer_than_a_look<R: Resource>(self, asking: &Asking<R>) -> bool {
        self == Self::Forever || asking.wait().is_some_and(|wait| !wait.is_zero())
    }
}

/// An answer as it is now.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) encoded: Arc<Encoded>,
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
    subject: &Subject,
    topic: &'a Topic,
    question: &'a Question<R>,
    view: &'a ListSnapshot<E>,
    visibility: impl Sees<E> + 'a,
    parts: fn(&E) -> &[R],
) -> impl FnOnce() -> Encoded + 'a {
    let mut missing = subject.missing.clone();
    move || {
        let sees = |entry: &E| visibility.entry(entry);
        let selection = question.select(visible(view, &topic.scope, sees, parts));
        missing.extend(gaps(topic, question, view, visibility, parts));
        gaps::merge(&mut missing);
        Encoded::json(&selection.page(missing)).followed_by(selection.next)
    }
}

impl Ask {
    /// The same without what was asked: for who lives long, as that holds on to the buffer in which
    /// the request's head came.
    pub(super) fn without_head(self) -> Self {
        Self { asked: Asked::default(), query: Query::default(), ..self }
    }

    /// Everything that the caller sees.
    pub(super) fn all(&self, what: What) -> Topic {
        Topic { what, scope: self.visibility.scope(), within: None }
    }

    /// How new the answer has to be, which is made from these lists. Reads that a caller forces have
    /// a budget for each organization, which is spent once for a request: beyond it the snapshot has
    /// to do.
    pub(super) fn freshness(&self, of: &[List], scope: &OrgSelector) -> AppliedFreshness {
        let directives = self.asked.directives;
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
        mut topic: Topic,
        parts: fn(&SddcEntry) -> &[R],
    ) -> Result<Response, ApiError> {
        let began = self.state.clock.now();
        let Settled { question, served, watch, requirement } =
            self.settle(&topic, Takes::LIST, Stay::AsAsked, parts).await?;
        let mut listed = self.page_of_sddcs(&topic, &question, &served, parts).await?;
        if let Some((watch, wait)) = watch.zip(question.wait()) {
            let with_deleted = question.includes_deleted();
            // The newest was read for the first look; what is read from now on is newer.
            let later = FreshnessRequirement { max_age: None, ..requirement };
            let mut poll = LongPoll::new(&self, watch, began + wait);
            // A failure ends the wait: it is another answer too.
            while self.asked.known.holds(listed.encoded.etag()) && !poll.is_over() {
                poll.changed().await?;
                self.see_as(poll.reader(), &mut topic);
                let inventory = &self.state.inventory;
                let served = inventory.sddcs_kept(with_deleted, &topic.scope, &later)?;
                listed = self.page_of_sddcs(&topic, &question, &served, parts).await?;
            }
        }
        let reuse = question.wait().map_or(Reuse::WhileFresh, |_| Reuse::Never);
        Ok(self.answer_with(&listed, reuse))
    }

    async fn page_of_sddcs<R: Resource>(
        &self,
        topic: &Topic,
        question: &Question<R>,
        served: &Served<ListSnapshot<SddcEntry>>,
        parts: fn(&SddcEntry) -> &[R],
    ) -> Result<Listed, ApiError> {
        self.page(topic, question, 0, served, &self.visibility, parts).await
    }

    /// Goes on with what the caller may see now, about the same topic: everything, or the org that
    /// the path names.
    fn see_as(&mut self, reader: &Admitted, topic: &mut Topic) {
        let visibility = Visibility::from(reader);
        if visibility == self.visibility {
            return;
        }
        topic.scope =
            topic.within.as_deref().map_or_else(|| visibility.scope(), |org| visibility.org(org));
        self.visibility = visibility;
    }

    /// What the query says by itself, with what the caller's view has had since start.
    pub(super) fn draft<R: Resource>(&self, takes: Takes, scope: &OrgSelector) -> Draft<R> {
        self.query.draft::<R>(takes).with_history(|| SeenBy {
            history: self.state.history.clone(),
            visibility: self.visibility.clone(),
            scope: scope.clone(),
        })
    }

    /// A question about SDDCs or parts of them, and the view of which it is asked.
    pub(super) async fn settle<R: Resource>(
        &self,
        topic: &Topic,
        takes: Takes,
        stay: Stay,
        parts: fn(&SddcEntry) -> &[R],
    ) -> Result<Settled<R>, ApiError> {
        let sees = |entry: &SddcEntry| self.visibility.sees(entry);
        let draft = self.draft::<R>(takes, &topic.scope);
        let with_deleted = draft.includes_deleted();
        let inventory = &self.state.inventory;
        let known = inventory.known();
        let known = known.entries.iter().filter(|entry| topic.scope.holds(entry.org()));
        let asking = draft.begin(known.filter(|it| sees(it)).flat_map(|it| parts(it)))?;

        // Before the first look, so that no change is missed.
        let watch = stay.is_longer_than_a_look(&asking).then(|| inventory.watch());
        let of = if with_deleted { List::WithDeleted } else { List::Sddcs };
        let applied = match stay {
            Stay::AsAsked => self.freshness(&[of], &topic.scope),
            Stay::Forever => AppliedFreshness::default(),
        };
        let served = inventory.sddcs(with_deleted, &topic.scope, &applied.requirement).await?;
        let served = applied.note(served);
        let view = &served.content;
        let shown = visible(view, &topic.scope, sees, parts);
        let question = self.judge(asking, &view.missing, shown)?;
        Ok(Settled { question, served, watch, requirement: applied.requirement })
    }

    /// Settles a question by all that is shown. While orgs are missing nobody can tell a new value
    /// that only they have from a typing error.
    pub(super) fn judge<'a, R: Resource>(
        &self,
        asking: Asking<R>,
        missing: &[Missing],
        shown: impl Iterator<Item = &'a R> + Clone,
    ) -> Result<Question<R>, ApiError> {
        if missing.is_empty() {
            return asking.finish(shown);
        }
        if !asking.allows_part() {
            self.admit_missing(missing, false)?;
        }
        asking.trust()
    }

    /// The page that a question gives of a view.
    ///
    /// # Errors
    /// 503 where orgs are missing that may not, or where it would have to wait too long to be encoded.
    pub(super) async fn page<E: Entry, R: Resource>(
        &self,
        topic: &Topic,
        question: &Question<R>,
        seen_by: u64,
        served: &Served<ListSnapshot<E>>,
        visibility: impl Sees<E>,
        parts: fn(&E) -> &[R],
    ) -> Result<Listed, ApiError> {
        let view = &served.content;
        let missing = self.admit_missing(&view.missing, question.allows_part())?;
        let subject = self.subject(topic, question, seen_by, view.content.revision, missing);
        let encode = encoder(&subject, topic, question, view, visibility, parts);
        let ApiState { answers, clock, .. } = &*self.state;
        let entries = view.content.entries.len();
        let encoded =
            answers.encoded_in_turn(subject, entries, self.caller(), clock, encode).await?;
        let shows = |entry: &E| {
            topic.scope.holds(entry.org()) && view.shows(entry.org()) && visibility.entry(entry)
        };
        let without_content = served.without_content().with_held_back(view, shows);
        Ok(Listed { encoded, served: without_content })
    }

    /// What an answer to a question is made from.
    pub(super) fn subject<R: Resource>(
        &self,
        topic: &Topic,
        question: &Question<R>,
        seen_by: u64,
        revision: u64,
        missing: Vec<MissingPart>,
    ) -> Subject {
        Subject {
            what: topic.what,
            within: topic.within.clone(),
            revision,
            seen_by,
            visibility: self.visibility.clone(),
            missing,
            question: question.canonical().into(),
        }
    }

    /// Encodes a page, unless that was done before.
    pub(super) fn encode<E: Entry, R: Resource>(
        &self,
        subject: Subject,
        topic: &Topic,
        question: &Question<R>,
        view: &ListSnapshot<E>,
        visibility: impl Sees<E>,
        parts: fn(&E) -> &[R],
    ) -> Arc<Encoded> {
        let encode = encoder(&subject, topic, question, view, visibility, parts);
        self.state.answers.encoded(subject, self.caller(), encode)
    }

    /// The caller that asks.
    pub(super) fn caller(&self) -> &CallerName {
        self.reader.0.caller().name()
    }

    /// The page that a question gives of documents, and what is missing among them.
    pub(super) fn page_of<R: Resource>(
        &self,
        topic: &Topic,
        question: &Question<R>,
        served: &Served<u64>,
        documents: &[R],
        missing: Vec<MissingPart>,
    ) -> Listed {
        let subject = self.subject(topic, question, 0, served.content, Vec::new());
        let encoded = self.state.answers.encoded(subject, self.caller(), || {
            let selection = question.select(documents.iter());
            Encoded::json(&selection.page(missing)).followed_by(selection.next)
        });
        Listed { encoded, served: served.without_content() }
    }

    /// The question about one document.
    pub(super) fn document_question<R: Resource>(&self) -> Result<Question<R>, ApiError> {
        self.query.draft::<R>(Takes::DOCUMENT).finish(iter::empty())
    }

    /// One document as the question shows it.
    pub(super) fn document<E: Entry, R: Resource>(
        &self,
        what: What,
        question: &Question<R>,
        served: &Served<Found<E>>,
        document: fn(&E) -> &R,
    ) -> Response {
        let found = &served.content;
        let topic = Topic { what, scope: OrgSelector::Hidden, within: Some(within(&*found.entry)) };
        let subject = self.subject(&topic, question, 0, found.revision, Vec::new());
        let encoded = self.state.answers.encoded(subject, self.caller(), || {
            Encoded::json(&question.show(document(&found.entry)))
        });
        self.answer(&Listed { encoded, served: served.without_content() })
    }

    /// The answer, as the request's header fields want it.
    pub(super) fn answer(&self, listed: &Listed) -> Response {
        self.answer_with(listed, Reuse::WhileFresh)
    }

    fn answer_with(&self, listed: &Listed, reuse: Reuse) -> Response {
        let link = listed.encoded.next().map(|next| self.query.next_link(next));
        self.state.answers.answer(&listed.encoded, &listed.served, &self.asked, reuse, link)
    }
}
