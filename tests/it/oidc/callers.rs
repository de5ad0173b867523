//! Callers who show tokens of the operator's issuer, to a whole gateway.

use std::collections::BTreeMap;

use http::Method;
use sddc_gateway::access::{CallerSettings, NamePattern};
use serde_json::{Value, json};

use super::issuer::{Answer as Keys, Issuer};
use crate::{
    harness::{Answer, Cloud, Setup, TestGateway, clock, cloud, configured_callers},
    views::Events,
};

/// The claims of a token that is good: until an hour after the tests' time.
fn claims(more: &Value) -> Value {
    let now = clock().wall().as_second();
    let mut claims = json!({
        "iss": super::issuer::ISSUER, "aud": super::issuer::AUDIENCE, "exp": now + 3600, "sub": "ci",
    });
    let more = more.as_object().unwrap().clone();
    claims.as_object_mut().unwrap().extend(more);
    claims
}

/// Callers by their claims, in this order; each sees SDDCs of its own pattern.
async fn gateway(
    cloud: &Cloud,
    issuer: &Issuer,
    callers: &[(&str, &[(&str, &str)])],
) -> TestGateway {
    let setup = Setup::on_demand(cloud).with(|config| {
        let configured = configured_callers(config);
        configured.oidc = Some(issuer.settings());
        configured.callers.extend(callers.iter().map(|(name, wanted)| {
            let wanted = wanted.iter().map(|(claim, text)| (claim.to_string(), (*text).into()));
            CallerSettings { oidc: wanted.collect(), ..CallerSettings::new(name.parse().unwrap()) }
        }));
    });
    setup.start().await
}

async fn ask(gateway: &TestGateway, token: &str) -> Answer {
    let field = format!("Bearer {token}");
    gateway.send_bare(Method::GET, "/sddcs", &[("authorization", &field)]).await
}

/// The caller of the last access line.
fn caller(gateway: &TestGateway) -> String {
    let log = gateway.log.text();
    let line: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    line["caller"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_one_caller_all_of_whose_claims_match_is_the_one() {
    let (cloud, issuer) = (cloud().await, Issuer::start().await);
    let gateway = gateway(
        &cloud,
        &issuer,
        &[
            ("admins", &[("groups", "admin")]),
            ("ci", &[("sub", "ci"), ("scope", "inventory.*")]),
            ("ops", &[("groups", "ops")]),
        ],
    )
    .await;
    for (more, name) in [
        (json!({"scope": "openid inventory.read"}), "ci"),
        (json!({"scope": ["openid", "inventory."]}), "ci"),
        (json!({"groups": ["x", "admin"]}), "admins"),
        (json!({"groups": "admin"}), "admins"),
        (json!({"groups": ["ops"], "sub": "other"}), "ops"),
    ] {
        let answer = ask(&gateway, &issuer.token(&claims(&more))).await;
        assert_eq!((answer.status.as_u16(), &*caller(&gateway)), (200, name), "{more}");
    }
    for more in [
        json!({"sub": "other"}),
        json!({"sub": ["other", "c", "i"]}),
        json!({"sub": {"ci": "ci"}}),
        json!({"sub": "CI"}),
        json!({"sub": null}),
        json!({"scope": "inventory"}),
        json!({"scope": "xinventory.read"}),
        json!({"groups": 1}),
    ] {
        let answer = ask(&gateway, &issuer.token(&claims(&more))).await;
        assert_eq!((answer.status.as_u16(), &*caller(&gateway)), (401, "none"), "{more}");
        assert_eq!(
            answer.json()["detail"],
            "the credential is valid but belongs to no caller of this gateway"
        );
    }
}

#[tokio::test]
async fn a_token_that_fits_several_callers_lets_nobody_in() {
    let (cloud, issuer) = (cloud().await, Issuer::start().await);
    let callers: [(&str, &[(&str, &str)]); 2] =
        [("ci", &[("sub", "ci")]), ("all", &[("sub", "c*")])];
    let gateway = gateway(&cloud, &issuer, &callers).await;
    let denied = "sddc_gateway_access_denied_total{reason=\"several_callers\"}";
    let several = async |count: u32| {
        let page = gateway.ops("/metrics").await.text();
        assert!(page.contains(&format!("{denied} {count}")), "{page}");
    };
    several(0).await;
    assert_eq!(ask(&gateway, &issuer.token(&claims(&json!({})))).await.status, 401);
    several(1).await;
    let one = issuer.token(&claims(&json!({"sub": "cd"})));
    assert_eq!(ask(&gateway, &one).await.status, 200);
    assert_eq!(caller(&gateway), "all");
}

#[tokio::test]
async fn a_bad_token_is_told_what_is_wrong_and_lets_nobody_in() {
    let (cloud, issuer) = (cloud().await, Issuer::start().await);
    let other = Issuer::start().await;
    let gateway = gateway(&cloud, &issuer, &[("ci", &[("sub", "ci")])]).await;
    let now = clock().wall().as_second();
    let good = issuer.token(&claims(&json!({})));
    let (head, rest) = good.split_once('.').unwrap();
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}", rest.split_once('.').unwrap().0);
    let too_long = format!("{head}.{}.e30", "e30".repeat(6000));
    // Another's key under a name that is known, and under one that is not.
    let resigned = other.token(&claims(&json!({})));
    other.rotate("elsewhere", "ES256");
    let cases = [
        (issuer.token(&claims(&json!({"exp": now - 31}))), "jwt_expired"),
        (issuer.token(&claims(&json!({"nbf": now + 31}))), "jwt_not_yet_valid"),
        (issuer.token(&claims(&json!({"aud": "another"}))), "jwt_audience"),
        (issuer.token(&claims(&json!({"iss": "https://login.example.com/tenant/"}))), "jwt_issuer"),
        (issuer.token(&claims(&json!({"exp": null}))), "jwt_lifetime"),
        (format!("{unsigned}.AA"), "jwt_algorithm"),
        (format!("{head}.e30.{}", rest.split_once('.').unwrap().1), "jwt_signature"),
        (resigned, "jwt_signature"),
        (other.token(&claims(&json!({}))), "jwt_unknown_key"),
        (
            issuer.token_with(&json!({"jku": "https://evil.test"}), &claims(&json!({}))),
            "jwt_header",
        ),
        (format!("{good}.e30"), "unknown_credential"),
    ];
    for (token, reason) in &cases {
        let answer = ask(&gateway, token).await;
        assert_eq!(answer.told(), (401, "unauthenticated".to_owned()), "{reason}");
        let log = gateway.log.text();
        assert!(
            log.lines().last().unwrap().contains(&format!("\"reason\":\"{reason}\"")),
            "{reason}"
        );
        assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""), "{reason}");
        let labels = format!("reason=\"{reason}\"");
        assert!(gateway.metric("sddc_gateway_access_denied_total", &labels).await > 0.5);
        assert!(!log.contains(token.as_str()) && !answer.text().contains(token.as_str()));
    }
    assert_eq!(ask(&gateway, &too_long).await.status, 431, "all header fields have a bound too");
    assert_eq!(ask(&gateway, &good).await.status, 200);
}

