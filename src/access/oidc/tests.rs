//! Which tokens are taken, and why the others are not.

mod arbitrary;
mod keys;
mod remembering;
mod tokens;

use ring::hmac;
use serde_json::{Value, json};

use support::signer::{Signer, base64url};

use super::*;
use crate::tasks::BackgroundJobs;

const ISSUER: &str = "https://login.example.com";
const AUDIENCE: &str = "sddc-gateway";
/// The clock's time: 2026-11-28T00:00:00Z.
const NOW: i64 = 1_795_824_000;
const ALGORITHMS: [&str; 9] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn set(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

/// One that holds these keys, as from a file.
fn oidc(keys: &[Value]) -> Oidc {
    let oidc = without_keys();
    oidc.take_file(&set(keys)).unwrap();
    oidc
}

fn settings() -> Settings {
    Settings {
        issuer: ISSUER.into(),
        audience: Some(AUDIENCE.into()),
        client_ids: Vec::new(),
        keys: KeysFrom::Url("http://127.0.0.1:1/jwks".parse().unwrap()),
        ca_file: None,
    }
}

fn of_settings(settings: Settings) -> Oidc {
    let jobs = BackgroundJobs::new(Metrics::new());
    Oidc::new(settings, &Proxies::default(), Clock::manual(now()), Metrics::new(), jobs).unwrap()
}

/// One whose keys were not fetched yet.
fn without_keys() -> Oidc {
    of_settings(settings())
}

fn trusting(signer: &Signer) -> Oidc {
    oidc(&[signer.jwk()])
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "billing", "exp": NOW + 300 })
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name);
    object
}

fn fault(oidc: &Oidc, token: &str) -> Option<JwtFault> {
    oidc.verify(token, now()).err()
}
