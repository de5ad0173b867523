//! Defaults, types, and values that must fit each other.

use super::*;

#[test]
fn with_id_and_secret_alone_everything_is_the_default() {
    let config = Scene::minimal().load();
    let seconds = Duration::from_secs;
    assert_eq!(config.api.listen.to_string(), "127.0.0.1:8080");
    assert!(config.api.hosts.is_empty() && config.api.trusted_proxies.is_empty());
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
    assert_eq!((config.vmc.max_in_flight, config.vmc.retries), (16, 2));
    assert_eq!((config.vmc.max_body, config.vmc.ca_file.as_ref()), (128 << 20, None));
    assert_eq!((config.inventory.poll, config.inventory.fresh), (seconds(30), seconds(60)));
    assert_eq!(config.inventory.stale, seconds(24 * 3600));
    assert_eq!(config.inventory.stale_denied, seconds(3600));
    assert!(matches!(config.access, crate::access::Settings::Open));
    assert_eq!((config.telemetry.log, config.telemetry.format), (LevelFilter::INFO, Format::Json));
    assert_eq!(config.telemetry.audit, None);
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
            trusted_proxies = ["10.0.0.0/8", "::1"]
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
            max_in_flight = 1
            retries = 0
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
            audit = "stdout"
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
    assert_eq!(config.secret_file.as_ref().map(LoadedFile::path), Some(&*secret));
    let trusted: Vec<_> = config.api.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(trusted, ["10.0.0.0/8", "::1/128"]);
    assert_eq!(config.telemetry.audit, Some(AuditTarget::Stdout));
    assert_eq!(config.csp.basic_encoding, BasicEncoding::Form);
    assert_eq!(
        config.vmc.orgs.iter().map(crate::ids::OrgId::as_str).collect::<Vec<_>>(),
        ["org-1", "org-2"]
    );
    assert_eq!((config.vmc.max_in_flight, config.vmc.retries), (1, 0));
    assert_eq!(
        (config.vmc.max_body, config.vmc.ca_file.as_ref().map(LoadedFile::path)),
        (65_536, Some(&*ca))
    );
    assert_eq!(config.inventory.stale_denied, config.inventory.stale, "the lower one holds");
    assert_eq!((config.telemetry.log, config.telemetry.format), (LevelFilter::TRACE, Format::Text));
    let config = Config { vmc: VmcSettings { ca_file: None, ..config.vmc }, ..config };
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
fn each_key_is_read_and_a_wrong_value_is_told_by_its_name() {
    for key in KEYS {
        let Some(variable) = key.environment() else { continue };
        let nonsense = if key.name == "csp.client_secret" { "" } else { "\u{1}" };
        let scene = Scene::new().with(variable.trim_start_matches("SDDC_GATEWAY_"), nonsense);
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
        (
            "[api]\nhosts = \"a\"",
            "api.hosts: must be an array of strings, not a string: write [\"…\"] (g",
        ),
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
fn a_ca_file_must_hold_certificates() {
    let broken = CA.replace("MII", "AAA");
    for (content, fault) in [
        ("", "contains no PEM certificate"),
        ("-----BEGIN CERTIFICATE-----\n", "contains broken PEM"),
        (broken.as_str(), "contains a certificate that is not a usable CA: number 1"),
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
            "ops.listen: api.listen (127.0.0.1:8080) and ops.listen (127.0.0.1:8080) use the same \
             port (SDDC_GATEWAY_OPS__LISTEN)",
        ),
        (
            &[("OPS__LISTEN", "0.0.0.0:8080")],
            "ops.listen: api.listen (127.0.0.1:8080) and ops.listen (0.0.0.0:8080) use the same \
             port (SDDC_GATEWAY_OPS__LISTEN)",
        ),
        (&[("VMC__ORGS", "a,b,a")], "vmc.orgs: \"a\" occurs twice (SDDC_GATEWAY_VMC__ORGS)"),
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
fn watchers_are_counted_from_one_to_a_million() {
    assert_eq!(Scene::minimal().load().api.max_watchers, 6000);
    let set = |text: &str| Scene::minimal().with("API__MAX_WATCHERS", text);
    for (text, most) in [("1", 1), ("1000000", 1_000_000)] {
        assert_eq!(set(text).load().api.max_watchers, most);
    }
    for text in ["0", "1000001", "-1", "many", ""] {
        let told = set(text).fault();
        assert!(told.starts_with("api.max_watchers: "), "{told}");
        assert!(told.contains("must be a whole number, 1 to 1000000"), "{told}");
    }
    let told = Scene::minimal().file("[api]\nmax_watchers = \"6000\"").fault();
    assert_eq!(told, "api.max_watchers: must be a whole number, not a string (gateway.toml:2)");
}

#[test]
fn a_snapshot_file_is_in_a_directory_that_is_there() {
    assert_eq!(Scene::minimal().load().inventory.snapshot_file, None);
    // Where a name is relative, it is to where the gateway runs.
    for name in ["snapshot", "./snapshot"] {
        let config = Scene::minimal().with("INVENTORY__SNAPSHOT_FILE", name).load();
        assert_eq!(config.inventory.snapshot_file, Some(PathBuf::from(name)));
    }
    let in_directory = |name: &str| {
        let scene = Scene::minimal();
        let path = scene.write("there", "").with_file_name(name);
        (scene.with("INVENTORY__SNAPSHOT_FILE", path.to_str().unwrap()), path)
    };
    for name in ["there", "not-there-yet"] {
        let (scene, path) = in_directory(name);
        assert_eq!(scene.load().inventory.snapshot_file, Some(path));
    }
    for (name, fault) in [
        ("none/snapshot", "\"none/snapshot\" there is no directory none"),
        ("there/snapshot", "\"there/snapshot\" there is no directory there"),
        ("snapshot/", "\"snapshot/\" must name a file"),
        (".", "\".\" is a directory"),
    ] {
        let (scene, _) = in_directory(name);
        let told = scene.fault();
        let origin = "(SDDC_GATEWAY_INVENTORY__SNAPSHOT_FILE)";
        assert_eq!(told, format!("inventory.snapshot_file: {fault} {origin}"));
    }
    for (text, fault) in
        [("", "must not be empty"), ("none-such/snapshot", "there is no directory")]
    {
        let told = Scene::minimal().with("INVENTORY__SNAPSHOT_FILE", text).fault();
        assert!(told.contains(fault), "{told}");
    }
    let told = Scene::minimal().file("[inventory]\nsnapshot_file = 1").fault();
    assert!(told.starts_with("inventory.snapshot_file: must be a string, not a number"), "{told}");
}

#[test]
fn the_audit_goes_to_stdout_or_into_a_directory_that_is_there() {
    let set = |text: &str| Scene::minimal().with("TELEMETRY__AUDIT", text);
    assert_eq!(set("stdout").load().telemetry.audit, Some(AuditTarget::Stdout));
    let scene = Scene::minimal();
    let path = scene.write("there", "").with_file_name("audit.jsonl");
    let config = scene.with("TELEMETRY__AUDIT", path.to_str().unwrap()).load();
    assert_eq!(config.telemetry.audit, Some(AuditTarget::File(path.clone())));
    assert!(!path.exists(), "to check is not to write");
    let relative = PathBuf::from("./stdout");
    assert_eq!(set("./stdout").load().telemetry.audit, Some(AuditTarget::File(relative)));
    for (text, fault) in [
        ("", "must not be empty"),
        ("none-such/audit", "there is no directory none-such"),
        (".", "is a directory"),
        ("audit/", "must name a file"),
        ("/dev/full", "is not a regular file"),
    ] {
        let told = set(text).fault();
        assert!(told.starts_with("telemetry.audit: ") && told.contains(fault), "{told}");
    }
}

#[test]
fn a_trusted_proxy_is_a_network() {
    let set = |text: &str| Scene::minimal().with("API__TRUSTED_PROXIES", text);
    let networks = set("10.0.0.0/8,192.0.2.7").load().api.trusted_proxies;
    assert_eq!(
        networks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.0.0.0/8", "192.0.2.7/32"]
    );
    assert_eq!(
        set("10.0.0.0/8,10.1.2.3/16").fault(),
        "api.trusted_proxies: \"10.1.2.3/16\" has host bits set: did you mean 10.1.0.0/16? \
         (SDDC_GATEWAY_API__TRUSTED_PROXIES)",
    );
    let told = set("proxy.internal").fault();
    assert!(told.contains("\"proxy.internal\" must be a network or an address, such as"), "{told}");
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
    assert!(matches!(config.access, crate::access::Settings::Open));
}

#[test]
fn a_demo_has_the_defaults_around_its_simulator() {
    let address = |text: &str| text.parse().unwrap();
    let config =
        Config::for_demo(address("0.0.0.0:1"), address("0.0.0.0:2"), address("127.0.0.1:3"));
    assert_eq!((config.api.listen.port(), config.ops.listen.port()), (1, 2));
    assert_eq!((config.csp.url.port(), config.vmc.url.port()), (Some(3), Some(3)));
    assert_eq!(config.api.max_in_flight, 1024);
    assert_eq!(config.inventory.poll, Duration::from_secs(2));
    assert!(matches!(config.access, crate::access::Settings::Open));
    assert!(!format!("{config:?}").contains("demo-secret"));
}
