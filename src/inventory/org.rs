//! One served organization: its lists, its document, and their refreshes.
//!
//! ```text
//! poller, request ─► refresh ─► OrgListing::read ─► CachedResource ─► ChangeFeed::publish
//! ```

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use super::{
    cached::{CachedResource, ReadVerdict},
    context::InventoryContext,
    freshness::FreshnessRequirement,
    listing::{Listing, OrgLists, SddcListing, TaskListing},
    model::Org,
    org_source,
    outcome::{CacheOutcome, MissingOrg, RefreshOutcome, Unavailable},
    polling::{MIN_PAUSE, PollDue, poll_is_due},
    shared_state::SharedContent,
};
use crate::{
    clock::Instant,
    ids::OrgId,
    sharing::ResourceKind,
    single_flight::InFlightCall,
    tasks::blocking,
    upstream::Priority,
    vmc::{Endpoint, Reader, VmcError},
};

/// One organization. Lives as long as the org is served.
#[derive(Debug)]
pub(super) struct OrgCache {
    pub(super) lists: OrgLists,
    /// The organization's own document, where discovery does not bring it.
    pub(super) document: CachedResource<Org>,
    /// Ends the background refreshes once the org left the discovery.
    pub(super) retired: CancellationToken,
    context: Arc<InventoryContext>,
}

impl OrgCache {
    pub(super) fn new(id: OrgId, reader: Reader, context: &Arc<InventoryContext>) -> Arc<Self> {
        Arc::new(Self {
            document: context.resource(ResourceKind::Org, id.as_str()),
            lists: OrgLists::new(id, reader, context),
            retired: context.tasks.stop.child_token(),
            context: context.clone(),
        })
    }

    pub(super) fn id(&self) -> &OrgId {
        &self.lists.id
    }

    pub(super) fn reader(&self) -> &Reader {
        &self.lists.reader
    }

    /// Why a list cannot be shown, where that is so.
    pub(super) fn unavailable(&self, listing: impl Listing) -> Unavailable {
        if self.lists.is_gone() {
            return Unavailable::upstream(Some(Arc::new(VmcError::NotFound)), None);
        }
        let held = self.reader().held_for(listing.endpoint(self.id()));
        Unavailable::upstream(listing.of(&self.lists).cached.last_error(), held)
    }

    /// This org as one that cannot be shown.
    pub(super) fn missing(&self, why: &Unavailable) -> MissingOrg {
        MissingOrg { org_id: self.id().clone(), reason: why.kind(), retry_in: why.retry_in() }
    }

    /// Brings a list up to date for a request. Of an org that VMware did not know, its SDDCs tell
    /// whether it is there again, for whatever list it is asked: they are read again after `pause`.
    pub(super) async fn ensure_fresh(
        self: &Arc<Self>,
        listing: impl Listing,
        requirement: &FreshnessRequirement,
        pause: Duration,
    ) -> CacheOutcome {
        if self.lists.is_gone() {
            let primary = &self.lists.sddcs.cached;
            if requirement.only_if_cached || !primary.is_unread_for(pause) {
                return CacheOutcome::Stale(Some(VmcError::NotFound.kind()));
            }
            let refresh = || self.refresh(SddcListing::Current, Priority::Callers);
            let outcome = primary.ensure_fresh(requirement, refresh).await.into();
            if listing.is_primary() || self.lists.is_gone() {
                return outcome;
            }
        }
        let refresh = || self.refresh(listing, Priority::Callers);
        listing.of(&self.lists).cached.ensure_fresh(requirement, refresh).await.into()
    }

    /// The same for the organization's own document.
    pub(super) async fn ensure_fresh_document(
        self: &Arc<Self>,
        requirement: &FreshnessRequirement,
        pause: Duration,
    ) -> RefreshOutcome {
        if self.document.is_gone() && !self.document.is_unread_for(pause) {
            return RefreshOutcome::NotNeeded;
        }
        let refresh = || self.refresh_document(Priority::Callers);
        self.document.ensure_fresh(requirement, refresh).await
    }

    /// Joins or starts the refresh of a list. What it brings is published before its waiters go on.
    fn refresh(
        self: &Arc<Self>,
        listing: impl Listing,
        priority: Priority,
    ) -> InFlightCall<Result<(), VmcError>> {
        listing.of(&self.lists).cached.refresh(|| {
            let org = self.clone();
            async move { org.read(listing, priority).await }
        })
    }

