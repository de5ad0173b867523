//! Guests: small SDDCs that come and go in a long run, one after another.
//!
//! A guest is deployed, is there for a while, and is deleted, each with its task. What was there at
//! the start stays.

use jiff::Timestamp;
use serde_json::json;

use super::Store;
use crate::documents::{Kind, wire_time};

/// Guests at a time.
const MAX_GUESTS: usize = 2;

/// Deleted guests that lists of deleted SDDCs still show; older ones are forgotten.
const MAX_DELETED: usize = 2;

impl Store {
    /// The guest that is coming or going moves on; where there is none, one begins to.
    pub(super) fn step_guests(&mut self, now: Timestamp) {
        let guests = self.guests(false);
        let busy = guests.iter().copied().find(|&at| {
            let state = &self.sddcs[at].decode()["sddc_state"];
            state == "DEPLOYING" || state == "DELETING"
        });
        match (busy, guests.first()) {
            (Some(at), _) => self.move_on(at, now),
            (None, Some(&oldest)) if guests.len() >= MAX_GUESTS || self.dice.below(2) == 0 => {
                self.change(oldest, now, |document| document["sddc_state"] = json!("DELETING"));
                self.begin(oldest, "SDDC-DELETE", now);
            }
            (None, _) => self.invite(now),
        }
    }

    /// A deletion is done.
    pub(super) fn finish_deletion(&mut self, id: &str, now: Timestamp) {
        let Some(&at) = self.by_id.get(id) else { return };
        if self.sddcs[at].decode()["sddc_state"] != "DELETING" {
            return;
        }
        self.change(at, now, |document| document["sddc_state"] = json!("DELETED"));
        let deleted = self.guests(true);
        if deleted.len() > MAX_DELETED {
            let oldest = self.sddcs[deleted[0]].id.clone();
            self.retain(|sddc| sddc.id != oldest);
        }
    }

    fn guests(&self, deleted: bool) -> Vec<usize> {
        let sddcs = self.sddcs.iter().enumerate();
        let guests = sddcs.filter(|(_, sddc)| sddc.is_guest && sddc.deleted == deleted);
        guests.map(|(at, _)| at).collect()
    }

    fn invite(&mut self, now: Timestamp) {
        if self.orgs.is_empty() {
            return;
        }
        let org = self.dice.index(self.orgs.len());
        let org = self.orgs[org].id.clone();
        let (mut sddc, mut document) = self.generate(Some(org), Some(Kind::Deploying));
        let time = json!(wire_time(now));
        document["version"] = json!(1);
        document["created"] = time.clone();
        document["updated"] = time;
        sddc.is_guest = true;
        sddc.keep(&document);
        let at = self.insert(sddc);
        self.begin(at, "SDDC-PROVISION", now);
    }

