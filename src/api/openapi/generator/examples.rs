//! Examples: the gateway's own answers about the simulator's data.

use serde_json::{Value, json};

use crate::{
    api::{discovery, watch, whoami},
    csp::Scrubber,
    inventory::{
        Entry, mapping,
        model::{Org, SddcEntry, Task},
    },
    simulator::{Options, Simulator},
    vmc::{OddCount, wire},
};

/// The gateway's answers about the simulator's SDDCs and organizations.
pub(super) struct Examples {
    pub(super) sddcs: Vec<SddcEntry>,
    tasks: Vec<Task>,
    orgs: Vec<Org>,
}

impl Examples {
    pub(super) fn of_simulator() -> Self {
        let cloud = Simulator::new(Options::default());
        let list = |documents: Vec<Value>| Value::from(documents).to_string();
        let org = cloud.org_ids().first().and_then(|id| id.parse().ok());
        let sddcs = list(cloud.sddc_ids().iter().filter_map(|id| cloud.sddc(id)).collect());
        let tasks = list(cloud.org_ids().iter().flat_map(|id| cloud.tasks(id)).collect());
        let orgs = list(cloud.org_ids().iter().filter_map(|id| cloud.org(id)).collect());
        let mut odd = OddCount::default();
        let sddcs = wire::parse_sddcs(sddcs.as_bytes()).unwrap_or_default();
        let tasks = wire::parse_tasks(tasks.as_bytes()).unwrap_or_default();
        let (mut sddcs, tasks) = org.map_or_else(Default::default, |org| {
            let tasks = mapping::tasks(tasks, &org, &mut odd, &Scrubber::default()).entries;
            (mapping::sddcs(sddcs, &org, &mut odd, &Scrubber::default()), tasks)
        });
        sddcs.sort_by(Entry::order);
        let tasks = tasks.into_iter().map(|entry| entry.task).collect();
        let orgs = wire::parse_orgs(orgs.as_bytes()).unwrap_or_default();
        let orgs = mapping::orgs(orgs, &mut odd, &Scrubber::default());
        Self { sddcs, tasks, orgs }
    }

    /// The SDDC that examples are about: one that shows something on each path below it.
    fn sddc(&self) -> Option<&SddcEntry> {
        let has_task = |entry: &&SddcEntry| {
            self.tasks.iter().any(|task| task.sddc_id.as_ref() == Some(&entry.sddc.id))
        };
        self.sddcs.iter().find(has_task).or(self.sddcs.first())
    }

    /// The example of an operation's 200: of a list, its first item.
    pub(super) fn answer(&self, path: &str) -> Value {
        let page = |items: Value| json!({"items": items, "next_cursor": null, "completeness": "complete", "missing": []});
        let first = self.sddc();
        let one = |part: Option<Value>| part.into_iter().collect::<Value>();
        match path {
            "/sddcs/{sddc_id}" => json!(first.map(|entry| &entry.sddc)),
            "/sddcs/{sddc_id}/clusters" | "/clusters" => {
                page(one(first.and_then(|entry| Some(json!(entry.clusters.first()?)))))
            }
            "/sddcs/{sddc_id}/hosts" | "/hosts" => {
                page(one(first.and_then(|entry| Some(json!(entry.hosts.first()?)))))
            }
            "/sddcs/{sddc_id}/tasks" => {
                let of = first.map(|entry| &entry.sddc.id);
                let task = self.tasks.iter().find(|task| task.sddc_id.as_ref() == of);
                page(one(task.map(|task| json!(task))))
            }
            "/tasks" => page(one(self.tasks.first().map(|it| json!(it)))),
            "/tasks/{task_id}" => json!(self.tasks.first()),
            "/orgs/{org_id}" => json!(self.orgs.first()),
            "/orgs" => page(one(self.orgs.first().map(|it| json!(it)))),
            "/sd/prometheus" => discovery::example(&self.sddcs),
            "/whoami" => whoami::example(),
            "/sddcs/events" => json!(watch::example(&self.sddcs)),
            _ => page(one(first.map(|entry| json!(entry.sddc)))),
        }
    }

    /// The example of a path parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<Value> {
        match name {
            "sddc_id" => self.sddc().map(|entry| json!(entry.sddc.id)),
            "task_id" => self.tasks.first().map(|task| json!(task.id)),
            "org_id" => self.orgs.first().map(|org| json!(org.id)),
            _ => None,
        }
    }
}
