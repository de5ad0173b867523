//! Cursors: where the next page begins.
//!
//! A cursor says how far the reader has come, not how many documents that were: it is good on every
//! snapshot and replica. Documents that come, go or move between two pages make no other document
//! be missed or shown twice.

use std::cmp::Ordering;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::sort_key::{SortKey, digest};
use crate::api::resource::{Resource, SortOrder};

const CHECKSUM_BYTES: usize = 8;

/// The last document of a page.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Cursor<'a> {
    place: SortKey<'a>,
    /// `None`: all of this place have been shown.
    tie: Option<TieBreak>,
}

/// Which of several documents of one place.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct TieBreak {
    digest: u64,
    /// How many of this digest have been shown: they are wholly alike, so it does not matter which.
    shown: usize,
}

impl<'a> Cursor<'a> {
    /// Marks the end of a page, given what is left after it and the mark that it began at.
    pub(super) fn after<R: Resource>(
        order: &SortOrder<R>,
        page: &[&'a R],
        rest: &[&'a R],
        begin: Option<&Cursor<'_>>,
    ) -> Option<Self> {
        let (last, next) = (page.last()?, rest.first()?);
        let place = order.place(*last);
        let tie = (order.place(*next) == place).then(|| {
            let digest = digest(*last);
            let alike =
                page.iter().rev().take_while(|one| Self::is_alike(order, one, &place, digest));
            let before = begin.filter(|begin| begin.place == place).and_then(|begin| begin.tie);
            let before = before.filter(|tie| tie.digest == digest).map_or(0, |tie| tie.shown);
            TieBreak { digest, shown: alike.count().saturating_add(before) }
        });
        Some(Self { place, tie })
    }

    fn is_alike<R: Resource>(order: &SortOrder<R>, one: &R, place: &SortKey<'_>, of: u64) -> bool {
        order.place(one) == *place && digest(one) == of
    }

    /// What is left to show, as a filter of the documents in any order.
    pub(super) fn ahead<R: Resource>(&self, order: &SortOrder<R>) -> impl FnMut(&R) -> bool {
        let mut shown = self.tie.map_or(0, |tie| tie.shown);
        move |document| match order.compare(&order.place(document), &self.place) {
            Ordering::Less => false,
            Ordering::Greater => true,
            Ordering::Equal => self.tie.is_some_and(|tie| {
                let alike = digest(document).cmp(&tie.digest);
                if alike.is_eq() && shown > 0 {
                    shown -= 1;
                    return false;
                }
                alike.is_ge()
            }),
        }
    }

    /// The cursor: the mark, sealed for one question on one path.
    pub(super) fn sealed(&self, path: &str, query: &str) -> String {
        let mark = serde_json::to_vec(self).expect("a mark has string keys only");
        let checksum = checksum(path, query, &mark);
        BASE64_URL_SAFE_NO_PAD.encode([&checksum[..], &mark].concat())
    }
}

impl Cursor<'static> {
    /// Reads a cursor. `None` unless it was sealed for this question on this path, and is as it was.
    pub(super) fn read(cursor: &str, path: &str, query: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (told, mark) = bytes.split_at_checked(CHECKSUM_BYTES)?;
        (told == checksum(path, query, mark)).then(|| serde_json::from_slice(mark).ok())?
    }

    /// Whether the text may be a cursor of some question.
    pub(super) fn may_be(cursor: &str) -> bool {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).unwrap_or_default();
        let mark = bytes.split_at_checked(CHECKSUM_BYTES).map(|(_, mark)| mark);
        mark.is_some_and(|mark| serde_json::from_slice::<Self>(mark).is_ok())
    }
}

/// No secret is in it: it finds mistakes. Who makes up a cursor gets a part of what they may see.
fn checksum(path: &str, query: &str, mark: &[u8]) -> [u8; CHECKSUM_BYTES] {
    // Neither a path nor an encoded question holds a line break.
    let hash = Sha256::new().chain_update(path).chain_update("\n").chain_update(query);
    let hash = hash.chain_update("\n").chain_update(mark).finalize().0;
    std::array::from_fn(|at| hash[at])
}
