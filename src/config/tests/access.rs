//! Open or closed, and who the callers are.

use super::*;
use crate::access::ReadGroup;

#[test]
fn access_is_open_only_on_loopback_or_knowingly() {
    let is_open = |scene: &Scene| matches!(scene.load().access, crate::access::Settings::Open);
    let everywhere = || Scene::minimal().with("API__LISTEN", "0.0.0.0:80");
    assert!(is_open(&Scene::minimal()));
    assert!(is_open(&Scene::minimal().with("API__LISTEN", "[::1]:80")));
    assert!(is_open(&everywhere().with("ACCESS__OPEN", "true")));
    assert_eq!(
        everywhere().fault(),
        "access.keys: no caller is configured, while api.listen is 0.0.0.0:80 \
         (SDDC_GATEWAY_API__LISTEN), which is not loopback; add a caller (`sddc-gateway key NAME` \
         prints what to set), or let everyone in with access.open = true",
    );
}

#[test]
fn an_access_key_without_a_caller_lets_nobody_in() {
    for (name, value, listen) in [
        ("ACCESS__OPEN", "false", "127.0.0.1:80"),
        ("ACCESS__KEYS", "", "127.0.0.1:80"),
        ("ACCESS__KEYS", "", "0.0.0.0:80"),
    ] {
        let config = Scene::minimal().with("API__LISTEN", listen).with(name, value).load();
        assert_eq!(callers(&config), []);
        assert_eq!(
            config.warnings(),
            ["access: no caller is configured, so nobody can authenticate"]
        );
    }
    let refused = Scene::minimal().with("API__LISTEN", "0.0.0.0:80").with("ACCESS__OPEN", "false");
    assert!(refused.fault().starts_with("access.keys: no caller is configured"));
    assert_eq!(callers(&Scene::minimal().file("[access]\nkeys = []").load()), []);
    assert_eq!(callers(&Scene::minimal().file("[access]\ncallers = []").load()), []);
}

#[test]
fn openness_and_callers_exclude_each_other() {
    for keys in [format!("billing:{}", digest("a")), String::new()] {
        assert_eq!(
            Scene::minimal().with("ACCESS__KEYS", &keys).file("[access]\nopen = true").fault(),
            "access.open: true lets everyone in, but access.keys is set too \
             (SDDC_GATEWAY_ACCESS__KEYS); keep one (gateway.toml:2)",
        );
    }
}

#[test]
fn callers_from_the_environment() {
    let (a, b) = (digest("a"), digest("b"));
    let config =
        Scene::minimal().with("ACCESS__KEYS", &format!("billing:{a}, backup : {b}")).load();
    assert_eq!(callers(&config), [("billing".into(), vec![a]), ("backup".into(), vec![b])]);

    for (keys, fault) in [
        (CANARY.to_owned(), "entry 1 must be name:sha256 of the key"),
        (format!("x:{a},y:sgw_{CANARY}"), "entry 2 has an invalid digest: this is the key itself"),
        (format!("sgw_{CANARY}:{a}"), "entry 1 has an invalid name: this is a key, not a name"),
        (format!("other:{a}"), "entry 1 has an invalid name: this name is reserved"),
        (format!("x:{a},"), "entry 2 must be name:sha256 of the key"),
        (format!("x:{a},y:{a}"), "a key of \"y\" already belongs to \"x\""),
        (format!("x:{a},x:{a}"), "a key of \"x\" already belongs to \"x\""),
    ] {
        let told = Scene::minimal().with("ACCESS__KEYS", &keys).fault();
        assert!(told.starts_with(&format!("access.keys: {fault}")), "{told}");
    }
}

