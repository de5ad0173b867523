//! Which keys of a set are used, and for which tokens.

use super::*;

/// Whether a key is of use.
fn takes(jwk: &Value) -> bool {
    match jwks::KeySet::read(&set(std::slice::from_ref(jwk))) {
        Ok(_) => true,
        Err(fault) => {
            assert_eq!(fault.reason, jwks::NO_USABLE_KEY);
            false
        }
    }
}

#[test]
fn a_keys_own_alg_use_and_key_ops_are_honoured() {
    let signer = Signer::new("k", "RS256");
    for (name, value, good) in [
        ("use", json!("sig"), true),
        ("use", json!("jwt-svid"), true),
        ("use", json!("enc"), false),
        ("use", json!("other"), false),
        ("use", json!(7), false),
        ("key_ops", json!(["verify"]), true),
        ("key_ops", json!(["sign", "verify"]), true),
        ("key_ops", json!(["sign"]), false),
        ("key_ops", json!([]), false),
        ("alg", json!("RS256"), true),
        ("alg", json!("PS512"), true),
        ("alg", json!("RSA-OAEP"), false),
        ("alg", json!("HS256"), false),
        ("alg", json!("ES256"), false),
        ("alg", json!("none"), false),
        ("kid", json!(7), false),
        ("d", json!("AQAB"), false),
        ("x5c", json!(["odd"]), true),
    ] {
        assert_eq!(takes(&with(signer.jwk(), name, value.clone())), good, "{name} {value}");
    }
    for name in ["use", "kid", "alg"] {
        assert!(takes(&without(signer.jwk(), name)), "{name} is not needed");
    }
    let oidc = oidc(&[with(signer.jwk(), "alg", json!("RS256"))]);
    assert_eq!(fault(&oidc, &signer.token(&claims())), None);
    let other = Signer::new("k", "PS256");
    assert_eq!(fault(&oidc, &other.token(&claims())), Some(JwtFault::Algorithm));
}

#[test]
fn a_key_must_be_of_a_known_type_and_whole() {
    for alg in ALGORITHMS {
        let signer = Signer::new("k", alg);
        assert!(takes(&signer.jwk()));
        for (name, value) in [
            ("kty", json!("oct")),
            ("kty", json!("AKP")),
            ("kty", json!("")),
            ("kty", json!(null)),
            ("kty", json!(if signer.jwk()["kty"] == "EC" { "OKP" } else { "EC" })),
        ] {
            assert!(!takes(&with(signer.jwk(), name, value.clone())), "{alg} {name} {value}");
        }
        for name in ["n", "e", "x", "y", "crv"] {
            if signer.jwk().get(name).is_none() {
                continue;
            }
            assert!(!takes(&without(signer.jwk(), name)), "{alg} without {name}");
            for odd in [json!(""), json!("*"), json!("AA"), json!(7), json!("P-521")] {
                assert!(!takes(&with(signer.jwk(), name, odd.clone())), "{alg} {name} {odd}");
            }
        }
    }
    let p256 = Signer::new("k", "ES256").jwk();
    assert!(!takes(&with(p256, "crv", json!("P-384"))), "a coordinate has the curve's length");
}

#[test]
fn an_rsa_key_has_2048_to_8192_bits() {
    let modulus = |bits: usize| {
        let mut bytes = vec![0xff; bits.div_ceil(8)];
        bytes[0] >>= bits.div_ceil(8) * 8 - bits;
        base64url(bytes)
    };
    let jwk = |bits: usize| json!({ "kty": "RSA", "n": modulus(bits), "e": "AQAB" });
    for (bits, good) in
        [(512, false), (1024, false), (2047, false), (2048, true), (8192, true), (8193, false)]
    {
        assert_eq!(takes(&jwk(bits)), good, "{bits}");
    }
    let padded = base64url([&[0; 129][..], &[0xff; 128]].concat());
    assert!(
        !takes(&json!({ "kty": "RSA", "n": padded, "e": "AQAB" })),
        "leading zeros are no bits"
    );
    for (exponent, good) in [(&[3][..], true), (&[1], false), (&[2], false), (&[0], false)] {
        assert_eq!(takes(&with(jwk(2048), "e", json!(base64url(exponent)))), good, "{exponent:?}");
    }
}

#[test]
fn a_leading_zero_of_a_modulus_does_no_harm() {
    let signer = Signer::new("k", "RS256");
    let number = base64::Engine::decode(
        &base64::prelude::BASE64_URL_SAFE_NO_PAD,
        signer.jwk()["n"].as_str().unwrap(),
    );
    let padded = base64url([&[0][..], &number.unwrap()].concat());
    let oidc = oidc(&[with(signer.jwk(), "n", json!(padded))]);
    assert_eq!(fault(&oidc, &signer.token(&claims())), None);
}

