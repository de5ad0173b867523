//! What each document has been, and when: what every answer is held against.
//!
//! Each change gives a document a text that it never had before, its mark. An answer shows the mark,
//! and so tells which state of the document it was made from.

use std::collections::BTreeMap;

use sddc_gateway::clock::Instant;
use serde_json::{Map, Value};

/// A document from one change to the next.
#[derive(Debug, Clone)]
pub struct State {
    /// Just before it became so.
    pub from: Instant,
    /// Just after it became something else.
    pub until: Option<Instant>,
    pub mark: String,
    pub org: String,
    pub is_deleted: bool,
    /// Whether callers can be led to its vCenter.
    pub has_vcenter: bool,
    pub clusters: usize,
    pub hosts: usize,
    /// The SDDC that a task is about.
    pub sddc: Option<String>,
    /// Fields as callers see them.
    pub shown: Map<String, Value>,
}

impl State {
    fn overlaps(&self, window: &Window) -> bool {
        self.from <= window.to && self.until.is_none_or(|until| until >= window.from)
    }

    pub fn state(&self) -> &str {
        self.shown.get("state").and_then(Value::as_str).unwrap_or_default()
    }
}

/// When the content of an answer was read at the soonest, and at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from: Instant,
    pub to: Instant,
}

/// The states of documents by their ids, the oldest first.
#[derive(Debug, Default)]
pub struct History(BTreeMap<String, Vec<State>>);

impl History {
    /// The document has become so.
    pub fn note(&mut self, id: &str, state: State, now: Instant) {
        let states = self.0.entry(id.to_owned()).or_default();
        if let Some(last) = states.last_mut() {
            last.until = Some(now);
        }
        states.push(state);
    }

    pub fn now(&self, id: &str) -> Option<&State> {
        self.0.get(id)?.last()
    }

    /// The state whose mark this is.
    pub fn of(&self, id: &str, mark: &str) -> Option<&State> {
        self.0.get(id)?.iter().find(|state| state.mark == mark)
    }

    /// Every document as it is now.
    pub fn all_now(&self) -> impl Iterator<Item = (&str, &State)> {
        self.0.iter().filter_map(|(id, states)| Some((id.as_str(), states.last()?)))
    }

    /// Whether a document was for a moment of the window so that this holds of it, or was not there.
    pub fn could(&self, id: &str, window: &Window, holds: impl Fn(Option<&State>) -> bool) -> bool {
        let states = self.0.get(id).map(Vec::as_slice).unwrap_or_default();
        let was_there = states.first().is_some_and(|first| first.from <= window.from);
        let mut held = states.iter().filter(|state| state.overlaps(window));
        held.any(|state| holds(Some(state))) || (!was_there && holds(None))
    }

    /// Judges the marks that an answer shows of one organization's documents. All of them have to be
    /// of one moment of the window; where the answer claims to be whole, so has what it lacks.
    pub fn judge(
        &self,
        org: &str,
        seen: &BTreeMap<String, String>,
        window: Window,
        is_whole: bool,
        shows: impl Fn(&State) -> bool,
    ) -> Result<(), String> {
        let mut moment = window;
        for (id, mark) in seen {
            let states = self.0.get(id).ok_or_else(|| format!("{id} is made up"))?;
            let state = states.iter().find(|state| state.mark == *mark);
            let state = state.ok_or_else(|| format!("{id} has never been {mark}"))?;
            if state.org != org || !shows(state) {
                return Err(format!("{id} as {mark} is not to be shown here"));
            }
            if !state.overlaps(&window) {
                return Err(format!("{id} was not {mark} within the answer's age: {state:?}"));
            }
            moment.from = moment.from.max(state.from);
            moment.to = moment.to.min(state.until.unwrap_or(moment.to));
        }
        if moment.from > moment.to {
            return Err(format!("what is shown of {org} was never so at once: {seen:?}"));
        }
        if !is_whole {
            return Ok(());
        }
        for (id, states) in self.0.iter().filter(|(id, _)| !seen.contains_key(*id)) {
            let absent =
                |state: Option<&State>| state.is_none_or(|state| state.org != org || !shows(state));
            if !self.could(id, &moment, absent) {
                return Err(format!("{id} is not shown: {:?}", states.last()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sddc_gateway::clock::Clock;

    use super::*;

    const ORG: &str = "org";

    fn at(second: u64) -> Instant {
        use std::sync::LazyLock;
        static BEGIN: LazyLock<Instant> = LazyLock::new(|| Clock::system().now());
        *BEGIN + Duration::from_secs(second)
    }

    fn state(mark: &str, second: u64) -> State {
        State {
            from: at(second),
            until: None,
            mark: mark.to_owned(),
            org: ORG.to_owned(),
            is_deleted: mark == "deleted",
            has_vcenter: false,
            clusters: 0,
            hosts: 0,
            sddc: None,
            shown: Map::new(),
        }
    }

    /// `a` is renamed at 10 and deleted at 20; `b` is there since 15.
    fn judge(seen: &[(&str, &str)], from: u64, to: u64) -> Result<(), String> {
        let mut history = History::default();
        for (id, mark, second) in
            [("a", "a1", 0), ("a", "a2", 10), ("b", "b1", 15), ("a", "deleted", 20)]
        {
            history.note(id, state(mark, second), at(second));
        }
        let seen = seen.iter().map(|(id, mark)| ((*id).to_owned(), (*mark).to_owned())).collect();
        let window = Window { from: at(from), to: at(to) };
        history.judge(ORG, &seen, window, true, |state| !state.is_deleted)
    }

    #[test]
    fn what_was_so_within_the_window_is_right() {
        judge(&[("a", "a1")], 3, 5).unwrap();
        judge(&[("a", "a1")], 9, 30).unwrap();
        judge(&[("a", "a2"), ("b", "b1")], 14, 17).unwrap();
        judge(&[("b", "b1")], 18, 30).unwrap();
    }

    #[test]
    fn what_is_older_or_younger_than_the_window_is_wrong() {
        judge(&[("a", "a1")], 11, 12).unwrap_err();
        judge(&[("a", "a2")], 5, 9).unwrap_err();
        judge(&[("a", "deleted")], 0, 30).unwrap_err();
        judge(&[("a", "a3")], 0, 30).unwrap_err();
        judge(&[("c", "c1")], 0, 30).unwrap_err();
    }

    #[test]
    fn what_was_never_there_at_once_is_wrong() {
        judge(&[("a", "a1"), ("b", "b1")], 0, 30).unwrap_err();
    }

    #[test]
    fn what_is_lacking_is_wrong() {
        judge(&[], 3, 12).unwrap_err();
        judge(&[("a", "a2")], 17, 18).unwrap_err();
    }
}
