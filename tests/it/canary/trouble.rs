//! Each way to fail, with secrets in all that is said of it, and what then comes out.

use std::time::Duration;

use http::Method;
use sddc_gateway::simulator::{Fault, FaultKind, Target};
use serde_json::json;

use super::{outlets::Outlets, world::World};
use crate::{
    harness::{Setup, TestGateway},
    watch::client::Watcher,
};

/// Where the gateway asks.
pub const MINT: (Target, &str) = (Target::Csp, "*/auth/token");
pub const DISCOVERY: (Target, &str) = (Target::Vmc, "/vmc/api/orgs");
pub const SDDCS: (Target, &str) = (Target::Vmc, "*/sddcs");
pub const TASKS: (Target, &str) = (Target::Vmc, "*/tasks");

/// What can be asked while it goes wrong.
const QUESTIONS: [&str; 8] = [
    "/sddcs",
    "/tasks?partial=allow",
    "/orgs",
    "/sddcs/unknown",
    "/sddcs?include_deleted=true",
    "/tasks/unknown",
    "/sd/prometheus?target=nsx",
    "/sddcs/events",
];

/// Upstream's answers when something is wrong with it. The world plants JSON, heads and whatever is
/// no JSON; the rest is planted here.
fn faults(world: &World, target: Target, path: &str) -> Vec<(String, Fault)> {
    let fault = || Fault::on(target, path);
    let secret = |name: &str| world.secret(name);
    let mut faults = Vec::new();
    for status in [400, 401, 403, 404, 409, 429, 500, 503] {
        faults.push((status.to_string(), fault().status(status)));
    }
    for status in [401, 404, 503] {
        let page = format!("<html><body>{}</body></html>", secret("page"));
        let page = fault().body(page).content_type("text/html").status(status);
        faults.push((format!("a page, {status}"), page));
    }
    let retry = format!("Sun, 22 Nov 2026 10:00:01 {}", secret("zone"));
    let text = json!(secret("text")).to_string();
    let odd = format!("application/{}; charset={}", secret("type"), secret("charset"));
    for (name, fault) in [
        ("redirect", fault().kind(FaultKind::Redirect)),
        ("garbage", fault().kind(FaultKind::Garbage)),
        ("html", fault().kind(FaultKind::Html)),
        ("empty", fault().kind(FaultKind::Empty)),
        ("truncated", fault().kind(FaultKind::Truncate)),
        ("reset", fault().kind(FaultKind::Reset)),
        ("hangs", fault().kind(FaultKind::Hang)),
        ("an odd time to retry", fault().status(503).retry_after_date(&retry)),
        ("a text", fault().body(text.clone())),
        ("a list of texts", fault().body(format!("[{text}, {text}]"))),
        ("a list of lists", fault().body(format!("[[{text}], {{{text}: {text}}}]"))),
        ("an object", fault().body(format!("{{{text}: {text}}}"))),
        ("half a list", fault().body(format!("[{{\"id\": {text}, \"name\": {text}"))),
        ("an odd type", fault().body("[]").content_type(&odd)),
    ] {
        faults.push((name.to_owned(), fault));
    }
    if target == Target::Csp {
        faults.extend(tokens(world, path));
    }
    faults
}

/// Token answers in which something is not as it should be.
fn tokens(world: &World, path: &str) -> Vec<(String, Fault)> {
    let secret = || world.secret("token");
    [
        ("no token", json!({ "token": secret(), "expires_in": 60 })),
        ("an empty token", json!({ "access_token": "", "refresh_token": secret() })),
        ("a token of two lines", json!({ "access_token": format!("{0}\r\n{0}", secret()) })),
        ("a token of no ASCII", json!({ "access_token": format!("{}é\u{7f}", secret()) })),
        ("an object for a token", json!({ "access_token": { secret(): secret() } })),
        ("a token of odd life", json!({ "access_token": secret(), "expires_in": secret() })),
        ("a token that lives on", json!({ "access_token": secret(), "expires_in": 1e300 })),
        ("a token that VMC refuses", json!({ "access_token": secret(), "expires_in": "600" })),
    ]
    .into_iter()
    .map(|(name, body)| (name.to_owned(), Fault::on(Target::Csp, path).body(body.to_string())))
    .collect()
}

