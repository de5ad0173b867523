//! `[access.oidc]`: a section inside another, and what belongs together in it.

use super::*;
use crate::access::oidc::{KeysFrom, Settings};

const SECTION: &str =
    "[access.oidc]\nissuer = \"https://Login.example.com/\"\naudience = \"sddc-gateway\"\n";
const URL: &str = "https://login.example.com/jwks?a=b";
const KEYS: &str = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn oidc(scene: &Scene) -> Option<Settings> {
    match scene.load().access {
        crate::access::Settings::Open => None,
        crate::access::Settings::Callers(configured) => configured.oidc,
    }
}

fn section(more: &str) -> Scene {
    Scene::minimal().file(format!("{SECTION}{more}"))
}

#[test]
fn an_issuer_with_the_address_of_its_keys() {
    assert_eq!(oidc(&Scene::minimal()), None);
    assert_eq!(oidc(&Scene::minimal().file("[access.oidc]\n[access]\n")), None);
    let wanted = Settings {
        issuer: "https://Login.example.com/".into(),
        audience: Some("sddc-gateway".into()),
        client_ids: Vec::new(),
        keys: KeysFrom::Url(URL.parse().unwrap()),
        ca_file: None,
    };
    let written = format!("jwks_url = \"{URL}\"\n");
    assert_eq!(oidc(&section(&written)).as_ref(), Some(&wanted));
    let dotted = SECTION.replace("[access.oidc]", "[access]");
    let dotted = format!("{dotted}{written}")
        .replace("issuer =", "oidc.issuer =")
        .replace("audience =", "oidc.audience =")
        .replace("jwks_url =", "oidc.jwks_url =");
    assert_eq!(oidc(&Scene::minimal().file(dotted)).as_ref(), Some(&wanted));
    let environment = Scene::minimal()
        .file("[access.oidc]\nissuer = 1\n")
        .with("ACCESS__OIDC__ISSUER", "https://Login.example.com/")
        .with("ACCESS__OIDC__AUDIENCE", "sddc-gateway")
        .with("ACCESS__OIDC__JWKS_URL", URL);
    assert_eq!(oidc(&environment).as_ref(), Some(&wanted));
}

#[test]
fn the_keys_may_come_from_a_file_which_is_good_at_start() {
    let with_file = |content: &str| {
        let scene = Scene::minimal();
        let path = scene.write("jwks.json", content);
        let ca = scene.write("ca.pem", CA);
        let written =
            format!("jwks_file = \"{}\"\nca_file = \"{}\"\n", path.display(), ca.display());
        (scene.file(format!("{SECTION}{written}")), path, ca)
    };
    let loaded = |path: &Path| LoadedFile::read(path).unwrap();
    let (scene, path, ca) = with_file(KEYS);
    let settings = oidc(&scene).unwrap();
    assert_eq!(
        (settings.keys, settings.ca_file),
        (KeysFrom::File(loaded(&path)), Some(loaded(&ca)))
    );

    for (content, fault) in [
        ("", "contains no JWK set"),
        ("<html>", "contains no JWK set"),
        ("{}", "contains no JWK set"),
        ("{\"keys\": []}", "contains no usable key: the set is empty"),
        (
            "{\"keys\": [{\"kty\": \"oct\", \"k\": \"CANARY-s3cret\"}]}",
            "contains no usable key: 1 secret or with its private half",
        ),
    ] {
        let told = with_file(content).0.fault();
        assert_eq!(
            told,
            format!("access.oidc.jwks_file: \"jwks.json\" {fault} (gateway.toml:4)"),
            "{content}",
        );
    }
    let missing = section("jwks_file = \"/nowhere/jwks.json\"").fault();
    assert!(missing.contains("\"/nowhere/jwks.json\" cannot be read: no such file or directory"));
}

