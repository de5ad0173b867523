//! Tasks: which of them are kept, and what a caller learns of a failure.

use std::collections::{BTreeSet, HashMap};

use crate::{
    csp::Scrubber,
    ids::{OrgId, SddcId, TaskId},
    inventory::{
        model::{Task, TaskEntry},
        texts::Texts,
    },
    vmc::{Lenient, OddCount, wire},
};

use super::{distinct, is_of};

/// How many tasks are kept of one organization, and of each of its SDDCs, beside all that have not
/// ended. VMware never forgets one, so that a list may be megabytes long.
pub const MAX_TASKS: usize = 1000;
/// The tasks of one SDDC that those of others never push out.
pub const MAX_SDDC_TASKS: usize = 50;

/// Characters of an error text.
const MAX_ERROR: usize = 500;

/// Told of a task that has failed, where VMware has no text for customers.
const NO_MESSAGE: &str = "The task failed. VMware Cloud gives no message for customers.";

/// An organization's tasks.
#[derive(Debug, Default, PartialEq)]
pub struct TaskList {
    /// The newest first: [`MAX_TASKS`], [`MAX_SDDC_TASKS`] of each SDDC, and all that have not ended.
    pub entries: Vec<TaskEntry>,
    /// How many older ones were dropped for the bound.
    pub dropped: usize,
    /// Whose they were; `None` is told for those of no SDDC.
    pub dropped_of: BTreeSet<Option<SddcId>>,
}

/// Maps a list of tasks of one org. What has no usable id, or is another organization's, is left out
/// and counted; of an id that is there twice only the newer copy stays.
///
/// The [`MAX_TASKS`] that began last are kept, of each SDDC the [`MAX_SDDC_TASKS`] that began last,
/// and all that have not ended: what still runs is what is asked for. Those of which the begin is not
/// known come last; what began at the same moment is ordered by id.
///
/// `scrubber` takes the gateway's own secrets out of all texts, of an error before it is cut: what is
/// left of a secret that is cut in two could not be recognized.
pub fn tasks(
    wires: Vec<Lenient<wire::Task>>,
    org: &OrgId,
    odd: &mut OddCount,
    scrubber: &Scrubber,
) -> TaskList {
    let read = |wire, odd: &mut OddCount| odd.document(|odd| entry(wire, org, odd, scrubber));
    let mut entries = distinct(wires, odd, read, |entry| (&entry.task.id, entry.version));
    entries.sort_unstable_by(|TaskEntry { task: one, .. }, TaskEntry { task: other, .. }| {
        other.started_at.cmp(&one.started_at).then_with(|| one.id.cmp(&other.id))
    });
    let all = entries.len();
    let (mut newest, mut of_sddcs) = (0, HashMap::new());
    let mut dropped_of = BTreeSet::new();
    entries.retain(|TaskEntry { task, .. }| {
        newest += 1;
        let of_sddc = task.sddc_id.as_ref().map_or(usize::MAX, |id| {
            let count = of_sddcs.entry(id.clone()).or_insert(0_usize);
            *count += 1;
            *count
        });
        let keeps = newest <= MAX_TASKS || of_sddc <= MAX_SDDC_TASKS || !has_ended(task);
        if !keeps && !dropped_of.contains(&task.sddc_id) {
            dropped_of.insert(task.sddc_id.clone());
        }
        keeps
    });
    entries.shrink_to_fit();
    let dropped = all - entries.len();
    for entry in &mut entries {
        let task = &mut entry.task;
        task.error = task.error.take().map(|text| fit_to_show(text, scrubber));
        entry.make_fit_to_show(scrubber);
    }
    TaskList { entries, dropped, dropped_of }
}

/// Where the status does not tell, the end does.
fn has_ended(task: &Task) -> bool {
    match task.status.as_deref() {
        Some("STARTED" | "CANCELING") => false,
        Some("FINISHED" | "FAILED" | "CANCELED") => true,
        _ => task.ended_at.is_some(),
    }
}

