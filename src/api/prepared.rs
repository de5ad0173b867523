//! Answers that are asked for again and again: found by who may see what and by the raw target,
//! before anything of the request is parsed.
//!
//! ```text
//! request ─► recall ─► is the revision still the same, and fresh? ─► AnswerCache::answer
//!              │ no                                                        ▲
//!              └─► router ─► pipeline: fetch, check, select, encode ─► respond ─► remember
//! ```
//!
//! There is no second way to make an answer: what is remembered is what the [pipeline](super::pipeline)
//! came to, and the same functions send it. Whether a list may be shown, and how old it is, is asked
//! each time. What a request says beyond its target, that is plain, is left to the pipeline.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};

use super::{
    ApiState,
    answer::{CacheStatus, ClientCaching, ConditionalHeaders, EncodedAnswer},
    caller::{READS, Visibility},
};
use crate::{
    access::{Authenticated, Caller},
    clock::{Clock, Instant},
    copy_on_write::CopyOnWriteMap,
    inventory::{List, OrgSelector, Served},
};

/// An answer is made by the pipeline again so often: what is asked for stays in its cache.
const MAX_AGE: Duration = Duration::from_secs(10);
const MAX_ANSWERS: usize = 2048;
/// Longer targets are seldom asked for twice.
const MAX_TARGET_BYTES: usize = 256;
const ADDRESS_BYTES: usize = size_of::<usize>();

/// What an answer is made from, where nothing else decides what is in it: a question to one list, or to
/// one document of it.
#[derive(Debug, Clone)]
pub(super) struct AnswerSource {
    pub(super) list: List,
    pub(super) scope: OrgSelector,
    pub(super) revision: u64,
}

/// The answers that were asked for more than once lately.
#[derive(Debug)]
pub struct PreparedAnswers(CopyOnWriteMap<Arc<[u8]>, Arc<PreparedAnswer>>);

/// What the pipeline came to.
#[derive(Debug)]
pub(super) struct PreparedAnswer {
    source: AnswerSource,
    /// The cache decides how long it lives.
    encoded: Weak<EncodedAnswer>,
    link: Option<HeaderValue>,
    /// Held, so that no other view gets its address.
    _visibility: Visibility,
    made_at: Instant,
}

/// An answer that is still the one to a request.
#[derive(Debug)]
pub struct RecalledAnswer<'a> {
    state: &'a ApiState,
    encoded: Arc<EncodedAnswer>,
    link: Option<HeaderValue>,
    served: Served<()>,
}

impl Default for PreparedAnswers {
    fn default() -> Self {
        Self(CopyOnWriteMap::new(MAX_ANSWERS))
    }
}

impl PreparedAnswers {
    /// Remembers an answer that was just given to callers of a view who ask for a target.
    pub(super) fn remember(
        &self,
        visibility: &Visibility,
        target: &str,
        source: &AnswerSource,
        encoded: &Arc<EncodedAnswer>,
        link: Option<&HeaderValue>,
        clock: &Clock,
    ) {
        let mut buffer = KeyBuffer::default();
        let Some(key) = buffer.key(visibility.address(), target) else { return };
        let answer = PreparedAnswer {
            source: source.clone(),
            encoded: Arc::downgrade(encoded),
            link: link.cloned(),
            _visibility: visibility.clone(),
            made_at: clock.now(),
        };
        self.0.insert(key.into(), Arc::new(answer));
    }

    fn find(&self, caller: &Caller, target: &str) -> Option<Arc<PreparedAnswer>> {
        let mut buffer = KeyBuffer::default();
        let key = buffer.key(Arc::as_ptr(caller.view()).addr(), target)?;
        self.0.read(key, |answer| Some(answer.clone()))
    }
}

/// Where a view is, and the target behind it.
struct KeyBuffer([u8; ADDRESS_BYTES + MAX_TARGET_BYTES]);

impl Default for KeyBuffer {
    fn default() -> Self {
        Self([0; ADDRESS_BYTES + MAX_TARGET_BYTES])
    }
}

impl KeyBuffer {
    fn key(&mut self, view: usize, target: &str) -> Option<&[u8]> {
        let key = self.0.get_mut(..ADDRESS_BYTES + target.len())?;
        let (address, text) = key.split_at_mut(ADDRESS_BYTES);
        address.copy_from_slice(&view.to_ne_bytes());
        text.copy_from_slice(target.as_bytes());
        Some(key)
    }
}

impl ApiState {
    /// The answer to a plain `GET` of a caller, if it was given before and is still the one. Counts
    /// nothing: whether the caller may ask now is still to be judged.
    pub(super) fn recall<'a, B>(
        &'a self,
        request: &Request<B>,
        caller: &Caller,
        now: Instant,
    ) -> Option<RecalledAnswer<'a>> {
        if request.method() != Method::GET || request.headers().contains_key(header::CACHE_CONTROL)
        {
            return None;
        }
        let target = request.uri().path_and_query()?.as_str();
        let prepared = self.prepared.find(caller, target)?;
        let AnswerSource { list, scope, revision } = &prepared.source;
        let served = self.inventory.fresh_revision(*list, scope, now)?;
        if served.content != *revision || now.since(prepared.made_at) >= MAX_AGE {
            return None;
        }
        let encoded = prepared.encoded.upgrade()?;
        let (link, served) = (prepared.link.clone(), served.without_content());
        Some(RecalledAnswer { state: self, encoded, link, served })
    }
}

impl RecalledAnswer<'_> {
    /// Whether the caller may have it now: then it counts against the caller's rate.
    #[must_use]
    pub fn is_admitted(&self, known: &Authenticated, now: Instant) -> bool {
        known.caller().has(READS) && known.admit(READS, now).is_ok()
    }

    /// The answer, as a request's header fields want it.
    #[must_use]
    pub fn respond(self, headers: &HeaderMap) -> (Response<Bytes>, CacheStatus) {
        let conditions = ConditionalHeaders::of(headers);
        let Self { state, encoded, link, served } = self;
        state.answers.answer(&encoded, &served, &conditions, ClientCaching::WhileFresh, link)
    }
}
