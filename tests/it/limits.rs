//! How often callers may ask, and clients guess (contract sections 3 and 4.6).

use std::num::NonZeroU32;

use http::Method;
use sddc_gateway::{
    access::{CallerSettings, Scope},
    config::Config,
    telemetry::AuditTarget,
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    harness::{Answer, Setup, TestGateway, cloud, configured_callers},
    oidc::issuer::{Answer as Keys, Issuer},
};

const BAD: [(&str, &str); 1] = [("x-api-key", "sgw_guess")];

/// A caller of two requests a minute.
fn two_a_minute(caller: &mut CallerSettings) {
    caller.rate = Some("2/m".parse().unwrap());
}

fn rate(answer: &Answer) -> (&str, &str) {
    (answer.header("ratelimit-policy"), answer.header("ratelimit"))
}

#[tokio::test]
async fn a_caller_is_told_what_is_left_of_its_rate_and_refused_beyond_it() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).with_tester(two_a_minute).start().await;
    let policy = "\"caller\";q=2;w=60";
    assert_eq!(rate(&gateway.get("/sddcs").await), (policy, "\"caller\";r=1;t=30"));
    assert_eq!(rate(&gateway.get("/hosts").await), (policy, "\"caller\";r=0;t=30"));
    let refused = gateway.get("/sddcs").await;
    assert_eq!(refused.told(), (429, "rate-limited".to_owned()));
    assert_eq!(rate(&refused), (policy, "\"caller\";r=0;t=30"));
    assert_eq!(refused.header("retry-after"), "30");
    assert_eq!(refused.json()["retryable"], true);
    assert_eq!(refused.json()["detail"], "rate limit exceeded: 2 requests per minute, burst 2");
    assert!((gateway.metric("sddc_gateway_rate_limited_total", "tester").await - 1.0).abs() < 0.5);

    gateway.advance(29);
    assert_eq!(gateway.get("/sddcs").await.status, 429, "what is refused costs nothing");
    gateway.advance(1);
    assert_eq!(gateway.get("/sddcs").await.status, 200);
    assert_eq!(gateway.get("/sddcs").await.status, 429);
}

#[tokio::test]
async fn the_burst_is_how_many_may_come_at_once() {
    let cloud = cloud().await;
    let burst = |caller: &mut CallerSettings| {
        let rate = "60/m".parse::<sddc_gateway::access::Rate>().unwrap();
        caller.rate = Some(rate.with_burst(NonZeroU32::new(3).unwrap()));
    };
    let gateway = Setup::on_demand(&cloud).with_tester(burst).start().await;
    let mut left = Vec::new();
    for _ in 0..4 {
        left.push(gateway.get("/sddcs").await.status.as_u16());
    }
    assert_eq!(left, [200, 200, 200, 429]);
}

#[tokio::test]
async fn what_needs_no_caller_and_what_is_not_changed_does_not_count() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).with_tester(two_a_minute).start().await;
    let list = gateway.get("/sddcs").await;
    let known = [("if-none-match", list.header("etag"))];
    for _ in 0..10 {
        let answer = gateway.send(Method::GET, "/sddcs", &known).await;
        assert_eq!((answer.status.as_u16(), rate(&answer).1), (304, "\"caller\";r=1;t=30"));
        for path in ["/docs", "/openapi.json", "/problems/internal", "/none", "/livez"] {
            assert!(gateway.get(path).await.header("ratelimit").is_empty(), "{path}");
        }
        assert_eq!(gateway.send(Method::POST, "/sddcs", &[]).await.status, 405);
    }
    assert_eq!(rate(&gateway.get("/sddcs").await).1, "\"caller\";r=0;t=30");
}

/// Contract section 4: 404 path, 405, 401, 429, 403, 400, 404 object.
#[tokio::test]
async fn refusals_come_in_their_order() {
    let cloud = cloud().await;
    let (setup, key) =
        Setup::on_demand(&cloud).with_tester(two_a_minute).with_caller("tools", &[Scope::VmcRead]);
    let gateway = setup.start().await;
    for _ in 0..2 {
        gateway.get("/sddcs").await;
    }
    let status = async |method: Method, path: &str, key: &str| {
        gateway.send_bare(method, path, &[("x-api-key", key)]).await.status.as_u16()
    };
    let spent = gateway.key();
    assert_eq!(status(Method::POST, "/none", "bad").await, 404);
    assert_eq!(status(Method::POST, "/sddcs?x=1", "bad").await, 405);
    assert_eq!(status(Method::GET, "/sddcs?x=1", "bad").await, 401);
    assert_eq!(status(Method::GET, "/sddcs/none?x=1", spent).await, 429);
    assert_eq!(status(Method::GET, "/sddcs/none?x=1", key.reveal()).await, 403);
    gateway.advance(30);
    assert_eq!(status(Method::GET, "/sddcs/none?x=1", spent).await, 400);
    gateway.advance(30);
    assert_eq!(status(Method::GET, "/sddcs/none", spent).await, 404);
}

