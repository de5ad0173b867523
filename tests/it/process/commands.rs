//! Commands, their exit codes, and what they print.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Command,
};

use rustix::process::Signal;
use sddc_gateway::access::KeyDigest;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::run::{Cloud, SECRET, ask, bearer, dead_address, file, gateway, new_key, pasted};

#[test]
fn help_and_version_are_printed_everywhere() {
    for command in [
        "serve",
        "demo",
        "simulator",
        "check",
        "config",
        "key",
        "openapi",
        "completions",
        "man",
        "healthcheck",
    ] {
        let ended = gateway(&[command, "--help"]).run();
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{command}");
        assert!(ended.stdout.contains("Usage: sddc-gateway"), "{}", ended.stdout);
        let all = gateway(&["--help"]).run();
        assert!(all.stdout.lines().any(|line| line.trim_start().starts_with(command)));
    }
    let ended = gateway(&["--version"]).run();
    let (version, commit) = (env!("CARGO_PKG_VERSION"), sddc_gateway::COMMIT);
    assert_eq!(ended.stdout, format!("sddc-gateway {version} ({commit})\n"));
    assert_eq!(ended.code, Some(0));
}

#[test]
fn a_printed_key_lets_its_caller_in_by_both_stanzas() {
    let cloud = Cloud::start(&[]);
    let folder = TempDir::new().unwrap();
    let (one, other) = (new_key("billing"), new_key("audit"));
    assert_ne!(one.key, other.key);
    for printed in [&one, &other] {
        let secret_part = printed.key.strip_prefix("sgw_").unwrap();
        assert_eq!(secret_part.len(), 43);
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        assert!(secret_part.bytes().all(is_base64url), "{}", printed.key);
        let digest = KeyDigest::of(printed.key.as_bytes()).to_string();
        assert!(printed.stanza.contains(&format!("key_sha256 = [\"{digest}\"]")));
        assert!(printed.variable.ends_with(&format!(":{digest}")));
    }
    let config = file(&folder, "gateway.toml", &one.stanza);
    let by_file = gateway(&["serve", "--config", config.to_str().unwrap()])
        .of(&cloud)
        .with_secret(SECRET)
        .serve();
    let by_variable = gateway(&["serve"])
        .of(&cloud)
        .with_secret(SECRET)
        .with("SDDC_GATEWAY_ACCESS__KEYS", &other.variable)
        .serve();
    assert_eq!(bearer(by_file.api, "/sddcs", &one.key).status, 200);
    assert_eq!(bearer(by_file.api, "/sddcs", &other.key).status, 401);
    assert_eq!(bearer(by_variable.api, "/sddcs", &other.key).status, 200);
    assert_eq!(bearer(by_variable.api, "/sddcs", &one.key).status, 401);
    assert_eq!(by_variable.get("/sddcs").status, 401);
}

#[test]
fn a_bad_name_gets_no_key() {
    for name in ["bad name", "", "anonymous", "a\u{1b}[2J"] {
        let ended = gateway(&["key", name]).run();
        assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{name:?}");
        assert!(ended.stderr.contains("name"), "{}", ended.stderr);
        assert!(!ended.stderr.contains('\u{1b}'), "it is escaped");
    }
}

#[test]
fn the_config_command_shows_what_is_in_force_and_prints_example_and_schema() {
    let folder = TempDir::new().unwrap();
    let text = format!("[csp]\nclient_id = \"app\"\nclient_secret = \"{SECRET}\"\n");
    let config = file(&folder, "gateway.toml", &text);
    let config = config.to_str().unwrap();
    for arguments in
        [["config", "show", "--config", config], ["--config", config, "config", "show"]]
    {
        let shown = gateway(&arguments).with("SDDC_GATEWAY_VMC__RETRIES", "3").run();
        assert_eq!((shown.code, &*shown.stderr), (Some(0), ""));
        let secret = format!("client_secret = \"***\"  # {config}:3");
        for line in [&*secret, "retries = 3  # SDDC_GATEWAY_VMC__RETRIES"] {
            assert!(shown.stdout.lines().any(|shown| shown == line), "{}", shown.stdout);
        }
        assert!(!shown.stdout.contains(SECRET));
    }
    let refused = gateway(&["config", "show"]).run();
    assert_eq!((refused.code, &*refused.stdout), (Some(78), ""));
    assert!(refused.stderr.contains("csp.client_id: required but not set"), "{}", refused.stderr);
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/gateway.example.toml");
    let example = gateway(&["config", "example"]).run();
    assert_eq!(example.stdout, fs::read_to_string(committed).unwrap());
    let schema: Value = gateway(&["config", "schema"]).run().stdout.parse().unwrap();
    assert_eq!(schema["properties"]["vmc"]["properties"]["retries"]["type"], "integer");
}

