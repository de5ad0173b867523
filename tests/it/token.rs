//! The token's life (contract section 5): each situation that has hurt somebody has a test here.

use std::{io::Write, sync::Arc, time::Duration};

use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use http::StatusCode;
use sddc_gateway::{
    csp::{
        ClientSecret, Mint, ReplicaToken, SecretCell, TokenSharing, TokenSource, TokenTrust,
        TokenTurn,
    },
    gateway::CSP,
    ids::OrgId,
    simulator::{self, Fault, FaultKind, Target},
    tasks::BackgroundJobs,
    telemetry::Metrics,
    upstream::{CallBounds, Client, Kind, Proxies},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::harness::{Cloud, Setup, TestGateway, clock, cloud, cloud_with_ttl};

const TOKEN: &str = "*/auth/token";
const SDDCS: &str = "*/sddcs";

/// A token source alone, as the gateway builds it.
fn source(cloud: &Cloud) -> TokenSource {
    source_of(cloud, None)
}

fn source_of(cloud: &Cloud, sharing: Option<Arc<dyn TokenSharing>>) -> TokenSource {
    let config = Setup::on_demand(cloud).config;
    let bounds = CallBounds {
        connect_timeout: Duration::from_secs(3),
        timeout: Duration::from_secs(8),
        max_body: 1024 * 1024,
    };
    let (clock, metrics) = (cloud.clock.clone(), Metrics::new());
    let (url, proxies) = (&config.csp.url, Proxies::default());
    let client = Client::new(CSP, url, bounds, None, &proxies, clock.clone(), metrics.clone());
    let secret = SecretCell::new(ClientSecret::from_text("demo-secret").unwrap());
    let mint = Mint::new(client.unwrap(), &config.csp, secret);
    let jobs = BackgroundJobs::new(metrics);
    TokenSource::new(None, mint, clock, jobs, sharing)
}

/// Another replica that has minted a token so long ago.
#[derive(Debug)]
struct MintedElsewhere(Duration);

impl TokenSharing for MintedElsewhere {
    fn turn<'a>(&'a self, _org: Option<&'a OrgId>, newest: u64) -> BoxFuture<'a, TokenTurn> {
        let turn = match newest {
            0 => TokenTurn::Taken(ReplicaToken {
                token: "a.b.c".to_owned().into(),
                generation: 1,
                age: self.0,
                life: Duration::from_secs(1800),
            }),
            _ => TokenTurn::Unshared,
        };
        std::future::ready(turn).boxed()
    }
}

/// A replica that starts with a token that was revoked meanwhile would not mint another one for a
/// minute, as if it had just minted this one.
#[tokio::test]
async fn a_token_that_has_been_in_use_elsewhere_for_a_minute_was_good() {
    let cloud = cloud().await;
    for (age, trust) in [(59, TokenTrust::Untried), (60, TokenTrust::Accepted)] {
        let elsewhere = MintedElsewhere(Duration::from_secs(age));
        let tokens = source_of(&cloud, Some(Arc::new(elsewhere)));
        assert_eq!(tokens.token().await.unwrap().trust(), trust);
    }
    assert_eq!(cloud.mints(), 0);
}

/// Elsewhere 35 misses made 35 mints (zmartzone/lua-resty-openidc#573).
#[tokio::test]
async fn a_hundred_cold_callers_cost_one_mint_and_one_read() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let answers = join_all((0..100).map(|_| gateway.get("/sddcs"))).await;
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK));
    assert_eq!((cloud.mints(), cloud.sddc_reads()), (1, 1));
}

