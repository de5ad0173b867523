//! Which `Host` names a listener answers for.
//!
//! Where no credential is asked for, a web page could read the gateway through its visitor's
//! browser, by a name of its own that resolves to 127.0.0.1. So such a listener answers on loopback
//! only for loopback names and `api.hosts`, and nowhere for a page of another site.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, HeaderValue, Uri, Version, header::HOST, uri::Authority};

use crate::problem::{Code, Problem};

/// The rule of one listener.
#[derive(Debug, Clone)]
pub struct HostRule {
    hosts: Vec<String>,
    names: HostNames,
    /// Whether pages of other sites are refused.
    no_cross_site: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HostNames {
    Any,
    Loopback,
    Listed,
}

impl HostRule {
    /// The rule for a listener on `address` that lets everyone in (`open`), or asks for keys.
    pub fn new(address: IpAddr, open: bool, hosts: &[String]) -> Self {
        // An IPv4 address written as IPv6 is the same socket.
        let address = address.to_canonical();
        let names = match (open && address.is_loopback(), hosts.is_empty()) {
            (true, _) => HostNames::Loopback,
            (false, true) => HostNames::Any,
            (false, false) => HostNames::Listed,
        };
        Self { hosts: hosts.to_vec(), names, no_cross_site: open }
    }

    /// The rule for probes and metrics on `address`: never a key, and elsewhere than on loopback
    /// asked by address, so that `api.hosts` has no say there.
    pub fn for_ops(address: IpAddr, hosts: &[String]) -> Self {
        let hosts = if address.to_canonical().is_loopback() { hosts } else { &[] };
        Self::new(address, true, hosts)
    }

    /// Checks that a request names one host, and one that this listener answers for.
    ///
    /// # Errors
    /// The problem to answer: 400, 421 or 403.
    pub fn check(&self, version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let field = only_host(version, uri, headers)?;
        check_signs(uri, field)?;
        self.check_name(uri, field)?;
        let cross_site =
            || headers.get_all("sec-fetch-site").iter().any(|site| site == "cross-site");
        if self.no_cross_site && cross_site() && !is_page_visit(uri.path(), headers) {
            let detail = "a web page of another site may not read this gateway";
            return Err(Problem::new(Code::Forbidden, detail).with_reason("cross_site"));
        }
        Ok(())
    }

    /// As [`HostRule::check`], for a probe: in HTTP/1.0 it may come without `Host`, as the plain
    /// checks of load balancers do. A browser always sends one.
    ///
    /// # Errors
    /// As there.
    pub fn check_probe(
        &self,
        version: Version,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), Problem> {
        if is_hostless(version, uri, headers) {
            return Ok(());
        }
        self.check(version, uri, headers)
    }

    fn check_name(&self, uri: &Uri, field: Option<&HeaderValue>) -> Result<(), Problem> {
        if self.names == HostNames::Any {
            return Ok(());
        }
        // The target's own authority counts before the field (RFC 9112 section 3.2.2).
        let named = uri.authority().map(Authority::as_str);
        let named = named.or_else(|| field.and_then(|field| field.to_str().ok()));
        if named.and_then(host_of).is_some_and(|host| self.answers_for(host)) {
            return Ok(());
        }
        let detail = "this gateway does not answer for the name in Host";
        Err(Problem::new(Code::Misdirected, detail).with_reason("host"))
    }

    fn answers_for(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        self.hosts.contains(&host) || (self.names == HostNames::Loopback && is_loopback_name(&host))
    }
}

/// The one `Host` field that every request has. HTTP/2 has `:authority` in its place; where it has
/// both, they are the same (RFC 9113 section 8.3.1).
///
/// # Errors
/// 400 for none, two, or two that differ.
pub(super) fn only_host<'a>(
    version: Version,
    uri: &Uri,
    headers: &'a HeaderMap,
) -> Result<Option<&'a HeaderValue>, Problem> {
    let mut fields = headers.get_all(HOST).iter();
    let authority = uri.authority().filter(|_| version == Version::HTTP_2);
    match (fields.next(), fields.next(), authority) {
        (None, _, Some(_)) => Ok(None),
        (Some(field), None, Some(authority)) if differ(field, authority) => {
            Err(Problem::new(Code::BadRequest, "Host differs from :authority"))
        }
        (Some(field), None, _) => Ok(Some(field)),
        _ => Err(Problem::new(Code::BadRequest, "send exactly one Host header")),
    }
}

/// Whether somebody follows a link to a page that holds no data: its own scripts may read it, and the
/// page that links to it may not.
fn is_page_visit(path: &str, headers: &HeaderMap) -> bool {
    let is_page = matches!(path, "/" | "/docs" | "/docs/guide" | "/docs/drop-in" | "/problems")
        || path.starts_with("/problems/");
    let says = |name: &str, word: &str| {
        let mut values = headers.get_all(name).iter();
        values.next().is_some_and(|value| value == word) && values.next().is_none()
    };
    is_page && says("sec-fetch-mode", "navigate") && says("sec-fetch-dest", "document")
}