#[test]
fn the_openapi_command_prints_the_published_document() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi");
    for (arguments, name) in [
        (&["openapi"][..], "openapi.json"),
        (&["openapi", "--format", "json"], "openapi.json"),
        (&["openapi", "--format", "yaml"], "openapi.yaml"),
    ] {
        let ended = gateway(arguments).run();
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
        let published = fs::read_to_string(folder.join(name)).unwrap();
        assert!(ended.stdout == published, "{arguments:?} is not openapi/{name}");
    }
}

#[test]
fn a_bad_configuration_is_told_whole_and_nothing_is_bound() {
    let folder = TempDir::new().unwrap();
    // Binding these would fail, and be told.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = file(
        &folder,
        "gateway.toml",
        &format!(
            "[api]\nlisten = \"{}\"\nlissten = 1\n[csp]\nclient_secret = \"CANARY\"\n\
             client_secret_file = \"/nowhere\"\n[inventory]\nfresh = \"often\"\n",
            taken.local_addr().unwrap()
        ),
    );
    let config = config.to_str().unwrap();
    for arguments in
        [&["serve", "--config", config][..], &["--config", config], &["check", "--config", config]]
    {
        let ended = gateway(arguments)
            .with("SDDC_GATEWAY_API__MAX_IN_FLIGHT", "many")
            .with("SDDC_GATEWAY_CSP__CLIENT_IDD", "x")
            .with("SDDC_GATEWAY_PORT", "tcp://10.0.0.1:80")
            .run();
        assert_eq!((ended.code, &*ended.stdout), (Some(78), ""), "{arguments:?} {ended:?}");
        for fault in [
            "SDDC_GATEWAY_CSP__CLIENT_IDD: unknown key",
            "api.lissten: unknown key",
            "gateway.toml:3",
            "api.max_in_flight: \"many\"",
            "(SDDC_GATEWAY_API__MAX_IN_FLIGHT)",
            "csp.client_id: required but not set",
            "csp.client_secret: set together with csp.client_secret_file",
            "inventory.fresh: \"often\"",
            "gateway.toml:8",
        ] {
            assert!(ended.stderr.contains(fault), "{fault} is not in\n{}", ended.stderr);
        }
        assert_eq!(ended.stderr.lines().count(), 6, "{}", ended.stderr);
        assert!(!ended.stderr.contains("CANARY") && !ended.stderr.contains("cannot listen"));
    }
}

#[test]
fn without_callers_it_starts_on_loopback_only() {
    for arguments in [&["serve"][..], &[]] {
        let ended = gateway(arguments)
            .with("SDDC_GATEWAY_API__LISTEN", "0.0.0.0:0")
            .with("SDDC_GATEWAY_CSP__CLIENT_ID", "demo-app")
            .with_secret(SECRET)
            .run();
        assert_eq!(ended.code, Some(78), "{ended:?}");
        assert!(ended.stderr.contains("sddc-gateway key NAME"), "{}", ended.stderr);
        assert!(ended.stderr.contains("access.open = true"), "{}", ended.stderr);
    }
}

#[test]
fn a_key_that_could_not_be_printed_is_a_failure() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sddc-gateway"));
    let ended = command.args(["key", "billing"]).stdout(full).output().unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{told}");
    assert!(told.starts_with("sddc-gateway: the key cannot be printed: "), "{told}");
    assert!(!told.contains("sgw_"));
}

