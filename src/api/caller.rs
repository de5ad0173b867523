//! The extractor of who asks.

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::error::ApiError;
use crate::access::{Caller, Identity, Refusal, Scope};

/// A caller with the scope `sddc:read`. Rejects with 401, then 403, before anything else of the
/// request is looked at.
#[derive(Debug)]
pub(super) struct SddcReader(#[expect(dead_code, reason = "holding it is the point")] Caller);

impl<S: Sync> FromRequestParts<S> for SddcReader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let refusal = match parts.extensions.get::<Identity>() {
            Some(Identity::Known(caller)) if caller.has(Scope::SddcRead) => {
                return Ok(Self(caller.clone()));
            }
            Some(Identity::Known(_)) => return Err(ApiError::Forbidden(Scope::SddcRead)),
            Some(Identity::Refused(refusal)) => *refusal,
            // Without an edge before it a route lets nobody in.
            None => Refusal::Missing,
        };
        Err(ApiError::Unauthenticated(refusal))
    }
}
