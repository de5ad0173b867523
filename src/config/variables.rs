//! Variables that begin like the gateway's but are no setting: those that Kubernetes gives to every
//! container for a Service, and those that were meant to be one.

use std::net::IpAddr;

use super::{keys::Key, table::KEYS};

/// The variable that names the file when no flag does.
pub(super) const CONFIG_VARIABLE: &str = "SDDC_GATEWAY_CONFIG";

/// Of a Service's ports, as in URLs.
const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// What a variable without `__` is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Foreign {
    /// The configuration file's name, or from Kubernetes.
    Ignored,
    /// Probably this variable.
    Slip(String),
    /// None of these.
    Unknown,
}

/// Judges a variable by its name, which goes on with `rest` behind the prefix, and its value.
pub(super) fn judge(name: &str, rest: &str, value: &str) -> Foreign {
    if name == CONFIG_VARIABLE || is_of_service(rest, value) {
        return Foreign::Ignored;
    }
    let name = name.to_ascii_uppercase();
    let slips = KEYS.iter().filter_map(|key: &&Key| {
        let variable = key.environment()?;
        let distance = strsim::damerau_levenshtein(&name, &variable.replace("__", "_"));
        (distance <= 2).then_some((distance, variable))
    });
    let nearest = slips.min_by_key(|(distance, _)| *distance);
    nearest.map_or(Foreign::Unknown, |(_, variable)| Foreign::Slip(variable))
}

/// Whether Kubernetes gives such a variable to containers, for a Service whose name begins with
/// `sddc-gateway`.
fn is_of_service(rest: &str, value: &str) -> bool {
    // `ANY_SERVICE_HOST`, or `SERVICE_HOST` alone.
    let has = |part: &str| {
        rest.strip_prefix(part).or_else(|| rest.split_once(&format!("_{part}")).map(|it| it.1))
    };
    if has("SERVICE_HOST") == Some("") {
        return true;
    }
    if has("SERVICE_PORT").is_some_and(|name| name.is_empty() || name.starts_with('_')) {
        return true;
    }
    is_of_port(rest, value)
}

/// `PORT`, and `PORT_80_TCP` and what begins so, each with the value that Kubernetes writes there: another
/// one was meant for the gateway.
fn is_of_port(rest: &str, value: &str) -> bool {
    let is_protocol = |name: &str| PROTOCOLS.iter().any(|it| it.eq_ignore_ascii_case(name));
    let parts: Vec<_> = rest.split('_').collect();
    match parts[..] {
        [.., "PORT", port, protocol, last] if is_port(port) && is_protocol(protocol) => {
            match last {
                "PROTO" => value.eq_ignore_ascii_case(protocol),
                "PORT" => value == port,
                "ADDR" => value.parse::<IpAddr>().is_ok(),
                _ => false,
            }
        }
        [.., "PORT", port, protocol] if is_port(port) && is_protocol(protocol) => is_url(value),
        [.., "PORT"] => is_url(value),
        _ => false,
    }
}

/// `tcp://10.0.0.1:80`
fn is_url(value: &str) -> bool {
    value.split_once("://").is_some_and(|(protocol, at)| {
        let address = at.rsplit_once(':').filter(|(_, port)| is_port(port));
        let address = address.map(|(host, _)| host.trim_start_matches('[').trim_end_matches(']'));
        PROTOCOLS.contains(&protocol) && address.is_some_and(|it| it.parse::<IpAddr>().is_ok())
    })
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::{super::keys::ENVIRONMENT_PREFIX, *};

    fn judged(rest: &str, value: &str) -> Foreign {
        judge(&format!("{ENVIRONMENT_PREFIX}{rest}"), rest, value)
    }

    #[test]
    fn what_kubernetes_writes_for_a_service_is_ignored() {
        for (rest, value) in [
            ("CONFIG", "/etc/gateway.toml"),
            ("SERVICE_HOST", "10.96.0.12"),
            ("SERVICE_PORT", "80"),
            ("SERVICE_PORT_HTTP", "80"),
            ("OPS_SERVICE_HOST", "10.96.0.13"),
            ("OPS_SERVICE_PORT_METRICS", "9090"),
            ("PORT", "tcp://10.96.0.12:80"),
            ("PORT_80_TCP", "tcp://10.96.0.12:80"),
            ("PORT_80_TCP_PROTO", "tcp"),
            ("PORT_80_TCP_PORT", "80"),
            ("PORT_80_TCP_ADDR", "10.96.0.12"),
            ("OPS_PORT", "udp://[2001:db8::1]:80"),
            ("OPS_PORT_80_UDP", "udp://[2001:db8::1]:80"),
            ("PORT_PORT", "tcp://10.96.0.12:80"),
            ("PORT_PORT_80_TCP_PORT", "80"),
        ] {
            assert_eq!(judged(rest, value), Foreign::Ignored, "{rest}");
        }
        for (rest, value) in [
            ("PORT", "8080x"),
            ("PORT", "8080"),
            ("PORT", "tcp"),
            ("PORT", "10.96.0.12"),
            ("PORT_8080", "8080"),
            ("PORT_8080", "tcp://10.96.0.12:8080"),
            ("PORT_X", "1"),
            ("PORT_80_TCP", "80"),
            ("PORT_80_TCP_PROTO", "80"),
            ("PORT_80_TCP_PORT", "8080"),
            ("PORT_80_TCP_ADDR", "tcp"),
            ("PORT_80_TCP_X", "80"),
            ("PORT", "http://a:80"),
            ("EXPORT", "80"),
            ("SERVICE_HOSTS", "a"),
            ("SERVICE", "a"),
            ("COMMIT", "abc"),
        ] {
            assert_eq!(judged(rest, value), Foreign::Unknown, "{rest}");
        }
    }

    #[test]
    fn one_underscore_for_two_is_a_slip_and_a_letter_more_too() {
        for (rest, meant) in [
            ("CSP_CLIENT_ID", "SDDC_GATEWAY_CSP__CLIENT_ID"),
            ("CSP_CLIENTID", "SDDC_GATEWAY_CSP__CLIENT_ID"),
            ("CPS_CLIENT_ID", "SDDC_GATEWAY_CSP__CLIENT_ID"),
            ("API_LISTEN", "SDDC_GATEWAY_API__LISTEN"),
            ("ACCESS_OIDC_ISSUER", "SDDC_GATEWAY_ACCESS__OIDC__ISSUER"),
            ("access_keys", "SDDC_GATEWAY_ACCESS__KEYS"),
        ] {
            assert_eq!(judged(rest, "x"), Foreign::Slip(meant.to_owned()), "{rest}");
        }
    }
}