#[test]
fn keys_of_no_use_are_skipped_and_a_set_of_nothing_else_is_refused() {
    let signer = Signer::new("k", "ES256");
    let odd = [json!({}), json!(null), json!(7), json!({ "kty": "AKP" }), json!({ "kty": "oct" })];
    let mixed = oidc(&[&odd[..], &[signer.jwk()]].concat());
    assert_eq!(mixed.status().keys, 1);
    assert_eq!(fault(&mixed, &signer.token(&claims())), None);
    let told = check_keys(&set(&odd)).unwrap_err();
    assert_eq!(
        told,
        "no usable key: 3 that cannot be read as a JWK, 1 secret or with its private half, 1 of a \
         type or curve that is not supported (kty, crv)"
    );
    assert_eq!(check_keys(&set(&[])).unwrap_err(), "no usable key: the set is empty");
}

#[test]
fn a_document_that_is_no_set_or_too_large_a_one_is_refused() {
    for odd in ["", "<html></html>", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[}", "null", "\u{0}"] {
        assert_eq!(check_keys(odd.as_bytes()), Err("no JWK set".into()), "{odd}");
    }
    let jwk = Signer::new("k", "EdDSA").jwk();
    assert_eq!(check_keys(&set(&vec![jwk.clone(); 100])), Ok(()));
    assert_eq!(check_keys(&set(&vec![jwk.clone(); 101])), Err("more than 100 keys".into()));
    let mut large = set(&[jwk]);
    large.resize(1024 * 1024, b' ');
    assert_eq!(check_keys(&large), Ok(()));
    large.push(b' ');
    assert_eq!(check_keys(&large), Err("more than 1 MiB".into()));
    let deep = format!("{{\"keys\":[{}{}]}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(check_keys(deep.as_bytes()).is_err());
}

#[test]
fn two_keys_of_one_kid_are_both_tried_if_their_type_suits() {
    let (one, other) = (Signer::new("k", "ES256"), Signer::new("k", "ES256"));
    let (rsa, stranger) = (Signer::new("k", "RS256"), Signer::new("k", "ES256"));
    let oidc = oidc(&[rsa.jwk(), one.jwk(), other.jwk()]);
    for signer in [&one, &other, &rsa] {
        assert_eq!(fault(&oidc, &signer.token(&claims())), None);
    }
    assert_eq!(fault(&oidc, &stranger.token(&claims())), Some(JwtFault::Signature));
    let ed = Signer::new("k", "EdDSA");
    assert_eq!(fault(&oidc, &ed.token(&claims())), Some(JwtFault::Algorithm));
}

#[test]
fn a_token_without_kid_is_tried_with_every_key_that_suits_and_so_is_a_key_without() {
    let (ec, rsa) = (Signer::new("ec", "ES256"), Signer::new("rsa", "RS256"));
    let bare = |signer: &Signer| signer.sign(&without(signer.header(), "kid"), &claims());
    let two_kinds = oidc(&[ec.jwk(), rsa.jwk()]);
    assert_eq!(fault(&two_kinds, &bare(&ec)), None);
    assert_eq!(fault(&two_kinds, &bare(&rsa)), None);
    let ed = Signer::new("ed", "EdDSA");
    assert_eq!(fault(&two_kinds, &bare(&ed)), Some(JwtFault::UnknownKey));
    let other = Signer::new("other", "ES256");
    let two_alike = oidc(&[ec.jwk(), without(other.jwk(), "kid")]);
    assert_eq!(fault(&two_alike, &bare(&ec)), None);
    assert_eq!(fault(&two_alike, &bare(&other)), None);
    assert_eq!(fault(&two_alike, &ec.token(&claims())), None);
    assert_eq!(fault(&two_alike, &other.token(&claims())), None);
    assert_eq!(fault(&two_alike, &bare(&Signer::new("x", "ES256"))), Some(JwtFault::Signature));
    let unnamed = oidc(&[without(ec.jwk(), "kid")]);
    assert_eq!(fault(&unnamed, &ec.token(&claims())), None);
    assert_eq!(fault(&unnamed, &ed.token(&claims())), Some(JwtFault::UnknownKey));
}

#[test]
fn ed25519_is_eddsa_by_another_name() {
    let signer = Signer::new("k", "EdDSA");
    for name in ["EdDSA", "Ed25519"] {
        let token = signer.sign(&with(signer.header(), "alg", json!(name)), &claims());
        for of_key in [json!("EdDSA"), json!("Ed25519"), json!(null)] {
            let oidc = oidc(&[with(signer.jwk(), "alg", of_key.clone())]);
            assert_eq!(fault(&oidc, &token), None, "{name} by a key for {of_key}");
        }
    }
}
