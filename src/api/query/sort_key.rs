//! Where a document stands in a list.

use std::{borrow::Cow, cmp::Ordering};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::api::resource::{Resource, Scalar, SortOrder};

/// Bytes of a text by which it is sorted, so that a cursor, which holds them, fits into a URL.
const SORTED_BYTES: usize = 256;

/// Where a document stands in a list of some order, whatever the other documents are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SortKey<'a> {
    key: Option<Scalar<'a>>,
    id: Option<Cow<'a, str>>,
    holder: Cow<'a, str>,
}

impl<R: Resource> SortOrder<R> {
    /// Where the document stands. Copies nothing.
    pub(super) fn place<'a>(&self, document: &'a R) -> SortKey<'a> {
        let (id, holder) = document.identity();
        let key = match (self.field.value)(document).scalar() {
            Some(Scalar::Text(Cow::Borrowed(text))) => Some(Scalar::Text(clipped(text).into())),
            key => key,
        };
        SortKey { key, id: id.map(|id| clipped(id).into()), holder: clipped(holder).into() }
    }

    /// What is null comes last, in both directions.
    pub(super) fn compare(&self, one: &SortKey<'_>, other: &SortKey<'_>) -> Ordering {
        let keys = nulls_last(one.key.as_ref(), other.key.as_ref(), |one, other| {
            if self.descending { other.cmp(one) } else { one.cmp(other) }
        });
        keys.then_with(|| nulls_last(one.id.as_ref(), other.id.as_ref(), Ord::cmp))
            .then_with(|| one.holder.cmp(&other.holder))
    }

    /// Sorts; costs one comparison for each of what is sorted already.
    ///
    /// Documents of one place, such as hosts without ids, are told apart by all that they show. So
    /// every replica has them in the same order, however they came.
    pub(super) fn sort(&self, documents: &mut [&R]) {
        let mut placed: Vec<_> = documents.iter().map(|it| (self.place(it), *it)).collect();
        placed.sort_by(|(one, _), (other, _)| self.compare(one, other));
        for tied in placed.chunk_by_mut(|(one, _), (other, _)| self.compare(one, other).is_eq()) {
            if tied.len() > 1 {
                tied.sort_by_cached_key(|(_, document)| digest(*document));
            }
        }
        for (document, (_, sorted)) in documents.iter_mut().zip(placed) {
            *document = sorted;
        }
    }
}

/// What a document shows, in short.
pub(super) fn digest<R: Resource>(document: &R) -> u64 {
    let shown = serde_json::to_vec(document.document()).unwrap_or_default();
    let hash = Sha256::digest(shown);
    u64::from_be_bytes(std::array::from_fn(|at| hash[at]))
}

fn nulls_last<T>(
    one: Option<T>,
    other: Option<T>,
    compare: impl FnOnce(T, T) -> Ordering,
) -> Ordering {
    match (one, other) {
        (Some(one), Some(other)) => compare(one, other),
        (one, other) => one.is_none().cmp(&other.is_none()),
    }
}

fn clipped(text: &str) -> &str {
    if text.len() <= SORTED_BYTES {
        return text;
    }
    let end = (0..=SORTED_BYTES).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_sorted_by_its_beginning_cut_between_characters() {
        assert_eq!(clipped("short"), "short");
        assert_eq!(clipped(&"x".repeat(256)).len(), 256);
        assert_eq!(clipped(&"x".repeat(257)).len(), 256);
        assert_eq!(clipped(&"€".repeat(100)).len(), 255);
    }
}
