//! What each caller has put into the cache of answers: one whose questions are each a new one must
//! not push out what others ask for again and again.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

use super::EncodedAnswer;
use crate::access::CallerName;

/// Bytes of answers that one caller's questions keep, of all that are kept. As made: what is
/// compressed later counts for the cache alone.
const MAX_SHARE_BYTES: usize = super::KEPT_BYTES / 8 * 3;
/// A share of fewer answers is not looked through for those that the cache has dropped.
const MIN_SWEPT: usize = 64;

/// Answers by the caller that asked first, the oldest first.
#[derive(Debug, Default)]
pub(super) struct CallerShares(Mutex<HashMap<CallerName, CallerShare>>);

#[derive(Debug)]
struct CallerShare {
    /// Held weakly: the cache decides how long an answer lives.
    answers: VecDeque<(Weak<EncodedAnswer>, usize)>,
    bytes: usize,
    /// With so many answers the next sweep is due.
    sweep_at: usize,
}

impl Default for CallerShare {
    fn default() -> Self {
        Self { answers: VecDeque::new(), bytes: 0, sweep_at: MIN_SWEPT }
    }
}

impl CallerShare {
    /// Forgets what the cache has dropped.
    fn sweep(&mut self) {
        let Self { answers, bytes, sweep_at } = self;
        answers.retain(|(answer, weight)| {
            let lives = answer.strong_count() > 0;
            if !lives {
                *bytes -= weight;
            }
            lives
        });
        *sweep_at = (2 * answers.len()).max(MIN_SWEPT);
    }
}

impl CallerShares {
    /// Counts an answer of that many bytes, and gives those that the caller has to give up for it: its
    /// own oldest, never the new one.
    pub(super) fn add(
        &self,
        caller: &CallerName,
        answer: &Arc<EncodedAnswer>,
        bytes: usize,
    ) -> Vec<Arc<EncodedAnswer>> {
        let mut shares = self.0.lock();
        let share = shares.entry(caller.clone()).or_default();
        share.answers.push_back((Arc::downgrade(answer), bytes));
        share.bytes += bytes;
        let is_over = share.bytes > MAX_SHARE_BYTES;
        if is_over || share.answers.len() >= share.sweep_at {
            share.sweep();
        }
        let mut given_up = Vec::new();
        while share.bytes > MAX_SHARE_BYTES && share.answers.len() > 1 {
            let Some((answer, bytes)) = share.answers.pop_front() else { break };
            share.bytes -= bytes;
            given_up.extend(answer.upgrade());
        }
        // Callers that have stopped asking sweep nothing themselves.
        if share.answers.len() == MIN_SWEPT {
            shares.retain(|_, share| {
                share.sweep();
                !share.answers.is_empty()
            });
        }
        given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> [CallerName; 2] {
        ["greedy", "second"].map(|name| name.parse().unwrap())
    }

    fn answers<const N: usize>() -> [Arc<EncodedAnswer>; N] {
        std::array::from_fn(|_| Arc::new(EncodedAnswer::fixed("an answer")))
    }

    fn same(given_up: &[Arc<EncodedAnswer>], expected: &[&Arc<EncodedAnswer>]) -> bool {
        given_up.len() == expected.len()
            && given_up.iter().zip(expected).all(|(one, other)| Arc::ptr_eq(one, other))
    }

    #[test]
    fn a_caller_gives_up_its_own_oldest_answers() {
        let shares = CallerShares::default();
        let [greedy, other] = names();
        let [zero, one, two, three, four, five, others] = answers();
        let third = MAX_SHARE_BYTES / 3;
        for answer in [&zero, &one, &two] {
            assert!(shares.add(&greedy, answer, third).is_empty());
        }
        assert!(shares.add(&other, &others, third).is_empty());
        assert!(same(&shares.add(&greedy, &three, third), &[&zero]));
        let all = shares.add(&greedy, &four, 2 * MAX_SHARE_BYTES);
        assert!(same(&all, &[&one, &two, &three]), "the new one stays, however large");
        assert!(same(&shares.add(&greedy, &five, 1), &[&four]));
    }

    #[test]
    fn what_the_cache_has_dropped_counts_no_longer() {
        let shares = CallerShares::default();
        let [greedy, other] = names();
        let [kept, new] = answers();
        shares.add(&greedy, &kept, MAX_SHARE_BYTES / 2);
        for _ in 0..10 {
            let [dropped] = answers();
            let given_up = shares.add(&greedy, &dropped, MAX_SHARE_BYTES / 2);
            assert!(given_up.is_empty(), "there is room without those that are gone");
        }
        for _ in 0..MIN_SWEPT {
            let [dropped] = answers();
            shares.add(&other, &dropped, 1);
        }
        shares.add(&other, &new, 1);
        let all = shares.0.lock();
        assert!(all.values().all(|share| share.answers.len() <= MIN_SWEPT));
    }
}