/// Maps one task; its error text is still as it came.
fn entry(
    wire: wire::Task,
    org: &OrgId,
    odd: &mut OddCount,
    scrubber: &Scrubber,
) -> Option<TaskEntry> {
    let id: TaskId = wire.id.known(odd)?.parse().ok()?;
    if !is_of(org, wire.org_id, odd) || !scrubber.is_clean(id.as_str()) {
        return None;
    }
    let mut task = Task {
        id,
        org_id: org.clone(),
        sddc_id: sddc_id(wire.resource_type, wire.resource_id, odd, scrubber),
        kind: wire.kind.known(odd),
        status: wire.status.known(odd),
        sub_status: wire.sub_status.known(odd),
        phase: wire.phase.known(odd),
        progress_percent: percent(&wire.progress_percent).known(odd),
        estimated_remaining_minutes: minutes(&wire.estimated_remaining_minutes).known(odd),
        started_at: wire.start_time.known(odd),
        ended_at: wire.end_time.known(odd),
        created_by: wire.user_name.known(odd),
        parent_task_id: wire
            .parent_task_id
            .known(odd)
            .and_then(|id| parsed(&id, scrubber).known(odd)),
        error: error(wire.customer_error_message, wire.localized_error_message, odd),
    };
    if task.error.is_none() && task.status.as_deref() == Some("FAILED") {
        task.error = Some(NO_MESSAGE.into());
    }
    Some(TaskEntry { task, version: wire.version.known(odd), updated_at: wire.updated.known(odd) })
}

fn sddc_id(
    resource_type: Lenient<Box<str>>,
    resource_id: Lenient<Box<str>>,
    odd: &mut OddCount,
    scrubber: &Scrubber,
) -> Option<SddcId> {
    let of_an_sddc = resource_type.known(odd).is_some_and(|it| it.eq_ignore_ascii_case("sddc"));
    let id = of_an_sddc.then(|| resource_id.known(odd)).flatten()?;
    parsed(&id, scrubber).known(odd)
}

/// An empty id is none, and one with a secret in it cannot be shown.
fn parsed<T: std::str::FromStr>(id: &str, scrubber: &Scrubber) -> Lenient<T> {
    if id.is_empty() {
        return Lenient::Absent;
    }
    let id = Some(id).filter(|id| scrubber.is_clean(id));
    id.and_then(|id| id.parse().ok()).map_or(Lenient::Odd, Lenient::Value)
}

fn percent(told: &Lenient<i64>) -> Lenient<u32> {
    match *told {
        Lenient::Value(percent @ 0..=100) => {
            percent.try_into().map_or(Lenient::Odd, Lenient::Value)
        }
        Lenient::Value(_) | Lenient::Odd => Lenient::Odd,
        Lenient::Absent => Lenient::Absent,
    }
}

/// Below 0 stands for "no estimate".
fn minutes(told: &Lenient<i64>) -> Lenient<u32> {
    match *told {
        Lenient::Value(..0) | Lenient::Absent => Lenient::Absent,
        Lenient::Value(minutes) => minutes.try_into().map_or(Lenient::Odd, Lenient::Value),
        Lenient::Odd => Lenient::Odd,
    }
}

/// The text for customers, else the localized one. A blank one is none.
fn error(
    customer: Lenient<Box<str>>,
    localized: Lenient<Box<str>>,
    odd: &mut OddCount,
) -> Option<Box<str>> {
    let mut told = |text: Lenient<Box<str>>| text.known(odd).filter(|it| !it.trim().is_empty());
    let (customer, localized) = (told(customer), told(localized));
    customer.or(localized)
}

