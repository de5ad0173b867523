//! How much of the gateway reads of VMware's own API may take: the inventory, which everybody else is answered
//! from, has its own.
//!
//! A read that is under way holds a permit of the caller that began it, also when that caller has left.
//! Requests that wait for a read do not count as work (they are parked), but their number is bounded.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    access::CallerName,
    problem::{Code, Problem},
};

/// Reads under way, of all callers.
pub const MAX_READS: usize = 12;
/// Reads under way that one caller began.
const MAX_READS_OF_CALLER: usize = 4;
/// Requests that wait for a read, of all callers.
const MAX_WAITING: usize = 256;
/// Requests of one caller that wait for a read.
const MAX_WAITING_OF_CALLER: usize = 32;
/// How long a request waits for the right to begin a read.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// The limits, and who takes how much of them.
#[derive(Debug)]
pub(super) struct ReadLimits {
    waiting: Arc<Semaphore>,
    /// Callers are as many as the configuration has.
    callers: Mutex<HashMap<CallerName, CallerShare>>,
}

/// What one caller takes. Cheap to clone.
#[derive(Debug, Clone)]
struct CallerShare {
    reads: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// Held by a request while it waits for a read.
#[derive(Debug)]
pub(super) struct WaitPermit {
    reads: Arc<Semaphore>,
    _permits: [OwnedSemaphorePermit; 2],
}

/// Held by a read while it is under way.
#[derive(Debug)]
pub(super) struct ReadPermit {
    _permit: OwnedSemaphorePermit,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self { waiting: Arc::new(Semaphore::new(MAX_WAITING)), callers: Mutex::default() }
    }
}

impl ReadLimits {
    /// Lets a caller's request wait for a read; refuses it at once where too many do.
    pub(super) fn enter(&self, caller: &CallerName) -> Result<WaitPermit, Problem> {
        let CallerShare { reads, waiting } = self.share(caller);
        let of_caller = waiting.try_acquire_owned();
        let of_all = self.waiting.clone().try_acquire_owned();
        match (of_caller, of_all) {
            (Ok(of_caller), Ok(of_all)) => Ok(WaitPermit { reads, _permits: [of_caller, of_all] }),
            (Err(_), _) => Err(overloaded("this caller waits for too many reads at once")),
            (_, Err(_)) => Err(overloaded("callers wait for too many reads at once")),
        }
    }

    fn share(&self, caller: &CallerName) -> CallerShare {
        let mut callers = self.callers.lock();
        if let Some(share) = callers.get(caller) {
            return share.clone();
        }
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        let share = CallerShare {
            reads: semaphore(MAX_READS_OF_CALLER),
            waiting: semaphore(MAX_WAITING_OF_CALLER),
        };
        callers.insert(caller.clone(), share.clone());
        share
    }
}

impl WaitPermit {
    /// Waits for the right to begin a read: at most 10 s.
    pub(super) async fn begin_read(&self) -> Result<ReadPermit, Problem> {
        let permit = tokio::time::timeout(MAX_WAIT, self.reads.clone().acquire_owned()).await;
        match permit {
            Ok(Ok(permit)) => Ok(ReadPermit { _permit: permit }),
            _ => Err(overloaded("this caller has too many reads under way")),
        }
    }
}

fn overloaded(sentence: &'static str) -> Problem {
    Problem::new(Code::Overloaded, sentence).with_retry_after(Some(Duration::from_secs(1)))
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn a_caller_has_four_reads_and_others_have_theirs() {
        let limits = ReadLimits::default();
        let (one, two) = ("one".parse().unwrap(), "two".parse().unwrap());
        let request = limits.enter(&one).unwrap();
        let mut reads = Vec::new();
        for _ in 0..MAX_READS_OF_CALLER {
            reads.push(request.begin_read().await.unwrap());
        }
        let mut fifth = std::pin::pin!(request.begin_read());
        assert!(poll!(&mut fifth).is_pending());
        limits.enter(&two).unwrap().begin_read().await.unwrap();
        reads.pop();
        fifth.await.unwrap();
    }

    #[test]
    fn requests_that_wait_are_bounded_for_each_caller_and_for_all() {
        let limits = ReadLimits::default();
        let name = |number: usize| format!("caller-{number}").parse::<CallerName>().unwrap();
        let fill = |number| {
            let all = (0..MAX_WAITING_OF_CALLER).map(|_| limits.enter(&name(number)).unwrap());
            all.collect::<Vec<_>>()
        };
        let mut waiting: Vec<_> = (0..MAX_WAITING / MAX_WAITING_OF_CALLER - 1).map(fill).collect();
        assert_eq!(limits.enter(&name(0)).unwrap_err().code(), Code::Overloaded);
        waiting.push(fill(100));
        assert_eq!(limits.enter(&name(101)).unwrap_err().code(), Code::Overloaded);
        waiting.pop();
        assert!(limits.enter(&name(101)).is_ok());
    }
}
