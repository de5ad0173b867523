//! Blanks out the secrets that the gateway holds, should a text of VMware's quote one.

use std::{fmt, ops::Range};

use secrecy::{ExposeSecret, SecretString};

/// Stands where a secret was.
const MASK: &str = "***";

/// Characters: a shorter secret is part of too many words, and blanking those out would show it.
const SHORTEST: usize = 6;

/// How a caller key of the gateway begins, and how many base64url characters follow.
const KEY_PREFIX: &str = "sgw_";
const KEY_CHARACTERS: usize = 43;

/// How a JWT begins: `{"` in base64. A token that was renewed a moment ago is held no more, but still
/// good, and may not be ours: those are known by their look.
const JWT_PREFIX: &str = "eyJ";

/// The secrets of a [`TokenSource`](super::TokenSource) at one moment. Cannot be printed.
pub struct Scrubber(Vec<SecretString>);

impl Scrubber {
    pub(super) fn new(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        let long = |secret: &SecretString| secret.expose_secret().chars().count() >= SHORTEST;
        Self(secrets.into_iter().filter(long).collect())
    }

    /// The text with `***` for each secret, and for whatever looks like a caller key or a JWT. A
    /// text without any comes back as it is, at the cost of one search per secret.
    #[must_use]
    pub fn scrub(&self, text: Box<str>) -> Box<str> {
        let found = self.0.iter().flat_map(|secret| places(&text, secret.expose_secret()));
        let mut found: Vec<Range<usize>> = found.chain(keys(&text)).chain(jwts(&text)).collect();
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
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrubber(…)")
    }
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

    use base64::{Engine, prelude::BASE64_STANDARD};
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::{
        super::{ClientSecret, Mint, SecretCell, SecretOrigin, Settings, Token, token::Lifetime},
        *,
    };
    use crate::{
        clock::Clock,
        telemetry::Metrics,
        upstream::{Bounds, Client, Proxies, Upstream},
    };

    const SECRET: &str = "s3cr3t &+ü";
    const FORM: &str = "s3cr3t+%26%2B%C3%BC";
    const TOKEN: &str = "opaque-token_of.the.app";

    fn mint(secret: &str) -> Mint {
        let secret = ClientSecret::from_text(secret).unwrap();
        let settings = Settings {
            url: "http://127.0.0.1:1".parse().unwrap(),
            token_path: "/token".to_owned(),
            client_id: "the app".parse().unwrap(),
            client_secret: SecretOrigin::Value(secret.clone()),
            basic_encoding: super::super::BasicEncoding::Raw,
        };
        let second = Duration::from_secs(1);
        let bounds = Bounds { connect_timeout: second, timeout: second, max_body: 1 };
        let (clock, proxies) = (Clock::manual(jiff::Timestamp::UNIX_EPOCH), Proxies::default());
        let url = &settings.url;
        let csp =
            Client::new(Upstream::Csp, url, bounds, None, &proxies, clock, Metrics::new()).unwrap();
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
            assert_eq!(clean.replace('=', ""), "a *** b******", "{secret}");
        }
    }

    #[test]
    fn what_looks_like_a_callers_key_is_blanked_out() {
        let key = format!("sgw_{}", "aB3-_".repeat(9)).chars().take(47).collect::<String>();
        assert_eq!(scrubbed(&format!("with ({key}).")), "with (***).");
        assert_eq!(scrubbed(&format!("sgw_{key}")), "***", "one begins inside the other");
        for other in [&key[..46], &format!("{}.{}", &key[..20], &key[21..]), "sgw_", "sgw_ü"] {
            assert_eq!(scrubbed(other), other);
        }
    }

    #[test]
    fn what_looks_like_a_jwt_is_blanked_out() {
        let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln-_";
        assert_eq!(scrubbed(&format!("with {jwt}. And ü{jwt}ü")), "with ***. And ü***ü");
        assert_eq!(scrubbed(&format!("token=\"{jwt}\", _{jwt}")), "token=\"***\", _***");
        assert_eq!(
            scrubbed(&format!("{jwt}.a.b {jwt}/{jwt}")),
            "*** ***/***",
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
        assert_eq!(&*scrub("üüüab"), "failed: üüüüüab", "5 characters, however many bytes");
        assert_eq!(&*scrub("üüüüab"), "failed: ü***");
    }

    #[test]
    fn a_text_without_secrets_comes_back_as_it_is() {
        for text in ["", "Not enough capacity for the requested hosts.", "s3cr3t", "***"] {
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
            secrets in proptest::collection::vec("[ab]{6,9}", 1..4),
            texts in proptest::collection::vec("[ab ü]{0,12}", 0..9),
        ) {
            let wrapped = secrets.iter().map(|secret| SecretString::from(secret.as_str()));
            let clean = Scrubber::new(wrapped).scrub(texts.concat().into());
            for secret in &secrets {
                prop_assert!(!clean.contains(secret.as_str()), "{clean} has {secret}");
            }
        }
    }
}
