//! Documents of others, which are sent as they are: they have no tag, and how old they are says who
//! keeps them.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use http::{
    HeaderMap, Response,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};

use super::{AnswerCache, EncodedAnswer, JSON, coding::AcceptedCodings};

/// A JSON document, with what becomes of it in other codings. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PassedDocument(Arc<EncodedAnswer>);

/// A document that may be gone. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WeakPassedDocument(Weak<EncodedAnswer>);

impl WeakPassedDocument {
    /// The document, if it is still kept.
    #[must_use]
    pub fn upgrade(&self) -> Option<PassedDocument> {
        self.0.upgrade().map(PassedDocument)
    }
}

impl PassedDocument {
    /// The same, but it is not kept by it.
    #[must_use]
    pub fn downgrade(&self) -> WeakPassedDocument {
        WeakPassedDocument(Arc::downgrade(&self.0))
    }

    /// The document, in no other coding yet.
    #[must_use]
    pub fn new(document: Bytes) -> Self {
        Self(Arc::new(EncodedAnswer::fixed(document)))
    }

    /// The document itself.
    #[must_use]
    pub fn identity(&self) -> &Bytes {
        self.0.identity()
    }
}

impl AnswerCache {
    /// The document in the best coding there is of those that a request's `headers` accept. A better one
    /// is made in the background where it `is_asked_again`: most documents are not.
    #[must_use]
    pub fn pass(
        &self,
        document: &PassedDocument,
        headers: &HeaderMap,
        is_asked_again: bool,
    ) -> Response<Bytes> {
        let choice = document.0.choose(AcceptedCodings::of(headers));
        let unmade = choice.unmade.filter(|_| is_asked_again && !self.encoders.is_busy());
        if let Some(coding) = unmade {
            self.compressor.make(&document.0, coding, |_| {});
        }
        let mut response = Response::new(choice.body);
        response.headers_mut().insert(CONTENT_TYPE, JSON);
        if let Some(coding) = choice.coding {
            response.headers_mut().insert(CONTENT_ENCODING, coding.header());
        }
        response
    }
}
