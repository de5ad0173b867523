//! Blanks out the secrets that the gateway holds, should a text of VMware's quote one.
//!
//! Each secret is looked for as it is and in hex and base64, by one automaton, in the text as it came
//! and in what the text says once percent-encoding and JSON's escapes are undone: whichever bytes of
//! a secret were encoded, and in either case.

use std::{fmt::Write as _, ops::Range};

use aho_corasick::{AhoCorasick, AhoCorasickKind, packed};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use secrecy::{ExposeSecret, SecretString};

use super::decoded::DecodedText;

/// Stands where a secret was.
const MASK: &str = "[redacted]";

/// Bytes: a shorter secret is part of too many words, and blanking those out would show it.
pub(super) const MIN_SCRUBBED_BYTES: usize = 8;

/// Bytes at the end of a form by which it is found.
const MAX_END_BYTES: usize = 32;

/// Patterns that one vectorised search can find.
const MAX_PACKED: usize = 64;

/// Encodings within encodings that are undone.
const MAX_LAYERS: usize = 3;

/// How a caller key of the gateway begins, and how many base64url characters follow.
const KEY_PREFIX: &str = "sgw_";
const KEY_CHARACTERS: usize = 43;

/// How a JWT begins: `{"` in base64. A token that may not be ours is known by its look.
const JWT_PREFIX: &str = "eyJ";

/// Secrets that the gateway holds at one moment. Cannot be printed.
#[derive(Default)]
pub struct Scrubber {
    /// Finds the end of each form, and the two prefixes, which come last; `None` finds nothing.
    ends: Option<AhoCorasick>,
    /// Find whether there is any of these at all, many bytes at a time; none where the processor cannot.
    any: Vec<packed::Searcher>,
    /// Every form of every secret.
    forms: Vec<Vec<u8>>,
}

impl Scrubber {
    /// Finds these secrets, but for those of less than 8 bytes.
    pub fn new(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        let long = |secret: &SecretString| secret.expose_secret().len() >= MIN_SCRUBBED_BYTES;
        let secrets = secrets.into_iter().filter(long);
        let mut forms: Vec<Vec<u8>> =
            secrets.flat_map(|secret| forms(secret.expose_secret())).collect();
        forms.sort_unstable();
        forms.dedup();
        // Built again with each mint: of tokens of kilobytes in a dozen forms, and with a table of
        // every byte at every place, which is the crate's choice for few patterns, it would take
        // megabytes. Ends, because all JWTs of an issuer begin alike.
        let ends = forms.iter().map(|form| &form[form.len().saturating_sub(MAX_END_BYTES)..]);
        let patterns = ends.chain([KEY_PREFIX.as_bytes(), JWT_PREFIX.as_bytes()]);
        let all: Vec<_> = patterns.clone().collect();
        let any = all.chunks(MAX_PACKED).map(packed::Searcher::new).collect::<Option<_>>();
        let kind = Some(AhoCorasickKind::ContiguousNFA);
        let ends = AhoCorasick::builder().kind(kind).build(patterns).ok();
        Self { ends, any: any.unwrap_or_default(), forms }
    }

    /// The text with `[redacted]` for each secret, and for whatever looks like a caller key or a JWT.
    /// A text without any comes back as it is, at the cost of one search.
    pub fn scrub(&self, text: Box<str>) -> Box<str> {
        let mut found = self.find(&text);
        if found.is_empty() {
            return text;
        }
        // All are searched for in the text as it came: one may be a part of another.
        found.sort_unstable_by_key(|place| place.start);
        let mut clean = String::with_capacity(text.len());
        let mut end = 0;
        for place in found {
            if place.start >= end {
                clean.push_str(&text[end..place.start]);
                clean.push_str(MASK);
            }
            end = end.max(place.end);
        }
        clean.push_str(&text[end..]);
        clean.into()
    }

    /// Whether nothing in the text would be blanked out.
    pub fn is_clean(&self, text: &str) -> bool {
        self.find(text).is_empty()
    }

    fn find(&self, text: &str) -> Vec<Range<usize>> {
        let (mut found, looks_like_one) = self.find_held(text.as_bytes());
        if looks_like_one {
            found.extend(keys(text).chain(jwts(text)));
        }
        let mut layer = DecodedText::of(text.as_bytes());
        for _ in 0..MAX_LAYERS {
            let Some(decoded) = layer else { break };
            let (within, _) = self.find_held(decoded.bytes());
            found.extend(within.into_iter().map(|place| whole(text, &decoded.origin(place))));
            layer = decoded.undo();
        }
        found
    }

    /// Where held secrets are, and whether there is something that may look like one.
    fn find_held(&self, bytes: &[u8]) -> (Vec<Range<usize>>, bool) {
        let (mut found, mut looks_like_one) = (Vec::new(), false);
        if !self.any.is_empty() && self.any.iter().all(|any| any.find(bytes).is_none()) {
            return (found, looks_like_one);
        }
        let matches = self.ends.iter().flat_map(|ends| ends.find_overlapping_iter(bytes));
        for one in matches {
            match self.forms.get(one.pattern().as_usize()) {
                Some(form) if bytes[..one.end()].ends_with(form) => {
                    found.push(one.end() - form.len()..one.end());
                }
                Some(_) => {}
                None => looks_like_one = true,
            }
        }
        (found, looks_like_one)
    }
}

