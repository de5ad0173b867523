//! Fuzz bodies: questions and cursors. See [`crate::fuzzing`].

use std::sync::LazyLock;

use http::Uri;

use super::{
    AllowedParams, ListQuery, PendingQuery, RawQuery, cursor::Cursor, parser::QueryParser,
    read::MAX_Q_CHARS,
};
use crate::{
    api::{
        error::ApiError,
        resource::{Resource, SortOrder},
    },
    fuzzing::{input::Input, samples},
    inventory::model::{Cluster, Host, Org, SddcEntry, Task},
    problem::ParameterFault,
};

/// Reads a target's query on one of the kinds of paths: the question has one spelling that means the
/// same, its pages make up the whole, and faults stay within their bounds.
pub(crate) fn query(data: &[u8]) {
    let mut input = Input::new(data);
    let ask = input.choice(&[
        |query| sound(query, AllowedParams::LIST, &ENTRIES),
        |query| sound(query, AllowedParams::EVENTS, &ENTRIES),
        |query| sound(query, AllowedParams::DISCOVERY, &ENTRIES),
        |query| sound(query, AllowedParams::DOCUMENT, &ENTRIES),
        |query| sound::<Host>(query, AllowedParams::LIST, &HOSTS),
        |query| sound::<Cluster>(query, AllowedParams::LIST, &CLUSTERS),
        |query| sound::<Task>(query, AllowedParams::LIST, &TASKS),
        |query: &RawQuery| sound::<Org>(query, AllowedParams::LIST, &ORGS),
    ]);
    match Uri::try_from(input.rest()) {
        // No list has another target: ids hold no such signs, and what is no id is not found.
        Ok(target)
            if target.path().starts_with('/') && !target.path().contains(['"', '<', '>']) =>
        {
            ask(&RawQuery(target));
        }
        _ => {}
    }
}

static ENTRIES: LazyLock<Vec<SddcEntry>> = LazyLock::new(samples::sddcs);
static HOSTS: LazyLock<Vec<Host>> =
    LazyLock::new(|| ENTRIES.iter().flat_map(|entry| entry.hosts.clone()).collect());
static CLUSTERS: LazyLock<Vec<Cluster>> =
    LazyLock::new(|| ENTRIES.iter().flat_map(|entry| entry.clusters.clone()).collect());
static TASKS: LazyLock<Vec<Task>> = LazyLock::new(samples::tasks);
static ORGS: LazyLock<Vec<Org>> = LazyLock::new(samples::orgs);

fn sound<R: Resource>(query: &RawQuery, allowed: AllowedParams, view: &[R]) {
    let parser: QueryParser<R> = query.parser(allowed);
    let is_settled = !parser.needs_view();
    match parser.finish(view.iter()) {
        Ok(question) => {
            assert!(question.wait.is_none_or(|wait| wait.as_secs() <= 120));
            has_one_spelling(query, allowed, &question, view);
            has_all_on_its_pages(query, allowed, question, view);
        }
        Err(ApiError::InvalidParameter(faults)) => are_bounded(&faults),
        Err(other) => panic!("{other}"),
    }
    // What the view cannot change is not changed by it.
    let trusted =
        query.parser::<R>(allowed).begin(std::iter::empty()).and_then(PendingQuery::trust);
    let told = query.parser::<R>(allowed).finish(view.iter());
    assert!(!is_settled || trusted.is_ok() == told.is_ok());
}

fn has_one_spelling<R: Resource>(
    query: &RawQuery,
    allowed: AllowedParams,
    question: &ListQuery<R>,
    view: &[R],
) {
    if question.q.as_ref().is_some_and(|q| q.chars().count() > MAX_Q_CHARS) {
        // Lower case can be longer.
        return;
    }
    let spelled = target(&format!("{}?{}", query.path(), question.canonical));
    let again = spelled.parser::<R>(allowed).finish(view.iter()).expect("it was a good question");
    assert_eq!(again.canonical, question.canonical);
    assert_eq!(page(&again, view), page(question, view));
}

