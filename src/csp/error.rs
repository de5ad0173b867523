//! Why there is no token.

use std::time::Duration;

use http::StatusCode;

use crate::{
    flight::Lost,
    upstream::{Breach, Failure, Held, Kind},
};

/// A mint that failed, or was not tried because the last one did.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CspError {
    /// 400, 401 or 403: wrong id or secret, an expired app, an org that the app was not added to.
    /// CSP's status does not tell them apart.
    #[error("CSP refused the client credentials ({0})")]
    Refused(StatusCode),
    /// No usable answer.
    #[error("CSP: {0}")]
    Upstream(#[from] Failure),
    /// Not tried: the gate is closed because of an earlier failure.
    #[error("not asked for another {}: {because}", crate::upstream::seconds(*retry_in))]
    Held {
        /// When it will be tried again.
        retry_in: Duration,
        /// The earlier failure.
        because: Box<CspError>,
    },
    /// The mint's task died.
    #[error(transparent)]
    Lost(#[from] Lost),
}

impl CspError {
    /// What a caller of the gateway learns of it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Refused(_) => Kind::CredentialsRejected,
            Self::Upstream(failure) => failure.kind(),
            Self::Held { because, .. } => because.kind(),
            Self::Lost(_) => Kind::Unavailable,
        }
    }

    /// When asking again may help, where that is known.
    #[must_use]
    pub fn retry_in(&self) -> Option<Duration> {
        match self {
            Self::Held { retry_in, .. } => Some(*retry_in),
            Self::Upstream(failure) => failure.retry_after(),
            Self::Refused(_) | Self::Lost(_) => None,
        }
    }
}

impl From<Breach> for CspError {
    fn from(breach: Breach) -> Self {
        Self::Upstream(breach.into())
    }
}

impl From<Held<CspError>> for CspError {
    fn from(held: Held<CspError>) -> Self {
        Self::Held { retry_in: held.retry_in, because: Box::new(held.because) }
    }
}
