//! What is kept from one request to the next: keys, and tokens that were verified with them.

use super::*;

fn remembered(oidc: &Oidc) -> u64 {
    oidc.0.verified.run_pending_tasks();
    oidc.0.verified.entry_count()
}

#[test]
fn a_verified_token_is_remembered_and_a_bad_one_is_not() {
    let signer = Signer::new("k", "ES256");
    let oidc = trusting(&signer);
    let token = signer.token(&claims());
    let first = oidc.verify(&token, now()).unwrap();
    let second = oidc.verify(&token, now()).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    let thief = Signer::new("k", "ES256");
    for bad in [
        thief.token(&claims()),
        signer.token(&with(claims(), "aud", json!("other"))),
        signer.token(&with(claims(), "exp", json!(NOW - 60))),
        signer.token(&with(claims(), "nbf", json!(NOW + 60))),
    ] {
        assert!(fault(&oidc, &bad).is_some());
    }
    assert_eq!(remembered(&oidc), 1);
    let late = now() + Duration::from_secs(400);
    assert_eq!(oidc.verify(&token, late).unwrap_err(), JwtFault::Expired);
    assert_eq!(remembered(&oidc), 0, "what has expired is forgotten");
}

#[test]
fn what_is_remembered_is_bounded() {
    let signer = Signer::new("k", "EdDSA");
    let oidc = trusting(&signer);
    for number in 0..10_500 {
        let weight = MIN_WEIGHT;
        let verified = Verified {
            claims: Arc::new(Claims::read(claims().as_object().unwrap().clone()).unwrap()),
            generation: 1,
            weight,
        };
        oidc.0.verified.insert(Sha256::digest(i32::to_be_bytes(number)).into(), verified);
    }
    assert!((9_000..=10_240).contains(&remembered(&oidc)), "{}", remembered(&oidc));
}

#[test]
fn a_token_weighs_what_its_claims_take() {
    let weight = |more: Value| {
        let claims = with(claims(), "more", more);
        Claims::read(claims.as_object().unwrap().clone()).unwrap().bytes()
    };
    let usual = weight(json!("x"));
    assert!(usual < MIN_WEIGHT as usize, "{usual}");
    assert_eq!(weight(json!("x".repeat(5_001))), usual + 5_000);
    assert!(weight(json!(vec![""; 1_000])) > usual + 16_000);
}

#[test]
fn with_new_keys_a_token_is_verified_anew() {
    let (old, new) = (Signer::new("old", "ES256"), Signer::new("new", "ES256"));
    let oidc = oidc(&[old.jwk()]);
    let token = old.token(&claims());
    let first = oidc.verify(&token, now()).unwrap();
    oidc.take_file(&set(&[old.jwk()])).unwrap();
    assert!(Arc::ptr_eq(&first, &oidc.verify(&token, now()).unwrap()), "the same set again");
    oidc.take_file(&set(&[old.jwk(), new.jwk()])).unwrap();
    let second = oidc.verify(&token, now()).unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    oidc.take_file(&set(&[new.jwk()])).unwrap();
    assert_eq!(fault(&oidc, &token), Some(JwtFault::UnknownKey), "its key was withdrawn");
    oidc.take_file(&set(&[old.jwk()])).unwrap();
    assert_eq!(fault(&oidc, &token), None);
}

#[test]
fn a_bad_set_keeps_the_keys_and_is_told() {
    let signer = Signer::new("k", "ES256");
    let oidc = trusting(&signer);
    for (bad, reason) in [
        (b"<html>".to_vec(), "no JWK set"),
        (set(&[]), "no usable key"),
        (set(&vec![signer.jwk(); 101]), "more than 100 keys"),
        (vec![b' '; 1024 * 1024 + 1], "more than 1 MiB"),
    ] {
        oidc.0.clock.advance(Duration::from_secs(7));
        assert_eq!(oidc.take_file(&bad), Err(reason));
        let status = oidc.status();
        assert_eq!((status.keys, status.error), (1, Some(reason)));
        assert_eq!(fault(&oidc, &signer.token(&claims())), None);
    }
    assert_eq!(oidc.status().age, Some(Duration::from_secs(28)));
    oidc.take_file(&set(&[signer.jwk()])).unwrap();
    let expected = OidcStatus { keys: 1, age: Some(Duration::ZERO), error: None, why: None };
    assert_eq!(oidc.status(), expected);
}

#[test]
fn without_keys_a_well_formed_token_is_refused_for_that() {
    let signer = Signer::new("k", "ES256");
    let oidc = without_keys();
    assert_eq!(fault(&oidc, &signer.token(&claims())), Some(JwtFault::NoKeys));
    assert_eq!(fault(&oidc, "a.b.c"), Some(JwtFault::Malformed));
    assert_eq!(oidc.status(), OidcStatus { keys: 0, age: None, error: None, why: None });
    assert!(oidc.take_file(b"odd").is_err());
    assert_eq!(fault(&oidc, &signer.token(&claims())), Some(JwtFault::NoKeys));
}

#[test]
fn fetches_come_every_five_minutes_and_sooner_after_failures() {
    for (failures, longest) in
        [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 32), (7, 60), (8, 60), (u32::MAX, 60)]
    {
        let longest = Duration::from_secs(longest);
        let pause = pause(failures);
        assert!(pause >= longest / 2 && pause <= longest, "{failures}: {pause:?}");
    }
    assert!((270..=330).contains(&pause(0).as_secs()));
}

#[test]
fn a_file_of_keys_is_read_at_start() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("jwks.json");
    let start = || {
        let settings = Settings {
            issuer: ISSUER.into(),
            audience: Some(AUDIENCE.into()),
            client_ids: Vec::new(),
            keys: KeysFrom::File(LoadedFile::read(&path).unwrap()),
            ca_file: None,
        };
        Oidc::new(
            settings,
            &Proxies::default(),
            Clock::manual(now()),
            Metrics::new(),
            BackgroundJobs::new(Metrics::new()),
        )
    };
    std::fs::write(&path, "{}").unwrap();
    let told = start().unwrap_err().to_string();
    assert_eq!(told, "access.oidc.jwks_file cannot be used: no JWK set");
    let signer = Signer::new("k", "ES256");
    std::fs::write(&path, set(&[signer.jwk()])).unwrap();
    assert_eq!(fault(&start().unwrap(), &signer.token(&claims())), None);
}
