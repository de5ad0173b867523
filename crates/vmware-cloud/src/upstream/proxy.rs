//! `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`: which upstream is called directly, and which through
//! a proxy.
//!
//! Flow: the process's variables → [`Proxies`] (or every [`ProxyFault`] at once) → [`Route`] of an
//! upstream's URL → the pool's connections, and the line of `check`.
//!
//! The HTTP client's own reading of these variables is switched off: it ignores in silence what it
//! cannot parse, and the credentials would then go out directly. Nothing here shows a value of these
//! variables but scheme, host and port: a value may hold a password.

mod no_proxy;
mod tunnel;

use std::{ffi::OsString, fmt, net::Ipv6Addr, sync::Arc};

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use self::no_proxy::NoProxy;
use base::loopback::is_loopback_host;

const HTTPS: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
const HTTP: [&str; 2] = ["HTTP_PROXY", "http_proxy"];
const NONE: [&str; 2] = ["NO_PROXY", "no_proxy"];
const ALL: [&str; 2] = ["ALL_PROXY", "all_proxy"];

/// The proxies that the environment names. The default is none. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    https: Option<Proxy>,
    exempt: NoProxy,
    warnings: Vec<String>,
}

/// A proxy variable whose value is not understood. `Display` has the variable and never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {problem}")]
pub struct ProxyFault {
    /// Its name, as it was written.
    pub variable: &'static str,
    /// What is wrong, and what would be right.
    pub problem: &'static str,
}

/// How an upstream is reached. `Display`: `directly`, `directly (NO_PROXY)` or `through the proxy
/// http://host:port (HTTPS_PROXY)`.
#[derive(Debug, Clone)]
pub enum Route {
    /// Without a proxy: none is set, or the upstream is on this machine or allowed plain `http`.
    Direct,
    /// Without the proxy that is set, because this variable says so.
    Exempt(&'static str),
    /// Through a proxy.
    Through(Proxy),
}

/// One proxy. `Display`: `http://host:port (HTTPS_PROXY)`, without user name and password, as `Debug`.
#[derive(Clone)]
pub struct Proxy(Arc<ProxyTable>);

struct ProxyTable {
    /// Which variable names it.
    variable: &'static str,
    is_encrypted: bool,
    /// IPv6 in brackets.
    host: String,
    port: u16,
    /// User name and password, percent-decoded.
    credentials: Option<(String, String)>,
}

impl Proxies {
    /// Reads the variables: upper case, and lower case where the upper-case one is unset or empty.
    ///
    /// # Errors
    /// Every variable that cannot be used.
    pub fn read(environment: &[(OsString, OsString)]) -> Result<Self, Vec<ProxyFault>> {
        let (mut faults, mut warnings) = (Vec::new(), Vec::new());
        let mut proxy = |names| {
            let (variable, value) = winner(environment, names)?;
            let parsed = value
                .to_str()
                .ok_or("is not UTF-8")
                .and_then(|text| Proxy::parse(variable, text.trim()));
            parsed.map_err(|problem| faults.push(ProxyFault { variable, problem })).ok()
        };
        let https = proxy(HTTPS);
        // No upstream is called through it, but a broken one is told like its sibling.
        proxy(HTTP);
        let exempt = match winner(environment, NONE) {
            Some((variable, value)) => match value.to_str() {
                Some(text) => NoProxy::parse(variable, text, &mut warnings),
                None => {
                    faults.push(ProxyFault { variable, problem: "is not UTF-8" });
                    NoProxy::default()
                }
            },
            None => NoProxy::default(),
        };
        if let Some((variable, _)) = winner(environment, ALL) {
            warnings.push(format!("{variable} is not used: set HTTPS_PROXY instead"));
        }
        if faults.is_empty() { Ok(Self { https, exempt, warnings }) } else { Err(faults) }
    }

    /// The variables in force that say how upstreams are reached, with their values, which may hold a
    /// password.
    pub fn variables<'e>(
        &self,
        environment: &'e [(OsString, OsString)],
    ) -> impl Iterator<Item = (&'static str, &'e OsString)> {
        let https = self.https.as_ref().and_then(|_| winner(environment, HTTPS));
        https.into_iter().chain(winner(environment, NONE))
    }

