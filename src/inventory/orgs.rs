//! Which organizations are served, and how all of them are kept up to date.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use tokio::sync::watch;

use super::{
    cached::ReadVerdict,
    change_feed::{ChangeFeed, ChangeObserver},
    context::InventoryContext,
    freshness::{FreshnessRequirement, List, OrgSelector},
    listing::Listing,
    model::Org,
    org::OrgCache,
    org_source::{OrgDiscovery, OrgSource, list_orgs},
    outcome::{CacheOutcome, RefreshOutcome, Unavailable},
    polling::{PollDue, poll_is_due},
    settings::Settings,
    shared_state::SharedContent,
};
use crate::{
    clock::{Clock, Instant},
    ids::OrgId,
    sharing::{Replicas, ResourceKind},
    single_flight::InFlightCall,
    tasks::Tasks,
    telemetry::Metrics,
    upstream::Priority,
    vmc::{Endpoint, Reader, VmcError},
};

/// On demand the list of orgs is not read more often than this: orgs come and go by the month.
const MIN_DISCOVERY_FRESH: Duration = Duration::from_secs(60);
/// On demand a list of orgs that could not be read, and an org that VMware does not know, are not read
/// more often than this: the first questions after an end of the trouble find it out.
const MIN_PAUSE: Duration = Duration::from_secs(4);

/// The state behind the inventory.
#[derive(Debug)]
pub(super) struct InventoryState {
    pub(super) context: Arc<InventoryContext>,
    pub(super) source: OrgSource,
    /// Ordered by id.
    pub(super) orgs: ArcSwap<Vec<Arc<OrgCache>>>,
}

impl InventoryState {
    /// The orgs that a question is about, those that VMware does not know included.
    pub(super) fn selected(&self, selector: &OrgSelector) -> Vec<Arc<OrgCache>> {
        self.orgs.load().iter().filter(|org| selector.holds(org.id())).cloned().collect()
    }

    /// How long questions leave an org alone that VMware does not know. The poller asks for it too.
    pub(super) fn unknown_pause(&self) -> Duration {
        self.context.settings.poll.max(MIN_PAUSE)
    }

    /// Brings a list of those orgs up to date that need it, all at once. Tells how each was.
    pub(super) async fn ensure_fresh(
        &self,
        listing: impl Listing,
        orgs: &[Arc<OrgCache>],
        requirement: &FreshnessRequirement,
    ) -> Vec<(OrgId, CacheOutcome)> {
        let pause = self.unknown_pause();
        let outcomes = orgs.iter().map(async |org| {
            (org.id().clone(), org.ensure_fresh(listing, requirement, pause).await)
        });
        join_all(outcomes).await
    }

    /// Reads the list of orgs if there is none, or none young enough.
    pub(super) async fn ensure_discovered(
        self: &Arc<Self>,
        requirement: &FreshnessRequirement,
    ) -> Result<CacheOutcome, Unavailable> {
        let OrgSource::Discovered(discovery) = &self.source else { return Ok(CacheOutcome::Hit) };
        let settings = &self.context.settings;
        let fresh = settings.fresh.max(settings.poll * 2).max(MIN_DISCOVERY_FRESH);
        match discovery.age() {
            Some(_) if requirement.only_if_cached => Ok(CacheOutcome::Hit),
            None if requirement.only_if_cached => Err(Unavailable::NotCached),
            Some(age) => {
                let is_due = age >= fresh || discovery.orgs.last_error().is_some();
                if is_due && discovery.orgs.is_unread_for(MIN_PAUSE) {
                    // Its outcome shows in the next answer: this one need not wait for it.
                    drop(self.discover(discovery, Priority::Callers));
                }
                Ok(CacheOutcome::Hit)
            }
            None => {
                let refresh = || self.discover(discovery, Priority::Callers);
                let outcome = if discovery.orgs.age().is_some() {
                    // It is being acted on.
                    RefreshOutcome::wait(refresh(), None).await
                } else {
                    discovery.orgs.ensure_fresh(&FreshnessRequirement::default(), refresh).await
                };
                if discovery.age().is_some() {
                    Ok(outcome.into())
                } else {
                    Err(discovery.unavailable(outcome.failure()))
                }
            }
        }
    }

    /// Joins or starts the refresh of the list of orgs; they are opened and retired before its waiters
    /// go on.
    pub(super) fn discover(
        self: &Arc<Self>,
        discovery: &OrgDiscovery,
        priority: Priority,
    ) -> InFlightCall<Result<(), VmcError>> {
        discovery.orgs.refresh(|| {
            let state = self.clone();
            async move {
                let OrgSource::Discovered(discovery) = &state.source else { return Ok(()) };
                let metrics = &state.context.metrics;
                let read = async |begun| {
                    let listed = list_orgs(&discovery.reader, priority, metrics, 1).await?;
                    Ok(ReadVerdict::Believed(discovery.believe(listed, begun)))
                };
                let from = (&discovery.reader, Endpoint::Orgs);
                let outcome = discovery.orgs.update(false, from, read).await;
                state.take_in_discovered(discovery, &outcome);
                outcome
            }
        })
    }

