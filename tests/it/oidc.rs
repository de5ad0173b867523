//! Callers' tokens: the issuer's keys, fetched from a socket, and their life.
//!
//! `issuer` plays the issuer; the verdicts on tokens have their tests beside the code.

mod callers;
pub mod issuer;

use std::{future::Future, pin::pin, time::Duration};

use futures_util::future::join_all;
use prometheus_client::registry::Registry;
use sddc_gateway::{
    access::oidc::{JwtFault, Oidc, Settings},
    clock::Clock,
    reload::LoadedFile,
    tasks::BackgroundJobs,
    telemetry::Metrics,
    upstream::Proxies,
};
use serde_json::json;
use support::signer::Signer;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use self::issuer::{Answer, Issuer};
use crate::harness::{DEADLINE, clock};

/// A verifier as the gateway has it, without its task.
struct Scene {
    oidc: Oidc,
    clock: Clock,
    metrics: Metrics,
    tasks: TaskTracker,
}

impl Scene {
    fn of(settings: Settings) -> Self {
        let (clock, metrics, tasks) = (clock(), Metrics::new(), TaskTracker::new());
        let jobs = BackgroundJobs::new(metrics.clone());
        let oidc = Oidc::new(settings, &Proxies::default(), clock.clone(), metrics.clone(), jobs);
        let oidc = oidc.unwrap();
        Self { oidc, clock, metrics, tasks }
    }

    /// One that has fetched the keys of the issuer.
    async fn with_keys_of(issuer: &Issuer) -> Self {
        let scene = Self::of(issuer.settings());
        scene.oidc.verify_fresh(&issuer.token(&json!({}))).await.unwrap();
        assert_eq!((issuer.fetches(), scene.oidc.status().keys), (1, 1));
        scene
    }

    /// Starts the task that keeps the keys fetched. It ends with the guard.
    fn run_fetcher(&self) -> DropGuard {
        let stop = CancellationToken::new();
        self.tasks.spawn(self.oidc.clone().run_fetcher(stop.clone()));
        stop.drop_guard()
    }

