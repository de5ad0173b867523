//! What a tool asks CSP for, and the caller's key that it shows.

use axum::body::Body;
use http::Request;
use secrecy::{ExposeSecret, SecretSlice};

use super::CspEndpoint;
use crate::access::{Refusal, basic_password};

/// A request for a token.
pub(in crate::drop_in) struct TokenRequest {
    keys: Vec<SecretSlice<u8>>,
    fault: Option<GrantFault>,
}

/// What is wrong with what is asked for. Told only to callers who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum GrantFault {
    /// `grant_type` is not there.
    #[error("Missing mandatory parameter: grant_type (client_credentials or refresh_token)")]
    Missing,
    /// `grant_type` is another one.
    #[error("unsupported_grant_type: this gateway knows client_credentials and refresh_token")]
    Unsupported,
}

/// What stays of it without its keys: extensions of a request are cloned.
#[derive(Debug, Clone, Copy)]
pub(in crate::drop_in) struct AskedGrant(Option<GrantFault>);

impl TokenRequest {
    /// Reads the form, the query (of API tokens only) and Basic. Tools send keys without URL encoding:
    /// no sign of a key means anything there.
    ///
    /// # Errors
    /// [`Refusal`]: two `Authorization`, or one that cannot be read.
    pub(in crate::drop_in) fn read(
        endpoint: CspEndpoint,
        request: &Request<Body>,
        body: &[u8],
    ) -> Result<Self, Refusal> {
        if endpoint == CspEndpoint::ApiToken {
            let query = request.uri().query().unwrap_or_default().as_bytes();
            let keys = api_tokens(body).chain(api_tokens(query)).collect();
            return Ok(Self { keys, fault: None });
        }
        let basic = basic_password(request.headers())?.filter(|password| !password.is_empty());
        let mut keys: Vec<_> = basic.map(SecretSlice::from).into_iter().collect();
        let fault = match value(body, "grant_type").as_deref() {
            Some("client_credentials") => None,
            Some("refresh_token") => {
                keys.extend(api_tokens(body));
                None
            }
            Some(_) => Some(GrantFault::Unsupported),
            None => Some(GrantFault::Missing),
        };
        Ok(Self { keys, fault })
    }

    /// The keys that are shown.
    pub(in crate::drop_in) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.keys.iter().map(ExposeSecret::expose_secret)
    }

    pub(in crate::drop_in) fn grant(&self) -> AskedGrant {
        AskedGrant(self.fault)
    }
}

impl AskedGrant {
    /// What is wrong with it.
    pub(super) fn fault(self) -> Option<GrantFault> {
        self.0
    }
}

/// The values of a key's two names, empty ones apart.
fn api_tokens(form: &[u8]) -> impl Iterator<Item = SecretSlice<u8>> {
    let pairs = url::form_urlencoded::parse(form);
    let named = pairs.filter(|(name, _)| name == "api_token" || name == "refresh_token");
    let values = named.map(|(_, value)| value.into_owned().into_bytes());
    values.filter(|value| !value.is_empty()).map(SecretSlice::from)
}

fn value(form: &[u8], wanted: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(form);
    pairs.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;

    use super::*;

    fn keys(endpoint: CspEndpoint, target: &str, basic: Option<&str>, body: &str) -> Vec<String> {
        let mut request = Request::builder().uri(target);
        if let Some(basic) = basic {
            request = request.header(AUTHORIZATION, format!("Basic {basic}"));
        }
        let request = request.body(Body::empty()).unwrap();
        let asked = TokenRequest::read(endpoint, &request, body.as_bytes()).unwrap();
        asked.keys().map(|key| String::from_utf8(key.to_vec()).unwrap()).collect()
    }

    #[test]
    fn an_api_token_comes_in_the_form_or_in_the_query_by_either_name() {
        let of = |target, body| keys(CspEndpoint::ApiToken, target, None, body);
        assert_eq!(of("/", "refresh_token=sgw_a-b_c"), ["sgw_a-b_c"]);
        assert_eq!(of("/", "api_token=sgw_a&passcode="), ["sgw_a"]);
        assert_eq!(of("/?api_token=sgw_a", ""), ["sgw_a"]);
        assert_eq!(of("/?refresh_token=sgw_a", "api_token="), ["sgw_a"]);
        assert_eq!(of("/?api_token=a", "refresh_token=b"), ["b", "a"]);
        assert!(of("/", "token=a").is_empty());
    }

    #[test]
    fn a_clients_secret_comes_in_basic_and_never_in_the_query() {
        let of = |basic, body| keys(CspEndpoint::ClientCredentials, "/?api_token=q", basic, body);
        // ci:sgw_a:b
        assert_eq!(of(Some("Y2k6c2d3X2E6Yg=="), "grant_type=client_credentials"), ["sgw_a:b"]);
        assert!(of(None, "grant_type=client_credentials&client_secret=sgw_a").is_empty());
        // ci:
        let refresh = "grant_type=refresh_token&refresh_token=sgw_a";
        assert_eq!(of(Some("Y2k6"), refresh), ["sgw_a"]);
        assert_eq!(of(None, refresh), ["sgw_a"]);
    }
}
