//! From a request's header fields to the credentials that it shows, and what they prove.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, header};
use jiff::Timestamp;

use super::{
    Caller, CallerName, CertificateFault, ClientCertificate, CredentialId, KeyDigest,
    oidc::{Claims, JwtFault, Oidc},
};

const X_API_KEY: http::HeaderName = http::HeaderName::from_static("x-api-key");
/// Where most of VMware's tools put their access token.
const CSP_AUTH_TOKEN: http::HeaderName = http::HeaderName::from_static("csp-auth-token");

/// What the edge found out about a request's sender. Held with the request until a handler asks
/// for a caller: a path that needs no key does not care.
#[derive(Debug, Clone)]
pub enum Identity {
    /// The credential was good, or none is needed.
    Authenticated(Authenticated),
    /// 401.
    Refused(Refusal),
}

/// A caller, and what proved that it is.
#[derive(Debug, Clone)]
pub struct Authenticated {
    pub(super) caller: Caller,
    pub(super) proof: CredentialProof,
    /// Of the rules by which it was judged.
    pub(super) version: u64,
}

/// What proved it: enough to judge once more when the rules have changed, and no credential.
#[derive(Debug, Clone)]
pub(super) enum CredentialProof {
    /// None was asked for.
    None,
    /// A key of this digest.
    Key(KeyDigest),
    /// A token that said this.
    Token(Arc<Claims>, CredentialId),
    /// A token of the gateway's own.
    Issued(Arc<IssuedToken>),
    /// The connection's certificate.
    Certificate(Arc<ClientCertificate>),
}

/// What a token of the gateway's own says, once its signature was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// Whom it was issued for.
    pub caller: CallerName,
    /// The key that it was issued for: without it the token is worth nothing.
    pub key: KeyDigest,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Why nobody is known. The names are a closed set: they are metric labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// No credential was sent, and one is needed.
    Missing,
    /// A credential was sent that nobody has.
    Unknown,
    /// A credential that cannot be read: empty, or none behind `BearerCredential`.
    Malformed,
    /// 400: two `Authorization` or two `X-API-Key` fields.
    Doubled,
    /// `Authorization` of another scheme than `BearerCredential`, and nothing else.
    OtherScheme,
    /// Two good credentials of different callers.
    Conflict,
    /// The caller's `not_after` has passed.
    Expired,
    /// A token that is not good.
    Token(JwtFault),
    /// No token of the gateway's own, where only such a one is taken.
    ForeignToken,
    /// A good token of nobody who may call.
    NoMatchingCaller,
    /// A good token that fits several callers.
    SeveralCallers,
    /// No credential but the connection's certificate, which is good and names no caller.
    UnnamedCertificate,
    /// A certificate that was good when its connection began.
    Certificate(CertificateFault),
}

impl From<Result<Authenticated, Refusal>> for Identity {
    fn from(found: Result<Authenticated, Refusal>) -> Self {
        match found {
            Ok(known) => Self::Authenticated(known),
            Err(refusal) => Self::Refused(refusal),
        }
    }
}

