//! The snapshot's life (contract sections 4.1, 4.3 and 6): fresh, shared, stale, too old, incomplete.

use std::{fmt::Write, time::Duration};

use futures_util::future::join_all;
use http::StatusCode;
use sddc_gateway::simulator::{Fault, FaultKind, Target};
use serde_json::{Value, json};

use crate::harness::{Answer, Cloud, Setup, TestGateway, cloud, cloud_of};

const SDDCS: &str = "*/sddcs";
const ORGS: &str = "/vmc/api/orgs";
const STALE: u64 = 24 * 3600;
const STALE_DENIED: u64 = 3600;

/// The SDDC reads of one organization.
fn sddcs_of(org: &str) -> String {
    format!("/vmc/api/orgs/{org}/sddcs")
}

/// VMC lists these organizations only.
fn list_only(cloud: &Cloud, orgs: &[&String]) {
    let documents: Vec<Value> =
        orgs.iter().map(|id| cloud.simulator.org(id).expect("one of its orgs")).collect();
    let body = Value::from(documents).to_string();
    cloud.simulator.clear_faults();
    cloud.simulator.script(Fault::on(Target::Vmc, ORGS).body(body));
}

/// The organizations of the listed SDDCs.
fn orgs_in(answer: &Answer) -> Vec<String> {
    let items = answer.json()["items"].as_array().cloned().unwrap_or_default();
    let mut orgs: Vec<String> =
        items.iter().map(|item| item["org_id"].as_str().unwrap_or("null").to_owned()).collect();
    orgs.sort();
    orgs.dedup();
    orgs
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

// Freshness.

#[tokio::test]
async fn a_fresh_snapshot_is_shown_without_asking_upstream() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let first = gateway.get("/sddcs").await;
    assert_eq!((first.served(), first.header("age")), ("fwd=miss; stored", "0"));
    gateway.advance(59);
    let second = gateway.get("/sddcs").await;
    assert_eq!((second.served(), second.header("age")), ("hit; ttl=1", "59"));
    assert_eq!(second.body, first.body);
    assert_eq!((cloud.sddc_reads(), cloud.simulator.stats().org_list_reads), (1, 1));
}

#[tokio::test]
async fn an_older_snapshot_is_refreshed_once_for_all_who_ask() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    gateway.get("/sddcs").await;
    gateway.advance(60);
    let slow = Fault::on(Target::Vmc, SDDCS).delay(Duration::from_millis(300));
    cloud.simulator.script(slow);
    let answers = join_all((0..20).map(|_| gateway.get("/sddcs"))).await;
    let served = |how: &str| answers.iter().filter(|answer| answer.served() == how).count();
    let (stored, collapsed) = (served("fwd=miss; stored"), served("fwd=miss; collapsed"));
    assert_eq!(stored, 1, "{:?}", answers.iter().map(Answer::served).collect::<Vec<_>>());
    assert!(collapsed > 0 && stored + collapsed + served("hit; ttl=60") == 20);
    assert!(answers.iter().all(|answer| answer.header("age") == "0"));
    assert_eq!(cloud.sddc_reads(), 2);
}

#[tokio::test]
async fn a_refresh_that_hangs_is_waited_for_a_second_and_then_the_old_snapshot_is_shown() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    gateway.get("/sddcs").await;
    gateway.advance(90);
    cloud.simulator.script(Fault::on(Target::Vmc, "*").kind(FaultKind::Hang));
    for path in ["/sddcs", &format!("/sddcs/{}", cloud.simulator.sddc_ids()[0])] {
        // A try at the upstream may take 8 s.
        let patient = tokio::time::timeout(Duration::from_secs(5), gateway.get(path));
        let answer = patient.await.expect("an answer before the upstream's deadline");
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.served(), "hit; ttl=-30; detail=stale-refresh-pending");
        assert_eq!(answer.header("age"), "90");
    }
    assert_eq!(cloud.sddc_reads(), 2, "the second joined the first's read");
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_cancel_the_read() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let slow = Fault::on(Target::Vmc, SDDCS).delay(Duration::from_millis(500));
    cloud.simulator.script(slow);
    tokio::select! {
        biased;
        answer = gateway.get("/sddcs") => panic!("{answer:?}"),
        () = gateway.until("read begun", async |_| cloud.sddc_reads() == 1) => {}
    }
    gateway
        .until("snapshot", async |gateway| gateway.state().await["inventory"]["sddcs"] == 4)
        .await;
    assert_eq!(gateway.get("/sddcs").await.served(), "hit; ttl=60");
    assert_eq!(cloud.sddc_reads(), 1);
}

