//! The public keys of the gateway's tokens, in the forms in which CSP shows its own.

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use crate::{
    drop_in::tokens::{ISSUER, PublicKey},
    problem::{Code, Problem},
};

/// What stands before the 32 bytes of an Ed25519 key in a `SubjectPublicKeyInfo` (RFC 8410).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A JWK set (RFC 8037).
pub(super) fn key_set(keys: &[PublicKey]) -> Value {
    json!({ "keys": jwks(keys) })
}

/// `token-public-key`: the set where `format=jwks`, else the signing key in PEM.
pub(super) fn public_key(keys: &[PublicKey], query: Option<&str>) -> Result<Value, Problem> {
    let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let format = pairs.find(|(name, _)| name == "format").map(|(_, value)| value);
    let (keys, pem) = match format.as_deref() {
        Some("jwks") => (jwks(keys).into(), None),
        None => (Value::Null, keys.first().map(pem)),
        Some(_) => {
            return Err(Problem::new(Code::BadRequest, "format: only jwks is supported"));
        }
    };
    Ok(json!({ "alg": "EdDSA", "issuer": ISSUER, "keys": keys, "value": pem }))
}

/// What the discovery of `OpenID` Connect says of it. URLs are relative: the gateway does not know its own name.
pub(super) fn discovery() -> Value {
    json!({
        "issuer": ISSUER,
        "token_endpoint": "/csp/gateway/am/api/auth/token",
        "jwks_uri": "/csp/gateway/am/api/auth/keys",
        "grant_types_supported": ["client_credentials", "refresh_token"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
    })
}

fn jwks(keys: &[PublicKey]) -> Vec<Value> {
    let jwk = |key: &PublicKey| {
        json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "alg": "EdDSA",
            "use": "sig",
            "kid": key.kid,
            "x": BASE64_URL_SAFE_NO_PAD.encode(&key.bytes),
        })
    };
    keys.iter().map(jwk).collect()
}

fn pem(key: &PublicKey) -> String {
    let der = [&SPKI[..], &key.bytes].concat();
    let text = BASE64_STANDARD.encode(der);
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}
