//! What of a document of VMware's callers may see: one table of field names; whatever else there is becomes `null`.
//!
//! ```text
//! document ─► scanner ─► name ─► fields: keep, map or null ─► the same bytes, with `null` for what is not shown
//!                          └─► texts: documents within are redacted too, signed URLs and private keys become null
//! ```
//!
//! Nothing is parsed into a tree and printed again, so what is shown is what VMware wrote, byte by byte: numbers,
//! escapes, the order of members, members of the same name, white space. No member is left out, since VMware's
//! bindings fail on an absent one. Time is linear in the document's length, with
//! a bounded factor: one pass, one more over each object that has a `value` (objects lie in each other at most 64 levels
//! deep), and over a text as often as documents lie in each other there, or its signs ask for the word before them.
//!
//! Memory: the document and the answer, for which the document's length is reserved: twice the document. (`null` may
//! be longer than what was there; then an eighth is added at a time.) While a text that is
//! a document is redacted, its own text is held twice; it is at most 1 MiB, and texts within texts go three deep.
//! What is longer or deeper becomes `null`.
//!
//! *Must not break*: no value behind a name that is not in `redaction/fields.txt` is shown, whatever the layout.

mod fields;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod names;
mod scanner;
#[cfg(test)]
mod tests;
mod text;

use std::borrow::Cow;

use bytes::Bytes;

use fields::Class;
use names::looks_secret;
use scanner::{Scanner, deeper};
use text::{begins_document, begins_plainly, carries_secret, has_mark, looks_like_document};

/// What becomes of the fields that no document of VMware's is known to have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UnknownFields {
    /// Their values become `null`.
    #[default]
    Null,
    /// They stay, unless their names look secret.
    Keep,
}

/// A body that is no JSON document, or one of more than 64 levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON document of at most 64 levels")]
pub struct InvalidDocument;

/// Bytes of a text that is read as a document.
const MAX_EMBEDDED_BYTES: usize = 1024 * 1024;
/// How deep texts that are documents may hold such texts.
const MAX_EMBEDDED_LEVELS: u8 = 3;

/// Members that hold what another member of the same object, one of [`LABELS`], names.
const LABELLED: [&str; 2] = ["value", "values"];
const LABELS: [&str; 4] = ["name", "key", "id", "label"];

/// The document with `null` for each value that callers may not see.
///
/// # Errors
/// If it is not UTF-8, not JSON, or of more than 64 levels.
pub fn redact(document: &[u8], unknown: UnknownFields) -> Result<Bytes, InvalidDocument> {
    let document = std::str::from_utf8(document).map_err(|_| InvalidDocument)?;
    Ok(Redactor::new(document, unknown, MAX_EMBEDDED_LEVELS).run(0)?.into())
}

/// A sentence of VMware's that stands in no document of its own: as it would be shown in one, `None` if it carries
/// a secret.
pub fn redact_text(text: &str) -> Option<String> {
    let document = serde_json::to_vec(text).ok()?;
    let shown = redact(&document, UnknownFields::Null).ok()?;
    serde_json::from_slice(&shown).ok()?
}

/// The items of a list whose `id` is kept, as they are. An item that has no `id`, one that is no text, or more than
/// one, is left out. Costs no copy if all are kept.
///
/// # Errors
/// If it is no list of documents.
pub fn select_items(
    list: &Bytes,
    mut keep: impl FnMut(&str) -> bool,
) -> Result<Bytes, InvalidDocument> {
    let json = std::str::from_utf8(list).map_err(|_| InvalidDocument)?;
    let mut scanner = Scanner::new(json);
    let (mut kept, mut is_whole) = (Vec::new(), true);
    scanner.whitespace();
    scanner.take(b'[')?;
    let mut is_first = true;
    while scanner.next_element(b']', &mut is_first)? {
        let start = scanner.position();
        let id = item_id(scanner)?;
        scanner.skip(1)?;
        if id.is_some_and(|id| keep(&id)) {
            kept.push(start..scanner.position());
        } else {
            is_whole = false;
        }
    }
    scanner.end()?;
    if is_whole {
        return Ok(list.clone());
    }
    let length: usize = kept.iter().map(|item| item.len() + 1).sum();
    let mut selected = Vec::with_capacity(length + 2);
    selected.push(b'[');
    for item in kept {
        if selected.len() > 1 {
            selected.push(b',');
        }
        selected.extend_from_slice(&list[item]);
    }
    selected.push(b']');
    Ok(selected.into())
}

/// The one `id` of the object where the scanner is.
fn item_id(mut scanner: Scanner<'_>) -> Result<Option<Cow<'_, str>>, InvalidDocument> {
    if scanner.take(b'{').is_err() {
        return Ok(None);
    }
    let (mut id, mut is_first) = (None, true);
    while scanner.next_element(b'}', &mut is_first)? {
        if scanner.name()? != "id" {
            scanner.skip(2)?;
        } else if id.is_none() && scanner.peek() == Some(b'"') {
            id = Some(scanner.text()?.decode());
        } else {
            return Ok(None);
        }
    }
    Ok(id)
}

/// A pass over one document.
struct Redactor<'a> {
    document: &'a str,
    scanner: Scanner<'a>,
    unknown: UnknownFields,
    /// Levels of texts within texts that are still read.
    levels: u8,
    /// Whether a text without escapes may have a mark of a secret in it.
    may_have_mark: bool,
    shown: Vec<u8>,
    /// Up to where the document is in `shown`, as it is or redacted.
    copied: usize,
}

