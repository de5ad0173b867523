//! Which paths lead where, in whose shape answers are, and what stays of a request.

use std::fs;

use sddc_gateway::{drop_in::reads::routes::READ_ROUTES, telemetry::AuditTarget};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{API_TOKENS, FORM, Reply, TOKEN, Tools, basic};
use crate::harness::{Setup, cloud};

#[tokio::test]
async fn where_it_is_off_there_is_nothing() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    for path in [API_TOKENS, TOKEN, "/vmc/api/orgs", "/api/inventory/o/core/deployments"] {
        assert_eq!(gateway.get(path).await.told(), (404, "not-found".to_owned()), "{path}");
    }
    let labels = gateway.ops("/metrics").await.text();
    assert!(!labels.contains("/csp/"), "no series for what is not there");
}

#[tokio::test]
async fn what_is_not_offered_is_404_in_its_apis_shape() {
    let cloud = cloud().await;
    let tools = Tools::start(&cloud).await;
    let (status, code, message) =
        tools.get("/csp/gateway/am/api/loggedin/user/orgs", "").await.csp();
    assert_eq!((status, code.as_str()), (404, "250.404"));
    assert!(message.contains("/docs/drop-in"), "{message}");
    for path in ["/vmc/api/operator/features", "/vmc/api", "/api/wcp/x", "/vmc/", "/api/"] {
        let (status, code, message) = tools.get(path, "").await.vmc();
        assert_eq!((status, code.as_str()), (404, "not-found"), "{path}");
        assert!(message.contains("/docs/drop-in"), "{message}");
    }
    // Not below these prefixes, so not of these APIs.
    for path in ["/vmc", "/csp", "/vmcx/api", "//vmc/api/orgs", "/VMC/api/orgs", "/%76mc/api/orgs"]
    {
        let reply = tools.get(path, "").await;
        assert_eq!(reply.json()["code"], "not-found", "{path}");
        assert_eq!(reply.field("content-type"), Some("application/problem+json"));
    }
    assert_eq!(cloud.sddc_reads(), 0);
}

#[tokio::test]
async fn no_way_of_writing_a_path_leads_to_another_route() {
    let cloud = cloud().await;
    let tools = Tools::start(&cloud).await;
    let form = format!("refresh_token={}", tools.key);
    let long = format!("/csp/{}", "a/".repeat(3000));
    for path in [
        "/csp/gateway/am/api/auth/x/../token",
        "/csp/gateway/am/api/auth/./token",
        "/csp/gateway/am/api/auth//token",
        "/csp//gateway/am/api/auth/token",
        "/csp/gateway/am/api/auth/%74oken",
        "/csp/gateway/am/api/auth%2ftoken",
        "/csp/gateway/am/api/auth%2Ftoken",
        "/csp/gateway/am/api/auth/%2e%2e/auth/token",
        "/csp/gateway/am/api/auth/token;a=b",
        "/csp/gateway/am/api/auth/token%00",
        "/csp/gateway/am/api/auth\\token",
        "/csp/gateway/am/api/auth/token//",
        "/csp/gateway/am/api/auth/TOKEN",
        "/vmc/../csp/gateway/am/api/auth/token",
        "/vmc/..%2fcsp/gateway/am/api/auth/token",
        "http://vmc.vmware.com/vmc/../csp/gateway/am/api/auth/token",
        "http://localhost/csp/gateway/am/api/auth/../auth/token",
        &long,
    ] {
        let raw = tools
            .gateway
            .raw(&format!(
                "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\
                 {FORM}\r\n{form}",
                form.len()
            ))
            .await;
        let status = raw.split(' ').nth(1).unwrap();
        assert!(["400", "405"].contains(&status), "{path}: {raw}");
        assert!(!raw.contains("access_token"), "{path}: {raw}");
    }
    let too_long = tools.get(&format!("/vmc/{}", "a/".repeat(5000)), "").await;
    assert_eq!(too_long.vmc().0, 414);
    // The same path, as another writing of the target has it (RFC 9112 section 3.2.2), and a slash.
    for target in [&format!("http://localhost{API_TOKENS}"), &format!("{API_TOKENS}/")] {
        assert_eq!(tools.post(target, FORM, &form).await.status, 200, "{target}");
    }
}

#[tokio::test]
async fn writes_are_refused_with_the_reason() {
    let cloud = cloud().await;
    let tools = Tools::start(&cloud).await;
    let token = tools.token().await;
    let fields = format!("csp-auth-token: {token}\r\nContent-Type: application/json\r\n");
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        for path in ["/vmc/api/orgs/o-1/sddcs", "/vmc/api/orgs/o-1/sddcs/s-1/esxs", "/api/x"] {
            let reply = tools.ask(method, path, &fields, "{}").await;
            let (status, code, message) = reply.vmc();
            assert_eq!((status, code.as_str()), (405, "method-not-allowed"), "{method} {path}");
            assert!(message.contains("only reads"), "{message}");
            assert_eq!(reply.field("allow"), Some("GET,HEAD"));
        }
        let reply = tools.ask(method, "/csp/gateway/am/api/orgs/o-1/oauth-apps", "", "{}").await;
        assert_eq!(reply.csp().0, 405, "{method}");
    }
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        let reply = tools.ask(method, TOKEN, "", "").await;
        assert_eq!((reply.status, reply.field("allow")), (405, Some("POST")), "{method}");
    }
    for path in ["/csp/gateway/am/api/auth/keys", "/csp/gateway/am/api/auth/token-public-key"] {
        let reply = tools.post(path, FORM, "").await;
        assert_eq!((reply.status, reply.field("allow")), (405, Some("GET,HEAD")), "{path}");
    }
    assert_eq!(cloud.sddc_reads(), 0, "VMware Cloud is not asked");
}

