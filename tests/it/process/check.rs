//! `check`: each step, and what to do about one that fails.

use serde_json::{Value, json};
use support::collector::Collector;
use tempfile::TempDir;

use super::run::{Cloud, Ended, SECRET, dead_address, file, gateway, new_key, own_address};

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
        "CALLER   SCOPES     CREDENTIALS   CAN SEE     RATE      UNTIL",
        "billing  sddc:read  key ",
        "ok    token of the app's own organization, valid for 1800 s",
        "      organization  ",
        "      permission    csp:org_member",
        "warn  external/vmc-service-definition-id/nsx:cloud_admin can do more than read",
        "ok    1 organization(s)",
        "ok    4 SDDC(s) in organization ",
        "0 failures, ",
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

/// What `--format json` says, and how it ended.
fn report(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("not JSON: {ended:?}"))
}

fn steps_of<'a>(report: &'a Value, name: &str) -> Vec<&'a Value> {
    let steps = report["steps"].as_array().unwrap().iter();
    steps.filter(|step| step["name"] == name).collect()
}

#[test]
fn check_reads_the_sddcs_of_each_organization_once() {
    let cloud = Cloud::start(&["--orgs", "3", "--sddcs", "7"]);
    let ended = gateway(&["check", "--format", "json"]).of(&cloud).with_secret(SECRET).run();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let report = report(&ended);
    let counted: usize = steps_of(&report, "sddcs")
        .iter()
        .map(|step| step["message"].as_str().unwrap().split(' ').next().unwrap())
        .map(|count| count.parse::<usize>().unwrap())
        .sum();
    assert_eq!((steps_of(&report, "sddcs").len(), counted), (3, 7), "{report}");
    assert_eq!(cloud.stats()["sddc_list_reads"], 3);
}

#[test]
fn check_fails_where_there_is_no_organization_or_one_cannot_be_read() {
    let cloud = Cloud::start(&[]);
    let fault = json!({"target": "vmc", "path": "/vmc/api/orgs", "kind": "body", "body": "[]"});
    cloud.control("POST", "/__faults", &fault);
    let none = gateway(&["check"]).of(&cloud).with_secret(SECRET).run();
    assert_eq!(none.code, Some(1), "{none:?}");
    assert!(none.stdout.contains("FAIL  no organization"), "{}", none.stdout);
    assert!(none.stdout.contains("give the app a read-only role"), "{}", none.stdout);
    cloud.control("DELETE", "/__faults", &json!({}));
    let fault = json!({"target": "vmc", "path": "*/sddcs", "kind": "status", "status": 403});
    cloud.control("POST", "/__faults", &fault);
    let denied = gateway(&["check"]).of(&cloud).with_secret(SECRET).run();
    assert_eq!(denied.code, Some(1), "{denied:?}");
    assert!(denied.stdout.contains("ok    1 organization(s)"), "{}", denied.stdout);
    assert!(denied.stdout.contains("FAIL  SDDCs of organization "), "{}", denied.stdout);
    assert!(denied.stdout.contains("give the app a read-only role"), "{}", denied.stdout);
}

#[test]
fn check_exits_1_for_warnings_only_when_strict() {
    let cloud = Cloud::start(&[]);
    // The simulator's token has a role that can write.
    for (arguments, code) in [(&["check"][..], 0), (&["check", "--strict"], 1)] {
        let ended = gateway(arguments).of(&cloud).with_secret(SECRET).run();
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.stdout.contains("warn  "), "{}", ended.stdout);
    }
}

