//! One token, one verdict.

use super::*;

#[test]
fn a_token_of_every_algorithm_is_taken() {
    for alg in ALGORITHMS {
        let signer = Signer::new("k", alg);
        let oidc = trusting(&signer);
        let claims = oidc.verify(&signer.token(&claims()), now()).unwrap();
        assert!(claims.matches("sub", &"billing".into()), "{alg}");
        assert_eq!(claims.expires_at().as_second(), NOW + 330);
    }
}

#[test]
fn no_key_verifies_a_token_of_another_algorithm() {
    let signers: Vec<_> = ALGORITHMS.iter().map(|alg| Signer::new("k", alg)).collect();
    for signer in &signers {
        let oidc = trusting(signer);
        for alg in ALGORITHMS.iter().filter(|alg| **alg != signer.alg) {
            let token = signer.sign(&with(signer.header(), "alg", json!(alg)), &claims());
            let rsa = |alg: &str| matches!(&alg[..2], "RS" | "PS");
            // An RSA key is for all of its algorithms unless it says otherwise.
            let expected =
                if rsa(alg) && rsa(signer.alg) { JwtFault::Signature } else { JwtFault::Algorithm };
            assert_eq!(fault(&oidc, &token), Some(expected), "{alg} by {}", signer.alg);
        }
    }
}

/// The public key's own bytes, which an attacker uses as a shared secret.
fn public_bytes(signer: &Signer) -> Vec<u8> {
    let jwk = signer.jwk();
    let member = |name| {
        let text = jwk.get(name).and_then(Value::as_str).unwrap_or_default();
        base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, text).unwrap()
    };
    ["n", "x", "y"].map(member).concat()
}

#[test]
fn unsigned_tokens_and_shared_secrets_are_refused() {
    for alg in ["RS256", "ES256", "EdDSA"] {
        let signer = Signer::new("k", alg);
        let oidc = trusting(&signer);
        for none in ["none", "None", "NONE", "nOnE", "", "HS256 ", "ES512", "ES256K", "Ed448"] {
            let header = with(signer.header(), "alg", json!(none));
            let (header, payload) =
                (base64url(header.to_string()), base64url(claims().to_string()));
            for signature in ["", "AA"] {
                let token = format!("{header}.{payload}.{signature}");
                assert_eq!(fault(&oidc, &token), Some(JwtFault::Algorithm), "{none}");
            }
        }
        for (name, algorithm) in [
            ("HS256", hmac::HMAC_SHA256),
            ("HS384", hmac::HMAC_SHA384),
            ("HS512", hmac::HMAC_SHA512),
        ] {
            for secret in [public_bytes(&signer), signer.jwk().to_string().into_bytes()] {
                let header = with(signer.header(), "alg", json!(name));
                let message = format!(
                    "{}.{}",
                    base64url(header.to_string()),
                    base64url(claims().to_string()),
                );
                let tag = hmac::sign(&hmac::Key::new(algorithm, &secret), message.as_bytes());
                let token = format!("{message}.{}", base64url(tag));
                assert_eq!(fault(&oidc, &token), Some(JwtFault::Algorithm), "{name}");
            }
        }
    }
}

#[test]
fn a_token_by_another_key_is_refused_before_its_claims_are_judged() {
    let (signer, thief) = (Signer::new("k", "ES256"), Signer::new("k", "ES256"));
    let oidc = trusting(&signer);
    assert_eq!(fault(&oidc, &thief.token(&claims())), Some(JwtFault::Signature));
    let odd = json!({ "exp": 0 });
    assert_eq!(fault(&oidc, &thief.token(&odd)), Some(JwtFault::Signature));
    let stranger = Signer::new("another", "ES256");
    assert_eq!(fault(&oidc, &stranger.token(&odd)), Some(JwtFault::UnknownKey));
    let (good, other) = (signer.token(&claims()), signer.token(&with(claims(), "sub", json!("x"))));
    let (message, _) = good.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    assert_eq!(fault(&oidc, &format!("{message}.{signature}")), Some(JwtFault::Signature));
}

#[test]
fn the_sender_does_not_choose_the_key() {
    let thief = Signer::new("k", "ES256");
    let signer = Signer::new("k", "ES256");
    let oidc = trusting(&signer);
    for (name, value) in [
        ("jku", json!("https://evil.example/jwks")),
        ("x5u", json!("https://evil.example/cert")),
        ("jwk", thief.jwk()),
        ("jwk", json!(null)),
        ("crit", json!(["b64"])),
        ("crit", json!([])),
    ] {
        for by in [&signer, &thief] {
            let token = by.sign(&with(by.header(), name, value.clone()), &claims());
            assert_eq!(fault(&oidc, &token), Some(JwtFault::Header), "{name}");
        }
    }
}

