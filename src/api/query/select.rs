//! Questions, and what they select.

use std::time::Duration;

use serde::{Serialize, Serializer, ser::SerializeMap};
use url::form_urlencoded;

use super::{
    allowed_params::{AllowedParams, FilterParameter, Parameter},
    cursor::Cursor,
};
use crate::{
    api::{
        page::Page,
        resource::{Field, Operator, Resource, Scalar, SortOrder},
    },
    problem::MissingPart,
};

/// A question about the documents of one resource. The plain one allocates nothing.
#[derive(Debug, Clone)]
pub(in crate::api) struct ListQuery<R: Resource> {
    pub(super) filters: Vec<FieldFilter<R>>,
    /// Lower case.
    pub(super) q: Option<String>,
    /// In the document's order; empty: the whole document.
    pub(super) fields: Vec<&'static Field<R>>,
    pub(super) includes: Vec<&'static Field<R>>,
    /// `None`: the resource's own.
    pub(super) order: Option<SortOrder<R>>,
    pub(super) limit: Option<u16>,
    /// A part will do.
    pub(in crate::api) partial: bool,
    /// Deleted SDDCs are to be among the documents.
    pub(in crate::api) include_deleted: bool,
    /// How long to wait for a change.
    pub(in crate::api) wait: Option<Duration>,
    /// What service discovery is asked for: always there where the path takes it.
    pub(in crate::api) target: Option<Target>,
    /// Empty where no cursor is read or made.
    pub(super) path: String,
    begin: Option<Cursor<'static>>,
    /// The question in its one spelling: equal for questions that have equal answers about equal
    /// documents, empty for the plain one. Leaves out `partial` and `wait`, which say when there is
    /// an answer and not which.
    pub(in crate::api) canonical: String,
    /// Bytes of `canonical` that a cursor is bound to.
    bound: usize,
}

/// Documents whose field compares to the wanted values as the parameter says.
#[derive(Debug, Clone)]
pub(super) struct FieldFilter<R: 'static> {
    pub(super) parameter: FilterParameter<R>,
    pub(super) wanted: Vec<Scalar<'static>>,
}

/// What service discovery is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Target {
    Vcenter,
    Nsx,
}

impl Target {
    /// As `target=` names them, in order.
    pub(super) const NAMES: [&str; 2] = ["vcenter", "nsx"];
}

impl<R: Resource> Default for ListQuery<R> {
    fn default() -> Self {
        Self {
            filters: Vec::new(),
            q: None,
            fields: Vec::new(),
            includes: Vec::new(),
            order: None,
            limit: None,
            partial: false,
            include_deleted: false,
            wait: None,
            target: None,
            path: String::new(),
            begin: None,
            canonical: String::new(),
            bound: 0,
        }
    }
}

impl<R: Resource> ListQuery<R> {
    /// Whether `include` asks for this.
    pub(in crate::api) fn includes(&self, name: &str) -> bool {
        self.includes.iter().any(|field| field.name == name)
    }

    /// Whether documents are filtered by this field.
    pub(in crate::api) fn filters_by(&self, name: &str) -> bool {
        self.filters_of(name).next().is_some()
    }

    /// Whether documents with this text in that field may be among those asked for.
    pub(in crate::api) fn may_hold(&self, name: &str, text: &str) -> bool {
        let text = Scalar::Text(text.into());
        self.filters_of(name).all(|filter| filter.wanted.contains(&text))
    }

    /// The filters that name the values of this field.
    fn filters_of(&self, name: &str) -> impl Iterator<Item = &FieldFilter<R>> {
        self.filters.iter().filter(move |filter| filter.parameter.is_named(name))
    }

    /// Whether the document is one of those asked for, on whichever page.
    pub(in crate::api) fn matches(&self, document: &R) -> bool {
        self.filters.iter().all(|filter| filter.holds(document))
            && self.q.as_deref().is_none_or(|q| finds(document, q))
    }

