//! The assembly: from a checked configuration to a running gateway.

mod audit;
mod drop_in;
mod files;
mod inventory;
mod traces;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::FutureExt;
use prometheus_client::{collector::Collector, metrics::counter::Counter, registry::Registry};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use vmware_cloud::Observer;

use crate::{
    USER_AGENT,
    access::{
        ConfiguredCallers, Policy, Refusal, TrustedProxies, Verifiers,
        oidc::{self, Oidc},
    },
    api::{
        AnswerCache, Api, ApiState, Budget, Docs, EventDiffCache, HomePage, PreparedAnswers,
        ValueHistory, WatcherLimit,
    },
    clock::Clock,
    config::Config,
    csp::{Mint, SecretCell},
    drop_in::DropIn,
    in_flight::InFlight,
    inventory::InventoryMetrics,
    lifecycle::{Drain, Readiness, ShutdownReason, Signals, systemd},
    listener::{
        ConnectionBounds, Handler, Listener, ListenerContext,
        accept::listen_at,
        body::AnswerBody,
        edge::Edge,
        host::HostRule,
        io::Limits,
        ops,
        ops_runtime::OpsRuntime,
        record::Recorder,
        routes::{self, RouteMatcher},
        tls::{Tls, TlsFault},
    },
    os_error::{describe, in_words},
    reload::{Hangups, LoadedFile, Reloads},
    sharing::InvalidKeys,
    tasks::Tasks,
    telemetry::{AccessLog, AuditGuard, Metrics, ProcessCollector, TracedCloud, Tracer},
    upstream::{BuildError, CallBounds, Client, ConcurrencyLimit, ContentType, Retries, Upstream},
    vmc::Remote,
};

/// VMware Cloud Services: tokens.
pub const CSP: Upstream = Upstream {
    name: "csp",
    ca_setting: "vmc.ca_file",
    user_agent: USER_AGENT,
    accepts: ContentType::Json,
};
/// VMware Cloud on AWS: everything else of VMware's.
const VMC: Upstream = Upstream { name: "vmc", ..CSP };

/// Bytes of CSP's answer: a token is some KiB.
const MAX_TOKEN_BYTES: u64 = 1024 * 1024;
/// The ops port has few callers; idle connections above it make room for probes.
const OPS_CONNECTIONS: usize = 128;
/// Reasons for which others than a credential's judge refuse a caller.
const OTHER_DENIALS: [&str; 5] =
    ["missing_scope", "rate_limited", "too_many_bad_credentials", "cross_site", "host"];
