//! Sharing against a real server.

use base64::{Engine, prelude::BASE64_STANDARD};
use redis::aio::MultiplexedConnection;

use super::*;
use crate::{clock::Clock, telemetry::Metrics};
use support::redis::RedisServer;

/// Nothing here takes as long.
const LIMIT: Duration = Duration::from_secs(20);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
const DAY: Duration = Duration::from_secs(86_400);

fn replica(server: &RedisServer) -> Replica {
    replica_at(&server.url())
}

/// A connection of the test's own.
async fn client(server: &RedisServer) -> MultiplexedConnection {
    let client = redis::Client::open(server.url()).unwrap();
    let mut looks = tokio::time::interval(BETWEEN_LOOKS);
    let connected = async {
        loop {
            looks.tick().await;
            if let Ok(connection) = client.get_multiplexed_async_connection().await {
                return connection;
            }
        }
    };
    tokio::time::timeout(LIMIT, connected).await.expect("the server answers in time")
}

fn replica_at(url: &str) -> Replica {
    let keys = SealingKeys::parse(BASE64_STANDARD.encode([7; 32]).as_bytes()).unwrap();
    let settings = Settings { url: SharedUrl::parse(url, &[]).unwrap(), url_file: None, keys };
    let jobs = BackgroundJobs::new(Metrics::new());
    let replicas = Replicas::new(&settings, "a-source", jobs.clone());
    let stop = CancellationToken::new();
    jobs.spawn("sharing", replicas.clone().run_connection(stop.clone()));
    Replica { replicas, _stop: stop.drop_guard() }
}

struct Replica {
    replicas: Replicas,
    _stop: tokio_util::sync::DropGuard,
}

impl Replica {
    async fn until(&self, what: &str, holds: impl Fn(SharingStatus) -> bool) {
        let mut looks = tokio::time::interval(BETWEEN_LOOKS);
        let until = async {
            while !holds(self.replicas.status()) {
                looks.tick().await;
            }
        };
        let held = tokio::time::timeout(LIMIT, until).await;
        held.unwrap_or_else(|_| panic!("{what}: {:?}", self.replicas.status()));
    }

    async fn connected(self) -> Self {
        self.until("connected", |status| status.is_ok).await;
        self
    }

    fn list(&self) -> SharedResource {
        self.replicas.resource(ResourceKind::Sddcs, "o-1")
    }
}

async fn granted(resource: &SharedResource) -> Lease {
    match resource.turn().await {
        Turn::Granted(lease) => lease,
        other => panic!("a lease was expected, not {other:?}"),
    }
}

async fn taken(resource: &SharedResource) -> Record {
    match resource.turn().await {
        Turn::Taken(record) => record,
        other => panic!("a record was expected, not {other:?}"),
    }
}

#[tokio::test]
async fn one_replica_does_it_and_the_others_take_what_it_published() {
    let server = RedisServer::start();
    let (one, two) = (replica(&server).connected().await, replica(&server).connected().await);
    let lease = granted(&one.list()).await;
    let list = two.list();
    let waiting = list.turn();
    let publishing = lease.publish(b"a list", DAY);
    let (turn, ()) = tokio::join!(waiting, publishing);
    let Turn::Taken(record) = turn else { panic!("{turn:?}") };
    assert_eq!((record.fence, &*record.body), (1, &b"a list"[..]));
    assert!(record.age() < LIMIT);
    list.adopted(record.fence);
    // It is in use there now: what comes next is the next turn.
    assert_eq!(granted(&list).await.fence(), 2);
}

#[tokio::test]
async fn a_lease_that_is_dropped_goes_to_the_next_replica() {
    let server = RedisServer::start();
    let (one, two) = (replica(&server).connected().await, replica(&server).connected().await);
    drop(granted(&one.list()).await);
    let began = Clock::system().now();
    assert_eq!(granted(&two.list()).await.fence(), 2);
    assert!(
        Clock::system().now().since(began) < lease::LIFE,
        "{:?}",
        Clock::system().now().since(began)
    );
}

#[tokio::test]
async fn a_replica_that_takes_long_lets_another_one_try() {
    let server = RedisServer::start();
    let (one, two) = (replica(&server).connected().await, replica(&server).connected().await);
    let slow = granted(&one.list()).await;
    let began = Clock::system().now();
    let next = granted(&two.list()).await;
    let took = Clock::system().now().since(began);
    assert!(took >= lease::MAX_HELD / 2 && took < lease::MAX_HELD + lease::LIFE, "{took:?}");
    slow.publish(b"late", DAY).await;
    next.publish(b"newer", DAY).await;
    assert_eq!(taken(&one.list()).await.body, b"newer");
}

