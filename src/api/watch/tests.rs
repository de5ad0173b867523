//! What watchers are told of any turns, and that they are told it together.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::{collection, prelude::*};
use serde_json::{Value, json};

use super::{diff_cache::EventDiffCache, watched_state::WatchedState};
use crate::{
    api::{
        answer::{AnswerSubject, ResourceType},
        caller::Visibility,
    },
    ids::OrgId,
    inventory::model::{PartGaps, Sddc, SddcEntry},
    problem::MissingPart,
};

const ORGS: usize = 3;
const SDDCS: usize = 7;

/// SDDCs by number, each in one of two values of two fields.
type World = BTreeMap<usize, (bool, bool)>;

/// What there is, and the orgs of which nothing can be seen.
#[derive(Debug, Clone)]
struct Turn {
    world: World,
    missing: BTreeSet<usize>,
}

/// One event as its reader sees it.
#[derive(Debug)]
struct Event {
    name: String,
    id: Option<String>,
    data: Value,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let world = collection::btree_map(0..SDDCS, any::<(bool, bool)>(), 0..SDDCS);
    let missing = collection::btree_set(0..ORGS, 0..ORGS);
    let turn = (world, missing).prop_map(|(world, missing)| Turn { world, missing });
    collection::vec(turn, 1..8)
}

fn org(number: usize) -> OrgId {
    format!("org-{number}").parse().unwrap()
}

fn entry(number: usize, (is_ready, is_aws): (bool, bool)) -> Arc<SddcEntry> {
    let fields = [
        ("id", json!(format!("sddc-{number}"))),
        ("org_id", json!(org(number % ORGS))),
        ("state", json!(if is_ready { "READY" } else { "FAILED" })),
        ("provider", json!(is_aws.then_some("AWS"))),
    ];
    let sddc: Sddc = serde_json::from_value(fields.into_iter().collect()).unwrap();
    Arc::new(SddcEntry {
        sddc,
        clusters: Vec::new(),
        hosts: Vec::new(),
        gaps: PartGaps::default(),
        version: None,
    })
}

impl Turn {
    fn seen(&self) -> Vec<Arc<SddcEntry>> {
        let seen =
            self.world.iter().filter(|(number, _)| !self.missing.contains(&(*number % ORGS)));
        seen.map(|(number, fields)| entry(*number, *fields)).collect()
    }

    fn missing(&self) -> Vec<OrgId> {
        self.missing.iter().map(|number| org(*number)).collect()
    }

    /// As the answer of that revision.
    fn subject(&self, revision: usize) -> AnswerSubject {
        let gap = |org: OrgId| MissingPart {
            org_id: org.to_string(),
            sddc_id: None,
            reason: "upstream-timeout",
        };
        AnswerSubject {
            what: ResourceType::Sddcs,
            within: None,
            revision: revision as u64,
            seen_by: 0,
            visibility: Visibility::default(),
            missing: self.missing().into_iter().map(gap).collect(),
            query: "".into(),
        }
    }

    /// The watcher's next state and what it is told, by way of what all watchers share.
    fn step(
        &self,
        steps: &EventDiffCache,
        from: &WatchedState,
        revision: usize,
    ) -> (Arc<WatchedState>, Vec<Event>) {
        let tag = || format!("W/\"{revision}\"");
        let subject = self.subject(revision);
        let step = steps.step(from, &subject, self.missing(), || self.seen(), tag);
        (step.to.clone(), read(&step.events))
    }
}

fn read(events: &[u8]) -> Vec<Event> {
    let text = std::str::from_utf8(events).unwrap();
    let event = |text: &str| {
        let field =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        Event {
            name: field("event").unwrap().to_owned(),
            id: field("id").map(str::to_owned),
            data: serde_json::from_str(field("data").unwrap()).unwrap(),
        }
    };
    text.split_terminator("\n\n").map(event).collect()
}

/// What a client has, by id.
type Copy = BTreeMap<String, Value>;

fn copy(entries: &[Arc<SddcEntry>]) -> Copy {
    let document = |entry: &Arc<SddcEntry>| {
        (entry.sddc.id.to_string(), serde_json::to_value(&entry.sddc).unwrap())
    };
    entries.iter().map(document).collect()
}

/// Does as a client does, and holds the events to what they promise.
fn apply(copy: &mut Copy, events: &[Event]) {
    for (at, Event { name, id, data }) in events.iter().enumerate() {
        assert!(id.is_none() || at + 1 == events.len(), "{events:?}");
        let sddc = &data["sddc"];
        let key = sddc["id"].as_str().unwrap().to_owned();
        let changed: Vec<_> = data["changed"].as_array().unwrap().iter().collect();
        let before = match &**name {
            "removed" => {
                let before = copy.remove(&key);
                assert_eq!(before.as_ref(), Some(sddc), "what is removed is what was told");
                before
            }
            "added" | "changed" => copy.insert(key, sddc.clone()),
            other => panic!("{other}"),
        };
        assert_eq!(before.is_none(), name == "added", "{events:?}");
        let differs = |field: &str| before.as_ref().is_some_and(|it| it[field] != sddc[field]);
        let fields = sddc.as_object().unwrap().keys().filter(|field| differs(field));
        let differing: Vec<_> = fields.map(|field| json!(field)).collect();
        assert_eq!(changed, differing.iter().collect::<Vec<_>>());
        assert_eq!(changed.is_empty(), name != "changed");
    }
}

