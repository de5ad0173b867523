//! One simulator, one gateway in front of it, and callers.

use std::{
    fmt,
    io::{self, Write},
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, Once},
    time::Duration,
};

use http::{Method, StatusCode};
use prometheus_client::metrics::counter::Counter;
use sddc_gateway::{
    access::{self, CallerKey, CallerSettings, ConfiguredCallers, Scope},
    clock::Clock,
    config::Config,
    csp::ClientSecret,
    gateway::{Gateway, StartError},
    reload::LoadedFile,
    simulator,
    telemetry::{AccessLog, Format},
};
use serde_json::Value;
pub use support::{
    BETWEEN_LOOKS, DEADLINE,
    cloud::{Cloud, clock},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Layer, filter::Targets, fmt::MakeWriter, layer::SubscriberExt};

/// A gateway as a test sets it up.
pub struct Setup {
    pub config: Config,
    clock: Clock,
    key: Option<CallerKey>,
}

/// A running gateway with one caller, who has a key.
pub struct TestGateway {
    gateway: Option<Gateway>,
    pub api: SocketAddr,
    pub ops: SocketAddr,
    pub clock: Clock,
    pub log: Captured,
    key: Option<CallerKey>,
    http: reqwest::Client,
}

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub body: Vec<u8>,
}

impl Setup {
    /// The defaults in front of `cloud`, on demand (no poller), on a clock of the test's.
    pub fn on_demand(cloud: &Cloud) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let mut config = Config::for_demo(any, any, cloud.address);
        let key = CallerKey::generate().unwrap();
        let tester = CallerSettings::with_key("tester".parse().unwrap(), key.digest());
        config.access = vec![tester].into();
        config.inventory.poll = Duration::ZERO;
        config.api.drain_delay = Duration::ZERO;
        // Each test counts the calls that it causes; what retries are for has tests of its own.
        config.vmc.retries = 0;
        Self { config, clock: cloud.clock.clone(), key: Some(key) }
    }

    /// With the background poller, every 30 s.
    pub fn polling(cloud: &Cloud) -> Self {
        let mut setup = Self::on_demand(cloud);
        setup.config.inventory.poll = Duration::from_secs(30);
        setup
    }

    /// Changes the configuration.
    pub fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Serves the cloud's orgs by name, each with its own token; nothing is discovered.
    pub fn with_configured_orgs(self, cloud: &Cloud) -> Self {
        let orgs = cloud.simulator.org_ids();
        self.with(|config| config.vmc.orgs = orgs.iter().map(|org| org.parse().unwrap()).collect())
    }

    /// Lets another caller in, and gives the key.
    pub fn with_caller(mut self, name: &str, scopes: &[Scope]) -> (Self, CallerKey) {
        let key = CallerKey::generate().unwrap();
        let caller = CallerSettings {
            scopes: scopes.to_vec(),
            ..CallerSettings::with_key(name.parse().unwrap(), key.digest())
        };
        configured_callers(&mut self.config).callers.push(caller);
        (self, key)
    }

    /// Changes the caller who asks with [`TestGateway::get`].
    pub fn with_tester(self, change: impl FnOnce(&mut CallerSettings)) -> Self {
        self.with(|config| change(&mut configured_callers(config).callers[0]))
    }

    /// Everyone is let in.
    pub fn open(mut self) -> Self {
        self.config.access = access::Settings::Open;
        self.key = None;
        self
    }

    pub fn with_secret(self, secret: &str) -> Self {
        let secret = ClientSecret::from_text(secret).unwrap();
        self.with(|config| config.csp.client_secret = secret)
    }

    /// The secret comes from a file, as it is now and will be.
    pub fn with_secret_file(self, path: &Path) -> Self {
        let file = LoadedFile::read(path).unwrap();
        let secret = ClientSecret::from_bytes(file.content()).unwrap();
        self.with(|config| (config.csp.client_secret, config.secret_file) = (secret, Some(file)))
    }

    pub async fn start(self) -> TestGateway {
        self.try_start().await.unwrap()
    }

    pub async fn try_start(self) -> Result<TestGateway, StartError> {
        let log = Captured::start();
        let writer = log.clone();
        let access_log =
            AccessLog::new(Format::Json, move |line| writer.clone().write_all(line).unwrap());
        let gateway =
            Gateway::start(&self.config, self.clock.clone(), access_log, Counter::default())
                .await?;
        Ok(TestGateway {
            api: gateway.api_address(),
            ops: gateway.ops_address(),
            gateway: Some(gateway),
            clock: self.clock,
            log,
            key: self.key,
            http: support::http::client()
                // What is sent and what comes is the test's to see.
                .no_gzip()
                .redirect(reqwest::redirect::Policy::none())
                .pool_max_idle_per_host(200)
                .build()
                .unwrap(),
        })
    }
}