    async fn read(
        self: Arc<Self>,
        listing: impl Listing,
        priority: Priority,
    ) -> Result<(), VmcError> {
        let Self { lists, context, .. } = &*self;
        let (list, endpoint) = (listing.of(lists), listing.endpoint(self.id()));
        let (held, was_gone) = (self.reader().tokens().held_generation(), lists.is_gone());
        let read = |begun| list.read(listing, lists, context, priority, begun);
        let from = (self.reader(), endpoint);
        let outcome = list.cached.update(listing.is_primary(), from, read).await;
        self.take_in(listing, &outcome, was_gone, Some(held)).await;
        outcome
    }

    /// Takes over what another replica has read, if there is something newer.
    async fn catch_up(self: &Arc<Self>, listing: impl Listing) {
        let was_gone = self.lists.is_gone();
        if let Some(outcome) = listing.of(&self.lists).cached.catch_up(self.reader()).await {
            self.take_in(listing, &outcome, was_gone, None).await;
        }
    }

    /// Acts on what a list is now, and publishes it. `scrubbed` tells which secrets its texts were
    /// searched for.
    async fn take_in(
        self: &Arc<Self>,
        listing: impl Listing,
        outcome: &Result<(), VmcError>,
        was_gone: bool,
        scrubbed: Option<u64>,
    ) {
        let (lists, list) = (&self.lists, listing.of(&self.lists));
        let is_adopted = list.cached.state().is_adopted;
        if is_adopted {
            self.reader().follow(listing.endpoint(self.id()), outcome.as_ref().err());
            list.follow();
        }
        // What came to be held since the texts were scrubbed: from here on the scrubber sees them.
        if scrubbed.is_some_and(|held| held != self.reader().tokens().held_generation()) {
            let org = self.clone();
            let _ = blocking(move || org.scrub_lists()).await;
        }
        if listing.is_primary() {
            let has_snapshot = list.cached.reading().is_some() && !lists.is_gone();
            self.reader().set_has_snapshot(has_snapshot);
            if lists.is_gone() && !was_gone {
                tracing::warn!(org.id = %self.id(), "an organization was dropped: VMware Cloud answers 404 for it");
            }
        }
        if let Err(error) = outcome
            && !error.is_held()
            && !lists.is_gone()
        {
            tracing::warn!(org.id = %self.id(), %error, "{} could not be refreshed", listing.kind().name());
        }
        self.publish();
    }

    /// Publishes what is known of the org, if it is served.
    pub(super) fn publish(&self) {
        let InventoryContext { feed, settings, clock, .. } = &*self.context;
        feed.publish(clock.now(), settings, |orgs| {
            if let Some(org) = orgs.iter_mut().find(|org| org.id == *self.id()) {
                *org = self.lists.states();
            }
        });
    }

    /// Drops the documents that were read before `oldest` and that no reading has shown since.
    pub(super) fn drop_expired(&self, oldest: Instant) {
        let has_changed = self
            .lists
            .rewrite(|list| list.without_expired(oldest), |list| list.without_expired(oldest));
        if has_changed {
            self.publish();
        }
    }

    /// Takes secrets out of all that is kept of the organization.
    pub(super) fn scrub(&self) {
        if self.scrub_lists() {
            self.publish();
        }
        let scrubber = self.reader().tokens().scrubber();
        self.document.rewrite(|org| org.without_secrets(&scrubber));
    }

    fn scrub_lists(&self) -> bool {
        let scrubber = self.reader().tokens().scrubber();
        self.lists
            .rewrite(|list| list.without_secrets(&scrubber), |list| list.without_secrets(&scrubber))
    }

    /// Joins or starts the refresh of the organization's own document.
    fn refresh_document(
        self: &Arc<Self>,
        priority: Priority,
    ) -> InFlightCall<Result<(), VmcError>> {
        self.document.refresh(|| {
            let org = self.clone();
            async move {
                let InventoryContext { metrics, .. } = &*org.context;
                let read = async |_begun| {
                    let read = org_source::read_org(org.reader(), org.id(), priority, metrics);
                    read.await.map(ReadVerdict::Believed)
                };
                let from = (org.reader(), Endpoint::Org(org.id()));
                let outcome = org.document.update(true, from, read).await;
                org.follow_document(&outcome);
                if let Err(error) = &outcome
                    && !error.is_held()
                {
                    tracing::warn!(org.id = %org.id(), %error, "an organization could not be refreshed");
                }
                outcome
            }
        })
    }

