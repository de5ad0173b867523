//! What is believed of VMware's lists, and when: loss only if a later reading confirms it, lower
//! versions only if three readings agree, and nothing is removed by what cannot be read.

use http::{Method, StatusCode};
use sddc_gateway::simulator::{Fault, Target};
use serde_json::{Value, json};

use crate::harness::{Answer, Captured, Cloud, Setup, TestGateway, cloud, cloud_of};

const SDDCS: &str = "/vmc/api/orgs/*/sddcs";
const ORGS: &str = "/vmc/api/orgs";
const UNCONFIRMED: &str = "hit; ttl=-1; detail=stale-unconfirmed";

fn delete(cloud: &Cloud, count: usize) {
    for id in cloud.simulator.sddc_ids().iter().take(count) {
        cloud.simulator.delete_sddc(id);
    }
}

async fn forced(gateway: &TestGateway, path: &str) -> Answer {
    gateway.send(Method::GET, path, &[("cache-control", "no-cache")]).await
}

/// The documents of the first org's list, as VMware Cloud sends them.
fn documents(cloud: &Cloud) -> Vec<Value> {
    let ids = cloud.simulator.sddc_ids();
    ids.iter().map(|id| cloud.simulator.sddc(id).unwrap()).collect()
}

fn answer_with(cloud: &Cloud, path: &str, documents: &[Value]) {
    cloud.simulator.clear_faults();
    cloud.simulator.script(Fault::on(Target::Vmc, path).body(json!(documents).to_string()));
}

async fn odd_documents(gateway: &TestGateway) -> u32 {
    let page = gateway.ops("/metrics").await.text();
    let value = page.lines().find_map(|it| it.strip_prefix("sddc_gateway_odd_documents_total "));
    value.unwrap().parse().unwrap()
}

// Loss.

#[tokio::test]
async fn loss_is_believed_after_a_second_reading_five_seconds_later_and_no_request_brings_it_about()
{
    for deleted in [3, 4] {
        let cloud = cloud().await;
        let gateway = Setup::on_demand(&cloud).start().await;
        let before = gateway.get("/sddcs").await;
        delete(&cloud, deleted);
        gateway.advance(61);
        let answer = gateway.get("/sddcs").await;
        assert_eq!((answer.served(), answer.header("age")), (UNCONFIRMED, "61"));
        assert_eq!(answer.body, before.body);
        assert_eq!(cloud.sddc_reads(), 2);
        for age in 61..=65 {
            for answer in [gateway.get("/sddcs").await, forced(&gateway, "/sddcs").await] {
                assert_eq!(answer.header("age"), age.to_string());
                assert!(answer.served().ends_with("; detail=stale-unconfirmed"), "{answer:?}");
                assert_eq!(answer.body, before.body);
            }
            assert_eq!(cloud.sddc_reads(), 2, "no request reads on its account");
            gateway.advance(1);
        }
        gateway.until("the second reading", async |_| cloud.sddc_reads() == 3).await;
        let left =
            async |gateway: &TestGateway| gateway.get("/sddcs").await.names().len() == 4 - deleted;
        gateway.until("its outcome", left).await;
        let answer = gateway.get("/sddcs").await;
        assert_eq!((answer.served(), answer.header("age")), ("hit; ttl=60", "0"));
        assert_eq!(cloud.sddc_reads(), 3, "{deleted} deleted");
    }
}

#[tokio::test]
async fn what_is_less_than_most_is_believed_at_once() {
    for deleted in [1, 2] {
        let cloud = cloud().await;
        let gateway = Setup::on_demand(&cloud).start().await;
        gateway.get("/sddcs").await;
        delete(&cloud, deleted);
        gateway.advance(61);
        let answer = gateway.get("/sddcs").await;
        assert_eq!((answer.served(), answer.names().len()), ("fwd=miss; stored", 4 - deleted));
        assert_eq!(cloud.sddc_reads(), 2);
    }
}

#[tokio::test]
async fn a_loss_that_the_second_reading_does_not_confirm_never_shows() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let before = gateway.get("/sddcs").await;
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).body("[]").times(1));
    let answer = forced(&gateway, "/sddcs").await;
    assert_eq!(answer.served(), "hit; ttl=60; detail=stale-unconfirmed", "not old yet");
    assert_eq!(answer.body, before.body);
    gateway.advance(5);
    let is_settled =
        async |gateway: &TestGateway| gateway.get("/sddcs").await.served() == "hit; ttl=60";
    gateway.until("the second reading", is_settled).await;
    assert_eq!(gateway.get("/sddcs").await.body, before.body);
    assert_eq!(cloud.sddc_reads(), 3);
}

