//! How records are sealed: AES-256-GCM with keys derived (HKDF-SHA256, RFC 5869) from `keys.file`,
//! bound to the resource, the fence and the time they were made for.
//!
//! Redis holds nothing that its reader could use, and nothing that its writer could forge.

use std::sync::Arc;

use arc_swap::ArcSwap;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use secrecy::SecretString;

use super::{InvalidKeys, MasterKey};

/// The first byte of what is sealed: another one for each change of the layout.
const LAYOUT: u8 = 1;
const KEY_ID_LEN: usize = 4;
const HEAD_LEN: usize = 1 + KEY_ID_LEN + NONCE_LEN;

/// The keys of `keys.file`: the first seals, all of them open. Cheap to clone.
#[derive(Clone)]
pub struct SealingKeys(Arc<ArcSwap<Vec<SealingKey>>>);

struct SealingKey {
    /// As it stands in the file.
    line: SecretString,
    /// Tells which key opens, so that no other is tried. Derived, so it says nothing of the key.
    id: [u8; KEY_ID_LEN],
    key: LessSafeKey,
}

/// What a record is sealed for: none can be put in another one's place, or be made younger.
#[derive(Debug, Clone, Copy)]
pub(super) struct Purpose<'a> {
    /// The resource's.
    pub(super) name: &'a str,
    pub(super) fence: u64,
    /// When it was made, in ms by Redis's clock.
    pub(super) at: u64,
}

/// What is not sealed by one of our keys for this purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotOurs;

impl SealingKeys {
    /// The keys of a file's content.
    ///
    /// # Errors
    /// [`InvalidKeys`].
    pub fn parse(content: &[u8]) -> Result<Self, InvalidKeys> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(parse(content)?))))
    }

    /// Takes another content of the file.
    ///
    /// # Errors
    /// [`InvalidKeys`]: the old keys stay.
    pub fn replace(&self, content: &[u8]) -> Result<(), InvalidKeys> {
        self.0.store(Arc::new(parse(content)?));
        Ok(())
    }

    /// The lines of the file, so that no text shows one.
    pub fn lines(&self) -> Vec<SecretString> {
        self.0.load().iter().map(|key| key.line.clone()).collect()
    }

    pub(super) fn seal(&self, purpose: Purpose<'_>, plain: &[u8]) -> Vec<u8> {
        let keys = self.0.load();
        let key = keys.first().expect("never empty");
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut sealed = Vec::with_capacity(HEAD_LEN + plain.len() + AES_256_GCM.tag_len());
        sealed.push(LAYOUT);
        sealed.extend_from_slice(&key.id);
        sealed.extend_from_slice(&nonce);
        let mut text = plain.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        key.key
            .seal_in_place_append_tag(nonce, Aad::from(purpose.to_bytes()), &mut text)
            .expect("no record is longer than AES-GCM allows");
        sealed.append(&mut text);
        sealed
    }

    pub(super) fn open(&self, purpose: Purpose<'_>, sealed: &[u8]) -> Result<Vec<u8>, NotOurs> {
        let (head, text) = sealed.split_at_checked(HEAD_LEN).ok_or(NotOurs)?;
        let (id, nonce) = (&head[1..=KEY_ID_LEN], &head[1 + KEY_ID_LEN..]);
        let keys = self.0.load();
        let key = keys.iter().find(|key| key.id == *id && head[0] == LAYOUT).ok_or(NotOurs)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotOurs)?;
        let mut text = text.to_vec();
        let plain = key.key.open_in_place(nonce, Aad::from(purpose.to_bytes()), &mut text);
        let length = plain.map_err(|_| NotOurs)?.len();
        text.truncate(length);
        Ok(text)
    }
}

impl Purpose<'_> {
    fn to_bytes(self) -> Vec<u8> {
        [self.name.as_bytes(), &[0], &self.fence.to_be_bytes(), &self.at.to_be_bytes()].concat()
    }
}

fn parse(content: &[u8]) -> Result<Vec<SealingKey>, InvalidKeys> {
    Ok(MasterKey::read(content)?.into_iter().map(SealingKey::derive).collect())
}

impl SealingKey {
    fn derive(master: MasterKey) -> Self {
        let id = master.expand(b"record key id");
        let key = UnboundKey::new(&AES_256_GCM, &master.expand::<32>(b"record key"));
        let key = LessSafeKey::new(key.expect("32 bytes are a key"));
        Self { line: master.into_line(), id, key }
    }
}

base::opaque_debug!(SealingKeys);

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};

    use super::*;

    fn line(byte: u8) -> String {
        BASE64_STANDARD.encode([byte; 32])
    }

    fn keys(lines: &[u8]) -> SealingKeys {
        let text: Vec<_> = lines.iter().map(|byte| line(*byte)).collect();
        SealingKeys::parse(text.join("\n").as_bytes()).unwrap()
    }

    fn purpose(name: &str, fence: u64) -> Purpose<'_> {
        Purpose { name, fence, at: 1000 }
    }

    #[test]
    fn a_record_opens_for_its_resource_fence_and_time_only() {
        let keys = keys(&[1]);
        let sealed = keys.seal(purpose("sddcs/o-1", 7), b"a list");
        assert_eq!(keys.open(purpose("sddcs/o-1", 7), &sealed).unwrap(), b"a list");
        assert_eq!(keys.open(purpose("sddcs/o-1", 8), &sealed), Err(NotOurs));
        assert_eq!(keys.open(purpose("sddcs/o-2", 7), &sealed), Err(NotOurs));
        let younger = Purpose { at: 1001, ..purpose("sddcs/o-1", 7) };
        assert_eq!(keys.open(younger, &sealed), Err(NotOurs));
        assert!(!sealed.windows(6).any(|window| window == b"a list"));
    }

    #[test]
    fn no_changed_byte_goes_unnoticed() {
        let keys = keys(&[1]);
        let sealed = keys.seal(purpose("token/o-1", 1), b"text");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(keys.open(purpose("token/o-1", 1), &changed), Err(NotOurs), "{at}");
            assert_eq!(keys.open(purpose("token/o-1", 1), &sealed[..at]), Err(NotOurs), "{at}");
        }
    }

    #[test]
    fn the_first_line_seals_and_all_lines_open() {
        let sealed = keys(&[1]).seal(purpose("a", 1), b"text");
        let rotated = keys(&[2, 1]);
        assert_eq!(rotated.open(purpose("a", 1), &sealed).unwrap(), b"text");
        let sealed = rotated.seal(purpose("a", 1), b"text");
        assert_eq!(keys(&[2]).open(purpose("a", 1), &sealed).unwrap(), b"text");
        assert_eq!(keys(&[1]).open(purpose("a", 1), &sealed), Err(NotOurs));
    }

    #[test]
    fn a_file_without_good_keys_says_which_line() {
        let parse = |text: &str| SealingKeys::parse(text.as_bytes()).map(|_| ());
        assert_eq!(parse("\n \n"), Err(InvalidKeys::None));
        assert_eq!(parse(&format!("{}\r\n\nnot base64!", line(1))), Err(InvalidKeys::NotBase64(3)));
        assert_eq!(parse("c2hvcnQ="), Err(InvalidKeys::TooShort(1)));
        assert_eq!(parse(&vec![line(1); 17].join("\n")), Err(InvalidKeys::TooMany));
        assert_eq!(parse(&format!("{}\n", line(1))), Ok(()));
    }
}
