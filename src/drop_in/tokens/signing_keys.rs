//! The keys that sign tokens: Ed25519, one derived from each line of `keys.file`.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    hmac,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use serde_json::json;

use crate::{
    access::{KeyDigest, Refusal, oidc::JwtFault},
    sharing::{InvalidKeys, MasterKey},
};

/// Bytes of a keyed hash that stand in a token.
const BINDING_BYTES: usize = 16;

/// All keys of one moment, at least one: the first signs.
pub(super) struct SigningKeys {
    keys: Vec<SigningKey>,
    /// Which moment's they are.
    pub(super) generation: u64,
}

/// What signs and verifies tokens, and binds them to callers' keys.
pub(super) struct SigningKey {
    kid: String,
    /// The first part of each token, with the dot behind it: what this key verifies begins so.
    header: String,
    pair: Ed25519KeyPair,
    binding: hmac::Key,
}

/// The public half.
#[derive(Debug, Clone)]
pub(in crate::drop_in) struct PublicKey {
    pub(in crate::drop_in) kid: String,
    pub(in crate::drop_in) bytes: Vec<u8>,
}

impl SigningKeys {
    /// The keys of a file's content.
    pub(super) fn read(content: &[u8], generation: u64) -> Result<Self, InvalidKeys> {
        let keys = MasterKey::read(content)?;
        Ok(Self { keys: keys.iter().map(SigningKey::derive).collect(), generation })
    }

    /// A key that ends with the process.
    pub(super) fn random() -> Self {
        Self { keys: vec![SigningKey::derive(&MasterKey::random())], generation: 0 }
    }

    pub(super) fn signing(&self) -> &SigningKey {
        self.keys.first().expect("never empty")
    }

    pub(super) fn all(&self) -> &[SigningKey] {
        &self.keys
    }

    /// The key that has signed a token, and the part with its claims.
    pub(super) fn verify<'a>(&self, token: &'a [u8]) -> Result<(&SigningKey, &'a [u8]), Refusal> {
        let of = |key: &&SigningKey| token.starts_with(key.header.as_bytes());
        let key = self.keys.iter().find(of).ok_or(Refusal::ForeignToken)?;
        let dot = token.iter().rposition(|byte| *byte == b'.').ok_or(Refusal::ForeignToken)?;
        let (signed, signature) = (&token[..dot], &token[dot + 1..]);
        let claims = signed.get(key.header.len()..).ok_or(Refusal::ForeignToken)?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature);
        let signature = signature.map_err(|_| Refusal::Token(JwtFault::Signature))?;
        let public = UnparsedPublicKey::new(&ED25519, key.pair.public_key());
        public.verify(signed, &signature).map_err(|_| Refusal::Token(JwtFault::Signature))?;
        Ok((key, claims))
    }
}

impl SigningKey {
    fn derive(master: &MasterKey) -> Self {
        let seed = master.expand::<32>(b"access token signing key");
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("32 bytes are a seed");
        let binding = master.expand::<32>(b"access token binding key");
        let kid = BASE64_URL_SAFE_NO_PAD.encode(master.expand::<8>(b"access token key id"));
        let header = json!({"alg": "EdDSA", "kid": kid, "typ": "JWT"}).to_string();
        let header = format!("{}.", BASE64_URL_SAFE_NO_PAD.encode(header));
        Self { kid, header, pair, binding: hmac::Key::new(hmac::HMAC_SHA256, &binding) }
    }

    /// The token that says this.
    pub(super) fn sign(&self, claims: &[u8]) -> String {
        let mut token = self.header.clone();
        BASE64_URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.pair.sign(token.as_bytes());
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }

    /// What stands for a caller's key in a token: no guess at the key can be tried on it.
    pub(super) fn bind(&self, key: &KeyDigest) -> String {
        let tag = hmac::sign(&self.binding, key.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(&tag.as_ref()[..BINDING_BYTES])
    }

    /// Whether this stands for the caller's key. It is of a token that was verified: no secret is
    /// compared.
    pub(super) fn is_bound(&self, key: &KeyDigest, text: &str) -> bool {
        self.bind(key) == text
    }

    pub(super) fn public(&self) -> PublicKey {
        PublicKey { kid: self.kid.clone(), bytes: self.pair.public_key().as_ref().to_vec() }
    }
}
