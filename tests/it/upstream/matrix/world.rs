//! A gateway with its upstreams, one of which is in trouble at one place.

use std::{
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use http::Method;
use sddc_gateway::{
    access::{CallerSettings, oidc},
    clock::Clock,
    simulator::{self, Fault, Target},
};
use serde_json::{Value, json};
use support::signer::Signer;
use tempfile::TempDir;

use super::{
    cell::Cell,
    faults::{How, Trouble},
};
use crate::{
    harness::{Answer, Cloud, Setup, TestGateway, clock, configured_callers},
    upstream::front::{Front, Mode},
};

const BETWEEN_LOOKS: Duration = Duration::from_millis(30);
/// Tokens whose ends are what it is about, and those that outlive everything.
const SHORT: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(24 * 3600);
/// `inventory.stale`: less than a token may live, so that one that was good is good throughout.
pub const MAX_STALE: Duration = Duration::from_secs(4 * 3600);
/// `inventory.stale_denied`.
const MAX_STALE_DENIED: Duration = Duration::from_secs(3600);
const ISSUER: &str = "https://login.example.com";

/// A place where the gateway asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    FirstMint,
    Renewal,
    Discovery,
    List,
    One,
    Tasks,
    Keys,
}

impl Place {
    pub const ALL: [Self; 7] = [
        Self::FirstMint,
        Self::Renewal,
        Self::Discovery,
        Self::List,
        Self::One,
        Self::Tasks,
        Self::Keys,
    ];

    /// The endpoint, as the simulator knows it.
    fn fault(self) -> Fault {
        match self {
            Self::FirstMint | Self::Renewal => Fault::on(Target::Csp, "*/auth/token"),
            Self::Discovery => Fault::on(Target::Vmc, "/vmc/api/orgs"),
            Self::List | Self::One => Fault::on(Target::Vmc, "*/sddcs"),
            Self::Tasks => Fault::on(Target::Vmc, "*/tasks"),
            Self::Keys => Fault::on(Target::Csp, "*/auth/keys"),
        }
    }

    /// The endpoint, as the metrics know it.
    fn label(self) -> &'static str {
        match self {
            Self::FirstMint | Self::Renewal => "endpoint=\"token\"",
            Self::Discovery => "endpoint=\"orgs\"",
            Self::List | Self::One => "endpoint=\"sddcs\"",
            Self::Tasks => "endpoint=\"tasks\"",
            Self::Keys => "endpoint=\"jwks\"",
        }
    }
}

/// The clouds of this place.
pub struct World {
    place: Place,
    /// For a connection, and for a try.
    patience: Duration,
    cloud: Cloud,
    /// Serves the keys of callers' tokens, and nothing else.
    keys: Cloud,
    csp: Front,
    vmc: Front,
    jwks: Front,
    signer: Arc<Signer>,
    folder: TempDir,
    gateway: Option<TestGateway>,
    /// Calls at the place that were counted before the present gateway's.
    counted: u64,
    read_at: Duration,
    /// The body that was answered then.
    known: Option<Vec<u8>>,
}

impl World {
    pub async fn start(place: Place, trouble: &Trouble) -> Self {
        // An organization of its own: its id tells whose log lines are whose.
        static SEED: AtomicU64 = AtomicU64::new(1000);
        let seed = SEED.fetch_add(1, Ordering::Relaxed);
        let clock = clock();
        let is_about_tokens = matches!(place, Place::FirstMint | Place::Renewal);
        let token_ttl = if is_about_tokens { SHORT } else { LONG };
        let options = simulator::Options { seed, token_ttl, ..simulator::Options::default() };
        let cloud = Cloud::start(&clock, options).await;
        let keys = Cloud::start(&clock, simulator::Options::default()).await;
        Self {
            place,
            patience: trouble.patience(),
            csp: Front::start(cloud.address),
            vmc: Front::start(cloud.address),
            jwks: Front::start(keys.address),
            cloud,
            keys,
            signer: Arc::new(Signer::new("key-1", "ES256")),
            folder: tempfile::tempdir().unwrap(),
            gateway: None,
            counted: 0,
            read_at: Duration::ZERO,
            known: None,
        }
    }

    pub fn org(&self) -> String {
        self.cloud.simulator.org_ids()[0].clone()
    }

    fn clock(&self) -> &Clock {
        &self.cloud.clock
    }

    fn gateway(&self) -> &TestGateway {
        self.gateway.as_ref().unwrap()
    }

