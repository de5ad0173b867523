//! CSP's token endpoints: a caller's key becomes a token, in CSP's shape.

use std::io::Write as _;

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use ring::signature::{ED25519, UnparsedPublicKey};
use sddc_gateway::{
    access::{CallerKey, Scope},
    reload::LoadedFile,
};
use serde_json::{Value, json};

use super::{API_TOKENS, FORM, Reply, TOKEN, Tools, basic};
use crate::{
    harness::{Setup, cloud, cloud_of},
    policy::{caller, with_file},
};

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
    let keys = LoadedFile::read(file.path()).unwrap();
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

#[tokio::test]
async fn a_token_ends_within_seconds_of_its_key_its_scope_and_its_caller() {
    let cloud = cloud().await;
    let (key, second) = (CallerKey::generate().unwrap(), CallerKey::generate().unwrap());
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let (filed, rotated) =
        (caller(&key, "scopes = [\"vmc:read\"]"), caller(&second, "scopes = [\"vmc:read\"]"));
    file.write_all(filed.as_bytes()).unwrap();
    let setup = with_file(Setup::on_demand(&cloud), file.path());
    let gateway = setup.with(|config| config.drop_in.enabled = true).start().await;
    let tools = Tools { gateway, key: key.reveal().to_owned() };
    let token = tools.token().await;
    let fields = format!("csp-auth-token: {token}\r\n");
    let status = async || tools.get("/vmc/api/orgs", &fields).await.status;
    assert_eq!(status().await, 200);
    for (text, expected) in [
        (rotated.as_str(), 401),
        (&filed, 200),
        (&caller(&key, "scopes = [\"sddc:read\"]"), 403),
        (&filed, 200),
        (&filed.replace("filed", "renamed"), 401),
        ("callers = []", 401),
    ] {
        std::fs::write(file.path(), text).unwrap();
        tools.gateway.advance(5);
        tools.gateway.until("the change", async |_| status().await == expected).await;
    }
    let (_, _, message) = tools.get("/vmc/api/orgs", &fields).await.vmc();
    assert!(message.contains("no longer exists") && message.contains("api-tokens/authorize"));
}

#[tokio::test]
async fn it_lives_half_an_hour_and_no_longer_than_its_caller() {
    let cloud = cloud().await;
    let setup = Setup::on_demand(&cloud).with_tester(|caller| {
        caller.scopes = vec![Scope::VmcRead];
        caller.not_after = Some("2026-11-22T10:10:00Z".parse().unwrap());
    });
    let tools = Tools::of(setup).await;
    let short = tools.post(API_TOKENS, FORM, &format!("api_token={}", tools.gateway.key())).await;
    assert_eq!(short.json()["expires_in"], 600);
    let fields = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let (long, short) =
        (fields(&tools.token().await), fields(short.json()["access_token"].as_str().unwrap()));
    let status = async |fields: &str| tools.get("/vmc/api/orgs", fields).await.status;
    assert_eq!((status(&long).await, status(&short).await), (200, 200));
    tools.gateway.advance(600);
    assert_eq!((status(&long).await, status(&short).await), (200, 401));
    tools.gateway.advance(1200);
    let (status, _, message) = tools.get("/vmc/api/orgs", &long).await.vmc();
    assert!(status == 401 && message.contains("has expired"), "{message}");
}

#[tokio::test]
async fn a_rotation_of_the_keys_ends_no_token_until_the_old_line_is_gone() {
    let cloud = cloud().await;
    let line = |byte: u8| BASE64_STANDARD.encode([byte; 32]);
    let file = tempfile::NamedTempFile::new().unwrap();
    let write = |lines: &[u8]| {
        let lines: Vec<_> = lines.iter().map(|byte| line(*byte)).collect();
        std::fs::write(file.path(), lines.join("\n")).unwrap();
    };
    write(&[1]);
    let keys = LoadedFile::read(file.path()).unwrap();
    let tools =
        Tools::of(Setup::on_demand(&cloud).with(|config| config.keys_file = Some(keys))).await;
    let fields = format!("csp-auth-token: {}\r\n", tools.token().await);
    let status = async || tools.get("/vmc/api/orgs", &fields).await.status;
    let keys = "/csp/gateway/am/api/auth/keys";
    for (lines, count, expected) in [(&[1][..], 1, 200), (&[2, 1], 2, 200), (&[2], 1, 401)] {
        write(lines);
        tools.gateway.advance(5);
        let shown = async || tools.get(keys, "").await.json()["keys"].as_array().unwrap().len();
        tools.gateway.until("the keys", async |_| shown().await == count).await;
        assert_eq!(status().await, expected, "{lines:?}");
    }
}

#[tokio::test]
async fn no_other_credential_is_taken_at_vmwares_paths() {
    let cloud = cloud().await;
    let tools = Tools::start(&cloud).await;
    let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let vmwares = format!(
        "{}.{}.{}",
        part("{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"signing_2\"}"),
        part(
            "{\"iss\":\"https://gaz.csp-vidm-prod.com\",\"context_name\":\"o-1\",\"exp\":9999999999}"
        ),
        part("signature"),
    );
    let (key, token) = (tools.key.clone(), tools.token().await);
    for fields in [
        String::new(),
        format!("csp-auth-token: {vmwares}\r\n"),
        format!("Authorization: Bearer {vmwares}\r\n"),
        format!("csp-auth-token: {key}\r\n"),
        format!("Authorization: Bearer {key}\r\n"),
        format!("X-API-Key: {key}\r\n"),
        basic("tool", &key),
        format!("csp-auth-token: {token}x\r\n"),
    ] {
        let reply = tools.get("/vmc/api/orgs", &fields).await;
        let (status, code, message) = reply.vmc();
        assert_eq!((status, code.as_str()), (401, "unauthenticated"), "{fields}");
        assert!(message.contains("api-tokens/authorize"), "{message}");
        assert!(reply.field("www-authenticate").is_some());
        assert!(!reply.body.contains(&key) && !reply.body.contains(&vmwares));
    }
    let both =
        format!("csp-auth-token: {token}\r\nAuthorization: Bearer {}\r\n", tools.token().await);
    assert_eq!(tools.get("/vmc/api/orgs", &both).await.vmc().0, 400);
    let same = format!("csp-auth-token: {token}\r\nAuthorization: Bearer {token}\r\n");
    assert_eq!(tools.get("/vmc/api/orgs", &same).await.status, 200);
}