/// Without secrets, on one line, and no longer than it may be.
fn fit_to_show(text: Box<str>, scrubber: &Scrubber) -> Box<str> {
    let mut text = scrubber.scrub(text);
    if text.contains(char::is_control) {
        // On one line a secret may read as it is that was broken over two.
        text = scrubber.scrub(text.replace(char::is_control, " ").into());
    }
    match text.char_indices().nth(MAX_ERROR) {
        Some((end, _)) => text[..end].into(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const TASK: &str = include_str!("../../../tests/fixtures/upstream/task.json");
    const ORG: &str = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d";
    const SECRET: &str = "held secret";

    fn map_text(list: &str) -> (TaskList, OddCount) {
        let mut odd = OddCount::default();
        let wires = wire::parse_tasks(list.as_bytes()).unwrap();
        let scrubber = Scrubber::new([SECRET.into()]);
        (tasks(wires, &ORG.parse().unwrap(), &mut odd, &scrubber), odd)
    }

    fn map_all(documents: &[Value]) -> (TaskList, OddCount) {
        map_text(&json!(documents).to_string())
    }

    /// Maps the sample with these changes; tells how many fields were odd.
    fn changed(changes: &Value) -> (Task, usize) {
        let mut document: Value = serde_json::from_str(TASK).unwrap();
        for (key, value) in changes.as_object().unwrap() {
            document[key] = value.clone();
        }
        let (mut list, odd) = map_all(&[document]);
        assert_eq!((list.entries.len(), list.dropped, odd.skipped), (1, 0, 0));
        assert_eq!(odd.documents, odd.fields.min(1));
        (list.entries.swap_remove(0).task, odd.fields)
    }

    fn error(changes: &Value) -> Option<String> {
        let (task, odd) = changed(changes);
        assert_eq!(odd, 0);
        task.error.map(String::from)
    }

    fn ids(list: &TaskList) -> Vec<&str> {
        list.entries.iter().map(|entry| entry.task.id.as_str()).collect()
    }

    #[test]
    fn the_sample_becomes_its_document() {
        let (list, odd) = map_text(&format!("[{TASK}]"));
        assert_eq!(odd, OddCount::default());
        assert_eq!(list.entries[0].version, Some(12));
        let expected = json!({
            "id": "7a5c0000-0000-4000-8000-000000000001",
            "org_id": ORG,
            "sddc_id": "5ddc0000-0000-4000-8000-000000000003",
            "type": "SDDC-PROVISION",
            "status": "STARTED",
            "sub_status": "DEPLOY_GATEWAYS",
            "phase": "SDDC_DEPLOY_GATEWAY",
            "progress_percent": 46,
            "estimated_remaining_minutes": 58,
            "started_at": "2025-03-20T09:59:56.485Z",
            "ended_at": null,
            "created_by": "ops-bot@example.com",
            "parent_task_id": null,
            "error": null,
        });
        assert_eq!(serde_json::to_value(&list.entries[0].task).unwrap(), expected);
    }

    #[test]
    fn a_task_of_which_only_the_id_is_known_is_a_document() {
        let (list, odd) = map_all(&[json!({"id": "a"})]);
        assert_eq!(odd, OddCount::default());
        let task = serde_json::to_value(&list.entries[0].task).unwrap();
        let told = task.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
        assert_eq!(told.map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["id", "org_id"]);
    }

    #[test]
    fn only_a_task_of_an_sddc_has_its_id() {
        for (kind, id, shown, odd) in [
            (json!("sddc"), json!("a"), Some("a"), 0),
            (json!("SDDC"), json!("a"), Some("a"), 0),
            (json!("sddc"), Value::Null, None, 0),
            (json!("sddc"), json!("a/b"), None, 1),
            (json!("sddc"), json!(7), None, 1),
            (json!("org"), json!("a/b"), None, 0),
            (Value::Null, json!("a"), None, 0),
            (json!([]), json!("a"), None, 1),
        ] {
            let (task, counted) = changed(&json!({"resource_type": kind, "resource_id": id}));
            assert_eq!(task.sddc_id.as_ref().map(SddcId::as_str), shown, "{kind} {id}");
            assert_eq!(counted, odd, "{kind} {id}");
        }
    }

    #[test]
    fn odd_numbers_and_ids_are_null_and_counted() {
        for (progress, shown, odd) in [
            (json!(0), Some(0), 0),
            (json!(100), Some(100), 0),
            (json!("46"), Some(46), 0),
            (json!(-1), None, 1),
            (json!(101), None, 1),
            (json!(1e15), None, 1),
            (json!("half"), None, 1),
        ] {
            let (task, counted) = changed(&json!({"progress_percent": progress}));
            assert_eq!((task.progress_percent, counted), (shown, odd), "{progress}");
        }
        for (minutes, shown, odd) in [
            (json!(0), Some(0), 0),
            (json!(-1), None, 0),
            (json!(i64::MIN), None, 0),
            (json!(1_i64 << 40), None, 1),
            (json!({}), None, 1),
        ] {
            let (task, counted) = changed(&json!({"estimated_remaining_minutes": minutes}));
            assert_eq!((task.estimated_remaining_minutes, counted), (shown, odd), "{minutes}");
        }
        let (task, counted) = changed(&json!({"parent_task_id": "x y"}));
        assert_eq!((task.parent_task_id, counted), (None, 1));
        let (task, _) = changed(&json!({"parent_task_id": "p"}));
        assert_eq!(task.parent_task_id.unwrap().as_str(), "p");
    }

    #[test]
    fn the_error_is_the_customers_else_the_localized_never_another() {
        let texts = |customer: &str, localized: &str| {
            error(&json!({
                "customer_error_message": customer, "localized_error_message": localized,
                "error_message": "INTERNAL", "service_errors": [{"default_message": "INTERNAL"}],
                "params": {"password": "INTERNAL"},
            }))
        };
        assert_eq!(texts("one", "two").as_deref(), Some("one"));
        assert_eq!(texts("", "two").as_deref(), Some("two"));
        assert_eq!(texts("\n ", "two").as_deref(), Some("two"));
        assert_eq!(texts("", ""), None);
        let (task, odd) = changed(&json!({"customer_error_message": {"text": "one"}}));
        assert_eq!((task.error, odd), (None, 1));
    }

    #[test]
    fn an_error_is_one_line_of_at_most_500_characters() {
        let told = |text: &str| error(&json!({"customer_error_message": text})).unwrap();
        assert_eq!(told("a\r\nb\tc\u{7f}d\u{85}e\0"), "a  b c d e ");
        assert_eq!(told(&"ü".repeat(500)), "ü".repeat(500));
        assert_eq!(told(&"€".repeat(501)), "€".repeat(500));
    }

    #[test]
    fn a_secret_is_scrubbed_before_the_text_is_cut() {
        let told = |text: &str| error(&json!({"customer_error_message": text})).unwrap();
        for before in 485..=505 {
            let shown = told(&format!("{}{SECRET}{}", "x".repeat(before), "y".repeat(20)));
            assert!(!shown.contains("held") && !shown.contains('h'), "{before}: {shown}");
            assert_eq!(shown.chars().count(), 500, "{before}");
        }
        assert_eq!(told("login as held\tsecret failed"), "login as [redacted] failed");
    }

    #[test]
    fn of_an_id_that_is_there_twice_the_newer_version_stays() {
        let copy =
            |version: i64, status: &str| json!({"id": "a", "version": version, "status": status});
        for documents in [[copy(2, "NEW"), copy(1, "OLD")], [copy(1, "OLD"), copy(2, "NEW")]] {
            let (list, odd) = map_all(&documents);
            assert_eq!(ids(&list), ["a"]);
            assert_eq!(list.entries[0].task.status.as_deref(), Some("NEW"));
            assert_eq!((odd.documents, odd.skipped, list.dropped), (1, 1, 0));
        }
    }

    #[test]
    fn what_has_no_usable_id_is_left_out_and_counted() {
        let (list, odd) = map_text(r#"[null, 1, {}, {"id": 5}, {"id": "a/b"}, {"id": "a"}]"#);
        assert_eq!(ids(&list), ["a"]);
        assert_eq!((odd.documents, odd.skipped), (5, 5));
    }

    #[test]
    fn the_newest_come_first_and_those_without_a_time_last() {
        let at = |id: &str, start: Value| json!({"id": id, "start_time": start});
        let (list, _) = map_all(&[
            at("none-b", Value::Null),
            at("old", json!("2024-01-01T00:00:00Z")),
            at("same-b", json!("2025-01-01T00:00:00Z")),
            at("none-a", json!("soon")),
            at("same-a", json!("2025-01-01T01:00:00+01:00")),
            at("new", json!("2025-01-01T00:00:00.000001Z")),
        ]);
        assert_eq!(ids(&list), ["new", "same-a", "same-b", "old", "none-a", "none-b"]);
    }

    #[test]
    fn of_a_long_list_the_newest_are_kept() {
        let begun = |minute: usize| {
            json!({
                "id": format!("{minute:04}"),
                "start_time": format!("2025-01-{:02}T{:02}:{:02}:00Z", minute / 1440 + 1, minute / 60 % 24, minute % 60),
                "status": "FINISHED",
                "customer_error_message": "failed: held secret",
            })
        };
        // Neither the order nor copies of what is kept cost a place.
        let documents: Vec<Value> =
            (0..MAX_TASKS + 500).rev().chain([1499, 0]).map(begun).collect();
        let (list, odd) = map_all(&documents);
        assert_eq!((list.entries.len(), list.dropped, odd.skipped), (MAX_TASKS, 500, 2));
        assert_eq!((ids(&list)[0], ids(&list)[MAX_TASKS - 1]), ("1499", "0500"));
        assert!(
            list.entries.iter().all(|it| it.task.error.as_deref() == Some("failed: [redacted]"))
        );
    }

    #[test]
    fn what_has_not_ended_is_kept_however_old() {
        let at = |number: usize, status: Value, end: Value| {
            json!({
                "id": format!("{number:04}"), "status": status, "end_time": end,
                "start_time": format!("2025-01-01T00:00:00.{number:04}Z"),
            })
        };
        let end = || json!("2025-02-01T00:00:00Z");
        let newest = (1000..1000 + MAX_TASKS).map(|it| at(it, json!("FINISHED"), end()));
        let old = [
            at(1, json!("STARTED"), Value::Null),
            at(2, json!("FINISHED"), Value::Null),
            at(3, json!("CANCELING"), end()),
            at(4, json!("NEW"), Value::Null),
            at(5, json!("NEW"), end()),
            at(6, Value::Null, Value::Null),
            at(7, json!("FAILED"), end()),
        ];
        let (list, _) = map_all(&newest.chain(old).collect::<Vec<_>>());
        assert_eq!(ids(&list)[MAX_TASKS..], ["0006", "0004", "0003", "0001"]);
        assert_eq!(list.dropped, 3);

        let running = (0..2 * MAX_TASKS + 10).map(|it| at(it, json!("STARTED"), Value::Null));
        let (list, _) = map_all(&running.collect::<Vec<_>>());
        assert_eq!((list.entries.len(), list.dropped), (2 * MAX_TASKS + 10, 0));
    }

    #[test]
    fn a_busy_sddc_pushes_out_no_other_ones_newest_50() {
        let at = |number: usize, sddc: &str| {
            json!({
                "id": format!("{sddc}-{number:04}"), "status": "FINISHED",
                "resource_type": "sddc", "resource_id": sddc,
                "start_time": format!("2025-01-01T00:00:00.{number:04}Z"),
            })
        };
        let busy = (2000..3100).map(|it| at(it, "busy"));
        let quiet = (100..160).map(|it| at(it, "quiet")).chain((0..3).map(|it| at(it, "calm")));
        let (list, _) = map_all(&busy.chain(quiet).collect::<Vec<_>>());
        let of = |sddc: &str| ids(&list).into_iter().filter(|id| id.starts_with(sddc)).count();
        assert_eq!((of("busy"), of("quiet"), of("calm")), (1000, 50, 3));
        assert_eq!(ids(&list)[1000], "quiet-0159");
        let dropped_of: Vec<_> = list.dropped_of.iter().flatten().map(SddcId::as_str).collect();
        assert_eq!((list.dropped, dropped_of), (110, vec!["busy", "quiet"]));
    }

    #[test]
    fn a_failed_task_without_a_message_has_a_fixed_one() {
        let text = |status: &str| error(&json!({"status": status, "customer_error_message": ""}));
        assert_eq!(text("FAILED").as_deref(), Some(NO_MESSAGE));
        for status in ["STARTED", "FINISHED", "CANCELED", ""] {
            assert_eq!(text(status), None, "{status}");
        }
    }

    #[test]
    fn a_task_of_another_organization_is_not_shown_and_counted() {
        let (list, odd) =
            map_all(&[json!({"id": "a", "org_id": "x"}), json!({"id": "b", "org_id": ORG})]);
        assert_eq!((ids(&list), odd.documents, odd.skipped), (vec!["b"], 1, 1));
    }

    #[test]
    fn empty_texts_are_null_and_secrets_are_taken_out_of_all_others() {
        let texts = ["task_type", "status", "sub_status", "phase_in_progress", "user_name"];
        let all = |text: &str| texts.iter().map(|key| (*key, json!(text))).collect::<Value>();
        let (empty, odd) = changed(&all(""));
        let (secret, _) = changed(&all(&format!("with {SECRET}")));
        let shown = |task: &Task| {
            let document = serde_json::to_value(task).unwrap();
            ["type", "status", "sub_status", "phase", "created_by"].map(|key| document[key].clone())
        };
        assert_eq!((shown(&empty), odd), ([const { Value::Null }; 5], 0));
        assert_eq!(shown(&secret), [const { "with [redacted]" }; 5].map(Value::from));
        let (task, odd) = changed(&json!({"parent_task_id": "", "resource_id": ""}));
        assert_eq!((task.parent_task_id, task.sddc_id, odd), (None, None, 0));
    }
}
