//! Secrets cannot leave (contract section 1, first promise): canaries in all that upstream says, in
//! the app's secret, the tokens and the keys, searched for in all that comes out.
//!
//! [`world`] says what is planted, [`outlets`] and [`trouble`] what is searched, [`search`] how. That
//! a canary would be found is shown for each place that is searched and each form that it may have.

mod credentials;
mod listed;
mod outlets;
mod planted;
mod process;
mod search;
mod trouble;
mod world;

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use clap::Parser;
use http::Method;
use prometheus_client::metrics::counter::Counter;
use sddc_gateway::{
    access::{Policy, Scope, Verifiers},
    cli::{self, Cli},
    csp::{ClientSecret, TokenSource},
    gateway::{Gateway, Upstreams},
    simulator::{self, Fault, FaultKind, Target},
    tasks::BackgroundJobs,
    telemetry::{AccessLog, Format, Metrics},
    vmc::Reader,
};
use serde_json::{Value, json};

use self::{
    listed::{Form, LISTED},
    outlets::Outlets,
    search::{Searcher, Secret},
    world::World,
};
use crate::harness::{Answer, Setup, TestGateway};

/// A gateway in front of a world, whose tasks quote its caller's key.
async fn polling(world: &World, snapshot: Option<&Path>) -> TestGateway {
    let setup = world.traced(Setup::polling(&world.cloud)).with_secret(&world.client_secret);
    let snapshot = snapshot.map(Path::to_owned);
    let gateway = setup.with(|config| config.inventory.snapshot_file = snapshot).start().await;
    world.quote("caller's key", gateway.key());
    gateway
}

#[tokio::test]
async fn no_endpoint_shows_a_canary() {
    let (world, folder) = (World::start(8).await, tempfile::tempdir().unwrap());
    let snapshot = folder.path().join("snapshot");
    let gateway = polling(&world, Some(&snapshot)).await;
    let mut outlets = outlets::all_of(&world, &gateway).await;
    outlets.log(&world, gateway.stop().await);
    for line in fs::read_to_string(&snapshot).unwrap().lines() {
        outlets.documents(&world, "snapshot file", line);
    }
    outlets.hold_no_canary(&world);
    each_text_was_sent(&world);
}

/// Whether what the search did not find was there to be found, and whether what may be shown was.
fn each_text_was_sent(world: &World) {
    let sent = world.sent();
    let paths: BTreeSet<&str> = sent.iter().map(|marker| &*marker.path).collect();
    for path in [
        "sddc.password",
        "sddc.resource_config.cloud_password",
        "sddc.resource_config.nsx_cloud_admin_password",
        "sddc.resource_config.nsx_cloud_audit_password",
        "sddc.resource_config.vc_oauth_client.secret",
        "sddc.resource_config.custom_properties.bootstrap",
        "sddc.resource_config.custom_properties.unknown key",
        "sddc.resource_config.certificates.vcenter.private_key",
        "sddc.resource_config.key_provider_data[].key",
        "sddc.resource_config.vc_url, of another kind",
        "sddc.name, of another kind",
        "sddc.created, of another kind",
        "sddc[] text",
        "host.esx_credential.password",
        "cluster.cluster_capacity.memory_capacity_gib, of another kind",
        "org.properties.values.hostLimit",
        "task.params.credentials.password",
        "task.error_message",
        "token.refresh_token",
        "header set-cookie",
        "header reason phrase",
    ] {
        assert!(paths.contains(path), "{path} was not sent: {paths:#?}");
    }
    let secrets = sent.iter().filter(|marker| marker.field.is_none());
    assert!(secrets.count() > 5000 && paths.len() > 1000, "{}", paths.len());
    // Upstream's second choices are shown where there is no first one.
    let second = ["sddc.resource_config.provider", "task.localized_error_message"];
    for (path, form) in LISTED.iter().filter(|(path, _)| !second.contains(path)) {
        let shown = sent.iter().any(|marker| marker.path == *path && marker.shown > 0);
        assert!(shown || matches!(form, Form::Real), "{path} was not shown");
    }
}

