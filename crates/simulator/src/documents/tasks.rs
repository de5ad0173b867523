//! Tasks: what an organization's history looks like, and how a running task moves on.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Dice,
    dice::wire_time,
    render::{OPERATOR_ID, USER_ID, USER_NAME},
};

/// The stream of chance for tasks.
const TASKS: u64 = 0x7A5C;

/// Phases of a provision, as upstream names them.
const PHASES: [(&str, &str); 4] = [
    ("SDDC_PROVISION", "Deploying hosts"),
    ("SDDC_PREPARE_VMC", "Preparing environment"),
    ("SDDC_DEPLOY_GATEWAY", "Deploying gateways"),
    ("SDDC_CONFIG_VMC", "Configuring"),
];

/// Minutes that a provision takes from start to end.
const PROVISION_MINUTES: u64 = 110;

/// An organization's first tasks: done, running, failed, cancelled, and one without an SDDC.
/// `sddcs` are some of its SDDCs as id, name and state.
pub(super) fn first(
    seed: u64,
    index: usize,
    org: &str,
    sddcs: &[(String, String, String)],
) -> Vec<Value> {
    let mut dice = Dice::new(seed, TASKS, index as u64);
    let mut tasks = Vec::new();
    let mut add = |kind: &str, sddc: Option<&(String, String, String)>, dice: &mut Dice| {
        let start = dice.moment(630, 25);
        tasks.push(started(
            &dice.uuid().to_string(),
            org,
            kind,
            sddc.map(|sddc| (&*sddc.0, &*sddc.1)),
            start,
        ));
        tasks.len() - 1
    };
    let ready = sddcs.iter().find(|sddc| sddc.2 == "READY").or(sddcs.first());
    let deploying = sddcs.iter().find(|sddc| sddc.2 == "DEPLOYING");
    let link = add("ACCOUNT-LINK", None, &mut dice);
    let Some(ready) = ready else {
        finish(&mut tasks[link], 100, "FINISHED");
        return tasks;
    };
    let provision = add("SDDC-PROVISION", Some(ready), &mut dice);
    let child = add("ESX-PROVISION", Some(ready), &mut dice);
    let failed = add("CLUSTER-PROVISION", Some(ready), &mut dice);
    let cancelled = add("ESX-DELETE", Some(ready), &mut dice);
    let running = match deploying {
        Some(deploying) => add("SDDC-PROVISION", Some(deploying), &mut dice),
        None => add("ESX-PROVISION", Some(ready), &mut dice),
    };
    for done in [link, provision, child] {
        finish(&mut tasks[done], 100, "FINISHED");
    }
    tasks[child]["parent_task_id"] = tasks[provision]["id"].clone();
    finish(&mut tasks[failed], 37, "FAILED");
    tell_failure(&mut tasks[failed]);
    finish(&mut tasks[cancelled], 12, "CANCELED");
    let percent = 10 + dice.below(60);
    set_progress(&mut tasks[running], percent);
    tasks
}

/// Moves a running task on by `percent`; true once that finished it.
pub(crate) fn advance(task: &mut Value, percent: u64, now: Timestamp) -> bool {
    let percent = task["progress_percent"].as_u64().unwrap_or(0).saturating_add(percent);
    task["version"] = json!(task["version"].as_u64().unwrap_or(0).saturating_add(1));
    task["updated"] = json!(wire_time(now));
    if percent < 100 {
        set_progress(task, percent);
        return false;
    }
    finish(task, 100, "FINISHED");
    task["end_time"] = json!(wire_time(now));
    true
}

/// A task that has just begun, perhaps on an SDDC (id and name).
pub(crate) fn started(
    id: &str,
    org: &str,
    kind: &str,
    sddc: Option<(&str, &str)>,
    start: Timestamp,
) -> Value {
    let time = wire_time(start);
    let mut task = json!({
        "id": id, "version": 2, "created": time, "updated": time,
        "user_id": USER_ID, "user_name": USER_NAME,
        "updated_by_user_id": OPERATOR_ID, "updated_by_user_name": "Internal-Operator",
        "status": "STARTED", "sub_status": "STARTED", "task_type": kind, "task_version": "20240901",
        "resource_id": sddc.map(|sddc| sddc.0), "resource_type": sddc.map(|_| "sddc"),
        "parent_task_id": null, "correlation_id": null, "org_id": org, "org_type": "CUSTOMER",
        "start_resource_entity_version": 1, "end_resource_entity_version": null,
        "start_time": time, "end_time": null,
        "customer_error_message": null, "localized_error_message": null, "error_message": null,
        "service_errors": [], "retries": 0, "locale": "en_US", "parent_notifications": null,
        "task_progress_phases": [], "phase_in_progress": null, "progress_percent": 0,
        "estimated_remaining_minutes": -1,
        "params": {
            "sddcConfig": { "name": sddc.map(|sddc| sddc.1), "provider": "AWS" },
            "credentials": { "password": format!("CANARY-params.password-{id}") },
            "arguments": format!(r#"{{"token":"CANARY-params.arguments.token-{id}"}}"#),
        },
    });
    set_progress(&mut task, 0);
    task
}

/// Sets how far a task is; the phases follow, each a quarter of the way. No phases of a deletion
/// are known.
fn set_progress(task: &mut Value, percent: u64) {
    let known: &[_] = if task["task_type"] == "SDDC-DELETE" { &[] } else { &PHASES };
    let phase = |at: usize| (percent * 4).saturating_sub(at as u64 * 100).min(100);
    let current = known.iter().enumerate().find(|(at, _)| phase(*at) < 100);
    let phases: Vec<Value> = known
        .iter()
        .enumerate()
        .map(|(at, (id, name))| json!({ "id": id, "name": name, "progress_percent": phase(at) }))
        .collect();
    task["phase_in_progress"] = json!(current.map(|(_, (id, _))| id));
    let unnamed = if percent < 100 { "STARTED" } else { "DONE" };
    task["sub_status"] =
        json!(current.map_or(unnamed, |(_, (id, _))| id.trim_start_matches("SDDC_")));
    task["task_progress_phases"] = json!(phases);
    task["progress_percent"] = json!(percent);
    // Below 0 means "no estimate": upstream says so before the first phase got anywhere.
    let minutes = json!((100 - percent.min(100)) * PROVISION_MINUTES / 100);
    task["estimated_remaining_minutes"] = if percent == 0 { json!(-1) } else { minutes };
}

fn finish(task: &mut Value, percent: u64, status: &str) {
    set_progress(task, percent);
    task["status"] = json!(status);
    task["sub_status"] = json!(status);
    task["phase_in_progress"] = Value::Null;
    task["estimated_remaining_minutes"] = json!(0);
    task["end_resource_entity_version"] = json!(2);
    task["end_time"] = task["updated"].clone();
}

/// One text for customers; the others are internal and carry canaries.
fn tell_failure(task: &mut Value) {
    let id = task["id"].as_str().unwrap_or_default().to_owned();
    let internal = format!("host bring-up failed: login as root/CANARY-error_message-{id}");
    task["customer_error_message"] = json!("Not enough capacity for the requested hosts.");
    task["localized_error_message"] = json!("Not enough capacity for the requested hosts.");
    task["error_message"] = json!(internal);
    task["service_errors"] = json!([{
        "default_message": format!("CANARY-service_errors-{id}"), "original_service": "AWS",
        "localized_message": null, "original_service_error_code": "InsufficientInstanceCapacity",
    }]);
}