impl Refusal {
    /// The metric label and log field.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "no_credential",
            Self::Unknown => "unknown_credential",
            Self::Malformed => "malformed_credential",
            Self::Doubled => "doubled_credential",
            Self::OtherScheme => "other_scheme",
            Self::Conflict => "conflicting_credentials",
            Self::Expired => "expired_credential",
            Self::Token(fault) => fault.as_str(),
            Self::ForeignToken => "foreign_token",
            Self::NoMatchingCaller | Self::UnnamedCertificate => "no_such_caller",
            Self::SeveralCallers => "several_callers",
            Self::Certificate(fault) => fault.as_str(),
        }
    }

    /// Those that are neither a token's nor a certificate's.
    const OTHERS: &[Self] = &[
        Self::Missing,
        Self::Unknown,
        Self::Malformed,
        Self::Doubled,
        Self::OtherScheme,
        Self::Conflict,
        Self::Expired,
        Self::ForeignToken,
        Self::NoMatchingCaller,
        Self::SeveralCallers,
    ];

    /// Every reason there is: a closed set, which metrics start at 0.
    pub fn reasons() -> impl Iterator<Item = &'static str> {
        let others = Self::OTHERS.iter().map(|refusal| refusal.as_str());
        // Without keys a token is unavailable in the end.
        let faults = JwtFault::ALL.iter().filter(|fault| **fault != JwtFault::NoKeys);
        let certificates = CertificateFault::ALL.iter().map(|fault| fault.as_str());
        others.chain(faults.map(|fault| fault.as_str())).chain(certificates)
    }

    /// Whether a credential was sent, and it was bad: that may be a guess. A token that cannot be
    /// judged for want of keys may be good, one of several callers is, and a certificate of
    /// the right CA is no guess.
    pub const fn is_bad_credential(self) -> bool {
        match self {
            Self::Missing
            | Self::OtherScheme
            | Self::Doubled
            | Self::SeveralCallers
            | Self::UnnamedCertificate => false,
            Self::Token(fault) => !fault.is_ours(),
            _ => true,
        }
    }
}

impl Authenticated {
    /// Who it is.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Which credential it was, for the audit.
    pub fn credential(&self) -> Option<CredentialId> {
        match &self.proof {
            CredentialProof::None => None,
            CredentialProof::Key(digest) => Some((*digest).into()),
            CredentialProof::Token(_, id) => Some(*id),
            CredentialProof::Issued(token) => Some(token.key.into()),
            CredentialProof::Certificate(shown) => Some(shown.id()),
        }
    }

    /// The key that it has shown, if it was one.
    pub fn key(&self) -> Option<KeyDigest> {
        match &self.proof {
            CredentialProof::Key(digest) => Some(*digest),
            _ => None,
        }
    }

    /// Whether what proved it may be withdrawn without the rules' changing: a token's key by its
    /// issuer, a certificate by its end or by that of its CA's list.
    pub(super) fn may_be_withdrawn(&self) -> bool {
        matches!(self.proof, CredentialProof::Token(..) | CredentialProof::Certificate(_))
    }

    /// When this expires, whatever the rules say.
    pub(super) fn until(&self) -> Option<Timestamp> {
        let token = match &self.proof {
            CredentialProof::Token(claims, _) => Some(claims.expires_at()),
            CredentialProof::Issued(token) => Some(token.expires_at),
            CredentialProof::None | CredentialProof::Key(_) | CredentialProof::Certificate(_) => {
                None
            }
        };
        token.into_iter().chain(self.caller.not_after()).min()
    }
}

/// The credentials that a request shows, each a text that cannot be empty.
pub(super) struct PresentedCredentials<'a> {
    bearer: Option<BearerCredential<'a>>,
    api_key: Option<&'a [u8]>,
    /// `Authorization` is of another scheme: a proxy's in front, say. It is not ours.
    has_other_scheme: bool,
}

/// What `Authorization` holds. Told apart once: a token is long.
#[derive(Clone, Copy)]
enum BearerCredential<'a> {
    Jwt(&'a str),
    Key(&'a [u8]),
}

impl<'a> PresentedCredentials<'a> {
    /// Reads the fields that credentials come in (RFC 6750 section 2.1).
    pub(super) fn in_headers(headers: &'a HeaderMap) -> Result<Self, Refusal> {
        let authorization = only(headers, &header::AUTHORIZATION)?;
        let bearer = authorization.map(token).transpose()?.flatten();
        let api_key = only(headers, &X_API_KEY)?.map(<[u8]>::trim_ascii);
        if api_key.is_some_and(<[u8]>::is_empty) {
            return Err(Refusal::Malformed);
        }
        let has_other_scheme = authorization.is_some() && bearer.is_none();
        Ok(Self { bearer: bearer.map(BearerCredential::of), api_key, has_other_scheme })
    }

    /// Why nobody is known where no credential of ours was sent.
    pub(super) fn none(&self) -> Refusal {
        if self.has_other_scheme { Refusal::OtherScheme } else { Refusal::Missing }
    }

    /// The token, if `Authorization` has one and no key.
    pub(super) fn jwt(&self) -> Option<&'a str> {
        match self.bearer? {
            BearerCredential::Jwt(token) => Some(token),
            BearerCredential::Key(_) => None,
        }
    }

    /// Everything that is no token.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let bearer = self.bearer.and_then(|bearer| match bearer {
            BearerCredential::Jwt(_) => None,
            BearerCredential::Key(key) => Some(key),
        });
        bearer.into_iter().chain(self.api_key)
    }
}

