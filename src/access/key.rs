//! Caller keys: `sgw_` and 43 base64url characters, of which only the SHA-256 is kept.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::CredentialId;

/// SHA-256 of a caller key. Holding it lets nobody in: the key cannot be computed from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyDigest([u8; 32]);

/// A text that is no SHA-256 in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyDigest {
    /// It has another form.
    #[error("a key's SHA-256 is 64 hexadecimal digits")]
    Form,
    /// It is what the digest is made of.
    #[error(
        "this is the key itself, not its SHA-256, which `sddc-gateway key` prints with it; treat the \
         key as leaked and create a new one"
    )]
    Key,
}

impl KeyDigest {
    /// The digest of a key as shown by a caller. One hash, whatever the key.
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// The digest itself.
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<KeyDigest> for CredentialId {
    fn from(digest: KeyDigest) -> Self {
        Self::of_digest(&digest.0)
    }
}

impl FromStr for KeyDigest {
    type Err = InvalidKeyDigest;
    fn from_str(text: &str) -> Result<Self, InvalidKeyDigest> {
        if text.starts_with("sgw_") {
            return Err(InvalidKeyDigest::Key);
        }
        let text = text.as_bytes();
        if text.len() != 64 {
            return Err(InvalidKeyDigest::Form);
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(text.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| InvalidKeyDigest::Form)?;
            // `from_str_radix` alone would take a sign: "+f".
            if !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(InvalidKeyDigest::Form);
            }
            *byte = u8::from_str_radix(pair, 16).map_err(|_| InvalidKeyDigest::Form)?;
        }
        Ok(Self(digest))
    }
}

impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A new key, on its way to the person who asked for it: `sddc-gateway key NAME` prints it once.
pub struct CallerKey(SecretString);

impl CallerKey {
    /// Draws 256 bits from the operating system.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn generate() -> Result<Self, rand::rngs::SysError> {
        use rand::TryRng;
        let mut bits = [0; 32];
        rand::rngs::SysRng.try_fill_bytes(&mut bits)?;
        Ok(Self(format!("sgw_{}", BASE64_URL_SAFE_NO_PAD.encode(bits)).into()))
    }

    /// What goes into the configuration.
    pub fn digest(&self) -> KeyDigest {
        KeyDigest::of(self.0.expose_secret().as_bytes())
    }

    /// The key itself, for the one print.
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_has_256_bits_and_its_digest_reads_back() {
        let key = CallerKey::generate().expect("the OS has randomness");
        assert_eq!(key.reveal().len(), "sgw_".len() + 43);
        assert!(key.reveal().starts_with("sgw_"));
        let printed = key.digest().to_string();
        assert_eq!(printed.parse(), Ok(key.digest()));
        assert_eq!(printed.to_uppercase().parse(), Ok(key.digest()));
    }

    #[test]
    fn a_keys_id_is_the_first_eight_digits_of_its_digest() {
        let digest = KeyDigest::of(b"key");
        assert_eq!(CredentialId::from(digest).to_string(), digest.to_string()[..8]);
        assert_eq!(CredentialId::from(digest), CredentialId::of(b"key"));
    }

    #[test]
    fn odd_digests_are_refused() {
        for odd in ["", "ab", &"g".repeat(64), &"+f".repeat(32), &"é".repeat(32)] {
            assert_eq!(odd.parse::<KeyDigest>(), Err(InvalidKeyDigest::Form), "{odd}");
        }
        let key = CallerKey::generate().expect("the OS has randomness");
        assert_eq!(key.reveal().parse::<KeyDigest>(), Err(InvalidKeyDigest::Key));
    }
}
