//! `vmc.max_in_flight`: how many calls an upstream has to bear at once.

use std::time::Duration;

use sddc_gateway::simulator::{Fault, FaultKind, Target};

use crate::harness::{Setup, TestGateway, cloud_of};

/// Calls that come and do not end.
fn held(path: &str) -> Fault {
    Fault::on(Target::Vmc, path).kind(FaultKind::Hang)
}

async fn flights(gateway: &TestGateway) -> f64 {
    let page = gateway.ops("/metrics").await.text();
    let value = page.lines().find_map(|line| line.strip_prefix("sddc_gateway_background_jobs "));
    value.unwrap().parse().unwrap()
}

#[tokio::test]
async fn reads_that_callers_wait_for_are_made_a_few_at_a_time_and_each_in_its_turn() {
    let cloud = cloud_of(6).await;
    let setup = Setup::on_demand(&cloud).with_configured_orgs(&cloud).with(|config| {
        config.vmc.max_in_flight = 2;
        config.vmc.timeout = Duration::from_secs(60);
    });
    cloud.simulator.script(held("*/sddcs").times(2));
    let gateway = setup.start().await;
    let ask = async { gateway.get("/sddcs?partial=allow").await };
    let look = async {
        gateway.until("six reads", async |gateway| flights(gateway).await > 5.5).await;
        gateway.until("two calls", async |_| cloud.sddc_reads() == 2).await;
        // Had a third one been on its way, it would have come by now: a mint takes longer.
        let mints = cloud.mints();
        gateway.advance(1700);
        gateway.until("mints, which take no place", async |_| cloud.mints() >= mints + 6).await;
        assert_eq!(cloud.sddc_reads(), 2, "the others wait");
    };
    tokio::select! {
        _ = ask => panic!("the answer came while the upstream hung"),
        () = look => {}
    }
}

#[tokio::test]
async fn the_poller_does_not_wait_behind_callers() {
    let cloud = cloud_of(1).await;
    let setup = Setup::polling(&cloud).with_configured_orgs(&cloud).with(|config| {
        config.vmc.max_in_flight = 1;
        config.vmc.timeout = Duration::from_secs(60);
    });
    cloud.simulator.script(held("*/tasks"));
    let gateway = setup.start().await;
    gateway.until("a snapshot", async |_| cloud.sddc_reads() == 1).await;
    // The callers' one place is taken.
    let stuck = gateway.get("/tasks");
    let look = async {
        let tasks = async |_: &TestGateway| cloud.simulator.stats().task_list_reads == 1;
        gateway.until("a read of the tasks", tasks).await;
        for polls in 2..=3 {
            gateway.advance(30);
            gateway.until("a poll", async |_| cloud.sddc_reads() == polls).await;
        }
        assert_eq!(gateway.get("/sddcs").await.status, 200);
    };
    tokio::select! {
        _ = stuck => panic!("the answer came while the upstream hung"),
        () = look => {}
    }
}

#[tokio::test]
async fn a_pause_between_tries_holds_no_place() {
    let cloud = cloud_of(2).await;
    let setup = Setup::on_demand(&cloud).with_configured_orgs(&cloud).with(|config| {
        config.vmc.max_in_flight = 1;
        config.vmc.retries = 1;
    });
    let orgs = cloud.simulator.org_ids();
    let first = format!("*/{}/sddcs", orgs[0]);
    cloud.simulator.script(Fault::on(Target::Vmc, &first).status(503).retry_after(4).times(1));
    let gateway = setup.start().await;
    let path = |org: &str| format!("/orgs/{org}/sddcs");
    let pausing = async { gateway.get(&path(&orgs[0])).await };
    let other = async {
        gateway.until("the first try", async |_| cloud.sddc_reads() == 1).await;
        gateway.get(&path(&orgs[1])).await
    };
    // Four seconds are long: the other one's answer comes first.
    tokio::select! {
        biased;
        answer = other => assert_eq!(answer.status, 200, "{}", answer.text()),
        _ = pausing => panic!("the place was held over the pause"),
    }
}
