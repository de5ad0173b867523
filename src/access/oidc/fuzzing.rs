//! Fuzz bodies: tokens, their claims, and the keys they are verified with. See [`crate::fuzzing`].

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::{
    Claims, KeysFrom, Oidc, Settings, WORDS,
    jwks::{self, KeySet},
};
use crate::{clock::Clock, telemetry::Metrics, upstream::Proxies};

/// The public key of RFC 8037, appendix A: the fuzzer signs with no key.
const KEYS: &str = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

static OIDC: LazyLock<Oidc> = LazyLock::new(|| {
    let settings = Settings {
        issuer: "https://login.example.com".into(),
        audience: Some("sddc-gateway".into()),
        client_ids: Vec::new(),
        keys: KeysFrom::Url("http://127.0.0.1:1/jwks".parse().expect("a URL")),
        ca_file: None,
    };
    let jobs = crate::tasks::BackgroundJobs::new(crate::telemetry::Metrics::new());
    let oidc = Oidc::new(settings, &Proxies::default(), Clock::system(), Metrics::new(), jobs);
    let oidc = oidc.unwrap_or_else(|error| panic!("{error}"));
    oidc.take_file(KEYS.as_bytes()).unwrap_or_else(|reason| panic!("{reason}"));
    oidc
});

/// A token: without the private key nobody makes one that is good.
pub(crate) fn jwt(data: &[u8]) {
    let Ok(token) = str::from_utf8(data) else {
        assert!(!Oidc::looks_like_jwt(data));
        return;
    };
    assert_eq!(Oidc::looks_like_jwt(data), has_form(token), "{token}");
    let now = Clock::system().wall();
    let fault = OIDC.verify(token, now).expect_err("nobody signed this");
    assert_eq!(OIDC.verify(token, now).expect_err("nor this"), fault, "the same twice");
    assert!(fault.to_string().len() < 256, "a fault is one of a few texts");
}

fn has_form(token: &str) -> bool {
    let parts: Vec<_> = token.split('.').collect();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    // The third is empty where nothing is signed.
    let there = |part: &&str| !part.is_empty();
    parts.len() == 3 && parts[..2].iter().all(there) && parts.iter().all(|it| it.chars().all(plain))
}

/// The claims of a token that the issuer signed: a text matches itself alone, or as one of an array,
/// and nothing else matches it.
pub(crate) fn claims(data: &[u8]) {
    let Ok(object) = serde_json::from_slice::<Map<String, Value>>(data) else { return };
    let Ok(claims) = Claims::read(object.clone()) else { return };
    for (claim, value) in object.iter().filter(|(claim, _)| !WORDS.contains(&claim.as_str())) {
        let texts = object.values().flat_map(texts).chain(["", "null", "ci"]);
        for text in texts.filter(|text| !text.contains('*')) {
            let wanted = match value {
                Value::String(own) => own == text,
                Value::Array(items) => items.iter().any(|item| item == text),
                _ => false,
            };
            assert_eq!(claims.matches(claim, &text.into()), wanted, "{claim}: {value} {text:?}");
        }
    }
    let absent = !object.contains_key("no such claim");
    assert!(!claims.matches("no such claim", &"*".into()) || !absent);
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// A JWK set: taken as a whole with a usable key, refused with a reason of a closed set without one.
pub(crate) fn jwk_set(data: &[u8]) {
    match KeySet::read(data) {
        Ok(set) => assert!((1..=100).contains(&set.len())),
        Err(fault) => assert!(
            [jwks::NO_JWK_SET, jwks::NO_USABLE_KEY, jwks::TOO_MANY_KEYS, jwks::TOO_LARGE]
                .contains(&fault.reason)
        ),
    }
}
