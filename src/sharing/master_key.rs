//! The lines of `keys.file`: what keys for each purpose are derived from (HKDF-SHA256, RFC 5869).

use base64::{Engine, prelude::BASE64_STANDARD};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

/// A line holds at least as much.
const MIN_KEY_BYTES: usize = 32;
const MAX_KEYS: usize = 16;

/// One line of `keys.file`, or a random key in its place.
pub(crate) struct MasterKey {
    /// As it stands in the file; nothing for a random one.
    line: SecretString,
    secret: Prk,
}

/// Why a file holds no keys: a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeys {
    /// It has no line with a key.
    #[error("contains no key: each line must be at least 32 random bytes in base64")]
    None,
    /// More than anybody rotates through.
    #[error("contains more than {MAX_KEYS} keys")]
    TooMany,
    /// No base64.
    #[error("line {0} is not base64")]
    NotBase64(usize),
    /// Fewer than 32 bytes.
    #[error("line {0} has fewer than 32 bytes")]
    TooShort(usize),
}

impl InvalidKeys {
    /// As `/readyz` shows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "no key",
            Self::TooMany => "too many keys",
            Self::NotBase64(_) => "not base64",
            Self::TooShort(_) => "key too short",
        }
    }
}

impl MasterKey {
    /// The keys of a file's content, at least one.
    ///
    /// # Errors
    /// [`InvalidKeys`].
    pub(crate) fn read(content: &[u8]) -> Result<Vec<Self>, InvalidKeys> {
        let lines = content.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let lines = lines.enumerate().filter(|(_, line)| !line.is_empty());
        let keys = lines.map(|(number, line)| {
            let bytes =
                BASE64_STANDARD.decode(line).map_err(|_| InvalidKeys::NotBase64(number + 1))?;
            let bytes = SecretSlice::from(bytes);
            if bytes.expose_secret().len() < MIN_KEY_BYTES {
                return Err(InvalidKeys::TooShort(number + 1));
            }
            let line = String::from_utf8_lossy(line).into_owned().into();
            Ok(Self::of(line, bytes.expose_secret()))
        });
        let keys: Vec<_> = keys.collect::<Result<_, _>>()?;
        match keys.len() {
            0 => Err(InvalidKeys::None),
            count if count > MAX_KEYS => Err(InvalidKeys::TooMany),
            _ => Ok(keys),
        }
    }

    /// A key that nobody else has, and that ends with the process.
    pub(crate) fn random() -> Self {
        Self::of(SecretString::default(), &rand::random::<[u8; MIN_KEY_BYTES]>())
    }

    fn of(line: SecretString, master: &[u8]) -> Self {
        Self { line, secret: Salt::new(HKDF_SHA256, b"sddc-gateway").extract(master) }
    }

    /// Bytes for one purpose, which say nothing of those for another.
    pub(crate) fn expand<const N: usize>(&self, purpose: &[u8]) -> [u8; N] {
        let mut bytes = [0; N];
        let filled = self.secret.expand(&[purpose], Length(N)).map(|okm| okm.fill(&mut bytes));
        filled.and_then(|filled| filled).expect("a few bytes are not too many");
        bytes
    }

    /// The line, so that no text shows it.
    pub(crate) fn into_line(self) -> SecretString {
        self.line
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}
