//! Answers from the snapshot: encoded once, told how old, sent only if the caller lacks them.
//!
//! ```text
//! view ─► Encoded (bytes, ETag; kept by revision and question) ─┐
//! request ─► Asked (If-None-Match, Accept-Encoding, …) ─────────┴─► 304, or the best coding there is
//!                                                                        │ a better one is wanted
//!                                                     compressor ◄───────┘ (once, in the background)
//! ```

mod cache_status;
mod caller_shares;
mod coding;
mod compressor;
mod conditional;
mod directives;
mod encoded;
mod encoding_limit;
mod freshness_headers;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod if_none_match;
mod passed_document;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE, ETAG, LINK, VARY},
};
use moka::{ops::compute::Op, policy::EvictionPolicy, sync::Cache};
use serde::Serialize;

pub use self::passed_document::{PassedDocument, WeakPassedDocument};
use self::{
    caller_shares::CallerShares,
    compressor::Compressor,
    encoding_limit::{EncodingClaim, EncodingLimit},
    freshness_headers::FreshnessHeaders,
};
pub(super) use self::{
    conditional::ConditionalHeaders, encoded::EncodedAnswer, encoding_limit::Overloaded,
};
use super::caller::Visibility;
use crate::{
    access::CallerName, clock::Clock, inventory::Served, problem::MissingPart,
    tasks::BackgroundJobs, telemetry::CacheResult,
};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const VARY_ON: HeaderValue = HeaderValue::from_static("Accept-Encoding, Authorization, X-API-Key");
/// What an older revision answered is never asked for again.
const KEPT_UNASKED: Duration = Duration::from_secs(60);
/// Bytes of encoded answers that are kept, in all their codings.
const KEPT_BYTES: usize = 64 * 1024 * 1024;

/// Below it, a page costs hardly more than refusing it.
const MIN_ENTRIES_OF_WORK: usize = 128;

/// What a kept answer takes besides its bytes and the texts of its key.
const BESIDES: usize = 512;

/// What an encoded answer is of. Equal keys have equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum AnswerKey {
    /// What a question gives of a content, seen by callers of one view.
    ConditionalHeaders(AnswerSubject),
    /// Whatever has this tag.
    Content { etag: HeaderValue },
}

/// What an answer is made from, and how.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct AnswerSubject {
    /// What is shown.
    pub(super) what: ResourceType,
    /// The org that the path names, or the document and its org.
    pub(super) within: Option<Box<str>>,
    /// The content's revision.
    pub(super) revision: u64,
    /// The revision of the SDDCs, where what is seen depends on them too.
    pub(super) seen_by: u64,
    /// What callers of this view see.
    pub(super) visibility: Visibility,
    /// Orgs whose part is not in it.
    pub(super) missing: Vec<MissingPart>,
    /// The question in its one spelling.
    pub(super) query: Box<str>,
}

impl AnswerKey {
    /// Bytes of its texts, which are held twice: by the cache, and by the answer.
    fn size(&self) -> usize {
        match self {
            Self::ConditionalHeaders(subject) => subject.size(),
            Self::Content { etag } => etag.len(),
        }
    }
}

impl AnswerSubject {
    /// Bytes of its texts. Callers choose how long the question is.
    pub(super) fn size(&self) -> usize {
        let missing = self.missing.iter().map(|gap| {
            size_of::<MissingPart>() + gap.org_id.len() + gap.sddc_id.as_deref().map_or(0, str::len)
        });
        let within = self.within.as_deref().map_or(0, str::len);
        self.query.len() + within + missing.sum::<usize>()
    }
}

/// A weight as moka wants it.
pub(super) fn saturating_u32(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Whether a client's cache may repeat an answer by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientCaching {
    /// For `inventory.fresh`, while it is younger than that.
    WhileFresh,
    /// The request is to wait for a change: an answer out of a cache would not.
    Never,
}

impl ClientCaching {
    /// Of a request with this `wait`.
    pub(super) fn of(wait: Option<Duration>) -> Self {
        wait.map_or(Self::WhileFresh, |_| Self::Never)
    }
}

/// What an answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ResourceType {
    Sddcs,
    Clusters,
    Hosts,
    Tasks,
    Sddc,
    Task,
    Targets,
}

/// Encoded answers by what they are of, bounded in bytes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AnswerCache {
    kept: Cache<AnswerKey, Arc<EncodedAnswer>>,
    shares: Arc<CallerShares>,
    encoders: EncodingLimit,
    compressor: Compressor,
    freshness: Arc<FreshnessHeaders>,
}

impl AnswerCache {
    /// No answers yet; `fresh` is `inventory.fresh`, `jobs` tracks the compressing.
    #[must_use]
    pub fn new(fresh: Duration, jobs: BackgroundJobs) -> Self {
        let kept = Cache::builder()
            .max_capacity(KEPT_BYTES as u64)
            .weigher(|key: &AnswerKey, answer: &Arc<EncodedAnswer>| {
                saturating_u32(weight(key, answer))
            })
            .time_to_idle(KEPT_UNASKED)
            // By frequency, a full cache would hold on to the revision that nobody asks for any more.
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self {
            kept,
            shares: Arc::default(),
            encoders: EncodingLimit::default(),
            compressor: Compressor::new(jobs),
            freshness: Arc::new(FreshnessHeaders::new(fresh)),
        }
    }

