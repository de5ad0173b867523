//! What every path refuses, in which order, and what that costs (contract sections 4 and 4.6).

use http::{Method, StatusCode};
use sddc_gateway::simulator::{Fault, Target};
use serde_json::{Value, json};

use super::{column, every_path, faults, list, two_orgs};
use crate::harness::{Answer, Setup, TestGateway, cloud_of};

#[tokio::test]
async fn every_path_refuses_a_parameter_that_it_does_not_know() {
    let (cloud, gateway) = two_orgs().await;
    for path in every_path(&cloud, &gateway).await {
        let mark = if path.contains('?') { '&' } else { '?' };
        for unknown in ["x=1", "x", "Fields=id", "filter=state", "%C3%BC=1"] {
            let answer = gateway.get(&format!("{path}{mark}{unknown}")).await;
            assert_eq!(answer.told(), (400, "invalid-parameter".to_owned()), "{path} {unknown}");
            assert_eq!(faults(&answer).len(), 1, "{path} {unknown}");
            let fault = &answer.json()["errors"][0];
            assert!(fault["problem"] == "unknown parameter" && fault["allowed"].is_array());
        }
    }
    let stats = cloud.simulator.stats();
    assert_eq!((stats.sddc_list_reads, stats.task_list_reads), (0, 0));
}

#[tokio::test]
async fn every_fault_is_told_at_once_though_vmware_is_down_and_without_asking_it() {
    let (cloud, gateway) = two_orgs().await;
    cloud.simulator.script(Fault::on(Target::Vmc, "*").status(503));
    let sddc = &cloud.simulator.sddc_ids()[0];
    for (path, parameters) in [
        ("/sddcs?limit=0&stat=READY&host_count=few&sort=nam", "limit stat host_count sort"),
        ("/sddcs?state=REDY&limit=0", "state limit"),
        ("/orgs?created_at=then&wait=5s", "created_at wait"),
        ("/orgs/any/sddcs?include=host&wait=3m", "include wait"),
        ("/clusters?hyper_threading=maybe&include=hosts", "hyper_threading include"),
        ("/hosts?limit=1&limit=2&fields=id,nam,e", "limit fields fields"),
        ("/tasks?status=&include_deleted=true", "status include_deleted"),
        ("/tasks/any?status=FAILED&partial=allow", "status partial"),
        ("/sddcs/any?limit=1&fields=nam", "limit fields"),
        (&*format!("/sddcs/{sddc}/tasks?progress_percent=-1&x=1"), "progress_percent x"),
        ("/sddcs/events?limit=1&state=", "limit state"),
        ("/sd/prometheus?target=esx&partial=allow", "target partial"),
        ("/sd/prometheus", "target"),
    ] {
        let answer = gateway.get(path).await;
        assert_eq!(answer.told(), (400, "invalid-parameter".to_owned()), "{path}");
        let told = column(answer.json()["errors"].as_array().unwrap(), "parameter");
        assert_eq!(told.join(" "), parameters, "{path}");
    }
    let stats = cloud.simulator.stats();
    assert_eq!((stats.sddc_list_reads, stats.org_list_reads, stats.task_list_reads), (0, 0, 0));
    // What only the view can tell has to wait for one.
    assert_eq!(gateway.get("/sddcs?state=REDY").await.code(), "upstream-unavailable");
}

#[tokio::test]
async fn a_value_that_vmware_uses_is_good_however_new_and_any_other_is_a_fault() {
    let (cloud, gateway) = two_orgs().await;
    let (org, sddc) = (&cloud.simulator.org_ids()[0], &cloud.simulator.sddc_ids()[0]);
    cloud.simulator.patch_sddc(sddc, json!({ "sddc_state": "Hibernating" }));
    let task = cloud.simulator.tasks(org)[0]["id"].as_str().unwrap().to_owned();
    cloud.simulator.patch_task(&task, json!({ "status": "Paused" }));
    cloud.simulator.create_org(json!({ "id": "new", "project_state": "Suspended" }));
    for (path, field, new) in [
        ("/sddcs", "state", "Hibernating"),
        ("/tasks", "status", "Paused"),
        ("/orgs", "state", "Suspended"),
    ] {
        assert_eq!(list(&gateway, &format!("{path}?{field}={new}")).await.len(), 1, "{path}");
        let wrong = gateway.get(&format!("{path}?{field}={new}x")).await;
        assert_eq!(wrong.told(), (400, "invalid-parameter".to_owned()));
        let fault = &wrong.json()["errors"][0];
        assert!(fault["allowed"].as_array().unwrap().contains(&json!(new)), "{fault}");
        assert_eq!(fault["did_you_mean"], new);
        // Beside another fault it is not called wrong either.
        let beside = gateway.get(&format!("{path}?{field}={new}&x=1")).await;
        assert_eq!(faults(&beside), ["x: unknown parameter"], "{path}");
    }
}

