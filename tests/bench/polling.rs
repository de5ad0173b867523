//! An hour of fifty callers a second, in seconds: what it costs upstream.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use sddc_gateway::{
    access::{CallerKey, CallerSettings, ConfiguredCallers, Settings},
    clock::Clock,
    config::Config,
    csp::ClientSecret,
    gateway::Gateway,
    simulator::{Options, Simulator},
    telemetry::{AccessLog, Format},
};
use support::hour;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::server;

const CALLERS: usize = 50;
const SECONDS: u64 = 3600;

/// Runs it and says what came of it.
pub fn hour() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let begun = server::now();
    let line = runtime.expect("a runtime").block_on(run());
    println!("{line}, in {:.0} s\n", begun.elapsed().as_secs_f64());
}

async fn run() -> String {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let wall = clock.clone();
    let simulator =
        Simulator::with_clock(Options::default(), std::sync::Arc::new(move || wall.wall()));
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}", socket.local_addr().expect("it is bound"));
    let stop = CancellationToken::new();
    TaskTracker::new().spawn(simulator.clone().serve(socket, stop.clone()));

    let any = "127.0.0.1:0".parse().expect("an address");
    let secret = ClientSecret::from_text("demo-secret").expect("a secret");
    let (url, id) = (url.parse().expect("a URL"), "demo-app".parse().expect("an id"));
    let mut config = Config::for_demo(any, any, url, id, secret);
    let key = CallerKey::generate().expect("random bytes");
    let name = "bench".parse().expect("a name");
    let caller = CallerSettings { key_sha256: vec![key.digest()], ..CallerSettings::new(name) };
    config.access = Settings::Callers(ConfiguredCallers {
        callers: vec![caller],
        ..ConfiguredCallers::default()
    });
    config.inventory.poll = Duration::from_secs(30);
    let log = AccessLog::new(Format::Json, |_| {});
    let gateway =
        Gateway::start(&config, clock.clone(), log, Counter::default()).await.expect("it starts");
    let api = gateway.api_address();
    let seen = hour::poll(api, key.reveal(), &clock, SECONDS, CALLERS).await;
    gateway.stop().await;
    stop.cancel();
    let stats = simulator.stats();
    format!(
        "an hour of {CALLERS} callers a second: {} answers, {} failures, {} stale, the oldest {} s; \
         upstream {} mints, {} reads of the orgs, {} of the SDDCs",
        seen.answers,
        seen.failures,
        seen.stale,
        seen.oldest_s,
        stats.mints,
        stats.org_list_reads,
        stats.sddc_list_reads,
    )
}