base::opaque_debug!(Scrubber);

/// A secret as it is, as a form writes its blanks, in hex of either case, and in base64 and
/// base64url by itself or within something longer.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let hex = bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let mut forms = vec![
        bytes.to_vec(),
        secret.replace(' ', "+").into_bytes(),
        hex.to_ascii_uppercase().into_bytes(),
        hex.into_bytes(),
    ];
    for engine in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
        forms.push(engine.encode(bytes).into_bytes());
        for before in 0..3 {
            let text = engine.encode([&[0; 3][..before], bytes].concat());
            // What depends on these bytes alone.
            let (start, end) = ((before * 8).div_ceil(6), (before + bytes.len()) * 8 / 6);
            forms.push(text.as_bytes()[start..end].to_vec());
        }
    }
    forms
}

/// The range, widened to whole characters.
fn whole(text: &str, range: &Range<usize>) -> Range<usize> {
    let start = (0..=range.start).rev().find(|at| text.is_char_boundary(*at));
    let end = (range.end..=text.len()).find(|at| text.is_char_boundary(*at));
    start.unwrap_or(0)..end.unwrap_or(text.len())
}

fn places<'a>(text: &'a str, part: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
    text.match_indices(part).map(|(at, part)| at..at + part.len())
}

/// At least three parts with dots between them (RFC 7519 section 3), whatever stands before them.
fn jwts(text: &str) -> impl Iterator<Item = Range<usize>> {
    let ends = |it: char| !(it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.'));
    let mut end = 0;
    text.split_inclusive(ends).filter_map(move |run| {
        let begin = end;
        end += run.len();
        let run = run.trim_end_matches(ends).trim_end_matches('.');
        let at = run.find(JWT_PREFIX)?;
        (run[at..].matches('.').count() >= 2).then(|| begin + at..begin + run.len())
    })
}

fn keys(text: &str) -> impl Iterator<Item = Range<usize>> {
    let base64url = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    places(text, KEY_PREFIX).filter_map(move |prefix| {
        let key = text.as_bytes().get(prefix.end..prefix.end + KEY_CHARACTERS)?;
        key.iter().all(base64url).then(|| prefix.start..prefix.end + KEY_CHARACTERS)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base::clock::Clock;
    use base64::prelude::BASE64_STANDARD;
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::{
        super::{ClientSecret, Mint, SecretCell, Settings, Token, token::Lifetime},
        *,
    };
    use crate::upstream::{CallBounds, Client, ContentType, Proxies, Upstream};

    const SECRET: &str = "s3cr3t &+ü";
    const FORM: &str = "s3cr3t+%26%2B%C3%BC";
    const TOKEN: &str = "opaque-token_of.the.app";

    fn mint(secret: &str) -> Mint {
        let secret = ClientSecret::from_text(secret).unwrap();
        let settings = Settings {
            url: "http://127.0.0.1:1".parse().unwrap(),
            token_path: "/token".to_owned(),
            client_id: "the app".parse().unwrap(),
            client_secret: secret.clone(),
            basic_encoding: super::super::BasicEncoding::Raw,
        };
        let second = Duration::from_secs(1);
        let bounds = CallBounds { connect_timeout: second, timeout: second, max_body: 1 };
        let (clock, proxies) = (Clock::manual(jiff::Timestamp::UNIX_EPOCH), Proxies::default());
        let url = &settings.url;
        let csp = Upstream {
            name: "csp",
            ca_setting: "vmc.ca_file",
            user_agent: "test",
            accepts: ContentType::Json,
        };
        let csp = Client::new(csp, url, bounds, None, &proxies, clock, ()).unwrap();
        Mint::new(csp, &settings, SecretCell::new(secret))
    }

    fn scrubber(secret: &str) -> Scrubber {
        let start = Clock::manual(jiff::Timestamp::UNIX_EPOCH).now();
        let plan = Lifetime::plan(start, Duration::from_secs(60), 0.5);
        let token = Token::new(HeaderValue::from_static(TOKEN), 1, start, plan);
        Scrubber::new(mint(secret).secrets().into_iter().chain(token.secret()))
    }

    fn scrubbed(text: &str) -> String {
        scrubber(SECRET).scrub(text.into()).into()
    }

    #[test]
    fn each_form_of_a_held_secret_is_blanked_out() {
        let basic = BASE64_STANDARD.encode(format!("the app:{SECRET}"));
        let basic_form = BASE64_STANDARD.encode(format!("the+app:{FORM}"));
        for secret in [SECRET, FORM, TOKEN, basic.trim_end_matches('='), &basic_form] {
            let clean = scrubbed(&format!("a {secret} b{secret}{secret}"));
            assert_eq!(clean.replace('=', ""), "a [redacted] b[redacted][redacted]", "{secret}");
        }
    }

    #[test]
    fn a_held_secret_is_blanked_out_however_it_is_encoded() {
        let secret = "p4ss/w\u{f6}rd+ \"\\<1>";
        let (bytes, url) = (secret.as_bytes(), BASE64_URL_SAFE_NO_PAD);
        let each = |form: fn(&u8) -> String| bytes.iter().map(form).collect::<String>();
        let percent: String = url::form_urlencoded::byte_serialize(bytes).collect();
        let json = serde_json::to_string(secret).unwrap();
        let json = &json[1..json.len() - 1];
        let units = |upper: bool| {
            let unit =
                |it: u16| if upper { format!("\\u{it:04X}") } else { format!("\\u{it:04x}") };
            secret.encode_utf16().map(unit).collect::<String>()
        };
        let forms = [
            secret.to_owned(),
            each(|byte| format!("{byte:02x}")),
            each(|byte| format!("{byte:02X}")),
            each(|byte| format!("%{byte:02x}")),
            each(|byte| format!("%{byte:02X}")),
            percent.to_lowercase(),
            percent.replace('+', "%20"),
            percent.replace('%', "%25"),
            percent,
            json.to_owned(),
            json.replace('/', "\\/").replace('<', "\\u003c"),
            json.replace('\\', "\\\\").replace('"', "\\\""),
            units(false),
            units(true),
            BASE64_STANDARD_NO_PAD.encode(bytes),
            url.encode(bytes),
        ];
        for form in forms {
            let clean = scrubber(secret).scrub(format!("\u{fc} {form}\u{fc}{form}").into());
            assert_eq!(&*clean, "\u{fc} [redacted]\u{fc}[redacted]", "{form}");
        }
        for before in 0..3 {
            let text = url.encode(format!("{}{secret} and more", "x".repeat(before)));
            let clean = scrubber(secret).scrub(text.into());
            assert!(clean.contains("[redacted]"), "{before}: {clean}");
        }
    }

    #[test]
    fn what_looks_like_a_callers_key_is_blanked_out() {
        let key = format!("sgw_{}", "aB3-_".repeat(9)).chars().take(47).collect::<String>();
        assert_eq!(scrubbed(&format!("with ({key}).")), "with ([redacted]).");
        assert_eq!(scrubbed(&format!("sgw_{key}")), "[redacted]", "one begins inside the other");
        for other in [&key[..46], &format!("{}.{}", &key[..20], &key[21..]), "sgw_", "sgw_ü"] {
            assert_eq!(scrubbed(other), other);
        }
    }

    #[test]
    fn what_looks_like_a_jwt_is_blanked_out() {
        let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln-_";
        assert_eq!(
            scrubbed(&format!("with {jwt}. And ü{jwt}ü")),
            "with [redacted]. And ü[redacted]ü"
        );
        assert_eq!(
            scrubbed(&format!("token=\"{jwt}\", _{jwt}")),
            "token=\"[redacted]\", _[redacted]"
        );
        assert_eq!(
            scrubbed(&format!("{jwt}.a.b {jwt}/{jwt}")),
            "[redacted] [redacted]/[redacted]",
            "a JWE has five parts"
        );
        for other in ["eyJ", "eyJ.a", "eyJ.a.", "a.b.c", "eyJhbGciOiJSUzI1NiJ9 . a . b", "www.eyJ"]
        {
            assert_eq!(scrubbed(other), other);
        }
    }

    #[test]
    fn a_short_secret_shreds_no_text() {
        let scrub = |secret: &str| scrubber(secret).scrub("failed: üüüüüab".into());
        assert_eq!(&*scrub("a"), "failed: üüüüüab");
        assert_eq!(&*scrub("üüüb"), "failed: üüüüüab", "7 bytes");
        assert_eq!(&*scrub("üüüab"), "failed: üü[redacted]", "8 bytes");
    }

    #[test]
    fn a_text_without_secrets_comes_back_as_it_is() {
        for text in ["", "Not enough capacity for the requested hosts.", "s3cr3t", "[redacted]"] {
            assert_eq!(scrubbed(text), text);
        }
    }

    #[test]
    fn a_scrubber_cannot_be_printed() {
        assert_eq!(format!("{:?}", scrubber(SECRET)), "Scrubber(…)");
    }

    proptest! {
        #[test]
        fn no_secret_is_left_however_they_overlap(
            secrets in proptest::collection::vec("[ab]{8,11}", 1..4),
            texts in proptest::collection::vec("[ab ü]{0,14}", 0..9),
        ) {
            let wrapped = secrets.iter().map(|secret| SecretString::from(secret.as_str()));
            let clean = Scrubber::new(wrapped).scrub(texts.concat().into());
            for secret in &secrets {
                prop_assert!(!clean.contains(secret.as_str()), "{clean} has {secret}");
            }
        }
    }
}
