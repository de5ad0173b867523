//! The organizations, SDDCs and tasks that the simulator shows.
//!
//! An SDDC is kept as its encoded bytes and decoded only to be changed or filtered: a list answer is
//! made of shared buffers, and ten thousand SDDCs cost little more than their text.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Options,
    documents::{self, Dice, Documents, Kind, wire_time},
};

mod changes;
mod guests;
mod orgs;
mod tasks;

/// Everything VMC would keep.
#[derive(Debug)]
pub(super) struct Store {
    documents: Documents,
    orgs: Vec<Org>,
    /// The organizations of the start, the app's own first: SDDCs are dealt to those still there.
    first_orgs: Vec<Arc<str>>,
    /// The organizations that were deleted.
    gone: HashSet<Arc<str>>,
    sddcs: Vec<Sddc>,
    by_id: HashMap<String, usize>,
    /// How many SDDCs were ever generated: the next one's index.
    generated: usize,
    /// How many organizations were ever made.
    made_orgs: usize,
    /// How many tasks were made on request.
    made_tasks: u64,
    dice: Dice,
}

/// The documents that can be made and changed on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DocumentKind {
    Org,
    Sddc,
    Task,
}

/// An organization and its tasks.
#[derive(Debug)]
pub(super) struct Org {
    pub(super) id: Arc<str>,
    pub(super) document: Bytes,
    pub(super) tasks: Vec<Value>,
}

/// An SDDC as it is sent.
#[derive(Debug)]
pub(super) struct Sddc {
    pub(super) id: String,
    org: Arc<str>,
    /// Its index among the generated ones.
    index: usize,
    pub(super) deleted: bool,
    /// Whether it is ready and has hosts: only such a one changes by itself.
    is_up: bool,
    /// Whether it came by itself, and will go so.
    is_guest: bool,
    pub(super) document: Bytes,
}

impl Store {
    /// Generates what `options` ask for. At least one organization exists.
    pub(super) fn new(options: &Options) -> Self {
        let documents = Documents::new(options.seed);
        let made_orgs = options.orgs.max(1);
        let orgs = (0..made_orgs).map(|index| documents.org(index));
        let orgs = orgs.map(|(id, json)| Org::new(id, json.into()));
        let orgs: Vec<Org> = orgs.collect();
        let mut store = Self {
            documents,
            first_orgs: orgs.iter().map(|org| org.id.clone()).collect(),
            orgs,
            gone: HashSet::new(),
            sddcs: Vec::with_capacity(options.sddcs),
            by_id: HashMap::new(),
            generated: 0,
            made_orgs,
            made_tasks: 0,
            dice: changes::dice(options.seed),
        };
        for _ in 0..options.sddcs {
            let (sddc, _) = store.generate(None, None);
            store.insert(sddc);
        }
        for index in 0..store.orgs.len() {
            store.orgs[index].tasks = store.first_tasks(index);
        }
        store
    }

    /// A generated document of a kind, with every field that such documents have.
    pub(super) fn sample(&self, kind: DocumentKind) -> Value {
        match kind {
            DocumentKind::Org => decode(self.documents.org(0).1.as_bytes()),
            DocumentKind::Sddc => {
                let made = self.documents.sddc(0, self.home(), Some(Kind::Ready));
                decode(made.json.as_bytes())
            }
            DocumentKind::Task => {
                documents::started("", self.home(), "", None, Timestamp::UNIX_EPOCH)
            }
        }
    }

    pub(super) fn sddcs(&self) -> &[Sddc] {
        &self.sddcs
    }

    /// The SDDCs of an organization, deleted ones too, in the order of their creation.
    pub(super) fn sddcs_of(&self, org: &str) -> impl Iterator<Item = &Sddc> {
        self.sddcs.iter().filter(move |sddc| *sddc.org == *org)
    }

    pub(super) fn sddc_of(&self, org: &str, id: &str) -> Option<&Sddc> {
        let sddc = &self.sddcs[*self.by_id.get(id)?];
        (*sddc.org == *org).then_some(sddc)
    }

    /// Adds an SDDC: a generated ready one with `patch` merged over it. `id` and `org_id` of the
    /// patch are honoured, and an SDDC of that id is replaced.
    pub(super) fn create(&mut self, patch: Value, now: Timestamp) -> String {
        let wanted = patch["org_id"].as_str().and_then(|id| self.org(id));
        let wanted = wanted.map(|org| org.id.clone());
        let (mut sddc, mut document) = self.generate(wanted, Some(Kind::Ready));
        let time = json!(wire_time(now));
        merge(&mut document, json!({ "version": 1, "created": time, "updated": time }));
        if let Some(id) = patch["id"].as_str() {
            merge(&mut document, json!({ "resource_config": { "sddc_id": id } }));
            id.clone_into(&mut sddc.id);
        }
        merge(&mut document, patch);
        sddc.keep(&document);
        let id = sddc.id.clone();
        self.insert(sddc);
        id
    }

    /// Merges `patch` into an SDDC; false when there is none of this id. Anything goes, a document
    /// that no client could read too: that is what some tests are about. The id by which the SDDC
    /// is addressed stays.
    pub(super) fn patch(&mut self, id: &str, patch: Value, now: Timestamp) -> bool {
        let Some(&at) = self.by_id.get(id) else { return false };
        self.change(at, now, |document| merge(document, patch));
        true
    }

