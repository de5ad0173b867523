//! `check`: each step, and what to do about one that fails.

use serde_json::json;
use tempfile::TempDir;

use super::run::{Cloud, SECRET, dead_address, file, gateway, new_key};

#[test]
fn check_says_what_the_credentials_are_good_for() {
    let cloud = Cloud::start(&[]);
    let key = new_key("billing");
    let ended = gateway(&["check"])
        .of(&cloud)
        .with_secret(SECRET)
        .with("SDDC_GATEWAY_ACCESS__KEYS", key.variable)
        .run();
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
    for line in [
        "ok    configuration",
        "CALLER   SCOPES     KNOWN BY      SEES        RATE      UNTIL",
        "billing  sddc:read  key ",
        "ok    token of the app's own organization, good for 1800 s",
        "      organization  ",
        "      permission    csp:org_member",
        "warn  external/vmc-service-definition-id/nsx:cloud_admin can do more than read",
        "ok    1 organization(s)",
    ] {
        assert!(ended.stdout.contains(line), "{line} is not in\n{}", ended.stdout);
    }
    assert!(!ended.stdout.contains("FAIL"));
    assert!(!ended.stdout.contains("Q0FOQVJZLXRva2VuL") && !ended.stdout.contains(SECRET));
}

#[test]
fn check_names_the_setting_that_is_wrong() {
    let cloud = Cloud::start(&[]);
    let wrong = gateway(&["check"]).of(&cloud).with_secret("CANARY-wrong").run();
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.stdout.contains("FAIL  token of"), "{}", wrong.stdout);
    assert!(wrong.stdout.contains("csp.client_secret"), "{}", wrong.stdout);
    assert!(!wrong.stdout.contains("CANARY") && !wrong.stderr.contains("CANARY"));

    let nowhere = format!("http://{}", dead_address());
    let to_nowhere = |arguments: &[&str]| {
        gateway(arguments).of(&cloud).with_secret(SECRET).with("SDDC_GATEWAY_CSP__URL", &nowhere)
    };
    let dead = to_nowhere(&["check"]).run();
    assert_eq!(dead.code, Some(1), "{dead:?}");
    assert!(dead.stdout.contains("FAIL  token of"), "{}", dead.stdout);
    assert!(dead.stdout.contains(&format!("check csp.url ({nowhere}")), "{}", dead.stdout);
    let offline = to_nowhere(&["check", "--offline"]).run();
    assert_eq!(offline.code, Some(0), "{offline:?}");
    assert!(!offline.stdout.contains("token"), "nobody was asked: {}", offline.stdout);

    let no_vmc = gateway(&["check"])
        .of(&cloud)
        .with_secret(SECRET)
        .with("SDDC_GATEWAY_VMC__URL", &nowhere)
        .run();
    assert_eq!(no_vmc.code, Some(1), "{no_vmc:?}");
    assert!(no_vmc.stdout.contains("ok    token of"), "{}", no_vmc.stdout);
    assert!(no_vmc.stdout.contains(&format!("check vmc.url ({nowhere}")), "{}", no_vmc.stdout);
}

#[test]
fn check_says_that_the_other_encoding_works() {
    let secret = "a b+c%&=ü";
    let cloud = Cloud::start(&["--client-secret", secret]);
    cloud.control("PATCH", "/__csp", &json!({"basic_encoding": "form"}));
    let raw = gateway(&["check"]).of(&cloud).with_secret(secret).run();
    assert_eq!(raw.code, Some(1), "{raw:?}");
    assert!(raw.stdout.contains("csp.basic_encoding = \"form\""), "{}", raw.stdout);
    let form = gateway(&["check"])
        .of(&cloud)
        .with_secret(secret)
        .with("SDDC_GATEWAY_CSP__BASIC_ENCODING", "form")
        .run();
    assert_eq!(form.code, Some(0), "{form:?}");
}

#[test]
fn check_looks_at_the_keys_of_the_issuer_of_callers_tokens() {
    let cloud = Cloud::start(&[]);
    let by_tokens = |name: &str, value: &str| {
        gateway(&["check"])
            .of(&cloud)
            .with_secret(SECRET)
            .with("SDDC_GATEWAY_ACCESS__OIDC__ISSUER", "https://issuer.test")
            .with("SDDC_GATEWAY_ACCESS__OIDC__AUDIENCE", "gateway")
            .with(name, value)
            .run()
    };
    // The public key of RFC 8037, appendix A.
    let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]});
    let folder = TempDir::new().unwrap();
    let keys = file(&folder, "jwks.json", &keys.to_string());
    let good = by_tokens("SDDC_GATEWAY_ACCESS__OIDC__JWKS_FILE", keys.to_str().unwrap());
    assert_eq!(good.code, Some(0), "{good:?}");
    assert!(good.stdout.contains("ok    1 key(s) of https://issuer.test"), "{}", good.stdout);
    // The simulator's own keys are of no use to anybody.
    let useless = format!("http://{}/csp/gateway/am/api/auth/keys", cloud.address);
    for (url, why) in [(useless, "no usable key"), (format!("http://{}/keys", dead_address()), "")]
    {
        let failed = by_tokens("SDDC_GATEWAY_ACCESS__OIDC__JWKS_URL", &url);
        assert_eq!(failed.code, Some(1), "{failed:?}");
        let told = format!("FAIL  keys of https://issuer.test: {why}");
        assert!(failed.stdout.contains(&told), "{}", failed.stdout);
        assert!(failed.stdout.contains("check access.oidc.jwks_url"), "{}", failed.stdout);
        assert!(failed.stdout.contains("ok    1 organization(s)"), "the rest is checked too");
    }
}
