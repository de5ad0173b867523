//! The gateway's own access tokens: issued for a caller's key, verified on every read.
//!
//! ```text
//! caller and key ─► issue ─► JWT (EdDSA) ─► identify ─► remembered? else signature, then claims ─► caller
//! ```
//!
//! A token is a JWT because VMware's tools decode it. It is bound to the caller and to the key that it was
//! issued for: the policy decides on each request whether that key is still the caller's, so a token ends
//! as soon as the key or the caller is gone. What verifies it is chosen by its header's exact bytes, and
//! nothing in it is read before its signature is good.
//!
//! A token is kept nowhere: only its SHA-256 and what it said.

mod signing_keys;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::HeaderMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub(super) use self::signing_keys::PublicKey;
use self::signing_keys::{SigningKey, SigningKeys};
use crate::{
    access::{
        Caller, CallerName, Identity, IssuedToken, KeyDigest, Policy, Refusal, Scope, access_token,
        oidc::JwtFault,
    },
    clock::Clock,
    copy_on_write::CopyOnWriteMap,
    ids::OrgId,
    sharing::InvalidKeys,
};

/// `iss` and `aud`. No name of a host: the gateway does not know its own.
pub(super) const ISSUER: &str = "sddc-gateway";

/// How long a token lives, unless its caller ends before.
const LIFETIME: Duration = Duration::from_secs(30 * 60);
/// Ours have some 800 bytes.
const MAX_TOKEN_BYTES: usize = 4 * 1024;
/// Tokens that are remembered as verified: each costs some 200 bytes.
const MAX_REMEMBERED: usize = 4096;

/// Issues and verifies tokens. Cheap to clone.
#[derive(Clone)]
pub struct GatewayTokens(Arc<TokensState>);

struct TokensState {
    keys: ArcSwap<SigningKeys>,
    verified: CopyOnWriteMap<[u8; 32], VerifiedToken>,
    clock: Clock,
}

#[derive(Clone)]
struct VerifiedToken {
    token: Arc<IssuedToken>,
    /// Of the keys that verified it: with others it is verified again.
    generation: u64,
}

/// A new token, on its way to its caller.
pub(super) struct NewToken {
    pub(super) text: String,
    pub(super) expires_in: u64,
    /// As CSP writes permissions.
    pub(super) scope: String,
}

/// What a token says. VMware's tools read `context_name`, `username`, `perms`, `exp` and `acct`.
#[derive(Debug, Serialize, Deserialize)]
struct TokenClaims {
    iss: String,
    aud: String,
    sub: CallerName,
    azp: CallerName,
    username: CallerName,
    acct: CallerName,
    domain: String,
    /// The organization, where the caller sees exactly one.
    context_name: Option<String>,
    perms: Vec<String>,
    iat: i64,
    exp: i64,
    jti: Uuid,
    /// A keyed hash of the digest of the key that it was issued for.
    key: String,
}

/// What a token lets its bearer do, as CSP would name it.
fn permissions() -> [&'static str; 2] {
    ["csp:org_member", Scope::VmcRead.as_str()]
}

impl GatewayTokens {
    /// Signs with the first of the keys of `keys.file`, or with one of this process's own.
    ///
    /// # Errors
    /// [`InvalidKeys`].
    pub fn new(keys_file: Option<&[u8]>, clock: Clock) -> Result<Self, InvalidKeys> {
        let keys = match keys_file {
            Some(content) => SigningKeys::read(content, 0)?,
            None => SigningKeys::random(),
        };
        let (keys, verified) = (ArcSwap::from_pointee(keys), CopyOnWriteMap::new(MAX_REMEMBERED));
        Ok(Self(Arc::new(TokensState { keys, verified, clock })))
    }

    /// Takes another content of `keys.file`. Tokens that were signed with a key that is no longer there
    /// are refused from now on.
    ///
    /// # Errors
    /// [`InvalidKeys`]: the old keys stay.
    pub fn replace_keys(&self, content: &[u8]) -> Result<(), InvalidKeys> {
        let generation = self.0.keys.load().generation + 1;
        self.0.keys.store(Arc::new(SigningKeys::read(content, generation)?));
        Ok(())
    }