#[test]
fn faults_of_callers_say_field_and_line() {
    let (a, b) = (digest("a"), digest("b"));
    let first = format!("[[access.callers]]\nname = \"one\"\nkey_sha256 = [\"{a}\"]\n");
    for (second, fault) in [
        (
            format!("[[access.callers]]\nkey_sha256 = [\"{b}\"]"),
            "name: required but not set (gateway.toml:4)",
        ),
        (
            "[[access.callers]]\nname = \"two\"".into(),
            " a caller needs key_sha256, oidc or tls_san: without a credential nobody can authenticate as it (gateway.toml:4)",
        ),
        (
            format!("[[access.callers]]\nname = \"one\"\nkey_sha256 = [\"{b}\"]"),
            "name: \"one\" occurs twice; one caller may have several keys (gateway.toml:4)",
        ),
        (
            format!("[[access.callers]]\nname = \"two\"\nkey_sha256 = [\n\"{b}\",\n\"{a}\"]"),
            "key_sha256: a key of \"two\" already belongs to \"one\" (gateway.toml:8)",
        ),
        (
            format!("[[access.callers]]\nname = 2\nkey_sha256 = [\"{b}\"]"),
            "name: must be a string, not a number without quotes (gateway.toml:5)",
        ),
        (
            format!("[[access.callers]]\nname = \"{CANARY}!\"\nkey_sha256 = [\"{b}\"]"),
            "name: a caller's name is 1 to 64 characters of [A-Za-z0-9._-] (gateway.toml:5)",
        ),
        (
            format!("[[access.callers]]\nname = \"sgw_{CANARY}\"\nkey_sha256 = [\"{b}\"]"),
            "name: this is a key, not a name; treat the key as leaked and create a new one (gateway.toml:5)",
        ),
        (
            format!("[[access.callers]]\nname = \"two\"\nkey_sha256 = [\"{b}\", \"{CANARY}\"]"),
            "key_sha256: entry 2: a key's SHA-256 is 64 hexadecimal digits (gateway.toml:6)",
        ),
        (
            format!("[[access.callers]]\nname = \"two\"\nkey_sha256 = \"{b}\""),
            "key_sha256: must be an array of strings, not a string: write [\"…\"] (gateway.toml:6)",
        ),
        (
            "[[access.callers]]\nname = \"two\"\nkey_sha256 = []".into(),
            "key_sha256: must not be empty (gateway.toml:6)",
        ),
        (
            format!("[[access.callers]]\nname = \"two\"\nkey_sha256 = [\"{b}\"]\nscopes = []"),
            "scopes: must not be empty (gateway.toml:7)",
        ),
        (
            format!(
                "[[access.callers]]\nname = \"two\"\nkey_sha256 = [\"{b}\"]\nscopes = [\"sddc:write\"]"
            ),
            "scopes: entry 1: unknown scope; allowed: sddc:read, vmc:read (gateway.toml:7)",
        ),
        (
            format!(
                "[[access.callers]]\nname = \"two\"\nkey_sha256 = [\"{b}\"]\nscope = \"{CANARY}\""
            ),
            "scope: unknown field; did you mean scopes? (gateway.toml:7)",
        ),
    ] {
        let told = Scene::minimal().file(format!("{first}{second}")).fault();
        let dot = if fault.starts_with(' ') { ":" } else { "." };
        assert_eq!(told, format!("access.callers{dot}{fault}"));
    }
    let told = Scene::minimal().file(&first).with("ACCESS__KEYS", &format!("one:{b}")).fault();
    assert_eq!(
        told,
        "access.keys: \"one\" is already one of access.callers (SDDC_GATEWAY_ACCESS__KEYS)"
    );
}

/// One caller with these fields beside its name and key; they begin in line 4.
fn limited(fields: &str) -> Scene {
    let digest = digest("a");
    let caller = format!("[[access.callers]]\nname = \"one\"\nkey_sha256 = [\"{digest}\"]\n");
    Scene::minimal().file(caller + fields)
}

fn view(fields: &str) -> crate::access::View {
    match limited(fields).load().access {
        crate::access::Settings::Callers(mut configured) => configured.callers.remove(0).view,
        crate::access::Settings::Open => panic!("open"),
    }
}

