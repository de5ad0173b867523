//! `GET /tasks`, `GET /tasks/{task_id}` and `GET /sddcs/{sddc_id}/tasks`.

use std::{slice, sync::Arc};

use axum::{extract::Path, response::Response};

use super::{
    answer::What,
    ask::{Ask, Topic, visible},
    error::ApiError,
    page::Page,
    question::Takes,
};
use crate::{
    ids::{SddcId, TaskId},
    inventory::{
        Content, Demand, List, Missing, Scope, Unavailable,
        model::{SddcEntry, Task, TaskEntry},
    },
};

/// List tasks
///
/// The tasks of every SDDC that the caller may see, the newest first. VMware Cloud forgets no task:
/// the gateway keeps the newest 1000 of each organization. Tasks that belong to no SDDC are shown to
/// callers who see all SDDCs. The list is read when it is asked for, and kept fresh for ten minutes
/// after that. `org_id=` and `sddc_id=` ask for the tasks of one organization or SDDC.
///
/// Source: `GET /vmc/api/orgs/{org}/tasks`.
#[utoipa::path(
    get, path = "/tasks", tag = "tasks",
    responses((status = 200, description = "The tasks", body = Page<Task>))
)]
pub(super) async fn list_tasks(ask: Ask) -> Result<Response, ApiError> {
    ask.list_of_tasks(ask.all(What::Tasks), None).await
}

/// Show a task
///
/// One task, from the same list. One that is older than those that are kept is not found.
///
/// Source: `GET /vmc/api/orgs/{org}/tasks`.
#[utoipa::path(
    get, path = "/tasks/{task_id}", tag = "tasks",
    params(("task_id" = String, Path, description = "The task's `id`")),
    responses((status = 200, description = "The task", body = Task))
)]
pub(super) async fn show_task(ask: Ask, Path(id): Path<String>) -> Result<Response, ApiError> {
    let question = ask.document_question::<Task>()?;
    let id: TaskId = id.parse().map_err(|_| ApiError::TaskNotFound)?;
    let scope = ask.sight.scope();
    let names = ask.names(&scope).await?;
    let demanded = ask.demand(List::Tasks, &scope);
    let sees = |entry: &TaskEntry| ask.sight.sees_task(entry, &names.known);
    let served = match ask.state.inventory.task(&id, &scope, sees, &demanded.demand).await {
        // It may be one whose SDDC's name is not known.
        Err(Unavailable::NoSuchId) if !names.missing.is_empty() => {
            return Err(ApiError::incomplete(names.missing));
        }
        served => demanded.note(served.map_err(ApiError::about_task)?),
    };
    Ok(ask.document(What::Task, &question, &served, |entry| &entry.task))
}

/// List an SDDC's tasks
///
/// As `GET /tasks`, for one SDDC. Those of a deleted SDDC are found by `GET /tasks?sddc_id=`.
///
/// Source: `GET /vmc/api/orgs/{org}/tasks`.
#[utoipa::path(
    get, path = "/sddcs/{sddc_id}/tasks", tag = "tasks",
    params(("sddc_id" = String, Path, description = "The SDDC's `id`")),
    responses((status = 200, description = "The SDDC's tasks", body = Page<Task>))
)]
pub(super) async fn list_sddc_tasks(
    ask: Ask,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    // 400 comes before 404.
    ask.query.draft::<Task>(Takes::LIST).begin([].iter())?;
    let found = ask.sddc(&id).await?.content;
    let sddc = &found.entry.sddc;
    let scope = Scope::Org(sddc.org_id.clone());
    let topic = Topic { what: What::Tasks, scope, within: Some(id.into()) };
    ask.list_of_tasks(topic, Some(&sddc.id)).await
}

impl Ask {
    async fn list_of_tasks(&self, topic: Topic, of: Option<&SddcId>) -> Result<Response, ApiError> {
        let asking = self.query.draft::<Task>(Takes::LIST).begin([].iter())?;
        let names = self.names(&topic.scope).await?;
        let sees = |entry: &TaskEntry| {
            of.is_none_or(|id| entry.task.sddc_id.as_ref() == Some(id))
                && self.sight.sees_task(entry, &names.known)
        };
        let demanded = self.demand(List::Tasks, &topic.scope);
        let served = self.state.inventory.tasks(&topic.scope, &demanded.demand).await?;
        let mut served = demanded.note(served);
        let missing = &mut served.content.missing;
        // Which tasks of an org are seen is not known where its SDDCs are not.
        missing.extend(names.missing);
        missing.sort_by(|one, other| one.org_id.cmp(&other.org_id));
        missing.dedup_by(|one, other| one.org_id == other.org_id);
        let tasks: fn(&TaskEntry) -> &[Task] = |entry| slice::from_ref(&entry.task);
        let question = asking.finish(visible(&served.content, &topic.scope, sees, tasks))?;
        let seen_by = if self.sight.needs_names() { names.known.revision } else { 0 };
        let listed = self.page(&topic, &question, seen_by, &served, sees, tasks)?;
        Ok(self.answer(&listed))
    }

    /// The SDDCs by whose names it is known which tasks a caller sees: read only where that matters.
    async fn names(&self, scope: &Scope) -> Result<Names, ApiError> {
        let inventory = &self.state.inventory;
        if !self.sight.needs_names() {
            return Ok(Names { known: inventory.known(), missing: Vec::new() });
        }
        let only_if_cached = self.asked.directives.only_if_cached;
        let demand = Demand { only_if_cached, ..Demand::default() };
        let view = inventory.sddcs(false, scope, &demand).await?.content;
        Ok(Names { known: view.content, missing: view.missing })
    }
}

/// SDDCs, and the orgs whose SDDCs are not known.
struct Names {
    known: Arc<Content<SddcEntry>>,
    missing: Vec<Missing>,
}