#[test]
fn healthcheck_tells_alive_from_ready() {
    let cloud = Cloud::start(&[]);
    let asked = |ops: SocketAddr, arguments: &[&str]| {
        let ended = gateway(arguments).with("SDDC_GATEWAY_OPS__LISTEN", ops.to_string()).run();
        (ended.code, ended.stderr)
    };
    let good = gateway(&["serve"]).of(&cloud).with_secret(SECRET).serve();
    assert_eq!(good.get("/sddcs").status, 200);
    assert_eq!(asked(good.ops, &["healthcheck"]).0, Some(0));
    assert_eq!(asked(good.ops, &["healthcheck", "--ready"]).0, Some(0));
    let refused = gateway(&["serve"]).of(&cloud).with_secret("wrong").serve();
    assert_eq!(asked(refused.ops, &["healthcheck"]).0, Some(0));
    let (code, told) = asked(refused.ops, &["healthcheck", "--ready"]);
    assert_eq!(code, Some(1));
    assert!(told.contains("/readyz: status 503"), "{told}");
    let (code, told) = asked(dead_address(), &["healthcheck"]);
    assert_eq!(code, Some(1));
    assert!(told.contains("/livez"), "{told}");
}

#[test]
fn the_simulator_says_where_it_is_and_ends_when_told() {
    let mut cloud = Cloud::start(&["--orgs", "2", "--sddcs", "3"]);
    for name in ["CSP__URL", "VMC__URL"] {
        cloud.process.line(&format!("SDDC_GATEWAY_{name}={}", cloud.url()));
    }
    let orgs = cloud.process.line("Organizations: ");
    assert_eq!(orgs.split(", ").count(), 2, "{orgs}");
    let answer = ask(cloud.address, "GET /__stats HTTP/1.1\r\nHost: localhost\r\n", "");
    assert_eq!(answer.status, 200);
    cloud.process.signal(Signal::TERM);
    assert_eq!(cloud.process.ended().code, Some(0));
}

