//! From request headers to a caller.

use std::{collections::HashMap, sync::Arc};

use http::{HeaderMap, header};

use super::{CallerName, KeyDigest, Scope, Settings, View};

const X_API_KEY: http::HeaderName = http::HeaderName::from_static("x-api-key");

/// Who may call, decided at start.
#[derive(Debug, Clone)]
pub struct Policy(Arc<Rules>);

#[derive(Debug)]
enum Rules {
    Open(Caller),
    Callers(HashMap<KeyDigest, Caller>),
}

/// A caller whose credential was good, or `anonymous` where access is open. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Caller(Arc<CallerEntry>);

#[derive(Debug)]
struct CallerEntry {
    name: CallerName,
    scopes: Vec<Scope>,
    view: Arc<View>,
}

/// What the edge found out about a request's sender. Held with the request until a handler asks
/// for a [`Caller`]: a path that needs no key does not care.
#[derive(Debug, Clone)]
pub enum Identity {
    /// The credential was good, or none is needed.
    Known(Caller),
    /// 401.
    Refused(Refusal),
}

/// Why nobody is known. The names are a closed set: they are metric labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// No credential was sent, and one is needed.
    Missing,
    /// A credential was sent that nobody has.
    Unknown,
    /// A credential that cannot be read: another scheme than `Bearer`, empty, sent twice.
    Malformed,
    /// Two good credentials of different callers.
    Conflict,
}

impl Refusal {
    /// The metric label and log field.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "no_credential",
            Self::Unknown => "unknown_credential",
            Self::Malformed => "malformed_credential",
            Self::Conflict => "conflicting_credentials",
        }
    }
}

impl Caller {
    fn new(name: CallerName, scopes: Vec<Scope>, view: View) -> Self {
        Self(Arc::new(CallerEntry { name, scopes, view: Arc::new(view) }))
    }

    /// For log lines and metrics.
    #[must_use]
    pub fn name(&self) -> &CallerName {
        &self.0.name
    }

    /// Whether the caller has a scope.
    #[must_use]
    pub fn has(&self, scope: Scope) -> bool {
        self.0.scopes.contains(&scope)
    }

    /// What the caller may see.
    #[must_use]
    pub fn view(&self) -> &Arc<View> {
        &self.0.view
    }
}

impl Policy {
    /// Builds the lookup tables.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let rules = match settings {
            Settings::Open => {
                let name = CallerName::anonymous();
                Rules::Open(Caller::new(name, vec![Scope::SddcRead], View::default()))
            }
            Settings::Callers(callers) => Rules::Callers(
                callers
                    .iter()
                    .flat_map(|entry| {
                        let caller = Caller::new(
                            entry.name.clone(),
                            entry.scopes.clone(),
                            entry.view.clone(),
                        );
                        entry.key_sha256.iter().map(move |digest| (*digest, caller.clone()))
                    })
                    .collect(),
            ),
        };
        Self(Arc::new(rules))
    }

    /// Whether everyone is let in as `anonymous`.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(*self.0, Rules::Open(_))
    }

    /// Finds out who sent a request: `Authorization: Bearer <key>` or `X-API-Key: <key>`.
    ///
    /// Costs one SHA-256 per credential and one lookup, good or bad. Where access is open a wrong
    /// credential is refused all the same: its sender believes something that is not so.
    #[must_use]
    pub fn identify(&self, headers: &HeaderMap) -> Identity {
        match (self.bearer(headers), self.api_key(headers)) {
            (Ok(None), Ok(None)) => match &*self.0 {
                Rules::Open(anonymous) => Identity::Known(anonymous.clone()),
                Rules::Callers(_) => Identity::Refused(Refusal::Missing),
            },
            (Ok(Some(caller)), Ok(None)) | (Ok(None), Ok(Some(caller))) => Identity::Known(caller),
            (Ok(Some(one)), Ok(Some(other))) if Arc::ptr_eq(&one.0, &other.0) => {
                Identity::Known(one)
            }
            (Ok(Some(_)), Ok(Some(_))) => Identity::Refused(Refusal::Conflict),
            (Err(refusal), _) | (_, Err(refusal)) => Identity::Refused(refusal),
        }
    }

    fn bearer(&self, headers: &HeaderMap) -> Result<Option<Caller>, Refusal> {
        let Some(value) = only(headers, &header::AUTHORIZATION)? else { return Ok(None) };
        let (scheme, key) = match value.iter().position(|byte| *byte == b' ') {
            Some(at) => (&value[..at], value[at..].trim_ascii()),
            None => return Err(Refusal::Malformed),
        };
        if !scheme.eq_ignore_ascii_case(b"bearer") {
            return Err(Refusal::Malformed);
        }
        self.holder(key).map(Some)
    }

    fn api_key(&self, headers: &HeaderMap) -> Result<Option<Caller>, Refusal> {
        let Some(key) = only(headers, &X_API_KEY)? else { return Ok(None) };
        self.holder(key.trim_ascii()).map(Some)
    }

    fn holder(&self, key: &[u8]) -> Result<Caller, Refusal> {
        if key.is_empty() {
            return Err(Refusal::Malformed);
        }
        let digest = KeyDigest::of(key);
        match &*self.0 {
            Rules::Open(_) => Err(Refusal::Unknown),
            Rules::Callers(callers) => callers.get(&digest).cloned().ok_or(Refusal::Unknown),
        }
    }
}

