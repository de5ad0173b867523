//! The small changes that keep a demo alive.
//!
//! Changes edit documents in place and never through a merge patch: that would drop every key whose
//! value is `null`, and published bindings want them all.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Store, decode};
use crate::simulator::documents::{self, Dice, Kind};

/// The stream of chance for changes.
const CHANGES: u64 = 0xC4A6;

/// An organization keeps at most this many tasks; the oldest go.
const MAX_TASKS: usize = 40;

/// What a finished deployment fills in.
const FILLED_IN: [&str; 5] =
    ["sddc_state", "sddc_type", "account_link_state", "sddc_access_state", "resource_config"];

/// Chance for the changes of a seed.
pub(super) fn dice(seed: u64) -> Dice {
    Dice::new(seed, CHANGES, 0)
}

impl Store {
    /// One small change, drawn from the seed: a task moves on or begins, a host fails or recovers,
    /// an SDDC is renamed.
    pub(in crate::simulator) fn step(&mut self, now: Timestamp) {
        match self.dice.below(10) {
            0..4 => self.step_task(now),
            4..8 => self.step_host(now),
            _ => self.step_name(now),
        }
    }

    fn step_task(&mut self, now: Timestamp) {
        let org = self.dice.index(self.orgs.len());
        let percent = 10 + self.dice.below(25);
        let tasks = &mut self.orgs[org].tasks;
        let Some(task) = tasks.iter_mut().find(|task| task["status"] == "STARTED") else {
            return self.begin_task(org, now);
        };
        if documents::advance(task, percent, now) && task["task_type"] == "SDDC-PROVISION" {
            let id = task["resource_id"].as_str().unwrap_or_default().to_owned();
            self.finish_deployment(&id, now);
        }
    }

    fn begin_task(&mut self, org: usize, now: Timestamp) {
        let Some(at) = self.draw_with_hosts(|sddc_org| sddc_org == org) else { return };
        let document = self.sddcs[at].decode();
        let sddc = (&*self.sddcs[at].id, document["name"].as_str().unwrap_or_default());
        let org = &mut self.orgs[org];
        org.tasks.push(documents::begin(&self.dice.uuid().to_string(), &org.id, sddc, now));
        if org.tasks.len() > MAX_TASKS {
            org.tasks.remove(0);
        }
    }

    /// A deployment is done: the SDDC gets the rest of its document.
    fn finish_deployment(&mut self, id: &str, now: Timestamp) {
        let Some(&at) = self.by_id.get(id) else { return };
        let sddc = &self.sddcs[at];
        if sddc.decode()["sddc_state"] != "DEPLOYING" {
            return;
        }
        let org = &self.orgs[sddc.org].id;
        let ready = decode(self.documents.sddc(sddc.index, org, Some(Kind::Ready)).json.as_bytes());
        self.change(at, now, |document| {
            for key in FILLED_IN {
                document[key] = ready[key].clone();
            }
        });
    }

    /// A host of a first cluster fails, or the one that failed recovers.
    fn step_host(&mut self, now: Timestamp) {
        let Some(at) = self.draw_with_hosts(|_| true) else { return };
        let chance = self.dice.roll();
        let time = now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
        self.change(at, now, |document| {
            let config = &mut document["resource_config"];
            let Some(hosts) = config["clusters"][0]["esx_host_list"].as_array_mut() else { return };
            let down = hosts.iter().position(|host| host["esx_state"] != "READY");
            let drawn = usize::try_from(chance % hosts.len() as u64).expect("below a usize");
            let host = &mut hosts[down.unwrap_or(drawn)];
            host["esx_state"] = json!(if down.is_some() { "READY" } else { "FAILED" });
            host["state_last_updated"] = json!(time);
            // Upstream shows the first cluster's hosts twice.
            config["esx_hosts"] = config["clusters"][0]["esx_host_list"].clone();
        });
    }

    /// Renamed and back: the names of a long run stay those of its start.
    fn step_name(&mut self, now: Timestamp) {
        let Some(at) = self.draw_with_hosts(|_| true) else { return };
        self.change(at, now, |document| {
            let name = document["name"].as_str().unwrap_or_default();
            let back = name.strip_suffix("-renamed").map(str::to_owned);
            document["name"] = Value::String(back.unwrap_or_else(|| format!("{name}-renamed")));
        });
    }

    /// The position of an SDDC that is there and has hosts, of an organization that will do.
    fn draw_with_hosts(&mut self, will_do: impl Fn(usize) -> bool) -> Option<usize> {
        let sddcs = self.sddcs.iter().enumerate();
        let fit = sddcs.filter(|(_, sddc)| !sddc.deleted && sddc.has_hosts && will_do(sddc.org));
        let fit: Vec<usize> = fit.map(|(at, _)| at).collect();
        (!fit.is_empty()).then(|| self.dice.pick(&fit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::Options;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn store(seed: u64) -> Store {
        Store::new(&Options { seed, sddcs: 12, orgs: 2, ..Options::default() })
    }

    fn bytes(store: &Store) -> Vec<bytes::Bytes> {
        store.sddcs().iter().map(|sddc| sddc.document.clone()).collect()
    }

    #[test]
    fn steps_repeat_for_a_seed_and_keep_every_key() {
        let (mut one, mut other) = (store(4), store(4));
        let keys = |store: &Store| {
            let config = store.sddcs()[0].decode()["resource_config"].clone();
            config.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
        };
        let (before, keys_before) = (bytes(&one), keys(&one));
        for _ in 0..60 {
            one.step(NOW);
            other.step(NOW);
        }
        assert_eq!(bytes(&one), bytes(&other));
        assert_ne!(bytes(&one), before);
        assert_eq!(keys(&one), keys_before);
    }

    #[test]
    fn a_deployment_comes_to_its_end() {
        let mut store = store(1);
        assert_eq!(store.sddcs()[2].decode()["sddc_state"], "DEPLOYING");
        for _ in 0..200 {
            store.step(NOW);
        }
        let document = store.sddcs()[2].decode();
        assert_eq!(document["sddc_state"], "READY");
        assert!(document["resource_config"]["vc_url"].is_string());
        assert!(store.orgs().iter().all(|org| org.tasks.len() <= MAX_TASKS));
    }
}
