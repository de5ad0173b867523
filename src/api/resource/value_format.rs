//! What open texts look like, and how a filter's value is read.

use std::net::Ipv4Addr;

use jiff::Timestamp;

use super::{FieldKind, Scalar};

/// What a text must look like to be a plausible value of its field.
#[derive(Debug)]
pub(in crate::api) struct ValueFormat {
    /// For people: what stands after "must be".
    pub(in crate::api) said: &'static str,
    /// The same as a regular expression (ECMA-262), for the published document.
    #[cfg_attr(not(test), expect(dead_code, reason = "the document is written by a test"))]
    pub(in crate::api) pattern: &'static str,
    matches: fn(&str) -> bool,
}

impl ValueFormat {
    /// Whether a text has this form.
    pub(in crate::api) fn matches(&self, text: &str) -> bool {
        (self.matches)(text)
    }
}

/// A filter's value.
#[derive(Debug, PartialEq)]
pub(in crate::api) enum ParsedValue {
    /// Documented, or of the right form.
    Sure(Scalar<'static>),
    /// Good only if a document in view has it.
    Doubtful(Scalar<'static>),
    /// Of the wrong kind.
    Wrong,
}

impl FieldKind {
    /// Reads a value to be looked for.
    pub(in crate::api) fn read(self, text: &str) -> ParsedValue {
        let owned = || Scalar::Text(text.to_owned().into());
        let sure =
            |value: Option<Scalar<'static>>| value.map_or(ParsedValue::Wrong, ParsedValue::Sure);
        match self {
            Self::OneOf(documented) if documented.contains(&text) => ParsedValue::Sure(owned()),
            Self::Open(form) | Self::Each(form) if form.matches(text) => ParsedValue::Sure(owned()),
            Self::OneOf(_) | Self::Open(_) | Self::Each(_) => ParsedValue::Doubtful(owned()),
            Self::Number => sure(number(text).map(Scalar::Number)),
            Self::Flag => sure(text.parse().ok().map(Scalar::Flag)),
            Self::Time => sure(text.parse::<Timestamp>().ok().map(Scalar::Time)),
            Self::Object => ParsedValue::Wrong,
        }
    }

    /// What a value must be, for people: what stands after "must be".
    pub(in crate::api) fn said(self) -> &'static str {
        match self {
            Self::OneOf(_) => "a documented value, or one that occurs now",
            Self::Open(form) | Self::Each(form) => form.said,
            Self::Number => "a non-negative whole number",
            Self::Flag => "true or false",
            Self::Time => "an RFC 3339 time, such as 2025-03-18T02:17:04Z",
            Self::Object => "an object",
        }
    }
}

/// A whole number in digits only.
pub(in crate::api) fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

pub(super) const ID: ValueFormat = ValueFormat {
    said: "an id: 1 to 64 characters of [A-Za-z0-9._-]",
    pattern: "^[A-Za-z0-9._-]{1,64}$",
    matches: |text| {
        text.len() <= 64 && all(text, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
    },
};

pub(super) const TEXT: ValueFormat = ValueFormat {
    said: "a text of 1 to 500 characters, none of them a control character",
    pattern: r"^[^\u0000-\u001f\u007f-\u009f]{1,500}$",
    matches: |text| text.chars().count() <= 500 && all(text, |c| !c.is_control()),
};

pub(super) const CODE: ValueFormat = ValueFormat {
    said: "words of upper-case letters and digits with _ or - between them, such as SDDC-PROVISION",
    pattern: "^[A-Z0-9]+([_-][A-Z0-9]+)*$",
    matches: |text| {
        text.split(['_', '-'])
            .all(|word| all(word, |c| c.is_ascii_uppercase() || c.is_ascii_digit()))
    },
};

pub(super) const REGION: ValueFormat = ValueFormat {
    said: "a region in VMware's spelling, such as US_WEST_2",
    pattern: "^[A-Z]+(_[A-Z]+)+_[0-9]+$",
    matches: |text| {
        let Some((words, number)) = text.rsplit_once('_') else { return false };
        words.contains('_')
            && words.split('_').all(|word| all(word, |c| c.is_ascii_uppercase()))
            && all(number, |c| c.is_ascii_digit())
    },
};

pub(super) const ZONE: ValueFormat = ValueFormat {
    said: "an availability zone in AWS's spelling, such as us-west-2a",
    pattern: "^[a-z]+(-[a-z]+)+-[0-9]+[a-z]$",
    matches: |text| {
        let Some((words, place)) = text.rsplit_once('-') else { return false };
        let number = place.strip_suffix(|c: char| c.is_ascii_lowercase());
        words.contains('-')
            && words.split('-').all(|word| all(word, |c| c.is_ascii_lowercase()))
            && number.is_some_and(|number| all(number, |c| c.is_ascii_digit()))
    },
};

pub(super) const INSTANCE_TYPE: ValueFormat = ValueFormat {
    said: "an instance type in AWS's spelling, such as i4i.metal",
    pattern: r"^[a-z][a-z0-9-]*\.[a-z0-9-]+$",
    matches: |text| {
        let part =
            |part| all(part, |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.split_once('.').is_some_and(|(family, size)| part(family) && part(size))
    },
};

pub(super) const VERSION: ValueFormat = ValueFormat {
    said: "a version, such as 1.24",
    pattern: r"^[0-9]+(\.[0-9A-Za-z-]+)+$",
    matches: |text| {
        text.split_once('.').is_some_and(|(major, rest)| {
            all(major, |c| c.is_ascii_digit())
                && rest.split('.').all(|part| all(part, |c| c.is_ascii_alphanumeric() || c == '-'))
        })
    },
};

pub(super) const HOSTNAME: ValueFormat = ValueFormat {
    said: "a DNS name",
    pattern: r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$",
    matches: |text| {
        text.split('.')
            .all(|label| all(label, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')))
    },
};

pub(super) const URL: ValueFormat = ValueFormat {
    said: "an https URL",
    pattern: r"^https://[!-~]+$",
    matches: |text| {
        text.strip_prefix("https://").is_some_and(|rest| all(rest, |c| c.is_ascii_graphic()))
    },
};

pub(super) const NETWORK: ValueFormat = ValueFormat {
    said: "an IPv4 network (CIDR), such as 10.72.0.0/16",
    pattern: r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}$",
    matches: |text| {
        text.split_once('/').is_some_and(|(address, bits)| {
            address.parse::<Ipv4Addr>().is_ok() && number(bits).is_some_and(|bits| bits <= 32)
        })
    },
};

/// Whether it has characters, and only such.
fn all(text: &str, is: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(is)
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, string::string_regex};

    use super::*;

    /// NETWORK apart: its pattern also takes 999.0.0.0/99.
    const BY_PATTERN: [&ValueFormat; 9] =
        [&ID, &TEXT, &CODE, &REGION, &ZONE, &INSTANCE_TYPE, &VERSION, &HOSTNAME, &URL];

    fn of_pattern(
        form: &'static ValueFormat,
    ) -> impl Strategy<Value = (&'static ValueFormat, String)> {
        let whole = form.pattern.strip_prefix('^').and_then(|it| it.strip_suffix('$')).unwrap();
        // The same escape, as Rust's regular expressions write it.
        let pattern = whole.replace(r"\u00", r"\x");
        string_regex(&pattern).unwrap().prop_map(move |text| (form, text))
    }

    proptest! {
        #[test]
        fn what_a_pattern_takes_has_the_form(
            (form, text) in prop::sample::select(&BY_PATTERN[..]).prop_flat_map(of_pattern)
        ) {
            prop_assert!(form.matches(&text), "{}: {text:?}", form.said);
        }

        #[test]
        fn no_text_is_too_odd_to_be_judged(text in ".{0,80}") {
            for form in BY_PATTERN.iter().chain([&&NETWORK]) {
                form.matches(&text);
            }
        }
    }

    #[test]
    fn what_a_pattern_refuses_does_not_have_the_form() {
        let long = "x".repeat(65);
        let odd: [(&ValueFormat, &[&str]); 10] = [
            (&ID, &["", "a b", "ü", "a/b", &long]),
            (&TEXT, &["", "a\nb", "\u{9f}"]),
            (&CODE, &["", "sddc", "A__B", "-A", "A-"]),
            (
                &REGION,
                &["", "US_2", "us_west_2", "US_WEST", "US__WEST_2", "US_WEST_2A", "_US_WEST_2"],
            ),
            (
                &ZONE,
                &["", "us-2a", "us-west-2", "us-west-a", "US-WEST-2A", "us-west-2ab", "us-west-2ä"],
            ),
            (
                &INSTANCE_TYPE,
                &["", "i4i", ".metal", "i4i.", "4i.metal", "i4i.metal.x", "I4I.metal"],
            ),
            (&VERSION, &["", "1", "1.", ".24", "v1.24", "1..2"]),
            (&HOSTNAME, &["", ".", "a..b", "a b", "ü.example"]),
            (&URL, &["", "https://", "http://a", "https://a b"]),
            (&NETWORK, &["", "10.0.0.0", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "999.0.0.0/8"]),
        ];
        for (form, texts) in odd {
            for text in texts {
                assert!(!form.matches(text), "{}: {text:?}", form.said);
            }
        }
        assert!(NETWORK.matches("10.72.0.0/16"));
    }

    #[test]
    fn numbers_flags_and_times_are_of_their_kind_or_wrong() {
        assert_eq!(FieldKind::Number.read("007"), ParsedValue::Sure(Scalar::Number(7)));
        assert_eq!(FieldKind::Flag.read("true"), ParsedValue::Sure(Scalar::Flag(true)));
        let time = FieldKind::Time.read("2025-03-18T04:17:04+02:00");
        assert_eq!(time, FieldKind::Time.read("2025-03-18T02:17:04Z"));
        for (kind, text) in [
            (FieldKind::Number, "+1"),
            (FieldKind::Number, "-1"),
            (FieldKind::Number, ""),
            (FieldKind::Number, "99999999999999999999"),
            (FieldKind::Flag, "yes"),
            (FieldKind::Time, "yesterday"),
            (FieldKind::Time, "2025-03-18"),
        ] {
            assert_eq!(kind.read(text), ParsedValue::Wrong, "{text}");
        }
    }
}
