//! An hour of fifty callers a second, in seconds: what it costs upstream.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use sddc_gateway::{
    access::{CallerKey, CallerSettings},
    config::Config,
    gateway::Gateway,
    simulator::Options,
    telemetry::{AccessLog, Format},
};
use support::{
    cloud::{Cloud, clock},
    hour,
};

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
    let cloud = Cloud::start(&clock(), Options::default()).await;
    let any = "127.0.0.1:0".parse().expect("an address");
    let mut config = Config::for_demo(any, any, cloud.address);
    let key = CallerKey::generate().expect("random bytes");
    let name = "bench".parse().expect("a name");
    config.access = vec![CallerSettings::with_key(name, key.digest())].into();
    config.inventory.poll = Duration::from_secs(30);
    let log = AccessLog::new(Format::Json, |_| {});
    let start = Gateway::start(&config, cloud.clock.clone(), log, Counter::default());
    let gateway = start.await.expect("it starts");
    let api = gateway.api_address();
    let seen = hour::poll(api, key.reveal(), &cloud.clock, SECONDS, CALLERS).await;
    gateway.stop().await;
    let stats = cloud.simulator.stats();
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
