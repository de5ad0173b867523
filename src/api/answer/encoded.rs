//! A document as it is sent: its bytes, their tag, and what became of them in other codings.

use std::{
    cell::RefCell,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::HeaderValue;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    AnswerKey,
    coding::{AcceptedCodings, ContentCoding},
    if_none_match::is_same,
};

/// Below this a coding saves no packet.
const MIN_BYTES: usize = 1024;
/// An answer with all its variants fits into the cache: what is not kept must not be compressed for
/// each request again.
const MAX_BYTES: usize = super::KEPT_BYTES / 4;

/// Bytes of a buffer that stay for the next document.
const MAX_SCRATCH_BYTES: usize = 1024 * 1024;

thread_local! {
    /// Where documents are encoded. A buffer of their own for each, which grows until they fit, leaves
    /// holes between the answers that are kept: memory that the allocator never gives back.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A document as it is sent. Made only by [`AnswerCache`](super::AnswerCache) and for what lives as long as
/// the process: variants of what is thrown away would be made for each request.
#[derive(Debug)]
pub(in crate::api) struct EncodedAnswer {
    identity: Bytes,
    /// Made when it is first asked for: documents of others go out without.
    etag: OnceLock<HeaderValue>,
    key: Option<AnswerKey>,
    /// The cursor of the page that follows.
    next: Option<Box<str>>,
    was_asked: AtomicBool,
    variants: [CodedVariant; 3],
}

/// The same bytes in a coding.
#[derive(Debug, Default)]
struct CodedVariant {
    begun: AtomicBool,
    /// `None`: not worth sending.
    made: OnceLock<Option<Bytes>>,
}

/// What to send now, and which variant somebody would like better.
#[derive(Debug)]
pub(super) struct SelectedCoding {
    pub(super) body: Bytes,
    pub(super) coding: Option<ContentCoding>,
    pub(super) unmade: Option<ContentCoding>,
}

impl EncodedAnswer {
    /// Bytes that never change.
    pub(in crate::api) fn fixed(body: impl Into<Bytes>) -> Self {
        Self {
            identity: body.into(),
            etag: OnceLock::new(),
            key: None,
            next: None,
            was_asked: AtomicBool::new(false),
            variants: Default::default(),
        }
    }

    /// Encodes a document.
    pub(in crate::api) fn json(document: &impl Serialize) -> Self {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            serde_json::to_writer(&mut *scratch, document)
                .expect("documents have string keys only");
            let body = Bytes::copy_from_slice(scratch);
            scratch.shrink_to(MAX_SCRATCH_BYTES);
            let answer = Self::fixed(body);
            answer.etag();
            answer
        })
    }

    /// The same as a page that another one follows, from this cursor on.
    pub(in crate::api) fn followed_by(self, next: Option<String>) -> Self {
        Self { next: next.map(Into::into), ..self }
    }

    /// The cursor of the page that follows.
    pub(in crate::api) fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// Takes note that somebody asked for it. Tells whether that was so before.
    pub(in crate::api) fn note_asked(&self) -> bool {
        self.was_asked.load(Ordering::Relaxed) || self.was_asked.swap(true, Ordering::Relaxed)
    }

    /// The same under a key of the cache.
    pub(super) fn keyed(self, key: AnswerKey) -> Self {
        Self { key: Some(key), ..self }
    }

    /// What the cache knows it by.
    pub(super) fn key(&self) -> Option<&AnswerKey> {
        self.key.as_ref()
    }

    /// Its validator. Equal content has an equal one, on every replica and in every coding: hence a weak one.
    pub(in crate::api) fn etag(&self) -> &HeaderValue {
        self.etag.get_or_init(|| {
            let hash = Sha256::digest(&self.identity);
            let etag = format!("W/\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(&hash[..16]));
            HeaderValue::from_str(&etag).expect("base64 is visible ASCII")
        })
    }

    /// Whether this is its tag, as `If-None-Match` compares.
    pub(in crate::api) fn has_tag(&self, tag: &HeaderValue) -> bool {
        is_same(tag.as_bytes(), self.etag())
    }

    /// Its bytes without a coding.
    pub(in crate::api) fn identity(&self) -> &Bytes {
        &self.identity
    }

    /// The bytes of all codings.
    pub(super) fn size(&self) -> usize {
        let variants = self.variants.iter().filter_map(|variant| variant.made.get()?.as_ref());
        self.identity.len() + variants.map(Bytes::len).sum::<usize>()
    }

    /// The best of what is there. Who refuses identity gets it all the same until there is a
    /// variant: an answer in a coding too many is more use than none.
    pub(super) fn choose(&self, accepts: AcceptedCodings) -> SelectedCoding {
        let mut unmade = None;
        if (MIN_BYTES..=MAX_BYTES).contains(&self.identity.len()) {
            for coding in accepts.iter() {
                match self.variants[coding as usize].made.get() {
                    Some(Some(body)) => {
                        return SelectedCoding { body: body.clone(), coding: Some(coding), unmade };
                    }
                    Some(None) => {}
                    None => unmade = unmade.or(Some(coding)),
                }
            }
        }
        SelectedCoding { body: self.identity.clone(), coding: None, unmade }
    }

    /// Whether the caller of this is the one to make the variant.
    pub(super) fn begin(&self, coding: ContentCoding) -> bool {
        !self.variants[coding as usize].begun.swap(true, Ordering::Relaxed)
    }

    /// Lets another one make it, unless it is settled.
    pub(super) fn give_up(&self, coding: ContentCoding) {
        let variant = &self.variants[coding as usize];
        if variant.made.get().is_none() {
            variant.begun.store(false, Ordering::Relaxed);
        }
    }

    /// Keeps a variant for good, or that there is none: a tenth less is the least that pays for the
    /// caller's work of decoding.
    pub(super) fn settle(&self, coding: ContentCoding, body: Option<Bytes>) {
        let body = body.filter(|body| body.len() <= self.identity.len() / 10 * 9);
        // Another one's would be the same.
        let _ = self.variants[coding as usize].made.set(body);
    }
}
