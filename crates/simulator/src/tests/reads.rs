//! The reads whose documents are written down.

use super::*;
use crate::documents::Read;

/// A path and query that lead to a read, for an organization and an SDDC.
fn asked(read: &Read, org: &str, sddc: &str) -> String {
    let path =
        read.path().replace("{org}", org).replace("{sddc}", sddc).replace("{any}", "members");
    let query: Vec<String> = read.required().iter().map(|name| format!("{name}=1")).collect();
    format!("{path}?{}", query.join("&"))
}

#[tokio::test]
async fn every_read_is_served_to_either_header_and_to_members_only() {
    let simulator = Simulator::new(Options { orgs: 2, ..Options::default() });
    let (orgs, sddcs) = (simulator.org_ids(), simulator.sddc_ids());
    let token =
        mint_with(&simulator, &format!("grant_type=client_credentials&orgId={}", orgs[0])).await;
    let token = token.text("/access_token");
    for read in Read::all().iter().filter(|read| !read.path().ends_with("/{id}")) {
        let path = asked(read, &orgs[0], &sddcs[0]).replace("{id}", "x-1");
        let found = get(&simulator, token, &path).await;
        assert_eq!(found.status, 200, "{path}: {}", found.body);
        let bearer = Request::get(&*path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        assert_eq!(send(&simulator, bearer, "{}").await.body, found.body, "{path}");
        assert_eq!(get(&simulator, "", &path).await.status, 401, "{path}");
        if read.path().contains("{org}") {
            let foreign = get(&simulator, token, &path.replace(&*orgs[0], &orgs[1])).await;
            assert_eq!((foreign.status, foreign.text("/error_code")), (403, "403"), "{path}");
        }
        if read.path().contains("{sddc}") {
            assert_eq!(get(&simulator, token, &path.replace(&*sddcs[0], "none")).await.status, 404);
        }
        if !read.required().is_empty() {
            let bare = path.split('?').next().unwrap();
            assert_eq!(get(&simulator, token, bare).await.status, 400, "{path}");
        }
        assert!(simulator.stats().endpoint(read.path()) > 1, "{path}");
    }
}

#[tokio::test]
async fn an_item_is_read_by_the_id_that_its_list_has() {
    let simulator = simulator();
    let (token, org) = (mint(&simulator).await, simulator.org_ids().remove(0));
    for (list, id) in [
        (format!("/vmc/api/orgs/{org}/sddc-templates"), "/0/id"),
        (format!("/vmc/api/orgs/{org}/subscriptions"), "/0/csp_subscription_id"),
        (format!("/vmc/api/orgs/{org}/aws/resources/servicequotas/requests"), "/0/id"),
        (format!("/vmc/autoscaler/api/orgs/{org}/tasks"), "/0/id"),
        (format!("/vmc/draas/api/orgs/{org}/tasks"), "/0/id"),
        (format!("/api/inventory/{org}/core/deployment-groups"), "/content/0/id"),
        (format!("/api/network/{org}/core/network-connectivity-configs"), "/0/id"),
    ] {
        let items = get(&simulator, &token, &list).await;
        let id = items.text(id);
        let item = get(&simulator, &token, &format!("{list}/{id}/?trait=a")).await;
        assert_eq!(item.status, 200, "{list}/{id}");
        assert!(items.body.to_string().contains(&item.body.to_string()), "{list}");
        assert_eq!(get(&simulator, &token, &format!("{list}/none")).await.status, 404, "{list}");
    }
    let tasks = format!("/vmc/draas/api/orgs/{org}/tasks");
    let failed = get(&simulator, &token, &format!("{tasks}?$filter=status%20eq%20'FAILED'")).await;
    assert_eq!(failed.body, json!([]));
    assert_eq!(get(&simulator, &token, &format!("{tasks}?$filter=x")).await.status, 400);
}

#[tokio::test]
async fn secrets_of_all_reads_are_canaries() {
    let simulator = simulator();
    let (token, org) = (mint(&simulator).await, simulator.org_ids().remove(0));
    let sddc = simulator.sddc_ids().remove(0);
    for (path, secrets) in [
        (
            "/vmc/api/orgs/{org}/sddc-templates",
            &["vpns.pre_shared_key", "sites.password", "cloud_password"][..],
        ),
        ("/vmc/api/orgs/{org}/account-link", &["template_url", "template_execution_url"]),
        ("/vmc/api/orgs/{org}/sddcs/{sddc}/addons/hcx/credentials", &["addons.password"]),
        ("/vmc/api/orgs/{org}/account-link/connected-accounts", &["policy_external_id"]),
        ("/vmc/draas/api/orgs/{org}/tasks", &["params.password", "params.arguments.token"]),
        ("/api/network/{org}/core/deployments/x/nsx", &["nsx_users.password"]),
    ] {
        let path = path.replace("{org}", &org).replace("{sddc}", &sddc);
        let body = get(&simulator, &token, &path).await.body.to_string();
        for secret in secrets {
            assert!(body.contains(&format!("CANARY-{secret}-")), "{path}: {secret}");
        }
    }
}
