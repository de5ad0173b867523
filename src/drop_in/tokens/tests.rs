//! Issued, verified, and worth nothing once what they stand on is gone.

use base64::prelude::BASE64_STANDARD;
use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::*;
use crate::access::{CallerSettings, ConfiguredCallers, Settings, Verifiers};

const KEY: &[u8] = b"sgw_a-key";
const CSP_AUTH_TOKEN: &str = "csp-auth-token";

fn clock() -> Clock {
    Clock::manual("2026-11-22T10:00:00Z".parse().unwrap())
}

fn line(byte: u8) -> String {
    BASE64_STANDARD.encode([byte; 32])
}

fn caller(name: &str, keys: &[&[u8]]) -> CallerSettings {
    CallerSettings {
        key_sha256: keys.iter().map(|key| KeyDigest::of(key)).collect(),
        scopes: vec![Scope::VmcRead],
        ..CallerSettings::new(name.parse().unwrap())
    }
}

/// Rules with nobody but those of the callers' file.
fn policy(clock: &Clock, of_file: &[CallerSettings]) -> Policy {
    let settings = Settings::Callers(ConfiguredCallers::default());
    let policy = Policy::new(&settings, Verifiers::default(), clock.clone());
    policy.replace(of_file);
    policy
}

fn issue(tokens: &GatewayTokens, policy: &Policy) -> NewToken {
    let Identity::Authenticated(known) = policy.identify_keys([KEY]) else { panic!("unknown") };
    tokens.issue(known.caller(), known.key().unwrap(), None)
}

fn fields(fields: &[(&'static str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    fields.iter().map(field).collect()
}

fn outcome(tokens: &GatewayTokens, policy: &Policy, token: &str) -> Result<String, Refusal> {
    match tokens.identify(policy, &fields(&[(CSP_AUTH_TOKEN, token)])) {
        Identity::Authenticated(known) => Ok(known.caller().name().to_string()),
        Identity::Refused(refusal) => Err(refusal),
    }
}

#[test]
fn a_token_is_its_callers_and_has_the_claims_that_tools_read() {
    let clock = clock();
    let (policy, tokens) =
        (policy(&clock, &[caller("ci", &[KEY])]), GatewayTokens::new(None, clock).unwrap());
    let token = issue(&tokens, &policy);
    assert_eq!((token.expires_in, token.scope.as_str()), (1800, "csp:org_member vmc:read"));
    assert_eq!(outcome(&tokens, &policy, &token.text), Ok("ci".to_owned()));
    assert_eq!(outcome(&tokens, &policy, &token.text), Ok("ci".to_owned()), "remembered");
    let parts: Vec<_> = token.text.split('.').collect();
    let part = |at: usize| -> Value {
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(parts[at]).unwrap()).unwrap()
    };
    assert_eq!((&part(0)["alg"], &part(0)["typ"]), (&"EdDSA".into(), &"JWT".into()));
    let claims = part(1);
    for (name, expected) in [
        ("iss", "sddc-gateway"),
        ("aud", "sddc-gateway"),
        ("sub", "ci"),
        ("username", "ci"),
        ("acct", "ci"),
        ("domain", "sddc-gateway"),
    ] {
        assert_eq!(claims[name], expected, "{name}");
    }
    let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert_eq!(exp - iat, 1800);
    let hex = KeyDigest::of(KEY).to_string();
    assert!(!claims.to_string().contains(&hex[..16]), "the key's digest is not in it");
    assert_ne!(issue(&tokens, &policy).text, token.text, "each is another one");
}

#[test]
fn it_ends_with_its_key_its_caller_and_its_time() {
    let clock = clock();
    let ci = caller("ci", &[KEY, b"another"]);
    let policy = policy(&clock, std::slice::from_ref(&ci));
    let tokens = GatewayTokens::new(None, clock.clone()).unwrap();
    let token = issue(&tokens, &policy).text;
    let outcome = || outcome(&tokens, &policy, &token);
    assert!(outcome().is_ok());
    policy.replace(&[caller("ci", &[b"another"])]);
    assert_eq!(outcome(), Err(Refusal::Unknown), "the key is gone");
    policy.replace(&[]);
    assert_eq!(outcome(), Err(Refusal::Unknown), "the caller is gone");
    policy.replace(&[caller("second", &[KEY])]);
    assert_eq!(outcome(), Err(Refusal::Unknown), "the key is another caller's");
    let end = clock.wall() + Duration::from_secs(60);
    policy.replace(&[CallerSettings { not_after: Some(end), ..ci.clone() }]);
    assert!(outcome().is_ok());
    assert_eq!(issue(&tokens, &policy).expires_in, 60);
    clock.advance(Duration::from_secs(60));
    assert_eq!(outcome(), Err(Refusal::Expired));
    policy.replace(&[ci]);
    assert!(outcome().is_ok());
    clock.advance(Duration::from_secs(1740));
    assert_eq!(outcome(), Err(Refusal::Token(JwtFault::Expired)));
}

#[test]
fn replicas_with_the_same_file_accept_each_others_until_the_line_is_gone() {
    let clock = clock();
    let policy = policy(&clock, &[caller("ci", &[KEY])]);
    let of = |text: &str| GatewayTokens::new(Some(text.as_bytes()), clock.clone()).unwrap();
    let (one, other, stranger) = (of(&line(1)), of(&line(1)), of(&line(2)));
    let token = issue(&one, &policy).text;
    assert!(outcome(&other, &policy, &token).is_ok());
    assert_eq!(outcome(&stranger, &policy, &token), Err(Refusal::ForeignToken));
    let both = format!("{}\n{}\n", line(2), line(1));
    other.replace_keys(both.as_bytes()).unwrap();
    assert!(outcome(&other, &policy, &token).is_ok(), "the old line verifies still");
    assert_eq!(other.public_keys().len(), 2);
    assert!(outcome(&stranger, &policy, &issue(&other, &policy).text).is_ok(), "the new one signs");
    assert!(other.replace_keys(b"nonsense").is_err());
    other.replace_keys(line(2).as_bytes()).unwrap();
    assert_eq!(outcome(&other, &policy, &token), Err(Refusal::ForeignToken));
}

#[test]
fn no_changed_or_foreign_token_is_taken() {
    let clock = clock();
    let policy = policy(&clock, &[caller("ci", &[KEY])]);
    let tokens = GatewayTokens::new(None, clock).unwrap();
    let token = issue(&tokens, &policy).text;
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        // The last character of a part has bits that say nothing.
        let verdict = outcome(&tokens, &policy, &changed);
        assert!(
            matches!(verdict, Err(Refusal::ForeignToken | Refusal::Token(JwtFault::Signature))),
            "{at}: {verdict:?}",
        );
        assert!(outcome(&tokens, &policy, &token[..at]).is_err(), "{at}");
    }
    let claims = token.split('.').nth(1).unwrap();
    let none = BASE64_URL_SAFE_NO_PAD.encode("{\"alg\":\"none\",\"typ\":\"JWT\"}");
    for foreign in [
        "sgw_a-key".to_owned(),
        format!("{none}.{claims}."),
        format!("{token}."),
        format!("{token}.x"),
        "x".repeat(MAX_TOKEN_BYTES + 1),
    ] {
        assert!(outcome(&tokens, &policy, &foreign).is_err(), "{foreign}");
    }
}

