//! What replicas share, and with which keys.

use super::*;
use crate::drop_in::redaction::UnknownFields;

const KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

fn with_keys(scene: Scene, content: &str) -> Scene {
    let path = scene.write("keys", content);
    scene.with("KEYS__FILE", path.to_str().unwrap())
}

#[test]
fn sharing_needs_a_url_and_the_same_keys() {
    assert!(Scene::minimal().load().sharing.is_none());
    let url = "redis://user:CANARY-s3cret@127.0.0.1:6379/1";
    let sharing = with_keys(Scene::minimal().with("SHARED__REDIS_URL", url), KEY).load().sharing;
    assert_eq!(sharing.unwrap().url.host(), "127.0.0.1");
    let scene = with_keys(Scene::minimal(), KEY);
    let path = scene.write("url", format!("{url}\n"));
    let scene = scene.with("SHARED__REDIS_URL_FILE", path.to_str().unwrap());
    assert!(scene.load().sharing.is_some());
    assert_eq!(
        Scene::minimal().with("SHARED__REDIS_URL", url).fault(),
        "keys.file: required with shared.redis_url but not set: all replicas have the same file (set \
         keys.file in the file or SDDC_GATEWAY_KEYS__FILE)",
    );
}

#[test]
fn what_is_wrong_is_told_and_never_quoted() {
    let url = |url: &str| with_keys(Scene::minimal().with("SHARED__REDIS_URL", url), KEY).fault();
    for (wrong, fault) in [
        ("redis://:CANARY-s3cret@redis.example", "must be rediss: plain redis is only for"),
        ("rediss://:CANARY-s3cret@redis.example/#insecure", "must have no query and no fragment"),
        ("http://:CANARY-s3cret@redis.example", "must begin with rediss:// (TLS) or redis://"),
        ("CANARY-s3cret", "is not a URL like rediss://redis.example:6379"),
    ] {
        let told = url(wrong);
        assert!(told.starts_with(&format!("shared.redis_url: {fault}")), "{told}");
    }
    let keys = |content: &str| {
        let url = "redis://127.0.0.1";
        with_keys(Scene::minimal().with("SHARED__REDIS_URL", url), content).fault()
    };
    assert!(keys("").contains("contains no key"));
    assert!(keys("CANARY-s3cret").contains("line 1 is not base64"));
    assert!(keys(&format!("{KEY}\nc2hvcnQ=\n")).contains("line 2 has fewer than 32 bytes"));
    let both = with_keys(Scene::minimal(), KEY).with("SHARED__REDIS_URL", "redis://127.0.0.1");
    let path = both.write("url", "redis://127.0.0.1");
    let both = both.with("SHARED__REDIS_URL_FILE", path.to_str().unwrap()).fault();
    assert!(
        both.starts_with("shared.redis_url: set together with shared.redis_url_file"),
        "{both}"
    );
}

#[test]
fn a_password_in_clear_text_and_keys_without_use_are_warnings() {
    let plain = Scene::minimal()
        .with("SHARED__REDIS_URL", "redis://:CANARY-s3cret@redis.internal")
        .with("SHARED__PLAIN_HOSTS", "redis.internal");
    let warnings = private(with_keys(plain, KEY)).load().warnings();
    assert_eq!(
        warnings,
        ["shared.plain_hosts: the password of Redis is sent to redis.internal in clear text"],
    );
    let unused = private(with_keys(Scene::minimal(), KEY)).load().warnings();
    assert_eq!(unused, ["keys.file: has no effect without shared.redis_url or drop_in.enabled"]);
}

/// Only their owner can read the keys.
fn private(scene: Scene) -> Scene {
    let path = scene.directory.path().join("keys");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    scene
}

#[test]
fn an_offer_to_vmwares_tools_that_nobody_can_use_is_a_warning() {
    let offered = || Scene::minimal().with("DROP_IN__ENABLED", "true");
    assert!(!Scene::minimal().load().drop_in.enabled);
    let settings = offered().with("DROP_IN__UNKNOWN_FIELDS", "keep").load().drop_in;
    assert_eq!((settings.enabled, settings.unknown_fields), (true, UnknownFields::Keep));
    let fault = offered().with("DROP_IN__UNKNOWN_FIELDS", "drop").fault();
    assert!(fault.contains("drop_in.unknown_fields") && fault.contains("null, keep"), "{fault}");

    let caller = |fields: &str| {
        let key = format!("key_sha256 = [\"{}\"]", digest("key"));
        let scene = offered();
        let text = format!("[[callers]]\nname = \"tool\"\n{key}\n{fields}\n");
        let path = scene.write("callers.toml", text);
        scene.with("ACCESS__CALLERS_FILE", path.to_str().unwrap()).load().warnings()
    };
    let warns = |warnings: &[String]| warnings.iter().any(|it| it.starts_with("drop_in.enabled: "));
    assert!(warns(&offered().load().warnings()), "access is open");
    assert!(warns(&caller("")), "no scope");
    assert!(!warns(&caller("scopes = [\"vmc:read\"]")));
    let used = private(with_keys(offered(), KEY)).load().warnings();
    assert!(!used.iter().any(|it| it.starts_with("keys.file: has no effect")), "{used:?}");
}

#[test]
fn a_caller_for_vmwares_tools_alone_is_a_warning_where_these_are_not_served() {
    let warned = |scopes: &str, enabled: &str| {
        let scene = Scene::minimal();
        let text = format!(
            "[[callers]]\nname = \"tool\"\nkey_sha256 = [\"{}\"]\n{scopes}\n",
            digest("key")
        );
        let path = scene.write("callers.toml", text);
        let scene = scene.with("ACCESS__CALLERS_FILE", path.to_str().unwrap());
        scene.with("DROP_IN__ENABLED", enabled).load().warnings()
    };
    let vmc_only = "scopes = [\"vmc:read\"]";
    assert_eq!(
        warned(vmc_only, "false"),
        [
            "caller \"tool\": its only scope, vmc:read, has no effect without drop_in.enabled, so it can read \
          nothing; set drop_in.enabled, or add the scope sddc:read"
        ]
    );
    for (scopes, enabled) in
        [(vmc_only, "true"), ("scopes = [\"sddc:read\", \"vmc:read\"]", "false"), ("", "false")]
    {
        assert_eq!(warned(scopes, enabled), [""; 0], "{scopes}");
    }
}
