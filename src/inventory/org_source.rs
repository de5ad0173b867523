//! Which organizations are served: those of `vmc.orgs`, or those that the app's token can see.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    cached::CachedResource, mapping, model::Org, outcome::Unavailable, state::CONFIRM_AFTER,
};
use crate::{
    clock::Instant,
    ids::OrgId,
    telemetry::Metrics,
    upstream::{InvalidResponse, Priority},
    vmc::{Endpoint, OddCount, Reader, VmcError, wire},
};

/// VMware answers so to an app without a role.
const NO_ORGS: &str = "the app's token cannot see any organization: give the app a read-only role of the \
                       VMware Cloud on AWS service in its organization, or name the organizations to serve \
                       in vmc.orgs";

/// The source of the list of organizations.
#[derive(Debug)]
pub(super) enum OrgSource {
    /// `vmc.orgs`: fixed.
    Configured,
    /// `GET /vmc/api/orgs`.
    Discovered(Box<OrgDiscovery>),
}

/// The discovered organizations and how they are read.
#[derive(Debug)]
pub(super) struct OrgDiscovery {
    pub(super) reader: Reader,
    pub(super) orgs: CachedResource<Vec<Org>>,
    /// Orgs that the last list lacked, and since when: absent twice running, they are dropped.
    absent: Mutex<Vec<(OrgId, Instant)>>,
    /// The list that was read first has been acted on: until then that no org is served says nothing.
    is_served: AtomicBool,
}

impl OrgDiscovery {
    pub(super) fn new(reader: Reader, orgs: CachedResource<Vec<Org>>) -> Self {
        Self { reader, orgs, absent: Mutex::default(), is_served: AtomicBool::new(false) }
    }

    /// How old the list is by which orgs are served; `None` before there is one.
    pub(super) fn age(&self) -> Option<Duration> {
        self.is_served.load(Ordering::Acquire).then(|| self.orgs.age()).flatten()
    }

    /// Why the list cannot be shown; `failure` is the asker's own.
    pub(super) fn unavailable(&self, failure: Option<Arc<VmcError>>) -> Unavailable {
        let error = self.orgs.last_error().or(failure);
        Unavailable::upstream(error, self.reader.held_for(Endpoint::Orgs))
    }

    /// The orgs of the list are served now.
    pub(super) fn note_served(&self) {
        self.is_served.store(true, Ordering::Release);
    }

    /// The lists that this replica read last are not the last ones any longer: another one has read since.
    pub(super) fn forget_absences(&self) {
        self.absent.lock().clear();
    }

    /// Keeps those orgs that a list lacks for the first time, and all that one lacks which has elements
    /// without a usable id: each of these may be one of them.
    pub(super) fn believe(&self, listed: ListedOrgs, begun: Instant) -> Vec<Org> {
        let ListedOrgs { mut orgs, without_id } = listed;
        let mut absent = self.absent.lock();
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
                "the list of organizations has elements without a usable id: no organization is dropped"
            );
        } else {
            *absent = kept.iter().map(|(org, since)| (org.id.clone(), *since)).collect();
        }
        orgs.extend(kept.into_iter().map(|(org, _)| org));
        sort(&mut orgs);
        orgs
    }
}

/// A list of organizations as it was read.
#[derive(Debug)]
pub(super) struct ListedOrgs {
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

/// Reads a list of at least so many elements: that an app which is served has no organization is as
/// little to be believed as that VMware knows none of them.
pub(super) async fn list_orgs(
    reader: &Reader,
    priority: Priority,
    metrics: &Metrics,
    min: usize,
) -> Result<ListedOrgs, VmcError> {
    let tokens = reader.tokens().clone();
    let read = reader.read(Endpoint::Orgs, priority, move |body| {
        let wires =
            wire::parse_orgs(body).map_err(|_| InvalidResponse::Body("a list of organizations"))?;
        let mut odd = OddCount::default();
        let listed = wires.len();
        let orgs = mapping::orgs(wires, &mut odd, &tokens.scrubber());
        if listed < min {
            return Err(InvalidResponse::Implausible(NO_ORGS).into());
        }
        if listed > 0 && orgs.is_empty() {
            return Err(InvalidResponse::Body("a list of organizations with usable ids").into());
        }
        Ok((orgs, odd))
    });
    let (mut orgs, odd) = read.await?;
    metrics.odd_documents(odd.documents);
    let mut seen = HashSet::new();
    orgs.retain(|org| seen.insert(org.id.clone()));
    sort(&mut orgs);
    Ok(ListedOrgs { orgs, without_id: odd.without_id })
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