#[test]
fn it_comes_in_either_field_or_the_same_in_both() {
    let clock = clock();
    let policy = policy(&clock, &[caller("ci", &[KEY])]);
    let tokens = GatewayTokens::new(None, clock).unwrap();
    let (token, second) = (issue(&tokens, &policy).text, issue(&tokens, &policy).text);
    let bearer = format!("Bearer {token}");
    let verdict = |sent: &[(&'static str, &str)]| match tokens.identify(&policy, &fields(sent)) {
        Identity::Authenticated(_) => Ok(()),
        Identity::Refused(refusal) => Err(refusal),
    };
    assert_eq!(verdict(&[("authorization", &bearer)]), Ok(()));
    assert_eq!(verdict(&[("authorization", &bearer), (CSP_AUTH_TOKEN, &token)]), Ok(()));
    assert_eq!(verdict(&[("authorization", "Negotiate x"), (CSP_AUTH_TOKEN, &token)]), Ok(()));
    for (sent, expected) in [
        (&[("authorization", &*bearer), (CSP_AUTH_TOKEN, &*second)][..], Refusal::Doubled),
        (&[("authorization", &bearer), (CSP_AUTH_TOKEN, "")], Refusal::Malformed),
        (&[(CSP_AUTH_TOKEN, " ")], Refusal::Malformed),
        (&[("authorization", "Basic eDp5")], Refusal::OtherScheme),
        (&[("x-api-key", "sgw_a-key")], Refusal::Missing),
        (&[(CSP_AUTH_TOKEN, "sgw_a-key")], Refusal::ForeignToken),
        (&[], Refusal::Missing),
    ] {
        assert_eq!(verdict(sent), Err(expected), "{expected:?}");
    }
    let mut twice = fields(&[(CSP_AUTH_TOKEN, &token)]);
    twice.append(CSP_AUTH_TOKEN, HeaderValue::from_str(&token).unwrap());
    assert!(matches!(tokens.identify(&policy, &twice), Identity::Refused(Refusal::Doubled)));
}
