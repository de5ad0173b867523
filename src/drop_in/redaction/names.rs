//! Names: how they are looked up, and which look as if a secret stood behind them.

use std::hash::Hasher;

/// Parts of names behind which secrets stand, in lower case and without separators.
const SECRET_PARTS: [&str; 16] = [
    "pass",
    "pwd",
    "secret",
    "cred",
    "token",
    "key",
    "psk",
    "cert",
    "fingerprint",
    "signature",
    "presigned",
    "signedurl",
    "bearer",
    "authorization",
    "cookie",
    "sessionid",
];

/// Whether a name looks like that of a password, a key, a token, or of something else that opens a door.
/// `preSharedKey`, `pre_shared_key` and `PRE-SHARED KEY` are one name. Errs towards secrets.
pub(super) fn looks_secret(name: &str) -> bool {
    let letters: String = name
        .chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    SECRET_PARTS.iter().any(|part| letters.contains(part))
}

/// A hash of a few instructions. Only names of the program's own are ever stored by it, so nobody can make it
/// slow by what is looked up.
#[derive(Debug, Default)]
pub(super) struct NameHasher(u64);

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = (self.0.rotate_left(5) ^ u64::from_le_bytes(word))
                .wrapping_mul(0x517c_c1b7_2722_0a95);
        }
    }

    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names_however_written() {
        for name in [
            "password",
            "nsxPassword",
            "PASS-PHRASE",
            "root_pwd",
            "client_secret",
            "esx_credential",
            "accessToken",
            "Pre Shared Key",
            "api-key",
            "certificates",
            "finger_print",
            "X-Amz-Signature",
            "pass\u{fffd}word",
        ] {
            assert!(looks_secret(name), "{name}");
        }
        for name in ["", "name", "us-west-2a", "sddcLimit", "localTable", "hostname", "state"] {
            assert!(!looks_secret(name), "{name}");
        }
    }
}
