//! The cached SDDCs: one merged snapshot that every request reads without a lock.
//!
//! ```text
//! poller ─┐                                       ┌─ GET /sddcs      (fresh: at once)
//!         ├─► one refresh per org ─► snapshot ─────┤
//! request ┘   (single flight)        (ArcSwap)    └─ GET /sddcs/{id} (old: waits ≤ 1 s, then stale)
//! ```
//!
//! A snapshot younger than `fresh` is shown as it is. An older one is shown too, until `stale`, but
//! the request first joins the shared refresh for at most a second. A failed refresh is never an
//! answer that is kept; the [circuit breaker](crate::upstream::CircuitBreaker) holds back a stampede, and the good
//! snapshot stays. What is too old to be shown is missing, and what is missing is an error unless
//! the caller said that a part will do.

mod belief;
mod change_feed;
mod directory;
mod entry;
mod freshness;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod inner;
mod kept;
mod known;
mod list;
pub mod mapping;
pub mod model;
mod outcome;
mod picture;
mod saving;
mod settings;
mod slot;
mod snapshot;
mod status;
mod survey;
mod texts;

use std::{
    sync::{Arc, Mutex, OnceLock, atomic::AtomicU64},
    time::Duration,
};

use arc_swap::ArcSwap;
use futures_util::future::join_all;

use self::{
    change_feed::ChangeFeed,
    directory::{Directory, Discovery},
    inner::Inner,
    kept::Kept,
    list::{Kind, Merged},
    model::{Org, SddcEntry, TaskEntry},
    outcome::RefreshOutcome,
    slot::Slot,
};
pub use self::{
    change_feed::Watch,
    entry::{Entry, PartKind},
    freshness::{FreshnessRequirement, OrgSelector},
    outcome::{CacheOutcome, Served, Unavailable},
    picture::Content,
    settings::Settings,
    slot::Missing,
    status::{DiscoveryStatus, InventoryMetrics, MadeBytes, OrgStatus},
    texts::Texts,
};
pub(crate) use self::{
    directory::{read_org, read_orgs},
    saving::{SnapshotFile, probe_snapshot_file, refused_snapshot},
    snapshot::Source,
    survey::survey_sddcs,
};
use crate::{
    clock::Clock,
    ids::{OrgId, SddcId, TaskId},
    tasks::Tasks,
    telemetry::Metrics,
    upstream::Priority,
    vmc::{Endpoint, Reader, VmcError},
};

/// The snapshot of all served organizations. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Inventory(Arc<Inner>);

/// Is told of each change of what is shown, before anybody can see it change again.
pub trait Observer: std::fmt::Debug + Send + Sync {
    /// SDDCs, with or without deleted ones, have changed.
    fn sddcs_changed(&self, before: &Content<SddcEntry>, now: &Content<SddcEntry>);

    /// Tasks have changed.
    fn tasks_changed(&self, before: &Content<TaskEntry>, now: &Content<TaskEntry>);
}

/// What the inventory is read through.
#[derive(Debug)]
pub enum Readers {
    /// One reader per configured org, each with the org's own token.
    Configured(Vec<(OrgId, Reader)>),
    /// The app's own reader: it lists the orgs, and its siblings read them.
    Discovered(Reader),
}

/// The documents of a list that are in scope.
#[derive(Debug)]
pub struct ListSnapshot<E> {
    /// Documents of all orgs, some of them not in scope or too old to be shown: see
    /// [`ListSnapshot::shows`].
    pub content: Arc<Content<E>>,
    /// Orgs in scope that must not be shown.
    pub missing: Vec<Missing>,
    /// Documents that are older than the rest of their org's list, and how old. Some of them may not be
    /// in scope.
    pub held_back: Vec<(Arc<E>, Duration)>,
}

/// One document and the [revision](Content::revision) it is of.
#[derive(Debug)]
pub struct Found<E> {
    /// The content's revision.
    pub revision: u64,
    /// The document.
    pub entry: Arc<E>,
}

/// The organizations in scope.
#[derive(Debug)]
pub struct Orgs {
    /// Those that can be shown.
    pub orgs: Vec<Org>,
    /// Those that cannot.
    pub missing: Vec<Missing>,
}

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