    /// Selects from all documents in view, in any order. Costs one look at each document and its
    /// neighbour where they come in the order asked for, as they do for the plain question.
    pub(in crate::api) fn select<'a>(
        &'a self,
        documents: impl Iterator<Item = &'a R>,
    ) -> Selection<'a, R> {
        let order = self.order.as_ref().unwrap_or(R::ORDER);
        let matching = documents.filter(|document| self.matches(document));
        let mut items: Vec<&'a R> = match &self.begin {
            None => matching.collect(),
            Some(begin) => {
                let mut ahead = begin.ahead(order);
                matching.filter(|document| ahead(document)).collect()
            }
        };
        order.sort(&mut items);
        let limit = self.limit.map_or(usize::MAX, usize::from);
        let next = items.split_at_checked(limit).and_then(|(page, rest)| {
            let mark = Cursor::after(order, page, rest, self.begin.as_ref())?;
            Some(mark.sealed(&self.path, self.bound()))
        });
        items.truncate(limit);
        Selection { items, next, query: self }
    }

    /// The document as this question shows it.
    pub(in crate::api) fn show<'a>(&'a self, document: &'a R) -> ShownDocument<'a, R> {
        ShownDocument { document, query: self }
    }

    /// Takes the cursor that was read, and its text.
    pub(super) fn resume(&mut self, cursor: &str, mark: Option<Cursor<'static>>) {
        self.begin = mark;
        let text = std::mem::take(&mut self.canonical);
        let text = form_urlencoded::Serializer::for_suffix(text, 0)
            .append_pair(Parameter::Cursor.name(), cursor)
            .finish();
        self.canonical = text;
    }

    /// What a cursor is bound to: all that decides which documents are listed, and in which order.
    pub(super) fn bound(&self) -> &str {
        &self.canonical[..self.bound]
    }

    /// Brings the question into its one spelling.
    pub(super) fn settle(&mut self) {
        if self.fields.len() == R::FIELDS.len() {
            self.fields.clear();
        }
        for filter in &mut self.filters {
            filter.wanted.sort_unstable();
            filter.wanted.dedup();
        }
        self.canonical = self.spell_bound();
        self.bound = self.canonical.len();
        self.canonical = self.spell_shown();
    }

    fn spell_bound(&self) -> String {
        let mut text = form_urlencoded::Serializer::new(String::new());
        for parameter in AllowedParams::LIST.filters::<R>() {
            let filter = self.filters.iter().find(|filter| filter.parameter.is(parameter));
            for wanted in filter.iter().flat_map(|filter| &filter.wanted) {
                text.append_pair(&parameter.name(), &wanted.to_string());
            }
        }
        if let Some(target) = self.target {
            text.append_pair(Parameter::Target.name(), Target::NAMES[target as usize]);
        }
        if let Some(q) = &self.q {
            text.append_pair(Parameter::Q.name(), q);
        }
        if let Some(order) = &self.order {
            text.append_pair(Parameter::Sort.name(), &order.spelled());
        }
        if self.include_deleted {
            text.append_pair(Parameter::IncludeDeleted.name(), "true");
        }
        text.finish()
    }

    fn spell_shown(&mut self) -> String {
        let text = std::mem::take(&mut self.canonical);
        let mut text = form_urlencoded::Serializer::for_suffix(text, 0);
        for (parameter, fields) in
            [(Parameter::Fields, &self.fields), (Parameter::Include, &self.includes)]
        {
            if !fields.is_empty() {
                let names: Vec<_> = fields.iter().map(|field| field.name).collect();
                text.append_pair(parameter.name(), &names.join(","));
            }
        }
        if let Some(limit) = self.limit {
            text.append_pair(Parameter::Limit.name(), &limit.to_string());
        }
        text.finish()
    }
}

impl<R> FieldFilter<R> {
    fn holds(&self, document: &R) -> bool {
        let FilterParameter { field, operator } = self.parameter;
        let value = (field.value)(document);
        let bounded = |fits: fn(&Scalar<'_>, &Scalar<'_>) -> bool| {
            value.scalar().is_some_and(|value| self.wanted.iter().all(|bound| fits(&value, bound)))
        };
        match operator {
            Operator::Is => self.wanted.iter().any(|wanted| value.is(wanted)),
            Operator::Not => !self.wanted.iter().any(|excluded| value.is(excluded)),
            Operator::AtLeast => bounded(|value, bound| value >= bound),
            Operator::AtMost => bounded(|value, bound| value <= bound),
        }
    }
}

/// Whether `q` is a part of what is searched, or the whole id: a part of an id would be in too many.
fn finds<R: Resource>(document: &R, q: &str) -> bool {
    let (id, _) = document.identity();
    document.searched().into_iter().flatten().any(|text| folded(text).contains(q))
        || id.is_some_and(|id| folded(id) == q)
}

/// Lower case, character by character: what a text is does not depend on what stands beside it.
pub(super) fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// What a question selects: one page.
#[derive(Debug)]
pub(in crate::api) struct Selection<'a, R: Resource> {
    /// The documents, in order.
    pub(in crate::api) items: Vec<&'a R>,
    /// The cursor of the next page, if there is one.
    pub(in crate::api) next: Option<String>,
    query: &'a ListQuery<R>,
}

impl<'a, R: Resource> Selection<'a, R> {
    /// The page, to be encoded.
    pub(in crate::api) fn page(&self, missing: Vec<MissingPart>) -> Page<ShownDocument<'a, R>> {
        let items = self.items.iter().map(|document| self.query.show(document)).collect();
        Page { next_cursor: self.next.clone(), ..Page::whole(items, missing) }
    }

    /// The page as it is sent.
    #[cfg(test)]
    pub(in crate::api) fn write(&self, missing: Vec<MissingPart>) -> Vec<u8> {
        serde_json::to_vec(&self.page(missing)).expect("documents have string keys only")
    }
}

/// A document as a question shows it: whole, or the fields that it asks for, and what it includes.
#[derive(Debug)]
pub(in crate::api) struct ShownDocument<'a, R: Resource> {
    document: &'a R,
    query: &'a ListQuery<R>,
}

impl<R: Resource> Serialize for ShownDocument<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ListQuery { fields, includes, .. } = self.query;
        if fields.is_empty() && includes.is_empty() {
            return self.document.document().serialize(serializer);
        }
        let whole = R::FIELDS.iter().filter(|_| fields.is_empty());
        let mut map = serializer.serialize_map(None)?;
        for field in whole.chain(fields.iter().copied()).chain(includes.iter().copied()) {
            map.serialize_entry(field.name, &(field.value)(self.document))?;
        }
        map.end()
    }
}
