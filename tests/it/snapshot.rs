//! The snapshot file: a restart during an outage answers, and what is wrong with the file costs
//! nothing else.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use sddc_gateway::simulator::{Fault, Target};

use crate::harness::{Captured, Cloud, Setup, TestGateway, cloud, cloud_of};

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("snapshot")
    }

    fn on(&self, setup: Setup) -> Setup {
        let path = self.path();
        setup.with(|config| config.inventory.snapshot_file = Some(path))
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap_or_default()
    }
}

async fn read_and_stopped(place: &Place, setup: Setup) -> Vec<String> {
    let gateway = place.on(setup).start().await;
    let names = gateway.get("/sddcs").await.names();
    gateway.until("the file", async |_| !place.bytes().is_empty()).await;
    gateway.stop().await;
    names
}

fn break_down(cloud: &Cloud) {
    for target in [Target::Csp, Target::Vmc] {
        cloud.simulator.script(Fault::on(target, "*").status(503));
    }
}

async fn writes(gateway: &TestGateway, outcome: &str) -> f64 {
    gateway.metric("sddc_gateway_snapshot_writes_total", outcome).await
}

#[tokio::test]
async fn a_restart_during_an_outage_answers_as_old_as_it_is() {
    for configured in [false, true] {
        let (cloud, place) = (cloud_of(2).await, Place::new());
        let setup = || {
            let setup = Setup::on_demand(&cloud);
            if configured { setup.with_configured_orgs(&cloud) } else { setup }
        };
        let names = read_and_stopped(&place, setup()).await;
        break_down(&cloud);
        cloud.clock.advance(std::time::Duration::from_secs(600));

        let gateway = place.on(setup()).start().await;
        assert_eq!(gateway.ops("/readyz").await.status, 200, "it can answer");
        let answer = gateway.get("/sddcs").await;
        assert_eq!(answer.told(), (200, "200".to_owned()));
        assert_eq!((answer.names(), answer.header("age")), (names, "600"));
        assert!(answer.served().contains("detail=stale-upstream-unavailable"), "{answer:?}");

        gateway.advance(24 * 3600 - 600);
        assert_eq!(gateway.get("/sddcs").await.status, 200);
        gateway.advance(1);
        assert_eq!(gateway.get("/sddcs").await.told(), (503, "upstream-unavailable".to_owned()));
    }
}

#[tokio::test]
async fn what_the_file_says_gives_way_to_what_is_read() {
    let (cloud, place) = (cloud().await, Place::new());
    let names = read_and_stopped(&place, Setup::on_demand(&cloud)).await;
    cloud.simulator.create_sddc(serde_json::json!({ "name": "another" }));
    cloud.clock.advance(std::time::Duration::from_secs(61));
    let gateway = place.on(Setup::on_demand(&cloud)).start().await;
    let answer = gateway.get("/sddcs").await;
    assert_eq!((answer.names().len(), answer.header("age")), (names.len() + 1, "0"));
}

#[tokio::test]
async fn the_file_holds_no_secret_and_is_its_owners_alone() {
    let (cloud, place) = (cloud().await, Place::new());
    read_and_stopped(&place, Setup::on_demand(&cloud)).await;
    let text = String::from_utf8(place.bytes()).unwrap();
    assert!(text.contains("vcenter_url") && !text.contains("CANARY") && !text.contains("demo-"));
    let mode = fs::metadata(place.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_file_that_cannot_be_believed_is_told_and_costs_nothing_else() {
    let (cloud, place) = (cloud().await, Place::new());
    let names = read_and_stopped(&place, Setup::on_demand(&cloud)).await;
    let good = place.bytes();
    let half = good[..good.len() / 2].to_vec();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let old = String::from_utf8(good).unwrap().replacen("\"version\":2", "\"version\":9", 1);
    let cases = [
        (half, "the snapshot is damaged"),
        (flipped, "the snapshot is damaged"),
        (old.into_bytes(), "the snapshot has version 9"),
    ];
    for (bytes, told) in cases {
        fs::write(place.path(), &bytes).unwrap();
        let gateway = place.on(Setup::on_demand(&cloud)).start().await;
        assert!(Captured::events().contains(&format!("the snapshot file is not used: {told}")));
        assert_eq!(gateway.get("/sddcs").await.names(), names);
        gateway.until("a good file", async |_| place.bytes() != bytes).await;
    }
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_never_written_over() {
    let (cloud, place) = (cloud().await, Place::new());
    fs::write(place.path(), "somebody's letters").unwrap();
    let gateway = place.on(Setup::on_demand(&cloud)).start().await;
    assert_eq!(gateway.get("/sddcs").await.status, 200);
    gateway.stop().await;
    assert_eq!(place.bytes(), b"somebody's letters");
    let told =
        "the snapshot file is neither used nor written: the file is not a snapshot of sddc-gateway";
    assert!(Captured::events().contains(told));
}

#[tokio::test]
async fn a_file_that_cannot_be_written_costs_a_metric_and_a_log_line() {
    let (cloud, place) = (cloud().await, Place::new());
    let gateway = place.on(Setup::polling(&cloud)).start().await;
    gateway.until("a write", async |it| writes(it, "written").await > 0.0).await;
    fs::remove_dir_all(place.directory.path()).unwrap();
    cloud.simulator.create_sddc(serde_json::json!({ "name": "another" }));
    gateway.advance(30);
    gateway
        .until("a failed write", async |it| {
            it.advance(1);
            writes(it, "failed").await > 0.0
        })
        .await;
    let answer = gateway.get("/sddcs").await;
    assert!(answer.status == 200 && answer.names().contains(&"another".to_owned()));
    assert!(
        Captured::events().contains("the snapshot file could not be written: the old one stays")
    );
    fs::create_dir(place.directory.path()).unwrap();
    gateway
        .until("a good write", async |it| {
            it.advance(5);
            writes(it, "written").await > 1.0
        })
        .await;
}
