//! Long polls about one SDDC, about tasks, and about one task.

use sddc_gateway::simulator::{Fault, Target};
use serde_json::json;

use super::client::{Client, watched_by};
use crate::harness::{Cloud, Setup, TestGateway, cloud, cloud_of};

const NO_CACHE: &str = "private, no-cache";

/// Begins to wait for another answer than there is now.
async fn wait(gateway: &TestGateway, path: &str) -> Client {
    let plain = gateway.get(path).await;
    assert_eq!(plain.status, 200, "{path}");
    let sign = if path.contains('?') { '&' } else { '?' };
    let tag = [("If-None-Match", plain.header("etag"))];
    let client = Client::send(gateway, "GET", &format!("{path}{sign}wait=100s"), &tag).await;
    watched_by(gateway, 1).await;
    client
}

/// The first task, of an SDDC or of none.
fn task_of(cloud: &Cloud, has_sddc: bool) -> (String, String) {
    let tasks = cloud.simulator.tasks(&cloud.simulator.org_ids()[0]);
    let task = tasks.iter().find(|task| (task["resource_type"] == "sddc") == has_sddc).unwrap();
    let text = |name: &str| task[name].as_str().unwrap_or_default().to_owned();
    (text("id"), text("resource_id"))
}

/// Every path that waits beside the lists of SDDCs, and what makes its answer another one.
fn paths(cloud: &Cloud) -> Vec<String> {
    let (task, sddc) = task_of(cloud, true);
    vec![
        format!("/sddcs/{sddc}"),
        format!("/sddcs/{sddc}?fields=name,id&include=hosts"),
        "/tasks".to_owned(),
        "/tasks?fields=id,phase&limit=500".to_owned(),
        format!("/tasks/{task}"),
        format!("/sddcs/{sddc}/tasks"),
    ]
}

fn change_everything(cloud: &Cloud) {
    let (task, sddc) = task_of(cloud, true);
    cloud.simulator.patch_sddc(&sddc, json!({ "name": "another" }));
    cloud.simulator.patch_task(&task, json!({ "phase_in_progress": "ANOTHER" }));
}

#[tokio::test]
async fn a_wait_ends_as_soon_as_the_answer_is_another_one() {
    for on_demand in [false, true] {
        let cloud = cloud().await;
        for path in paths(&cloud) {
            // Where nothing is polled, watching keeps fresh what is watched.
            let (setup, seconds) = if on_demand {
                (Setup::on_demand(&cloud), 60)
            } else {
                (Setup::polling(&cloud), 30)
            };
            let gateway = setup.start().await;
            let waiting = wait(&gateway, &path).await;
            change_everything(&cloud);
            gateway.advance(seconds);
            let answer = waiting.answer("GET").await;
            let plain = gateway.get(&path).await;
            assert_eq!((answer.status, answer.body.as_bytes()), (200, &*plain.body), "{path}");
            assert_eq!(answer.header("etag"), plain.header("etag"));
            assert_eq!(answer.header("cache-control"), NO_CACHE);
            watched_by(&gateway, 0).await;
            cloud.simulator.patch_sddc(&task_of(&cloud, true).1, json!({ "name": "as before" }));
            cloud
                .simulator
                .patch_task(&task_of(&cloud, true).0, json!({ "phase_in_progress": null }));
        }
    }
}