#[test]
fn a_typ_is_that_of_a_jwt_or_an_access_token() {
    let signer = Signer::new("k", "EdDSA");
    let oidc = trusting(&signer);
    let judge =
        |typ: Value| fault(&oidc, &signer.sign(&with(signer.header(), "typ", typ), &claims()));
    for good in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "application/JWT"] {
        assert_eq!(judge(json!(good)), None, "{good}");
    }
    for other in ["logout+jwt", "secevent+jwt", "token-introspection+jwt", "JOSE", "", "text/jwt"] {
        assert_eq!(judge(json!(other)), Some(JwtFault::Header), "{other}");
    }
    assert_eq!(judge(json!(null)), Some(JwtFault::Malformed));
    assert_eq!(fault(&oidc, &signer.sign(&without(signer.header(), "typ"), &claims())), None);
}

#[test]
fn issuer_and_audience_are_exact() {
    let signer = Signer::new("k", "EdDSA");
    let oidc = trusting(&signer);
    let judge = |claims: Value| fault(&oidc, &signer.token(&claims));
    for odd in [
        json!("https://login.example.com/"),
        json!("HTTPS://login.example.com"),
        json!([ISSUER]),
        json!(""),
        json!(null),
        json!(7),
        json!({ ISSUER: ISSUER }),
    ] {
        assert_eq!(judge(with(claims(), "iss", odd.clone())), Some(JwtFault::Issuer), "{odd}");
    }
    assert_eq!(judge(without(claims(), "iss")), Some(JwtFault::Issuer));
    for good in [json!(AUDIENCE), json!([AUDIENCE]), json!(["other", AUDIENCE])] {
        assert_eq!(judge(with(claims(), "aud", good.clone())), None, "{good}");
    }
    for odd in [
        json!("other"),
        json!("sddc-gateway "),
        json!("SDDC-gateway"),
        json!([]),
        json!(["other"]),
        json!([[AUDIENCE]]),
        json!([AUDIENCE, 1]),
        json!({ AUDIENCE: true }),
        json!(true),
        json!(null),
    ] {
        assert_eq!(judge(with(claims(), "aud", odd.clone())), Some(JwtFault::Audience), "{odd}");
    }
    assert_eq!(judge(without(claims(), "aud")), Some(JwtFault::Audience));
}

#[test]
fn the_client_is_the_first_claim_that_names_one_and_the_audience_holds_beside_it() {
    let signer = Signer::new("k", "EdDSA");
    let of = |audience: Option<&str>| {
        let settings = Settings {
            audience: audience.map(Into::into),
            client_ids: vec!["good".into(), "better".into()],
            ..settings()
        };
        let oidc = of_settings(settings);
        oidc.take_file(&set(&[signer.jwk()])).unwrap();
        oidc
    };
    let (by_client, by_both) = (of(None), of(Some(AUDIENCE)));
    let judge = |oidc: &Oidc, claims: Value| fault(oidc, &signer.token(&claims));
    for (members, verdict) in [
        (json!({ "client_id": "good" }), None),
        (json!({ "azp": "better", "appid": "bad" }), None),
        (json!({ "appid": "good", "cid": "bad" }), None),
        (json!({ "cid": "good" }), None),
        (json!({ "client_id": "bad", "azp": "good" }), Some(JwtFault::Client)),
        (json!({ "client_id": null, "azp": "good" }), Some(JwtFault::Client)),
        (json!({ "client_id": ["good"] }), Some(JwtFault::Client)),
        (json!({ "azp": "Good" }), Some(JwtFault::Client)),
        (json!({}), Some(JwtFault::Client)),
    ] {
        let mut all = claims();
        all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        assert_eq!(judge(&by_both, all.clone()), verdict, "{members}");
        assert_eq!(judge(&by_client, without(all.clone(), "aud")), verdict, "{members}");
        assert_eq!(judge(&by_client, with(all.clone(), "aud", json!("other"))), verdict);
        assert_eq!(judge(&by_both, without(all, "aud")), Some(JwtFault::Audience), "{members}");
    }
}

#[test]
fn times_hold_with_a_leeway_of_thirty_seconds() {
    let signer = Signer::new("k", "EdDSA");
    let oidc = trusting(&signer);
    let token = signer.token(&with(claims(), "nbf", json!(NOW)));
    let at = |second: i64, nanosecond: i32| {
        oidc.verify(&token, Timestamp::new(second, nanosecond).unwrap()).err()
    };
    assert_eq!(at(NOW - 31, 999_999_999), Some(JwtFault::NotYetValid));
    assert_eq!(at(NOW - 30, 0), None);
    assert_eq!(at(NOW + 329, 999_999_999), None);
    assert_eq!(at(NOW + 330, 0), Some(JwtFault::Expired));
    // Remembered now, and judged again at each use.
    assert_eq!(at(NOW, 0), None);
    assert_eq!(at(NOW - 31, 0), Some(JwtFault::NotYetValid));
    assert_eq!(at(NOW + 330, 0), Some(JwtFault::Expired));
}

