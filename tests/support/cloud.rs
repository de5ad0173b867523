//! VMware Cloud as the simulator plays it, on a socket of its own.

use std::{net::SocketAddr, sync::Arc};

use base::clock::Clock;
use sddc_simulator::{Options, Simulator};
use tokio::net::TcpListener;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

/// Ends with the value.
pub struct Cloud {
    pub simulator: Simulator,
    pub address: SocketAddr,
    pub clock: Clock,
    _stop: DropGuard,
}

/// One that stands still until a test moves it.
pub fn clock() -> Clock {
    Clock::manual("2026-11-22T10:00:00Z".parse().unwrap())
}

impl Cloud {
    /// Starts one whose tokens end by `clock`.
    pub async fn start(clock: &Clock, options: Options) -> Self {
        let wall = clock.clone();
        let simulator = Simulator::with_clock(options, Arc::new(move || wall.wall()));
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let stop = CancellationToken::new();
        TaskTracker::new().spawn(simulator.clone().serve(socket, stop.clone()));
        Self { simulator, address, clock: clock.clone(), _stop: stop.drop_guard() }
    }

    pub fn mints(&self) -> u64 {
        self.simulator.stats().mints
    }

    pub fn mint_attempts(&self) -> u64 {
        self.simulator.stats().mint_attempts
    }

    pub fn sddc_reads(&self) -> u64 {
        let stats = self.simulator.stats();
        stats.sddc_list_reads
    }
}