    /// What is probably not meant, a sentence each: entries of `NO_PROXY` that match nothing,
    /// `ALL_PROXY`.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// How the upstream at `url` is reached. A loopback host and plain `http` never take a proxy.
    #[must_use]
    pub fn route(&self, url: &Url) -> Route {
        let (Some(proxy), Some(host)) = (&self.https, url.host()) else { return Route::Direct };
        if url.scheme() != "https" || is_loopback_host(&host) {
            return Route::Direct;
        }
        let port = url.port_or_known_default().unwrap_or(443);
        match self.exempt.covers(&host, port) {
            Some(variable) => Route::Exempt(variable),
            None => Route::Through(proxy.clone()),
        }
    }
}

impl Route {
    /// The proxy, if there is one.
    pub fn proxy(&self) -> Option<&Proxy> {
        match self {
            Self::Through(proxy) => Some(proxy),
            Self::Direct | Self::Exempt(_) => None,
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("directly"),
            Self::Exempt(variable) => write!(f, "directly ({variable})"),
            Self::Through(proxy) => write!(f, "through the proxy {proxy}"),
        }
    }
}

impl Proxy {
    fn parse(variable: &'static str, text: &str) -> Result<Self, &'static str> {
        const WANTED: &str = "must be http://[user:password@]host[:port], https:// likewise, or \
                              host:port, without quotes; its value is not shown";
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err(WANTED);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            let (host, port) = text.rsplit_once(':').ok_or(WANTED)?;
            let host = parse_host(host).ok_or(WANTED)?;
            let port = parse_port(port).ok_or(WANTED)?;
            return Ok(Self::of(variable, false, host, port, None));
        };
        let is_encrypted = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(WANTED),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(WANTED);
        }
        let (user, address) = match rest.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, rest),
        };
        let usual = if is_encrypted { 443 } else { 80 };
        // A colon within brackets belongs to the address.
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, parse_port(port).ok_or(WANTED)?),
            _ => (address, usual),
        };
        let host = parse_host(host).ok_or(WANTED)?;
        let credentials = user.map(|user| parse_credentials(user).ok_or(WANTED)).transpose()?;
        Ok(Self::of(variable, is_encrypted, host, port, credentials))
    }

    fn of(
        variable: &'static str,
        is_encrypted: bool,
        host: String,
        port: u16,
        credentials: Option<(String, String)>,
    ) -> Self {
        Self(Arc::new(ProxyTable { variable, is_encrypted, host, port, credentials }))
    }

    /// Scheme, host and port: all that is shown.
    fn address(&self) -> String {
        let scheme = if self.0.is_encrypted { "https" } else { "http" };
        format!("{scheme}://{}:{}", self.0.host, self.0.port)
    }

    /// As the HTTP client takes it.
    pub(super) fn to_client(&self) -> reqwest::Result<reqwest::Proxy> {
        let proxy = reqwest::Proxy::all(self.address())?;
        Ok(match &self.0.credentials {
            Some((user, password)) => proxy.basic_auth(user, password),
            None => proxy,
        })
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.address(), self.0.variable)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The first of the names whose value is more than blanks.
fn winner<'e>(
    environment: &'e [(OsString, OsString)],
    names: [&'static str; 2],
) -> Option<(&'static str, &'e OsString)> {
    names.into_iter().find_map(|name| {
        let (_, value) = environment.iter().find(|(variable, _)| variable == name)?;
        let is_blank = value.to_str().is_some_and(|text| text.trim().is_empty());
        (!is_blank).then_some((name, value))
    })
}

/// A name or an address as in a URL: lower case, IPv6 in brackets.
fn parse_host(text: &str) -> Option<String> {
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return inner.parse::<Ipv6Addr>().ok().map(|address| format!("[{address}]"));
    }
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if text.is_empty() || !text.bytes().all(is_safe) {
        return None;
    }
    Host::parse(text).ok().map(|host| host.to_string())
}

fn parse_port(text: &str) -> Option<u16> {
    // `str::parse` alone would take a sign.
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port != 0)
}

/// `user:password`, each percent-encoded. A user name has no colon: Basic could not carry it.
fn parse_credentials(text: &str) -> Option<(String, String)> {
    let (user, password) = text.split_once(':')?;
    let decode = |text| percent_decode_str(text).decode_utf8().ok().map(String::from);
    let (user, password) = (decode(user)?, decode(password)?);
    let is_sound = !user.is_empty()
        && !user.contains(':')
        && !format!("{user}{password}").contains(char::is_control);
    is_sound.then_some((user, password))
}

#[cfg(test)]
mod tests;
