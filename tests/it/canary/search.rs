//! Finds secrets in whatever came out, however they are written there.
//!
//! What is searched is looked at as it is, decompressed, without its escapes and percent-decoded;
//! each secret is looked for in pieces, as it is and in the ways in which bytes become text.

use std::{borrow::Cow, fmt, io::Read};

use aho_corasick::AhoCorasick;
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE},
};

/// Part of a secret is a leak too: whatever holds twice as many bytes of one in a row is found.
const PIECE_BYTES: usize = 12;
/// Escapes may be escaped: a log line quotes JSON that quotes JSON.
const NESTED: usize = 3;

/// What must not come out.
#[derive(Debug, Clone)]
pub struct Secret {
    /// What it is, for whoever has to find the leak.
    pub name: String,
    pub text: String,
}

impl Secret {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

/// A secret that came out.
#[derive(Clone, PartialEq, Eq)]
pub struct Hit {
    /// Where it came out.
    pub place: String,
    /// Which it is.
    pub secret: String,
    /// How it is written there.
    pub form: &'static str,
    /// What stands around it.
    pub around: String,
}

impl fmt::Debug for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, secret, form, around } = self;
        write!(f, "{place}: {secret} ({form}) in …{around}…")
    }
}

/// Looks for many secrets at once.
pub struct Searcher {
    machine: AhoCorasick,
    /// Of each pattern: the secret's name and the form.
    patterns: Vec<(String, &'static str)>,
}

impl Searcher {
    pub fn new(secrets: &[Secret]) -> Self {
        let (mut patterns, mut bytes) = (Vec::new(), Vec::new());
        for secret in secrets {
            for piece in pieces(secret.text.as_bytes()) {
                for (form, written) in forms(piece) {
                    patterns.push((secret.name.clone(), form));
                    bytes.push(written);
                }
            }
        }
        Self { machine: AhoCorasick::new(bytes).unwrap(), patterns }
    }

    /// Each secret that is there, once for each form.
    pub fn search(&self, place: &str, bytes: &[u8]) -> Vec<Hit> {
        let mut hits: Vec<Hit> = Vec::new();
        for view in views(bytes) {
            for found in self.machine.find_overlapping_iter(&*view) {
                let (secret, form) = &self.patterns[found.pattern().as_usize()];
                if hits.iter().any(|hit| hit.secret == *secret && hit.form == *form) {
                    continue;
                }
                let (from, to) = (found.start().saturating_sub(60), found.end() + 60);
                let around = String::from_utf8_lossy(&view[from..to.min(view.len())]);
                hits.push(Hit {
                    place: place.to_owned(),
                    secret: secret.clone(),
                    form,
                    around: around.into_owned(),
                });
            }
        }
        hits
    }
}

/// A short secret is looked for whole.
fn pieces(secret: &[u8]) -> Vec<&[u8]> {
    if secret.len() < 2 * PIECE_BYTES {
        return vec![secret];
    }
    secret.chunks_exact(PIECE_BYTES).collect()
}

/// How bytes may be written.
pub fn forms(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let each = |write: fn(&u8) -> String| bytes.iter().map(write).collect::<Vec<_>>();
    let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
    let mut forms = vec![
        ("plain", bytes.to_vec()),
        ("lower case", bytes.to_ascii_lowercase()),
        ("upper case", bytes.to_ascii_uppercase()),
        ("reversed", reversed),
        ("hex", each(|byte| format!("{byte:02x}")).concat().into()),
        ("HEX", each(|byte| format!("{byte:02X}")).concat().into()),
        ("numbers", each(u8::to_string).join(", ").into()),
        ("numbers without spaces", each(u8::to_string).join(",").into()),
    ];
    for offset in 0..3 {
        forms.push(("base64", in_base64(bytes, offset, &BASE64_STANDARD)));
        forms.push(("base64url", in_base64(bytes, offset, &BASE64_URL_SAFE)));
    }
    // Many are the same: a secret of small letters has no other lower case.
    let mut seen = Vec::new();
    forms.retain(|(_, written)| {
        let is_new = !seen.contains(written);
        seen.push(written.clone());
        is_new
    });
    forms
}

/// What of the encoding depends on these bytes alone, where `offset` others stand before them.
fn in_base64(bytes: &[u8], offset: usize, engine: &impl Engine) -> Vec<u8> {
    let text = engine.encode([&[0; 3][..offset], bytes].concat());
    let (first, end) = ((offset * 8).div_ceil(6), (offset + bytes.len()) * 8 / 6);
    text.as_bytes()[first..end].to_vec()
}

/// What is searched, and what it becomes when it is read.
fn views(bytes: &[u8]) -> Vec<Cow<'_, [u8]>> {
    let mut views = vec![Cow::Borrowed(bytes)];
    views.extend(decompressed(bytes).map(Cow::Owned));
    // Base64 is broken into lines, and so are lists of numbers.
    for at in 0..views.len() {
        if views[at].contains(&b'\n') {
            views.push(squeezed(&views[at]).into());
        }
    }
    for at in 0..views.len() {
        let mut text = unescaped(&views[at]);
        for _ in 0..NESTED {
            let Some(less) = text else { break };
            text = unescaped(&less);
            views.push(less.into());
        }
        views.extend(percent_decoded(&views[at]).map(Cow::Owned));
    }
    views
}

fn squeezed(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().filter(|byte| !byte.is_ascii_whitespace()).copied().collect()
}

/// What is in a gzip or zstd body, which their first bytes tell.
fn decompressed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut inside = Vec::new();
    match bytes {
        [0x1f, 0x8b, ..] => {
            // Of a body that was cut, what there is.
            let _ = flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut inside);
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let _ = zstd::stream::copy_decode(bytes, &mut inside);
        }
        _ => return None,
    }
    Some(inside)
}

