//! What the claims of a caller's tokens must be: field `oidc` of a caller's table.

use std::{collections::BTreeMap, fmt};

use serde_json::{Number, Value};

/// What one claim must be. A claim that is a list fits where one of its items does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimPattern {
    /// This text from its first letter to its last, in which `*` stands for any text, also none.
    Text(String),
    /// This number.
    Number(Number),
    /// This flag.
    Flag(bool),
    /// One of these.
    AnyOf(Vec<Self>),
    /// An object with all of these in it.
    Nested(BTreeMap<String, Self>),
}

impl ClaimPattern {
    /// Whether a claim's value fits. Types must agree: the text `1` is not the number.
    pub fn matches(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::AnyOf(patterns), value) => patterns.iter().any(|pattern| pattern.matches(value)),
            (pattern, Value::Array(items)) => {
                items.iter().any(|item| !item.is_array() && pattern.matches(item))
            }
            (Self::Text(pattern), Value::String(text)) => text_matches(pattern, text),
            (Self::Number(wanted), Value::Number(number)) => is_same(wanted, number),
            (Self::Flag(wanted), Value::Bool(flag)) => wanted == flag,
            (Self::Nested(wanted), Value::Object(members)) => wanted
                .iter()
                .all(|(name, it)| members.get(name).is_some_and(|value| it.matches(value))),
            _ => false,
        }
    }

    /// Whether every text fits: then it tells nobody from anybody.
    pub fn is_any(&self) -> bool {
        match self {
            Self::Text(pattern) => pattern.bytes().all(|byte| byte == b'*'),
            Self::Number(_) | Self::Flag(_) => false,
            Self::AnyOf(patterns) => patterns.iter().any(Self::is_any),
            Self::Nested(claims) => claims.values().all(Self::is_any),
        }
    }

    /// Whether a `*` stands behind a letter or digit: `repo:acme*` is also `repo:acme-evil`.
    pub fn is_loose(&self) -> bool {
        match self {
            Self::Text(pattern) => pattern.match_indices('*').any(|(at, _)| {
                pattern[..at].chars().next_back().is_some_and(char::is_alphanumeric)
            }),
            Self::Number(_) | Self::Flag(_) => false,
            Self::AnyOf(patterns) => patterns.iter().any(Self::is_loose),
            Self::Nested(claims) => claims.values().any(Self::is_loose),
        }
    }
}

impl From<&str> for ClaimPattern {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// As in the configuration.
impl fmt::Display for ClaimPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::AnyOf(patterns) => {
                let patterns: Vec<_> = patterns.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", patterns.join(", "))
            }
            Self::Nested(claims) => {
                let claims = claims.iter().map(|(name, it)| format!("{name} = {it}"));
                write!(f, "{{ {} }}", claims.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn text_matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let (between, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    // The first place of each part is as good as any later one.
    for part in between.split('*') {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(tail)
}

/// JSON has one kind of number: 1.0 is 1.
fn is_same(wanted: &Number, number: &Number) -> bool {
    wanted == number || (wanted.is_f64() != number.is_f64() && wanted.as_f64() == number.as_f64())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pattern_covers_the_whole_text() {
        for (pattern, text, fits) in [
            ("a", "a", true),
            ("a", "A", false),
            ("a", "ab", false),
            ("*", "", true),
            ("*", "anything at all", true),
            ("a*", "a", true),
            ("a*", "ba", false),
            ("*a", "ba", true),
            ("*a", "ab", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("repo:o/*:ref:*", "repo:o/r:ref:refs/heads/main", true),
            ("repo:o/*:ref:*", "repo:p/r:ref:x", false),
            ("a*b*c", "abbc", true),
            ("a*b*c", "acb", false),
            ("a**c", "ac", true),
            ("a?c", "abc", false),
            ("ü*", "üx", true),
        ] {
            assert_eq!(ClaimPattern::from(pattern).matches(&json!(text)), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn types_must_agree_and_a_list_contains_the_value() {
        let number = |value: i64| ClaimPattern::Number(value.into());
        let either = ClaimPattern::AnyOf(vec!["a".into(), number(1)]);
        let nested = ClaimPattern::Nested([("b".to_owned(), "c".into())].into());
        for (pattern, value, fits) in [
            (&number(1), json!(1), true),
            (&number(1), json!(1.0), true),
            (&number(1), json!("1"), false),
            (&number(1), json!([2, 1]), true),
            (&"1".into(), json!(1), false),
            (&"true".into(), json!(true), false),
            (&ClaimPattern::Flag(true), json!(true), true),
            (&ClaimPattern::Flag(true), json!("true"), false),
            (&"*".into(), json!(1), false),
            (&"*".into(), json!(null), false),
            (&"*".into(), json!([]), false),
            (&"*".into(), json!([1, "x"]), true),
            (&"a".into(), json!([["a"]]), false),
            (&"a".into(), json!({ "a": "a" }), false),
            (&either, json!("a"), true),
            (&either, json!(1), true),
            (&either, json!(["b", 1]), true),
            (&either, json!("b"), false),
            (&nested, json!({ "b": ["x", "c"], "d": 1 }), true),
            (&nested, json!([{ "b": "c" }]), true),
            (&nested, json!({ "b": "x" }), false),
            (&nested, json!("c"), false),
        ] {
            assert_eq!(pattern.matches(&value), fits, "{pattern} {value}");
        }
    }

    #[test]
    fn what_tells_nobody_apart_and_what_matches_more_than_it_seems() {
        let any = |pattern: &str| ClaimPattern::from(pattern).is_any();
        assert!(any("*") && any("**") && !any("a*"));
        assert!(ClaimPattern::AnyOf(vec!["a".into(), "*".into()]).is_any());
        let loose = |pattern: &str| ClaimPattern::from(pattern).is_loose();
        assert!(loose("acme*") && loose("acme/r1*:x") && loose("ü*"));
        assert!(!loose("acme/*") && !loose("*acme") && !loose("a") && !loose("a-*"));
    }

    proptest! {
        #[test]
        fn a_pattern_without_star_is_that_text(text in "[a-c]{0,4}", other in "[a-c]{0,4}") {
            let pattern = ClaimPattern::from(&*text);
            prop_assert_eq!(pattern.matches(&json!(other)), text == other);
        }

        #[test]
        fn what_a_star_stands_for_is_free(parts in proptest::collection::vec("[a-b]{0,2}", 1..4), fill in "[a-c]{0,3}") {
            let pattern = ClaimPattern::from(&*parts.join("*"));
            prop_assert!(pattern.matches(&json!(parts.join(&*fill))));
        }
    }
}
