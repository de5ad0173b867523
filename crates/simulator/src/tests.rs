//! Both services and the control, asked in-process.

use std::sync::atomic::{AtomicI64, Ordering};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{Method, Request, header};
use http_body_util::BodyExt;

use super::*;

mod life;
mod reads;

/// A status, its headers and its JSON.
struct Answer {
    status: u16,
    headers: http::HeaderMap,
    body: Value,
}

impl Answer {
    fn text<'a>(&'a self, pointer: &str) -> &'a str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

async fn send(simulator: &Simulator, request: http::request::Builder, body: &str) -> Answer {
    let (head, ()) = request.body(()).unwrap().into_parts();
    let reply = simulator.answer(&head, body.to_owned().into()).await.unwrap();
    let (head, body) = reply.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}

fn token_request(basic: &str) -> http::request::Builder {
    Request::post("/csp/gateway/am/api/auth/token")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::AUTHORIZATION, format!("Basic {}", BASE64_STANDARD.encode(basic)))
}

async fn mint_with(simulator: &Simulator, form: &str) -> Answer {
    send(simulator, token_request("demo-app:demo-secret"), form).await
}

async fn mint(simulator: &Simulator) -> String {
    let answer = mint_with(simulator, "grant_type=client_credentials").await;
    assert_eq!(answer.status, 200);
    answer.text("/access_token").to_owned()
}

async fn get(simulator: &Simulator, token: &str, path: &str) -> Answer {
    send(simulator, Request::get(path).header("csp-auth-token", token), "").await
}

async fn control(simulator: &Simulator, method: Method, path: &str, body: &str) -> Answer {
    send(simulator, Request::builder().method(method).uri(path), body).await
}

fn simulator() -> Simulator {
    Simulator::new(Options::default())
}

#[tokio::test]
async fn a_token_has_the_shape_of_the_sample_and_opens_vmc() {
    let simulator = simulator();
    let answer = mint_with(&simulator, "grant_type=client_credentials").await;
    let sample: Value =
        serde_json::from_str(include_str!("../../../tests/fixtures/upstream/csp-token.json"))
            .unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&answer.body), keys(&sample));
    assert_eq!((answer.text("/token_type"), &answer.body["expires_in"]), ("bearer", &json!(1800)));
    let token = answer.text("/access_token");
    let orgs = get(&simulator, token, "/vmc/api/orgs").await;
    assert_eq!(orgs.body[0]["id"], simulator.org_ids()[0]);
    let bearer =
        Request::get("/vmc/api/orgs").header(header::AUTHORIZATION, format!("Bearer {token}"));
    assert_eq!(send(&simulator, bearer, "").await.body, orgs.body);
    assert_eq!((simulator.stats().mints, simulator.stats().org_list_reads), (1, 2));
}

#[tokio::test]
async fn wrong_credentials_are_refused_as_csp_does() {
    let simulator = simulator();
    let form = "grant_type=client_credentials&client_id=demo-app&client_secret=demo-secret";
    let only_body = Request::post("/csp/gateway/am/api/auth/token")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = send(&simulator, only_body, form).await;
    assert_eq!((answer.status, answer.text("/cspErrorCode")), (401, "250.100"));
    let wrong = || token_request("demo-app:wrong");
    assert_eq!(send(&simulator, wrong(), form).await.status, 400);
    simulator.set_wrong_secret_status(StatusCode::UNAUTHORIZED);
    let answer = send(&simulator, wrong(), form).await;
    assert_eq!(
        (answer.status, &answer.headers[header::WWW_AUTHENTICATE]),
        (401, &"Basic".parse().unwrap())
    );
    assert_eq!(mint_with(&simulator, "grant_type=password").await.status, 400);
    assert_eq!(mint_with(&simulator, "").await.status, 400);
    assert_eq!((simulator.stats().mints, simulator.stats().mint_attempts), (0, 5));
}