#[test]
fn check_writes_its_report_as_json_without_a_secret() {
    let cloud = Cloud::start(&[]);
    let key = new_key("billing");
    let ended = gateway(&["check", "--format", "json"])
        .of(&cloud)
        .with_secret(SECRET)
        .with("SDDC_GATEWAY_ACCESS__KEYS", key.variable)
        .run();
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
    let report = report(&ended);
    assert_eq!(report["status"], "warning");
    assert_eq!(report["callers"][0]["name"], "billing");
    assert_eq!(report["callers"][0]["can_see"], json!(["everything"]));
    for name in ["configuration", "callers", "port", "token", "organizations", "sddcs"] {
        let steps = steps_of(&report, name);
        assert!(steps.iter().any(|step| step["status"] == "ok"), "{name}: {report}");
    }
    for step in report["steps"].as_array().unwrap() {
        assert!(step["message"].is_string() && step["details"].is_array(), "{step}");
    }
    assert!(!ended.stdout.contains(SECRET) && !ended.stdout.contains("eyJ"));
    let wrong = gateway(&["check", "--format", "json"]).with("SDDC_GATEWAY_API__LISTEN", "x").run();
    assert_eq!(wrong.code, Some(78), "{wrong:?}");
    let faults = self::report(&wrong);
    assert_eq!(faults["status"], "failure");
    assert_eq!(faults["failures"], wrong.stderr.lines().count());
}

#[test]
fn check_says_which_ports_are_taken_and_which_files_cannot_be_written() {
    let taken = std::net::TcpListener::bind(own_address(30, 0)).unwrap();
    let folder = TempDir::new().unwrap();
    let (snapshot, audit) = (folder.path().join("snapshot"), folder.path().join("audit.log"));
    let checked = |snapshot: &std::path::Path, audit: &std::path::Path| {
        gateway(&["check", "--offline"])
            .with_secret(SECRET)
            .with("SDDC_GATEWAY_CSP__CLIENT_ID", "demo-app")
            .with("SDDC_GATEWAY_API__LISTEN", taken.local_addr().unwrap().to_string())
            .with("SDDC_GATEWAY_OPS__LISTEN", "127.0.0.1:0")
            .with("SDDC_GATEWAY_INVENTORY__SNAPSHOT_FILE", snapshot)
            .with("SDDC_GATEWAY_TELEMETRY__AUDIT", audit)
            .run()
    };
    let good = checked(&snapshot, &audit);
    assert_eq!(good.code, Some(0), "a taken port is a warning: {good:?}");
    let in_use = format!("warn  api.listen: {} is already in use", taken.local_addr().unwrap());
    assert!(good.stdout.contains(&in_use), "{}", good.stdout);
    for (key, path) in [("inventory.snapshot_file", &snapshot), ("telemetry.audit", &audit)] {
        let line = format!("ok    {key}: {} can be written", path.display());
        assert!(good.stdout.contains(&line), "{}", good.stdout);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    // Nobody makes files in /proc, not even root.
    let bad = checked("/proc/snapshot".as_ref(), "/proc/audit".as_ref());
    assert_eq!(bad.code, Some(1), "{bad:?}");
    for (key, path) in
        [("inventory.snapshot_file", "/proc/snapshot"), ("telemetry.audit", "/proc/audit")]
    {
        let line = format!("FAIL  {key}: {path} cannot be written: ");
        assert!(bad.stdout.contains(&line), "{}", bad.stdout);
    }
    assert!(!bad.stdout.contains("os error"), "{}", bad.stdout);
}

#[test]
fn check_hints_at_a_secret_that_is_written_oddly() {
    let checked = |secret: &str| {
        gateway(&["check", "--offline"])
            .with_secret(secret)
            .with("SDDC_GATEWAY_CSP__CLIENT_ID", "demo-app")
            .with("SDDC_GATEWAY_API__LISTEN", "127.0.0.1:0")
            .with("SDDC_GATEWAY_OPS__LISTEN", "127.0.0.1:0")
            .run()
    };
    for (secret, hint) in [
        ("\"quoted-secret\"", "quotation marks"),
        (" blank-secret", "begins or ends with a blank"),
        ("s3crEt", "shorter than 8 bytes"),
        ("demo-secret", ""),
    ] {
        let ended = checked(secret);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let is_warned = ended.stdout.contains("warn  csp.client_secret");
        assert_eq!(is_warned, !hint.is_empty(), "{}", ended.stdout);
        assert!(ended.stdout.contains(hint), "{}", ended.stdout);
        assert!(!ended.stdout.contains(secret.trim()), "{}", ended.stdout);
    }
}

/// A CA that is valid from the beginning of one year to the beginning of another, as PEM.
fn authority(from: i32, until: i32) -> String {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
}

#[test]
fn check_fails_when_every_ca_of_a_file_has_expired_and_warns_of_one() {
    let (good, expired, later) =
        (authority(2020, 4000), authority(2000, 2001), authority(3000, 4000));
    let folder = TempDir::new().unwrap();
    for (content, code, line) in [
        (good.clone(), 0, "is valid until 4000-01-01T00:00:00Z"),
        (format!("{good}{expired}"), 0, "certificate number 2 expired"),
        (format!("{later}{good}"), 0, "certificate number 1 is not valid before 3000"),
        (format!("{expired}{expired}"), 1, "certificate number 1 expired"),
    ] {
        let path = file(&folder, "ca.pem", &content);
        let checked = |arguments: &[&str]| {
            gateway(arguments)
                .with_secret(SECRET)
                .with("SDDC_GATEWAY_CSP__CLIENT_ID", "demo-app")
                .with("SDDC_GATEWAY_API__LISTEN", "127.0.0.1:0")
                .with("SDDC_GATEWAY_OPS__LISTEN", "127.0.0.1:0")
                .with("SDDC_GATEWAY_VMC__CA_FILE", &path)
                .run()
        };
        let ended = checked(&["check", "--offline"]);
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.stdout.contains("vmc.ca_file: ") && ended.stdout.contains(line), "{ended:?}");
        let strict = i32::from(content != good);
        assert_eq!(checked(&["check", "--offline", "--strict"]).code, Some(strict), "{line}");
    }
}

