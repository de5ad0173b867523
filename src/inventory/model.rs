//! The documents that callers see (contract section 4.1), and what the snapshot keeps of an SDDC.
//!
//! Each is built field by field by [`mapping`](super::mapping) from an upstream document. The doc
//! comments of documents and fields are the descriptions of the published OpenAPI document. What is
//! absent upstream is `null`, never left out; enumerations are open, so they are plain strings.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{OrgId, SddcId, TaskId};

/// What the snapshot holds of one SDDC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SddcEntry {
    /// The document.
    pub sddc: Sddc,
    /// Its clusters, in VMware's order.
    pub clusters: Vec<Cluster>,
    /// Its hosts, cluster by cluster, in VMware's order.
    pub hosts: Vec<Host>,
    /// Whether `clusters` and `hosts` are all there are.
    pub gaps: PartGaps,
    /// Upstream `version`: grows with every change of the SDDC and tells which copy is newer.
    pub version: Option<i64>,
}

/// Which parts of an SDDC are not known, or not all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartGaps {
    /// Why clusters may be lacking; `None` if all are known.
    pub clusters: Option<GapReason>,
    /// Why hosts may be lacking; `None` if all are known.
    pub hosts: Option<GapReason>,
}

base::closed_set! {
    /// Why something is not in a list, though the organization can be shown. Those that come later are
    /// worse: of two, the worse one is told.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    pub enum GapReason {
        /// There are more tasks than are kept.
        OlderTasks = "older-tasks",
        /// VMware Cloud does not tell.
        NotReported = "not-reported",
        /// VMware Cloud tells something that cannot be read.
        Unreadable = "unreadable",
    }
}

/// Something of an organization that a list does not show, though the organization can be shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// The organization.
    pub org_id: OrgId,
    /// The SDDC whose parts or tasks it is about; `None` if it is about none, or about one whose id
    /// is not known.
    pub sddc_id: Option<SddcId>,
    /// Why.
    pub reason: GapReason,
}

/// What is held of one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskEntry {
    /// The document.
    pub task: Task,
    /// Upstream `version`: grows with every change of the task and tells which copy is newer.
    pub version: Option<i64>,
    /// Upstream `updated`: tells the same where `version` was set back.
    pub updated_at: Option<Timestamp>,
}

