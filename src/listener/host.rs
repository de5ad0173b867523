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
    names: Names,
    /// Whether pages of other sites are refused.
    no_cross_site: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    Any,
    Loopback,
    Listed,
}

impl HostRule {
    /// The rule for a listener on `address` that lets everyone in (`open`), or asks for keys.
    #[must_use]
    pub fn new(address: IpAddr, open: bool, hosts: &[String]) -> Self {
        // An IPv4 address written as IPv6 is the same socket.
        let address = address.to_canonical();
        let names = match (open && address.is_loopback(), hosts.is_empty()) {
            (true, _) => Names::Loopback,
            (false, true) => Names::Any,
            (false, false) => Names::Listed,
        };
        Self { hosts: hosts.to_vec(), names, no_cross_site: open }
    }

    /// The rule for probes and metrics on `address`: never a key, and elsewhere than on loopback
    /// asked by address, so that `api.hosts` has no say there.
    #[must_use]
    pub fn for_ops(address: IpAddr, hosts: &[String]) -> Self {
        let hosts = if address.to_canonical().is_loopback() { hosts } else { &[] };
        Self::new(address, true, hosts)
    }

    /// Checks that a request names one host, and one that this listener answers for.
    ///
    /// # Errors
    /// The problem to answer: 400, 421 or 403.
    pub fn check(&self, version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        self.check_name(uri, only_host(version, uri, headers)?)?;
        let cross_site =
            || headers.get_all("sec-fetch-site").iter().any(|site| site == "cross-site");
        if self.no_cross_site && cross_site() {
            let detail = "a web page of another site may not read this gateway";
            return Err(Problem::new(Code::Forbidden, detail).with_reason("cross_site"));
        }
        Ok(())
    }

    fn check_name(&self, uri: &Uri, field: Option<&HeaderValue>) -> Result<(), Problem> {
        if self.names == Names::Any {
            return Ok(());
        }
        // The target's own authority counts before the field (RFC 9112 section 3.2.2).
        let named = match uri.authority() {
            Some(authority) => Some(authority.clone()),
            None => field.and_then(|field| Authority::try_from(field.as_bytes()).ok()),
        };
        if named.is_some_and(|named| is_plain(&named) && self.answers_for(named.host())) {
            return Ok(());
        }
        let detail = "this gateway does not answer for the name in Host";
        Err(Problem::new(Code::Misdirected, detail).with_reason("host"))
    }

    fn answers_for(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        self.hosts.contains(&host) || (self.names == Names::Loopback && is_loopback_name(&host))
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
            Err(Problem::new(Code::BadRequest, "Host is another than :authority"))
        }
        (Some(field), None, _) => Ok(Some(field)),
        _ => Err(Problem::new(Code::BadRequest, "send exactly one Host header")),
    }
}

fn differ(field: &HeaderValue, authority: &Authority) -> bool {
    !field.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes())
}

/// A host, perhaps with a port; no user, nothing that is no port.
fn is_plain(authority: &Authority) -> bool {
    let Some(rest) = authority.as_str().strip_prefix(authority.host()) else { return false };
    // Not `port_u16`: that looks for the last colon only, and takes a sign.
    let is_port =
        |port: &str| port.bytes().all(|it| it.is_ascii_digit()) && port.parse::<u16>().is_ok();
    rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port)
}

fn is_loopback_name(host: &str) -> bool {
    let address = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(bare) => bare.parse::<Ipv6Addr>().map(IpAddr::from),
        None => host.parse::<Ipv4Addr>().map(IpAddr::from),
    };
    // An authority may hold more characters than a name.
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    host == "localhost"
        || (host.ends_with(".localhost") && host.bytes().all(in_name))
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
        ] {
            assert_eq!(status(&rule, &[host], None), 200, "{host}");
        }
        for host in [
            "user@localhost",
            "localhost:abc",
            "localhost:99999",
            "localhost:+80",
            "[::1]8:080",
            "a%.localhost",
            "[a].localhost",
            "[127.0.0.1]",
            "evil.test",
            "127.0.0.1.evil.test",
            "localhost.evil.test",
            "",
            "a b",
            "[::2]",
        ] {
            assert_eq!(status(&rule, &[host], None), 421, "{host}");
        }
        assert_eq!(status(&rule, &["localhost"], Some("cross-site")), 403);
        assert_eq!(status(&rule, &["localhost"], Some("same-origin")), 200);
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
