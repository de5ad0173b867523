use super::{
    super::faults::{Fault, Faults},
    *,
};

#[test]
fn every_default_is_the_contracts() {
    let expected = [
        ("api.listen", "127.0.0.1:8080"),
        ("api.hosts", ""),
        ("api.tls_client_auth", "optional"),
        ("api.max_in_flight", "1024"),
        ("api.max_connections", "10000"),
        ("api.max_watchers", "6000"),
        ("api.header_timeout", "10s"),
        ("api.idle_timeout", "75s"),
        ("api.write_timeout", "30s"),
        ("api.request_timeout", "30s"),
        ("api.drain_delay", "3s"),
        ("api.drain", "20s"),
        ("api.trusted_proxies", ""),
        ("api.public_path", "/"),
        ("api.page", "true"),
        ("ops.listen", "127.0.0.1:9090"),
        ("csp.url", "https://console.cloud.vmware.com"),
        ("csp.token_path", "/csp/gateway/am/api/auth/token"),
        ("csp.basic_encoding", "raw"),
        ("vmc.url", "https://vmc.vmware.com"),
        ("vmc.orgs", ""),
        ("vmc.connect_timeout", "3s"),
        ("vmc.timeout", "8s"),
        ("vmc.max_in_flight", "16"),
        ("vmc.retries", "2"),
        ("vmc.max_body", "128MiB"),
        ("vmc.plain_http", ""),
        ("inventory.poll", "30s"),
        ("inventory.fresh", "60s"),
        ("inventory.stale", "24h"),
        ("inventory.stale_denied", "1h"),
        ("drop_in.enabled", "false"),
        ("drop_in.unknown_fields", "null"),
        ("shared.plain_hosts", ""),
        ("access.open", "false"),
        ("access.oidc.client_ids", ""),
        ("telemetry.log", "info"),
    ];
    let defaults: Vec<_> = KEYS.iter().filter_map(|key| Some((key.name, key.default()?))).collect();
    assert_eq!(defaults, expected);
    let without: Vec<_> =
        KEYS.iter().filter(|key| key.default().is_none()).map(|key| key.name).collect();
    assert_eq!(
        without,
        [
            "api.tls_cert",
            "api.tls_key",
            "api.tls_client_ca",
            "api.tls_client_crl",
            "api.max_connections_per_client",
            "api.contact",
            "csp.client_id",
            "csp.client_secret",
            "csp.client_secret_file",
            "vmc.ca_file",
            "inventory.snapshot_file",
            "keys.file",
            "shared.redis_url",
            "shared.redis_url_file",
            "access.keys",
            "access.callers",
            "access.callers_file",
            "access.oidc.issuer",
            "access.oidc.audience",
            "access.oidc.jwks_url",
            "access.oidc.jwks_file",
            "access.oidc.ca_file",
            "telemetry.format",
            "telemetry.audit",
            "telemetry.otlp_endpoint",
        ],
    );
}

#[test]
fn names_are_unique_and_stand_in_a_section() {
    for (at, key) in KEYS.iter().enumerate() {
        let (section, _) = key.parts();
        assert!(SECTIONS.iter().any(|(name, _)| *name == section), "{}", key.name);
        assert!(KEYS[at + 1..].iter().all(|other| other.name != key.name), "{}", key.name);
    }
}

#[test]
fn an_environment_name_is_section_and_key() {
    let name = |key| find(key).and_then(Key::environment);
    assert_eq!(name("csp.client_id").as_deref(), Some("SDDC_GATEWAY_CSP__CLIENT_ID"));
    assert_eq!(name("access.oidc.issuer").as_deref(), Some("SDDC_GATEWAY_ACCESS__OIDC__ISSUER"),);
    assert_eq!(name("access.callers"), None);
}

#[test]
fn what_may_hold_a_secret_is_not_quoted() {
    let may = |key, value| find(key).is_some_and(|key| key.quote(value).is_some());
    assert!(may("api.listen", "foo"));
    assert!(may("csp.client_secret_file", "/run/secrets/missing"));
    for key in ["csp.client_secret_file", "shared.redis_url_file", "keys.file", "api.tls_key"] {
        assert!(!may(key, "s3cret"), "{key}");
    }
    for key in ["api.tls_cert", "api.tls_client_ca", "vmc.ca_file", "access.callers_file"] {
        assert!(may(key, "tls/one.pem"), "{key}");
    }
    assert!(!may("api.tls_cert", "sgw_s3cret"));
    assert!(!may("api.tls_cert", "-----BEGIN PRIVATE KEY----- s3cret"));
    assert!(!may("api.tls_cert", "s3cret\ns3cret"));
    assert!(!may("csp.client_secret", "s3cret"));
    assert!(!may("csp.client_id", "id:s3cret"));
    assert!(!may("csp.url", "http://user:s3cret@host"));
    assert!(!may("access.keys", "billing:sgw_s3cret"));
    assert!(!may("api.hosts", "sgw_s3cret"));
}

#[test]
fn a_url_is_quoted_without_its_query_or_fragment() {
    let quoted = |key, value| find(key).and_then(|key| key.quote(value)).unwrap();
    for key in ["telemetry.otlp_endpoint", "csp.url", "vmc.url", "api.hosts"] {
        for (url, shown) in [
            ("http://host/path?token=s3cret", r#""http://host/path?…""#),
            ("host#s3cret?s3cret", r#""host#…""#),
            ("ftp://host/path", r#""ftp://host/path""#),
        ] {
            assert_eq!(quoted(key, url), shown, "{key}");
        }
    }
    assert_eq!(quoted("vmc.ca_file", "/etc/a#b"), r#""/etc/a#b""#);
}

#[test]
fn bounds_are_told_as_they_are_declared() {
    let doc = |name| find(name).map(Key::doc).unwrap_or_default();
    assert!(doc("vmc.retries").ends_with(" Allowed: 0 to 10."));
    assert!(doc("vmc.timeout").ends_with(" Allowed: 1ms to 1h."));
    assert!(doc("vmc.max_body").ends_with(" Allowed: 1KiB to 4GiB."));
}

#[test]
fn files_and_unknown_names_come_first_then_the_order_of_the_table() {
    let fault = |subject: &str| Fault::of(subject, "…");
    let faults = vec![
        fault("telemetry.log"),
        fault("access.callers.name"),
        fault("api.listen"),
        fault("vmc.urll"),
    ];
    let faults = Faults::new(faults, place);
    let order: Vec<_> = faults.iter().map(|fault| fault.subject.as_str()).collect();
    assert_eq!(order, ["vmc.urll", "api.listen", "access.callers.name", "telemetry.log"]);
}
