//! Requests before and after a change.

use futures_util::future::join_all;
use sddc_gateway::access::CallerKey;

use super::{Scene, caller, org, with_file};
use crate::harness::{Setup, TestGateway, cloud, cloud_of};

#[tokio::test]
async fn a_change_of_the_file_acts_with_the_next_look_at_it() {
    let cloud = cloud().await;
    let scene = Scene::start(Setup::on_demand(&cloud), "").await;
    assert_eq!(scene.ask("/sddcs").await.status, 200);
    assert_eq!(scene.gateway.get("/sddcs").await.status, 200, "a caller of the configuration");

    scene.rewrite("callers = []");
    scene
        .gateway
        .until("nobody of the file", async |_| scene.ask("/sddcs").await.status == 401)
        .await;
    assert_eq!(scene.gateway.get("/sddcs").await.status, 200, "the configuration's stays");

    scene.rewrite(&caller(&scene.key, "scopes = [\"vmc:read\"]"));
    scene.gateway.until("another scope", async |_| scene.ask("/sddcs").await.status == 403).await;
    assert_eq!(scene.ask("/sddcs").await.code(), "forbidden");

    scene.rewrite(&caller(&scene.key, "sddc_names = [\"prod-*\"]"));
    scene.gateway.until("a limit", async |_| scene.ask("/sddcs").await.status == 200).await;
    let names = scene.ask("/sddcs").await.names();
    assert!(!names.is_empty() && names.iter().all(|name| name.starts_with("prod-")), "{names:?}");
}

#[tokio::test]
async fn a_broken_new_version_keeps_the_old_one_and_says_so() {
    let cloud = cloud().await;
    let scene = Scene::start(Setup::on_demand(&cloud), "").await;
    scene.until_reload_is(true).await;
    let twice = caller(&scene.key, "").repeat(2);
    let other = CallerKey::generate().unwrap();
    for broken in [
        "[[callers]",
        "callers = 1",
        "[[caller]]\nname = \"x\"",
        &caller(&other, "scopes = [\"sddc:write\"]"),
        &caller(&other, "sddc_names = [\"prod-[ab]\"]"),
        &caller(&other, "not_after = \"tomorrow\""),
        &caller(&other, "").replace("filed", "tester"),
        &twice,
    ] {
        scene.rewrite(broken);
        assert_eq!(scene.until_reload_is(false).await["last_error"], "invalid", "{broken}");
        assert_eq!(scene.ask("/sddcs").await.status, 200, "the old version: {broken}");
        let metric = scene.gateway.metric("sddc_gateway_config_reload_ok", "callers_file").await;
        assert!(metric.abs() < 0.5);
        scene.rewrite(&caller(&scene.key, ""));
        scene.until_reload_is(true).await;
    }
    std::fs::remove_file(scene.file.path()).unwrap();
    scene.gateway.advance(5);
    assert_eq!(scene.until_reload_is(false).await["last_error"], "unreadable");
    assert_eq!(scene.ask("/sddcs").await.status, 200);
}

#[tokio::test]
async fn a_file_that_is_missing_at_start_lets_nobody_in_until_it_comes() {
    let cloud = cloud().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("callers.toml");
    let gateway = with_file(Setup::on_demand(&cloud), &path).start().await;
    let key = CallerKey::generate().unwrap();
    let ask = async |gateway: &TestGateway| {
        let headers = [("x-api-key", key.reveal())];
        gateway.send_bare(http::Method::GET, "/sddcs", &headers).await.status
    };
    assert_eq!(ask(&gateway).await, 401);
    std::fs::write(&path, caller(&key, "")).unwrap();
    gateway.advance(5);
    gateway.until("the file's caller", async |gateway| ask(gateway).await == 200).await;
}

#[tokio::test]
async fn a_file_that_was_emptied_keeps_the_old_callers_like_a_missing_one() {
    let cloud = cloud().await;
    let scene = Scene::start(Setup::on_demand(&cloud), "").await;
    for empty in ["", "\n", " \t\r\n"] {
        scene.rewrite(empty);
        assert_eq!(scene.until_reload_is(false).await["last_error"], "empty", "{empty:?}");
        assert_eq!(scene.ask("/sddcs").await.status, 200, "{empty:?}");
        scene.rewrite(&caller(&scene.key, ""));
        scene.until_reload_is(true).await;
    }
    // Told apart from a file that says so.
    scene.rewrite("# nobody any more\ncallers = []\n");
    let nobody = async |_: &TestGateway| scene.ask("/sddcs").await.status == 401;
    scene.gateway.until("nobody of the file", nobody).await;
    scene.until_reload_is(true).await;
}

#[tokio::test]
async fn an_empty_file_at_start_is_no_older_version() {
    let cloud = cloud().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let gateway = with_file(Setup::on_demand(&cloud), file.path()).start().await;
    let told = async |gateway: &TestGateway| {
        let ready = gateway.ops("/readyz").await.json();
        ready["reload"]["access.callers_file"]["last_error"] == "empty"
    };
    gateway.until("the empty file", told).await;
    let events = crate::harness::Captured::events();
    assert!(events.contains("there is no older version: its callers cannot authenticate"));
}

/// The file goes to and fro between two versions, in each of which the caller sees one org: an answer
/// with both, or with none, would be half of each.
#[tokio::test]
async fn a_request_sees_the_old_rules_or_the_new_ones() {
    let cloud = cloud_of(2).await;
    let versions = [0, 1].map(|at| format!("orgs = [\"{}\"]", org(&cloud, at)));
    let setup = Setup::on_demand(&cloud).with_configured_orgs(&cloud);
    let scene = Scene::start(setup, &versions[0]).await;
    let orgs = |answer: &crate::harness::Answer| {
        let items = answer.json()["items"].as_array().unwrap().clone();
        let mut orgs: Vec<_> =
            items.iter().map(|item| item["org_id"].as_str().unwrap().to_owned()).collect();
        orgs.dedup();
        orgs
    };
    let mut seen = [false; 2];
    while seen != [true; 2] {
        for version in &versions {
            scene.rewrite(&caller(&scene.key, version));
            for answer in join_all((0..20).map(|_| scene.ask("/sddcs"))).await {
                let shown = orgs(&answer);
                let at = (0..2).find(|at| shown == [org(&cloud, *at)]);
                seen[at.unwrap_or_else(|| panic!("{shown:?}"))] = true;
            }
        }
    }
}