#[test]
fn each_curl_line_of_the_demo_works() {
    let any = "127.0.0.1:0";
    let listen = ["--listen", any, "--ops-listen", any, "--control-listen", any];
    let mut demo = gateway(&[&["demo", "--sddcs", "5"], &listen[..]].concat()).start();
    let url = |line: String| line[line.find("http://").unwrap()..].to_owned();
    let (sddcs, docs) = (url(demo.line("SDDCs  ")), url(demo.line("docs  ")));
    let (state, metrics) = (url(demo.line("state  ")), url(demo.line("metrics  ")));
    let controls = url(demo.line("controls  "));
    let printed: Vec<_> = (0..4).map(|_| demo.line("  curl ").trim().to_owned()).collect();
    let curl = |line: &str| {
        let line = line.replacen("curl ", "curl -sS --max-time 20 ", 1);
        let output = Command::new("sh").args(["-c", &line]).env_remove("http_proxy").output();
        let output = output.unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let list: Value = serde_json::from_str(&curl(&printed[0])).unwrap();
    let sddcs_shown = list["items"].as_array().unwrap().len();
    assert!((5..=7).contains(&sddcs_shown), "up to two come and go: {list}");
    let ready = curl(&printed[1]);
    assert!(
        ready.starts_with("HTTP/1.1 200 OK\r\n") && ready.contains("cache-status: "),
        "{ready}"
    );
    let list: Value = serde_json::from_str(ready.split_once("\r\n\r\n").unwrap().1).unwrap();
    for sddc in list["items"].as_array().unwrap() {
        let fields: Vec<&str> = sddc.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!((&sddc["state"], fields), (&json!("READY"), vec!["id", "name", "state"]));
    }
    assert_ne!(list["items"], json!([]));
    let refused = curl(&format!("curl -i '{sddcs}?partail=allow'"));
    assert!(refused.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{refused}");
    assert!(refused.contains("\"did_you_mean\":\"partial\""), "{refused}");
    // A stream does not end by itself: what matters is that it begins.
    let mut events = pasted(&printed[2]).start();
    events.line("event: sync");
    assert!(events.line("data: ").contains("\"items\""));
    assert!(curl(&format!("curl -f {sddcs}")).contains("\"items\""));
    assert!(curl(&format!("curl -f {docs}")).contains("<html"));
    assert!(curl(&format!("curl -f {state}")).contains("\"ready\":true"));
    assert!(curl(&format!("curl -f {metrics}")).contains("sddc_gateway_build_info{"));
    assert!(curl(&format!("curl -f {controls}")).contains("DELETE /__faults/{id}"));
    // The last one breaks VMware Cloud: answers are there all the same, and say so.
    assert!(curl(&printed[3]).contains("\"id\""));
    let broken = curl(&format!("curl -i -H 'Cache-Control: no-cache' {sddcs}"));
    assert!(broken.starts_with("HTTP/1.1 200 OK\r\n"), "{broken}");
    assert!(broken.contains("detail=stale-upstream-unavailable"), "{broken}");
    demo.signal(Signal::INT);
    let ended = demo.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_demo_with_keys_lets_their_callers_in_and_stands_still_when_told() {
    let any = "127.0.0.1:0";
    let listen = ["--listen", any, "--ops-listen", any, "--control-listen", any];
    let keys = ["--key", "ci:a-key-of-mine", "--key", "second:a.second.key"];
    let demo = |seed: &str| {
        let more = ["demo", "--still", "--seed", seed];
        let mut demo = gateway(&[&more[..], &listen, &keys].concat()).start();
        let line = demo.line("SDDCs  ");
        let api: SocketAddr =
            line[line.find("http://").unwrap() + 7..].trim_end_matches("/sddcs").parse().unwrap();
        (demo, api)
    };
    let (first, api) = demo("7");
    assert_eq!(ask(api, "GET /sddcs HTTP/1.1\r\nHost: localhost\r\n", "").status, 401);
    assert_eq!(bearer(api, "/sddcs", "a-key-of-hers").status, 401);
    for (key, name) in [("a-key-of-mine", "ci"), ("a.second.key", "second")] {
        assert_eq!(bearer(api, "/whoami", key).json()["name"], name);
        let (head, form) = (
            "POST /csp/gateway/am/api/auth/api-tokens/authorize HTTP/1.1\r\nHost: localhost\r\n",
            format!("api_token={key}"),
        );
        assert_eq!(ask(api, head, &form).status, 200);
    }
    // Equal seeds give equal data, and other seeds others.
    let ids = |api| {
        let list = bearer(api, "/sddcs", "a-key-of-mine").json();
        let items = list["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["id"].clone()).collect::<Vec<_>>()
    };
    let ((same, again), (another, elsewhere)) = (demo("7"), demo("8"));
    assert_eq!(ids(api), ids(again));
    assert_ne!(ids(api), ids(elsewhere));
    for demo in [first, same, another] {
        demo.signal(Signal::INT);
        assert_eq!(demo.ended().code, Some(0));
    }
    let ended = gateway(&["demo", "--key", "ci:s3cret"]).run();
    assert_eq!(ended.code, Some(78));
    assert!(
        ended.stderr.contains("8 to 128") && !ended.stderr.contains("s3cret"),
        "{}",
        ended.stderr
    );
}

#[test]
fn completions_and_the_manual_page_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = gateway(&["completions", shell]).run();
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{shell}");
        for word in ["simulator", "--control-listen", "healthcheck"] {
            // fish and elvish write flags without their dashes.
            let word = word.trim_start_matches('-');
            assert!(ended.stdout.contains(word), "{shell}: {word}");
        }
    }
    let ended = gateway(&["man"]).run();
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
    assert!(ended.stdout.contains(".TH sddc-gateway 1"), "{}", ended.stdout);
    for text in ["SDDC\\-GATEWAY DEMO", "\\-\\-control\\-listen", "SDDC\\-GATEWAY CONFIG SHOW"] {
        let plain = text.replace('\\', "");
        let page = ended.stdout.replace('\\', "");
        assert!(page.contains(&plain), "{plain}: {page}");
    }
}

#[test]
fn a_variable_with_one_underscore_is_an_error_and_those_of_kubernetes_are_none() {
    let offline = |variable: &str, value: &str| {
        gateway(&["check", "--offline"])
            .with("SDDC_GATEWAY_CSP__CLIENT_ID", "app")
            .with("SDDC_GATEWAY_CSP__CLIENT_SECRET", SECRET)
            .with(variable, value)
            .run()
    };
    let ended = offline("SDDC_GATEWAY_API_LISTEN", "127.0.0.1:1");
    assert_eq!(ended.code, Some(78));
    let slip = "SDDC_GATEWAY_API_LISTEN: unknown variable; did you mean SDDC_GATEWAY_API__LISTEN?";
    assert!(ended.stderr.contains(slip), "{}", ended.stderr);
    let ended = offline("SDDC_GATEWAY_PORT", "tcp://10.96.0.12:80");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!format!("{ended:?}").contains("SDDC_GATEWAY_PORT"));
    let ended = offline("SDDC_GATEWAY_COLOUR", "green");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(format!("{ended:?}").contains("SDDC_GATEWAY_COLOUR"), "{ended:?}");
}
