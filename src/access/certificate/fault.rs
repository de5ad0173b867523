//! Why a caller's certificate, or what it is verified with, is not good: closed sets.

use rustls::{CertificateError, Error};

use crate::{crypto::CaFault, reload::Rejection};

base::closed_set! {
    /// Why a client certificate is refused. The names are a closed set: they are metric labels.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum CertificateFault {
        /// Its end has passed.
        Expired = "certificate_expired",
        /// It is dated in the future.
        NotYetValid = "certificate_not_yet_valid",
        /// No CA of `api.tls_client_ca` leads to it.
        UnknownIssuer = "certificate_unknown_issuer",
        /// Its CA is one of `api.tls_client_ca`, and has expired.
        IssuerExpired = "certificate_issuer_expired",
        /// It is no certificate of a client: extended key usage.
        Purpose = "certificate_purpose",
        /// It is a CA's own: `basicConstraints` says so.
        IsCa = "certificate_is_ca",
        /// X.509 of version 1 or 2.
        Version = "certificate_version",
        /// It has a critical extension that is not known here.
        CriticalExtension = "certificate_critical_extension",
        /// A signature is wrong, or of an algorithm that is not taken.
        Signature = "certificate_signature",
        /// A CA's name constraints forbid its names.
        NameConstraint = "certificate_name_constraint",
        /// The path to its CA is too long, or goes through what is no CA.
        Path = "certificate_path",
        /// A CRL lists it.
        Revoked = "certificate_revoked",
        /// There are CRLs, but none of its CA.
        NoCrl = "certificate_no_crl",
        /// The CRL of its CA is past its `nextUpdate`.
        CrlExpired = "certificate_crl_expired",
        /// The CRL of its CA is not signed by it, or otherwise of no use.
        CrlUnusable = "certificate_crl_unusable",
        /// It cannot be read.
        Malformed = "certificate_malformed",
        /// Anything else.
        Invalid = "certificate_invalid",
    }
}

impl CertificateFault {
    /// A sentence for callers and logs.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Expired => "the client certificate has expired",
            Self::NotYetValid => "the client certificate is not valid yet",
            Self::UnknownIssuer => {
                "the client certificate was issued by a CA that is not accepted here"
            }
            Self::IssuerExpired => "the CA of the client certificate has expired",
            Self::Purpose => "the client certificate is not for client authentication",
            Self::IsCa => {
                "the client certificate is a CA certificate (CA:TRUE): a client needs one that is not, \
                 signed by the CA"
            }
            Self::Version => "the client certificate is X.509 of version 1 or 2, not 3",
            Self::CriticalExtension => {
                "the client certificate has a critical extension that is not supported"
            }
            Self::Signature => "a signature of the client certificate cannot be verified",
            Self::NameConstraint => {
                "a name in the client certificate is outside its CA's name constraints"
            }
            Self::Path => "the client certificate's path to its CA is not allowed",
            Self::Revoked => "the client certificate is revoked",
            Self::NoCrl => "there is no CRL of the client certificate's CA",
            Self::CrlExpired => "the CRL has expired",
            Self::CrlUnusable => "the CRL of the client certificate's CA cannot be used",
            Self::Malformed => "the client certificate cannot be read",
            Self::Invalid => "the client certificate cannot be used",
        }
    }

    pub(super) fn at(place: u8) -> Self {
        Self::ALL.get(usize::from(place)).copied().unwrap_or(Self::Invalid)
    }

    pub(super) fn place(self) -> u8 {
        let place = Self::ALL.iter().position(|fault| *fault == self);
        place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX)
    }

    /// Reads what the TLS library says of a certificate; `None` if it speaks of something else.
    pub fn of(error: &Error) -> Option<Self> {
        match error {
            Error::InvalidCertificate(error) => Some(Self::of_certificate(error)),
            Error::InvalidCertRevocationList(_) => Some(Self::CrlUnusable),
            _ => None,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotYetValid
            }
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::Revoked => Self::Revoked,
            CertificateError::UnknownRevocationStatus => Self::NoCrl,
            CertificateError::ExpiredRevocationList
            | CertificateError::ExpiredRevocationListContext { .. } => Self::CrlExpired,
            CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                Self::Signature
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Self::Purpose
            }
            CertificateError::UnhandledCriticalExtension => Self::CriticalExtension,
            CertificateError::BadEncoding => Self::Malformed,
            CertificateError::Other(other) => {
                other.0.downcast_ref().map_or(Self::Invalid, Self::of_webpki)
            }
            _ => Self::Invalid,
        }
    }

    /// What rustls passes on as it is.
    fn of_webpki(error: &webpki::Error) -> Self {
        use webpki::Error as E;
        match error {
            E::UnsupportedCertVersion => Self::Version,
            E::UnsupportedCriticalExtension => Self::CriticalExtension,
            E::SignatureAlgorithmMismatch => Self::Signature,
            E::CaUsedAsEndEntity => Self::IsCa,
            E::EmptyEkuExtension => Self::Purpose,
            E::NameConstraintViolation
            | E::MalformedNameConstraint
            | E::InvalidNetworkMaskConstraint
            | E::UnsupportedNameType
            | E::MaximumNameConstraintComparisonsExceeded => Self::NameConstraint,
            E::EndEntityUsedAsCa
            | E::PathLenConstraintViolated
            | E::MaximumPathDepthExceeded
            | E::MaximumPathBuildCallsExceeded
            | E::MaximumSignatureChecksExceeded => Self::Path,
            E::ExtensionValueInvalid
            | E::MalformedExtensions
            | E::MalformedDnsIdentifier
            | E::InvalidSerialNumber => Self::Malformed,
            E::UnsupportedCrlIssuingDistributionPoint
            | E::UnsupportedRevocationReason
            | E::UnsupportedRevocationReasonsPartitioning => Self::CrlUnusable,
            _ => Self::Invalid,
        }
    }
}

