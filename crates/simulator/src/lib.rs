//! A CSP and a VMC to run against: the demo, the tests, and consumers' own tests.
//!
//! Flow: request → fault script → `csp` or `vmc` → store → answer. Both services are on one
//! port; below `/__` is the control, which does what the methods of [`Simulator`] do.
//!
//! Equal options give equal documents. Nothing in them is real: every secret is a canary
//! (`CANARY-…`), so that whatever holds one has leaked.

mod control;
mod csp;
mod documents;
mod faults;
mod filter;
mod misbehaviour;
mod origin;
mod reply;
mod route;
mod server;
mod stats;
mod store;
mod tokens;
mod vmc;

pub use faults::{Fault, FaultKind, InvalidFault, RetryAfter, ScriptedFault, Target};
pub use stats::Stats;
pub use tokens::{API_TOKEN, BasicEncoding};

use std::{sync::Arc, time::Duration};

use faults::Script;
use http::StatusCode;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use secrecy::SecretString;
use serde_json::{Value, json};
use store::Store;
use tokens::Accounts;

/// What time it is for a simulator: the life of tokens, and the times of changes.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a simulator shows.
#[derive(Debug, Clone)]
pub struct Options {
    /// Organizations; at least one is made. Default 1.
    pub orgs: usize,
    /// SDDCs of all organizations together, dealt to them in turn. Default 4. The first four are the
    /// same kinds for every seed: a stretched one, one of one node, one that deploys, one that failed.
    pub sddcs: usize,
    /// Fixes ids, names and everything else that is made up. Default 1.
    pub seed: u64,
    /// Life of a token, in whole seconds, at least one. Default 1800 s.
    pub token_ttl: Duration,
    /// Id of the one OAuth app. Default `demo-app`.
    pub client_id: String,
    /// Its secret. Default `demo-secret`.
    pub client_secret: SecretString,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            orgs: 1,
            sddcs: 4,
            seed: 1,
            token_ttl: Duration::from_secs(1800),
            client_id: "demo-app".to_owned(),
            client_secret: "demo-secret".to_owned().into(),
        }
    }
}

/// A handle to one simulator; clones share it.
#[derive(Clone)]
pub struct Simulator(Arc<SimulatorParts>);

struct SimulatorParts {
    clock: Clock,
    accounts: Mutex<Accounts>,
    store: Mutex<Store>,
    script: Mutex<Script>,
    counters: Mutex<Stats>,
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Simulator(…)")
    }
}

impl Simulator {
    /// A simulator on real time. Cost: all documents are generated here.
    pub fn new(options: Options) -> Self {
        Self::with_clock(options, real_clock())
    }

    /// A simulator on a clock of the caller's.
    #[expect(clippy::needless_pass_by_value, reason = "a simulator takes its options over")]
    pub fn with_clock(options: Options, clock: Clock) -> Self {
        Self(Arc::new(SimulatorParts {
            clock,
            accounts: Mutex::new(Accounts::new(&options)),
            store: Mutex::new(Store::new(&options)),
            script: Mutex::default(),
            counters: Mutex::default(),
        }))
    }

    /// Scripts a fault, after those that are scripted already. Returns its id.
    ///
    /// # Panics
    /// If no answer can carry it, see [`Fault::validate`].
    pub fn script(&self, fault: Fault) -> String {
        fault.validate().expect("the fault can be played");
        self.0.script.lock().add(fault)
    }

    /// The faults that are scripted, in the order in which they are tried.
    pub fn faults(&self) -> Vec<ScriptedFault> {
        self.0.script.lock().faults().to_vec()
    }

    /// Ends one fault. False when there is none of this id.
    pub fn clear_fault(&self, id: &str) -> bool {
        self.0.script.lock().remove(id)
    }

    /// Ends all faults. Requests that met one already keep it.
    pub fn clear_faults(&self) {
        self.0.script.lock().clear();
    }

    /// What it was asked so far.
    pub fn stats(&self) -> Stats {
        self.counters().clone()
    }

    /// The organizations, the app's own first.
    pub fn org_ids(&self) -> Vec<String> {
        self.store().orgs().iter().map(|org| org.id.to_string()).collect()
    }

    /// The document of an organization, as VMC would send it.
    pub fn org(&self, id: &str) -> Option<Value> {
        self.store().org(id).and_then(|org| serde_json::from_slice(&org.document).ok())
    }

