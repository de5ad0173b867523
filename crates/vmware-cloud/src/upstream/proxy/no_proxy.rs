//! `NO_PROXY`: the hosts that are called directly.

use std::net::IpAddr;

use ipnet::IpNet;
use url::Host;

use super::parse_port;

/// Hosts that no proxy is taken for. The default is none.
#[derive(Debug, Clone, Default)]
pub(super) struct NoProxy {
    variable: &'static str,
    entries: Vec<NoProxyEntry>,
}

#[derive(Debug, Clone)]
struct NoProxyEntry {
    hosts: NoProxyHosts,
    /// `None`: any.
    port: Option<u16>,
}

#[derive(Debug, Clone)]
enum NoProxyHosts {
    /// `*`
    All,
    /// `name` or `.name`: it, and all names below it.
    Tree(String),
    /// `*.name`: the names below it.
    Below(String),
    /// An address or a network.
    Network(IpNet),
}

impl NoProxy {
    /// Reads entries with commas or blanks between them. One of another form is left out and told
    /// by its place: it may be a proxy's URL with a password in it.
    pub(super) fn parse(variable: &'static str, text: &str, warnings: &mut Vec<String>) -> Self {
        let parts = text.split(|c: char| c == ',' || c.is_whitespace());
        let mut entries = Vec::new();
        for (at, part) in parts.filter(|part| !part.is_empty()).enumerate() {
            match NoProxyEntry::parse(part) {
                Some(entry) => entries.push(entry),
                None => warnings.push(format!(
                    "{variable}: entry {} is ignored: it must be a name, .name, *.name, an address \
                     or a network such as 10.0.0.0/8, each with :port or without, or *",
                    at + 1
                )),
            }
        }
        Self { variable, entries }
    }

    /// The variable's name, if it says that a host is called directly.
    pub(super) fn covers(&self, host: &Host<&str>, port: u16) -> Option<&'static str> {
        let is_covered = self.entries.iter().any(|entry| entry.covers(host, port));
        is_covered.then_some(self.variable)
    }
}

impl NoProxyEntry {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self { hosts: NoProxyHosts::All, port: None });
        }
        // An IPv6 address has colons of its own.
        if let Some(network) = network(text).or_else(|| bracketed(text)) {
            return Some(Self { hosts: NoProxyHosts::Network(network), port: None });
        }
        let (text, port) = match text.rsplit_once(':') {
            Some((text, port)) => (text, Some(parse_port(port)?)),
            None => (text, None),
        };
        let hosts = match bracketed(text).or_else(|| network(text)) {
            Some(network) => NoProxyHosts::Network(network),
            None => NoProxyHosts::name(text)?,
        };
        Some(Self { hosts, port })
    }

    fn covers(&self, host: &Host<&str>, port: u16) -> bool {
        self.port.is_none_or(|only| only == port) && self.hosts.cover(host)
    }
}

impl NoProxyHosts {
    fn name(text: &str) -> Option<Self> {
        let (below, text) = match text.strip_prefix("*.") {
            Some(text) => (true, text),
            None => (false, text.strip_prefix('.').unwrap_or(text)),
        };
        let text = text.strip_suffix('.').unwrap_or(text);
        let is_label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        // Digits alone at the end make an address of another writing, such as 10.1.
        let is_name = text.split('.').all(is_label)
            && text.rsplit('.').next()?.bytes().any(|byte| !byte.is_ascii_digit());
        let name = is_name.then(|| text.to_ascii_lowercase())?;
        Some(if below { Self::Below(name) } else { Self::Tree(name) })
    }

    fn cover(&self, host: &Host<&str>) -> bool {
        let below = |name: &str, tree: &str| {
            name.strip_suffix(tree).is_some_and(|rest| rest.ends_with('.'))
        };
        match (self, host) {
            (Self::All, _) => true,
            (Self::Tree(tree), Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                name == tree || below(name, tree)
            }
            (Self::Below(tree), Host::Domain(name)) => below(name.trim_end_matches('.'), tree),
            (Self::Network(network), Host::Ipv4(address)) => {
                network.contains(&IpAddr::V4(*address))
            }
            (Self::Network(network), Host::Ipv6(address)) => {
                network.contains(&IpAddr::V6(*address)) || network.contains(&address.to_canonical())
            }
            _ => false,
        }
    }
}

/// `10.0.0.1`, `10.0.0.0/8`, `2001:db8::/32`.
fn network(text: &str) -> Option<IpNet> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address.ok().or_else(|| text.parse::<IpNet>().ok()).map(|network| network.trunc())
}

/// `[2001:db8::1]`, `[2001:db8::]/32`, `[2001:db8::/32]`.
fn bracketed(text: &str) -> Option<IpNet> {
    let (inner, length) = text.strip_prefix('[')?.split_once(']')?;
    // What else follows is a port, which glued to the address would make another one.
    if !length.is_empty() && !length.starts_with('/') {
        return None;
    }
    network(&format!("{inner}{length}")).filter(|network| matches!(network, IpNet::V6(_)))
}
