//! What watchers wait for: that the SDDCs have changed, or that the snapshot's freshness has turned.
//!
//! A snapshot turns old, and then too old, by nothing but time. One task sleeps until the next such
//! moment, so that watchers need no timers of their own. Watchers look at the snapshot as it is: none
//! of them reads, and none waits for a read.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{Notify, watch};

use super::{FreshnessRequirement, Inner, Inventory, directory::Directory, slot::Slot};
use crate::{clock::Instant, ids::OrgId};

/// What was last told to the watchers, and how they are told.
#[derive(Debug)]
pub(super) struct ChangeFeed {
    told: Mutex<State>,
    sender: watch::Sender<u64>,
    /// The next moment has moved.
    moved: Notify,
    watching: watch::Sender<usize>,
}

/// What watchers can tell apart: another content, or an org whose part is now old, too old, or
/// fresh again.
#[derive(Debug, Default, PartialEq, Eq)]
struct State {
    /// Of the SDDCs without and with deleted ones.
    revisions: [u64; 2],
    orgs: Vec<(OrgId, Phase)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Fresh,
    Old,
    Missing,
}

impl Default for ChangeFeed {
    fn default() -> Self {
        Self {
            told: Mutex::default(),
            sender: watch::Sender::new(0),
            moved: Notify::new(),
            watching: watch::Sender::new(0),
        }
    }
}

/// A place from which the turns are watched.
#[derive(Debug)]
pub struct Watch {
    receiver: watch::Receiver<u64>,
    inner: Arc<Inner>,
}

impl Watch {
    /// Returns at the next turn after the last one that was seen here.
    pub async fn changed(&mut self) {
        // The sender lives as long as `inner`, which is held here.
        let _ = self.receiver.changed().await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.inner.changes.watching.send_modify(|count| *count -= 1);
    }
}

impl Inventory {
    /// Watches the SDDCs from here on. Where nothing is polled, watching keeps them fresh.
    #[must_use]
    pub fn watch(&self) -> Watch {
        let inner = self.0.clone();
        inner.changes.watching.send_modify(|count| *count += 1);
        Watch { receiver: inner.changes.sender.subscribe(), inner }
    }

    /// Tells watchers what time alone brings about. Ends with the stop that [`Inventory::new`] was
    /// given.
    pub async fn run_expiry_ticker(self) {
        let inner = self.0;
        let stop = inner.tasks.stop.clone();
        let turning = async {
            loop {
                let moved = inner.changes.moved.notified();
                // One moment for both: a part that turns in between would never be told.
                let now = inner.clock.now();
                inner.turn(now);
                match inner.next_turn(now) {
                    Some(next) => {
                        tokio::select! {
                            () = inner.clock.sleep_until(next) => {}
                            () = moved => {}
                        }
                    }
                    None => moved.await,
                }
            }
        };
        stop.run_until_cancelled(turning).await;
    }
}

impl ChangeFeed {
    /// Returns once somebody watches.
    pub(super) async fn watched(&self) {
        // The sender lives in `self`.
        let _ = self.watching.subscribe().wait_for(|count| *count > 0).await;
    }

    /// Sees the turns without counting as a watcher.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.sender.subscribe()
    }

    /// Whether somebody watches.
    pub(super) fn are_watched(&self) -> bool {
        *self.watching.borrow() > 0
    }

    /// The snapshot has been made again: the next turn may be another one.
    pub(super) fn moved(&self) {
        self.moved.notify_one();
    }
}

impl Inner {
    /// Tells the watchers if something that they can see is not as it was.
    pub(super) fn turn(&self, now: Instant) {
        let mut told = self.changes.told.lock().unwrap_or_else(PoisonError::into_inner);
        let picture = self.sddcs.picture.load();
        let orgs = picture.orgs.iter();
        let orgs = orgs.map(|(slot, begun)| (slot.id.clone(), self.phase(slot, *begun, now)));
        let with_deleted = self.with_deleted.picture.load().content.revision;
        let revisions = [picture.content.revision, with_deleted];
        let state = State { revisions, orgs: orgs.collect() };
        if *told != state {
            *told = state;
            self.changes.sender.send_modify(|count| *count += 1);
        }
    }

    fn phase(&self, slot: &Slot, begun: Option<Instant>, now: Instant) -> Phase {
        let Some(age) = begun.map(|begun| now.since(begun)) else { return Phase::Missing };
        if !slot.sddcs.kept.may_show(age, &self.settings, &FreshnessRequirement::default()) {
            Phase::Missing
        } else if age < self.settings.fresh {
            Phase::Fresh
        } else {
            Phase::Old
        }
    }

    /// How many orgs have nothing that may be shown.
    pub(super) fn missing(&self) -> u32 {
        let (picture, now) = (self.sddcs.picture.load(), self.clock.now());
        if picture.orgs.is_empty()
            && let Directory::Discovered(discovery) = &self.directory
            && discovery.age().is_none()
        {
            // There is at least one, which is not known yet.
            return 1;
        }
        let parts = picture.orgs.iter();
        let missing = parts.filter(|(slot, at)| self.phase(slot, *at, now) == Phase::Missing);
        missing.count().try_into().unwrap_or(u32::MAX)
    }

    /// When the next part turns old or too old.
    fn next_turn(&self, now: Instant) -> Option<Instant> {
        /// At the limit a part is still shown.
        const OVER: Duration = Duration::from_millis(1);
        let picture = self.sddcs.picture.load();
        let turns = picture.orgs.iter().filter_map(|(slot, begun)| {
            let limit = slot.sddcs.kept.limit(&self.settings).saturating_add(OVER);
            let turns = begun.map(|begun| [begun + self.settings.fresh, begun + limit])?;
            turns.into_iter().filter(|turn| *turn > now).min()
        });
        turns.min()
    }
}
