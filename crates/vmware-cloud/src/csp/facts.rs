//! What a token is good for, as its claims say: for `check` only.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::mint::MintedToken;

/// Parts of the names of roles that can change something. CSP publishes no list of them.
const WRITING: [&str; 6] = ["full", "delete", "admin", "owner", "write", "developer"];

/// A token's life and claims. Holds nothing that can be sent as a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFacts {
    /// `expires_in`.
    pub life: Duration,
    /// `context_name`: the organization that it speaks for.
    pub org: Option<String>,
    /// `perms`.
    pub permissions: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TokenClaims {
    context_name: Option<String>,
    perms: Vec<String>,
}

impl TokenFacts {
    pub(super) fn of(minted: &MintedToken) -> Self {
        let claims = claims(minted.header.as_bytes()).unwrap_or_default();
        Self { life: minted.life, org: claims.context_name, permissions: claims.perms }
    }

    /// The permissions that can change something.
    pub fn writing_roles(&self) -> impl Iterator<Item = &str> {
        self.permissions.iter().map(String::as_str).filter(|permission| {
            let role = permission.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
            WRITING.iter().any(|word| role.contains(word))
        })
    }
}

fn claims(jwt: &[u8]) -> Option<TokenClaims> {
    let payload = jwt.split(|byte| *byte == b'.').nth(1)?;
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn facts(payload: &str) -> TokenFacts {
        let jwt = format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(payload));
        let header = HeaderValue::from_str(&jwt).unwrap();
        TokenFacts::of(&MintedToken {
            header,
            life: Duration::from_secs(60),
            is_life_assumed: false,
        })
    }

    #[test]
    fn claims_name_the_org_and_the_roles_that_can_write() {
        let facts = facts(
            r#"{"context_name": "org-1", "perms": ["csp:org_member", "external/x/vmc-user:full",
                "external/x/nsx:cloud_auditor", "external/x/vmc-user:deleterestricted"]}"#,
        );
        assert_eq!(facts.org.as_deref(), Some("org-1"));
        let roles: Vec<_> = facts.writing_roles().collect();
        assert_eq!(roles, ["external/x/vmc-user:full", "external/x/vmc-user:deleterestricted"]);
    }

    #[test]
    fn an_opaque_token_just_tells_nothing() {
        assert_eq!(facts("not JSON").permissions, Vec::<String>::new());
    }
}