#[tokio::test]
async fn a_replica_that_is_lost_with_its_lease_is_replaced_and_its_late_record_refused() {
    let server = RedisServer::start();
    let (one, two) = (replica(&server).connected().await, replica(&server).connected().await);
    let late = granted(&one.list()).await;
    // What the end of its life does while its replica is frozen.
    let mut client = client(&server).await;
    let key = one.replicas.lease_key("sddcs/o-1");
    redis::cmd("DEL").arg(key).query_async::<()>(&mut client).await.unwrap();
    let next = granted(&two.list()).await;
    late.publish(b"late", DAY).await;
    next.publish(b"newer", DAY).await;
    assert_eq!(taken(&one.list()).await.body, b"newer");
}

#[tokio::test]
async fn replicas_hear_of_what_is_published() {
    let server = RedisServer::start();
    let (one, two) = (replica(&server).connected().await, replica(&server).connected().await);
    let list = two.list();
    let lease = granted(&one.list()).await;
    let ((), heard) =
        tokio::join!(lease.publish(b"a list", DAY), tokio::time::timeout(LIMIT, list.changed()));
    heard.expect("it is told in time");
    list.adopted(taken(&list).await.fence);
    assert!(futures_util::FutureExt::now_or_never(list.changed()).is_none());
}

#[tokio::test]
async fn what_was_published_while_a_replica_was_away_is_found_when_it_is_back() {
    let server = RedisServer::start();
    let one = replica(&server).connected().await;
    granted(&one.list()).await.publish(b"a list", DAY).await;
    let two = replica(&server);
    let list = two.list();
    tokio::time::timeout(LIMIT, list.changed()).await.expect("it is found");
}

#[tokio::test]
async fn without_redis_each_is_for_itself_at_once_and_comes_back_by_itself() {
    let mut server = RedisServer::start();
    let one = replica(&server).connected().await;
    server.kill();
    one.until("lost", |status| !status.is_ok).await;
    let began = Clock::system().now();
    assert!(matches!(one.list().turn().await, Turn::Unshared));
    assert!(
        Clock::system().now().since(began) < Duration::from_millis(100),
        "{:?}",
        Clock::system().now().since(began)
    );
    assert_eq!(one.replicas.status().last_error, Some(SharingError::Unreachable));
    server.restart();
    let one = one.connected().await;
    granted(&one.list()).await;
}

#[tokio::test]
async fn a_frozen_server_costs_two_commands_and_no_more() {
    let server = RedisServer::start();
    let one = replica(&server).connected().await;
    server.freeze();
    let began = Clock::system().now();
    assert!(matches!(one.list().turn().await, Turn::Unshared));
    assert!(
        Clock::system().now().since(began) < Duration::from_secs(1),
        "{:?}",
        Clock::system().now().since(began)
    );
    one.until("given up", |status| !status.is_ok).await;
    assert_eq!(one.replicas.status().last_error, Some(SharingError::Timeout));
    server.thaw();
    let one = one.connected().await;
    granted(&one.list()).await;
}

#[tokio::test]
async fn a_flushed_server_gives_higher_numbers_than_before() {
    let server = RedisServer::start();
    let one = replica(&server).connected().await;
    for fence in 1..=3 {
        let lease = granted(&one.list()).await;
        assert_eq!(lease.fence(), fence);
        lease.publish(b"a list", DAY).await;
    }
    let mut client = client(&server).await;
    redis::cmd("FLUSHALL").query_async::<()>(&mut client).await.unwrap();
    let lease = granted(&one.list()).await;
    assert_eq!(lease.fence(), 4);
    lease.publish(b"again", DAY).await;
    let two = replica(&server).connected().await;
    assert_eq!(taken(&two.list()).await.fence, 4);
}

#[tokio::test]
async fn garbage_is_replaced() {
    let server = RedisServer::start();
    let one = replica(&server).connected().await;
    let mut client = client(&server).await;
    let key = one.replicas.record_key("sddcs/o-1");
    let garbage: [&[&str]; 5] = [
        &["SET", &key, "text"],
        &["HSET", &key, "fence", "many", "body", "x"],
        &["HSET", &key, "fence", "9", "at", "never", "body", "x"],
        &["HSET", &key, "fence", "1e300", "issued", "-1", "body", "x"],
        &["HSET", &key, "fence", "2000000000000", "issued", "inf", "body", ""],
    ];
    for command in garbage {
        redis::cmd("DEL").arg(&key).query_async::<()>(&mut client).await.unwrap();
        let mut set = redis::cmd(command[0]);
        set.arg(&command[1..]).query_async::<()>(&mut client).await.unwrap();
        granted(&one.list()).await.publish(b"a list", DAY).await;
        let two = replica(&server).connected().await;
        assert_eq!(taken(&two.list()).await.body, b"a list", "{command:?}");
    }
}

