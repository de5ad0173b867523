//! From a value's text to its type.
//!
//! Each parser answers with what is wrong in words that follow the value: `"foo" must be …`. None
//! repeats the value itself; whether that may be done is decided by the key.

use std::{
    fmt::Display,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use ipnet::IpNet;
use url::{Host, Url};

use crate::{
    access::{CallerName, KeyDigest},
    csp::ClientSecret,
    loopback::is_loopback_host,
    telemetry::AuditTarget,
};

const DURATION_UNITS: &[(&str, u64)] = &[("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const SIZE_UNITS: &[(&str, u64)] =
    &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// `30s`, `1h30m`, `500ms`, `0s`: whole numbers with units, the largest first.
pub(crate) fn duration(
    range: RangeInclusive<Duration>,
) -> impl Fn(&str) -> Result<Duration, String> {
    move |text| {
        let duration = Duration::from_millis(milliseconds(text)?);
        let (low, high) = (spell_duration(*range.start()), spell_duration(*range.end()));
        range
            .contains(&duration)
            .then_some(duration)
            .ok_or_else(|| format!("must be {low} to {high}"))
    }
}

fn milliseconds(text: &str) -> Result<u64, String> {
    const WANTED: &str = "must be a duration, such as 30s, 5m, 1h30m or 500ms";
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("needs a unit: ms, s, m or h, such as 30s".into());
    }
    let (mut rest, mut units, mut total) = (text, DURATION_UNITS, 0_u64);
    loop {
        let (number, tail) = split_number(rest).ok_or(WANTED)?;
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let at = units.iter().position(|(unit, _)| *unit == &tail[..end]).ok_or(WANTED)?;
        total = number
            .checked_mul(units[at].1)
            .and_then(|part| total.checked_add(part))
            .ok_or("is too long")?;
        (rest, units) = (&tail[end..], &units[at + 1..]);
        if rest.is_empty() {
            return Ok(total);
        }
    }
}

/// `128MiB`, `64KiB`, or a plain number of bytes.
pub(super) fn size(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<u64, String> {
    move |text| {
        let bytes = bytes(text).ok_or("must be a size, such as 64KiB, 128MiB or 1GiB")?;
        let (low, high) = (spell_size(*range.start()), spell_size(*range.end()));
        range.contains(&bytes).then_some(bytes).ok_or_else(|| format!("must be {low} to {high}"))
    }
}

fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = split_number(text)?;
    let unit = if unit.is_empty() { "B" } else { unit };
    let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

/// A whole number.
pub(super) fn count(range: RangeInclusive<usize>) -> impl Fn(&str) -> Result<usize, String> {
    move |text| {
        let number = split_number(text).filter(|(_, rest)| rest.is_empty());
        number
            .and_then(|(number, _)| usize::try_from(number).ok())
            .filter(|number| range.contains(number))
            .ok_or_else(|| format!("must be a whole number, {} to {}", range.start(), range.end()))
    }
}

/// Digits at the start, and what follows. `str::parse` alone would take a sign.
fn split_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

pub(super) fn spell_duration(duration: Duration) -> String {
    match duration.as_secs() {
        0 if duration.is_zero() => "0s".into(),
        0 => format!("{}ms", duration.as_millis()),
        seconds if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        seconds => format!("{seconds}s"),
    }
}

pub(super) fn spell_size(bytes: u64) -> String {
    let fits = |unit: &&(&str, u64)| bytes.is_multiple_of(unit.1);
    SIZE_UNITS
        .iter()
        .find(fits)
        .map_or_else(|| bytes.to_string(), |(unit, factor)| format!("{}{unit}", bytes / factor))
}

/// `true` or `false`, nothing else: `0`, `no` and `off` could be taken for either.
pub(super) fn flag(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "must be true or false".into())
}

/// One word of a closed set.
pub(super) fn choice<T: Copy>(
    choices: &'static [(&'static str, T)],
) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        let found = choices.iter().find(|(word, _)| *word == text);
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            format!("must be one of {}", words.join(", "))
        })
    }
}

