//! The cached SDDCs: one published snapshot that every request reads without a lock.
//!
//! ```text
//! poller ─┐                                                  ┌─ GET /sddcs      (fresh: at once)
//!         ├─► one refresh per org and list ─► new snapshot ──┤
//! request ┘   (single flight)                 (ArcSwap)      └─ GET /sddcs/{id} (old: waits ≤ 1 s)
//!
//! state.rs ─► cached.rs ─► listing.rs ─► org.rs ─► orgs.rs ─► the questions: lists.rs,
//!         └─► snapshot.rs ─► change_feed.rs (publishes it) ─┘    org_documents.rs, known.rs
//! ```
//!
//! A snapshot younger than `fresh` is shown as it is. An older one is shown too, until `stale`, but
//! the request first joins the shared refresh for at most a second: `CachedResource::ensure_fresh`.
//! Whether a reading may be shown, and as what, only `State::shown_as` says. A failed refresh is never
//! an answer that is kept; the [circuit breaker](crate::upstream::CircuitBreaker) holds back a
//! stampede, and the good snapshot stays. What is too old to be shown is missing, and what is missing
//! is an error unless the caller said that a part will do.

mod belief;
mod cached;
mod change_feed;
mod context;
mod entry;
mod freshness;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod known;
mod last_body;
mod listing;
mod lists;
pub mod mapping;
pub mod model;
mod org;
mod org_documents;
mod org_source;
mod orgs;
mod outcome;
mod polling;
mod readers;
mod saving;
mod settings;
mod shared_state;
mod snapshot;
mod snapshot_file;
mod state;
mod status;
mod survey;
mod texts;

pub use self::{
    change_feed::ChangeObserver,
    entry::{Entry, PartKind},
    freshness::{FreshnessRequirement, List, OrgSelector},
    lists::{FoundDocument, ListSnapshot},
    org_documents::Orgs,
    orgs::{Inventory, ListWatch, UpstreamReaders},
    outcome::{CacheOutcome, MissingOrg, Served, Unavailable},
    settings::Settings,
    snapshot::ListContent,
    status::{DiscoveryStatus, InventoryMetrics, MadeBytes, OrgStatus},
    texts::Texts,
};
pub(crate) use self::{
    listing::{Listing, SddcListing, TaskListing},
    org_source::{read_org, read_orgs},
    saving::{SnapshotFile, probe_snapshot_file, refused_snapshot},
    snapshot_file::SnapshotSource,
    survey::survey_sddcs,
};
