//! The issuer's public keys: a JWK Set (RFC 7517) as far as it is of use here.
//!
//! A key that is of no use is skipped, since issuers publish keys for other ends in the same set. A
//! set without one usable key is refused as a whole: whoever has keys keeps them.

use std::{collections::BTreeMap, fmt};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::signature::RsaPublicKeyComponents;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{
    JwtFault,
    signature::{Algorithm, KeyKind, PublicKey},
};

/// Longest document.
pub(super) const MAX_BYTES: usize = 1024 * 1024;
const MAX_KEYS: usize = 100;
/// Bits of an RSA key (RFC 7518 section 3.3; the upper bound is the verifier's).
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// What makes a document no key set, or one of no use. A closed set, for `/readyz` and log lines.
pub(super) const NO_JWK_SET: &str = "no JWK set";
pub(super) const NO_USABLE_KEY: &str = "no usable key";
pub(super) const TOO_MANY_KEYS: &str = "more than 100 keys";
pub(super) const TOO_LARGE: &str = "more than 1 MiB";

/// Why a document is refused. `Display` is for operators: of a set without a usable key it says how
/// many there are, and why each is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SetFault {
    /// One of the constants above.
    pub(super) reason: &'static str,
    why: String,
}

base::closed_set! {
    /// Why a key is skipped.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    enum UnusableKey {
        Unreadable = "that cannot be read as a JWK",
        OtherUse = "for a use other than signatures (use, key_ops)",
        NotPublic = "secret or with its private half",
        OtherType = "of a type or curve that is not supported (kty, crv)",
        OtherAlgorithm = "for an algorithm that is not supported (alg)",
        Broken = "with missing or broken parameters, or too short",
    }
}

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
    kind: KeyKind,
    /// The only algorithm that it is for, if it says so.
    algorithm: Option<&'static Algorithm>,
    pub(super) public: PublicKey,
}

/// The SHA-256 of a public key's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyId([u8; 32]);

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
struct KeySetDocument<'d> {
    #[serde(borrow)]
    keys: Vec<&'d RawValue>,
}

impl From<&'static str> for SetFault {
    fn from(reason: &'static str) -> Self {
        Self { reason, why: String::new() }
    }
}

impl fmt::Display for SetFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)?;
        if self.why.is_empty() { Ok(()) } else { write!(f, ": {}", self.why) }
    }
}

/// The SHA-256 of a document.
pub(super) fn digest(document: &[u8]) -> [u8; 32] {
    Sha256::digest(document).into()
}

impl KeySet {
    /// Reads a document.
    pub(super) fn read(document: &[u8]) -> Result<Self, SetFault> {
        if document.len() > MAX_BYTES {
            return Err(TOO_LARGE.into());
        }
        let set: KeySetDocument<'_> =
            serde_json::from_slice(document).map_err(|_| SetFault::from(NO_JWK_SET))?;
        if set.keys.len() > MAX_KEYS {
            return Err(TOO_MANY_KEYS.into());
        }
        let (mut keys, mut unusable) = (Vec::new(), BTreeMap::<_, usize>::new());
        for raw in &set.keys {
            let key = serde_json::from_str(raw.get()).map_err(|_| UnusableKey::Unreadable);
            match key.and_then(Key::of) {
                Ok(key) => keys.push(key),
                Err(why) => *unusable.entry(why).or_default() += 1,
            }
        }
        if keys.is_empty() {
            let why = unusable.iter().map(|(why, count)| format!("{count} {}", why.as_str()));
            let why = why.collect::<Vec<_>>().join(", ");
            let why = if why.is_empty() { "the set is empty".to_owned() } else { why };
            return Err(SetFault { reason: NO_USABLE_KEY, why });
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
    /// publish two, or those that have none; without a `kid`, all that suit (RFC 7515 section 4.1.4
    /// leaves it out as it likes).
    pub(super) fn candidates(
        &self,
        kid: Option<&str>,
        algorithm: &Algorithm,
    ) -> Result<Vec<&Key>, JwtFault> {
        let suiting = |key: &&Key| key.suits(algorithm);
        let Some(kid) = kid else {
            let keys: Vec<_> = self.keys.iter().filter(suiting).collect();
            return if keys.is_empty() { Err(JwtFault::UnknownKey) } else { Ok(keys) };
        };
        let named: Vec<_> =
            self.keys.iter().filter(|key| key.kid.as_deref() == Some(kid)).collect();
        let (keys, fault): (Vec<_>, _) = if named.is_empty() {
            let unnamed = self.keys.iter().filter(|key| key.kid.is_none());
            (unnamed.filter(suiting).collect(), JwtFault::UnknownKey)
        } else {
            (named.into_iter().filter(suiting).collect(), JwtFault::Algorithm)
        };
        if keys.is_empty() { Err(fault) } else { Ok(keys) }
    }
}

impl Key {
    fn of(jwk: Jwk) -> Result<Self, UnusableKey> {
        // `jwt-svid` is SPIFFE's word for it (JWT-SVID section 4).
        let is_use = |usage: &str| matches!(usage, "sig" | "jwt-svid");
        let verifies = jwk.usage.as_deref().is_none_or(is_use)
            && jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !verifies {
            return Err(UnusableKey::OtherUse);
        }
        // A key whose private half is published proves nothing.
        if jwk.d.is_some() || jwk.kty == "oct" {
            return Err(UnusableKey::NotPublic);
        }
        let (kind, public) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => (KeyKind::Rsa, jwk.rsa()),
            ("EC", Some("P-256")) => (KeyKind::P256, jwk.curve(32)),
            ("EC", Some("P-384")) => (KeyKind::P384, jwk.curve(48)),
            ("OKP", Some("Ed25519")) => (KeyKind::Ed25519, jwk.edwards()),
            _ => return Err(UnusableKey::OtherType),
        };
        let algorithm = match jwk.alg.as_deref().map(Algorithm::of_name) {
            None => None,
            Some(Some(algorithm)) if algorithm.key_kind == kind => Some(algorithm),
            Some(_) => return Err(UnusableKey::OtherAlgorithm),
        };
        let public = public.ok_or(UnusableKey::Broken)?;
        Ok(Self { id: jwk.id(), kid: jwk.kid, kind, algorithm, public })
    }

    fn suits(&self, algorithm: &Algorithm) -> bool {
        let is_only = |only: &Algorithm| only.name == algorithm.name;
        algorithm.key_kind == self.kind && self.algorithm.is_none_or(is_only)
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

    fn rsa(&self) -> Option<PublicKey> {
        let (n, e) = (number(self.n.as_ref()?)?, number(self.e.as_ref()?)?);
        // An exponent of 1 would make the signature the message; no RSA key has an even one.
        let odd = e.last().is_some_and(|byte| byte % 2 == 1);
        (RSA_BITS.contains(&bits(&n)) && odd && bits(&e) > 1)
            .then_some(PublicKey::Rsa(RsaPublicKeyComponents { n, e }))
    }

    /// A point whose coordinates have exactly the curve's length (RFC 7518 section 6.2.1.2).
    fn curve(&self, length: usize) -> Option<PublicKey> {
        let (x, y) = (decode(self.x.as_ref()?)?, decode(self.y.as_ref()?)?);
        let whole = x.len() == length && y.len() == length;
        // 4: both coordinates follow (SEC 1 section 2.3.3).
        whole.then(|| PublicKey::Point([&[4], &x[..], &y[..]].concat()))
    }

    fn edwards(&self) -> Option<PublicKey> {
        let x = decode(self.x.as_ref()?).filter(|point| point.len() == 32)?;
        Some(PublicKey::Point(x))
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
