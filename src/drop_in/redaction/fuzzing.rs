//! Fuzz body: documents of VMware's. See [`crate::fuzzing`].

use serde_json::Value;

use super::{UnknownFields, redact, select_items};
use crate::fuzzing::input::Input;

/// A setting and a document: what is shown of it is the document with some values replaced by `null`.
pub(crate) fn redaction(data: &[u8]) {
    let mut input = Input::new(data);
    let unknown = input.choice(&[UnknownFields::Null, UnknownFields::Keep]);
    if let Ok(document) = std::str::from_utf8(input.rest()) {
        check(document, unknown);
    }
}

/// Asserts what must hold of the redaction of any text.
pub(super) fn check(document: &str, unknown: UnknownFields) {
    let parsed = serde_json::from_str::<Value>(document);
    let Ok(shown) = redact(document.as_bytes(), unknown) else {
        // Levels below 64 are counted for texts within texts too, and there only lead to null.
        assert!(
            parsed.is_err() || document.matches(['{', '[']).count() > 64,
            "refused: {document}"
        );
        return;
    };
    assert_eq!(redact(&shown, unknown).as_ref(), Ok(&shown), "redacted already");
    if let Ok(items) = select_items(&shown, |_| true) {
        assert!(items.len() <= shown.len());
    }
    // What only serde_json refuses: halves of surrogate pairs, and numbers beyond f64.
    let Ok(parsed) = parsed else { return };
    let shown: Value = serde_json::from_slice(&shown).expect("what is shown of JSON is JSON");
    assert!(is_shown_of(&parsed, &shown), "{shown} is not {parsed}");
    assert!(!shows_password(&shown), "{shown}");
}

/// Whether one document is another with `null` for some values, in texts within it too.
fn is_shown_of(original: &Value, shown: &Value) -> bool {
    match (original, shown) {
        (_, Value::Null) => true,
        (Value::Array(original), Value::Array(shown)) => {
            original.len() == shown.len()
                && original.iter().zip(shown).all(|(original, shown)| is_shown_of(original, shown))
        }
        (Value::Object(original), Value::Object(shown)) => {
            original.len() == shown.len()
                && original.iter().zip(shown).all(|((name, original), (same, shown))| {
                    name == same && is_shown_of(original, shown)
                })
        }
        (Value::String(original), Value::String(shown)) => {
            let within = |text: &str| serde_json::from_str::<Value>(text).ok();
            original == shown
                || match (within(original), within(shown)) {
                    (Some(original), Some(shown)) => is_shown_of(&original, &shown),
                    // What only serde_json refuses, again.
                    _ => redact(original.as_bytes(), UnknownFields::Keep).is_ok(),
                }
        }
        _ => original == shown,
    }
}

/// Whether a member that is called `password` has a value, but for entries of maps.
fn shows_password(shown: &Value) -> bool {
    match shown {
        Value::Array(items) => items.iter().any(shows_password),
        Value::Object(members) => members.iter().any(|(name, value)| {
            let is_map = matches!(&**name, "routetables" | "ami_infos");
            name == "password" && !value.is_null() || !is_map && shows_password(value)
        }),
        _ => false,
    }
}
