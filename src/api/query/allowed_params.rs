//! Which parameters a path takes.

use crate::api::resource::{Field, Resource};

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
            Parameter::Include,
            Parameter::Sort,
            Parameter::Limit,
            Parameter::Cursor,
            Parameter::Partial,
            Parameter::IncludeDeleted,
            Parameter::Wait,
        ],
    };
    /// The stream of events.
    pub(in crate::api) const EVENTS: Self =
        Self { filters: true, parameters: &[Parameter::Q, Parameter::Partial] };
    /// Service discovery.
    pub(in crate::api) const DISCOVERY: Self =
        Self { filters: true, parameters: &[Parameter::Target, Parameter::Q] };
    /// One document.
    pub(in crate::api) const DOCUMENT: Self =
        Self { filters: false, parameters: &[Parameter::Fields, Parameter::Include] };

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

    /// The fields that it can be filtered by.
    pub(super) fn filters<R: Resource>(self) -> impl Iterator<Item = &'static Field<R>> {
        R::FIELDS.iter().filter(move |field| self.filters && field.is_filter())
    }

    /// The names of all it takes.
    pub(super) fn names<R: Resource>(self) -> Vec<&'static str> {
        let parameters = self.parameters::<R>().map(Parameter::name);
        parameters.chain(self.filters::<R>().map(|field| field.name)).collect()
    }
}

impl Parameter {
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
