//! The OAuth app and the tokens issued to it.

use std::{collections::HashMap, time::Duration};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use http::StatusCode;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use subtle::ConstantTimeEq;

use super::{Options, documents::Dice};

/// The stream of chance for tokens.
const TOKENS: u64 = 0x70CE;

/// The user's API token that `auth/api-tokens/authorize` exchanges; every other one has expired.
pub const API_TOKEN: &str = "demo-api-token";

/// Name of the signing key.
pub(super) const KEY_ID: &str = "signing_2";
/// Who signs.
pub(super) const ISSUER: &str = "https://gaz.csp-vidm-prod.com";

/// An RS256 signature of a 2048 bit key.
const SIGNATURE_BYTES: usize = 256;

const PERMS: [&str; 5] = [
    "csp:org_member",
    "csp:developer",
    "external/vmc-service-definition-id/vmc-user:full",
    "external/vmc-service-definition-id/nsx:cloud_auditor",
    "external/vmc-service-definition-id/nsx:cloud_admin",
];

/// How the app joins id and secret in HTTP Basic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BasicEncoding {
    /// As they are.
    Raw,
    /// Each form-encoded first (RFC 6749 section 2.3.1).
    Form,
}

/// The app, its secrets and its live tokens.
#[derive(Debug)]
pub(super) struct Accounts {
    client_id: String,
    /// The current secret first; during a rotation the one before it too.
    secrets: Vec<SecretString>,
    pub(super) ttl: Duration,
    pub(super) wrong_secret_status: StatusCode,
    pub(super) basic_encoding: BasicEncoding,
    live: HashMap<String, Grant>,
    dice: Dice,
}

/// What a token is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    /// The organization it was asked for; `None` when it was asked for none.
    pub(super) org: Option<String>,
    expires: Timestamp,
}

impl Grant {
    /// Whether it may read this organization. A token that was asked for no organization sees all
    /// of them: real ones see only the app's own, but then discovery could not be tried.
    pub(super) fn sees(&self, org: &str) -> bool {
        self.org.as_deref().is_none_or(|own| own == org)
    }
}

/// A token just issued.
pub(super) struct Minted {
    pub(super) token: String,
    pub(super) expires_in: u64,
    pub(super) scope: String,
}

impl Accounts {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            client_id: options.client_id.clone(),
            secrets: vec![options.client_secret.clone()],
            ttl: options.token_ttl,
            wrong_secret_status: StatusCode::BAD_REQUEST,
            basic_encoding: BasicEncoding::Raw,
            live: HashMap::new(),
            dice: Dice::new(options.seed, TOKENS, 0),
        }
    }

    /// Whether a `Basic` value (after the scheme) is the app's. Any `:` after the first belongs to
    /// the secret.
    pub(super) fn knows(&self, basic: &str) -> bool {
        let Some(text) =
            BASE64_STANDARD.decode(basic).ok().and_then(|raw| String::from_utf8(raw).ok())
        else {
            return false;
        };
        let Some((id, secret)) = text.split_once(':') else { return false };
        let (id, secret) = match self.basic_encoding {
            BasicEncoding::Raw => (id.to_owned(), secret.to_owned()),
            BasicEncoding::Form => (form_decode(id), form_decode(secret)),
        };
        let known = self
            .secrets
            .iter()
            .any(|known| bool::from(known.expose_secret().as_bytes().ct_eq(secret.as_bytes())));
        known && id == self.client_id
    }

    /// Makes `new` the secret; the ones before it stay good if `keep_old`.
    pub(super) fn rotate(&mut self, new: &str, keep_old: bool) {
        if !keep_old {
            self.secrets.clear();
        }
        self.secrets.insert(0, new.to_owned().into());
    }

    /// Ends every token.
    pub(super) fn revoke(&mut self) {
        self.live.clear();
    }

    /// Issues a token for `org`, in whose absence it speaks for `home`. `asked` can only shorten
    /// its life.
    pub(super) fn mint(
        &mut self,
        now: Timestamp,
        org: Option<&str>,
        home: &str,
        asked: Option<u64>,
    ) -> Minted {
        let ttl = self.ttl.as_secs().max(1);
        let expires_in = asked.filter(|asked| (1..ttl).contains(asked)).unwrap_or(ttl);
        let lifetime =
            jiff::SignedDuration::from_secs(i64::try_from(expires_in).unwrap_or(i64::MAX));
        let expires = now.saturating_add(lifetime).expect("a signed duration always saturates");
        let token = self.sign(now, expires, org.unwrap_or(home));
        self.live.retain(|_, grant| grant.expires > now);
        self.live.insert(token.clone(), Grant { org: org.map(str::to_owned), expires });
        Minted { token, expires_in, scope: PERMS.join(" ") }
    }

    /// What a token is good for, unless it is unknown, expired or revoked.
    pub(super) fn grant(&self, token: &str, now: Timestamp) -> Option<Grant> {
        self.live.get(token).filter(|grant| grant.expires > now).cloned()
    }

    fn sign(&mut self, now: Timestamp, expires: Timestamp, org: &str) -> String {
        // The moment goes in too: a simulator started anew must not issue the tokens of the one before.
        let moment = now.subsec_nanosecond().unsigned_abs().into();
        let mut dice = Dice::new(self.dice.roll(), TOKENS, moment);
        let (id, context) = (dice.uuid(), dice.uuid());
        let head = json!({ "alg": "RS256", "typ": "JWT", "kid": KEY_ID });
        let claims = json!({
            "sub": format!("app.{}:{}", self.client_id, context),
            "iss": ISSUER,
            "context_name": org,
            "azp": self.client_id,
            "domain": "vmware.com",
            "context": context,
            "perms": PERMS,
            "exp": expires.as_second(),
            "iat": now.as_second(),
            "jti": format!("CANARY-jti-{id}"),
            "acct": self.client_id,
            "username": self.client_id,
        });
        // Nobody verifies it; what matters is that it is found if it leaks.
        let mut signature = format!("CANARY-token-{id}-").into_bytes();
        while signature.len() < SIGNATURE_BYTES {
            signature.extend(dice.roll().to_be_bytes());
        }
        signature.truncate(SIGNATURE_BYTES);
        let encode = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(part);
        let (head, claims) = (head.to_string(), claims.to_string());
        format!("{}.{}.{}", encode(head.as_bytes()), encode(claims.as_bytes()), encode(&signature))
    }
}

