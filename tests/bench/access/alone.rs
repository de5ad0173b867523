//! The same judgement alone, in this process: what is left once the noise of sockets is gone.
//!
//! Least of many short batches: whatever else the machine does only adds to one.

use std::{collections::BTreeMap, hint::black_box, net::Ipv4Addr};

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use sddc_gateway::{
    access::{
        CallerName, CallerSettings, ConfiguredCallers, Policy, RequestIdentity, Scope, Settings,
        Verifiers,
        oidc::{self, KeysFrom, Oidc},
    },
    clock::Clock,
    reload::LoadedFile,
    tasks::BackgroundJobs,
    telemetry::Metrics,
    upstream::Proxies,
};

use super::tokens::{AUDIENCE, ISSUER, Issuer, SUBJECT};
use crate::server::{KEY, KEY_SHA256, now};

const BATCHES: usize = 200;
const BATCH: usize = 100;

/// What to find out who calls and to let them in takes, each kind of credential.
pub fn compare() {
    let issuer = Issuer::new();
    let (open, callers) = (Settings::Open, configured());
    let policy = |settings| Policy::new(settings, verifiers(&issuer), Clock::system());
    let (open, callers) = (policy(&open), policy(&callers));
    println!("who calls, and whether they may: least of {BATCHES} batches of {BATCH}\n");
    println!("  {:<28} {:>8}", "", "µs");
    let token = issuer.token();
    line("access.open", &open, || None);
    line("key", &callers, || Some(KEY.to_owned()));
    line("JWT (ES256), the same", &callers, || Some(token.clone()));
    line("JWT (ES256), each new", &callers, || Some(issuer.token()));
    println!();
}

fn line(name: &str, policy: &Policy, credential: impl Fn() -> Option<String>) {
    let least = (0..BATCHES).map(|_| batch(policy, &credential)).fold(f64::INFINITY, f64::min);
    println!("  {name:<28} {least:>8.3}");
}

/// Microseconds for one.
fn batch(policy: &Policy, credential: impl Fn() -> Option<String>) -> f64 {
    let requests: Vec<HeaderMap> = (0..BATCH).map(|_| fields(credential())).collect();
    let begun = now();
    for fields in &requests {
        let identity = policy.identify(black_box(fields), None, true);
        let identity = identity.expect("no key has to be fetched");
        let client = Ipv4Addr::LOCALHOST.into();
        let request_id = HeaderValue::from_static("bench");
        let sender = RequestIdentity { policy: policy.clone(), identity, client, request_id };
        black_box(sender.admit(Scope::SddcRead).expect("it is let in"));
    }
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(u32::try_from(BATCH).expect("it is small"))
}

/// As an ordinary client sends them.
fn fields(credential: Option<String>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.insert("host", HeaderValue::from_static("localhost"));
    fields.insert("accept", HeaderValue::from_static("application/json"));
    if let Some(credential) = credential {
        let bearer = format!("Bearer {credential}");
        fields.insert(AUTHORIZATION, HeaderValue::try_from(bearer).expect("a credential is text"));
    }
    fields
}

fn verifiers(issuer: &Issuer) -> Verifiers {
    let settings = oidc::Settings {
        issuer: ISSUER.to_owned(),
        audience: Some(AUDIENCE.to_owned()),
        client_ids: Vec::new(),
        keys: KeysFrom::File(LoadedFile::read(&issuer.keys()).expect("it was written")),
        ca_file: None,
    };
    let oidc = Oidc::new(
        settings,
        &Proxies::default(),
        Clock::system(),
        Metrics::new(),
        BackgroundJobs::new(Metrics::new()),
    );
    Verifiers { oidc: Some(oidc.expect("its keys are good")), authorities: None }
}

fn configured() -> Settings {
    let name = |name: &str| name.parse::<CallerName>().expect("a good name");
    let key = KEY_SHA256.parse().expect("a digest");
    let claims = BTreeMap::from([("sub".to_owned(), SUBJECT.into())]);
    let callers = vec![
        CallerSettings { key_sha256: vec![key], ..CallerSettings::new(name("key")) },
        CallerSettings { oidc: claims, ..CallerSettings::new(name("token")) },
    ];
    Settings::Callers(ConfiguredCallers { callers, ..ConfiguredCallers::default() })
}
