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
use http::{HeaderValue, Method, Request, Response, header};

use super::{
    ApiState,
    answer::{CacheStatus, ClientCaching, ConditionalHeaders, EncodedAnswer},
    caller::{READS, Visibility},
};
use crate::{
    access::{Caller, Scope},
    clock::{Clock, Instant},
    inventory::{List, OrgSelector},
    target_map::TargetMap,
};

/// An answer is made by the pipeline again so often: what is asked for stays in its cache.
const MAX_AGE: Duration = Duration::from_secs(10);
const MAX_ANSWERS: usize = 2048;

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
pub struct PreparedAnswers(TargetMap<PreparedAnswer>);

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

impl Default for PreparedAnswers {
    fn default() -> Self {
        Self(TargetMap::new(MAX_ANSWERS))
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
        let (encoded, now) = (Arc::downgrade(encoded), clock.now());
        let is_the_same = |known: &PreparedAnswer| {
            known.encoded.ptr_eq(&encoded) && now.since(known.made_at) < MAX_AGE
        };
        self.0.insert(visibility.address(), target, is_the_same, || PreparedAnswer {
            source: source.clone(),
            encoded: encoded.clone(),
            link: link.cloned(),
            _visibility: visibility.clone(),
            made_at: now,
        });
    }
}

impl ApiState {
    /// The answer to a plain `GET` of a caller, if it was given before and is still the one, as the request's header
    /// fields want it. `admit` judges last whether the caller may ask now.
    pub(super) fn recall<B>(
        &self,
        request: &Request<B>,
        caller: &Caller,
        now: Instant,
        admit: impl FnOnce(Scope) -> bool,
    ) -> Option<(Response<Bytes>, CacheStatus)> {
        if request.method() != Method::GET || request.headers().contains_key(header::CACHE_CONTROL)
        {
            return None;
        }
        let target = request.uri().path_and_query()?.as_str();
        let prepared = self.prepared.0.get(Arc::as_ptr(caller.view()).addr(), target)?;
        let AnswerSource { list, scope, revision } = &prepared.source;
        let served = self.inventory.fresh_revision(*list, scope, now)?;
        if served.content != *revision || now.since(prepared.made_at) >= MAX_AGE {
            return None;
        }
        let encoded = prepared.encoded.upgrade()?;
        let conditions = ConditionalHeaders::of(request.headers());
        let (link, caching) = (prepared.link.clone(), ClientCaching::WhileFresh);
        admit(READS).then(|| {
            self.answers.answer(&encoded, &served.without_content(), &conditions, caching, link)
        })
    }
}