#[tokio::test]
async fn a_token_and_a_key_are_of_one_caller_or_of_nobody() {
    let (cloud, issuer) = (cloud().await, Issuer::start().await);
    let gateway = gateway(&cloud, &issuer, &[("ci", &[("sub", "ci")])]).await;
    let bearer = format!("Bearer {}", issuer.token(&claims(&json!({}))));
    let both = async |key: &str| {
        let headers = [("authorization", &*bearer), ("x-api-key", key)];
        gateway.send_bare(Method::GET, "/sddcs", &headers).await
    };
    assert_eq!(both("sgw_wrong").await.status, 401);
    let other = both(gateway.key()).await;
    assert_eq!(other.status, 401);
    assert_eq!(
        other.json()["detail"],
        "the request has two credentials that belong to different callers"
    );
    // A token in the key's place is no key.
    let token = bearer.trim_start_matches("Bearer ");
    let misplaced = gateway.send_bare(Method::GET, "/sddcs", &[("x-api-key", token)]).await;
    assert_eq!(misplaced.status, 401);
}

#[tokio::test]
async fn a_token_of_a_new_key_is_waited_for_and_one_of_an_old_key_refused() {
    let (cloud, issuer) = (cloud().await, Issuer::start().await);
    let gateway = gateway(&cloud, &issuer, &[("ci", &[("sub", "ci")])]).await;
    let old = issuer.token(&claims(&json!({})));
    assert_eq!(ask(&gateway, &old).await.status, 200);
    issuer.rotate("next", "ES256");
    let new = issuer.token(&claims(&json!({})));
    gateway.advance(30);
    assert_eq!(ask(&gateway, &new).await.status, 200, "its key is fetched while it waits");
    assert_eq!(ask(&gateway, &old).await.status, 401, "its key is the issuer's no more");
    issuer.set_answer(Keys::Garbage);
    gateway.advance(330);
    assert_eq!(ask(&gateway, &new).await.status, 200, "the last good keys stay");
    let told = async |gateway: &TestGateway| {
        let state = gateway.ops("/readyz").await.json();
        (state["oidc"]["keys"].clone(), !state["oidc"]["last_error"].is_null())
    };
    gateway
        .until("the trouble is told", async |gateway| told(gateway).await == (json!(1), true))
        .await;
}

#[tokio::test]
async fn without_keys_nobody_gets_in_and_no_token_is_called_bad() {
    let (cloud, issuer) = (cloud().await, Issuer::start().await);
    issuer.set_answer(Keys::Huge);
    let gateway = gateway(&cloud, &issuer, &[("ci", &[("sub", "ci")])]).await;
    let answer = ask(&gateway, &issuer.token(&claims(&json!({})))).await;
    assert_eq!(answer.code(), "issuer-unavailable");
    assert!((1..=10).contains(&answer.header("retry-after").parse::<u64>().unwrap()));
    let denied = "sddc_gateway_access_denied_total";
    assert!(gateway.metric(denied, "reason=\"issuer_unavailable\"").await >= 1.0);
    assert_eq!(gateway.get("/sddcs").await.status, 200, "keys go on");
}

