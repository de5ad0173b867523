//! The cloud behind the gateway: a simulator of which all changes are written down.

use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};

use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use sddc_gateway::{
    clock::{Clock, Instant},
    simulator::{Options, Simulator},
};
use serde_json::{Map, Value, json};

use crate::history::{History, State};

/// A token lives for two renewals of a real one's life: an hour of tokens goes by in six minutes.
pub const TOKEN_TTL: std::time::Duration = std::time::Duration::from_secs(6);

/// The app's first secret; the later ones have a number behind it. Nobody must ever see it.
pub const SECRET: &str = "soak-secret";

pub struct World {
    pub simulator: Simulator,
    pub clock: Clock,
    pub orgs: Vec<String>,
    pub changes: AtomicU64,
    sddcs: Mutex<History>,
    tasks: Mutex<History>,
}

impl World {
    /// A few SDDCs of two organizations. They are few so that what is kept of answers fills up soon.
    pub fn new(seed: u64) -> Arc<Self> {
        let options = Options {
            orgs: 2,
            sddcs: 10,
            seed,
            token_ttl: TOKEN_TTL,
            client_secret: SECRET.to_owned().into(),
            ..Options::default()
        };
        let simulator = Simulator::new(options);
        let world = Self {
            orgs: simulator.org_ids(),
            clock: Clock::system(),
            changes: AtomicU64::new(0),
            sddcs: Mutex::default(),
            tasks: Mutex::default(),
            simulator,
        };
        for id in world.simulator.sddc_ids() {
            world.alter(&id, None);
        }
        for org in &world.orgs {
            for task in world.simulator.tasks(org) {
                world.alter_task(org, task["id"].as_str().unwrap());
            }
        }
        Arc::new(world)
    }

    pub fn sddcs(&self) -> MutexGuard<'_, History> {
        self.sddcs.lock().unwrap()
    }

    pub fn tasks(&self) -> MutexGuard<'_, History> {
        self.tasks.lock().unwrap()
    }

    /// One change, drawn.
    pub fn change(&self, dice: &mut StdRng) {
        let ids: Vec<(String, bool, bool)> = {
            let sddcs = self.sddcs();
            let all = sddcs.all_now();
            all.map(|(id, now)| (id.to_owned(), now.is_deleted, now.clusters > 0)).collect()
        };
        let (id, is_deleted, has_clusters) = ids.choose(dice).unwrap();
        match dice.random_range(0..10) {
            0..3 => {
                let org = self.orgs.choose(dice).unwrap();
                let tasks = self.simulator.tasks(org);
                let task = tasks.choose(dice).unwrap()["id"].as_str().unwrap();
                self.alter_task(org, task);
            }
            _ if *is_deleted => self.create(id),
            // One without clusters would come back with clusters that bear no mark.
            3 if *has_clusters => self.alter(id, Some("DELETED")),
            4 => self.alter(id, Some("FAILED")),
            // Enumerations are open: no label may come of it.
            5 => self.alter(id, Some(&format!("ODD_{}", self.next()))),
            _ => self.alter(id, Some("READY")),
        }
    }

    fn next(&self) -> u64 {
        self.changes.fetch_add(1, Ordering::Relaxed)
    }

    /// One in three is named so that some callers do not see it.
    fn next_mark(&self) -> String {
        let number = self.next();
        let stage = if number.is_multiple_of(3) { "dev" } else { "prod" };
        format!("{stage}-{number}")
    }

    fn alter(&self, id: &str, state: Option<&str>) {
        let mut sddcs = self.sddcs();
        let mark = self.next_mark();
        let mut patch = marked(&self.simulator.sddc(id).unwrap(), &mark);
        if let Some(state) = state {
            patch["sddc_state"] = json!(state);
        }
        let from = self.clock.now();
        self.simulator.patch_sddc(id, patch);
        self.note(&mut sddcs, id, mark, from);
    }

    /// An SDDC that was deleted is there again: ids that are used anew keep the lists of deleted
    /// ones from growing.
    fn create(&self, id: &str) {
        let mut sddcs = self.sddcs();
        let mark = self.next_mark();
        let document = self.simulator.sddc(id).unwrap();
        let mut created = marked(&document, &mark);
        created["id"] = json!(id);
        created["org_id"] = document["org_id"].clone();
        created["version"] = json!(document["version"].as_u64().unwrap() + 1);
        let from = self.clock.now();
        self.simulator.create_sddc(created);
        self.note(&mut sddcs, id, mark, from);
    }

    fn note(&self, sddcs: &mut History, id: &str, mark: String, from: Instant) {
        let document = self.simulator.sddc(id).unwrap();
        sddcs.note(id, state(&document, mark, from), self.clock.now());
    }

    fn alter_task(&self, org: &str, id: &str) {
        let mut tasks = self.tasks();
        let mark = self.next_mark();
        let from = self.clock.now();
        self.simulator.patch_task(id, json!({ "user_name": mark }));
        let document = self.simulator.tasks(org).into_iter().find(|task| task["id"] == id).unwrap();
        let is_of_sddc = document["resource_type"] == "sddc";
        let shown = [("org_id", &document["org_id"]), ("status", &document["status"])];
        let state = State {
            from,
            until: None,
            mark,
            org: org.to_owned(),
            is_deleted: false,
            has_vcenter: false,
            clusters: 0,
            hosts: 0,
            sddc: document["resource_id"].as_str().filter(|_| is_of_sddc).map(str::to_owned),
            shown: fields(&shown),
        };
        tasks.note(id, state, self.clock.now());
    }
}

fn fields(pairs: &[(&str, &Value)]) -> Map<String, Value> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).clone())).collect()
}

/// The patch that writes a mark into an SDDC's name, and into that of its first cluster and host.
fn marked(document: &Value, mark: &str) -> Value {
    let mut patch = json!({ "name": mark, "user_name": mark });
    let mut clusters = document["resource_config"]["clusters"].clone();
    if let Some(first) = clusters.get_mut(0) {
        first["cluster_name"] = json!(mark);
        if let Some(host) = first["esx_host_list"].get_mut(0) {
            host["name"] = json!(mark);
        }
        patch["resource_config"] = json!({ "clusters": clusters });
    }
    patch
}

/// How callers see an SDDC, as far as it matters here: told apart from the gateway's own mapping.
fn state(document: &Value, mark: String, from: Instant) -> State {
    let config = &document["resource_config"];
    let empty = Vec::new();
    let clusters = config["clusters"].as_array().unwrap_or(&empty);
    let hosts = |cluster: &Value| {
        let witness = cluster["vsan_witness"]["esx_id"].as_str();
        let hosts = cluster["esx_host_list"].as_array().unwrap_or(&empty).iter();
        hosts.filter(|host| witness.is_none() || host["esx_id"].as_str() != witness).count()
    };
    State {
        from,
        until: None,
        org: document["org_id"].as_str().unwrap().to_owned(),
        is_deleted: document["sddc_state"] == "DELETED",
        has_vcenter: config["vc_url"].is_string(),
        clusters: clusters.len(),
        hosts: clusters.iter().map(hosts).sum(),
        sddc: None,
        shown: fields(&[
            ("org_id", &document["org_id"]),
            ("name", &json!(mark)),
            ("created_by", &json!(mark)),
            ("state", &document["sddc_state"]),
            ("region", &config["region"]),
        ]),
        mark,
    }
}
