//! Keeping the snapshot file: taken over at start, written as the snapshot changes.
//!
//! What is wrong with the file costs its snapshot and nothing else: the gateway starts without it,
//! and goes on if it cannot be written.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    context::InventoryContext,
    org_source::OrgSource,
    orgs::Inventory,
    snapshot_file::{
        self, RefusedSnapshot, SavedHeldBack, SavedOrg, SavedOrgList, SavedSnapshot, SnapshotSource,
    },
};
use crate::{clock::Instant, ids::OrgId};

/// A changed snapshot is written this soon, one that was only read again this late.
const CHANGED: Duration = Duration::from_secs(5);
const READ_AGAIN: Duration = Duration::from_secs(60);

/// The snapshot file of one gateway.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotFile {
    path: PathBuf,
    source: SnapshotSource,
    /// What is there is somebody else's: it is not written over.
    is_foreign: bool,
    /// What it holds.
    written: WrittenSnapshot,
}

/// What a snapshot was made of.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct WrittenSnapshot {
    revision: u64,
    readings: Vec<(OrgId, Option<Instant>)>,
}

impl SnapshotFile {
    /// The file at `path`, for what is read of `source`.
    pub(crate) fn new(path: PathBuf, source: SnapshotSource) -> Self {
        Self { path, source, is_foreign: false, written: WrittenSnapshot::default() }
    }
}

/// Whether the snapshot file at `path` can be written. Leaves no trace.
pub(crate) fn probe_snapshot_file(path: &Path) -> io::Result<()> {
    snapshot_file::file::probe(path)
}

/// Why what stands at `path` would not be used by a start at `now`, if so, and whether it would not
/// be written over either.
pub(crate) fn refused_snapshot(
    path: &Path,
    source: &SnapshotSource,
    now: Timestamp,
    oldest: Duration,
) -> Option<(String, bool)> {
    let why = snapshot_file::load(path, source, now, oldest).err()?;
    Some((why.to_string(), is_foreign(why)))
}

/// What is somebody else's is not written over.
fn is_foreign(why: RefusedSnapshot) -> bool {
    matches!(why, RefusedSnapshot::NotASnapshot | RefusedSnapshot::NotAFile)
}

impl Inventory {
    /// Takes over what the file holds, as old as it is. Before anything is read.
    pub(crate) async fn restore(&self, mut file: SnapshotFile) -> SnapshotFile {
        let InventoryContext { settings, clock, .. } = &*self.0.context;
        let (now, oldest) = (clock.wall(), settings.stale);
        let (path, source) = (file.path.clone(), file.source.clone());
        let load = move || snapshot_file::load(&path, &source, now, oldest);
        match tokio::task::spawn_blocking(load).await {
            Ok(Ok(Some(snapshot))) => {
                self.take_over(snapshot);
                file.written = self.snapshot(file.source.clone()).0;
            }
            Ok(Ok(None)) => {}
            Ok(Err(why)) => {
                file.is_foreign = is_foreign(why);
                let path = file.path.display();
                if file.is_foreign {
                    tracing::error!(%path, "the snapshot file is neither used nor written: {why}");
                } else {
                    tracing::warn!(%path, "the snapshot file is not used: {why}");
                }
            }
            Err(_panic) => tracing::error!("the snapshot file is not used: reading it panicked"),
        }
        file
    }

    fn take_over(&self, snapshot: SavedSnapshot) {
        let (state, clock) = (&self.0, &self.0.context.clock);
        let (now, wall) = (clock.now(), clock.wall());
        let begun = |read_at| {
            let age = wall.duration_since(read_at);
            now - Duration::try_from(age).unwrap_or_default()
        };
        if let (OrgSource::Discovered(discovery), Some(directory)) =
            (&state.source, snapshot.directory)
        {
            discovery.orgs.restore(directory.orgs, begun(directory.read_at), false);
            discovery.reader.set_has_snapshot(true);
            state.scrub_discovered();
            state.reconcile();
        }
        let orgs = state.orgs.load();
        let mut restored = 0;
        for part in snapshot.orgs {
            if let Some(org) = orgs.iter().find(|org| *org.id() == part.org_id) {
                restored += part.sddcs.len();
                let (read_at, denied) = (begun(part.read_at), part.denied);
                org.lists.sddcs.cached.restore(part.into_list(begun), read_at, denied);
                org.scrub();
                org.reader().set_has_snapshot(true);
            }
        }
        state.drop_expired(now);
        state.publish();
        let age = wall.duration_since(snapshot.saved_at).as_secs();
        tracing::info!(
            sddcs = restored,
            age_s = age,
            saved_at = %snapshot.saved_at,
            "the snapshot file was loaded"
        );
    }