#[tokio::test]
async fn equal_snapshots_have_equal_tags_over_refreshes_and_replicas_and_a_change_alters_them() {
    let cloud = cloud().await;
    let one = Setup::on_demand(&cloud).start().await;
    let other = Setup::on_demand(&cloud).start().await;
    let id = cloud.simulator.sddc_ids()[0].clone();
    for path in ["/sddcs", "/orgs", &format!("/sddcs/{id}")] {
        let (mine, theirs) = (one.get(path).await, other.get(path).await);
        assert_eq!(mine.header("etag"), theirs.header("etag"), "{path}");
        assert_eq!(mine.body, theirs.body, "{path}");
    }
    let before = one.get("/sddcs").await;
    one.advance(61);
    let refreshed = one.get("/sddcs").await;
    assert_eq!(refreshed.served(), "fwd=miss; stored");
    assert_eq!(refreshed.header("etag"), before.header("etag"));
    cloud.simulator.patch_sddc(&id, json!({ "name": "another" }));
    one.advance(61);
    let changed = one.get("/sddcs").await;
    assert_ne!(changed.header("etag"), before.header("etag"));
    assert_eq!(changed.header("etag"), other.get("/sddcs").await.header("etag"));
}

// Upstream trouble.

#[tokio::test]
async fn an_outage_costs_freshness_until_the_snapshot_is_too_old() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    gateway.get("/sddcs").await;
    cloud.simulator.script(Fault::on(Target::Vmc, "*").status(503));
    let mut age = 0;
    for next in [61, 3601, STALE] {
        gateway.advance(next - age);
        age = next;
        let answer = gateway.get("/sddcs").await;
        assert_eq!(answer.status, StatusCode::OK, "{age}");
        assert_eq!(answer.header("age"), age.to_string());
        let told = "fwd=stale; fwd-status=503; detail=stale-upstream-unavailable";
        assert_eq!(answer.served(), told);
    }
    let held = gateway.get("/sddcs").await;
    let told = format!("hit; ttl=-{}; detail=stale-upstream-unavailable", STALE - 60);
    assert_eq!(held.served(), told, "the open circuit holds back, the snapshot is shown");
    gateway.advance(1);
    let answer = gateway.get("/sddcs").await;
    assert_eq!(answer.told(), (503, "upstream-unavailable".to_owned()));
    assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
    cloud.simulator.clear_faults();
    gateway.advance(60);
    assert_eq!(gateway.get("/sddcs").await.served(), "fwd=miss; stored");
}

#[tokio::test]
async fn a_denial_is_believed_sooner_than_an_outage() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    gateway.get("/sddcs").await;
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).status(403));
    gateway.advance(STALE_DENIED);
    let answer = gateway.get("/sddcs").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("age"), STALE_DENIED.to_string());
    let told = "fwd=stale; fwd-status=502; detail=stale-upstream-credentials-rejected";
    assert_eq!(answer.served(), told);
    gateway.advance(1);
    let answer = gateway.get("/sddcs").await;
    assert_eq!(answer.told(), (502, "upstream-credentials-rejected".to_owned()));
}

#[tokio::test]
async fn an_open_circuit_holds_a_stampede_back_and_then_lets_one_read_through() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).status(503));
    for reads in 1..=3 {
        for _ in 0..2 {
            let answers = join_all((0..50).map(|_| gateway.get("/sddcs"))).await;
            assert!(answers.iter().all(|answer| answer.code() == "upstream-unavailable"));
            assert_eq!(cloud.sddc_reads(), reads);
        }
        gateway.advance(60);
    }
    cloud.simulator.clear_faults();
    let answers = join_all((0..50).map(|_| gateway.get("/sddcs"))).await;
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK));
    assert_eq!(cloud.sddc_reads(), 4);
}

