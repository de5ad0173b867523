//! What a text says once an encoding of its bytes is undone, and where in the text that stands.

use std::ops::Range;

/// Bytes, and for each of them what of the text it stands for.
#[derive(Debug)]
pub(super) struct DecodedText {
    bytes: Vec<u8>,
    origins: Vec<Range<usize>>,
}

impl DecodedText {
    /// The text itself; `None` if nothing in it is encoded.
    pub(super) fn of(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        bytes.iter().any(|byte| matches!(byte, b'%' | b'\\')).then(|| Self {
            bytes: bytes.to_vec(),
            origins: (0..bytes.len()).map(|at| at..at + 1).collect(),
        })
    }

    /// Undoes percent-encoding and JSON's escapes once; `None` if there are none.
    pub(super) fn undo(self) -> Option<Self> {
        let mut next = Self { bytes: Vec::new(), origins: Vec::new() };
        let (mut at, mut is_new) = (0, false);
        while at < self.bytes.len() {
            let (length, decoded) = unit(&self.bytes[at..]).map_or_else(
                || (1, vec![self.bytes[at]]),
                |unit| {
                    is_new = true;
                    unit
                },
            );
            let origin = self.origins[at].start..self.origins[at + length - 1].end;
            next.origins.extend(decoded.iter().map(|_| origin.clone()));
            next.bytes.extend(decoded);
            at += length;
        }
        is_new.then_some(next)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What of the text a range of bytes that is not empty stands for.
    pub(super) fn origin(&self, place: Range<usize>) -> Range<usize> {
        self.origins[place.start].start..self.origins[place.end - 1].end
    }
}

/// The escape that a text begins with: its length, and the bytes that it stands for.
fn unit(text: &[u8]) -> Option<(usize, Vec<u8>)> {
    match *text {
        [b'%', high, low, ..] => Some((3, vec![u8::try_from(hex(&[high, low])?).ok()?])),
        [b'\\', b'u', ..] => {
            let first = hex(text.get(2..6)?)?;
            if let Some([b'\\', b'u', low @ ..]) = text.get(6..12)
                && let Some(second) = hex(low)
                && let Some(Ok(pair)) = char::decode_utf16([first, second]).next()
                && pair.len_utf16() == 2
            {
                return Some((12, pair.to_string().into_bytes()));
            }
            Some((6, char::from_u32(first.into())?.to_string().into_bytes()))
        }
        [b'\\', escaped, ..] => {
            let byte = match escaped {
                b'"' | b'\\' | b'/' => escaped,
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                _ => return None,
            };
            Some((2, vec![byte]))
        }
        _ => None,
    }
}

/// Up to four hex digits, of either case.
fn hex(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = u16::try_from(char::from(*digit).to_digit(16)?).ok()?;
        Some(number * 16 + digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(text: &str) -> Vec<String> {
        let mut layers = Vec::new();
        let mut layer = DecodedText::of(text);
        while let Some(next) = layer.and_then(DecodedText::undo) {
            layers.push(String::from_utf8_lossy(next.bytes()).into_owned());
            layer = Some(next);
        }
        layers
    }

    #[test]
    fn encodings_are_undone_one_by_one() {
        assert_eq!(layers("plain"), [""; 0]);
        assert_eq!(layers("%41%e2%82%ac%2F"), ["A€/"]);
        assert_eq!(layers("%2541"), ["%41", "A"]);
        assert_eq!(layers(r#"\u0041\ud83d\ude00\n\/\"\\u0042"#), ["A😀\n/\"\\u0042", "A😀\n/\"B"]);
    }

    #[test]
    fn what_is_no_escape_stays_as_it_is() {
        for text in ["100 %", "%4", "%zz", r"\", r"\x", r"\u12", r"\ud800", r"\u12g4"] {
            assert_eq!(layers(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn what_is_decoded_is_found_in_the_text() {
        let text = "ü %2541 é";
        let twice =
            DecodedText::of(text).and_then(DecodedText::undo).and_then(DecodedText::undo).unwrap();
        let at = twice.bytes().iter().position(|byte| *byte == b'A').unwrap();
        assert_eq!(&text[twice.origin(at..at + 1)], "%2541");
    }
}
