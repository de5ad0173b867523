//! What a request wants to know: of which orgs, and how new.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use crate::ids::OrgId;

/// Which list a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// SDDCs without deleted ones: what the poller keeps.
    Sddcs,
    /// SDDCs with deleted ones.
    WithDeleted,
    /// Tasks.
    Tasks,
    /// Organizations.
    Orgs,
}

impl List {
    /// For log lines.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sddcs => "SDDCs",
            Self::WithDeleted => "SDDCs with deleted ones",
            Self::Tasks => "tasks",
            Self::Orgs => "organizations",
        }
    }
}

/// Which orgs a question is about: those that its caller may see, or one of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OrgSelector {
    /// Every served org.
    All,
    /// Those of them that are named here.
    Only(Arc<BTreeSet<OrgId>>),
    /// One org, named in the question.
    Org(OrgId),
    /// One org, named in the question, that the caller may not see: it takes the way of one that
    /// does not exist.
    Hidden,
}

impl OrgSelector {
    /// Whether an org is one of them.
    pub fn holds(&self, org: &OrgId) -> bool {
        match self {
            Self::All => true,
            Self::Only(orgs) => orgs.contains(org),
            Self::Org(only) => only == org,
            Self::Hidden => false,
        }
    }

    /// Whether the question names one org: that there is none such is then an answer.
    pub(super) fn is_one(&self) -> bool {
        matches!(self, Self::Org(_) | Self::Hidden)
    }
}

/// How new an answer has to be (request `Cache-Control`: RFC 9111 section 5.2.1, RFC 5861). The
/// default asks for nothing in particular.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FreshnessRequirement {
    /// What is older is answered from a read that begins after the request came: `max-age`, or
    /// zero for `no-cache`.
    pub max_age: Option<Duration>,
    /// Nothing is read for this request: `only-if-cached`.
    pub only_if_cached: bool,
    /// How much older than fresh an answer may be if reading fails: `stale-if-error`. Lengthens no
    /// limit of the gateway's own.
    pub stale_if_error: Option<Duration>,
    /// Nothing is read, and what is there is shown as it is now.
    pub as_it_is: bool,
}

impl FreshnessRequirement {
    /// What a request requires that waits for changes: the newest was read for its first look, and
    /// what is read from then on is newer.
    #[must_use]
    pub fn after_first_look(self) -> Self {
        Self { max_age: None, as_it_is: true, ..self }
    }

    /// Whether what is kept, of this age, will not do.
    pub fn wants_newer_than(&self, age: Option<Duration>) -> bool {
        self.max_age.is_some_and(|max_age| max_age.is_zero() || age.is_none_or(|age| age > max_age))
    }
}
