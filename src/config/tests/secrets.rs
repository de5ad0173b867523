//! The client secret, and that no fault repeats a secret wherever it was put.

use super::*;

#[test]
fn the_secret_is_given_once() {
    let both = Scene::minimal().file("[csp]\nclient_secret_file = \"/dev/null\"");
    assert_eq!(
        both.fault(),
        "csp.client_secret: set together with csp.client_secret_file; keep one of them \
         (SDDC_GATEWAY_CSP__CLIENT_SECRET, gateway.toml:2)",
    );
    let empty = Scene::new().with("CSP__CLIENT_ID", "app").with("CSP__CLIENT_SECRET", "\n");
    assert_eq!(empty.fault(), "csp.client_secret: is empty (SDDC_GATEWAY_CSP__CLIENT_SECRET)",);
}

#[test]
fn a_secret_file_must_hold_a_secret_from_the_start() {
    let cases: [(&[u8], &str); 6] = [
        (b"", "\"secret\" is empty"),
        (b"\n", "\"secret\" is empty"),
        (
            b"\xef\xbb\xbfsecret",
            "\"secret\" starts with a byte order mark: save the file without it",
        ),
        (b"secret\0", "\"secret\" contains a NUL character"),
        (
            b"se\tcret",
            "\"secret\" contains a control character, such as a tab, or a line end before its end",
        ),
        (b"CANARY-s3cret\xff", "\"secret\" is not UTF-8"),
    ];
    for (content, fault) in cases {
        let scene = Scene::new().with("CSP__CLIENT_ID", "app");
        let path = scene.write("secret", content);
        let scene = scene.with("CSP__CLIENT_SECRET_FILE", path.to_str().unwrap());
        let expected =
            format!("csp.client_secret_file: {fault} (SDDC_GATEWAY_CSP__CLIENT_SECRET_FILE)");
        assert_eq!(scene.fault(), expected);
    }
    let file = |path: &str| {
        Scene::new().with("CSP__CLIENT_ID", "app").with("CSP__CLIENT_SECRET_FILE", path).fault()
    };
    assert!(file("/nowhere/secret").contains("\"/nowhere/secret\" cannot be read: no such file"));
    assert!(file("/").contains("cannot be read: is a directory"));
    assert!(file("").contains("must not be empty"));
    // The secret itself where its file's name belongs: the check for the canary is in `fault`.
    assert!(file(CANARY).contains("client_secret_file: cannot be read: no such file or directory"));
}

#[test]
fn a_secret_file_that_everybody_can_read_is_a_warning() {
    let scene = Scene::new().with("CSP__CLIENT_ID", "app");
    let path = scene.write("secret", CANARY);
    let scene = scene.with("CSP__CLIENT_SECRET_FILE", path.to_str().unwrap());
    for (mode, warnings) in [(0o400, 0), (0o640, 0), (0o644, 1)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(scene.load().warnings().len(), warnings, "{mode:o}");
    }
}

#[test]
fn a_configuration_file_with_the_secret_that_everyone_can_read_is_warned_of() {
    let written = |text: String| {
        let scene = Scene::new().with("CSP__CLIENT_ID", "app").file(text);
        let path = scene.source.file.clone().unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        scene
    };
    let scene = written(format!("[csp]\nclient_secret = \"{CANARY}\""));
    let warnings = scene.load().warnings();
    assert!(warnings[0].starts_with("csp.client_secret: ") && warnings.len() == 1, "{warnings:?}");
    let elsewhere = written("[csp]".to_owned()).with("CSP__CLIENT_SECRET", CANARY);
    assert_eq!(elsewhere.load().warnings(), Vec::<String>::new());
}

#[test]
fn a_secret_in_a_wrong_place_is_not_repeated() {
    for (name, value) in [
        ("CSP__CLIENT_ID", format!("app:{CANARY}")),
        ("CSP__CLIENT_SECRET_FILE", CANARY.to_owned()),
        ("CSP__CLIENT_SECRT", CANARY.to_owned()),
        ("CSP__URL", format!("https://app:{CANARY}@csp.example")),
        ("VMC__URL", format!("http://{CANARY}@vmc.example")),
        ("ACCESS__KEYS", format!("billing:sgw_{CANARY}")),
        ("API__HOSTS", format!("sgw_{CANARY}!")),
    ] {
        // The check for the canary is in `faults`.
        assert!(!Scene::minimal().with(name, &value).faults().is_empty(), "{name}");
    }
    Scene::minimal()
        .file(format!("[csp]\nclient_secret = [\"{CANARY}\"]\nsecret = \"{CANARY}\""))
        .fault();
}
