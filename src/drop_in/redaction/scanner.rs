//! A place in a JSON document, and how to get on from there without building anything.

use std::borrow::Cow;

use super::{InvalidDocument, text::decode};

type Scanned<T> = Result<T, InvalidDocument>;

/// Levels of objects and lists; VMware's documents have a dozen.
pub(super) const MAX_DEPTH: usize = 64;

/// Reads a document from left to right. What it has passed was well-formed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanner<'a> {
    json: &'a str,
    at: usize,
}

/// A text as it is written, without its quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawText<'a> {
    pub(super) written: &'a str,
    has_escapes: bool,
}

impl<'a> RawText<'a> {
    /// What it says.
    pub(super) fn decode(self) -> Cow<'a, str> {
        if self.has_escapes { decode(self.written).into() } else { Cow::Borrowed(self.written) }
    }
}

impl<'a> Scanner<'a> {
    pub(super) fn new(json: &'a str) -> Self {
        Self { json, at: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.json.as_bytes().get(self.at).copied()
    }

    pub(super) fn whitespace(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// The end of the document, after whitespace.
    pub(super) fn end(&mut self) -> Scanned<()> {
        self.whitespace();
        if self.at == self.json.len() { Ok(()) } else { Err(InvalidDocument) }
    }

    pub(super) fn take(&mut self, byte: u8) -> Scanned<()> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(InvalidDocument)
    }

    /// Goes to the next element of an object or list that ends with `close`; false at its end.
    pub(super) fn next_element(&mut self, close: u8, is_first: &mut bool) -> Scanned<bool> {
        self.whitespace();
        if std::mem::take(is_first) {
            if self.peek() != Some(close) {
                return Ok(true);
            }
        } else if self.peek() == Some(b',') {
            self.at += 1;
            self.whitespace();
            return Ok(true);
        }
        self.take(close)?;
        Ok(false)
    }

    /// The name of a member, up to where its value begins.
    pub(super) fn name(&mut self) -> Scanned<Cow<'a, str>> {
        let name = self.text()?.decode();
        self.whitespace();
        self.take(b':')?;
        self.whitespace();
        Ok(name)
    }

    /// A text with its quotes.
    pub(super) fn text(&mut self) -> Scanned<RawText<'a>> {
        self.take(b'"')?;
        let (start, mut has_escapes) = (self.at, false);
        loop {
            self.at += plain_prefix(&self.json.as_bytes()[self.at..]);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                _ => return Err(InvalidDocument),
            }
            has_escapes = true;
        }
        let written = &self.json[start..self.at];
        self.at += 1;
        Ok(RawText { written, has_escapes })
    }

    fn escape(&mut self) -> Scanned<()> {
        let digits = match self.json.as_bytes().get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 0,
            Some(b'u') => 4,
            _ => return Err(InvalidDocument),
        };
        let start = self.at + 2;
        let hex = self.json.as_bytes().get(start..start + digits).ok_or(InvalidDocument)?;
        if !hex.iter().all(u8::is_ascii_hexdigit) {
            return Err(InvalidDocument);
        }
        self.at = start + digits;
        Ok(())
    }

    /// A number, `true`, `false` or `null`.
    pub(super) fn scalar(&mut self) -> Scanned<()> {
        match self.peek() {
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            _ => self.word("null"),
        }
    }

    fn word(&mut self, word: &str) -> Scanned<()> {
        if self.json.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        Err(InvalidDocument)
    }

    fn number(&mut self) -> Scanned<()> {
        let _ = self.take(b'-');
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.take(b'.').is_ok() {
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Scanned<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(InvalidDocument) }
    }

    /// Passes a value of any kind that lies below `depth` others.
    pub(super) fn skip(&mut self, depth: usize) -> Scanned<()> {
        match self.peek() {
            Some(b'"') => drop(self.text()?),
            Some(open @ (b'{' | b'[')) => {
                let depth = deeper(depth)?;
                let mut is_first = true;
                self.at += 1;
                // In ASCII a closing bracket comes two after the one that opens.
                while self.next_element(open + 2, &mut is_first)? {
                    if open == b'{' {
                        self.name()?;
                    }
                    self.skip(depth)?;
                }
            }
            _ => self.scalar()?,
        }
        Ok(())
    }
}

/// One level down.
pub(super) fn deeper(depth: usize) -> Scanned<usize> {
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(InvalidDocument) }
}

/// How many bytes there are before a quote, an escape or a control character.
fn plain_prefix(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found =
            zeros(word ^ repeat(b'"')) | zeros(word ^ repeat(b'\\')) | zeros(word & repeat(0xe0));
        if found != 0 {
            return at * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let is_plain = |byte: &&u8| !matches!(**byte, b'"' | b'\\' | ..0x20);
    words.len() * 8 + rest.iter().take_while(is_plain).count()
}

const fn repeat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The highest bit of each byte that is zero; bits above the lowest of these may be wrong.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(repeat(1)) & !word & repeat(0x80)
}
