//! The budget of forced reads: what one caller may make the gateway ask upstream.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{access::CallerName, clock::Instant};

/// Forced reads of one caller within [`WINDOW`].
const READS: usize = 6;
const WINDOW: Duration = Duration::from_secs(60);
/// Names come from the configuration; more than these at once get nothing.
const MOST_CALLERS: usize = 4096;

/// Who forced reads lately: at most 6 in any 60 s for each caller's name (contract section 4.3).
#[derive(Debug, Default)]
pub struct Budget(Mutex<HashMap<CallerName, Spent>>);

/// When the last reads were forced: a ring, `oldest` is the next place to be used.
#[derive(Debug, Default)]
struct Spent {
    reads: [Option<Instant>; READS],
    oldest: usize,
}

impl Budget {
    /// Takes one read out of the caller's budget, if there is one left.
    pub(super) fn spend(&self, caller: &CallerName, now: Instant) -> bool {
        let mut callers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(spent) = callers.get_mut(caller) {
            return spent.spend(now);
        }
        if callers.len() >= MOST_CALLERS {
            callers
                .retain(|_, spent| spent.reads.iter().flatten().any(|read| is_recent(*read, now)));
        }
        callers.len() < MOST_CALLERS && callers.entry(caller.clone()).or_default().spend(now)
    }
}

impl Spent {
    fn spend(&mut self, now: Instant) -> bool {
        let place = &mut self.reads[self.oldest];
        if place.is_some_and(|read| is_recent(read, now)) {
            return false;
        }
        *place = Some(now);
        self.oldest = (self.oldest + 1) % READS;
        true
    }
}

fn is_recent(read: Instant, now: Instant) -> bool {
    now.since(read) < WINDOW
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Clock;

    fn name(text: &str) -> CallerName {
        text.parse().unwrap()
    }

    fn second(seconds: u64) -> Instant {
        Clock::manual(Timestamp::UNIX_EPOCH).now() + Duration::from_secs(seconds)
    }

    #[test]
    fn six_reads_a_minute_for_each_caller() {
        let budget = Budget::default();
        let spend = |caller: &str, at| budget.spend(&name(caller), second(at));
        for at in 0..6 {
            assert!(spend("one", at * 5), "{at}");
        }
        assert!(!spend("one", 30));
        assert!(spend("another", 30));
        assert!(!spend("one", 59));
        assert!(spend("one", 60));
        assert!(!spend("one", 64));
        assert!(spend("one", 65));
        assert!(budget.spend(&CallerName::anonymous(), second(65)));
    }

    #[test]
    fn what_is_refused_costs_nothing() {
        let budget = Budget::default();
        for _ in 0..6 {
            assert!(budget.spend(&name("one"), second(0)));
        }
        for at in 0..60 {
            assert!(!budget.spend(&name("one"), second(at)));
        }
        assert!(budget.spend(&name("one"), second(60)));
    }

    #[test]
    fn callers_of_long_ago_make_room() {
        let budget = Budget::default();
        for caller in 0..MOST_CALLERS {
            assert!(budget.spend(&name(&format!("caller-{caller}")), second(0)));
        }
        assert!(!budget.spend(&name("late"), second(59)));
        assert!(budget.spend(&name("caller-0"), second(59)));
        assert!(budget.spend(&name("late"), second(60)));
        assert_eq!(budget.0.lock().unwrap().len(), 2);
    }

    proptest! {
        #[test]
        fn never_more_than_six_in_any_minute(
            steps in prop::collection::vec(0_u64..30, 1..100),
        ) {
            let budget = Budget::default();
            let mut at = 0;
            let mut granted = Vec::new();
            for step in steps {
                at += step;
                if budget.spend(&name("one"), second(at)) {
                    granted.push(at);
                }
            }
            prop_assert!(granted.windows(7).all(|reads| reads[6] - reads[0] >= 60));
        }
    }
}
