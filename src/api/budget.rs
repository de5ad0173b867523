//! The budget of forced reads: what one caller may make the gateway ask upstream.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;

use crate::{access::CallerName, clock::Instant, ids::OrgId, sharing::Replicas};

/// Forced reads of one organization by one caller within [`WINDOW`].
const READS: usize = 6;
const WINDOW: Duration = Duration::from_secs(60);
/// Callers come from the configuration and organizations from VMware Cloud; more pairs than these at
/// once get nothing.
const MAX_PAIRS: usize = 65_536;

/// Whose read is forced: an organization's, or (`None`) that of the list of organizations.
type ReadTarget = Option<OrgId>;

/// Reads that were forced lately: at most 6 in any 60 s for each caller's name and organization, and
/// as many of the list of organizations (contract section 4.3); of all replicas together, where they
/// share.
#[derive(Debug, Default)]
pub struct Budget {
    own: LocalBudget,
    replicas: Option<Replicas>,
}

/// Those of this replica.
#[derive(Debug, Default)]
struct LocalBudget(Mutex<HashMap<(CallerName, ReadTarget), SpentReads>>);

/// When the last reads were forced: a ring, `oldest` is the next place to be used.
#[derive(Debug, Default)]
struct SpentReads {
    reads: [Option<Instant>; READS],
    oldest: usize,
}

impl Budget {
    /// Shares it with the other replicas, if there are any.
    pub fn new(replicas: Option<Replicas>) -> Self {
        Self { own: LocalBudget::default(), replicas }
    }

    /// Takes one read of each target out of the caller's budget, if there is one left of every one.
    /// While nothing can be shared, each replica has a budget of its own.
    pub(super) async fn spend(
        &self,
        caller: &CallerName,
        targets: &[ReadTarget],
        now: Instant,
    ) -> bool {
        let Some(replicas) = &self.replicas else { return self.own.spend(caller, targets, now) };
        if !self.own.has_room(caller, targets, now) {
            return false;
        }
        // No organization's id is empty.
        let budgets = targets.iter().map(|target| {
            format!("{}/{}", caller.as_str(), target.as_ref().map_or("", OrgId::as_str))
        });
        let budgets: Vec<_> = budgets.collect();
        match replicas.spend(&budgets, READS, WINDOW).await {
            // What all replicas together refuse costs nothing here either.
            Ok(false) => false,
            Ok(true) => {
                self.own.spend(caller, targets, now);
                true
            }
            Err(_unshared) => self.own.spend(caller, targets, now),
        }
    }
}

impl LocalBudget {
    fn has_room(&self, caller: &CallerName, targets: &[ReadTarget], now: Instant) -> bool {
        let pairs = self.0.lock();
        targets.iter().all(|target| {
            let spent = pairs.get(&(caller.clone(), target.clone()));
            spent.is_none_or(|spent| spent.has_room(now))
        })
    }

    /// The same of this replica: of each target, or of none.
    fn spend(&self, caller: &CallerName, targets: &[ReadTarget], now: Instant) -> bool {
        let mut pairs = self.0.lock();
        if pairs.len() + targets.len() > MAX_PAIRS {
            pairs.retain(|_, spent| spent.reads.iter().flatten().any(|read| is_recent(*read, now)));
        }
        let keys: Vec<_> = targets.iter().map(|target| (caller.clone(), target.clone())).collect();
        let new = keys.iter().filter(|key| !pairs.contains_key(*key)).count();
        let may = pairs.len() + new <= MAX_PAIRS
            && keys.iter().all(|key| pairs.get(key).is_none_or(|spent| spent.has_room(now)));
        if may {
            for key in keys {
                pairs.entry(key).or_default().spend(now);
            }
        }
        may
    }
}

impl SpentReads {
    fn has_room(&self, now: Instant) -> bool {
        !self.reads[self.oldest].is_some_and(|read| is_recent(read, now))
    }

    fn spend(&mut self, now: Instant) {
        self.reads[self.oldest] = Some(now);
        self.oldest = (self.oldest + 1) % READS;
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
        let budget = LocalBudget::default();
        let spend = |caller: &str, at| budget.spend(&name(caller), &[None], second(at));
        for at in 0..6 {
            assert!(spend("one", at * 5), "{at}");
        }
        assert!(!spend("one", 30));
        assert!(spend("another", 30));
        assert!(!spend("one", 59));
        assert!(spend("one", 60));
        assert!(!spend("one", 64));
        assert!(spend("one", 65));
        assert!(budget.spend(&CallerName::anonymous(), &[None], second(65)));
    }

    #[test]
    fn each_organization_has_a_budget_of_its_own_and_a_request_spends_all_or_none() {
        let budget = LocalBudget::default();
        let [one, two] = ["o-1", "o-2"].map(|id| Some(id.parse().unwrap()));
        let spend = |targets: &[ReadTarget]| budget.spend(&name("one"), targets, second(0));
        for _ in 0..6 {
            assert!(spend(std::slice::from_ref(&one)));
        }
        assert!(!spend(&[two.clone(), one.clone()]));
        for _ in 0..6 {
            assert!(spend(std::slice::from_ref(&two)), "the refused request has spent nothing");
        }
        assert!(!spend(&[two]) && !spend(&[one]));
        assert!(spend(&[None]));
    }

    #[test]
    fn what_is_refused_costs_nothing() {
        let budget = LocalBudget::default();
        for _ in 0..6 {
            assert!(budget.spend(&name("one"), &[None], second(0)));
        }
        for at in 0..60 {
            assert!(!budget.spend(&name("one"), &[None], second(at)));
        }
        assert!(budget.spend(&name("one"), &[None], second(60)));
    }

    #[test]
    fn callers_of_long_ago_make_room() {
        let budget = LocalBudget::default();
        for caller in 0..MAX_PAIRS {
            assert!(budget.spend(&name(&format!("caller-{caller}")), &[None], second(0)));
        }
        assert!(!budget.spend(&name("late"), &[None], second(59)));
        assert!(budget.spend(&name("caller-0"), &[None], second(59)));
        assert!(budget.spend(&name("late"), &[None], second(60)));
        assert_eq!(budget.0.lock().len(), 2);
    }

    proptest! {
        #[test]
        fn never_more_than_six_in_any_minute(
            steps in prop::collection::vec(0_u64..30, 1..100),
        ) {
            let budget = LocalBudget::default();
            let mut at = 0;
            let mut granted = Vec::new();
            for step in steps {
                at += step;
                if budget.spend(&name("one"), &[None], second(at)) {
                    granted.push(at);
                }
            }
            prop_assert!(granted.windows(7).all(|reads| reads[6] - reads[0] >= 60));
        }
    }
}
