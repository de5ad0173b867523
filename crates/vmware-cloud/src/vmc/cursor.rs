//! A place in a JSON text: its objects and lists are gone through by hand, what lies in them is read by serde.
//!
//! So a text is read once however deep a wanted field lies, and a field that cannot be read is left behind like
//! any other. That exactly JSON is read is tested beside [`lenient`](super::lenient).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A text that is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotJson;

/// A place in a JSON text.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    /// At the beginning of a text.
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// At its end nothing comes any longer.
    pub(super) fn end(&mut self) -> Result<(), NotJson> {
        if self.peek().is_none() { Ok(()) } else { Err(NotJson) }
    }

    /// The first byte of what comes next, after white space.
    fn peek(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_start_matches([' ', '\n', '\r', '\t']);
        self.rest.bytes().next()
    }

    /// Goes on behind a byte, if it comes next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        if is_there {
            self.rest = &self.rest[1..];
        }
        is_there
    }

    /// The value that comes next, as serde reads it.
    pub(super) fn value<T: Deserialize<'a>>(&mut self) -> Result<T, NotJson> {
        let mut values = serde_json::Deserializer::from_str(self.rest).into_iter();
        let value = values.next().and_then(Result::ok).ok_or(NotJson)?;
        self.rest = &self.rest[values.byte_offset()..];
        Ok(value)
    }

    /// Whether there is another element of an object or list that ends with `close`.
    pub(super) fn next_element(&mut self, close: u8, is_first: &mut bool) -> Result<bool, NotJson> {
        if std::mem::take(is_first) {
            return Ok(!self.take(close));
        }
        if self.take(close) {
            return Ok(false);
        }
        if self.take(b',') { Ok(true) } else { Err(NotJson) }
    }

    /// The key of a member, up to its value. One with a broken escape is none that is wanted.
    pub(super) fn key(&mut self) -> Result<Cow<'a, str>, NotJson> {
        let inside = if self.peek() == Some(b'"') { &self.rest[1..] } else { return Err(NotJson) };
        let is_end = |byte: &u8| matches!(*byte, b'"' | b'\\' | ..0x20);
        let end = inside.as_bytes().iter().position(is_end).ok_or(NotJson)?;
        let key = if inside.as_bytes()[end] == b'"' {
            self.rest = &inside[end + 1..];
            inside[..end].into()
        } else {
            let written = self.value::<&RawValue>()?.get();
            serde_json::from_str::<String>(written).unwrap_or_default().into()
        };
        if self.take(b':') { Ok(key) } else { Err(NotJson) }
    }
}
