//! The one call to CSP: `POST {url}{token_path}` with `grant_type=client_credentials`.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use base::ids::OrgId;
use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use http::{HeaderValue, Method};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::Notify;
use url::Url;

use super::{BasicEncoding, ClientId, ClientSecret, CspError, HeldSecrets, Settings, TokenFacts};
use crate::{
    Event, Observer,
    upstream::{Client, InvalidResponse, Reply},
};

/// Taken for `expires_in` when CSP does not tell a life that can be true.
const ASSUMED_LIFE: Duration = Duration::from_secs(300);
// CSP counts in seconds, from a minute up; less than one would be a storm of mints.
const MIN_LIFE: Duration = Duration::from_secs(1);
const MAX_LIFE: Duration = Duration::from_secs(24 * 3600);

/// The client secret as it is now: shared by all token sources, swapped when its file changes.
#[derive(Clone)]
pub struct SecretCell {
    current: Arc<ArcSwap<ClientSecret>>,
    refused: Arc<Notify>,
}

impl SecretCell {
    /// Holds a first secret.
    pub fn new(secret: ClientSecret) -> Self {
        Self { current: Arc::new(ArcSwap::from_pointee(secret)), refused: Arc::default() }
    }

    /// Whether this is the secret in use.
    pub fn holds(&self, secret: &ClientSecret) -> bool {
        self.current.load().same_as(secret)
    }

    /// Says when the secret in use was refused although it was good before: a newer one that was
    /// refused may be good by now.
    pub fn refused(&self) -> &Arc<Notify> {
        &self.refused
    }

    /// Takes a secret. Tells whether it is another one than before.
    pub fn replace(&self, secret: ClientSecret) -> bool {
        let changed = !self.holds(&secret);
        if changed {
            self.current.store(Arc::new(secret));
        }
        changed
    }
}

base::opaque_debug!(SecretCell);

/// Asks CSP for tokens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Mint(Arc<MintRequest>);

#[derive(Debug, Clone)]
struct MintRequest {
    client: Client,
    url: Url,
    client_id: ClientId,
    secret: SecretCell,
    encoding: BasicEncoding,
    held: HeldSecrets,
}

/// A token as it came, before it is given a generation.
pub(super) struct MintedToken {
    pub(super) header: HeaderValue,
    pub(super) life: Duration,
    /// Whether the answer did not tell it.
    pub(super) is_life_assumed: bool,
}

#[derive(Deserialize)]
struct MintAnswer {
    access_token: Option<SecretString>,
    expires_in: Option<Box<RawValue>>,
}

impl Mint {
    /// A mint for the app of `settings`.
    pub fn new(client: Client, settings: &Settings, secret: SecretCell) -> Self {
        let mut url = settings.url.clone();
        url.set_path(&settings.token_path);
        let client_id = settings.client_id.clone();
        Self(Arc::new(MintRequest {
            client,
            url,
            client_id,
            secret,
            encoding: settings.basic_encoding,
            held: HeldSecrets::default(),
        }))
    }

    /// The same app with the other way of joining id and secret: `check` tries it on a refusal.
    #[must_use]
    pub fn with_encoding(&self, encoding: BasicEncoding) -> Self {
        Self(Arc::new(MintRequest { encoding, ..MintRequest::clone(&self.0) }))
    }

    /// The same app with a secret that is not in use yet.
    pub(super) fn with_secret(&self, secret: ClientSecret) -> Self {
        let secret = SecretCell::new(secret);
        let mint = Self(Arc::new(MintRequest { secret, ..MintRequest::clone(&self.0) }));
        // It is a secret whether or not CSP takes it.
        mint.held();
        mint
    }