    /// The encoded answer of a subject, made by `encode` at the first demand, which is this caller's.
    pub(super) fn encoded(
        &self,
        subject: AnswerSubject,
        caller: &CallerName,
        encode: impl FnOnce() -> EncodedAnswer,
    ) -> Arc<EncodedAnswer> {
        let key = AnswerKey::ConditionalHeaders(subject);
        self.kept.get(&key).unwrap_or_else(|| self.make(&key, caller, encode))
    }

    /// The same of a page made from so many `entries`. Where these are many, encoding it has to wait for
    /// its turn, and is done beside the thread's other requests.
    ///
    /// # Errors
    /// [`Overloaded`], at once, where the wait would be too long.
    pub(super) async fn encoded_in_turn(
        &self,
        subject: AnswerSubject,
        entries: usize,
        caller: &CallerName,
        clock: &Clock,
        encode: impl FnOnce() -> EncodedAnswer,
    ) -> Result<Arc<EncodedAnswer>, Overloaded> {
        if entries < MIN_ENTRIES_OF_WORK {
            return Ok(self.encoded(subject, caller, encode));
        }
        let key = AnswerKey::ConditionalHeaders(subject);
        let _leader = loop {
            if let Some(encoded) = self.kept.get(&key) {
                return Ok(encoded);
            }
            match self.encoders.claim(&key) {
                EncodingClaim::Leader(leader) => break leader,
                EncodingClaim::Follower(end) => end.cancelled().await,
            }
        };
        let turn = self.encoders.turn(caller).await?;
        let began = clock.now();
        let encoded = beside(|| self.make(&key, caller, encode));
        turn.took(clock.now().since(began));
        Ok(encoded)
    }

    fn make(
        &self,
        key: &AnswerKey,
        caller: &CallerName,
        encode: impl FnOnce() -> EncodedAnswer,
    ) -> Arc<EncodedAnswer> {
        let mut made = None;
        let encoded = self.kept.get_with_by_ref(key, || {
            let encoded = Arc::new(encode().keyed(key.clone()));
            made = Some(weight(key, &encoded));
            encoded
        });
        if let Some(bytes) = made {
            for own in self.shares.add(caller, &encoded, bytes) {
                give_up(&self.kept, &own);
            }
        }
        encoded
    }

    /// The encoded answer of a document that no revision stands for. It is encoded and hashed for
    /// each request; what was made of equal content before is used again.
    pub(super) fn same(
        &self,
        document: &impl Serialize,
        next: Option<String>,
    ) -> Arc<EncodedAnswer> {
        let encoded = EncodedAnswer::json(document).followed_by(next);
        let key = AnswerKey::Content { etag: encoded.etag().clone() };
        self.kept.get_with_by_ref(&key, || Arc::new(encoded.keyed(key.clone())))
    }

    /// The answer to a request: 304 if the caller has it already. `link` is the `Link` of a page that
    /// another one follows.
    pub(super) fn answer<T>(
        &self,
        encoded: &Arc<EncodedAnswer>,
        served: &Served<T>,
        conditions: &ConditionalHeaders,
        reuse: ClientCaching,
        link: Option<HeaderValue>,
    ) -> (Response<Bytes>, CacheStatus) {
        let mut response = self.send(encoded, conditions, JSON);
        let revalidated = response.status() == StatusCode::NOT_MODIFIED;
        let headers = response.headers_mut();
        self.freshness.add(headers, served.age, served.outcome, reuse);
        headers.insert(VARY, VARY_ON);
        // A 304 has what says how fresh the caller's copy is; the copy has its `Link`.
        if let Some(link) = link.filter(|_| !revalidated) {
            headers.insert(LINK, link);
        }
        let outcome = cache_status::result(served.outcome);
        let result = if revalidated { CacheResult::Revalidated } else { outcome };
        let age_s = served.age.as_secs();
        (response, CacheStatus { result, age_s })
    }

    /// The body in the best coding there is, or 304; with the tag, and nothing about freshness.
    pub(super) fn send(
        &self,
        encoded: &Arc<EncodedAnswer>,
        conditions: &ConditionalHeaders,
        kind: HeaderValue,
    ) -> Response<Bytes> {
        if conditions.known.holds(encoded.etag()) {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            let headers = response.headers_mut();
            headers.reserve(9);
            headers.insert(ETAG, encoded.etag().clone());
            return response;
        }
        let choice = encoded.choose(conditions.accepts);
        // While encodings wait, an answer that may never be asked for again stays as it is.
        if let Some(coding) = choice.unmade.filter(|_| !self.encoders.is_busy()) {
            let kept = self.kept.clone();
            self.compressor.make(encoded, coding, move |encoded| weigh_again(&kept, encoded));
        }
        let mut response = Response::new(choice.body);
        let headers = response.headers_mut();
        headers.reserve(12);
        headers.insert(CONTENT_TYPE, kind);
        headers.insert(ETAG, encoded.etag().clone());
        if let Some(coding) = choice.coding {
            headers.insert(CONTENT_ENCODING, coding.header());
        }
        response
    }