/// A software-defined data center (SDDC) on VMware Cloud on AWS.
///
/// Values that VMware Cloud does not give, for instance while an SDDC is being deployed, are `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Sddc {
    /// The SDDC's id: a UUID today, to be treated as opaque. Source: `id`.
    pub id: SddcId,
    /// The organization under which the SDDC was read.
    pub org_id: OrgId,
    /// The name its owners gave it. It can be changed and need not be unique. Source: `name`.
    pub name: Option<Box<str>>,
    /// Life cycle state: `DEPLOYING`, `READY`, `DELETING`, `DELETED`, `FAILED`, `CANCELED`,
    /// `READY_FOR_GLCM_BRINGUP`, or a newer value. Source: `sddc_state`.
    pub state: Option<Box<str>>,
    /// Cloud provider: `AWS`, `ZEROCLOUD` (simulated, for tests), or a newer value. Source:
    /// `provider`, else `resource_config.provider`.
    pub provider: Option<Box<str>>,
    /// Region in VMware's spelling: upper case, underscores. Source: `resource_config.region`.
    pub region: Option<Box<str>>,
    /// `SINGLE_AZ`, `MULTI_AZ` (stretched over two availability zones), or a newer value. Source:
    /// `resource_config.deployment_type`.
    pub deployment_type: Option<Box<str>>,
    /// `DEFAULT`, `1NODE`, or a newer value; often `null`. Source: `sddc_type`.
    pub sddc_type: Option<Box<str>>,
    /// `ENABLED`, `DISABLED`, or a newer value. Source: `sddc_access_state`.
    pub access_state: Option<Box<str>>,
    /// Link to a customer's AWS account: `DELAYED`, `LINKED`, `UNLINKED`, or a newer value. Source:
    /// `account_link_state`.
    pub account_link_state: Option<Box<str>>,
    /// Version of VMware Cloud on AWS. Source: `resource_config.sddc_manifest.vmc_version`.
    pub version: Option<Box<str>>,
    /// When the SDDC was requested, UTC. Source: `created`.
    pub created_at: Option<Timestamp>,
    /// When VMware Cloud last changed its record of the SDDC, UTC. Source: `updated`.
    pub updated_at: Option<Timestamp>,
    /// When the SDDC will be deleted, UTC: set for SDDCs with one host, else `null`. Source:
    /// `expiration_date`.
    pub expires_at: Option<Timestamp>,
    /// Name of the user who created it (personal data). Source: `user_name`.
    pub created_by: Option<Box<str>>,
    /// Number of clusters; `null` unless all are known. Source: `resource_config.clusters`.
    pub cluster_count: Option<u32>,
    /// Number of hosts in all clusters, without witnesses; `null` unless all hosts of every cluster are known.
    pub host_count: Option<u32>,
    /// Number of these hosts in state `READY`; `null` where `host_count` is `null`.
    pub hosts_ready: Option<u32>,
    /// Availability zones, in AWS's spelling; `null` if not known. Source:
    /// `resource_config.availability_zones`, else those of all clusters.
    pub availability_zones: Option<Vec<Box<str>>>,
    /// The vCenter's URL: `https`, without user info, query and fragment. A URL with a loopback,
    /// link-local or unspecified address is shown as `null`. Source: `resource_config.vc_url`.
    pub vcenter_url: Option<Box<str>>,
    /// The NSX manager's URL, under the same rule. Source: `resource_config.nsx_mgr_url`.
    pub nsx_manager_url: Option<Box<str>>,
    /// The SDDC's management network in CIDR notation. Source: `resource_config.vpc_info.vpc_cidr`.
    pub vpc_cidr: Option<Box<str>>,
    /// The capacity of its clusters together; `null` unless all clusters are known and each reports its capacity.
    pub capacity: Option<Capacity>,
}

/// A vSphere cluster of an SDDC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Cluster {
    /// The cluster's id, to be treated as opaque. Source: `cluster_id`.
    pub id: Option<Arc<str>>,
    /// The SDDC it belongs to.
    pub sddc_id: SddcId,
    /// Its name in vCenter. Source: `cluster_name`.
    pub name: Option<Box<str>>,
    /// `DEPLOYING`, `ADDING_HOSTS`, `READY`, `FAILED`, or a newer value. Source: `cluster_state`.
    pub state: Option<Box<str>>,
    /// Availability zones, in AWS's spelling; `null` if not known. Source: `availability_zones`.
    pub availability_zones: Option<Vec<Box<str>>>,
    /// Number of hosts without the witness; `null` unless all are known. Source: `esx_host_list`.
    pub host_count: Option<u32>,
    /// Type of its hosts, in AWS's spelling. Source: `esx_host_info.instance_type`.
    pub instance_type: Option<Box<str>>,
    /// `vsan1`, `vsanesa`, `novsan`, or a newer value; `null` stands for vSAN 1. Source:
    /// `vsan_version`.
    pub vsan_version: Option<Box<str>>,
    /// Whether hyper-threading is on. Source: `hyper_threading_enabled`.
    pub hyper_threading: Option<bool>,
    /// The capacity of its hosts together. Source: `cluster_capacity`.
    pub capacity: Option<Capacity>,
}

/// Computing capacity: the sum over the hosts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Capacity {
    /// Physical CPU cores. Source: `total_number_of_cores`.
    pub cpu_cores: Option<u64>,
    /// CPU frequency in GHz over all cores, rounded to 0.001. Source: `cpu_capacity_ghz`.
    pub cpu_ghz: Option<f64>,
    /// Memory in GiB. Source: `memory_capacity_gib`.
    pub memory_gib: Option<u64>,
    /// Raw storage in GiB. Source: `storage_capacity_gib`.
    pub storage_gib: Option<u64>,
}