    /// Writes the file until the stop that [`Inventory::new`] was given, and then once more.
    pub(crate) async fn run_writer(self, mut file: SnapshotFile) {
        let stop = self.0.context.tasks.stop.clone();
        if file.is_foreign {
            return stop.cancelled().await;
        }
        let mut failing = false;
        let mut next = self.0.context.clock.now();
        let mut is_over = false;
        while !is_over {
            let due = async {
                self.due(&file.written).await;
                self.0.context.clock.sleep_until(next).await;
            };
            is_over = stop.run_until_cancelled(due).await.is_none();
            // Never cut short: a write that goes on unseen could end after the last one.
            self.write(&mut file, &mut failing).await;
            next = self.0.context.clock.now() + CHANGED;
        }
    }

    /// Returns when the content is not what was written, or was read again a while ago.
    async fn due(&self, written: &WrittenSnapshot) {
        let mut changes = self.0.context.feed.subscribe();
        let later = self.0.context.clock.now() + READ_AGAIN;
        while self.0.context.feed.snapshot().sddcs.content.revision == written.revision {
            tokio::select! {
                _ = changes.changed() => {}
                () = self.0.context.clock.sleep_until(later) => return,
            }
        }
    }

    async fn write(&self, file: &mut SnapshotFile, failing: &mut bool) {
        let (now, snapshot) = self.snapshot(file.source.clone());
        // That all orgs are gone is worth writing; that none was read yet is not.
        let is_unread = snapshot.orgs.is_empty() && !now.readings.is_empty();
        if now == file.written || is_unread {
            return;
        }
        let path = file.path.clone();
        let save = tokio::task::spawn_blocking(move || snapshot_file::save(&path, &snapshot));
        let outcome = save.await.unwrap_or_else(|_| Err(std::io::Error::other("it panicked")));
        self.0.context.metrics.snapshot_write(outcome.is_ok());
        match outcome {
            Ok(_bytes) => {
                file.written = now;
                *failing = false;
            }
            Err(error) if !std::mem::replace(failing, true) => {
                let (path, error) = (file.path.display(), crate::os_error::describe(&error));
                tracing::warn!(%path, %error, "the snapshot file could not be written: the old one stays");
            }
            // Told once, counted each time.
            Err(_) => {}
        }
    }

    /// What there is to be written.
    fn snapshot(&self, source: SnapshotSource) -> (WrittenSnapshot, SavedSnapshot) {
        let InventoryContext { feed, clock, .. } = &*self.0.context;
        let (now, wall) = (clock.now(), clock.wall());
        let read_at = |begun: Instant| wall - now.since(begun);
        let shown = feed.snapshot();
        let mut readings = Vec::with_capacity(shown.sddcs.orgs.len());
        let mut orgs = Vec::with_capacity(shown.sddcs.orgs.len());
        for org in &shown.sddcs.orgs {
            let reading = org.state.reading.as_ref();
            readings.push((org.id.clone(), reading.map(|reading| reading.begun)));
            orgs.extend(reading.map(|reading| {
                let held_back = reading.content.held_back.iter().map(|held| SavedHeldBack {
                    sddc_id: held.entry.sddc.id.clone(),
                    read_at: read_at(held.begun),
                });
                SavedOrg {
                    org_id: org.id.clone(),
                    read_at: read_at(reading.begun),
                    denied: org.state.is_denied,
                    held_back: held_back.collect(),
                    without_id: reading.content.without_id(),
                    sddcs: reading.content.entries.clone(),
                }
            }));
        }
        let directory = match &self.0.source {
            OrgSource::Configured => None,
            OrgSource::Discovered(discovery) => discovery.orgs.reading().map(|reading| {
                let orgs = reading.content.to_vec();
                SavedOrgList { read_at: read_at(reading.begun), orgs }
            }),
        };
        let revision = shown.sddcs.content.revision;
        let snapshot = SavedSnapshot { source, saved_at: wall, directory, orgs };
        (WrittenSnapshot { revision, readings }, snapshot)
    }
}
