//! The part of VMC's `$filter` that the simulator understands: comparisons joined by `and`.
//!
//! `sddc_state eq 'READY' and name ne 'old'`. Everything else is refused rather than ignored: an
//! ignored filter would be a wrong answer.

use serde_json::Value;

/// A conjunction of comparisons; empty admits everything.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TaskFilter(Vec<FilterComparison>);

#[derive(Debug, PartialEq, Eq)]
struct FilterComparison {
    attribute: String,
    equal: bool,
    literal: String,
}

impl TaskFilter {
    /// Parses an expression over some attributes; `None` for one that is not understood.
    pub(super) fn parse(text: &str, attributes: &[&str]) -> Option<Self> {
        let mut comparisons = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            if !comparisons.is_empty() {
                rest = rest.strip_prefix("and ")?.trim_start();
            }
            let (comparison, left) = comparison(rest, attributes)?;
            comparisons.push(comparison);
            rest = left.trim_start();
        }
        Some(Self(comparisons))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a document passes. An absent or null attribute equals nothing.
    pub(super) fn admits(&self, document: &Value) -> bool {
        self.0.iter().all(|comparison| {
            let is_same = document[&comparison.attribute] == *comparison.literal;
            is_same == comparison.equal
        })
    }
}

fn comparison<'a>(text: &'a str, attributes: &[&str]) -> Option<(FilterComparison, &'a str)> {
    let (attribute, rest) = text.split_once(' ')?;
    let (operator, rest) = rest.trim_start().split_once(' ')?;
    let equal = match operator {
        "eq" => true,
        "ne" => false,
        _ => return None,
    };
    let (literal, rest) = literal(rest.trim_start())?;
    let attribute = attributes.contains(&attribute).then(|| attribute.to_owned())?;
    Some((FilterComparison { attribute, equal, literal }, rest))
}

/// A text in single quotes, doubled to stand for themselves, and what follows it.
fn literal(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('\'')?;
    let mut literal = String::new();
    loop {
        let (before, after) = rest.split_once('\'')?;
        literal.push_str(before);
        match after.strip_prefix('\'') {
            Some(after) => {
                literal.push('\'');
                rest = after;
            }
            None => return Some((literal, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn admits(filter: &str, document: &Value) -> Option<bool> {
        TaskFilter::parse(filter, &["sddc_state", "name"]).map(|filter| filter.admits(document))
    }

    #[test]
    fn comparisons_are_joined_by_and() {
        let document = json!({ "sddc_state": "READY", "name": "it's" });
        assert_eq!(admits("", &document), Some(true));
        assert_eq!(admits("sddc_state eq 'READY'", &document), Some(true));
        assert_eq!(admits("sddc_state eq 'READY' and name eq 'it''s'", &document), Some(true));
        assert_eq!(admits("sddc_state ne 'READY'", &document), Some(false));
        assert_eq!(admits("name ne 'and ' and sddc_state eq 'FAILED'", &document), Some(false));
        assert_eq!(admits("name eq 'x'", &json!({ "name": null })), Some(false));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for filter in [
            "sddc_state",
            "sddc_state eq READY",
            "sddc_state gt 'A'",
            "owner eq 'a'",
            "sddc_state eq 'READY",
            "sddc_state eq 'READY' or name eq 'a'",
            "not name eq 'a'",
        ] {
            assert_eq!(admits(filter, &json!({})), None, "{filter}");
        }
    }
}