/// Elsewhere late 401s threw away a newer token (kubernetes/kubernetes#99324).
#[tokio::test]
async fn a_hundred_late_401s_cost_one_mint() {
    let cloud = cloud().await;
    let tokens = source(&cloud);
    let old = tokens.token().await.unwrap();
    old.accepted();
    let replaced = join_all((0..100).map(|_| tokens.replace(&old))).await;
    assert!(replaced.iter().all(|token| token.as_ref().unwrap().generation() == 2));
    assert_eq!(cloud.mints(), 2);
    // The latest of all speaks of a token that is long gone: the newer one stays.
    assert_eq!(tokens.replace(&old).await.unwrap().generation(), 2);
    assert_eq!(cloud.mints(), 2);
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_cancel_the_mint() {
    let cloud = cloud().await;
    let tokens = source(&cloud);
    cloud.simulator.script(Fault::on(Target::Csp, TOKEN).delay(Duration::from_millis(50)).times(1));
    let mut first = Box::pin(tokens.token());
    assert!(futures_util::poll!(&mut first).is_pending());
    drop(first);
    assert_eq!(tokens.token().await.unwrap().generation(), 1);
    assert_eq!(cloud.mint_attempts(), 1);
}

#[tokio::test]
async fn renewal_ahead_of_expiry_costs_no_caller_a_wait() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    gateway.until("first mint", async |_| cloud.mints() == 1).await;
    gateway.advance(1800 - 301);
    assert_eq!(gateway.get("/sddcs").await.status, StatusCode::OK);
    assert_eq!(cloud.mints(), 1, "more than 5 min are left");
    gateway.advance(31);
    gateway.until("renewal", async |_| cloud.mints() == 2).await;
    assert_eq!(gateway.get("/sddcs").await.status, StatusCode::OK);
    assert_eq!(cloud.simulator.stats().unauthorized, 0);
}

/// Elsewhere a failed refresh took the place of a good token (googleapis/google-cloud-rust#5809).
#[tokio::test]
async fn a_failed_renewal_keeps_the_good_token() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    assert_eq!(gateway.get("/sddcs").await.status, StatusCode::OK);
    cloud.simulator.script(Fault::on(Target::Csp, TOKEN).status(503));
    gateway.advance(1600);
    gateway.until("failed renewal", async |_| cloud.mint_attempts() > 1).await;
    assert_eq!(
        gateway.get("/sddcs").await.header("cache-status"),
        "sddc-gateway; fwd=miss; stored"
    );
    gateway
        .until("failure in the probe", async |gateway| {
            gateway.state().await["token"]["last_error"] == "upstream-unavailable"
        })
        .await;
    let token = gateway.state().await["token"].clone();
    assert_eq!(token["state"], "valid");
    assert!(token["consecutive_failures"].as_u64() >= Some(1), "{token}");
    cloud.simulator.clear_faults();
    gateway.advance(60);
    gateway.until("renewal", async |_| cloud.mints() == 2).await;
    gateway
        .until("no failure left", async |gateway| {
            gateway.state().await["token"]["consecutive_failures"] == 0
        })
        .await;
}

/// Elsewhere expired tokens were sent while the identity provider was down (envoyproxy/envoy#44674).
#[tokio::test]
async fn an_expired_token_is_never_sent_and_the_snapshot_outlives_it() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    gateway.get("/sddcs").await;
    cloud.simulator.script(Fault::on(Target::Csp, "*").status(503));
    gateway.advance(1800);
    let answer = gateway.get("/sddcs").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.header("cache-status").contains("detail=stale-upstream-unavailable"));
    assert_eq!(answer.header("age"), "1800");
    assert_eq!(gateway.state().await["token"]["state"], "expired");
    assert_eq!((cloud.sddc_reads(), cloud.simulator.stats().unauthorized), (1, 0));
}