impl Inventory {
    /// An empty inventory. Nothing is read before [`Inventory::run_poller`] or the first question.
    #[must_use]
    pub fn new(
        readers: Readers,
        settings: Settings,
        clock: Clock,
        metrics: Metrics,
        tasks: Tasks,
    ) -> Self {
        let (directory, configured) = match readers {
            Readers::Configured(orgs) => (Directory::Configured, orgs),
            Readers::Discovered(reader) => {
                let orgs = Kept::new(clock.clone(), tasks.jobs.clone());
                (Directory::Discovered(Box::new(Discovery::new(reader, orgs))), Vec::new())
            }
        };
        let inner = Inner {
            settings,
            clock,
            metrics,
            tasks,
            directory,
            slots: ArcSwap::default(),
            sddcs: Merged::default(),
            with_deleted: Merged::default(),
            task_list: Merged::default(),
            revisions: AtomicU64::new(0),
            changes: ChangeFeed::default(),
            observer: OnceLock::new(),
            making: Mutex::default(),
        };
        let slots = configured.into_iter().map(|(id, reader)| Slot::new(id, reader, &inner));
        let mut slots: Vec<_> = slots.map(Arc::new).collect();
        slots.sort_by(|one, other| one.id.cmp(&other.id));
        inner.slots.store(Arc::new(slots));
        inner.merge_all();
        Self(Arc::new(inner))
    }

