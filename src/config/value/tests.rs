use super::*;

const MIN: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[test]
fn durations_are_whole_numbers_with_units() {
    let read = duration(Duration::ZERO..=YEAR);
    for (text, milliseconds) in [
        ("0s", 0),
        ("500ms", 500),
        ("30s", 30_000),
        ("5m", 300_000),
        ("24h", 86_400_000),
        ("1h30m", 5_400_000),
        ("1h0m1s1ms", 3_601_001),
    ] {
        assert_eq!(read(text), Ok(Duration::from_millis(milliseconds)), "{text}");
    }
    for odd in ["", "s", "-1s", "+1s", "1.5s", "1 s", " 1s", "1s ", "1d", "30m1h", "1s1s", "1S"] {
        assert!(read(odd).unwrap_err().starts_with("must be a duration"), "{odd}");
    }
    assert!(read("30").unwrap_err().contains("needs a unit"));
    assert_eq!(read("18446744073709551615h").unwrap_err(), "is too long");
    assert_eq!(read("99999h").unwrap_err(), "must be 0s to 8760h");
    assert_eq!(duration(MIN..=HOUR)("0s").unwrap_err(), "must be 1ms to 1h");
    assert_eq!(duration(MIN..=HOUR)("1h1ms").unwrap_err(), "must be 1ms to 1h");
}

#[test]
fn sizes_have_binary_units() {
    let read = size(1 << 10..=4 << 30);
    for (text, bytes) in
        [("1024", 1024), ("1024B", 1024), ("64KiB", 65_536), ("4GiB", 4 << 30), ("1MiB", 1 << 20)]
    {
        assert_eq!(read(text), Ok(bytes), "{text}");
    }
    for odd in ["", "MiB", "1MB", "1M", "1.5MiB", "-1", "1 MiB", "99999999999999GiB"] {
        assert!(read(odd).unwrap_err().starts_with("must be a size"), "{odd}");
    }
    for out in ["0", "1023", "4097MiB"] {
        assert_eq!(read(out).unwrap_err(), "must be 1KiB to 4GiB", "{out}");
    }
}

#[test]
fn counts_are_digits_in_range() {
    let read = count(1..=1_000_000);
    assert_eq!(read("1"), Ok(1));
    assert_eq!(read("1000000"), Ok(1_000_000));
    for odd in ["", "0", "1000001", "+1", "-1", "1_000", "1e3", " 1", "99999999999999999999"] {
        assert_eq!(read(odd).unwrap_err(), "must be a whole number, 1 to 1000000", "{odd}");
    }
}

#[test]
fn an_upstream_is_https_or_loopback() {
    for (text, url) in [
        ("https://vmc.vmware.com", "https://vmc.vmware.com/"),
        ("https://vmc.vmware.com/", "https://vmc.vmware.com/"),
        ("https://vmc.internal:8443", "https://vmc.internal:8443/"),
        ("http://localhost:1", "http://localhost:1/"),
        ("http://sim.localhost", "http://sim.localhost/"),
        ("http://127.8.9.1:1", "http://127.8.9.1:1/"),
        ("http://[::1]:1", "http://[::1]:1/"),
    ] {
        assert_eq!(upstream(&[])(text).as_ref().map(Url::as_str), Ok(url), "{text}");
    }
    for (text, fault) in [
        ("", "must be a URL"),
        ("vmc.vmware.com", "must be a URL"),
        ("localhost:8080", "must be a URL with a host"),
        ("http://vmc.vmware.com", "must be https"),
        ("http://localhost.example.com", "must be https"),
        ("http://128.0.0.1", "must be https"),
        ("ftp://localhost", "must be https"),
        ("https://user@vmc.vmware.com", "must not contain a user"),
        ("http://:pw@vmc.vmware.com", "must not contain a user"),
        ("https://vmc.vmware.com/vmc", "must end after the host"),
        ("https://vmc.vmware.com?a=b", "must end after the host"),
        ("https://vmc.vmware.com#a", "must end after the host"),
        ("https://vmc.vmware.com ", "must not contain spaces"),
        ("https://vmc.vmw\tare.com", "must not contain spaces"),
    ] {
        let told = upstream(&[])(text).unwrap_err();
        assert!(told.starts_with(fault), "{text}: {told}");
    }
}

