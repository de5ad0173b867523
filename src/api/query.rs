//! Questions: what the query string asks for.
//!
//! Flow: [`RawQuery`] → [`QueryParser`] → [`ListQuery`] → [`Selection`] → the page.
//!
//! Wrong questions get errors, not wrong answers: every fault of a query is told at once, each with
//! what is allowed instead.

mod allowed_params;
mod cursor;
mod faults;
#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::api) mod fuzzing;
mod link;
mod parser;
#[cfg(test)]
mod published;
mod read;
mod select;
mod sort_key;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use http::{Uri, request::Parts, uri::PathAndQuery};

use super::error::ApiError;

use self::faults::QueryFaults;
pub(super) use self::{
    allowed_params::AllowedParams,
    faults::spelling,
    parser::{PendingQuery, QueryParser},
    select::{ListQuery, Target},
};

/// Parameters of a query that are looked at; more of them are a fault.
const MAX_PARAMETERS: usize = 100;

/// A request's query, not looked at yet: who may not ask learns nothing of what was wrong with it.
#[derive(Debug, Default)]
pub(super) struct RawQuery(Uri);

impl<S: Sync> FromRequestParts<S> for RawQuery {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.uri.clone()))
    }
}

impl RawQuery {
    /// The query of this target, for the published document.
    #[cfg(test)]
    pub(super) fn of(target: &'static str) -> Self {
        Self(Uri::from_static(target))
    }

    /// For a path that takes no parameters.
    ///
    /// # Errors
    /// [`ApiError::InvalidParameter`] if there are any.
    pub(super) fn refuse_parameters(&self) -> Result<(), ApiError> {
        let mut faults = QueryFaults::default();
        for (at, (name, _)) in self.pairs().take(MAX_PARAMETERS).enumerate() {
            faults.push(at, faults::unknown_parameter(&name, Vec::new()));
        }
        faults.into_result()
    }

    fn pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        url::form_urlencoded::parse(self.0.query().unwrap_or_default().as_bytes())
    }

    /// The whole target, as it came.
    pub(super) fn target(&self) -> Option<&str> {
        self.0.path_and_query().map(PathAndQuery::as_str)
    }

    fn path(&self) -> &str {
        self.0.path()
    }
}