#[tokio::test]
async fn a_problem_that_is_held_says_how_long_it_still_will_be() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).status(429).retry_after(40));
    assert_eq!(gateway.get("/sddcs").await.header("retry-after"), "40");
    gateway.advance(30);
    for path in
        ["/sddcs", "/sddcs/unknown", &format!("/orgs/{}/sddcs", cloud.simulator.org_ids()[0])]
    {
        let held = gateway.get(path).await;
        let told = (held.code(), held.header("retry-after"));
        assert_eq!(told, ("upstream-unavailable".to_owned(), "10"), "{path}");
    }
    assert_eq!(cloud.sddc_reads(), 1);
}

#[tokio::test]
async fn a_refusal_that_is_held_says_how_long_it_still_will_be() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).status(403));
    gateway.get("/sddcs").await;
    gateway.advance(20);
    let held = gateway.get("/sddcs").await;
    let told = (held.code(), held.header("retry-after"));
    assert_eq!(told, ("upstream-credentials-rejected".to_owned(), "40"));
}

// Several organizations.

#[tokio::test]
async fn an_org_that_fails_makes_the_list_incomplete_unless_a_part_will_do() {
    let cloud = cloud_of(2).await;
    let orgs = cloud.simulator.org_ids();
    let gateway = Setup::on_demand(&cloud).with_configured_orgs(&cloud).start().await;
    cloud.simulator.script(Fault::on(Target::Vmc, &sddcs_of(&orgs[1])).status(500));
    let missing = json!([{ "org_id": orgs[1], "sddc_id": null, "reason": "upstream-unavailable" }]);

    let answer = gateway.get("/sddcs").await;
    assert_eq!(answer.told(), (503, "incomplete".to_owned()));
    assert_eq!(answer.json()["missing"], missing);
    assert!(!answer.header("retry-after").is_empty());

    let part = gateway.get("/sddcs?partial=allow").await;
    assert_eq!(part.status, StatusCode::OK);
    assert_eq!(
        (&part.json()["completeness"], &part.json()["missing"]),
        (&json!("partial"), &missing)
    );
    assert_eq!(orgs_in(&part), [orgs[0].clone()]);
    assert_eq!(part.names().len(), 3);

    // Only what is missing could tell whether that is a new value.
    for path in ["/sddcs?", "/hosts?", "/sddcs/events?", "/sd/prometheus?target=nsx&"] {
        let answer = gateway.get(&format!("{path}state=NEW_STATE")).await;
        assert_eq!(answer.told(), (503, "incomplete".to_owned()), "{path}");
        let answer = gateway.get(&format!("{path}state=NEW_STATE&limit=0")).await;
        assert_eq!(answer.code(), "invalid-parameter", "{path}");
    }
    let part = gateway.get("/sddcs?state=NEW_STATE&partial=allow").await;
    assert_eq!((part.status, part.names().len()), (StatusCode::OK, 0));
    assert_eq!(part.json()["completeness"], "partial");

    assert_eq!(gateway.get(&format!("/orgs/{}/sddcs", orgs[0])).await.names().len(), 3);
    let failing = gateway.get(&format!("/orgs/{}/sddcs", orgs[1])).await;
    assert_eq!(failing.code(), "upstream-unavailable");
}

#[tokio::test]
async fn when_every_org_fails_the_answer_is_the_problem_of_the_first() {
    let cloud = cloud_of(2).await;
    let orgs = sorted(cloud.simulator.org_ids());
    for (first, second, code) in
        [(500, 403, "upstream-unavailable"), (403, 500, "upstream-credentials-rejected")]
    {
        cloud.simulator.clear_faults();
        cloud.simulator.script(Fault::on(Target::Vmc, &sddcs_of(&orgs[0])).status(first));
        cloud.simulator.script(Fault::on(Target::Vmc, &sddcs_of(&orgs[1])).status(second));
        let gateway = Setup::on_demand(&cloud).with_configured_orgs(&cloud).start().await;
        for path in ["/sddcs", "/sddcs?partial=allow"] {
            assert_eq!(gateway.get(path).await.code(), code, "{path}");
        }
    }
}