/// Undoes `application/x-www-form-urlencoded` of one value.
fn form_decode(text: &str) -> String {
    // A lone name without `=` is a pair without a value.
    let text = text.replace('=', "%3D").replace('&', "%26");
    let pair = url::form_urlencoded::parse(text.as_bytes()).next();
    pair.map(|(name, _)| name.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(secret: &str) -> Accounts {
        Accounts::new(&Options {
            client_secret: secret.to_owned().into(),
            token_ttl: Duration::from_secs(100),
            ..Options::default()
        })
    }

    fn basic(text: &str) -> String {
        BASE64_STANDARD.encode(text)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_secret_starts_after_the_first_colon_and_is_taken_raw() {
        let accounts = accounts("a:b%3A+&=ü");
        assert!(accounts.knows(&basic("demo-app:a:b%3A+&=ü")));
        assert!(!accounts.knows(&basic("demo-app:a%3Ab%253A%2B%26%3D%C3%BC")));
        assert!(!accounts.knows(&basic("other:a:b%3A+&=ü")));
        assert!(!accounts.knows("no base64"));
    }

    #[test]
    fn form_encoded_basic_is_a_switch() {
        let mut accounts = accounts("a:b%+ &=ü");
        accounts.basic_encoding = BasicEncoding::Form;
        assert!(accounts.knows(&basic("demo-app:a%3Ab%25%2B+%26%3D%C3%BC")));
        assert!(!accounts.knows(&basic("demo-app:a:b%+ &=ü")));
    }

    #[test]
    fn two_secrets_are_good_during_a_rotation() {
        let mut accounts = accounts("old");
        accounts.rotate("new", true);
        assert!(accounts.knows(&basic("demo-app:old")) && accounts.knows(&basic("demo-app:new")));
        accounts.rotate("newer", false);
        assert!(
            !accounts.knows(&basic("demo-app:new")) && accounts.knows(&basic("demo-app:newer"))
        );
    }

    #[test]
    fn tokens_differ_and_end_with_their_life() {
        let mut accounts = accounts("s");
        let one = accounts.mint(at(1000), None, "home", None).token;
        let other = accounts.mint(at(1000), None, "home", None).token;
        assert_ne!(one, other);
        assert!(accounts.grant(&one, at(1099)).is_some());
        assert!(accounts.grant(&one, at(1100)).is_none());
        accounts.revoke();
        assert!(accounts.grant(&other, at(1000)).is_none());
    }

    #[test]
    fn a_shorter_life_can_be_asked_for_and_no_longer_one() {
        let mut accounts = accounts("s");
        for (asked, expected) in
            [(Some(1), 1), (Some(99), 99), (Some(101), 100), (Some(0), 100), (None, 100)]
        {
            assert_eq!(accounts.mint(at(0), None, "home", asked).expires_in, expected);
        }
    }

    #[test]
    fn a_token_looks_like_a_jwt_and_carries_canaries() {
        let token = accounts("s").mint(at(1000), Some("org-1"), "home", None).token;
        let parts: Vec<Vec<u8>> =
            token.split('.').map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
        assert_eq!(parts.len(), 3);
        let claims: serde_json::Value = serde_json::from_slice(&parts[1]).unwrap();
        assert_eq!(claims["context_name"], "org-1");
        assert_eq!(claims["exp"], 1100);
        assert!(claims["jti"].as_str().unwrap().starts_with("CANARY-jti-"));
        assert!(parts[2].starts_with(b"CANARY-token-"));
        assert_eq!(parts[2].len(), SIGNATURE_BYTES);
        assert!(token.rsplit('.').next().unwrap().starts_with("Q0FOQVJZLXRva2VuL"));
    }
}
