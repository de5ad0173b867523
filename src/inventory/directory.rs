//! Which organizations are served: those of `vmc.orgs`, or those that the app's token can see.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{
    belief::CONFIRM_AFTER,
    inner::Inner,
    kept::{Kept, Verdict},
    mapping,
    model::Org,
    slot,
};
use crate::{
    clock::Instant,
    ids::OrgId,
    single_flight::InFlightCall,
    telemetry::Metrics,
    upstream::{InvalidResponse, Priority},
    vmc::{Endpoint, OddCount, Reader, VmcError, wire},
};

/// The source of the list of organizations.
#[derive(Debug)]
pub(super) enum Directory {
    /// `vmc.orgs`: fixed.
    Configured,
    /// `GET /vmc/api/orgs`.
    Discovered(Box<Discovery>),
}

/// The discovered organizations and how they are read.
#[derive(Debug)]
pub(super) struct Discovery {
    pub(super) reader: Reader,
    pub(super) orgs: Kept<Vec<Org>>,
    /// Orgs that the last list lacked, and since when: absent twice running, they are dropped.
    absent: Mutex<Vec<(OrgId, Instant)>>,
    /// The list that was read first has been acted on: until then that no org is served says nothing.
    is_served: AtomicBool,
}

impl Discovery {
    pub(super) fn new(reader: Reader, orgs: Kept<Vec<Org>>) -> Self {
        Self { reader, orgs, absent: Mutex::default(), is_served: AtomicBool::new(false) }
    }

    /// How old the list is by which orgs are served; `None` before there is one.
    pub(super) fn age(&self) -> Option<Duration> {
        self.is_served.load(Ordering::Acquire).then(|| self.orgs.age()).flatten()
    }

    /// The orgs of the list are served now.
    pub(super) fn note_served(&self) {
        self.is_served.store(true, Ordering::Release);
    }

    /// Keeps those orgs that a list lacks for the first time, and all that one lacks which has elements
    /// without a usable id: each of these may be one of them.
    fn believe(&self, listed: OrgsListed, begun: Instant) -> Vec<Org> {
        let OrgsListed { mut orgs, without_id } = listed;
        let mut absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.orgs.reading().map(|reading| reading.content).unwrap_or_default();
        let since = |org: &Org| absent.iter().find(|(id, _)| *id == org.id).map(|(_, at)| *at);
        let lacking = before.iter().filter(|org| orgs.iter().all(|other| other.id != org.id));
        let kept: Vec<_> = lacking
            .map(|org| (org.clone(), since(org).unwrap_or(begun)))
            .filter(|(_, since)| without_id > 0 || begun < *since + CONFIRM_AFTER)
            .collect();
        if without_id > 0 {
            // Whatever else it says, an org that is there is not absent.
            absent.retain(|(id, _)| orgs.iter().all(|org| org.id != *id));
            tracing::warn!(
                without_id,
                kept = kept.len(),
                "elements without a usable id in the list of organizations: none is dropped"
            );
        } else {
            *absent = kept.iter().map(|(org, since)| (org.id.clone(), *since)).collect();
        }
        orgs.extend(kept.into_iter().map(|(org, _)| org));
        sort(&mut orgs);
        orgs
    }

    /// Joins or starts the refresh of the list; slots are opened and retired before its waiters go
    /// on.
    pub(super) fn refresh(
        &self,
        inner: &Arc<Inner>,
        priority: Priority,
    ) -> InFlightCall<Result<(), VmcError>> {
        self.orgs.refresh(|| {
            let inner = inner.clone();
            async move {
                let Directory::Discovered(discovery) = &inner.directory else { return Ok(()) };
                let begun = inner.clock.now();
                let read = async {
                    let listed = list_orgs(&discovery.reader, priority, &inner.metrics, 1).await?;
                    Ok(Verdict::Believed(discovery.believe(listed, begun)))
                };
                let outcome = discovery.orgs.update(false, begun, read).await;
                discovery.reader.set_has_snapshot(discovery.orgs.reading().is_some());
                match &outcome {
                    Ok(()) => inner.reconcile(),
                    Err(error) if error.is_held() => {}
                    Err(error) => tracing::warn!(%error, "organizations not refreshed"),
                }
                outcome
            }
        })
    }

    /// Refreshes the list once it is due: after `inventory.poll`, or when the circuit breaker lets it
    /// after a failure. Where nothing is polled, only while somebody watches.
    pub(super) async fn keep_fresh(&self, inner: &Arc<Inner>) {
        if inner.settings.poll.is_zero() {
            inner.changes.watched().await;
        }
        slot::poll_is_due(&self.orgs, &self.reader, Endpoint::Orgs, inner, Duration::ZERO).await;
        if inner.wants_poll() {
            let _ = self.refresh(inner, Priority::Poller).result().await;
        }
    }
}

/// A list of organizations as it was read.
#[derive(Debug)]
struct OrgsListed {
    /// Those with a usable id, each once, ordered by name, then id.
    orgs: Vec<Org>,
    /// How many others there are.
    without_id: usize,
}

/// The organizations that the token can see, ordered by name, then id.
pub(crate) async fn read_orgs(
    reader: &Reader,
    priority: Priority,
    metrics: &Metrics,
) -> Result<Vec<Org>, VmcError> {
    Ok(list_orgs(reader, priority, metrics, 0).await?.orgs)
}

/// Reads a list of at least so many elements: that an app which is served has no organization is no
/// more to be believed than that VMware knows none of them.
async fn list_orgs(
    reader: &Reader,
    priority: Priority,
    metrics: &Metrics,
    min: usize,
) -> Result<OrgsListed, VmcError> {
    let tokens = reader.tokens().clone();
    let read = reader.read(Endpoint::Orgs, priority, move |body| {
        let wires =
            wire::parse_orgs(body).map_err(|_| InvalidResponse::Body("a list of organizations"))?;
        let mut odd = OddCount::default();
        let listed = wires.len();
        let orgs = mapping::orgs(wires, &mut odd, &tokens.scrubber());
        if listed < min || (listed > 0 && orgs.is_empty()) {
            return Err(InvalidResponse::Body("a list of organizations with usable ids").into());
        }
        Ok((orgs, odd))
    });
    let (mut orgs, odd) = read.await?;
    metrics.odd_documents(odd.documents);
    let mut seen = HashSet::new();
    orgs.retain(|org| seen.insert(org.id.clone()));
    sort(&mut orgs);
    Ok(OrgsListed { orgs, without_id: odd.without_id })
}

/// One organization.
pub(crate) async fn read_org(
    reader: &Reader,
    id: &OrgId,
    priority: Priority,
    metrics: &Metrics,
) -> Result<Org, VmcError> {
    const NO_ORG: InvalidResponse = InvalidResponse::Body("an organization");
    let (tokens, asked) = (reader.tokens().clone(), id.clone());
    let read = reader.read(Endpoint::Org(id), priority, move |body| {
        let wire = wire::parse_org(body).map_err(|_| NO_ORG)?;
        let mut odd = OddCount::default();
        let org = Org::from_wire(wire, &mut odd, &tokens.scrubber()).ok_or(NO_ORG)?;
        if org.id != asked {
            return Err(NO_ORG.into());
        }
        Ok((org, odd))
    });
    let (org, odd) = read.await?;
    metrics.odd_documents(odd.documents);
    Ok(org)
}

/// By name, then id; those without a name last.
pub(super) fn sort(orgs: &mut [Org]) {
    orgs.sort_by(|one, other| {
        let key = |org: &Org| (org.name.is_none(), org.name.clone(), org.id.clone());
        key(one).cmp(&key(other))
    });
}