impl TestGateway {
    /// Asks with the caller's key.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[]).await
    }

    /// Asks with the caller's key and more headers.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.http.request(method, format!("http://{}{path}", self.api));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.reveal());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = Answer::of(request).await;
        answer.holds_what_every_answer_holds();
        answer
    }

    /// Asks without a key, but with these headers.
    pub async fn send_bare(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.http.request(method, format!("http://{}{path}", self.api));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = Answer::of(request).await;
        answer.holds_what_every_answer_holds();
        answer
    }

    /// The text of the caller's key.
    pub fn key(&self) -> &str {
        self.key.as_ref().expect("a caller with a key").reveal()
    }

    /// Sends bytes that no client library would, and reads until the gateway closes.
    pub async fn raw(&self, request: &str) -> String {
        let exchange = async {
            let mut stream = TcpStream::connect(self.api).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            String::from_utf8_lossy(&answer).into_owned()
        };
        tokio::time::timeout(DEADLINE, exchange).await.expect("an answer in time")
    }

    /// Asks the ops port.
    pub async fn ops(&self, path: &str) -> Answer {
        Answer::of(self.http.get(format!("http://{}{path}", self.ops))).await
    }

    /// The state of the first org in `/readyz`.
    pub async fn state(&self) -> Value {
        self.ops("/readyz").await.json()["orgs"][0].clone()
    }

    /// The value of a metric's only series whose labels hold `labels`.
    pub async fn metric(&self, name: &str, labels: &str) -> f64 {
        let page = self.ops("/metrics").await.text();
        page.lines()
            .filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(labels))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Moves the gateway's clock, and the simulator's with it.
    pub fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Waits until a condition holds that something in the background brings about.
    pub async fn until(&self, what: &str, mut holds: impl AsyncFnMut(&Self) -> bool) {
        let wait = async {
            let mut looks = tokio::time::interval(BETWEEN_LOOKS);
            while !holds(self).await {
                looks.tick().await;
            }
        };
        tokio::time::timeout(DEADLINE, wait)
            .await
            .unwrap_or_else(|_| panic!("never came: {what}\n{}", self.log.text()));
    }

    /// Ends the gateway and gives its log.
    pub async fn stop(mut self) -> String {
        if let Some(gateway) = self.gateway.take() {
            gateway.stop().await;
        }
        self.log.text()
    }
}

impl Answer {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let sent = async {
            let response = request.send().await.unwrap();
            let (status, headers) = (response.status(), response.headers().clone());
            Self { status, headers, body: response.bytes().await.unwrap().to_vec() }
        };
        tokio::time::timeout(DEADLINE * 2, sent).await.expect("an answer in time")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The problem's code, or the status where there is none.
    pub fn code(&self) -> String {
        if self.header("content-type") == "application/problem+json" {
            self.json()["code"].as_str().unwrap().to_owned()
        } else {
            self.status.as_u16().to_string()
        }
    }

    /// Status and problem code.
    pub fn told(&self) -> (u16, String) {
        (self.status.as_u16(), self.code())
    }