#[tokio::test]
async fn an_org_with_an_old_snapshot_is_shown_and_missing_only_when_it_is_too_old() {
    let cloud = cloud_of(2).await;
    let orgs = cloud.simulator.org_ids();
    let gateway = Setup::on_demand(&cloud).with_configured_orgs(&cloud).start().await;
    let whole = gateway.get("/sddcs").await;
    cloud.simulator.script(Fault::on(Target::Vmc, &sddcs_of(&orgs[1])).status(503));
    gateway.advance(STALE);
    let stale = gateway.get("/sddcs").await;
    assert_eq!((stale.status, &stale.body), (StatusCode::OK, &whole.body));
    assert_eq!(stale.header("age"), STALE.to_string(), "of the oldest part");
    assert!(stale.served().ends_with("detail=stale-upstream-unavailable"), "{}", stale.served());
    gateway.advance(1);
    let missing = json!([{ "org_id": orgs[1], "sddc_id": null, "reason": "upstream-unavailable" }]);
    let answer = gateway.get("/sddcs").await;
    assert_eq!((answer.code(), &answer.json()["missing"]), ("incomplete".to_owned(), &missing));
    let part = gateway.get("/sddcs?partial=allow").await;
    assert_eq!((orgs_in(&part), part.header("age")), (vec![orgs[0].clone()], "1"));
}

#[tokio::test]
async fn an_org_that_answers_404_is_dropped_until_it_is_there_again() {
    let cloud = cloud_of(2).await;
    let orgs = cloud.simulator.org_ids();
    let gateway = Setup::on_demand(&cloud).with_configured_orgs(&cloud).start().await;
    assert_eq!(orgs_in(&gateway.get("/sddcs").await), sorted(orgs.clone()));
    cloud.simulator.script(Fault::on(Target::Vmc, &sddcs_of(&orgs[1])).status(404));
    gateway.advance(61);
    let answer = gateway.get("/sddcs").await;
    assert_eq!(
        (answer.status, &answer.json()["completeness"]),
        (StatusCode::OK, &json!("complete"))
    );
    assert_eq!((answer.served(), answer.header("age")), ("fwd=miss; stored", "0"));
    assert_eq!(orgs_in(&answer), [orgs[0].clone()]);
    assert_eq!(
        gateway.get(&sddcs_of(&orgs[1]).replace("/vmc/api", "")).await.code(),
        "org-not-found"
    );
    cloud.simulator.clear_faults();
    gateway.advance(61);
    // The list of orgs is read beside the answer: no caller waits for it.
    let orgs = sorted(orgs);
    gateway.until("new org", async |gateway| orgs_in(&gateway.get("/sddcs").await) == orgs).await;
}

#[tokio::test]
async fn an_org_whose_document_answers_404_is_no_org_any_more() {
    let cloud = cloud_of(2).await;
    let orgs = cloud.simulator.org_ids();
    let gateway = Setup::on_demand(&cloud).with_configured_orgs(&cloud).start().await;
    assert_eq!(gateway.get("/orgs").await.json()["items"].as_array().unwrap().len(), 2);
    cloud.simulator.script(Fault::on(Target::Vmc, &format!("{ORGS}/{}", orgs[1])).status(404));
    gateway.advance(61);
    let answer = gateway.get("/orgs").await.json();
    assert_eq!(answer["completeness"], "complete");
    assert_eq!(answer["items"].as_array().unwrap().len(), 1);
    assert_eq!(gateway.get(&format!("/orgs/{}", orgs[1])).await.code(), "org-not-found");
    assert_eq!(gateway.get(&format!("/orgs/{}", orgs[0])).await.status, StatusCode::OK);
}

// Discovery.

#[tokio::test]
async fn an_org_that_appears_is_served() {
    let cloud = cloud_of(2).await;
    let orgs = cloud.simulator.org_ids();
    list_only(&cloud, &[&orgs[0]]);
    let gateway = Setup::on_demand(&cloud).start().await;
    assert_eq!(orgs_in(&gateway.get("/sddcs").await), [orgs[0].clone()]);
    cloud.simulator.clear_faults();
    gateway.advance(61);
    // The list of orgs is read beside the answer: no caller waits for it.
    let orgs = sorted(orgs);
    gateway.until("new org", async |gateway| orgs_in(&gateway.get("/sddcs").await) == orgs).await;
}

/// Lets a minute pass and the list of orgs be read again: a question brings it about, and does not
/// wait for it.
async fn discover_anew(gateway: &TestGateway) {
    gateway.advance(61);
    gateway.get("/sddcs").await;
    let is_new = async |gateway: &TestGateway| {
        gateway.ops("/readyz").await.json()["discovery"]["age_s"] == 0
    };
    gateway.until("list of orgs", is_new).await;
}

