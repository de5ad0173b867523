//! Clocks that jump, dates that few programs have met, and outages that last.

use std::time::Duration;

use jiff::{Timestamp, ToSpan};
use sddc_gateway::{
    clock::Clock,
    simulator::{self, Fault, Target},
};
use serde_json::json;

use crate::harness::{Cloud, Setup, TestGateway, clock, cloud};

/// A cloud that goes by a clock of its own, as VMware's does, and ours.
async fn apart() -> (Cloud, Clock) {
    let theirs = clock();
    let mut cloud = Cloud::start(&theirs, simulator::Options::default()).await;
    cloud.clock = clock();
    (cloud, theirs)
}

#[tokio::test]
async fn a_time_of_day_that_jumps_makes_nothing_older_or_younger() {
    let (cloud, theirs) = apart().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    gateway.get("/sddcs").await;
    gateway.advance(30);
    theirs.advance(Duration::from_secs(30));
    let today = gateway.clock.wall();
    for wall in [today + 24.hours(), today - 24.hours(), today] {
        gateway.clock.set_wall(wall);
        let answer = gateway.get("/sddcs").await;
        assert_eq!((answer.served(), answer.header("age")), ("hit; ttl=30", "30"), "{wall}");
        let state = gateway.state().await;
        assert_eq!(state["token"]["state"], "valid", "{wall}");
        assert_eq!(state["token"]["expires_in_s"], 1770, "{wall}");
        assert_eq!(state["inventory"]["age_s"], 30, "{wall}");
    }
    assert_eq!((cloud.mints(), cloud.sddc_reads()), (1, 1));
    // And what is due still comes.
    gateway.clock.set_wall(today - 24.hours());
    gateway.advance(1500);
    theirs.advance(Duration::from_secs(1500));
    gateway.until("renewal", async |_| cloud.mints() == 2).await;
    assert_eq!(gateway.get("/sddcs").await.served(), "fwd=miss; stored");
    assert_eq!(cloud.simulator.stats().unauthorized, 0);
}

#[tokio::test]
async fn a_date_to_come_back_at_is_understood_by_the_time_of_day() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).with_configured_orgs(&cloud).start().await;
    let fault = Fault::on(Target::Vmc, "*/sddcs").status(503);
    cloud.simulator.script(fault.retry_after_date("Sun, 22 Nov 2026 10:00:45 GMT"));
    assert_eq!(gateway.get("/sddcs").await.header("retry-after"), "45");
    gateway.advance(44);
    assert_eq!(gateway.get("/sddcs").await.header("retry-after"), "1");
    assert_eq!(cloud.sddc_reads(), 1);
    cloud.simulator.clear_faults();
    gateway.advance(1);
    assert_eq!(gateway.get("/sddcs").await.served(), "fwd=miss; stored");
}

#[tokio::test]
async fn dates_after_2038_and_leap_seconds_are_dates() {
    let last: Timestamp = "2038-01-19T03:14:07Z".parse().unwrap();
    let cloud = Cloud::start(&Clock::manual(last), simulator::Options::default()).await;
    let id = cloud.simulator.sddc_ids()[0].clone();
    let dates = json!({
        "created": "2016-12-31T23:59:60.000Z",
        "updated": "2038-01-19T03:14:08.000Z",
        "expiration_date": "9999-12-30T00:00:00.000Z",
    });
    assert!(cloud.simulator.patch_sddc(&id, dates));
    let gateway = Setup::on_demand(&cloud).start().await;
    gateway.get("/sddcs").await;
    for age in [1, 30, 59] {
        let passed = gateway.clock.wall().duration_since(last).as_secs();
        gateway.advance(age - u64::try_from(passed).unwrap());
        let sddc = gateway.get(&format!("/sddcs/{id}")).await;
        assert_eq!(sddc.header("age"), age.to_string());
        let sddc = sddc.json();
        assert_eq!(sddc["created_at"], "2016-12-31T23:59:59Z");
        assert_eq!(sddc["updated_at"], "2038-01-19T03:14:08Z");
        assert_eq!(sddc["expires_at"], "9999-12-30T00:00:00Z");
    }
    gateway.advance(1800);
    assert_eq!(gateway.get("/sddcs").await.served(), "fwd=miss; stored");
    assert_eq!(cloud.simulator.stats().unauthorized, 0);
}

/// Elsewhere twenty hours went by behind green probes (actions/actions-runner-controller#603).
#[tokio::test]
async fn hours_of_failure_are_told_and_end_with_their_cause() {
    let cloud = cloud().await;
    let gateway = Setup::polling(&cloud).with_configured_orgs(&cloud).start().await;
    gateway.until("a snapshot", async |_| cloud.sddc_reads() == 1).await;
    cloud.simulator.script(Fault::on(Target::Vmc, "*").status(503));
    cloud.simulator.script(Fault::on(Target::Csp, "*").status(503));
    gateway.advance(20 * 3600);
    let told = async |gateway: &TestGateway| {
        let state = gateway.state().await;
        state["token"]["last_error"] == "upstream-unavailable"
            && state["inventory"]["last_error"] == "upstream-unavailable"
    };
    gateway.until("the truth in the probe", told).await;
    let state = gateway.state().await;
    assert_eq!(state["token"]["state"], "expired");
    assert_eq!(state["inventory"]["age_s"], 20 * 3600);
    assert_eq!(gateway.ops("/readyz").await.status, 200, "it still answers");
    let age = gateway.metric("sddc_gateway_inventory_age_seconds", "").await;
    assert!((age - 72_000.0).abs() < 1.0, "{age}");
    let answer = gateway.get("/sddcs").await;
    assert_eq!((answer.status.as_u16(), answer.header("age")), (200, "72000"));
    assert!(answer.served().ends_with("detail=stale-upstream-unavailable"), "{}", answer.served());
    // What is wrong is looked at once a minute at least, and then it is over at once.
    let tries = cloud.mint_attempts();
    gateway.advance(61);
    gateway.until("another try", async |_| cloud.mint_attempts() > tries).await;
    cloud.simulator.clear_faults();
    let over = async |gateway: &TestGateway| {
        gateway.advance(10);
        gateway.state().await["inventory"]["age_s"].as_u64() < Some(60)
    };
    gateway.until("a snapshot again", over).await;
}
