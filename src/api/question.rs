//! Questions: what the query string asks for.
//!
//! Wrong questions get errors, not wrong answers: every fault of a query is told at once, each with
//! what is allowed instead.

use axum::extract::FromRequestParts;
use http::request::Parts;
use utoipa::IntoParams;

use super::error::ApiError;
use crate::problem::{ParameterFault, shortened};

/// A request's query, not looked at yet: who may not ask learns nothing of what was wrong with it.
#[derive(Debug)]
pub(super) struct Query(Option<String>);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.uri.query().filter(|query| !query.is_empty()).map(str::to_owned)))
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
        let faults: Vec<_> = self.pairs().map(|(name, _)| unknown_parameter(&name, &[])).collect();
        if faults.is_empty() { Ok(()) } else { Err(ApiError::InvalidParameter(faults)) }
    }

    fn pairs(&self) -> impl Iterator<Item = (String, String)> {
        let query = self.0.as_deref().unwrap_or_default();
        url::form_urlencoded::parse(query.as_bytes()).into_owned()
    }
}

fn unknown_parameter(name: &str, allowed: &[&str]) -> ParameterFault {
    ParameterFault {
        parameter: shortened(name).to_owned(),
        problem: "unknown parameter".to_owned(),
        allowed: allowed.iter().map(ToString::to_string).collect(),
        did_you_mean: nearest(name, allowed),
    }
}

fn unknown_value(name: &str, value: &str, allowed: &[&str]) -> ParameterFault {
    ParameterFault {
        parameter: name.to_owned(),
        problem: format!("unknown value \"{}\"", shortened(value)),
        allowed: allowed.iter().map(ToString::to_string).collect(),
        did_you_mean: nearest(value, allowed),
    }
}

fn nearest(text: &str, allowed: &[&str]) -> Option<String> {
    let text = shortened(text);
    allowed
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(text, candidate), candidate))
        .filter(|(distance, candidate)| *distance * 2 <= candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| (*candidate).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(query: &str) -> Vec<ParameterFault> {
        match Query(Some(query.to_owned())).list() {
            Ok(_) => Vec::new(),
            Err(ApiError::InvalidParameter(faults)) => faults,
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn every_fault_is_told_at_once_with_what_is_allowed() {
        let faults = faults("partail=allow&partial=alow&x=1");
        let short: Vec<_> = faults
            .iter()
            .map(|fault| (fault.parameter.as_str(), fault.did_you_mean.as_deref()))
            .collect();
        assert_eq!(short, [("partail", Some("partial")), ("partial", Some("allow")), ("x", None)]);
        assert!(faults.iter().all(|fault| !fault.allowed.is_empty()));
    }

    #[test]
    fn a_question_without_faults_is_read() {
        let list = |query: Option<&str>| Query(query.map(str::to_owned)).list().unwrap();
        assert!(list(Some("partial=allow")).partial);
        assert!(list(Some("partial=%61llow&partial=allow")).partial);
        assert!(!list(None).partial);
    }

    #[test]
    fn at_most_64_characters_are_echoed() {
        let faults = faults(&format!("{}=1&partial={}", "x".repeat(500), "y".repeat(500)));
        assert_eq!(faults[0].parameter.len(), 64);
        assert!(faults[1].problem.len() < 100);
    }
}
