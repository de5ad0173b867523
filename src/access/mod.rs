//! Who calls, and what they may do.
//!
//! Flow: request headers → [`Identity`] (once per request, at the edge, by the [`Policy`]) →
//! [`RequestIdentity::admit`] (the one gate, which a handler asks for a [`Scope`]) → [`Admitted`], and its
//! [`View`] of the inventory.
//!
//! Keys are 256 random bits; only their SHA-256 is stored, and it is what they are looked up by, so
//! the work per request does not depend on how much of a guess is right.

mod admission;
mod auth_failures;
mod caller;
mod certificate;
mod credential;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod identity;
mod key;
pub mod oidc;
mod policy;
mod proxies;
mod rate;
mod read_group;
mod san;
mod settings;
mod view;

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

pub use self::{
    admission::{Admitted, Denied, RequestIdentity},
    auth_failures::AuthFailureLimiter,
    caller::Caller,
    certificate::{
        AuthorityFault, CertificateFault, ClientAuthorities, ClientCertificate, CrlProblem,
        RefusedCertificate,
    },
    credential::CredentialId,
    identity::{Authenticated, Identity, IssuedToken, Refusal},
    key::{CallerKey, InvalidKeyDigest, KeyDigest},
    policy::{Policy, Verifiers},
    proxies::TrustedProxies,
    rate::{CALLER, InvalidRate, Limiter, Quota, RATELIMIT, RATELIMIT_POLICY, Rate, RateExceeded},
    read_group::{ReadGroup, UnknownGroup},
    san::{InvalidSanName, SanName},
    settings::{CallerSettings, CallersFile, ConfiguredCallers, Settings},
    view::{InvalidNamePattern, NamePattern, View},
};
pub(crate) use self::{
    certificate::watch_for_refusal,
    identity::{access_token, basic_password},
};
use crate::ids::is_plain;

base::closed_set! {
    /// What a caller may do. No scope shows secrets.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum Scope: Display {
        /// `sddc:read`: the facade.
        SddcRead = "sddc:read",
        /// `vmc:read`: VMware's own API surface, for existing tools. It opens nothing of the facade.
        VmcRead = "vmc:read",
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(UnknownScope)
    }
}

/// A text that names no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope; allowed: sddc:read, vmc:read")]
pub struct UnknownScope;

/// A caller's name: log lines, metrics, the audit. 1 to 64 characters of `[A-Za-z0-9._-]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct CallerName(Arc<str>);

/// A text that cannot name a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCallerName {
    /// Length or characters.
    #[error("a caller's name is 1 to 64 characters of [A-Za-z0-9._-]")]
    Characters,
    /// `anonymous`, `none` and `other` mean something in log lines and metrics.
    #[error("this name is reserved")]
    Reserved,
}

impl CallerName {
    /// The name of everyone where access is open.
    pub fn anonymous() -> Self {
        Self("anonymous".into())
    }

    /// The name as a metric label.
    pub fn label(&self) -> &Arc<str> {
        &self.0
    }

    /// The name as in the configuration.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CallerName {
    type Err = InvalidCallerName;
    fn from_str(text: &str) -> Result<Self, InvalidCallerName> {
        if !is_plain(text) {
            Err(InvalidCallerName::Characters)
        } else if matches!(text, "anonymous" | "none" | "other") {
            Err(InvalidCallerName::Reserved)
        } else {
            Ok(Self(text.into()))
        }
    }
}

impl TryFrom<String> for CallerName {
    type Error = InvalidCallerName;
    fn try_from(text: String) -> Result<Self, InvalidCallerName> {
        text.parse()
    }
}

impl fmt::Display for CallerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