#[tokio::test]
async fn while_the_second_reading_fails_it_backs_off_and_the_loss_comes_through_in_the_end() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let before = gateway.get("/sddcs").await;
    delete(&cloud, 4);
    gateway.advance(61);
    assert_eq!(gateway.get("/sddcs").await.served(), UNCONFIRMED);
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).status(503));
    gateway.advance(5);
    let is_open =
        async |gateway: &TestGateway| gateway.state().await["upstream"]["vmc"]["circuit"] == "open";
    gateway.until("a failure", is_open).await;
    let reads = cloud.sddc_reads();
    for _ in 0..3 {
        let answer = gateway.get("/sddcs").await;
        assert!(answer.served().ends_with("; detail=stale-unconfirmed"), "{answer:?}");
        assert_eq!(answer.body, before.body);
    }
    assert_eq!(cloud.sddc_reads(), reads, "held back");
    cloud.simulator.clear_faults();
    gateway.advance(2);
    let is_empty = async |gateway: &TestGateway| gateway.get("/sddcs").await.names().is_empty();
    gateway.until("the end", is_empty).await;
    assert_eq!(gateway.get("/sddcs").await.json()["completeness"], "complete");
}

#[tokio::test]
async fn with_a_poller_the_next_poll_confirms_a_loss() {
    let cloud = cloud().await;
    let gateway = Setup::polling(&cloud).start().await;
    let count = async |gateway: &TestGateway| gateway.get("/sddcs").await.names().len();
    gateway.until("the first poll", async |gateway| count(gateway).await == 4).await;
    delete(&cloud, 4);
    gateway.advance(30);
    let is_doubted = async |gateway: &TestGateway| {
        gateway.get("/sddcs").await.served().ends_with("detail=stale-unconfirmed")
    };
    gateway.until("the second poll", is_doubted).await;
    assert_eq!((count(&gateway).await, cloud.sddc_reads()), (4, 2));
    gateway.advance(30);
    gateway.until("the third", async |gateway| count(gateway).await == 0).await;
    assert_eq!(cloud.sddc_reads(), 3);
}

#[tokio::test]
async fn a_first_list_with_deleted_ones_that_lacks_what_the_other_has_is_doubted_too() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let before = gateway.get("/sddcs").await;
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).body("[]").times(1));
    let path = "/sddcs?include_deleted=true";
    let answer = gateway.get(path).await;
    assert_eq!(answer.served(), "hit; ttl=60; detail=stale-unconfirmed");
    assert_eq!(answer.names(), before.names());
    gateway.advance(5);
    let is_settled =
        async |gateway: &TestGateway| gateway.get(path).await.served() == "hit; ttl=60";
    gateway.until("the second reading", is_settled).await;
    assert_eq!(gateway.get(path).await.names(), before.names());
}

#[tokio::test]
async fn a_loss_is_doubted_after_a_restart_too() {
    let (cloud, place) = (cloud().await, tempfile::tempdir().unwrap());
    let path = place.path().join("snapshot");
    let setup = || {
        Setup::on_demand(&cloud).with(|config| config.inventory.snapshot_file = Some(path.clone()))
    };
    let gateway = setup().start().await;
    let before = gateway.get("/sddcs").await;
    gateway.until("the file", async |_| path.exists()).await;
    gateway.stop().await;
    delete(&cloud, 4);
    cloud.clock.advance(std::time::Duration::from_secs(61));
    let gateway = setup().start().await;
    let answer = gateway.get("/sddcs").await;
    assert_eq!((answer.served(), &answer.body), (UNCONFIRMED, &before.body));
}

// Organizations.

#[tokio::test]
async fn when_no_org_is_left_what_was_read_before_is_shown_as_old_as_it_is() {
    for empty_discovery in [false, true] {
        let cloud = cloud_of(2).await;
        let gateway = Setup::on_demand(&cloud).start().await;
        let before = gateway.get("/sddcs").await;
        if empty_discovery {
            cloud.simulator.script(Fault::on(Target::Vmc, ORGS).body("[]"));
        }
        cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).status(404));
        for _ in 0..3 {
            gateway.advance(61);
            let answer = gateway.get("/sddcs").await;
            assert_eq!((answer.status, &answer.body), (StatusCode::OK, &before.body));
            assert!(answer.served().contains("detail=stale-upstream-contract"), "{answer:?}");
        }
        assert_eq!(gateway.get("/sddcs").await.header("age"), "183");
        gateway.advance(24 * 3600);
        assert_eq!(gateway.get("/sddcs").await.told(), (502, "upstream-contract".to_owned()));
        cloud.simulator.clear_faults();
        gateway.advance(5);
        let answer = gateway.get("/sddcs").await;
        assert_eq!((answer.status, &answer.body), (StatusCode::OK, &before.body));
    }
}

