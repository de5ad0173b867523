//! From VMware's documents to ours (contract section 4.1, "Mapping").
//!
//! Flow: [`wire`] types → [`SddcEntry`], [`TaskEntry`](super::model::TaskEntry), [`Org`].
//!
//! What is absent or odd becomes `null`; nothing is guessed. Sums and counts over something that is
//! not wholly known are `null` too: a number that is too low looks like a true one. An empty text is
//! `null`, and no text quotes a secret that the gateway holds. The same upstream document always
//! gives the same document while the same secrets are held.

#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod public_url;
mod task;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    sync::Arc,
};

pub use self::task::{MAX_SDDC_TASKS, MAX_TASKS, TaskList, tasks};

use super::{
    model::{Capacity, Cluster, GapReason, Host, Org, PartGaps, Sddc, SddcEntry},
    texts::Texts,
};
use crate::{
    csp::Scrubber,
    ids::{OrgId, SddcId},
    vmc::{Lenient, OddCount, wire},
};

/// Maps a list of SDDCs of one org. What has no usable id, or is another organization's, is left out
/// and counted; of an id that is there twice only the newer copy stays. `scrubber` takes the
/// gateway's own secrets out of all texts.
pub fn sddcs(
    wires: Vec<Lenient<wire::Sddc>>,
    org: &OrgId,
    odd: &mut OddCount,
    scrubber: &Scrubber,
) -> Vec<SddcEntry> {
    let read = |wire, odd: &mut OddCount| SddcEntry::from_wire(wire, org, odd, scrubber);
    distinct(wires, odd, read, |entry| (&entry.sddc.id, entry.version))
}

/// Maps a list of organizations. What has no usable id is left out and counted.
pub fn orgs(wires: Vec<Lenient<wire::Org>>, odd: &mut OddCount, scrubber: &Scrubber) -> Vec<Org> {
    let read = |wire, odd: &mut OddCount| Org::from_wire(wire, odd, scrubber);
    wires.into_iter().filter_map(|wire| document(wire, odd, read)).collect()
}

/// Reads each element of a list. `key` is an entry's id and version: of an id that is there twice
/// only the newer copy stays, in the place of the first.
fn distinct<W, E, I: Clone + Eq + Hash>(
    wires: Vec<Lenient<W>>,
    odd: &mut OddCount,
    read: impl Fn(W, &mut OddCount) -> Option<E>,
    key: impl Fn(&E) -> (&I, Option<i64>),
) -> Vec<E> {
    let mut entries: Vec<E> = Vec::with_capacity(wires.len());
    let mut places: HashMap<I, usize> = HashMap::with_capacity(wires.len());
    for wire in wires {
        let before = odd.documents;
        let Some(entry) = document(wire, odd, &read) else { continue };
        let (id, version) = key(&entry);
        match places.entry(id.clone()) {
            Entry::Vacant(place) => {
                place.insert(entries.len());
                entries.push(entry);
            }
            Entry::Occupied(place) => {
                odd.skipped += 1;
                // It may have been counted for its fields already.
                odd.documents = before + 1;
                let kept = &mut entries[*place.get()];
                if version > key(kept).1 {
                    *kept = entry;
                }
            }
        }
    }
    entries
}

fn document<W, T>(
    wire: Lenient<W>,
    odd: &mut OddCount,
    read: impl FnOnce(W, &mut OddCount) -> Option<T>,
) -> Option<T> {
    match wire {
        Lenient::Value(wire) => read(wire, odd),
        Lenient::Absent | Lenient::Odd => odd.document(|_| None),
    }
}

impl SddcEntry {
    /// Maps one SDDC that was read under `org`; `None` if it has no usable id, or says that it is
    /// another organization's.
    pub fn from_wire(
        wire: wire::Sddc,
        org: &OrgId,
        odd: &mut OddCount,
        scrubber: &Scrubber,
    ) -> Option<Self> {
        odd.document(|odd| sddc(wire, org, odd, scrubber))
    }
}