#[test]
fn plain_http_goes_to_the_hosts_that_are_named_exactly() {
    let hosts: Vec<_> =
        ["Simulator.test", "10.0.0.9", "fd00::9"].map(|it| plain_host(it).unwrap()).into();
    for good in ["http://simulator.test:8081", "http://10.0.0.9", "http://[fd00::9]:1"] {
        assert!(upstream(&hosts)(good).is_ok(), "{good}");
    }
    for odd in ["http://a.simulator.test", "http://test", "http://10.0.0.10", "http://vmc.test"] {
        assert!(upstream(&hosts)(odd).unwrap_err().starts_with("must be https"), "{odd}");
    }
    for odd in [
        "",
        "*",
        "*.test",
        ".test",
        "10.0.0.0/8",
        "simulator.test:8081",
        "http://simulator.test",
        "vmware.com",
        "console.cloud.VMware.com",
        "broadcom.com",
        "a.broadcom.com",
    ] {
        assert!(plain_host(odd).is_err(), "{odd}");
    }
    assert!(plain_host("notvmware.com").is_ok());
}

#[test]
fn a_document_may_have_a_path_and_a_query() {
    for text in [
        "https://login.example.com/jwks.json",
        "https://login.example.com:8443/a/b?p=policy",
        "http://127.0.0.1:1/jwks",
        "http://localhost/",
    ] {
        assert_eq!(document_url(text).as_ref().map(Url::as_str), Ok(text));
    }
    for (text, fault) in [
        ("", "must be a URL, such as https://login"),
        ("file:///etc/jwks.json", "must be a URL with a host"),
        ("http://login.example.com/jwks", "must be https: plain"),
        ("ftp://localhost/jwks", "must be https"),
        ("https://user:pw@login.example.com/jwks", "must not contain a user"),
        ("https://login.example.com/jwks#a", "must have no fragment"),
        ("https://login.example.com/jw ks", "must not contain spaces"),
    ] {
        let told = document_url(text).unwrap_err();
        assert!(told.starts_with(fault), "{text}: {told}");
    }
}

#[test]
fn an_issuer_is_kept_as_written() {
    for text in ["https://Login.Example.com", "https://login.example.com/a/", "urn:a:b"] {
        assert_eq!(issuer(text).as_deref(), Ok(text));
    }
    for odd in ["", "login.example.com", "https://a b", "https://a\n"] {
        assert!(issuer(odd).is_err(), "{odd}");
    }
}

#[test]
fn hosts_are_names_as_in_a_host_header() {
    for (text, host_name) in [
        ("Gateway.Internal", "gateway.internal"),
        ("sddc-gateway", "sddc-gateway"),
        ("my_service", "my_service"),
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "[::1]"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
        ("bücher.example", "xn--bcher-kva.example"),
    ] {
        assert_eq!(host(text).as_deref(), Ok(host_name), "{text}");
    }
    for odd in [
        "",
        "a:80",
        "[::1]:80",
        "http://a",
        "a/b",
        "*.a",
        "a b",
        "a..b",
        "-a",
        "a.",
        "%41",
        "10.0.0.256",
    ] {
        assert!(host(odd).is_err(), "{odd}");
    }
}

#[test]
fn a_network_has_no_host_bits() {
    for (text, read) in [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("192.0.2.7/32", "192.0.2.7/32"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("::1", "::1/128"),
    ] {
        assert_eq!(network(text).unwrap().to_string(), read);
    }
    for (text, meant) in [("10.0.0.1/8", "10.0.0.0/8"), ("2001:db8::1/32", "2001:db8::/32")] {
        let told = network(text).unwrap_err();
        assert_eq!(told, format!("has host bits set: did you mean {meant}?"));
    }
    for odd in [
        "",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "::/129",
        "10/8",
        "10.0.0.0/-1",
        "[::1]",
        "a",
        " ::1",
    ] {
        assert!(network(odd).unwrap_err().starts_with("must be a network or"), "{odd}");
    }
}

#[test]
fn a_token_path_stays_on_its_host() {
    assert!(url_path("/csp/gateway/am/api/auth/token").is_ok());
    for odd in ["", "a", "//evil.example", "/\\evil.example", "/a?b", "/a#b", "/a b", "/ü"] {
        assert!(url_path(odd).is_err(), "{odd}");
    }
}

#[test]
fn a_collector_is_named_with_or_without_the_path_of_its_traces() {
    for (text, traces) in [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("https://otel.example/", "https://otel.example/v1/traces"),
        ("https://otel.example/team/a/", "https://otel.example/team/a/v1/traces"),
        ("https://otel.example/v1/traces", "https://otel.example/v1/traces"),
    ] {
        assert_eq!(otlp_endpoint(text).unwrap().as_str(), traces, "{text}");
    }
    for odd in [
        "http://otel.example:4318",
        "grpc://127.0.0.1:4317",
        "127.0.0.1:4318",
        "https://user:password@otel.example",
        "https://otel.example?key=1",
        "https://otel.example/#1",
    ] {
        assert!(otlp_endpoint(odd).unwrap_err().starts_with("must "), "{odd}");
    }
}