/// Asks gateways in front of an upstream that fails in each way at this place: without a snapshot,
/// and with one.
pub async fn upstream(world: &World, (target, path): (Target, &str)) -> Outlets {
    let (simulator, mut outlets) = (&world.cloud.simulator, Outlets::default());
    let warm = tight(world).await;
    for (name, fault) in faults(world, target, path) {
        let name = format!("{path} answers {name}");
        simulator.script(fault.clone());
        let cold = tight(world).await;
        outlets.questions(world, &cold, &QUESTIONS[..4], &name).await;
        outlets.add(format!("{name}: access lines"), cold.stop().await);

        simulator.clear_faults();
        // What holds back after the fault before has ended, and the tokens have, too.
        warm.advance(600);
        assert_eq!(warm.get("/sddcs").await.status, 200, "{name}");
        warm.advance(600);
        simulator.script(fault);
        if target == Target::Csp {
            simulator.revoke_tokens();
        }
        let met = simulator.stats().faults;
        outlets.questions(world, &warm, &QUESTIONS, &format!("{name}, with a snapshot")).await;
        assert!(simulator.stats().faults > met, "{name}");
        simulator.clear_faults();
    }
    outlets.add(format!("{path}: access lines"), warm.stop().await);
    outlets
}

/// A gateway that gives up soon.
async fn tight(world: &World) -> TestGateway {
    let setup = world.traced(Setup::on_demand(&world.cloud)).with_secret(&world.client_secret);
    setup.with(|config| config.vmc.timeout = Duration::from_millis(700)).start().await
}

impl Outlets {
    async fn questions(
        &mut self,
        world: &World,
        gateway: &TestGateway,
        questions: &[&str],
        name: &str,
    ) {
        for question in questions {
            if question.ends_with("events") && gateway.get("/sddcs").await.status == 200 {
                let mut watcher = Watcher::open(gateway, "").await;
                self.add(format!("{name}: event stream's head"), watcher.head.clone());
                self.event(world, &watcher.sync().await);
                continue;
            }
            let answer = gateway.get(question).await;
            self.answer(world, &format!("{name}: GET {question}"), &answer);
        }
        self.operators(gateway).await;
    }
}

/// Questions that are refused, with secrets where they do not belong.
pub async fn callers(world: &World, outlets: &mut Outlets) {
    let setup = world.traced(Setup::on_demand(&world.cloud)).with_secret(&world.client_secret);
    let (setup, barred) = setup.with_caller("barred", &[]);
    let gateway = setup.start().await;
    gateway.get("/sddcs").await;
    world.keep("caller's key", gateway.key());
    world.keep("barred caller's key", barred.reveal());
    let (key, wrong) = (gateway.key(), format!("sgw_{}", world.secret("wrong key")));
    let bearer = |key: &str| format!("Bearer {key}");
    for headers in [
        vec![("authorization", bearer(&wrong))],
        vec![("authorization", bearer(&world.secret("bearer")))],
        vec![("authorization", format!("Basic {}", world.secret("basic")))],
        vec![("authorization", world.secret("scheme"))],
        vec![("x-api-key", wrong.clone())],
        vec![("x-api-key", key.to_owned()), ("authorization", bearer(barred.reveal()))],
        vec![("authorization", bearer(barred.reveal()))],
        vec![("cookie", format!("session={}", world.secret("cookie")))],
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
        let answer = gateway.send_bare(Method::GET, "/sddcs", &headers).await;
        assert!(answer.status.is_client_error(), "{answer:?}");
        outlets.answer(world, &format!("wrong credentials, {:?}", headers[0].0), &answer);
    }
    misplaced(world, &gateway, outlets).await;
    refused(world, &gateway, outlets).await;
    outlets.operators(&gateway).await;
    outlets.add("refused callers: access lines", gateway.stop().await);
    other_gateways(world, outlets).await;
}

/// A caller's own key, good and sent, and also put where it does not belong.
async fn misplaced(world: &World, gateway: &TestGateway, outlets: &mut Outlets) {
    let key = gateway.key();
    for path in [
        format!("/{key}"),
        format!("/sddcs/{key}"),
        format!("/tasks/{key}/hosts"),
        format!("/problems/{key}"),
        format!("/docs/{key}"),
        format!("/sddcs?{key}"),
        format!("/sddcs?{key}={key}"),
        format!("/sddcs?state={key}&sort={key}&limit={key}&fields={key}&include={key}"),
        format!("/sddcs?cursor={key}&q={key}&wait={key}&partial={key}"),
        format!("/sd/prometheus?target={key}"),
    ] {
        let answer = gateway.get(&path).await;
        // What the caller sent may come back to the caller, and to nobody else.
        let place = path.replace(key, "KEY");
        outlets.add(format!("GET {place}: headers"), format!("{:?}", answer.headers));
    }
    for header in [
        "x-request-id",
        "traceparent",
        "user-agent",
        "referer",
        "if-none-match",
        "cache-control",
        "accept",
        "x-forwarded-for",
        "forwarded",
        "last-event-id",
        "origin",
    ] {
        let answer = gateway.send(Method::GET, "/sddcs", &[(header, key)]).await;
        outlets.answer(world, &format!("key in {header}"), &answer);
    }
}

