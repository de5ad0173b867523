//! Organizations, SDDCs and tasks that come and go while clients read.

use super::*;

#[tokio::test]
async fn an_organization_comes_and_goes_on_request() {
    let simulator = simulator();
    let token = mint(&simulator).await;
    let made = control(&simulator, Method::POST, "/__orgs", r#"{"display_name":"Mine"}"#).await;
    assert_eq!(made.status, 201);
    let org = made.text("/id");
    let base = format!("/vmc/api/orgs/{org}");
    let listed = get(&simulator, &token, "/vmc/api/orgs").await;
    assert_eq!((listed.text("/1/id"), listed.text("/1/display_name")), (org, "Mine"));
    let sddc = format!(r#"{{"id":"its","org_id":"{org}"}}"#);
    assert_eq!(control(&simulator, Method::POST, "/__sddcs", &sddc).await.status, 201);
    assert_eq!(get(&simulator, &token, &format!("{base}/sddcs")).await.text("/0/id"), "its");
    assert_eq!(get(&simulator, &token, &format!("{base}/tasks")).await.body, json!([]));

    let path = format!("/__orgs/{org}");
    assert_eq!(control(&simulator, Method::DELETE, &path, "").await.status, 204);
    assert_eq!(get(&simulator, &token, "/vmc/api/orgs").await.body.as_array().unwrap().len(), 1);
    for below in ["", "/sddcs", "/sddcs/its", "/tasks"] {
        let gone = get(&simulator, &token, &format!("{base}{below}")).await;
        assert_eq!((gone.status, gone.text("/error_code")), (404, "0"), "{below}");
    }
    assert!(!simulator.sddc_ids().contains(&"its".to_owned()));
    assert_eq!(get(&simulator, &token, "/vmc/api/orgs/never").await.status, 403);
    let again = control(&simulator, Method::DELETE, &path, "").await;
    assert_eq!((again.status, again.text("/error")), (404, "no organization of this id"));
    let refused = control(&simulator, Method::PATCH, &path, "{}").await;
    assert_eq!(refused.headers[header::ALLOW], "DELETE");
    assert_eq!(control(&simulator, Method::POST, "/__orgs", "[]").await.status, 400);
}

#[tokio::test]
async fn the_apps_own_organization_may_go_and_tokens_are_minted_still() {
    let simulator = simulator();
    let org = simulator.org_ids().remove(0);
    assert!(simulator.delete_org(&org));
    let token = mint(&simulator).await;
    assert_eq!(get(&simulator, &token, "/vmc/api/orgs").await.body, json!([]));
    let form = format!("grant_type=client_credentials&orgId={org}");
    assert_eq!(mint_with(&simulator, &form).await.status, 403);
}

#[tokio::test]
async fn tasks_are_made_and_changed_on_request() {
    let simulator = simulator();
    let (token, org) = (mint(&simulator).await, simulator.org_ids().remove(0));
    let sddc = simulator.sddc_ids().remove(0);
    let wanted = json!({ "org_id": org, "resource_id": sddc, "customer_error_message": "no" });
    let made = control(&simulator, Method::POST, "/__tasks", &wanted.to_string()).await;
    assert_eq!(made.status, 201);
    let id = made.text("/id");
    let path = format!("/vmc/api/orgs/{org}/tasks/{id}");
    let read = get(&simulator, &token, &path).await;
    assert_eq!((read.text("/resource_id"), read.text("/customer_error_message")), (&*sddc, "no"));
    let failed = r#"{"status":"FAILED"}"#;
    let control_path = format!("/__tasks/{id}");
    assert_eq!(control(&simulator, Method::PATCH, &control_path, failed).await.status, 204);
    let read = get(&simulator, &token, &path).await;
    assert_eq!((read.text("/status"), &read.body["version"]), ("FAILED", &json!(2)));
    assert_eq!(simulator.tasks(&org).last(), Some(&read.body));

    let missing = control(&simulator, Method::PATCH, "/__tasks/none", "{}").await;
    assert_eq!((missing.status, missing.text("/error")), (404, "no task of this id"));
    let foreign = control(&simulator, Method::POST, "/__tasks", r#"{"org_id":"none"}"#).await;
    assert_eq!(foreign.status, 404);
    let nowhere = control(&simulator, Method::POST, "/__tasks", "{}").await;
    assert!(nowhere.status == 400 && nowhere.text("/error").starts_with("org_id"));
    let refused = control(&simulator, Method::DELETE, &control_path, "").await;
    assert_eq!(refused.headers[header::ALLOW], "POST, PATCH");
}

#[tokio::test]
async fn reads_of_tasks_and_of_deleted_sddcs_are_counted_apart() {
    let simulator = simulator();
    let (token, org) = (mint(&simulator).await, simulator.org_ids().remove(0));
    for path in
        ["sddcs", "sddcs?includeDeleted=true", "sddcs?includeDeleted=false", "tasks", "tasks/x"]
    {
        get(&simulator, &token, &format!("/vmc/api/orgs/{org}/{path}")).await;
    }
    let stats = control(&simulator, Method::GET, "/__stats", "").await;
    for (endpoint, reads) in [
        ("/vmc/api/orgs/{org}/sddcs", 2),
        ("/vmc/api/orgs/{org}/sddcs?includeDeleted=true", 1),
        ("/vmc/api/orgs/{org}/tasks", 1),
        ("/vmc/api/orgs/{org}/tasks/{task}", 1),
    ] {
        assert_eq!(stats.body["endpoints"][endpoint], reads, "{endpoint}");
        assert_eq!(simulator.stats().endpoint(endpoint), reads, "{endpoint}");
    }
    let stats = simulator.stats();
    let lists = (stats.sddc_list_reads, stats.deleted_list_reads);
    assert_eq!((lists, stats.task_list_reads, stats.task_reads), ((2, 1), 1, 1));
}

#[tokio::test]
async fn a_client_sees_a_guest_come_and_go() {
    let simulator = simulator();
    let (token, org) = (mint(&simulator).await, simulator.org_ids().remove(0));
    let first = simulator.sddc_ids();
    let guest = loop {
        simulator.step();
        if let Some(guest) = simulator.sddc_ids().get(4) {
            break guest.clone();
        }
    };
    let base = format!("/vmc/api/orgs/{org}");
    let one = get(&simulator, &token, &format!("{base}/sddcs/{guest}")).await;
    assert_eq!(one.text("/sddc_state"), "DEPLOYING");
    let running = format!("{base}/tasks?$filter=resource_id%20eq%20'{guest}'");
    assert_eq!(get(&simulator, &token, &running).await.text("/0/task_type"), "SDDC-PROVISION");
    while simulator.sddc(&guest).unwrap()["sddc_state"] != "DELETED" {
        simulator.step();
    }
    assert_eq!(simulator.sddc_ids()[..4], first);
    let listed = get(&simulator, &token, &format!("{base}/sddcs?includeDeleted=true")).await;
    let listed = listed.body.as_array().unwrap().iter();
    assert!(listed.clone().any(|sddc| sddc["id"] == *guest && sddc["sddc_state"] == "DELETED"));
}