impl<'a> BearerCredential<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(token) if Oidc::looks_like_jwt(bytes) => Self::Jwt(token),
            _ => Self::Key(bytes),
        }
    }
}

/// The one access token that a request to VMware's own API shows: in `Authorization: Bearer` or in
/// `csp-auth-token`, or the same one in both.
///
/// # Errors
/// [`Refusal`]: none, two, or one that cannot be read.
pub(crate) fn access_token(headers: &HeaderMap) -> Result<&[u8], Refusal> {
    let authorization = only(headers, &header::AUTHORIZATION)?;
    let bearer = authorization.map(token).transpose()?.flatten();
    let other = only(headers, &CSP_AUTH_TOKEN)?.map(<[u8]>::trim_ascii);
    match (bearer, other) {
        (Some(_) | None, Some(b"")) => Err(Refusal::Malformed),
        (Some(one), Some(other)) if one != other => Err(Refusal::Doubled),
        (Some(token), _) | (None, Some(token)) => Ok(token),
        (None, None) if authorization.is_some() => Err(Refusal::OtherScheme),
        (None, None) => Err(Refusal::Missing),
    }
}

/// The password of `Authorization: Basic` (RFC 7617), if a request shows one.
///
/// # Errors
/// [`Refusal`]: two, or one that cannot be read.
pub(crate) fn basic_password(headers: &HeaderMap) -> Result<Option<Vec<u8>>, Refusal> {
    let Some(field) = only(headers, &header::AUTHORIZATION)? else { return Ok(None) };
    let at = field.iter().position(|byte| *byte == b' ').unwrap_or(field.len());
    if !field[..at].eq_ignore_ascii_case(b"basic") {
        return Ok(None);
    }
    let decoded = BASE64_STANDARD.decode(field[at..].trim_ascii());
    let mut pair = decoded.map_err(|_| Refusal::Malformed)?;
    // A user's name has no colon, and a password may.
    let colon = pair.iter().position(|byte| *byte == b':').ok_or(Refusal::Malformed)?;
    Ok(Some(pair.split_off(colon + 1)))
}

/// The token of `BearerCredential <token>`; `None` of another scheme (RFC 9110 section 11.4).
fn token(field: &[u8]) -> Result<Option<&[u8]>, Refusal> {
    let at = field.iter().position(|byte| *byte == b' ').unwrap_or(field.len());
    let (scheme, token) = (&field[..at], field[at..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return if token.is_empty() { Err(Refusal::Malformed) } else { Ok(Some(token)) };
    }
    // A key or token without its scheme is one of ours that was sent wrongly.
    let is_scheme = !scheme.is_empty() && scheme.iter().all(|byte| is_token_char(*byte));
    let is_bare = token.is_empty() && (scheme.starts_with(b"sgw_") || Oidc::looks_like_jwt(scheme));
    if is_scheme && !is_bare { Ok(None) } else { Err(Refusal::Malformed) }
}

fn is_token_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The header's value, if it was sent once.
fn only<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Result<Option<&'a [u8]>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => Ok(Some(value.as_bytes())),
        (Some(_), Some(_)) => Err(Refusal::Doubled),
    }
}
