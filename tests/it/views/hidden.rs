//! What is hidden takes the way of what does not exist (contract section 4.6).

use http::StatusCode;
use sddc_gateway::simulator::{Fault, Target};
use serde_json::json;

use super::{Limits, NOWHERE, ask, both_modes, told, upstream_calls, with_viewers};
use crate::harness::{Cloud, Setup, cloud_of};

#[tokio::test]
async fn nothing_tells_what_is_hidden_from_what_does_not_exist() {
    let limits = |cloud: &Cloud| {
        let (orgs, ids) = (cloud.simulator.org_ids(), cloud.simulator.sddc_ids());
        vec![Limits::orgs(&orgs[..1]), Limits::ids(&ids[..1]), Limits::names(&["prod-*"])]
    };
    for (cloud, gateway, keys) in both_modes(limits).await {
        // Of the second organization.
        let (org, sddc) = (&cloud.simulator.org_ids()[1], &cloud.simulator.sddc_ids()[1]);
        let tasks = cloud.simulator.tasks(org);
        let task = tasks.iter().find(|task| task["resource_id"] == **sddc).unwrap()["id"].clone();
        let task = task.as_str().unwrap();
        for path in ["/sddcs", "/tasks", "/orgs", "/sddcs?include_deleted=true"] {
            gateway.get(path).await;
        }
        let calls = upstream_calls(&cloud);
        for (key, hides_orgs) in keys.iter().zip([true, false, false]) {
            for (template, hidden) in [
                ("/sddcs/{id}", &**sddc),
                ("/sddcs/{id}?fields=id&include=hosts", sddc),
                ("/sddcs/{id}?x=1", sddc),
                ("/sddcs/{id}/clusters", sddc),
                ("/sddcs/{id}/hosts?state=ODD", sddc),
                ("/sddcs/{id}/hosts?state=ODD&x=1", sddc),
                ("/sddcs/{id}/tasks?limit=1", sddc),
                ("/sddcs/{id}/tasks?status=ODD&x=1", sddc),
                ("/tasks/{id}", task),
                ("/tasks?sddc_id={id}&fields=id", sddc),
                ("/hosts?sddc_id={id}", sddc),
                ("/sddcs?id={id}", sddc),
                ("/sddcs?q={id}&include_deleted=true", sddc),
                ("/sd/prometheus?target=nsx&id={id}", sddc),
                ("/orgs/{id}", org),
                ("/orgs/{id}/sddcs?state=ODD", org),
                ("/orgs/{id}/sddcs?sort=-name", org),
                ("/orgs?id={id}", org),
                ("/tasks?org_id={id}", org),
            ] {
                if template.contains("org") && !hides_orgs {
                    continue;
                }
                let hides = ask(&gateway, key, &template.replace("{id}", hidden)).await;
                let lacks = ask(&gateway, key, &template.replace("{id}", NOWHERE)).await;
                let (status, headers, body) = told(&hides);
                let body = body.replace(hidden, NOWHERE);
                assert_eq!((status, headers, body), told(&lacks), "{template}");
            }
        }
        assert_eq!(upstream_calls(&cloud), calls, "a fresh snapshot tells");
    }
}

#[tokio::test]
async fn for_what_is_hidden_no_other_org_is_asked_and_none_can_be_in_the_way() {
    let cloud = cloud_of(2).await;
    let [mine, other] = [0, 1].map(|at| cloud.simulator.org_ids()[at].clone());
    let limits = [Limits::orgs(std::slice::from_ref(&mine))];
    let (setup, keys) =
        with_viewers(Setup::on_demand(&cloud).with_configured_orgs(&cloud), &limits);
    let gateway = setup.start().await;
    let failing = format!("/vmc/api/orgs/{other}*");
    cloud.simulator.script(Fault::on(Target::Vmc, &failing).status(503));
    for (path, code) in [
        (format!("/orgs/{other}"), "org-not-found"),
        (format!("/orgs/{other}/sddcs"), "org-not-found"),
    ] {
        assert_eq!(ask(&gateway, &keys[0], &path).await.code(), code, "{path}");
    }
    let stats = cloud.simulator.stats();
    assert_eq!((stats.org_reads, stats.sddc_list_reads), (0, 0));
    for (path, code) in [
        (format!("/sddcs/{}", cloud.simulator.sddc_ids()[1]), "sddc-not-found"),
        (format!("/sddcs/{NOWHERE}/tasks"), "sddc-not-found"),
        (format!("/tasks/{NOWHERE}"), "task-not-found"),
        ("/sddcs".to_owned(), "200"),
        ("/tasks".to_owned(), "200"),
        ("/orgs".to_owned(), "200"),
        ("/sd/prometheus?target=vcenter".to_owned(), "200"),
    ] {
        assert_eq!(ask(&gateway, &keys[0], &path).await.code(), code, "{path}");
    }
    let stats = cloud.simulator.stats();
    assert_eq!((stats.faults, stats.sddc_list_reads, stats.task_list_reads), (0, 1, 1));
}

#[tokio::test]
async fn a_value_that_only_others_see_is_a_fault_as_any_other() {
    let limits = |cloud: &Cloud| {
        let (orgs, ids) = (cloud.simulator.org_ids(), cloud.simulator.sddc_ids());
        vec![Limits::orgs(&orgs[..1]), Limits::ids(&ids[..1]), Limits::names(&["prod-*"])]
    };
    for (cloud, gateway, keys) in both_modes(limits).await {
        let (org, sddc) = (&cloud.simulator.org_ids()[1], &cloud.simulator.sddc_ids()[1]);
        let mut clusters =
            cloud.simulator.sddc(sddc).unwrap()["resource_config"]["clusters"].clone();
        clusters[0]["cluster_state"] = json!("Odd");
        clusters[0]["esx_host_list"][0]["esx_state"] = json!("Odd");
        let config = json!({ "clusters": clusters });
        cloud.simulator.patch_sddc(sddc, json!({ "sddc_state": "Odd", "resource_config": config }));
        cloud.simulator.create_task(org, json!({ "resource_id": sddc, "status": "Odd" }));
        for (path, beside) in [
            ("/sddcs?state=", ""),
            ("/sddcs?state=", "&limit=0"),
            ("/clusters?state=", ""),
            ("/hosts?state=", "&x=1"),
            ("/tasks?status=", ""),
            ("/tasks?status=", "&x=1"),
            ("/sd/prometheus?target=nsx&state=", ""),
            ("/sddcs/events?state=", "&x=1"),
        ] {
            // Whoever sees it may ask for it, and has made it known.
            if !path.starts_with("/sddcs/events") {
                let whole = gateway.get(&format!("{path}Odd")).await;
                assert_eq!(whole.status, StatusCode::OK, "{path} {}", whole.text());
            }
            for key in &keys {
                let hides = ask(&gateway, key, &format!("{path}Odd{beside}")).await;
                let lacks = ask(&gateway, key, &format!("{path}Nil{beside}")).await;
                assert_eq!(hides.code(), "invalid-parameter", "{path}");
                let (status, headers, body) = told(&hides);
                assert_eq!((status, headers, body.replace("Odd", "Nil")), told(&lacks), "{path}");
            }
        }
    }
}
