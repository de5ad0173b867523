//! The kinds of lists that are read per org and published over all of them.
//!
//! ```text
//! Listing: endpoint ─► parse ─► OrgListing (one org) ─► PublishedList (all orgs) ─► what requests read
//! ```
//!
//! All kinds share one way of being read, believed, kept and published. What differs between them
//! stands in their [`Listing`].

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use super::{
    belief::{self, OrgList, ShownCopies, VersionRegressions},
    cached::{CachedResource, ReadVerdict},
    context::InventoryContext,
    entry::Entry,
    freshness::List,
    last_body::{BodyDigest, LastBody},
    mapping,
    model::{Gap, GapReason, SddcEntry, TaskEntry},
    snapshot::{OrgStates, PublishedList, Snapshot},
    state::Reading,
};
use crate::{
    clock::Instant,
    csp::TokenSource,
    ids::OrgId,
    sharing::ResourceKind,
    upstream::{InvalidResponse, Priority},
    vmc::{Endpoint, OddCount, Reader, VmcError, wire},
};

/// Documents of an org, and what of them is left out.
type ParsedDocuments<E> = Result<(Vec<E>, Vec<Gap>), VmcError>;

/// A kind of list: what is particular to how it is read, mapped and polled, and where it is kept.
pub(crate) trait Listing: Copy + Send + Sync + 'static {
    type Entry: Entry;

    fn kind(self) -> List;

    /// Its part in an org.
    fn of(self, org: &OrgLists) -> &OrgListing<Self::Entry>;

    /// Its whole.
    fn published(self, snapshot: &Snapshot) -> &PublishedList<Self::Entry>;

    fn endpoint(self, org: &OrgId) -> Endpoint<'_>;

    /// Reads the documents of an org; its tokens know which secrets must not be in a text.
    fn parse(
        body: &[u8],
        org: &OrgId,
        tokens: &TokenSource,
        odd: &mut OddCount,
    ) -> ParsedDocuments<Self::Entry>;

    /// Polled always, and the one that tells whether VMware knows the org. Others are polled while
    /// they are asked for.
    fn is_primary(self) -> bool {
        self.kind() == List::Sddcs
    }

    /// What looks like loss is read again before it is believed.
    fn may_be_lost(self) -> bool;

    /// The other list of the same documents: both say the same of them.
    fn sibling(self) -> Option<Self>;
}

/// The SDDCs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SddcListing {
    /// Deleted ones apart.
    Current,
    WithDeleted,
}

impl Listing for SddcListing {
    type Entry = SddcEntry;

    fn kind(self) -> List {
        match self {
            Self::Current => List::Sddcs,
            Self::WithDeleted => List::WithDeleted,
        }
    }

    fn of(self, org: &OrgLists) -> &OrgListing<SddcEntry> {
        match self {
            Self::Current => &org.sddcs,
            Self::WithDeleted => &org.with_deleted,
        }
    }

    fn published(self, snapshot: &Snapshot) -> &PublishedList<SddcEntry> {
        match self {
            Self::Current => &snapshot.sddcs,
            Self::WithDeleted => &snapshot.with_deleted,
        }
    }

    fn endpoint(self, org: &OrgId) -> Endpoint<'_> {
        match self {
            Self::Current => Endpoint::Sddcs(org),
            Self::WithDeleted => Endpoint::SddcsWithDeleted(org),
        }
    }

    fn parse(
        body: &[u8],
        org: &OrgId,
        tokens: &TokenSource,
        odd: &mut OddCount,
    ) -> ParsedDocuments<SddcEntry> {
        let wires =
            wire::parse_sddcs(body).map_err(|_| InvalidResponse::Body("a list of SDDCs"))?;
        let (listed, entries) = (wires.len(), mapping::sddcs(wires, org, odd, &tokens.scrubber()));
        let gaps = without_id(listed, entries.len(), org, odd, "a list of SDDCs with usable ids")?;
        Ok((entries, gaps))
    }

    fn may_be_lost(self) -> bool {
        true
    }

    fn sibling(self) -> Option<Self> {
        Some(match self {
            Self::Current => Self::WithDeleted,
            Self::WithDeleted => Self::Current,
        })
    }
}

