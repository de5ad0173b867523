//! Request directives: how new or old an answer the caller wants.

use std::time::Duration;

use http::{HeaderMap, header::CACHE_CONTROL};

/// More seconds than this are taken for this many (RFC 9111 section 1.2.2).
const MAX_SECONDS: u64 = 1 << 31;

/// What a request's `Cache-Control` asks for (RFC 9111 section 5.2.1, RFC 5861 section 4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::api) struct CacheDirectives {
    /// The age that the caller bears while upstream answers: `max-age`, or zero for `no-cache`.
    pub(in crate::api) newest: Option<Duration>,
    /// `only-if-cached`: what is not here already is not to be fetched.
    pub(in crate::api) only_if_cached: bool,
    /// `stale-if-error`: how much past its freshness an answer may be while upstream fails.
    pub(in crate::api) stale_if_error: Option<Duration>,
}

impl CacheDirectives {
    /// Reads all fields. Of one directive's several values the strictest counts; what cannot be read
    /// and what is unknown is left out.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut directives = Self::default();
        for field in headers.get_all(CACHE_CONTROL) {
            let mut rest = Some(field.as_bytes());
            while let Some(text) = rest {
                let (element, after) = split_element(text);
                directives.note(element.trim_ascii());
                rest = after;
            }
        }
        directives
    }

    fn note(&mut self, element: &[u8]) {
        let mut parts = element.splitn(2, |byte| *byte == b'=');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next());
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("no-cache") {
            self.newest = Some(Duration::ZERO);
        } else if is("only-if-cached") {
            self.only_if_cached = true;
        } else if is("max-age") {
            strictest(&mut self.newest, value);
        } else if is("stale-if-error") {
            strictest(&mut self.stale_if_error, value);
        }
    }
}

fn strictest(known: &mut Option<Duration>, value: Option<&[u8]>) {
    if let Some(span) = value.and_then(read_seconds) {
        *known = Some(known.map_or(span, |before| before.min(span)));
    }
}

/// Up to the next comma that is not within quotes, and what follows it.
fn split_element(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    let (mut quoted, mut escaped) = (false, false);
    let end = text.iter().position(|byte| {
        let ends = *byte == b',' && !quoted;
        quoted ^= *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && quoted && !escaped;
        ends
    });
    match end {
        Some(end) => (&text[..end], Some(&text[end + 1..])),
        None => (text, None),
    }
}

/// Digits, as a token or a quoted string.
fn read_seconds(value: &[u8]) -> Option<Duration> {
    let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    let digits = quoted.unwrap_or(value);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = digits
        .iter()
        .fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    Some(Duration::from_secs(seconds.min(MAX_SECONDS)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(fields: &[&str]) -> (Option<u64>, bool, Option<u64>) {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(CACHE_CONTROL, HeaderValue::from_bytes(field.as_bytes()).unwrap());
        }
        let read = CacheDirectives::of(&headers);
        let seconds = |span: Option<Duration>| span.map(|span| span.as_secs());
        (seconds(read.newest), read.only_if_cached, seconds(read.stale_if_error))
    }

    #[test]
    fn directives_are_read_in_either_form_case_and_order() {
        for (field, expected) in [
            ("no-cache", (Some(0), false, None)),
            ("No-Cache", (Some(0), false, None)),
            ("no-cache=\"x, max-age=1\"", (Some(0), false, None)),
            ("max-age=0", (Some(0), false, None)),
            ("max-age=30", (Some(30), false, None)),
            ("MAX-AGE=\"30\"", (Some(30), false, None)),
            ("max-age=007", (Some(7), false, None)),
            ("only-if-cached", (None, true, None)),
            ("stale-if-error=600", (None, false, Some(600))),
            ("stale-if-error=\"600\"", (None, false, Some(600))),
            (" ,, max-age=5 ,\tonly-if-cached,stale-if-error=9, ", (Some(5), true, Some(9))),
            ("max-stale=5, x=\"a,no-cache\", max-age=5", (Some(5), false, None)),
            ("x=\"a\\\", no-cache\", max-age=5", (Some(5), false, None)),
            ("x=\"a\\\\\", no-cache", (Some(0), false, None)),
        ] {
            assert_eq!(read(&[field]), expected, "{field}");
        }
    }

    #[test]
    fn the_strictest_of_several_counts() {
        assert_eq!(read(&["max-age=9, max-age=3, max-age=6"]).0, Some(3));
        assert_eq!(read(&["max-age=9", "no-cache"]).0, Some(0));
        assert_eq!(read(&["no-cache", "max-age=9"]).0, Some(0));
        assert_eq!(read(&["stale-if-error=9", "stale-if-error=3"]).2, Some(3));
        assert_eq!(read(&["max-age=x, max-age=3"]).0, Some(3));
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        for field in [
            "",
            ",",
            "=",
            "=5",
            "max-age",
            "max-age=",
            "max-age=\"\"",
            "max-age=\"5",
            "max-age=5\"",
            "max-age=-1",
            "max-age=+1",
            "max-age=1.5",
            "max-age=1s",
            "max-age= 1",
            "max-age =1",
            "max-age=1 2",
            "max-age=٣",
            "xmax-age=1",
            "no-cachex",
            "no-store, no-transform, min-fresh=3",
            "\"no-cache\"",
            "x=\"no-cache, only-if-cached",
        ] {
            assert_eq!(read(&[field]), (None, false, None), "{field}");
        }
    }

    #[test]
    fn too_many_seconds_are_the_most() {
        for digits in ["2147483649", "18446744073709551616", &"9".repeat(500)] {
            assert_eq!(read(&[&format!("max-age={digits}")]).0, Some(MAX_SECONDS), "{digits}");
        }
    }

    proptest! {
        #[test]
        fn no_field_is_too_odd_to_be_read(field in "[ -~]{0,60}") {
            read(&[&field]);
        }

        #[test]
        fn garbage_before_a_comma_hides_nothing(garbage in "[!#-+--~]{0,20}") {
            let field = format!("{garbage}, only-if-cached");
            prop_assert!(read(&[&field]).1);
        }
    }
}