#[tokio::test]
async fn an_error_text_of_a_task_is_shown_without_the_secrets_that_it_quotes() {
    let world = World::start(3).await;
    let gateway = polling(&world, None).await;
    gateway.get("/sddcs").await;
    // The token before the current one is still good, and quoted too.
    world.cloud.simulator.revoke_tokens();
    gateway.send(Method::GET, "/sddcs", &[("cache-control", "no-cache")]).await;
    let tasks = gateway.get("/tasks").await.json();
    let told = tasks["items"].as_array().unwrap().iter().filter_map(|task| task["error"].as_str());
    let told: Vec<_> = told.collect();
    assert!(!told.is_empty(), "{tasks}");
    for text in told {
        let quoted = text.split_once(", with ").unwrap().1;
        assert_eq!(
            quoted, "[redacted] too, with [redacted] too, with [redacted] too, with [redacted] too",
            "{text}"
        );
    }
}

async fn in_trouble(place: (Target, &str)) {
    let world = World::start(3).await;
    let mut outlets = trouble::upstream(&world, place).await;
    outlets.log(&world, String::new());
    outlets.hold_no_canary(&world);
}

#[tokio::test]
async fn no_trouble_of_the_mint_shows_a_canary() {
    in_trouble(trouble::MINT).await;
}

#[tokio::test]
async fn no_trouble_of_discovery_shows_a_canary() {
    in_trouble(trouble::DISCOVERY).await;
}

#[tokio::test]
async fn no_trouble_of_the_sddcs_shows_a_canary() {
    in_trouble(trouble::SDDCS).await;
}

#[tokio::test]
async fn no_trouble_of_the_tasks_shows_a_canary() {
    in_trouble(trouble::TASKS).await;
}

#[tokio::test]
async fn no_refusal_shows_a_canary() {
    let world = World::start(3).await;
    let mut outlets = Outlets::default();
    trouble::callers(&world, &mut outlets).await;
    outlets.log(&world, String::new());
    outlets.hold_no_canary(&world);
}

/// What holds a secret, in the order in which a gateway is built. What comes new belongs here too.
#[tokio::test]
async fn what_holds_a_secret_prints_none() {
    let world = World::start(3).await;
    let (mut outlets, clock) = (Outlets::default(), world.cloud.clock.clone());
    let setup = world.traced(Setup::polling(&world.cloud)).with_secret(&world.client_secret);
    let (setup, key) = setup.with_caller("another", &[Scope::SddcRead]);
    world.keep("caller's key", key.reveal());
    let config = setup.config.clone();
    outlets.printed("ClientSecret", &ClientSecret::from_text(&world.client_secret));
    outlets.printed("Config", &config);
    let policy = Policy::new(&config.access, Verifiers::default(), clock.clone());
    outlets.printed("Policy", &policy);
    outlets.printed("simulator", &world.cloud.simulator);
    outlets.printed(
        "simulator's options",
        &simulator::Options {
            client_secret: world.client_secret.clone().into(),
            ..simulator::Options::default()
        },
    );
    let metrics = Metrics::new();
    let upstreams = Upstreams::new(&config, &clock, &metrics).unwrap();
    outlets.printed("Upstreams", &upstreams);
    let jobs = BackgroundJobs::new(metrics);
    let source = TokenSource::new(None, upstreams.mint.clone(), clock.clone(), jobs, None);
    let token = source.token().await.unwrap();
    outlets.printed("Token", &token);
    outlets.printed("TokenSource", &source);
    outlets.printed("TokenSource's status", &source.status());
    outlets.printed("Scrubber", &source.scrubber());
    outlets.printed("TokenFacts", &upstreams.mint.inspect(None).await.unwrap().life);
    let reader = Reader::new(upstreams.vmc.clone(), source.clone(), clock.clone());
    outlets.printed("Reader", &reader);
    for fault in [
        Fault::on(Target::Csp, "*").status(400),
        Fault::on(Target::Csp, "*").status(503),
        Fault::on(Target::Csp, "*").kind(FaultKind::Html),
        Fault::on(Target::Csp, "*").kind(FaultKind::Reset),
        Fault::on(Target::Csp, "*")
            .body(json!({ "access_token": [world.secret("it")] }).to_string()),
    ] {
        world.cloud.simulator.script(fault);
        outlets.error("CspError", &upstreams.mint.inspect(None).await.unwrap_err());
        world.cloud.simulator.clear_faults();
    }
    let access_log = AccessLog::new(Format::Json, |_| ());
    outlets.printed("AccessLog", &access_log);
    let gateway = Gateway::start(&config, clock, access_log, Counter::default()).await.unwrap();
    outlets.printed("Gateway", &gateway);
    gateway.stop().await;
    outlets.hold_no_canary(&world);
}

