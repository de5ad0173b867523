//! Whatever a path or query looks like, VMware Cloud is asked for nothing but routes of the table.

use sddc_gateway::drop_in::reads::routes::{READ_ROUTES, Verdict};

use super::{Reply, Tools};
use crate::harness::{Cloud, cloud};

struct Scene {
    cloud: Cloud,
    tools: Tools,
    fields: String,
    org: String,
}

impl Scene {
    async fn start() -> Self {
        let cloud = cloud().await;
        let tools = Tools::start(&cloud).await;
        let fields = format!("csp-auth-token: {}\r\n", tools.token().await);
        let org = cloud.simulator.org_ids().remove(0);
        // Orgs are known from here on.
        assert_eq!(tools.gateway.get("/sddcs").await.status, 200);
        Self { cloud, tools, fields, org }
    }

    async fn get(&self, target: &str) -> Reply {
        self.tools.get(target, &self.fields).await
    }

    /// How often VMware Cloud was asked for anything.
    fn calls(&self) -> u64 {
        self.cloud.simulator.stats().endpoints.values().sum()
    }
}

#[tokio::test]
async fn no_way_of_writing_a_path_reaches_another_path_of_vmwares() {
    let scene = Scene::start().await;
    let (org, before) = (&scene.org, scene.calls());
    for path in [
        format!("/vmc/api/orgs/{org}/../../operator"),
        format!("/vmc/api/orgs/{org}/sddcs/.."),
        format!("/vmc/api/orgs/{org}/sddcs/."),
        format!("/vmc/api/orgs/{org}/sddcs/..."),
        format!("/vmc/api/orgs/{org}/sddcs/%2e%2e"),
        format!("/vmc/api/orgs/{org}/sddcs/%2E%2E/account-link"),
        format!("/vmc/api/orgs/{org}%2faccount-link"),
        format!("/vmc/api/orgs/{org}%2Fsddcs"),
        format!("/vmc/api/orgs/{org}//sddcs"),
        format!("/vmc/api/orgs/{org}/sddcs//"),
        format!("/vmc/api/orgs/{org};x=1/sddcs"),
        format!("/vmc/api/orgs/{org}\\..\\sddcs"),
        format!("/vmc/api/orgs/{org}/sddcs/%00"),
        format!("/vmc/api/orgs/{org}/sddcs/x%0d%0aHost:%20other"),
        format!("/vmc/api/orgs/{org}/sddcs/{}", "x".repeat(65)),
        format!("/vmc/api/orgs/{org}/sddcs/{}", "x/".repeat(3000)),
        "/vmc/api/operator/orgs".to_owned(),
        "/vmc/api/orgs/@other.example/sddcs".to_owned(),
        "/vmc/api/orgs/http:%2f%2fother.example/sddcs".to_owned(),
        format!("/vmc/reverse-proxy/api/orgs/{org}/sddcs"),
        "/api/wcp/v1/orgs/o/deployments/s".to_owned(),
    ] {
        let reply = scene.get(&path).await;
        assert!((400..=414).contains(&reply.status), "{path}: {reply:?}");
    }
    let long = scene.get(&format!("/vmc/api/orgs/{}", "x".repeat(9000))).await;
    assert_eq!(long.vmc().0, 414);
    assert_eq!(scene.calls(), before);
}

#[tokio::test]
async fn an_absolute_form_reaches_no_other_host() {
    let scene = Scene::start().await;
    let other = cloud().await;
    let target = format!("http://{}/vmc/api/orgs/{}", other.address, scene.org);
    let before = scene.calls();
    assert_eq!(scene.get(&target).await.json()["id"], *scene.org);
    assert_eq!(scene.calls(), before + 1, "of its target only the path counts");
    assert_eq!(other.simulator.stats().endpoints.values().sum::<u64>(), 0);
}

#[tokio::test]
async fn only_keys_of_the_route_and_filters_that_are_understood_are_passed_on() {
    let scene = Scene::start().await;
    let (sddcs, before) = (format!("/vmc/api/orgs/{}/sddcs", scene.org), scene.calls());
    for (query, says) in [
        ("includedeleted=true", "this path takes only includeDeleted, $filter"),
        ("x=1", "unknown query parameter"),
        ("includeDeleted=true&action=cancel", "unknown query parameter"),
        ("includeDeleted=true;x=1", "semicolon"),
        ("$filter=cloud_password+eq+'x'", "cannot be filtered by"),
        ("%24filter=startswith(resource_config.cloud_password,'a')", "cannot be filtered by"),
        ("$filter=name%20eq", "cannot be read"),
        ("%2524filter=x", "unknown query parameter"),
    ] {
        let (status, code, sentence) = scene.get(&format!("{sddcs}?{query}")).await.vmc();
        assert_eq!((status, code.as_str()), (400, "invalid-parameter"), "{query}");
        assert!(sentence.contains(says), "{query}: {sentence}");
    }
    let sddc = scene.cloud.simulator.sddc_ids().remove(0);
    assert_eq!(scene.get(&format!("{sddcs}/{sddc}?includeDeleted=true")).await.status, 400);
    assert_eq!(scene.calls(), before);
}

#[tokio::test]
async fn a_trailing_slash_does_not_count() {
    let scene = Scene::start().await;
    let before = scene.calls();
    let reply = scene.get(&format!("/vmc/api/orgs/{}/sddcs/", scene.org)).await;
    assert_eq!(scene.calls(), before + 1, "{reply:?}");
}

#[tokio::test]
async fn what_returns_credentials_or_starts_something_is_refused_whoever_asks() {
    let scene = Scene::start().await;
    let before = scene.calls();
    for route in READ_ROUTES.iter().filter(|route| route.verdict != Verdict::Pass) {
        let path = route.template.replace("{org_id}", &scene.org).replace(['{', '}'], "");
        let (status, code, sentence) = scene.get(&path).await.vmc();
        assert_eq!((status, code.as_str()), (403, "forbidden"), "{path}");
        assert!(sentence.starts_with("the gateway does not offer this read: "), "{sentence}");
    }
    assert_eq!(scene.calls(), before);
    let denied = scene.tools.gateway.metric("sddc_gateway_access_denied_total", "refused_read");
    assert!(denied.await >= 4.0);
}

#[tokio::test]
async fn nothing_of_the_callers_head_reaches_vmware() {
    let scene = Scene::start().await;
    let fields = format!("{}X-Forwarded-Host: evil.example\r\nCookie: a=b\r\n", scene.fields);
    let reply = scene.tools.get("/vmc/api/orgs", &fields).await;
    assert_eq!(reply.status, 200);
    assert_eq!(scene.cloud.simulator.stats().unauthorized, 0, "VMware sees its own token only");
}