/// The header's value, if it was sent once.
fn only<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Result<Option<&'a [u8]>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => Ok(Some(value.as_bytes())),
        (Some(_), Some(_)) => Err(Refusal::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::CallerSettings;

    fn policy() -> Policy {
        let caller = |name: &str, keys: &[&str]| CallerSettings {
            name: name.parse().unwrap(),
            key_sha256: keys.iter().map(|key| KeyDigest::of(key.as_bytes())).collect(),
            scopes: vec![Scope::SddcRead],
            view: View::default(),
        };
        Policy::new(&Settings::Callers(vec![
            caller("billing", &["key-a", "key-a-next"]),
            caller("backup", &["key-b"]),
        ]))
    }

    fn identify(policy: &Policy, headers: &[(&'static str, &str)]) -> Result<String, Refusal> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        match policy.identify(&map) {
            Identity::Known(caller) => Ok(caller.name().to_string()),
            Identity::Refused(refusal) => Err(refusal),
        }
    }

    #[test]
    fn a_key_is_known_in_either_header_and_in_each_of_its_rotations() {
        let policy = policy();
        for headers in [
            &[("authorization", "Bearer key-a")][..],
            &[("authorization", "bearer  key-a-next")],
            &[("x-api-key", "key-a")],
            &[("x-api-key", "key-a"), ("authorization", "Bearer key-a-next")],
        ] {
            assert_eq!(identify(&policy, headers).as_deref(), Ok("billing"), "{headers:?}");
        }
    }

    #[test]
    fn what_is_no_single_good_credential_is_refused() {
        let policy = policy();
        let cases: &[(&[(&str, &str)], Refusal)] = &[
            (&[], Refusal::Missing),
            (&[("x-api-key", "key-c")], Refusal::Unknown),
            (&[("x-api-key", "")], Refusal::Malformed),
            (&[("authorization", "Bearer")], Refusal::Malformed),
            (&[("authorization", "Bearer ")], Refusal::Malformed),
            (&[("authorization", "Basic a2V5LWE=")], Refusal::Malformed),
            (&[("x-api-key", "key-a"), ("x-api-key", "key-a")], Refusal::Malformed),
            (&[("x-api-key", "key-a"), ("authorization", "Bearer key-b")], Refusal::Conflict),
            (&[("x-api-key", "key-a"), ("authorization", "Bearer key-c")], Refusal::Unknown),
        ];
        for (headers, refusal) in cases {
            let headers: Vec<_> = headers.iter().map(|(n, v)| (leak(n), *v)).collect();
            assert_eq!(identify(&policy, &headers), Err(*refusal), "{headers:?}");
        }
    }

    fn leak(name: &str) -> &'static str {
        name.to_owned().leak()
    }

    #[test]
    fn open_access_knows_everyone_but_the_sender_of_a_wrong_credential() {
        let policy = Policy::new(&Settings::Open);
        assert_eq!(identify(&policy, &[]).as_deref(), Ok("anonymous"));
        assert_eq!(identify(&policy, &[("x-api-key", "key-a")]), Err(Refusal::Unknown));
    }
}