#[test]
fn the_keys_of_the_section_belong_together() {
    let needed = |key: &str, variable: &str| {
        format!(
            "access.oidc.{key}: required with the other keys of access.oidc but not set (set \
             access.oidc.{key} in the file or SDDC_GATEWAY_ACCESS__OIDC__{variable})"
        )
    };
    let keys = "access.oidc.jwks_url: required with the other keys of access.oidc but not set \
                (set either access.oidc.jwks_url or access.oidc.jwks_file)";
    let neither = "access.oidc.audience: neither this key nor access.oidc.client_ids is set: every \
                   token of the issuer, for whatever service, would be accepted; set at least one \
                   of them";
    let by_client = section(&format!("jwks_url = \"{URL}\"\nclient_ids = [\"a\", \"b\"]\n"));
    assert_eq!(oidc(&by_client).unwrap().client_ids, ["a", "b"]);
    let alone = Scene::minimal().file(format!(
        "[access.oidc]\nissuer = \"https://a.test\"\njwks_url = \"{URL}\"\nclient_ids = [\"a\"]\n"
    ));
    assert_eq!(oidc(&alone).unwrap().audience, None);
    assert_eq!(section("").fault(), keys);
    assert_eq!(
        Scene::minimal().file(format!("[access.oidc]\njwks_url = \"{URL}\"")).faults(),
        [needed("issuer", "ISSUER"), neither.to_owned()],
    );
    assert_eq!(Scene::minimal().with("ACCESS__OIDC__CA_FILE", "/nowhere").faults().len(), 4);
    assert_eq!(
        section(&format!("jwks_url = \"{URL}\"\n"))
            .with("ACCESS__OIDC__JWKS_FILE", "/dev/null")
            .fault(),
        "access.oidc.jwks_url: set together with access.oidc.jwks_file; keep one of them \
         (gateway.toml:4, SDDC_GATEWAY_ACCESS__OIDC__JWKS_FILE)",
    );
}

#[test]
fn faults_of_the_section_say_key_and_line() {
    for (line, fault) in [
        (
            "jwks_url = \"http://login.example.com/jwks\"",
            "jwks_url: \"http://login.example.com/jwks\" must be https: plain http is only for a \
             loopback host (gateway.toml:4)",
        ),
        (
            "jwks_url = 1",
            "jwks_url: must be a string, not a number without quotes (gateway.toml:4)",
        ),
        (
            "jwks_url = \"https://a:CANARY-s3cret@login.example.com/jwks\"",
            "jwks_url: must not contain a user name or password (gateway.toml:4)",
        ),
    ] {
        assert_eq!(section(line).fault(), format!("access.oidc.{fault}"));
    }
    let odd = Scene::minimal()
        .with("ACCESS__OIDC__ISSUER", "login")
        .with("ACCESS__OIDC__AUDIENCE", "")
        .with("ACCESS__OIDC__JWKS_URL", URL);
    assert_eq!(
        odd.faults(),
        [
            "access.oidc.issuer: \"login\" must be a URL, such as https://login.example.com \
             (SDDC_GATEWAY_ACCESS__OIDC__ISSUER)",
            "access.oidc.audience: \"\" must not be empty (SDDC_GATEWAY_ACCESS__OIDC__AUDIENCE)",
        ],
    );
}

#[test]
fn unknown_names_in_and_around_the_section_are_faults() {
    for (text, fault) in [
        (
            "[access.oidc]\nisuer = \"https://a\"",
            "access.oidc.isuer: unknown key; did you mean access.oidc.issuer? (gateway.toml:2)",
        ),
        (
            "[access.odic]\na = 1",
            "access.odic: unknown key; did you mean access.oidc? (gateway.toml:1)",
        ),
        ("[access.oidc.more]\na = 1", "access.oidc.more: unknown key (gateway.toml:1)"),
        ("[access]\noidc = 1", "access.oidc: must be a section: [access.oidc] (gateway.toml:2)"),
        ("[[access.oidc]]", "access.oidc: must be a section: [access.oidc] (gateway.toml:1)"),
        (
            "[access]\n\"oidc.issuer\" = 1",
            "access.oidc.issuer: unknown key; a dot in quotes is part of the name \
             (gateway.toml:2)",
        ),
        (
            "[\"access.oidc\"]",
            "access.oidc: unknown key; a dot in quotes is part of the name (gateway.toml:1)",
        ),
    ] {
        assert_eq!(Scene::minimal().file(text).fault(), fault);
    }
    assert_eq!(
        Scene::minimal().with("ACCESS__OIDC__ISSUR", CANARY).fault(),
        "SDDC_GATEWAY_ACCESS__OIDC__ISSUR: unknown key; did you mean \
         SDDC_GATEWAY_ACCESS__OIDC__ISSUER?",
    );
}