    /// Moves the clock until the condition holds. Once is not enough: it is not known when the task
    /// has begun to wait for it.
    async fn moves_on(&self, seconds: u64, condition: impl Fn() -> bool) {
        within(async {
            while !condition() {
                self.clock.advance(Duration::from_secs(seconds));
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    async fn verify(&self, token: &str) -> Result<(), JwtFault> {
        within(self.oidc.verify_fresh(token)).await.map(drop)
    }

    /// Asks for a fetch, whose outcome the status tells.
    async fn fetch_again(&self) {
        self.clock.advance(Duration::from_secs(30));
        let stranger = Signer::new("nobody's", "ES256");
        let refused = self.verify(&stranger.token(&json!({}))).await;
        let unverified = |it: &JwtFault| {
            matches!(it, JwtFault::UnknownKey | JwtFault::NoKeys | JwtFault::Unavailable { .. })
        };
        assert!(refused.as_ref().is_err_and(unverified), "{refused:?}");
    }
}

async fn within<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, event).await.expect("it takes too long")
}

async fn eventually(condition: impl Fn() -> bool) {
    within(async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_first_caller_waits_for_the_keys_and_the_next_ones_for_nothing() {
    let issuer = Issuer::start().await;
    let scene = Scene::of(issuer.settings());
    let token = issuer.token(&json!({ "sub": "billing" }));
    let now = scene.clock.wall();
    assert_eq!(scene.oidc.verify(&token, now).unwrap_err(), JwtFault::NoKeys);
    let claims = within(scene.oidc.verify_fresh(&token)).await.unwrap();
    assert!(claims.matches("sub", &"billing".into()));
    assert!(scene.oidc.verify(&token, now).is_ok());
    assert_eq!(issuer.fetches(), 1);
    let page = scene.metrics.page(&Registry::default()).unwrap();
    let call = "sddc_gateway_upstream_requests_total{upstream=\"jwks\",endpoint=\"jwks\"";
    assert!(page.contains(call), "{page}");
}

#[tokio::test]
async fn the_keys_are_fetched_at_start_and_then_every_five_minutes() {
    let issuer = Issuer::start().await;
    let scene = Scene::of(issuer.settings());
    let _task = scene.run_fetcher();
    eventually(|| scene.oidc.status().keys == 1).await;
    issuer.add_key("key-2", "EdDSA");
    scene.moves_on(330, || scene.oidc.status().keys == 2).await;
    let token = issuer.token(&json!({}));
    assert!(scene.oidc.verify(&token, scene.clock.wall()).is_ok());
}

#[tokio::test]
async fn after_a_failure_the_keys_are_fetched_again_soon() {
    let issuer = Issuer::start().await;
    issuer.set_answer(Answer::Status(503));
    let scene = Scene::of(issuer.settings());
    let task = scene.run_fetcher();
    eventually(|| scene.oidc.status().error == Some("server error")).await;
    scene.moves_on(1, || issuer.fetches() >= 3).await;
    issuer.set_answer(Answer::Keys);
    scene.moves_on(5, || scene.oidc.status().error.is_none()).await;
    assert_eq!(scene.verify(&issuer.token(&json!({}))).await, Ok(()));
    drop(task);
    scene.tasks.close();
    within(scene.tasks.wait()).await;
}

#[tokio::test]
async fn fifty_callers_with_a_new_key_cost_one_fetch() {
    let issuer = Issuer::start().await;
    let scene = Scene::with_keys_of(&issuer).await;
    let old = issuer.token(&json!({ "sub": "old" }));
    scene.clock.advance(Duration::from_secs(30));
    issuer.rotate("key-2", "ES384");
    let tokens: Vec<_> =
        (0..50).map(|number| issuer.token(&json!({ "sub": number.to_string() }))).collect();
    let verdicts = join_all(tokens.iter().map(|token| scene.verify(token))).await;
    assert!(verdicts.iter().all(Result::is_ok), "{verdicts:?}");
    assert_eq!(issuer.fetches(), 2);
    assert_eq!(scene.verify(&old).await, Err(JwtFault::UnknownKey), "its key was withdrawn");
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test]
async fn unknown_keys_cost_one_fetch_in_ten_seconds() {
    let issuer = Issuer::start().await;
    let scene = Scene::with_keys_of(&issuer).await;
    let not_due = |left| Err(JwtFault::Unavailable { retry_in: Duration::from_secs(left) });
    for (seconds, fetches, verdict) in [
        (9, 1, not_due(1)),
        (1, 2, Err(JwtFault::UnknownKey)),
        (0, 2, Err(JwtFault::UnknownKey)),
        (4, 2, not_due(6)),
        (6, 3, Err(JwtFault::UnknownKey)),
    ] {
        scene.clock.advance(Duration::from_secs(seconds));
        for number in 0..3 {
            let stranger = Signer::new(&format!("kid-{number}"), "ES256");
            assert_eq!(scene.verify(&stranger.token(&json!({}))).await, verdict);
        }
        assert_eq!(issuer.fetches(), fetches, "after {seconds} s more");
    }
    // What is wrong otherwise asks for no fetch.
    scene.clock.advance(Duration::from_secs(60));
    for (token, fault) in [
        (issuer.token(&json!({ "aud": "other" })), JwtFault::Audience),
        (issuer.token(&json!({ "exp": 1 })), JwtFault::Expired),
        (issuer.token_with(&json!({ "alg": "none" }), &json!({})), JwtFault::Algorithm),
        (issuer.token_with(&json!({ "jku": issuer.jwks_url() }), &json!({})), JwtFault::Header),
        ("a.b.c".into(), JwtFault::Malformed),
        ("a".repeat(100_000), JwtFault::TooLong),
    ] {
        assert_eq!(scene.verify(&token).await, Err(fault));
    }
    assert_eq!(issuer.fetches(), 3);
}

#[tokio::test]
async fn a_key_that_changed_under_its_kid_is_fetched_once_for_all() {
    let issuer = Issuer::start().await;
    let scene = Scene::with_keys_of(&issuer).await;
    scene.clock.advance(Duration::from_secs(10));
    let old = issuer.token(&json!({ "sub": "old" }));
    issuer.rotate("key-1", "ES256");
    let tokens: Vec<_> =
        (0..20).map(|number| issuer.token(&json!({ "sub": number.to_string() }))).collect();
    let verdicts = join_all(tokens.iter().map(|token| scene.verify(token))).await;
    assert!(verdicts.iter().all(Result::is_ok), "{verdicts:?}");
    assert_eq!(issuer.fetches(), 2);
    assert_eq!(scene.verify(&old).await, Err(JwtFault::Signature), "at once: no fetch is due");
    assert_eq!(issuer.fetches(), 2);
    // The same where neither token nor key says which.
    let nameless = json!({ "kid": null });
    scene.clock.advance(Duration::from_secs(10));
    issuer.rotate("another", "ES256");
    assert_eq!(scene.verify(&issuer.token_with(&nameless, &json!({}))).await, Ok(()));
    assert_eq!(issuer.fetches(), 3);
}

#[tokio::test]
async fn an_unknown_key_is_the_tokens_fault_only_after_a_good_fetch() {
    let issuer = Issuer::start().await;
    let scene = Scene::with_keys_of(&issuer).await;
    let stranger = Signer::new("nobody's", "ES256").token(&json!({}));
    scene.clock.advance(Duration::from_secs(10));
    issuer.set_answer(Answer::Status(500));
    let not_now = Err(JwtFault::Unavailable { retry_in: Duration::from_secs(10) });
    assert_eq!(scene.verify(&stranger).await, not_now);
    scene.clock.advance(Duration::from_secs(10));
    issuer.set_answer(Answer::Keys);
    assert_eq!(scene.verify(&stranger).await, Err(JwtFault::UnknownKey));
}

#[tokio::test]
async fn keys_are_taken_from_a_file_whose_type_the_server_does_not_know() {
    for kind in [None, Some("application/octet-stream"), Some("text/plain; charset=utf-8")] {
        let issuer = Issuer::start().await;
        issuer.set_answer(Answer::File(kind));
        let scene = Scene::with_keys_of(&issuer).await;
        assert_eq!(scene.oidc.status().error, None, "{kind:?}");
    }
}

#[tokio::test]
async fn whatever_the_address_answers_the_good_keys_stay() {
    let (issuer, elsewhere) = (Issuer::start().await, Issuer::start().await);
    let scene = Scene::with_keys_of(&issuer).await;
    let token = issuer.token(&json!({}));
    for (answer, error) in [
        (Answer::Garbage, "no JWK set"),
        (Answer::NoKeys, "no usable key"),
        (Answer::Html, "not JSON"),
        (Answer::Huge, "more than 1 MiB"),
        (Answer::Redirect(elsewhere.jwks_url()), "a redirect, which is not followed"),
        (Answer::Status(500), "server error"),
        (Answer::Status(429), "throttled"),
        (Answer::Status(403), "refused"),
        (Answer::Status(404), "refused"),
        (Answer::Status(204), "refused"),
    ] {
        issuer.set_answer(answer.clone());
        let before = issuer.fetches();
        scene.fetch_again().await;
        assert_eq!(issuer.fetches(), before + 1, "{answer:?}");
        let status = scene.oidc.status();
        assert_eq!((status.keys, status.error), (1, Some(error)), "{answer:?}");
        assert!(status.age > Some(Duration::ZERO));
        assert_eq!(scene.verify(&token).await, Ok(()), "{answer:?}");
        let unseen = issuer.token(&json!({ "jti": error }));
        assert_eq!(scene.verify(&unseen).await, Ok(()), "{answer:?}");
    }
    assert_eq!(elsewhere.fetches(), 0, "a redirect is not followed");
    issuer.set_answer(Answer::Keys);
    scene.fetch_again().await;
    let status = scene.oidc.status();
    assert_eq!((status.error, status.age), (None, Some(Duration::ZERO)));
}

#[tokio::test]
async fn before_any_keys_whatever_the_address_answers_nobody_gets_in() {
    let issuer = Issuer::start().await;
    let scene = Scene::of(issuer.settings());
    for answer in [Answer::Garbage, Answer::NoKeys, Answer::Html, Answer::Huge, Answer::Status(500)]
    {
        issuer.set_answer(answer.clone());
        scene.fetch_again().await;
        let refused = scene.verify(&issuer.token(&json!({}))).await;
        assert!(matches!(refused, Err(JwtFault::Unavailable { .. })), "{answer:?}");
        assert_eq!(scene.oidc.status().keys, 0);
    }
}

#[tokio::test]
async fn an_issuer_that_is_gone_leaves_its_keys() {
    let issuer = Issuer::start().await;
    let scene = Scene::with_keys_of(&issuer).await;
    let token = issuer.token(&json!({}));
    drop(issuer);
    eventually_refused(&scene).await;
    let status = scene.oidc.status();
    assert_eq!((status.keys, status.error), (1, Some("unreachable")));
    assert_eq!(scene.verify(&token).await, Ok(()));
}

/// The socket closes soon after its issuer was dropped: until then a fetch may still end well.
async fn eventually_refused(scene: &Scene) {
    within(async {
        while scene.oidc.status().error.is_none() {
            scene.fetch_again().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_caller_waits_five_seconds_at_most_and_leaves_the_fetch_to_the_others() {
    let issuer = Issuer::start().await;
    let scene = Scene::of(issuer.settings());
    issuer.set_answer(Answer::Hang);
    let token = issuer.token(&json!({}));
    let leaver = scene.oidc.verify_fresh(&token);
    let mut patient = pin!(scene.oidc.verify_fresh(&token));
    {
        let mut leaver = pin!(leaver);
        let asked = issuer.was_asked(1);
        tokio::select! {
            _ = &mut leaver => panic!("it must wait"),
            _ = &mut patient => panic!("it must wait"),
            () = asked => {}
        }
    }
    scene.clock.advance(Duration::from_secs(5));
    assert!(matches!(within(patient).await, Err(JwtFault::Unavailable { .. })));
    let last = scene.oidc.verify_fresh(&token);
    let answered = async {
        tokio::task::yield_now().await;
        issuer.set_answer(Answer::Keys);
    };
    let (verdict, ()) = within(async { tokio::join!(last, answered) }).await;
    assert!(verdict.is_ok(), "it joined the fetch that the others had left");
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn a_private_ca_is_trusted_if_the_operator_says_so() {
    let issuer = Issuer::start_tls().await;
    let scene = Scene::with_keys_of(&issuer).await;
    assert_eq!(scene.oidc.status().error, None);

    let mistrusting = Scene::of(Settings { ca_file: None, ..issuer.settings() });
    let refused = mistrusting.verify(&issuer.token(&json!({}))).await;
    assert!(matches!(refused, Err(JwtFault::Unavailable { .. })));
    assert_eq!(mistrusting.oidc.status().error, Some("unreachable"));
    assert_eq!(issuer.fetches(), 1, "nothing was asked over a connection that is not trusted");
}

#[tokio::test]
async fn keys_from_a_file_are_fetched_from_nowhere() {
    let issuer = Issuer::start().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, issuer.jwks().as_bytes()).unwrap();
    let keys = sddc_gateway::access::oidc::KeysFrom::File(LoadedFile::read(file.path()).unwrap());
    let scene = Scene::of(Settings { keys, ..issuer.settings() });
    let task = scene.run_fetcher();
    assert_eq!(scene.verify(&issuer.token(&json!({}))).await, Ok(()));
    issuer.rotate("key-2", "RS256");
    let token = issuer.token(&json!({}));
    assert_eq!(scene.verify(&token).await, Err(JwtFault::UnknownKey));
    scene.oidc.take_file(issuer.jwks().as_bytes()).unwrap();
    assert_eq!(scene.verify(&token).await, Ok(()));
    drop(task);
    scene.tasks.close();
    within(scene.tasks.wait()).await;
    assert_eq!(issuer.fetches(), 0);
}