#[tokio::test]
async fn a_token_for_one_organization_reads_only_that_one() {
    let simulator = Simulator::new(Options { orgs: 2, ..Options::default() });
    let orgs = simulator.org_ids();
    let form = format!("grant_type=client_credentials&orgId={}", orgs[1]);
    let token = mint_with(&simulator, &form).await.text("/access_token").to_owned();
    assert_eq!(get(&simulator, &token, "/vmc/api/orgs").await.body.as_array().unwrap().len(), 1);
    let sddcs = |org: &str| format!("/vmc/api/orgs/{org}/sddcs");
    assert_eq!(get(&simulator, &token, &sddcs(&orgs[1])).await.status, 200);
    assert_eq!(get(&simulator, &token, &sddcs(&orgs[0])).await.status, 403);
    let any = mint(&simulator).await;
    assert_eq!(get(&simulator, &any, "/vmc/api/orgs").await.body.as_array().unwrap().len(), 2);
    assert_eq!(get(&simulator, &any, &sddcs(&orgs[1])).await.status, 200);
    let foreign = mint_with(&simulator, "grant_type=client_credentials&orgId=foreign").await;
    assert_eq!((foreign.status, foreign.text("/cspErrorCode")), (403, "250.108"));
}

#[tokio::test]
async fn tokens_end_by_the_clock_and_by_revocation() {
    static SECOND: AtomicI64 = AtomicI64::new(1_000_000);
    let clock: Clock = Arc::new(|| Timestamp::from_second(SECOND.load(Ordering::SeqCst)).unwrap());
    let options = Options { token_ttl: Duration::from_secs(1), ..Options::default() };
    let simulator = Simulator::with_clock(options, clock);
    let token = mint(&simulator).await;
    assert_eq!(get(&simulator, &token, "/vmc/api/orgs").await.status, 200);
    SECOND.fetch_add(1, Ordering::SeqCst);
    let expired = get(&simulator, &token, "/vmc/api/orgs").await;
    assert_eq!((expired.status, expired.text("/path")), (401, "/vmc/api/orgs"));
    simulator.set_token_ttl(Duration::from_secs(60));
    let token = mint(&simulator).await;
    simulator.revoke_tokens();
    assert_eq!(get(&simulator, &token, "/vmc/api/orgs").await.status, 401);
    assert_eq!(simulator.stats().unauthorized, 2);
}

#[tokio::test]
async fn both_names_of_a_users_token_are_taken_from_form_and_query() {
    let simulator = simulator();
    let path = "/csp/gateway/am/api/auth/api-tokens/authorize";
    for (query, form) in [
        ("", "api_token=demo-api-token"),
        ("", "refresh_token=demo-api-token"),
        ("?refresh_token=demo-api-token", ""),
        ("?api_token=demo-api-token", ""),
    ] {
        let answer = send(&simulator, Request::post(format!("{path}{query}")), form).await;
        assert_eq!(
            (answer.status, answer.text("/refresh_token")),
            (200, API_TOKEN),
            "{query} {form}"
        );
    }
    let expired = send(&simulator, Request::post(path), "api_token=old").await;
    assert_eq!((expired.status, &expired.body["moduleCode"]), (400, &json!(340)));
}

#[tokio::test]
async fn csp_shows_keys_to_anyone_and_organizations_to_apps() {
    let simulator = simulator();
    let token = mint(&simulator).await;
    let base = "/csp/gateway/am/api";
    let keys = get(&simulator, "", &format!("{base}/auth/keys")).await;
    assert_eq!(keys.body["keys"][0]["kid"], "signing_2");
    let jwks = get(&simulator, "", &format!("{base}/auth/token-public-key?format=jwks")).await;
    assert_eq!(jwks.body["keys"], keys.body["keys"]);
    assert_eq!(
        get(&simulator, "", &format!("{base}/auth/token-public-key?format=x")).await.status,
        400
    );
    let org = &simulator.org_ids()[0];
    let found = get(&simulator, &token, &format!("{base}/orgs/{org}")).await;
    assert_eq!(found.text("/displayName"), "Example Corp - Production");
    assert_eq!(get(&simulator, &token, &format!("{base}/loggedin/user/orgs")).await.status, 403);
    assert_eq!(get(&simulator, "", &format!("{base}/orgs/{org}")).await.status, 401);
}