    /// Edits the document at a position, as upstream would: one version on, updated now.
    pub(super) fn change(&mut self, at: usize, now: Timestamp, edit: impl FnOnce(&mut Value)) {
        let mut document = self.sddcs[at].decode();
        if document.is_object() {
            document["version"] = json!(next_version(&document));
            document["updated"] = json!(wire_time(now));
        }
        edit(&mut document);
        self.sddcs[at].keep(&document);
    }

    fn generate(&mut self, org: Option<Arc<str>>, kind: Option<Kind>) -> (Sddc, Value) {
        let index = self.generated;
        self.generated += 1;
        let org = org.unwrap_or_else(|| self.deal(index));
        let made = self.documents.sddc(index, &org, kind);
        let document = if kind.is_some() { decode(made.json.as_bytes()) } else { Value::Null };
        let sddc = Sddc {
            id: made.id,
            org,
            index,
            deleted: false,
            is_up: made.has_hosts,
            is_guest: false,
            document: Bytes::copy_from_slice(made.json.as_bytes()),
        };
        (sddc, document)
    }

    /// Adds an SDDC, in the place of one of the same id. Returns its position.
    fn insert(&mut self, sddc: Sddc) -> usize {
        let at = *self.by_id.entry(sddc.id.clone()).or_insert(self.sddcs.len());
        if let Some(replaced) = self.sddcs.get_mut(at) {
            *replaced = sddc;
        } else {
            self.sddcs.push(sddc);
        }
        at
    }

    /// Forgets the other SDDCs altogether.
    fn retain(&mut self, keep: impl Fn(&Sddc) -> bool) {
        self.sddcs.retain(keep);
        let places = self.sddcs.iter().enumerate().map(|(at, sddc)| (sddc.id.clone(), at));
        self.by_id = places.collect();
    }
}

impl Sddc {
    /// The document as a tree.
    pub(super) fn decode(&self) -> Value {
        decode(&self.document)
    }

    fn keep(&mut self, document: &Value) {
        self.deleted = document["sddc_state"] == "DELETED";
        let hosts = &document["resource_config"]["clusters"][0]["esx_host_list"];
        let has_hosts = hosts.as_array().is_some_and(|hosts| !hosts.is_empty());
        self.is_up = has_hosts && document["sddc_state"] == "READY";
        self.document = document.to_string().into();
    }
}

fn decode(json: &[u8]) -> Value {
    serde_json::from_slice(json).expect("the store holds JSON only")
}

fn next_version(document: &Value) -> u64 {
    document["version"].as_u64().unwrap_or(0).saturating_add(1)
}

/// JSON merge patch (RFC 7396).
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(members) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let object = target.as_object_mut().expect("made an object above");
    for (key, value) in members {
        if value.is_null() {
            object.remove(&key);
        } else {
            merge(object.entry(key).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    pub(super) fn store(seed: u64) -> Store {
        Store::new(&Options { seed, sddcs: 12, orgs: 2, ..Options::default() })
    }

    #[test]
    fn a_merge_patch_follows_rfc_7396() {
        // Cases of the RFC's appendix A.
        for (target, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
        ] {
            let mut merged = target.clone();
            merge(&mut merged, patch.clone());
            assert_eq!(merged, expected, "{target} + {patch}");
        }
    }

    #[test]
    fn a_patch_counts_the_version_on() {
        let mut store = store(1);
        let id = store.sddcs()[0].id.clone();
        let before = store.sddcs()[0].decode();
        assert!(store.patch(&id, json!({ "name": "new" }), NOW));
        let after = store.sddcs()[0].decode();
        assert_eq!(after["name"], "new");
        assert_eq!(
            after["version"].as_u64(),
            before["version"].as_u64().map(|version| version + 1)
        );
        assert_eq!(after["updated"], "1970-01-01T00:00:00.000000Z");
        assert_eq!(after["resource_config"], before["resource_config"]);
        assert!(!store.patch("unknown", json!({}), NOW));
    }

    #[test]
    fn a_created_sddc_is_a_whole_one_with_the_patch_over_it() {
        let mut store = store(1);
        let org = store.orgs()[1].id.clone();
        let id = store.create(json!({ "id": "mine", "name": "mine", "org_id": org }), NOW);
        assert_eq!(id, "mine");
        let document = store.sddc_of(&org, "mine").unwrap().decode();
        assert_eq!((&document["id"], &document["name"]), (&json!("mine"), &json!("mine")));
        assert_eq!(document["sddc_state"], "READY");
        assert!(document["resource_config"]["clusters"][0]["esx_host_list"][0].is_object());
        assert!(store.sddc_of(&store.orgs()[0].id, "mine").is_none());
    }

    #[test]
    fn an_sddc_patched_to_deleted_counts_as_deleted() {
        let mut store = store(1);
        let id = store.sddcs()[2].id.clone();
        store.patch(&id, json!({ "sddc_state": "DELETED" }), NOW);
        assert!(store.sddcs()[2].deleted);
    }
}
