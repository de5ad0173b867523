//! Many organizations: what befalls one harms no other.

use std::time::Duration;

use http::StatusCode;
use sddc_gateway::simulator::{Fault, FaultKind, Target};
use serde_json::json;

use super::{MODES, Mode, ask, figure};
use crate::harness::{Answer, Cloud, Setup, TestGateway, cloud_of};

/// Less than a request waits for anybody's refresh.
const AT_ONCE: Duration = Duration::from_millis(900);

fn below(org: &str) -> String {
    format!("/vmc/api/orgs/{org}*")
}

fn sddcs_of(org: &str) -> String {
    format!("/orgs/{org}/sddcs")
}

/// Asks, and must not be kept waiting.
async fn at_once(gateway: &TestGateway, path: &str) -> Answer {
    let answer = tokio::time::timeout(AT_ONCE, gateway.get(path)).await;
    answer.unwrap_or_else(|_| panic!("kept waiting for {path}"))
}

/// The age of an org's snapshot.
async fn age_of(gateway: &TestGateway, org: &str) -> u64 {
    at_once(gateway, &sddcs_of(org)).await.header("age").parse().unwrap_or(u64::MAX)
}

/// A polling gateway with a snapshot of every org.
async fn polling(cloud: &Cloud, mode: Mode) -> TestGateway {
    let gateway = mode.setup(Setup::polling(cloud), cloud).start().await;
    let all = cloud.simulator.org_ids().len();
    let is_there = async |gateway: &TestGateway| {
        let answer = gateway.get("/sddcs?partial=allow").await;
        answer.status == StatusCode::OK && answer.names().len() == all * 3
    };
    gateway.until("every org's snapshot", is_there).await;
    gateway
}

/// Lets half a minute pass and these orgs be polled.
async fn poll(gateway: &TestGateway, orgs: &[String]) {
    gateway.advance(30);
    for org in orgs {
        let is_new = async |gateway: &TestGateway| age_of(gateway, org).await == 0;
        gateway.until("poll", is_new).await;
    }
}

#[tokio::test]
async fn an_org_in_trouble_harms_no_others_freshness_or_latency() {
    for mode in MODES {
        for trouble in ["fails", "is slow", "is black-holed", "talks nonsense", "refuses"] {
            let cloud = cloud_of(5).await;
            let orgs = cloud.simulator.org_ids();
            let (bad, good) = (&orgs[1], [&orgs[..1], &orgs[2..]].concat());
            let gateway = polling(&cloud, mode).await;
            let fault = Fault::on(Target::Vmc, &below(bad));
            cloud.simulator.script(match trouble {
                "fails" => fault.status(500),
                "is slow" => fault.delay(Duration::from_secs(7)),
                "is black-holed" => fault.kind(FaultKind::Hang),
                "talks nonsense" => fault.kind(FaultKind::Garbage),
                _ => fault.status(403),
            });
            for _ in 0..3 {
                poll(&gateway, &good).await;
            }
            for org in &good {
                let answer = at_once(&gateway, &sddcs_of(org)).await;
                let told = (answer.served(), answer.header("age"), answer.names().len());
                assert_eq!(told, ("hit; ttl=60", "0", 3), "{mode:?} {trouble}");
                let id = answer.json()["items"][0]["id"].as_str().unwrap().to_owned();
                let one = at_once(&gateway, &format!("/sddcs/{id}")).await;
                assert_eq!((one.served(), one.header("age")), ("hit; ttl=60", "0"), "{trouble}");
            }
            // All of them are shown, as old as the oldest.
            let all = gateway.get("/sddcs").await;
            assert_eq!((all.status, all.names().len()), (StatusCode::OK, 15), "{trouble}");
            assert_eq!(all.header("age"), "90", "{mode:?} {trouble}");
            assert_eq!(all.json()["completeness"], "complete");
            assert_eq!(figure(&gateway, "sddc_gateway_inventory_orgs_missing").await, Some(0));
        }
    }
}

