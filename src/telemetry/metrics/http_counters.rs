//! Counts of requests by caller, route, method and status, each found without a lock once it is known.

use std::sync::Arc;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

use super::events::HttpCall;
use crate::copy_on_write::CopyOnWriteMap;

/// Series whose counters are found by where their labels are.
const MAX_KNOWN: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct HttpLabels {
    pub(super) route: &'static str,
    pub(super) method: &'static str,
    pub(super) status: u16,
    pub(super) caller: Arc<str>,
}

/// The requests that were answered.
#[derive(Debug)]
pub(super) struct HttpCounters {
    family: Family<HttpLabels, Counter>,
    known: CopyOnWriteMap<LabelAddresses, KnownCounter>,
}

/// Where the labels are, which is enough to tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct LabelAddresses {
    route: (usize, usize),
    method: (usize, usize),
    status: u16,
    caller: (usize, usize),
}

#[derive(Debug, Clone)]
struct KnownCounter {
    counter: Counter,
    /// Held, so that no other name gets its address.
    _caller: Arc<str>,
}

impl HttpCounters {
    /// Counts in a family.
    pub(super) fn new(family: Family<HttpLabels, Counter>) -> Self {
        Self { family, known: CopyOnWriteMap::new(MAX_KNOWN) }
    }

    /// Counts a request.
    pub(super) fn count(&self, call: &HttpCall<'_>) {
        let HttpCall { route, method, status, caller, .. } = *call;
        let status = status.as_u16();
        let key = LabelAddresses {
            route: address(route),
            method: address(method),
            status,
            caller: address(caller),
        };
        let known = self.known.read(&key, |known| {
            known.counter.inc();
            Some(())
        });
        if known.is_none() {
            let labels = HttpLabels { route, method, status, caller: caller.clone() };
            let counter = self.family.get_or_create(&labels).clone();
            counter.inc();
            self.known.insert(key, KnownCounter { counter, _caller: labels.caller });
        }
    }
}

/// Where a text begins, and how long it is.
fn address(text: &str) -> (usize, usize) {
    (text.as_ptr().addr(), text.len())
}
