//! `X-Request-Id` and `traceparent`: what ties an answer, its log line and the caller's own trace.

use base::trace::TraceContext;
use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header of the id, in both directions.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header of the caller's trace.
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// How a caller key begins: one that was put into the wrong header must not be logged as an id.
const KEY_PREFIX: &[u8] = b"sgw_";

/// The caller's own id if it is 1 to 64 characters of `[A-Za-z0-9._-]` and holds no caller key, else
/// a new UUID.
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

/// The place in a trace that the caller's `traceparent` names; `None` if it is not valid, or given twice
/// (W3C Trace Context section 3.2).
pub fn trace_context(headers: &HeaderMap) -> Option<TraceContext> {
    let mut given = headers.get_all(TRACEPARENT).iter();
    match (given.next(), given.next()) {
        (Some(traceparent), None) => TraceContext::parse(traceparent.to_str().ok()?),
        _ => None,
    }
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
    fn only_one_valid_traceparent_names_a_trace() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let good = format!("00-{trace}-00f067aa0ba902b7-01");
        let trace_of = |values: &[&str]| {
            let values = values.iter().map(|text| HeaderValue::from_str(text).unwrap());
            let headers = values.map(|value| (TRACEPARENT, value)).collect::<HeaderMap>();
            trace_context(&headers).map(|context| context.trace_id_text().to_string())
        };
        assert_eq!(trace_of(&[&good]).as_deref(), Some(trace));
        for odd in [&[][..], &["00"], &[&good, &good]] {
            assert_eq!(trace_of(odd), None, "{odd:?}");
        }
    }
}
