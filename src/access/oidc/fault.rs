//! Why a token is refused.

use std::time::Duration;

/// Why a token is refused. `Display` is public wording: it says nothing of the token's text.
///
/// What is said of claims is said only to who holds a token that the issuer signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum JwtFault {
    /// Over 16 KiB; it was not looked at.
    #[error("the token is longer than 16 KiB")]
    TooLong,
    /// Not three parts of base64url, the first two of them JSON objects with each name once.
    #[error("the token is not a well-formed JWT")]
    Malformed,
    /// Unsigned, a shared secret, or another algorithm that is not taken; or one that the key is not
    /// for.
    #[error(
        "the token's alg is not accepted: it must be RS256, RS384, RS512, PS256, PS384, PS512, \
         ES256, ES384, EdDSA or Ed25519, and suit the key's type"
    )]
    Algorithm,
    /// A header parameter that tells where to find a key, that asks for an extension, or that tells
    /// another type of token.
    #[error(
        "the token's header has jku, x5u, jwk or crit, which are not accepted, or a typ other than \
         JWT and at+jwt"
    )]
    Header,
    /// No keys of the issuer's could be had yet.
    #[error("the token cannot be verified: the issuer's keys are not known yet")]
    NoKeys,
    /// The keys that are held do not verify it, and newer ones cannot be had now: none ever were, or
    /// the token names one that is not known.
    #[error("the token cannot be verified now: the issuer's keys cannot be fetched")]
    Unavailable {
        /// Until the next fetch.
        retry_in: Duration,
    },
    /// No key has the token's `kid`; or it has none, and no key suits its `alg`.
    #[error(
        "the issuer has no key with the token's kid or, where the token has no kid, none that suits its alg"
    )]
    UnknownKey,
    /// Not signed by a key that fits.
    #[error("the token's signature is wrong")]
    Signature,
    /// `iss` is missing or another one.
    #[error("the token's iss is not the issuer that is accepted here")]
    Issuer,
    /// `aud` is missing or does not name us.
    #[error("the token's aud does not name this service")]
    Audience,
    /// None of `client_id`, `azp`, `appid` and `cid`, or another client than those that may call.
    #[error(
        "the token's client (client_id, azp, appid or cid) is not allowed to call this gateway"
    )]
    Client,
    /// No `exp`, or an `exp` or `nbf` that is no number.
    #[error("the token has no exp, or its exp or nbf is not a number")]
    Lifetime,
    /// `exp` is over, leeway included.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is to come, leeway included.
    #[error("the token is not valid yet")]
    NotYetValid,
}

impl JwtFault {
    /// Every fault: they are metric labels.
    pub const ALL: &[Self] = &[
        Self::TooLong,
        Self::Malformed,
        Self::Algorithm,
        Self::Header,
        Self::NoKeys,
        Self::Unavailable { retry_in: Duration::ZERO },
        Self::UnknownKey,
        Self::Signature,
        Self::Issuer,
        Self::Audience,
        Self::Client,
        Self::Lifetime,
        Self::Expired,
        Self::NotYetValid,
    ];

    /// The reason in metrics and log lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "jwt_too_long",
            Self::Malformed => "jwt_malformed",
            Self::Algorithm => "jwt_algorithm",
            Self::Header => "jwt_header",
            Self::NoKeys => "jwt_no_keys",
            Self::Unavailable { .. } => "issuer_unavailable",
            Self::UnknownKey => "jwt_unknown_key",
            Self::Signature => "jwt_signature",
            Self::Issuer => "jwt_issuer",
            Self::Audience => "jwt_audience",
            Self::Client => "jwt_client",
            Self::Lifetime => "jwt_lifetime",
            Self::Expired => "jwt_expired",
            Self::NotYetValid => "jwt_not_yet_valid",
        }
    }

    /// Whether newer keys may make it good.
    pub(in crate::access) fn may_pass(self) -> bool {
        matches!(self, Self::UnknownKey | Self::NoKeys | Self::Signature)
    }

    /// Whether it is our own trouble, and the token may be good.
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::NoKeys | Self::Unavailable { .. })
    }
}