impl Org {
    /// Maps one organization; `None` if it has no usable id.
    pub fn from_wire(wire: wire::Org, odd: &mut OddCount, scrubber: &Scrubber) -> Option<Self> {
        odd.document(|odd| {
            let mut org = Self {
                id: wire.id.known(odd)?.parse().ok()?,
                name: wire.name.known(odd),
                display_name: wire.display_name.known(odd),
                state: wire.state.known(odd),
                kind: wire.kind.known(odd),
                created_at: wire.created.known(odd),
                updated_at: wire.updated.known(odd),
            };
            org.make_fit_to_show(scrubber);
            scrubber.is_clean(org.id.as_str()).then_some(org)
        })
    }
}

/// Whether a document is of the organization that it was read under, as far as it tells.
fn is_of(org: &OrgId, told: Lenient<Box<str>>, odd: &mut OddCount) -> bool {
    let told = told.known(odd).filter(|told| !told.is_empty());
    let is_ours = told.is_none_or(|told| *told == *org.as_str());
    odd.foreign += usize::from(!is_ours);
    is_ours
}

fn sddc(
    wire: wire::Sddc,
    org: &OrgId,
    odd: &mut OddCount,
    scrubber: &Scrubber,
) -> Option<SddcEntry> {
    let id: SddcId = wire.id.known(odd)?.parse().ok()?;
    // An id with a secret in it could not be shown.
    if !is_of(org, wire.org_id, odd) || !scrubber.is_clean(id.as_str()) {
        return None;
    }
    // Before it is judged, as a secret in the host leaves no URL.
    let url = |url: Lenient<Box<str>>, odd: &mut OddCount| {
        public_url::shown(url.known(odd).map(|url| scrubber.scrub(url)), odd)
    };
    let is_unreadable = matches!(wire.resource_config, Lenient::Odd);
    let config = wire.resource_config.known(odd).unwrap_or_default();
    let mut parts = SddcParts::read(&id, config.clusters, config.esx_hosts, odd);
    if is_unreadable {
        let unreadable = Some(GapReason::Unreadable);
        parts.gaps = PartGaps { clusters: unreadable, hosts: unreadable };
    }
    let zones = config.availability_zones.known_items(odd);
    let zones: Option<Vec<Box<str>>> =
        zones.map(|zones| zones.into_iter().filter(|zone| !zone.is_empty()).collect());
    let provider = config.provider.known(odd);
    let sddc = Sddc {
        id,
        org_id: org.clone(),
        name: wire.name.known(odd),
        state: wire.state.known(odd),
        provider: wire.provider.known(odd).filter(|it| !it.is_empty()).or(provider),
        region: config.region.known(odd),
        deployment_type: config.deployment_type.known(odd),
        sddc_type: wire.kind.known(odd),
        access_state: wire.access_state.known(odd),
        account_link_state: wire.account_link_state.known(odd),
        version: config.sddc_manifest.known(odd).and_then(|it| it.vmc_version.known(odd)),
        created_at: wire.created.known(odd),
        updated_at: wire.updated.known(odd),
        expires_at: wire.expiration_date.known(odd),
        created_by: wire.user_name.known(odd),
        cluster_count: parts.all_clusters().map(count),
        host_count: parts.host_count(),
        hosts_ready: parts.hosts_ready(),
        availability_zones: match zones {
            Some(zones) if !zones.is_empty() => Some(zones),
            none => parts.zones().or(none),
        },
        vcenter_url: url(config.vc_url, odd),
        nsx_manager_url: url(config.nsx_mgr_url, odd),
        vpc_cidr: config.vpc_info.known(odd).and_then(|it| it.vpc_cidr.known(odd)),
        capacity: parts.all_clusters().and_then(total),
    };
    let version = wire.version.known(odd);
    let SddcParts { clusters, hosts, gaps } = parts;
    let mut entry = SddcEntry { sddc, clusters, hosts, gaps, version };
    entry.make_fit_to_show(scrubber);
    Some(entry)
}

/// An SDDC's clusters and hosts: those that can be read.
struct SddcParts {
    clusters: Vec<Cluster>,
    hosts: Vec<Host>,
    gaps: PartGaps,
}

