//! Cuts a fuzzer's bytes into what a body needs.

use http::{HeaderMap, HeaderName, HeaderValue};

/// What is left of the bytes. Never runs dry: what is missing is zero or empty.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    /// The next byte.
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// One of these, by the next byte: `0` is the first, so that a person can write a corpus.
    pub(crate) fn choice<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::from(self.byte().wrapping_sub(b'0')) % of.len()]
    }

    /// Up to the next line's end, which goes too. A header field, a target and a path hold none.
    pub(crate) fn line(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == b'\n').unwrap_or(self.0.len());
        let (line, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        line
    }

    /// All lines that are left.
    pub(crate) fn lines(self) -> impl Iterator<Item = &'a [u8]> {
        let lines = self.0.split(|byte| *byte == b'\n');
        lines.take(if self.0.is_empty() { 0 } else { usize::MAX })
    }

    /// The lines that are left, as fields of that name; those that can be none are left out.
    pub(crate) fn fields(self) -> Vec<HeaderValue> {
        self.lines().filter_map(|line| HeaderValue::from_bytes(line).ok()).collect()
    }

    /// Everything that is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// A head with these fields of one name.
pub(crate) fn headers<'a>(
    name: &HeaderName,
    fields: impl IntoIterator<Item = &'a HeaderValue>,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for field in fields {
        headers.append(name, field.clone());
    }
    headers
}