/// The newest tasks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TaskListing;

impl Listing for TaskListing {
    type Entry = TaskEntry;

    fn kind(self) -> List {
        List::Tasks
    }

    fn of(self, org: &OrgLists) -> &OrgListing<TaskEntry> {
        &org.tasks
    }

    fn published(self, snapshot: &Snapshot) -> &PublishedList<TaskEntry> {
        &snapshot.tasks
    }

    fn endpoint(self, org: &OrgId) -> Endpoint<'_> {
        Endpoint::Tasks(org)
    }

    fn parse(
        body: &[u8],
        org: &OrgId,
        tokens: &TokenSource,
        odd: &mut OddCount,
    ) -> ParsedDocuments<TaskEntry> {
        let wires =
            wire::parse_tasks(body).map_err(|_| InvalidResponse::Body("a list of tasks"))?;
        let listed = wires.len();
        let tasks = mapping::tasks(wires, org, odd, &tokens.scrubber());
        let mut gaps =
            without_id(listed, tasks.entries.len(), org, odd, "a list of tasks with usable ids")?;
        let older = |sddc_id| Gap { org_id: org.clone(), sddc_id, reason: GapReason::OlderTasks };
        gaps.extend(tasks.dropped_of.into_iter().map(older));
        Ok((tasks.entries, gaps))
    }

    // Old ones leave the list as new ones come.
    fn may_be_lost(self) -> bool {
        false
    }

    fn sibling(self) -> Option<Self> {
        None
    }
}

/// One gap for each element of a list that has no usable id.
///
/// # Errors
/// All are such: a list of none would be a wrong answer.
fn without_id(
    listed: usize,
    shown: usize,
    org: &OrgId,
    odd: &OddCount,
    what: &'static str,
) -> Result<Vec<Gap>, VmcError> {
    if listed > 0 && shown == 0 {
        return Err(InvalidResponse::Body(what).into());
    }
    let gap = Gap { org_id: org.clone(), sddc_id: None, reason: GapReason::Unreadable };
    Ok(vec![gap; odd.without_id])
}

/// What is read of one org.
#[derive(Debug)]
pub(crate) struct OrgLists {
    pub(super) id: OrgId,
    pub(super) reader: Reader,
    pub(super) sddcs: OrgListing<SddcEntry>,
    pub(super) with_deleted: OrgListing<SddcEntry>,
    pub(super) tasks: OrgListing<TaskEntry>,
}

impl OrgLists {
    /// Nothing was read yet.
    pub(super) fn new(id: OrgId, reader: Reader, context: &InventoryContext) -> Self {
        let sddcs: Arc<VersionRegressions> = Arc::default();
        let with_deleted = ResourceKind::SddcsWithDeleted;
        Self {
            sddcs: OrgListing::new(
                context.resource(ResourceKind::Sddcs, id.as_str()),
                sddcs.clone(),
            ),
            with_deleted: OrgListing::new(context.resource(with_deleted, id.as_str()), sddcs),
            tasks: OrgListing::new(
                context.resource(ResourceKind::Tasks, id.as_str()),
                Arc::default(),
            ),
            id,
            reader,
        }
    }

    /// Whether VMware answers 404 for the org: it contributes nothing, and nothing is missing
    /// without it.
    pub(super) fn is_gone(&self) -> bool {
        self.sddcs.cached.is_gone()
    }

    /// All that is known of it now.
    pub(super) fn states(&self) -> OrgStates {
        OrgStates {
            id: self.id.clone(),
            sddcs: self.sddcs.cached.state(),
            with_deleted: self.with_deleted.cached.state(),
            tasks: self.tasks.cached.state(),
        }
    }