#[test]
fn a_caller_sees_what_its_limits_leave() {
    assert!(view("").is_everything());
    let (orgs, ids) = ("orgs = [\"o-1\", \"o-2\", \"o-1\"]", "sddc_ids = [\"s-1\", \"s-2\"]");
    let names = "sddc_names = [\"prod-*\", \"d?v\", \"Ümlaut & co\"]";
    for (fields, org, id, name, seen) in [
        (orgs, "o-2", "any", None, true),
        (orgs, "o-3", "s-1", Some("prod-eu"), false),
        (ids, "any", "s-2", None, true),
        (ids, "o-1", "s-3", Some("prod-eu"), false),
        (names, "any", "any", Some("prod-"), true),
        (names, "any", "any", Some("Ümlaut & co"), true),
        (names, "o-1", "s-1", Some("Prod-eu"), false),
        (names, "o-1", "s-1", None, false),
        (&*[orgs, ids, names].join("\n"), "o-1", "s-1", Some("dev"), true),
        (&*[orgs, ids, names].join("\n"), "o-1", "s-1", Some("test"), false),
        (&*[orgs, ids, names].join("\n"), "o-1", "s-3", Some("dev"), false),
        (&*[orgs, ids, names].join("\n"), "o-3", "s-1", Some("dev"), false),
    ] {
        let (org, id) = (org.parse().unwrap(), id.parse().unwrap());
        assert_eq!(view(fields).shows_sddc(&org, &id, name), seen, "{fields}: {org} {id} {name:?}");
    }
}

#[test]
fn faults_of_views_say_field_entry_and_line() {
    let no_id = "an id is 1 to 64 characters of [A-Za-z0-9._-] and not only dots";
    let no_pattern =
        "a pattern of names has 1 to 256 characters; * matches any characters, ? matches one";
    let long = "x".repeat(257);
    for (fields, fault) in [
        (
            "orgs = \"o-1\"",
            "orgs: must be an array of strings, not a string: write [\"…\"] (gateway.toml:4)"
                .into(),
        ),
        (
            "sddc_ids = true",
            "sddc_ids: must be an array of strings, not true or false (gateway.toml:4)".into(),
        ),
        (
            "sddc_names = [\n\"a*\",\n1]",
            "sddc_names: must be an array of strings, not a number without quotes (gateway.toml:6)"
                .into(),
        ),
        ("orgs = []", "orgs: must not be empty (gateway.toml:4)".into()),
        ("sddc_ids = []", "sddc_ids: must not be empty (gateway.toml:4)".into()),
        ("sddc_names = []", "sddc_names: must not be empty (gateway.toml:4)".into()),
        ("orgs = [\"o-1\",\n\"\"]", format!("orgs: entry 2: {no_id} (gateway.toml:5)")),
        (&*format!("orgs = [\"{CANARY}/\"]"), format!("orgs: entry 1: {no_id} (gateway.toml:4)")),
        ("sddc_ids = [\"..\"]", format!("sddc_ids: entry 1: {no_id} (gateway.toml:4)")),
        ("sddc_names = [\"\"]", format!("sddc_names: entry 1: {no_pattern} (gateway.toml:4)")),
        (
            &*format!("sddc_names = [\"a\", \"{long}\"]"),
            format!("sddc_names: entry 2: {no_pattern} (gateway.toml:4)"),
        ),
        (
            "sddc_name = [\"a\"]",
            "sddc_name: unknown field; did you mean sddc_names? (gateway.toml:4)".into(),
        ),
    ] {
        assert_eq!(limited(fields).fault(), format!("access.callers.{fault}"));
    }
    let several = limited("orgs = [\"\"]\nsddc_ids = 1\nsddc_names = []");
    assert_eq!(several.faults().len(), 3, "all at once");
}

