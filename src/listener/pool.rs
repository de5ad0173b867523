//! The open connections of a listener, and which of them makes room for a new one.
//!
//! At its bound a listener closes the connection that has been idle longest, which HTTP allows at any
//! time (RFC 9112 section 9.5): a client that asks nothing keeps no other out. A connection is idle
//! without a request in flight, also before its first head is whole. Accepting pauses only
//! while none is idle.
//!
//! The order by idle time is brought up to date only when room is wanted. A request costs no lock:
//! a connection whose place in the order has become wrong is put right when its turn comes, and one
//! that is busy then is taken out of the order and comes back by itself when it is idle again.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use super::state::{ConnectionState, IdleEntry, IdleOrder, micros_since, now};
use crate::telemetry::{EventSpell, Metrics};

/// How long a connection may be idle without being closed for another: time for the first head of a
/// client that has just connected, and for the next request of one that has just been answered.
const MIN_IDLE: Duration = Duration::from_millis(20);
/// How long a new connection waits for one that was told to close, until the next is told.
const CLOSING_PATIENCE: Duration = Duration::from_millis(20);
/// One connection of so many is closed at once where room is wanted: one at a time would let a flood
/// of half heads fill the queue of connections that wait to be accepted.
const ROOM_AHEAD: usize = 256;

/// Reasons of `connection_errors_total`.
const IDLE_EVICTED: &str = "idle_evicted";
const CLIENT_LIMIT: &str = "client_limit";

/// The open connections of one listener. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ConnectionPool(Arc<PoolShared>);

/// The bounds of a pool.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionBounds {
    /// Name of the listener, for metrics and log lines: `api` or `ops`.
    pub listener: &'static str,
    /// Connections open at once.
    pub total: usize,
    /// Connections open at once from one address; `None`: any number.
    pub per_client: Option<usize>,
}

#[derive(Debug)]
struct PoolShared {
    bounds: ConnectionBounds,
    began: Instant,
    state: Mutex<PoolState>,
    /// Accepting waits for room: a connection that ends, or is idle again, signals it.
    wanted: AtomicBool,
    room: Notify,
    gauge: Gauge,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct PoolState {
    last_id: u64,
    open: HashMap<u64, PooledConnection>,
    by_idle: IdleSet,
    /// Kept only where connections are bounded per client.
    clients: HashMap<IpAddr, ClientConnections>,
    evictions: EventSpell,
    pauses: EventSpell,
    refusals: EventSpell,
}

#[derive(Debug)]
struct PooledConnection {
    connection: Arc<ConnectionState>,
    client: IpAddr,
    /// Where it stands in the order of all, and in its client's: since when it was idle when it was
    /// put there.
    listed: [Option<u64>; 2],
}

/// Connections by the time since when they have been idle, as it was last looked at.
type IdleSet = BTreeSet<(u64, u64)>;

const OF_ALL: usize = 0;
const OF_CLIENT: usize = 1;

#[derive(Debug, Default)]
struct ClientConnections {
    open: usize,
    by_idle: IdleSet,
}

/// Which connection makes room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EvictionCandidate {
    /// The longest idle one.
    Idle(u64),
    /// One is idle, but has not been for [`MIN_IDLE`]: for so long it is left alone.
    Soon(Duration),
    /// All have requests in flight.
    None,
}

/// The place of an open connection. Dropping it makes room.
#[derive(Debug)]
pub(super) struct ConnectionGuard {
    pool: ConnectionPool,
    id: u64,
}

impl ConnectionPool {
    /// None is open yet.
    pub fn new(bounds: ConnectionBounds, metrics: Metrics) -> Self {
        Self(Arc::new(PoolShared {
            bounds,
            began: now(),
            state: Mutex::default(),
            wanted: AtomicBool::new(false),
            room: Notify::new(),
            gauge: metrics.connections(bounds.listener),
            metrics,
        }))
    }

    /// Takes a place for a new connection of `client`, and waits until there is one. `None`: this
    /// client has as many as it may, all with requests in flight.
    pub(super) async fn admit(
        &self,
        client: IpAddr,
    ) -> Option<(ConnectionGuard, Arc<ConnectionState>)> {
        let closing = self.admit_client(client)?;
        self.make_room(closing).await;
        Some(self.enter(client))
    }

