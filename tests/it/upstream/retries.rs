//! Reads that are tried again: which, how often, within which bounds.

use std::time::Duration;

use futures_util::future::join_all;
use sddc_gateway::{
    clock::Clock,
    simulator::{Fault, FaultKind, Target},
};

use crate::harness::{Cloud, Setup, TestGateway, cloud, cloud_of, cloud_with_ttl};

fn sddcs() -> Fault {
    Fault::on(Target::Vmc, "*/sddcs")
}

/// As operators have it: two retries.
async fn gateway(cloud: &Cloud) -> TestGateway {
    let setup = Setup::on_demand(cloud).with_configured_orgs(cloud);
    setup.with(|config| config.vmc.retries = 2).start().await
}

#[tokio::test]
async fn a_fault_that_passes_costs_a_caller_nothing_but_time() {
    for fault in [
        sddcs().status(500),
        sddcs().status(502),
        sddcs().status(503).kind(FaultKind::Html),
        sddcs().status(504),
        sddcs().status(429),
        sddcs().status(429).retry_after(0),
        sddcs().kind(FaultKind::Reset),
        sddcs().kind(FaultKind::Truncate),
    ] {
        let cloud = cloud().await;
        let gateway = gateway(&cloud).await;
        cloud.simulator.script(fault.clone().times(2));
        let answer = gateway.get("/sddcs").await;
        assert_eq!(answer.served(), "fwd=miss; stored", "{fault:?}");
        assert_eq!(cloud.sddc_reads(), 3, "{fault:?}");
        assert_eq!(gateway.state().await["upstream"]["vmc"]["circuit"], "closed", "{fault:?}");
    }
}

