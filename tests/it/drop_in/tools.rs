//! The requests of each tool, as they were seen or as its source has them: method, fields, body, query.

use serde_json::{Value, json};

use super::{API_TOKENS, Reply, TOKEN, Tools, basic};
use crate::harness::{Cloud, cloud};

/// A gateway, and what a tool is configured with beside its URLs and its key.
struct Scene {
    cloud: Cloud,
    tools: Tools,
    org: String,
    sddc: String,
}

impl Scene {
    async fn start() -> Self {
        let cloud = cloud().await;
        let tools = Tools::start(&cloud).await;
        let org = cloud.simulator.org_ids()[0].clone();
        let sddc = cloud.simulator.sddc_ids()[0].clone();
        Self { cloud, tools, org, sddc }
    }

    /// The access token of a token call.
    async fn exchange(&self, target: &str, fields: &str, body: &str) -> String {
        let reply = self.tools.post(target, fields, body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// The SDDCs of the list, each with its secrets' names and without their values.
    #[track_caller]
    fn has_all_sddcs(&self, reply: &Reply) {
        assert_eq!(reply.status, 200, "{reply:?}");
        let list = reply.json();
        let ids: Vec<_> = list.as_array().unwrap().iter().map(|sddc| &sddc["id"]).collect();
        assert_eq!(ids.len(), self.cloud.simulator.sddc_ids().len());
        let configs = list.as_array().unwrap().iter().map(|sddc| &sddc["resource_config"]);
        let mut configs = configs.filter_map(Value::as_object).peekable();
        assert!(configs.peek().is_some(), "{list}");
        assert!(configs.all(|config| config.get("cloud_password") == Some(&Value::Null)), "{list}");
    }
}

#[tokio::test]
async fn vmwares_python_sdk() {
    let scene = Scene::start().await;
    let agent = "User-Agent: vAPI/2.100.0 Python/3.11.2 (Linux; 6.1.0; x86_64)\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\n";
    let form = format!("{agent}Content-Type: application/x-www-form-urlencoded\r\n");
    let token =
        scene.exchange(API_TOKENS, &form, &format!("refresh_token={}", scene.tools.key)).await;
    let fields = format!(
        "{agent}Content-Type: application/json\r\nvapi-ctx-opId: 7a1f\r\nAuthorization: Bearer {token}\r\n"
    )
    .replace("Accept-Encoding: gzip, deflate\r\n", "");
    let orgs = scene.tools.ask("GET", "/vmc/api/orgs", &fields, "{}").await;
    assert_eq!((orgs.status, &orgs.json()[0]["id"]), (200, &json!(scene.org)));
    let path = format!("/vmc/api/orgs/{}/sddcs", scene.org);
    scene.has_all_sddcs(&scene.tools.ask("GET", &path, &fields, "{}").await);
    // After a 401 it asks for another token, and shows `KeyError` for an answer without one.
    let stale = fields.replace(&token, "stale");
    assert_eq!(scene.tools.ask("GET", &path, &stale, "{}").await.vmc().0, 401);
}

#[tokio::test]
async fn pyvmc() {
    let scene = Scene::start().await;
    let agent = "User-Agent: python-requests/2.31.0\r\nAccept: application/json\r\n";
    let fields = format!("{agent}Content-Type: application/json\r\n");
    let target = format!("{API_TOKENS}?api_token={}", scene.tools.key);
    let token = scene.exchange(&target, &fields, "").await;
    let fields = format!("{agent}csp-auth-token: {token}\r\n");
    let path = format!("/vmc/api/orgs/{}/sddcs", scene.org);
    scene.has_all_sddcs(&scene.tools.get(&path, &fields).await);
    let tasks = scene.tools.get(&format!("/vmc/api/orgs/{}/tasks", scene.org), &fields).await;
    assert!(tasks.status == 200 && tasks.json().is_array(), "{tasks:?}");

    // `--oauth`
    let form = format!(
        "{agent}Content-Type: application/x-www-form-urlencoded\r\n{}",
        basic("any-id", &scene.tools.key)
    );
    let authorize = "/csp/gateway/am/api/auth/authorize";
    let token = scene.exchange(authorize, &form, "grant_type=client_credentials").await;
    let path = format!("{path}/{}", scene.sddc);
    let sddc = scene.tools.get(&path, &format!("{agent}csp-auth-token: {token}\r\n")).await;
    assert_eq!((sddc.status, &sddc.json()["id"]), (200, &json!(scene.sddc)));
}

#[tokio::test]
async fn salts_extension_asks_for_a_token_each_time() {
    let scene = Scene::start().await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\nAccept: application/json\r\n";
    for query in ["", "?includeDeleted=False"] {
        let body = format!("refresh_token={}", scene.tools.key);
        let token = scene.exchange(API_TOKENS, form, &body).await;
        let fields = format!(
            "Accept: application/json\r\nContent-Type: application/json\r\ncsp-auth-token: {token}\r\n"
        );
        let path = format!("/vmc/api/orgs/{}/sddcs{query}", scene.org);
        scene.has_all_sddcs(&scene.tools.get(&path, &fields).await);
    }
    // It shows `error_message`, else the list `error_messages`.
    let (status, _, message) = scene.tools.get("/vmc/api/orgs", "").await.vmc();
    assert!(status == 401 && message.contains("no access token was sent"), "{message}");
}

#[tokio::test]
async fn the_terraform_provider_and_the_go_sdk() {
    let scene = Scene::start().await;
    let agent = "User-Agent: Go-http-client/1.1\r\n";
    let form = format!("{agent}Content-Type: application/x-www-form-urlencoded\r\n");
    // Without URL encoding.
    let body = format!("refresh_token={}", scene.tools.key);
    let by_key = scene.exchange(API_TOKENS, &form, &body).await;
    let oauth = format!("{form}{}", basic("app", &scene.tools.key));
    let by_app = scene.exchange(TOKEN, &oauth, "grant_type=client_credentials").await;
    for token in [by_key, by_app] {
        let fields =
            format!("{agent}Content-Type: application/json\r\ncsp-auth-token: {token}\r\n");
        let path = format!("/vmc/api/orgs/{}/sddcs/{}", scene.org, scene.sddc);
        let sddc = scene.tools.get(&path, &fields).await;
        assert_eq!((sddc.status, &sddc.json()["id"]), (200, &json!(scene.sddc)), "{sddc:?}");
        // It shows the status and the body of what is refused.
        let created = scene.tools.post(&path.replace(&scene.sddc, ""), &fields, "{}").await;
        let (status, _, message) = created.vmc();
        assert!(status == 405 && message.contains("only reads"), "{message}");
    }
}

#[tokio::test]
async fn powershell_and_curl() {
    let scene = Scene::start().await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\nAccept: */*\r\n";
    let token = scene.exchange(API_TOKENS, form, &format!("api_token={}", scene.tools.key)).await;
    let fields = format!("Accept: */*\r\nUser-Agent: curl/8.5.0\r\ncsp-auth-token: {token}\r\n");
    let orgs = scene.tools.get("/vmc/api/orgs", &fields).await;
    assert_eq!((orgs.status, &orgs.json()[0]["id"]), (200, &json!(scene.org)));
}