    /// Rewrites each list that a change concerns, and tells whether there was one. `sddcs` and
    /// `tasks` are the same change.
    pub(super) fn rewrite(
        &self,
        sddcs: impl Fn(&OrgList<SddcEntry>) -> Option<OrgList<SddcEntry>>,
        tasks: impl Fn(&OrgList<TaskEntry>) -> Option<OrgList<TaskEntry>>,
    ) -> bool {
        let has_changed = [
            self.sddcs.cached.rewrite(&sddcs),
            self.with_deleted.cached.rewrite(&sddcs),
            self.tasks.cached.rewrite(&tasks),
        ];
        has_changed.contains(&true)
    }
}

/// One org's part of a kind of list.
#[derive(Debug)]
pub(crate) struct OrgListing<E> {
    pub(super) cached: CachedResource<OrgList<E>>,
    /// Documents of the last reading with something unreadable in them.
    odd: AtomicUsize,
    /// Elements of the last reading without a usable id.
    without_id: AtomicUsize,
    /// The last reading had more than is kept.
    is_cut: AtomicBool,
    last_body: Arc<LastBody<E>>,
    regressions: Arc<VersionRegressions>,
}

impl<E: Entry> OrgListing<E> {
    /// Nothing was read yet. Lists of the same documents share `regressions`.
    fn new(cached: CachedResource<OrgList<E>>, regressions: Arc<VersionRegressions>) -> Self {
        Self {
            cached,
            odd: AtomicUsize::new(0),
            without_id: AtomicUsize::new(0),
            is_cut: AtomicBool::new(false),
            last_body: Arc::default(),
            regressions,
        }
    }

    /// Another replica has read since: of lower versions that were read here only those count on that
    /// it holds back too.
    pub(super) fn follow(&self) {
        let Some(reading) = self.cached.reading() else { return };
        self.regressions.follow(&reading.content);
    }

    /// Reads the list, in a reading that begins at `begun`, and tells what to make of it.
    pub(super) async fn read(
        &self,
        listing: impl Listing<Entry = E>,
        org: &OrgLists,
        context: &InventoryContext,
        priority: Priority,
        begun: Instant,
    ) -> Result<ReadVerdict<OrgList<E>>, VmcError> {
        let (list, digest, odd) = match self.read_once(listing, org, context, priority).await {
            // A 404 is read twice before the org is dropped.
            Err(VmcError::NotFound) if listing.is_primary() && !org.is_gone() => {
                self.read_once(listing, org, context, priority).await?
            }
            first => first?,
        };
        let verdict = self.believe(listing, org, context, begun, list);
        if let ReadVerdict::Believed(list) = &verdict {
            self.last_body.set(digest, list, odd);
        }
        Ok(verdict)
    }

    /// What is made of a list that was read: see [`belief`].
    fn believe(
        &self,
        listing: impl Listing<Entry = E>,
        org: &OrgLists,
        context: &InventoryContext,
        begun: Instant,
        mut list: OrgList<E>,
    ) -> ReadVerdict<OrgList<E>> {
        self.note_bound(listing, org, &list);
        let sibling = listing.sibling().map(|sibling| &sibling.of(org).cached);
        let other = sibling.and_then(CachedResource::reading);
        if let (None, Some(other)) = (self.cached.reading(), &other)
            && listing.may_be_lost()
        {
            // Of the other list all that is not deleted: a deleted SDDC is in one of the two only.
            let known = other.content.without_deleted();
            if belief::looks_like_loss(&known, &list) {
                // It has what this first reading lacks: until one of them is confirmed, both show it.
                self.cached.restore(known, other.begun, false);
            }
        }
        let before = self.cached.reading();
        if let Some(before) = &before {
            self.note_without_id(listing, org, before, &mut list, begun - context.settings.stale);
            if listing.may_be_lost() && belief::looks_like_loss(&before.content, &list) {
                let (was, now) = (before.content.entries.len(), list.entries.len());
                if self.cached.confirm_at().is_none_or(|at| begun < at) {
                    tracing::warn!(
                        org.id = %org.id, before = was, now,
                        "more than half of the {} are missing from the list: the old list stays \
                         until a later read confirms it", listing.kind().name()
                    );
                    return ReadVerdict::Unconfirmed;
                }
                tracing::warn!(
                    org.id = %org.id, before = was, now,
                    "a second read confirms that more than half of the {} are gone", listing.kind().name()
                );
            }
        }
        let shown = ShownCopies::of(before.as_ref(), other.as_ref());
        let versions = belief::keep_newer(&shown, &mut list, &self.regressions);
        context.metrics.odd_documents(versions.held);
        for id in versions.newly_held {
            tracing::warn!(
                org.id = %org.id, %id,
                "the list of {} has a lower version of a document than before: the higher one stays until three reads agree",
                listing.kind().name()
            );
        }
        for id in versions.restored {
            tracing::warn!(
                org.id = %org.id, %id,
                "the list of {} has a lower version of a document than before, which is accepted: \
                 reads agree, or it was updated later", listing.kind().name()
            );
        }
        if let Some((sibling, other)) = sibling.zip(other)
            && let Some(newer) = belief::with_newer_copies(&other, &list, begun)
        {
            sibling.replace(&other, newer);
        }
        ReadVerdict::Believed(list)
    }

