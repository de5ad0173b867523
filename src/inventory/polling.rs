//! When a resource is read in the background.

use std::time::Duration;

use super::{cached::CachedResource, context::InventoryContext, shared_state::SharedContent};
use crate::{
    clock::Instant,
    vmc::{Endpoint, Reader},
};

/// The least wait after a failure: a circuit that is half-open just now must not make a busy loop.
pub(super) const MIN_PAUSE: Duration = Duration::from_millis(250);

/// Where nothing is polled, watchers cause at most one read in this time.
const MIN_WATCHED: Duration = Duration::from_secs(1);

/// What is to be done with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PollDue {
    /// It is to be read.
    Read,
    /// What another replica has published is to be taken over.
    CatchUp,
}

/// Returns when a resource is to be read next, or another replica has; so much later while reads fail, but at once with a new
/// token: it may have mended what they fail for, as when the client secret was changed.
pub(super) async fn poll_is_due<T: SharedContent>(
    cached: &CachedResource<T>,
    reader: &Reader,
    endpoint: Endpoint<'_>,
    context: &InventoryContext,
    later: Duration,
) -> PollDue {
    // From before the look at how reads fail, so that no token is missed.
    let mut minted = reader.tokens().minted();
    let is_failing = cached.last_error().is_some();
    let is_certain = cached.confirm_at().is_none();
    let due = next_poll(cached, reader, endpoint, context);
    let due = if is_failing { due + later } else { due };
    tokio::select! {
        () = context.clock.sleep_until(due) => PollDue::Read,
        Ok(()) = minted.changed(), if is_failing => PollDue::Read,
        // A request has read something that has to be confirmed.
        () = cached.doubted(), if is_certain => PollDue::Read,
        () = cached.fallen_behind() => PollDue::CatchUp,
    }
}

/// When a resource is read next: a poll interval after the last good reading, or as soon as what
/// holds it back lets it.
fn next_poll<T: SharedContent>(
    cached: &CachedResource<T>,
    reader: &Reader,
    endpoint: Endpoint<'_>,
    context: &InventoryContext,
) -> Instant {
    let (now, settings, state) = (context.clock.now(), &context.settings, cached.state());
    // Watchers of what is not polled want it as fresh as it is called.
    let is_polled = !settings.poll.is_zero();
    let poll = if is_polled { settings.poll } else { settings.fresh.max(MIN_WATCHED) };
    if state.last_error.is_some() {
        return reader.held_until(endpoint).unwrap_or(now + poll).max(now + MIN_PAUSE);
    }
    // Up to a tenth earlier, so that replicas do not read in step; where they share, up to a tenth
    // later for all but the one that has read last: it reads again as long as it is there.
    let jitter = if state.is_adopted { 1.0..=1.1 } else { 0.9..=1.0 };
    let pause = poll.mul_f64(rand::random_range(jitter));
    if let (Some(at), Some(last)) = (state.confirm_at(), state.last_attempt) {
        return if is_polled { at.max(last + pause) } else { at };
    }
    match (&state.reading, state.last_attempt) {
        (Some(reading), _) => reading.begun + pause,
        (None, None) => now,
        // A try that left neither a reading nor an error has panicked.
        (None, Some(_)) => now + MIN_PAUSE,
    }
}