#[tokio::test]
async fn an_empty_list_of_orgs_is_no_answer() {
    let cloud = cloud().await;
    cloud.simulator.script(Fault::on(Target::Vmc, ORGS).body("[]"));
    let gateway = Setup::on_demand(&cloud).start().await;
    for path in ["/sddcs", "/orgs", "/tasks"] {
        assert_eq!(gateway.get(path).await.told(), (502, "upstream-contract".to_owned()), "{path}");
    }
    let remedy = "the app's token cannot see any organization: give the app a read-only role";
    assert!(Captured::events().contains(remedy));
    cloud.simulator.clear_faults();
    gateway.advance(10);
    assert_eq!(gateway.get("/orgs").await.json()["items"].as_array().unwrap().len(), 1);
    // Nor does one take away what is there.
    cloud.simulator.script(Fault::on(Target::Vmc, ORGS).body("[]"));
    for _ in 0..3 {
        gateway.advance(61);
        let answer = gateway.get("/orgs").await;
        assert_eq!(answer.json()["items"].as_array().unwrap().len(), 1);
        assert!(answer.served().contains("detail=stale-upstream-contract"), "{answer:?}");
    }
}

#[tokio::test]
async fn an_org_that_answered_404_is_back_five_seconds_after_it_is_asked_for_again() {
    for path in ["/sddcs", "/tasks", "/hosts"] {
        let cloud = cloud_of(2).await;
        let orgs = cloud.simulator.org_ids();
        let gateway = Setup::on_demand(&cloud).with_configured_orgs(&cloud).start().await;
        let both = |answer: &Answer| orgs.iter().all(|org| answer.text().contains(org));
        let list = format!("{ORGS}/{}/sddcs", orgs[1]);
        cloud.simulator.script(Fault::on(Target::Vmc, &list).status(404));
        assert!(!both(&gateway.get("/sddcs").await));
        cloud.simulator.clear_faults();
        gateway.get(path).await;
        gateway.advance(5);
        gateway.get(path).await;
        assert!(both(&gateway.get("/sddcs").await), "{path}");
    }
}

// Versions.

#[tokio::test]
async fn a_lower_version_is_held_back_with_its_own_age_until_three_readings_agree() {
    for restart in [false, true] {
        let (cloud, place) = (cloud().await, tempfile::tempdir().unwrap());
        let path = place.path().join("snapshot");
        let setup = || {
            let setup = Setup::on_demand(&cloud);
            setup.with(|config| config.inventory.snapshot_file = Some(path.clone()))
        };
        let mut gateway = setup().start().await;
        let id = cloud.simulator.sddc_ids()[0].clone();
        let one = format!("/sddcs/{id}");
        let other = format!("/sddcs/{}", cloud.simulator.sddc_ids()[1]);
        cloud.simulator.patch_sddc(&id, json!({ "name": "before", "version": 500 }));
        let updated = cloud.simulator.sddc(&id).unwrap()["updated"].clone();
        gateway.get("/sddcs").await;
        if restart {
            gateway.until("the file", async |_| path.exists()).await;
            gateway.stop().await;
            gateway = setup().start().await;
        }
        let mut after = documents(&cloud);
        for document in &mut after {
            if document["id"] == json!(id) {
                document["name"] = json!("after");
                document["version"] = json!(4);
                document["updated"] = updated.clone();
            }
        }
        answer_with(&cloud, SDDCS, &after);
        let odd = odd_documents(&gateway).await;
        for held in 1..=2 {
            gateway.advance(61);
            assert_eq!(forced(&gateway, &one).await.json()["name"], "before");
            let age = (61 * held).to_string();
            let shown = gateway.get(&one).await;
            assert_eq!(
                (shown.header("age"), shown.json()["name"].clone()),
                (&*age, json!("before"))
            );
            assert_eq!(gateway.get("/sddcs").await.header("age"), age, "of the oldest part");
            assert_eq!(gateway.get(&other).await.header("age"), "0");
            assert_eq!(odd_documents(&gateway).await - odd, held);
        }
        gateway.advance(61);
        let shown = gateway.get(&one).await;
        assert_eq!((shown.header("age"), shown.json()["name"].clone()), ("0", json!("after")));
        assert_eq!(gateway.get("/sddcs").await.header("age"), "0");
        assert!(Captured::events().contains("the higher one stays until three reads agree"));
    }
}

