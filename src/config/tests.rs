//! Loading as a whole: layers, faults, and what never appears in them.

use std::{
    ffi::OsString,
    os::unix::{ffi::OsStringExt, fs::PermissionsExt},
    path::PathBuf,
};

use proptest::prelude::*;
use tempfile::TempDir;
use tracing::level_filters::LevelFilter;

use super::*;
use crate::{
    access::{KeyDigest, Scope},
    csp::BasicEncoding,
    telemetry::Format,
};

const CANARY: &str = "CANARY-s3cret";
const CA: &str = "\
-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIUeA8Uv+c+RC1UCYjJHt4tE9uq+d0wCgYIKoZIzj0EAwIw
HzEdMBsGA1UEAwwUc2RkYy1nYXRld2F5IHRlc3QgQ0EwIBcNMjYxMTIzMDMyOTQ2
WhgPMjEyNjEwMzAwMzI5NDZaMB8xHTAbBgNVBAMMFHNkZGMtZ2F0ZXdheSB0ZXN0
IENBMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEuiR4ZLxp8cNFgzLI3tu27ORW
VghxQSbD6AfnI+8fzvGVtMboL6l+nM4IKUWRUirZOQu0Wm1GLCQQgfZWG9hi4aNT
MFEwHQYDVR0OBBYEFM1Urx8DLgj5m5+QsWL7Wq5NkUijMB8GA1UdIwQYMBaAFM1U
rx8DLgj5m5+QsWL7Wq5NkUijMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwID
SAAwRQIhANk+dwtUYnMdTnMptWpHx7l4Wg3M2mKCB6gkDu405ebZAiBTJP+cQKnw
6+8XZ9Kst97Ve/Fj6TqPFX6JEQrQP1MPSw==
-----END CERTIFICATE-----
";

/// A gateway's surroundings: a directory with a configuration, variables, flags.
struct Scene {
    directory: TempDir,
    source: Source,
}

impl Scene {
    fn new() -> Self {
        Self { directory: TempDir::new().unwrap(), source: Source::default() }
    }

    /// One that starts: id and secret are set in the environment.
    fn minimal() -> Self {
        Self::new().with("CSP__CLIENT_ID", "app").with("CSP__CLIENT_SECRET", CANARY)
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.source.environment.push((format!("SDDC_GATEWAY_{name}").into(), value.into()));
        self
    }