/// How the program's own panic handler is tried: in a process of its own, which it changes.
const PANIC_WITH: &str = "CANARY_PANIC_WITH";

#[test]
fn a_panic_tells_its_place_and_not_its_text() {
    if let Some(text) = std::env::var_os(PANIC_WITH) {
        let _ = tracing_subscriber::fmt().with_writer(std::io::stderr).try_init();
        let _ = cli::run(Cli::parse_from(["sddc-gateway", "key", "somebody"]));
        panic!("stumbled over {}", text.display());
    }
    let secret = "zs-CANARY-of-a-panic";
    let name = "canary::a_panic_tells_its_place_and_not_its_text";
    let output = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(PANIC_WITH, secret)
        .env("RUST_BACKTRACE", "full")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&said);
    assert!(text.contains("panicked") && text.contains("canary.rs:"), "{text}");
    let hits = Searcher::new(&[Secret::new("it", secret)]).search("panic", &said);
    assert!(hits.is_empty(), "{hits:?}");
}

/// The same search, of the same places, once a canary is planted there.
#[tokio::test]
async fn a_canary_is_found_wherever_it_comes_out() {
    let (world, folder) = (World::start(3).await, tempfile::tempdir().unwrap());
    let snapshot = folder.path().join("snapshot");
    let gateway = polling(&world, Some(&snapshot)).await;
    let mut outlets = outlets::all_of(&world, &gateway).await;
    outlets.add("access lines", gateway.stop().await);
    outlets.add("traces", world.collector.raw());
    outlets.add("snapshot file", fs::read(&snapshot).unwrap());
    let secrets = world.secrets();
    let searcher = Searcher::new(&secrets);
    let (mut kinds, mut forms_tried) = (BTreeSet::new(), BTreeSet::new());
    for (at, place) in outlets.places().iter().enumerate() {
        let secret = &secrets[at % secrets.len()];
        let forms = search::forms(secret.text.as_bytes());
        let (form, written) = &forms[at / secrets.len() % forms.len()];
        let middle = place.whole.len() / 2;
        let (before, after) = place.whole.split_at(middle);
        let planted = [before, written, after].concat();
        let hits = searcher.search(&place.name, &planted);
        let found = hits.iter().any(|hit| hit.secret == secret.name && hit.place == place.name);
        assert!(found, "{} in {}: {form}", secret.name, place.name);
        kinds.insert(secret.name.clone());
        forms_tried.insert(*form);
    }
    assert!(kinds.len() >= 6 && forms_tried.len() >= 8, "{kinds:?} {forms_tried:?}");
}