/// A listener's address. Names are not resolved: what they mean may change, and what a listener
/// asks of callers depends on whether it is loopback.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "must be an IP address and a port, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080".into()
    })
}

/// What parses itself.
pub(super) fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|fault: T::Err| fault.to_string())
}

/// `10.0.0.0/8`, or an address alone, which is a network of one.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    const WANTED: &str = "must be a network or an address, such as 10.0.0.0/8 or 2001:db8::7";
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    let network: IpNet = text.parse().map_err(|_| WANTED)?;
    let whole = network.trunc();
    // Either the address or the length is not what was meant.
    if network == whole {
        Ok(network)
    } else {
        Err(format!("has host bits set: did you mean {whole}?"))
    }
}

/// A host name or IP address as in a `Host` header: lower case, no port, IPv6 in brackets.
pub(super) fn host(text: &str) -> Result<String, String> {
    const WANTED: &str = "must be a host name or IP address, without scheme and port";
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Ok(format!("[{address}]"));
    }
    // `Host::parse` would decode `%41`.
    let host = if text.contains('%') { None } else { Host::parse(text).ok() };
    match host.ok_or(WANTED)? {
        Host::Domain(name) if is_host_name(&name) => Ok(name),
        Host::Domain(_) => Err(WANTED.into()),
        address @ (Host::Ipv4(_) | Host::Ipv6(_)) => Ok(address.to_string()),
    }
}

fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// A host of `vmc.plain_http`: exact, and none of VMware's own.
pub(super) fn plain_host(text: &str) -> Result<String, String> {
    let host = host(text)?;
    let is_vmwares = ["vmware.com", "broadcom.com"].iter().any(|domain| {
        host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    });
    if is_vmwares {
        Err("is one of VMware's names, which are called over https only".into())
    } else {
        Ok(host)
    }
}

/// Scheme and host of an upstream. Plain `http` only to loopback and to the hosts given: the client
/// secret and the token go there.
pub(super) fn upstream(plain_http: &[String]) -> impl Fn(&str) -> Result<Url, String> {
    move |text| {
        let url = web_address(text, "https://vmc.vmware.com", Some(plain_http))?;
        upstream_root(url)
    }
}

fn upstream_root(url: Url) -> Result<Url, String> {
    if url.path() != "/" {
        Err("must end after the host: no path".into())
    } else if url.query().is_some() || url.fragment().is_some() {
        Err("must end after the host: no query, no fragment".into())
    } else {
        Ok(url)
    }
}

/// A document of somebody else's. Plain `http` only from loopback: what it says is believed.
pub(super) fn document_url(text: &str) -> Result<Url, String> {
    let url = web_address(text, "https://login.example.com/jwks.json", None)?;
    if url.fragment().is_some() { Err("must have no fragment".into()) } else { Ok(url) }
}

/// Where a collector takes traces. Plain `http` only to loopback.
pub(super) fn otlp_endpoint(text: &str) -> Result<Url, String> {
    const TRACES: &str = "/v1/traces";
    let mut url = web_address(text, "https://collector.example.com:4318", None)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must have no query and no fragment".into());
    }
    let base = url.path().trim_end_matches('/');
    let path = base.strip_suffix(TRACES).unwrap_or(base).to_owned() + TRACES;
    url.set_path(&path);
    Ok(url)
}

