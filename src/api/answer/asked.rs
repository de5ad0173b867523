//! What a request's header fields say about the answer that is wanted.

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::{coding::Codings, directives::Directives, known::Known};

/// The fields that choose among answers of one content. Never rejects: what cannot be read in them
/// is left out.
#[derive(Debug, Default)]
pub(in crate::api) struct Asked {
    /// `If-None-Match`.
    pub(in crate::api) known: Known,
    /// `Accept-Encoding`.
    pub(in crate::api) accepts: Codings,
    /// `Cache-Control`.
    pub(in crate::api) directives: Directives,
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let headers = &parts.headers;
        Ok(Self {
            known: Known::of(headers),
            accepts: Codings::of(headers),
            directives: Directives::of(headers),
        })
    }
}
