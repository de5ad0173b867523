//! What a verified token says.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::{ClaimPattern, JwtFault, Settings, jwks::KeyId};

/// How far the issuer's clock and ours may be apart.
const LEEWAY: SignedDuration = SignedDuration::from_secs(30);

/// Claims that hold words with blanks between them (RFC 8693 section 4.2); some issuers write a list.
pub const WORDS: [&str; 2] = ["scope", "scp"];
/// Claims that name the client that a token was given to, the first one that is there.
const CLIENTS: [&str; 4] = ["client_id", "azp", "appid", "cid"];

/// The claims of a token that the issuer signed. `Debug` shows none of it.
pub struct Claims {
    members: Map<String, Value>,
    expires_at: Timestamp,
    valid_from: Timestamp,
    /// Which key signed them.
    key: Option<KeyId>,
}

base::opaque_debug!(Claims);

impl Claims {
    pub(super) fn read(mut claims: Map<String, Value>) -> Result<Self, JwtFault> {
        let moment = |claim: &str| {
            let value = claims.get(claim);
            value.map(|value| moment(value).ok_or(JwtFault::Lifetime)).transpose()
        };
        let expires_at = moment("exp")?.ok_or(JwtFault::Lifetime)?;
        let valid_from = moment("nbf")?.unwrap_or(Timestamp::MIN);
        for name in WORDS {
            if let Some(value) = claims.get_mut(name)
                && let Value::String(text) = value
            {
                *value = text.split_ascii_whitespace().map(Value::from).collect();
            }
        }
        Ok(Self {
            members: claims,
            expires_at: expires_at.checked_add(LEEWAY).unwrap_or(Timestamp::MAX),
            valid_from: valid_from.checked_sub(LEEWAY).unwrap_or(Timestamp::MIN),
            key: None,
        })
    }

    pub(super) fn signed_by(self, key: KeyId) -> Self {
        Self { key: Some(key), ..self }
    }

    pub(super) fn key(&self) -> Option<KeyId> {
        self.key
    }

    /// Whether a claim is there and fits. `scope` and `scp` are lists of words.
    pub fn matches(&self, claim: &str, pattern: &ClaimPattern) -> bool {
        self.members.get(claim).is_some_and(|value| pattern.matches(value))
    }

    /// Whether all of these fit.
    pub fn fit(&self, wanted: &BTreeMap<String, ClaimPattern>) -> bool {
        wanted.iter().all(|(claim, pattern)| self.matches(claim, pattern))
    }

    /// From when on the token is refused: `exp` and 30 s of leeway.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.members.iter().map(|(name, value)| member_bytes(name, value)).sum()
    }

    /// Whether it is the issuer's, for us, and of a client that may call (RFC 7519 section 4.1.1 and
    /// 4.1.3, RFC 9068 section 2.2).
    pub(super) fn check_parties(&self, settings: &Settings) -> Result<(), JwtFault> {
        let is = |claim: &str, wanted: &str| matches!(self.members.get(claim), Some(Value::String(text)) if text == wanted);
        // `iss` is one text: an array of issuers is none.
        if !is("iss", &settings.issuer) {
            return Err(JwtFault::Issuer);
        }
        if let Some(audience) = &settings.audience {
            let holds = |items: &Vec<Value>| {
                items.iter().all(Value::is_string) && items.iter().any(|item| item == audience)
            };
            let is_listed = self.members.get("aud").and_then(Value::as_array).is_some_and(holds);
            if !is("aud", audience) && !is_listed {
                return Err(JwtFault::Audience);
            }
        }
        if !settings.client_ids.is_empty() {
            // The first that is there counts, whatever it is: a token says once whose it is.
            let client = CLIENTS.iter().find(|claim| self.members.contains_key(**claim));
            let may = |claim: &&str| settings.client_ids.iter().any(|wanted| is(claim, wanted));
            if !client.is_some_and(may) {
                return Err(JwtFault::Client);
            }
        }
        Ok(())
    }

    /// Whether it holds now. At `exp` itself a token is over, at `nbf` itself it is valid (RFC 7519
    /// section 4.1.4 and 4.1.5); the leeway moves both.
    pub(super) fn check_time(&self, now: Timestamp) -> Result<(), JwtFault> {
        if now >= self.expires_at {
            Err(JwtFault::Expired)
        } else if now < self.valid_from {
            Err(JwtFault::NotYetValid)
        } else {
            Ok(())
        }
    }
}

fn member_bytes(name: &str, value: &Value) -> usize {
    // Hash, index and room to grow.
    size_of::<(String, Value)>() * 2 + name.len() + value_bytes(value)
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => {
            items.iter().map(|item| size_of::<Value>() * 2 + value_bytes(item)).sum()
        }
        Value::Object(members) => {
            members.iter().map(|(name, value)| member_bytes(name, value)).sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// A `NumericDate` (RFC 7519 section 2): seconds since 1970, maybe with a fraction. What is out of
/// range is the nearest moment that there is.
fn moment(value: &Value) -> Option<Timestamp> {
    if let Some(second) = value.as_i64() {
        let first = Timestamp::MIN.as_second();
        let last = Timestamp::MAX.as_second();
        return Timestamp::from_second(second.clamp(first, last)).ok();
    }
    let seconds = value.as_f64()?;
    let span = SignedDuration::try_from_secs_f64(seconds).ok();
    let end = if seconds < 0.0 { Timestamp::MIN } else { Timestamp::MAX };
    Some(span.and_then(|span| Timestamp::from_duration(span).ok()).unwrap_or(end))
}