    /// How the cache served it: `Cache-Status` after the gateway's name.
    pub fn served(&self) -> &str {
        self.header("cache-status").strip_prefix("sddc-gateway; ").unwrap_or_default()
    }

    /// The names of the listed items.
    pub fn names(&self) -> Vec<String> {
        let items = self.json()["items"].as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item["name"].as_str().unwrap_or("null").to_owned()).collect()
    }

    #[track_caller]
    fn holds_what_every_answer_holds(&self) {
        assert!(!self.header("x-request-id").is_empty(), "{self:?}");
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        assert!(self.header("content-security-policy").contains("default-src 'none'"));
        assert!(!self.text().contains("CANARY"), "a secret is in {}", self.text());
        for (name, _) in &self.headers {
            assert!(ALLOWED_HEADERS.contains(&name.as_str()), "unexpected header {name}");
        }
        if self.status.is_client_error() || self.status.is_server_error() {
            assert_eq!(self.header("cache-control"), "no-store", "{self:?}");
            if !self.body.is_empty() {
                let problem = self.json();
                assert_eq!(self.header("content-type"), "application/problem+json");
                assert_eq!(problem["status"], self.status.as_u16());
                assert_eq!(problem["request_id"], self.header("x-request-id"));
                let code = problem["code"].as_str().unwrap();
                let kind = problem["type"].as_str().unwrap();
                assert!(kind.ends_with(&format!("/problems/{code}")), "{kind}");
            }
        }
    }
}

const ALLOWED_HEADERS: &[&str] = &[
    "age",
    "allow",
    "cache-control",
    "cache-status",
    "connection",
    "content-encoding",
    "content-length",
    "content-security-policy",
    "content-type",
    "date",
    "etag",
    "link",
    "location",
    "retry-after",
    "transfer-encoding",
    "vary",
    "www-authenticate",
    "x-content-type-options",
    "x-accel-buffering",
    "x-request-id",
    "ratelimit",
    "ratelimit-policy",
];

/// Log lines of the process, and access lines of one gateway.
#[derive(Clone, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

/// Events of all gateways in the process: which one logged an event is not known.
static EVENTS: Mutex<Vec<u8>> = Mutex::new(Vec::new());

impl Captured {
    fn start() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            // h2 writes a dozen lines for each frame: a flood of frames would take minutes.
            let filter = Targets::new()
                .with_default(LevelFilter::TRACE)
                .with_target("h2", LevelFilter::INFO);
            let lines = tracing_subscriber::fmt::layer().json().with_writer(Events);
            let lines = tracing_subscriber::registry().with(lines.with_filter(filter));
            tracing::subscriber::set_global_default(lines).unwrap();
        });
        Self::default()
    }

    /// The access lines.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    /// Every event so far, at `trace`, of the whole process.
    pub fn events() -> String {
        String::from_utf8_lossy(&EVENTS.lock().unwrap()).into_owned()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Captured")
    }
}

struct Events;

impl<'a> MakeWriter<'a> for Events {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl Write for Events {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        EVENTS.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The callers that are let in, of a setup that is not open.
pub fn configured_callers(config: &mut Config) -> &mut ConfiguredCallers {
    match &mut config.access {
        access::Settings::Callers(configured) => configured,
        access::Settings::Open => panic!("everyone is let in"),
    }
}

/// A cloud with the simulator's defaults, and a clock that both sides go by.
pub async fn cloud() -> Cloud {
    Cloud::start(&clock(), simulator::Options::default()).await
}

/// A cloud of several organizations, three SDDCs each.
pub async fn cloud_of(orgs: usize) -> Cloud {
    let options = simulator::Options { orgs, sddcs: orgs * 3, ..simulator::Options::default() };
    Cloud::start(&clock(), options).await
}

/// A cloud whose tokens live for so long.
pub async fn cloud_with_ttl(seconds: u64) -> Cloud {
    let token_ttl = Duration::from_secs(seconds);
    Cloud::start(&clock(), simulator::Options { token_ttl, ..simulator::Options::default() }).await
}