#[tokio::test]
async fn a_record_of_other_keys_is_replaced_and_counted() {
    let server = RedisServer::start();
    let one = replica(&server).connected().await;
    granted(&one.list()).await.publish(b"a list", DAY).await;
    let two = replica(&server).connected().await;
    two.replicas.0.keys.replace(BASE64_STANDARD.encode([8; 32]).as_bytes()).unwrap();
    let lease = granted(&two.list()).await;
    assert_eq!(lease.fence(), 2);
    let mut registry = prometheus_client::registry::Registry::default();
    registry.register_collector(Box::new(two.replicas.clone()));
    let mut page = String::new();
    prometheus_client::encoding::text::encode(&mut page, &registry).unwrap();
    for line in [
        "sddc_gateway_shared_store_up 1",
        "sddc_gateway_shared_records_refused_total 1",
        "sddc_gateway_shared_turns_total{resource=\"sddcs\",outcome=\"granted\"} 1",
        "sddc_gateway_shared_turns_total{resource=\"token\",outcome=\"unshared\"} 0",
    ] {
        assert!(page.contains(line), "{page}");
    }
}

#[tokio::test]
async fn a_login_that_is_refused_is_tried_again() {
    let server = RedisServer::with(&["--requirepass", "first"]);
    let url = format!("redis://:second@127.0.0.1:{}", server.port);
    let one = replica_at(&url);
    let is_denied = |status: SharingStatus| status.last_error == Some(SharingError::Denied);
    one.until("refused", is_denied).await;
    assert!(matches!(one.list().turn().await, Turn::Unshared));
    let client = redis::Client::open(format!("redis://:first@127.0.0.1:{}", server.port)).unwrap();
    let mut client = client.get_multiplexed_async_connection().await.unwrap();
    let mut set = redis::cmd("CONFIG");
    set.arg(&["SET", "requirepass", "second"]).query_async::<()>(&mut client).await.unwrap();
    one.connected().await;
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_none() {
    let server = RedisServer::start();
    let one = replica(&server).connected().await;
    let mut client = client(&server).await;
    let mut set = redis::cmd("CONFIG");
    set.arg(&["SET", "maxmemory", "1"]).query_async::<()>(&mut client).await.unwrap();
    assert!(matches!(one.list().turn().await, Turn::Unshared));
    one.until("given up", |status| !status.is_ok).await;
    assert_eq!(one.replicas.status().last_error, Some(SharingError::ReadOnly));
    let mut set = redis::cmd("CONFIG");
    set.arg(&["SET", "maxmemory", "0"]).query_async::<()>(&mut client).await.unwrap();
    one.connected().await;
}

#[tokio::test]
async fn the_documented_rights_are_enough() {
    let server = RedisServer::start();
    let mut client = client(&server).await;
    let mut user = redis::cmd("ACL");
    user.arg(&["SETUSER", "gateway", "on", ">secret", "resetkeys", "resetchannels"]);
    user.arg(RIGHTS.split(' ').collect::<Vec<_>>());
    user.query_async::<()>(&mut client).await.unwrap();
    let url = format!("redis://gateway:secret@127.0.0.1:{}", server.port);
    let (one, two) = (replica_at(&url).connected().await, replica_at(&url));
    let two = two.connected().await;
    granted(&one.list()).await.publish(b"a list", DAY).await;
    assert_eq!(taken(&two.list()).await.body, b"a list");
    drop(granted(&one.list()).await);
    assert_eq!(one.replicas.spend(&["a".to_owned()], 1, DAY).await, Ok(true));
}

#[tokio::test]
async fn replicas_share_a_budget() {
    let server = RedisServer::start();
    let (one, two) = (replica(&server).connected().await, replica(&server).connected().await);
    let budgets = ["caller/o-1", "caller/o-2"].map(str::to_owned);
    let window = Duration::from_secs(60);
    for replica in [&one, &two, &one] {
        assert_eq!(replica.replicas.spend(&budgets, 3, window).await, Ok(true));
    }
    assert_eq!(two.replicas.spend(&budgets[..1], 3, window).await, Ok(false));
    assert_eq!(two.replicas.spend(&["another/o-1".to_owned()], 3, window).await, Ok(true));
}

#[tokio::test]
async fn an_announcement_of_what_never_comes_is_worth_one_look() {
    let server = RedisServer::start();
    let (one, two) = (replica(&server).connected().await, replica(&server).connected().await);
    let list = two.list();
    let mut client = client(&server).await;
    let mut publish = redis::cmd("PUBLISH");
    publish.arg(one.replicas.0.connection.channel()).arg("18446744073709551615 sddcs/o-1");
    publish.query_async::<()>(&mut client).await.unwrap();
    tokio::time::timeout(LIMIT, list.changed()).await.expect("it is heard");
    assert!(list.published().await.is_none());
    assert!(futures_util::FutureExt::now_or_never(list.changed()).is_none());
    granted(&one.list()).await.publish(b"a list", DAY).await;
    tokio::time::timeout(LIMIT, list.changed()).await.expect("the next one is heard");
    assert_eq!(list.published().await.expect("a record").body, b"a list");
}

#[tokio::test]
async fn a_look_that_redis_does_not_answer_is_not_repeated_at_once() {
    let mut server = RedisServer::start();
    let (one, two) = (replica(&server).connected().await, replica(&server).connected().await);
    let list = two.list();
    granted(&one.list()).await.publish(b"a list", DAY).await;
    tokio::time::timeout(LIMIT, list.changed()).await.expect("it is heard");
    server.kill();
    assert!(list.published().await.is_none());
    assert!(futures_util::FutureExt::now_or_never(list.changed()).is_none());
}

#[tokio::test]
async fn a_record_that_redis_takes_late_is_as_old_as_it_is() {
    let server = RedisServer::start();
    let (one, two) = (replica(&server).connected().await, replica(&server).connected().await);
    let list = two.list();
    // The server knows the script from then on.
    granted(&one.list()).await.publish(b"a list", DAY).await;
    list.adopted(taken(&list).await.fence);
    let mut lease = granted(&one.list()).await;
    let made = Clock::system().now();
    lease.stamp();
    server.freeze();
    // It does not answer in time, and carries it out after the thaw.
    lease.publish(b"a later list", DAY).await;
    let late = Clock::system().now().since(made);
    assert!(late >= connection::COMMAND_TIMEOUT, "{late:?}");
    server.thaw();
    let published = async {
        let mut looks = tokio::time::interval(BETWEEN_LOOKS);
        loop {
            looks.tick().await;
            if let Some(record) = list.published().await {
                return record;
            }
        }
    };
    let record = tokio::time::timeout(LIMIT, published).await.expect("it is carried out");
    // Times of Redis are whole milliseconds.
    assert!(record.age() + Duration::from_millis(2) >= late, "{:?} of {late:?}", record.age());
}

#[tokio::test]
async fn nobody_makes_a_record_younger() {
    let server = RedisServer::start();
    let (one, two) = (replica(&server).connected().await, replica(&server).connected().await);
    granted(&one.list()).await.publish(b"a list", DAY).await;
    let mut client = client(&server).await;
    let mut set = redis::cmd("HINCRBY");
    set.arg(one.replicas.record_key("sddcs/o-1")).arg("at").arg(60_000);
    set.query_async::<()>(&mut client).await.unwrap();
    granted(&two.list()).await;
}

#[tokio::test]
async fn the_lease_of_somebody_else_keeps_nobody_waiting() {
    let server = RedisServer::start();
    let one = replica(&server).connected().await;
    let mut client = client(&server).await;
    let mut set = redis::cmd("SET");
    set.arg(one.replicas.lease_key("sddcs/o-1")).arg("mine").arg("PX").arg(3_600_000);
    set.query_async::<()>(&mut client).await.unwrap();
    let turn = tokio::time::timeout(lease::LIFE, one.list().turn()).await;
    assert!(matches!(turn, Ok(Turn::Granted(_))), "{turn:?}");
}

#[tokio::test]
async fn garbage_in_a_budget_spends_nothing() {
    let server = RedisServer::start();
    let one = replica(&server).connected().await;
    let mut client = client(&server).await;
    let key = format!("{}budget:caller/o-1", one.replicas.0.prefix);
    let mut set = redis::cmd("SET");
    set.arg(key).arg("9999999999999 99999999999999999999 x");
    set.query_async::<()>(&mut client).await.unwrap();
    let spent = one.replicas.spend(&["caller/o-1".to_owned()], 1, Duration::from_secs(60)).await;
    assert_eq!(spent, Ok(true));
}
