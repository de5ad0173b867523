//! The issuer's public keys: a JWK Set (RFC 7517) as far as it is of use here.
//!
//! A key that is of no use is skipped, since issuers publish keys for other ends in the same set. A
//! set without one usable key is refused as a whole: whoever has keys keeps them.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{JwtFault, jwt};

/// Longest document.
pub(super) const MOST_BYTES: usize = 1024 * 1024;
const MOST_KEYS: usize = 100;
/// Bits of an RSA key (RFC 7518 section 3.3; the upper bound is the verifier's).
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// What makes a document no key set, or one of no use. A closed set, for `/readyz` and log lines.
pub(super) const NO_JWK_SET: &str = "no JWK set";
pub(super) const NO_USABLE_KEY: &str = "no usable key";
pub(super) const TOO_MANY_KEYS: &str = "more than 100 keys";
pub(super) const TOO_LARGE: &str = "more than 1 MiB";

/// The usable keys of one document.
#[derive(Debug)]
pub(super) struct KeySet {
    keys: Vec<Key>,
    /// Tells whether a document is the one that is held.
    pub(super) digest: [u8; 32],
}

#[derive(Debug)]
pub(super) struct Key {
    /// Of the key itself, whatever its set calls it.
    pub(super) id: KeyId,
    kid: Option<String>,
    kind: Kind,
    /// The only algorithm that it is for, if it says so.
    algorithm: Option<Algorithm>,
    pub(super) public: DecodingKey,
}

/// The SHA-256 of a public key's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyId([u8; 32]);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// A key as written. Private halves and shared secrets are recognized, never read.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Document<'d> {
    #[serde(borrow)]
    keys: Vec<&'d RawValue>,
}

/// The SHA-256 of a document.
pub(super) fn digest(document: &[u8]) -> [u8; 32] {
    Sha256::digest(document).into()
}

impl KeySet {
    /// Reads a document. The fault is one of the constants above.
    pub(super) fn read(document: &[u8]) -> Result<Self, &'static str> {
        if document.len() > MOST_BYTES {
            return Err(TOO_LARGE);
        }
        let set: Document<'_> = serde_json::from_slice(document).map_err(|_| NO_JWK_SET)?;
        if set.keys.len() > MOST_KEYS {
            return Err(TOO_MANY_KEYS);
        }
        let usable = |raw: &&RawValue| serde_json::from_str(raw.get()).ok().and_then(Key::of);
        let keys: Vec<_> = set.keys.iter().filter_map(usable).collect();
        if keys.is_empty() {
            return Err(NO_USABLE_KEY);
        }
        Ok(Self { keys, digest: digest(document) })
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether a key is still one of the issuer's.
    pub(super) fn holds(&self, id: KeyId) -> bool {
        self.keys.iter().any(|key| key.id == id)
    }

    /// The keys that may have signed a token: those of its `kid`, of which issuers have been seen to
    /// publish two; without one, the only key that suits.
    pub(super) fn candidates(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Vec<&Key>, JwtFault> {
        let named: Vec<_> =
            self.keys.iter().filter(|key| kid.is_none() || key.kid.as_deref() == kid).collect();
        let count = named.len();
        let suiting: Vec<_> = named.into_iter().filter(|key| key.suits(algorithm)).collect();
        match (kid, count, suiting.len()) {
            (Some(_), 0, _) => Err(JwtFault::UnknownKey),
            (Some(_), _, 0) => Err(JwtFault::Algorithm),
            (None, _, count) if count != 1 => Err(JwtFault::UnknownKey),
            _ => Ok(suiting),
        }
    }
}

impl Key {
    fn of(jwk: Jwk) -> Option<Self> {
        let verifies = jwk.usage.as_deref().is_none_or(|usage| usage == "sig")
            && jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        // A key whose private half is published proves nothing.
        if !verifies || jwk.d.is_some() {
            return None;
        }
        let (kind, public) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => (Kind::Rsa, jwk.rsa()?),
            ("EC", Some("P-256")) => (Kind::P256, jwk.curve(32)?),
            ("EC", Some("P-384")) => (Kind::P384, jwk.curve(48)?),
            ("OKP", Some("Ed25519")) => (Kind::Ed25519, jwk.edwards()?),
            _ => return None,
        };
        let algorithm = match jwk.alg.as_deref().map(jwt::algorithm) {
            None => None,
            Some(Some(algorithm)) if Kind::of(algorithm) == Some(kind) => Some(algorithm),
            Some(_) => return None,
        };
        Some(Self { id: jwk.id(), kid: jwk.kid, kind, algorithm, public })
    }

    fn suits(&self, algorithm: Algorithm) -> bool {
        Kind::of(algorithm) == Some(self.kind)
            && self.algorithm.is_none_or(|only| only == algorithm)
    }
}

impl Kind {
    /// The kind of key that an algorithm takes (RFC 7518 section 3.1, RFC 8037 section 3.1).
    fn of(algorithm: Algorithm) -> Option<Self> {
        use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        match algorithm {
            RS256 | RS384 | RS512 | PS256 | PS384 | PS512 => Some(Self::Rsa),
            ES256 => Some(Self::P256),
            ES384 => Some(Self::P384),
            EdDSA => Some(Self::Ed25519),
            _ => None,
        }
    }
}

impl Jwk {
    fn id(&self) -> KeyId {
        let mut digest = Sha256::new();
        for parameter in [&self.n, &self.e, &self.x, &self.y] {
            let text = parameter.as_deref().unwrap_or_default();
            digest.update(text.len().to_be_bytes());
            digest.update(text);
        }
        KeyId(digest.finalize().into())
    }

    fn rsa(&self) -> Option<DecodingKey> {
        let (modulus, exponent) = (number(self.n.as_ref()?)?, number(self.e.as_ref()?)?);
        // An exponent of 1 would make the signature the message; no RSA key has an even one.
        let odd = exponent.last().is_some_and(|byte| byte % 2 == 1);
        (RSA_BITS.contains(&bits(&modulus)) && odd && bits(&exponent) > 1)
            .then(|| DecodingKey::from_rsa_raw_components(&modulus, &exponent))
    }

    /// A point whose coordinates have exactly the curve's length (RFC 7518 section 6.2.1.2).
    fn curve(&self, length: usize) -> Option<DecodingKey> {
        let (x, y) = (self.x.as_ref()?, self.y.as_ref()?);
        let whole = |text| decode(text).is_some_and(|coordinate| coordinate.len() == length);
        (whole(x) && whole(y)).then(|| DecodingKey::from_ec_components(x, y).ok()).flatten()
    }

    fn edwards(&self) -> Option<DecodingKey> {
        let x = decode(self.x.as_ref()?).filter(|point| point.len() == 32)?;
        Some(DecodingKey::from_ed_der(&x))
    }
}

fn decode(text: &String) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

/// A big-endian number without leading zeros, of which some issuers write one.
fn number(text: &String) -> Option<Vec<u8>> {
    let bytes = decode(text)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Some(bytes[zeros..].to_vec())
}

/// Bits of a number without leading zeros.
fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}
