//! The small changes that keep a demo alive.
//!
//! Changes edit documents in place and never through a merge patch: that would drop every key whose
//! value is `null`, and published bindings want them all.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Store, decode};
use crate::documents::{Dice, Kind};

/// The stream of chance for changes.
const CHANGES: u64 = 0xC4A6;

/// What a finished deployment fills in.
const FILLED_IN: [&str; 5] =
    ["sddc_state", "sddc_type", "account_link_state", "sddc_access_state", "resource_config"];

/// Chance for the changes of a seed.
pub(super) fn dice(seed: u64) -> Dice {
    Dice::new(seed, CHANGES, 0)
}

impl Store {
    /// One small change, drawn from the seed: a task moves on or begins, a host fails or recovers,
    /// an SDDC is renamed, a guest comes or goes.
    pub(crate) fn step(&mut self, now: Timestamp) {
        match self.dice.below(14) {
            0..4 => self.step_task(now),
            4..8 => self.step_host(now),
            8..10 => self.step_name(now),
            _ => self.step_guests(now),
        }
    }

    /// A deployment is done: the SDDC gets the rest of its document.
    pub(super) fn finish_deployment(&mut self, id: &str, now: Timestamp) {
        let Some(&at) = self.by_id.get(id) else { return };
        let sddc = &self.sddcs[at];
        if sddc.decode()["sddc_state"] != "DEPLOYING" {
            return;
        }
        let kind = if sddc.is_guest { Kind::Small } else { Kind::Ready };
        let ready = self.documents.sddc(sddc.index, &sddc.org, Some(kind));
        let ready = decode(ready.json.as_bytes());
        self.change(at, now, |document| {
            for key in FILLED_IN {
                document[key] = ready[key].clone();
            }
        });
    }

    /// A host of a first cluster fails, or the one that failed recovers.
    fn step_host(&mut self, now: Timestamp) {
        let Some(at) = self.draw_one_up(|_| true) else { return };
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
        let Some(at) = self.draw_one_up(|_| true) else { return };
        self.change(at, now, |document| {
            let name = document["name"].as_str().unwrap_or_default();
            let back = name.strip_suffix("-renamed").map(str::to_owned);
            document["name"] = Value::String(back.unwrap_or_else(|| format!("{name}-renamed")));
        });
    }

    /// The position of an SDDC that is up, of an organization that will do.
    pub(super) fn draw_one_up(&mut self, will_do: impl Fn(&str) -> bool) -> Option<usize> {
        let sddcs = self.sddcs.iter().enumerate();
        let fit = sddcs.filter(|(_, sddc)| sddc.is_up && will_do(&sddc.org));
        let fit: Vec<usize> = fit.map(|(at, _)| at).collect();
        (!fit.is_empty()).then(|| self.dice.pick(&fit))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{NOW, store},
        *,
    };

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
    }
}
