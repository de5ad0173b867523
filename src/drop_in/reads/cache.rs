//! Documents that were read lately, and the reads under way: identical reads at once are one read.
//!
//! A read is a task of its own: a caller that leaves cancels nothing. What is kept is redacted already. No
//! failure is kept.

use std::{collections::HashMap, sync::Arc, time::Duration};

use moka::{policy::EvictionPolicy, sync::Cache};
use parking_lot::Mutex;

use super::{failure::ReadFailure, limits::ReadPermit};
use crate::{
    api::PassedDocument,
    clock::{Clock, Instant},
    ids::OrgId,
    single_flight::{InFlightCall, SingleFlight},
    tasks::BackgroundJobs,
};

/// How old a document may be that is shown without asking.
pub(super) const FRESH: Duration = Duration::from_secs(5);
/// Nobody gets an older one: it only takes space.
const KEPT: Duration = Duration::from_secs(10);
/// Bytes of documents that are kept.
const KEPT_BYTES: u64 = 32 * 1024 * 1024;
/// What a document takes besides its bytes and the text of its key.
const BESIDES: usize = 512;

/// What is read. Whoever asks for the same gets the same document, before anything of it is left out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ReadKey {
    /// Whose token it is read with, where that is not the app's.
    pub(super) org: Option<OrgId>,
    /// Path and query as VMware is asked for them.
    pub(super) target: Box<str>,
}

/// A document as callers may see it.
#[derive(Debug, Clone)]
pub(super) struct ReadDocument {
    pub(super) document: PassedDocument,
    /// When its read began: it shows nothing newer.
    pub(super) begun: Instant,
}

/// How a document was come by (RFC 9211). Of several the greatest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ReadOutcome {
    /// It was kept.
    Hit,
    /// From a read that another request began.
    Collapsed,
    /// From a read that this request began.
    Stored,
}

type ReadResult = Result<ReadDocument, ReadFailure>;

/// The cache. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct ReadCache {
    kept: Cache<ReadKey, ReadDocument>,
    under_way: Arc<Mutex<HashMap<ReadKey, InFlightCall<ReadResult>>>>,
    clock: Clock,
    jobs: BackgroundJobs,
}

impl ReadCache {
    /// Nothing yet; `jobs` tracks the reads.
    pub(super) fn new(clock: Clock, jobs: BackgroundJobs) -> Self {
        let kept = Cache::builder()
            .max_capacity(KEPT_BYTES)
            .weigher(|key: &ReadKey, read: &ReadDocument| {
                let bytes = read.document.identity().len() + key.target.len() + BESIDES;
                u32::try_from(bytes).unwrap_or(u32::MAX)
            })
            .time_to_live(KEPT)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self { kept, under_way: Arc::default(), clock, jobs }
    }

    /// A document that is fresh.
    pub(super) fn fresh(&self, key: &ReadKey) -> Option<ReadDocument> {
        let read = self.kept.get(key)?;
        (self.clock.now().since(read.begun) < FRESH).then_some(read)
    }

    /// The read of a key that is under way, if one is.
    pub(super) fn under_way(&self, key: &ReadKey) -> Option<InFlightCall<ReadResult>> {
        self.under_way.lock().get(key).filter(|read| read.is_under_way()).cloned()
    }

    /// Joins the read under way, or begins one, which holds the permit.
    pub(super) fn join<F>(
        &self,
        key: &ReadKey,
        permit: ReadPermit,
        read: impl FnOnce() -> F,
    ) -> InFlightCall<ReadResult>
    where
        F: Future<Output = Result<PassedDocument, ReadFailure>> + Send + 'static,
    {
        let mut under_way = self.under_way.lock();
        if let Some(read) = under_way.get(key).filter(|read| read.is_under_way()) {
            return read.clone();
        }
        let begun = self.clock.now();
        let (cache, stored, read) = (self.clone(), key.clone(), read());
        let job = async move {
            let outcome = read.await.map(|document| ReadDocument { document, begun });
            if let Ok(document) = &outcome {
                cache.kept.insert(stored.clone(), document.clone());
            }
            // The next one finds the document, or begins a read of its own.
            cache.under_way.lock().remove(&stored);
            drop(permit);
            outcome
        };
        let flight = SingleFlight::new("drop_in_read", self.jobs.clone());
        let call = flight.join(|| job);
        // As those see it who join.
        under_way.extend(flight.latest().map(|call| (key.clone(), call)));
        call
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{super::limits::ReadLimits, *};
    use crate::problem::{Code, Problem};

    fn key(target: &str) -> ReadKey {
        ReadKey { org: None, target: target.into() }
    }

    #[tokio::test]
    async fn identical_reads_are_one_and_what_they_give_is_kept_for_a_while() {
        let clock = Clock::manual(jiff::Timestamp::UNIX_EPOCH);
        let cache = ReadCache::new(clock.clone(), BackgroundJobs::new(()));
        let request = ReadLimits::default().enter(&"one".parse().unwrap()).unwrap();
        let read = || async { Ok(PassedDocument::new(Bytes::from_static(b"[]"))) };
        let first = cache.join(&key("/a"), request.begin_read().await.unwrap(), read);
        assert!(first.started);
        let second = cache.under_way(&key("/a")).unwrap();
        assert!(!second.started && cache.under_way(&key("/b")).is_none());
        let third = cache.join(&key("/a"), request.begin_read().await.unwrap(), || async {
            Err(Problem::new(Code::Internal, "a second read").into())
        });
        assert!(!third.started);
        drop(first);
        for call in [second, third] {
            assert_eq!(call.result().await.unwrap().unwrap().document.identity(), "[]");
        }
        assert!(cache.under_way(&key("/a")).is_none());
        clock.advance(Duration::from_millis(4999));
        assert!(cache.fresh(&key("/a")).is_some() && cache.fresh(&key("/b")).is_none());
        clock.advance(Duration::from_millis(1));
        assert!(cache.fresh(&key("/a")).is_none());
    }

    #[tokio::test]
    async fn a_failure_is_not_kept() {
        let clock = Clock::manual(jiff::Timestamp::UNIX_EPOCH);
        let cache = ReadCache::new(clock, BackgroundJobs::new(()));
        let request = ReadLimits::default().enter(&"one".parse().unwrap()).unwrap();
        let fails = || async { Err(Problem::new(Code::Internal, "it fails").into()) };
        let call = cache.join(&key("/a"), request.begin_read().await.unwrap(), fails);
        assert!(call.result().await.unwrap().is_err());
        assert!(cache.fresh(&key("/a")).is_none() && cache.under_way(&key("/a")).is_none());
    }
}