    /// Acts on what the list of orgs is now.
    fn take_in_discovered(&self, discovery: &OrgDiscovery, outcome: &Result<(), VmcError>) {
        let is_adopted = discovery.orgs.state().is_adopted;
        if is_adopted {
            discovery.reader.follow(Endpoint::Orgs, outcome.as_ref().err());
            discovery.forget_absences();
        }
        discovery.reader.set_has_snapshot(discovery.orgs.reading().is_some());
        // Another replica's failure comes with what it had read before: that is served meanwhile.
        if outcome.is_ok() || is_adopted {
            self.reconcile();
        }
        if let Err(error) = outcome
            && !error.is_held()
        {
            tracing::warn!(%error, "the organizations could not be refreshed");
        }
    }

    /// Opens orgs that have been discovered, and retires those that are not any more.
    pub(super) fn reconcile(&self) {
        let OrgSource::Discovered(discovery) = &self.source else { return };
        let Some(reading) = discovery.orgs.reading() else { return };
        let orgs = self.orgs.load();
        let mut before: HashMap<_, _> = orgs.iter().map(|org| (org.id().clone(), org)).collect();
        let mut opened = Vec::new();
        let mut orgs: Vec<_> = reading
            .content
            .iter()
            .map(|Org { id, .. }| {
                before.remove(id).cloned().unwrap_or_else(|| {
                    tracing::info!(org.id = %id, "an organization was found");
                    let org = OrgCache::new(id.clone(), discovery.reader.sibling(), &self.context);
                    opened.push(org.clone());
                    org
                })
            })
            .collect();
        for org in before.values() {
            tracing::info!(org.id = %org.id(), "an organization is no longer there");
            org.retired.cancel();
        }
        orgs.sort_by(|one, other| one.id().cmp(other.id()));
        if let [only] = &*orgs {
            discovery.reader.tokens().belongs_to(only.id());
        }
        self.orgs.store(Arc::new(orgs));
        self.publish();
        for org in opened {
            org.spawn_pollers(false);
        }
        discovery.note_served();
    }

    /// Publishes what is known of all orgs.
    pub(super) fn publish(&self) {
        let InventoryContext { feed, settings, clock, .. } = &*self.context;
        feed.publish(clock.now(), settings, |orgs| {
            *orgs = self.orgs.load().iter().map(|org| org.lists.states()).collect();
        });
    }

    /// Drops the documents that were held back for longer than `inventory.stale`.
    pub(super) fn drop_expired(&self, now: Instant) {
        let oldest = now - self.context.settings.stale;
        if self.context.feed.snapshot().oldest_unlisted.is_some_and(|begun| begun < oldest) {
            self.orgs.load().iter().for_each(|org| org.drop_expired(oldest));
        }
    }

    /// Keeps all orgs up to date until the process stops: the list of them here, each org in tasks of
    /// its own. Where `inventory.poll` is zero, only while they are watched.
    pub(super) async fn run_poller(self: Arc<Self>) {
        let stop = &self.context.tasks.stop;
        match &self.source {
            OrgSource::Configured => {
                self.orgs.load().iter().for_each(|org| org.spawn_pollers(true));
                stop.cancelled().await;
            }
            OrgSource::Discovered(discovery) => {
                let polling = async {
                    tokio::join!(self.run_discovery(discovery), self.run_scrubber(discovery))
                };
                stop.run_until_cancelled(polling).await;
            }
        }
    }

    async fn run_discovery(self: &Arc<Self>, discovery: &OrgDiscovery) {
        let OrgDiscovery { reader, orgs, .. } = discovery;
        loop {
            if self.context.settings.poll.is_zero() {
                self.context.feed.watched(List::Orgs).await;
            }
            let due =
                poll_is_due(orgs, reader, Endpoint::Orgs, &self.context, Duration::ZERO).await;
            if due == PollDue::CatchUp {
                if let Some(outcome) = orgs.catch_up(reader).await {
                    self.take_in_discovered(discovery, &outcome);
                }
            } else if self.context.wants_poll(List::Orgs) {
                let _ = self.discover(discovery, Priority::Poller).result().await;
            }
        }
    }