    /// Acts on an own document that another replica has read.
    fn follow_document(&self, outcome: &Result<(), VmcError>) {
        if self.document.state().is_adopted {
            self.reader().follow(Endpoint::Org(self.id()), outcome.as_ref().err());
        }
    }

    /// Starts the background refreshes.
    pub(super) fn spawn_pollers(self: &Arc<Self>, has_document: bool) {
        let InventoryContext { tasks, settings, .. } = &*self.context;
        let spawn = |poller| tasks.spawn("poller", self.retired.clone(), poller);
        // Where nothing is polled, they read what is watched and what has to be confirmed.
        spawn(self.clone().run_poller(SddcListing::Current).boxed());
        spawn(self.clone().run_poller(SddcListing::WithDeleted).boxed());
        spawn(self.clone().run_poller(TaskListing).boxed());
        spawn(self.clone().run_scrubber().boxed());
        if has_document && !settings.poll.is_zero() {
            spawn(self.clone().run_document_poller().boxed());
        }
    }

    /// Refreshes a list every `inventory.poll`, and after a failure when the circuit breaker lets it,
    /// until the org is retired. The primary one always, others while they are asked for; if nothing
    /// is polled, each while it is watched.
    async fn run_poller(self: Arc<Self>, listing: impl Listing) {
        let poll = async {
            let (context, cached) = (&*self.context, &listing.of(&self.lists).cached);
            loop {
                tokio::select! {
                    () = self.until_polled(listing) => {}
                    // Whatever is polled, what is in doubt is read until it is confirmed.
                    () = cached.doubted() => {}
                }
                // The one call of a half-open circuit is the primary list's.
                let later = if listing.is_primary() { Duration::ZERO } else { MIN_PAUSE };
                let endpoint = listing.endpoint(self.id());
                if poll_is_due(cached, self.reader(), endpoint, context, later).await
                    == PollDue::CatchUp
                {
                    self.catch_up(listing).await;
                    continue;
                }
                let is_wanted = match cached.confirm_at() {
                    // A reading that begins earlier would confirm nothing.
                    Some(at) => context.clock.now() >= at,
                    None if listing.is_primary() || context.settings.poll.is_zero() => {
                        context.wants_poll(listing.kind())
                    }
                    None => cached.is_wanted(),
                };
                if is_wanted {
                    // What failed was logged where it happened.
                    let _ = self.refresh(listing, Priority::Poller).result().await;
                }
            }
        };
        self.retired.run_until_cancelled(poll).await;
    }

    /// Returns while a list is polled: the primary one always, others while they are asked for; if
    /// nothing is polled, each while it is watched.
    async fn until_polled(&self, listing: impl Listing) {
        match (listing.is_primary(), self.context.settings.poll.is_zero()) {
            (true, false) => {}
            (false, false) => listing.of(&self.lists).cached.wanted().await,
            (_, true) => self.context.feed.watched(listing.kind()).await,
        }
    }

    /// The same for the organization's own document.
    async fn run_document_poller(self: Arc<Self>) {
        let poll = async {
            loop {
                self.document.wanted().await;
                let (reader, endpoint) = (self.reader(), Endpoint::Org(self.id()));
                let due =
                    poll_is_due(&self.document, reader, endpoint, &self.context, Duration::ZERO);
                if due.await == PollDue::CatchUp {
                    if let Some(outcome) = self.document.catch_up(self.reader()).await {
                        self.follow_document(&outcome);
                    }
                } else if self.document.is_wanted() {
                    let _ = self.refresh_document(Priority::Poller).result().await;
                }
            }
        };
        self.retired.run_until_cancelled(poll).await;
    }

    /// Takes secrets out of what was read before they were held, now and whenever one comes, until the
    /// org is retired.
    async fn run_scrubber(self: Arc<Self>) {
        let mut changes = self.reader().tokens().held_changes();
        let scrub = async {
            loop {
                let org = self.clone();
                let _ = blocking(move || org.scrub()).await;
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        self.retired.run_until_cancelled(scrub).await;
    }
}