    /// Whether there is room without closing another.
    pub(super) fn has_room(&self) -> bool {
        self.0.state.lock().open.len() < self.0.bounds.total
    }

    /// Takes a place, whether there is room or not.
    pub(super) fn enter(&self, client: IpAddr) -> (ConnectionGuard, Arc<ConnectionState>) {
        let mut state = self.0.state.lock();
        state.last_id += 1;
        let id = state.last_id;
        let pool: Weak<PoolShared> = Arc::downgrade(&self.0);
        let entry = IdleEntry::new(pool, id, self.0.began);
        let since = entry.idle_since();
        let connection = Arc::new(ConnectionState::pooled(entry));
        let mut listed = [Some(since), None];
        state.by_idle.insert((since, id));
        if self.0.bounds.per_client.is_some() {
            let of_client = state.clients.entry(client).or_default();
            of_client.open += 1;
            of_client.by_idle.insert((since, id));
            listed[OF_CLIENT] = Some(since);
        }
        state.open.insert(id, PooledConnection { connection: connection.clone(), client, listed });
        drop(state);
        self.0.gauge.inc();
        (ConnectionGuard { pool: self.clone(), id }, connection)
    }

    /// `None` if a client may have no other connection. Else which one of its own, the longest idle,
    /// was told to make room for it, if that was needed.
    #[expect(clippy::option_option, reason = "whether, and then which")]
    fn admit_client(&self, client: IpAddr) -> Option<Option<u64>> {
        let shared = &*self.0;
        let Some(max) = shared.bounds.per_client else { return Some(None) };
        let now = shared.now();
        let mut state = shared.state.lock();
        let PoolState { open, clients, .. } = &mut *state;
        let Some(of_client) = clients.get_mut(&client).filter(|it| it.open >= max) else {
            return Some(None);
        };
        // The client's own connection may go also after a moment of being idle.
        let order = (&mut of_client.by_idle, OF_CLIENT);
        let candidate = longest_idle(order, open, now, Duration::ZERO);
        if let EvictionCandidate::Idle(id) = candidate {
            shared.evict(&mut state, id);
            return Some(Some(id));
        }
        let is_first = state.refusals.begins();
        drop(state);
        shared.metrics.connection_error(CLIENT_LIMIT);
        if is_first {
            tracing::warn!(
                client.address = %client,
                bound = max,
                "a client has api.max_connections_per_client connections with requests in flight: \
                 its new connections are closed"
            );
        }
        None
    }

    /// Waits until there is room; `closing` is a connection that was told to close already.
    async fn make_room(&self, mut closing: Option<u64>) {
        let shared = &*self.0;
        loop {
            let wait = {
                let mut state = shared.state.lock();
                if state.open.len() < shared.bounds.total {
                    shared.wanted.store(false, Ordering::SeqCst);
                    return;
                }
                // Before the connections are looked at: a change after that is signalled.
                shared.wanted.store(true, Ordering::SeqCst);
                if closing.is_some_and(|id| state.open.contains_key(&id)) {
                    Some(CLOSING_PATIENCE)
                } else {
                    match shared.evict_longest_idle(&mut state) {
                        EvictionCandidate::Idle(id) => {
                            for _ in 1..shared.bounds.total / ROOM_AHEAD {
                                shared.evict_longest_idle(&mut state);
                            }
                            shared.warn_of_eviction(&mut state);
                            closing = Some(id);
                            Some(CLOSING_PATIENCE)
                        }
                        EvictionCandidate::Soon(wait) => Some(wait),
                        EvictionCandidate::None => {
                            shared.warn_of_pause(&mut state);
                            None
                        }
                    }
                }
            };
            match wait {
                Some(wait) => {
                    if timeout(wait, shared.room.notified()).await.is_err() {
                        closing = None;
                    }
                }
                None => shared.room.notified().await,
            }
        }
    }
}

