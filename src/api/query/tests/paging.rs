//! Selection against a naive one over the JSON documents, and pages against snapshots that change.

use std::{cmp::Ordering, collections::HashMap};

use jiff::Timestamp;
use proptest::{option, prelude::*, sample::Index};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::{ListQuery, parse, samples::Sample};
use crate::{
    api::{page::Page, query::select::Selection, resource::Resource},
    inventory::model::{Cluster, Host, SddcEntry, Task},
};

/// A valid question.
#[derive(Debug, Clone)]
pub(super) struct RandomQuery {
    filters: Vec<(&'static str, &'static str)>,
    q: Option<&'static str>,
    sort: Option<(&'static str, bool)>,
}

pub(super) fn asked<R: Sample>() -> impl Strategy<Value = RandomQuery> {
    let filters = proptest::sample::subsequence(R::FILTERS, 0..=2);
    let q = option::of(proptest::sample::select(&["ALPHA", "a", "ÜM", "delete", "2", "& C"][..]));
    let sort = option::of((proptest::sample::select(R::SORTS), any::<bool>()));
    (filters, q, sort).prop_map(|(filters, q, sort)| RandomQuery { filters, q, sort })
}

/// Documents, some of them several times.
fn snapshot<R: Sample>() -> impl Strategy<Value = Vec<R>> {
    let times = prop_oneof![6 => Just(1_usize), 1 => 2..5_usize];
    let several = (R::any(), times).prop_map(|(document, times)| vec![document; times]);
    proptest::collection::vec(several, 0..20).prop_map(|documents| documents.concat())
}

impl RandomQuery {
    pub(super) fn query(&self, limit: Option<usize>, cursor: Option<&str>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.filters);
        if let Some(q) = self.q {
            query.append_pair("q", q);
        }
        if let Some((field, descending)) = self.sort {
            query.append_pair("sort", &format!("{}{field}", if descending { "-" } else { "" }));
        }
        if let Some(limit) = limit {
            query.append_pair("limit", &limit.to_string());
        }
        if let Some(cursor) = cursor {
            query.append_pair("cursor", cursor);
        }
        query.finish()
    }

    /// The same by other means: from the documents as JSON.
    pub(super) fn naive<R: Resource>(&self, documents: &[R]) -> Vec<Json> {
        let tasks = R::FIELDS.iter().any(|field| field.name == "started_at");
        let usual = if tasks { ("started_at", true) } else { ("name", false) };
        let (key, descending) = self.sort.unwrap_or(usual);
        let holder = ["sddc_id", "org_id"];
        let holder = if tasks || !R::INCLUDES.is_empty() { holder[1] } else { holder[0] };
        let documents = documents.iter().map(|it| serde_json::to_value(it.document()).unwrap());
        let mut matching: Vec<Json> = documents.filter(|it| self.matches(it)).collect();
        matching.sort_by(|one, other| {
            let keys = compare(&one[key], &other[key]);
            let both = !one[key].is_null() && !other[key].is_null();
            let keys = if descending && both { keys.reverse() } else { keys };
            keys.then_with(|| compare(&one["id"], &other["id"]))
                .then_with(|| compare(&one[holder], &other[holder]))
                .then_with(|| {
                    let digest =
                        |it: &Json| Sha256::digest(serde_json::to_vec(it).unwrap())[..8].to_vec();
                    digest(one).cmp(&digest(other))
                })
        });
        matching
    }

    fn matches(&self, document: &Json) -> bool {
        let names: Vec<_> = self.filters.iter().map(|(name, _)| *name).collect();
        names.iter().all(|name| {
            let mut wanted = self.filters.iter().filter(|(same, _)| same == name);
            wanted.any(|(_, value)| match &document[name] {
                Json::String(text) => text == value,
                Json::Number(number) => number.as_u64() == value.parse().ok(),
                Json::Bool(flag) => flag.to_string() == *value,
                Json::Array(texts) => texts.iter().any(|text| text == value),
                _ => false,
            })
        }) && self.q.is_none_or(|q| Self::finds(document, &q.to_lowercase()))
    }

    fn finds(document: &Json, q: &str) -> bool {
        let name = if document.get("started_at").is_some() { "type" } else { "name" };
        let part = |text: &Json| text.as_str().is_some_and(|it| it.to_lowercase().contains(q));
        part(&document[name]) || part(&document["hostname"]) || document["id"] == q
    }
}

