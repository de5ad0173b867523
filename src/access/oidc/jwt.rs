//! A token taken apart (RFC 7515 section 3.1, RFC 7519): what is known before its signature is
//! verified, and what is believed after.
//!
//! Flow: text → [`SignedToken::parse`] (form, header) → [`SignedToken::is_signed_by`] → [`SignedToken::claims`].
//!
//! Nothing of the payload is decoded before the signature was found good.

use std::{borrow::Cow, fmt};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{
    Deserialize,
    de::{Deserializer, Error, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use super::{
    Claims, JwtFault,
    jwks::KeyId,
    signature::{Algorithm, PublicKey},
};

/// Longer tokens are not looked at: an issuer's token with a hundred groups in it is half as long.
const MAX_BYTES: usize = 16 * 1024;

/// Parameters that a sender could use to choose the key, or the meaning, of his own token.
const REFUSED_PARAMETERS: [&str; 4] = ["jku", "x5u", "jwk", "crit"];

/// Whether a credential has a JWT's form: three parts of base64url, of which the last one is empty if
/// it is not signed (RFC 7519 section 6.1).
pub(super) fn has_form(token: &[u8]) -> bool {
    let base64url = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    // To the end even after a bad byte: without a branch for each it is many at once.
    let all = |part: &[u8]| part.iter().fold(true, |good, byte| good & base64url(byte));
    let is_part = |at: usize, part: &[u8]| (at == 2 || !part.is_empty()) && all(part);
    // One part more than wanted is enough to know.
    let mut parts = token.split(|byte| *byte == b'.').take(4).enumerate();
    parts.by_ref().take(3).filter(|(at, part)| is_part(*at, part)).count() == 3
        && parts.next().is_none()
}

/// Refuses a token by its length alone: the one thing that is judged before it is hashed.
pub(super) fn check_length(token: &str) -> Result<(), JwtFault> {
    if token.len() > MAX_BYTES { Err(JwtFault::TooLong) } else { Ok(()) }
}

/// A token whose form and header are good, not yet verified. Has no `Debug`: it is a credential.
pub(super) struct SignedToken<'t> {
    pub(super) algorithm: &'static Algorithm,
    pub(super) kid: Option<String>,
    signed: &'t str,
    payload: &'t str,
    signature: Vec<u8>,
}

impl<'t> SignedToken<'t> {
    pub(super) fn parse(token: &'t str) -> Result<Self, JwtFault> {
        check_length(token)?;
        let (signed, signature) = token.rsplit_once('.').ok_or(JwtFault::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(JwtFault::Malformed)?;
        let (algorithm, kid) = read_header(&object(header)?)?;
        let signature = decode(signature).ok_or(JwtFault::Malformed)?;
        if payload.contains('.') || signature.is_empty() {
            return Err(JwtFault::Malformed);
        }
        Ok(Self { algorithm, kid, signed, payload, signature })
    }

    /// Whether the key made the signature. The caller sees to it that the key suits the algorithm.
    pub(super) fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.has_signed(self.algorithm, self.signed.as_bytes(), &self.signature)
    }

    /// The claims; only of a token that was verified with this key.
    pub(super) fn claims(&self, key: KeyId) -> Result<Claims, JwtFault> {
        Ok(Claims::read(object(self.payload)?)?.signed_by(key))
    }
}

fn read_header(
    header: &Map<String, Value>,
) -> Result<(&'static Algorithm, Option<String>), JwtFault> {
    let name = header.get("alg").and_then(Value::as_str).ok_or(JwtFault::Malformed)?;
    let algorithm = Algorithm::of_name(name).ok_or(JwtFault::Algorithm)?;
    if REFUSED_PARAMETERS.iter().any(|name| header.contains_key(*name)) {
        return Err(JwtFault::Header);
    }
    match header.get("typ") {
        None => {}
        Some(Value::String(typ)) if is_access_token(typ) => {}
        Some(Value::String(_)) => return Err(JwtFault::Header),
        Some(_) => return Err(JwtFault::Malformed),
    }
    match header.get("kid") {
        None => Ok((algorithm, None)),
        Some(Value::String(kid)) => Ok((algorithm, Some(kid.clone()))),
        Some(_) => Err(JwtFault::Malformed),
    }
}

/// Whether a `typ` is that of a JWT in general or of an access token (RFC 9068 section 2.1).
///
/// Issuers sign more than these with the same keys, for the same audience: logout tokens, security
/// events, introspection answers. Each carries a type of its own so that it is not taken for
/// another kind (RFC 8725 section 3.11), so what is typed differently is refused. Many issuers leave
/// `typ` out.
fn is_access_token(typ: &str) -> bool {
    // A media type whose `application/` may be left out, upper and lower case alike (RFC 7515
    // section 4.1.9).
    let typ = typ.to_ascii_lowercase();
    matches!(typ.strip_prefix("application/").unwrap_or(&typ), "jwt" | "at+jwt")
}

fn decode(part: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(part).ok()
}

/// A part as a JSON object with each name once: of two equal names another reader may see the other
/// (RFC 7515 section 4, RFC 7519 section 4).
fn object(part: &str) -> Result<Map<String, Value>, JwtFault> {
    let json = decode(part).ok_or(JwtFault::Malformed)?;
    serde_json::from_slice(&json)
        .map(|JwtMembers(members)| members)
        .map_err(|_| JwtFault::Malformed)
}

struct JwtMembers(Map<String, Value>);

impl<'de> Deserialize<'de> for JwtMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct JwtReader;

        impl<'de> Visitor<'de> for JwtReader {
            type Value = JwtMembers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with each name once")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JwtMembers, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = map.next_entry::<Cow<'de, str>, Value>()? {
                    if members.insert(name.into_owned(), value).is_some() {
                        return Err(A::Error::custom("a name is there twice"));
                    }
                }
                Ok(JwtMembers(members))
            }
        }

        deserializer.deserialize_map(JwtReader)
    }
}