#[tokio::test]
async fn an_org_is_dropped_when_it_leaves_the_discovery_twice_running_and_not_before() {
    let cloud = cloud_of(2).await;
    let orgs = cloud.simulator.org_ids();
    let gateway = Setup::on_demand(&cloud).start().await;
    gateway.get("/sddcs").await;
    // Away once, back, away once: never twice running.
    for there in [false, true, false] {
        let listed: Vec<_> = if there { orgs.iter().collect() } else { vec![&orgs[0]] };
        list_only(&cloud, &listed);
        discover_anew(&gateway).await;
        let answer = gateway.get("/sddcs").await;
        assert_eq!(orgs_in(&answer), sorted(orgs.clone()), "listed: {there}");
    }
    discover_anew(&gateway).await;
    let answer = gateway.get("/sddcs").await;
    assert_eq!(orgs_in(&answer), [orgs[0].clone()]);
    assert_eq!(answer.json()["completeness"], "complete");
    assert_eq!(gateway.get(&format!("/orgs/{}/sddcs", orgs[1])).await.code(), "org-not-found");
}

#[tokio::test]
async fn an_sddc_of_an_org_that_has_left_is_an_sddc_that_is_not_found() {
    let cloud = cloud_of(2).await;
    let orgs = cloud.simulator.org_ids();
    let gateway = Setup::on_demand(&cloud).start().await;
    let items = gateway.get(&format!("/orgs/{}/sddcs", orgs[1])).await.json()["items"].clone();
    let path = format!("/sddcs/{}", items[0]["id"].as_str().unwrap());
    gateway.get("/sddcs").await;
    list_only(&cloud, &[&orgs[0]]);
    for code in ["200", "sddc-not-found", "sddc-not-found"] {
        discover_anew(&gateway).await;
        assert_eq!(gateway.get(&path).await.code(), code);
    }
}

#[tokio::test]
async fn a_discovery_that_fails_does_not_take_away_the_orgs_it_found() {
    let cloud = cloud_of(2).await;
    let gateway = Setup::on_demand(&cloud).start().await;
    gateway.get("/sddcs").await;
    cloud.simulator.script(Fault::on(Target::Vmc, ORGS).status(500));
    for _ in 0..3 {
        gateway.advance(61);
        let answer = gateway.get("/sddcs").await;
        assert_eq!((answer.served(), answer.names().len()), ("fwd=miss; stored", 6));
    }
}

#[tokio::test]
async fn orgs_are_shown_whether_they_are_discovered_or_configured() {
    let cloud = cloud_of(2).await;
    let orgs = sorted(cloud.simulator.org_ids());
    let mut listed = Vec::new();
    for gateway in [
        Setup::on_demand(&cloud).start().await,
        Setup::on_demand(&cloud).with_configured_orgs(&cloud).start().await,
    ] {
        let answer = gateway.get("/orgs").await;
        let items = answer.json()["items"].as_array().unwrap().clone();
        let ids: Vec<_> = items.iter().map(|org| org["id"].as_str().unwrap()).collect();
        assert_eq!(sorted(ids.iter().map(ToString::to_string).collect()), orgs);
        for org in &items {
            let path = format!("/orgs/{}", org["id"].as_str().unwrap());
            let one = gateway.get(&path).await;
            assert_eq!((&one.json(), one.served()), (org, "hit; ttl=60"));
            let sddcs = gateway.get(&format!("{path}/sddcs")).await;
            assert_eq!((sddcs.names().len(), orgs_in(&sddcs).len()), (3, 1));
        }
        for path in ["/orgs/unknown", "/orgs/un%20known", "/orgs/unknown/sddcs"] {
            assert_eq!(gateway.get(path).await.told(), (404, "org-not-found".to_owned()), "{path}");
        }
        listed.push(answer.body);
    }
    assert_eq!(listed[0], listed[1]);
}