/// Nulls last; texts that are times as times.
fn compare(one: &Json, other: &Json) -> Ordering {
    let time = |text: &str| text.parse::<Timestamp>().ok();
    match (one, other) {
        (Json::String(one), Json::String(other)) => match (time(one), time(other)) {
            (Some(one), Some(other)) => one.cmp(&other),
            _ => one.cmp(other),
        },
        (Json::Number(one), Json::Number(other)) => one.as_u64().cmp(&other.as_u64()),
        (Json::Bool(one), Json::Bool(other)) => one.cmp(other),
        (one, other) => one.is_null().cmp(&other.is_null()),
    }
}

fn json<R: Resource>(selection: &Selection<'_, R>) -> Vec<Json> {
    let items = selection.items.iter();
    items.map(|it| serde_json::to_value(it.document()).unwrap()).collect()
}

/// What happens to the snapshot between two pages.
#[derive(Debug, Clone)]
enum Change<R> {
    Add(Index, R),
    Remove(Index),
    /// Replaced by another document; most likely with another sort key.
    Rename(Index, R),
    Shuffle(Index),
}

fn change<R: Sample>() -> impl Strategy<Value = Change<R>> {
    prop_oneof![
        (any::<Index>(), R::any()).prop_map(|(at, it)| Change::Add(at, it)),
        any::<Index>().prop_map(Change::Remove),
        (any::<Index>(), R::any()).prop_map(|(at, it)| Change::Rename(at, it)),
        any::<Index>().prop_map(Change::Shuffle),
    ]
}

impl<R: Resource> Change<R> {
    /// Makes the change. What was there before it or is there after it is `touched`.
    fn make(self, snapshot: &mut Vec<R>, touched: &mut Vec<Json>) {
        let mut touch = |it: &R| touched.push(serde_json::to_value(it.document()).unwrap());
        match self {
            Self::Add(at, it) => {
                touch(&it);
                snapshot.insert(at.index(snapshot.len() + 1), it);
            }
            _ if snapshot.is_empty() => {}
            Self::Remove(at) => touch(&snapshot.remove(at.index(snapshot.len()))),
            Self::Rename(at, it) => {
                let at = at.index(snapshot.len());
                touch(&snapshot[at]);
                touch(&it);
                snapshot[at] = it;
            }
            Self::Shuffle(at) => {
                let at = at.index(snapshot.len());
                snapshot.rotate_left(at);
            }
        }
    }
}

/// All pages, as a reader gets them who follows the cursors while the snapshot changes.
fn pages<R: Resource>(
    asked: &RandomQuery,
    limit: usize,
    snapshot: &mut Vec<R>,
    mut change: impl FnMut(&mut Vec<R>),
) -> Vec<Json> {
    let (mut read, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let question = parse(&asked.query(Some(limit), cursor.as_deref()), snapshot).unwrap();
        let selection = question.select(snapshot.iter());
        assert!(selection.items.len() <= limit);
        read.extend(json(&selection));
        assert!(read.len() < 1000, "the pages do not end");
        cursor = selection.next;
        if cursor.is_none() {
            return read;
        }
        change(snapshot);
    }
}

fn counts(documents: impl IntoIterator<Item = Json>) -> HashMap<String, usize> {
    documents.into_iter().fold(HashMap::new(), |mut counts, it| {
        *counts.entry(it.to_string()).or_default() += 1;
        counts
    })
}

fn selects_as_the_naive<R: Sample>(asked: &RandomQuery, documents: &[R], limit: usize) {
    let question = parse(&asked.query(None, None), documents).unwrap();
    let selection = question.select(documents.iter());
    let expected = asked.naive(documents);
    assert_eq!(json(&selection), expected);
    assert!(selection.next.is_none());
    assert_eq!(documents.iter().filter(|it| question.matches(it)).count(), expected.len());
    assert_eq!(pages(asked, limit, &mut documents.to_vec(), |_| ()), expected);
}

fn loses_and_doubles_nothing<R: Sample>(
    asked: &RandomQuery,
    mut snapshot: Vec<R>,
    limit: usize,
    changes: Vec<Change<R>>,
) {
    let before = counts(asked.naive(&snapshot));
    let (mut touched, mut changes) = (Vec::new(), changes.into_iter());
    let read = pages(asked, limit, &mut snapshot, |snapshot| {
        for change in changes.by_ref().take(2) {
            change.make(snapshot, &mut touched);
        }
    });
    let (read, touched) = (counts(read), counts(touched));
    for (document, count) in &before {
        let touched = touched.get(document).copied().unwrap_or_default();
        let read = read.get(document).copied().unwrap_or_default();
        assert!(read + touched >= *count, "missed: {document}");
    }
    for (document, count) in &read {
        let touched = touched.get(document).copied().unwrap_or_default();
        let before = before.get(document).copied().unwrap_or_default();
        assert!(*count <= before + touched, "doubled: {document}");
    }
}