/// Why CAs or CRLs cannot be used. A list or CA is told by its number in the file, from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityFault {
    /// The file of CAs.
    #[error(transparent)]
    Authorities(#[from] CaFault),
    /// The file of CRLs.
    #[error("contains broken PEM")]
    BrokenCrlPem,
    /// No CRL.
    #[error("contains no CRL, neither in PEM nor in DER")]
    NoCrl,
    /// One that cannot be used.
    #[error("contains a CRL that cannot be used: number {0} {1}")]
    UnusableCrl(usize, CrlProblem),
}

/// Why a CRL cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CrlProblem {
    /// It only lists what has changed since another one.
    #[error("is a delta CRL")]
    Delta,
    /// It speaks of certificates that others have issued.
    #[error("is an indirect CRL")]
    Indirect,
    /// Of version 1.
    #[error("is of version 1, not 2")]
    Version,
    /// It has a critical extension, or a distribution point, that is not known here.
    #[error("has an extension that is not supported")]
    Extension,
    /// No CRL in DER.
    #[error("cannot be read")]
    Malformed,
}

impl CrlProblem {
    pub(super) fn of(error: &webpki::Error) -> Self {
        use webpki::Error as E;
        match error {
            E::UnsupportedDeltaCrl => Self::Delta,
            E::UnsupportedIndirectCrl => Self::Indirect,
            E::UnsupportedCrlVersion => Self::Version,
            E::UnsupportedCriticalExtension
            | E::UnsupportedCrlIssuingDistributionPoint
            | E::UnsupportedRevocationReason
            | E::UnsupportedRevocationReasonsPartitioning => Self::Extension,
            _ => Self::Malformed,
        }
    }
}

impl AuthorityFault {
    /// As in `/readyz`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authorities(fault) => fault.as_str(),
            Self::BrokenCrlPem => "broken pem",
            Self::NoCrl => "no crl",
            Self::UnusableCrl(..) => "unusable crl",
        }
    }

    /// The configuration key whose file is to blame, as far as can be told.
    pub const fn key(self) -> &'static str {
        match self {
            Self::BrokenCrlPem | Self::NoCrl | Self::UnusableCrl(..) => "api.tls_client_crl",
            Self::Authorities(_) => "api.tls_client_ca",
        }
    }
}

impl From<AuthorityFault> for Rejection {
    fn from(fault: AuthorityFault) -> Self {
        let detail = Some(format!("the file {fault}"));
        Self { reason: fault.as_str(), detail, retry_in: None }
    }
}
