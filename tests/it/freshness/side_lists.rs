//! Lists that are polled only while they are asked for: tasks, SDDCs with deleted ones, and the
//! documents of configured organizations.

use sddc_gateway::simulator::Stats;

use super::{Mode, ask};
use crate::harness::{Cloud, Setup, TestGateway, cloud, cloud_of};

/// A list beside the main one.
struct Side {
    mode: Mode,
    path: String,
    reads: fn(&Stats) -> u64,
}

fn sides(cloud: &Cloud) -> Vec<Side> {
    let org = &cloud.simulator.org_ids()[0];
    let side = |mode, path: &str, reads| Side { mode, path: path.to_owned(), reads };
    vec![
        side(Mode::Discovered, "/tasks", |stats| stats.task_list_reads),
        side(Mode::Configured, "/tasks", |stats| stats.task_list_reads),
        side(Mode::Discovered, "/sddcs?include_deleted=true", |stats| stats.deleted_list_reads),
        side(Mode::Configured, "/orgs", |stats| stats.org_reads),
        side(Mode::Configured, &format!("/orgs/{org}"), |stats| stats.org_reads),
    ]
}

/// A gateway that polls, with its first snapshot.
async fn polling(cloud: &Cloud, mode: Mode) -> TestGateway {
    let gateway = mode.setup(Setup::polling(cloud), cloud).start().await;
    until_main(cloud, &gateway, 1).await;
    gateway
}

/// Returns when the main list has been read so often.
async fn until_main(cloud: &Cloud, gateway: &TestGateway, reads: u64) {
    gateway.until("main list", async |_| cloud.sddc_reads() >= reads).await;
    let fresh = async |gateway: &TestGateway| gateway.state().await["inventory"]["age_s"] == 0;
    gateway.until("its snapshot", fresh).await;
}

/// A poll interval, and what it brings about.
async fn pass_30_s(cloud: &Cloud, gateway: &TestGateway) {
    let before = cloud.sddc_reads();
    gateway.advance(30);
    until_main(cloud, gateway, before + 1).await;
}

#[tokio::test]
async fn a_side_list_is_polled_for_ten_minutes_after_the_last_question() {
    for at in 0.. {
        let cloud = cloud().await;
        let mut all = sides(&cloud);
        if at >= all.len() {
            break;
        }
        let Side { mode, path, reads } = all.swap_remove(at);
        let gateway = polling(&cloud, mode).await;
        let count = || reads(&cloud.simulator.stats());
        for _ in 0..3 {
            pass_30_s(&cloud, &gateway).await;
        }
        assert_eq!(count(), 0, "{path}: nobody has asked");

        assert_eq!(gateway.get(&path).await.served(), "fwd=miss; stored", "{path}");
        assert_eq!(count(), 1, "{path}: on the first question");
        for polls in 1..20 {
            pass_30_s(&cloud, &gateway).await;
            gateway.until("poll", async |_| count() > polls).await;
            assert_eq!(count(), 1 + polls, "{path}: polled");
        }
        for _ in 0..4 {
            pass_30_s(&cloud, &gateway).await;
        }
        assert_eq!(count(), 20, "{path}: ten minutes are over");

        assert_eq!(gateway.get(&path).await.served(), "fwd=miss; stored", "{path}");
        assert_eq!(count(), 21, "{path}: on the next question");
        pass_30_s(&cloud, &gateway).await;
        gateway.until("poll", async |_| count() == 22).await;
    }
}

#[tokio::test]
async fn a_hit_counts_as_a_question() {
    for at in 0.. {
        let cloud = cloud().await;
        let mut all = sides(&cloud);
        if at >= all.len() {
            break;
        }
        let Side { mode, path, reads } = all.swap_remove(at);
        let gateway = polling(&cloud, mode).await;
        let count = || reads(&cloud.simulator.stats());
        gateway.get(&path).await;
        for polls in 1..30 {
            pass_30_s(&cloud, &gateway).await;
            gateway.until("poll", async |_| count() > polls).await;
            if polls == 15 {
                let answer = gateway.get(&path).await;
                assert!(answer.served().starts_with("hit; ttl="), "{path}: {}", answer.served());
            }
        }
        assert_eq!(count(), 30, "{path}");
    }
}

#[tokio::test]
async fn who_asks_for_nothing_to_be_read_causes_no_polling() {
    for at in 0.. {
        let cloud = cloud().await;
        let mut all = sides(&cloud);
        if at >= all.len() {
            break;
        }
        let Side { mode, path, reads } = all.swap_remove(at);
        let gateway = polling(&cloud, mode).await;
        for _ in 0..3 {
            let answer = ask(&gateway, &path, "only-if-cached").await;
            assert_eq!(answer.told(), (504, "not-cached".to_owned()), "{path}");
            pass_30_s(&cloud, &gateway).await;
        }
        assert_eq!(reads(&cloud.simulator.stats()), 0, "{path}");
    }
}

#[tokio::test]
async fn only_the_orgs_that_are_asked_for_are_read() {
    let cloud = cloud_of(3).await;
    let gateway = polling(&cloud, Mode::Configured).await;
    let org = cloud.simulator.org_ids()[0].clone();
    let asked = [format!("/orgs/{org}"), format!("/orgs/{org}/sddcs?include_deleted=true")];
    for path in &asked {
        gateway.get(path).await;
    }
    for _ in 0..3 {
        let before = cloud.sddc_reads();
        gateway.advance(30);
        gateway.until("main lists", async |_| cloud.sddc_reads() == before + 3).await;
        gateway
            .until("snapshot", async |gateway| gateway.get(&asked[0]).await.header("age") == "0")
            .await;
    }
    let stats = cloud.simulator.stats();
    assert_eq!(stats.org_reads, 4);
    gateway.until("poll", async |_| cloud.simulator.stats().deleted_list_reads == 4).await;
}