/// Whether it is of HTTP/1.0, which knows no `Host`, and names none.
fn is_hostless(version: Version, uri: &Uri, headers: &HeaderMap) -> bool {
    version <= Version::HTTP_10 && uri.authority().is_none() && !headers.contains_key(HOST)
}

/// A probe of the API listener: it may name any host, and in HTTP/1.0 none.
///
/// # Errors
/// 400 for none in a later version, or two.
pub(super) fn check_any_host(
    version: Version,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    if is_hostless(version, uri, headers) {
        return Ok(());
    }
    only_host(version, uri, headers).map(|_| ())
}

/// Refuses signs that no host has (RFC 9112 section 3.2): what they mean, a proxy in front may have
/// read in another way. An empty field is a host that is not named.
fn check_signs(uri: &Uri, field: Option<&HeaderValue>) -> Result<(), Problem> {
    let is_good = |text: &str| text.is_empty() || host_of(text).is_some();
    let field_is_good = field.is_none_or(|field| field.to_str().is_ok_and(is_good));
    if field_is_good && uri.authority().is_none_or(|authority| is_good(authority.as_str())) {
        return Ok(());
    }
    Err(Problem::new(Code::BadRequest, "Host has characters that no host name has"))
}

fn differ(field: &HeaderValue, authority: &Authority) -> bool {
    !field.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes())
}

/// The host of `host[:port]`: a name, an IPv4 address, or an IPv6 address in brackets. `None` where
/// it holds anything else: a user, a port that is none, a sign that no name has.
fn host_of(text: &str) -> Option<&str> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<Ipv6Addr>().ok()?;
            (&text[..address.len() + 2], port)
        }
        None => {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            let in_name =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
            (!host.is_empty() && host.bytes().all(in_name)).then_some((host, port))?
        }
    };
    // Digits alone: `parse` takes a sign too. None at all is the scheme's own port.
    let is_port = |port: &str| {
        port.bytes().all(|it| it.is_ascii_digit())
            && (port.is_empty() || port.parse::<u16>().is_ok())
    };
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(host)
}

