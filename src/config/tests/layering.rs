//! Which layer wins, and what is said about names and files.

use super::*;

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
             host, or one of vmc.plain_http (gateway.toml:8)",
            "inventory.fresh: \"never\" must be a duration, such as 30s, 5m, 1h30m or 500ms \
             (SDDC_GATEWAY_INVENTORY__FRESH)",
            "telemetry.log: \"loud\" must be one of off, error, warn, info, debug, trace \
             (gateway.toml:10)",
        ],
    );
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
            "inventry: unknown section; did you mean inventory? (gateway.toml:1)",
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
    assert_eq!(faults[0], "--config: \"missing.toml\" cannot be read: no such file or directory");
    assert!(faults[1].starts_with("api.drain: \"soon\" must be"));

    // Empty is how a compose file says "not set".
    Scene::minimal().with("CONFIG", "").load();
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