impl SddcParts {
    /// `esx_hosts` repeats the hosts of the first cluster: it is used only where no cluster lists
    /// its own, and then tells the hosts' cluster only if there is just one.
    fn read(
        sddc: &SddcId,
        clusters: Lenient<wire::List<wire::Cluster>>,
        esx_hosts: Lenient<wire::List<wire::Host>>,
        odd: &mut OddCount,
    ) -> Self {
        let (esx_hosts, esx_gap) = listed(esx_hosts, odd);
        let (wires, clusters_gap) = listed(clusters, odd);
        let (mut hosts, mut witnesses) = (Vec::new(), Vec::new());
        let (mut hosts_gap, mut own_lists) = (None, false);
        let read = |wire| {
            let (cluster, own, gap) = cluster(wire, sddc, &mut witnesses, odd);
            hosts_gap = hosts_gap.max(gap);
            own_lists |= own.is_some();
            hosts.extend(own.unwrap_or_default());
            cluster
        };
        let mut clusters: Vec<_> = wires.unwrap_or_default().into_iter().map(read).collect();
        if !own_lists && let Some(wires) = esx_hosts {
            let only = if let [only] = &mut *clusters { Some(only) } else { None };
            let only = only.filter(|_| clusters_gap.is_none());
            let id = only.as_ref().and_then(|only| only.id.clone());
            hosts = members(wires, sddc, id.as_ref(), &witnesses, odd);
            hosts_gap = esx_gap;
            if let Some(only) = only {
                only.host_count = hosts_gap.is_none().then(|| count(&hosts));
            }
        }
        hosts.shrink_to_fit();
        // A cluster that is not known may have hosts that are not known.
        let gaps = PartGaps { clusters: clusters_gap, hosts: hosts_gap.max(clusters_gap) };
        Self { clusters, hosts, gaps }
    }

    /// The clusters, if all are known.
    fn all_clusters(&self) -> Option<&[Cluster]> {
        self.gaps.clusters.is_none().then_some(&self.clusters)
    }

    fn host_count(&self) -> Option<u32> {
        self.gaps.hosts.is_none().then(|| count(&self.hosts))
    }

    fn hosts_ready(&self) -> Option<u32> {
        let ready = self.hosts.iter().filter(|host| host.state.as_deref() == Some("READY"));
        self.gaps.hosts.is_none().then(|| saturating(ready.count()))
    }

    /// The zones of all clusters, each once, in the order of their first mention.
    fn zones(&self) -> Option<Vec<Box<str>>> {
        let mut zones = None;
        for of_one in self.clusters.iter().filter_map(|it| it.availability_zones.as_ref()) {
            let zones: &mut Vec<Box<str>> = zones.get_or_insert_default();
            for zone in of_one {
                if !zones.contains(zone) {
                    zones.push(zone.clone());
                }
            }
        }
        zones
    }
}

/// The elements of a list that can be read, if it is a list, and why some may be lacking.
fn listed<T>(
    list: Lenient<wire::List<T>>,
    odd: &mut OddCount,
) -> (Option<Vec<T>>, Option<GapReason>) {
    let gap = match &list {
        Lenient::Absent => Some(GapReason::NotReported),
        Lenient::Odd => Some(GapReason::Unreadable),
        Lenient::Value(items) => {
            let is_whole = items.iter().all(|item| matches!(item, Lenient::Value(_)));
            (!is_whole).then_some(GapReason::Unreadable)
        }
    };
    (list.known_items(odd), gap)
}