/// Requests of which something is wrong, on a gateway that has a snapshot.
async fn refused(world: &World, gateway: &TestGateway, outlets: &mut Outlets) {
    let (long, deep) = ("x".repeat(9000), "a/".repeat(3000));
    for path in [
        "/nothing",
        "/sddcs/",
        "/sddcs/unknown",
        "/sddcs/unknown/hosts",
        "/tasks/unknown",
        "/orgs/unknown",
        "/orgs/unknown/sddcs",
        "/problems/unknown",
        "/problems/internal",
        "/problems/unauthenticated",
        "/sddcs?nothing=1&state=REDY&limit=0&sort=nothing&fields=nothing&include=nothing",
        "/sddcs?cursor=e30&partial=yes&include_deleted=yes&wait=1h",
        "/sddcs?state=zw&name=zw&region=zw&vcenter_url=https://zw.example&vpc_cidr=zw",
        "/hosts?hostname=zw&state=zw&id=zw",
        "/tasks?error=zw&status=zw&type=ZW",
        "/orgs?name=zw&display_name=zw&type=zw",
        "/sd/prometheus",
        "/sd/prometheus?target=none",
        "/%zz",
        &format!("/{long}"),
        &format!("/{deep}"),
    ] {
        let answer = gateway.get(path).await;
        let shown: String = path.chars().take(60).collect();
        outlets.answer(world, &format!("GET {shown}"), &answer);
    }
    for (name, request) in [
        ("no HTTP", format!("{}\r\n\r\n", gateway.key())),
        ("no host", "GET /sddcs HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned()),
        (
            "two hosts",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n".to_owned(),
        ),
        ("bad header", format!("GET / HTTP/1.1\r\nHost: a\r\n{} b\r\n\r\n", gateway.key())),
        (
            "large head",
            format!(
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\na: {}\r\n\r\n",
                "b".repeat(20_000)
            ),
        ),
        (
            "a body",
            format!(
                "POST /sddcs HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 16\r\n\r\n{:16.16}",
                gateway.key()
            ),
        ),
    ] {
        outlets.add(format!("raw, {name}"), gateway.raw(&request).await);
    }
}

/// Gateways whose settings refuse.
async fn other_gateways(world: &World, outlets: &mut Outlets) {
    let setup = || world.traced(Setup::on_demand(&world.cloud)).with_secret(&world.client_secret);
    let cold = setup().start().await;
    let headers = [("cache-control", "only-if-cached")];
    let answer = cold.send(Method::GET, "/sddcs", &headers).await;
    assert_eq!(answer.told(), (504, "not-cached".to_owned()));
    outlets.answer(world, "not cached", &answer);

    let full = setup().with(|config| config.api.max_in_flight = 0).start().await;
    let answer = full.get("/sddcs").await;
    assert_eq!(answer.told(), (503, "overloaded".to_owned()));
    outlets.answer(world, "overloaded", &answer);

    let no_watchers = setup().with(|config| config.api.max_watchers = 0).start().await;
    no_watchers.get("/sddcs").await;
    let answer = no_watchers.get("/sddcs/events").await;
    assert_eq!(answer.told(), (503, "overloaded".to_owned()));
    outlets.answer(world, "too many watchers", &answer);

    let open = setup().open().start().await;
    for headers in [("host", "elsewhere.example"), ("sec-fetch-site", "cross-site")] {
        let answer = open.send_bare(Method::GET, "/sddcs", &[headers]).await;
        assert!(answer.status.is_client_error(), "{answer:?}");
        outlets.answer(world, &format!("{headers:?}"), &answer);
    }

    let wrong = setup().with_secret(&world.secret("wrong client secret")).start().await;
    let answer = wrong.get("/sddcs").await;
    assert_eq!(answer.told(), (502, "upstream-credentials-rejected".to_owned()));
    outlets.answer(world, "wrong client secret", &answer);
    outlets.operators(&wrong).await;

    // One organization of two fails.
    let other = &world.cloud.simulator.org_ids()[1];
    world.cloud.simulator.script(Fault::on(Target::Vmc, &format!("*/{other}/*")).status(500));
    let partial = setup().start().await;
    for path in ["/sddcs", "/sddcs?partial=allow", "/sddcs/unknown", "/sd/prometheus?target=nsx"] {
        let answer = partial.get(path).await;
        outlets.answer(world, &format!("incomplete, GET {path}"), &answer);
    }
    world.cloud.simulator.clear_faults();
}
