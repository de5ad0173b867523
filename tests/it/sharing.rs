//! Replicas that share through a real Redis.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::future::join_all;
use sddc_gateway::{
    clock::Clock,
    sharing::{SealingKeys, Settings, SharedUrl},
    simulator::{self, Fault, FaultKind, Target},
};

use support::redis::RedisServer;

use crate::harness::{Cloud, Setup, TestGateway};

fn sharing(redis: &RedisServer) -> Settings {
    sharing_with_key(redis, 7)
}

fn sharing_with_key(redis: &RedisServer, byte: u8) -> Settings {
    let keys = SealingKeys::parse(BASE64_STANDARD.encode([byte; 32]).as_bytes()).unwrap();
    Settings { url: SharedUrl::parse(&redis.url(), &[]).unwrap(), url_file: None, keys }
}

async fn cloud() -> Cloud {
    Cloud::start(
        &Clock::manual("2026-11-30T12:00:00Z".parse().unwrap()),
        simulator::Options::default(),
    )
    .await
}

async fn replica(cloud: &Cloud, redis: &RedisServer) -> TestGateway {
    let replica =
        Setup::polling(cloud).with(|config| config.sharing = Some(sharing(redis))).start().await;
    replica.until("Redis is connected", async |it| is_shared(it).await).await;
    replica
}

async fn is_shared(replica: &TestGateway) -> bool {
    replica.ops("/readyz").await.json()["shared"]["ok"] == true
}

/// Reads of a list that these replicas made, in figures of their own: for all, and for themselves
/// alone because Redis was too slow.
async fn turns(replicas: &[TestGateway]) -> (u64, u64) {
    let (mut granted, mut unshared) = (0, 0);
    for replica in replicas {
        let page = replica.ops("/metrics").await.text();
        let count = |outcome: &str| {
            let series = format!(
                "sddc_gateway_shared_turns_total{{resource=\"sddcs\",outcome=\"{outcome}\"}} "
            );
            let value = page.lines().find_map(|line| line.strip_prefix(&series)).unwrap();
            value.parse::<u64>().unwrap()
        };
        granted += count("granted");
        unshared += count("unshared");
    }
    (granted, unshared)
}

async fn until_read(replica: &TestGateway) {
    replica.until("the SDDCs are there", async |it| it.get("/sddcs").await.status == 200).await;
}

#[tokio::test]
async fn three_replicas_cost_what_one_costs_and_answer_alike() {
    let (cloud, redis) = (cloud().await, RedisServer::start());
    let replicas = join_all((0..3).map(|_| replica(&cloud, &redis))).await;
    join_all(replicas.iter().map(until_read)).await;
    assert_eq!((cloud.mints(), cloud.sddc_reads()), (1, 1));
    for round in 2..=5 {
        cloud.clock.advance(Duration::from_secs(33));
        for replica in &replicas {
            replica
                .until("it is read again", async |it| it.get("/sddcs").await.header("age") == "0")
                .await;
        }
        assert_eq!((cloud.mints(), cloud.sddc_reads()), (1, round));
    }
    let answers = join_all(replicas.iter().map(|replica| replica.get("/sddcs"))).await;
    for answer in &answers {
        assert_eq!(
            (answer.header("etag"), &answer.body),
            (answers[0].header("etag"), &answers[0].body)
        );
    }
}

#[tokio::test]
async fn a_change_is_seen_on_every_replica_at_once() {
    let (cloud, redis) = (cloud().await, RedisServer::start());
    let replicas = join_all((0..3).map(|_| replica(&cloud, &redis))).await;
    join_all(replicas.iter().map(until_read)).await;
    let etag = replicas[0].get("/sddcs").await.header("etag").to_owned();
    let id = cloud.simulator.sddc_ids()[0].clone();
    assert!(cloud.simulator.patch_sddc(&id, serde_json::json!({"name": "renamed"})));
    let waits = replicas.iter().map(async |replica| {
        let known = [("if-none-match", &*etag)];
        replica.send(http::Method::GET, "/sddcs?wait=60s", &known).await
    });
    let advance = async {
        for replica in &replicas {
            replica
                .until("it waits", async |it| {
                    it.ops("/metrics").await.text().contains("sddc_gateway_watchers 1")
                })
                .await;
        }
        cloud.clock.advance(Duration::from_secs(33));
    };
    let (answers, ()) = tokio::join!(join_all(waits), advance);
    for answer in &answers {
        assert_eq!(
            (answer.status.as_u16(), answer.header("etag")),
            (200, answers[0].header("etag"))
        );
        assert!(answer.text().contains("renamed"));
    }
}