    fn flag(mut self, key: &'static str, value: &str, flag: &'static str) -> Self {
        self.source.overrides.push((key, value.into(), flag));
        self
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn file(mut self, content: impl AsRef<[u8]>) -> Self {
        self.source.file = Some(self.write("gateway.toml", content));
        self
    }

    fn load(&self) -> Config {
        Config::load(&self.source).unwrap_or_else(|faults| panic!("{faults}"))
    }

    /// The fault lines, with the directory cut.
    fn faults(&self) -> Vec<String> {
        let directory = format!("{}/", self.directory.path().display());
        let faults = Config::load(&self.source).expect_err("it must not load");
        let text = faults.to_string();
        assert!(!text.contains(CANARY), "{text}");
        assert!(!format!("{faults:?}").contains(CANARY));
        assert_eq!(text.lines().count(), faults.iter().count());
        text.replace(&directory, "").lines().map(str::to_owned).collect()
    }

    fn fault(&self) -> String {
        let mut faults = self.faults();
        assert_eq!(faults.len(), 1, "{faults:#?}");
        faults.remove(0)
    }
}

fn digest(key: &str) -> KeyDigest {
    KeyDigest::of(key.as_bytes())
}

fn callers(config: &Config) -> Vec<(String, Vec<KeyDigest>)> {
    match &config.access {
        access::Settings::Open => panic!("open"),
        access::Settings::Callers(callers) => callers
            .iter()
            .map(|caller| {
                assert_eq!(caller.scopes, [Scope::SddcRead]);
                (caller.name.to_string(), caller.key_sha256.clone())
            })
            .collect(),
    }
}

#[test]
fn with_id_and_secret_alone_everything_is_the_default() {
    let config = Scene::minimal().load();
    let seconds = Duration::from_secs;
    assert_eq!(config.api.listen.to_string(), "127.0.0.1:8080");
    assert!(config.api.hosts.is_empty());
    assert_eq!((config.api.max_in_flight, config.api.max_connections), (1024, 10_000));
    assert_eq!(config.api.header_timeout, seconds(10));
    assert_eq!(config.api.idle_timeout, seconds(75));
    assert_eq!(config.api.write_timeout, seconds(30));
    assert_eq!(config.api.request_timeout, seconds(30));
    assert_eq!((config.api.drain_delay, config.api.drain), (seconds(3), seconds(20)));
    assert_eq!(config.ops.listen.to_string(), "127.0.0.1:9090");
    assert_eq!(config.csp.url.as_str(), "https://console.cloud.vmware.com/");
    assert_eq!(config.csp.token_path, "/csp/gateway/am/api/auth/token");
    assert_eq!(config.csp.client_id.as_str(), "app");
    assert_eq!(config.csp.basic_encoding, BasicEncoding::Raw);
    assert_eq!(config.vmc.url.as_str(), "https://vmc.vmware.com/");
    assert!(config.vmc.orgs.is_empty());
    assert_eq!((config.vmc.connect_timeout, config.vmc.timeout), (seconds(3), seconds(8)));
    assert_eq!((config.vmc.max_body, config.vmc.ca_file.as_ref()), (128 << 20, None));
    assert_eq!((config.inventory.poll, config.inventory.fresh), (seconds(30), seconds(60)));
    assert_eq!(config.inventory.stale, seconds(24 * 3600));
    assert_eq!(config.inventory.stale_denied, seconds(3600));
    assert!(matches!(config.access, access::Settings::Open));
    assert_eq!((config.telemetry.log, config.telemetry.format), (LevelFilter::INFO, Format::Json));
    assert_eq!(config.warnings(), Vec::<String>::new());
    assert!(!format!("{config:?}").contains(CANARY));
}

#[test]
fn every_key_can_be_set_in_the_file() {
    let scene = Scene::new();
    let (secret, ca) = (scene.write("secret", format!("{CANARY}\n")), scene.write("ca.pem", CA));
    let config = scene
        .file(format!(
            r#"
            [api]
            listen = "0.0.0.0:80"
            hosts = ["Gateway.Internal", "::1"]
            max_in_flight = 0x10
            max_connections = 2_000
            header_timeout = "1s"
            idle_timeout = "2s"
            write_timeout = "3s"
            request_timeout = "4s"
            drain_delay = "0s"
            drain = "0s"
            [ops]
            listen = "0.0.0.0:81"
            [csp]
            url = "https://csp.example/"
            token_path = "/token"
            client_id = "app"
            client_secret_file = {secret:?}
            basic_encoding = "form"
            [vmc]
            url = "http://localhost:1"
            orgs = ["org-1", "org-2"]
            connect_timeout = "500ms"
            timeout = "1h"
            max_body = 65536
            ca_file = {ca:?}
            [inventory]
            poll = "0s"
            fresh = "0s"
            stale = "1h30m"
            stale_denied = "2h"
            [access]
            keys = ["billing:{}", "billing:{}"]
            [telemetry]
            log = "trace"
            format = "text"
            [[access.callers]]
            name = "backup"
            key_sha256 = ["{}"]
            scopes = ["sddc:read"]
            [[access.callers]]
            name = "audit"
            key_sha256 = ["{}", "{}"]
            "#,
            digest("a"),
            digest("b"),
            digest("c"),
            digest("d"),
            digest("e"),
        ))
        .load();
    assert_eq!(config.api.hosts, ["gateway.internal", "[::1]"]);
    assert_eq!((config.api.max_in_flight, config.api.max_connections), (16, 2000));
    assert_eq!(config.api.request_timeout, Duration::from_secs(4));
    assert!(config.api.drain.is_zero() && config.inventory.fresh.is_zero());
    assert!(matches!(&config.csp.client_secret, SecretOrigin::File(path) if *path == secret));
    assert_eq!(config.csp.basic_encoding, BasicEncoding::Form);
    assert_eq!(
        config.vmc.orgs.iter().map(|org| org.as_str()).collect::<Vec<_>>(),
        ["org-1", "org-2"]
    );
    assert_eq!((config.vmc.max_body, config.vmc.ca_file), (65_536, Some(ca)));
    assert_eq!(config.inventory.stale_denied, config.inventory.stale, "the lower one holds");
    assert_eq!((config.telemetry.log, config.telemetry.format), (LevelFilter::TRACE, Format::Text));
    let config = Config { vmc: vmc::Settings { ca_file: None, ..config.vmc }, ..config };
    assert_eq!(
        callers(&config),
        [
            ("backup".into(), vec![digest("c")]),
            ("audit".into(), vec![digest("d"), digest("e")]),
            ("billing".into(), vec![digest("a"), digest("b")]),
        ],
    );
}

#[test]
fn flags_beat_the_environment_which_beats_the_file() {
    let file = "[api]\nlisten = \"127.0.0.1:1\"\ndrain = \"1s\"\nhosts = [\"a\"]\n\
                [vmc]\norgs = [\"org-1\"]\n[inventory]\npoll = \"1s\"\n";
    let config = Scene::minimal()
        .file(file)
        .with("API__LISTEN", "127.0.0.1:2")
        .with("API__DRAIN", "2s")
        .with("API__HOSTS", " b , c")
        .with("VMC__ORGS", "")
        .flag("api.listen", "127.0.0.1:3", "--listen")
        .load();
    assert_eq!(config.api.listen.port(), 3);
    assert_eq!(config.api.drain, Duration::from_secs(2));
    assert_eq!(config.api.hosts, ["b", "c"], "a list is replaced, not added to");
    assert!(config.vmc.orgs.is_empty());
    assert_eq!(config.inventory.poll, Duration::from_secs(1));
}

#[test]
fn a_broken_value_that_another_layer_replaces_does_no_harm() {
    let config = Scene::minimal()
        .file("[api]\nlisten = 5\ndrain = \"soon\"\n")
        .with("API__LISTEN", "nonsense")
        .with("API__DRAIN", "1s")
        .flag("api.listen", "127.0.0.1:3", "--listen")
        .load();
    assert_eq!(config.api.listen.port(), 3);
}

#[test]
fn the_flag_names_the_file_before_the_variable() {
    let scene = Scene::minimal();
    let (one, other) =
        (scene.write("1", "[api]\ndrain = \"1s\""), scene.write("2", "[api]\ndrain = \"2s\""));
    let mut scene = scene.with("CONFIG", one.to_str().unwrap());
    assert_eq!(scene.load().api.drain, Duration::from_secs(1));
    scene.source.file = Some(other);
    assert_eq!(scene.load().api.drain, Duration::from_secs(2));
}

#[test]
fn everything_wrong_is_told_at_once_and_in_order() {
    let scene = Scene::new()
        .file(
            "[api]\nlisten = \"foo\"\nmax_in_flight = \"many\"\ndrain = 20\n\n[vmc]\nurll = 1\n\
             url = \"http://vmc.example\"\n[telemetry]\nlog = \"loud\"\n",
        )
        .with("API__LISTN", "127.0.0.1:80")
        .with("INVENTORY__FRESH", "never")
        .flag("ops.listen", "9090", "--ops-listen");
    assert_eq!(
        scene.faults(),
        [
            "SDDC_GATEWAY_API__LISTN: unknown key; did you mean SDDC_GATEWAY_API__LISTEN?",
            "vmc.urll: unknown key; did you mean vmc.url? (gateway.toml:7)",
            "api.listen: \"foo\" must be an IP address and a port, such as 127.0.0.1:8080, \
             0.0.0.0:8080 or [::]:8080 (gateway.toml:2)",
            "api.max_in_flight: must be a whole number, not a string (gateway.toml:3)",
            "api.drain: needs a unit and quotes, such as \"30s\" (gateway.toml:4)",
            "ops.listen: \"9090\" must be an IP address and a port, such as 127.0.0.1:8080, \
             0.0.0.0:8080 or [::]:8080 (--ops-listen)",
            "csp.client_id: required but not set (set csp.client_id in the file or \
             SDDC_GATEWAY_CSP__CLIENT_ID)",
            "csp.client_secret: required but not set (set either csp.client_secret or \
             csp.client_secret_file in the file, or SDDC_GATEWAY_CSP__CLIENT_SECRET or \
             SDDC_GATEWAY_CSP__CLIENT_SECRET_FILE)",
            "vmc.url: \"http://vmc.example\" must be https: plain http is only for a loopback \
             host (gateway.toml:8)",
            "inventory.fresh: \"never\" must be a duration, such as 30s, 5m, 1h30m or 500ms \
             (SDDC_GATEWAY_INVENTORY__FRESH)",
            "telemetry.log: \"loud\" must be one of off, error, warn, info, debug, trace \
             (gateway.toml:10)",
        ],
    );
}

#[test]
fn each_key_is_read_and_a_wrong_value_is_told_by_its_name() {
    for key in KEYS {
        let Some(variable) = key.environment() else { continue };
        let nonsense = if key.name == "csp.client_secret" { "" } else { "\u{1}" };
        let scene = Scene::new()
            .with(variable.trim_start_matches("SDDC_GATEWAY_"), nonsense)
            .with("CSP__CLIENT_ID", "app");
        let told = scene.faults().into_iter().find(|fault| {
            fault.starts_with(&format!("{}: ", key.name)) && fault.contains(&variable)
        });
        let told = told.unwrap_or_else(|| panic!("{} is not read", key.name));
        assert!(!told.contains('\u{1}'), "escaped: {told}");
    }
}

#[test]
fn a_wrong_type_is_told_by_type() {
    for (line, fault) in [
        ("[api]\nlisten = 8080", "api.listen: must be a string, not a number without quotes"),
        ("[api]\nhosts = \"a\"", "api.hosts: must be an array of strings, not a string"),
        ("[api]\nhosts = [\n1]", "api.hosts: must be an array of strings, not a number"),
        ("[api]\nmax_in_flight = 1.5", "api.max_in_flight: must be a whole number, not a fraction"),
        ("[api]\nmax_in_flight = -1", "api.max_in_flight: \"-1\" must be a whole number, 1 to"),
        (
            "[api]\nmax_in_flight = 99999999999999999999999999999999999999999",
            "api.max_in_flight: is too large",
        ),
        ("[vmc]\ntimeout = 1979-05-27", "vmc.timeout: must be a duration in quotes, such as"),
        ("[vmc]\nmax_body = true", "vmc.max_body: must be a size in quotes, such as"),
        ("[access]\nopen = \"true\"", "access.open: must be true or false, not a string"),
        ("[access]\ncallers = \"a\"", "access.callers: must be an array of tables: [[access"),
        ("[access]\ncallers = [1]", "access.callers: must be an array of tables: [[access"),
        ("[access.callers]\nname = \"a\"", "access.callers: must be an array of tables: [[acc"),
        ("api = 1", "api: must be a section: [api] (gateway.toml:1)"),
        ("[[api]]", "api: must be a section: [api] (gateway.toml:1)"),
    ] {
        let told = Scene::minimal().file(line).fault();
        assert!(told.starts_with(fault), "{line}: {told}");
    }
}

#[test]
fn unknown_names_are_faults_with_a_suggestion() {
    for (line, fault) in [
        ("listen = 1", "listen: unknown key; did you mean api.listen? (gateway.toml:1)"),
        ("client_id = 1", "client_id: unknown key; did you mean csp.client_id? (gateway.toml:1)"),
        (
            "[vmc]\nclient_id = 1",
            "vmc.client_id: unknown key; did you mean csp.client_id? (gateway.toml:2)",
        ),
        (
            "[inventry]\npoll = 1",
            "inventry: unknown section; did you mean [inventory]? (gateway.toml:1)",
        ),
        ("[logging]\na = 1\nb = 2", "logging: unknown section (gateway.toml:1)"),
        ("api.listn = 1", "api.listn: unknown key; did you mean api.listen? (gateway.toml:1)"),
        ("[api.nested]\na = 1", "api.nested: unknown key (gateway.toml:1)"),
        ("[api]\n\"\\u001b\" = 1", "api.\\u{1b}: unknown key (gateway.toml:2)"),
    ] {
        assert_eq!(Scene::minimal().file(line).fault(), fault);
    }
    for (variable, fault) in [
        (
            "api__listen",
            "SDDC_GATEWAY_api__listen: unknown key; did you mean SDDC_GATEWAY_API__LISTEN?",
        ),
        ("X__Y__Z", "SDDC_GATEWAY_X__Y__Z: unknown key"),
        (
            "ACCESS__CALLERS",
            "SDDC_GATEWAY_ACCESS__CALLERS: access.callers has no environment form; use SDDC_GATEWAY_ACCESS__KEYS",
        ),
    ] {
        assert_eq!(Scene::minimal().with(variable, CANARY).fault(), fault);
    }
}

#[test]
fn variables_that_kubernetes_injects_are_ignored() {
    Scene::minimal()
        .with("SERVICE_HOST", "10.0.0.1")
        .with("PORT", "tcp://10.0.0.1:80")
        .with("PORT_80_TCP_ADDR", "10.0.0.1")
        .load();
}

#[test]
fn a_variable_that_is_not_utf8_is_a_fault_and_another_programs_is_not() {
    let mut scene = Scene::minimal();
    let odd = || OsString::from_vec(vec![b'a', 0xff]);
    scene.source.environment.push(("OTHER".into(), odd()));
    scene.load();
    scene.source.environment.push(("SDDC_GATEWAY_API__LISTEN".into(), odd()));
    scene.source.environment.push(("SDDC_GATEWAY_API__HOSTS".into(), odd()));
    assert_eq!(
        scene.faults(),
        [
            "api.listen: is not UTF-8 (SDDC_GATEWAY_API__LISTEN)",
            "api.hosts: is not UTF-8 (SDDC_GATEWAY_API__HOSTS)",
        ],
    );
}

#[test]
fn a_file_that_cannot_be_read_is_one_fault_and_hides_what_may_stand_in_it() {
    let mut scene = Scene::new().with("API__LISTEN", "0.0.0.0:80").with("API__DRAIN", "soon");
    scene.source.file = Some(scene.directory.path().join("missing.toml"));
    let faults = scene.faults();
    assert_eq!(faults.len(), 2, "{faults:#?}");
    assert_eq!(faults[0], "--config: \"missing.toml\" cannot be read: entity not found");
    assert!(faults[1].starts_with("api.drain: \"soon\" must be"));

    let scene = Scene::minimal().with("CONFIG", "");
    assert_eq!(scene.fault(), "SDDC_GATEWAY_CONFIG: \"\" cannot be read: entity not found");
    assert_eq!(Scene::new().file([0xff]).fault(), "--config: \"gateway.toml\" is not UTF-8");
}

#[test]
fn a_file_that_is_not_toml_is_told_by_line_and_column_without_its_content() {
    for (text, position) in [
        (format!("[csp]\nclient_secret = {CANARY}\n"), "gateway.toml:2:17: not valid TOML: "),
        (format!("[csp]\nclient_secret = \"{CANARY}\n"), "gateway.toml:2:"),
        (format!("[csp]\n{CANARY}\n"), "gateway.toml:2:"),
        (format!("a = 1\na = \"{CANARY}\"\n"), "gateway.toml:2:1: not valid TOML: duplicate key"),
    ] {
        let told = Scene::new().file(&text).fault();
        assert!(told.starts_with(position), "{told}");
    }
}

#[test]
fn the_secret_is_given_once() {
    let both = Scene::minimal().file("[csp]\nclient_secret_file = \"/dev/null\"");
    assert_eq!(
        both.fault(),
        "csp.client_secret: set together with csp.client_secret_file; keep one of them \
         (SDDC_GATEWAY_CSP__CLIENT_SECRET, gateway.toml:2)",
    );
    let empty = Scene::new().with("CSP__CLIENT_ID", "app").with("CSP__CLIENT_SECRET", "\n");
    assert_eq!(
        empty.fault(),
        "csp.client_secret: must not be empty (SDDC_GATEWAY_CSP__CLIENT_SECRET)",
    );
}

#[test]
fn a_secret_file_must_hold_a_secret_from_the_start() {
    let cases: [(&[u8], &str); 3] = [
        (b"", "\"secret\" is an empty file"),
        (b"\n", "\"secret\" is an empty file"),
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
    assert!(file("/nowhere/secret").contains("\"/nowhere/secret\" cannot be read: entity not"));
    assert!(file("/").contains("cannot be read: is a directory"));
    assert!(file("").contains("must not be empty"));
    // The secret itself where its file's name belongs: the check for the canary is in `fault`.
    assert!(file(CANARY).contains("client_secret_file: cannot be read: entity not found"));
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
fn a_ca_file_must_hold_certificates() {
    let broken = CA.replace("MII", "AAA");
    for (content, fault) in [
        ("", "holds no PEM certificate"),
        ("-----BEGIN CERTIFICATE-----\n", "holds broken PEM"),
        (broken.as_str(), "holds a certificate that is no usable CA: number 1"),
    ] {
        let scene = Scene::minimal();
        let path = scene.write("ca.pem", content);
        let told = scene.with("VMC__CA_FILE", path.to_str().unwrap()).fault();
        assert_eq!(told, format!("vmc.ca_file: \"ca.pem\" {fault} (SDDC_GATEWAY_VMC__CA_FILE)"));
    }
}

#[test]
fn values_are_compared_with_each_other() {
    for (variables, fault) in [
        (
            &[("INVENTORY__STALE", "59s")][..],
            "inventory.stale: stale (59s) must not be below fresh (60s) (SDDC_GATEWAY_INVENTORY__STALE)",
        ),
        (
            &[("INVENTORY__FRESH", "25h")],
            "inventory.fresh: stale (86400s) must not be below fresh (90000s) (SDDC_GATEWAY_INVENTORY__FRESH)",
        ),
        (
            &[("OPS__LISTEN", "127.0.0.1:8080")],
            "ops.listen: api.listen (127.0.0.1:8080) and ops.listen (127.0.0.1:8080) take the \
             same port (SDDC_GATEWAY_OPS__LISTEN)",
        ),
        (
            &[("OPS__LISTEN", "0.0.0.0:8080")],
            "ops.listen: api.listen (127.0.0.1:8080) and ops.listen (0.0.0.0:8080) take the \
             same port (SDDC_GATEWAY_OPS__LISTEN)",
        ),
        (&[("VMC__ORGS", "a,b,a")], "vmc.orgs: \"a\" is there twice (SDDC_GATEWAY_VMC__ORGS)"),
    ] {
        let scene = variables.iter().fold(Scene::minimal(), |scene, (n, v)| scene.with(n, v));
        assert_eq!(scene.fault(), fault);
    }
    Scene::minimal().with("API__LISTEN", "127.0.0.1:0").with("OPS__LISTEN", "127.0.0.1:0").load();
    Scene::minimal().with("OPS__LISTEN", "127.0.0.2:8080").load();
    let orgs = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    Scene::minimal().with("VMC__ORGS", &orgs(1000)).load();
    assert!(Scene::minimal().with("VMC__ORGS", &orgs(1002)).fault().contains("more than 1000"));
}

#[test]
fn access_is_open_only_on_loopback_or_knowingly() {
    let is_open = |scene: &Scene| matches!(scene.load().access, access::Settings::Open);
    let everywhere = || Scene::minimal().with("API__LISTEN", "0.0.0.0:80");
    assert!(is_open(&Scene::minimal()));
    assert!(is_open(&Scene::minimal().with("API__LISTEN", "[::1]:80")));
    assert!(is_open(&everywhere().with("ACCESS__OPEN", "true")));
    assert_eq!(
        everywhere().fault(),
        "access.keys: nobody is set who may call, while api.listen is 0.0.0.0:80 \
         (SDDC_GATEWAY_API__LISTEN), which is not loopback; add a caller (`sddc-gateway key NAME` \
         prints what to set), or let everyone in knowingly with access.open = true",
    );
}

#[test]
fn an_access_key_without_a_caller_lets_nobody_in() {
    for (name, value) in [("ACCESS__OPEN", "false"), ("ACCESS__KEYS", "")] {
        let config = Scene::minimal().with("API__LISTEN", "0.0.0.0:80").with(name, value).load();
        assert_eq!(callers(&config), []);
        assert_eq!(config.warnings(), ["access: no caller is set, so nobody gets in"]);
    }
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
        ("CANARY-s3cret".to_owned(), "entry 1 must be name:sha256 of the key"),
        (format!("x:{a},sgw_x:CANARY-s3cret"), "entry 2 has no good digest: a key's SHA-256 is 64"),
        (format!("other:{a}"), "entry 1 has no good name: this name is reserved"),
        (format!("x:{a},"), "entry 2 must be name:sha256 of the key"),
        (format!("x:{a},y:{a}"), "a key of \"y\" is already \"x\"'s"),
        (format!("x:{a},x:{a}"), "a key of \"x\" is already \"x\"'s"),
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
            "key_sha256: required but not set (gateway.toml:4)",
        ),
        (
            format!("[[access.callers]]\nname = \"one\"\nkey_sha256 = [\"{b}\"]"),
            "name: \"one\" is there twice; one caller may have several keys (gateway.toml:4)",
        ),
        (
            format!("[[access.callers]]\nname = \"two\"\nkey_sha256 = [\n\"{b}\",\n\"{a}\"]"),
            "key_sha256: a key of \"two\" is already \"one\"'s (gateway.toml:8)",
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
            format!("[[access.callers]]\nname = \"two\"\nkey_sha256 = [\"{b}\", \"{CANARY}\"]"),
            "key_sha256: entry 2: a key's SHA-256 is 64 hexadecimal digits (gateway.toml:6)",
        ),
        (
            format!("[[access.callers]]\nname = \"two\"\nkey_sha256 = \"{b}\""),
            "key_sha256: must be an array of strings, not a string (gateway.toml:6)",
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
            "scopes: entry 1: unknown scope; allowed: sddc:read (gateway.toml:7)",
        ),
        (
            format!(
                "[[access.callers]]\nname = \"two\"\nkey_sha256 = [\"{b}\"]\nscope = \"{CANARY}\""
            ),
            "scope: unknown field; did you mean scopes? (gateway.toml:7)",
        ),
    ] {
        let told = Scene::minimal().file(format!("{first}{second}")).fault();
        assert_eq!(told, format!("access.callers.{fault}"));
    }
    let told = Scene::minimal().file(&first).with("ACCESS__KEYS", &format!("one:{b}")).fault();
    assert_eq!(
        told,
        "access.keys: \"one\" is already one of access.callers (SDDC_GATEWAY_ACCESS__KEYS)"
    );
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

#[test]
fn the_format_of_the_log_follows_the_terminal_unless_it_is_set() {
    for (terminal, set, format) in [
        (true, None, Format::Text),
        (false, None, Format::Json),
        (true, Some("json"), Format::Json),
        (false, Some("text"), Format::Text),
    ] {
        let mut scene = Scene::minimal();
        scene.source.stderr_is_terminal = terminal;
        let scene = set.into_iter().fold(scene, |scene, set| scene.with("TELEMETRY__FORMAT", set));
        assert_eq!(scene.load().telemetry.format, format);
    }
}

#[test]
fn the_example_starts_once_its_secret_file_is_there() {
    let scene = Scene::new();
    let secret = scene.write("secret", CANARY);
    let text = example().replace("/run/secrets/csp-client-secret", secret.to_str().unwrap());
    let config = scene.file(text).load();
    assert!(matches!(config.access, access::Settings::Open));
}

#[test]
fn a_demo_has_the_defaults_around_its_simulator() {
    let address = |text: &str| text.parse().unwrap();
    let config = Config::for_demo(
        address("0.0.0.0:1"),
        address("0.0.0.0:2"),
        Url::parse("http://127.0.0.1:3").unwrap(),
        "demo".parse().unwrap(),
        ClientSecret::from_text(CANARY).unwrap(),
    );
    assert_eq!((config.api.listen.port(), config.ops.listen.port()), (1, 2));
    assert_eq!((config.csp.url.port(), config.vmc.url.port()), (Some(3), Some(3)));
    assert_eq!(config.api.max_in_flight, 1024);
    assert_eq!(config.inventory.poll, Duration::from_secs(2));
    assert!(matches!(config.access, access::Settings::Open));
    assert!(!format!("{config:?}").contains(CANARY));
}

/// Text that comes close to configuration: pieces of it in any order.
fn near_toml() -> impl Strategy<Value = String> {
    let names = || prop::sample::select(KEYS.iter().map(|key| key.name).collect::<Vec<_>>());
    let value = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        "[0-9]{1,20}(ms|s|m|h|MiB|d)?".prop_map(|text| format!("\"{text}\"")),
        any::<String>().prop_map(|text| format!("{text:?}")),
        any::<String>().prop_map(|text| format!("[{text:?}, 1]")),
        Just("[{ name = \"a\", key_sha256 = [1] }, {}, 3]".to_owned()),
        Just("{ a = { b = 1 } }".to_owned()),
        Just("1979-05-27".to_owned()),
        any::<String>(),
    ];
    let line = prop_oneof![
        8 => (names(), value).prop_map(|(name, value)| format!("{name} = {value}")),
        1 => names().prop_map(|name| format!("[{name}]")),
        1 => names().prop_map(|name| format!("[[{name}]]")),
        1 => any::<String>(),
    ];
    prop::collection::vec(line, 0..6).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_file_and_no_environment_makes_loading_panic(
        file in near_toml(),
        variables in prop::collection::vec(
            (prop::sample::select(KEYS), prop_oneof![any::<Vec<u8>>(), "[0-9a-z:,/.]{0,12}".prop_map(String::into_bytes)]),
            0..6,
        ),
    ) {
        let mut scene = Scene::new().file(file);
        for (key, value) in variables {
            let name = key.environment().unwrap_or_else(|| "SDDC_GATEWAY_A__B".into());
            scene.source.environment.push((name.into(), OsString::from_vec(value)));
        }
        if let Err(faults) = Config::load(&scene.source) {
            let text = faults.to_string();
            prop_assert!(faults.iter().count() > 0);
            prop_assert_eq!(text.lines().count(), faults.iter().count());
        }
    }

    #[test]
    fn a_canary_is_in_no_fault_wherever_a_credential_is_expected(
        key in prop::sample::select(
            KEYS.iter()
                .filter(|key| matches!(key.shape, Shape::Credential | Shape::Credentials))
                .collect::<Vec<_>>(),
        ),
        before in "[:,\"\\\\a\n]{0,3}",
    ) {
        let name = key.environment().unwrap();
        let mut scene = Scene::new();
        scene.source.environment.push((name.into(), format!("{before}{CANARY}").into()));
        scene.faults();
    }
}
