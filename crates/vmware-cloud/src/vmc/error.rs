//! Why a read of VMware Cloud gave nothing.

use std::time::Duration;

use base::single_flight::TaskLost;

use crate::{
    csp::CspError,
    upstream::{CircuitOpen, Failure, InvalidResponse, Kind, QueueFull},
};

/// A read that failed, or was not tried because the last one did.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VmcError {
    /// There is no token to ask with.
    #[error("no token: {0}")]
    Token(#[from] CspError),
    /// 401 to a fresh token.
    #[error("VMware Cloud rejected a new token (401)")]
    Unauthorized,
    /// 403: the app lacks the role, or the org is not its own.
    #[error("VMware Cloud denied the read (403): check the app's roles in this organization")]
    Denied,
    /// 404.
    #[error("VMware Cloud has no such resource (404)")]
    NotFound,
    /// No usable answer.
    #[error("VMware Cloud: {0}")]
    Upstream(#[from] Failure),
    /// Not tried: the circuit is open because of an earlier failure.
    #[error("circuit open for another {} s: {because}", retry_in.as_secs_f64().ceil())]
    CircuitOpen {
        /// When it will be tried again.
        retry_in: Duration,
        /// The earlier failure.
        because: Box<VmcError>,
    },
    /// Not tried: too many other reads are under way.
    #[error(transparent)]
    QueueFull(#[from] QueueFull),
    /// The read's task died.
    #[error(transparent)]
    TaskLost(#[from] TaskLost),
    /// Another replica of the gateway has read, for all of them, and this is how it failed.
    #[error("another replica's read failed: {text}")]
    OtherReplica {
        /// What it logged.
        text: Box<str>,
        /// What a caller learns of it.
        kind: Kind,
        /// Whether VMware refused.
        is_denial: bool,
        /// How long reads are held back for it.
        retry_in: Option<Duration>,
    },
}

impl VmcError {
    /// What a caller of the gateway learns of it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Token(error) => error.kind(),
            Self::Unauthorized | Self::Denied => Kind::CredentialsRejected,
            // Where a 404 means something its reader has taken it; here it is a wrong base URL.
            Self::NotFound => Kind::Contract,
            Self::Upstream(failure) => failure.kind(),
            Self::CircuitOpen { because, .. } => because.kind(),
            Self::QueueFull(_) | Self::TaskLost(_) => Kind::Unavailable,
            Self::OtherReplica { kind, .. } => *kind,
        }
    }

    /// Whether VMware *refuses* instead of failing: such a snapshot may not be shown as long.
    #[must_use]
    pub fn is_denial(&self) -> bool {
        match self {
            Self::Unauthorized | Self::Denied => true,
            Self::CircuitOpen { because, .. } => because.is_denial(),
            Self::OtherReplica { is_denial, .. } => *is_denial,
            Self::Token(_)
            | Self::NotFound
            | Self::Upstream(_)
            | Self::QueueFull(_)
            | Self::TaskLost(_) => false,
        }
    }

    /// Whether nothing was asked because the circuit is open, here or at CSP.
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(self, Self::CircuitOpen { .. } | Self::Token(CspError::CircuitOpen { .. }))
    }

    /// Whether VMware has answered, if not what was asked: there is nothing that holding back would
    /// mend.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        match self {
            Self::NotFound => true,
            Self::Upstream(Failure::Contract(InvalidResponse::Status(status))) => {
                status.is_client_error()
            }
            Self::Token(_)
            | Self::Unauthorized
            | Self::Denied
            | Self::Upstream(_)
            | Self::CircuitOpen { .. }
            | Self::QueueFull(_)
            | Self::TaskLost(_)
            | Self::OtherReplica { .. } => false,
        }
    }

    /// When asking again may help, where that is known.
    #[must_use]
    pub fn retry_in(&self) -> Option<Duration> {
        match self {
            Self::Token(error) => error.retry_in(),
            Self::Upstream(failure) => failure.retry_after(),
            Self::CircuitOpen { retry_in, .. } => Some(*retry_in),
            Self::OtherReplica { retry_in, .. } => *retry_in,
            Self::Unauthorized
            | Self::Denied
            | Self::NotFound
            | Self::QueueFull(_)
            | Self::TaskLost(_) => None,
        }
    }
}

impl From<InvalidResponse> for VmcError {
    fn from(response: InvalidResponse) -> Self {
        Self::Upstream(response.into())
    }
}

impl From<CircuitOpen<VmcError>> for VmcError {
    fn from(open: CircuitOpen<VmcError>) -> Self {
        Self::CircuitOpen { retry_in: open.retry_in, because: Box::new(open.because) }
    }
}