    /// Keeps what a list with elements without a usable id does not show, and says so.
    fn note_without_id(
        &self,
        listing: impl Listing<Entry = E>,
        org: &OrgLists,
        before: &Reading<OrgList<E>>,
        list: &mut OrgList<E>,
        oldest: Instant,
    ) {
        let count = list.without_id();
        let known = self.without_id.swap(count, Ordering::Relaxed);
        let is_cut = list.gaps.iter().any(|gap| gap.reason == GapReason::OlderTasks);
        if count == 0 || is_cut {
            return;
        }
        let unshown = belief::keep_unshown(before, list, oldest);
        if count != known {
            tracing::warn!(
                org.id = %org.id, without_id = count, kept = unshown,
                "the list of {} has elements without a usable id: nothing is removed, and what the \
                 list does not show stays as it was", listing.kind().name()
            );
        }
    }

    /// Logs once that a list has more than is kept, until one has not.
    fn note_bound(&self, listing: impl Listing<Entry = E>, org: &OrgLists, list: &OrgList<E>) {
        let is_cut = list.gaps.iter().any(|gap| gap.reason == GapReason::OlderTasks);
        if is_cut && !self.is_cut.load(Ordering::Relaxed) {
            tracing::info!(
                org.id = %org.id, kept = list.entries.len(),
                "older tasks are left out of {}: the lists are partial", listing.kind().name()
            );
        }
        self.is_cut.store(is_cut, Ordering::Relaxed);
    }

    async fn read_once<L: Listing<Entry = E>>(
        &self,
        listing: L,
        org: &OrgLists,
        context: &InventoryContext,
        priority: Priority,
    ) -> Result<(OrgList<E>, BodyDigest, OddCount), VmcError> {
        let (id, tokens) = (org.id.clone(), org.reader.tokens().clone());
        let (metrics, last_body) = (context.metrics.clone(), self.last_body.clone());
        let read = org.reader.read(listing.endpoint(&org.id), priority, move |body| {
            let digest = BodyDigest::new(body, tokens.held_generation());
            if let Some((list, odd)) = last_body.get(digest) {
                metrics.odd_documents(odd.documents);
                return Ok((list, digest, odd));
            }
            let mut odd = OddCount::default();
            let parsed = L::parse(body, &id, &tokens, &mut odd);
            metrics.odd_documents(odd.documents);
            let (entries, gaps) = parsed?;
            let entries = entries.into_iter().map(Arc::new).collect();
            Ok((OrgList { entries, gaps, held_back: Vec::new() }, digest, odd))
        });
        let (list, digest, odd) = read.await?;
        let before = self.odd.swap(odd.documents, Ordering::Relaxed);
        if odd.documents > 0 && odd.documents != before {
            tracing::warn!(
                org.id = %org.id, odd = odd.documents, not_shown = odd.skipped,
                "the list of {} has documents with something unreadable, which is shown as null", listing.kind().name()
            );
        }
        Ok((list, digest, odd))
    }
}
