//! Finding out the caller, and whether it may: each kind of credential.

use std::{collections::BTreeMap, net::Ipv4Addr};

use divan::Bencher;
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use sddc_gateway::{
    access::{
        CallerKey, CallerSettings, Policy, RequestIdentity, Scope, Settings, Verifiers,
        oidc::{self, KeysFrom, Oidc},
    },
    clock::Clock,
    reload::LoadedFile,
    tasks::BackgroundJobs,
    telemetry::Metrics,
    upstream::Proxies,
};
use support::issuer::{AUDIENCE, ISSUER, Issuer, SUBJECT};

#[divan::bench(sample_size = 100)]
fn open(bencher: Bencher) {
    let policy = Policy::new(&Settings::Open, Verifiers::default(), Clock::system());
    admit(bencher, &policy, || None);
}

#[divan::bench(sample_size = 100)]
fn key(bencher: Bencher) {
    let key = CallerKey::generate().expect("there is randomness");
    let digest = vec![key.digest()];
    let policy = policy(&Issuer::new(), |caller| caller.key_sha256 = digest);
    admit(bencher, &policy, || Some(key.reveal().to_owned()));
}

/// A token of the operator's issuer, ES256, that was verified before.
#[divan::bench(sample_size = 100)]
fn known_token(bencher: Bencher) {
    let issuer = Issuer::new();
    let policy = token_policy(&issuer);
    let token = issuer.token();
    admit(bencher, &policy, || Some(token.clone()));
}

#[divan::bench]
fn new_token(bencher: Bencher) {
    let issuer = Issuer::new();
    let policy = token_policy(&issuer);
    admit(bencher, &policy, || Some(issuer.token()));
}

fn admit(bencher: Bencher, policy: &Policy, credential: impl Fn() -> Option<String>) {
    let judge = |fields: &mut HeaderMap| {
        let identity = policy.identify(fields, None, true).expect("no key has to be fetched");
        let client = Ipv4Addr::LOCALHOST.into();
        let request_id = HeaderValue::from_static("bench");
        let sender = RequestIdentity { policy: policy.clone(), identity, client, request_id };
        sender.admit(Scope::SddcRead).expect("it is let in")
    };
    // A known token is known from the first time on.
    judge(&mut fields(credential()));
    bencher.with_inputs(|| fields(credential())).bench_local_refs(judge);
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

fn token_policy(issuer: &Issuer) -> Policy {
    let subject = BTreeMap::from([("sub".to_owned(), SUBJECT.into())]);
    policy(issuer, |caller| caller.oidc = subject)
}

/// The rules with one caller, where tokens of an issuer are taken.
fn policy(issuer: &Issuer, show: impl FnOnce(&mut CallerSettings)) -> Policy {
    let settings = oidc::Settings {
        issuer: ISSUER.to_owned(),
        audience: Some(AUDIENCE.to_owned()),
        client_ids: Vec::new(),
        keys: KeysFrom::File(LoadedFile::read(&issuer.keys()).expect("it was written")),
        ca_file: None,
    };
    let jobs = BackgroundJobs::new(Metrics::new());
    let oidc = Oidc::new(settings, &Proxies::default(), Clock::system(), Metrics::new(), jobs);
    let verifiers =
        Verifiers { oidc: Some(oidc.expect("its keys are good")), ..Verifiers::default() };
    let mut caller = CallerSettings::new("bench".parse().expect("a good name"));
    show(&mut caller);
    Policy::new(&vec![caller].into(), verifiers, Clock::system())
}
