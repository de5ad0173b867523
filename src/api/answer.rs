//! Answers from the picture: encoded once, told how old, sent only if the caller lacks them.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{AGE, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY},
    request::Parts,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    inventory::{Served, Service},
    problem::MissingOrg,
    telemetry::CacheResult,
    upstream::Kind,
};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const VARY_ON: HeaderValue = HeaderValue::from_static("Accept-Encoding, Authorization, X-API-Key");
/// What an older revision answered is never asked for again.
const KEPT_UNASKED: Duration = Duration::from_secs(60);
/// Bytes of encoded answers that are kept.
const KEPT_BYTES: u64 = 64 * 1024 * 1024;

/// What an encoded answer is of. Equal keys have equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// All SDDCs of a revision, less those of the missing orgs.
    Sddcs { revision: u64, missing: Vec<MissingOrg> },
    /// One org's SDDCs.
    OrgSddcs { revision: u64, org: String },
    /// One SDDC.
    Sddc { revision: u64, id: String },
}

/// Encoded answers by what they are of, bounded in bytes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Answers {
    kept: moka::sync::Cache<Key, Arc<Encoded>>,
    max_age: HeaderValue,
    fresh: Duration,
}

/// A document as it is sent.
#[derive(Debug)]
pub(super) struct Encoded {
    body: Bytes,
    etag: HeaderValue,
}

impl Encoded {
    /// Encodes a document. Equal content has an equal `ETag`, on every replica.
    pub(super) fn new(document: &impl Serialize) -> Self {
        let body = serde_json::to_vec(document).expect("documents have string keys only");
        let hash = Sha256::digest(&body);
        let etag = format!("W/\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(&hash[..16]));
        let etag = HeaderValue::from_str(&etag).expect("base64 is visible ASCII");
        Self { body: body.into(), etag }
    }
}

impl Answers {
    /// No answers yet; `fresh` is `inventory.fresh`.
    #[must_use]
    pub fn new(fresh: Duration) -> Self {
        let weigh = |_: &Key, answer: &Arc<Encoded>| {
            u32::try_from(answer.body.len() + 256).unwrap_or(u32::MAX)
        };
        let kept = moka::sync::Cache::builder()
            .max_capacity(KEPT_BYTES)
            .weigher(weigh)
            .time_to_idle(KEPT_UNASKED)
            .build();
        let max_age = format!("private, max-age={}", fresh.as_secs());
        let max_age = HeaderValue::from_str(&max_age).expect("digits are visible ASCII");
        Self { kept, max_age, fresh }
    }

    /// The encoded answer of `key`, made by `encode` at the first demand.
    pub(super) fn encoded<T: Serialize>(
        &self,
        key: Key,
        encode: impl FnOnce() -> T,
    ) -> Arc<Encoded> {
        self.kept.get_with(key, || Arc::new(Encoded::new(&encode())))
    }

    /// The answer to a request: 304 if the caller has it already.
    pub(super) fn answer<T>(
        &self,
        encoded: &Encoded,
        served: &Served<T>,
        known: &Known,
    ) -> Response {
        let revalidated = known.holds(&encoded.etag);
        let mut response = if revalidated {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            Response::new(Body::from(encoded.body.clone()))
        };
        let headers = response.headers_mut();
        headers.reserve(12);
        if !revalidated {
            headers.insert(CONTENT_TYPE, JSON);
        }
        let age_s = served.age.as_secs();
        headers.insert(ETAG, encoded.etag.clone());
        headers.insert(AGE, HeaderValue::from(age_s));
        headers.insert(CACHE_CONTROL, self.max_age.clone());
        headers.insert(VARY, VARY_ON);
        headers.insert(CACHE_STATUS, self.cache_status(served.service, age_s));
        let result = if revalidated { CacheResult::Revalidated } else { result(served.service) };
        response.extensions_mut().insert(Outcome { result, age_s });
        response
    }