    async fn open(&mut self) {
        let setup = Setup::on_demand(&self.cloud).with(|config| {
            config.csp.url = self.csp.url().parse().unwrap();
            config.vmc.url = self.vmc.url().parse().unwrap();
            config.vmc.timeout = self.patience;
            config.vmc.connect_timeout = self.patience / 2;
            config.vmc.max_body = 1024 * 1024;
            config.vmc.retries = 2;
            config.inventory.stale = MAX_STALE;
            config.inventory.stale_denied = MAX_STALE_DENIED;
            if self.place == Place::FirstMint {
                config.inventory.snapshot_file = Some(self.folder.path().join("snapshot"));
            }
            if self.place == Place::Keys {
                let configured = configured_callers(config);
                let url = format!("{}/csp/gateway/am/api/auth/keys", self.jwks.url());
                configured.oidc = Some(oidc::Settings {
                    issuer: ISSUER.into(),
                    audience: Some("sddc-gateway".into()),
                    client_ids: Vec::new(),
                    keys: oidc::KeysFrom::Url(url.parse().unwrap()),
                    ca_file: None,
                });
                configured.callers.push(CallerSettings {
                    oidc: [("sub".to_owned(), "ci".into())].into(),
                    ..CallerSettings::new("ci".parse().unwrap())
                });
            }
        });
        let discovers = matches!(self.place, Place::Discovery | Place::Keys);
        let setup = if discovers { setup } else { setup.with_configured_orgs(&self.cloud) };
        self.counted = 0;
        self.gateway = Some(setup.start().await);
    }

