//! Resources: what can be asked of each kind of document.
//!
//! One table of [`Field`]s per resource drives the reading of questions, projection, the `allowed`
//! texts of faults and the published parameters, so none of them can know a field that another
//! does not.

mod cluster;
mod host;
mod org;
mod sddc;
mod task;
#[cfg(test)]
mod tests;
mod value;
mod value_format;

use std::fmt;

use serde::Serialize;

pub(super) use self::{
    value::{Scalar, Value},
    value_format::{ParsedValue, ValueFormat, number},
};

/// A kind of document that lists can be asked for.
pub(super) trait Resource: Clone + fmt::Debug + Sync + 'static {
    /// What callers see of it.
    type Document: Serialize;

    /// The document's fields, in its own order.
    const FIELDS: &'static [Field<Self>];
    /// What `include=` adds at the document's end.
    const INCLUDES: &'static [Field<Self>] = &[];
    /// Whether lists of it take `include_deleted`.
    const CAN_BE_DELETED: bool = false;
    /// Whether lists of it, and one of it, take `wait`.
    const CAN_BE_WATCHED: bool = false;
    /// The order of a list that asks for none.
    const ORDER: &'static SortOrder<Self>;
    /// What `q` looks into, for the published document.
    #[cfg_attr(not(test), expect(dead_code, reason = "the document is written by a test"))]
    const SEARCHED: &'static str;

    /// What callers see of it.
    fn document(&self) -> &Self::Document;

    /// The texts of which `q` may be a part.
    fn searched(&self) -> [Option<&str>; 2];

    /// What tells it from others with the same sort key: its id, and the id of what holds it.
    fn identity(&self) -> (Option<&str>, &str);
}

/// A resource of which an entry of the inventory holds some.
pub(super) trait HeldBy<E>: Resource {
    /// Those of one entry, in the entry's order.
    fn of(entry: &E) -> &[Self];
}

/// A field of a resource's document.
#[derive(Debug)]
pub(super) struct Field<R: 'static> {
    pub(super) name: &'static str,
    pub(super) kind: FieldKind,
    pub(super) value: fn(&R) -> Value<'_>,
}

impl<R> Field<R> {
    const fn new(name: &'static str, kind: FieldKind, value: fn(&R) -> Value<'_>) -> Self {
        Self { name, kind, value }
    }

    /// How values of this field can be asked for.
    pub(super) fn operators(&self) -> &'static [Operator] {
        match self.kind {
            FieldKind::OneOf(_) | FieldKind::Flag => &[Operator::Is, Operator::Not],
            FieldKind::Number | FieldKind::Time => {
                &[Operator::Is, Operator::AtLeast, Operator::AtMost]
            }
            FieldKind::Open(_) | FieldKind::Each(_) => &[Operator::Is],
            FieldKind::Object => &[],
        }
    }

    /// Whether a list can be sorted by this field.
    pub(super) fn is_sortable(&self) -> bool {
        !matches!(self.kind, FieldKind::Object | FieldKind::Each(_))
    }
}

/// How a filter compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    /// `state=`: one of these values.
    Is,
    /// `state__not=`: none of these values; what is null is none.
    Not,
    /// `created_at__gte=`: not less than this value; what is null fits no bound.
    AtLeast,
    /// `created_at__lte=`: not more.
    AtMost,
}

impl Operator {
    /// What stands behind the field's name.
    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Self::Is => "",
            Self::Not => "__not",
            Self::AtLeast => "__gte",
            Self::AtMost => "__lte",
        }
    }

    /// Whether it is a bound, of which a field has one at most.
    pub(super) const fn is_bound(self) -> bool {
        matches!(self, Self::AtLeast | Self::AtMost)
    }
}

/// What values a field has.
#[derive(Debug, Clone, Copy)]
pub(super) enum FieldKind {
    /// An enumeration: its documented values. It is open, so documents may show others.
    OneOf(&'static [&'static str]),
    /// A text of which only the form is known.
    Open(&'static ValueFormat),
    /// A list of such texts: asking for one means that the list holds it.
    Each(&'static ValueFormat),
    /// A whole number, not negative.
    Number,
    /// True or false.
    Flag,
    /// A moment.
    Time,
    /// A document within the document, shown whole or not at all.
    Object,
}

/// The order of a list: by one field, those without it last, then by identity.
#[derive(Debug, Clone)]
pub(super) struct SortOrder<R: 'static> {
    pub(super) field: &'static Field<R>,
    pub(super) descending: bool,
}

impl<R> SortOrder<R> {
    /// As `sort=` names it.
    pub(super) fn spelled(&self) -> String {
        format!("{}{}", if self.descending { "-" } else { "" }, self.field.name)
    }
}

/// The field of that name. A name that the table lacks does not compile where this is a constant.
const fn named<R>(fields: &'static [Field<R>], name: &str) -> &'static Field<R> {
    let mut at = 0;
    while !same(fields[at].name.as_bytes(), name.as_bytes()) {
        at += 1;
    }
    &fields[at]
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}