/// Who sends no body, or a token of a key that nobody knows, waits: others are not in its way.
#[tokio::test]
async fn who_only_waits_takes_nobodys_place() {
    let cloud = cloud().await;
    let (folder, issuer) = (tempfile::tempdir().unwrap(), Issuer::start().await);
    issuer.set_answer(Keys::Hang);
    let audit = Some(AuditTarget::File(folder.path().join("audit")));
    let narrow = |config: &mut Config| {
        (config.api.max_in_flight, config.api.max_watchers) = (2, 1);
        config.telemetry.audit = audit;
        let configured = configured_callers(config);
        configured.oidc = Some(issuer.settings());
    };
    let gateway = Setup::on_demand(&cloud).with(narrow).start().await;
    let mut bodies = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(gateway.api).await.unwrap();
        stream
            .write_all(b"GET /sddcs HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n")
            .await
            .unwrap();
        bodies.push(stream);
    }
    // More than can wait are shed, and those who wait are no work.
    let quiet = async |gateway: &TestGateway| {
        let shed = "status=\"503\"";
        gateway.metric("sddc_gateway_http_requests_total", shed).await > 5.5
    };
    gateway.until("two wait and six are shed", quiet).await;
    assert_eq!(gateway.get("/sddcs").await.status, 200, "a good caller is answered meanwhile");
    drop(bodies);

    let nobodys = "eyJhbGciOiJFUzI1NiIsImtpZCI6Im5vYm9keSJ9.e30.AAAA";
    let field = format!("Bearer {nobodys}");
    let bogus = [("authorization", &*field)];
    let waiting = async {
        let ask = || gateway.send_bare(Method::GET, "/sddcs", &bogus);
        let answers = futures_util::future::join_all((0..8).map(|_| ask())).await;
        // Of those who come in the same moment some may be shed.
        assert!(answers.iter().all(|answer| [401, 503].contains(&answer.status.as_u16())));
        assert!(answers.iter().any(|answer| answer.status == 401));
    };
    let good = async {
        gateway.until("a fetch is awaited", async |_| issuer.fetches() > 0).await;
        let answered = async |gateway: &TestGateway| gateway.get("/sddcs").await.status == 200;
        gateway.until("a good caller is answered while they wait", answered).await;
        issuer.set_answer(Keys::Keys);
    };
    tokio::join!(waiting, good);
}

async fn guess(gateway: &TestGateway, from: &str) -> Answer {
    let headers = [BAD[0], ("x-forwarded-for", from)];
    gateway.send_bare(Method::GET, "/sddcs", &headers).await
}

#[tokio::test]
async fn who_guesses_is_refused_and_a_good_credential_never() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    for at in 0..60 {
        assert_eq!(guess(&gateway, "").await.status, 401, "{at}");
    }
    let refused = guess(&gateway, "").await;
    assert_eq!(refused.told(), (429, "rate-limited".to_owned()));
    assert_eq!(
        rate(&refused),
        ("\"failed-authentication\";q=60;w=60", "\"failed-authentication\";r=0;t=1")
    );
    assert_eq!(refused.header("retry-after"), "1");
    let reason = "reason=\"too_many_bad_credentials\"";
    assert!((gateway.metric("sddc_gateway_access_denied_total", reason).await - 1.0).abs() < 0.5);

    assert_eq!(gateway.get("/sddcs").await.status, 200, "a good one from the same address");
    let without = gateway.send_bare(Method::GET, "/sddcs", &[]).await;
    assert_eq!(without.status, 401, "none is no bad one");
    gateway.advance(1);
    assert_eq!(guess(&gateway, "").await.status, 401);
    assert_eq!(guess(&gateway, "").await.status, 429);
}

#[tokio::test]
async fn guesses_are_counted_by_the_address_that_a_trusted_proxy_tells() {
    let cloud = cloud().await;
    let trust = |networks: &'static str| {
        move |config: &mut Config| {
            config.api.trusted_proxies = vec![networks.parse().unwrap()];
        }
    };
    let gateway = Setup::on_demand(&cloud).with(trust("127.0.0.0/8")).start().await;
    for _ in 0..61 {
        guess(&gateway, "198.51.100.1, 127.0.0.7").await;
    }
    assert_eq!(guess(&gateway, "9.9.9.9, 198.51.100.1").await.status, 429);
    assert_eq!(guess(&gateway, "198.51.100.1, 198.51.100.2").await.status, 401);
    assert_eq!(guess(&gateway, "2001:db8::1").await.status, 401);
    for host in 0..60 {
        guess(&gateway, &format!("2001:db8::{host:x}")).await;
    }
    assert_eq!(guess(&gateway, "2001:db8::ffff").await.status, 429, "the same /64");
    assert_eq!(guess(&gateway, "2001:db8:0:1::1").await.status, 401, "another one");
    assert!(gateway.log.text().contains("\"client.address\":\"198.51.100.2\""));

    let gateway = Setup::on_demand(&cloud).with(trust("10.0.0.0/8")).start().await;
    guess(&gateway, "198.51.100.1").await;
    assert!(
        !gateway.log.text().contains("198.51.100.1"),
        "nobody's word counts but a trusted one's"
    );
}