    /// Moves the task of a guest on, and the guest itself if somebody took its task away.
    fn move_on(&mut self, at: usize, now: Timestamp) {
        let (id, org) = (self.sddcs[at].id.clone(), self.sddcs[at].org.clone());
        if !self.advance(&org, |task| task["resource_id"] == *id, now) {
            self.finish_deployment(&id, now);
            self.finish_deletion(&id, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::{
        super::tests::{NOW, store},
        *,
    };

    fn there(store: &Store) -> BTreeSet<String> {
        let there = store.sddcs().iter().filter(|sddc| !sddc.deleted);
        there.map(|sddc| sddc.id.clone()).collect()
    }

    fn guest(store: &Store) -> Option<Value> {
        store.sddcs().iter().find(|sddc| sddc.is_guest).map(super::super::Sddc::decode)
    }

    /// The states of the first guest and of its tasks, as they came.
    fn life(seed: u64) -> Vec<String> {
        let (mut store, mut life) = (store(seed), Vec::new());
        while !life.last().is_some_and(|last: &String| last.contains("DELETED")) {
            store.step(NOW);
            let Some(guest) = guest(&store) else { continue };
            let tasks = store.orgs().iter().flat_map(|org| &org.tasks);
            let own = tasks.filter(|task| task["resource_id"] == guest["id"]);
            let own = own.filter(|task| task["task_type"].as_str().unwrap().starts_with("SDDC-"));
            let own = own.map(|task| format!("{} {}", task["task_type"], task["status"]));
            let moment = [guest["sddc_state"].to_string()].into_iter().chain(own);
            let moment = moment.collect::<Vec<_>>().join(", ").replace('"', "");
            if life.last() != Some(&moment) {
                life.push(moment);
            }
        }
        life
    }

    #[test]
    fn a_guest_comes_and_goes_with_its_tasks() {
        for seed in 1..5 {
            assert_eq!(
                life(seed),
                [
                    "DEPLOYING, SDDC-PROVISION STARTED",
                    "READY, SDDC-PROVISION FINISHED",
                    "DELETING, SDDC-PROVISION FINISHED, SDDC-DELETE STARTED",
                    "DELETED, SDDC-PROVISION FINISHED, SDDC-DELETE FINISHED",
                ],
                "{seed}"
            );
        }
    }

    #[test]
    fn a_guest_begins_sparse_and_is_small_when_ready() {
        let mut store = store(2);
        let at = |store: &mut Store, state: &str| loop {
            store.step_guests(NOW);
            if let Some(guest) = guest(store).filter(|guest| guest["sddc_state"] == state) {
                return guest;
            }
        };
        let deploying = at(&mut store, "DEPLOYING");
        assert_eq!(deploying["resource_config"]["clusters"], json!([]));
        assert_eq!(deploying["resource_config"]["vc_url"], Value::Null);
        assert_eq!((&deploying["sddc_type"], &deploying["version"]), (&Value::Null, &json!(1)));
        let ready = at(&mut store, "READY");
        let clusters = ready["resource_config"]["clusters"].as_array().unwrap();
        assert_eq!(clusters.len(), 1);
        assert!(clusters[0]["esx_host_list"].as_array().unwrap().len() <= 3);
        let keys =
            |document: &Value| document.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&ready), keys(&store.sddcs()[0].decode()));
        assert_eq!(ready["name"], deploying["name"]);
    }

    #[test]
    fn a_long_run_comes_back_to_its_start_again_and_again() {
        let mut store = store(3);
        let start = there(&store);
        let (mut sizes, mut returns, mut was_away) = (BTreeSet::new(), 0, false);
        for _ in 0..1500 {
            store.step(NOW);
            let now = there(&store);
            assert!(now.is_superset(&start), "what was there at the start stays");
            sizes.insert(now.len() - start.len());
            returns += usize::from(was_away && now == start);
            was_away = now != start;
        }
        assert_eq!(sizes, BTreeSet::from([0, 1, 2]));
        assert!(returns > 2, "{returns}");
        assert!(store.sddcs().len() <= start.len() + MAX_GUESTS + MAX_DELETED);
        let places = store.by_id.iter().all(|(id, &at)| store.sddcs()[at].id == *id);
        assert!(places && store.by_id.len() == store.sddcs().len());
    }

    #[test]
    fn a_guest_whose_task_was_taken_away_comes_and_goes_all_the_same() {
        let mut store = store(1);
        store.invite(NOW);
        let id = guest(&store).unwrap()["id"].as_str().unwrap().to_owned();
        for expected in ["READY", "DELETED"] {
            for _ in 0..100 {
                for org in &mut store.orgs {
                    org.tasks.clear();
                }
                let state = guest(&store).unwrap()["sddc_state"].clone();
                if state == expected {
                    break;
                }
                store.step_guests(NOW);
            }
            assert_eq!(store.sddcs()[store.by_id[&id]].decode()["sddc_state"], expected);
        }
    }

    #[test]
    fn a_guest_that_somebody_deleted_leaves_its_place() {
        let mut store = store(1);
        store.invite(NOW);
        let id = guest(&store).unwrap()["id"].as_str().unwrap().to_owned();
        store.patch(&id, json!({ "sddc_state": "DELETED" }), NOW);
        for _ in 0..300 {
            store.step(NOW);
            assert!(there(&store).len() <= 12 + MAX_GUESTS && !there(&store).contains(&id));
        }
    }
}
