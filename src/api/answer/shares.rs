//! What each caller has put into the cache of answers: one whose questions are each a new one must
//! not push out what others ask for again and again.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use super::Key;
use crate::access::CallerName;

/// Bytes of answers that one caller's questions keep, of all that are kept.
const MAX_SHARE_BYTES: usize = super::KEPT_BYTES / 8 * 3;

/// Keys by who asked first, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Shares(Mutex<HashMap<CallerName, Share>>);

#[derive(Debug, Default)]
struct Share {
    keys: VecDeque<(Key, usize)>,
    bytes: usize,
}

impl Shares {
    /// Counts an answer of that many bytes, and gives the keys that the caller has to give up for it:
    /// its own oldest, never the new one.
    pub(super) fn add(&self, caller: &CallerName, key: Key, bytes: usize) -> Vec<Key> {
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let share = shares.entry(caller.clone()).or_default();
        share.keys.push_back((key, bytes));
        share.bytes += bytes;
        let mut given_up = Vec::new();
        while share.bytes > MAX_SHARE_BYTES && share.keys.len() > 1 {
            let Some((key, bytes)) = share.keys.pop_front() else { break };
            share.bytes -= bytes;
            given_up.push(key);
        }
        given_up
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_caller_gives_up_its_own_oldest_answers() {
        let shares = Shares::default();
        let [greedy, other] = ["greedy", "second"].map(|name| name.parse().unwrap());
        let key = |number: usize| Key::Content { etag: HeaderValue::from(number) };
        let third = MAX_SHARE_BYTES / 3;
        for number in 0..3 {
            assert_eq!(shares.add(&greedy, key(number), third), []);
        }
        assert_eq!(shares.add(&other, key(9), third), []);
        assert_eq!(shares.add(&greedy, key(3), third), [key(0)]);
        let all = shares.add(&greedy, key(4), 2 * MAX_SHARE_BYTES);
        assert_eq!(all, [key(1), key(2), key(3)], "the new one stays, however large");
        assert_eq!(shares.add(&greedy, key(5), 1), [key(4)]);
    }
}