/// The connection that has been idle longest; puts an order right on the way to it.
fn longest_idle(
    (order, which): (&mut IdleSet, usize),
    open: &mut HashMap<u64, PooledConnection>,
    now: u64,
    min_idle: Duration,
) -> EvictionCandidate {
    while let Some((listed, id)) = order.pop_first() {
        let Some(PooledConnection { connection, listed: places, .. }) = open.get_mut(&id) else {
            continue;
        };
        places[which] = None;
        let Some(entry) = connection.idle_entry().filter(|it| !it.is_evicted()) else { continue };
        if !connection.is_idle() {
            entry.set_unlisted();
            // It may have become idle before it could see that.
            if !(connection.is_idle() && entry.take_unlisted()) {
                continue;
            }
        }
        let since = entry.idle_since();
        places[which] = Some(since);
        order.insert((since, id));
        if since > listed {
            continue;
        }
        let idle = Duration::from_micros(now.saturating_sub(since));
        return match min_idle.saturating_sub(idle) {
            Duration::ZERO => EvictionCandidate::Idle(id),
            wait => EvictionCandidate::Soon(wait),
        };
    }
    EvictionCandidate::None
}

impl PoolShared {
    fn now(&self) -> u64 {
        micros_since(self.began)
    }

    /// Tells the connection that has been idle longest to close.
    fn evict_longest_idle(&self, state: &mut PoolState) -> EvictionCandidate {
        let PoolState { open, by_idle, .. } = state;
        let candidate = longest_idle((by_idle, OF_ALL), open, self.now(), MIN_IDLE);
        if let EvictionCandidate::Idle(id) = candidate {
            self.evict(state, id);
        }
        candidate
    }

    /// Tells a connection to close.
    fn evict(&self, state: &mut PoolState, id: u64) {
        let Some(entry) = state.open.get(&id).and_then(|entry| entry.connection.idle_entry())
        else {
            return;
        };
        entry.evict();
        self.metrics.connection_error(IDLE_EVICTED);
    }

    fn warn_of_eviction(&self, state: &mut PoolState) {
        if state.evictions.begins() {
            tracing::warn!(
                listener = self.bounds.listener,
                bound = self.bounds.total,
                "api.max_connections is reached: the longest idle connections are closed for new \
                 ones"
            );
        }
    }

    fn warn_of_pause(&self, state: &mut PoolState) {
        if state.pauses.begins() {
            tracing::warn!(
                listener = self.bounds.listener,
                bound = self.bounds.total,
                "api.max_connections is reached and all connections have requests in flight: \
                 accepting pauses"
            );
        }
    }

    fn signal_room(&self) {
        if self.wanted.load(Ordering::SeqCst) {
            self.room.notify_one();
        }
    }
}

impl IdleOrder for PoolShared {
    fn relist(&self, id: u64) {
        let mut state = self.state.lock();
        let PoolState { open, by_idle, clients, .. } = &mut *state;
        let Some(PooledConnection { connection, client, listed }) = open.get_mut(&id) else {
            return;
        };
        let Some(entry) = connection.idle_entry() else { return };
        let since = entry.idle_since();
        if listed[OF_ALL].is_none() {
            listed[OF_ALL] = Some(since);
            by_idle.insert((since, id));
        }
        if let Some(of_client) = clients.get_mut(client).filter(|_| listed[OF_CLIENT].is_none()) {
            listed[OF_CLIENT] = Some(since);
            of_client.by_idle.insert((since, id));
        }
        drop(state);
        self.signal_room();
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let shared = &*self.pool.0;
        let mut state = shared.state.lock();
        let PoolState { open, by_idle, clients, .. } = &mut *state;
        let ended = open.remove(&self.id);
        if let Some(PooledConnection { client, listed, .. }) = &ended {
            if let Some(since) = listed[OF_ALL] {
                by_idle.remove(&(since, self.id));
            }
            if let Some(of_client) = clients.get_mut(client) {
                of_client.open -= 1;
                if let Some(since) = listed[OF_CLIENT] {
                    of_client.by_idle.remove(&(since, self.id));
                }
                if of_client.open == 0 {
                    clients.remove(client);
                }
            }
        }
        drop(state);
        shared.gauge.dec();
        shared.signal_room();
    }
}

#[cfg(test)]
mod tests;
