//! From a query string to a question.
//!
//! Flow: [`RawQuery`] → [`QueryParser`] (what the query says by itself) → [`ListQuery`] (what it means to
//! this caller). A filter's value that is neither documented nor of its field's form is doubtful:
//! only the documents that the caller may see can tell whether it is a new value or a typing error.

use std::{collections::BTreeSet, iter, time::Duration};

use super::{
    MAX_PARAMETERS, RawQuery,
    allowed_params::{AllowedParams, FilterParameter, Parameter},
    cursor::Cursor,
    faults::{self, QueryFaults},
    read,
    select::{FieldFilter, ListQuery, Target},
};
use crate::{
    api::{
        error::ApiError,
        history::SeenBy,
        resource::{FieldKind, ParsedValue, Resource, Scalar},
    },
    problem::ParameterFault,
};

/// Values in view that a fault lists at most.
const MAX_SHOWN: usize = 20;

/// A question that is not settled yet.
#[derive(Debug)]
pub(in crate::api) struct QueryParser<R: Resource> {
    query: ListQuery<R>,
    faults: QueryFaults,
    doubts: Vec<UnverifiedValue<R>>,
    /// The single-valued parameters so far, and where they stand.
    given: Vec<(Parameter, usize, String)>,
    /// What the caller's view has had since start.
    seen: Option<SeenBy>,
}

/// A question, or one that needs the view to be settled.
#[derive(Debug)]
pub(in crate::api) enum PendingQuery<R: Resource> {
    FetchedList(ListQuery<R>),
    Doubtful(QueryParser<R>),
}

impl<R: Resource> PendingQuery<R> {
    /// Settles what is in doubt.
    ///
    /// # Errors
    /// As [`QueryParser::finish`].
    pub(in crate::api) fn finish<'a>(
        self,
        view: impl Iterator<Item = &'a R> + Clone,
    ) -> Result<ListQuery<R>, ApiError> {
        match self {
            Self::FetchedList(query) => Ok(query),
            Self::Doubtful(parser) => parser.finish(view),
        }
    }

    /// Settles it where a part of the view is missing, in which documents may have what is in doubt.
    ///
    /// # Errors
    /// As [`QueryParser::finish`].
    pub(in crate::api) fn trust(self) -> Result<ListQuery<R>, ApiError> {
        match self {
            Self::FetchedList(query) => Ok(query),
            Self::Doubtful(parser) => {
                QueryParser { doubts: Vec::new(), ..parser }.finish(iter::empty())
            }
        }
    }

    /// Whether a part will do.
    pub(in crate::api) fn allows_part(&self) -> bool {
        match self {
            Self::FetchedList(query) => query.partial,
            Self::Doubtful(parser) => parser.query.partial,
        }
    }

    /// How long to wait for a change.
    pub(in crate::api) fn wait(&self) -> Option<Duration> {
        match self {
            Self::FetchedList(query) => query.wait,
            Self::Doubtful(parser) => parser.wait(),
        }
    }
}

/// A filter's value that is good only if a document in view has it.
#[derive(Debug)]
struct UnverifiedValue<R: 'static> {
    at: usize,
    filter: FilterParameter<R>,
    value: String,
}

impl RawQuery {
    /// Reads what the query says by itself, on a path that takes these parameters. Looks at a
    /// bounded number of parameters, and allocates nothing if there are none.
    pub(in crate::api) fn parser<R: Resource>(&self, allowed: AllowedParams) -> QueryParser<R> {
        let mut parser = QueryParser {
            query: ListQuery::default(),
            faults: QueryFaults::default(),
            doubts: Vec::new(),
            given: Vec::new(),
            seen: None,
        };
        for (at, (name, value)) in self.pairs().enumerate() {
            if at == MAX_PARAMETERS {
                parser.faults.push(at, faults::too_many(&name, MAX_PARAMETERS));
                break;
            }
            parser.read(allowed, at, &name, &value);
        }
        parser.finish_reading(allowed, self.path());
        parser
    }
}

impl<R: Resource> QueryParser<R> {
    /// The same, with what the caller's view has had since start.
    pub(in crate::api) fn with_history(mut self, seen: impl FnOnce() -> SeenBy) -> Self {
        self.seen = self.needs_view().then(seen);
        self
    }

