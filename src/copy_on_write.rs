//! A map that many read and few write: a read takes no lock, a write copies a part of the map.

use std::{
    array,
    borrow::Borrow,
    collections::HashMap,
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    sync::Arc,
};

use arc_swap::ArcSwap;

/// A write copies one of so many parts.
const PARTS: usize = 16;

/// Remembers what was found out under a key. A part that is full forgets everything: what is still
/// wanted of it is found out once more.
pub(crate) struct CopyOnWriteMap<K, V> {
    parts: [ArcSwap<HashMap<K, V>>; PARTS],
    hasher: RandomState,
    max_of_part: usize,
}

impl<K: Eq + Hash + Clone, V: Clone> CopyOnWriteMap<K, V> {
    /// An empty map of at most `max` entries.
    pub(crate) fn new(max: usize) -> Self {
        let parts = array::from_fn(|_| ArcSwap::default());
        Self { parts, hasher: RandomState::new(), max_of_part: max.div_ceil(PARTS) }
    }

    /// What `read` makes of the entry of a key.
    pub(crate) fn read<Q: Eq + Hash + ?Sized, T>(
        &self,
        key: &Q,
        read: impl FnOnce(&V) -> Option<T>,
    ) -> Option<T>
    where
        K: Borrow<Q>,
    {
        self.part(key).load().get(key).and_then(read)
    }

    /// Puts an entry in, or in the place of that which has the key. Of two that do so at once, one may
    /// be forgotten.
    pub(crate) fn insert(&self, key: K, value: V) {
        let part = self.part(&key);
        let before = part.load();
        let is_full = before.len() >= self.max_of_part && !before.contains_key(&key);
        let mut entries = if is_full { HashMap::new() } else { HashMap::clone(&before) };
        entries.insert(key, value);
        part.store(Arc::new(entries));
    }

    fn part(&self, key: &(impl Hash + ?Sized)) -> &ArcSwap<HashMap<K, V>> {
        let hash = usize::try_from(self.hasher.hash_one(key) % PARTS as u64);
        &self.parts[hash.unwrap_or_default()]
    }
}

impl<K, V> fmt::Debug for CopyOnWriteMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyOnWriteMap").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_remembers_the_newest_until_it_is_full() {
        let map = CopyOnWriteMap::new(64);
        let has = |key: usize| map.read(&key, |value| Some(*value));
        assert_eq!(has(1), None);
        map.insert(1, 1);
        map.insert(1, 2);
        assert_eq!(has(1), Some(2));
        for key in 0..1000 {
            map.insert(key, key);
            assert_eq!(has(key), Some(key));
        }
        let kept = (0..1000).filter(|key| has(*key).is_some()).count();
        assert!((PARTS..=64).contains(&kept), "{kept}");
    }
}
