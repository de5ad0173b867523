//! What a text says once an encoding of its bytes is undone, and where in the text that stands.

use std::ops::Range;

use memchr::memchr2_iter;

/// Bytes, and which of them stood there as an escape.
#[derive(Debug)]
pub(super) struct DecodedText {
    bytes: Vec<u8>,
    /// In order. What lies between them is as it was.
    escapes: Vec<Escape>,
    /// What was decoded, if that had been decoded before.
    of: Option<Box<DecodedText>>,
}

#[derive(Debug)]
struct Escape {
    /// In the decoded bytes.
    place: Range<usize>,
    /// In what was decoded.
    origin: Range<usize>,
}

impl DecodedText {
    /// Undoes percent-encoding and JSON's escapes once; `None` if there are none.
    pub(super) fn of(text: &[u8]) -> Option<Self> {
        let (mut bytes, mut escapes, mut copied) = (Vec::new(), Vec::new(), 0);
        for at in memchr2_iter(b'%', b'\\', text) {
            // The second sign of an escape begins none.
            if at < copied {
                continue;
            }
            bytes.extend_from_slice(&text[copied..at]);
            let start = bytes.len();
            let length = decode(&text[at..], &mut bytes).unwrap_or(0);
            copied = at + length;
            if length > 0 {
                escapes.push(Escape { place: start..bytes.len(), origin: at..copied });
            }
        }
        if escapes.is_empty() {
            return None;
        }
        bytes.extend_from_slice(&text[copied..]);
        Some(Self { bytes, escapes, of: None })
    }

    /// The same once more.
    pub(super) fn undo(self) -> Option<Self> {
        let next = Self::of(&self.bytes)?;
        Some(Self { of: Some(Box::new(self)), ..next })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What of the text a range of bytes that is not empty stands for.
    pub(super) fn origin(&self, place: Range<usize>) -> Range<usize> {
        let origin = self.origin_of(place.start).start..self.origin_of(place.end - 1).end;
        match &self.of {
            Some(of) => of.origin(origin),
            None => origin,
        }
    }

    /// The same of one byte, in what was decoded.
    fn origin_of(&self, at: usize) -> Range<usize> {
        let before = self.escapes.partition_point(|escape| escape.place.start <= at);
        match self.escapes[..before].last() {
            None => at..at + 1,
            Some(escape) if at < escape.place.end => escape.origin.clone(),
            Some(escape) => {
                let at = escape.origin.end + (at - escape.place.end);
                at..at + 1
            }
        }
    }
}

/// Decodes the escape that a text begins with, and gives its length.
fn decode(text: &[u8], decoded: &mut Vec<u8>) -> Option<usize> {
    let mut push =
        |meant: char| decoded.extend_from_slice(meant.encode_utf8(&mut [0; 4]).as_bytes());
    match *text {
        [b'%', high, low, ..] => {
            decoded.push(u8::try_from(hex(&[high, low])?).ok()?);
            Some(3)
        }
        [b'\\', b'u', ..] => {
            let first = hex(text.get(2..6)?)?;
            if let Some([b'\\', b'u', low @ ..]) = text.get(6..12)
                && let Some(second) = hex(low)
                && let Some(Ok(pair)) = char::decode_utf16([first, second]).next()
                && pair.len_utf16() == 2
            {
                push(pair);
                return Some(12);
            }
            push(char::from_u32(first.into())?);
            Some(6)
        }
        [b'\\', escaped, ..] => {
            decoded.push(match escaped {
                b'"' | b'\\' | b'/' => escaped,
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                _ => return None,
            });
            Some(2)
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
        let mut layer = DecodedText::of(text.as_bytes());
        while let Some(decoded) = layer {
            layers.push(String::from_utf8_lossy(decoded.bytes()).into_owned());
            layer = decoded.undo();
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
        let twice = DecodedText::of(text.as_bytes()).and_then(DecodedText::undo).unwrap();
        let at = twice.bytes().iter().position(|byte| *byte == b'A').unwrap();
        assert_eq!(&text[twice.origin(at..at + 1)], "%2541");
        let origin = |at: usize| &text[twice.origin(at..at + 1)];
        assert_eq!((origin(at - 1), origin(at + 1)), (" ", " "));
        assert_eq!(&text[twice.origin(at - 1..at + 2)], " %2541 ");
    }
}
