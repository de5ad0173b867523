//! Callers' views and questions together: what a list shows of a snapshot of several orgs is what a
//! naive filter leaves of the whole.

use std::{collections::BTreeSet, sync::Arc};

use proptest::{option, prelude::*, sample::select};
use serde_json::Value as Json;

use super::{
    finish,
    paging::{RandomQuery, asked},
    query,
    samples::{Sample, id},
};
use crate::{
    access::View as Limits,
    api::{
        caller::Visibility,
        pipeline::visible,
        query::AllowedParams,
        resource::{HeldBy, Resource},
    },
    inventory::{
        Entry, ListContent, ListSnapshot, MissingOrg, OrgSelector,
        model::{Cluster, Host, SddcEntry, Task, TaskEntry},
    },
    upstream::Kind,
};

const PATTERNS: &[&str] = &["*", "a*", "?lpha", "bet", "b?t*", "*&*", "?lph*", "*a"];

/// A caller's limits, as texts.
#[derive(Debug, Clone)]
struct Limited {
    orgs: Option<BTreeSet<String>>,
    ids: Option<BTreeSet<String>>,
    names: Option<Vec<&'static str>>,
}

/// What there is: SDDCs and tasks of several orgs, and the orgs that cannot be shown.
#[derive(Debug, Clone)]
struct World {
    sddcs: Vec<SddcEntry>,
    tasks: Vec<TaskEntry>,
    missing: BTreeSet<String>,
}

fn limited() -> impl Strategy<Value = Limited> {
    let orgs = option::weighted(0.4, prop::collection::btree_set(id(), 1..4));
    let ids = option::weighted(0.3, prop::collection::btree_set(id(), 1..5));
    let names = option::weighted(0.4, prop::collection::vec(select(PATTERNS), 1..3));
    (orgs, ids, names).prop_map(|(orgs, ids, names)| Limited { orgs, ids, names })
}

fn world() -> impl Strategy<Value = World> {
    let sddcs = prop::collection::vec((SddcEntry::any(), hosts()), 0..12);
    let tasks = prop::collection::vec((Task::any(), option::weighted(0.7, 0..14_u8)), 0..12);
    let missing = prop::collection::btree_set(id(), 0..2);
    (sddcs, tasks, missing).prop_map(|(sddcs, tasks, missing)| World {
        sddcs: sddcs
            .into_iter()
            .enumerate()
            .map(|(at, (sddc, hosts))| named(at, sddc, hosts))
            .collect(),
        tasks: tasks.into_iter().enumerate().map(|(at, (task, of))| about(at, task, of)).collect(),
        missing,
    })
}

fn hosts() -> impl Strategy<Value = Vec<Host>> {
    prop::collection::vec(Host::any(), 0..3)
}

/// An SDDC with an id of its own and these hosts.
fn named(at: usize, mut entry: SddcEntry, hosts: Vec<Host>) -> SddcEntry {
    entry.sddc.id = at.to_string().parse().unwrap();
    entry.hosts = hosts;
    entry.hosts.iter_mut().for_each(|host| host.sddc_id = entry.sddc.id.clone());
    entry.clusters.iter_mut().for_each(|cluster| cluster.sddc_id = entry.sddc.id.clone());
    entry
}

/// A task with an id of its own, about an SDDC that may be another org's or none that there is.
fn about(at: usize, mut task: Task, of: Option<u8>) -> TaskEntry {
    task.id = format!("task-{at}").parse().unwrap();
    task.sddc_id = of.map(|id| id.to_string().parse().unwrap());
    TaskEntry { task, version: None, updated_at: None }
}

/// The same as patterns do, by trying every way.
fn matches(pattern: &[char], name: &[char]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        (['*', rest @ ..], _) => (0..=name.len()).any(|at| matches(rest, &name[at..])),
        (['?', rest @ ..], [_, name @ ..]) => matches(rest, name),
        ([one, rest @ ..], [other, name @ ..]) => one == other && matches(rest, name),
        _ => false,
    }
}

impl Limited {
    fn visibility(&self) -> Visibility {
        let parse = |ids: &BTreeSet<String>| ids.iter().map(|id| id.parse().unwrap()).collect();
        Visibility::of(Limits {
            orgs: self
                .orgs
                .as_ref()
                .map(|ids| ids.iter().map(|id| id.parse().unwrap()).collect())
                .map(Arc::new),
            sddc_ids: self.ids.as_ref().map(parse),
            sddc_names: self
                .names
                .as_ref()
                .map(|them| them.iter().map(|it| it.parse().unwrap()).collect()),
        })
    }

    fn shows(&self, org: &Json, id: &Json, name: &Json) -> bool {
        let holds = |ids: &Option<BTreeSet<String>>, id: &Json| {
            ids.as_ref().is_none_or(|ids| ids.contains(id.as_str().unwrap()))
        };
        holds(&self.orgs, org)
            && holds(&self.ids, id)
            && self.names.as_ref().is_none_or(|patterns| {
                let Some(name) = name.as_str() else { return false };
                let chars = |text: &str| text.chars().collect::<Vec<_>>();
                patterns.iter().any(|pattern| matches(&chars(pattern), &chars(name)))
            })
    }
}

