//! `GET /tasks`, `GET /tasks/{task_id}` and `GET /sddcs/{sddc_id}/tasks`.

use std::str::FromStr;

use axum::{extract::Path, response::Response};

use super::{
    answer::{ClientCaching, ResourceType},
    error::ApiError,
    gaps::EntryFilter,
    pipeline::{EncodedPage, check_values, encode, encode_document, respond, visible, within},
    query::{AllowedParams, ListQuery, PendingQuery},
    request::{InventoryRequest, ListTarget},
    sddcs::{fetch_sddc, find_sddc},
    watch::LongPoll,
};
use crate::{
    ids::TaskId,
    inventory::{
        FoundDocument, FreshnessRequirement, List, ListSnapshot, OrgSelector, SddcListing, Served,
        TaskListing, Unavailable,
        model::{Gap, GapReason, SddcEntry, Task, TaskEntry},
    },
};

/// List tasks
///
/// The tasks of every SDDC that the caller may see, newest first. VMware Cloud keeps every task
/// for ever; the gateway keeps the newest 1000 of each organization, the newest 50 of each SDDC,
/// and all that have not ended. Where older tasks are left out, the list is `partial` and
/// `missing` says `older-tasks`. Tasks that belong to no SDDC are shown only to callers that may
/// see every SDDC. The gateway reads the tasks when somebody asks for them, and keeps them fresh
/// for ten minutes after that. `org_id=` and `sddc_id=` select the tasks of one organization or
/// SDDC.
///
/// With `wait` and `If-None-Match`, the answer comes as soon as it differs from the one that the
/// caller has, or is 304 at the end of the wait.
///
/// Source: `GET /vmc/api/orgs/{org}/tasks`.
#[cfg_attr(test, utoipa::path(
    get, path = "/tasks", tag = "tasks",
    responses((status = 200, description = "The tasks"))
))]
pub(super) async fn list_tasks(request: InventoryRequest) -> Result<Response, ApiError> {
    let pending = query_of_tasks(&request, &request.visibility.scope(), None)?;
    list_of_tasks(request, None, pending).await
}

/// Show a task
///
/// One task, from the same list. A task that the gateway does not keep is not found.
///
/// With `wait` and `If-None-Match`, the answer comes as soon as it differs from the one that the
/// caller has, or is 304 at the end of the wait: so a client follows a task until it has ended.
///
/// Source: `GET /vmc/api/orgs/{org}/tasks`.
#[cfg_attr(test, utoipa::path(
    get, path = "/tasks/{task_id}", tag = "tasks",
    responses((status = 200, description = "The task"))
))]
pub(super) async fn show_task(
    mut request: InventoryRequest,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let began = request.state.clock.now();
    let query = request.document_query::<Task>()?;
    TaskId::from_str(&id).map_err(|_| ApiError::TaskNotFound)?;
    let watch = request.watch(List::Tasks, query.wait);
    let scope = request.visibility.scope();
    let names = names(&request, &scope, &as_directed(&request)).await?;
    let applied = request.freshness(&[List::Tasks], &scope).await;
    let served = find_task(&request, &id, &scope, &names, &applied.requirement).await?;
    let served = applied.note(served);
    let later = applied.requirement.after_first_look();
    let what = ResourceType::Task;
    let mut page = encode_document(&request, what, &query, &served, |entry| &entry.task);
    let mut poll = LongPoll::new(&request, watch, began + query.wait.unwrap_or_default());
    // That it is gone is another answer too.
    while poll.outdates(&page, &mut request).await? {
        let scope = request.visibility.scope();
        let names = self::names(&request, &scope, &as_it_is()).await?;
        let served = find_task(&request, &id, &scope, &names, &later).await?;
        page = encode_document(&request, what, &query, &served, |entry| &entry.task);
    }
    Ok(respond(&request, &page, ClientCaching::of(query.wait)))
}