#[tokio::test]
async fn a_canary_is_found_in_each_part_of_an_answer() {
    let world = World::start(3).await;
    let gateway = polling(&world, None).await;
    let good = gateway.get("/sddcs?limit=1").await;
    let (secret, item) = (world.secret("planted"), good.json()["items"][0].clone());
    let other = gateway.get("/sddcs?limit=1&sort=-name").await.json()["items"][0].clone();
    let name = item["name"].as_str().unwrap();
    assert_ne!(item["id"], other["id"]);
    let body = |change: &dyn Fn(&mut Value)| {
        let mut page = good.json();
        change(&mut page);
        Answer { body: page.to_string().into(), ..good.clone() }
    };
    let header = |name: &'static str, value: &str| {
        let mut answer = good.clone();
        answer.headers.insert(name, value.parse().unwrap());
        answer
    };
    let coded =
        |coding: &'static str, body: Vec<u8>| Answer { body, ..header("content-encoding", coding) };
    let whole = format!("{{\"items\": \"{secret}\"}}");
    let mut brotli = Vec::new();
    let settings = brotli::enc::BrotliEncoderParams::default();
    brotli::BrotliCompress(&mut whole.as_bytes(), &mut brotli, &settings).unwrap();
    let cursor = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(format!("{{\"place\":\"{text}\"}}"));
    let answers = [
        ("a header", header("etag", &format!("\"{secret}\""))),
        ("a link", header("link", &format!("</sddcs?cursor={}>; rel=\"next\"", cursor(&secret)))),
        ("a field", body(&|page| page["items"][0]["name"] = json!(secret))),
        ("an unknown field", body(&|page| page["items"][0]["more"] = json!([{ "a": secret }]))),
        ("a key", body(&|page| page["items"][0][&secret] = json!(1))),
        ("an escaped text", body(&|page| page["missing"] = json!(json!([secret]).to_string()))),
        ("a cursor", body(&|page| page["next_cursor"] = json!(cursor(&secret)))),
        ("no JSON", Answer { body: format!("<html>{secret}").into(), ..good.clone() }),
        ("gzip", coded("gzip", search::gzip(whole.as_bytes()))),
        ("brotli", coded("br", brotli)),
        ("zstd", coded("zstd", zstd::encode_all(whole.as_bytes(), 0).unwrap())),
        // What may be shown, elsewhere.
        ("another field", body(&|page| page["items"][0]["region"] = json!(name))),
        ("another document", body(&|page| page["items"][0]["name"] = other["name"].clone())),
        ("no document", body(&|page| page["missing"] = json!([name]))),
        ("a header of a text", header("link", &format!("</sddcs?name={name}>; rel=\"next\""))),
        ("another's cursor", {
            let other = cursor(other["name"].as_str().unwrap());
            body(&|page| page["next_cursor"] = json!(other))
        }),
    ];
    let found = |answer: &Answer| {
        let mut outlets = Outlets::default();
        outlets.answer(&world, "it", answer);
        outlets.search(&world)
    };
    assert_eq!(found(&good), []);
    for (part, answer) in answers {
        assert!(!found(&answer).is_empty(), "{part}: {answer:?}");
    }
}

#[tokio::test]
async fn a_canary_is_found_in_the_log_and_in_what_is_printed() {
    let world = World::start(3).await;
    let gateway = polling(&world, None).await;
    let secret = world.secret("logged");
    tracing::trace!(target: "sddc_gateway::canary", value = %BASE64_STANDARD.encode(&secret), "it");
    let mut outlets = Outlets::default();
    outlets.log(&world, gateway.stop().await);
    let hits = outlets.search(&world);
    assert!(!hits.is_empty());
    assert!(
        hits.iter().all(|hit| (&*hit.place, hit.form) == ("log at trace", "base64")),
        "{hits:?}"
    );

    let mut outlets = Outlets::default();
    outlets.printed("bytes", &secret.as_bytes());
    outlets.printed("shared bytes", &bytes::Bytes::from(secret.clone()));
    outlets.error("an error", &std::io::Error::other(format!("with {secret}")));
    outlets.documents(
        &world,
        "snapshot file",
        &json!({ "orgs": [{ "secret": secret }] }).to_string(),
    );
    let found: BTreeSet<String> = outlets.search(&world).into_iter().map(|it| it.place).collect();
    assert_eq!(
        found.len(),
        outlets.places().iter().map(|it| &it.name).collect::<BTreeSet<_>>().len()
    );
}