    /// The SDDCs that are not deleted, in the order of their creation.
    pub fn sddc_ids(&self) -> Vec<String> {
        let store = self.store();
        store.sddcs().iter().filter(|sddc| !sddc.deleted).map(|sddc| sddc.id.clone()).collect()
    }

    /// The document of an SDDC, as VMC would send it.
    pub fn sddc(&self, id: &str) -> Option<Value> {
        self.store().sddcs().iter().find(|sddc| sddc.id == id).map(store::Sddc::decode)
    }

    /// Adds an SDDC: a generated ready one, `patch` merged over it (RFC 7396). Its `id` and `org_id`
    /// are honoured; an SDDC of the same id is replaced. Returns the id.
    pub fn create_sddc(&self, patch: Value) -> String {
        let now = self.now();
        self.store().create(patch, now)
    }

    /// Merges `patch` into the document (RFC 7396: a `null` removes its key), which becomes one
    /// version younger. The SDDC stays addressed by the id it was made with, whatever its document
    /// then says. False when there is none of this id.
    pub fn patch_sddc(&self, id: &str, patch: Value) -> bool {
        let now = self.now();
        self.store().patch(id, patch, now)
    }

    /// Marks an SDDC as deleted: it stays readable by id and in lists that ask for deleted ones.
    /// False when there is none of this id.
    pub fn delete_sddc(&self, id: &str) -> bool {
        self.patch_sddc(id, json!({ "sddc_state": "DELETED" }))
    }

    /// Adds an organization: a generated one, `patch` merged over it (RFC 7396), without SDDCs and
    /// tasks. Its `id` is honoured; of an organization of the same id only the document is replaced.
    /// Its SDDCs are created with its `org_id`; it gets no others. Returns the id.
    pub fn create_org(&self, patch: Value) -> String {
        let now = self.now();
        self.store().create_org(patch, now)
    }

    /// Removes an organization with its SDDCs and tasks: VMC lists it no more and answers 404 to all
    /// that is asked below it. False when there is none of this id.
    pub fn delete_org(&self, id: &str) -> bool {
        self.store().delete_org(id)
    }

    /// The tasks of an organization, as VMC would send them; none of one that is not there.
    pub fn tasks(&self, org: &str) -> Vec<Value> {
        self.store().org(org).map(|org| org.tasks.clone()).unwrap_or_default()
    }

    /// Adds a task to an organization: one that begins now, about the SDDC that `resource_id` names
    /// if `patch` has it, with `patch` merged over it (RFC 7396). Its `id` is honoured; a task of the
    /// same id is replaced. Returns the id; `None` when there is no such organization.
    pub fn create_task(&self, org: &str, patch: Value) -> Option<String> {
        let now = self.now();
        self.store().create_task(org, patch, now)
    }

    /// Merges `patch` into the document of a task (RFC 7396), which becomes one version younger. The
    /// task is addressed by the `id` that its document says. False when there is none of this id.
    pub fn patch_task(&self, id: &str, patch: Value) -> bool {
        let now = self.now();
        self.store().patch_task(id, patch, now)
    }

    /// Changes the app's secret; the old one stays good too if `keep_old`. Tokens stay good.
    pub fn rotate_secret(&self, new: &str, keep_old: bool) {
        self.accounts().rotate(new, keep_old);
    }

    /// Ends every token issued so far.
    pub fn revoke_tokens(&self) {
        self.accounts().revoke();
    }

    /// Changes the life of the tokens issued from now on.
    pub fn set_token_ttl(&self, ttl: Duration) {
        self.accounts().ttl = ttl;
    }

    /// Changes how a wrong secret is refused: real deployments answer 400 (the default) or 401.
    pub fn set_wrong_secret_status(&self, status: StatusCode) {
        self.accounts().wrong_secret_status = status;
    }

    /// Changes how id and secret are read from HTTP Basic; the default is raw.
    pub fn set_basic_encoding(&self, encoding: BasicEncoding) {
        self.accounts().basic_encoding = encoding;
    }

    /// One small change, drawn from the seed: a task moves on or begins, a host fails or recovers,
    /// an SDDC is renamed and named back, a guest comes or goes. Guests are small SDDCs, at most two
    /// at a time, that are deployed and deleted with their tasks; all others stay.
    pub fn step(&self) {
        let now = self.now();
        self.store().step(now);
    }

    fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.0.accounts.lock()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.store.lock()
    }

    fn counters(&self) -> MutexGuard<'_, Stats> {
        self.0.counters.lock()
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where a simulator asks for real time")]
fn real_clock() -> Clock {
    Arc::new(Timestamp::now)
}

#[cfg(test)]
mod tests;
