//! Why a token is refused.

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
        "the token's alg is not accepted: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or \
         EdDSA, and of the key's own type"
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
    /// No key has the token's `kid`; or it has none, and not exactly one key suits its `alg`.
    #[error("no key of the issuer's is the one that the token says it is signed with")]
    UnknownKey,
    /// Not signed by the key that it names.
    #[error("the token's signature is wrong")]
    Signature,
    /// `iss` is missing or another one.
    #[error("the token's iss is not the issuer that is accepted here")]
    Issuer,
    /// `aud` is missing or does not name us.
    #[error("the token's aud does not name this service")]
    Audience,
    /// No `exp`, or an `exp` or `nbf` that is no number.
    #[error("the token has no exp, or an exp or nbf that is no number")]
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
        Self::UnknownKey,
        Self::Signature,
        Self::Issuer,
        Self::Audience,
        Self::Lifetime,
        Self::Expired,
        Self::NotYetValid,
    ];

    /// The reason in metrics and log lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "jwt_too_long",
            Self::Malformed => "jwt_malformed",
            Self::Algorithm => "jwt_algorithm",
            Self::Header => "jwt_header",
            Self::NoKeys => "jwt_no_keys",
            Self::UnknownKey => "jwt_unknown_key",
            Self::Signature => "jwt_signature",
            Self::Issuer => "jwt_issuer",
            Self::Audience => "jwt_audience",
            Self::Lifetime => "jwt_lifetime",
            Self::Expired => "jwt_expired",
            Self::NotYetValid => "jwt_not_yet_valid",
        }
    }
}
