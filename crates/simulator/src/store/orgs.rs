//! Organizations: those of the start, and those that come and go on request.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Org, Store, decode, merge};
use crate::documents::wire_time;

impl Org {
    /// An organization without tasks.
    pub(super) fn new(id: impl Into<Arc<str>>, document: Bytes) -> Self {
        Self { id: id.into(), document, tasks: Vec::new() }
    }
}

impl Store {
    pub(crate) fn orgs(&self) -> &[Org] {
        &self.orgs
    }

    pub(crate) fn org(&self, id: &str) -> Option<&Org> {
        self.orgs.iter().find(|org| *org.id == *id)
    }

    /// The id of the app's own organization, also when that was deleted.
    pub(crate) fn home(&self) -> &str {
        &self.first_orgs[0]
    }

    /// Whether there was an organization of this id that was deleted since.
    pub(crate) fn is_gone(&self, id: &str) -> bool {
        self.gone.contains(id)
    }

    /// Adds an organization: a generated one with `patch` merged over it, without SDDCs and tasks.
    /// Its `id` is honoured; of one that is there already only the document is replaced.
    pub(crate) fn create_org(&mut self, patch: Value, now: Timestamp) -> String {
        let (mut id, json) = self.documents.org(self.made_orgs);
        self.made_orgs += 1;
        let mut document = decode(json.as_bytes());
        let time = json!(wire_time(now));
        merge(&mut document, json!({ "version": 1, "created": time, "updated": time }));
        if let Some(wanted) = patch["id"].as_str() {
            wanted.clone_into(&mut id);
        }
        merge(&mut document, patch);
        let document: Bytes = document.to_string().into();
        self.gone.remove(&*id);
        match self.orgs.iter_mut().find(|org| *org.id == *id) {
            Some(org) => org.document = document,
            None => self.orgs.push(Org::new(&*id, document)),
        }
        id
    }

    /// Removes an organization with all that is in it; false when there is none of this id.
    pub(crate) fn delete_org(&mut self, id: &str) -> bool {
        let Some(at) = self.orgs.iter().position(|org| *org.id == *id) else { return false };
        self.gone.insert(self.orgs.remove(at).id);
        self.retain(|sddc| *sddc.org != *id);
        true
    }

    /// The organization of the SDDC that is generated at `index`. Those that were made on request
    /// get only what is meant for them.
    pub(super) fn deal(&self, index: usize) -> Arc<str> {
        let there = self.first_orgs.iter().filter(|id| !self.gone.contains(*id));
        let there: Vec<&Arc<str>> = there.collect();
        let turn = if there.is_empty() { 0 } else { index % there.len() };
        there.get(turn).map_or_else(|| self.first_orgs[0].clone(), |id| (*id).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{NOW, store},
        *,
    };

    #[test]
    fn an_org_comes_without_anything_and_gets_what_is_meant_for_it() {
        let mut store = store(1);
        let id = store.create_org(json!({ "id": "mine", "display_name": "Mine" }), NOW);
        let made = store.org("mine").unwrap();
        let document = decode(&made.document);
        assert_eq!((&*id, &document["id"]), ("mine", &json!("mine")));
        assert_eq!((&document["display_name"], &document["version"]), (&json!("Mine"), &json!(1)));
        assert!(made.tasks.is_empty());
        for _ in 0..6 {
            store.create(json!({}), NOW);
        }
        assert_eq!(store.sddcs_of("mine").count(), 0);
        store.create(json!({ "org_id": "mine" }), NOW);
        assert_eq!(store.sddcs_of("mine").count(), 1);
        assert_ne!(store.create_org(json!({}), NOW), store.create_org(json!({}), NOW));
        assert_eq!(store.orgs().len(), 5);
    }

    #[test]
    fn an_org_goes_with_its_sddcs_and_may_come_again() {
        let mut store = store(1);
        let [first, second] = [0, 1].map(|at| store.orgs()[at].id.clone());
        let staying: Vec<String> = store.sddcs_of(&second).map(|sddc| sddc.id.clone()).collect();
        assert!(store.delete_org(&first));
        assert!(!store.delete_org(&first) && !store.delete_org("none"));
        assert!(store.is_gone(&first) && !store.is_gone("none"));
        assert_eq!((store.home(), store.sddcs().len()), (&*first, staying.len()));
        assert!(staying.iter().all(|id| store.sddc_of(&second, id).is_some()));
        store.create(json!({ "id": "dealt" }), NOW);
        assert!(store.sddc_of(&second, "dealt").is_some());
        store.create_org(json!({ "id": &*first }), NOW);
        assert!(!store.is_gone(&first) && store.org(&first).is_some());
        assert_eq!(store.sddcs_of(&first).count(), 0);
    }

    #[test]
    fn without_any_org_nothing_breaks() {
        let mut store = store(1);
        for id in [0, 1].map(|at| store.orgs()[at].id.clone()) {
            store.delete_org(&id);
        }
        for _ in 0..50 {
            store.step(NOW);
        }
        store.create(json!({}), NOW);
        assert_eq!((store.orgs().len(), store.sddcs().len()), (0, 1));
    }
}