impl<'a> Redactor<'a> {
    fn new(document: &'a str, unknown: UnknownFields, levels: u8) -> Self {
        Self {
            document,
            scanner: Scanner::new(document),
            unknown,
            levels,
            may_have_mark: has_mark(document),
            shown: Vec::with_capacity(document.len()),
            copied: 0,
        }
    }

    fn run(mut self, depth: usize) -> Result<Vec<u8>, InvalidDocument> {
        self.scanner.whitespace();
        self.value(Class::Keep, depth)?;
        self.scanner.end()?;
        self.copy_up_to(self.document.len());
        Ok(self.shown)
    }

    fn copy_up_to(&mut self, end: usize) {
        self.show(&self.document.as_bytes()[self.copied..end]);
        self.copied = end;
    }

    fn show(&mut self, bytes: &[u8]) {
        if self.shown.capacity() - self.shown.len() < bytes.len() {
            // Longer than the document, by a little: it must not double.
            self.shown.reserve_exact(bytes.len().max(self.shown.len() / 8));
        }
        self.shown.extend_from_slice(bytes);
    }

    /// Shows `instead` for what has been passed since `start`.
    fn replace(&mut self, start: usize, instead: &[u8]) {
        self.copy_up_to(start);
        self.show(instead);
        self.copied = self.scanner.position();
    }

    fn value(&mut self, class: Class, depth: usize) -> Result<(), InvalidDocument> {
        match (class, self.scanner.peek()) {
            (Class::Null, _) => self.null(depth),
            (_, Some(b'{')) => self.object(class, deeper(depth)?),
            (Class::Object, _) => self.null(depth),
            (_, Some(b'[')) => self.list(deeper(depth)?),
            (_, Some(b'"')) => self.text(depth),
            _ => self.scanner.scalar(),
        }
    }

    fn null(&mut self, depth: usize) -> Result<(), InvalidDocument> {
        let start = self.scanner.position();
        self.scanner.skip(depth)?;
        self.replace(start, b"null");
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Result<(), InvalidDocument> {
        self.scanner.take(b'[')?;
        let mut is_first = true;
        while self.scanner.next_element(b']', &mut is_first)? {
            self.value(Class::Keep, depth)?;
        }
        Ok(())
    }

    fn object(&mut self, class: Class, depth: usize) -> Result<(), InvalidDocument> {
        self.scanner.take(b'{')?;
        let members = self.scanner;
        let (mut is_first, mut is_secret) = (true, None);
        while self.scanner.next_element(b'}', &mut is_first)? {
            let name = self.scanner.name()?;
            let mut class = class.of_member(&name, self.unknown);
            if class != Class::Null && LABELLED.contains(&&*name) {
                let is_secret = match is_secret {
                    Some(known) => known,
                    None => *is_secret.insert(has_secret_label(members, depth)?),
                };
                class = if is_secret { Class::Null } else { class };
            }
            self.value(class, depth)?;
        }
        Ok(())
    }

    /// A text that stays, unless it carries a secret; the document that it may be is redacted.
    fn text(&mut self, depth: usize) -> Result<(), InvalidDocument> {
        let start = self.scanner.position();
        let text = self.scanner.text()?.decode();
        let is_decoded = matches!(text, Cow::Owned(_));
        let may_be_document = !begins_plainly(&text);
        if may_be_document && looks_like_document(&text) {
            if self.levels == 0 || text.len() > MAX_EMBEDDED_BYTES {
                self.replace(start, b"null");
                return Ok(());
            }
            if let Ok(shown) = Redactor::new(&text, self.unknown, self.levels - 1).run(depth) {
                if shown != text.as_bytes() {
                    let shown =
                        String::from_utf8(shown).expect("cut and filled at ASCII characters");
                    let written = serde_json::to_string(&shown).expect("a text can be written");
                    self.replace(start, written.as_bytes());
                }
                return Ok(());
            }
        }
        let is_cut_off = may_be_document && begins_document(&text);
        if is_cut_off || carries_secret(&text, self.may_have_mark || is_decoded) {
            self.replace(start, b"null");
        }
        Ok(())
    }
}

/// Whether a member of the object, at whose start the scanner is, names a secret: `{"name": "password", …}`.
fn has_secret_label(mut members: Scanner<'_>, depth: usize) -> Result<bool, InvalidDocument> {
    let mut is_first = true;
    while members.next_element(b'}', &mut is_first)? {
        let name = members.name()?;
        if LABELS.contains(&&*name) && members.peek() == Some(b'"') {
            if looks_secret(&members.text()?.decode()) {
                return Ok(true);
            }
        } else {
            members.skip(depth)?;
        }
    }
    Ok(false)
}
