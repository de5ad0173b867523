//! What a verified token says.

use std::{collections::HashMap, fmt};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::{JwtFault, Settings, jwks::KeyId};

/// How far the issuer's clock and ours may be apart.
const LEEWAY: SignedDuration = SignedDuration::from_secs(30);

/// The claims of a token that the issuer signed, as far as they are text: a claim's string, or its
/// array of nothing but strings. `Debug` shows none of it.
pub struct Claims {
    texts: HashMap<String, Texts>,
    expires_at: Timestamp,
    valid_from: Timestamp,
    /// Which key signed them.
    key: Option<KeyId>,
}

enum Texts {
    One(Box<str>),
    Many(Box<[Box<str>]>),
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims").finish_non_exhaustive()
    }
}

impl Claims {
    pub(super) fn read(claims: Map<String, Value>) -> Result<Self, JwtFault> {
        let moment = |claim: &str| {
            let value = claims.get(claim);
            value.map(|value| moment(value).ok_or(JwtFault::Lifetime)).transpose()
        };
        let expires_at = moment("exp")?.ok_or(JwtFault::Lifetime)?;
        let valid_from = moment("nbf")?.unwrap_or(Timestamp::MIN);
        let texts = claims.into_iter().filter_map(|(name, value)| Some((name, Texts::of(value)?)));
        Ok(Self {
            texts: texts.collect(),
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

    /// Whether a claim is this text, or is an array of strings that holds it. Numbers, flags and
    /// objects match nothing.
    #[must_use]
    pub fn matches(&self, claim: &str, value: &str) -> bool {
        match self.texts.get(claim) {
            None => false,
            Some(Texts::One(text)) => **text == *value,
            Some(Texts::Many(texts)) => texts.iter().any(|text| **text == *value),
        }
    }

    /// From when on the token is refused: `exp` and 30 s of leeway.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        let entry = size_of::<(String, Texts)>() + 16;
        self.texts.iter().map(|(name, texts)| 2 * entry + name.len() + texts.bytes()).sum()
    }

    /// Whether it is the issuer's, and for us (RFC 7519 section 4.1.1 and 4.1.3).
    pub(super) fn check_parties(&self, settings: &Settings) -> Result<(), JwtFault> {
        // `iss` is one text: an array of issuers is none.
        match self.texts.get("iss") {
            Some(Texts::One(issuer)) if **issuer == *settings.issuer => {}
            _ => return Err(JwtFault::Issuer),
        }
        if self.matches("aud", &settings.audience) { Ok(()) } else { Err(JwtFault::Audience) }
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

impl Texts {
    fn bytes(&self) -> usize {
        match self {
            Self::One(text) => text.len(),
            Self::Many(texts) => {
                texts.iter().map(|text| size_of::<Box<str>>() + 16 + text.len()).sum()
            }
        }
    }

    fn of(value: Value) -> Option<Self> {
        let text = |value| match value {
            Value::String(text) => Some(text.into_boxed_str()),
            _ => None,
        };
        match value {
            Value::Array(items) => {
                items.into_iter().map(text).collect::<Option<_>>().map(Self::Many)
            }
            value => text(value).map(Self::One),
        }
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
