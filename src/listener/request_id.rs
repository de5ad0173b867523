//! `X-Request-Id` and `traceparent`: what ties an answer, its log line and the caller's own trace.

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header of the id, in both directions.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How a caller key begins: one that was put into the wrong header must not be logged as an id.
const KEY_PREFIX: &[u8] = b"sgw_";

/// The caller's own id if it is 1 to 64 characters of `[A-Za-z0-9._-]` and holds no caller key, else
/// a new UUID.
#[must_use]
pub fn accept_or_new(headers: &HeaderMap) -> HeaderValue {
    let mut ids = headers.get_all(X_REQUEST_ID).iter();
    match (ids.next(), ids.next()) {
        (Some(id), None) if is_sane(id.as_bytes()) => id.clone(),
        _ => {
            let mut text = Uuid::encode_buffer();
            let text = Uuid::new_v4().hyphenated().encode_lower(&mut text);
            HeaderValue::from_str(text).expect("a UUID is visible ASCII")
        }
    }
}

fn is_sane(id: &[u8]) -> bool {
    let safe = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let holds_key = id.windows(KEY_PREFIX.len()).any(|part| part == KEY_PREFIX);
    (1..=64).contains(&id.len()) && id.iter().all(safe) && !holds_key
}

/// The trace id of a valid `traceparent` (W3C Trace Context section 3.2).
#[must_use]
pub fn trace_id(traceparent: &HeaderValue) -> Option<&str> {
    let text = traceparent.to_str().ok()?;
    let mut parts = text.split('-');
    let (version, trace, parent, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zero = |text: &str| text.bytes().all(|byte| byte == b'0');
    let valid = hex(version, 2)
        && version != "ff"
        && (version != "00" || parts.next().is_none())
        && hex(trace, 32)
        && !zero(trace)
        && hex(parent, 16)
        && !zero(parent)
        && hex(flags, 2);
    valid.then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(values: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(X_REQUEST_ID, HeaderValue::from_str(value).unwrap());
        }
        accept_or_new(&headers).to_str().unwrap().to_owned()
    }

    #[test]
    fn only_a_sane_id_of_the_caller_is_kept() {
        assert_eq!(id_for(&["job-7_a.b"]), "job-7_a.b");
        for odd in [&[][..], &[""], &["a b"], &["a\"b"], &[&"x".repeat(65)], &["a", "b"]] {
            let id = id_for(odd);
            assert!(Uuid::parse_str(&id).is_ok(), "{odd:?} gave {id}");
        }
    }

    #[test]
    fn a_key_in_the_wrong_header_is_no_id() {
        let key = format!("sgw_{}", "aB3-_".repeat(8));
        for odd in [key.clone(), format!("job-{key}"), key[..20].to_owned()] {
            let id = id_for(&[&odd]);
            assert!(Uuid::parse_str(&id).is_ok(), "{odd} gave {id}");
        }
        assert_eq!(id_for(&["sgw-7"]), "sgw-7");
    }

    #[test]
    fn only_a_valid_traceparent_names_a_trace() {
        let trace_of =
            |text: &str| trace_id(&HeaderValue::from_str(text).unwrap()).map(str::to_owned);
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace_of(&format!("00-{trace}-00f067aa0ba902b7-01")).as_deref(), Some(trace));
        for odd in [
            "",
            "00",
            &format!("ff-{trace}-00f067aa0ba902b7-01"),
            &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            &format!("00-{trace}-00f067aa0ba902b7-01-x"),
            &format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
        ] {
            assert_eq!(trace_of(odd), None, "{odd}");
        }
    }
}