#[test]
fn drop_in_names_groups_of_reads_and_needs_its_scope() {
    let groups = |fields: &str| match limited(fields).load().access {
        crate::access::Settings::Callers(mut it) => it.callers.remove(0).read_groups,
        crate::access::Settings::Open => panic!("open"),
    };
    assert_eq!(groups(""), [ReadGroup::Sddcs, ReadGroup::Tasks]);
    let scopes = "scopes = [\"vmc:read\"]";
    let chosen = groups(&format!("{scopes}\ndrop_in = [\"billing\", \"draas\"]"));
    assert_eq!(chosen, [ReadGroup::Billing, ReadGroup::Draas]);
    for (fields, fault) in [
        (
            "drop_in = [\"sddcs\"]".to_owned(),
            "has an effect only together with the scope vmc:read (gateway.toml:4)",
        ),
        (
            format!("{scopes}\ndrop_in = [\"sddcs\", \"sddc\"]"),
            "entry 2: unknown group; allowed: sddcs, tasks, network, draas, account, billing (gateway.toml:5)",
        ),
        (format!("{scopes}\ndrop_in = []"), "must not be empty (gateway.toml:5)"),
    ] {
        assert_eq!(limited(&fields).fault(), format!("access.callers.drop_in: {fault}"));
    }
}

#[test]
fn a_callers_file_adds_to_the_configurations_callers() {
    let (a, b) = (digest("a"), digest("b"));
    let scene = Scene::minimal();
    let path = scene.write(
        "callers.toml",
        format!(
            "[[callers]]\nname = \"filed\"\nkey_sha256 = [\"{b}\"]\nnot_after = 2027-01-31T00:00:00+01:00"
        ),
    );
    let scene = scene
        .with("ACCESS__KEYS", &format!("listed:{a}"))
        .with("ACCESS__CALLERS_FILE", path.to_str().unwrap());
    let config = scene.load();
    assert_eq!(callers(&config), [("listed".into(), vec![a]), ("filed".into(), vec![b])]);
    let crate::access::Settings::Callers(configured) = config.access else { panic!("open") };
    let end = configured.file.unwrap().callers[0].not_after.unwrap();
    assert_eq!(end.to_string(), "2027-01-30T23:00:00Z");
}

#[test]
fn a_callers_file_that_is_missing_or_empty_lets_nobody_in() {
    let listen = ("API__LISTEN", "0.0.0.0:80");
    let missing = Scene::minimal().with(listen.0, listen.1);
    let path = missing.directory.path().join("callers.toml");
    let config = missing.with("ACCESS__CALLERS_FILE", path.to_str().unwrap()).load();
    assert_eq!(callers(&config), []);
    assert!(config.warnings()[0].starts_with("access.callers_file: "), "{:?}", config.warnings());
    assert_eq!(config.warnings().len(), 2);

    let empty = Scene::minimal().with(listen.0, listen.1);
    let path = empty.write("callers.toml", "");
    let empty = empty.with("ACCESS__CALLERS_FILE", path.to_str().unwrap());
    let config = empty.load();
    assert_eq!(callers(&config), []);
    assert_eq!(config.warnings(), ["access: no caller is configured, so nobody can authenticate"]);
}