/// `plain_http`: the hosts of `vmc.plain_http`, where that counts.
fn web_address(text: &str, sample: &str, plain_http: Option<&[String]>) -> Result<Url, String> {
    without_spaces(text)?;
    let url = Url::parse(text).map_err(|_| format!("must be a URL, such as {sample}"))?;
    let fault = match (url.scheme(), url.host()) {
        (_, None) => return Err(format!("must be a URL with a host, such as {sample}")),
        _ if !url.username().is_empty() || url.password().is_some() => {
            "must not contain a user name or password"
        }
        ("http", Some(host)) if !is_loopback_host(&host) => match plain_http {
            Some(hosts) if hosts.contains(&host.to_string()) => return Ok(url),
            Some(_) => {
                "must be https: plain http is only for a loopback host, or one of vmc.plain_http"
            }
            None => "must be https: plain http is only for a loopback host",
        },
        ("http" | "https", Some(_)) => return Ok(url),
        _ => "must be https",
    };
    Err(fault.into())
}

/// `Url::parse` drops these silently.
fn without_spaces(text: &str) -> Result<(), String> {
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("must not contain spaces or control characters".into());
    }
    Ok(())
}

/// An issuer of tokens: a URL that is only compared, so kept as written.
pub(super) fn issuer(text: &str) -> Result<String, String> {
    without_spaces(text)?;
    match Url::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("must be a URL, such as https://login.example.com".into()),
    }
}

/// A text that is only compared, so kept as written.
pub(super) fn text(text: &str) -> Result<String, String> {
    if text.is_empty() {
        Err("must not be empty".into())
    } else if text.contains(char::is_control) {
        Err("must not contain control characters".into())
    } else {
        Ok(text.to_owned())
    }
}

/// A path below an upstream's URL.
pub(super) fn url_path(text: &str) -> Result<String, String> {
    // `//host` and `/\host` would lead to another host when joined with the URL.
    let leads_away = text.starts_with("//") || text.contains('\\');
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'));
    (text.starts_with('/') && !leads_away && plain)
        .then(|| text.to_owned())
        .ok_or_else(|| "must be a path that starts with one '/', without query".into())
}

/// The client secret, where it is no file's.
pub(super) fn client_secret(text: &str) -> Result<ClientSecret, String> {
    ClientSecret::from_text(text).map_err(|fault| fault.to_string())
}

/// A file of this name in the working directory is written `./stdout`.
pub(super) fn audit_target(text: &str) -> Result<AuditTarget, String> {
    match text {
        "stdout" => Ok(AuditTarget::Stdout),
        name => file_to_write(name).map(AuditTarget::File),
    }
}

/// The name of a file.
pub(super) fn path(name: &str) -> Result<PathBuf, String> {
    text(name).map(PathBuf::from)
}

/// The name of a file that need not be there yet, in a directory that is.
pub(super) fn file_to_write(text: &str) -> Result<PathBuf, String> {
    let path = path(text)?;
    match path.parent() {
        Some(directory) if directory != Path::new("") && !directory.is_dir() => {
            Err(format!("there is no directory {}", directory.display()))
        }
        _ if path.is_dir() => Err("is a directory".to_owned()),
        _ if path.exists() && !path.is_file() => {
            Err("is not a regular file but a device or a pipe".to_owned())
        }
        _ if text.ends_with('/') => Err("must name a file".to_owned()),
        _ => Ok(path),
    }
}

/// A caller's name. A key would be a good one, and then stand in every log line of that caller.
pub(super) fn caller_name(text: &str) -> Result<CallerName, String> {
    if text.starts_with("sgw_") {
        return Err(
            "this is a key, not a name; treat the key as leaked and create a new one".into()
        );
    }
    parsed(text)
}

/// A caller's name and the digest of its key, as in `access.keys`.
pub(super) fn short_credential(text: &str) -> Result<(CallerName, KeyDigest), String> {
    let (name, digest) = text.split_once(':').ok_or("must be name:sha256 of the key")?;
    let name = caller_name(name.trim()).map_err(|fault| format!("has an invalid name: {fault}"))?;
    let digest =
        parsed(digest.trim()).map_err(|fault| format!("has an invalid digest: {fault}"))?;
    Ok((name, digest))
}

#[cfg(test)]
mod tests;