/// Follows the links from this page on.
fn has_all_on_its_pages<R: Resource>(
    query: &RawQuery,
    allowed: AllowedParams,
    question: ListQuery<R>,
    view: &[R],
) {
    let mut whole = question.clone();
    whole.limit = None;
    let mut whole: Vec<*const R> =
        whole.select(view.iter()).items.into_iter().map(address).collect();
    let most_pages = whole.len() / question.limit.map_or(usize::MAX, usize::from) + 1;
    let mut pages: Vec<*const R> = Vec::new();
    let (mut question, mut number) = (question, 0);
    loop {
        let selection = question.select(view.iter());
        pages.extend(selection.items.iter().copied().map(address));
        number += 1;
        assert!(number <= most_pages, "page {number} of at most {most_pages}");
        let Some(next) = &selection.next else { break };
        let link = query.next_link(next);
        let link = link.to_str().expect("it is ASCII");
        let link = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
        // It begins with the query, and is resolved against the path.
        let link = target(&format!("{}{}", query.path(), link.expect("it is a link")));
        drop(selection);
        question = link.parser(allowed).finish(view.iter()).expect("the next link is good");
    }
    // Wholly equal documents are told apart by nothing, and may change places.
    whole.sort_unstable();
    pages.sort_unstable();
    assert_eq!(pages, whole, "a document is missed or doubled");
}

fn address<R>(document: &R) -> *const R {
    document
}

fn page<R: Resource>(question: &ListQuery<R>, view: &[R]) -> Vec<u8> {
    let page = question.select(view.iter()).page(Vec::new());
    serde_json::to_vec(&page).expect("documents have string keys only")
}

fn target(text: &str) -> RawQuery {
    RawQuery(text.parse().unwrap_or_else(|_| panic!("{text:?} is no target")))
}

fn are_bounded(faults: &[ParameterFault]) {
    assert!((1..=101).contains(&faults.len()));
    for fault in faults {
        // 64 characters of the caller's in each.
        assert!(fault.parameter.chars().count() <= 64, "{}", fault.parameter);
        assert!(fault.problem.chars().count() <= 300, "{}", fault.problem);
        assert!(fault.allowed.len() <= 100);
        assert!(fault.did_you_mean.as_ref().is_none_or(|meant| meant.chars().count() <= 64));
    }
}

/// A path, a question and a cursor, or the mark that a cursor seals: a cursor is good where it was
/// sealed and nowhere else, and what is ahead of it is an end of the list.
pub(crate) fn cursor(data: &[u8]) {
    let mut input = Input::new(data);
    let judge = input.choice(&[
        |mark: &Cursor<'_>| is_an_end(mark, SddcEntry::ORDER, &ENTRIES),
        |mark: &Cursor<'_>| is_an_end(mark, Host::ORDER, &HOSTS),
        |mark: &Cursor<'_>| is_an_end(mark, Task::ORDER, &TASKS),
        |mark: &Cursor<'_>| {
            let fields = SddcEntry::FIELDS.iter().filter(|field| field.is_sortable());
            for field in fields {
                is_an_end(mark, &SortOrder { field, descending: true }, &ENTRIES);
            }
        },
    ]);
    let (path, question) = (input.line(), input.line());
    let [Ok(path), Ok(question), Ok(text)] = [path, question, input.rest()].map(str::from_utf8)
    else {
        return;
    };
    let read = Cursor::read(text, path, question);
    assert!(read.is_none() || Cursor::may_be(text));
    let given: Option<Cursor<'static>> = serde_json::from_str(text).ok();
    for mark in read.into_iter().chain(given) {
        let sealed = mark.sealed(path, question);
        assert!(Cursor::may_be(&sealed));
        let again = Cursor::read(&sealed, path, question).expect("it was sealed for this");
        assert_eq!(json(&again), json(&mark));
        assert!(Cursor::read(&sealed, &format!("{path}/x"), question).is_none());
        assert!(Cursor::read(&sealed, path, &format!("{question}&x=")).is_none());
        assert!(Cursor::read(&sealed[1..], path, question).is_none());
        judge(&mark);
    }
}

fn is_an_end<R: Resource>(mark: &Cursor<'_>, order: &SortOrder<R>, view: &[R]) {
    let mut sorted: Vec<&R> = view.iter().collect();
    order.sort(&mut sorted);
    let mut ahead = mark.ahead(order);
    let shown: Vec<bool> = sorted.into_iter().map(&mut ahead).collect();
    assert!(shown.is_sorted(), "{shown:?}");
}

fn json(mark: &Cursor<'_>) -> String {
    serde_json::to_string(mark).expect("a mark has string keys only")
}