#[tokio::test]
async fn where_every_caller_comes_by_tokens_readiness_waits_for_the_first_keys() {
    let (cloud, issuer) = (cloud().await, Issuer::start().await);
    issuer.set_answer(Keys::Status(500));
    let start = async |with_key: bool| {
        let setup = Setup::polling(&cloud).with(|config| {
            let configured = configured_callers(config);
            configured.oidc = Some(issuer.settings());
            let oidc = BTreeMap::from([("sub".to_owned(), "ci".into())]);
            let ci = CallerSettings { oidc, ..CallerSettings::new("ci".parse().unwrap()) };
            if !with_key {
                configured.callers.clear();
            }
            configured.callers.push(ci);
        });
        setup.start().await
    };
    let by_key = start(true).await;
    let is_ready = async |gateway: &TestGateway| gateway.ops("/readyz").await.status == 200;
    by_key.until("it is ready without keys", is_ready).await;
    let gateway = start(false).await;
    let has_sddcs =
        async |gateway: &TestGateway| !gateway.state().await["inventory"]["sddcs"].is_null();
    gateway.until("the SDDCs are read", has_sddcs).await;
    assert!(!is_ready(&gateway).await);
    let oidc = gateway.ops("/readyz").await.json()["oidc"].clone();
    assert_eq!(oidc["keys"], 0);
    issuer.set_answer(Keys::Keys);
    let becomes_ready = async |gateway: &TestGateway| {
        gateway.advance(1);
        is_ready(gateway).await
    };
    gateway.until("the keys have come", becomes_ready).await;
    issuer.set_answer(Keys::Status(500));
    gateway.advance(330);
    assert!(is_ready(&gateway).await, "it stays ready");
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let (cloud, issuer) = (cloud().await, Issuer::start().await);
    let gateway = gateway(&cloud, &issuer, &[("ci", &[("sub", "ci")])]).await;
    let token = issuer.token(&claims(&json!({"exp": clock().wall().as_second() + 100})));
    let field = ("authorization", &*format!("Bearer {token}"));
    let mut events = Events::open_by(&gateway, field, "").await;
    assert_eq!(events.next().await.0, "sync");
    let end = async {
        gateway.advance(129);
        assert_eq!(ask(&gateway, &token).await.status, 200, "within the leeway");
        gateway.advance(1);
    };
    tokio::join!(events.ended(), end);
}

#[tokio::test]
async fn a_stream_ends_when_the_key_of_its_token_is_withdrawn_and_no_other_does() {
    let (cloud, issuer) = (cloud().await, Issuer::start().await);
    let gateway = gateway(&cloud, &issuer, &[("ci", &[("sub", "ci")])]).await;
    let year = json!({"exp": clock().wall().as_second() + 365 * 24 * 3600});
    let stolen = format!("Bearer {}", issuer.token(&claims(&year)));
    issuer.add_key("next", "ES256");
    gateway.advance(330);
    let good = format!("Bearer {}", issuer.token(&claims(&year)));
    let open = async |field: &str| {
        let mut events = Events::open_by(&gateway, ("authorization", field), "").await;
        assert_eq!(events.next().await.0, "sync");
        events
    };
    let other = open(&good).await;
    let events = open(&stolen).await;
    issuer.withdraw_oldest();
    let withdrawn = async {
        let fetched = issuer.fetches() + 1;
        gateway.advance(330);
        issuer.was_asked(fetched).await;
        let refused = async |gateway: &TestGateway| {
            ask(gateway, stolen.trim_start_matches("Bearer ")).await.status == 401
        };
        gateway.until("the key is withdrawn", refused).await;
        gateway.advance(60);
    };
    tokio::join!(events.ended(), withdrawn);
    assert!(other.goes_on(), "a stream by another key of the same issuer goes on");
}

#[tokio::test]
async fn a_callers_view_holds_for_its_tokens_too() {
    let (cloud, issuer) = (cloud().await, Issuer::start().await);
    let gateway = Setup::on_demand(&cloud)
        .with(|config| {
            let configured = configured_callers(config);
            configured.oidc = Some(issuer.settings());
            let mut ci = CallerSettings::new("ci".parse().unwrap());
            ci.oidc = BTreeMap::from([("sub".to_owned(), "ci".into())]);
            ci.view.sddc_names = Some(vec!["prod-*".parse::<NamePattern>().unwrap()]);
            configured.callers.push(ci);
        })
        .start()
        .await;
    let names = ask(&gateway, &issuer.token(&claims(&json!({})))).await.names();
    assert!(!names.is_empty() && names.iter().all(|name| name.starts_with("prod-")), "{names:?}");
}
