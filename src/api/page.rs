//! The envelope of lists.

use serde::Serialize;

use crate::problem::MissingPart;

/// A list. Content only, with no time of ours, so that equal pictures give equal bytes everywhere.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub(super) struct Page<T> {
    /// What is listed.
    pub(super) items: Vec<T>,
    /// Where the next page begins; `null` on the last one.
    pub(super) next_cursor: Option<String>,
    /// Whether all is in it.
    pub(super) completeness: Completeness,
    /// What is not in it: organizations that cannot be shown, and what VMware Cloud does not report, what
    /// cannot be read, and older tasks of those that can be.
    pub(super) missing: Vec<MissingPart>,
}

/// Whether a list is the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub(super) enum Completeness {
    /// All is in it.
    Complete,
    /// What `missing` names is not.
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
