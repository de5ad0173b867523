//! Where the snapshot is published, and how watchers learn that it has changed.
//!
//! [`ChangeFeed::publish`] is the one place where a new snapshot is made. A snapshot turns old, and
//! then too old, by nothing but time: one task sleeps until the next such moment, so that watchers
//! need no timers of their own. Watchers look at the snapshot as it is: none of them reads, and none
//! waits for a read.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::{
    freshness::{FreshnessRequirement, List},
    model::{SddcEntry, TaskEntry},
    settings::Settings,
    snapshot::{ListContent, OrgStates, PublishedList, PublishedOrg, Snapshot},
    state::ShownAs,
};
use crate::{clock::Instant, ids::OrgId};

/// Is told of each change of what is shown, before anybody can see it change again.
pub trait ChangeObserver: std::fmt::Debug + Send + Sync {
    /// SDDCs, with or without deleted ones, have changed.
    fn sddcs_changed(&self, before: &ListContent<SddcEntry>, now: &ListContent<SddcEntry>);

    /// Tasks have changed.
    fn tasks_changed(&self, before: &ListContent<TaskEntry>, now: &ListContent<TaskEntry>);
}

/// The published snapshot and those who watch it.
#[derive(Debug)]
pub(super) struct ChangeFeed {
    snapshot: ArcSwap<Snapshot>,
    /// What the next snapshot is made of; held while one is made, never by a request.
    source: Mutex<FeedSource>,
    observer: OnceLock<Arc<dyn ChangeObserver>>,
    /// Changes of the SDDCs, with or without deleted ones.
    changes: watch::Sender<u64>,
    /// Changes of the tasks.
    task_changes: watch::Sender<u64>,
    /// The next moment at which time alone changes something has moved.
    moved: Notify,
    watchers: watch::Sender<WatcherCounts>,
}

/// How many watch what. Who watches any list sees it by the SDDCs too: they tell which orgs are
/// there, and what is called how.
#[derive(Debug, Default)]
struct WatcherCounts {
    all: usize,
    with_deleted: usize,
    tasks: usize,
}

impl WatcherCounts {
    /// Those of one list; the list of orgs goes with the SDDCs.
    fn of(&self, list: List) -> usize {
        match list {
            List::Sddcs | List::Orgs => self.all,
            List::WithDeleted => self.with_deleted,
            List::Tasks => self.tasks,
        }
    }

    fn change(&mut self, list: List, change: impl Fn(&mut usize)) {
        change(&mut self.all);
        match list {
            List::Sddcs | List::Orgs => {}
            List::WithDeleted => change(&mut self.with_deleted),
            List::Tasks => change(&mut self.tasks),
        }
    }
}

#[derive(Debug, Default)]
struct FeedSource {
    orgs: Vec<OrgStates>,
    revision: u64,
    /// Of the SDDCs, without and with deleted ones.
    seen: SeenState,
    seen_tasks: SeenState,
}

/// What watchers can tell apart: another content, or an org whose part is now old, too old, or
/// fresh again.
#[derive(Debug, Default, PartialEq, Eq)]
struct SeenState {
    revisions: Vec<u64>,
    orgs: Vec<(OrgId, ShownAs)>,
}

impl SeenState {
    fn of<E>(
        list: &PublishedList<E>,
        revisions: Vec<u64>,
        now: Instant,
        settings: &Settings,
    ) -> Self {
        let orgs = list.orgs.iter();
        let orgs = orgs.map(|org| (org.id.clone(), shown_to_watchers(org, now, settings)));
        Self { revisions, orgs: orgs.collect() }
    }
}

impl Default for ChangeFeed {
    fn default() -> Self {
        Self {
            snapshot: ArcSwap::from_pointee(Snapshot::empty()),
            source: Mutex::default(),
            observer: OnceLock::new(),
            changes: watch::Sender::new(0),
            task_changes: watch::Sender::new(0),
            moved: Notify::new(),
            watchers: watch::Sender::default(),
        }
    }
}

impl ChangeFeed {
    /// The snapshot as it is now.
    pub(super) fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// Tells an observer of each change from here on. The first one that is given stays.
    pub(super) fn observe(&self, observer: Arc<dyn ChangeObserver>) {
        let _ = self.observer.set(observer);
    }