#[tokio::test]
async fn without_redis_each_replica_goes_on_alone_and_comes_back() {
    let (cloud, mut redis) = (cloud().await, RedisServer::start());
    let replicas = join_all((0..2).map(|_| replica(&cloud, &redis))).await;
    join_all(replicas.iter().map(until_read)).await;
    redis.kill();
    for replica in &replicas {
        replica.until("Redis is gone", async |it| !is_shared(it).await).await;
        assert!(replica.ops("/metrics").await.text().contains("sddc_gateway_shared_store_up 0"));
        assert!(replica.get("/sddcs").await.status == 200);
    }
    let before = cloud.sddc_reads();
    cloud.clock.advance(Duration::from_secs(33));
    for replica in &replicas {
        replica
            .until("it is read again", async |it| it.get("/sddcs").await.header("age") == "0")
            .await;
    }
    assert_eq!(cloud.sddc_reads() - before, 2);
    redis.restart();
    for replica in &replicas {
        replica.until("Redis is back", async |it| is_shared(it).await).await;
    }
    let before = cloud.sddc_reads();
    cloud.clock.advance(Duration::from_secs(33));
    for replica in &replicas {
        replica
            .until("it is read again", async |it| it.get("/sddcs").await.header("age") == "0")
            .await;
    }
    assert_eq!(cloud.sddc_reads() - before, 1);
}

#[tokio::test]
async fn a_replica_that_starts_without_redis_answers_at_once() {
    let (cloud, redis) = (cloud().await, RedisServer::start());
    redis.freeze();
    let began = Clock::system().now();
    let replica =
        Setup::polling(&cloud).with(|config| config.sharing = Some(sharing(&redis))).start().await;
    until_read(&replica).await;
    assert!(
        Clock::system().now().since(began) < Duration::from_secs(2),
        "{:?}",
        Clock::system().now().since(began)
    );
    assert_eq!(replica.ops("/readyz").await.json()["shared"]["ok"], false);
    redis.thaw();
    replica.until("Redis is connected", async |it| is_shared(it).await).await;
}

#[tokio::test]
async fn a_frozen_redis_delays_no_answer() {
    let (cloud, redis) = (cloud().await, RedisServer::start());
    let replica = replica(&cloud, &redis).await;
    until_read(&replica).await;
    redis.freeze();
    let before = cloud.sddc_reads();
    cloud.clock.advance(Duration::from_secs(33));
    let began = Clock::system().now();
    replica.until("it is read again", async |it| it.get("/sddcs").await.header("age") == "0").await;
    assert!(
        Clock::system().now().since(began) < Duration::from_secs(1),
        "{:?}",
        Clock::system().now().since(began)
    );
    assert_eq!(cloud.sddc_reads() - before, 1);
}

#[tokio::test]
async fn what_vmware_refuses_one_replica_is_asked_by_no_other() {
    let (cloud, redis) = (cloud().await, RedisServer::start());
    let replicas = join_all((0..3).map(|_| replica(&cloud, &redis))).await;
    join_all(replicas.iter().map(until_read)).await;
    let before = cloud.sddc_reads();
    cloud.simulator.script(
        Fault::on(Target::Vmc, "/vmc/api/orgs/*/sddcs").kind(FaultKind::Status).status(503),
    );
    cloud.clock.advance(Duration::from_secs(33));
    for replica in &replicas {
        let has_failed = async |it: &TestGateway| {
            it.state().await["inventory"]["last_error"] == "upstream-unavailable"
        };
        replica.until("the failure is known", has_failed).await;
        assert_eq!(replica.state().await["upstream"]["vmc"]["circuit"], "open");
    }
    assert_eq!(cloud.sddc_reads() - before, 1, "{:?}", turns(&replicas).await);
}

#[tokio::test]
async fn replicas_share_one_budget_of_forced_reads() {
    let (cloud, redis) = (cloud().await, RedisServer::start());
    let replicas = join_all((0..2).map(|_| replica(&cloud, &redis))).await;
    join_all(replicas.iter().map(until_read)).await;
    let mut details = Vec::new();
    for turn in 0..8 {
        cloud.clock.advance(Duration::from_secs(2));
        let forced = [("cache-control", "no-cache")];
        let answer = replicas[turn % 2].send(http::Method::GET, "/sddcs", &forced).await;
        assert_eq!(answer.status, 200);
        details.push(answer.header("cache-status").contains("detail=budget"));
    }
    assert_eq!(details, [false, false, false, false, false, false, true, true]);
}

