//! Somebody who may call, as the rules of one moment have it.

use std::sync::Arc;

use jiff::Timestamp;

use super::{CallerName, CallerSettings, Limiter, ReadGroup, Scope, View};

/// Somebody the rules know, or `anonymous` where access is open. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Caller(Arc<CallerEntry>);

#[derive(Debug)]
struct CallerEntry {
    name: CallerName,
    scopes: Vec<Scope>,
    read_groups: Vec<ReadGroup>,
    view: Arc<View>,
    limiter: Option<Arc<Limiter>>,
    not_after: Option<Timestamp>,
}

impl Caller {
    pub(super) fn new(
        settings: &CallerSettings,
        view: Arc<View>,
        limiter: Option<Arc<Limiter>>,
    ) -> Self {
        Self(Arc::new(CallerEntry {
            name: settings.name.clone(),
            scopes: settings.scopes.clone(),
            read_groups: settings.read_groups.clone(),
            view,
            limiter,
            not_after: settings.not_after,
        }))
    }

    /// For log lines and metrics.
    pub fn name(&self) -> &CallerName {
        &self.0.name
    }

    /// What the caller may do.
    pub fn scopes(&self) -> &[Scope] {
        &self.0.scopes
    }

    /// Whether the caller has a scope.
    pub fn has(&self, scope: Scope) -> bool {
        self.0.scopes.contains(&scope)
    }

    /// Whether the caller may make the reads of a group, if it has the scope for them.
    pub fn may_read(&self, group: ReadGroup) -> bool {
        self.0.read_groups.contains(&group)
    }

    /// What the caller may see.
    pub fn view(&self) -> &Arc<View> {
        &self.0.view
    }

    /// How often it may ask, if that is limited.
    pub fn limiter(&self) -> Option<&Limiter> {
        self.0.limiter.as_deref()
    }

    /// From when on none of its credentials is good.
    pub fn not_after(&self) -> Option<Timestamp> {
        self.0.not_after
    }

    /// Stands for this entry of these rules, as long as it is held.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// Whether both are the same entry of the same rules.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
