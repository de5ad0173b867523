//! Ten minutes without VMware Cloud: nobody fails, and every answer says how old it is.

use std::time::Duration;

use http::StatusCode;
use sddc_gateway::simulator::{Fault, FaultKind, Target};
use serde_json::{Value, json};

use super::{MODES, SDDCS, ask};
use crate::harness::{Cloud, Setup, TestGateway, cloud, cloud_of};

const CALLERS: u64 = 5;

/// Fails, then resets and hangs up, then comes back.
fn begin(cloud: &Cloud) {
    cloud.simulator.script(Fault::on(Target::Vmc, "*").status(503).times(4));
    cloud.simulator.script(Fault::on(Target::Vmc, "*").kind(FaultKind::Reset).times(4));
    cloud.simulator.script(Fault::on(Target::Vmc, "*").kind(FaultKind::Html).status(502));
}

/// Whether an answer of this age may say this of itself.
fn is_honest(age: u64, served: &str) -> bool {
    if age < 60 {
        return served == format!("hit; ttl={}", 60 - age);
    }
    let sign = if age == 60 { "" } else { "-" };
    served == format!("hit; ttl={sign}{}; detail=stale-upstream-unavailable", age - 60)
        || served == "fwd=stale; fwd-status=503; detail=stale-upstream-unavailable"
}

async fn settled(gateway: &TestGateway, sddcs: usize) {
    let is_there = async |gateway: &TestGateway| {
        let answer = gateway.get("/sddcs").await;
        answer.header("age") == "0" && answer.names().len() == sddcs
    };
    gateway.until("a snapshot of now", is_there).await;
}

#[tokio::test]
async fn ten_minutes_without_upstream_fail_nobody_and_every_age_is_right() {
    for mode in MODES {
        let cloud = cloud_of(2).await;
        let gateway = mode.setup(Setup::polling(&cloud), &cloud).start().await;
        settled(&gateway, 6).await;
        let whole = gateway.get("/sddcs").await;
        begin(&cloud);
        let mints = cloud.mints();
        let mut told = Vec::new();
        for step in 1..=60_u64 {
            gateway.advance(10);
            let age = step * 10;
            for _ in 0..CALLERS {
                let answer = gateway.get("/sddcs").await;
                assert_eq!((answer.status, &answer.body), (StatusCode::OK, &whole.body), "{age}");
                assert_eq!(answer.header("etag"), whole.header("etag"));
                assert_eq!(answer.header("age"), age.to_string(), "{mode:?}");
                assert!(is_honest(age, answer.served()), "{mode:?} {age}: {}", answer.served());
                if told.last().is_none_or(|(at, _)| age >= at + 60) {
                    told.push((age, answer.served().to_owned()));
                }
            }
        }
        let asked = cloud.simulator.stats().faults;
        println!("{mode:?}, 600 s of outage, {} answers, 0 failures, {asked} tries", 60 * CALLERS);
        for (age, served) in told {
            println!("  Age: {age:>3}  Cache-Status: sddc-gateway; {served}");
        }
        // Per list: 1 + 2 + 4 + … s, and from then on once in 30 to 60 s.
        assert!(asked <= 3 * 27, "{asked} tries");
        assert_eq!(cloud.mints(), mints, "the token is good");
        cloud.simulator.clear_faults();
        gateway.advance(60);
        settled(&gateway, 6).await;
        assert_eq!(gateway.get("/sddcs").await.served(), "hit; ttl=60");
    }
}

#[tokio::test]
async fn what_is_refused_is_hidden_when_it_has_to_be_though_it_is_fresh() {
    let cloud = cloud().await;
    let setup = Setup::on_demand(&cloud);
    let setup = setup.with(|config| config.inventory.stale_denied = Duration::from_secs(10));
    let gateway = setup.start().await;
    gateway.get("/sddcs").await;
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).status(403));
    gateway.advance(10);
    let refused = ask(&gateway, "/sddcs", "no-cache").await;
    let told = "fwd=stale; fwd-status=502; detail=stale-upstream-credentials-rejected";
    assert_eq!((refused.served(), refused.header("age")), (told, "10"));
    gateway.advance(1);
    let org = &cloud.simulator.org_ids()[0];
    for path in ["/sddcs", &format!("/orgs/{org}/sddcs")] {
        let hidden = gateway.get(path).await;
        assert_eq!(hidden.told(), (502, "upstream-credentials-rejected".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn a_list_of_orgs_that_hangs_keeps_nobody_waiting_twice() {
    let cloud = cloud().await;
    let setup = Setup::on_demand(&cloud);
    let gateway = setup.with(|config| config.vmc.timeout = Duration::from_secs(2)).start().await;
    cloud.simulator.script(Fault::on(Target::Vmc, "/vmc/api/orgs").kind(FaultKind::Hang));
    assert_eq!(gateway.get("/sddcs").await.told(), (504, "upstream-timeout".to_owned()));
    gateway.advance(2);
    // The next try takes two seconds too.
    let patient = tokio::time::timeout(Duration::from_millis(1700), gateway.get("/sddcs"));
    let answer = patient.await.expect("an answer before the try has ended");
    assert_eq!(answer.told(), (504, "upstream-timeout".to_owned()));
    assert!(!answer.header("retry-after").is_empty());
}

#[tokio::test]
async fn a_copy_that_the_last_list_does_not_show_gets_no_older_than_any_other() {
    let cloud = cloud().await;
    let setup = Setup::on_demand(&cloud);
    let setup = setup.with(|config| config.inventory.stale = Duration::from_secs(600));
    let gateway = setup.start().await;
    assert_eq!(gateway.get("/sddcs").await.names().len(), 4);
    let ids = cloud.simulator.sddc_ids();
    let mut listed: Vec<Value> = ids.iter().filter_map(|id| cloud.simulator.sddc(id)).collect();
    listed[3] = json!({ "name": "without an id" });
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).body(json!(listed).to_string()));
    gateway.advance(300);
    assert_eq!(gateway.get("/sddcs").await.names().len(), 4);
    cloud.simulator.clear_faults();
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).status(503));
    for (seconds, count, age) in [(300, 4, "600"), (1, 3, "301")] {
        gateway.advance(seconds);
        let answer = gateway.get("/sddcs").await;
        assert_eq!((answer.names().len(), answer.header("age")), (count, age));
    }
}
