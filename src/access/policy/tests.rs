//! Whose credential is whose, and what a new version of the rules changes.

use std::time::Duration;

use super::*;
use crate::access::ConfiguredCallers;

fn policy() -> Policy {
    let callers = vec![caller("billing", &["key-a", "key-a-next"]), caller("backup", &["key-b"])];
    Policy::new(&callers.into(), Verifiers::default(), clock())
}

fn clock() -> Clock {
    Clock::manual("2026-11-22T10:00:00Z".parse().unwrap())
}

fn caller(name: &str, keys: &[&str]) -> CallerSettings {
    let key_sha256 = keys.iter().map(|key| KeyDigest::of(key.as_bytes())).collect();
    CallerSettings { key_sha256, ..CallerSettings::new(name.parse().unwrap()) }
}

fn identify(policy: &Policy, headers: &[(&'static str, &str)]) -> Result<String, Refusal> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    policy.known(&map, None).map(|known| known.caller().name().to_string())
}

#[test]
fn a_key_is_known_in_either_header_and_in_each_of_its_rotations() {
    let policy = policy();
    for headers in [
        &[("authorization", "Bearer key-a")][..],
        &[("authorization", "bearer  key-a-next")],
        &[("x-api-key", "key-a")],
        &[("x-api-key", "key-a"), ("authorization", "Bearer key-a-next")],
        &[("x-api-key", "key-a"), ("authorization", "Basic cHJveHk6cHJveHk=")],
        &[("x-api-key", "key-a"), ("authorization", "Negotiate YII=")],
    ] {
        assert_eq!(identify(&policy, headers).as_deref(), Ok("billing"), "{headers:?}");
    }
}

#[test]
fn what_is_no_single_good_credential_is_refused() {
    let policy = policy();
    let cases: &[(&[(&str, &str)], Refusal)] = &[
        (&[], Refusal::Missing),
        (&[("x-api-key", "key-c")], Refusal::Unknown),
        (&[("x-api-key", "")], Refusal::Malformed),
        (&[("authorization", "Bearer")], Refusal::Malformed),
        (&[("authorization", "Bearer ")], Refusal::Malformed),
        (&[("authorization", "Basic a2V5LWE=")], Refusal::OtherScheme),
        (&[("authorization", "Negotiate")], Refusal::OtherScheme),
        (&[("authorization", "sgw_key")], Refusal::Malformed),
        (&[("authorization", "B@arer key-a")], Refusal::Malformed),
        (&[("x-api-key", "key-a"), ("x-api-key", "key-a")], Refusal::Doubled),
        (&[("authorization", "Basic YQ=="), ("authorization", "Bearer key-a")], Refusal::Doubled),
        (&[("x-api-key", "key-c"), ("authorization", "Basic YQ==")], Refusal::Unknown),
        (&[("x-api-key", "key-a"), ("authorization", "Bearer key-b")], Refusal::Conflict),
        (&[("x-api-key", "key-a"), ("authorization", "Bearer key-c")], Refusal::Unknown),
    ];
    for (headers, refusal) in cases {
        let headers: Vec<_> = headers.iter().map(|(n, v)| (leak(n), *v)).collect();
        assert_eq!(identify(&policy, &headers), Err(*refusal), "{headers:?}");
    }
}

fn leak(name: &str) -> &'static str {
    name.to_owned().leak()
}

#[test]
fn open_access_knows_everyone_but_the_sender_of_a_wrong_credential() {
    let policy = Policy::new(&Settings::Open, Verifiers::default(), clock());
    assert_eq!(identify(&policy, &[]).as_deref(), Ok("anonymous"));
    for other in ["Basic YTpi", "Negotiate YII=", "Digest a=\"b\""] {
        let headers = [("authorization", other)];
        assert_eq!(identify(&policy, &headers).as_deref(), Ok("anonymous"), "{other}");
    }
    assert_eq!(identify(&policy, &[("x-api-key", "key-a")]), Err(Refusal::Unknown));
}

#[test]
fn after_its_end_no_credential_of_a_caller_is_good() {
    let clock = clock();
    let not_after = Some(clock.wall() + Duration::from_secs(60));
    let callers = vec![CallerSettings { not_after, ..caller("billing", &["key-a"]) }];
    let settings = callers.into();
    let policy = Policy::new(&settings, Verifiers::default(), clock.clone());
    let headers = [("x-api-key", "key-a")];
    clock.advance(Duration::from_secs(59));
    assert_eq!(identify(&policy, &headers).as_deref(), Ok("billing"));
    clock.advance(Duration::from_secs(1));
    assert_eq!(identify(&policy, &headers), Err(Refusal::Expired));
}

#[test]
fn the_files_callers_are_replaced_and_the_configurations_stay() {
    let policy = policy();
    let by = |key: &'static str| identify(&policy, &[("x-api-key", key)]);
    policy.replace(&[caller("audit", &["key-c"])]);
    assert_eq!(by("key-c").as_deref(), Ok("audit"));
    policy.replace(&[caller("audit", &["key-d"])]);
    assert_eq!((by("key-c"), by("key-d").as_deref()), (Err(Refusal::Unknown), Ok("audit")));
    policy.replace(&[]);
    assert_eq!((by("key-d"), by("key-a").as_deref()), (Err(Refusal::Unknown), Ok("billing")));
}

#[test]
fn a_new_version_of_the_file_is_no_new_quota() {
    let policy = policy();
    let limited = |rate: &str| CallerSettings {
        rate: Some(rate.parse().unwrap()),
        ..caller("limited", &["key-c"])
    };
    let take = || {
        let Ok(known) = policy.known(
            &HeaderMap::from_iter([(
                http::HeaderName::from_static("x-api-key"),
                http::HeaderValue::from_static("key-c"),
            )]),
            None,
        ) else {
            panic!("it is known")
        };
        known.caller().limiter().unwrap().take(policy.clock().now()).is_ok()
    };
    policy.replace(&[limited("1/h")]);
    assert!(take() && !take());
    policy.replace(&[limited("1/h"), caller("another", &["key-d"])]);
    assert!(!take(), "its quota is spent");
    policy.replace(&[limited("2/h")]);
    assert!(take() && take() && !take(), "another rate begins anew");
}

#[test]
fn without_any_caller_nobody_gets_in() {
    let policy = Policy::new(
        &Settings::Callers(ConfiguredCallers::default()),
        Verifiers::default(),
        clock(),
    );
    assert!(!policy.is_open());
    assert_eq!(identify(&policy, &[]), Err(Refusal::Missing));
    assert_eq!(identify(&policy, &[("x-api-key", "key-a")]), Err(Refusal::Unknown));
}