    /// Issues a token for a caller who has shown this key.
    pub(super) fn issue(
        &self,
        caller: &Caller,
        key: KeyDigest,
        context_name: Option<&OrgId>,
    ) -> NewToken {
        let now = self.0.clock.wall().as_second();
        let latest = now.saturating_add_unsigned(LIFETIME.as_secs());
        let end = caller.not_after().map_or(latest, |end| end.as_second().min(latest));
        let keys = self.0.keys.load();
        let signing = keys.signing();
        let name = caller.name();
        let claims = TokenClaims {
            iss: ISSUER.to_owned(),
            aud: ISSUER.to_owned(),
            sub: name.clone(),
            azp: name.clone(),
            username: name.clone(),
            acct: name.clone(),
            domain: ISSUER.to_owned(),
            context_name: context_name.map(ToString::to_string),
            perms: permissions().map(str::to_owned).to_vec(),
            iat: now,
            exp: end,
            jti: Uuid::new_v4(),
            key: signing.bind(&key),
        };
        let claims = serde_json::to_vec(&claims).expect("plain text and numbers serialize");
        let expires_in = u64::try_from(end - now).unwrap_or_default().max(1);
        NewToken { text: signing.sign(&claims), expires_in, scope: permissions().join(" ") }
    }

    /// Finds out who sent a request to VMware's own API: by a token of ours in `Authorization: Bearer` or
    /// in `csp-auth-token`, and by nothing else. One SHA-256 and a look-up for a token that was verified
    /// before, else one signature.
    pub fn identify(&self, policy: &Policy, headers: &HeaderMap) -> Identity {
        match access_token(headers).and_then(|token| self.verify(policy, token)) {
            Ok(token) => policy.identify_issued(&token),
            Err(refusal) => Identity::Refused(refusal),
        }
    }

    fn verify(&self, policy: &Policy, token: &[u8]) -> Result<Arc<IssuedToken>, Refusal> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refusal::ForeignToken);
        }
        let digest: [u8; 32] = Sha256::digest(token).into();
        let keys = self.0.keys.load();
        let remembered = self.0.verified.read(&digest, |verified| {
            (verified.generation == keys.generation).then(|| verified.token.clone())
        });
        let token = match remembered {
            Some(token) => token,
            None => {
                let token = Arc::new(verify_signed(&keys, policy, token)?);
                let generation = keys.generation;
                self.0.verified.insert(digest, VerifiedToken { token: token.clone(), generation });
                token
            }
        };
        if self.0.clock.wall() >= token.expires_at {
            return Err(Refusal::Token(JwtFault::Expired));
        }
        Ok(token)
    }

    /// The keys that verify tokens, the one that signs them first.
    pub(super) fn public_keys(&self) -> Vec<PublicKey> {
        self.0.keys.load().all().iter().map(SigningKey::public).collect()
    }
}

/// Verifies a token that is not remembered.
fn verify_signed(
    keys: &SigningKeys,
    policy: &Policy,
    token: &[u8],
) -> Result<IssuedToken, Refusal> {
    let (key, claims) = keys.verify(token)?;
    // Under a good signature of ours it is what we wrote.
    let claims: Option<TokenClaims> =
        BASE64_URL_SAFE_NO_PAD.decode(claims).ok().and_then(|it| serde_json::from_slice(&it).ok());
    let claims = claims.ok_or(Refusal::ForeignToken)?;
    if claims.iss != ISSUER || claims.aud != ISSUER {
        return Err(Refusal::ForeignToken);
    }
    let of_caller = policy.keys_of(&claims.sub);
    let bound = of_caller.into_iter().find(|digest| key.is_bound(digest, &claims.key));
    Ok(IssuedToken {
        caller: claims.sub,
        // Its caller, or the key, is gone.
        key: bound.ok_or(Refusal::Unknown)?,
        expires_at: Timestamp::from_second(claims.exp).map_err(|_| Refusal::ForeignToken)?,
    })
}

base::opaque_debug!(GatewayTokens);