fn is_loopback_name(host: &str) -> bool {
    let address = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(bare) => bare.parse::<Ipv6Addr>().map(IpAddr::from),
        None => host.parse::<Ipv4Addr>().map(IpAddr::from),
    };
    host == "localhost"
        || host.ends_with(".localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(rule: &HostRule, hosts: &[&str], site: Option<&str>) -> u16 {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_str(host).unwrap());
        }
        if let Some(site) = site {
            headers.insert("sec-fetch-site", HeaderValue::from_str(site).unwrap());
        }
        match rule.check(Version::HTTP_11, &Uri::from_static("/sddcs"), &headers) {
            Ok(()) => 200,
            Err(problem) => problem.code().entry().status.as_u16(),
        }
    }

    #[test]
    fn an_open_loopback_listener_answers_for_loopback_names_only() {
        let rule = HostRule::new([127, 0, 0, 1].into(), true, &["gateway.test".to_owned()]);
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "a.localhost",
            "127.0.0.1:80",
            "127.9.9.9",
            "[::1]:8080",
            "gateway.test",
            "localhost.",
            "localhost:",
        ] {
            assert_eq!(status(&rule, &[host], None), 200, "{host}");
        }
        for host in ["evil.test", "127.0.0.1.evil.test", "localhost.evil.test", "", "[::2]"] {
            assert_eq!(status(&rule, &[host], None), 421, "{host}");
        }
        assert_eq!(status(&rule, &["localhost"], Some("cross-site")), 403);
        assert_eq!(status(&rule, &["localhost"], Some("same-origin")), 200);
    }

    #[test]
    fn signs_that_no_host_has_are_a_bad_request_whatever_the_rule() {
        let any = HostRule::new([0, 0, 0, 0].into(), false, &[]);
        let open = HostRule::new([127, 0, 0, 1].into(), true, &[]);
        for host in [
            "user@localhost",
            "localhost:abc",
            "localhost:99999",
            "localhost:+80",
            "localhost:80:80",
            "[::1]8:080",
            "[::1",
            "[]",
            "::1",
            "a%.localhost",
            "[a].localhost",
            "[127.0.0.1]",
            "[fe80::1%25eth0]",
            ":80",
            "a b",
            "a\tb",
            "a/b",
            "a?b",
            "a#b",
            "a,b",
            "a\\b",
            "a\"b",
            "<a>",
            "a'b",
            "a;b",
            "a*b",
            "http://a",
            "b\u{fc}cher.test",
        ] {
            assert_eq!(status(&any, &[host], None), 400, "{host}");
            assert_eq!(status(&open, &[host], None), 400, "{host}");
        }
        for host in
            ["gateway", "a.b-c.test:8443", "A_b.test.", "10.0.0.1:80", "[2001:db8::1]:1", ""]
        {
            assert_eq!(status(&any, &[host], None), 200, "{host}");
        }
    }

    #[test]
    fn only_a_probe_in_http_1_0_needs_no_host() {
        let rule = HostRule::for_ops([127, 0, 0, 1].into(), &[]);
        let (uri, none) = (Uri::from_static("/livez"), HeaderMap::new());
        let evil: HeaderMap = [(HOST, HeaderValue::from_static("evil.test"))].into_iter().collect();
        assert!(rule.check_probe(Version::HTTP_10, &uri, &none).is_ok());
        assert!(rule.check_probe(Version::HTTP_11, &uri, &none).is_err());
        assert!(rule.check_probe(Version::HTTP_10, &uri, &evil).is_err());
        assert!(rule.check(Version::HTTP_10, &uri, &none).is_err());
        assert!(check_any_host(Version::HTTP_10, &uri, &none).is_ok());
        assert!(check_any_host(Version::HTTP_10, &uri, &evil).is_ok());
        assert!(check_any_host(Version::HTTP_11, &uri, &none).is_err());
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_loopback_too() {
        let rule = HostRule::new("::ffff:127.0.0.1".parse().unwrap(), true, &[]);
        assert_eq!(status(&rule, &["evil.test"], None), 421);
        assert_eq!(status(&rule, &["[::ffff:127.0.0.1]:8080"], None), 200);
    }

    #[test]
    fn the_ops_port_is_asked_by_address_unless_it_is_on_loopback() {
        let hosts = ["gateway.test".to_owned()];
        let outward = HostRule::for_ops([0, 0, 0, 0].into(), &hosts);
        assert_eq!(status(&outward, &["10.1.2.3:9090"], None), 200);
        assert_eq!(status(&outward, &["10.1.2.3:9090"], Some("cross-site")), 403);
        let loopback = HostRule::for_ops([127, 0, 0, 1].into(), &hosts);
        assert_eq!(status(&loopback, &["10.1.2.3:9090"], None), 421);
        assert_eq!(status(&loopback, &["gateway.test"], None), 200);
    }

    #[test]
    fn elsewhere_any_name_will_do_unless_names_are_listed() {
        let any = HostRule::new([0, 0, 0, 0].into(), false, &[]);
        assert_eq!(status(&any, &["whatever.test"], Some("cross-site")), 200);
        let listed = HostRule::new([0, 0, 0, 0].into(), false, &["gateway.test".to_owned()]);
        assert_eq!(status(&listed, &["gateway.test:8080"], None), 200);
        assert_eq!(status(&listed, &["localhost"], None), 421);
        let open = HostRule::new([0, 0, 0, 0].into(), true, &[]);
        assert_eq!(status(&open, &["whatever.test"], None), 200);
        assert_eq!(status(&open, &["whatever.test"], Some("cross-site")), 403);
    }

    #[test]
    fn no_host_and_two_hosts_are_bad_requests() {
        let rule = HostRule::new([0, 0, 0, 0].into(), false, &[]);
        assert_eq!(status(&rule, &[], None), 400);
        assert_eq!(status(&rule, &["a.test", "a.test"], None), 400);
    }

    #[test]
    fn in_http_2_the_authority_is_the_host() {
        let listed = HostRule::new([0, 0, 0, 0].into(), false, &["gateway.test".to_owned()]);
        let status = |uri: &'static str, hosts: &[&str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, HeaderValue::from_str(host).unwrap());
            }
            match listed.check(Version::HTTP_2, &Uri::from_static(uri), &headers) {
                Ok(()) => 200,
                Err(problem) => problem.code().entry().status.as_u16(),
            }
        };
        let named = "https://gateway.test/sddcs";
        assert_eq!(status(named, &[]), 200);
        assert_eq!(status(named, &["Gateway.Test"]), 200);
        assert_eq!(status("/sddcs", &["gateway.test"]), 200, "as from a proxy");
        assert_eq!(status("https://evil.test/sddcs", &[]), 421);
        assert_eq!(status("https://evil.test/sddcs", &["evil.test"]), 421);
        assert_eq!(status(named, &["evil.test"]), 400);
        assert_eq!(status("https://evil.test/sddcs", &["gateway.test"]), 400);
        assert_eq!(status(named, &["gateway.test:80"]), 400);
        assert_eq!(status(named, &["gateway.test", "gateway.test"]), 400);
        assert_eq!(status("/sddcs", &[]), 400);
    }
}