#[tokio::test]
async fn an_org_that_was_never_read_is_missing_and_keeps_nobody_waiting_twice() {
    for mode in MODES {
        let cloud = cloud_of(3).await;
        let orgs = cloud.simulator.org_ids();
        cloud.simulator.script(Fault::on(Target::Vmc, &below(&orgs[1])).kind(FaultKind::Hang));
        let setup = mode.setup(Setup::polling(&cloud), &cloud);
        let gateway = setup.with(|it| it.vmc.timeout = Duration::from_secs(2)).start().await;
        // The first callers learn what the first read gives.
        let first = gateway.get("/sddcs").await;
        assert_eq!(first.told(), (503, "incomplete".to_owned()), "{mode:?}");
        assert_eq!(
            first.json()["missing"],
            json!([{"org_id": orgs[1], "sddc_id": null, "reason": "upstream-timeout"}])
        );
        assert!(!first.header("retry-after").is_empty());
        gateway.advance(2);
        let probing = async |gateway: &TestGateway| {
            let body = gateway.ops("/readyz").await.json();
            let mut circuits = body["orgs"].as_array().unwrap().iter();
            circuits.any(|org| org["upstream"]["vmc"]["circuit"] == "half_open")
        };
        gateway.until("the next try", probing).await;
        // It takes two seconds; those who ask meanwhile wait for one.
        let patient = Duration::from_millis(1700);
        let part = tokio::time::timeout(patient, gateway.get("/sddcs?partial=allow"));
        let part = part.await.expect("an answer before the try has ended");
        assert_eq!((part.status, part.names().len()), (StatusCode::OK, 6));
        assert_eq!(part.json()["completeness"], "partial");
        assert_eq!(part.json()["missing"], first.json()["missing"]);
        for org in [&orgs[0], &orgs[2]] {
            assert_eq!(at_once(&gateway, &sddcs_of(org)).await.names().len(), 3);
        }
        assert_eq!(figure(&gateway, "sddc_gateway_inventory_orgs_missing").await, Some(1));
        let count = async |answer: &str| {
            gateway.metric("sddc_gateway_incomplete_answers_total", answer).await
        };
        assert_eq!((count("refused").await, count("partial").await), (1.0, 1.0));
        cloud.simulator.clear_faults();
        gateway.until("its end", async |gateway: &TestGateway| !probing(gateway).await).await;
        gateway.advance(60);
        let whole = async |gateway: &TestGateway| gateway.get("/sddcs").await.names().len() == 9;
        gateway.until("the org", whole).await;
        assert_eq!(figure(&gateway, "sddc_gateway_inventory_orgs_missing").await, Some(0));
    }
}

#[tokio::test]
async fn an_org_that_is_removed_leaves_every_list_and_is_not_asked_for_at_each_question() {
    for mode in MODES {
        let cloud = cloud_of(3).await;
        let orgs = cloud.simulator.org_ids();
        let gateway = mode.on_demand(&cloud).await;
        let lists = ["/sddcs", "/sddcs?include_deleted=true", "/tasks", "/orgs", "/hosts"];
        for list in lists {
            gateway.get(list).await;
        }
        assert!(cloud.simulator.delete_org(&orgs[1]));
        // Gone from the discovery it is when it was absent twice.
        for _ in 0..3 {
            gateway.advance(61);
            let is_read = async |gateway: &TestGateway| {
                gateway.get("/sddcs").await;
                gateway.get("/orgs").await.header("age") == "0"
            };
            gateway.until("orgs", is_read).await;
        }
        for list in lists {
            let answer = gateway.get(list).await;
            assert_eq!(answer.status, StatusCode::OK);
            // A list of parts is partial for SDDCs of the others that report none.
            let completeness = &answer.json()["completeness"];
            assert!(completeness == "complete" || list == "/hosts", "{mode:?} {list}");
            assert!(!answer.text().contains(&orgs[1]), "{mode:?} {list}");
            assert!(answer.text().contains(&orgs[0]) || list == "/hosts", "{mode:?} {list}");
        }
        let before = super::reads(&cloud);
        for _ in 0..5 {
            for list in lists {
                gateway.get(list).await;
            }
            assert_eq!(gateway.get(&sddcs_of(&orgs[1])).await.code(), "org-not-found");
            assert_eq!(gateway.get(&format!("/orgs/{}", orgs[1])).await.code(), "org-not-found");
        }
        assert_eq!(super::reads(&cloud), before, "{mode:?}");
        assert_eq!(figure(&gateway, "sddc_gateway_inventory_orgs_missing").await, Some(0));
    }
}

#[tokio::test]
async fn what_is_gone_is_gone_from_the_side_lists_at_once() {
    let cloud = cloud_of(2).await;
    let orgs = cloud.simulator.org_ids();
    let gateway = Setup::on_demand(&cloud).with_configured_orgs(&cloud).start().await;
    for list in ["/tasks", "/sddcs?include_deleted=true"] {
        assert!(gateway.get(list).await.text().contains(&orgs[1]));
    }
    cloud.simulator.delete_org(&orgs[1]);
    assert!(!ask(&gateway, "/sddcs", "no-cache").await.text().contains(&orgs[1]));
    for list in ["/tasks", "/sddcs?include_deleted=true"] {
        let answer = gateway.get(list).await;
        assert!(!answer.text().contains(&orgs[1]) && answer.text().contains(&orgs[0]), "{list}");
        assert_eq!(answer.served(), "hit; ttl=60");
    }
}

