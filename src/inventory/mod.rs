//! The cached SDDCs: one merged picture that every request reads without a lock.
//!
//! ```text
//! poller ─┐                                       ┌─ GET /sddcs      (fresh: at once)
//!         ├─► one refresh per org ─► picture ─────┤
//! request ┘   (single flight)        (ArcSwap)    └─ GET /sddcs/{id} (old: waits ≤ 1 s, then stale)
//! ```
//!
//! A picture younger than `fresh` is shown as it is. An older one is shown too, until `stale`, but
//! the request first joins the shared refresh for at most a second. A failed refresh is never an
//! answer that is kept; the [gate](crate::upstream::Gate) holds back a stampede, and the good
//! picture stays. What is too old to be shown is missing, and what is missing is an error unless
//! the caller said that a part will do.

mod directory;
mod inner;
mod kept;
pub mod mapping;
pub mod model;
mod picture;
mod service;
mod settings;
mod slot;
mod status;

use std::{
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::Duration,
};

use arc_swap::ArcSwap;
use futures_util::future::join_all;

pub(crate) use self::directory::{read_org, read_orgs};
use self::{
    directory::{Directory, Discovery},
    inner::Inner,
    kept::Kept,
    model::Org,
    picture::Picture,
    slot::Slot,
};
pub use self::{
    picture::Content,
    service::{Served, Service, Unavailable},
    settings::Settings,
    slot::Missing,
    status::{DiscoveryStatus, InventoryMetrics, OrgStatus},
};
use crate::{
    clock::Clock,
    ids::{OrgId, SddcId},
    tasks::Tasks,
    telemetry::Metrics,
    vmc::{Reader, VmcError},
};

/// The picture of all served organizations. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Inventory(Arc<Inner>);

/// What the inventory is read through.
#[derive(Debug)]
pub enum Readers {
    /// One reader per configured org, each with the org's own token.
    Configured(Vec<(OrgId, Reader)>),
    /// The app's own reader: it lists the orgs, and its siblings read them.
    Discovered(Reader),
}

/// What a question is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every served org.
    All,
    /// One org.
    Org(OrgId),
}

impl Scope {
    fn holds(&self, org: &OrgId) -> bool {
        match self {
            Self::All => true,
            Self::Org(only) => only == org,
        }
    }
}

/// The SDDCs in scope.
#[derive(Debug, Clone)]
pub struct View {
    /// SDDCs of all orgs, some perhaps too old to be shown: see `missing`.
    pub content: Arc<Content>,
    /// Orgs in scope that must not be shown.
    pub missing: Vec<Missing>,
}

/// One SDDC and the [revision](Content::revision) it is of.
pub type Found = (u64, Arc<model::SddcEntry>);

