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
        let problem = "lets every token of the issuer in: each value is only *; name one that tells \
                       this caller from others";
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
        DeValue::Array(items) if items.is_empty() => Err("no token has one of no values"),
        DeValue::Array(items) => {
            let patterns = items.iter().filter_map(|item| match item.get_ref() {
                DeValue::Array(_) | DeValue::Table(_) => {
                    let problem = "a list holds texts, numbers and flags only";
                    faults.push((format!("{path}: {problem}"), Some(item.span())));
                    None
                }
                _ => pattern(path, item, holds_words, faults),
            });
            return Some(ClaimPattern::AnyOf(patterns.collect()));
        }
        DeValue::Table(_) if holds_words => Err("is a text of words, or a list of them"),
        DeValue::Table(table) if table.is_empty() => Err("must name a claim within"),
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
        DeValue::String(text) if holds_words && text.contains(char::is_whitespace) => {
            Err("is compared word by word, so one with a blank in it never matches; for any of \
                 several give a list")
        }
        DeValue::String(text) => Ok(ClaimPattern::Text(text.clone().into_owned())),
        _ if holds_words => Err("is a text of words, or a list of them"),
        DeValue::Boolean(flag) => Ok(ClaimPattern::Flag(*flag)),
        DeValue::Integer(number) => {
            let parsed = i128::from_str_radix(number.as_str(), number.radix()).ok();
            let number = parsed.and_then(Number::from_i128);
            number.map(ClaimPattern::Number).ok_or("is too large a number")
        }
        DeValue::Float(number) => {
            let parsed = number.as_str().parse().ok().and_then(Number::from_f64);
            parsed.map(ClaimPattern::Number).ok_or("is no number that a token can have")
        }
        _ => Err("must be a text, a number, a flag, a list of these, or a table of claims within"),
    }
}