#[tokio::test]
async fn what_does_not_pass_is_asked_once() {
    for fault in [
        sddcs().status(400),
        sddcs().status(403),
        sddcs().status(409),
        sddcs().status(501),
        sddcs().kind(FaultKind::Html),
        sddcs().kind(FaultKind::Garbage),
        sddcs().kind(FaultKind::Redirect),
    ] {
        let cloud = cloud().await;
        let gateway = gateway(&cloud).await;
        cloud.simulator.script(fault.clone());
        assert!(gateway.get("/sddcs").await.status.is_server_error());
        assert_eq!(cloud.sddc_reads(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_try_that_hangs_leaves_time_for_another() {
    let cloud = cloud().await;
    cloud.simulator.script(sddcs().kind(FaultKind::Hang).times(2));
    let setup = Setup::on_demand(&cloud).with_configured_orgs(&cloud).with(|config| {
        config.vmc.retries = 2;
        config.vmc.timeout = Duration::from_secs(2);
    });
    let gateway = setup.start().await;
    assert_eq!(gateway.get("/sddcs").await.served(), "fwd=miss; stored");
    assert_eq!(cloud.sddc_reads(), 3);
}

#[tokio::test]
async fn a_short_retry_after_is_waited_for_and_a_long_one_is_told() {
    let cloud = cloud().await;
    let gateway = gateway(&cloud).await;
    cloud.simulator.script(sddcs().status(503).retry_after(1).times(1));
    let real = Clock::system();
    let began = real.now();
    assert_eq!(gateway.get("/sddcs").await.served(), "fwd=miss; stored");
    assert!(real.now().since(began) >= Duration::from_secs(1));
    assert_eq!(cloud.sddc_reads(), 2);
    gateway.advance(90);
    cloud.simulator.script(sddcs().status(503).retry_after(60));
    // The first may not have waited for the failure, on a busy machine.
    gateway.get("/sddcs").await;
    let closed =
        async |gateway: &TestGateway| gateway.state().await["upstream"]["vmc"]["circuit"] == "open";
    gateway.until("an open circuit", closed).await;
    let held = gateway.get("/sddcs").await;
    assert_eq!(held.served(), "hit; ttl=-30; detail=stale-upstream-unavailable");
    assert_eq!(cloud.sddc_reads(), 3);
    let state = gateway.state().await;
    assert_eq!(state["upstream"]["vmc"]["retry_in_s"], 60, "{state}");
}

#[tokio::test]
async fn the_one_call_of_a_half_open_circuit_is_tried_once() {
    let cloud = cloud().await;
    let gateway = gateway(&cloud).await;
    cloud.simulator.script(sddcs().status(503));
    assert_eq!(gateway.get("/sddcs").await.code(), "upstream-unavailable");
    assert_eq!(cloud.sddc_reads(), 3);
    for probes in 1..=4 {
        gateway.advance(60);
        assert_eq!(gateway.get("/sddcs").await.code(), "upstream-unavailable");
        assert_eq!(cloud.sddc_reads(), 3 + probes);
    }
}

#[tokio::test]
async fn once_the_hold_is_over_a_good_read_brings_a_new_snapshot() {
    for (fault, hold) in [(sddcs().status(503), 1), (sddcs().status(429).retry_after(7), 7)] {
        let cloud = cloud().await;
        let gateway = gateway(&cloud).await;
        gateway.get("/sddcs").await;
        cloud.simulator.script(fault.clone());
        gateway.advance(90);
        gateway.get("/sddcs").await;
        let closed = async |gateway: &TestGateway| {
            gateway.state().await["upstream"]["vmc"]["circuit"] == "open"
        };
        gateway.until("an open circuit", closed).await;
        cloud.simulator.clear_faults();
        gateway.advance(hold);
        assert_eq!(gateway.get("/sddcs").await.served(), "fwd=miss; stored", "{fault:?}");
    }
}

#[tokio::test]
async fn a_retry_never_sends_a_token_that_has_ended_meanwhile() {
    let cloud = cloud_with_ttl(20).await;
    let gateway = gateway(&cloud).await;
    gateway
        .until("a token", async |gateway| gateway.state().await["token"]["state"] == "valid")
        .await;
    cloud.simulator.script(sddcs().status(503).retry_after(1).times(1));
    let ask = gateway.get("/sddcs");
    let expire = async {
        // Counted when the pause has been decided on.
        let tried = async |gateway: &TestGateway| {
            gateway.metric("sddc_gateway_upstream_requests_total", "status=\"503\"").await > 0.5
        };
        gateway.until("the first try", tried).await;
        // Less than the read may take.
        gateway.advance(25);
    };
    let (answer, ()) = tokio::join!(ask, expire);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!((cloud.mints(), cloud.simulator.stats().unauthorized), (2, 0));
}

#[tokio::test]
async fn a_stampede_of_failing_reads_is_not_multiplied_by_retries() {
    // Each org has a circuit of its own: 60 reads fail at once, and the budget is one for all.
    let cloud = cloud_of(60).await;
    let gateway = gateway(&cloud).await;
    cloud.simulator.script(sddcs().status(503));
    let answers = join_all((0..10).map(|_| gateway.get("/sddcs"))).await;
    assert!(answers.iter().all(|answer| answer.code() == "upstream-unavailable"));
    let reads = cloud.sddc_reads();
    assert!((60..=60 + 60 / 5 + 10).contains(&reads), "{reads} reads of 60 orgs");
}

#[tokio::test]
async fn a_denied_list_opens_its_own_circuit_and_no_other() {
    let cloud = cloud().await;
    let gateway = gateway(&cloud).await;
    cloud.simulator.script(Fault::on(Target::Vmc, "*/tasks").status(403));
    assert_eq!(gateway.get("/tasks").await.code(), "upstream-credentials-rejected");
    let reads = cloud.simulator.stats().task_list_reads;
    for path in ["/sddcs", "/sddcs?include_deleted=true", "/orgs"] {
        assert_eq!(gateway.get(path).await.served(), "fwd=miss; stored", "{path}");
    }
    assert_eq!(gateway.state().await["upstream"]["vmc"]["circuit"], "closed");
    assert!(gateway.metric("sddc_gateway_upstream_circuit_open", "").await < 0.5);
    let held = gateway.get("/tasks").await;
    assert_eq!(
        (held.code().as_str(), held.header("retry-after")),
        ("upstream-credentials-rejected", "60")
    );
    assert_eq!(cloud.simulator.stats().task_list_reads, reads, "held back");
    // The list that tells whether there are SDDCs shows in the org's circuit.
    cloud.simulator.script(sddcs().status(403));
    gateway.advance(59);
    gateway.send(http::Method::GET, "/sddcs", &[("cache-control", "no-cache")]).await;
    let state = gateway.state().await;
    assert_eq!(state["upstream"]["vmc"]["circuit"], "open", "{state}");
    assert_eq!(state["upstream"]["csp"]["circuit"], "closed", "{state}");
    cloud.simulator.clear_faults();
    gateway.advance(1);
    assert_eq!(gateway.get("/tasks").await.served(), "fwd=miss; stored");
}

#[tokio::test]
async fn an_org_without_a_snapshot_is_tried_again_within_ten_seconds() {
    for target in [Target::Csp, Target::Vmc] {
        let cloud = cloud().await;
        cloud.simulator.script(Fault::on(target, "*").status(503));
        let gateway = gateway(&cloud).await;
        for _ in 0..8 {
            gateway.get("/sddcs").await;
            gateway.advance(10);
        }
        gateway.get("/sddcs").await;
        cloud.simulator.clear_faults();
        gateway.advance(10);
        gateway.until("a token", async |gateway| gateway.get("/sddcs").await.status == 200).await;
    }
}

#[tokio::test]
async fn retry_after_holds_calls_back_for_at_most_five_minutes() {
    let cloud = cloud().await;
    let gateway = gateway(&cloud).await;
    cloud.simulator.script(sddcs().status(503).retry_after(86_400));
    let answer = gateway.get("/sddcs").await;
    assert_eq!(answer.told(), (503, "upstream-unavailable".to_owned()));
    assert_eq!(answer.header("retry-after"), "300");
    assert_eq!(gateway.state().await["upstream"]["vmc"]["retry_in_s"], 300);
}
