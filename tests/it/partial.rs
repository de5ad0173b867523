//! What is not known is not told as "there is none" (contract section 4.1): counts, `completeness` and
//! `missing` of lists whose organizations can be shown.

use http::{Method, StatusCode};
use sddc_gateway::{
    access::Scope,
    simulator::{Fault, Target},
};
use serde_json::{Value, json};

use crate::harness::{Answer, Captured, Cloud, Setup, TestGateway, cloud_of, configured_callers};

/// A gateway in front of a cloud of one organization that answers these lists.
struct Scene {
    cloud: Cloud,
    org: String,
}

impl Scene {
    async fn start() -> Self {
        let cloud = cloud_of(1).await;
        let org = cloud.simulator.org_ids().swap_remove(0);
        Self { cloud, org }
    }

    fn tell(&self, list: &str, documents: &Value) {
        let path = format!("/vmc/api/orgs/*/{list}");
        self.cloud.simulator.script(Fault::on(Target::Vmc, &path).body(documents.to_string()));
    }

    async fn gateway(&self) -> TestGateway {
        Setup::on_demand(&self.cloud).start().await
    }

    fn missing(&self, sddc: &str, reason: &str) -> Value {
        json!([{"org_id": self.org, "sddc_id": sddc, "reason": reason}])
    }
}

/// The ids of what is listed, and what is missing of it.
fn told(answer: &Answer) -> (Vec<Value>, Value) {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let page = answer.json();
    let is_partial = page["missing"] != json!([]);
    assert_eq!(page["completeness"], if is_partial { "partial" } else { "complete" }, "{page}");
    let ids = page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    (ids, page["missing"].clone())
}

fn whole(id: &str, host: &str) -> Value {
    let cluster = json!({
        "cluster_id": format!("c-{id}"), "esx_host_list": [{"esx_id": host, "esx_state": "READY"}],
        "cluster_capacity": {"total_number_of_cores": 36},
    });
    json!({"id": id, "name": id, "resource_config": {"clusters": [cluster]}})
}

#[tokio::test]
async fn parts_that_vmware_does_not_report_make_lists_of_parts_partial() {
    let scene = Scene::start().await;
    let bare = json!({"id": "b", "name": "b", "sddc_state": "FAILED", "resource_config": null});
    let gone = json!({"id": "d", "name": "d", "sddc_state": "DELETED", "resource_config": null});
    scene.tell("sddcs", &json!([whole("a", "h"), bare, gone]));
    let gateway = scene.gateway().await;
    let missing = scene.missing("b", "not-reported");
    for path in ["/clusters", "/hosts", "/clusters?state=READY", "/hosts?sddc_id=b&sddc_id=a"] {
        assert_eq!(told(&gateway.get(path).await).1, missing, "{path}");
    }
    for path in ["/sddcs/b/clusters", "/sddcs/b/hosts"] {
        assert_eq!(told(&gateway.get(path).await), (vec![], missing.clone()), "{path}");
    }
    for path in ["/sddcs", "/hosts?sddc_id=a", "/sddcs/a/hosts", "/sddcs/a/clusters", "/orgs"] {
        assert_eq!(told(&gateway.get(path).await).1, json!([]), "{path}");
    }
    assert_eq!(told(&gateway.get("/hosts").await).0, ["h"]);
    let included = gateway.get("/sddcs?include=clusters,hosts").await;
    assert_eq!(told(&included).1, missing);
    let items = &included.json()["items"];
    assert_eq!((&items[1]["clusters"], &items[1]["hosts"]), (&Value::Null, &Value::Null));
    let none = gateway.get("/sddcs?include=clusters&id=a").await;
    assert_eq!(told(&none).1, json!([]), "what is asked for is whole");
    // The tag is of all that is told.
    let tag = gateway.get("/hosts").await.header("etag").to_owned();
    scene.cloud.simulator.clear_faults();
    scene.tell("sddcs", &json!([whole("a", "h"), whole("b", "i")]));
    gateway.advance(61);
    let later = gateway.get("/hosts").await;
    assert_eq!(told(&later), (vec![json!("h"), json!("i")], json!([])));
    assert_ne!(later.header("etag"), tag);
}

