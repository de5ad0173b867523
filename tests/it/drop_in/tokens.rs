//! CSP's token endpoints: a caller's key becomes a token, in CSP's shape.

use std::io::Write as _;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::signature::{ED25519, UnparsedPublicKey};
use sddc_gateway::access::Scope;
use serde_json::{Value, json};

use super::{API_TOKENS, FORM, Reply, TOKEN, Tools, basic};
use crate::harness::{Setup, cloud, cloud_of};

const CLIENT: &str = "grant_type=client_credentials";

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[track_caller]
fn is_token(reply: &Reply) {
    assert_eq!(reply.status, 200, "{reply:?}");
    let body = reply.json();
    let names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    for name in ["access_token", "expires_in", "id_token", "refresh_token", "scope", "token_type"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("bearer"), &json!(1800)));
    assert_eq!((&body["refresh_token"], &body["id_token"]), (&Value::Null, &Value::Null));
    assert_eq!(reply.field("cache-control"), Some("no-store"));
    assert_eq!(reply.field("content-type"), Some("application/json"));
    assert_eq!(reply.field("content-encoding"), None);
    assert_eq!(claims(body["access_token"].as_str().unwrap())["username"], "tool");
}

#[tokio::test]
async fn a_key_is_exchanged_in_each_way_that_tools_know() {
    let cloud = cloud().await;
    let tools = Tools::start(&cloud).await;
    let key = tools.key.clone();
    let form = |text: &str| format!("{text}={key}");
    for (target, body) in [
        (API_TOKENS.to_owned(), form("refresh_token")),
        (API_TOKENS.to_owned(), form("api_token")),
        (format!("{API_TOKENS}?{}", form("api_token")), String::new()),
        (format!("{API_TOKENS}?{}", form("refresh_token")), String::new()),
        (format!("{API_TOKENS}/"), form("refresh_token")),
    ] {
        let fields = format!("{FORM}Accept-Encoding: gzip, br, zstd\r\n");
        is_token(&tools.post(&target, &fields, &body).await);
    }
    let authorize = "/csp/gateway/am/api/auth/authorize";
    for (user, body) in [
        ("tool", CLIENT.to_owned()),
        ("anything at all", format!("{CLIENT}&orgId=o-1&scope=x")),
        ("", CLIENT.to_owned()),
        ("", format!("grant_type=refresh_token&{}", form("refresh_token"))),
    ] {
        for target in [TOKEN, authorize] {
            let fields = format!("{}{FORM}", basic(user, &key));
            is_token(&tools.post(target, &fields, &body).await);
        }
    }
    let refresh = format!("grant_type=refresh_token&{}", form("refresh_token"));
    is_token(&tools.post(TOKEN, FORM, &refresh).await);
    assert_eq!(cloud.sddc_reads(), 0, "VMware Cloud is not asked");
}

#[tokio::test]
async fn what_is_no_callers_key_is_refused_with_csps_statuses() {
    let cloud = cloud().await;
    let tools = Tools::start(&cloud).await;
    let refused = async |target: &str, fields: &str, body: &str| {
        let reply = tools.post(target, &format!("{FORM}{fields}"), body).await;
        assert!(!reply.body.contains("access_token\""), "{reply:?}");
        reply.csp()
    };
    let (status, code, message) = refused(API_TOKENS, "", "refresh_token=sgw_wrong").await;
    assert_eq!((status, code.as_str()), (400, "340.306"));
    assert!(message.starts_with("invalid_grant: Invalid refresh token"), "{message}");
    assert!(!message.contains("sgw_wrong"));
    assert_eq!(refused(API_TOKENS, "", "").await.0, 400);
    let (status, code, message) = refused(TOKEN, "", CLIENT).await;
    assert_eq!((status, code.as_str()), (401, "250.100"));
    assert!(message.starts_with("Missing mandatory request header: authorization"), "{message}");
    let (status, code, _) = refused(TOKEN, &basic("tool", "sgw_wrong"), CLIENT).await;
    assert_eq!((status, code.as_str()), (401, "250.101"));
    let in_body = format!("{CLIENT}&client_id=tool&client_secret={}", tools.key);
    assert_eq!(refused(TOKEN, "", &in_body).await.0, 401, "as CSP: Basic only");
    let bearer = format!("Authorization: Bearer {}\r\n", tools.key);
    assert_eq!(refused(TOKEN, &bearer, CLIENT).await.0, 401);
    assert_eq!(refused(TOKEN, "Authorization: Basic !\r\n", CLIENT).await.0, 401);
    let twice = format!("{0}{0}", basic("tool", &tools.key));
    assert_eq!(refused(TOKEN, &twice, CLIENT).await.0, 400);
    let good = basic("tool", &tools.key);
    for body in ["", "grant_type=authorization_code", "grant_type=password"] {
        let (status, code, message) = refused(TOKEN, &good, body).await;
        assert_eq!((status, code.as_str()), (400, "250.400"), "{message}");
    }
    let other = format!("grant_type=refresh_token&refresh_token={}", tools.gateway.key());
    assert_eq!(refused(TOKEN, &good, &other).await.0, 401, "two callers");
    let (status, code, message) =
        refused(API_TOKENS, "", &format!("api_token={}", tools.gateway.key())).await;
    assert_eq!((status, code.as_str()), (403, "250.403"));
    assert!(message.contains("vmc:read"), "{message}");
}

