//! What systemd is told of a unit of `Type=notify`: ready, alive, stopping. Nothing without one.
//!
//! Ready means that the gateway listens, not that `/readyz` says so: a start during an outage of
//! VMware Cloud succeeds, and systemd must not end it for that.

use std::{future::pending, time::Duration};

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::os_error::describe;

/// Reports until `stop`: that the gateway listens, that it is alive (twice in the unit's
/// `WatchdogSec`), and once `ending` is cancelled that it stops.
pub(crate) async fn run_reports(ending: CancellationToken, stop: CancellationToken) {
    let mut due = sd_notify::watchdog_enabled().map(every_half_of);
    report(&NotifyState::Ready);
    let mut is_ending = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = ending.cancelled(), if !is_ending => {
                is_ending = true;
                report(&NotifyState::Stopping);
            }
            () = tick(due.as_mut()) => report(&NotifyState::Watchdog),
        }
    }
}

fn every_half_of(limit: Duration) -> Interval {
    let mut due = interval((limit / 2).max(Duration::from_millis(1)));
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    due
}

async fn tick(due: Option<&mut Interval>) {
    match due {
        Some(due) => drop(due.tick().await),
        None => pending().await,
    }
}

/// One datagram to `NOTIFY_SOCKET`. systemd's own sockets are files; an abstract one (`@`) is an
/// error here.
fn report(state: &NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(std::slice::from_ref(state)) {
        tracing::warn!(%state, error = %describe(&error), "systemd could not be notified");
    }
}