proptest! {
    #[test]
    fn events_make_of_the_first_list_the_last_one_and_never_remove_what_cannot_be_seen(
        turns in turns(),
    ) {
        let steps = EventDiffCache::default();
        let mut state = steps.begin(turns[0].subject(0), || turns[0].seen());
        let mut copied = copy(&state.sddcs);
        for (revision, turn) in turns.iter().enumerate() {
            let mut wanted = copied.clone();
            let is_seen = |sddc: &Value| !turn.missing().iter().any(|org| sddc["org_id"] == json!(org));
            wanted.retain(|_, sddc| !is_seen(sddc));
            wanted.extend(copy(&turn.seen()));

            let (to, events) = turn.step(&steps, &state, revision);
            apply(&mut copied, &events);
            prop_assert_eq!(&copied, &wanted);
            prop_assert_eq!(&copy(&to.sddcs), &copied);
            if let Some(id) = events.last().and_then(|event| event.id.as_ref()) {
                prop_assert_eq!(id, &format!("W/\"{revision}\""));
                prop_assert_eq!(&copied, &copy(&turn.seen()), "who comes back with it has that list");
            } else {
                let keeps = copied != copy(&turn.seen());
                prop_assert!(keeps || events.is_empty(), "{:?}", events);
            }
            state = to;
        }
    }

    #[test]
    fn whoever_comes_when_stands_with_all_others_after_a_turn_that_shows_everything(
        turns in turns(), came in collection::vec(0_usize..8, 2..5),
    ) {
        let steps = EventDiffCache::default();
        let last = Turn { missing: BTreeSet::new(), ..turns[turns.len() - 1].clone() };
        let ends = came.iter().map(|came| {
            let came = came % turns.len();
            let mut state = steps.begin(turns[came].subject(came), || turns[came].seen());
            for (revision, turn) in turns.iter().enumerate().skip(came + 1) {
                state = turn.step(&steps, &state, revision).0;
            }
            last.step(&steps, &state, turns.len()).0
        });
        let ends: Vec<_> = ends.collect();
        prop_assert!(ends.windows(2).all(|pair| Arc::ptr_eq(&pair[0], &pair[1])));
    }
}

#[test]
fn a_step_is_made_once_for_all_who_stand_at_the_same_place() {
    let steps = EventDiffCache::default();
    let turn = |fields| Turn { world: [(0, fields)].into(), missing: BTreeSet::new() };
    let [before, now] = [turn((true, true)), turn((false, true))];
    let states = [0, 1].map(|_| steps.begin(before.subject(1), || before.seen()));
    let made = Cell::new(0);
    let made_steps = states.map(|state| {
        let tag = || {
            made.set(made.get() + 1);
            "W/\"2\"".to_owned()
        };
        steps.step(&state, &now.subject(2), Vec::new(), || now.seen(), tag)
    });
    assert_eq!(made.get(), 1);
    assert!(Arc::ptr_eq(&made_steps[0], &made_steps[1]));
    let [event] = &*read(&made_steps[0].events) else { panic!("one event") };
    assert_eq!((&*event.name, event.id.as_deref()), ("changed", Some("W/\"2\"")));
    assert_eq!(event.data["changed"], json!(["state"]));
}

#[test]
fn where_nothing_that_is_shown_has_changed_nothing_is_told() {
    let steps = EventDiffCache::default();
    let turn = Turn { world: [(0, (true, true))].into(), missing: BTreeSet::new() };
    let state = steps.begin(turn.subject(1), || turn.seen());
    let (to, events) = turn.step(&steps, &state, 2);
    assert!(events.is_empty());
    assert_eq!(copy(&to.sddcs), copy(&state.sddcs));
}

#[test]
fn orgs_that_have_one_each_of_the_same_id_are_told_apart() {
    let twin = |number, is_ready| {
        let mut twin = SddcEntry::clone(&entry(number, (is_ready, true)));
        twin.sddc.id = "twin".parse().unwrap();
        Arc::new(twin)
    };
    let state = WatchedState::new(vec![twin(0, true), twin(1, true)]);
    let told = |now: Vec<_>| {
        let step = state.step(Arc::new(WatchedState::new(now)), &[], || "W/\"1\"".to_owned());
        let told = |it: &Event| (it.name.clone(), it.data["sddc"]["org_id"].clone());
        read(&step.events).iter().map(told).collect::<Vec<_>>()
    };
    assert!(told(vec![twin(0, true), twin(1, true)]).is_empty());
    let changed = told(vec![twin(0, true), twin(1, false)]);
    assert_eq!(changed, [("changed".to_owned(), json!("org-1"))]);
    assert_eq!(told(vec![twin(1, true)]), [("removed".to_owned(), json!("org-0"))]);
}

#[test]
fn long_questions_count_in_the_bytes_that_are_kept() {
    let steps = EventDiffCache::default();
    let turn = Turn { world: World::new(), missing: BTreeSet::new() };
    let subject = AnswerSubject { query: "q".repeat(8000).into(), ..turn.subject(1) };
    steps.begin(subject, || turn.seen());
    assert!(steps.bytes() > 8000, "{}", steps.bytes());
}