impl World {
    fn view<E: Entry + Clone>(&self, entries: &[E]) -> ListSnapshot<E> {
        let missing = self.missing.iter().map(|org| MissingOrg {
            org_id: org.parse().unwrap(),
            reason: Kind::Unavailable,
            retry_in: None,
        });
        ListSnapshot {
            missing: missing.collect(),
            ..ListSnapshot::whole(Arc::new(ListContent::of(entries.to_vec())))
        }
    }

    /// The SDDCs that are shown.
    fn shown(&self, limited: &Limited) -> Vec<&SddcEntry> {
        let is_shown = |entry: &&SddcEntry| {
            let sddc = serde_json::to_value(&entry.sddc).unwrap();
            !self.missing.contains(sddc["org_id"].as_str().unwrap())
                && limited.shows(&sddc["org_id"], &sddc["id"], &sddc["name"])
        };
        self.sddcs.iter().filter(is_shown).collect()
    }

    fn shown_tasks(&self, limited: &Limited) -> Vec<Task> {
        let sddcs: Vec<_> =
            self.sddcs.iter().map(|it| serde_json::to_value(&it.sddc).unwrap()).collect();
        let is_shown = |task: &Json| {
            let (org, id) = (&task["org_id"], &task["sddc_id"]);
            if self.missing.contains(org.as_str().unwrap()) {
                return false;
            }
            if id.is_null() {
                return limited.ids.is_none()
                    && limited.names.is_none()
                    && limited.shows(org, org, &Json::Null);
            }
            let its = sddcs.iter().find(|sddc| sddc["id"] == *id && sddc["org_id"] == *org);
            limited.shows(org, id, its.map_or(&Json::Null, |sddc| &sddc["name"]))
        };
        let tasks = self.tasks.iter().map(|entry| &entry.task);
        tasks.filter(|task| is_shown(&serde_json::to_value(task).unwrap())).cloned().collect()
    }

    /// What a list of parts of SDDCs selects.
    fn select<R: HeldBy<SddcEntry>>(&self, limited: &Limited, asked: &RandomQuery) -> Vec<Json> {
        let (view, visibility) = (self.view(&self.sddcs), limited.visibility());
        let scope = visibility.scope();
        selected(asked, visible::<_, R>(&view, &scope, |entry| visibility.sees(entry)))
    }

    fn select_tasks(&self, limited: &Limited, asked: &RandomQuery) -> Vec<Json> {
        let (view, visibility, sddcs) =
            (self.view(&self.tasks), limited.visibility(), self.view(&self.sddcs));
        let scope = visibility.scope();
        let sees = |entry: &TaskEntry| visibility.sees_task(entry, &sddcs.content);
        selected(asked, visible::<_, Task>(&view, &scope, sees))
    }
}

fn selected<'a, R: Resource>(asked: &RandomQuery, seen: impl Iterator<Item = &'a R>) -> Vec<Json> {
    let query = query(&format!("/list?{}", asked.query(None, None)));
    let view: Vec<R> = seen.cloned().collect();
    let question = finish(query.parser(AllowedParams::LIST), &view).unwrap();
    let items = question.select(view.iter()).items.into_iter();
    items.map(|it| serde_json::to_value(it.document()).unwrap()).collect()
}

proptest! {
    #[test]
    fn a_list_of_sddcs_is_the_naive_filter_of_the_whole(
        (world, limited, asked) in (world(), limited(), asked::<SddcEntry>()),
    ) {
        let shown: Vec<_> = world.shown(&limited).into_iter().cloned().collect();
        prop_assert_eq!(world.select::<SddcEntry>(&limited, &asked), asked.naive(&shown));
    }

    #[test]
    fn a_list_of_clusters_is_the_naive_filter_of_the_whole(
        (world, limited, asked) in (world(), limited(), asked::<Cluster>()),
    ) {
        let shown: Vec<_> = world.shown(&limited).into_iter().flat_map(|it| it.clusters.clone()).collect();
        prop_assert_eq!(world.select::<Cluster>(&limited, &asked), asked.naive(&shown));
    }

    #[test]
    fn a_list_of_hosts_is_the_naive_filter_of_the_whole(
        (world, limited, asked) in (world(), limited(), asked::<Host>()),
    ) {
        let shown: Vec<_> = world.shown(&limited).into_iter().flat_map(|it| it.hosts.clone()).collect();
        prop_assert_eq!(world.select::<Host>(&limited, &asked), asked.naive(&shown));
    }

    #[test]
    fn a_list_of_tasks_is_the_naive_filter_of_the_whole(
        (world, limited, asked) in (world(), limited(), asked::<Task>()),
    ) {
        prop_assert_eq!(world.select_tasks(&limited, &asked), asked.naive(&world.shown_tasks(&limited)));
    }

    #[test]
    fn a_new_value_is_good_for_those_only_who_see_it((world, limited) in (world(), limited())) {
        let (view, visibility) = (world.view(&world.sddcs), limited.visibility());
        let scope: OrgSelector = visibility.scope();
        let seen = visible::<_, SddcEntry>(&view, &scope, |entry| visibility.sees(entry));
        let parser = query("/list?state=SOMETHING_NEW").parser::<SddcEntry>(AllowedParams::LIST);
        let is_new = |entry: &&SddcEntry| entry.sddc.state.as_deref() == Some("SOMETHING_NEW");
        prop_assert_eq!(parser.finish(seen).is_ok(), world.shown(&limited).iter().any(is_new));
    }
}
