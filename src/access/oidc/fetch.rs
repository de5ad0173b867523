//! Fetching the issuer's keys.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode, header::ACCEPT};
use url::Url;

use super::jwks;
use crate::{
    USER_AGENT,
    clock::Clock,
    telemetry::Metrics,
    upstream::{
        BuildError, CallBounds, Client, ContentType, Failure, InvalidResponse, Proxies, Reply,
        Upstream,
    },
};

const ENDPOINT: &str = "jwks";
/// The issuer of callers' tokens.
const JWKS: Upstream = Upstream {
    name: "jwks",
    ca_setting: "access.oidc.ca_file",
    user_agent: USER_AGENT,
    accepts: ContentType::AnyButHtml,
};
const BOUNDS: CallBounds = CallBounds {
    connect_timeout: Duration::from_secs(3),
    timeout: Duration::from_secs(8),
    max_body: jwks::MAX_BYTES as u64,
};
/// Kubernetes answers 406 unless asked for the set's own media type (RFC 7517 section 8.5.2).
const MEDIA_TYPES: &str = "application/jwk-set+json, application/json";

/// The one address that keys are fetched from. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Source {
    client: Client,
    url: Url,
}

/// Why no document was had.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// No answer, or none that is one.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// 400, 401, 403 or 404.
    #[error("refused ({0})")]
    Refused(StatusCode),
}

impl FetchError {
    /// A closed set, for `/readyz`.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Failed(Failure::Connect(_) | Failure::Broken(_)) => "unreachable",
            Self::Failed(Failure::Timeout(_)) => "no answer in time",
            Self::Failed(Failure::Throttled { .. }) => "throttled",
            Self::Failed(Failure::Server { .. }) => "server error",
            Self::Failed(Failure::Contract(InvalidResponse::TooLarge(_))) => jwks::TOO_LARGE,
            Self::Failed(Failure::Contract(InvalidResponse::Status(status)))
                if status.is_redirection() =>
            {
                "a redirect, which is not followed"
            }
            Self::Failed(Failure::Contract(
                InvalidResponse::ContentType | InvalidResponse::WebPage | InvalidResponse::Body(_),
            )) => "not JSON",
            Self::Failed(Failure::Contract(
                InvalidResponse::Status(_)
                | InvalidResponse::Address
                | InvalidResponse::Implausible(_),
            ))
            | Self::Refused(_) => "refused",
        }
    }
}

impl Source {
    pub(super) fn new(
        url: Url,
        authorities: Option<&[u8]>,
        proxies: &Proxies,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Self, BuildError> {
        let client = Client::new(JWKS, &url, BOUNDS, authorities, proxies, clock, metrics)?;
        Ok(Self { client, url })
    }

    /// Takes the new content of `access.oidc.ca_file`.
    pub(super) async fn take_authorities(&self, pem: &[u8]) -> Result<(), &'static str> {
        self.client.take_authorities(pem).await
    }

    pub(super) async fn fetch(&self) -> Result<Bytes, FetchError> {
        let request = self.client.request(Method::GET, self.url.clone());
        let request = request.header(ACCEPT, MEDIA_TYPES).build();
        let request = request.map_err(|_| Failure::from(InvalidResponse::Address))?;
        match self.client.call(ENDPOINT, request).await? {
            Reply::Json(document) => Ok(document),
            Reply::Refused(status, _) => Err(FetchError::Refused(status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_ca_file_is_told_by_the_key_that_names_it() {
        let url = Url::parse("https://localhost").unwrap();
        let clock = Clock::manual(jiff::Timestamp::UNIX_EPOCH);
        let proxies = Proxies::default();
        let source = Source::new(url, Some(b"no PEM"), &proxies, clock, Metrics::new());
        let told = source.unwrap_err().to_string();
        assert!(told.starts_with("access.oidc.ca_file cannot be used: "), "{told}");
    }
}
