//! `demo`: the gateway and a simulator of VMware Cloud in one process.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use clap::Args;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{block_on, fail, harden, reachable, say, serve::exit};
use crate::{
    clock::Clock,
    config::Config,
    csp::{ClientId, ClientSecret},
    gateway::Gateway,
    lifecycle::Signals,
    simulator::{self, Simulator},
    telemetry,
};

/// SDDCs change at this pace.
const STEP: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Where callers connect
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where probes and metrics are
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9090")]
    ops_listen: SocketAddr,
    /// How many SDDCs VMware Cloud has
    #[arg(long, value_name = "N", default_value_t = 4)]
    sddcs: usize,
}

pub(super) fn run(options: &DemoArgs) -> Result<(), ExitCode> {
    block_on(demo(options))
}

async fn demo(options: &DemoArgs) -> Result<(), ExitCode> {
    let socket = TcpListener::bind("127.0.0.1:0").await.map_err(|error| fail(&error))?;
    let address = socket.local_addr().map_err(|error| fail(&error))?;
    let play = simulator::Options { sddcs: options.sddcs, ..simulator::Options::default() };
    let mut config = config(options, address, &play.client_id);
    let cloud = Simulator::new(play);

    let (access_log, guard) = telemetry::start(&config.telemetry);
    let mut signals = Signals::listen().map_err(|error| fail(&error))?;
    harden::files(&mut config);
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    tasks.spawn(cloud.clone().serve(socket, stop.clone()));
    tasks.spawn(change(cloud, stop.clone()));
    let lines = guard.lost();
    let lost = move || lines.count();
    let gateway = Gateway::start(&config, Clock::system(), access_log, lost)
        .await
        .map_err(|error| fail(&error))?;
    welcome(gateway.api_address(), gateway.ops_address(), address);
    let reason = gateway.run(&mut signals).await;
    stop.cancel();
    drop(guard);
    exit(reason)
}

fn config(options: &DemoArgs, upstream: SocketAddr, client_id: &str) -> Config {
    let url = format!("http://{upstream}").parse().expect("an address makes a URL");
    let id: ClientId = client_id.parse().expect("the simulator's default id is a good one");
    let secret = ClientSecret::from_text("demo-secret").expect("it is not empty");
    let mut config = Config::for_demo(options.listen, options.ops_listen, url, id, secret);
    // Nobody's load balancer has to learn that a demo ends.
    config.api.drain_delay = Duration::ZERO;
    config
}

async fn change(cloud: Simulator, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(STEP)).await.is_some() {
        cloud.step();
    }
}

fn welcome(api: SocketAddr, ops: SocketAddr, upstream: SocketAddr) {
    let (api, ops) = (reachable(api), reachable(ops));
    say(format_args!(
        "\
sddc-gateway demo: the gateway in front of a simulated VMware Cloud (http://{upstream}).
It needs no credentials and no key. Its SDDCs change, come and go now and then. Ctrl-C ends it.

  SDDCs    http://{api}/sddcs
  docs     http://{api}/docs
  state    http://{ops}/readyz
  metrics  http://{ops}/metrics

Paste one of these:

  curl http://{api}/sddcs
  curl -i 'http://{api}/sddcs?state=READY&fields=id,name,state'
  curl -N http://{api}/sddcs/events
"
    ));
}