#[tokio::test]
async fn refusals_come_in_the_contracts_order_on_every_kind_of_path() {
    let cloud = cloud_of(2).await;
    let (setup, scopeless) = Setup::on_demand(&cloud).with_caller("scopeless", &[]);
    let gateway = setup.start().await;
    let [nobody, scopeless, good] = ["wrong", scopeless.reveal(), gateway.key()];
    for (path, missing) in [
        ("/sddcs/unknown", "sddc-not-found"),
        ("/sddcs/unknown/clusters", "sddc-not-found"),
        ("/sddcs/unknown/hosts", "sddc-not-found"),
        ("/sddcs/unknown/tasks", "sddc-not-found"),
        ("/tasks/unknown", "task-not-found"),
        ("/orgs/unknown", "org-not-found"),
        ("/orgs/unknown/sddcs", "org-not-found"),
    ] {
        for (method, query, key, code) in [
            (Method::POST, "/x?x=1", nobody, "not-found"),
            (Method::POST, "?x=1", nobody, "method-not-allowed"),
            (Method::GET, "?x=1", nobody, "unauthenticated"),
            (Method::GET, "?x=1", scopeless, "forbidden"),
            (Method::GET, "?x=1", good, "invalid-parameter"),
            (Method::GET, "", good, missing),
        ] {
            let path = format!("{path}{query}");
            let answer = gateway.send_bare(method.clone(), &path, &[("x-api-key", key)]).await;
            assert_eq!(answer.code(), code, "{method} {path}");
            assert!(answer.header("allow").is_empty() == (answer.status != 405), "{path}");
        }
    }
}

#[tokio::test]
async fn an_id_of_an_odd_shape_is_not_found() {
    let (_cloud, gateway) = two_orgs().await;
    let long = "x".repeat(65);
    for odd in ["%20", "a%2Fb", "...", "%C3%BC", "%3Cb%3E", &*long] {
        for (path, code) in [
            (format!("/sddcs/{odd}"), "sddc-not-found"),
            (format!("/sddcs/{odd}/clusters"), "sddc-not-found"),
            (format!("/sddcs/{odd}/tasks"), "sddc-not-found"),
            (format!("/tasks/{odd}"), "task-not-found"),
            (format!("/orgs/{odd}"), "org-not-found"),
            (format!("/orgs/{odd}/sddcs"), "org-not-found"),
        ] {
            assert_eq!(gateway.get(&path).await.told(), (404, code.to_owned()), "{path}");
        }
    }
}

#[tokio::test]
async fn head_is_get_without_the_body_on_every_path() {
    let (cloud, gateway) = two_orgs().await;
    for path in every_path(&cloud, &gateway).await {
        let id = [("x-request-id", "same")];
        let head = gateway.send(Method::HEAD, &path, &id).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0), "{path}");
        if path == "/sddcs/events" {
            assert_eq!(head.header("content-type"), "text/event-stream");
            continue;
        }
        // The first request's own read shows in its headers.
        let again = gateway.send(Method::HEAD, &path, &id).await;
        let get = gateway.send(Method::GET, &path, &id).await;
        let fields = |answer: &Answer| {
            let mut fields = answer.headers.clone();
            fields.remove("date");
            fields
        };
        assert_eq!(fields(&again), fields(&get), "{path}");
        assert_eq!(get.header("content-length"), get.body.len().to_string(), "{path}");
    }
    let watchers = async |gateway: &TestGateway| {
        gateway.ops("/metrics").await.text().contains("sddc_gateway_watchers 0\n")
    };
    gateway.until("the stream's place is free", watchers).await;
}

#[tokio::test]
async fn detail_names_the_first_fault_and_how_many_there_are_beside_it() {
    let (_cloud, gateway) = two_orgs().await;
    for (question, detail) in [
        ("state=REDY", "state: unknown value \"REDY\"; did you mean READY?"),
        ("x=1&state=REDY", "x: unknown parameter (and 1 more fault: see `errors`)"),
        (
            "limit=0&x=1&state=REDY",
            "limit: must be a number from 1 to 500, not \"0\" (and 2 more faults: see `errors`)",
        ),
        ("state=READY,FAILED", "state: give the parameter once for each value"),
    ] {
        let answer = gateway.get(&format!("/sddcs?{question}")).await;
        assert_eq!(answer.told(), (400, "invalid-parameter".to_owned()), "{question}");
        assert_eq!(answer.json()["detail"], detail, "{question}");
    }
}

#[tokio::test]
async fn an_unknown_path_is_answered_with_the_one_that_was_probably_meant() {
    let (cloud, gateway) = two_orgs().await;
    let id = &cloud.simulator.sddc_ids()[0];
    for (path, meant) in [
        ("/SDDCs".to_owned(), json!("/sddcs")),
        ("/sddcs/?state=READY".to_owned(), json!("/sddcs")),
        (format!("/sddc/{id}"), json!(format!("/sddcs/{id}"))),
        (format!("/sddcs/{id}/host"), json!(format!("/sddcs/{id}/hosts"))),
        ("/problems/notfound".to_owned(), json!("/problems/not-found")),
        ("/docs/Guide".to_owned(), json!("/docs/guide")),
        ("/nothing/like/it".to_owned(), Value::Null),
    ] {
        let answer = gateway.get(&path).await;
        assert_eq!(answer.told(), (404, "not-found".to_owned()), "{path}");
        assert_eq!(answer.json()["did_you_mean"], meant, "{path}");
    }
    let setup = Setup::on_demand(&cloud)
        .with(|config| config.api.public_path = "/inventory/".parse().unwrap());
    let answer = setup.start().await.get("/sddc").await;
    assert_eq!(answer.json()["did_you_mean"], "/inventory/sddcs");
}
