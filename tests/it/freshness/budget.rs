//! What one caller may make the gateway ask upstream: six reads a minute.

use std::time::Duration;

use http::Method;
use sddc_gateway::{
    access::Scope,
    simulator::{Fault, Target},
};

use super::{MODES, ask, paths, reads};
use crate::harness::{Setup, TestGateway, cloud, cloud_of};

/// Spends the caller's budget on a list that is kept, a second between two reads.
async fn spend(gateway: &TestGateway, path: &str) {
    for turn in 0..6 {
        gateway.advance(1);
        let answer = ask(gateway, path, "no-cache").await;
        assert_eq!(answer.served(), "fwd=miss; stored", "{path} {turn}");
    }
}

#[tokio::test]
async fn a_caller_who_has_spent_the_budget_gets_the_snapshot_on_every_path() {
    for mode in MODES {
        let cloud = cloud().await;
        let gateway = mode.on_demand(&cloud).await;
        for path in paths(&cloud) {
            gateway.advance(60);
            gateway.get(&path).await;
            spend(&gateway, &path).await;
            gateway.advance(1);
            let before = reads(&cloud);
            for directive in ["no-cache", "max-age=0"] {
                let over = ask(&gateway, &path, directive).await;
                assert_eq!(over.served(), "hit; ttl=59; detail=budget", "{mode:?} {path}");
                assert_eq!(over.header("age"), "1");
            }
            // What needs no read costs nothing, and says nothing of it.
            assert_eq!(ask(&gateway, &path, "max-age=1").await.served(), "hit; ttl=59");
            assert_eq!(reads(&cloud), before, "{mode:?} {path}");
        }
    }
}

#[tokio::test]
async fn another_caller_has_another_budget_and_a_minute_later_there_is_a_new_one() {
    let cloud = cloud().await;
    let (setup, key) = Setup::on_demand(&cloud).with_caller("second", &[Scope::SddcRead]);
    let gateway = setup.start().await;
    gateway.get("/sddcs").await;
    spend(&gateway, "/sddcs").await;
    gateway.advance(1);
    assert_eq!(ask(&gateway, "/sddcs", "no-cache").await.served(), "hit; ttl=59; detail=budget");
    let headers = [("cache-control", "no-cache"), ("x-api-key", key.reveal())];
    let other = gateway.send_bare(Method::GET, "/sddcs", &headers).await;
    assert_eq!(other.served(), "fwd=miss; stored");
    // The first of the six was 60 s ago 54 s from here.
    gateway.advance(53);
    assert_eq!(ask(&gateway, "/sddcs", "no-cache").await.served(), "hit; ttl=7; detail=budget");
    gateway.advance(1);
    assert_eq!(ask(&gateway, "/sddcs", "no-cache").await.served(), "fwd=miss; stored");
    assert_eq!(ask(&gateway, "/sddcs", "no-cache").await.served(), "hit; ttl=60; detail=budget");
}

#[tokio::test]
async fn a_budget_is_spent_once_for_a_request_however_many_orgs_and_lists_it_reads() {
    let cloud = cloud_of(4).await;
    let gateway = Setup::on_demand(&cloud).with_configured_orgs(&cloud).start().await;
    let path = format!("/sddcs/{}/tasks", cloud.simulator.sddc_ids()[0]);
    gateway.get("/sddcs").await;
    gateway.get(&path).await;
    for turn in 0..6 {
        gateway.advance(1);
        let path = if turn % 2 == 0 { "/sddcs" } else { &path };
        assert_eq!(ask(&gateway, path, "no-cache").await.served(), "fwd=miss; stored", "{turn}");
    }
    gateway.advance(1);
    assert_eq!(ask(&gateway, "/sddcs", "no-cache").await.served(), "hit; ttl=58; detail=budget");
}

#[tokio::test]
async fn each_organization_has_a_budget_of_its_own() {
    let cloud = cloud_of(2).await;
    let gateway = Setup::on_demand(&cloud).with_configured_orgs(&cloud).start().await;
    gateway.get("/sddcs").await;
    let orgs = gateway.get("/orgs").await.json();
    let path = |at: usize| format!("/orgs/{}/sddcs", orgs["items"][at]["id"].as_str().unwrap());
    spend(&gateway, &path(0)).await;
    gateway.advance(1);
    let over = ask(&gateway, &path(0), "no-cache").await;
    assert_eq!(over.served(), "hit; ttl=59; detail=budget");
    spend(&gateway, &path(1)).await;
    let over = ask(&gateway, "/sddcs", "no-cache").await;
    assert!(over.served().ends_with("detail=budget"), "{}", over.served());
}

#[tokio::test]
async fn beyond_the_budget_an_old_snapshot_is_refreshed_as_for_everybody() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).with(|config| {
        config.inventory.fresh = Duration::from_secs(5);
    });
    let gateway = gateway.start().await;
    gateway.get("/sddcs").await;
    spend(&gateway, "/sddcs").await;
    gateway.advance(5);
    assert_eq!(ask(&gateway, "/sddcs", "no-cache").await.served(), "fwd=miss; stored");
}

#[tokio::test]
async fn beyond_the_budget_a_read_that_began_before_the_request_is_not_called_what_it_asked_for() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).with(|config| {
        config.inventory.fresh = Duration::from_secs(5);
    });
    let gateway = gateway.start().await;
    gateway.get("/sddcs").await;
    for _ in 0..6 {
        gateway.advance(1);
        ask(&gateway, "/sddcs", "no-cache").await;
    }
    gateway.advance(5);
    let before = cloud.sddc_reads();
    cloud.simulator.script(Fault::on(Target::Vmc, "*/sddcs").delay(Duration::from_millis(300)));
    let first = gateway.get("/sddcs");
    let over = async {
        gateway.until("the read", async |_| cloud.sddc_reads() > before).await;
        ask(&gateway, "/sddcs", "no-cache").await
    };
    let (first, over) = tokio::join!(first, over);
    assert_eq!(first.served(), "fwd=miss; stored");
    assert_eq!(over.served(), "hit; ttl=5; detail=budget");
}
