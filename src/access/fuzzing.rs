//! Fuzz bodies: credentials and what callers may see. See [`crate::fuzzing`].

use std::{net::IpAddr, sync::LazyLock};

use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};

use super::{
    CallerName, KeyDigest, NamePattern, Policy, Refusal, TrustedProxies, Verifiers, View,
    oidc::Oidc,
};
use crate::{
    clock::Clock,
    config::{Config, Source},
    fuzzing::input::{Input, headers},
};

/// The keys that are good, and whose they are.
const KEYS: [(&str, &str); 3] =
    [("sgw_billing", "billing"), ("sgw_billing-next", "billing"), ("sgw_backup", "backup")];

static KEYED: LazyLock<Policy> = LazyLock::new(|| {
    let entry = |(key, name): &(&str, &str)| format!("{name}:{}", KeyDigest::of(key.as_bytes()));
    policy(&[("ACCESS__KEYS", &KEYS.iter().map(entry).collect::<Vec<_>>().join(","))])
});
static OPEN: LazyLock<Policy> = LazyLock::new(|| policy(&[("ACCESS__OPEN", "true")]));

/// As the configuration makes it.
fn policy(access: &[(&str, &str)]) -> Policy {
    let variables = [("CSP__CLIENT_ID", "app"), ("CSP__CLIENT_SECRET", "secret")];
    let variables = variables.iter().chain(access);
    let environment = variables
        .map(|(name, value)| (format!("SDDC_GATEWAY_{name}").into(), (*value).to_owned().into()));
    let source = Source { environment: environment.collect(), ..Source::default() };
    let config = Config::load(&source).unwrap_or_else(|faults| panic!("{faults}"));
    Policy::new(&config.access, Verifiers::default(), Clock::system())
}

/// Credential fields, a line each: the first character says in which field the rest stands. Who is
/// let in has shown a key of theirs and nothing else; the fields' order does not matter.
pub(crate) fn credentials(data: &[u8]) {
    let fields: Vec<(HeaderName, HeaderValue)> =
        Input::new(data).lines().filter_map(field).collect();
    let known = name(&KEYED, fields.iter());
    // What is of another scheme is nobody's credential here.
    let ours: Vec<_> = fields.iter().filter(|field| !is_of_another_scheme(field)).collect();
    let is_doubled = known == Err(Refusal::Doubled);
    assert_eq!(known, name(&KEYED, fields.iter().rev()));
    match &known {
        Ok(caller) => {
            assert!((1..=2).contains(&ours.len()));
            for (_, value) in &ours {
                let shown = value.as_bytes().rsplit(|byte| matches!(byte, b' ' | b'\t'));
                let shown = shown.into_iter().find(|part| !part.is_empty());
                let key = KEYS.iter().find(|(key, _)| Some(key.as_bytes()) == shown);
                assert_eq!(key.map(|(_, name)| *name), Some(caller.as_str()), "{value:?}");
            }
        }
        Err(Refusal::Missing) => assert!(fields.is_empty()),
        Err(Refusal::OtherScheme) => assert!(ours.is_empty()),
        Err(_) => assert!(!fields.is_empty()),
    }
    // Where nobody needs a key, every key is a wrong one.
    assert_eq!(name(&OPEN, fields.iter()).is_ok(), ours.is_empty() && !is_doubled);
    for line in Input::new(data).lines().filter_map(|line| str::from_utf8(line).ok()) {
        if let Ok(digest) = line.parse::<KeyDigest>() {
            assert_eq!(digest.to_string(), line.to_ascii_lowercase());
        }
        if let Ok(name) = line.parse::<CallerName>() {
            assert_eq!(name.as_str(), line);
            assert!(name != CallerName::anonymous() && !name.as_str().contains(['"', ' ', '\\']));
        }
    }
}

fn is_of_another_scheme((name, value): &(HeaderName, HeaderValue)) -> bool {
    let value = value.as_bytes();
    let scheme = value.split(|byte| *byte == b' ').next().unwrap_or_default();
    let has_more = !value[scheme.len()..].trim_ascii().is_empty();
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let is_key = !has_more && (scheme.starts_with(b"sgw_") || Oidc::looks_like_jwt(scheme));
    *name == AUTHORIZATION
        && !scheme.is_empty()
        && scheme.iter().all(is_scheme)
        && !scheme.eq_ignore_ascii_case(b"bearer")
        && !is_key
}

fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let (kind, value) = line.split_first()?;
    let name = match kind {
        b'A' => AUTHORIZATION,
        b'X' => HeaderName::from_static("x-api-key"),
        _ => return None,
    };
    Some((name, HeaderValue::from_bytes(value).ok()?))
}

fn head<'a>(fields: impl Iterator<Item = &'a (HeaderName, HeaderValue)>) -> HeaderMap {
    let mut head = HeaderMap::new();
    for (name, value) in fields {
        head.append(name, value.clone());
    }
    head
}

fn name<'a>(
    policy: &Policy,
    fields: impl Iterator<Item = &'a (HeaderName, HeaderValue)>,
) -> Result<CallerName, Refusal> {
    policy.known(&head(fields), None).map(|known| known.caller().name().clone())
}

/// A pattern of names and a name: it is seen where a naive matching says so.
pub(crate) fn name_pattern(data: &[u8]) {
    let mut input = Input::new(data);
    let [Ok(pattern), Ok(name)] = [input.line(), input.rest()].map(str::from_utf8) else { return };
    let Ok(parsed) = pattern.parse::<NamePattern>() else {
        let unknown = pattern.contains(['[', ']', '{', '}', '\\']);
        assert!(unknown || !(1..=256).contains(&pattern.chars().count()));
        return;
    };
    let view = View { sddc_names: Some(vec![parsed]), ..View::default() };
    let [org, id] = ["org", "sddc"];
    let (Ok(org), Ok(id)) = (org.parse(), id.parse()) else { return };
    assert_eq!(view.shows_sddc(&org, &id, Some(name)), matches_naively(pattern, name));
    assert!(!view.shows_sddc(&org, &id, None));
}

/// Character by character: `ends[n]` is whether the pattern so far matches the name's first `n`.
fn matches_naively(pattern: &str, name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let mut ends = vec![false; name.len() + 1];
    ends[0] = true;
    for wanted in pattern.chars() {
        let before = std::mem::replace(&mut ends, vec![false; name.len() + 1]);
        for at in 0..=name.len() {
            ends[at] = match wanted {
                '*' => before[at] || (at > 0 && ends[at - 1]),
                '?' => at > 0 && before[at - 1],
                letter => at > 0 && before[at - 1] && name[at - 1] == letter,
            };
        }
    }
    ends[name.len()]
}

static PROXIES: LazyLock<TrustedProxies> = LazyLock::new(|| {
    let networks = ["10.0.0.0/8", "2001:db8::/32"];
    TrustedProxies::new(networks.iter().map(|it| it.parse().expect("a network")).collect())
});

/// `X-Forwarded-For` fields, a line each: nobody's word counts whose own address is not trusted, and
/// the client is one that a trusted hop named, or that hop.
pub(crate) fn forwarded(data: &[u8]) {
    let name = HeaderName::from_static("x-forwarded-for");
    let fields = Input::new(data).fields();
    let head = headers(&name, &fields);
    let [stranger, proxy] = ["192.0.2.1", "10.0.0.1"].map(|text| text.parse().expect("an address"));
    assert_eq!(PROXIES.client(stranger, &head), stranger);
    let client = PROXIES.client(proxy, &head);
    assert_eq!(client, client.to_canonical());
    let last = fields.last().map(HeaderValue::as_bytes).unwrap_or_default();
    let last = last.rsplit(|byte| *byte == b',').next().unwrap_or_default().trim_ascii();
    let last = str::from_utf8(last).ok().and_then(|text| text.parse::<IpAddr>().ok());
    // It was written by the proxy: what stands left of it is the sender's own.
    if let Some(named) = last.map(|address| address.to_canonical()).filter(|it| !is_trusted(*it)) {
        assert_eq!(client, named);
    }
    if fields.is_empty() {
        assert_eq!(client, proxy);
    }
}

fn is_trusted(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[0] == 10,
        IpAddr::V6(address) => address.segments()[..2] == [0x2001, 0xdb8],
    }
}