macro_rules! properties {
    ($($resource:ident: $selects:ident, $changes:ident;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(128))]
            $(
                #[test]
                fn $selects(
                    asked in asked::<$resource>(),
                    documents in snapshot::<$resource>(),
                    limit in 1..8_usize,
                ) {
                    selects_as_the_naive(&asked, &documents, limit);
                }

                #[test]
                fn $changes(
                    asked in asked::<$resource>(),
                    snapshot in snapshot::<$resource>(),
                    limit in 1..5_usize,
                    changes in proptest::collection::vec(change(), 0..12),
                ) {
                    loses_and_doubles_nothing(&asked, snapshot, limit, changes);
                }
            )*
        }
    };
}

properties! {
    Host: hosts_are_selected_as_by_the_naive, pages_of_changing_hosts_lose_and_double_nothing;
    Cluster: clusters_are_selected_as_by_the_naive, pages_of_changing_clusters_lose_and_double_nothing;
    SddcEntry: sddcs_are_selected_as_by_the_naive, pages_of_changing_sddcs_lose_and_double_nothing;
    Task: tasks_are_selected_as_by_the_naive, pages_of_changing_tasks_lose_and_double_nothing;
}

fn cursor_of(documents: &[Host], query: &str) -> Option<String> {
    parse(query, documents).unwrap().select(documents.iter()).next
}

proptest! {
    #[test]
    fn a_cursor_that_was_changed_is_refused(
        documents in proptest::collection::vec(Host::any(), 2..9),
        at in any::<Index>(),
        new in "[ -~]",
        kind in 0..3,
    ) {
        let cursor = cursor_of(&documents, "limit=1").unwrap();
        let at = at.index(cursor.len());
        let mut changed = cursor.clone();
        match kind {
            0 => changed.replace_range(at..=at, &new),
            1 => changed.insert_str(at, &new),
            _ => changed.truncate(at),
        }
        let encoded: String = url::form_urlencoded::byte_serialize(changed.as_bytes()).collect();
        let asked = parse(&format!("limit=1&cursor={encoded}"), &documents);
        prop_assert_eq!(asked.is_ok(), changed == cursor);
    }
}

#[test]
fn a_cursor_is_good_for_its_own_question_only_but_for_any_page_size_and_fields() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let strategy = proptest::collection::vec(Host::any(), 9);
    let hosts = strategy.new_tree(&mut runner).unwrap().current();
    let cursor =
        cursor_of(&hosts, "limit=2&sort=-state&sddc_id=1&sddc_id=2&sddc_id=3&sddc_id=4&sddc_id=5")
            .unwrap();
    let ids = "sddc_id=5&sddc_id=1&sddc_id=2&sddc_id=3&sddc_id=4&sddc_id=4";
    for good in ["sort=-state", "sort=-state&limit=7", "fields=id&sort=-state&partial=allow"] {
        assert!(parse(&format!("{ids}&{good}&cursor={cursor}"), &hosts).is_ok(), "{good}");
    }
    for other in ["sort=state", "limit=2", "sort=-state&q=a", "sort=-state&state=READY"] {
        assert!(parse(&format!("{ids}&{other}&cursor={cursor}"), &hosts).is_err(), "{other}");
    }
    let elsewhere = super::query(&format!("/elsewhere?{ids}&sort=-state&cursor={cursor}"));
    let parser = elsewhere.parser::<Host>(super::AllowedParams::LIST);
    assert!(super::finish(parser, &hosts).is_err());
}

#[test]
fn the_plain_page_has_the_bytes_of_the_whole_documents() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let strategy = proptest::collection::vec(SddcEntry::any(), 5);
    let entries = strategy.new_tree(&mut runner).unwrap().current();
    let plain = ListQuery::<SddcEntry>::default();
    let selection = plain.select(entries.iter());
    let whole = Page::whole(selection.items.iter().map(|it| &it.sddc).collect(), Vec::new());
    assert_eq!(selection.write(Vec::new()), serde_json::to_vec(&whole).unwrap());

    // Every field by name is the whole too, and the question is the plain one.
    let names: Vec<_> = SddcEntry::FIELDS.iter().map(|it| it.name).collect();
    let all =
        parse::<SddcEntry>(&format!("fields={}&sort=name", names.join(",")), &entries).unwrap();
    assert_eq!(all.canonical, "");
    assert_eq!(all.select(entries.iter()).write(Vec::new()), selection.write(Vec::new()));
}