#[tokio::test]
async fn what_the_edge_refuses_has_the_shape_too() {
    let cloud = cloud().await;
    let tools = Tools::start(&cloud).await;
    let large = "x".repeat(64 * 1024 + 1);
    assert_eq!(tools.post(API_TOKENS, FORM, &large).await.csp().0, 413);
    assert_eq!(tools.post("/vmc/api/orgs", "", &large).await.vmc().0, 413);
    let header = format!("X-Large: {}\r\n", "x".repeat(16 * 1024));
    assert_eq!(tools.get("/vmc/api/orgs", &header).await.vmc().0, 431);
    assert_eq!(tools.get("/vmc/api/orgs", "Host: localhost\r\n").await.vmc().0, 400);
    assert_eq!(tools.get("/vmc/api/orgs?q=%zz", "").await.vmc().0, 400);
}

#[tokio::test]
async fn nothing_of_a_key_stays_and_every_decision_does() {
    let cloud = cloud().await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let target = Some(AuditTarget::File(path.clone()));
    let setup = Setup::on_demand(&cloud).with(|config| config.telemetry.audit = target);
    let tools = Tools::of(setup).await;
    let key = tools.key.clone();
    let reply = tools.post(&format!("{API_TOKENS}?api_token={key}"), "", "").await;
    assert_eq!(reply.status, 200);
    assert!(!reply.body.contains(&key));
    let guess = "sgw_guess-that-is-nobodys";
    let reply = tools.post(&format!("{API_TOKENS}?api_token={guess}"), "", "").await;
    assert!(reply.status == 400 && !reply.body.contains(guess), "{reply:?}");
    tools
        .post(TOKEN, &format!("{}{FORM}", basic("ci", guess)), "grant_type=client_credentials")
        .await;

    let records: Vec<Value> = fs::read_to_string(&path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let shown: Vec<_> = records
        .iter()
        .map(|it| json!([it["caller"], it["http.route"], it["decision"], it["reason"]]))
        .collect();
    assert_eq!(
        shown,
        [
            json!(["tool", API_TOKENS, "allow", null]),
            json!(["none", API_TOKENS, "deny", "unknown_credential"]),
            json!(["none", TOKEN, "deny", "unknown_credential"]),
        ]
    );
    let lines = tools.gateway.log.text();
    assert_eq!(lines.matches(API_TOKENS).count(), 2, "{lines}");
    let allowed = tools.gateway.metric("sddc_gateway_http_requests_total", "caller=\"tool\"").await;
    assert!((allowed - 1.0).abs() < 0.5, "{allowed}");
    let denied =
        tools.gateway.metric("sddc_gateway_access_denied_total", "unknown_credential").await;
    assert!((denied - 2.0).abs() < 0.5, "{denied}");
    let everything = [
        lines,
        fs::read_to_string(&path).unwrap(),
        tools.gateway.ops("/metrics").await.text(),
        crate::harness::Captured::events(),
    ];
    for text in everything {
        assert!(!text.contains(&key) && !text.contains(guess) && !text.contains("api_token="));
    }
}

#[tokio::test]
async fn a_token_that_is_none_of_ours_is_refused_in_each_shape() {
    let cloud = cloud().await;
    let tools = Tools::start(&cloud).await;
    let token = tools.token().await;
    // The facade takes none of ours.
    let bearer = format!("Authorization: Bearer {token}\r\n");
    for path in ["/sddcs", "/whoami"] {
        let reply: Reply = tools.get(path, &bearer).await;
        assert_eq!((reply.status, &reply.json()["code"]), (401, &json!("unauthenticated")));
    }
    assert_eq!(tools.post(API_TOKENS, FORM, &format!("api_token={token}")).await.csp().0, 400);
}

#[tokio::test]
async fn the_page_about_it_lists_every_path() {
    let cloud = cloud().await;
    let page = Setup::on_demand(&cloud).start().await.get("/docs/drop-in").await.text();
    for route in READ_ROUTES {
        assert!(page.contains(&format!("<code>{}</code>", route.template)), "{}", route.template);
    }
    let codes = page.split("<code>").skip(1).filter_map(|rest| rest.split("</code>").next());
    for path in codes.filter(|code| code.starts_with("/vmc/") || code.starts_with("/api/")) {
        let is_prefix = ["/vmc/", "/api/"].contains(&path);
        assert!(is_prefix || READ_ROUTES.iter().any(|route| route.template == path), "{path}");
    }
}