#[tokio::test]
async fn of_a_list_with_one_unreadable_element_the_rest_is_listed_and_not_counted() {
    let scene = Scene::start().await;
    let mut broken = whole("a", "h");
    broken["resource_config"]["clusters"].as_array_mut().unwrap().push(json!(7));
    scene.tell("sddcs", &json!([broken, whole("b", "i")]));
    let gateway = scene.gateway().await;
    let list = gateway.get("/sddcs").await;
    assert_eq!(told(&list).1, json!([]));
    let sddc = &list.json()["items"][0];
    for field in ["cluster_count", "host_count", "hosts_ready", "capacity"] {
        assert_eq!(sddc[field], Value::Null, "{field}");
    }
    let missing = scene.missing("a", "unreadable");
    let hosts = (vec![json!("h"), json!("i")], missing.clone());
    assert_eq!(told(&gateway.get("/hosts").await), hosts);
    assert_eq!(told(&gateway.get("/sddcs/a/clusters").await), (vec![json!("c-a")], missing));
}

#[tokio::test]
async fn what_a_caller_may_not_see_is_not_missing_for_it() {
    let scene = Scene::start().await;
    let bare = json!({"id": "b", "name": "b", "resource_config": null});
    scene.tell("sddcs", &json!([whole("a", "h"), bare]));
    let setup = Setup::on_demand(&scene.cloud);
    let only_a = setup.with_tester(|it| it.view.sddc_ids = Some(["a".parse().unwrap()].into()));
    let gateway = only_a.start().await;
    assert_eq!(told(&gateway.get("/hosts").await), (vec![json!("h")], json!([])));
    assert_eq!(told(&gateway.get("/sddcs?include=hosts").await).1, json!([]));
}

#[tokio::test]
async fn parts_that_are_missing_leave_service_discovery_as_it_is() {
    let scene = Scene::start().await;
    let config = json!({"vc_url": "https://vc.example/ui", "clusters": [7]});
    let broken = json!({"id": "a", "name": "a", "resource_config": config});
    scene.tell("sddcs", &json!([broken, {"id": "b", "resource_config": null}]));
    let gateway = scene.gateway().await;
    let answer = gateway.get("/sd/prometheus?target=vcenter").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()[0]["targets"], json!(["vc.example:443"]));
}

fn task(id: usize, sddc: &str) -> Value {
    json!({
        "id": format!("{sddc}-{id:04}"), "status": "FINISHED", "resource_type": "sddc",
        "resource_id": sddc, "start_time": format!("2025-01-01T00:00:00.{id:04}Z"),
    })
}

#[tokio::test]
async fn a_list_of_tasks_tells_that_older_ones_are_left_out_where_they_are() {
    let scene = Scene::start().await;
    scene.tell("sddcs", &json!([whole("busy", "h"), whole("calm", "i")]));
    let busy = (100..1300).map(|it| task(it, "busy"));
    scene.tell("tasks", &busy.chain((0..3).map(|it| task(it, "calm"))).collect());
    let setup = Setup::on_demand(&scene.cloud);
    let gateway = setup.start().await;
    let missing = json!([{"org_id": scene.org, "sddc_id": null, "reason": "older-tasks"}]);
    let all = told(&gateway.get("/tasks").await);
    assert_eq!((all.0.len(), all.1), (1003, missing.clone()));
    assert!(Captured::events().contains("older tasks are left out"));
    assert_eq!(told(&gateway.get("/tasks?limit=3").await).1, missing);
    let of_busy = scene.missing("busy", "older-tasks");
    assert_eq!(told(&gateway.get("/sddcs/busy/tasks").await).1, of_busy);
    assert_eq!(told(&gateway.get("/tasks?sddc_id=busy").await).1, of_busy);
    for path in ["/sddcs/calm/tasks", "/tasks?sddc_id=calm"] {
        let calm = told(&gateway.get(path).await);
        assert_eq!((calm.0.len(), calm.1), (3, json!([])), "{path}");
    }
    let setup = Setup::on_demand(&scene.cloud);
    let only_calm =
        setup.with_tester(|it| it.view.sddc_ids = Some(["calm".parse().unwrap()].into()));
    assert_eq!(told(&only_calm.start().await.get("/tasks").await).1, json!([]));
}