#[tokio::test]
async fn nothing_in_redis_can_be_read_without_the_keys() {
    let (cloud, redis) = (cloud().await, RedisServer::start());
    let replica = replica(&cloud, &redis).await;
    until_read(&replica).await;
    let name = cloud.simulator.sddc_ids()[0].clone();
    let client = redis::Client::open(redis.url()).unwrap();
    let mut client = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut client).await.unwrap();
    let records: Vec<_> = keys.iter().filter(|key| key.contains(":record:")).collect();
    assert!(records.iter().any(|key| key.contains("token/")), "{keys:?}");
    assert!(records.iter().any(|key| key.contains("sddcs/")), "{keys:?}");
    for key in records {
        let body: Vec<u8> =
            redis::cmd("HGET").arg(key).arg("body").query_async(&mut client).await.unwrap();
        for text in [name.as_bytes(), b"CANARY", b"\"sddc\"", b"eyJ"] {
            assert!(!body.windows(text.len()).any(|window| window == text), "{key}");
        }
    }
}

#[tokio::test]
async fn a_replica_that_never_read_anything_takes_no_reading_from_the_others() {
    let (cloud, mut redis) = (cloud().await, RedisServer::start());
    redis.kill();
    let one =
        Setup::polling(&cloud).with(|config| config.sharing = Some(sharing(&redis))).start().await;
    until_read(&one).await;
    redis.restart();
    one.until("Redis is connected", async |it| is_shared(it).await).await;
    cloud
        .simulator
        .script(Fault::on(Target::Vmc, "/vmc/api/orgs*").kind(FaultKind::Status).status(503));
    cloud.clock.advance(Duration::from_secs(5));
    let other = replica(&cloud, &redis).await;
    let has_failed = async |it: &TestGateway| {
        it.ops("/readyz").await.json()["discovery"]["last_error"] == "upstream-unavailable"
    };
    other.until("it cannot read", has_failed).await;
    one.until("its failure is known", has_failed).await;
    assert_eq!(one.get("/sddcs").await.status, 200);
}

#[tokio::test]
async fn a_replica_that_starts_in_an_outage_shows_what_the_others_have_read() {
    let (cloud, redis) = (cloud().await, RedisServer::start());
    let one = replica(&cloud, &redis).await;
    until_read(&one).await;
    cloud
        .simulator
        .script(Fault::on(Target::Vmc, "/vmc/api/orgs*").kind(FaultKind::Status).status(503));
    cloud.clock.advance(Duration::from_secs(33));
    let has_failed = async |it: &TestGateway| {
        it.ops("/readyz").await.json()["discovery"]["last_error"] == "upstream-unavailable"
            && it.state().await["inventory"]["last_error"] == "upstream-unavailable"
    };
    one.until("the outage is known", has_failed).await;
    let other = replica(&cloud, &redis).await;
    until_read(&other).await;
    assert_eq!(other.get("/sddcs").await.body, one.get("/sddcs").await.body);
}

#[tokio::test]
async fn replicas_of_different_keys_read_each_for_itself_and_no_more() {
    let (cloud, redis) = (cloud().await, RedisServer::start());
    let one = replica(&cloud, &redis).await;
    until_read(&one).await;
    let setup = Setup::polling(&cloud);
    let other = setup.with(|config| config.sharing = Some(sharing_with_key(&redis, 8)));
    let other = other.start().await;
    until_read(&other).await;
    one.until("it has heard of the other one's records", async |it| {
        !it.ops("/metrics").await.text().contains("sddc_gateway_shared_records_refused_total 0\n")
    })
    .await;
    for _ in 0..50 {
        assert_eq!(one.get("/sddcs").await.status, 200);
    }
    assert_eq!(cloud.sddc_reads(), 2);
}

#[tokio::test]
async fn what_vmware_denies_one_replica_is_not_asked_for_a_minute_by_any() {
    let (cloud, redis) = (cloud().await, RedisServer::start());
    let replicas = join_all((0..2).map(|_| replica(&cloud, &redis))).await;
    join_all(replicas.iter().map(until_read)).await;
    cloud.simulator.script(
        Fault::on(Target::Vmc, "/vmc/api/orgs/*/sddcs").kind(FaultKind::Status).status(403),
    );
    cloud.clock.advance(Duration::from_secs(33));
    for replica in &replicas {
        let is_denied = async |it: &TestGateway| {
            it.state().await["inventory"]["last_error"] == "upstream-credentials-rejected"
        };
        replica.until("the denial is known", is_denied).await;
    }
    let before = cloud.sddc_reads();
    cloud.clock.advance(Duration::from_secs(40));
    for _ in 0..50 {
        join_all(replicas.iter().map(|replica| replica.get("/sddcs"))).await;
    }
    assert_eq!(cloud.sddc_reads() - before, 0, "{:?}", turns(&replicas).await);
}
