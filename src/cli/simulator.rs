//! `simulator`: only the simulated CSP and VMC.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use clap::Args;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{block_on, fail, reachable, say};
use crate::{
    lifecycle::Signals,
    os_error::describe,
    simulator::{self, Simulator},
};

const DEFAULT_SECRET: &str = "demo-secret";

#[derive(Args)]
pub(super) struct SimulatorArgs {
    /// Where both services listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Organizations
    #[arg(long, value_name = "N", default_value_t = 1)]
    orgs: usize,
    /// SDDCs of all organizations together
    #[arg(long, value_name = "N", default_value_t = 4)]
    sddcs: usize,
    /// Equal seeds give equal data
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Life of a token in seconds
    #[arg(long, value_name = "S", default_value_t = 1800, value_parser = clap::value_parser!(u64).range(1..))]
    token_ttl: u64,
    /// Id of the OAuth app that it knows
    #[arg(long, value_name = "ID", default_value = "demo-app")]
    client_id: String,
    /// Its secret
    #[arg(long, value_name = "SECRET", default_value = DEFAULT_SECRET)]
    client_secret: String,
}

impl std::fmt::Debug for SimulatorArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("listen", &self.listen).finish_non_exhaustive()
    }
}

pub(super) fn run(options: SimulatorArgs) -> Result<(), ExitCode> {
    block_on(simulate(options))
}

async fn simulate(options: SimulatorArgs) -> Result<(), ExitCode> {
    let socket = TcpListener::bind(options.listen).await.map_err(|error| {
        fail(&format_args!(
            "the simulator cannot listen on {}: {}",
            options.listen,
            describe(&error)
        ))
    })?;
    let address = reachable(socket.local_addr().map_err(|error| fail(&error))?);
    let mut signals = Signals::listen().map_err(|error| fail(&error))?;
    let client_id = options.client_id.clone();
    // Who gave a secret knows it, and may have it from elsewhere.
    let secret =
        if options.client_secret == DEFAULT_SECRET { DEFAULT_SECRET } else { "<as given>" };
    let cloud = Simulator::new(simulator::Options {
        orgs: options.orgs,
        sddcs: options.sddcs,
        seed: options.seed,
        token_ttl: Duration::from_secs(options.token_ttl),
        client_id: options.client_id,
        client_secret: options.client_secret.into(),
    });
    say(format_args!(
        "\
Simulated CSP and VMC at http://{address}
Point a gateway at it:

  SDDC_GATEWAY_CSP__URL=http://{address}
  SDDC_GATEWAY_VMC__URL=http://{address}
  SDDC_GATEWAY_CSP__CLIENT_ID={client_id}
  SDDC_GATEWAY_CSP__CLIENT_SECRET={secret}

Organizations: {}
The controls (faults, changes, counts): curl http://{address}/__
",
        cloud.org_ids().join(", ")
    ));
    let stop = CancellationToken::new();
    let (served, ()) = tokio::join!(cloud.serve(socket, stop.clone()), async {
        signals.next().await;
        stop.cancel();
    });
    served.map_err(|error| fail(&error))
}