    /// `Cache-Status` (RFC 9211).
    fn cache_status(&self, service: Service, age_s: u64) -> HeaderValue {
        let fresh_s = self.fresh.as_secs();
        let (sign, ttl) =
            if age_s <= fresh_s { ("", fresh_s - age_s) } else { ("-", age_s - fresh_s) };
        let text = match service {
            Service::Hit => format!("sddc-gateway; hit; ttl={sign}{ttl}"),
            Service::Stored => return HeaderValue::from_static("sddc-gateway; fwd=miss; stored"),
            Service::Collapsed => {
                return HeaderValue::from_static("sddc-gateway; fwd=miss; collapsed");
            }
            Service::Stale(why) => {
                let why = why.map_or("refresh-pending", Kind::as_str);
                format!("sddc-gateway; hit; ttl={sign}{ttl}; detail=stale-{why}")
            }
            Service::StaleOnly => {
                format!("sddc-gateway; hit; ttl={sign}{ttl}; detail=stale-only-if-cached")
            }
            Service::RefreshFailed(why) => {
                let status = match why {
                    Kind::Unavailable => 503,
                    Kind::Timeout => 504,
                    Kind::Contract | Kind::CredentialsRejected => 502,
                };
                format!("sddc-gateway; fwd=stale; fwd-status={status}; detail=stale-{why}")
            }
        };
        HeaderValue::from_str(&text).expect("codes and digits are visible ASCII")
    }
}

fn result(service: Service) -> CacheResult {
    match service {
        Service::Hit => CacheResult::Hit,
        Service::Stored => CacheResult::Miss,
        Service::Collapsed => CacheResult::Collapsed,
        Service::Stale(_) | Service::StaleOnly | Service::RefreshFailed(_) => CacheResult::Stale,
    }
}

/// How an answer was served, for the edge's access line and metrics.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// How.
    pub result: CacheResult,
    /// Its `Age`.
    pub age_s: u64,
}

/// What the caller has already: `If-None-Match`.
#[derive(Debug)]
pub(super) struct Known(Vec<HeaderValue>);

impl<S: Sync> FromRequestParts<S> for Known {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.headers))
    }
}

impl Known {
    fn of(headers: &HeaderMap) -> Self {
        Self(headers.get_all(IF_NONE_MATCH).iter().cloned().collect())
    }

    /// Weak comparison (RFC 9110 section 8.8.3.2) with each tag of each field.
    fn holds(&self, etag: &HeaderValue) -> bool {
        let opaque = |tag: &[u8]| tag.strip_prefix(b"W/").unwrap_or(tag).to_vec();
        let wanted = opaque(etag.as_bytes());
        self.0.iter().any(|field| {
            field.as_bytes().trim_ascii() == b"*"
                // Our tags hold no comma, so splitting inside a foreign one makes no false match.
                || field.as_bytes().split(|byte| *byte == b',').any(|tag| opaque(tag.trim_ascii()) == wanted)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_none_match_compares_weakly_in_lists_and_in_several_fields() {
        let etag = HeaderValue::from_static("W/\"abc\"");
        let known = |fields: &[&'static str]| {
            Known(fields.iter().map(|field| HeaderValue::from_static(field)).collect())
        };
        for fields in [
            &["W/\"abc\""][..],
            &["\"abc\""],
            &["*"],
            &[" * "],
            &["\"x\", W/\"abc\" , \"y\""],
            &["\"x\"", "\"abc\""],
        ] {
            assert!(known(fields).holds(&etag), "{fields:?}");
        }
        for fields in [&[][..], &["abc"], &["\"ab\""], &["\"x,abc\""], &[""], &["\"abc\"x"]] {
            assert!(!known(fields).holds(&etag), "{fields:?}");
        }
    }

    #[test]
    fn cache_status_says_how_an_answer_was_served() {
        let answers = Answers::new(Duration::from_secs(60));
        let of = |service, age| answers.cache_status(service, age).to_str().unwrap().to_owned();
        assert_eq!(of(Service::Hit, 12), "sddc-gateway; hit; ttl=48");
        assert_eq!(of(Service::Stored, 0), "sddc-gateway; fwd=miss; stored");
        assert_eq!(of(Service::Collapsed, 0), "sddc-gateway; fwd=miss; collapsed");
        assert_eq!(
            of(Service::Stale(Some(Kind::Unavailable)), 100),
            "sddc-gateway; hit; ttl=-40; detail=stale-upstream-unavailable"
        );
        assert_eq!(
            of(Service::Stale(None), 61),
            "sddc-gateway; hit; ttl=-1; detail=stale-refresh-pending"
        );
        assert_eq!(
            of(Service::RefreshFailed(Kind::Timeout), 100),
            "sddc-gateway; fwd=stale; fwd-status=504; detail=stale-upstream-timeout"
        );
    }
}
