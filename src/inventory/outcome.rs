//! How a question was served: what the freshness headers and the cache metric say.

use std::{sync::Arc, time::Duration};

use crate::{ids::OrgId, single_flight::InFlightCall, upstream::Kind, vmc::VmcError};

/// An answer, its age and how it came about.
#[derive(Debug, Clone)]
pub struct Served<T> {
    /// The answer.
    pub content: T,
    /// Age of the oldest part it shows.
    pub age: Duration,
    /// How it was served.
    pub outcome: CacheOutcome,
}

impl<T> Served<T> {
    /// The same of another content.
    pub fn of<U>(&self, content: U) -> Served<U> {
        Served { content, age: self.age, outcome: self.outcome }
    }

    /// How it was served, alone.
    pub fn without_content(&self) -> Served<()> {
        self.of(())
    }
}

/// How an answer came about (RFC 9211).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheOutcome {
    /// From a snapshot that is fresh, without asking upstream.
    Hit,
    /// From a snapshot that is fresh, though the request wants a newer one: its caller has spent its
    /// budget of reads.
    OverBudget,
    /// From a read that another request or the poller began.
    Collapsed,
    /// From a read that this request began.
    Stored,
    /// From what was read before: a newer reading is not confirmed yet, or has a document that is held
    /// back.
    Unconfirmed,
    /// From an old snapshot: the refresh is held back, or not done yet (`None`).
    Stale(Option<Kind>),
    /// From an old snapshot, as the request allows no other (`only-if-cached`).
    StaleOnly,
    /// From an old snapshot: the refresh that this request waited for failed.
    RefreshFailed(Kind),
}

impl CacheOutcome {
    /// Of an answer with several parts: what is worst of them.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Hit => 0,
            Self::OverBudget => 1,
            Self::Collapsed => 2,
            Self::Stored => 3,
            Self::StaleOnly => 4,
            Self::Unconfirmed => 5,
            Self::Stale(_) => 6,
            Self::RefreshFailed(_) => 7,
        }
    }
}

/// Why an org has nothing to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingOrg {
    /// Which org.
    pub org_id: OrgId,
    /// Why.
    pub reason: Kind,
    /// When asking again may help, where that is known.
    pub retry_in: Option<Duration>,
}

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unavailable {
    /// Nothing in scope can be shown.
    #[error("nothing to show: {error}")]
    Upstream {
        /// Why the last read failed.
        error: Arc<VmcError>,
        /// When asking again may help, where that is known.
        retry_in: Option<Duration>,
    },
    /// Nothing in scope can be shown yet: its first read is still under way.
    #[error("nothing to show yet")]
    NotYet,
    /// Some orgs cannot be shown.
    #[error("{} organizations cannot be shown", .0.len())]
    Incomplete(Vec<MissingOrg>),
    /// No served org has this id.
    #[error("no such organization")]
    NoSuchOrg,
    /// No document of the list has this id.
    #[error("no such id")]
    NoSuchId,
    /// Nothing in scope can be shown without asking upstream, which the request forbids.
    #[error("nothing cached")]
    NotCached,
}

impl Unavailable {
    /// `held` is what is left of what holds back the next read.
    pub(super) fn upstream(trouble: Option<Arc<VmcError>>, held: Option<Duration>) -> Self {
        trouble.map_or(Self::NotYet, |error| {
            let retry_in = held.or(error.retry_in());
            Self::Upstream { error, retry_in }
        })
    }

    /// What a caller learns of it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Upstream { error, .. } => error.kind(),
            Self::NotYet | Self::NotCached => Kind::Timeout,
            Self::Incomplete(_) | Self::NoSuchOrg | Self::NoSuchId => Kind::Unavailable,
        }
    }

    /// When asking again may help, where that is known.
    pub fn retry_in(&self) -> Option<Duration> {
        match self {
            Self::Upstream { retry_in, .. } => *retry_in,
            Self::Incomplete(missing) => missing.iter().filter_map(|gap| gap.retry_in).min(),
            Self::NotYet | Self::NoSuchOrg | Self::NoSuchId | Self::NotCached => None,
        }
    }
}

/// What a request's wait for a refresh gave.
#[derive(Debug, Clone)]
pub(super) enum RefreshOutcome {
    /// The snapshot was fresh.
    NotNeeded,
    /// The request wants what is kept, or nothing.
    NotAllowed,
    /// The refresh went well; whether this request began it.
    Done { started: bool },
    /// The refresh failed, or was held back.
    Failed(Arc<VmcError>),
    /// The request's patience ended first.
    NotDone,
    /// The last reading has to be confirmed first, by the poller.
    Unconfirmed,
}

impl RefreshOutcome {
    /// Waits for a refresh, with patience or to its end.
    pub(super) async fn wait(
        run: InFlightCall<Result<(), VmcError>>,
        patience: Option<Duration>,
    ) -> Self {
        let started = run.started;
        let result = match patience {
            None => run.result().await,
            Some(patience) => match tokio::time::timeout(patience, run.result()).await {
                Ok(result) => result,
                Err(_elapsed) => return Self::NotDone,
            },
        };
        match result {
            Ok(Ok(())) => Self::Done { started },
            Ok(Err(error)) => Self::Failed(Arc::new(error)),
            Err(lost) => Self::Failed(Arc::new(lost.into())),
        }
    }

    /// This request's own failure, where it had one.
    pub(super) fn failure(&self) -> Option<Arc<VmcError>> {
        match self {
            Self::Failed(error) => Some(error.clone()),
            Self::NotNeeded
            | Self::NotAllowed
            | Self::Done { .. }
            | Self::NotDone
            | Self::Unconfirmed => None,
        }
    }
}

impl From<RefreshOutcome> for CacheOutcome {
    fn from(attempt: RefreshOutcome) -> Self {
        match attempt {
            RefreshOutcome::NotNeeded => Self::Hit,
            RefreshOutcome::NotAllowed => Self::StaleOnly,
            RefreshOutcome::Done { started: true } => Self::Stored,
            RefreshOutcome::Done { started: false } => Self::Collapsed,
            RefreshOutcome::NotDone => Self::Stale(None),
            RefreshOutcome::Unconfirmed => Self::Unconfirmed,
            RefreshOutcome::Failed(error) if error.is_held() => Self::Stale(Some(error.kind())),
            RefreshOutcome::Failed(error) => Self::RefreshFailed(error.kind()),
        }
    }
}
