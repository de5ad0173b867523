//! `If-None-Match`: which answers the caller has already.

use http::{HeaderMap, HeaderValue, header::IF_NONE_MATCH};

/// The fields of `If-None-Match` (RFC 9110 section 13.1.2), not read before there is an answer.
#[derive(Debug, Default)]
pub(in crate::api) struct Known {
    /// Apart from the others: one field is what callers send, and a list of one costs an allocation.
    first: Option<HeaderValue>,
    others: Vec<HeaderValue>,
}

impl Known {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut fields = headers.get_all(IF_NONE_MATCH).iter().cloned();
        Self { first: fields.next(), others: fields.collect() }
    }

    /// Whether one of the fields is `*`, or lists the tag. `etag` is a well-formed one.
    pub(in crate::api) fn holds(&self, etag: &HeaderValue) -> bool {
        let wanted = opaque(etag.as_bytes());
        self.first.iter().chain(&self.others).any(|field| lists(field.as_bytes(), wanted))
    }
}

/// What the weak comparison (RFC 9110 section 8.8.3.2) looks at: the tag without `W/`.
pub(super) fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// Whether a field lists the opaque tag `wanted`, its quotes included.
///
/// Where a field stops being a list of tags the reading stops too: a tag that is missed costs a
/// body, one that is invented would leave the caller with an old one.
fn lists(field: &[u8], wanted: &[u8]) -> bool {
    let mut rest = field.trim_ascii();
    if rest == b"*" {
        return true;
    }
    loop {
        // Elements may be empty (RFC 9110 section 5.6.1.2).
        while let [b',' | b' ' | b'\t', after @ ..] = rest {
            rest = after;
        }
        let Some((tag, after)) = split_tag(opaque(rest)) else { return false };
        rest = after.trim_ascii();
        if !matches!(rest, [] | [b',', ..]) {
            return false;
        }
        if tag == wanted {
            return true;
        }
    }
}

/// The opaque tag at the start, with its quotes, and what follows. There are no escapes, and a comma
/// inside is the tag's own.
fn split_tag(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = text.strip_prefix(b"\"")?;
    let end = inside.iter().position(|byte| *byte == b'"')?;
    Some(text.split_at(end + 2))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known(fields: &[&[u8]]) -> Known {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(IF_NONE_MATCH, HeaderValue::from_bytes(field).unwrap());
        }
        Known::of(&headers)
    }

    fn holds(fields: &[&[u8]]) -> bool {
        known(fields).holds(&HeaderValue::from_static("W/\"abc\""))
    }

    #[test]
    fn if_none_match_compares_weakly_in_lists_and_in_several_fields() {
        for fields in [
            &[b"W/\"abc\"" as &[u8]][..],
            &[b"\"abc\""],
            &[b"*"],
            &[b" * "],
            &[b"\"x\", W/\"abc\" , \"y\""],
            &[b"\"x\",\"abc\""],
            &[b", ,\"x\" ,\t, \"abc\","],
            &[b"\"x\"", b"\"abc\""],
            &[b"\"x\"", b"*"],
            &[b"\"a,b\", \"abc\""],
            &[b"W/\"\", \"abc\""],
            &[b"\"\xfc\x80\", \"abc\""],
            &[b"\"back\\\", \"abc\""],
            &[b"broken", b"\"abc\""],
        ] {
            assert!(holds(fields), "{fields:?}");
        }
    }

    #[test]
    fn what_is_no_tag_or_another_one_does_not_match() {
        for fields in [
            &[][..],
            &[b"abc" as &[u8]],
            &[b"\"ab\""],
            &[b"\"abcd\""],
            &[b"\"ABC\""],
            &[b"\"x,abc\""],
            &[b"\"x, \"abc\""],
            &[b"\"x,W/\"abc\",\"y\""],
            &[b""],
            &[b","],
            &[b"\"abc\"x"],
            &[b"x\"abc\""],
            &[b"w/\"abc\""],
            &[b"W/ \"abc\""],
            &[b"W/W/\"abc\""],
            &[b"\"abc"],
            &[b"\"x\" \"abc\""],
            &[b"*, \"x\""],
            &[b"\"*\""],
        ] {
            assert!(!holds(fields), "{fields:?}");
        }
    }

    proptest! {
        #[test]
        fn a_tag_is_found_among_any_others(
            before in prop::collection::vec("(W/)?\"[!#-~]{0,8}\"", 0..4),
            after in "[ -~]{0,20}",
        ) {
            let mut list = before.join(", ");
            if !list.is_empty() {
                list.push(',');
            }
            let field = format!("{list}\"abc\",{after}");
            prop_assert!(holds(&[field.as_bytes()]));
        }

        #[test]
        fn no_field_is_too_odd_to_be_read(field in prop::collection::vec(32_u8..=255, 0..40)) {
            if let Ok(field) = HeaderValue::from_bytes(&field) {
                holds(&[field.as_bytes()]);
            }
        }
    }
}
