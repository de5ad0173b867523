//! `GET /tasks`, `GET /tasks/{task_id}` and `GET /sddcs/{sddc_id}/tasks`.

use axum::{extract::Path, response::Response};

use super::{
    answer::{ClientCaching, ResourceType},
    error::ApiError,
    gaps::EntryFilter,
    pipeline::{ListTarget, check_values, encode, respond, respond_with_document, visible, within},
    query::{AllowedParams, PendingQuery},
    request::{AppliedFreshness, InventoryRequest},
    sddcs::fetch_sddc,
};
use crate::{
    ids::{SddcId, TaskId},
    inventory::{
        FreshnessRequirement, List, ListSnapshot, OrgSelector, Unavailable,
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
/// Source: `GET /vmc/api/orgs/{org}/tasks`.
#[cfg_attr(test, utoipa::path(
    get, path = "/tasks", tag = "tasks",
    responses((status = 200, description = "The tasks"))
))]
pub(super) async fn list_tasks(request: InventoryRequest) -> Result<Response, ApiError> {
    let target = request.all(ResourceType::Tasks);
    let pending = query_of_tasks(&request, &target.scope, None)?;
    list_of_tasks(&request, target, None, pending).await
}

/// Show a task
///
/// One task, from the same list. A task that the gateway does not keep is not found.
///
/// Source: `GET /vmc/api/orgs/{org}/tasks`.
#[cfg_attr(test, utoipa::path(
    get, path = "/tasks/{task_id}", tag = "tasks",
    responses((status = 200, description = "The task"))
))]
pub(super) async fn show_task(
    request: InventoryRequest,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let query = request.document_query::<Task>()?;
    let id: TaskId = id.parse().map_err(|_| ApiError::TaskNotFound)?;
    let scope = request.visibility.scope();
    let names = names(&request, &scope).await?;
    let applied = request.freshness(&[List::Tasks], &scope);
    let sees = |entry: &TaskEntry| sees_task(&request, entry, &names);
    let served = request.state.inventory.task(&id, &scope, sees, &applied.requirement).await;
    let served = served.map_err(|unavailable| match unavailable {
        // It may be one whose SDDC's name is not known.
        Unavailable::NoSuchId if !names.missing.is_empty() => {
            Unavailable::Incomplete(names.missing.clone())
        }
        other => other,
    });
    let served = applied.note(served.map_err(ApiError::about_task)?);
    Ok(respond_with_document(&request, ResourceType::Task, &query, &served, |entry| &entry.task))
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
    let (found, applied) = fetch_sddc(&request, &id, &[List::Sddcs, List::Tasks]).await?;
    let sddc = &found.content.entry.sddc;
    let scope = OrgSelector::Org(sddc.org_id.clone());
    let target = ListTarget {
        what: ResourceType::Tasks,
        scope,
        within: Some(within(&*found.content.entry)),
    };
    list_of_tasks(&request, target, Some((&sddc.id, applied)), pending).await
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

/// Tasks of everything in scope, or of one SDDC that was asked for as is required of the tasks.
async fn list_of_tasks(
    request: &InventoryRequest,
    target: ListTarget,
    of: Option<(&SddcId, AppliedFreshness)>,
    pending: PendingQuery<Task>,
) -> Result<Response, ApiError> {
    let names = names(request, &target.scope).await?;
    let sddc = of.map(|(id, _)| id.as_str());
    let applied = of.map_or_else(|| request.freshness(&[List::Tasks], &target.scope), |(_, it)| it);
    let served = request.state.inventory.tasks(&target.scope, &applied.requirement).await?;
    let mut served = applied.note(served);
    served.content.mark_missing(&names.missing);
    let view = &served.content;
    let visibility = SeenTasks { request, names: &names, sddc };
    let sees = |entry: &TaskEntry| visibility.entry(entry);
    let shown = visible(view, &target.scope, sees);
    let query = check_values(request, pending, &view.missing, shown)?;
    let seen_by = if request.visibility.limits_names() { names.content.revision } else { 0 };
    let page = encode(request, &target, &query, seen_by, &served, visibility).await?;
    Ok(respond(request, &page, ClientCaching::WhileFresh))
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
) -> Result<ListSnapshot<SddcEntry>, ApiError> {
    let inventory = &request.state.inventory;
    if !request.visibility.limits_names() {
        return Ok(ListSnapshot::whole(inventory.known()));
    }
    let requirement = FreshnessRequirement {
        only_if_cached: request.conditions.directives.only_if_cached,
        ..FreshnessRequirement::default()
    };
    Ok(inventory.sddcs(false, scope, &requirement).await?.content)
}
