//! Takes secrets that the gateway holds out of a document, should VMware quote one.

use std::str;

use bytes::Bytes;
use memchr::memchr_iter;

use crate::csp::Scrubber;

/// A document is looked through in pieces of about so many bytes: what is undone of encodings takes many times
/// the space of what it stands for.
const PIECE_BYTES: usize = 8 * 1024;

/// The document with `[redacted]` for each secret. One without any comes back as it is.
pub(super) fn scrubbed(document: Bytes, scrubber: &Scrubber) -> Bytes {
    let Ok(text) = str::from_utf8(&document) else { return document };
    let mut clean: Option<String> = None;
    let mut at = 0;
    while at < text.len() {
        let (piece, start) = (&text[at..at + piece_end(&text[at..])], at);
        at += piece.len();
        if !scrubber.is_clean(piece) {
            let clean = clean.get_or_insert_with(|| text[..start].to_owned());
            clean.push_str(&scrubber.scrub(piece.into()));
        } else if let Some(clean) = &mut clean {
            clean.push_str(piece);
        }
    }
    clean.map_or(document, Bytes::from)
}

/// Before a quote that is not escaped: no text of the document, so no secret, goes on beyond it.
fn piece_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let Some(later) = bytes.get(PIECE_BYTES..) else { return bytes.len() };
    memchr_iter(b'"', later)
        .map(|found| PIECE_BYTES + found)
        .find(|quote| bytes[quote - 1] != b'\\')
        .unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a-secret-of-\"the\"-gateway";

    #[test]
    fn secrets_are_found_wherever_a_document_has_them() {
        let scrubber = Scrubber::new([SECRET.to_owned().into()]);
        let document = |texts: &[String]| Bytes::from(serde_json::to_vec(texts).unwrap());
        for padding in (PIECE_BYTES - 60..PIECE_BYTES + 20).chain([0, 3 * PIECE_BYTES]) {
            let padding = "\\\"".repeat(padding / 4);
            let texts =
                [padding.clone(), format!("x{SECRET}y"), padding.clone(), SECRET.to_owned()];
            let clean = scrubbed(document(&texts), &scrubber);
            let expected = [padding.clone(), "x[redacted]y".into(), padding, "[redacted]".into()];
            assert_eq!(clean, document(&expected));
        }
    }

    #[test]
    fn a_document_without_any_costs_no_copy() {
        let scrubber = Scrubber::new([SECRET.to_owned().into()]);
        let document = Bytes::from(format!("[\"{}\", \"x\"]", "ü".repeat(PIECE_BYTES)));
        assert_eq!(scrubbed(document.clone(), &scrubber).as_ptr(), document.as_ptr());
        let other = Bytes::from_static(b"\xff");
        assert_eq!(scrubbed(other.clone(), &scrubber), other);
    }
}
