//! Parts that several operations have: written once, referred to by name.

use std::collections::BTreeMap;

use utoipa::openapi::{Ref, RefOr};

/// The event stream, and what tells callers who they are: both have rules of their own.
pub(super) const STREAM: &str = "/sddcs/events";
pub(super) const WHOAMI: &str = "/whoami";

/// A reference to a part of that name below `components/{kind}`, which is put there unless it is
/// there already. Another part that has taken the name before is not referred to.
pub(super) fn share<T: Clone + PartialEq>(
    kind: &str,
    shared: &mut BTreeMap<String, RefOr<T>>,
    name: &str,
    part: T,
) -> RefOr<T> {
    let part = RefOr::T(part);
    let kept = shared.entry(name.to_owned()).or_insert_with(|| part.clone());
    if *kept == part { RefOr::Ref(Ref::new(format!("#/components/{kind}/{name}"))) } else { part }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_equal_is_shared_and_what_differs_is_not() {
        let mut shared = BTreeMap::new();
        let name = |part: RefOr<u8>| match part {
            RefOr::Ref(to) => to.ref_location,
            RefOr::T(part) => part.to_string(),
        };
        for (part, expected) in [(1, "#/components/x/a"), (1, "#/components/x/a"), (2, "2")] {
            assert_eq!(name(share("x", &mut shared, "a", part)), expected);
        }
        assert_eq!(shared.len(), 1);
    }
}