async fn find_task(
    request: &InventoryRequest,
    id: &str,
    scope: &OrgSelector,
    names: &ListSnapshot<SddcEntry>,
    requirement: &FreshnessRequirement,
) -> Result<Served<FoundDocument<TaskEntry>>, ApiError> {
    let sees = |entry: &TaskEntry| sees_task(request, entry, names);
    let found = request.state.inventory.find(TaskListing, id, scope, sees, requirement);
    found.await.map_err(|error| about_task(error, names))
}

/// Why a task cannot be shown. It may be one whose SDDC's name is not known.
fn about_task(unavailable: Unavailable, names: &ListSnapshot<SddcEntry>) -> ApiError {
    ApiError::about_task(match unavailable {
        Unavailable::NoSuchId if !names.missing.is_empty() => {
            Unavailable::Incomplete(names.missing.clone())
        }
        other => other,
    })
}

/// List an SDDC's tasks
///
/// The same as `GET /tasks`, for one SDDC. `GET /tasks?sddc_id=` lists the tasks of a deleted SDDC.
///
/// Source: `GET /vmc/api/orgs/{org}/tasks`.
#[cfg_attr(test, utoipa::path(
    get, path = "/sddcs/{sddc_id}/tasks", tag = "tasks",
    responses((status = 200, description = "The SDDC's tasks"))
))]
pub(super) async fn list_sddc_tasks(
    request: InventoryRequest,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    // 400 comes before 404.
    let pending = query_of_tasks(&request, &request.visibility.scope(), Some(&id))?;
    list_of_tasks(request, Some(&id), pending).await
}

fn is_of(entry: &TaskEntry, sddc: Option<&str>) -> bool {
    sddc.is_none_or(|id| entry.task.sddc_id.as_ref().is_some_and(|it| it.as_str() == id))
}

/// What a caller sees of the tasks: of all, or of one SDDC.
#[derive(Clone, Copy)]
struct SeenTasks<'a> {
    request: &'a InventoryRequest,
    names: &'a ListSnapshot<SddcEntry>,
    sddc: Option<&'a str>,
}

impl EntryFilter<TaskEntry> for SeenTasks<'_> {
    fn entry(self, entry: &TaskEntry) -> bool {
        is_of(entry, self.sddc) && sees_task(self.request, entry, self.names)
    }

    fn gap(self, gap: &Gap) -> bool {
        let (id, names) = (gap.sddc_id.as_ref(), self.names);
        // Of what cannot be read it is not known whose it is.
        let may_be_any = id.is_none() && gap.reason == GapReason::Unreadable;
        let is_of = |sddc: &str| may_be_any || id.is_some_and(|id| id.as_str() == sddc);
        self.sddc.is_none_or(is_of)
            && names.shows(&gap.org_id)
            && self.request.visibility.sees_tasks_of(&gap.org_id, id, &names.content)
    }
}

/// The question, as far as it can be judged by what is known already.
fn query_of_tasks(
    request: &InventoryRequest,
    scope: &OrgSelector,
    sddc: Option<&str>,
) -> Result<PendingQuery<Task>, ApiError> {
    let inventory = &request.state.inventory;
    let (tasks, sddcs) = (inventory.known_tasks(), inventory.known());
    let tasks = tasks.entries.iter().filter(|it| scope.holds(&it.task.org_id));
    let seen = tasks.filter(|it| is_of(it, sddc) && request.visibility.sees_task(it, &sddcs));
    request.parser::<Task>(AllowedParams::LIST, scope).begin(seen.map(|entry| &entry.task))
}