#[test]
fn faults_of_a_callers_file_say_field_and_line() {
    let (a, b) = (digest("a"), digest("b"));
    let entry = |name: &str, digest: &KeyDigest, rest: &str| {
        format!("[[callers]]\nname = \"{name}\"\nkey_sha256 = [\"{digest}\"]\n{rest}")
    };
    for (text, faults) in [
        ("[[callers]\n".to_owned(), &["access.callers_file: not valid TOML: "][..]),
        ("callers = 1".to_owned(), &["access.callers_file: must contain tables: [[callers]]"]),
        (
            format!("[[caller]]\nname = \"{CANARY}\""),
            &["access.callers_file.caller: unknown key; did you mean callers? (callers.toml:1)"],
        ),
        (
            entry("listed", &b, ""),
            &["access.callers_file.name: \"listed\" is already a caller of the configuration \
               (callers.toml:1)"],
        ),
        (
            entry("x", &a, ""),
            &[
                "access.callers_file.key_sha256: a key of \"x\" already belongs to \"listed\" (callers.toml:3)",
            ],
        ),
        (
            entry("x", &b, &format!("scopes = [\"{CANARY}\"]\nnot_after = \"{CANARY}\"")),
            &[
                "access.callers_file.scopes: entry 1: unknown scope; allowed: sddc:read, vmc:read \
                 (callers.toml:4)",
                "access.callers_file.not_after: must be a time with its time zone, such as \
                 2027-01-31T00:00:00Z (RFC 3339) (callers.toml:5)",
            ],
        ),
        (
            entry("x", &b, "not_after = 2027-01-31"),
            &["access.callers_file.not_after: must be a time with its time zone"],
        ),
    ] {
        let scene = Scene::minimal().with("ACCESS__KEYS", &format!("listed:{a}"));
        let path = scene.write("callers.toml", text);
        let told = scene.with("ACCESS__CALLERS_FILE", path.to_str().unwrap()).faults();
        assert_eq!(told.len(), faults.len(), "{told:#?}");
        for (told, fault) in told.iter().zip(faults) {
            assert!(told.starts_with(fault), "{told}");
        }
    }
}

#[test]
fn a_caller_by_tokens_needs_an_issuer_and_claims_that_a_token_can_have() {
    let by = |oidc: &str| format!("[[access.callers]]\nname = \"ci\"\noidc = {oidc}\n");
    let issuer = "[access.oidc]\nissuer = \"https://i.test\"\naudience = \"a\"\n\
                  jwks_url = \"https://i.test/keys\"\n";
    let without = Scene::minimal().file(by("{ sub = \"x\" }")).fault();
    assert!(without.starts_with("access.callers.oidc: needs access.oidc.issuer"), "{without}");
    for (odd, fault) in [
        ("1", "must be a table of claims and their values, such as"),
        ("{}", "must be a table of claims and their values, such as"),
        ("{ sub = \"\" }", "sub: must not be empty"),
        ("{ groups = [] }", "groups: an empty list matches no token"),
        ("{ groups = [\"a\", \"\"] }", "groups: must not be empty"),
        ("{ groups = [\"a\", [\"b\"]] }", "groups: a list may contain only texts"),
        ("{ a = {} }", "a: must contain at least one claim"),
        ("{ a = { b = \"\" } }", "a.b: must not be empty"),
        ("{ a = 2027-01-31 }", "a: must be a text, a number"),
        ("{ a = nan }", "a: is not a number that a token can have"),
        ("{ scope = \"openid read\" }", "scope: is compared word by word"),
        ("{ scp = [\"a b\", \"c\"] }", "scp: is compared word by word"),
        ("{ scope = 1 }", "scope: must be a text of words"),
        ("{ sub = \"*\" }", "accepts every token of the issuer"),
        ("{ sub = \"*\", a = { b = [\"x\", \"**\"] } }", "accepts every token of the issuer"),
    ] {
        let told = Scene::minimal().file(by(odd) + issuer).fault();
        assert!(told.starts_with(&format!("access.callers.oidc: {fault}")), "{odd}: {told}");
    }
    let claims = "{ sub = \"x\", groups = [\"a\", 1, true], k8s = { ns = \"prod\" }, n = 1.5 }";
    let scene = Scene::minimal().file(by(claims) + issuer);
    let crate::access::Settings::Callers(configured) = scene.load().access else { panic!("open") };
    let claims =
        configured.callers[0].oidc.iter().map(|(claim, pattern)| format!("{claim}={pattern}"));
    assert_eq!(
        claims.collect::<Vec<_>>(),
        ["groups=[\"a\", 1, true]", "k8s={ ns = \"prod\" }", "n=1.5", "sub=\"x\""]
    );
    assert!(configured.callers[0].key_sha256.is_empty());
    let twice = by("{ sub = \"x\" }") + &by("{ sub = \"x\" }").replace("\"ci\"", "\"cd\"") + issuer;
    let told = Scene::minimal().file(twice).fault();
    assert!(
        told.starts_with("access.callers.oidc: the claims of \"cd\" already belong to \"ci\""),
        "{told}"
    );
    let loose = Scene::minimal().file(by("{ sub = \"repo:acme*\", a = \"b/*\" }") + issuer).load();
    let warning = "caller \"ci\": a * in oidc.sub follows a letter or digit, so it also matches \
                   every longer name; end the name with a separator";
    assert_eq!(loose.warnings(), [warning]);

    // The issuer alone asks for credentials too, on loopback: nobody is let in.
    let config = Scene::minimal().file(issuer).load();
    assert_eq!(config.warnings(), ["access: no caller is configured, so nobody can authenticate"]);
}

