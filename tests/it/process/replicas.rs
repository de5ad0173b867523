//! Replicas of which one is frozen or killed at the worst moment: another one takes over.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use rustix::process::Signal;
use sddc_gateway::clock::Clock;
use serde_json::json;
use tempfile::TempDir;

use super::run::{Cloud, SECRET, Served, Setup, file, gateway, until};
use support::{
    authority::{Authority, Files},
    redis::RedisServer,
};

/// How long it may take until another replica has taken over.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(5);

struct Site {
    cloud: Cloud,
    redis: RedisServer,
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        let (cloud, redis) = (Cloud::start(&["--token-ttl", "300"]), RedisServer::start());
        let folder = TempDir::new().unwrap();
        file(&folder, "keys", &BASE64_STANDARD.encode([7; 32]));
        Self { cloud, redis, folder }
    }

    fn replica(&self) -> Setup {
        gateway(&["serve"])
            .of(&self.cloud)
            .with_secret(SECRET)
            .with("SDDC_GATEWAY_SHARED__REDIS_URL", self.redis.url())
            .with("SDDC_GATEWAY_KEYS__FILE", self.folder.path().join("keys"))
            .with("SDDC_GATEWAY_INVENTORY__POLL", "1s")
            .with("SDDC_GATEWAY_INVENTORY__FRESH", "1s")
    }

    fn hang_next(&self, target: &str, path: &str) {
        let fault = json!({"target": target, "path": path, "kind": "hang", "times": 1});
        self.cloud.control("POST", "/__faults", &fault);
    }

    fn faults(&self) -> u64 {
        self.cloud.stats()["faults"].as_u64().unwrap()
    }

    /// Renames an SDDC of those that a replica shows, as `name`.
    fn rename(&self, seen_by: &Served, name: &str) {
        let items = seen_by.get("/sddcs?fields=id").json()["items"].clone();
        let id = items[0]["id"].as_str().unwrap();
        self.cloud.control("PATCH", &format!("/__sddcs/{id}"), &json!({"name": name}));
    }
}

/// Reads of SDDCs that a replica made for all.
fn granted(replica: &Served) -> u64 {
    let figure = "sddc_gateway_shared_turns_total{resource=\"sddcs\",outcome=\"granted\"}";
    replica.figure(figure).parse().unwrap()
}

fn shows(replica: &Served, name: &str) -> bool {
    let answer = replica.get("/sddcs?fields=name");
    answer.status == 200 && answer.json()["items"].to_string().contains(name)
}

#[test]
fn a_replica_that_is_frozen_while_it_reads_for_all_is_replaced_and_takes_nothing_back() {
    let site = Site::new();
    let [one, other] = [site.replica().serve(), site.replica().serve()];
    until("both answer", || [&one, &other].iter().all(|it| it.get("/sddcs").status == 200));
    // The one that has read last reads again.
    until("one reads", || granted(&one).abs_diff(granted(&other)) > 1);
    let (leader, follower) =
        if granted(&one) > granted(&other) { (one, other) } else { (other, one) };
    site.hang_next("vmc", "/vmc/api/orgs/*/sddcs");
    until("it reads", || site.faults() == 1);
    leader.signal(Signal::STOP);
    site.rename(&follower, "renamed-meanwhile");
    let clock = Clock::system();
    let frozen = clock.now();
    until("another one reads", || shows(&follower, "renamed-meanwhile"));
    assert!(clock.now().since(frozen) < TAKEN_OVER_WITHIN, "{:?}", clock.now().since(frozen));
    leader.signal(Signal::CONT);
    until("it has caught up", || shows(&leader, "renamed-meanwhile"));
    assert!(shows(&follower, "renamed-meanwhile"));
    let [mine, its] = [&leader, &follower].map(|it| it.get("/sddcs").body);
    assert_eq!(mine, its);
}

#[test]
fn a_replica_that_is_killed_while_it_mints_for_all_is_replaced() {
    let site = Site::new();
    site.hang_next("csp", "/csp/gateway/am/api/auth/token");
    let first = site.replica().serve();
    until("it mints", || site.faults() == 1);
    let second = site.replica().serve();
    let clock = Clock::system();
    let killed = clock.now();
    first.signal(Signal::KILL);
    until("another one mints", || second.get("/sddcs").status == 200);
    assert!(clock.now().since(killed) < TAKEN_OVER_WITHIN, "{:?}", clock.now().since(killed));
    assert_eq!(site.cloud.stats()["mints"], 1);
}

#[test]
fn replicas_share_over_tls_and_trust_no_server_of_another_ca() {
    let (site, files) = (Site::new(), Files::new());
    let redis = RedisServer::encrypted(&files.path("tls.crt"), &files.path("tls.key"));
    let authority = files.write("ca.pem", &files.authority.pem());
    let stranger = files.write("stranger.pem", &Authority::new("another CA").pem());
    let replica = |authority| {
        let setup = site.replica().with("SDDC_GATEWAY_SHARED__REDIS_URL", redis.url());
        setup.with("SSL_CERT_FILE", authority).serve()
    };
    let shared = |it: &Served| it.ready().json()["shared"].clone();
    let replicas = [replica(&authority), replica(&authority)];
    until("both share", || replicas.iter().all(|it| shared(it)["ok"] == true));
    until("both answer", || replicas.iter().all(|it| it.get("/sddcs").status == 200));
    assert_eq!(site.cloud.stats()["mints"], 1);
    let alone = replica(&stranger);
    until("it trusts nobody", || shared(&alone)["last_error"] == "unreachable");
    until("it answers all the same", || alone.get("/sddcs").status == 200);
    assert_eq!((&shared(&alone)["ok"], &site.cloud.stats()["mints"]), (&json!(false), &json!(2)));
}
