//! Content codings: which a caller accepts, and the work of applying one.

use std::io::{self, Write};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::ACCEPT_ENCODING};

/// A content coding that answers are offered in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum ContentCoding {
    /// RFC 8878.
    Zstd,
    /// RFC 7932.
    Brotli,
    /// RFC 1952.
    Gzip,
}

impl ContentCoding {
    /// In the order of preference among those that the caller likes equally.
    pub(super) const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// The value of `Content-Encoding`.
    pub(super) const fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// Compresses a document. Levels are where a document of SDDCs gets little smaller for much more
    /// time: about 3, 18 and 12 ms of CPU for 775 KB.
    pub(super) fn compress(self, body: &[u8]) -> io::Result<Bytes> {
        let mut compressed = match self {
            Self::Zstd => zstd::bulk::compress(body, 3)?,
            Self::Brotli => {
                let parameters = brotli::enc::BrotliEncoderParams {
                    quality: 5,
                    size_hint: body.len(),
                    ..Default::default()
                };
                let mut compressed = Vec::with_capacity(body.len() / 8);
                brotli::BrotliCompress(&mut &*body, &mut compressed, &parameters)?;
                compressed
            }
            Self::Gzip => {
                let compressed = Vec::with_capacity(body.len() / 8);
                let level = flate2::Compression::new(6);
                let mut encoder = flate2::write::GzEncoder::new(compressed, level);
                encoder.write_all(body)?;
                encoder.finish()?
            }
        };
        compressed.shrink_to_fit();
        Ok(compressed.into())
    }
}

/// The codings that a caller likes at least as much as none at all, the best first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::api) struct AcceptedCodings([Option<ContentCoding>; 3]);

/// Weights in thousandths, by coding; `None` where the field does not say.
#[derive(Default)]
struct CodingWeights {
    codings: [Option<u16>; 3],
    identity: Option<u16>,
    any: Option<u16>,
}

impl AcceptedCodings {
    /// Reads `Accept-Encoding` (RFC 9110 section 12.5.3). Elements that cannot be read are left out;
    /// of one coding's several weights the smallest counts.
    ///
    /// Without the field a caller gets no coding: it may know none.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut weights = CodingWeights::default();
        for field in headers.get_all(ACCEPT_ENCODING) {
            for element in field.as_bytes().split(|byte| *byte == b',') {
                weights.note(element);
            }
        }
        weights.order()
    }

    /// The best first.
    pub(super) fn iter(self) -> impl Iterator<Item = ContentCoding> {
        self.0.into_iter().flatten()
    }
}

impl CodingWeights {
    fn note(&mut self, element: &[u8]) {
        let Some((name, weight)) = read_element(element) else { return };
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let coding = ContentCoding::ALL.into_iter().position(|coding| is(coding.name()));
        let place = match coding {
            Some(at) => &mut self.codings[at],
            // RFC 9110 section 8.4.1.3.
            None if is("x-gzip") => &mut self.codings[ContentCoding::Gzip as usize],
            None if is("identity") => &mut self.identity,
            None if name == b"*" => &mut self.any,
            None => return,
        };
        *place = Some(place.map_or(weight, |before| before.min(weight)));
    }

    fn order(&self) -> AcceptedCodings {
        let any = self.any.unwrap_or(0);
        let identity = self.identity.unwrap_or(any);
        let weight = |coding: ContentCoding| self.codings[coding as usize].unwrap_or(any);
        let liked = |coding: &ContentCoding| weight(*coding) > 0 && weight(*coding) >= identity;
        let mut codings = ContentCoding::ALL.map(|coding| Some(coding).filter(liked));
        // Stable: equal weights leave our own order.
        codings.sort_by_key(|coding| std::cmp::Reverse(coding.map(weight)));
        AcceptedCodings(codings)
    }
}

/// A coding's name and its weight.
fn read_element(element: &[u8]) -> Option<(&[u8], u16)> {
    let mut parts = element.splitn(2, |byte| *byte == b';').map(<[u8]>::trim_ascii);
    let name = parts.next()?;
    let weight = parts.next().map_or(Some(1000), read_weight)?;
    Some((name, weight))
}

