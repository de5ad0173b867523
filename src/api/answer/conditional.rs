//! What a request's header fields say about the answer that is wanted.

use axum::extract::FromRequestParts;
use http::{HeaderMap, request::Parts};

use super::{coding::AcceptedCodings, directives::CacheDirectives, if_none_match::IfNoneMatch};

/// The fields that choose among answers of one content. Never rejects: what cannot be read in them
/// is left out.
#[derive(Debug, Default)]
pub(in crate::api) struct ConditionalHeaders {
    /// `If-None-Match`.
    pub(in crate::api) known: IfNoneMatch,
    /// `Accept-Encoding`.
    pub(in crate::api) accepts: AcceptedCodings,
    /// `Cache-Control`.
    pub(in crate::api) directives: CacheDirectives,
}

impl<S: Sync> FromRequestParts<S> for ConditionalHeaders {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.headers))
    }
}

impl ConditionalHeaders {
    /// Reads them.
    pub(in crate::api) fn of(headers: &HeaderMap) -> Self {
        Self {
            known: IfNoneMatch::of(headers),
            accepts: AcceptedCodings::of(headers),
            directives: CacheDirectives::of(headers),
        }
    }
}
