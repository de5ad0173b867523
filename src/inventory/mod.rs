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
mod kept;
pub mod mapping;
pub mod model;
mod picture;
mod service;
mod settings;
mod slot;
mod status;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use futures_util::future::join_all;

pub(crate) use self::directory::{read_org, read_orgs};
use self::{
    directory::{Directory, Discovery},
    kept::Kept,
    model::Org,
    picture::{Part, Picture},
    service::Attempt,
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

/// How long a request waits for a refresh while it has a picture that may be shown.
const PATIENCE: Duration = Duration::from_secs(1);
/// On demand the list of orgs, and an org that VMware does not know, are not read more often than
/// this: orgs come and go by the month.
const LEAST_DIRECTORY_FRESH: Duration = Duration::from_secs(60);

/// The picture of all served organizations. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Inventory(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    settings: Settings,
    clock: Clock,
    metrics: Metrics,
    tasks: Tasks,
    directory: Directory,
    /// Ordered by id.
    slots: ArcSwap<Vec<Arc<Slot>>>,
    picture: ArcSwap<Picture>,
    revisions: AtomicU64,
    /// Held while the picture or the slots are made anew; never by a request.
    making: Mutex<()>,
    /// Orgs that the last discovery did not list: absent twice running, they are dropped.
    absent: Mutex<Vec<OrgId>>,
}

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
                (Directory::Discovered(Discovery { reader, orgs }), Vec::new())
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
            absent: Mutex::default(),
        };
        let slots = configured.into_iter().map(|(id, reader)| Slot::new(id, reader, &inner));
        let mut slots: Vec<_> = slots.map(Arc::new).collect();
        slots.sort_by(|one, other| one.id.cmp(&other.id));
        inner.slots.store(Arc::new(slots));
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
        let mut service = inner.freshen_directory().await?;
        let slots = inner.in_scope(scope)?;
        service = service.worst(inner.freshen(&slots).await);
        if matches!(scope, Scope::Org(_)) && slots.iter().all(|slot| slot.is_gone()) {
            return Err(Unavailable::NoSuchOrg);
        }
        inner.look(&slots, service)
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
            Directory::Configured => self.configured_orgs().await,
        }
    }

    async fn discovered_orgs(
        &self,
        discovery: &Discovery,
    ) -> Result<Served<(Vec<Org>, Vec<Missing>)>, Unavailable> {
        let inner = &self.0;
        let attempt = inner.freshen_list(&discovery.orgs, || discovery.refresh(inner)).await;
        let trouble = discovery.orgs.trouble();
        let limit = discovery.orgs.limit(&inner.settings);
        match (discovery.orgs.reading(), discovery.orgs.age()) {
            (Some(reading), Some(age)) if age <= limit => {
                let content = (reading.content.to_vec(), Vec::new());
                Ok(Served { content, age, service: attempt.into() })
            }
            _ => {
                let trouble = trouble.or(attempt.failure());
                Err(Unavailable::upstream(trouble, discovery.reader.held_for()))
            }
        }
    }

    async fn configured_orgs(&self) -> Result<Served<(Vec<Org>, Vec<Missing>)>, Unavailable> {
        let inner = &self.0;
        let slots = inner.slots.load_full();
        let attempts = slots.iter().map(async |slot| {
            (slot, inner.freshen_list(&slot.org, || slot.refresh_org(inner)).await)
        });
        let (mut orgs, mut missing, mut first) = (Vec::new(), Vec::new(), None);
        let (mut age, mut service) = (Duration::ZERO, Service::Hit);
        for (slot, attempt) in join_all(attempts).await {
            let trouble = slot.org.trouble();
            let limit = slot.org.limit(&inner.settings);
            match (slot.org.reading(), slot.org.age()) {
                _ if matches!(trouble.as_deref(), Some(VmcError::NotFound)) => {}
                (Some(reading), Some(part)) if part <= limit => {
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

impl Inner {
    /// Reads the list of orgs if there is none, or none young enough.
    async fn freshen_directory(self: &Arc<Self>) -> Result<Service, Unavailable> {
        let Directory::Discovered(discovery) = &self.directory else { return Ok(Service::Hit) };
        let fresh = self.settings.fresh.max(self.settings.poll * 2).max(LEAST_DIRECTORY_FRESH);
        match discovery.orgs.age() {
            Some(age) if age < fresh => Ok(Service::Hit),
            // Its outcome shows in the next answer: this one need not wait for it.
            Some(_) => {
                drop(discovery.refresh(self));
                Ok(Service::Hit)
            }
            None => {
                let attempt = Attempt::wait(discovery.refresh(self), None).await;
                if discovery.orgs.age().is_some() {
                    Ok(attempt.into())
                } else {
                    let trouble = discovery.orgs.trouble().or(attempt.failure());
                    Err(Unavailable::upstream(trouble, discovery.reader.held_for()))
                }
            }
        }
    }

    /// Brings those slots up to date that need it, all at once.
    async fn freshen(self: &Arc<Self>, slots: &[Arc<Slot>]) -> Service {
        let (now, pause) = (self.clock.now(), self.settings.fresh.max(LEAST_DIRECTORY_FRESH));
        let attempts = slots
            .iter()
            .filter(|slot| slot.wants_reading(now, pause))
            .map(|slot| self.freshen_list(&slot.sddcs, || slot.refresh(self)));
        let services = join_all(attempts).await.into_iter().map(|attempt| match attempt {
            // Gone is an answer: nothing old is shown of it.
            Attempt::Failed(error) if matches!(*error, VmcError::NotFound) => Service::Stored,
            attempt => attempt.into(),
        });
        services.fold(Service::Hit, Service::worst)
    }

    async fn freshen_list<T: PartialEq + Send + Sync + 'static>(
        &self,
        kept: &Kept<T>,
        refresh: impl FnOnce() -> crate::flight::Run<Result<(), VmcError>>,
    ) -> Attempt {
        let limit = kept.limit(&self.settings);
        match kept.age() {
            Some(age) if age < self.settings.fresh => Attempt::NotNeeded,
            Some(age) if age <= limit => Attempt::wait(refresh(), Some(PATIENCE)).await,
            _ => Attempt::wait(refresh(), None).await,
        }
    }

    /// What the slots show now.
    fn look(&self, slots: &[Arc<Slot>], service: Service) -> Result<Served<View>, Unavailable> {
        let mut missing = Vec::new();
        let mut age = Duration::ZERO;
        let mut shown = 0_usize;
        for slot in slots.iter().filter(|slot| !slot.is_gone()) {
            match slot.missing(&self.settings) {
                Some(gap) => missing.push(gap),
                None => {
                    shown += 1;
                    age = age.max(slot.sddcs.age().unwrap_or_default());
                }
            }
        }
        if shown == 0
            && let Some(first) = slots.iter().find(|slot| !slot.is_gone())
        {
            let held = first.reader.held_for();
            return Err(Unavailable::upstream(first.sddcs.trouble(), held));
        }
        if shown == 0
            && let Directory::Discovered(discovery) = &self.directory
        {
            // That there is no org is as old as the list of orgs.
            age = discovery.orgs.age().unwrap_or_default();
        }
        let content = self.picture.load().content.clone();
        Ok(Served { content: View { content, missing }, age, service })
    }

    fn in_scope(&self, scope: &Scope) -> Result<Vec<Arc<Slot>>, Unavailable> {
        let slots = self.slots.load();
        match scope {
            Scope::All => Ok(slots.to_vec()),
            Scope::Org(id) => {
                let slot = slots.iter().find(|slot| slot.id == *id);
                slot.map(|slot| vec![slot.clone()]).ok_or(Unavailable::NoSuchOrg)
            }
        }
    }

    /// Makes the merged picture anew from what the slots hold.
    fn merge(&self) {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = self.slots.load();
        let served = || slots.iter().filter(|slot| !slot.is_gone());
        let readings: Vec<_> = served().map(|slot| (slot, slot.sddcs.reading())).collect();
        let oldest = readings.iter().map(|(_, reading)| reading.as_ref().map(|kept| kept.begun));
        let oldest = oldest.collect::<Option<Vec<_>>>().and_then(|begun| begun.into_iter().min());
        let parts: Vec<_> = readings
            .iter()
            .filter_map(|(slot, reading)| {
                let sddcs = reading.as_ref()?.content.clone();
                Some(Part { org: slot.id.clone(), sddcs })
            })
            .collect();
        let before = self.picture.load();
        let content = if before.content.is_of(&parts) {
            before.content.clone()
        } else {
            let revision = self.revisions.fetch_add(1, Ordering::Relaxed) + 1;
            Arc::new(Content::merge(revision, parts))
        };
        self.picture.store(Arc::new(Picture { content, oldest }));
    }

    /// Opens slots for orgs that the discovery lists now, and retires those it lost twice.
    fn reconcile(self: &Arc<Self>) {
        let Directory::Discovered(discovery) = &self.directory else { return };
        let Some(reading) = discovery.orgs.reading() else { return };
        {
            let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            let mut absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner);
            let before: HashMap<_, _> =
                self.slots.load().iter().map(|slot| (slot.id.clone(), slot.clone())).collect();
            let listed = |id: &OrgId| reading.content.iter().any(|org| org.id == *id);
            let mut slots = Vec::new();
            for org in reading.content.iter() {
                slots.push(before.get(&org.id).cloned().unwrap_or_else(|| {
                    tracing::info!(org.id = %org.id, "organization found");
                    let slot =
                        Arc::new(Slot::new(org.id.clone(), discovery.reader.sibling(), self));
                    self.spawn_poller(&slot);
                    slot
                }));
            }
            let mut absent_now = Vec::new();
            for slot in before.values().filter(|slot| !listed(&slot.id)) {
                if absent.contains(&slot.id) {
                    tracing::info!(org.id = %slot.id, "organization gone");
                    slot.retired.cancel();
                } else {
                    absent_now.push(slot.id.clone());
                    slots.push(slot.clone());
                }
            }
            slots.sort_by(|one, other| one.id.cmp(&other.id));
            *absent = absent_now;
            if let [only] = &*slots {
                discovery.reader.tokens().belongs_to(&only.id);
            }
            self.slots.store(Arc::new(slots));
        }
        self.merge();
    }

    fn spawn_poller(self: &Arc<Self>, slot: &Arc<Slot>) {
        if !self.settings.poll.is_zero() {
            let poller = slot.clone().keep_fresh(self.clone());
            self.tasks.spawn("poller", slot.retired.clone(), poller);
        }
    }
}
