//! Event streams that stay open for the whole run, and know all SDDCs by them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use support::events::{Event, EventReader};
use tokio_util::sync::CancellationToken;

use crate::{
    callers::Caller,
    load::{Load, client},
};

/// Time between two tries to open a stream.
const PAUSE: Duration = Duration::from_millis(500);

/// A stream of one caller, and what it was told.
pub struct Watcher {
    load: Arc<Load>,
    caller: usize,
    marks: Mutex<BTreeMap<String, String>>,
}

impl Watcher {
    pub fn new(load: Arc<Load>, caller: usize) -> Arc<Self> {
        Arc::new(Self { load, caller, marks: Mutex::default() })
    }

    fn caller(&self) -> &Caller {
        &self.load.callers.all[self.caller]
    }

    /// Whether it knows just what there is now.
    pub fn is_up_to_date(&self) -> bool {
        let sddcs = self.load.judge.world.sddcs();
        let seen = sddcs.all_now().filter(|(_, it)| self.caller().sees(it) && !it.is_deleted);
        let seen: BTreeMap<_, _> =
            seen.map(|(id, state)| (id.to_owned(), state.mark.clone())).collect();
        *self.marks.lock().unwrap() == seen
    }

    /// Watches until `stop`. A stream ends when its key does.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) -> Result<(), String> {
        let http = client(false);
        let mut pace = tokio::time::interval(PAUSE);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(pace.tick()).await.is_some() {
            let done = stop.run_until_cancelled(self.follow(&http)).await;
            done.unwrap_or(Ok(()))?;
        }
        Ok(())
    }

    async fn follow(&self, http: &reqwest::Client) -> Result<(), String> {
        let url = format!("http://{}/sddcs/events", self.load.gateway.api);
        let key = self.caller().key();
        // A stream has no end: it has to have no deadline.
        let request = http.get(url).bearer_auth(key.reveal()).timeout(Duration::MAX);
        let asked = self.load.judge.world.clock.now();
        let mut response = request.send().await.map_err(|error| format!("no stream: {error:?}"))?;
        if response.status() != 200 {
            let status = response.status();
            let problem = response.bytes().await.map_err(|error| format!("{error:?}"))?;
            let problem: Value = serde_json::from_slice(&problem).map_err(|it| it.to_string())?;
            let code = problem["code"].as_str().unwrap_or_default();
            let answered = self.load.judge.world.clock.now();
            let is_excused = self.load.judge.weather.excuses(code, asked, answered);
            let is_gone = status == 401 && key.reveal() != self.caller().key().reveal();
            return if is_excused || is_gone {
                Ok(())
            } else {
                Err(format!("no stream: {problem}"))
            };
        }
        self.load.tally.count("event streams opened");
        let mut events = EventReader::default();
        // What is cut short ends as one that ends.
        while let Ok(Some(chunk)) = response.chunk().await {
            events.push(&chunk);
            while let Some(event) = events.next_event().transpose()? {
                self.take(&event).map_err(|wrong| format!("{wrong}\nin the event {event:?}"))?;
            }
        }
        Ok(())
    }

    fn take(&self, event: &Event) -> Result<(), String> {
        let name = &*event.name;
        if name == "comment" {
            return Ok(());
        }
        let data: Value = serde_json::from_str(&event.data).map_err(|error| error.to_string())?;
        self.load.tally.count(format!("event {name}"));
        let mut marks = self.marks.lock().unwrap();
        match name {
            "sync" => {
                let items = data["items"].as_array().ok_or("no items")?.iter();
                *marks = items.map(|sddc| self.mark(sddc)).collect::<Result<_, _>>()?;
            }
            "added" | "changed" => {
                let (id, mark) = self.mark(&data["sddc"])?;
                let was_there = marks.insert(id, mark).is_some();
                if was_there != (name == "changed") {
                    return Err("what was there is added, or what was not has changed".to_owned());
                }
            }
            "removed" => {
                let (id, mark) = self.mark(&data["sddc"])?;
                if marks.remove(&id) != Some(mark) {
                    return Err("what was not there is removed".to_owned());
                }
            }
            "reset" | "status" => {}
            _ => return Err("no event of ours".to_owned()),
        }
        Ok(())
    }

    /// Id and mark of an SDDC, which must have been so.
    fn mark(&self, sddc: &Value) -> Result<(String, String), String> {
        let text = |name: &str| sddc[name].as_str().unwrap_or_default().to_owned();
        let (id, mark) = (text("id"), text("name"));
        let sddcs = self.load.judge.world.sddcs();
        let state = sddcs.of(&id, &mark).ok_or_else(|| format!("{id} was never {mark}"))?;
        if state.is_deleted || !self.caller().sees(state) {
            return Err(format!("{id} as {mark} is not to be shown here"));
        }
        Ok((id, mark))
    }
}
