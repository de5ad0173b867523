//! `Cache-Status` (RFC 9211): how an answer was served.

use std::time::Duration;

use http::HeaderValue;

use crate::{inventory::CacheOutcome, telemetry::CacheResult, upstream::Kind};

/// The field of an answer of this age, where one is fresh for so long.
pub(super) fn cache_status(outcome: CacheOutcome, age_s: u64, fresh: Duration) -> HeaderValue {
    let fresh_s = fresh.as_secs();
    let (sign, ttl) = if age_s <= fresh_s { ("", fresh_s - age_s) } else { ("-", age_s - fresh_s) };
    let text = match outcome {
        CacheOutcome::Hit => format!("sddc-gateway; hit; ttl={sign}{ttl}"),
        CacheOutcome::Stored => return HeaderValue::from_static("sddc-gateway; fwd=miss; stored"),
        CacheOutcome::Collapsed => {
            return HeaderValue::from_static("sddc-gateway; fwd=miss; collapsed");
        }
        CacheOutcome::Stale(why) => {
            let why = why.map_or("refresh-pending", Kind::as_str);
            format!("sddc-gateway; hit; ttl={sign}{ttl}; detail=stale-{why}")
        }
        CacheOutcome::StaleOnly => {
            format!("sddc-gateway; hit; ttl={sign}{ttl}; detail=stale-only-if-cached")
        }
        CacheOutcome::Unconfirmed => {
            format!("sddc-gateway; hit; ttl={sign}{ttl}; detail=stale-unconfirmed")
        }
        CacheOutcome::OverBudget => format!("sddc-gateway; hit; ttl={sign}{ttl}; detail=budget"),
        CacheOutcome::RefreshFailed(why) => {
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

/// The same for metrics and the access line.
pub(super) fn result(outcome: CacheOutcome) -> CacheResult {
    match outcome {
        CacheOutcome::Hit | CacheOutcome::OverBudget => CacheResult::Hit,
        CacheOutcome::Stored => CacheResult::Miss,
        CacheOutcome::Collapsed => CacheResult::Collapsed,
        CacheOutcome::Unconfirmed
        | CacheOutcome::Stale(_)
        | CacheOutcome::StaleOnly
        | CacheOutcome::RefreshFailed(_) => CacheResult::Stale,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_status_says_how_an_answer_was_served() {
        let of = |outcome, age| {
            let field = cache_status(outcome, age, Duration::from_secs(60));
            field.to_str().unwrap().to_owned()
        };
        assert_eq!(of(CacheOutcome::Hit, 12), "sddc-gateway; hit; ttl=48");
        assert_eq!(of(CacheOutcome::Stored, 0), "sddc-gateway; fwd=miss; stored");
        assert_eq!(of(CacheOutcome::Collapsed, 0), "sddc-gateway; fwd=miss; collapsed");
        assert_eq!(
            of(CacheOutcome::Stale(Some(Kind::Unavailable)), 100),
            "sddc-gateway; hit; ttl=-40; detail=stale-upstream-unavailable"
        );
        assert_eq!(
            of(CacheOutcome::Stale(None), 61),
            "sddc-gateway; hit; ttl=-1; detail=stale-refresh-pending"
        );
        assert_eq!(
            of(CacheOutcome::RefreshFailed(Kind::Timeout), 100),
            "sddc-gateway; fwd=stale; fwd-status=504; detail=stale-upstream-timeout"
        );
    }
}