/// Without the escapes of JSON and of `Debug`; `None` where there are none.
fn unescaped(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut clean = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        clean.extend_from_slice(&rest[..at]);
        let (written, length) = escape(&rest[at + 1..]);
        clean.extend_from_slice(&written);
        rest = &rest[(at + 1 + length).min(rest.len())..];
    }
    clean.extend_from_slice(rest);
    (rest.len() < bytes.len()).then_some(clean)
}

/// What an escape stands for, and how long it is after its backslash.
fn escape(after: &[u8]) -> (Vec<u8>, usize) {
    let hex = |from: usize, to: usize| {
        let digits = std::str::from_utf8(after.get(from..to)?).ok()?;
        u32::from_str_radix(digits, 16).ok()
    };
    let character = |code: Option<u32>, length: usize| {
        let character = code.and_then(char::from_u32).unwrap_or('\u{fffd}');
        (character.to_string().into_bytes(), length)
    };
    match after.first() {
        Some(b'u') if after.get(1) == Some(&b'{') => {
            let end = after.iter().position(|byte| *byte == b'}').unwrap_or(2);
            character(hex(2, end), end + 1)
        }
        Some(b'u') => character(hex(1, 5), 5),
        Some(b'x') => {
            let byte = hex(1, 3).and_then(|code| u8::try_from(code).ok());
            byte.map_or((vec![b'x'], 1), |byte| (vec![byte], 3))
        }
        Some(b'n' | b'r' | b't' | b'b' | b'f' | b'0') => (vec![b' '], 1),
        Some(other) => (vec![*other], 1),
        None => (Vec::new(), 0),
    }
}

fn percent_decoded(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.contains(&b'%') {
        return None;
    }
    let mut clean = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).and_then(|it| std::str::from_utf8(it).ok());
        match digits.and_then(|it| u8::from_str_radix(it, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                clean.push(byte);
                at += 3;
            }
            _ => {
                clean.push(bytes[at]);
                at += 1;
            }
        }
    }
    Some(clean)
}

#[test]
fn a_secret_is_found_in_each_form_and_nothing_else_is() {
    let secret = Secret::new("the secret", "zk1234567890s+/%:ü?");
    let searcher = Searcher::new(std::slice::from_ref(&secret));
    let text = secret.text.as_bytes();
    let escapes: Vec<_> = secret.text.chars().map(|it| format!("\\u{:04X}", it as u32)).collect();
    let escapes = escapes.concat();
    let percent: Vec<_> = text.iter().map(|byte| format!("%{byte:02x}")).collect();
    let quoted = serde_json::json!({ "a": serde_json::json!({ "b": secret.text }).to_string() });
    let mut written = forms(text);
    for before in 0..3 {
        let shifted = [&b"xyz"[..before], text, b"tail"].concat();
        written.push(("base64 as sent", BASE64_STANDARD.encode(&shifted).into()));
        written.push(("base64url as sent", BASE64_URL_SAFE.encode(&shifted).into()));
    }
    for (name, bytes) in [
        ("escapes", escapes.clone()),
        ("escaped escapes", escapes.replace('\\', "\\\\")),
        ("Debug", format!("{:?}", secret.text)),
        ("Debug of Debug", format!("{:?}", format!("{:?}", secret.text))),
        ("Debug of bytes", format!("{text:?}")),
        ("long Debug of bytes", format!("{text:#?}")),
        ("base64 in lines", BASE64_STANDARD.encode(text).replace('W', "W\r\n")),
        ("Debug of shared bytes", format!("{:?}", bytes::Bytes::copy_from_slice(text))),
        ("ASCII of Debug", secret.text.escape_default().to_string()),
        ("percent-encoded", percent.concat()),
        ("JSON in JSON", quoted.to_string()),
        ("a form", url::form_urlencoded::byte_serialize(text).collect()),
    ] {
        written.push((name, bytes.into_bytes()));
    }
    for (form, bytes) in written {
        let whole = [b"before ", &*bytes, b" after"].concat();
        assert_eq!(found(&searcher, &whole), ["the secret"], "{form}");
        assert_eq!(found(&searcher, &gzip(&whole)), ["the secret"], "{form}, gzip");
        let zstd = zstd::encode_all(&*whole, 0).unwrap();
        assert_eq!(found(&searcher, &zstd), ["the secret"], "{form}, zstd");
    }
    for other in ["", "\\", "\\u", "\\u{", "%", "%z1", "zk1234567890", "\x1f\u{8b}", "s+/%:ü?"] {
        assert_eq!(searcher.search("here", other.as_bytes()), [], "{other}");
    }
}

#[test]
fn part_of_a_long_secret_is_found() {
    let text: String = ('a'..='z').chain('A'..='Z').chain('0'..='9').collect();
    let searcher = Searcher::new(&[Secret::new("long", &*text)]);
    for at in 0..=text.len() - 2 * PIECE_BYTES - 2 {
        let part = &text[at..at + 2 * PIECE_BYTES];
        assert_eq!(found(&searcher, part.as_bytes()), ["long"], "{part}");
        let encoded = BASE64_STANDARD.encode(part);
        assert_eq!(found(&searcher, encoded.as_bytes()), ["long"], "{part}");
    }
}

fn found(searcher: &Searcher, bytes: &[u8]) -> Vec<String> {
    let mut names: Vec<_> =
        searcher.search("here", bytes).into_iter().map(|it| it.secret).collect();
    names.dedup();
    names
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    flate2::read::GzEncoder::new(bytes, flate2::Compression::fast())
        .read_to_end(&mut packed)
        .unwrap();
    packed
}