    /// Whether the caller's documents are needed to settle it.
    pub(in crate::api) fn needs_view(&self) -> bool {
        !self.doubts.is_empty()
    }

    /// Whether deleted SDDCs are to be among the documents.
    pub(in crate::api) fn includes_deleted(&self) -> bool {
        self.query.include_deleted
    }

    /// How long to wait for a change.
    pub(in crate::api) fn wait(&self) -> Option<Duration> {
        self.query.wait
    }

    /// Settles it before there is a view, where that can be done: if nothing is in doubt, or if
    /// there are faults whatever the view. `known` is what is known to be in the view already: with
    /// the other faults, doubts are told by it.
    ///
    /// # Errors
    /// [`ApiError::InvalidParameter`] with every fault of the query.
    pub(in crate::api) fn begin<'a>(
        self,
        known: impl Iterator<Item = &'a R> + Clone,
    ) -> Result<PendingQuery<R>, ApiError> {
        if self.needs_view() && self.faults.is_empty() {
            return Ok(PendingQuery::Doubtful(self));
        }
        self.finish(known).map(PendingQuery::FetchedList)
    }

    /// Settles it. `view` is all that the caller may see of the list, filtered by nothing; it is
    /// looked at only if [needed](Self::needs_view).
    ///
    /// # Errors
    /// [`ApiError::InvalidParameter`] with every fault of the query.
    pub(in crate::api) fn finish<'a>(
        mut self,
        view: impl Iterator<Item = &'a R>,
    ) -> Result<ListQuery<R>, ApiError> {
        if self.needs_view() {
            self.settle(&view.collect::<Vec<_>>());
        }
        self.query.settle();
        self.read_cursor();
        self.faults.into_result()?;
        Ok(self.query)
    }

    fn read(&mut self, allowed: AllowedParams, at: usize, name: &str, value: &str) {
        if let Some(parameter) = allowed.parameters::<R>().find(|it| it.name() == name) {
            if parameter.may_repeat() || self.is_first(parameter, at, value) {
                self.read_parameter(parameter, at, value);
            }
        } else if let Some(filter) = allowed.filters::<R>().find(|it| it.is_named(name)) {
            self.read_filter(filter, at, value);
        } else if !self.faults.are_many() {
            self.faults.push(at, faults::unknown_parameter(name, allowed.names::<R>()));
        }
    }

    /// Whether a single-valued parameter comes for the first time. The same value again is no
    /// fault and says nothing new.
    fn is_first(&mut self, parameter: Parameter, at: usize, value: &str) -> bool {
        let Some((.., before)) = self.given.iter().find(|(given, ..)| *given == parameter) else {
            self.given.push((parameter, at, value.to_owned()));
            return true;
        };
        if before != value {
            self.faults.push(at, faults::given_twice(parameter.name()));
        }
        false
    }

    fn read_filter(&mut self, filter: FilterParameter<R>, at: usize, value: &str) {
        let kind = filter.field.kind;
        if value.is_empty() {
            return self.faults.push(at, faults::no_value(&filter.name(), allowed(kind)));
        }
        let scalar = match kind.read(value) {
            ParsedValue::Sure(scalar) => scalar,
            ParsedValue::Doubtful(scalar) => {
                self.doubts.push(UnverifiedValue { at, filter, value: value.to_owned() });
                scalar
            }
            ParsedValue::Wrong => {
                let mut fault = faults::wrong_value(&filter.name(), value, kind.said());
                if value.contains(',') && !filter.operator.is_bound() {
                    fault = faults::several_in_one(fault);
                }
                return self.faults.push(at, fault);
            }
        };
        self.want(filter, at, scalar);
    }

    /// The same parameter again is OR, or one more value that is excluded; of bounds there is one.
    fn want(&mut self, filter: FilterParameter<R>, at: usize, value: Scalar<'static>) {
        let filters = &mut self.query.filters;
        match filters.iter_mut().find(|it| it.parameter.is(filter)) {
            None => filters.push(FieldFilter { parameter: filter, wanted: vec![value] }),
            Some(known) if !filter.operator.is_bound() => known.wanted.push(value),
            Some(known) if known.wanted.contains(&value) => {}
            Some(_) => self.faults.push(at, faults::given_twice(&filter.name())),
        }
    }

    fn read_parameter(&mut self, parameter: Parameter, at: usize, value: &str) {
        let read = read::parameter(&mut self.query, parameter, value);
        for fault in read.err().into_iter().flatten() {
            self.faults.push(at, fault);
        }
    }

    fn finish_reading(&mut self, allowed: AllowedParams, path: &str) {
        let is_given = |wanted| self.given.iter().any(|(given, ..)| *given == wanted);
        if allowed.parameters::<R>().any(|it| it == Parameter::Target)
            && !is_given(Parameter::Target)
        {
            let allowed = Target::NAMES.iter().map(ToString::to_string).collect();
            self.faults.push(usize::MAX, faults::no_value(Parameter::Target.name(), allowed));
        }
        if is_given(Parameter::Limit) || is_given(Parameter::Cursor) {
            path.clone_into(&mut self.query.path);
        }
    }

    fn settle(&mut self, view: &[&R]) {
        // Doubts about one field stand side by side, so that the view is looked at once for each.
        self.doubts.sort_by_key(|doubt| doubt.filter.field.name);
        let is_same =
            |one: &UnverifiedValue<R>, other: &UnverifiedValue<R>| one.name() == other.name();
        for doubts in self.doubts.chunk_by(is_same) {
            let field = doubts[0].filter.field;
            let shown: BTreeSet<&str> =
                view.iter().flat_map(|document| (field.value)(document).texts()).collect();
            let was_seen = |value: &str| {
                self.seen.as_ref().is_some_and(|seen| seen.has::<R>(field.name, value))
            };
            let unknown = |doubt: &&UnverifiedValue<R>| {
                !shown.contains(&*doubt.value) && !was_seen(&doubt.value)
            };
            for doubt in doubts.iter().filter(unknown) {
                if !self.faults.are_many() {
                    self.faults.push(doubt.at, doubt.fault(&shown));
                }
            }
        }
    }

    /// The cursor is bound to the question, so it is judged when there is one. What cannot be a
    /// cursor of any question is told together with other faults.
    fn read_cursor(&mut self) {
        let Some((_, at, text)) = self.given.iter().find(|(given, ..)| *given == Parameter::Cursor)
        else {
            return;
        };
        let mark = Cursor::read(text, &self.query.path, self.query.bound());
        if mark.is_none() && !text.is_empty() && (self.faults.is_empty() || !Cursor::may_be(text)) {
            let said = "the next_cursor of the previous page, with an unchanged query";
            self.faults.push(*at, faults::wrong_value(Parameter::Cursor.name(), text, said));
        }
        self.query.resume(text, mark);
    }
}

