//! Appends to a text that becomes JSON.

use std::fmt::Write;

/// Appends anything printable.
pub(super) fn push(out: &mut String, value: impl std::fmt::Display) {
    write!(out, "{value}").expect("a String takes everything");
}

/// Appends a JSON text or `null`; the text needs no escapes.
pub(super) fn json_text(out: &mut String, text: Option<impl AsRef<str>>) {
    match text {
        Some(text) => {
            out.push('"');
            out.push_str(text.as_ref());
            out.push('"');
        }
        None => out.push_str("null"),
    }
}

/// Appends a JSON list, each element by `each`.
pub(super) fn json_list<T>(
    out: &mut String,
    items: impl IntoIterator<Item = T>,
    mut each: impl FnMut(&mut String, T),
) {
    out.push('[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        each(out, item);
    }
    out.push(']');
}
