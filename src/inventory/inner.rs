//! The state behind the inventory: slots, the merged picture, and how both are brought up to date.

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

use super::{
    Content, Scope, Served, Service, Settings, Unavailable, View,
    directory::{Directory, Discovery},
    kept::Kept,
    picture::{Part, Picture},
    service::Attempt,
    slot::Slot,
};
use crate::{
    clock::Clock, flight::Run, ids::OrgId, tasks::Tasks, telemetry::Metrics, vmc::VmcError,
};

/// How long a request waits for a refresh while it has a picture that may be shown.
const PATIENCE: Duration = Duration::from_secs(1);
/// On demand the list of orgs, and an org that VMware does not know, are not read more often than
/// this: orgs come and go by the month.
const LEAST_DIRECTORY_FRESH: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) tasks: Tasks,
    pub(super) directory: Directory,
    /// Ordered by id.
    pub(super) slots: ArcSwap<Vec<Arc<Slot>>>,
    pub(super) picture: ArcSwap<Picture>,
    pub(super) revisions: AtomicU64,
    /// Held while the picture or the slots are made anew; never by a request.
    pub(super) making: Mutex<()>,
}

impl Inner {
    /// Reads the list of orgs if there is none, or none young enough.
    pub(super) async fn freshen_directory(self: &Arc<Self>) -> Result<Service, Unavailable> {
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

    /// Brings those slots up to date that need it, all at once. Tells how each was.
    pub(super) async fn freshen(self: &Arc<Self>, slots: &[Arc<Slot>]) -> Vec<(OrgId, Service)> {
        let (now, pause) = (self.clock.now(), self.settings.fresh.max(LEAST_DIRECTORY_FRESH));
        let attempts =
            slots.iter().filter(|slot| slot.wants_reading(now, pause)).map(async |slot| {
                let attempt = self.freshen_list(&slot.sddcs, || slot.refresh(self)).await;
                (slot.id.clone(), attempt.into())
            });
        join_all(attempts).await
    }

    pub(super) async fn freshen_list<T: PartialEq + Send + Sync + 'static>(
        &self,
        kept: &Kept<T>,
        refresh: impl FnOnce() -> Run<Result<(), VmcError>>,
    ) -> Attempt {
        let limit = kept.limit(&self.settings);
        match kept.age() {
            Some(age) if age < self.settings.fresh => Attempt::NotNeeded,
            Some(age) if age <= limit => Attempt::wait(refresh(), Some(PATIENCE)).await,
            _ => Attempt::wait(refresh(), None).await,
        }
    }

    /// What the picture shows of a scope now. Of `services`, those count whose org is shown.
    pub(super) fn look(
        &self,
        scope: &Scope,
        mut service: Service,
        services: &[(OrgId, Service)],
    ) -> Result<Served<View>, Unavailable> {
        let (picture, now) = (self.picture.load(), self.clock.now());
        let (mut shown, mut missing) = (None, Vec::new());
        for (slot, begun) in picture.orgs.iter().filter(|(slot, _)| scope.holds(&slot.id)) {
            let age = begun.map(|begun| now.since(begun));
            // The limit is for as long as upstream fails: what was just read well is shown.
            match age.filter(|age| slot.sddcs.may_show(*age, &self.settings)) {
                Some(age) => {
                    shown = shown.max(Some(age));
                    let own = services.iter().find(|(org, _)| *org == slot.id);
                    service = own.map_or(service, |(_, own)| service.worst(*own));
                }
                None => missing.push(slot),
            }
        }
        let age = match (shown, missing.first(), scope) {
            (Some(oldest), _, _) => oldest,
            (None, Some(first), _) => return Err(first.unavailable()),
            (None, None, Scope::Org(_)) => return Err(Unavailable::NoSuchOrg),
            // All are gone: a wrong base URL looks like that, and no SDDCs would be a wrong answer.
            (None, None, Scope::All) if !self.slots.load().is_empty() => {
                return Err(Unavailable::upstream(Some(Arc::new(VmcError::NotFound)), None));
            }
            // That there is no org is as old as the list of orgs.
            (None, None, Scope::All) => self.directory_age().unwrap_or_default(),
        };
        let missing = missing.into_iter().map(|slot| slot.gap(&slot.unavailable())).collect();
        let content = picture.content.clone();
        Ok(Served { content: View { content, missing }, age, service })
    }

    fn directory_age(&self) -> Option<Duration> {
        match &self.directory {
            Directory::Configured => None,
            Directory::Discovered(discovery) => discovery.orgs.age(),
        }
    }

    /// The slots that a question is about, those of orgs that VMware does not know included.
    pub(super) fn in_scope(&self, scope: &Scope) -> Vec<Arc<Slot>> {
        self.slots.load().iter().filter(|slot| scope.holds(&slot.id)).cloned().collect()
    }

    /// Makes the merged picture anew from what the slots hold.
    pub(super) fn merge(&self) {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = self.slots.load();
        let (mut parts, mut orgs) = (Vec::new(), Vec::new());
        for slot in slots.iter().filter(|slot| !slot.is_gone()) {
            let reading = slot.sddcs.reading();
            orgs.push((slot.clone(), reading.as_ref().map(|reading| reading.begun)));
            parts.extend(
                reading.map(|reading| Part { org: slot.id.clone(), sddcs: reading.content }),
            );
        }
        // `None` sorts first: an org without a reading leaves no oldest one.
        let oldest = orgs.iter().map(|(_, begun)| *begun).min().flatten();
        let before = self.picture.load();
        let content = if before.content.is_of(&parts) {
            before.content.clone()
        } else {
            let revision = self.revisions.fetch_add(1, Ordering::Relaxed) + 1;
            Arc::new(Content::merge(revision, parts))
        };
        self.picture.store(Arc::new(Picture { content, orgs, oldest }));
    }

    /// Opens slots for orgs that have been discovered, and retires those that are not any more.
    pub(super) fn reconcile(self: &Arc<Self>) {
        let Directory::Discovered(discovery) = &self.directory else { return };
        let Some(reading) = discovery.orgs.reading() else { return };
        {
            let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            let mut before: HashMap<_, _> =
                self.slots.load().iter().map(|slot| (slot.id.clone(), slot.clone())).collect();
            let mut slots: Vec<_> = reading
                .content
                .iter()
                .map(|org| before.remove(&org.id).unwrap_or_else(|| self.open(&org.id, discovery)))
                .collect();
            for slot in before.values() {
                tracing::info!(org.id = %slot.id, "organization gone");
                slot.retired.cancel();
            }
            slots.sort_by(|one, other| one.id.cmp(&other.id));
            if let [only] = &*slots {
                discovery.reader.tokens().belongs_to(&only.id);
            }
            self.slots.store(Arc::new(slots));
        }
        self.merge();
    }

    fn open(self: &Arc<Self>, org: &OrgId, discovery: &Discovery) -> Arc<Slot> {
        tracing::info!(org.id = %org, "organization found");
        let slot = Arc::new(Slot::new(org.clone(), discovery.reader.sibling(), self));
        self.spawn_poller(&slot);
        slot
    }

    pub(super) fn spawn_poller(self: &Arc<Self>, slot: &Arc<Slot>) {
        if !self.settings.poll.is_zero() {
            let poller = slot.clone().keep_fresh(self.clone());
            self.tasks.spawn("poller", slot.retired.clone(), poller);
        }
    }
}