#[tokio::test]
async fn deleted_sddcs_show_only_where_asked_for() {
    let simulator = simulator();
    let (token, org) = (mint(&simulator).await, simulator.org_ids().remove(0));
    let id = simulator.sddc_ids().remove(1);
    assert!(simulator.delete_sddc(&id));
    let list = format!("/vmc/api/orgs/{org}/sddcs");
    let count = async |query: &str| {
        let answer = get(&simulator, &token, &format!("{list}{query}")).await;
        answer.body.as_array().map_or(0, Vec::len)
    };
    assert_eq!((count("").await, count("?includeDeleted=true").await), (3, 4));
    assert_eq!(get(&simulator, &token, &format!("{list}?includeDeleted=maybe")).await.status, 400);
    let one = get(&simulator, &token, &format!("{list}/{id}")).await;
    assert_eq!((one.status, one.text("/sddc_state")), (200, "DELETED"));
    assert_eq!(get(&simulator, &token, &format!("{list}/none")).await.status, 404);
    assert_eq!(count("?$filter=sddc_state%20eq%20'READY'").await, 1);
    assert_eq!(count("?%24filter=sddc_state+ne+'READY'").await, 2);
    assert_eq!(get(&simulator, &token, &format!("{list}?$filter=x")).await.status, 400);
    assert_eq!(simulator.sddc_ids().len(), 3);
}