#[tokio::test]
async fn a_new_org_is_served_after_the_next_discovery() {
    let cloud = cloud_of(2).await;
    let gateway = polling(&cloud, Mode::Discovered).await;
    let id = cloud.simulator.create_org(json!({ "display_name": "New" }));
    cloud.simulator.create_sddc(json!({ "org_id": id, "name": "newcomer" }));
    gateway.advance(30);
    let is_there = async |gateway: &TestGateway| {
        gateway.get("/sddcs?partial=allow").await.names().contains(&"newcomer".to_owned())
    };
    gateway.until("the new org", is_there).await;
    assert_eq!(gateway.get(&sddcs_of(&id)).await.names(), ["newcomer"]);
    assert_eq!(cloud.mints(), 1, "one token for all that are discovered");
    poll(&gateway, &cloud.simulator.org_ids()).await;
}

#[tokio::test]
async fn each_configured_org_has_a_token_of_its_own() {
    let cloud = cloud_of(4).await;
    let orgs = cloud.simulator.org_ids();
    let gateway = polling(&cloud, Mode::Configured).await;
    for _ in 0..3 {
        poll(&gateway, &orgs).await;
    }
    assert_eq!(cloud.mint_attempts(), 4);
    for org in &orgs {
        let label = format!("org_id=\"{org}\",outcome=\"minted\"");
        let mints = gateway.metric("sddc_gateway_token_mints_total", &label).await;
        assert_eq!(mints.to_string(), "1", "{org}");
    }
    assert_eq!(cloud.simulator.stats().unauthorized, 0);
}

#[tokio::test]
async fn lists_with_deleted_sddcs_are_believed_by_the_same_rules() {
    let cloud = cloud_of(1).await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let path = "/sddcs?include_deleted=true";
    let id = cloud.simulator.sddc_ids()[0].clone();
    cloud.simulator.patch_sddc(&id, json!({ "name": "newer", "version": 500 }));
    let before = gateway.get(path).await;
    let reads = || cloud.simulator.stats().deleted_list_reads;
    // A loss that the second reading does not confirm.
    cloud.simulator.script(Fault::on(Target::Vmc, super::SDDCS).body("[]").times(1));
    gateway.advance(61);
    let after = gateway.get(path).await;
    let unconfirmed = "hit; ttl=-1; detail=stale-unconfirmed";
    assert_eq!((after.served(), after.header("etag")), (unconfirmed, before.header("etag")));
    gateway.advance(5);
    gateway.until("the second reading", async |_| reads() == 3).await;
    let is_settled =
        async |gateway: &TestGateway| gateway.get(path).await.served() == "hit; ttl=60";
    gateway.until("its outcome", is_settled).await;
    assert_eq!(gateway.get(path).await.header("etag"), before.header("etag"));
    // One that it does.
    cloud.simulator.script(Fault::on(Target::Vmc, super::SDDCS).body("[]").times(2));
    gateway.advance(61);
    assert_eq!(gateway.get(path).await.served(), unconfirmed);
    gateway.advance(5);
    let is_empty = async |gateway: &TestGateway| gateway.get(path).await.names().is_empty();
    gateway.until("the loss", is_empty).await;
    assert_eq!(reads(), 5);
    gateway.advance(61);
    assert_eq!(gateway.get(path).await.header("etag"), before.header("etag"));
    // A lower version does not replace a higher one.
    let updated = cloud.simulator.sddc(&id).unwrap()["updated"].clone();
    let older = json!({ "name": "older", "version": 499, "updated": updated });
    cloud.simulator.patch_sddc(&id, older);
    gateway.advance(61);
    assert_eq!(gateway.get(path).await.header("etag"), before.header("etag"));
    // A deleted SDDC leaves the main list and stays in this one.
    cloud.simulator.patch_sddc(&id, json!({ "version": 501, "sddc_state": "DELETED" }));
    gateway.advance(61);
    let names = gateway.get(path).await.names();
    assert!(names.contains(&"older".to_owned()), "{names:?}");
    assert!(!gateway.get("/sddcs").await.names().contains(&"older".to_owned()));
}