#[test]
fn check_says_for_each_upstream_whether_it_is_reached_through_a_proxy() {
    let ended = gateway(&["check", "--offline"])
        .with_secret(SECRET)
        .with("SDDC_GATEWAY_CSP__CLIENT_ID", "demo-app")
        .with("SDDC_GATEWAY_API__LISTEN", "127.0.0.1:0")
        .with("SDDC_GATEWAY_OPS__LISTEN", "127.0.0.1:0")
        .with("HTTPS_PROXY", "http://user:CANARY-password@proxy.test:3128")
        .with("NO_PROXY", "vmc.vmware.com")
        .run();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for line in [
        "csp.url: https://console.cloud.vmware.com is reached through the proxy \
         http://proxy.test:3128 (HTTPS_PROXY)",
        "vmc.url: https://vmc.vmware.com is reached directly (NO_PROXY)",
    ] {
        assert!(ended.stdout.contains(line), "{line} is not in\n{}", ended.stdout);
    }
    assert!(!ended.stdout.contains("CANARY"), "{}", ended.stdout);
}

#[test]
fn check_asks_the_collector_of_traces_and_only_warns_without_it() {
    let (cloud, collector) = (Cloud::start(&[]), Collector::start());
    let check = |endpoint: &str| {
        gateway(&["check"])
            .of(&cloud)
            .with_secret(SECRET)
            .with("SDDC_GATEWAY_TELEMETRY__OTLP_ENDPOINT", endpoint)
            .run()
    };
    let url = collector.url();
    let good = check(&url);
    assert_eq!(good.code, Some(0), "{good:?}");
    assert!(good.stdout.contains(&format!("ok    telemetry.otlp_endpoint: {url} is reached")));
    assert!(good.stdout.contains(&format!("ok    the collector at {url} takes traces")));
    assert_eq!((collector.requests(), collector.spans().len()), (1, 0));
    let dead = check(&format!("http://{}", dead_address()));
    assert_eq!(dead.code, Some(0), "{dead:?}");
    assert!(dead.stdout.contains("warn  the collector at http://"), "{}", dead.stdout);
    for (status, content_type, said) in [
        (403, "application/json", "refused (403 Forbidden)"),
        (404, "text/plain", "refused (404 Not Found)"),
        (404, "text/html", "refused (404 Not Found)"),
        (405, "text/html", "unexpected status 405 Method Not Allowed"),
        (200, "text/html; charset=utf-8", "a web page"),
    ] {
        collector.answer_with(status, content_type, b"<p>");
        let (odd, said) = (check(&url), format!("warn  the collector at {url}: {said}\n"));
        assert!(odd.stdout.contains(&said), "{said} is not in\n{}", odd.stdout);
    }
}
