//! `If-None-Match`: which answers the caller has already.

use http::{HeaderMap, HeaderValue, header::IF_NONE_MATCH};

/// The fields of `If-None-Match` (RFC 9110 section 13.1.2), not read before there is an answer.
#[derive(Debug, Default)]
pub(in crate::api) struct IfNoneMatch {
    /// Apart from the others: one field is what callers send, and a list of one costs an allocation.
    first: Option<HeaderValue>,
    others: Vec<HeaderValue>,
}

impl IfNoneMatch {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut fields = headers.get_all(IF_NONE_MATCH).iter().cloned();
        Self { first: fields.next(), others: fields.collect() }
    }

    /// Whether one of the fields is `*`, or lists the tag. `etag` is a well-formed one.
    pub(in crate::api) fn holds(&self, etag: &HeaderValue) -> bool {
        let wanted = inside(etag.as_bytes());
        self.first.iter().chain(&self.others).any(|field| lists(field.as_bytes(), wanted))
    }
}

/// What proxies that compress put at the end of a tag: Apache (`mod_deflate`, `mod_brotli`) and Caddy
/// inside of its quotes, Apache before 2.4 behind them. nginx and `HAProxy` only make it weak.
const CODING_SUFFIXES: [&[u8]; 3] = [b"-gzip", b"-br", b"-zstd"];

/// Whether a single tag as a caller sent it is `etag`, which is a well-formed one of ours, by the weak
/// comparison and whatever a proxy has put at its end.
pub(super) fn is_same(sent: &[u8], etag: &HeaderValue) -> bool {
    split_tag(weak(sent.trim_ascii()))
        .is_some_and(|(tag, rest)| rest.is_empty() && is_tag(tag, inside(etag.as_bytes())))
}

/// What the weak comparison (RFC 9110 section 8.8.3.2) looks at: the tag without `W/`.
fn weak(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// What stands between the quotes of a well-formed tag.
fn inside(etag: &[u8]) -> &[u8] {
    let tag = weak(etag);
    tag.strip_prefix(b"\"").and_then(|tag| tag.strip_suffix(b"\"")).unwrap_or(tag)
}

/// Whether a tag, without its quotes, is the `wanted` one or that with a proxy's suffix.
fn is_tag(tag: &[u8], wanted: &[u8]) -> bool {
    tag.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || CODING_SUFFIXES.contains(&rest))
}

/// Whether a field lists the tag `wanted`, given without its quotes.
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
        let Some((tag, after)) = split_tag(weak(rest)) else { return false };
        rest = after.trim_ascii();
        if !matches!(rest, [] | [b',', ..]) {
            return false;
        }
        if is_tag(tag, wanted) {
            return true;
        }
    }
}

/// What stands between the quotes of the opaque tag at the start, and what follows the tag and a
/// proxy's suffix behind it. There are no escapes, and a comma inside is the tag's own.
fn split_tag(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = text.strip_prefix(b"\"")?;
    let end = inside.iter().position(|byte| *byte == b'"')?;
    let (tag, after) = (&inside[..end], &inside[end + 1..]);
    let behind = CODING_SUFFIXES.iter().find_map(|suffix| after.strip_prefix(*suffix));
    Some((tag, behind.unwrap_or(after)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known(fields: &[&[u8]]) -> IfNoneMatch {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(IF_NONE_MATCH, HeaderValue::from_bytes(field).unwrap());
        }
        IfNoneMatch::of(&headers)
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
            &[b"W/\"abc-gzip\""],
            &[b"\"abc-br\""],
            &[b"W/\"abc-zstd\", \"x\""],
            &[b"\"abc\"-gzip"],
            &[b"W/\"x\"-br, W/\"abc\"-zstd , \"y\""],
            &[b"\"x-gzip\"", b"\"abc-gzip\""],
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
            &[b"\"abc-deflate\""],
            &[b"\"abc-gzipx\""],
            &[b"\"abcgzip\""],
            &[b"\"abc-GZIP\""],
            &[b"\"abc\"-gzipx"],
            &[b"\"-gzip\""],
            &[b"abc-gzip"],
            &[b"\"abc\" -gzip"],
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
