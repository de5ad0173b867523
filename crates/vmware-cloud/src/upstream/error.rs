//! What can go wrong between us and an upstream, in terms of retry and blame.

use std::{fmt, time::Duration};

use http::StatusCode;
use serde::{Deserialize, Serialize};

use base::os_error;

/// A call that gave no usable answer. Holds nothing of the answer's body or headers but
/// `Retry-After`.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// No connection: name, route, refusal, TLS.
    #[error("no connection: {0}")]
    Connect(FailureDetail),
    /// The connection ended before the answer was whole.
    #[error("the connection broke: {0}")]
    Broken(FailureDetail),
    /// No whole answer within the deadline.
    #[error("no whole answer within {}", crate::upstream::seconds(*.0))]
    Timeout(Duration),
    /// 429.
    #[error("too many requests (429)")]
    Throttled {
        /// `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// 5xx.
    #[error("server error ({status})")]
    Server {
        /// The status.
        status: StatusCode,
        /// `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// A whole answer that is not what it should be.
    #[error(transparent)]
    Contract(#[from] InvalidResponse),
}

/// How a whole answer differs from what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidResponse {
    /// Neither 200 nor an error status that means something here.
    #[error("unexpected status {0}")]
    Status(StatusCode),
    /// A 200 that is not `application/json`.
    #[error("a content type other than JSON")]
    ContentType,
    /// A 200 with HTML, where anything else would do.
    #[error("a web page")]
    WebPage,
    /// Longer than the bound.
    #[error("an answer of more than {0} bytes")]
    TooLarge(u64),
    /// The address makes no request: nothing was sent.
    #[error("no request can be made for this address")]
    Address,
    /// Not JSON, or JSON of another shape.
    #[error("a body that is not {0}")]
    Body(&'static str),
    /// Well-formed, but not believable; the text says what to do.
    #[error("{0}")]
    Implausible(&'static str),
}

/// A short text on a transport error, from the HTTP client's own errors: no URL, no header, no
/// body.
#[derive(Clone)]
pub struct FailureDetail(Box<str>);

impl FailureDetail {
    pub(super) fn of(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut text = String::new();
        let mut next: Option<&dyn std::error::Error> = std::error::Error::source(&error);
        while let Some(cause) = next {
            let cause_text = words(cause);
            if !text.ends_with(&cause_text) {
                if !text.is_empty() {
                    text.push_str(": ");
                }
                text.push_str(&cause_text);
            }
            next = cause.source();
        }
        if text.is_empty() {
            text = error.to_string();
        }
        Self(text.into())
    }

    /// A text of ours, without URL, header or body.
    pub(super) fn new(text: String) -> Self {
        Self(text.into())
    }
}

/// The system's own errors come without their number.
fn words(cause: &(dyn std::error::Error + 'static)) -> String {
    match cause.downcast_ref::<std::io::Error>() {
        Some(error) => os_error::describe(error).into_owned(),
        None => os_error::without_number(&cause.to_string()),
    }
}

impl fmt::Display for FailureDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FailureDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Failure {
    /// `Retry-After`, if the upstream sent one.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after } | Self::Server { retry_after, .. } => *retry_after,
            Self::Connect(_) | Self::Broken(_) | Self::Timeout(_) | Self::Contract(_) => None,
        }
    }

    /// Whether another try may fare better: the trouble is the connection's or the moment's.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Broken(_) | Self::Timeout(_) | Self::Throttled { .. } => true,
            Self::Server { status, .. } => matches!(status.as_u16(), 500 | 502..=504),
            Self::Contract(_) => false,
        }
    }

    /// What a caller of the gateway learns of it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Connect(_) | Self::Broken(_) | Self::Throttled { .. } | Self::Server { .. } => {
                Kind::Unavailable
            }
            Self::Timeout(_) => Kind::Timeout,
            Self::Contract(_) => Kind::Contract,
        }
    }
}

base::closed_set! {
    /// The closed set of upstream trouble, as in problem codes, probes and metrics.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
    pub enum Kind: Display {
        /// It cannot be reached, breaks off, or says that it cannot answer.
        Unavailable = "upstream-unavailable",
        /// It does not answer in time.
        Timeout = "upstream-timeout",
        /// It answers something that is no answer.
        Contract = "upstream-contract",
        /// It refuses our credentials.
        CredentialsRejected = "upstream-credentials-rejected",
    }
}
