//! Reads that callers ask for again and again: found by the caller and the raw target, before anything of the request is
//! parsed.
//!
//! There is no second way to make an answer: what is remembered is what a request came to, for as long as its
//! document is fresh, and the same function sends it. What is new in a request beyond its target changes nothing.

use std::sync::Arc;

use http::{Method, Request, Uri};

use super::cache::ReadDocument;
use crate::{
    access::Caller, api::WeakPassedDocument, clock::Instant, ids::OrgId, inventory::Inventory,
    target_map::TargetMap,
};

const MAX_READS: usize = 1024;

/// The reads that were asked for more than once lately.
#[derive(Debug)]
pub(super) struct PreparedReads(TargetMap<PreparedRead>);

/// What a request came to.
#[derive(Debug)]
struct PreparedRead {
    /// The cache decides how long it lives.
    document: WeakPassedDocument,
    begun: Instant,
    /// Whose document it is, if it is one organization's.
    org: Option<OrgId>,
    /// Held, so that no other gets its address. With other rights it would be another one.
    _caller: Caller,
}

impl Default for PreparedReads {
    fn default() -> Self {
        Self(TargetMap::new(MAX_READS))
    }
}

impl PreparedReads {
    /// Remembers a kept document that was just shown to a caller as it is.
    pub(super) fn remember(
        &self,
        caller: &Caller,
        uri: &Uri,
        read: &ReadDocument,
        org: Option<&OrgId>,
    ) {
        let Some(target) = uri.path_and_query() else { return };
        let is_the_same = |known: &PreparedRead| known.begun == read.begun;
        self.0.insert(caller.address(), target.as_str(), is_the_same, || PreparedRead {
            document: read.document.downgrade(),
            begun: read.begun,
            org: org.cloned(),
            _caller: caller.clone(),
        });
    }

    /// What a caller's `GET` came to before, if its organization has not left meanwhile.
    pub(super) fn find<B>(
        &self,
        request: &Request<B>,
        caller: &Caller,
        inventory: &Inventory,
    ) -> Option<ReadDocument> {
        let target = request.uri().path_and_query().filter(|_| request.method() == Method::GET)?;
        let prepared: Arc<PreparedRead> = self.0.get(caller.address(), target.as_str())?;
        if prepared.org.as_ref().is_some_and(|org| !inventory.serves(org)) {
            return None;
        }
        let document = prepared.document.upgrade()?;
        Some(ReadDocument { document, begun: prepared.begun })
    }
}