    /// Tells an observer of each change from here on. The first one that is given stays.
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        let _ = self.0.observer.set(observer);
    }

    /// Keeps the snapshot fresh until the stop that [`Inventory::new`] was given: the list of orgs
    /// here, each org in tasks of its own. Where `inventory.poll` is zero, only while it is watched.
    pub async fn run_poller(self) {
        let inner = self.0;
        let stop = inner.tasks.stop.clone();
        match &inner.directory {
            Directory::Configured => {
                inner.slots.load().iter().for_each(|slot| inner.spawn_pollers(slot));
                stop.cancelled().await;
            }
            Directory::Discovered(discovery) => {
                while stop.run_until_cancelled(discovery.keep_fresh(&inner)).await.is_some() {}
            }
        }
    }

    /// The SDDCs in scope, as new as is required, or as can be had in time.
    ///
    /// Costs no lock, no allocation and no wait while the snapshot of all orgs is fresh.
    ///
    /// # Errors
    /// [`Unavailable`] when no org in scope has anything to show, or there is no such org. Some
    /// orgs missing is no error here, see [`ListSnapshot::missing`].
    pub async fn sddcs(
        &self,
        with_deleted: bool,
        selector: &OrgSelector,
        requirement: &FreshnessRequirement,
    ) -> Result<Served<ListSnapshot<SddcEntry>>, Unavailable> {
        let kind = if with_deleted { &list::WITH_DELETED } else { &list::SDDCS };
        self.view(kind, selector, requirement).await
    }

    /// The newest tasks in scope, and those that have not ended: see [`mapping::tasks`].
    ///
    /// # Errors
    /// As [`Inventory::sddcs`].
    pub async fn tasks(
        &self,
        selector: &OrgSelector,
        requirement: &FreshnessRequirement,
    ) -> Result<Served<ListSnapshot<TaskEntry>>, Unavailable> {
        self.view(&list::TASKS, selector, requirement).await
    }

    async fn view<E: Entry>(
        &self,
        kind: &'static Kind<E>,
        selector: &OrgSelector,
        requirement: &FreshnessRequirement,
    ) -> Result<Served<ListSnapshot<E>>, Unavailable> {
        let inner = &self.0;
        if let Some(served) = inner.fresh_view(kind, selector, requirement) {
            return Ok(served);
        }
        let outcome = inner.freshen_directory(requirement).await?;
        let slots = inner.selected(selector);
        let mut outcomes = inner.freshen(kind, &slots, requirement).await;
        // Those that were found meanwhile: without a first reading they would seem to be missing.
        let mut new = inner.selected(selector);
        new.retain(|slot| slots.iter().all(|before| before.id != slot.id));
        if !new.is_empty() {
            outcomes.extend(inner.freshen(kind, &new, requirement).await);
        }
        inner.look(kind, selector, requirement, outcome, &outcomes)
    }

    /// One SDDC, from the snapshot of its org.
    ///
    /// `sees` tells which SDDCs the caller may see: any other takes the way of one that does not
    /// exist.
    ///
    /// # Errors
    /// [`Unavailable::NoSuchId`], or why that cannot be said for certain.
    pub async fn sddc(
        &self,
        id: &SddcId,
        selector: &OrgSelector,
        sees: impl Fn(&SddcEntry) -> bool,
        requirement: &FreshnessRequirement,
    ) -> Result<Served<Found<SddcEntry>>, Unavailable> {
        self.find(&list::SDDCS, id.as_str(), selector, sees, requirement).await
    }

    /// One task, from the list of its org.
    ///
    /// # Errors
    /// As [`Inventory::sddc`].
    pub async fn task(
        &self,
        id: &TaskId,
        selector: &OrgSelector,
        sees: impl Fn(&TaskEntry) -> bool,
        requirement: &FreshnessRequirement,
    ) -> Result<Served<Found<TaskEntry>>, Unavailable> {
        self.find(&list::TASKS, id.as_str(), selector, sees, requirement).await
    }

    async fn find<E: Entry>(
        &self,
        kind: &'static Kind<E>,
        id: &str,
        selector: &OrgSelector,
        sees: impl Fn(&E) -> bool,
        requirement: &FreshnessRequirement,
    ) -> Result<Served<Found<E>>, Unavailable> {
        let sees = |entry: &E| selector.holds(entry.org()) && sees(entry);
        let known = (kind.merged)(&self.0).picture.load().content.clone();
        let mut holders = known.get_all(id).filter(|entry| sees(entry)).map(|entry| entry.org());
        // Who alone holds it is known without asking the others; else all must be asked.
        let mut asked = match (holders.next(), holders.next()) {
            (Some(only), None) => OrgSelector::Org(only.clone()),
            _ => selector.clone(),
        };
        let mut served = self.view(kind, &asked, requirement).await;
        // The org that held it may just have left.
        if asked != *selector && matches!(served, Err(Unavailable::NoSuchOrg)) {
            asked = selector.clone();
            served = self.view(kind, selector, requirement).await;
        }
        let Served { content: view, age, outcome } = served?;
        let is_shown =
            |entry: &E| asked.holds(entry.org()) && view.shows(entry.org()) && sees(entry);
        match view.content.get_all(id).find(|entry| is_shown(entry)) {
            Some(entry) => {
                let content = Found { revision: view.content.revision, entry: entry.clone() };
                let served = Served { content, age, outcome };
                Ok(served.with_held_back(&view, |held| std::ptr::eq(held, &raw const **entry)))
            }
            None if view.missing.is_empty() => Err(Unavailable::NoSuchId),
            None => Err(Unavailable::Incomplete(view.missing)),
        }
    }

    /// The served organizations in scope, ordered by name, then id.
    ///
    /// # Errors
    /// [`Unavailable`] when none can be shown.
    pub async fn orgs(
        &self,
        selector: &OrgSelector,
        requirement: &FreshnessRequirement,
    ) -> Result<Served<Orgs>, Unavailable> {
        match &self.0.directory {
            Directory::Discovered(discovery) => {
                let mut served = self.discovered_orgs(discovery, requirement).await?;
                served.content.orgs.retain(|org| selector.holds(&org.id));
                Ok(served)
            }
            Directory::Configured => {
                self.configured_orgs(&self.0.selected(selector), requirement).await
            }
        }
    }

    async fn discovered_orgs(
        &self,
        discovery: &Discovery,
        requirement: &FreshnessRequirement,
    ) -> Result<Served<Orgs>, Unavailable> {
        let inner = &self.0;
        let (kept, settings) = (&discovery.orgs, &inner.settings);
        let attempt = kept
            .freshen(settings, requirement, || discovery.refresh(inner, Priority::Callers))
            .await;
        let trouble = kept.trouble();
        match (kept.reading(), kept.age()) {
            (Some(reading), Some(age)) if kept.may_show(age, settings, requirement) => {
                let content = Orgs { orgs: reading.content.to_vec(), missing: Vec::new() };
                Ok(Served { content, age, outcome: attempt.into() })
            }
            _ if requirement.only_if_cached => Err(Unavailable::NotCached),
            _ => {
                let trouble = trouble.or(attempt.failure());
                Err(Unavailable::upstream(trouble, discovery.reader.held_for(Endpoint::Orgs)))
            }
        }
    }

    /// One served organization.
    ///
    /// # Errors
    /// [`Unavailable::NoSuchOrg`], or why that cannot be said for certain.
    pub async fn org(
        &self,
        selector: &OrgSelector,
        requirement: &FreshnessRequirement,
    ) -> Result<Served<Org>, Unavailable> {
        let served = match &self.0.directory {
            Directory::Discovered(discovery) => {
                self.discovered_orgs(discovery, requirement).await?
            }
            // Which orgs there are is known here: only the one in question is asked for.
            Directory::Configured => {
                let slots = self.0.selected(selector);
                let served = self.configured_orgs(&slots, requirement).await;
                if slots.iter().all(|slot| slot.is_unknown()) {
                    return Err(Unavailable::NoSuchOrg);
                }
                served?
            }
        };
        let Served { content, age, outcome } = served;
        let org = content.orgs.into_iter().find(|org| selector.holds(&org.id));
        Ok(Served { content: org.ok_or(Unavailable::NoSuchOrg)?, age, outcome })
    }

    async fn configured_orgs(
        &self,
        slots: &[Arc<Slot>],
        requirement: &FreshnessRequirement,
    ) -> Result<Served<Orgs>, Unavailable> {
        let (inner, settings) = (&self.0, &self.0.settings);
        let (now, pause) = (inner.clock.now(), inner.unknown_pause());
        let attempts = slots.iter().map(async |slot| {
            let attempt = if slot.wants_document(now, pause) {
                slot.org
                    .freshen(settings, requirement, || slot.refresh_org(inner, Priority::Callers))
                    .await
            } else {
                RefreshOutcome::NotNeeded
            };
            (slot, attempt)
        });
        let (mut orgs, mut missing, mut first) = (Vec::new(), Vec::new(), None);
        let (mut age, mut outcome) = (Duration::ZERO, CacheOutcome::Hit);
        let attempts = join_all(attempts).await;
        // As with their lists: if none is left, what was read before is shown.
        let none_is_left = inner.slots.load().iter().all(|slot| slot.is_unknown());
        for (slot, attempt) in attempts {
            let trouble = slot.org.trouble();
            match (slot.org.reading(), slot.org.age()) {
                (None, _) if slot.is_unknown() => {}
                _ if slot.is_unknown() && !none_is_left => {}
                (Some(reading), Some(part)) if slot.org.may_show(part, settings, requirement) => {
                    age = age.max(part);
                    orgs.push(Org::clone(&reading.content));
                    outcome = outcome.worst(if slot.is_unknown() {
                        CacheOutcome::Stale(Some(VmcError::NotFound.kind()))
                    } else {
                        attempt.into()
                    });
                }
                _ => {
                    let trouble = trouble.or(attempt.failure());
                    let error = Unavailable::upstream(
                        trouble,
                        slot.reader.held_for(Endpoint::Org(&slot.id)),
                    );
                    missing.push(slot.gap(&error));
                    first.get_or_insert(error);
                }
            }
        }
        directory::sort(&mut orgs);
        match first {
            Some(_) if orgs.is_empty() && requirement.only_if_cached => Err(Unavailable::NotCached),
            Some(error) if orgs.is_empty() => Err(error),
            None if orgs.is_empty() && !slots.is_empty() => {
                Err(Unavailable::upstream(Some(Arc::new(VmcError::NotFound)), None))
            }
            _ => Ok(Served { content: Orgs { orgs, missing }, age, outcome }),
        }
    }
}

