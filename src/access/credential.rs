//! What stands for a credential where the credential itself must not stand.

use std::fmt;

use sha2::{Digest, Sha256};

/// The first 32 bits of a credential's SHA-256: enough to tell in the audit which of a caller's keys
/// was used, and far too little to find the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CredentialId([u8; 4]);

impl CredentialId {
    /// The id of a credential's bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_digest(&Sha256::digest(bytes).into())
    }

    /// The same from the SHA-256 that is known already.
    pub(super) const fn of_digest(digest: &[u8; 32]) -> Self {
        let [a, b, c, d, ..] = *digest;
        Self([a, b, c, d])
    }
}

/// Eight hexadecimal digits.
impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_beginning_of_the_hash() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(CredentialId::of(b"abc").to_string(), "ba7816bf");
        assert_ne!(CredentialId::of(b"abc"), CredentialId::of(b"abd"));
    }
}