    /// Takes the new content of a file of extra CAs.
    ///
    /// # Errors
    /// As [`Client::take_authorities`].
    pub async fn take_authorities(&self, pem: &[u8]) -> Result<(), &'static str> {
        self.0.client.take_authorities(pem).await
    }

    /// The secret in use.
    pub(super) fn secret(&self) -> &SecretCell {
        &self.0.secret
    }

    /// Is told what happens.
    pub(super) fn observer(&self) -> &dyn Observer {
        self.0.client.observer()
    }

    /// Makes one try, for the app's own organization or for `org`.
    pub(super) async fn ask(&self, org: Option<&OrgId>) -> Result<MintedToken, CspError> {
        let MintRequest { client, url, .. } = &*self.0;
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(org.map(|org| ("orgId", org.as_str())));
        let request = self.authorize(client.request(Method::POST, url.clone()).form(&form));
        let request = request.build().map_err(|_| InvalidResponse::Address)?;
        match client.call("token", request).await? {
            Reply::Json(body) => {
                let minted = read(&body)?;
                if minted.is_life_assumed {
                    self.observer().observe(&Event::LifeAssumed(minted.life));
                }
                Ok(minted)
            }
            Reply::Refused(status, _) if status == http::StatusCode::NOT_FOUND => {
                Err(InvalidResponse::Status(status).into())
            }
            Reply::Refused(status, _) => Err(CspError::Refused(status)),
        }
    }

    /// Mints a token only to say what it is good for: `check`. Read from the JWT's claims, which
    /// the gateway itself never looks at.
    ///
    /// # Errors
    /// As every mint.
    pub async fn inspect(&self, org: Option<&OrgId>) -> Result<TokenFacts, CspError> {
        self.ask(org).await.map(|minted| TokenFacts::of(&minted))
    }

    fn authorize(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        let MintRequest { client_id, secret, encoding, .. } = &*self.0;
        let secret = secret.current.load();
        match encoding {
            BasicEncoding::Raw => request.basic_auth(client_id.as_str(), Some(secret.expose())),
            BasicEncoding::Form => {
                let (id, secret) = (form(client_id.as_str()), form(secret.expose()));
                request.basic_auth(id.expose_secret(), Some(secret.expose_secret()))
            }
        }
    }

    /// Has secrets of the gateway's own blanked out in texts too, in the place of those given before.
    pub fn hold(&self, secrets: Vec<SecretString>) {
        self.held().hold_own(secrets);
    }

    /// What is held for this app: its client secret as it is now, and the tokens.
    pub(super) fn held(&self) -> &HeldSecrets {
        let MintRequest { secret, held, .. } = &*self.0;
        held.hold_client(&secret.current.load(), || self.secrets().into());
        held
    }

    /// The client secret in every form in which it may be sent, of either encoding: `check` tries
    /// both.
    pub(super) fn secrets(&self) -> [SecretString; 4] {
        let secret = self.0.secret.current.load();
        let (id, raw) = (self.0.client_id.as_str(), secret.expose());
        let (form_id, form) = (form(id), form(raw));
        [raw.into(), basic(id, raw), basic(form_id.expose_secret(), form.expose_secret()), form]
    }
}

/// As in a form: RFC 6749 section 2.3.1.
fn form(text: &str) -> SecretString {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().into()
}

/// What follows `Basic` in the header (RFC 7617), less the padding.
fn basic(id: &str, secret: &str) -> SecretString {
    let pair = SecretString::from(format!("{id}:{secret}"));
    BASE64_STANDARD_NO_PAD.encode(pair.expose_secret()).into()
}

pub(super) fn read(body: &[u8]) -> Result<MintedToken, CspError> {
    let answer: MintAnswer =
        serde_json::from_slice(body).map_err(|_| InvalidResponse::Body("a token answer"))?;
    let token = answer.access_token.filter(|token| !token.expose_secret().trim().is_empty());
    let token = token.ok_or(InvalidResponse::Body("an answer with an access token"))?;
    let header = HeaderValue::from_str(token.expose_secret())
        .map_err(|_| InvalidResponse::Body("an answer with a token that can be sent"))?;
    let told = life(answer.expires_in.as_deref());
    Ok(MintedToken { header, life: told.unwrap_or(ASSUMED_LIFE), is_life_assumed: told.is_none() })
}

/// Reads `expires_in`: seconds, as a number or a numeric string.
fn life(expires_in: Option<&RawValue>) -> Option<Duration> {
    let told = expires_in?.get().trim_matches('"').trim().parse::<f64>().ok();
    let seconds = told.filter(|seconds| *seconds > 0.0)?;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(MAX_LIFE).clamp(MIN_LIFE, MAX_LIFE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life_of(json: &str) -> u64 {
        let body = format!(r#"{{"access_token": "a.b.c", "token_type": "bearer"{json}}}"#);
        read(body.as_bytes()).map(|minted| minted.life).unwrap().as_secs()
    }

    #[test]
    fn expires_in_is_read_leniently() {
        for (json, seconds) in [
            ("", 300),
            (r#", "expires_in": null"#, 300),
            (r#", "expires_in": 0"#, 300),
            (r#", "expires_in": -5"#, 300),
            (r#", "expires_in": 0.001"#, 1),
            (r#", "expires_in": "soon""#, 300),
            (r#", "expires_in": [1]"#, 300),
            (r#", "expires_in": "nan""#, 300),
            (r#", "expires_in": 1799"#, 1799),
            (r#", "expires_in": "1799""#, 1799),
            (r#", "expires_in": 60.0"#, 60),
            (r#", "expires_in": 2"#, 2),
            (r#", "expires_in": 86401"#, 86_400),
            (r#", "expires_in": 1e300"#, 86_400),
            (r#", "expires_in": "inf""#, 86_400),
        ] {
            assert_eq!(life_of(json), seconds, "{json}");
        }
    }

    #[test]
    fn an_answer_without_a_token_that_can_be_sent_is_a_breach() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"access_token": null}"#,
            r#"{"access_token": ""}"#,
            r#"{"access_token": "  "}"#,
            r#"{"access_token": 5}"#,
            "{\"access_token\": \"a\\nb\"}",
        ] {
            let failed = read(body.as_bytes()).map(|_| ()).unwrap_err();
            assert_eq!(failed.kind(), crate::upstream::Kind::Contract, "{body}");
        }
    }
}