impl<R> UnverifiedValue<R> {
    /// The field's name.
    fn name(&self) -> &'static str {
        self.filter.field.name
    }

    fn fault(&self, shown: &BTreeSet<&str>) -> ParameterFault {
        let kind = self.filter.field.kind;
        let documented = match kind {
            FieldKind::OneOf(documented) => documented,
            _ => &[],
        };
        let new = shown.iter().copied().filter(|value| !documented.contains(value));
        // What is empty or beyond what may be echoed cannot be asked for by copying it from here.
        let new = new.filter(|value| (1..=64).contains(&value.len())).take(MAX_SHOWN);
        let values: Vec<&str> = documented.iter().copied().chain(new).collect();
        let name = self.filter.name();
        let mut fault = match kind {
            FieldKind::OneOf(_) => faults::unknown_value(&name, &self.value, &values),
            _ => faults::wrong_value(&name, &self.value, kind.said()),
        };
        if !matches!(kind, FieldKind::OneOf(_)) {
            fault.did_you_mean = faults::nearest(&self.value, values.iter().copied());
            fault.allowed.extend(values.into_iter().map(str::to_owned));
        }
        if self.value.contains(',') { faults::several_in_one(fault) } else { fault }
    }
}

/// What a filter of this kind takes, as far as it is known without a view.
fn allowed(kind: FieldKind) -> Vec<String> {
    match kind {
        FieldKind::OneOf(documented) => documented.iter().map(ToString::to_string).collect(),
        other => vec![other.said().to_owned()],
    }
}