#[test]
fn times_are_numbers_of_any_size() {
    let signer = Signer::new("k", "EdDSA");
    let oidc = trusting(&signer);
    let judge = |name: &str, value: &str| {
        let text = claims().to_string().replace(&format!(",\"exp\":{}", NOW + 300), "");
        let other = if name == "exp" { "" } else { ",\"exp\":1e300" };
        let text = format!("{},\"{name}\":{value}{other}}}", text.trim_end_matches('}'));
        fault(&oidc, &signer.sign_text(&signer.header().to_string(), &text))
    };
    let (past, soon) = (format!("{}.5", NOW - 31), format!("{}.5", NOW - 30));
    for (exp, expected) in [
        ("1795824001", None),
        (&*soon, None),
        (&*past, Some(JwtFault::Expired)),
        ("1.795824001e9", None),
        ("9223372036854775807", None),
        ("18446744073709551615", None),
        ("99999999999999999999999", None),
        ("1e308", None),
        ("0", Some(JwtFault::Expired)),
        ("-0.0", Some(JwtFault::Expired)),
        ("-9223372036854775808", Some(JwtFault::Expired)),
        ("-1e308", Some(JwtFault::Expired)),
        ("1e309", Some(JwtFault::Malformed)),
        ("\"1795824001\"", Some(JwtFault::Lifetime)),
        ("null", Some(JwtFault::Lifetime)),
        ("true", Some(JwtFault::Lifetime)),
        ("[1795824001]", Some(JwtFault::Lifetime)),
        ("NaN", Some(JwtFault::Malformed)),
    ] {
        assert_eq!(judge("exp", exp), expected, "{exp}");
    }
    for (nbf, expected) in [
        ("1795824030", None),
        ("1795824030.5", Some(JwtFault::NotYetValid)),
        ("1e308", Some(JwtFault::NotYetValid)),
        ("-1e308", None),
        ("\"0\"", Some(JwtFault::Lifetime)),
        ("null", Some(JwtFault::Lifetime)),
    ] {
        assert_eq!(judge("nbf", nbf), expected, "{nbf}");
    }
    assert_eq!(fault(&oidc, &signer.token(&without(claims(), "exp"))), Some(JwtFault::Lifetime));
}

#[test]
fn what_is_no_jwt_is_malformed() {
    let signer = Signer::new("k", "ES256");
    let oidc = trusting(&signer);
    let good = signer.token(&claims());
    let parts: Vec<_> = good.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    for odd in [
        String::new(),
        ".".into(),
        "..".into(),
        header.into(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!(".{payload}.{signature}"),
        format!("{good}."),
        format!("{good}.{signature}"),
        format!("{good}.a.b"),
        format!("{good}="),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}.{signature} "),
        format!(" {good}"),
        format!("{header}.{payload}.{signature}ü"),
        format!("ü{good}"),
        format!("{header}\n.{payload}.{signature}"),
        format!("{header}.{payload}.{}+", &signature[1..]),
    ] {
        assert_eq!(fault(&oidc, &odd), Some(JwtFault::Malformed), "{odd:?}");
    }
    assert_eq!(fault(&oidc, &format!("{header}..{signature}")), Some(JwtFault::Signature));
}

#[test]
fn well_signed_nonsense_is_malformed() {
    let signer = Signer::new("k", "ES256");
    let oidc = trusting(&signer);
    let (header, payload) = (signer.header().to_string(), claims().to_string());
    for odd in [
        "[]",
        "\"ES256\"",
        "null",
        "{}",
        "{",
        "{}{}",
        r#"{"alg":7}"#,
        r#"{"alg":null}"#,
        r#"{"alg":"ES256","kid":7}"#,
        r#"{"alg":"ES256","kid":null}"#,
        r#"{"alg":"ES256","kid":"k","kid":"k"}"#,
        r#"{"alg":"none","alg":"ES256","kid":"k"}"#,
        r#"{"alg":"ES256","\u0061lg":"ES256","kid":"k"}"#,
        "\u{feff}{\"alg\":\"ES256\"}",
    ] {
        let token = signer.sign_text(odd, &payload);
        assert_eq!(fault(&oidc, &token), Some(JwtFault::Malformed), "{odd}");
    }
    let twice = |name: &str| format!("{},\"{name}\":\"x\"}}", payload.trim_end_matches('}'));
    for odd in ["[]", "7", "", "{\"iss\":", &twice("iss"), &twice("exp"), &twice("sub")] {
        let token = signer.sign_text(&header, odd);
        assert_eq!(fault(&oidc, &token), Some(JwtFault::Malformed), "{odd}");
    }
    let not_base64 = signer.sign_parts(&base64url(&header), "ä");
    assert_eq!(fault(&oidc, &not_base64), Some(JwtFault::Malformed));
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(2000), "]".repeat(2000));
    assert_eq!(fault(&oidc, &signer.sign_text(&header, &deep)), Some(JwtFault::Malformed));
}

