//! Tasks: those of the start, those that go with changes, and those made on request.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Store, merge, next_version};
use crate::documents::{self, wire_time};

/// How many SDDCs an organization's first tasks are about.
const TASK_SDDCS: usize = 4;

/// What begins by itself makes an ended task go where an organization has more tasks than this.
const MAX_TASKS: usize = 40;

impl Store {
    /// Adds a task to an organization: one that has just begun, about the SDDC that `resource_id` of
    /// the patch names, if any, with `patch` merged over it. Its `id` is honoured; a task of that id
    /// is replaced. `None` when there is no such organization.
    pub(crate) fn create_task(
        &mut self,
        org: &str,
        patch: Value,
        now: Timestamp,
    ) -> Option<String> {
        let at = self.orgs.iter().position(|known| *known.id == *org)?;
        let generated = self.documents.made_task_id(self.made_tasks);
        self.made_tasks += 1;
        let id = patch["id"].as_str().map_or(generated, str::to_owned);
        let kind = if patch["resource_id"].is_string() { "ESX-PROVISION" } else { "ACCOUNT-LINK" };
        let sddc = patch["resource_id"].as_str().map(|sddc| (sddc, "made-on-request"));
        let mut task = documents::started(&id, org, kind, sddc, now);
        merge(&mut task, json!({ "version": 1 }));
        merge(&mut task, patch);
        let tasks = &mut self.orgs[at].tasks;
        match tasks.iter_mut().find(|known| known["id"] == *id) {
            Some(known) => *known = task,
            None => tasks.push(task),
        }
        Some(id)
    }

    /// Merges `patch` into a task of whatever organization; false when there is none of this id.
    pub(crate) fn patch_task(&mut self, id: &str, patch: Value, now: Timestamp) -> bool {
        let mut all = self.orgs.iter_mut().flat_map(|org| &mut org.tasks);
        let Some(task) = all.find(|task| task["id"] == *id) else { return false };
        task["version"] = json!(next_version(task));
        task["updated"] = json!(wire_time(now));
        merge(task, patch);
        true
    }

    pub(super) fn first_tasks(&self, index: usize) -> Vec<Value> {
        let org = &self.orgs[index];
        let some: Vec<_> = self
            .sddcs_of(&org.id)
            .take(TASK_SDDCS)
            .map(|sddc| {
                let document = sddc.decode();
                let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
                (sddc.id.clone(), text("name"), text("sddc_state"))
            })
            .collect();
        self.documents.tasks(index, &org.id, &some)
    }

    /// The running task of an organization moves on; where there is none, one begins.
    pub(super) fn step_task(&mut self, now: Timestamp) {
        if self.orgs.is_empty() {
            return;
        }
        let at = self.dice.index(self.orgs.len());
        let org = self.orgs[at].id.clone();
        if !self.advance(&org, |_| true, now)
            && let Some(sddc) = self.draw_one_up(|its| *its == *org)
        {
            self.begin(sddc, "ESX-PROVISION", now);
        }
    }

    /// Moves the first running task of an organization that will do on, and its SDDC with it where
    /// that finished it. False when there is none.
    pub(super) fn advance(
        &mut self,
        org: &str,
        will_do: impl Fn(&Value) -> bool,
        now: Timestamp,
    ) -> bool {
        let percent = 10 + self.dice.below(25);
        let org = self.orgs.iter_mut().find(|known| *known.id == *org);
        let mut tasks = org.into_iter().flat_map(|org| &mut org.tasks);
        let Some(task) = tasks.find(|task| task["status"] == "STARTED" && will_do(task)) else {
            return false;
        };
        let ended = documents::advance(task, percent, now);
        let text = |key: &str| task[key].as_str().unwrap_or_default().to_owned();
        let (kind, sddc) = (text("task_type"), text("resource_id"));
        match &*kind {
            "SDDC-PROVISION" if ended => self.finish_deployment(&sddc, now),
            "SDDC-DELETE" if ended => self.finish_deletion(&sddc, now),
            _ => {}
        }
        true
    }

