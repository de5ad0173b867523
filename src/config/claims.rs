//! Field `oidc` of a caller: claims, and what they must be. What no token can have is a fault.

use std::{collections::BTreeMap, ops::Range};

use serde_json::Number;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::faults::printable;
use crate::access::oidc::{ClaimPattern, WORDS};

/// What is wrong, and where; all of the field without a place.
pub(super) type ClaimFault = (String, Option<Range<usize>>);

/// The claims of one caller; what is wrong is noted and left out.
pub(super) fn read(
    table: &DeTable<'_>,
    faults: &mut Vec<ClaimFault>,
) -> BTreeMap<String, ClaimPattern> {
    let found = faults.len();
    let claims = members(table, "", faults);
    if faults.len() == found && claims.values().all(ClaimPattern::is_any) {
        let problem = "accepts every token of the issuer, because each value is only *; set a \
                       value that distinguishes this caller from others";
        faults.push((problem.to_owned(), None));
    }
    claims
}

fn members(
    table: &DeTable<'_>,
    above: &str,
    faults: &mut Vec<ClaimFault>,
) -> BTreeMap<String, ClaimPattern> {
    let mut claims = BTreeMap::new();
    for (name, value) in table {
        let name = name.get_ref().as_ref();
        let path = format!("{above}{}", printable(name));
        let holds_words = above.is_empty() && WORDS.contains(&name);
        if let Some(pattern) = pattern(&path, value, holds_words, faults) {
            claims.insert(name.to_owned(), pattern);
        }
    }
    claims
}

fn pattern(
    path: &str,
    value: &Spanned<DeValue<'_>>,
    holds_words: bool,
    faults: &mut Vec<ClaimFault>,
) -> Option<ClaimPattern> {
    let read = match value.get_ref() {
        DeValue::Array(items) if items.is_empty() => Err("an empty list matches no token"),
        DeValue::Array(items) => {
            let patterns = items.iter().filter_map(|item| match item.get_ref() {
                DeValue::Array(_) | DeValue::Table(_) => {
                    let problem = "a list may contain only texts, numbers and flags";
                    faults.push((format!("{path}: {problem}"), Some(item.span())));
                    None
                }
                _ => pattern(path, item, holds_words, faults),
            });
            return Some(ClaimPattern::AnyOf(patterns.collect()));
        }
        DeValue::Table(_) if holds_words => Err("must be a text of words, or a list of them"),
        DeValue::Table(table) if table.is_empty() => Err("must contain at least one claim"),
        DeValue::Table(table) => {
            return Some(ClaimPattern::Nested(members(table, &format!("{path}."), faults)));
        }
        value => scalar(value, holds_words),
    };
    read.map_err(|problem| faults.push((format!("{path}: {problem}"), Some(value.span())))).ok()
}

fn scalar(value: &DeValue<'_>, holds_words: bool) -> Result<ClaimPattern, &'static str> {
    match value {
        DeValue::String(text) if text.is_empty() => Err("must not be empty"),
        DeValue::String(text) if holds_words && text.contains(char::is_whitespace) => Err(
            "is compared word by word, so a value with a blank never matches; to accept any of \
                 several words, give a list",
        ),
        DeValue::String(text) => Ok(ClaimPattern::Text(text.clone().into_owned())),
        _ if holds_words => Err("must be a text of words, or a list of them"),
        DeValue::Boolean(flag) => Ok(ClaimPattern::Flag(*flag)),
        DeValue::Integer(number) => {
            let parsed = i128::from_str_radix(number.as_str(), number.radix()).ok();
            let number = parsed.and_then(Number::from_i128);
            number.map(ClaimPattern::Number).ok_or("is too large a number")
        }
        DeValue::Float(number) => {
            let parsed = number.as_str().parse().ok().and_then(Number::from_f64);
            parsed.map(ClaimPattern::Number).ok_or("is not a number that a token can have")
        }
        _ => Err("must be a text, a number, a flag, a list of these, or a table of nested claims"),
    }
}
