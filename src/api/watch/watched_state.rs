//! What a watcher has been told, and the step to what there is now.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    ids::{OrgId, SddcId},
    inventory::model::{Sddc, SddcEntry},
};

/// The SDDCs that a watcher has been told of. Watchers who were told the same share one.
#[derive(Debug)]
pub(super) struct WatchedState {
    /// Told once, in this process.
    pub(super) number: u64,
    pub(super) sddcs: Vec<Arc<SddcEntry>>,
}

/// The way from one state to another.
#[derive(Debug)]
pub(super) struct EventDiff {
    pub(super) to: Arc<WatchedState>,
    /// Events that tell it; empty if there is nothing to tell.
    pub(super) events: Bytes,
}

impl WatchedState {
    pub(super) fn new(sddcs: Vec<Arc<SddcEntry>>) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        Self { number: NUMBERS.fetch_add(1, Ordering::Relaxed), sddcs }
    }

    /// The step to what is seen `now`. Of `missing` orgs nothing is seen: what was told of them stays,
    /// as absence through failure is no removal. `tag` is asked for the validator of what is seen, if
    /// there is anything to tell.
    ///
    /// The tag is told only if all that the watcher then has is seen now: who came back with another
    /// one could not be told what becomes of the rest.
    pub(super) fn step(
        &self,
        now: Arc<Self>,
        missing: &[OrgId],
        tag: impl FnOnce() -> String,
    ) -> EventDiff {
        let missing: HashSet<_> = missing.iter().collect();
        let kept = self.sddcs.iter().filter(|entry| missing.contains(&entry.sddc.org_id));
        let kept: Vec<_> = kept.cloned().collect();
        let is_whole = kept.is_empty();
        let to = if is_whole {
            now
        } else {
            Arc::new(Self::new(now.sddcs.iter().cloned().chain(kept).collect()))
        };
        let changes = self.changes(&to.sddcs);
        let events = if changes.is_empty() {
            Bytes::new()
        } else {
            written(&changes, is_whole.then(tag).as_deref())
        };
        EventDiff { to, events }
    }

    fn changes<'a>(&'a self, now: &'a [Arc<SddcEntry>]) -> Vec<SddcChange<'a>> {
        let mut before: HashMap<_, &Arc<SddcEntry>> =
            self.sddcs.iter().map(|entry| (key(entry), entry)).collect();
        let mut changes = Vec::new();
        for entry in now {
            match before.remove(&key(entry)) {
                None => changes.push(SddcChange::new("added", entry, Vec::new())),
                Some(old) if Arc::ptr_eq(old, entry) || old.sddc == entry.sddc => {}
                Some(old) => {
                    changes.push(SddcChange::new(
                        "changed",
                        entry,
                        differing(&old.sddc, &entry.sddc),
                    ));
                }
            }
        }
        // In the order in which they were told.
        let gone = self.sddcs.iter().filter(|entry| before.contains_key(&key(entry)));
        changes.extend(gone.map(|entry| SddcChange::new("removed", entry, Vec::new())));
        changes
    }
}

/// What tells an SDDC from all others: orgs may have one each of the same id.
fn key(entry: &SddcEntry) -> (&OrgId, &SddcId) {
    (&entry.sddc.org_id, &entry.sddc.id)
}

/// One event of a step.
struct SddcChange<'a> {
    event: &'static str,
    data: ChangeEvent<'a>,
}

/// The data of `event: added`, `event: changed` and `event: removed`.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = ChangeEvent))]
pub(in crate::api) struct ChangeEvent<'a> {
    /// The SDDC as it is now or, if it was removed, as the stream last showed it.
    sddc: &'a Sddc,
    /// The names of the fields that differ, if the SDDC has changed; otherwise empty.
    changed: Vec<String>,
}

impl<'a> SddcChange<'a> {
    fn new(event: &'static str, entry: &'a SddcEntry, changed: Vec<String>) -> Self {
        Self { event, data: ChangeEvent { sddc: &entry.sddc, changed } }
    }
}

/// The names of the fields that differ, in the document's order.
fn differing(before: &Sddc, now: &Sddc) -> Vec<String> {
    let fields = |sddc: &Sddc| match serde_json::to_value(sddc) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let before = fields(before);
    let now = fields(now).into_iter();
    now.filter(|(name, value)| before.get(name) != Some(value)).map(|(name, _)| name).collect()
}

/// Events as they are sent. The id is on the last one only: who is cut off in between is told the
/// whole step again.
fn written(changes: &[SddcChange<'_>], tag: Option<&str>) -> Bytes {
    let mut text = String::new();
    let last = changes.len().saturating_sub(1);
    for (at, change) in changes.iter().enumerate() {
        let data = serde_json::to_string(&change.data).expect("documents have string keys only");
        let id = tag.filter(|_| at == last);
        text.push_str(&event(change.event, id, &data));
    }
    text.into()
}

/// What a stream may tell of these SDDCs, for the published document.
#[cfg(test)]
pub(in crate::api) fn example(sddcs: &[SddcEntry]) -> String {
    use crate::api::{page::Completeness, watch::StatusEvent};

    let change = |entry| SddcChange::new("changed", entry, vec!["state".to_owned()]);
    let changes: Vec<_> = sddcs.iter().take(1).map(change).collect();
    let status = StatusEvent { age_s: Some(61), completeness: Completeness::Complete }.event();
    let events = written(&changes, Some("W/\"XDGAyab19VyTjohvYIwFrA\""));
    status + &String::from_utf8_lossy(&events)
}

/// One event (HTML standard, section 9.2). `data` is JSON, which has no line breaks.
pub(super) fn event(name: &str, id: Option<&str>, data: &str) -> String {
    let id = id.map_or(String::new(), |id| format!("id: {id}\n"));
    format!("event: {name}\n{id}data: {data}\n\n")
}