/// Maps a cluster, adding its witness to those of the SDDC. Gives its hosts, if it lists them, and
/// why some may be lacking.
fn cluster(
    wire: wire::Cluster,
    sddc: &SddcId,
    witnesses: &mut Vec<Box<str>>,
    odd: &mut OddCount,
) -> (Cluster, Option<Vec<Host>>, Option<GapReason>) {
    let id: Option<Arc<str>> = wire.id.known(odd).map(Arc::from);
    let witness = wire.witness.known(odd).and_then(|it| it.id.known(odd));
    witnesses.extend(witness.filter(|id| !id.is_empty()));
    let (own, gap) = listed(wire.hosts, odd);
    let own = own.map(|wires| members(wires, sddc, id.as_ref(), witnesses, odd));
    let host_count = own.as_deref().filter(|_| gap.is_none()).map(count);
    let cluster = Cluster {
        id,
        sddc_id: sddc.clone(),
        name: wire.name.known(odd),
        state: wire.state.known(odd),
        availability_zones: wire.availability_zones.known_items(odd),
        host_count,
        instance_type: wire.host_info.known(odd).and_then(|it| it.instance_type.known(odd)),
        vsan_version: wire.vsan_version.known(odd),
        hyper_threading: wire.hyper_threading.known(odd),
        capacity: wire.capacity.known(odd).and_then(|wire| capacity(wire, odd)),
    };
    (cluster, own, gap)
}

/// Maps a list of hosts, less the witness.
fn members(
    wires: Vec<wire::Host>,
    sddc: &SddcId,
    cluster: Option<&Arc<str>>,
    witnesses: &[Box<str>],
    odd: &mut OddCount,
) -> Vec<Host> {
    let host = |wire: wire::Host| Host {
        id: wire.id.known(odd),
        sddc_id: sddc.clone(),
        cluster_id: cluster.cloned(),
        name: wire.name.known(odd),
        hostname: wire.hostname.known(odd),
        state: wire.state.known(odd),
        instance_type: wire.instance_type.known(odd),
        availability_zone: wire.availability_zone.known(odd),
        state_updated_at: wire.state_last_updated.known(odd),
    };
    let witness = |host: &Host| host.id.as_ref().is_some_and(|id| witnesses.contains(id));
    wires.into_iter().map(host).filter(|host| !witness(host)).collect()
}

/// A capacity of which nothing can be read is none.
fn capacity(wire: wire::Capacity, odd: &mut OddCount) -> Option<Capacity> {
    let ghz = match wire.cpu_ghz {
        Lenient::Value(negative) if negative < 0.0 => Lenient::Odd,
        ghz => ghz,
    };
    let capacity = Capacity {
        cpu_cores: wire.cores.known(odd),
        cpu_ghz: ghz.known(odd).and_then(rounded),
        memory_gib: wire.memory_gib.known(odd),
        storage_gib: wire.storage_gib.known(odd),
    };
    (capacity != NOTHING_KNOWN).then_some(capacity)
}

const NOTHING_KNOWN: Capacity =
    Capacity { cpu_cores: None, cpu_ghz: None, memory_gib: None, storage_gib: None };

/// The clusters' sum, part by part: `null` if one lacks it.
fn total(clusters: &[Cluster]) -> Option<Capacity> {
    let each: Vec<Capacity> = clusters.iter().map(|it| it.capacity).collect::<Option<_>>()?;
    let whole = |part: fn(&Capacity) -> Option<u64>| {
        each.iter().try_fold(0_u64, |sum, of_one| sum.checked_add(part(of_one)?))
    };
    let total = Capacity {
        cpu_cores: whole(|it| it.cpu_cores),
        cpu_ghz: each.iter().try_fold(0.0, |sum, it| Some(sum + it.cpu_ghz?)).and_then(rounded),
        memory_gib: whole(|it| it.memory_gib),
        storage_gib: whole(|it| it.storage_gib),
    };
    (total != NOTHING_KNOWN).then_some(total)
}

/// Rounded to 0.001: the sum of 82.8 and 82.8 and 82.8 is 248.4, not 248.39999999999998.
fn rounded(ghz: f64) -> Option<f64> {
    // Adding zero turns -0.0 into 0.0.
    Some((ghz * 1000.0).round() / 1000.0 + 0.0).filter(|ghz| ghz.is_finite())
}

fn count<T>(items: &[T]) -> u32 {
    saturating(items.len())
}

fn saturating(count: usize) -> u32 {
    count.try_into().unwrap_or(u32::MAX)
}