#[tokio::test]
async fn orgs_that_cannot_be_read_are_missing() {
    let cloud = cloud_of(2).await;
    let orgs = cloud.simulator.org_ids();
    let gateway = Setup::on_demand(&cloud).with_configured_orgs(&cloud).start().await;
    cloud.simulator.script(Fault::on(Target::Vmc, &format!("{ORGS}/{}", orgs[1])).status(500));
    let answer = gateway.get("/orgs").await;
    let missing = json!([{ "org_id": orgs[1], "sddc_id": null, "reason": "upstream-unavailable" }]);
    assert_eq!((answer.code(), &answer.json()["missing"]), ("incomplete".to_owned(), &missing));
    let part = gateway.get("/orgs?partial=allow").await;
    assert_eq!(part.json()["completeness"], "partial");
    assert_eq!(part.json()["items"].as_array().unwrap().len(), 1);
    assert_eq!(gateway.get(&format!("/orgs/{}", orgs[0])).await.status, StatusCode::OK);
    assert_eq!(gateway.get(&format!("/orgs/{}", orgs[1])).await.code(), "upstream-unavailable");
    // Which orgs there are is configured: no other has to be asked to know that there is none.
    assert_eq!(gateway.get("/orgs/unknown").await.code(), "org-not-found");
}

// One SDDC.

#[tokio::test]
async fn one_sddc_is_shown_from_the_snapshot_and_an_unknown_one_costs_no_read() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let list = gateway.get("/sddcs").await.json();
    for item in list["items"].as_array().unwrap() {
        let answer = gateway.get(&format!("/sddcs/{}", item["id"].as_str().unwrap())).await;
        assert_eq!((&answer.json(), answer.served()), (item, "hit; ttl=60"));
    }
    for path in ["/sddcs/00000000-0000-4000-8000-000000000000", "/sddcs/..%2f", "/sddcs/%C3%BC"] {
        assert_eq!(gateway.get(path).await.told(), (404, "sddc-not-found".to_owned()), "{path}");
    }
    assert_eq!((cloud.sddc_reads(), cloud.simulator.stats().sddc_reads), (1, 0));
}

#[tokio::test]
async fn an_id_that_is_not_found_while_an_org_is_unreadable_is_no_404() {
    let cloud = cloud_of(2).await;
    let orgs = cloud.simulator.org_ids();
    let gateway = Setup::on_demand(&cloud).with_configured_orgs(&cloud).start().await;
    cloud.simulator.script(Fault::on(Target::Vmc, &sddcs_of(&orgs[1])).status(500));
    let answer = gateway.get("/sddcs/unknown").await;
    assert_eq!(answer.told(), (503, "incomplete".to_owned()));
    let known = gateway.get(&format!("/orgs/{}/sddcs", orgs[0])).await.json();
    let id = known["items"][0]["id"].as_str().unwrap();
    assert_eq!(gateway.get(&format!("/sddcs/{id}")).await.status, StatusCode::OK);
}

// What upstream shows.

#[tokio::test]
async fn a_lower_version_never_replaces_a_higher_one() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let id = cloud.simulator.sddc_ids()[0].clone();
    cloud.simulator.patch_sddc(&id, json!({ "name": "newer", "version": 500 }));
    let before = gateway.get("/sddcs").await;
    cloud.simulator.patch_sddc(&id, json!({ "name": "older", "version": 499 }));
    gateway.advance(61);
    let answer = gateway.get("/sddcs").await;
    assert_eq!(
        (answer.served(), answer.header("etag")),
        ("fwd=miss; stored", before.header("etag"))
    );
    assert_eq!(gateway.get(&format!("/sddcs/{id}")).await.json()["name"], "newer");
    cloud.simulator.patch_sddc(&id, json!({ "name": "newest", "version": 501 }));
    gateway.advance(61);
    assert_eq!(gateway.get(&format!("/sddcs/{id}")).await.json()["name"], "newest");
}

