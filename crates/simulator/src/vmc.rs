//! VMware Cloud on AWS: the reads of `/vmc/api`, and of the services beside it.
//!
//! Either header carries the token. A token without the organization is 403, an object that is not
//! there, and an organization that was deleted, 404; deleted SDDCs stay readable by id, and in lists that ask for them.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use serde_json::{Value, json};

use super::{
    Simulator, csp,
    documents::{Read, ReadPlaces},
    filter::TaskFilter,
    reply::{self, Reply},
    route::{OrgRead, Route},
    store::Store,
    tokens::Grant,
};

/// Attributes of an SDDC that `$filter` knows.
const SDDC_ATTRIBUTES: [&str; 8] =
    ["id", "name", "sddc_state", "sddc_type", "provider", "org_id", "created", "updated"];
/// Attributes of a task that `$filter` knows.
const TASK_ATTRIBUTES: [&str; 10] = [
    "id",
    "status",
    "sub_status",
    "task_type",
    "resource_id",
    "resource_type",
    "org_id",
    "created",
    "updated",
    "start_time",
];

/// A refusal: its status and what it says.
type Refusal = (StatusCode, &'static str);

const FORBIDDEN: Refusal =
    (StatusCode::FORBIDDEN, "Access not allowed to the operation for the current user");
const NO_ORG: Refusal =
    (StatusCode::NOT_FOUND, "Cannot find the organization with given identifier");
const NO_SDDC: Refusal = (StatusCode::NOT_FOUND, "Cannot find the SDDC with given identifier");
const NO_TASK: Refusal = (StatusCode::NOT_FOUND, "Cannot find the task with given identifier");
const NO_CLUSTER: Refusal = (StatusCode::NOT_FOUND, "The SDDC has no primary cluster");
const BAD_FILTER: Refusal = (StatusCode::BAD_REQUEST, "Invalid filter expression");
const NOTHING: Refusal = (StatusCode::NOT_FOUND, "Cannot find the resource with given identifier");
const PARAMETER_MISSING: Refusal =
    (StatusCode::BAD_REQUEST, "Required request parameter is missing");
const BAD_FLAG: Refusal = (StatusCode::BAD_REQUEST, "includeDeleted must be true or false");

impl Simulator {
    /// What the token of a request is good for.
    pub(super) fn grant_of(&self, headers: &HeaderMap) -> Option<Grant> {
        let own = headers.get("csp-auth-token").and_then(|value| value.to_str().ok());
        let token = own.or_else(|| csp::scheme(headers, "bearer"))?;
        self.accounts().grant(token, self.now())
    }

    pub(super) fn answer_vmc(&self, route: Route<'_>, request: &Parts) -> Reply {
        let path = request.uri.path();
        let Some(grant) = self.grant_of(&request.headers) else {
            self.counters().count_unauthorized();
            let mut reply = refusal((StatusCode::UNAUTHORIZED, "Authentication required"), path);
            reply
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return reply;
        };
        let query = request.uri.query().unwrap_or_default();
        read(&self.store(), &grant, route, query).unwrap_or_else(|refused| refusal(refused, path))
    }
}

fn read(store: &Store, grant: &Grant, route: Route<'_>, query: &str) -> Result<Reply, Refusal> {
    let id = match route {
        Route::Orgs => {
            let seen = store.orgs().iter().filter(|org| grant.sees(&org.id));
            return Ok(reply::json_list(seen.map(|org| org.document.clone())));
        }
        Route::Read(read, places @ ReadPlaces { org: None, .. }) => {
            return written(store, read, places, query);
        }
        Route::Read(_, places) => places.org,
        Route::InOrg(org, _) => Some(org),
        _ => None,
    };
    let id = id.filter(|org| grant.sees(org)).ok_or(FORBIDDEN)?;
    let unknown = if store.is_gone(id) { NO_ORG } else { FORBIDDEN };
    let org = store.org(id).ok_or(unknown)?;
    match route {
        Route::InOrg(_, OrgRead::Sddcs) => sddcs(store, id, query),
        Route::InOrg(_, OrgRead::Sddc(sddc)) => {
            let sddc = store.sddc_of(id, sddc).ok_or(NO_SDDC)?;
            Ok(encoded(sddc.document.clone()))
        }
        Route::InOrg(_, OrgRead::PrimaryCluster(sddc)) => {
            let sddc = store.sddc_of(id, sddc).ok_or(NO_SDDC)?.decode();
            let cluster = &sddc["resource_config"]["clusters"][0];
            let cluster = Some(cluster).filter(|it| it.is_object()).ok_or(NO_CLUSTER)?;
            Ok(reply::json(StatusCode::OK, cluster))
        }
        Route::InOrg(_, OrgRead::Tasks) => {
            let filter = filter_of(query, &TASK_ATTRIBUTES)?;
            let tasks = org.tasks.iter().filter(|task| filter.admits(task));
            Ok(reply::json_list(tasks.map(|task| task.to_string().into())))
        }
        Route::InOrg(_, OrgRead::Task(task)) => {
            let task = org.tasks.iter().find(|known| known["id"] == task).ok_or(NO_TASK)?;
            Ok(reply::json(StatusCode::OK, task))
        }
        Route::Read(read, places) => written(store, read, places, query),
        _ => Ok(encoded(org.document.clone())),
    }
}

/// The written document of a read, about the SDDC that its path names or else the organization's first.
fn written(
    store: &Store,
    read: &Read,
    places: ReadPlaces<'_>,
    query: &str,
) -> Result<Reply, Refusal> {
    if read.required().iter().any(|name| parameter(query, name).is_none()) {
        return Err(PARAMETER_MISSING);
    }
    let org = places.org.unwrap_or_default();
    let sddc = match places.sddc {
        Some(sddc) => Some(store.sddc_of(org, sddc).ok_or(NO_SDDC)?),
        None => store.sddcs_of(org).next(),
    };
    let document = sddc.map(|sddc| (&*sddc.id, String::from_utf8_lossy(&sddc.document)));
    let document = document.as_ref().map(|(id, document)| (*id, &**document));
    let mut found = read.document(places, document).ok_or(NOTHING)?;
    if let (true, Value::Array(tasks)) = (read.path().ends_with("/tasks"), &mut found) {
        let filter = filter_of(query, &TASK_ATTRIBUTES)?;
        tasks.retain(|task| filter.admits(task));
    }
    Ok(reply::json(StatusCode::OK, &found))
}

fn sddcs(store: &Store, org: &str, query: &str) -> Result<Reply, Refusal> {
    // Python's tools send `True` and `False`.
    let flag = parameter(query, "includeDeleted").map(|flag| flag.to_ascii_lowercase());
    let include_deleted = match flag.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(BAD_FLAG),
    };
    let filter = filter_of(query, &SDDC_ATTRIBUTES)?;
    let found = store
        .sddcs_of(org)
        .filter(|sddc| include_deleted || !sddc.deleted)
        .filter(|sddc| filter.is_empty() || filter.admits(&sddc.decode()));
    Ok(reply::json_list(found.map(|sddc| sddc.document.clone())))
}