#[test]
fn a_long_token_is_refused_however_good() {
    let signer = Signer::new("k", "EdDSA");
    let oidc = trusting(&signer);
    let padded = |bytes: usize| signer.token(&with(claims(), "pad", json!("x".repeat(bytes))));
    assert_eq!(fault(&oidc, &padded(11_000)), None);
    for bytes in [13_000, 100_000] {
        assert_eq!(fault(&oidc, &padded(bytes)), Some(JwtFault::TooLong));
    }
    assert_eq!(fault(&oidc, &"a".repeat(16 * 1024)), Some(JwtFault::Malformed));
    assert_eq!(fault(&oidc, &"a".repeat(16 * 1024 + 1)), Some(JwtFault::TooLong));
}

#[test]
fn claims_match_as_text_or_as_one_of_several() {
    let signer = Signer::new("k", "EdDSA");
    let mut all = claims();
    for (name, value) in [
        ("groups", json!(["ops", "billing"])),
        ("mixed", json!(["ops", 1])),
        ("number", json!(1)),
        ("flag", json!(true)),
        ("object", json!({ "ops": "ops" })),
        ("nothing", json!(null)),
        ("empty", json!("")),
        ("nested", json!([["ops"]])),
        ("scope", json!("openid  read")),
        ("scp", json!(["a", "b"])),
        ("text", json!("a b")),
    ] {
        all = with(all, name, value);
    }
    let claims = trusting(&signer).verify(&signer.token(&all), now()).unwrap();
    for (claim, value) in [
        ("sub", "billing"),
        ("iss", ISSUER),
        ("groups", "ops"),
        ("groups", "billing"),
        ("mixed", "ops"),
        ("scope", "read"),
        ("scp", "b"),
        ("empty", ""),
    ] {
        assert!(claims.matches(claim, &value.into()), "{claim} {value}");
    }
    for (claim, value) in [
        ("sub", "Billing"),
        ("sub", "bill"),
        ("groups", "op"),
        ("groups", "ops,billing"),
        ("groups", ""),
        ("number", "1"),
        ("flag", "true"),
        ("object", "ops"),
        ("nothing", "null"),
        ("nothing", ""),
        ("nested", "ops"),
        ("missing", ""),
        ("missing", "*"),
        ("scope", "openid  read"),
        ("text", "a"),
        ("exp", "1795824300"),
    ] {
        assert!(!claims.matches(claim, &value.into()), "{claim} {value}");
    }
}

#[test]
fn nothing_of_a_token_is_printed() {
    let signer = Signer::new("k", "EdDSA");
    let oidc = trusting(&signer);
    let token = signer.token(&with(claims(), "sub", json!("CANARY")));
    let claims = oidc.verify(&token, now()).unwrap();
    assert_eq!(format!("{claims:?} {claims:#?}"), "Claims(…) Claims(…)");
    assert!(!format!("{oidc:?}").contains("CANARY"));
    assert!(!format!("{oidc:?}").contains(&token));
}

#[test]
fn faults_have_names_and_wordings_of_their_own() {
    for (at, fault) in JwtFault::ALL.iter().enumerate() {
        let is_ours = matches!(fault, JwtFault::Unavailable { .. });
        assert_eq!(fault.as_str().starts_with("jwt_"), !is_ours, "{fault:?}");
        for other in &JwtFault::ALL[at + 1..] {
            assert_ne!(fault.as_str(), other.as_str());
            assert_ne!(fault.to_string(), other.to_string());
        }
    }
}

#[test]
fn a_jwt_is_told_by_its_form() {
    for good in ["a.b.c", "eyJ_-.e30.AA", "a.b."] {
        assert!(Oidc::looks_like_jwt(good.as_bytes()), "{good}");
    }
    for other in [
        "", ".", "..", "a.b", ".b.c", ".b.", "a..c", "a.b.c.d", "a.b.c.", "a.b.c=", "a.b c.d",
        "ä.b.c", "sgw_abc",
    ] {
        assert!(!Oidc::looks_like_jwt(other.as_bytes()), "{other}");
    }
}
