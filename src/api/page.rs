//! The envelope of lists.

use serde::Serialize;

use crate::problem::MissingPart;

/// A list. It has content only and no time of the gateway's, so that equal snapshots give equal bytes on every replica.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub(super) struct Page<T> {
    /// The documents of this page.
    pub(super) items: Vec<T>,
    /// The `cursor` of the next page; `null` on the last page.
    pub(super) next_cursor: Option<String>,
    /// Whether the list shows everything that it should.
    pub(super) completeness: Completeness,
    /// What the list does not show: organizations that cannot be shown and, of the others, what
    /// VMware Cloud does not report, what cannot be read, and older tasks.
    pub(super) missing: Vec<MissingPart>,
}

/// Whether a list is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub(super) enum Completeness {
    /// The list shows everything.
    Complete,
    /// The list does not show what `missing` names.
    Partial,
}

impl Completeness {
    pub(super) fn of(is_partial: bool) -> Self {
        if is_partial { Self::Partial } else { Self::Complete }
    }
}

impl<T> Page<T> {
    /// The whole list on one page.
    pub(super) fn whole(items: Vec<T>, missing: Vec<MissingPart>) -> Self {
        let completeness = Completeness::of(!missing.is_empty());
        Self { items, next_cursor: None, completeness, missing }
    }
}
