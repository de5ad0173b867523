//! The header fields that say how old an answer is. Those of fresh answers, one for each second, are
//! made once.

use std::time::Duration;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AGE, CACHE_CONTROL},
};

use super::{ClientCaching, cache_status::cache_status};
use crate::inventory::CacheOutcome;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// What no client cache may repeat without asking again.
const NO_CACHE: HeaderValue = HeaderValue::from_static("private, no-cache");
/// Fields of older answers are made for each.
const MAX_SECONDS: u64 = 600;

/// `Age`, `Cache-Status` and `Cache-Control`, where an answer is fresh for so long.
#[derive(Debug)]
pub(super) struct FreshnessHeaders {
    fresh: Duration,
    max_age: HeaderValue,
    /// `Age` and `Cache-Status` of hits, by their seconds.
    hits: Vec<(HeaderValue, HeaderValue)>,
}

impl FreshnessHeaders {
    pub(super) fn new(fresh: Duration) -> Self {
        let max_age = format!("private, max-age={}", fresh.as_secs());
        let max_age = HeaderValue::from_str(&max_age).expect("digits are visible ASCII");
        let hit = |age_s| (HeaderValue::from(age_s), cache_status(CacheOutcome::Hit, age_s, fresh));
        let hits = (0..=fresh.as_secs().min(MAX_SECONDS)).map(hit).collect();
        Self { fresh, max_age, hits }
    }

    pub(super) fn fresh(&self) -> Duration {
        self.fresh
    }

    /// Adds them to those of an answer of this age.
    pub(super) fn add(
        &self,
        headers: &mut HeaderMap,
        age: Duration,
        outcome: CacheOutcome,
        reuse: ClientCaching,
    ) {
        let age_s = age.as_secs();
        let hit = usize::try_from(age_s).ok().and_then(|age_s| self.hits.get(age_s));
        let (age_field, status) = match (outcome, hit) {
            (CacheOutcome::Hit, Some(hit)) => hit.clone(),
            _ => (HeaderValue::from(age_s), cache_status(outcome, age_s, self.fresh)),
        };
        headers.insert(AGE, age_field);
        headers.insert(CACHE_CONTROL, self.cache_control(age, reuse));
        headers.insert(CACHE_STATUS, status);
    }

    /// What client caches may do with an answer of this age. One that is old already would be shown
    /// again as if it were fresh: some caches write an `Age` of their own over ours.
    fn cache_control(&self, age: Duration, reuse: ClientCaching) -> HeaderValue {
        match reuse {
            ClientCaching::WhileFresh if age < self.fresh => self.max_age.clone(),
            ClientCaching::WhileFresh | ClientCaching::Never => NO_CACHE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prepared_fields_are_those_that_are_made() {
        let fields = |prepared: &FreshnessHeaders, age_s| {
            let mut headers = HeaderMap::new();
            let age = Duration::from_secs(age_s);
            prepared.add(&mut headers, age, CacheOutcome::Hit, ClientCaching::WhileFresh);
            headers
        };
        let prepared = FreshnessHeaders::new(Duration::from_secs(60));
        let bare = FreshnessHeaders { hits: Vec::new(), ..FreshnessHeaders::new(prepared.fresh) };
        for age_s in [0, 1, 59, 60, 61, 1000] {
            assert_eq!(fields(&prepared, age_s), fields(&bare, age_s), "{age_s}");
        }
        assert_eq!(fields(&prepared, 12)[CACHE_STATUS], "sddc-gateway; hit; ttl=48");
        assert_eq!(fields(&prepared, 60)[CACHE_CONTROL], "private, no-cache");
    }
}
