use super::*;

fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn read(variables: &[(&str, &str)]) -> Proxies {
    Proxies::read(&environment(variables)).unwrap()
}

fn route(proxies: &Proxies, url: &str) -> String {
    proxies.route(&Url::parse(url).unwrap()).to_string()
}

const VMC: &str = "https://vmc.vmware.com";
const THROUGH: &str = "through the proxy http://proxy.test:3128 (HTTPS_PROXY)";

#[test]
fn a_proxy_is_a_url_or_host_and_port_with_blanks_around_it_cut() {
    for (value, shown) in [
        ("http://proxy.test:3128", "http://proxy.test:3128"),
        ("HTTP://Proxy.Test:3128/", "http://proxy.test:3128"),
        ("http://proxy.test", "http://proxy.test:80"),
        ("https://proxy.test", "https://proxy.test:443"),
        ("https://user:p%40ss@proxy.test:8443", "https://proxy.test:8443"),
        ("http://user:@10.0.0.1:1", "http://10.0.0.1:1"),
        ("http://user:a:b@c@proxy.test:1", "http://proxy.test:1"),
        ("proxy.test:3128", "http://proxy.test:3128"),
        ("localhost:3128", "http://localhost:3128"),
        ("[2001:DB8::1]:3128", "http://[2001:db8::1]:3128"),
        ("http://[::1]", "http://[::1]:80"),
        (" \thttp://proxy.test:3128 \r\n", "http://proxy.test:3128"),
    ] {
        let shown = format!("through the proxy {shown} (HTTPS_PROXY)");
        let proxies = read(&[("HTTPS_PROXY", value)]);
        assert_eq!(route(&proxies, VMC), shown, "{value}");
        assert!(proxies.route(&Url::parse(VMC).unwrap()).proxy().unwrap().to_client().is_ok());
    }
}

#[test]
fn anything_else_is_a_fault_that_names_the_variable_and_not_its_value() {
    for value in [
        "\"http://canary:1\"",
        "'http://canary:1'",
        "http://\"canary\":1",
        "htp://canary:1",
        "socks5://canary:1080",
        "socks5h://user:canary@host:1080",
        "://canary:1",
        "canary",
        "user:canary@host:1",
        "http://canary:0",
        "http://canary:65536",
        "http://canary:+1",
        "http://canary:",
        "http://canary:1/path",
        "http://canary:1?a",
        "http://canary:1#a",
        "http://user@canary:1",
        "http://:canary@host:1",
        "http://user:canary%0d%0a@host:1",
        "http://user:ca nary@host:1",
        "http://can\nary:1",
        "http://canary\\:1",
        "http://",
        "http:canary:1",
        "2001:db8::1:canary",
        "canary;http://b:1",
    ] {
        for variable in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
            let faults = Proxies::read(&environment(&[(variable, value)])).unwrap_err();
            let told: Vec<_> = faults.iter().map(ToString::to_string).collect();
            assert_eq!(told.len(), 1, "{value}");
            assert!(told[0].starts_with(&format!("{variable} must be http://")), "{told:?}");
            assert!(!told[0].contains("canary") && !format!("{faults:?}").contains("canary"));
        }
    }
}

#[test]
fn an_empty_upper_case_variable_does_not_hide_the_lower_case_one() {
    for upper in ["", " ", "\n"] {
        let proxies = read(&[("HTTPS_PROXY", upper), ("https_proxy", "proxy.test:3128")]);
        let shown = "through the proxy http://proxy.test:3128 (https_proxy)";
        assert_eq!(route(&proxies, VMC), shown);
    }
    let both = read(&[("https_proxy", "socks5://unused:1"), ("HTTPS_PROXY", "proxy.test:3128")]);
    assert_eq!(route(&both, VMC), THROUGH, "the upper-case one wins where both are set");
    assert_eq!(route(&read(&[("HTTPS_PROXY", "")]), VMC), "directly");
    let exempt = [("HTTPS_PROXY", "p:1"), ("NO_PROXY", ""), ("no_proxy", "*")];
    assert_eq!(route(&read(&exempt), VMC), "directly (no_proxy)");
}