/// `q=` and 0 to 1 with at most three decimals (RFC 9110 section 12.4.2).
fn read_weight(text: &[u8]) -> Option<u16> {
    let [b'q' | b'Q', b'=', whole @ (b'0' | b'1'), fraction @ ..] = text else { return None };
    let digits = match fraction {
        [] => &[],
        [b'.', digits @ ..] if digits.len() <= 3 => digits,
        _ => return None,
    };
    let mut weight = u16::from(whole - b'0');
    for at in 0..3 {
        let digit = digits.get(at).unwrap_or(&b'0');
        weight = weight * 10 + u16::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    (weight <= 1000).then_some(weight)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn accepted(fields: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_bytes(field.as_bytes()).unwrap());
        }
        let names: Vec<_> = AcceptedCodings::of(&headers).iter().map(ContentCoding::name).collect();
        names.join(" ")
    }

    #[test]
    fn the_callers_weights_come_before_our_preference() {
        for (field, expected) in [
            ("gzip", "gzip"),
            ("gzip, deflate, br, zstd", "zstd br gzip"),
            ("GZip , BR", "br gzip"),
            ("x-gzip", "gzip"),
            ("gzip;q=1.0, br;q=0.9, zstd;q=0.899", "gzip br zstd"),
            ("gzip ; Q=0.5,br;q=0.50,zstd;q=0.500", "zstd br gzip"),
            ("br;q=0.001", "br"),
            ("*", "zstd br gzip"),
            ("*;q=0.5, gzip", "gzip zstd br"),
            ("*, zstd;q=0", "br gzip"),
            ("gzip, *;q=0", "gzip"),
            ("identity;q=0", ""),
            ("identity;q=0, gzip;q=0.1", "gzip"),
            ("identity, gzip", "gzip"),
        ] {
            assert_eq!(accepted(&[field]), expected, "{field}");
        }
        assert_eq!(accepted(&["gzip;q=0.2", "br;q=0.3, gzip"]), "br gzip");
        assert_eq!(accepted(&["gzip", "gzip;q=0"]), "");
    }

    #[test]
    fn no_coding_for_who_likes_none_better_or_says_nothing() {
        assert_eq!(accepted(&[]), "");
        for field in [
            "",
            ",",
            "identity",
            "deflate, compress",
            "gzip;q=0, br;q=0.0, zstd;q=0.000",
            "identity, gzip;q=0.5",
            "identity;q=0.5, gzip;q=0.4",
            "*;q=0",
            "*;q=0.5, gzip;q=0.1, br;q=0.1, zstd;q=0.1",
        ] {
            assert_eq!(accepted(&[field]), "", "{field}");
        }
    }

    #[test]
    fn elements_that_cannot_be_read_are_left_out() {
        for garbage in [
            "br;q=2",
            "br;q=1.001",
            "br;q=0.1234",
            "br;q=-1",
            "br;q=.5",
            "br;q= 1",
            "br;q=",
            "br;",
            "br;q",
            "br;x=1",
            "br;q=1;x=1",
            "br;q=0,5x",
            "br gzip",
            "\"br\"",
            ";q=1",
            "bröt",
        ] {
            assert_eq!(accepted(&[&format!("{garbage}, gzip")]), "gzip", "{garbage}");
        }
    }

    proptest! {
        #[test]
        fn no_field_is_too_odd_to_be_read(field in "[ -~]{0,60}") {
            accepted(&[&field]);
        }

        #[test]
        fn what_is_compressed_can_be_had_back(body in prop::collection::vec(any::<u8>(), 0..5000)) {
            for coding in ContentCoding::ALL {
                let compressed = coding.compress(&body).unwrap();
                let mut decoded = Vec::new();
                match coding {
                    ContentCoding::Zstd => zstd::stream::copy_decode(&*compressed, &mut decoded).unwrap(),
                    ContentCoding::Brotli => {
                        brotli::BrotliDecompress(&mut &*compressed, &mut decoded).unwrap();
                    }
                    ContentCoding::Gzip => {
                        flate2::read::GzDecoder::new(&*compressed).read_to_end(&mut decoded).unwrap();
                    }
                }
                prop_assert!(decoded == body, "{coding:?}");
            }
        }
    }
}