    /// Begins a task on the SDDC at a position.
    pub(super) fn begin(&mut self, at: usize, kind: &str, now: Timestamp) {
        let sddc = &self.sddcs[at];
        let Some(org) = self.orgs.iter_mut().find(|org| org.id == sddc.org) else { return };
        if org.tasks.len() >= MAX_TASKS
            && let Some(ended) = org.tasks.iter().position(|task| task["status"] != "STARTED")
        {
            org.tasks.remove(ended);
        }
        let (id, document) = (self.dice.uuid().to_string(), sddc.decode());
        let sddc = (&*sddc.id, document["name"].as_str().unwrap_or_default());
        org.tasks.push(documents::started(&id, &org.id, kind, Some(sddc), now));
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{NOW, store},
        *,
    };

    fn task<'a>(store: &'a Store, id: &str) -> &'a Value {
        store.orgs().iter().flat_map(|org| &org.tasks).find(|task| task["id"] == *id).unwrap()
    }

    #[test]
    fn a_task_made_on_request_is_a_whole_one_with_the_patch_over_it() {
        let mut store = store(1);
        let org = store.orgs()[1].id.clone();
        let patch = json!({ "resource_id": "s", "task_type": "SDDC-CONVERT", "version": 7 });
        let id = store.create_task(&org, patch, NOW).unwrap();
        let made = task(&store, &id);
        let text = |key: &str| made[key].as_str().unwrap_or_default();
        assert_eq!(
            (text("org_id"), text("resource_id"), text("resource_type")),
            (&*org, "s", "sddc")
        );
        assert_eq!((text("status"), text("task_type")), ("STARTED", "SDDC-CONVERT"));
        assert_eq!(
            (text("start_time"), &made["version"]),
            ("1970-01-01T00:00:00.000000Z", &json!(7))
        );
        let keys = |task: &Value| task.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(made), keys(&store.orgs()[1].tasks[0]));
        let other = store.create_task(&org, json!({}), NOW).unwrap();
        assert_ne!(other, id);
        assert_eq!(task(&store, &other)["resource_type"], Value::Null);
        assert_eq!(store.create_task("none", json!({}), NOW), None);
    }

    #[test]
    fn a_task_of_the_same_id_is_replaced_and_a_list_may_be_long() {
        let mut store = store(1);
        let org = store.orgs()[0].id.clone();
        let before = store.orgs()[0].tasks.len();
        for at in 0..1500 {
            store.create_task(&org, json!({ "id": format!("t-{at}") }), NOW).unwrap();
        }
        store.create_task(&org, json!({ "id": "t-7", "status": "FAILED" }), NOW).unwrap();
        assert_eq!(store.orgs()[0].tasks.len(), before + 1500);
        assert_eq!(task(&store, "t-7")["status"], "FAILED");
    }

    #[test]
    fn a_patched_task_is_one_version_on() {
        let mut store = store(1);
        let id = store.orgs()[0].tasks[1]["id"].as_str().unwrap().to_owned();
        let before = task(&store, &id).clone();
        assert!(store.patch_task(&id, json!({ "customer_error_message": "no" }), NOW));
        let after = task(&store, &id);
        assert_eq!(after["customer_error_message"], "no");
        assert_eq!(after["version"], before["version"].as_u64().unwrap() + 1);
        assert_eq!(after["updated"], "1970-01-01T00:00:00.000000Z");
        assert_eq!(after["params"], before["params"]);
        assert!(!store.patch_task("none", json!({}), NOW));
    }

    #[test]
    fn whatever_a_task_was_patched_to_steps_go_on() {
        let mut store = store(1);
        let org = store.orgs()[0].id.clone();
        for odd in [
            json!({ "progress_percent": u64::MAX, "version": u64::MAX }),
            json!({ "progress_percent": "half", "resource_id": [], "task_type": {} }),
            json!([]),
        ] {
            let id = store.create_task(&org, json!({}), NOW).unwrap();
            assert!(store.patch_task(&id, odd, NOW));
        }
        for _ in 0..200 {
            store.step(NOW);
        }
    }

    #[test]
    fn tasks_that_begin_by_themselves_do_not_pile_up() {
        let mut store = store(1);
        for _ in 0..800 {
            store.step(NOW);
        }
        assert!(store.orgs().iter().all(|org| org.tasks.len() <= MAX_TASKS));
    }
}