#[tokio::test]
async fn an_odd_sddc_is_shown_with_what_can_be_read_and_hides_no_other() {
    let cloud = cloud().await;
    let ids = cloud.simulator.sddc_ids();
    let odd = json!({
        "name": 7, "created": [1], "version": {}, "sddc_access_state": true,
        "resource_config": { "clusters": "many", "vc_url": 1, "vpc_info": [] },
    });
    cloud.simulator.patch_sddc(&ids[0], odd);
    let gateway = Setup::on_demand(&cloud).start().await;
    assert_eq!(gateway.get("/sddcs").await.names().len(), 4);
    let shown = gateway.get(&format!("/sddcs/{}", ids[0])).await.json();
    assert_eq!((&shown["id"], &shown["state"]), (&json!(ids[0]), &json!("READY")));
    for field in [
        "name",
        "created_at",
        "access_state",
        "cluster_count",
        "host_count",
        "vcenter_url",
        "vpc_cidr",
    ] {
        assert_eq!(shown[field], Value::Null, "{field}");
    }
    let odd_documents = async || {
        let page = gateway.ops("/metrics").await.text();
        page.lines()
            .find_map(|line| line.strip_prefix("sddc_gateway_odd_documents_total "))
            .map(str::to_owned)
    };
    assert_eq!(odd_documents().await.as_deref(), Some("1"));
    // What is no object at all cannot be shown, and is counted too; what was there before stays.
    cloud.simulator.patch_sddc(&ids[1], json!(5));
    gateway.advance(61);
    let answer = gateway.get("/sddcs").await;
    assert_eq!((answer.status, answer.names().len()), (StatusCode::OK, 4));
    assert_eq!(answer.json()["completeness"], "partial");
    assert_eq!(odd_documents().await.as_deref(), Some("3"));
}

#[tokio::test]
async fn an_sddc_that_is_being_deployed_is_shown_with_nulls() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let list = gateway.get("/sddcs").await.json();
    let items = list["items"].as_array().unwrap();
    let deploying = items.iter().find(|item| item["state"] == "DEPLOYING").expect("the third one");
    for field in ["vcenter_url", "nsx_manager_url", "access_state", "version"] {
        assert_eq!(deploying.get(field), Some(&Value::Null), "{field}");
    }
    assert_eq!((&deploying["cluster_count"], &deploying["host_count"]), (&json!(0), &json!(0)));
    let mut fields = items.iter().map(|item| item.as_object().unwrap().keys().collect::<Vec<_>>());
    let first = fields.next().unwrap();
    assert!(fields.all(|others| others == first), "every SDDC has every field");
}

// The poller.

#[tokio::test]
async fn the_poller_keeps_the_snapshot_fresh_without_callers() {
    let cloud = cloud().await;
    let gateway = Setup::polling(&cloud).start().await;
    for reads in 1..6 {
        gateway.until("poll", async |_| cloud.sddc_reads() == reads).await;
        gateway
            .until("snapshot", async |gateway| gateway.state().await["inventory"]["age_s"] == 0)
            .await;
        gateway.advance(30);
    }
    gateway.until("poll", async |_| cloud.sddc_reads() == 6).await;
    let mut served = String::new();
    for _ in 0..3 {
        let _ = writeln!(served, "{}", gateway.get("/sddcs").await.served());
    }
    assert!(served.lines().all(|how| how.starts_with("hit; ttl=") && !how.contains("stale")));
}

#[tokio::test]
async fn the_poller_comes_back_by_itself_after_an_outage() {
    let cloud = cloud().await;
    let gateway = Setup::polling(&cloud).start().await;
    let inventory =
        async |gateway: &crate::harness::TestGateway| gateway.state().await["inventory"].clone();
    gateway.until("snapshot", async |gateway| inventory(gateway).await["sddcs"] == 4).await;
    cloud.simulator.script(Fault::on(Target::Vmc, "*").kind(FaultKind::Reset));
    gateway.advance(30);
    gateway
        .until("failure", async |gateway| {
            inventory(gateway).await["last_error"] == "upstream-unavailable"
        })
        .await;
    assert_eq!(gateway.get("/sddcs").await.served(), "hit; ttl=30");
    cloud.simulator.clear_faults();
    gateway.advance(30);
    gateway
        .until("recovery", async |gateway| {
            let inventory = inventory(gateway).await;
            inventory["last_error"].is_null() && inventory["age_s"] == 0
        })
        .await;
}

#[tokio::test]
async fn a_renewal_that_is_held_back_does_not_hold_the_poller_while_the_token_is_good() {
    let cloud = cloud().await;
    let gateway = Setup::polling(&cloud).start().await;
    gateway
        .until("snapshot", async |gateway| gateway.state().await["inventory"]["sddcs"] == 4)
        .await;
    cloud.simulator.script(Fault::on(Target::Csp, "*").status(503).retry_after(3000));
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).kind(FaultKind::Reset).times(1));
    gateway.advance(1600);
    gateway
        .until("failed renewal and failed read", async |gateway| {
            let state = gateway.state().await;
            state["token"]["consecutive_failures"] == 1
                && !state["inventory"]["last_error"].is_null()
        })
        .await;
    gateway.advance(1);
    gateway
        .until("snapshot", async |gateway| gateway.state().await["inventory"]["age_s"] == 0)
        .await;
    assert_eq!(gateway.state().await["token"]["state"], "valid");
}