    async fn close(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            gateway.stop().await;
        }
    }

    async fn break_down(&self, trouble: &Trouble) {
        self.end_troubles().await;
        let (cloud, front) = match self.place {
            Place::FirstMint | Place::Renewal => (&self.cloud, &self.csp),
            Place::Keys => (&self.keys, &self.jwks),
            _ => (&self.cloud, &self.vmc),
        };
        let fault = self.place.fault();
        match trouble.how {
            How::Below(mode) => front.set(mode).await,
            How::Answers(how) => drop(cloud.simulator.script(how(fault))),
            How::AnswersOnce(how) => drop(cloud.simulator.script(how(fault).times(1))),
        }
        self.publish_keys();
    }

    async fn mend(&self) {
        self.end_troubles().await;
        self.publish_keys();
    }

    async fn end_troubles(&self) {
        for (front, cloud) in
            [(&self.csp, &self.cloud), (&self.vmc, &self.cloud), (&self.jwks, &self.keys)]
        {
            front.set(Mode::Pass).await;
            cloud.simulator.clear_faults();
        }
    }

    /// After what goes wrong: the first fault that matches is the one.
    fn publish_keys(&self) {
        let set = json!({ "keys": [self.signer.jwk()] }).to_string();
        self.keys.simulator.script(Fault::on(Target::Csp, "*/auth/keys").body(set));
    }

    /// Breaks the place down, with nothing read yet; for a renewal, with a token that has ended.
    pub async fn begin_without_a_snapshot(&mut self, trouble: &Trouble) {
        if self.place == Place::Renewal {
            self.open().await;
            self.has_token().await;
            self.counted = self.calls().await;
            self.break_down(trouble).await;
            self.clock().advance(SHORT);
        } else {
            self.break_down(trouble).await;
            self.open().await;
        }
        if self.place == Place::Keys {
            // The fetch at start; who shows a token causes another one.
            self.has_called().await;
            self.settle().await;
            self.counted = self.calls().await;
        }
    }

    /// Mends the place, reads, and breaks it down again.
    pub async fn begin_with_a_snapshot(&mut self, trouble: &Trouble) {
        self.mend().await;
        // Longer than anything is held back.
        self.clock().advance(Duration::from_secs(4000));
        if self.place == Place::FirstMint {
            self.close().await;
            self.open().await;
        }
        // What an upstream trouble leaves behind may need a second look: keys are fetched in the
        // background, a dropped org is found again.
        let is_good = async |gateway: &TestGateway| {
            let answer = self.request().await;
            let is_good = answer.status == 200 && answer.header("age") == "0";
            if !is_good {
                gateway.advance(61);
            }
            // A probe has seen it ready.
            is_good && gateway.ops("/readyz").await.status == 200
        };
        self.until("a good answer", is_good).await;
        self.known = Some(self.request().await.body);
        self.settle().await;
        self.read_at = since_start(self.clock());
        self.counted = self.calls().await;
        if self.place == Place::FirstMint {
            self.close().await;
        }
        self.break_down(trouble).await;
    }

    /// Lets the snapshot grow so old. At the first mint the gateway is started again each time.
    pub async fn grow_old(&mut self, age_s: u64, trouble: &Trouble) {
        let due = self.read_at + Duration::from_secs(age_s);
        if self.place == Place::FirstMint {
            self.close().await;
        }
        self.break_down(trouble).await;
        self.clock().advance(due.saturating_sub(since_start(self.clock())));
        if self.place == Place::FirstMint {
            self.open().await;
        }
        let is_due_by_itself = match self.place {
            Place::FirstMint | Place::Renewal => true,
            Place::Keys => age_s > 3600,
            _ => false,
        };
        if is_due_by_itself {
            self.has_called().await;
        }
    }

    async fn has_called(&self) {
        let called = async |_: &TestGateway| self.calls().await > self.counted;
        self.until("a call", called).await;
    }

    /// As the gateway's own, at a slower pace: many worlds look at once, and a look is a whole page.
    async fn until(&self, what: &str, mut holds: impl AsyncFnMut(&TestGateway) -> bool) {
        let gateway = self.gateway();
        let mut looks = tokio::time::interval(BETWEEN_LOOKS);
        let paced = async |gateway: &TestGateway| {
            looks.tick().await;
            holds(gateway).await
        };
        gateway.until(what, paced).await;
    }

    async fn has_token(&self) {
        let valid =
            async |gateway: &TestGateway| gateway.state().await["token"]["state"] == "valid";
        self.until("a token", valid).await;
    }

    /// Waits until nothing is under way.
    async fn settle(&self) {
        let quiet = async |gateway: &TestGateway| {
            let page = gateway.ops("/metrics").await.text();
            page.lines().any(|line| line == "sddc_gateway_background_jobs 0.0")
        };
        self.until("quiet", quiet).await;
    }

    async fn calls(&self) -> u64 {
        let calls =
            self.gateway().metric("sddc_gateway_upstream_requests_total", self.place.label()).await;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        {
            calls as u64
        }
    }

    async fn request(&self) -> Answer {
        let gateway = self.gateway();
        let sddc = &self.cloud.simulator.sddc_ids()[0];
        match self.place {
            Place::One => gateway.get(&format!("/sddcs/{sddc}")).await,
            Place::Tasks => gateway.get("/tasks").await,
            Place::Keys => {
                let now = self.clock().wall().as_second();
                let claims = json!({
                    "iss": ISSUER, "aud": "sddc-gateway", "exp": now + 3600, "sub": "ci",
                });
                let field = format!("Bearer {}", self.signer.token(&claims));
                gateway.send_bare(Method::GET, "/sddcs", &[("authorization", &field)]).await
            }
            _ => gateway.get("/sddcs").await,
        }
    }

    /// Asks once, and waits for what that has set going.
    pub async fn ask(&mut self) -> Cell {
        let real = Clock::system();
        let began = real.now();
        let mut answer = self.request().await;
        let took = real.now().since(began);
        self.settle().await;
        let calls = self.calls().await;
        if answer.served().ends_with("refresh-pending") {
            // It did not wait for what the next one is told.
            answer = self.request().await;
        }
        let report = self.gateway().ops("/readyz").await;
        let cell = Cell {
            answer,
            took,
            calls: calls - self.counted,
            ready: report.status.as_u16(),
            state: report.json(),
            snapshot: self.snapshot_age(),
            known: self.known.clone(),
        };
        self.counted = self.calls().await;
        cell
    }

    /// Asks at once again, and tells what that cost and how long it is to wait.
    pub async fn ask_again(&mut self) -> Held {
        let answer = self.request().await;
        self.settle().await;
        let calls = self.calls().await;
        let more = calls - std::mem::replace(&mut self.counted, calls);
        Held { calls: more, retry_after: answer.header("retry-after").to_owned() }
    }

    /// How old the snapshot is; `None` without one.
    fn snapshot_age(&self) -> Option<Duration> {
        let age = since_start(self.clock()).saturating_sub(self.read_at);
        (!self.read_at.is_zero()).then_some(age)
    }
}

/// What asking at once again gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub calls: u64,
    pub retry_after: String,
}

fn since_start(now: &Clock) -> Duration {
    now.wall().duration_since(clock().wall()).try_into().unwrap()
}

/// The members of an org's part of `/readyz` that tell of trouble.
pub fn errors_in(state: &Value) -> Vec<String> {
    let org = &state["orgs"][0];
    [&org["token"], &org["inventory"], &state["discovery"], &state["oidc"]]
        .iter()
        .filter_map(|part| part["last_error"].as_str().map(str::to_owned))
        .collect()
}