    /// How old an answer may be and still be fresh.
    pub(super) fn fresh(&self) -> Duration {
        self.freshness.fresh()
    }

    /// Bytes of the answers that are kept, in all their codings.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        // Otherwise what nobody asked for any more would count until somebody asks for something.
        self.kept.run_pending_tasks();
        self.kept.weighted_size()
    }
}

/// Bytes of an answer and of what goes with it.
fn weight(key: &AnswerKey, answer: &EncodedAnswer) -> usize {
    answer.size() + 2 * key.size() + BESIDES
}

/// Does work that takes the processor for a while. The thread's other requests go on meanwhile on
/// another one, where the runtime has several.
fn beside<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// moka weighs what is put in: an answer that has grown is put in again, if it still is there.
fn weigh_again(kept: &Cache<AnswerKey, Arc<EncodedAnswer>>, encoded: &Arc<EncodedAnswer>) {
    let Some(key) = encoded.key() else { return };
    kept.entry_by_ref(key).and_compute_with(|entry| match entry {
        Some(entry) if Arc::ptr_eq(entry.value(), encoded) => Op::Put(encoded.clone()),
        _ => Op::Nop,
    });
}

/// Drops this very answer: one that was made later of the same question stays.
fn give_up(kept: &Cache<AnswerKey, Arc<EncodedAnswer>>, encoded: &Arc<EncodedAnswer>) {
    let Some(key) = encoded.key() else { return };
    kept.entry_by_ref(key).and_compute_with(|entry| match entry {
        Some(entry) if Arc::ptr_eq(entry.value(), encoded) => Op::Remove,
        _ => Op::Nop,
    });
}

impl CacheStatus {
    /// Of an answer that was just served.
    pub(super) fn of<T>(served: &Served<T>) -> Self {
        Self { result: cache_status::result(served.outcome), age_s: served.age.as_secs() }
    }
}

/// How an answer was served, for the edge's access line and metrics.
#[derive(Debug, Clone, Copy)]
pub struct CacheStatus {
    /// How.
    pub result: CacheResult,
    /// Its `Age`.
    pub age_s: u64,
}

#[cfg(test)]
mod tests {
    use axum::extract::FromRequestParts;

    use super::*;

    #[tokio::test]
    async fn variants_count_in_the_bytes_that_are_kept() {
        let jobs = BackgroundJobs::new(crate::telemetry::Metrics::new());
        let answers = AnswerCache::new(Duration::from_secs(60), jobs.clone());
        assert_eq!(answers.bytes(), 0);
        let document = vec!["an answer"; 1000];
        let encoded = answers.same(&document, None);
        let identity = answers.bytes();
        assert!(identity > 12_000, "{identity}");
        let request = http::Request::get("/").header("accept-encoding", "gzip").body(()).unwrap();
        let (mut parts, ()) = request.into_parts();
        let conditions = ConditionalHeaders::from_request_parts(&mut parts, &()).await.unwrap();
        let early = answers.send(&encoded, &conditions, JSON);
        assert!(!early.headers().contains_key(CONTENT_ENCODING));
        jobs.ended().await;
        let later = answers.send(&answers.same(&document, None), &conditions, JSON);
        assert_eq!(later.headers()[CONTENT_ENCODING], "gzip");
        assert_eq!(later.headers()[ETAG], early.headers()[ETAG]);
        assert!(answers.bytes() > identity);
        let key = encoded.key().unwrap().size();
        assert_eq!(answers.bytes(), (encoded.size() + 2 * key + BESIDES) as u64);
    }

    #[test]
    fn long_questions_count_in_the_bytes_that_are_kept() {
        let answers = AnswerCache::new(
            Duration::from_secs(60),
            BackgroundJobs::new(crate::telemetry::Metrics::new()),
        );
        let subject = |query: String, missing: usize| AnswerSubject {
            what: ResourceType::Sddcs,
            within: None,
            revision: 1,
            seen_by: 0,
            visibility: Visibility::default(),
            missing: vec![
                MissingPart { org_id: "a".repeat(100), sddc_id: None, reason: "" };
                missing
            ],
            query: query.into(),
        };
        let mut before = 0;
        for (subject, least) in
            [(subject("q".repeat(8000), 0), 16_000), (subject(String::new(), 50), 10_000)]
        {
            answers.encoded(subject, &CallerName::anonymous(), || EncodedAnswer::json(&[0; 0]));
            let grown = answers.bytes() - before;
            assert!(grown > least, "{grown}");
            before += grown;
        }
    }
}
