//! `Cache-Status` (RFC 9211): how an answer was served.

use std::time::Duration;

use http::HeaderValue;

use crate::{inventory::Service, telemetry::CacheResult, upstream::Kind};

/// The field of an answer of this age, where one is fresh for so long.
pub(super) fn cache_status(service: Service, age_s: u64, fresh: Duration) -> HeaderValue {
    let fresh_s = fresh.as_secs();
    let (sign, ttl) = if age_s <= fresh_s { ("", fresh_s - age_s) } else { ("-", age_s - fresh_s) };
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
        Service::Unconfirmed => {
            format!("sddc-gateway; hit; ttl={sign}{ttl}; detail=stale-unconfirmed")
        }
        Service::OverBudget => format!("sddc-gateway; hit; ttl={sign}{ttl}; detail=budget"),
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

/// The same for metrics and the access line.
pub(super) fn result(service: Service) -> CacheResult {
    match service {
        Service::Hit | Service::OverBudget => CacheResult::Hit,
        Service::Stored => CacheResult::Miss,
        Service::Collapsed => CacheResult::Collapsed,
        Service::Unconfirmed
        | Service::Stale(_)
        | Service::StaleOnly
        | Service::RefreshFailed(_) => CacheResult::Stale,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_status_says_how_an_answer_was_served() {
        let of = |service, age| {
            let field = cache_status(service, age, Duration::from_secs(60));
            field.to_str().unwrap().to_owned()
        };
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