#[tokio::test]
async fn callers_and_the_poller_together_cost_one_read_per_interval() {
    let cloud = cloud().await;
    let gateway = Setup::polling(&cloud).start().await;
    for reads in 1..5 {
        let answers = join_all((0..30).map(|_| gateway.get("/sddcs"))).await;
        assert!(answers.iter().all(|answer| answer.status == StatusCode::OK));
        gateway
            .until("snapshot", async |gateway| gateway.state().await["inventory"]["age_s"] == 0)
            .await;
        assert_eq!(cloud.sddc_reads(), reads);
        gateway.advance(30);
    }
}

// What must not look like the truth.

#[tokio::test]
async fn a_page_that_says_404_is_no_answer_about_an_org() {
    let cloud = cloud_of(2).await;
    let gateway = Setup::on_demand(&cloud).start().await;
    assert_eq!(gateway.get("/sddcs").await.names().len(), 6);
    let page = Fault::on(Target::Vmc, &sddcs_of(&cloud.simulator.org_ids()[0]));
    cloud.simulator.script(page.kind(FaultKind::Html).status(404));
    gateway.advance(61);
    let answer = gateway.get("/sddcs").await;
    assert_eq!(answer.names().len(), 6, "the old snapshot stays");
    assert_eq!(answer.served(), "fwd=stale; fwd-status=502; detail=stale-upstream-contract");
}

#[tokio::test]
async fn one_404_is_read_again_before_an_org_is_dropped() {
    let cloud = cloud_of(2).await;
    let gateway = Setup::on_demand(&cloud).start().await;
    gateway.get("/sddcs").await;
    let glitch = Fault::on(Target::Vmc, &sddcs_of(&cloud.simulator.org_ids()[0]));
    cloud.simulator.script(glitch.status(404).times(1));
    gateway.advance(61);
    let answer = gateway.get("/sddcs").await;
    assert_eq!((answer.names().len(), answer.served()), (6, "fwd=miss; stored"));
}

#[tokio::test]
async fn when_every_org_is_gone_the_answer_is_not_an_empty_list() {
    let cloud = cloud().await;
    cloud.simulator.script(Fault::on(Target::Vmc, "*").status(404));
    let gateway = Setup::on_demand(&cloud).with_configured_orgs(&cloud).start().await;
    for path in ["/sddcs", "/orgs"] {
        assert_eq!(gateway.get(path).await.code(), "upstream-contract", "{path}");
    }
}

#[tokio::test]
async fn an_org_that_is_listed_twice_is_served_once() {
    let cloud = cloud().await;
    let org = &cloud.simulator.org_ids()[0];
    let twice = json!([{ "id": org }, { "id": org }]).to_string();
    cloud.simulator.script(Fault::on(Target::Vmc, ORGS).body(twice));
    let gateway = Setup::on_demand(&cloud).start().await;
    assert_eq!(gateway.get("/sddcs").await.names().len(), 4);
    assert_eq!(gateway.get("/orgs").await.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_just_read_is_shown_however_short_the_limits_are() {
    let cloud = cloud().await;
    let setup = Setup::on_demand(&cloud).with(|config| {
        config.inventory.fresh = std::time::Duration::ZERO;
        config.inventory.stale = std::time::Duration::ZERO;
    });
    let gateway = setup.start().await;
    for _ in 0..2 {
        assert_eq!(gateway.get("/sddcs").await.served(), "fwd=miss; stored");
        gateway.advance(1);
    }
}

#[tokio::test]
async fn an_org_absent_once_stays_in_the_list_of_orgs_too() {
    let cloud = cloud_of(2).await;
    let orgs = cloud.simulator.org_ids();
    let gateway = Setup::on_demand(&cloud).start().await;
    gateway.get("/orgs").await;
    list_only(&cloud, &[&orgs[0]]);
    for left in [2, 1] {
        gateway.advance(61);
        let answer = gateway.get("/orgs").await;
        assert_eq!(answer.json()["items"].as_array().unwrap().len(), left);
    }
}