#[tokio::test]
async fn what_is_another_organizations_is_not_shown() {
    let scene = Scene::start().await;
    let of = |org: &str, id: &str| json!({"id": id, "org_id": org});
    for list in ["sddcs", "tasks"] {
        scene.cloud.simulator.clear_faults();
        scene.tell(list, &json!([of(&scene.org, "ours"), of("another", "theirs")]));
        let gateway = scene.gateway().await;
        let path = format!("/{list}");
        assert_eq!(told(&gateway.get(&path).await), (vec![json!("ours")], json!([])));
        let metrics = gateway.ops("/metrics").await.text();
        assert!(metrics.contains("sddc_gateway_odd_documents_total 1"), "{metrics}");
        scene.cloud.simulator.clear_faults();
        scene.tell(list, &json!([of("another", "theirs")]));
        let alone = scene.gateway().await.get(&path).await;
        assert_eq!(alone.told(), (502, "upstream-contract".to_owned()));
    }
}

#[tokio::test]
async fn a_secret_that_comes_to_be_held_is_taken_out_of_what_was_read_before() {
    let scene = Scene::start().await;
    let quoted = format!("with {}", "n".repeat(40));
    scene.tell("sddcs", &json!([{"id": "a", "name": quoted}]));
    let gateway = Setup::on_demand(&scene.cloud).start().await;
    assert_eq!(gateway.get("/sddcs").await.json()["items"][0]["name"], quoted);
    let tag = gateway.get("/sddcs").await.header("etag").to_owned();
    let token = json!({"access_token": "n".repeat(40), "expires_in": 1799}).to_string();
    scene.cloud.simulator.clear_faults();
    scene.cloud.simulator.script(Fault::on(Target::Csp, "*").body(token));
    // The renewal.
    gateway.advance(1700);
    let redacted = async |gateway: &TestGateway| {
        let answer =
            gateway.send(Method::GET, "/sddcs", &[("cache-control", "only-if-cached")]).await;
        answer.json()["items"][0]["name"] == "with [redacted]" && answer.header("etag") != tag
    };
    gateway.until("what was read before is scrubbed", redacted).await;
}

#[tokio::test]
async fn a_filters_value_that_was_seen_since_start_stays_good_for_those_who_saw_it() {
    let scene = Scene::start().await;
    let in_state =
        |state: &str| json!([{"id": "a", "name": "a", "sddc_state": state}, {"id": "b"}]);
    scene.tell("sddcs", &in_state("ODDLY_NEW"));
    let (b, key) = Setup::on_demand(&scene.cloud).with_caller("b", &[Scope::SddcRead]);
    let setup = b.with(|config| {
        let configured = configured_callers(config);
        configured.callers[1].view.sddc_ids = Some(["b".parse().unwrap()].into());
    });
    let gateway = setup.start().await;
    assert_eq!(told(&gateway.get("/sddcs?state=ODDLY_NEW").await).0, ["a"]);
    scene.cloud.simulator.clear_faults();
    scene.tell("sddcs", &in_state("READY"));
    gateway.advance(61);
    assert_eq!(told(&gateway.get("/sddcs?state=ODDLY_NEW").await).0, [""; 0]);
    assert_eq!(gateway.get("/sddcs?state=ODDLY").await.status, StatusCode::BAD_REQUEST);
    let authorization = format!("Bearer {}", key.reveal());
    let headers = [("authorization", &*authorization)];
    let hidden = gateway.send_bare(Method::GET, "/sddcs?state=ODDLY_NEW", &headers).await;
    assert_eq!(hidden.status, StatusCode::BAD_REQUEST);
}
