//! What many callers cost upstream.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use http::StatusCode;
use sddc_gateway::simulator::{Fault, Target};
use support::hour;

use super::{MODES, Mode};
use crate::harness::{Answer, Setup, cloud};

#[tokio::test]
async fn a_thousand_cold_callers_cost_one_mint_and_one_read_of_each_list() {
    for mode in MODES {
        let cloud = cloud().await;
        // So that all of them come while there is nothing yet.
        let slow = Fault::on(Target::Vmc, "*/sddcs").delay(Duration::from_secs(2));
        cloud.simulator.script(slow);
        let gateway = mode.on_demand(&cloud).await;
        let answers = join_all((0..1000).map(|_| gateway.get("/sddcs"))).await;
        let mut served: BTreeMap<&str, usize> = BTreeMap::new();
        for answer in &answers {
            assert_eq!((answer.status, answer.header("age")), (StatusCode::OK, "0"));
            *served.entry(answer.served()).or_default() += 1;
        }
        let tags = answers.iter().map(|answer| answer.header("etag"));
        assert!(tags.clone().all(|tag| Some(tag) == tags.clone().next()));
        let stats = cloud.simulator.stats();
        let (orgs, sddcs) = (stats.org_list_reads, stats.sddc_list_reads);
        println!(
            "{mode:?}, 1000 cold callers: {} mint, {orgs} org-list reads, {sddcs} SDDC-list reads; \
             {served:?}",
            cloud.mints()
        );
        let expected = if mode == Mode::Discovered { (1, 1, 1) } else { (1, 0, 1) };
        assert_eq!((cloud.mint_attempts(), orgs, sddcs), expected, "{mode:?}");
        // One began the read of the orgs, one that of the SDDCs.
        let stored = served.get("fwd=miss; stored").copied().unwrap_or(0);
        assert!(
            stored >= 1 && stored <= if mode == Mode::Discovered { 2 } else { 1 },
            "{served:?}"
        );
    }
}

#[tokio::test]
async fn a_thousand_cold_callers_of_every_list_cost_one_read_of_each() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).with_configured_orgs(&cloud).start().await;
    let paths = ["/sddcs", "/sddcs?include_deleted=true", "/tasks", "/orgs", "/hosts"];
    let answers = join_all((0..1000).map(|at| gateway.get(paths[at % paths.len()]))).await;
    assert!(answers.iter().all(|answer: &Answer| answer.status == StatusCode::OK));
    let stats = cloud.simulator.stats();
    let reads =
        [stats.sddc_list_reads, stats.deleted_list_reads, stats.task_list_reads, stats.org_reads];
    assert_eq!((cloud.mint_attempts(), reads), (1, [1; 4]));
}

#[tokio::test]
async fn an_hour_of_polling_costs_upstream_what_the_poller_alone_costs() {
    // `make bench` has fifty callers.
    const CALLERS: usize = 4;
    let cloud = cloud().await;
    let gateway = Setup::polling(&cloud).start().await;
    gateway
        .until("snapshot", async |gateway| gateway.get("/sddcs").await.header("age") == "0")
        .await;
    let hour = hour::poll(gateway.api, gateway.key(), &gateway.clock, 3600, CALLERS).await;
    let stats = cloud.simulator.stats();
    let (orgs, sddcs) = (stats.org_list_reads, stats.sddc_list_reads);
    println!(
        "3600 s, {CALLERS} callers a second: {} answers, {} failures, {} stale, the oldest {} s; \
         upstream {} mints, {orgs} org-list reads, {sddcs} SDDC-list reads",
        hour.answers,
        hour.failures,
        hour.stale,
        hour.oldest_s,
        cloud.mints()
    );
    assert_eq!((hour.answers, hour.failures, hour.stale), (3600 * CALLERS as u64, 0, 0));
    assert!((115..=140).contains(&sddcs) && (115..=140).contains(&orgs), "{sddcs} {orgs}");
    assert!(hour.oldest_s < 60 && (3..=4).contains(&cloud.mints()), "{hour:?}");
}
