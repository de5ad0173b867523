//! The answer that a list was last read from. VMware sends the same bytes at nearly every poll: what they say
//! need not be found out again.
//!
//! *Must not break*: bytes are the same only with the same secrets to be kept out of texts, and what they say is
//! given back only while all of it is still kept.

use std::sync::{Arc, LazyLock, Weak};

use parking_lot::Mutex;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::{belief::OrgList, model::Gap};
use crate::vmc::OddCount;

/// Nobody who names an SDDC can make two answers that are taken for one.
static SEED: LazyLock<u64> = LazyLock::new(rand::random);

/// Which bytes an answer has, and which secrets were held when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BodyDigest {
    hash: u128,
    bytes: usize,
    secrets: u64,
}

impl BodyDigest {
    /// Of a body, and of the generation of the held secrets.
    pub(super) fn new(body: &[u8], secrets: u64) -> Self {
        Self { hash: xxh3_128_with_seed(body, *SEED), bytes: body.len(), secrets }
    }
}

/// What the last answer said; nothing at first.
#[derive(Debug)]
pub(super) struct LastBody<E>(Mutex<Option<KnownBody<E>>>);

#[derive(Debug)]
struct KnownBody<E> {
    digest: BodyDigest,
    /// As the list keeps them.
    entries: Vec<Weak<E>>,
    gaps: Vec<Gap>,
    odd: OddCount,
}

impl<E> Default for LastBody<E> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<E> LastBody<E> {
    /// What an answer says, if it is the last one once more.
    pub(super) fn get(&self, digest: BodyDigest) -> Option<(OrgList<E>, OddCount)> {
        let kept = self.0.lock();
        let known = kept.as_ref().filter(|known| known.digest == digest)?;
        let entries = known.entries.iter().map(Weak::upgrade).collect::<Option<_>>()?;
        let list = OrgList { entries, gaps: known.gaps.clone(), held_back: Vec::new() };
        Some((list, known.odd))
    }

    /// Keeps what an answer says, as it is believed: if documents are held back, that is not what it says.
    pub(super) fn set(&self, digest: BodyDigest, list: &OrgList<E>, odd: OddCount) {
        *self.0.lock() = list.held_back.is_empty().then(|| KnownBody {
            digest,
            entries: list.entries.iter().map(Arc::downgrade).collect(),
            gaps: list.gaps.clone(),
            odd,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Clock, inventory::belief::HeldBack};

    fn whole(texts: &[&'static str]) -> OrgList<&'static str> {
        OrgList::whole(texts.iter().copied().map(Arc::new).collect())
    }

    #[test]
    fn the_same_bytes_say_the_same_while_what_they_said_is_kept() {
        let body = LastBody::default();
        let digest = BodyDigest::new(b"[1]", 1);
        assert!(body.get(digest).is_none());
        let (list, odd) = (whole(&["a", "b"]), OddCount { documents: 2, ..OddCount::default() });
        body.set(digest, &list, odd);
        let (again, odd_again) = body.get(BodyDigest::new(b"[1]", 1)).unwrap();
        assert!(
            again.entries.iter().zip(&list.entries).all(|(one, other)| Arc::ptr_eq(one, other))
        );
        assert_eq!((again.entries.len(), odd_again), (2, odd));
        drop((again, list));
        assert!(body.get(digest).is_none(), "nothing of it is kept elsewhere");
    }

    #[test]
    fn other_bytes_or_other_secrets_are_another_answer() {
        let (body, list) = (LastBody::default(), whole(&["a"]));
        body.set(BodyDigest::new(b"[1]", 1), &list, OddCount::default());
        for other in
            [BodyDigest::new(b"[2]", 1), BodyDigest::new(b"[1] ", 1), BodyDigest::new(b"[1]", 2)]
        {
            assert!(body.get(other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn a_list_that_holds_documents_back_is_not_what_its_answer_says() {
        let (body, digest) = (LastBody::default(), BodyDigest::new(b"[1]", 1));
        let mut list = whole(&["a"]);
        body.set(digest, &list, OddCount::default());
        let (entry, begun) = (list.entries[0].clone(), Clock::system().now());
        list.held_back.push(HeldBack { entry, begun, is_listed: true });
        body.set(digest, &list, OddCount::default());
        assert!(body.get(digest).is_none());
    }
}