#[test]
fn no_other_variable_hides_a_proxy_or_makes_one() {
    let proxy = ("HTTPS_PROXY", "http://proxy.test:3128");
    let cgi = [proxy, ("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "other.test:1")];
    assert_eq!(route(&read(&cgi), VMC), THROUGH);
    for (variable, value) in [("ALL_PROXY", "socks5://canary:1"), ("all_proxy", "canary:1")] {
        let proxies = read(&[(variable, value)]);
        assert_eq!(route(&proxies, VMC), "directly");
        let warning = format!("{variable} is not used: set HTTPS_PROXY instead");
        assert_eq!(proxies.warnings(), [warning]);
    }
    assert_eq!(route(&read(&[("HTTP_PROXY", "p:1")]), VMC), "directly");
}

#[test]
fn loopback_and_plain_http_are_called_directly() {
    let proxies = read(&[("HTTPS_PROXY", "p:1"), ("HTTP_PROXY", "p:1")]);
    for url in [
        "https://localhost:8443",
        "https://a.localhost",
        "https://127.0.0.9",
        "https://[::1]",
        "http://simulator.internal",
    ] {
        assert_eq!(route(&proxies, url), "directly", "{url}");
    }
}

#[test]
fn no_proxy_takes_names_addresses_and_networks_each_with_a_port_or_without() {
    let covers = |entries: &str, url: &str| {
        let proxies = read(&[("HTTPS_PROXY", "http://proxy.test:3128"), ("NO_PROXY", entries)]);
        assert!(proxies.warnings().is_empty(), "{entries}: {:?}", proxies.warnings());
        match route(&proxies, url).as_str() {
            "directly (NO_PROXY)" => true,
            THROUGH => false,
            other => panic!("{other}"),
        }
    };
    for (entries, url, covered) in [
        ("*", VMC, true),
        ("a.test, * ", VMC, true),
        ("vmc.vmware.com", VMC, true),
        ("VMC.VMware.com.", VMC, true),
        ("vmware.com", VMC, true),
        (".vmware.com", VMC, true),
        ("*.vmware.com", VMC, true),
        ("*.vmc.vmware.com", VMC, false),
        (".vmc.vmware.com", VMC, true),
        ("ware.com", VMC, false),
        ("vmc.vmware", VMC, false),
        ("com", VMC, true),
        ("vmc.vmware.com:443", VMC, true),
        ("vmc.vmware.com:8443", VMC, false),
        ("*.vmware.com:8443", "https://vmc.vmware.com:8443", true),
        ("a.test,b.test\nvmware.com", VMC, true),
        ("10.0.0.1", "https://10.0.0.1", true),
        ("10.0.0.1:8443", "https://10.0.0.1", false),
        ("10.0.0.0/8", "https://10.9.9.9:1", true),
        ("10.0.0.1/8:443", "https://10.9.9.9", true),
        ("10.0.0.0/8:1", "https://10.9.9.9", false),
        ("10.0.0.0/8", "https://11.0.0.1", false),
        ("2001:db8::1", "https://[2001:db8::1]", true),
        ("[2001:db8::1]:443", "https://[2001:db8::1]", true),
        ("[2001:db8::1]", "https://[2001:db8::2]", false),
        ("2001:db8::/32", "https://[2001:db8::2]", true),
        ("[2001:db8::]/32:443", "https://[2001:db8::2]", true),
        ("[2001:db8::/32]:1", "https://[2001:db8::2]", false),
        (",, ,", VMC, false),
    ] {
        assert_eq!(covers(entries, url), covered, "{entries} for {url}");
    }
}

#[test]
fn an_entry_of_another_form_is_warned_about_by_its_place() {
    for odd in [
        "http://user:canary@vmc.vmware.com",
        "\"vmc.vmware.com\"",
        "vmc.*",
        "*vmware.com",
        "vmc.vmware.com:0",
        "vmc.vmware.com:https",
        "*:443",
        "10.0.0.0/33",
        "10.1",
        "a..test",
        "[10.0.0.1]",
    ] {
        let entries = format!("good.test,{odd}");
        let proxies = read(&[("HTTPS_PROXY", "proxy.test:3128"), ("NO_PROXY", &entries)]);
        assert_eq!(proxies.warnings().len(), 1, "{odd}");
        assert!(proxies.warnings()[0].starts_with("NO_PROXY: entry 2 is ignored: "), "{odd}");
        assert!(!proxies.warnings()[0].contains("canary"));
        assert_eq!(route(&proxies, VMC), THROUGH, "{odd}");
    }
}

#[test]
fn credentials_are_not_shown() {
    let proxies = read(&[("HTTPS_PROXY", "http://canary-user:canary-word@proxy.test:3128")]);
    let shown = format!("{proxies:?} {}", route(&proxies, VMC));
    assert!(!shown.contains("canary"), "{shown}");
}
