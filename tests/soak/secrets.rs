//! What nobody may ever see.

use aho_corasick::AhoCorasick;

use crate::{shared::KEY, world::SECRET};

/// Finds what looks like a secret.
pub struct Secrets(AhoCorasick);

impl Secrets {
    pub fn new() -> Self {
        // The simulator's secrets, the app's own in all its numbers, the payload of an upstream
        // token, callers' keys, and the key of what replicas share.
        Self(AhoCorasick::new(["CANARY-", SECRET, ".eyJ", "sgw_", KEY]).unwrap())
    }

    pub fn found_in(&self, bytes: &[u8]) -> bool {
        self.0.is_match(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_wherever_it_stands() {
        let secrets = Secrets::new();
        for text in ["a CANARY-1", "soak-secret-12", "eyJhbGciOi.eyJzdWI", "sgw_abc"] {
            assert!(secrets.found_in(text.as_bytes()), "{text}");
        }
        assert!(!secrets.found_in(br#"{"name": "prod-1", "next_cursor": "eyJuIjoxfQ"}"#));
    }
}