#[tokio::test]
async fn at_the_end_of_the_wait_who_has_the_answer_gets_304() {
    let cloud = cloud().await;
    let gateway = Setup::polling(&cloud).start().await;
    for path in paths(&cloud) {
        let waiting = wait(&gateway, &path).await;
        gateway.advance(99);
        watched_by(&gateway, 1).await;
        gateway.advance(1);
        let answer = waiting.answer("GET").await;
        assert_eq!((answer.status, answer.header("cache-control")), (304, NO_CACHE), "{path}");
        watched_by(&gateway, 0).await;
    }
    // Without a tag at once, and told that no cache may repeat it.
    for path in paths(&cloud) {
        let sign = if path.contains('?') { '&' } else { '?' };
        let answer = gateway.get(&format!("{path}{sign}wait=100s")).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, NO_CACHE));
        let answer = gateway.get(&format!("{path}{sign}wait=121s")).await;
        assert_eq!(answer.told(), (400, "invalid-parameter".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn an_sddc_that_is_gone_and_a_task_that_is_left_out_are_another_answer() {
    let cloud = cloud_of(1).await;
    let gateway = Setup::polling(&cloud).start().await;
    let (_, sddc) = task_of(&cloud, true);
    for path in [format!("/sddcs/{sddc}"), format!("/sddcs/{sddc}/tasks")] {
        let waiting = wait(&gateway, &path).await;
        cloud.simulator.delete_sddc(&sddc);
        gateway.advance(30);
        let answer = waiting.answer("GET").await;
        assert_eq!(answer.told(), (404, "sddc-not-found".to_owned()), "{path}");
        cloud.simulator.patch_sddc(&sddc, json!({ "sddc_state": "READY" }));
        let is_back = async |gateway: &TestGateway| {
            gateway.advance(30);
            gateway.get(&format!("/sddcs/{sddc}")).await.status == 200
        };
        gateway.until("the SDDC again", is_back).await;
    }
    // The list of tasks without this one.
    let org = &cloud.simulator.org_ids()[0];
    let (task, _) = task_of(&cloud, false);
    let mut tasks = cloud.simulator.tasks(org);
    tasks.retain(|other| other["id"] != task);
    let waiting = wait(&gateway, &format!("/tasks/{task}")).await;
    let list = Fault::on(Target::Vmc, "*/tasks").body(json!(tasks).to_string());
    cloud.simulator.script(list);
    gateway.advance(30);
    assert_eq!(waiting.answer("GET").await.told(), (404, "task-not-found".to_owned()));
}

#[tokio::test]
async fn what_happens_elsewhere_ends_no_wait() {
    let cloud = cloud().await;
    let gateway = Setup::polling(&cloud).start().await;
    let (task, sddc) = task_of(&cloud, true);
    let other = cloud.simulator.sddc_ids().into_iter().find(|id| *id != sddc).unwrap();
    let waiting = wait(&gateway, &format!("/tasks/{task}")).await;
    cloud.simulator.patch_sddc(&other, json!({ "name": "another" }));
    let known = async |gateway: &TestGateway| {
        gateway.advance(10);
        gateway.get(&format!("/sddcs/{other}")).await.json()["name"] == "another"
    };
    gateway.until("the change", known).await;
    watched_by(&gateway, 1).await;
    cloud.simulator.patch_task(&task, json!({ "status": "FAILED" }));
    gateway.advance(30);
    assert_eq!(waiting.answer("GET").await.json()["status"], "FAILED");
}

#[tokio::test]
async fn a_failure_that_leaves_nothing_to_show_ends_the_wait() {
    let cloud = cloud().await;
    for path in paths(&cloud) {
        let limit = |config: &mut sddc_gateway::config::Config| {
            config.inventory.stale = std::time::Duration::from_secs(90);
        };
        let gateway = Setup::polling(&cloud).with(limit).start().await;
        let waiting = wait(&gateway, &path).await;
        cloud.simulator.script(Fault::on(Target::Vmc, "*").status(500));
        gateway.advance(30);
        let is_failing = async |gateway: &TestGateway| {
            !gateway.state().await["inventory"]["last_error"].is_null()
        };
        gateway.until("failure", is_failing).await;
        gateway.advance(61);
        // The tasks' own reading may be a little younger.
        let ended = async |gateway: &TestGateway| {
            gateway.advance(1);
            super::client::figure(gateway, "sddc_gateway_watchers").await < 0.5
        };
        gateway.until("the end of the wait", ended).await;
        assert_eq!(waiting.answer("GET").await.told(), (503, "upstream-unavailable".to_owned()));
        cloud.simulator.clear_faults();
    }
}
