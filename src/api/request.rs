//! A request to the inventory: who asks, what for, and how new the answer has to be.

use std::{iter, sync::Arc, time::Duration};

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::{
    ApiState,
    answer::{AnswerSubject, ConditionalHeaders, ResourceType},
    caller::{SddcReader, Visibility},
    error::ApiError,
    history::SeenBy,
    query::{AllowedParams, ListQuery, QueryParser, RawQuery},
    resource::Resource,
};
use crate::{
    access::CallerName,
    in_flight::Permit,
    inventory::{
        CacheOutcome, FreshnessRequirement, List, ListWatch, MissingOrg, OrgSelector, Served,
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

/// Which documents a list has, before anything is asked of them.
#[derive(Debug, Clone)]
pub(super) struct ListTarget {
    pub(super) what: ResourceType,
    pub(super) scope: OrgSelector,
    /// The org that the path names, or the SDDC with its org.
    pub(super) within: Option<Box<str>>,
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

    /// A watch of the list, where the query says to wait: from before the first look, so that no
    /// change is missed.
    pub(super) fn watch(&self, list: List, wait: Option<Duration>) -> Option<ListWatch> {
        let waits = wait.is_some_and(|wait| !wait.is_zero());
        waits.then(|| self.state.inventory.watch(list))
    }

    /// How new the answer has to be, which is made from these lists. Reads that a caller forces have
    /// a budget for each organization, which is spent once for a request: beyond it the snapshot has
    /// to do.
    pub(super) async fn freshness(&self, of: &[List], scope: &OrgSelector) -> AppliedFreshness {
        let directives = self.conditions.directives;
        let mut requirement = FreshnessRequirement {
            max_age: directives.newest,
            only_if_cached: directives.only_if_cached,
            stale_if_error: directives.stale_if_error,
            as_it_is: false,
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
        let over_budget =
            !forced.is_empty() && !budget.spend(self.caller(), &forced, clock.now()).await;
        if over_budget {
            requirement.max_age = None;
        }
        AppliedFreshness { requirement, over_budget }
    }

    /// The orgs that cannot be shown: an error, unless the question allows a part.
    pub(super) fn admit_missing(
        &self,
        missing: &[MissingOrg],
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

    /// What an answer to a question is made from.
    pub(super) fn subject<R: Resource>(
        &self,
        target: &ListTarget,
        query: &ListQuery<R>,
        seen_by: u64,
        revision: u64,
        missing: Vec<MissingPart>,
    ) -> AnswerSubject {
        AnswerSubject {
            what: target.what,
            within: target.within.clone(),
            revision,
            seen_by,
            visibility: self.visibility.clone(),
            missing,
            query: query.canonical.as_str().into(),
        }
    }

    /// The caller that asks.
    pub(super) fn caller(&self) -> &CallerName {
        self.reader.0.caller().name()
    }

    /// The query about one document.
    pub(super) fn document_query<R: Resource>(&self) -> Result<ListQuery<R>, ApiError> {
        self.raw_query.parser::<R>(AllowedParams::DOCUMENT).finish(iter::empty())
    }
}