    /// Makes a snapshot of what the orgs hold after `change`, and wakes those who watch it. `change`
    /// looks at the orgs under the lock, so that what is published never goes back.
    pub(super) fn publish(
        &self,
        now: Instant,
        settings: &Settings,
        change: impl FnOnce(&mut Vec<OrgStates>),
    ) {
        let mut source = self.source.lock();
        let source = &mut *source;
        change(&mut source.orgs);
        let before = self.snapshot.load_full();
        let snapshot = Arc::new(before.next(&source.orgs, &mut source.revision));
        self.snapshot.store(snapshot.clone());
        if let Some(observer) = self.observer.get() {
            for (before, now) in before.sddc_lists().into_iter().zip(snapshot.sddc_lists()) {
                if !Arc::ptr_eq(before, now) {
                    observer.sddcs_changed(before, now);
                }
            }
            if !Arc::ptr_eq(&before.tasks.content, &snapshot.tasks.content) {
                observer.tasks_changed(&before.tasks.content, &snapshot.tasks.content);
            }
        }
        self.tell(source, now, settings);
        self.moved.notify_one();
    }

    /// Tells watchers what time alone has brought about.
    pub(super) fn tick(&self, now: Instant, settings: &Settings) {
        let mut source = self.source.lock();
        self.tell(&mut source, now, settings);
    }

    fn tell(&self, source: &mut FeedSource, now: Instant, settings: &Settings) {
        let snapshot = self.snapshot();
        let revisions = snapshot.sddc_lists().map(|content| content.revision).into();
        let seen = SeenState::of(&snapshot.sddcs, revisions, now, settings);
        if source.seen != seen {
            source.seen = seen;
            self.changes.send_modify(|count| *count += 1);
        }
        let revisions = vec![snapshot.tasks.content.revision];
        let seen = SeenState::of(&snapshot.tasks, revisions, now, settings);
        if source.seen_tasks != seen {
            source.seen_tasks = seen;
            self.task_changes.send_modify(|count| *count += 1);
        }
    }

    /// Returns when a snapshot has been made after `moved` was called.
    pub(super) fn moved(&self) -> impl Future<Output = ()> {
        self.moved.notified()
    }

    /// How many orgs have nothing that may be shown.
    pub(super) fn missing(&self, now: Instant, settings: &Settings) -> usize {
        let snapshot = self.snapshot();
        let orgs = snapshot.sddcs.orgs.iter();
        orgs.filter(|org| shown_to_watchers(org, now, settings) == ShownAs::Missing).count()
    }

    /// When the next part turns old or too old.
    pub(super) fn next_tick(&self, now: Instant, settings: &Settings) -> Option<Instant> {
        /// At the limit a part is still shown.
        const OVER: Duration = Duration::from_millis(1);
        fn turns<E>(org: &PublishedOrg<E>, settings: &Settings) -> Option<[Instant; 2]> {
            let begun = org.state.reading.as_ref()?.begun;
            Some([begun + settings.fresh, begun + org.state.max_age(settings).saturating_add(OVER)])
        }
        let snapshot = self.snapshot();
        let sddcs = snapshot.sddcs.orgs.iter().filter_map(|org| turns(org, settings));
        let tasks = snapshot.tasks.orgs.iter().filter_map(|org| turns(org, settings));
        let expiry = snapshot.oldest_unlisted.map(|begun| begun + (settings.stale + OVER));
        sddcs.chain(tasks).flatten().chain(expiry).filter(|at| *at > now).min()
    }

    /// Returns at the next change of the SDDCs after the last one that the receiver saw. Does not
    /// count as a watcher.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The same of the tasks.
    pub(super) fn subscribe_to_tasks(&self) -> watch::Receiver<u64> {
        self.task_changes.subscribe()
    }

    /// Counts a watcher of a list in, or out.
    pub(super) fn count_watcher(&self, list: List, comes: bool) {
        let change = |count: &mut usize| if comes { *count += 1 } else { *count -= 1 };
        self.watchers.send_modify(|counts| counts.change(list, change));
    }

    /// Returns once somebody watches a list.
    pub(super) async fn watched(&self, list: List) {
        // The sender lives in `self`.
        let _ = self.watchers.subscribe().wait_for(|counts| counts.of(list) > 0).await;
    }

    /// Whether somebody watches a list.
    pub(super) fn is_watched(&self, list: List) -> bool {
        self.watchers.borrow().of(list) > 0
    }
}

fn shown_to_watchers<E>(org: &PublishedOrg<E>, now: Instant, settings: &Settings) -> ShownAs {
    org.state.shown_as(now, settings, &FreshnessRequirement::default())
}
