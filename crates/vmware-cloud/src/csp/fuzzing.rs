//! Fuzz bodies: CSP's answer, and the secrets that are blanked out of texts. See
//! the gateway's `fuzzing`.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;

use super::{
    TokenFacts, mint,
    scrub::{MIN_SCRUBBED_BYTES, Scrubber},
};

/// The body of a token answer: the token is the one in it, its life is within bounds, and what is
/// said of a bad answer says nothing of its content.
pub fn token(data: &[u8]) {
    let document: Option<Value> = serde_json::from_slice(data).ok();
    match mint::read(data) {
        Ok(minted) => {
            let life = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
            assert!(life.contains(&minted.life), "{:?}", minted.life);
            assert!(!minted.header.as_bytes().trim_ascii().is_empty());
            let told = document.as_ref().map(|it| it["access_token"].as_str().map(str::as_bytes));
            assert!(told.is_none_or(|told| told == Some(minted.header.as_bytes())));
            let facts = TokenFacts::of(&minted);
            assert!(facts.writing_roles().count() <= facts.permissions.len());
        }
        Err(error) => {
            let text = format!("{error} {error:?}");
            let same = [&b"["[..], b"{}", b"{\"access_token\":\"a\\n\"}"];
            let known = same.map(|body| match mint::read(body) {
                Ok(_) => unreachable!("none of them has a token that can be sent"),
                Err(error) => format!("{error} {error:?}"),
            });
            assert!(known.contains(&text), "{text}");
        }
    }
}

/// Secrets, a line each up to an empty one, and a text: none of them is left in it, and a text
/// without any stays as it is.
pub fn scrubber(data: &[u8]) {
    let Ok(data) = str::from_utf8(data) else { return };
    let (secrets, text) = match data.strip_prefix('\n') {
        Some(text) => ("", text),
        None => data.split_once("\n\n").unwrap_or((data, "")),
    };
    let secrets: Vec<_> = secrets.lines().collect();
    let scrubber = Scrubber::new(secrets.iter().map(|secret| SecretString::from(*secret)));
    let clean = scrubber.scrub(text.into());
    let held = |secret: &&&str| secret.len() >= MIN_SCRUBBED_BYTES;
    // Of its characters the mask itself may make one.
    let of_mask = |secret: &str| secret.chars().any(|it| "[redacted]".contains(it));
    for secret in secrets.iter().filter(held).filter(|secret| !of_mask(secret)) {
        assert!(!clean.contains(*secret), "{secret} is in {clean}");
    }
    assert!(!scrubber.is_clean(text) || *clean == *text);
    if secrets.iter().filter(held).any(|it| text.contains(*it)) {
        assert!(clean.contains("[redacted]"));
    }
}