#[tokio::test]
async fn parts_and_tasks_are_read_on_their_own() {
    let simulator = simulator();
    let (token, org) = (mint(&simulator).await, simulator.org_ids().remove(0));
    let ids = simulator.sddc_ids();
    let base = format!("/vmc/api/orgs/{org}");
    let cluster = get(&simulator, &token, &format!("{base}/sddcs/{}/primarycluster", ids[0])).await;
    assert_eq!(cluster.text("/cluster_name"), "Cluster-1");
    assert_eq!(
        get(&simulator, &token, &format!("{base}/sddcs/{}/primarycluster", ids[3])).await.status,
        404
    );
    let tasks = get(&simulator, &token, &format!("{base}/tasks")).await;
    assert_eq!(tasks.body.as_array().unwrap().len(), 6);
    let task = tasks.text("/1/id");
    assert_eq!(get(&simulator, &token, &format!("{base}/tasks/{task}")).await.body, tasks.body[1]);
    let started =
        get(&simulator, &token, &format!("{base}/tasks?$filter=status%20eq%20'STARTED'")).await;
    assert_eq!(started.text("/0/resource_id"), ids[2]);
    assert_eq!(get(&simulator, &token, &base).await.text("/id"), org);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused_in_json() {
    let simulator = simulator();
    let unknown = get(&simulator, "", "/vmc/api/none").await;
    assert_eq!((unknown.status, unknown.text("/error_code")), (404, "0"));
    let method = control(&simulator, Method::DELETE, "/vmc/api/orgs", "").await;
    assert_eq!((method.status, &method.headers[header::ALLOW]), (405, &"GET".parse().unwrap()));
    let method = get(&simulator, "", "/csp/gateway/am/api/auth/token").await;
    assert_eq!((method.status, &method.headers[header::ALLOW]), (405, &"POST".parse().unwrap()));
    assert_eq!(simulator.stats().endpoint("other"), 1);
}

#[tokio::test]
async fn the_control_scripts_faults_and_names_bad_ones() {
    let simulator = simulator();
    let script = r#"{"target":"vmc","path":"/vmc/*","kind":"status","status":429,"retry_after":2,"times":1}"#;
    let made = control(&simulator, Method::POST, "/__faults", script).await;
    assert_eq!((made.status, made.text("/id")), (201, "1"));
    let hit = get(&simulator, "", "/vmc/api/orgs").await;
    assert_eq!((hit.status, &hit.headers[header::RETRY_AFTER]), (429, &"2".parse().unwrap()));
    assert_eq!((hit.text("/path"), &hit.body["retryable"]), ("/vmc/api/orgs", &json!(true)));
    assert_eq!(get(&simulator, "", "/vmc/api/orgs").await.status, 401);
    for (script, named) in [
        (r#"{"target":"vmc","kind":"explode"}"#, "explode"),
        (r#"{"target":"nsx","kind":"hang"}"#, "nsx"),
        (r#"{"target":"vmc","kind":"status","status":7}"#, "status"),
        (r#"{"target":"vmc","kind":"hang","tmies":1}"#, "tmies"),
        ("{", "EOF"),
    ] {
        let answer = control(&simulator, Method::POST, "/__faults", script).await;
        assert_eq!(answer.status, 400, "{script}");
        assert!(answer.text("/error").contains(named), "{}", answer.body);
    }
    simulator.script(Fault::on(Target::Vmc, "*").status(503));
    assert_eq!(control(&simulator, Method::DELETE, "/__faults", "").await.status, 204);
    assert_eq!(get(&simulator, "", "/vmc/api/orgs").await.status, 401);
}

#[tokio::test]
async fn made_up_answers_are_what_the_script_says() {
    let simulator = simulator();
    let play = async |fault: Fault| {
        simulator.clear_faults();
        simulator.script(fault);
        get(&simulator, "", "/vmc/api/orgs").await
    };
    let fault = || Fault::on(Target::Vmc, "*");
    let html = play(fault().kind(FaultKind::Html).status(503)).await;
    assert_eq!(
        (html.status, &html.headers[header::CONTENT_TYPE]),
        (503, &"text/html".parse().unwrap())
    );
    let garbage = play(fault().kind(FaultKind::Garbage)).await;
    assert_eq!((garbage.status, garbage.body), (200, Value::Null));
    let body = play(fault().body(r#"{"a":1}"#).status(201)).await;
    assert_eq!((body.status, body.body), (201, json!({ "a": 1 })));
    let redirect = play(fault().kind(FaultKind::Redirect)).await;
    assert_eq!(redirect.status, 302);
    assert!(redirect.headers[header::LOCATION].to_str().unwrap().starts_with("https://elsewhere"));
    assert_eq!(play(fault().kind(FaultKind::Empty)).await.status, 200);
    assert_eq!(simulator.stats().faults, 5);
}

#[tokio::test]
async fn expired_tokens_are_answered_as_such() {
    let simulator = simulator();
    let token = mint(&simulator).await;
    simulator.script(Fault::on(Target::Vmc, "*").kind(FaultKind::ExpireTokens).times(1));
    assert_eq!(get(&simulator, &token, "/vmc/api/orgs").await.status, 401);
    let token = mint(&simulator).await;
    assert_eq!(get(&simulator, &token, "/vmc/api/orgs").await.status, 200);
}

#[tokio::test]
async fn the_control_changes_sddcs_and_the_app() {
    let simulator = simulator();
    let made = control(&simulator, Method::POST, "/__sddcs", r#"{"name":"mine"}"#).await;
    assert_eq!(made.status, 201);
    let id = made.text("/id");
    assert_eq!(simulator.sddc(id).unwrap()["name"], "mine");
    let path = format!("/__sddcs/{id}");
    assert_eq!(control(&simulator, Method::PATCH, &path, r#"{"name":"yours"}"#).await.status, 204);
    assert_eq!(simulator.sddc(id).unwrap()["name"], "yours");
    assert_eq!(simulator.sddc(id).unwrap()["version"], 2);
    assert_eq!(control(&simulator, Method::DELETE, &path, "").await.status, 204);
    assert_eq!(control(&simulator, Method::DELETE, "/__sddcs/none", "").await.status, 404);
    assert_eq!(control(&simulator, Method::PATCH, "/__faults", "").await.status, 405);
    // VMware's own names count, not those that the gateway shows.
    let slip = control(&simulator, Method::PATCH, &path, r#"{"state":"FAILED"}"#).await;
    assert_eq!(slip.status, 400);
    assert!(slip.text("/error").starts_with("unknown field `state`, expected one of `"));
    assert!(slip.text("/error").contains("`sddc_state`"), "{}", slip.text("/error"));
    assert_eq!(control(&simulator, Method::PATCH, &path, "[]").await.status, 400);
    assert_eq!(control(&simulator, Method::GET, "/__none", "").await.status, 404);
    let change = r#"{"rotate_secret":{"new":"next","keep_old":false},"token_ttl":5}"#;
    assert_eq!(control(&simulator, Method::PATCH, "/__csp", change).await.status, 204);
    assert_eq!(mint_with(&simulator, "grant_type=client_credentials").await.status, 400);
    let next =
        send(&simulator, token_request("demo-app:next"), "grant_type=client_credentials").await;
    assert_eq!(next.body["expires_in"], 5);
    let stats = control(&simulator, Method::GET, "/__stats", "").await;
    assert_eq!((&stats.body["mints"], &stats.body["mint_attempts"]), (&json!(1), &json!(2)));
}

#[test]
fn options_do_not_print_the_secret() {
    let options = Options { client_secret: "CANARY".to_owned().into(), ..Options::default() };
    assert!(!format!("{options:?}").contains("CANARY"));
}

#[tokio::test]
async fn faults_are_listed_and_ended_one_by_one() {
    let simulator = simulator();
    let listed = async || control(&simulator, Method::GET, "/__faults", "").await.body;
    assert_eq!(listed().await, json!([]));
    for (times, id) in [(2, "1"), (3, "2")] {
        let script = json!({ "target": "csp", "kind": "status", "times": times }).to_string();
        let made = control(&simulator, Method::POST, "/__faults", &script).await;
        assert_eq!((made.status, made.text("/id")), (201, id));
    }
    get(&simulator, "", "/csp/gateway/am/api/auth/keys").await;
    assert_eq!(
        listed().await,
        json!([
            {"id": "1", "target": "csp", "path": "*", "kind": "status", "times": 1},
            {"id": "2", "target": "csp", "path": "*", "kind": "status", "times": 3},
        ])
    );
    let end = async |id: &str| {
        control(&simulator, Method::DELETE, &format!("/__faults/{id}"), "").await.status
    };
    assert_eq!((end("1").await, end("1").await, end("none").await), (204, 404, 404));
    assert_eq!(listed().await[0]["id"], "2");
    assert_eq!(control(&simulator, Method::DELETE, "/__faults", "").await.status, 204);
    assert_eq!(listed().await, json!([]));
    let again = json!({ "target": "csp", "kind": "hang" }).to_string();
    assert_eq!(control(&simulator, Method::POST, "/__faults", &again).await.text("/id"), "3");
    let unknown = json!({ "target": "csp", "kind": "hang", "time": 1 }).to_string();
    let refused = control(&simulator, Method::POST, "/__faults", &unknown).await;
    assert!(refused.status == 400 && refused.text("/error").contains("unknown field `time`"));
}

#[tokio::test]
async fn the_manual_names_every_control_and_every_kind_of_fault() {
    let simulator = simulator();
    let request = Request::get("/__").body(()).unwrap().into_parts().0;
    let reply = simulator.answer(&request, bytes::Bytes::new()).await.unwrap();
    let (head, body) = reply.into_parts();
    assert_eq!(head.headers[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    let body = body.collect().await.unwrap().to_bytes();
    let manual = std::str::from_utf8(&body).unwrap();
    for line in manual.lines().filter(|line| line.contains("/__")) {
        let Some((method, path)) = line.split_once(' ').filter(|(method, _)| *method != "curl")
        else {
            continue;
        };
        let path = path.split_whitespace().next().unwrap().replace("{id}", "x");
        let answer = control(&simulator, method.parse().unwrap(), &path, "{}").await;
        assert!(![405].contains(&answer.status), "{line}");
        let is_named = answer.text("/error") != "no such control endpoint";
        assert!(is_named, "{line}");
    }
    for kind in [
        "status",
        "delay",
        "hang",
        "reset",
        "drip",
        "truncate",
        "garbage",
        "html",
        "empty",
        "body",
        "redirect",
        "huge",
        "gzip_bomb",
        "expire_tokens",
    ] {
        assert!(manual.contains(&format!("\n   {kind} ")), "{kind}");
    }
}

#[tokio::test]
async fn the_controls_refuse_pages_of_other_origins_and_the_services_do_not_care() {
    let simulator = simulator();
    let from = |path: &str| {
        Request::builder()
            .uri(path)
            .header("host", "127.0.0.1:8081")
            .header("origin", "https://evil.example")
    };
    let refused = send(&simulator, from("/__faults").method(Method::DELETE), "").await;
    assert_eq!(refused.status, 403);
    assert_eq!(send(&simulator, from("/csp/gateway/am/api/auth/keys"), "").await.status, 200);
}

#[tokio::test]
async fn a_task_is_made_with_the_id_of_the_path() {
    let simulator = simulator();
    let org = simulator.org_ids().remove(0);
    let body = json!({ "org_id": org, "task_type": "SDDC-CONVERT" }).to_string();
    let made = control(&simulator, Method::POST, "/__tasks/t-1", &body).await;
    assert_eq!((made.status, made.text("/id")), (201, "t-1"));
    assert!(simulator.tasks(&org).iter().any(|task| task["id"] == "t-1"));
}
