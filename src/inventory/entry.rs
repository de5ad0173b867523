//! What the lists that are merged over all orgs are made of.

use std::{cmp::Ordering, fmt::Debug, mem::size_of};

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    model::{Capacity, Cluster, GapReason, Host, SddcEntry, TaskEntry},
    texts::Texts,
};
use crate::ids::OrgId;

/// One document of a list, with what the merged snapshot has to know of it.
pub trait Entry:
    Texts + Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// Unique among the documents of its org.
    fn id(&self) -> &str;

    /// The org that it was read under.
    fn org(&self) -> &OrgId;

    /// Upstream `version`: tells which of two copies is newer.
    fn version(&self) -> Option<i64>;

    /// Upstream `updated`: tells the same where `version` was set back.
    fn updated_at(&self) -> Option<Timestamp>;

    /// Whether it is of something that was deleted: not every list shows such.
    fn is_deleted(&self) -> bool {
        false
    }

    /// The order of lists for which nothing else was asked.
    fn order(&self, other: &Self) -> Ordering;

    /// Bytes of memory that it takes, its texts included; an estimate.
    fn bytes(&self) -> usize;

    /// Why parts of this kind that belong to it may be lacking; `None` if all are known, or if there
    /// can be none.
    fn gap(&self, _: PartKind) -> Option<GapReason> {
        None
    }
}

/// What an SDDC consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    /// Its clusters.
    Clusters,
    /// Its hosts.
    Hosts,
}

impl Entry for SddcEntry {
    fn id(&self) -> &str {
        self.sddc.id.as_str()
    }

    fn org(&self) -> &OrgId {
        &self.sddc.org_id
    }

    fn version(&self) -> Option<i64> {
        self.version
    }

    fn updated_at(&self) -> Option<Timestamp> {
        self.sddc.updated_at
    }

    /// By name, then id; those without a name last.
    fn order(&self, other: &Self) -> Ordering {
        let key = |entry: &Self| entry.sddc.name.is_none();
        (key(self), &self.sddc.name, &self.sddc.id).cmp(&(
            key(other),
            &other.sddc.name,
            &other.sddc.id,
        ))
    }

    /// A deleted SDDC has no parts any longer.
    fn gap(&self, kind: PartKind) -> Option<GapReason> {
        let gap = match kind {
            PartKind::Clusters => self.gaps.clusters,
            PartKind::Hosts => self.gaps.hosts,
        };
        gap.filter(|_| !self.is_deleted())
    }

    fn is_deleted(&self) -> bool {
        self.sddc.state.as_deref() == Some("DELETED")
    }

    fn bytes(&self) -> usize {
        let sddc = &self.sddc;
        let texts = [
            &sddc.name,
            &sddc.state,
            &sddc.provider,
            &sddc.region,
            &sddc.deployment_type,
            &sddc.sddc_type,
            &sddc.access_state,
            &sddc.account_link_state,
            &sddc.version,
            &sddc.created_by,
            &sddc.vcenter_url,
            &sddc.nsx_manager_url,
            &sddc.vpc_cidr,
        ];
        size_of::<Self>()
            + sddc.id.as_str().len()
            + lengths(texts)
            + zones(sddc.availability_zones.as_deref())
            + self.clusters.iter().map(cluster_bytes).sum::<usize>()
            + self.hosts.iter().map(host_bytes).sum::<usize>()
    }
}

fn cluster_bytes(cluster: &Cluster) -> usize {
    let texts = [&cluster.name, &cluster.state, &cluster.instance_type, &cluster.vsan_version];
    size_of::<Cluster>()
        + size_of::<Option<Capacity>>()
        + cluster.id.as_deref().map_or(0, str::len)
        + lengths(texts)
        + zones(cluster.availability_zones.as_deref())
}

fn host_bytes(host: &Host) -> usize {
    let texts = [
        &host.id,
        &host.name,
        &host.hostname,
        &host.state,
        &host.instance_type,
        &host.availability_zone,
    ];
    size_of::<Host>() + lengths(texts)
}

fn lengths<const N: usize>(texts: [&Option<Box<str>>; N]) -> usize {
    texts.iter().filter_map(|text| text.as_deref()).map(str::len).sum()
}

fn zones(zones: Option<&[Box<str>]>) -> usize {
    zones.unwrap_or_default().iter().map(|zone| size_of::<Box<str>>() + zone.len()).sum()
}

impl Entry for TaskEntry {
    fn id(&self) -> &str {
        self.task.id.as_str()
    }

    fn org(&self) -> &OrgId {
        &self.task.org_id
    }

    fn version(&self) -> Option<i64> {
        self.version
    }

    fn updated_at(&self) -> Option<Timestamp> {
        self.updated_at
    }

    /// The newest first, then by id; those without a start last.
    fn order(&self, other: &Self) -> Ordering {
        let newest = other.task.started_at.cmp(&self.task.started_at);
        newest.then_with(|| self.task.id.cmp(&other.task.id))
    }

    fn bytes(&self) -> usize {
        let task = &self.task;
        let texts = [
            &task.kind,
            &task.status,
            &task.sub_status,
            &task.phase,
            &task.created_by,
            &task.error,
        ];
        let ids = [task.sddc_id.as_ref().map(|id| id.as_str().len())];
        size_of::<Self>()
            + task.id.as_str().len()
            + ids.iter().flatten().sum::<usize>()
            + lengths(texts)
    }
}