impl Inventory {
    /// An empty inventory. Nothing is read before [`Inventory::keep_fresh`] or the first question.
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
                let orgs = Kept::new(clock.clone(), tasks.flights.clone());
                (Directory::Discovered(Discovery::new(reader, orgs)), Vec::new())
            }
        };
        let inner = Inner {
            settings,
            clock,
            metrics,
            tasks,
            directory,
            slots: ArcSwap::default(),
            picture: ArcSwap::from_pointee(Picture::empty()),
            revisions: AtomicU64::new(0),
            making: Mutex::default(),
        };
        let slots = configured.into_iter().map(|(id, reader)| Slot::new(id, reader, &inner));
        let mut slots: Vec<_> = slots.map(Arc::new).collect();
        slots.sort_by(|one, other| one.id.cmp(&other.id));
        inner.slots.store(Arc::new(slots));
        inner.merge();
        Self(Arc::new(inner))
    }

    /// Keeps the picture fresh until the stop that [`Inventory::new`] was given: the list of orgs
    /// here, each org in a task of its own. Only waits if `inventory.poll` is zero.
    pub async fn keep_fresh(self) {
        let inner = self.0;
        if inner.settings.poll.is_zero() {
            return inner.tasks.stop.cancelled().await;
        }
        match &inner.directory {
            Directory::Configured => {
                inner.slots.load().iter().for_each(|slot| inner.spawn_poller(slot));
                inner.tasks.stop.cancelled().await;
            }
            Directory::Discovered(discovery) => {
                let stop = inner.tasks.stop.clone();
                while stop.run_until_cancelled(discovery.keep_fresh(&inner)).await.is_some() {}
            }
        }
    }

    /// The SDDCs in scope, as fresh as can be had in time.
    ///
    /// Costs no lock, no allocation and no wait while the picture is fresh.
    ///
    /// # Errors
    /// [`Unavailable`] when no org in scope has anything to show, or there is no such org. Some
    /// orgs missing is no error here, see [`View::missing`].
    pub async fn view(&self, scope: &Scope) -> Result<Served<View>, Unavailable> {
        let inner = &self.0;
        let picture = inner.picture.load();
        if *scope == Scope::All
            && let Some(age) = picture.age(inner.clock.now())
            && age < inner.settings.fresh
        {
            let view = View { content: picture.content.clone(), missing: Vec::new() };
            return Ok(Served { content: view, age, service: Service::Hit });
        }
        drop(picture);
        let service = inner.freshen_directory().await?;
        let services = inner.freshen(&inner.in_scope(scope)).await;
        inner.look(scope, service, &services)
    }

    /// One SDDC and the revision it is of, from the picture of its org.
    ///
    /// # Errors
    /// [`Unavailable::NoSuchSddc`], or why that cannot be said for certain.
    pub async fn sddc(&self, id: &SddcId) -> Result<Served<Found>, Unavailable> {
        let holder = self
            .0
            .picture
            .load()
            .content
            .sddc(id.as_str())
            .map(|entry| Scope::Org(entry.sddc.org_id.clone()));
        // Who holds it is known without asking the others; else all must be asked.
        let scope = holder.unwrap_or(Scope::All);
        let Served { content: view, age, service } = match self.view(&scope).await {
            // The org that held it has just left.
            Err(Unavailable::NoSuchOrg) => self.view(&Scope::All).await?,
            served => served?,
        };
        match view.content.sddc(id.as_str()) {
            Some(entry) if view.shows(&entry.sddc.org_id) => {
                let content = (view.content.revision, entry.clone());
                Ok(Served { content, age, service })
            }
            _ if view.missing.is_empty() => Err(Unavailable::NoSuchSddc),
            _ => Err(Unavailable::Incomplete(view.missing)),
        }
    }

    /// The served organizations, ordered by name, then id.
    ///
    /// # Errors
    /// [`Unavailable`] when none can be shown.
    pub async fn orgs(&self) -> Result<Served<(Vec<Org>, Vec<Missing>)>, Unavailable> {
        match &self.0.directory {
            Directory::Discovered(discovery) => self.discovered_orgs(discovery).await,
            Directory::Configured => self.configured_orgs(&self.0.in_scope(&Scope::All)).await,
        }
    }

    async fn discovered_orgs(
        &self,
        discovery: &Discovery,
    ) -> Result<Served<(Vec<Org>, Vec<Missing>)>, Unavailable> {
        let inner = &self.0;
        let attempt = inner.freshen_list(&discovery.orgs, || discovery.refresh(inner)).await;
        let trouble = discovery.orgs.trouble();
        match (discovery.orgs.reading(), discovery.orgs.age()) {
            (Some(reading), Some(age)) if discovery.orgs.may_show(age, &inner.settings) => {
                let content = (reading.content.to_vec(), Vec::new());
                Ok(Served { content, age, service: attempt.into() })
            }
            _ => {
                let trouble = trouble.or(attempt.failure());
                Err(Unavailable::upstream(trouble, discovery.reader.held_for()))
            }
        }
    }

    /// One served organization.
    ///
    /// # Errors
    /// [`Unavailable::NoSuchOrg`], or why that cannot be said for certain.
    pub async fn org(&self, id: &OrgId) -> Result<Served<Org>, Unavailable> {
        let served = match &self.0.directory {
            Directory::Discovered(discovery) => self.discovered_orgs(discovery).await?,
            // Which orgs there are is known here: only the one in question is asked for.
            Directory::Configured => {
                let slots = self.0.in_scope(&Scope::Org(id.clone()));
                let served = self.configured_orgs(&slots).await;
                if slots.iter().all(|slot| slot.is_unknown()) {
                    return Err(Unavailable::NoSuchOrg);
                }
                served?
            }
        };
        let Served { content: (orgs, _), age, service } = served;
        let org = orgs.into_iter().find(|org| org.id == *id).ok_or(Unavailable::NoSuchOrg)?;
        Ok(Served { content: org, age, service })
    }

    async fn configured_orgs(
        &self,
        slots: &[Arc<Slot>],
    ) -> Result<Served<(Vec<Org>, Vec<Missing>)>, Unavailable> {
        let inner = &self.0;
        let attempts = slots.iter().map(async |slot| {
            (slot, inner.freshen_list(&slot.org, || slot.refresh_org(inner)).await)
        });
        let (mut orgs, mut missing, mut first) = (Vec::new(), Vec::new(), None);
        let (mut age, mut service) = (Duration::ZERO, Service::Hit);
        for (slot, attempt) in join_all(attempts).await {
            let trouble = slot.org.trouble();
            match (slot.org.reading(), slot.org.age()) {
                _ if slot.is_unknown() => {}
                (Some(reading), Some(part)) if slot.org.may_show(part, &inner.settings) => {
                    age = age.max(part);
                    orgs.push(Org::clone(&reading.content));
                    service = service.worst(attempt.into());
                }
                _ => {
                    let trouble = trouble.or(attempt.failure());
                    let error = Unavailable::upstream(trouble, slot.reader.held_for());
                    missing.push(slot.gap(&error));
                    first.get_or_insert(error);
                }
            }
        }
        directory::sort(&mut orgs);
        match first {
            Some(error) if orgs.is_empty() => Err(error),
            None if orgs.is_empty() => {
                Err(Unavailable::upstream(Some(Arc::new(VmcError::NotFound)), None))
            }
            _ => Ok(Served { content: (orgs, missing), age, service }),
        }
    }
}

impl View {
    /// Whether an org's SDDCs may be shown.
    #[must_use]
    pub fn shows(&self, org: &OrgId) -> bool {
        self.missing.iter().all(|missing| missing.org_id != *org)
    }
}
