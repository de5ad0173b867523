//! `api.trusted_proxies`: whose word counts for a client's address.
//!
//! Flow: the connection's peer → while the hop reached so far is trusted, the entry that it wrote
//! into `X-Forwarded-For`, from the right → the client's address.
//!
//! An entry counts only if a trusted hop wrote it: everything left of the first untrusted address
//! is whatever a caller liked to send. Other forwarding headers are ignored.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::{IpNet, Ipv4Net};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Entries looked at, from the right: more hops than any request has.
const MAX_ENTRIES: usize = 64;

/// The networks of the proxies in front of the gateway.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Trusts what is in these networks.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks.into_iter().map(canonical).collect())
    }

    /// The address of who sent a request, IPv4 where it is an IPv4-mapped one.
    ///
    /// The right-most entry of all `X-Forwarded-For` fields that is not trusted. An entry that
    /// cannot be read ends the walk, and the hop that wrote it counts as the client. Costs nothing
    /// where the peer is not trusted.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        let fields = headers.get_all(X_FORWARDED_FOR).iter().rev();
        let entries = fields.flat_map(|field| field.as_bytes().rsplit(|byte| *byte == b','));
        for entry in entries.take(MAX_ENTRIES) {
            let Some(hop) = read(entry) else { break };
            client = hop;
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Addresses are compared in their canonical form, and so must networks be.
fn canonical(network: IpNet) -> IpNet {
    let mapped = match network {
        IpNet::V6(network) if network.prefix_len() >= 96 => network.addr().to_ipv4_mapped(),
        _ => None,
    };
    mapped
        .and_then(|address| Ipv4Net::new(address, network.prefix_len() - 96).ok())
        .map_or(network, IpNet::V4)
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn read(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry.trim_ascii()).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match bare {
        Some(inner) => inner.parse().ok().map(IpAddr::V6),
        None => {
            text.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip())).ok()
        }
    };
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn proxies(networks: &[&str]) -> TrustedProxies {
        TrustedProxies::new(networks.iter().map(|network| network.parse().unwrap()).collect())
    }

    fn headers(fields: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(field.as_bytes()).unwrap());
        }
        headers
    }

    fn client(networks: &[&str], peer: &str, fields: &[&str]) -> String {
        proxies(networks).client(peer.parse().unwrap(), &headers(fields)).to_string()
    }

    #[test]
    fn without_a_trusted_peer_the_peer_is_the_client() {
        let fields = &["192.0.2.1"];
        assert_eq!(client(&[], "10.0.0.1", fields), "10.0.0.1");
        assert_eq!(client(&["10.0.0.0/8"], "11.0.0.1", fields), "11.0.0.1");
        assert_eq!(client(&["10.0.0.0/8"], "::ffff:11.0.0.1", fields), "11.0.0.1");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn the_right_most_untrusted_entry_is_the_client() {
        let networks = &["10.0.0.0/8", "2001:db8:1::/48", "192.168.0.1/32"];
        for (fields, address) in [
            (&["192.0.2.1"][..], "192.0.2.1"),
            (&["203.0.113.9, 192.0.2.1"], "192.0.2.1"),
            (&["203.0.113.9, 192.0.2.1, 10.9.9.9,192.168.0.1"], "192.0.2.1"),
            (&["203.0.113.9", "192.0.2.1", "10.9.9.9"], "192.0.2.1"),
            (&["192.0.2.1, 10.1.1.1", "2001:db8:1::7"], "192.0.2.1"),
            (&["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
            (&["2001:db8:2::1, 10.2.2.2"], "2001:db8:2::1"),
        ] {
            assert_eq!(client(networks, "10.0.0.1", fields), address, "{fields:?}");
        }
        assert_eq!(client(networks, "::ffff:10.0.0.1", &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(client(networks, "2001:db8:1::1", &["192.0.2.1"]), "192.0.2.1");
    }

    #[test]
    fn an_entry_may_carry_a_port_brackets_and_blanks() {
        for (entry, address) in [
            (" \t192.0.2.1 ", "192.0.2.1"),
            ("192.0.2.1:5", "192.0.2.1"),
            ("[2001:db8::1]:5", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:DB8::1", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("[::ffff:192.0.2.1]:65535", "192.0.2.1"),
        ] {
            assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[entry]), address, "{entry:?}");
        }
    }

    #[test]
    fn an_entry_that_cannot_be_read_ends_the_walk_at_who_wrote_it() {
        for odd in [
            "",
            " ",
            "unknown",
            "_hidden",
            "192.0.2",
            "192.0.2.1:",
            "192.0.2.1:65536",
            "[192.0.2.1]",
            "[2001:db8::1",
            "2001:db8::1]",
            "[]",
            "\"192.0.2.1\"",
            "192.0.2.1;a",
            "gateway.example",
            "1.2.3.4 5.6.7.8",
            "192.0.2.01",
            "for=192.0.2.1",
            "ü",
        ] {
            let fields = &[&format!("203.0.113.9, {odd}, 10.0.0.2")[..]];
            assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", fields), "10.0.0.2", "{odd:?}");
        }
    }

    #[test]
    fn a_mapped_network_is_the_ipv4_network() {
        assert_eq!(client(&["::ffff:10.0.0.0/104"], "10.0.0.1", &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(client(&["::ffff:10.0.0.1/128"], "10.0.0.2", &["192.0.2.1"]), "10.0.0.2");
    }

    #[test]
    fn other_forwarding_headers_say_nothing() {
        let mut headers = HeaderMap::new();
        for name in ["forwarded", "x-real-ip", "x-client-ip", "true-client-ip", "via"] {
            headers.insert(name, HeaderValue::from_static("192.0.2.1"));
        }
        let peer = "10.0.0.1".parse().unwrap();
        assert_eq!(proxies(&["10.0.0.0/8"]).client(peer, &headers), peer);
    }

    #[test]
    fn at_most_sixty_four_entries_are_looked_at() {
        let hops: Vec<_> = (0..200).map(|hop| format!("10.1.0.{hop}")).collect();
        let address = client(&["10.0.0.0/8"], "10.0.0.1", &[&hops.join(",")]);
        assert_eq!(address, "10.1.0.136");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nothing_a_caller_sends_changes_what_the_trusted_proxy_saw(
            sent in prop::collection::vec("[ -~]{0,40}", 0..4),
            seen in any::<[u8; 4]>().prop_map(IpAddr::from),
        ) {
            prop_assume!(!proxies(&["10.0.0.0/8"]).trusts(seen));
            let mut fields: Vec<_> = sent.iter().map(String::as_str).collect();
            let last = seen.to_string();
            fields.push(&last);
            prop_assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &fields), last.clone());
        }
    }
}
