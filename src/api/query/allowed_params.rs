//! Which parameters a path takes.

use crate::api::resource::{Field, Operator, Resource};

/// Which parameters a path takes.
#[derive(Debug, Clone, Copy)]
pub(in crate::api) struct AllowedParams {
    filters: bool,
    parameters: &'static [Parameter],
}

/// A parameter that is no filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameter {
    Target,
    Q,
    Fields,
    Include,
    Sort,
    Limit,
    Cursor,
    Partial,
    IncludeDeleted,
    Wait,
}

impl AllowedParams {
    /// A list.
    pub(in crate::api) const LIST: Self = Self {
        filters: true,
        parameters: &[
            Parameter::Q,
            Parameter::Fields,
            Parameter::Sort,
            Parameter::Limit,
            Parameter::Cursor,
            Parameter::Wait,
            Parameter::Include,
            Parameter::Partial,
            Parameter::IncludeDeleted,
        ],
    };
    /// The stream of events.
    pub(in crate::api) const EVENTS: Self =
        Self { filters: true, parameters: &[Parameter::Q, Parameter::Partial] };
    /// Service discovery.
    pub(in crate::api) const DISCOVERY: Self =
        Self { filters: true, parameters: &[Parameter::Target, Parameter::Q] };
    /// One document.
    pub(in crate::api) const DOCUMENT: Self = Self {
        filters: false,
        parameters: &[Parameter::Fields, Parameter::Include, Parameter::Wait],
    };

    /// The parameters of that resource, those without a filter's name.
    pub(super) fn parameters<R: Resource>(self) -> impl Iterator<Item = Parameter> {
        let some = |parameter: &Parameter| match parameter {
            Parameter::Include => !R::INCLUDES.is_empty(),
            Parameter::IncludeDeleted => R::CAN_BE_DELETED,
            Parameter::Wait => R::CAN_BE_WATCHED,
            _ => true,
        };
        self.parameters.iter().copied().filter(some)
    }

    /// The filters that it takes.
    pub(super) fn filters<R: Resource>(self) -> impl Iterator<Item = FilterParameter<R>> {
        let fields = R::FIELDS.iter().filter(move |_| self.filters);
        fields.flat_map(|field| {
            field.operators().iter().map(|operator| FilterParameter { field, operator: *operator })
        })
    }

    /// The names of all it takes.
    pub(super) fn names<R: Resource>(self) -> Vec<String> {
        let parameters = self.parameters::<R>().map(|it| it.name().to_owned());
        parameters.chain(self.filters::<R>().map(FilterParameter::name)).collect()
    }
}

/// A parameter that filters: `state`, `state__not`, `created_at__gte`.
#[derive(Debug)]
pub(super) struct FilterParameter<R: 'static> {
    pub(super) field: &'static Field<R>,
    pub(super) operator: Operator,
}

impl<R> Clone for FilterParameter<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for FilterParameter<R> {}

impl<R> FilterParameter<R> {
    /// As callers write it.
    pub(super) fn name(self) -> String {
        format!("{}{}", self.field.name, self.operator.suffix())
    }

    pub(super) fn is_named(self, name: &str) -> bool {
        name.strip_prefix(self.field.name) == Some(self.operator.suffix())
    }

    /// Whether both are the same parameter.
    pub(super) fn is(self, other: Self) -> bool {
        self.field.name == other.field.name && self.operator == other.operator
    }
}

impl Parameter {
    /// Whether it may be given again with another value, which is added: clients that write a list
    /// as one parameter for each item are as right as those that write commas.
    pub(super) const fn may_repeat(self) -> bool {
        matches!(self, Self::Fields | Self::Include)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Q => "q",
            Self::Fields => "fields",
            Self::Include => "include",
            Self::Sort => "sort",
            Self::Limit => "limit",
            Self::Cursor => "cursor",
            Self::Partial => "partial",
            Self::IncludeDeleted => "include_deleted",
            Self::Wait => "wait",
        }
    }
}