    async fn run_scrubber(&self, discovery: &OrgDiscovery) {
        let mut changes = discovery.reader.tokens().held_changes();
        loop {
            self.scrub_discovered();
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Takes secrets out of the list of orgs.
    pub(super) fn scrub_discovered(&self) {
        let OrgSource::Discovered(discovery) = &self.source else { return };
        let scrubber = discovery.reader.tokens().scrubber();
        discovery.orgs.rewrite(|orgs| orgs.without_secrets(&scrubber));
    }

    /// Tells watchers what time alone brings about, until the process stops.
    pub(super) async fn run_expiry_ticker(self: Arc<Self>) {
        let InventoryContext { feed, settings, clock, tasks, .. } = &*self.context;
        let ticking = async {
            loop {
                let moved = feed.moved();
                // One moment for both: a part that turns in between would never be told.
                let now = clock.now();
                self.drop_expired(now);
                feed.tick(now, settings);
                match feed.next_tick(now, settings) {
                    Some(next) => {
                        tokio::select! {
                            () = clock.sleep_until(next) => {}
                            () = moved => {}
                        }
                    }
                    None => moved.await,
                }
            }
        };
        tasks.stop.run_until_cancelled(ticking).await;
    }
}

/// The snapshot of all served organizations, and how it is kept. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Inventory(pub(super) Arc<InventoryState>);

/// What the inventory is read through.
#[derive(Debug)]
pub enum UpstreamReaders {
    /// One reader per configured org, each with the org's own token.
    Configured(Vec<(OrgId, Reader)>),
    /// The app's own reader: it lists the orgs, and its siblings read them.
    Discovered(Reader),
}

impl Inventory {
    /// An empty inventory. Nothing is read before [`Inventory::run_poller`] or the first question.
    pub fn new(
        readers: UpstreamReaders,
        settings: Settings,
        clock: Clock,
        metrics: Metrics,
        tasks: Tasks,
        replicas: Option<Replicas>,
    ) -> Self {
        let (settings, feed) = (Arc::new(settings), ChangeFeed::default());
        let context = InventoryContext { settings, clock, metrics, tasks, feed, replicas };
        let context = Arc::new(context);
        let (source, mut orgs) = match readers {
            UpstreamReaders::Configured(orgs) => {
                let orgs = orgs.into_iter().map(|(id, reader)| OrgCache::new(id, reader, &context));
                (OrgSource::Configured, orgs.collect())
            }
            UpstreamReaders::Discovered(reader) => {
                let discovery =
                    OrgDiscovery::new(reader, context.resource(ResourceKind::Orgs, "all"));
                (OrgSource::Discovered(Box::new(discovery)), Vec::new())
            }
        };
        orgs.sort_by(|one, other| one.id().cmp(other.id()));
        let state = InventoryState { context, source, orgs: ArcSwap::from_pointee(orgs) };
        state.publish();
        Self(Arc::new(state))
    }

    /// Tells an observer of each change from here on. The first one that is given stays.
    pub fn observe(&self, observer: Arc<dyn ChangeObserver>) {
        self.0.context.feed.observe(observer);
    }

    /// Keeps the snapshot fresh until the stop that [`Inventory::new`] was given: the list of orgs
    /// here, each org in tasks of its own. Where `inventory.poll` is zero, only while it is watched.
    pub async fn run_poller(self) {
        self.0.run_poller().await;
    }

    /// Tells watchers what time alone brings about. Ends with the stop that [`Inventory::new`] was
    /// given.
    pub async fn run_expiry_ticker(self) {
        self.0.run_expiry_ticker().await;
    }

    /// Watches a list from here on, and the SDDCs by which it is seen. Where nothing is polled,
    /// watching keeps them fresh.
    #[must_use]
    pub fn watch(&self, list: List) -> ListWatch {
        let feed = &self.0.context.feed;
        feed.count_watcher(list, true);
        let tasks = (list == List::Tasks).then(|| feed.subscribe_to_tasks());
        ListWatch { list, sddcs: feed.subscribe(), tasks, state: self.0.clone() }
    }
}

/// A place from which the changes are watched.
#[derive(Debug)]
pub struct ListWatch {
    list: List,
    sddcs: watch::Receiver<u64>,
    tasks: Option<watch::Receiver<u64>>,
    state: Arc<InventoryState>,
}

impl ListWatch {
    /// Returns at the next change after the last one that was seen here.
    pub async fn changed(&mut self) {
        // The senders live as long as `state`, which is held here.
        let Some(tasks) = &mut self.tasks else {
            let _ = self.sddcs.changed().await;
            return;
        };
        tokio::select! {
            _ = self.sddcs.changed() => {}
            _ = tasks.changed() => {}
        }
    }
}

impl Drop for ListWatch {
    fn drop(&mut self) {
        self.state.context.feed.count_watcher(self.list, false);
    }
}
