//! Why there is no token.

use std::time::Duration;

use base::single_flight::TaskLost;
use http::StatusCode;

use crate::upstream::{CircuitOpen, Failure, InvalidResponse, Kind};

/// A mint that failed, or was not tried because the last one did.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CspError {
    /// 400, 401 or 403: wrong id or secret, an expired app, an org that the app was not added to.
    /// CSP's status does not tell them apart.
    #[error("CSP rejected the client credentials ({0})")]
    Refused(StatusCode),
    /// No usable answer.
    #[error("CSP: {0}")]
    Upstream(#[from] Failure),
    /// Not tried: the circuit is open because of an earlier failure.
    #[error("circuit open for another {} s: {because}", retry_in.as_secs_f64().ceil())]
    CircuitOpen {
        /// When it will be tried again.
        retry_in: Duration,
        /// The earlier failure.
        because: Box<CspError>,
    },
    /// The mint's task died.
    #[error(transparent)]
    TaskLost(#[from] TaskLost),
}

impl CspError {
    /// What a caller of the gateway learns of it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Refused(_) => Kind::CredentialsRejected,
            Self::Upstream(failure) => failure.kind(),
            Self::CircuitOpen { because, .. } => because.kind(),
            Self::TaskLost(_) => Kind::Unavailable,
        }
    }

    /// When asking again may help, where that is known.
    pub fn retry_in(&self) -> Option<Duration> {
        match self {
            Self::CircuitOpen { retry_in, .. } => Some(*retry_in),
            Self::Upstream(failure) => failure.retry_after(),
            Self::Refused(_) | Self::TaskLost(_) => None,
        }
    }
}

impl From<InvalidResponse> for CspError {
    fn from(response: InvalidResponse) -> Self {
        Self::Upstream(response.into())
    }
}

impl From<CircuitOpen<CspError>> for CspError {
    fn from(open: CircuitOpen<CspError>) -> Self {
        Self::CircuitOpen { retry_in: open.retry_in, because: Box::new(open.because) }
    }
}