/// Tasks of everything that the caller sees, or of one SDDC; waits, where the query says so, until
/// the answer is another one than the caller has.
async fn list_of_tasks(
    mut request: InventoryRequest,
    sddc: Option<&str>,
    pending: PendingQuery<Task>,
) -> Result<Response, ApiError> {
    let began = request.state.clock.now();
    let watch = request.watch(List::Tasks, pending.wait());
    let (target, applied) = match sddc {
        Some(id) => {
            let (found, applied) = fetch_sddc(&request, id, &[List::Sddcs, List::Tasks]).await?;
            (tasks_of(&found.content.entry), applied)
        }
        None => {
            let target = request.all(ResourceType::Tasks);
            let applied = request.freshness(&[List::Tasks], &target.scope).await;
            (target, applied)
        }
    };
    let names = names(&request, &target.scope, &as_directed(&request)).await?;
    let inventory = &request.state.inventory;
    let served = inventory.list(TaskListing, &target.scope, &applied.requirement).await?;
    let mut served = applied.note(served);
    served.content.mark_missing(&names.missing);
    let view = &served.content;
    let visibility = SeenTasks { request: &request, names: &names, sddc };
    let sees = |entry: &TaskEntry| visibility.entry(entry);
    let shown = visible(view, &target.scope, sees);
    let query = check_values(&request, pending, &view.missing, shown)?;
    let mut page = encode_tasks(&query, &target, visibility, &served).await?;
    let later = applied.requirement.after_first_look();
    let mut poll = LongPoll::new(&request, watch, began + query.wait.unwrap_or_default());
    // A failure ends the wait: it is another answer too.
    while poll.outdates(&page, &mut request).await? {
        let target = match sddc {
            Some(id) => tasks_of(&find_sddc(&request, id, &later).await?.content.entry),
            None => request.all(ResourceType::Tasks),
        };
        let names = self::names(&request, &target.scope, &as_it_is()).await?;
        let inventory = &request.state.inventory;
        let mut served = inventory.list(TaskListing, &target.scope, &later).await?;
        served.content.mark_missing(&names.missing);
        let visibility = SeenTasks { request: &request, names: &names, sddc };
        page = encode_tasks(&query, &target, visibility, &served).await?;
    }
    Ok(respond(&request, &page, ClientCaching::of(query.wait)))
}

fn tasks_of(sddc: &SddcEntry) -> ListTarget {
    ListTarget {
        what: ResourceType::Tasks,
        scope: OrgSelector::Org(sddc.sddc.org_id.clone()),
        within: Some(within(sddc)),
    }
}

async fn encode_tasks(
    query: &ListQuery<Task>,
    target: &ListTarget,
    visibility: SeenTasks<'_>,
    served: &Served<ListSnapshot<TaskEntry>>,
) -> Result<EncodedPage, ApiError> {
    let SeenTasks { request, names, .. } = visibility;
    let seen_by = if request.visibility.limits_names() { names.content.revision } else { 0 };
    encode(request, target, query, seen_by, served, visibility).await
}

/// Whether a task is seen. Of those whose SDDC's name cannot be told now nothing is said.
fn sees_task(
    request: &InventoryRequest,
    entry: &TaskEntry,
    names: &ListSnapshot<SddcEntry>,
) -> bool {
    names.shows(&entry.task.org_id) && request.visibility.sees_task(entry, &names.content)
}

/// The SDDCs by whose names it is known which tasks a caller sees: read only where that matters.
async fn names(
    request: &InventoryRequest,
    scope: &OrgSelector,
    requirement: &FreshnessRequirement,
) -> Result<ListSnapshot<SddcEntry>, ApiError> {
    let inventory = &request.state.inventory;
    if !request.visibility.limits_names() {
        return Ok(ListSnapshot::whole(inventory.known()));
    }
    Ok(inventory.list(SddcListing::Current, scope, requirement).await?.content)
}

/// What is required of the names for a first look.
fn as_directed(request: &InventoryRequest) -> FreshnessRequirement {
    let only_if_cached = request.conditions.directives.only_if_cached;
    FreshnessRequirement { only_if_cached, ..FreshnessRequirement::default() }
}

/// The same for an answer that waits for changes.
fn as_it_is() -> FreshnessRequirement {
    FreshnessRequirement::default().after_first_look()
}
