//! What is known of a request by who asks and by its raw target, before anything of it is parsed.

use std::sync::Arc;

use crate::copy_on_write::CopyOnWriteMap;

/// Longer targets are seldom asked for twice.
const MAX_TARGET_BYTES: usize = 256;
const ADDRESS_BYTES: usize = size_of::<usize>();

/// Values by the address of an owner, and a target. A value has to hold its owner, so that no other one gets that
/// address.
#[derive(Debug)]
pub(crate) struct TargetMap<V>(CopyOnWriteMap<Arc<[u8]>, Arc<V>>);

impl<V> TargetMap<V> {
    /// An empty map of at most `max` values.
    pub(crate) fn new(max: usize) -> Self {
        Self(CopyOnWriteMap::new(max))
    }

    /// Puts a value in, unless the one that is there `will_do`, for a write copies a part of the map, or its target is
    /// too long.
    pub(crate) fn insert(
        &self,
        owner: usize,
        target: &str,
        will_do: impl FnOnce(&V) -> bool,
        value: impl FnOnce() -> V,
    ) {
        let mut buffer = KeyBuffer::default();
        let Some(key) = buffer.key(owner, target) else { return };
        let is_there = self.0.read(key, |known| Some(will_do(known))).unwrap_or(false);
        if !is_there {
            self.0.insert(key.into(), Arc::new(value()));
        }
    }

    /// The value of an owner and a target.
    pub(crate) fn get(&self, owner: usize, target: &str) -> Option<Arc<V>> {
        let mut buffer = KeyBuffer::default();
        let key = buffer.key(owner, target)?;
        self.0.read(key, |value| Some(value.clone()))
    }
}

/// The owner's address, and the target behind it.
struct KeyBuffer([u8; ADDRESS_BYTES + MAX_TARGET_BYTES]);

impl Default for KeyBuffer {
    fn default() -> Self {
        Self([0; ADDRESS_BYTES + MAX_TARGET_BYTES])
    }
}

impl KeyBuffer {
    fn key(&mut self, owner: usize, target: &str) -> Option<&[u8]> {
        let key = self.0.get_mut(..ADDRESS_BYTES + target.len())?;
        let (address, text) = key.split_at_mut(ADDRESS_BYTES);
        address.copy_from_slice(&owner.to_ne_bytes());
        text.copy_from_slice(target.as_bytes());
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_owner_and_its_target_alone() {
        let map = TargetMap::new(16);
        let put = |owner, target: &str, value| map.insert(owner, target, |_| false, || value);
        put(1, "/sddcs", "one");
        put(2, "/sddcs", "two");
        let found = |owner, target| map.get(owner, target).map(|value| *value);
        assert_eq!((found(1, "/sddcs"), found(2, "/sddcs")), (Some("one"), Some("two")));
        assert_eq!(
            (found(3, "/sddcs"), found(1, "/sddcs?"), found(1, "/sddc")),
            (None, None, None)
        );
        let (longest, longer) = ("x".repeat(MAX_TARGET_BYTES), "x".repeat(MAX_TARGET_BYTES + 1));
        for target in [&longest, &longer] {
            put(1, target, "long");
        }
        assert_eq!((found(1, &longest), found(1, &longer)), (Some("long"), None));
        map.insert(1, "/sddcs", |known| *known == "one", || unreachable!("it will do"));
        map.insert(1, "/sddcs", |known| *known == "two", || "other");
        assert_eq!(found(1, "/sddcs"), Some("other"));
    }
}
