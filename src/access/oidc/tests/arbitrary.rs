//! Whatever is sent as a token.

use proptest::prelude::*;

use super::*;

/// A token and the verifier that takes it.
fn fixture() -> &'static (Oidc, String, String) {
    static FIXTURE: std::sync::OnceLock<(Oidc, String, String)> = std::sync::OnceLock::new();
    FIXTURE.get_or_init(|| {
        let (ec, rsa) = (Signer::new("ec", "ES256"), Signer::new("rsa", "RS256"));
        let oidc = oidc(&[ec.jwk(), rsa.jwk()]);
        (oidc, ec.token(&claims()), rsa.token(&claims()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_token_that_was_changed_is_never_taken(
        rsa in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..3, any::<char>()), 1..4),
    ) {
        let (oidc, ec_token, rsa_token) = fixture();
        let original = if rsa { rsa_token } else { ec_token };
        let mut changed: Vec<char> = original.chars().collect();
        for (at, how, letter) in changes {
            let letter = if how == 2 { char::from(b"Aa0_-.="[at.index(7)]) } else { letter };
            let at = at.index(changed.len());
            match how {
                0 => { changed.remove(at); }
                1 => changed.insert(at, letter),
                _ => changed[at] = letter,
            }
        }
        let changed: String = changed.into_iter().collect();
        prop_assume!(changed != *original);
        prop_assert!(oidc.verify(&changed, now()).is_err());
        prop_assert!(oidc.verify(original, now()).is_ok());
    }

    #[test]
    fn no_bytes_make_verifying_panic(
        bytes in any::<Vec<u8>>(),
        parts in prop::collection::vec("[A-Za-z0-9_-]{0,40}", 0..6),
        header in any::<String>(),
        payload in any::<String>(),
    ) {
        let (oidc, ..) = fixture();
        let _ = Oidc::looks_like_jwt(&bytes);
        let dots = parts.join(".");
        let texts = format!("{}.{}.AA", base64url(&header), base64url(&payload));
        let odd = String::from_utf8_lossy(&bytes);
        for token in [&*odd, &dots, &header, &texts] {
            prop_assert!(oidc.verify(token, now()).is_err());
        }
        let _ = oidc.take_file(&bytes);
        let _ = oidc.take_file(payload.as_bytes());
    }

    #[test]
    fn no_well_signed_claims_make_reading_panic(
        exp in any::<f64>(),
        nbf in any::<i64>(),
        name in any::<String>(),
        seconds in any::<i32>(),
    ) {
        let signer = Signer::new("k", "EdDSA");
        let mut odd = with(with(claims(), "exp", json!(exp)), "nbf", json!(nbf));
        odd[&name] = json!([name]);
        let at = Timestamp::from_second(i64::from(seconds)).unwrap();
        let _ = trusting(&signer).verify(&signer.token(&odd), at);
    }
}
