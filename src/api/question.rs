//! Questions: what the query string asks for.
//!
//! Flow: [`Query`] → [`Draft`] → [`Question`] → [`Selection`] → the page.
//!
//! Wrong questions get errors, not wrong answers: every fault of a query is told at once, each with
//! what is allowed instead.

mod cursor;
mod draft;
mod faults;
mod link;
mod place;
mod published;
mod read;
mod select;
mod takes;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use http::{Uri, request::Parts};
use utoipa::IntoParams;

use self::faults::{unknown_parameter, unknown_value};
pub(super) use self::{
    draft::Draft,
    select::{Question, Selection, Shown, Target},
    takes::Takes,
};
use super::error::ApiError;

/// Parameters of a query that are looked at; more of them are a fault.
const MOST_PARAMETERS: usize = 100;

/// A request's query, not looked at yet: who may not ask learns nothing of what was wrong with it.
#[derive(Debug)]
pub(super) struct Query(Uri);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.uri.clone()))
    }
}

/// The question that a list answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuestion {
    /// `allow`: answer 200 with `"completeness": "partial"` when some organizations cannot be
    /// shown, instead of 503 `incomplete`.
    #[param(value_type = Option<String>, pattern = "^allow$")]
    pub(super) partial: bool,
}

impl Query {
    /// Reads a list's question.
    pub(super) fn list(&self) -> Result<ListQuestion, ApiError> {
        let mut question = ListQuestion::default();
        let mut faults = Vec::new();
        for (name, value) in self.pairs() {
            match &*name {
                "partial" if value == "allow" => question.partial = true,
                "partial" => faults.push(unknown_value("partial", &value, &["allow"])),
                _ => faults.push(unknown_parameter(&name, &["partial"])),
            }
        }
        if faults.is_empty() { Ok(question) } else { Err(ApiError::InvalidParameter(faults)) }
    }

    /// Reads the question of a path that takes no parameter.
    pub(super) fn nothing(&self) -> Result<(), ApiError> {
        let pairs = self.pairs().take(MOST_PARAMETERS);
        let faults: Vec<_> = pairs.map(|(name, _)| unknown_parameter(&name, &[])).collect();
        if faults.is_empty() { Ok(()) } else { Err(ApiError::InvalidParameter(faults)) }
    }

    fn pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        url::form_urlencoded::parse(self.0.query().unwrap_or_default().as_bytes())
    }

    fn path(&self) -> &str {
        self.0.path()
    }
}
