//! What a caller may see.
//!
//! One place decides it for every surface: lists, single documents, their parts, tasks, events,
//! service discovery. What is not seen takes the way of what does not exist.

use std::{
    collections::BTreeSet,
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
    sync::Arc,
};

use wildmatch::WildMatch;

use crate::ids::{OrgId, SddcId};

/// Limits on what is seen; each that is not set limits nothing, and all that are set hold together.
/// Callers with equal limits have equal views and share what is made for them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct View {
    /// `orgs`: these organizations only.
    pub orgs: Option<Arc<BTreeSet<OrgId>>>,
    /// `sddc_ids`: these SDDCs only.
    pub sddc_ids: Option<BTreeSet<SddcId>>,
    /// `sddc_names`: SDDCs only whose name matches one of these.
    pub sddc_names: Option<Vec<NamePattern>>,
}

impl View {
    /// Whether nothing is limited.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether an organization is seen.
    pub fn shows_org(&self, org: &OrgId) -> bool {
        self.orgs.as_ref().is_none_or(|orgs| orgs.contains(org))
    }

    /// Whether SDDCs are limited: what belongs to no SDDC is then not seen.
    pub fn limits_sddcs(&self) -> bool {
        self.sddc_ids.is_some() || self.sddc_names.is_some()
    }

    /// Whether an SDDC is seen. One whose name is not known matches no pattern.
    pub fn shows_sddc(&self, org: &OrgId, id: &SddcId, name: Option<&str>) -> bool {
        let named = |patterns: &Vec<NamePattern>| {
            name.is_some_and(|name| patterns.iter().any(|pattern| pattern.matches(name)))
        };
        self.shows_org(org)
            && self.sddc_ids.as_ref().is_none_or(|ids| ids.contains(id))
            && self.sddc_names.as_ref().is_none_or(named)
    }
}

/// A pattern of names: `*` stands for any characters, `?` for one; upper and lower case differ.
#[derive(Clone)]
pub struct NamePattern {
    text: Box<str>,
    glob: WildMatch,
}

/// A text that is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNamePattern {
    /// Empty, or over 256 characters.
    #[error("a pattern of names has 1 to 256 characters; * matches any characters, ? matches one")]
    Length,
    /// Other tools' patterns have more signs. As plain characters they would match nothing, silently.
    #[error("a pattern of names supports only * and ?: write ? for each of [ ] {{ }} \\ in a name")]
    Sign,
}

impl NamePattern {
    fn matches(&self, name: &str) -> bool {
        self.glob.matches(name)
    }
}

impl FromStr for NamePattern {
    type Err = InvalidNamePattern;
    fn from_str(text: &str) -> Result<Self, InvalidNamePattern> {
        if !(1..=256).contains(&text.chars().count()) {
            return Err(InvalidNamePattern::Length);
        }
        if text.contains(['[', ']', '{', '}', '\\']) {
            return Err(InvalidNamePattern::Sign);
        }
        Ok(Self { text: text.into(), glob: WildMatch::new(text) })
    }
}

impl PartialEq for NamePattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for NamePattern {}

impl Hash for NamePattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some<T: FromStr, C: FromIterator<T>>(texts: &[&str]) -> Option<C> {
        let parse = |text: &&str| text.parse().ok();
        (!texts.is_empty()).then(|| texts.iter().filter_map(parse).collect())
    }

    fn view(orgs: &[&str], ids: &[&str], names: &[&str]) -> View {
        View {
            orgs: some::<OrgId, _>(orgs).map(Arc::new),
            sddc_ids: some::<SddcId, _>(ids),
            sddc_names: some::<NamePattern, _>(names),
        }
    }

    fn shows(view: &View, org: &str, id: &str, name: Option<&str>) -> bool {
        view.shows_sddc(&org.parse().unwrap(), &id.parse().unwrap(), name)
    }

    #[test]
    fn without_limits_everything_is_seen() {
        let view = View::default();
        assert!(view.is_everything() && !view.limits_sddcs());
        assert!(shows(&view, "o", "s", None));
    }

    #[test]
    fn all_limits_hold_together() {
        let view = view(&["o1"], &["s1", "s2"], &["prod-*", "??"]);
        for (org, id, name, seen) in [
            ("o1", "s1", Some("prod-eu"), true),
            ("o1", "s2", Some("ab"), true),
            ("o2", "s1", Some("prod-eu"), false),
            ("o1", "s3", Some("prod-eu"), false),
            ("o1", "s1", Some("PROD-eu"), false),
            ("o1", "s1", Some("abc"), false),
            ("o1", "s1", None, false),
        ] {
            assert_eq!(shows(&view, org, id, name), seen, "{org} {id} {name:?}");
        }
        assert!(view.limits_sddcs() && !view.is_everything());
        assert!(view.shows_org(&"o1".parse().unwrap()) && !view.shows_org(&"o2".parse().unwrap()));
    }

    #[test]
    fn equal_limits_are_equal_views() {
        assert_eq!(view(&["b", "a"], &[], &["x*"]), view(&["a", "b"], &[], &["x*"]));
        assert_ne!(view(&["a"], &[], &["x*"]), view(&["a"], &[], &["x?"]));
    }

    #[test]
    fn a_pattern_has_a_length_and_no_signs_that_it_does_not_know() {
        for odd in [String::new(), "x".repeat(257)] {
            assert_eq!(odd.parse::<NamePattern>(), Err(InvalidNamePattern::Length));
        }
        for odd in ["prod-[ab]", "{a,b}", "a\\*", "]"] {
            assert_eq!(odd.parse::<NamePattern>(), Err(InvalidNamePattern::Sign), "{odd}");
        }
    }
}