#[test]
fn a_burst_goes_with_a_rate() {
    let rate = |fields: &str| {
        let scene = limited(fields);
        let crate::access::Settings::Callers(configured) = scene.load().access else {
            panic!("open")
        };
        configured.callers[0].rate.map(|rate| (rate.to_string(), rate.burst().get()))
    };
    assert_eq!(rate(""), None);
    assert_eq!(rate("rate = \"600/m\""), Some(("600/m".into(), 600)));
    assert_eq!(rate("rate = \"10/s\"\nburst = 0x32"), Some(("10/s".into(), 50)));
    for (fields, fault) in [
        ("rate = \"fast\"", "rate: must be a rate of 1 to 1000000 per s, m or h"),
        ("rate = 600", "rate: must be a string, not a number without quotes"),
        ("burst = 5", "burst: has an effect only together with rate"),
        ("rate = \"1/s\"\nburst = 0", "burst: must be a whole number, 1 to 1000000"),
        ("rate = \"1/s\"\nburst = -1", "burst: must be a whole number, 1 to 1000000"),
        ("rate = \"1/s\"\nburst = 1000001", "burst: must be a whole number, 1 to 1000000"),
        ("rate = \"1/s\"\nburst = \"5\"", "burst: must be a whole number, not a string"),
    ] {
        let told = limited(fields).fault();
        assert!(told.starts_with(&format!("access.callers.{fault}")), "{told}");
    }
}

#[test]
fn a_caller_by_certificate_needs_a_ca_and_a_name_that_nobody_else_has() {
    let by =
        |name: &str, san: &str| format!("[[access.callers]]\nname = \"{name}\"\ntls_san = {san}\n");
    let without = Scene::minimal().file(by("a", "\"dns:a.test\"")).fault();
    assert!(without.starts_with("access.callers.tls_san: needs api.tls_client_ca"), "{without}");
    let scene = Scene::minimal();
    let ca = scene.write("ca.pem", CA);
    let told = |callers: &str| {
        let scene = Scene::minimal().with("API__TLS_CLIENT_CA", ca.to_str().unwrap());
        scene.file(callers).faults().join("\n")
    };
    for (san, fault) in [
        ("1", "tls_san: must be a string, not a number"),
        ("\"a.test\"", "tls_san: "),
        ("\"dns:*.test\"", "tls_san: "),
        ("\"uri:no-scheme\"", "tls_san: "),
    ] {
        let told = told(&by("a", san));
        assert!(told.contains(&format!("access.callers.{fault}")), "{san}: {told}");
    }
    let twice = told(&(by("a", "\"dns:a.test\"") + &by("b", "\"dns:A.test\"")));
    assert!(
        twice.contains("tls_san: the certificate name of \"b\" already belongs to \"a\""),
        "{twice}"
    );
}