/// Elsewhere renewal ended for good after one odd answer (envoyproxy/envoy#42009).
#[tokio::test]
async fn an_odd_answer_does_not_end_renewal() {
    for odd in [
        Fault::on(Target::Csp, TOKEN).kind(FaultKind::Garbage),
        Fault::on(Target::Csp, TOKEN).kind(FaultKind::Html),
        Fault::on(Target::Csp, TOKEN).kind(FaultKind::Empty),
        Fault::on(Target::Csp, TOKEN).kind(FaultKind::Redirect),
        Fault::on(Target::Csp, TOKEN).body(r#"{"access_token": ""}"#),
        Fault::on(Target::Csp, TOKEN).status(400),
        Fault::on(Target::Csp, TOKEN).status(418),
    ] {
        let cloud = cloud().await;
        let gateway = Setup::on_demand(&cloud).start().await;
        gateway.until("first mint", async |_| cloud.mints() == 1).await;
        cloud.simulator.script(odd.clone().times(1));
        gateway.advance(1600);
        gateway.until("the odd answer", async |_| cloud.mint_attempts() == 2).await;
        // Nobody asks anything meanwhile.
        let failed = async |gateway: &TestGateway| {
            gateway.state().await["token"]["consecutive_failures"] == 1
        };
        gateway.until("its end", failed).await;
        gateway.advance(61);
        gateway.until("renewal", async |_| cloud.mints() == 2).await;
    }
}

#[tokio::test]
async fn lives_that_csp_tells_badly_still_give_a_token() {
    for (expires_in, told) in [
        ("", 300),
        (r#", "expires_in": 0"#, 300),
        (r#", "expires_in": -1"#, 300),
        (r#", "expires_in": "1799""#, 1799),
        (r#", "expires_in": 99999999999"#, 86_400),
    ] {
        let cloud = cloud().await;
        let body = format!(r#"{{"access_token": "a.b.c", "token_type": "bearer"{expires_in}}}"#);
        cloud.simulator.script(Fault::on(Target::Csp, TOKEN).body(body));
        let tokens = source(&cloud);
        tokens.token().await.unwrap();
        let left = tokens.status().expires_at.unwrap().since(cloud.clock.now());
        assert_eq!(left, Duration::from_secs(told), "{expires_in}");
    }
}

#[tokio::test]
async fn tokens_of_two_seconds_and_of_a_minute_are_renewed_in_time() {
    for ttl in [2, 60] {
        let cloud = cloud_with_ttl(ttl).await;
        let gateway = Setup::on_demand(&cloud).start().await;
        gateway.until("first mint", async |_| cloud.mints() == 1).await;
        for mints in 2..5 {
            gateway.clock.advance(Duration::from_secs(ttl) / 2);
            gateway.until("renewal", async |_| cloud.mints() == mints).await;
        }
        assert_eq!(gateway.get("/sddcs").await.status, StatusCode::OK);
        assert_eq!(cloud.simulator.stats().unauthorized, 0);
    }
}

#[tokio::test]
async fn a_token_of_five_hours_is_renewed_five_minutes_ahead_of_its_end() {
    let cloud = cloud_with_ttl(5 * 3600).await;
    let gateway = Setup::on_demand(&cloud).start().await;
    gateway.until("first mint", async |_| cloud.mints() == 1).await;
    gateway.advance(5 * 3600 - 400);
    assert_eq!(gateway.get("/sddcs").await.status, StatusCode::OK);
    assert_eq!(cloud.mints(), 1);
    gateway.advance(200);
    gateway.until("renewal", async |_| cloud.mints() == 2).await;
    assert_eq!(cloud.simulator.stats().unauthorized, 0);
}

/// After a wait that contract 5 asks for, a new token is a new question.
#[tokio::test]
async fn what_was_refused_to_an_old_token_is_asked_at_once_with_a_new_one() {
    let cloud = cloud().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"demo-secret").unwrap();
    let path = file.path().to_owned();
    let setup = Setup::polling(&cloud).with_secret_file(&path);
    let gateway = setup.start().await;
    gateway.until("a snapshot", async |_| cloud.sddc_reads() == 1).await;
    // The app is taken away, with its secret and every token.
    cloud.simulator.rotate_secret("new-secret", false);
    cloud.simulator.revoke_tokens();
    gateway.advance(31);
    let refused = async |gateway: &TestGateway| {
        gateway.state().await["token"]["last_error"] == "upstream-credentials-rejected"
    };
    gateway.until("a refusal", refused).await;
    let before = cloud.sddc_reads();
    std::fs::write(&path, "new-secret").unwrap();
    // The look at the file. Nobody asks anything.
    gateway.advance(5);
    gateway.until("a token of the new secret", async |_| cloud.mints() == 2).await;
    // What was refused a moment ago is held back for a minute: less than that goes by here.
    let mut passed = 0;
    let read = async |gateway: &TestGateway| {
        if passed < 20 {
            gateway.advance(1);
            passed += 1;
        }
        cloud.sddc_reads() > before
    };
    gateway.until("a read with the new token", read).await;
}

#[tokio::test]
async fn any_character_may_occur_in_the_secret() {
    let secret = "a:b%20&c+d=e  ü€\u{1f511}\"'\\";
    let options = simulator::Options {
        client_secret: secret.to_owned().into(),
        ..simulator::Options::default()
    };
    let cloud = Cloud::start(&clock(), options).await;
    let gateway = Setup::on_demand(&cloud).with_secret(secret).start().await;
    assert_eq!(gateway.get("/sddcs").await.status, StatusCode::OK);
}

#[tokio::test]
async fn csp_down_at_start_is_told_and_then_recovered_from() {
    let cloud = cloud().await;
    cloud.simulator.script(Fault::on(Target::Csp, "*").kind(FaultKind::Reset));
    let gateway = Setup::on_demand(&cloud).start().await;
    let answer = gateway.get("/sddcs").await;
    assert_eq!((answer.status.as_u16(), &*answer.code()), (503, "upstream-unavailable"));
    assert!(!answer.header("retry-after").is_empty());
    assert_eq!(gateway.ops("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(gateway.state().await["token"]["last_error"], "upstream-unavailable");
    cloud.simulator.clear_faults();
    gateway.advance(60);
    gateway
        .until("ready", async |gateway| gateway.ops("/readyz").await.status == StatusCode::OK)
        .await;
    assert_eq!(gateway.get("/sddcs").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_stampede_on_a_dead_csp_costs_one_mint() {
    let cloud = cloud().await;
    cloud.simulator.script(Fault::on(Target::Csp, "*").status(500));
    let gateway = Setup::on_demand(&cloud).start().await;
    for _ in 0..3 {
        let answers = join_all((0..50).map(|_| gateway.get("/sddcs"))).await;
        assert!(answers.iter().all(|answer| answer.code() == "upstream-unavailable"));
    }
    assert_eq!(cloud.mint_attempts(), 1);
}

#[tokio::test]
async fn refused_credentials_are_shown_once_a_minute() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).with_secret("wrong").start().await;
    for _ in 0..5 {
        let answer = gateway.get("/sddcs").await;
        let told = (answer.status.as_u16(), answer.code());
        assert_eq!(told, (502, "upstream-credentials-rejected".to_owned()));
    }
    let token = gateway.state().await["token"].clone();
    assert_eq!(token["last_error"], "upstream-credentials-rejected");
    assert_eq!(cloud.mint_attempts(), 1);
    gateway.advance(59);
    gateway.get("/sddcs").await;
    assert_eq!(cloud.mint_attempts(), 1);
    gateway.advance(1);
    gateway.until("second try", async |_| cloud.mint_attempts() == 2).await;
}

#[tokio::test]
async fn each_refusing_status_of_csp_is_a_refusal() {
    for status in [400, 401, 403] {
        let cloud = cloud().await;
        cloud.simulator.script(Fault::on(Target::Csp, TOKEN).status(status));
        let error = source(&cloud).token().await.unwrap_err();
        assert_eq!(error.kind(), Kind::CredentialsRejected, "{status}");
    }
}

#[tokio::test]
async fn a_changed_secret_file_is_tried_at_once() {
    let cloud = cloud().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"wrong\n").unwrap();
    let path = file.path().to_owned();
    let gateway = Setup::on_demand(&cloud).with_secret_file(&path).start().await;
    assert_eq!(gateway.get("/sddcs").await.code(), "upstream-credentials-rejected");
    // Caught in the middle of a write: the old secret stays, and nothing is tried.
    std::fs::write(&path, "").unwrap();
    gateway.advance(5);
    let reload = async |gateway: &crate::harness::TestGateway| {
        gateway.ops("/readyz").await.json()["reload"]["csp.client_secret_file"].clone()
    };
    gateway
        .until("empty file told", async |gateway| reload(gateway).await["last_error"] == "empty")
        .await;
    assert_eq!(cloud.mint_attempts(), 1);
    std::fs::write(&path, "demo-secret\n").unwrap();
    gateway.advance(5);
    gateway.until("mint", async |_| cloud.mints() == 1).await;
    assert_eq!(gateway.get("/sddcs").await.status, StatusCode::OK);
    assert_eq!(reload(&gateway).await["ok"], true);
    assert!((gateway.metric("sddc_gateway_config_reload_ok", "file").await - 1.0).abs() < 0.1);
}

#[tokio::test]
async fn retry_after_of_csp_is_obeyed() {
    let cloud = cloud().await;
    cloud.simulator.script(Fault::on(Target::Csp, TOKEN).status(429).retry_after(40).times(1));
    let gateway = Setup::on_demand(&cloud).start().await;
    let answer = gateway.get("/sddcs").await;
    assert_eq!((&*answer.code(), answer.header("retry-after")), ("upstream-unavailable", "40"));
    gateway.advance(39);
    assert_eq!(gateway.get("/sddcs").await.code(), "upstream-unavailable");
    assert_eq!(cloud.mint_attempts(), 1);
    gateway.advance(1);
    gateway.until("second try", async |_| cloud.mints() == 1).await;
}

#[tokio::test]
async fn a_401_to_a_good_token_is_resent_once_with_a_new_one() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).with_configured_orgs(&cloud).start().await;
    gateway.get("/sddcs").await;
    cloud.simulator.revoke_tokens();
    gateway.advance(61);
    let answer = gateway.get("/sddcs").await;
    assert_eq!(answer.header("cache-status"), "sddc-gateway; fwd=miss; stored");
    assert_eq!((cloud.mints(), cloud.sddc_reads()), (2, 3), "read, refused, resent");
}

#[tokio::test]
async fn a_second_401_ends_it_and_opens_the_circuit_for_a_minute() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    gateway.get("/sddcs").await;
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).status(401));
    gateway.advance(61);
    let answer = gateway.get("/sddcs").await;
    assert_eq!(
        answer.header("cache-status"),
        "sddc-gateway; fwd=stale; fwd-status=502; detail=stale-upstream-credentials-rejected"
    );
    assert_eq!((cloud.mints(), cloud.sddc_reads()), (2, 3));
    gateway.advance(59);
    let answer = gateway.get("/sddcs").await;
    assert!(answer.header("cache-status").starts_with("sddc-gateway; hit; ttl=-60; detail=stale-"));
    assert_eq!((cloud.mints(), cloud.sddc_reads()), (2, 3), "held back");
    cloud.simulator.clear_faults();
    gateway.advance(1);
    assert_eq!(gateway.get("/sddcs").await.header("age"), "0");
}

#[tokio::test]
async fn a_token_refused_before_it_was_ever_good_is_not_minted_again() {
    let cloud = cloud().await;
    cloud.simulator.script(Fault::on(Target::Vmc, "*").status(401));
    let gateway = Setup::on_demand(&cloud).start().await;
    for _ in 0..5 {
        assert_eq!(gateway.get("/sddcs").await.code(), "upstream-credentials-rejected");
    }
    assert_eq!((cloud.mints(), cloud.simulator.stats().org_list_reads), (1, 1));
    assert_eq!(gateway.state().await["token"]["state"], "refused");
    cloud.simulator.clear_faults();
    gateway.advance(60);
    assert_eq!(gateway.get("/sddcs").await.status, StatusCode::OK);
    assert_eq!(cloud.mints(), 2, "the refused token is not shown again");
}

#[tokio::test]
async fn a_403_may_be_an_old_tokens_fault_once_a_minute() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    gateway.get("/sddcs").await;
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).status(403).times(1));
    gateway.advance(61);
    let answer = gateway.get("/sddcs").await;
    assert_eq!(answer.header("cache-status"), "sddc-gateway; fwd=miss; stored");
    assert_eq!(cloud.mints(), 2, "the token was older than 30 s");
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).status(403));
    gateway.advance(61);
    assert!(gateway.get("/sddcs").await.header("cache-status").contains("fwd-status=502"));
    assert_eq!(cloud.mints(), 3, "a minute later once more, and then it is a denial");
}

#[tokio::test]
async fn a_403_to_a_young_token_is_a_denial() {
    let cloud = cloud().await;
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).status(403));
    let gateway = Setup::on_demand(&cloud).start().await;
    assert_eq!(gateway.get("/sddcs").await.code(), "upstream-credentials-rejected");
    assert_eq!(cloud.mints(), 1);
}

#[tokio::test]
async fn each_configured_org_has_its_own_token() {
    let options = simulator::Options { orgs: 2, sddcs: 6, ..simulator::Options::default() };
    let cloud = Cloud::start(&clock(), options).await;
    let gateway = Setup::on_demand(&cloud).with_configured_orgs(&cloud).start().await;
    let answer = gateway.get("/sddcs").await;
    assert_eq!(answer.names().len(), 6);
    assert_eq!((cloud.mints(), cloud.sddc_reads()), (2, 2));
    assert_eq!(cloud.simulator.stats().org_list_reads, 0, "nothing is discovered");
    assert_eq!(gateway.get("/orgs").await.json()["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_background_task_ends_when_told() {
    let cloud = cloud().await;
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let tokens = source(&cloud);
    tasks.spawn(tokens.clone().run_renewal(stop.clone()));
    tokens.token().await.unwrap();
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}