/// For connections that are cut: dropping them takes no time, but the machine may be busy.
const CUT_PATIENCE: Duration = Duration::from_secs(1);

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The upstream client.
    #[error(transparent)]
    Client(#[from] BuildError),
    /// The keys that callers' tokens are verified with.
    #[error(transparent)]
    Oidc(#[from] oidc::StartError),
    /// The keys that sign access tokens.
    #[error("keys.file {0}")]
    Keys(#[from] InvalidKeys),
    /// The audit's file or thread.
    #[error("telemetry.audit cannot be written: {}", in_words(*.0))]
    Audit(io::ErrorKind),
    /// The ops port's thread.
    #[error("the thread of the ops port cannot be started: {}", in_words(*.0))]
    Ops(io::ErrorKind),
    /// TLS for callers.
    #[error(transparent)]
    Tls(#[from] TlsFault),
    /// A socket.
    #[error("{key}: the gateway cannot listen on {address}: {}", describe(error))]
    Bind {
        /// The configuration key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// The operating system's word.
        error: io::Error,
    },
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    api: Api,
    api_address: SocketAddr,
    ops_address: SocketAddr,
    readiness: Readiness,
    tasks: Tasks,
    close_api: CancellationToken,
    close_ops: CancellationToken,
    cutting: CancellationToken,
    cut: CancellationToken,
    connections: TaskTracker,
    settings: crate::listener::Settings,
    /// Writes what is queued when it is dropped: last, when nobody is left who records anything.
    _audit: Option<AuditGuard>,
}

/// The two upstreams of a configuration.
#[derive(Debug, Clone)]
pub struct Upstreams {
    /// Asks CSP for tokens.
    pub mint: Mint,
    /// Asks VMC.
    pub vmc: Remote,
    /// The client secret as it is now.
    pub secret: SecretCell,
}

impl Upstreams {
    /// Builds the clients. Connects to nothing.
    ///
    /// # Errors
    /// [`StartError`] when the CA file or the system's CAs cannot be used.
    pub fn new(
        config: &Config,
        clock: &Clock,
        observer: &(impl Observer + Clone + 'static),
    ) -> Result<Self, StartError> {
        let secret = SecretCell::new(config.csp.client_secret.clone());
        let bounds = CallBounds {
            connect_timeout: config.vmc.connect_timeout,
            timeout: config.vmc.timeout,
            max_body: config.vmc.max_body,
        };
        let client = |upstream, base, bounds| {
            let authorities = config.vmc.ca_file.as_ref().map(LoadedFile::content);
            let (proxies, clock) = (&config.proxies, clock.clone());
            Client::new(upstream, base, bounds, authorities, proxies, clock, observer.clone())
        };
        let token_bounds = CallBounds { max_body: MAX_TOKEN_BYTES, ..bounds };
        let csp = client(CSP, &config.csp.url, token_bounds)?;
        let mint = Mint::new(csp, &config.csp, secret.clone());
        let vmc = Remote {
            client: client(VMC, &config.vmc.url, bounds)?,
            base: config.vmc.url.clone(),
            retries: Retries::new(config.vmc.retries),
            concurrency: ConcurrencyLimit::new(config.vmc.max_in_flight),
        };
        Ok(Self { mint, vmc, secret })
    }
}

impl Gateway {
    /// Binds the sockets and starts everything. Minting and the first read begin at once, and
    /// nothing waits for them.
    ///
    /// # Errors
    /// [`StartError`], see there.
    pub async fn start(
        config: &Config,
        clock: Clock,
        access_log: AccessLog,
        log_lines_dropped: Counter,
    ) -> Result<Self, StartError> {
        let metrics = Metrics::new();
        let of_reads = drop_in::denials(config);
        metrics.start_access_denied(Refusal::reasons().chain(OTHER_DENIALS).chain(of_reads));
        let tasks = Tasks::new(metrics.clone());
        let tracer = traces::start(config, &clock, &metrics, &tasks)?;
        let observer = TracedCloud { metrics: metrics.clone(), tracer: tracer.clone() };
        let upstreams = Upstreams::new(config, &clock, &observer)?;
        let (audit, mut audit_guard) = audit::open(config, &metrics)?;
        let tls = config.api.tls.as_ref();
        let tls = tls.map(|tls| Tls::new(tls, &clock, audit.clone())).transpose()?;
        let api_socket = bind("api.listen", config.api.listen)?;
        let ops_socket = bind("ops.listen", config.ops.listen)?;
        let started = OpsRuntime::with("ops", ops_socket);
        let (ops_runtime, ops_socket) = started.map_err(|error| StartError::Ops(error.kind()))?;

        let (inventory, tokens, replicas) =
            inventory::start(config, &upstreams, &clock, &metrics, &tasks).await;
        let oidc = start_oidc(config, &clock, &metrics, &tasks)?;
        let keys = awaited_keys(config, oidc.as_ref());
        let readiness = Readiness::new(inventory.clone(), keys, audit.clone());
        let history = ValueHistory::observing(&inventory);
        let reloads = Reloads::default();
        let stop = || tasks.stop.clone();
        let authorities = tls.as_ref().and_then(Tls::authorities).cloned();
        let verifiers = Verifiers { oidc: oidc.clone(), authorities };
        let policy = Policy::new(&config.access, verifiers, clock.clone());
        let own_tokens = drop_in::tokens(config, &upstreams, &clock)?;
        // Without a file too: SIGHUP must not end the process.
        let mut files: Vec<_> = files::secret(config, &upstreams, &tokens).into_iter().collect();
        files.extend(files::own_keys(config, &upstreams, own_tokens.as_ref()));
        files.extend(files::callers(config, &policy));
        files.extend(oidc.as_ref().and_then(|oidc| files::keys(config, oidc)));
        let dates = files::dates(config, clock.wall());
        files.extend(files::tls(config, tls.as_ref(), &policy, &dates));
        files.extend(files::upstream_authorities(config, &upstreams, &tokens, &dates));
        let issuer = oidc.as_ref().and_then(|oidc| files::issuer_authorities(config, oidc, &dates));
        files.extend(issuer);
        tasks.spawn("reload", stop(), reloads.clone().run_reloader(files, &clock, stop()));
        let notices = files::run_restart_notices(config.clone(), Hangups::listen(), stop());
        tasks.spawn("restart notices", stop(), notices);

        audit::watch(audit_guard.as_mut(), &tasks);

        let state = ApiState {
            inventory: inventory.clone(),
            answers: AnswerCache::new(config.inventory.fresh, tasks.jobs.clone()),
            prepared: PreparedAnswers::default(),
            steps: EventDiffCache::default(),
            docs: Docs::new(config.api.public_path.clone(), config.api.contact.clone()),
            home: HomePage::new(config.api.public_path.clone(), config.api.page),
            watchers: WatcherLimit::new(config.api.max_watchers, metrics.clone()),
            history,
            budget: Arc::new(Budget::new(replicas.clone())),
            readiness: readiness.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
            audit: audit.clone(),
        };
        let (answers, steps) = (state.answers.clone(), state.steps.clone());
        let made_bytes = Arc::new(move || answers.bytes() + steps.bytes());
        let drop_in =
            own_tokens.map(|own| drop_in::surface(config, &upstreams, &state, &tasks, own));
        let edge = edge(config, state, drop_in, policy.clone(), (access_log, tracer));
        let figures = InventoryMetrics::new(inventory.clone(), tokens, clock.clone(), made_bytes);
        let mut collectors: Vec<Box<dyn Collector>> = vec![
            Box::new(figures),
            Box::new(readiness.clone()),
            Box::new(reloads.clone()),
            Box::new(dates),
            Box::new(policy),
            Box::new(ProcessCollector),
        ];
        collectors.extend(replicas.clone().map(|it| Box::new(it) as Box<dyn Collector>));
        let ops = ops::Ops {
            sources: sources(collectors, log_lines_dropped),
            inventory,
            readiness: readiness.clone(),
            audit,
            clock,
            reloads,
            oidc,
            replicas,
            metrics: metrics.clone(),
        };
        let gateway = Self {
            api: edge.api.clone(),
            api_address: local(&api_socket, config.api.listen),
            ops_address: local(&ops_socket, config.ops.listen),
            readiness,
            tasks,
            close_api: CancellationToken::new(),
            close_ops: CancellationToken::new(),
            cutting: edge.cutting.clone(),
            cut: CancellationToken::new(),
            connections: TaskTracker::new(),
            // Without the contents of TLS's files, which are in use already.
            settings: crate::listener::Settings { tls: None, ..config.api.clone() },
            _audit: audit_guard,
        };
        gateway.listen(edge, api_socket, tls, &metrics);
        gateway.listen_ops(ops, ops_socket, ops_runtime, &config.api.hosts, &metrics);
        gateway.report_to_systemd();
        Ok(gateway)
    }

    /// What answers behind the API's edge, for callers in the same process: without sockets, and without
    /// what the edge does for each request. The caller is the
    /// [`RequestIdentity`](crate::access::RequestIdentity) among the request's extensions; without one
    /// the facade answers 401.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Where the API listens: the port is known here even if it was 0.
    pub fn api_address(&self) -> SocketAddr {
        self.api_address
    }

    /// Where the ops port listens.
    pub fn ops_address(&self) -> SocketAddr {
        self.ops_address
    }

    /// Runs until a signal, or until a background task ends unasked; then drains. Tells why.
    pub async fn run(self, signals: &mut Signals) -> ShutdownReason {
        let reason = tokio::select! {
            reason = signals.next() => reason,
            () = self.tasks.failed() => ShutdownReason::TaskFailed,
        };
        let drain = Drain {
            readiness: self.readiness.clone(),
            close: self.close_api.clone(),
            cutting: self.cutting.clone(),
            hurry: self.tasks.hurry.clone(),
            connections: self.connections.clone(),
            delay: self.settings.drain_delay,
            limit: self.settings.drain,
        };
        drain.run(reason, signals).await;
        let hurry = self.tasks.hurry.clone();
        signals.hurrying(&hurry, self.stop()).await;
        reason
    }

    /// Ends at once: no drain. Connections are cut, and their requests leave their records; nothing
    /// is waited for but that and the background tasks.
    pub async fn stop(self) {
        self.close_api.cancel();
        self.close_ops.cancel();
        self.cut.cancel();
        self.connections.close();
        let _ = tokio::time::timeout(CUT_PATIENCE, self.connections.wait()).await;
        // The snapshot file is written once more.
        let patience = Duration::from_secs(5);
        let _ = tokio::time::timeout(patience, self.tasks.end()).await;
    }

    fn report_to_systemd(&self) {
        let stop = self.tasks.stop.clone();
        let reports = systemd::run_reports(self.readiness.token(), stop.clone());
        self.tasks.spawn("systemd", stop, reports);
    }

    fn listen(&self, edge: Edge, socket: TcpListener, tls: Option<Tls>, metrics: &Metrics) {
        let edge = Arc::new(edge);
        let handler: Handler = Arc::new(move |request, peer, connection| {
            edge.answer(request, peer, connection.begin())
        });
        let context = ListenerContext {
            handler,
            limits: Limits::from(&self.settings),
            tls,
            ending: self.readiness.token(),
            close: self.close_api.clone(),
            connections: self.connections.clone(),
            metrics: metrics.clone(),
        };
        let bounds = ConnectionBounds {
            listener: "api",
            total: self.settings.max_connections,
            per_client: self.settings.max_connections_per_client,
        };
        let (cut, context) = (self.cut.clone(), Arc::new(context));
        let listener = Listener { socket, bounds, cut, context };
        self.tasks.spawn("api", self.close_api.clone(), listener.serve());
    }

    fn listen_ops(
        &self,
        ops: ops::Ops,
        socket: TcpListener,
        ops_runtime: OpsRuntime,
        hosts: &[String],
        metrics: &Metrics,
    ) {
        let host = Arc::new(HostRule::for_ops(self.ops_address.ip(), hosts));
        let router = ops::router(ops);
        let handler: Handler = Arc::new(move |request, _peer, connection| {
            let (router, host) = (router.clone(), host.clone());
            async move {
                let guard = connection.begin();
                let response = ops::answer(router, &host, request).await;
                response.map(|body| AnswerBody::new(body, guard))
            }
            .boxed()
            .right_future()
        });
        let context = ListenerContext {
            handler,
            limits: Limits::from(&self.settings),
            tls: None,
            ending: self.close_ops.clone(),
            close: self.close_ops.clone(),
            connections: TaskTracker::new(),
            metrics: metrics.clone(),
        };
        let bounds = ConnectionBounds { listener: "ops", total: OPS_CONNECTIONS, per_client: None };
        let (cut, context) = (self.cut.clone(), Arc::new(context));
        let listener = Listener { socket, bounds, cut, context };
        let serve = async move { ops_runtime.run(listener.serve()).await };
        self.tasks.spawn("ops", self.close_ops.clone(), serve);
    }
}

/// Who verifies callers' tokens, if any are taken. Its keys are fetched in the background.
fn start_oidc(
    config: &Config,
    clock: &Clock,
    metrics: &Metrics,
    tasks: &Tasks,
) -> Result<Option<Oidc>, StartError> {
    let settings = config.access.callers().and_then(|configured| configured.oidc.as_ref());
    let Some(settings) = settings else { return Ok(None) };
    let jobs = tasks.jobs.clone();
    let (settings, clock) = (settings.clone(), clock.clone());
    let oidc = Oidc::new(settings, &config.proxies, clock, metrics.clone(), jobs)?;
    let stop = || tasks.stop.clone();
    tasks.spawn("oidc", stop(), oidc.clone().run_fetcher(stop()));
    Ok(Some(oidc))
}

/// The keys without which no caller can be authenticated, if that is so.
fn awaited_keys(config: &Config, oidc: Option<&Oidc>) -> Option<Oidc> {
    let tokens_only = config.access.callers().is_some_and(ConfiguredCallers::is_tokens_only);
    oidc.filter(|_| tokens_only).cloned()
}

/// What is read at each scrape.
fn sources(collectors: Vec<Box<dyn Collector>>, log_lines_dropped: Counter) -> Arc<Registry> {
    let mut sources = Registry::default();
    for collector in collectors {
        sources.register_collector(collector);
    }
    sources.register(
        "sddc_gateway_log_lines_dropped",
        "Log lines lost because standard error was slow or not writable",
        log_lines_dropped,
    );
    Arc::new(sources)
}

/// The API listener's edge, with the routes behind it.
fn edge(
    config: &Config,
    state: ApiState,
    drop_in: Option<DropIn>,
    policy: Policy,
    (access_log, tracer): (AccessLog, Tracer),
) -> Edge {
    let (readiness, audit) = (state.readiness.clone(), state.audit.clone());
    let (clock, metrics) = (state.clock.clone(), state.metrics.clone());
    for route in routes::labelled(config.drop_in.enabled) {
        metrics.expect_route(route.template, route.may_wait());
    }
    Edge {
        api: Api::new(state),
        drop_in,
        routes: RouteMatcher::new(config.drop_in.enabled),
        host: HostRule::new(config.api.listen.ip(), policy.is_open(), &config.api.hosts),
        policy,
        proxies: TrustedProxies::new(config.api.trusted_proxies.clone()),
        public_path: config.api.public_path.clone(),
        contact: config.api.contact.clone(),
        readiness,
        cutting: CancellationToken::new(),
        waiting: Semaphore::new(config.api.max_in_flight),
        in_flight: InFlight::new(config.api.max_in_flight, &metrics),
        request_timeout: config.api.request_timeout,
        body_timeout: config.api.header_timeout,
        recorder: Recorder::new(audit, access_log, tracer, metrics, clock),
    }
}

fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    listen_at(address).map_err(|error| StartError::Bind { key, address, error })
}

fn local(socket: &TcpListener, asked: SocketAddr) -> SocketAddr {
    socket.local_addr().unwrap_or(asked)
}