fn filter_of(query: &str, attributes: &[&str]) -> Result<TaskFilter, Refusal> {
    let text = parameter(query, "$filter").unwrap_or_default();
    TaskFilter::parse(&text, attributes).ok_or(BAD_FILTER)
}

/// Whether a list of SDDCs is asked for with the deleted ones.
pub(super) fn asks_for_deleted(query: &str) -> bool {
    parameter(query, "includeDeleted").as_deref() == Some("true")
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

fn encoded(document: Bytes) -> Reply {
    reply::reply(StatusCode::OK, reply::JSON, document)
}

fn refusal((status, message): Refusal, path: &str) -> Reply {
    reply::json(status, &error(status, message, path))
}

/// VMC's error document. A missing object is told with the code `0`, as seen on the real one.
fn error(status: StatusCode, message: &str, path: &str) -> Value {
    let code = if status == StatusCode::NOT_FOUND { 0 } else { status.as_u16() };
    json!({
        "status": status.as_u16(), "path": path, "retryable": matches!(status.as_u16(), 429 | 502..=504),
        "error_code": code.to_string(), "error_messages": [message],
    })
}

/// The error document for a status that a fault made up, or for a path that is not there.
pub(super) fn error_for(status: StatusCode, path: &str) -> Value {
    let message = match status.as_u16() {
        400 => "Invalid argument",
        401 => "Authentication required",
        403 => "Access not allowed to the operation for the current user",
        404 => "Not found",
        405 => "Method not allowed",
        429 => "Too many requests",
        500 => "An internal error has occurred.",
        503 => "Service temporarily unavailable",
        _ => status.canonical_reason().unwrap_or("Error"),
    };
    error(status, message, path)
}