#[tokio::test]
async fn a_lower_version_that_was_updated_later_is_believed_at_once() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let id = cloud.simulator.sddc_ids()[0].clone();
    cloud.simulator.patch_sddc(&id, json!({ "name": "before", "version": 500 }));
    gateway.get("/sddcs").await;
    gateway.advance(61);
    // The simulator dates each change.
    cloud.simulator.patch_sddc(&id, json!({ "name": "after", "version": 4 }));
    let answer = gateway.get(&format!("/sddcs/{id}")).await;
    assert_eq!((answer.json()["name"].clone(), answer.header("age")), (json!("after"), "0"));
}

#[tokio::test]
async fn the_list_with_deleted_ones_says_the_same_of_a_version_that_went_back() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let id = cloud.simulator.sddc_ids()[0].clone();
    cloud.simulator.patch_sddc(&id, json!({ "name": "before", "version": 500 }));
    gateway.get("/sddcs").await;
    cloud.simulator.patch_sddc(&id, json!({ "name": "after", "version": 4 }));
    let all = "/sddcs?include_deleted=true";
    let shows =
        async |path: &str, name: &str| gateway.get(path).await.names().contains(&name.to_owned());
    // The first reading of the one list, the second and third of the other.
    assert!(shows(all, "before").await && shows("/sddcs", "before").await);
    gateway.advance(61);
    assert!(shows("/sddcs", "before").await && shows(all, "after").await);
    assert!(shows("/sddcs", "after").await, "what one list believes the other shows");
}

#[tokio::test]
async fn a_task_whose_version_went_back_is_believed_after_three_readings() {
    let cloud = cloud().await;
    let org = cloud.simulator.org_ids()[0].clone();
    let id =
        cloud.simulator.create_task(&org, json!({ "version": 90, "status": "STARTED" })).unwrap();
    let gateway = Setup::on_demand(&cloud).start().await;
    let path = format!("/tasks/{id}");
    assert_eq!(gateway.get(&path).await.json()["status"], "STARTED");
    cloud.simulator.patch_task(&id, json!({ "version": 3, "status": "FINISHED" }));
    let mut tasks = cloud.simulator.tasks(&org);
    for task in &mut tasks {
        task["updated"] = json!("2020-01-01T00:00:00Z");
    }
    answer_with(&cloud, "/vmc/api/orgs/*/tasks", &tasks);
    for status in ["STARTED", "STARTED", "FINISHED", "FINISHED"] {
        gateway.advance(61);
        assert_eq!(gateway.get(&path).await.json()["status"], status);
    }
}

// Metrics.

