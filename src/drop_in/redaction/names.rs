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

/// What words end with, written so, that sentences have before a secret.
const SECRET_WORDS: [&str; 17] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "credentials",
    "psk",
    "apikey",
    "accesskey",
    "privatekey",
    "authorization",
    "bearer",
    "cookie",
    "sessionid",
    "signature",
];

/// Whether a name looks like that of a password, a key, a token, or of something else that opens a door.
/// `preSharedKey`, `pre_shared_key` and `PRE-SHARED KEY` are one name. Errs towards secrets.
pub(super) fn looks_secret(name: &str) -> bool {
    let letters = letters(name);
    SECRET_PARTS.iter().any(|part| letters.contains(part))
}

/// Whether a word of a sentence is the name of a secret: what follows it after a `=` or a colon is its value. Allocates
/// nothing: there is a word before each colon of a time.
pub(super) fn names_secret(word: &str) -> bool {
    const LONGEST: usize = 13;
    if ["_key", "-key", "Key", "_KEY"].into_iter().any(|key| word.ends_with(key)) {
        return true;
    }
    let (mut end, mut at) = ([0; LONGEST], LONGEST);
    let letters = word.bytes().rev().filter(|byte| !b"-_".contains(byte));
    for letter in letters.take(LONGEST) {
        at -= 1;
        end[at] = letter.to_ascii_lowercase();
    }
    SECRET_WORDS.iter().any(|secret| end[at..].ends_with(secret.as_bytes()))
}

fn letters(name: &str) -> String {
    let letters = name.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// A hash of a few instructions. Only names of the program's own are ever stored by it, so nobody can make it
/// slow by what is looked up.
#[derive(Debug, Default)]
pub(super) struct NameHasher(u64);

impl Hasher for NameHasher {
    /// Takes both ends and the length: few of VMware's names have these in common.
    fn write(&mut self, bytes: &[u8]) {
        let word = |part: &[u8]| part.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        let (first, last) = match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => (word(bytes), 0),
        };
        let ends = first.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ last.rotate_left(32);
        self.0 = (ends ^ bytes.len() as u64).wrapping_mul(0x517c_c1b7_2722_0a95);
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
        for word in ["password", "userPassword", "API_KEY", "access-key", "x-auth-token", "PSK"] {
            assert!(names_secret(word), "{word}");
        }
        for word in ["", "_", "12", "passwords-of", "tokens", "https", "credentialType", "key"] {
            assert!(!names_secret(word), "{word}");
        }
        assert!(SECRET_WORDS.iter().all(|word| word.len() <= 13 && names_secret(word)));
        for name in ["", "name", "us-west-2a", "sddcLimit", "localTable", "hostname", "state"] {
            assert!(!looks_secret(name), "{name}");
        }
    }
}
