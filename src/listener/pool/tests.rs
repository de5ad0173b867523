use futures_util::FutureExt;

use super::*;

const TOTAL: usize = 3;
const ALICE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const BOB: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

type Connection = (ConnectionGuard, Arc<ConnectionState>);

fn pool(per_client: Option<usize>) -> ConnectionPool {
    let bounds = ConnectionBounds { listener: "api", total: TOTAL, per_client };
    ConnectionPool::new(bounds, Metrics::new())
}

async fn open(pool: &ConnectionPool, client: IpAddr) -> Connection {
    let connection = pool.admit(client).now_or_never().expect("there is room");
    // The next one is younger.
    tokio::time::advance(Duration::from_secs(1)).await;
    connection.expect("the client may")
}

fn evicted(connection: &Connection) -> bool {
    connection.1.is_evicted()
}

#[tokio::test(start_paused = true)]
async fn the_longest_idle_connection_makes_room() {
    let pool = pool(None);
    let [first, second, third] =
        [open(&pool, ALICE).await, open(&pool, ALICE).await, open(&pool, BOB).await];
    drop(first.1.begin());
    let mut admitted = std::pin::pin!(pool.admit(BOB));
    assert!(futures_util::poll!(&mut admitted).is_pending());
    assert_eq!([&first, &second, &third].map(evicted), [false, true, false]);
    drop(second);
    assert!(admitted.await.is_some());
    assert_eq!([&first, &third].map(evicted), [false, false]);
}

#[tokio::test(start_paused = true)]
async fn while_all_have_requests_nobody_is_admitted_until_one_is_idle() {
    let pool = pool(None);
    let connections =
        [open(&pool, ALICE).await, open(&pool, ALICE).await, open(&pool, ALICE).await];
    let mut requests: Vec<_> = connections.iter().map(|it| it.1.begin()).collect();
    let mut admitted = std::pin::pin!(pool.admit(BOB));
    let long = Duration::from_secs(1000);
    assert!(timeout(long, &mut admitted).await.is_err());
    assert!(!connections.iter().any(evicted));
    drop(requests.remove(1));
    assert!(timeout(MIN_IDLE * 2, &mut admitted).await.is_err(), "it has to close first");
    assert_eq!(connections.each_ref().map(evicted), [false, true, false]);
    let [_one, other, _third] = connections;
    drop(other);
    assert!(admitted.await.is_some());
}

#[tokio::test(start_paused = true)]
async fn who_has_just_been_answered_has_a_moment_to_ask_again() {
    let pool = pool(None);
    let connections =
        [open(&pool, ALICE).await, open(&pool, ALICE).await, open(&pool, ALICE).await];
    for connection in &connections {
        drop(connection.1.begin());
    }
    let mut admitted = std::pin::pin!(pool.admit(BOB));
    assert!(timeout(MIN_IDLE / 2, &mut admitted).await.is_err());
    assert!(!connections.iter().any(evicted));
    assert!(timeout(MIN_IDLE, &mut admitted).await.is_err());
    assert_eq!(connections.iter().filter(|it| evicted(it)).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_does_not_close_at_once_is_not_waited_for() {
    let pool = pool(None);
    let connections =
        [open(&pool, ALICE).await, open(&pool, ALICE).await, open(&pool, ALICE).await];
    let mut admitted = std::pin::pin!(pool.admit(BOB));
    assert!(timeout(CLOSING_PATIENCE * 3 / 2, &mut admitted).await.is_err());
    assert_eq!(connections.iter().filter(|it| evicted(it)).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn above_its_own_bound_a_clients_own_idle_connection_makes_room_or_the_new_one_goes() {
    let pool = pool(Some(2));
    let [first, second] = [open(&pool, ALICE).await, open(&pool, ALICE).await];
    let other = open(&pool, BOB).await;
    drop(first.1.begin());
    let request = first.1.begin();
    let mut admitted = std::pin::pin!(pool.admit(ALICE));
    assert!(futures_util::poll!(&mut admitted).is_pending(), "the total is reached too");
    assert_eq!([&first, &second, &other].map(evicted), [false, true, false]);
    drop(second);
    let third = admitted.await.unwrap();
    let _busy = third.1.begin();
    assert!(pool.admit(ALICE).await.is_none(), "both have requests");
    drop(request);
    drop(other);
    let fourth = pool.admit(ALICE).await;
    assert!(fourth.is_some() && evicted(&first));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_connections_that_have_ended() {
    let pool = pool(Some(2));
    for _ in 0..100 {
        let connection = open(&pool, ALICE).await;
        drop(connection.1.begin());
    }
    let state = pool.0.state.lock();
    assert!(state.open.is_empty() && state.by_idle.is_empty() && state.clients.is_empty());
}