#[tokio::test]
async fn a_start_during_an_outage_shows_in_the_metrics_that_alerts_go_by() {
    for configured in [false, true] {
        let cloud = cloud().await;
        for target in [Target::Csp, Target::Vmc] {
            cloud.simulator.script(Fault::on(target, "*").status(503));
        }
        let setup = Setup::on_demand(&cloud);
        let setup = if configured { setup.with_configured_orgs(&cloud) } else { setup };
        let gateway = setup.start().await;
        let lines = async |start: &str| {
            let page = gateway.ops("/metrics").await.text();
            let lines = page.lines().filter(|line| line.starts_with(start));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(gateway.get("/sddcs").await.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(lines("sddc_gateway_ready").await, ["sddc_gateway_ready 0"]);
        let missing = lines("sddc_gateway_inventory_orgs_missing").await;
        assert!(missing[0].starts_with("sddc_gateway_inventory_orgs_missing 1"), "{missing:?}");
        assert!(lines("sddc_gateway_inventory_age_seconds{").await.is_empty());
        cloud.simulator.clear_faults();
        gateway.advance(10);
        assert_eq!(gateway.get("/sddcs").await.status, StatusCode::OK);
        assert_eq!(lines("sddc_gateway_ready").await, ["sddc_gateway_ready 1"]);
        let missing = lines("sddc_gateway_inventory_orgs_missing").await;
        assert!(missing[0].starts_with("sddc_gateway_inventory_orgs_missing 0"), "{missing:?}");
        assert_eq!(lines("sddc_gateway_inventory_age_seconds{").await.len(), 1);
    }
}

// Elements without a usable id.

#[tokio::test]
async fn elements_without_a_usable_id_remove_nothing() {
    for odd in [json!(null), json!(5), json!({ "id": null }), json!({ "id": 7, "name": "x" })] {
        let cloud = cloud().await;
        let gateway = Setup::on_demand(&cloud).start().await;
        let before = gateway.get("/sddcs").await;
        let ids = cloud.simulator.sddc_ids();
        let mut listed = documents(&cloud);
        // Three of four are not shown: no loss, as each may be the one that cannot be read.
        listed.truncate(1);
        listed.push(odd.clone());
        answer_with(&cloud, SDDCS, &listed);
        gateway.advance(61);
        let answer = gateway.get("/sddcs").await;
        assert_eq!((answer.status, answer.names()), (StatusCode::OK, before.names()), "{odd}");
        assert_eq!(answer.header("age"), "61", "of the oldest part");
        let org = &cloud.simulator.org_ids()[0];
        let missing = json!([{ "org_id": org, "sddc_id": null, "reason": "unreadable" }]);
        assert_eq!(answer.json()["missing"], missing);
        assert_eq!(answer.json()["completeness"], "partial");
        let shown = gateway.get(&format!("/sddcs/{}", ids[0])).await;
        assert_eq!(shown.header("age"), "0");
        let kept = gateway.get(&format!("/sddcs/{}", ids[3])).await;
        assert_eq!((kept.status, kept.header("age")), (StatusCode::OK, "61"));
        assert!(Captured::events().contains("what the list does not show stays as it was"));
        // Once the list is whole again, what it lacks is gone.
        listed.truncate(1);
        listed.push(cloud.simulator.sddc(&ids[1]).unwrap());
        answer_with(&cloud, SDDCS, &listed);
        gateway.advance(61);
        let answer = gateway.get("/sddcs").await;
        assert_eq!((answer.names().len(), answer.header("age")), (2, "0"));
        assert_eq!(answer.json()["completeness"], "complete");
    }
}

#[tokio::test]
async fn what_a_list_with_unreadable_elements_does_not_show_is_kept_for_as_long_as_it_may_be_stale()
{
    let cloud = cloud().await;
    let setup = Setup::on_demand(&cloud);
    let stale = std::time::Duration::from_secs(600);
    let gateway = setup.with(|config| config.inventory.stale = stale).start().await;
    gateway.get("/sddcs").await;
    let mut listed = documents(&cloud);
    listed[3] = json!({ "name": "without an id" });
    listed.push(json!({ "name": "without an id" }));
    answer_with(&cloud, SDDCS, &listed);
    for (seconds, count) in [(300, 4), (300, 4), (1, 3)] {
        gateway.advance(seconds);
        let answer = forced(&gateway, "/sddcs").await;
        assert_eq!((answer.status, answer.names().len()), (StatusCode::OK, count));
        let missing = answer.json()["missing"].as_array().unwrap().len();
        assert_eq!(missing, 2, "one for each");
    }
}

#[tokio::test]
async fn a_list_of_which_no_element_has_a_usable_id_is_no_answer() {
    for (path, ask) in [(SDDCS, "/sddcs"), (ORGS, "/orgs"), ("/vmc/api/orgs/*/tasks", "/tasks")] {
        let cloud = cloud().await;
        let odd = [json!({ "id": null, "name": "x" }), json!("y")];
        answer_with(&cloud, path, &odd);
        let gateway = Setup::on_demand(&cloud).start().await;
        assert_eq!(gateway.get(ask).await.told(), (502, "upstream-contract".to_owned()), "{ask}");
        cloud.simulator.clear_faults();
        gateway.advance(10);
        let before = gateway.get(ask).await;
        assert_eq!(before.status, StatusCode::OK);
        answer_with(&cloud, path, &odd);
        gateway.advance(61);
        let answer = forced(&gateway, ask).await;
        assert_eq!((answer.status, &answer.body), (StatusCode::OK, &before.body), "{ask}");
        assert!(answer.served().contains("detail=stale-upstream-contract"), "{answer:?}");
    }
}

#[tokio::test]
async fn an_org_without_a_usable_id_drops_no_other() {
    let cloud = cloud_of(2).await;
    let orgs = cloud.simulator.org_ids();
    let gateway = Setup::on_demand(&cloud).start().await;
    gateway.get("/orgs").await;
    let listed = [cloud.simulator.org(&orgs[0]).unwrap(), json!({ "id": null })];
    answer_with(&cloud, ORGS, &listed);
    for _ in 0..3 {
        gateway.advance(61);
        let answer = forced(&gateway, "/orgs").await;
        assert_eq!(answer.json()["items"].as_array().unwrap().len(), 2);
    }
}