#[tokio::test]
async fn where_access_is_open_a_caller_is_needed() {
    let cloud = cloud().await;
    let setup = Setup::on_demand(&cloud).open().with(|config| config.drop_in.enabled = true);
    let gateway = setup.start().await;
    let tools = Tools { gateway, key: String::new() };
    for body in ["refresh_token=sgw_any", ""] {
        let (status, _, message) = tools.post(API_TOKENS, FORM, body).await.csp();
        assert_eq!(status, 400);
        assert!(message.contains("access is open"), "{message}");
    }
    let (status, _, message) = tools.post(TOKEN, FORM, CLIENT).await.csp();
    assert!(status == 401 && message.contains("vmc:read"), "{message}");
}

#[tokio::test]
async fn guesses_and_token_calls_are_limited_as_elsewhere() {
    let cloud = cloud().await;
    let setup = Setup::on_demand(&cloud).with_tester(|caller| {
        caller.scopes = vec![Scope::VmcRead];
        caller.rate = Some("3/h".parse().unwrap());
    });
    let tools = Tools::of(setup).await;
    let limited = format!("api_token={}", tools.gateway.key());
    for _ in 0..3 {
        let reply = tools.post(API_TOKENS, FORM, &limited).await;
        assert_eq!(reply.status, 200);
        assert!(reply.field("ratelimit").is_some());
    }
    let reply = tools.post(API_TOKENS, FORM, &limited).await;
    assert_eq!((reply.csp().0, reply.csp().1.as_str()), (429, "250.429"));
    assert!(reply.field("retry-after").is_some() && reply.field("ratelimit-policy").is_some());
    let mut statuses = Vec::new();
    for number in 0..61 {
        let guess = format!("api_token=sgw_{number}");
        statuses.push(tools.post(API_TOKENS, FORM, &guess).await.status);
    }
    assert_eq!((statuses[59], statuses[60]), (400, 429));
    assert_eq!(tools.post(API_TOKENS, FORM, &format!("api_token={}", tools.key)).await.status, 200);
}

#[tokio::test]
async fn a_token_names_the_organization_where_there_is_one() {
    for (orgs, is_named) in [(1, true), (2, false)] {
        let cloud = cloud_of(orgs).await;
        let tools = Tools::start(&cloud).await;
        tools.gateway.get("/sddcs").await;
        let token = tools.token().await;
        let name = claims(&token)["context_name"].clone();
        let expected = if is_named { json!(cloud.simulator.org_ids()[0]) } else { Value::Null };
        assert_eq!(name, expected);
    }
}

#[tokio::test]
async fn its_public_keys_verify_a_token() {
    let cloud = cloud().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let line = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";
    file.write_all(line.as_bytes()).unwrap();
    let keys = sddc_gateway::reload::LoadedFile::read(file.path()).unwrap();
    let setup = |keys| Setup::on_demand(&cloud).with(|config| config.keys_file = Some(keys));
    let (one, other) = (Tools::of(setup(keys.clone())).await, Tools::of(setup(keys)).await);
    let token = one.token().await;
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    let base = "/csp/gateway/am/api/auth";
    let set = other.get(&format!("{base}/keys"), "").await.json();
    let public = BASE64_URL_SAFE_NO_PAD.decode(set["keys"][0]["x"].as_str().unwrap()).unwrap();
    UnparsedPublicKey::new(&ED25519, public).verify(signed.as_bytes(), &signature).unwrap();
    let shown = one.get(&format!("{base}/token-public-key?format=jwks"), "").await.json();
    assert_eq!((&shown["keys"], &shown["alg"]), (&set["keys"], &json!("EdDSA")));
    let pem = one.get(&format!("{base}/token-public-key"), "").await.json();
    assert!(pem["value"].as_str().unwrap().starts_with("-----BEGIN PUBLIC KEY-----\n"));
    assert_eq!(one.get(&format!("{base}/token-public-key?format=der"), "").await.csp().0, 400);
    let discovery =
        one.get("/csp/gateway/am/api/.well-known/openid-configuration", "").await.json();
    assert_eq!(discovery["issuer"], shown["issuer"]);
    assert!(!one.gateway.log.text().contains(line));
}