/// An ESX host of an SDDC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Host {
    /// The host's id, to be treated as opaque. Source: `esx_id`.
    pub id: Option<Box<str>>,
    /// The SDDC it belongs to.
    pub sddc_id: SddcId,
    /// The cluster it belongs to; `null` if VMware Cloud does not say.
    pub cluster_id: Option<Arc<str>>,
    /// VMware's short name for it. Source: `name`.
    pub name: Option<Box<str>>,
    /// Its DNS name. Source: `hostname`.
    pub hostname: Option<Box<str>>,
    /// `DEPLOYING`, `INITIALIZING`, `PROVISIONED`, `READY`, `DELETING`, `DELETED`, `FAILED`,
    /// `ADDING_TO_VCENTER`, `DELETING_FROM_VCENTER`, `PENDING_CLOUD_DELETION`, or a newer value.
    /// Source: `esx_state`.
    pub state: Option<Box<str>>,
    /// Type of the host, in AWS's spelling. Source: `instance_type`.
    pub instance_type: Option<Box<str>>,
    /// Availability zone, in AWS's spelling. Source: `availability_zone`.
    pub availability_zone: Option<Box<str>>,
    /// When its state last changed, UTC. Source: `state_last_updated`.
    pub state_updated_at: Option<Timestamp>,
}

/// An organization of VMware Cloud: the owner of SDDCs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Org {
    /// The organization's id: a UUID today, to be treated as opaque. Source: `id`.
    pub id: OrgId,
    /// VMware's short name for it. Source: `name`.
    pub name: Option<Box<str>>,
    /// The name its owners gave it. Source: `display_name`.
    pub display_name: Option<Box<str>>,
    /// `CREATED`, `DELETED`, or a newer value. Source: `project_state`.
    pub state: Option<Box<str>>,
    /// For instance `CUSTOMER`. Source: `org_type`.
    #[serde(rename = "type")]
    pub kind: Option<Box<str>>,
    /// When it was created, UTC. Source: `created`.
    pub created_at: Option<Timestamp>,
    /// When VMware Cloud last changed its record of it, UTC. Source: `updated`.
    pub updated_at: Option<Timestamp>,
}

/// A task: work that VMware Cloud does or did on an organization, mostly on one of its SDDCs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Task {
    /// The task's id: a UUID today, to be treated as opaque. Source: `id`.
    pub id: TaskId,
    /// The organization under which the task was read.
    pub org_id: OrgId,
    /// The SDDC that the task works on; `null` if it works on something else. Source: `resource_id`, where
    /// `resource_type` is `sddc`.
    pub sddc_id: Option<SddcId>,
    /// The type of work, such as `SDDC-PROVISION`. VMware publishes no list of types. Source: `task_type`.
    #[serde(rename = "type")]
    pub kind: Option<Box<str>>,
    /// `STARTED`, `CANCELING`, `FINISHED`, `FAILED`, `CANCELED`, or a newer value. Source: `status`.
    pub status: Option<Box<str>>,
    /// A more precise status; VMware publishes no list of values. Source: `sub_status`.
    pub sub_status: Option<Box<str>>,
    /// The phase in progress, such as `SDDC_DEPLOY_GATEWAY`. Source: `phase_in_progress`.
    pub phase: Option<Box<str>>,
    /// Progress in percent. Source: `progress_percent`.
    pub progress_percent: Option<u32>,
    /// Estimated minutes until the end; `null` without an estimate. Source:
    /// `estimated_remaining_minutes`, where it is not below 0.
    pub estimated_remaining_minutes: Option<u32>,
    /// When it began, UTC. Source: `start_time`.
    pub started_at: Option<Timestamp>,
    /// When it ended, UTC; `null` while it runs. Source: `end_time`.
    pub ended_at: Option<Timestamp>,
    /// Name of the user who requested it (personal data). Source: `user_name`.
    pub created_by: Option<Box<str>>,
    /// The task that this one is a part of. Source: `parent_task_id`.
    pub parent_task_id: Option<TaskId>,
    /// Why it failed, in VMware's words for customers, at most 500 characters. Source:
    /// `customer_error_message`, else `localized_error_message`.
    pub error: Option<Box<str>>,
}
