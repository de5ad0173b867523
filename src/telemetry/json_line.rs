//! A JSON object on a line of its own, written field by field.

use std::{cell::Cell, fmt::Display, io::Write, net::IpAddr};

use jiff::Timestamp;
use serde_json::Serializer;

/// An object that is being written.
pub(super) struct JsonLine<'a> {
    line: &'a mut Vec<u8>,
    is_empty: bool,
}

/// A second and its text up to the fraction: lines come many a second.
type SecondText = (i64, [u8; SECOND_BYTES]);

/// Of `2026-12-01T00:00:00`.
const SECOND_BYTES: usize = 19;

thread_local! {
    static SECOND: Cell<Option<SecondText>> = const { Cell::new(None) };
}

impl<'a> JsonLine<'a> {
    pub(super) fn begin(line: &'a mut Vec<u8>) -> Self {
        line.push(b'{');
        Self { line, is_empty: true }
    }

    pub(super) fn end(self) {
        self.line.extend_from_slice(b"}\n");
    }

    /// Writes a field if it has a value.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        value: Option<T>,
        write: impl FnOnce(&mut Self, &str, T),
    ) {
        if let Some(value) = value {
            write(self, name, value);
        }
    }

    /// A text that needs no escapes.
    pub(super) fn plain(&mut self, name: &str, text: &str) {
        let needs_escape = |byte: u8| byte < b' ' || matches!(byte, b'"' | b'\\');
        debug_assert!(!text.bytes().any(needs_escape), "{text:?} is not plain");
        self.name(name);
        self.quoted(text.as_bytes());
    }

    /// Any text.
    pub(super) fn escaped(&mut self, name: &str, text: &str) {
        self.name(name);
        self.serialized(text);
    }

    pub(super) fn number(&mut self, name: &str, number: impl Into<u64>) {
        self.name(name);
        self.serialized(&number.into());
    }

    pub(super) fn float(&mut self, name: &str, number: f64) {
        self.name(name);
        self.serialized(&number);
    }

    pub(super) fn address(&mut self, name: &str, address: IpAddr) {
        self.name(name);
        let IpAddr::V4(address) = address else { return self.displayed(address) };
        let [first, rest @ ..] = address.octets();
        self.line.push(b'"');
        self.serialized(&first);
        for octet in rest {
            self.line.push(b'.');
            self.serialized(&octet);
        }
        self.line.push(b'"');
    }

    /// A time as RFC 3339 has it, with as many digits of the second as it needs.
    pub(super) fn timestamp(&mut self, name: &str, time: Timestamp) {
        self.name(name);
        let Some(second) = second_text(time) else { return self.displayed(time) };
        self.line.push(b'"');
        self.line.extend_from_slice(&second);
        if let Ok(nanos @ 1..) = u32::try_from(time.subsec_nanosecond()) {
            let mut digits = *b".000000000";
            let mut rest = nanos;
            for digit in digits[1..].iter_mut().rev() {
                *digit += u8::try_from(rest % 10).unwrap_or_default();
                rest /= 10;
            }
            let end = digits.iter().rposition(|digit| *digit != b'0').unwrap_or_default();
            self.line.extend_from_slice(&digits[..=end]);
        }
        self.line.extend_from_slice(b"Z\"");
    }

    fn name(&mut self, name: &str) {
        if !self.is_empty {
            self.line.push(b',');
        }
        self.is_empty = false;
        self.quoted(name.as_bytes());
        self.line.push(b':');
    }

    fn quoted(&mut self, text: &[u8]) {
        self.line.push(b'"');
        self.line.extend_from_slice(text);
        self.line.push(b'"');
    }

    fn displayed(&mut self, value: impl Display) {
        // A vector takes everything.
        let _ = write!(self.line, "\"{value}\"");
    }

    fn serialized(&mut self, value: &(impl serde::Serialize + ?Sized)) {
        // A text or a number always serializes.
        let _ = value.serialize(&mut Serializer::new(&mut *self.line));
    }
}

/// The text of a time's second, where it is of four digits' years.
fn second_text(time: Timestamp) -> Option<[u8; SECOND_BYTES]> {
    let second = time.as_second();
    if let Some((known, text)) = SECOND.get()
        && known == second
    {
        return Some(text);
    }
    let text = Timestamp::from_second(second).ok().filter(|_| second >= 0)?.to_string();
    let text = text.as_bytes().get(..SECOND_BYTES)?.try_into().ok()?;
    SECOND.set(Some((second, text)));
    Some(text)
}