impl<T> Served<T> {
    /// The same as old as the oldest document that is held back and `shows`.
    #[must_use]
    pub fn with_held_back<E>(mut self, view: &ListSnapshot<E>, shows: impl Fn(&E) -> bool) -> Self {
        let held_back = view.held_back.iter().filter(|(entry, _)| shows(entry));
        if let Some(oldest) = held_back.map(|(_, age)| *age).max() {
            self.age = self.age.max(oldest);
            if self.outcome == CacheOutcome::Hit {
                self.outcome = CacheOutcome::Unconfirmed;
            }
        }
        self
    }
}

impl<E> ListSnapshot<E> {
    /// Everything that is there.
    pub(crate) fn whole(content: Arc<Content<E>>) -> Self {
        Self { content, missing: Vec::new(), held_back: Vec::new() }
    }

    /// Hides these orgs' documents too.
    pub fn mark_missing(&mut self, more: &[Missing]) {
        let new: Vec<_> = more.iter().filter(|gap| self.shows(&gap.org_id)).cloned().collect();
        self.missing.extend(new);
        self.missing.sort_by(|one, other| one.org_id.cmp(&other.org_id));
    }

    /// Orgs of which something that has no usable id is not shown.
    pub fn unreadable_orgs(&self) -> impl Iterator<Item = &OrgId> {
        let gaps = self.content.gaps.iter().filter(|gap| belief::is_without_id(gap));
        gaps.map(|gap| &gap.org_id)
    }

    /// Whether an org's documents may be shown; whether it is in scope is the asker's to know.
    #[must_use]
    pub fn shows(&self, org: &OrgId) -> bool {
        self.missing.iter().all(|missing| missing.org_id != *org)
    }
}
