//! The documents that callers see (contract section 4.1), and what the picture keeps of an SDDC.
//!
//! Each is built field by field by [`mapping`](super::mapping) from an upstream document. The doc
//! comments of documents and fields are the descriptions of the published OpenAPI document. What is
//! absent upstream is `null`, never left out; enumerations are open, so they are plain strings.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{OrgId, SddcId, TaskId};

/// What the picture holds of one SDDC.
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

/// Why something is not in a list, though the organization can be shown. Those that come later are
/// worse: of two, the worse one is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapReason {
    /// There are more tasks than are kept.
    OlderTasks,
    /// VMware Cloud does not tell.
    NotReported,
    /// VMware Cloud tells something that cannot be read.
    Unreadable,
}

impl GapReason {
    /// As `missing` tells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OlderTasks => "older-tasks",
            Self::NotReported => "not-reported",
            Self::Unreadable => "unreadable",
        }
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sddc {
    /// The SDDC's id: a UUID today, to be treated as opaque. Source: `id`.
    #[schema(value_type = String, example = "5ddc0000-0000-4000-8000-000000000001")]
    pub id: SddcId,
    /// The organization under which the SDDC was read.
    #[schema(value_type = String, example = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d")]
    pub org_id: OrgId,
    /// The name its owners gave it. It can be changed and need not be unique. Source: `name`.
    #[schema(required = true, example = "prod-stretched")]
    pub name: Option<Box<str>>,
    /// Life cycle state: `DEPLOYING`, `READY`, `DELETING`, `DELETED`, `FAILED`, `CANCELED`,
    /// `READY_FOR_GLCM_BRINGUP`, or a newer value. Source: `sddc_state`.
    #[schema(required = true, example = "READY")]
    pub state: Option<Box<str>>,
    /// Cloud provider: `AWS`, `ZEROCLOUD` (simulated, for tests), or a newer value. Source:
    /// `provider`, else `resource_config.provider`.
    #[schema(required = true, example = "AWS")]
    pub provider: Option<Box<str>>,
    /// Region in VMware's spelling: upper case, underscores. Source: `resource_config.region`.
    #[schema(required = true, example = "US_WEST_2")]
    pub region: Option<Box<str>>,
    /// `SINGLE_AZ`, `MULTI_AZ` (stretched over two availability zones), or a newer value. Source:
    /// `resource_config.deployment_type`.
    #[schema(required = true, example = "MULTI_AZ")]
    pub deployment_type: Option<Box<str>>,
    /// `DEFAULT`, `1NODE`, or a newer value; often `null`. Source: `sddc_type`.
    #[schema(required = true, example = "DEFAULT")]
    pub sddc_type: Option<Box<str>>,
    /// `ENABLED`, `DISABLED`, or a newer value. Source: `sddc_access_state`.
    #[schema(required = true, example = "ENABLED")]
    pub access_state: Option<Box<str>>,
    /// Link to a customer's AWS account: `DELAYED`, `LINKED`, `UNLINKED`, or a newer value. Source:
    /// `account_link_state`.
    #[schema(required = true, example = "LINKED")]
    pub account_link_state: Option<Box<str>>,
    /// Version of VMware Cloud on AWS. Source: `resource_config.sddc_manifest.vmc_version`.
    #[schema(required = true, example = "1.24")]
    pub version: Option<Box<str>>,
    /// When the SDDC was asked for, UTC. Source: `created`.
    #[schema(required = true, example = "2024-11-05T09:12:31.000705Z")]
    pub created_at: Option<Timestamp>,
    /// When VMware Cloud last changed its record of the SDDC, UTC. Source: `updated`.
    #[schema(required = true, example = "2025-03-18T02:17:04Z")]
    pub updated_at: Option<Timestamp>,
    /// When the SDDC will be deleted, UTC: set for SDDCs with one host, else `null`. Source:
    /// `expiration_date`.
    #[schema(required = true, example = json!(null))]
    pub expires_at: Option<Timestamp>,
    /// Name of the user who created it (personal data). Source: `user_name`.
    #[schema(required = true, example = "ops-bot@example.com")]
    pub created_by: Option<Box<str>>,
    /// Number of clusters; `null` unless all are known. Source: `resource_config.clusters`.
    #[schema(required = true, example = 2)]
    pub cluster_count: Option<u32>,
    /// Number of hosts in all clusters, witnesses apart; `null` unless all of every cluster are known.
    #[schema(required = true, example = 10)]
    pub host_count: Option<u32>,
    /// Number of these hosts in state `READY`; `null` where `host_count` is.
    #[schema(required = true, example = 10)]
    pub hosts_ready: Option<u32>,
    /// Availability zones, in AWS's spelling; `null` if not known. Source:
    /// `resource_config.availability_zones`, else those of the clusters together.
    #[schema(required = true, example = json!(["us-west-2a", "us-west-2b"]))]
    pub availability_zones: Option<Vec<Box<str>>>,
    /// The vCenter's URL: `https`, without user info, query and fragment, never one of the reader's own machine or link
    /// (else `null`). Source: `resource_config.vc_url`.
    #[schema(required = true, example = "https://vcenter.sddc-192-0-2-10.vmwarevmc.example/")]
    pub vcenter_url: Option<Box<str>>,
    /// The NSX manager's URL, under the same rule. Source: `resource_config.nsx_mgr_url`.
    #[schema(required = true, example = "https://nsxManager.sddc-192-0-2-10.vmwarevmc.example/")]
    pub nsx_manager_url: Option<Box<str>>,
    /// Network of the SDDC's management, CIDR. Source: `resource_config.vpc_info.vpc_cidr`.
    #[schema(required = true, example = "10.72.0.0/16")]
    pub vpc_cidr: Option<Box<str>>,
    /// What its clusters add up to; `null` unless all are known and each tells its capacity.
    #[schema(required = true)]
    pub capacity: Option<Capacity>,
}

/// A vSphere cluster of an SDDC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Cluster {
    /// The cluster's id, to be treated as opaque. Source: `cluster_id`.
    #[schema(value_type = Option<String>, required = true, example = "c1a57e40-0000-4000-8000-000000000001")]
    pub id: Option<Arc<str>>,
    /// The SDDC it belongs to.
    #[schema(value_type = String, example = "5ddc0000-0000-4000-8000-000000000001")]
    pub sddc_id: SddcId,
    /// Its name in vCenter. Source: `cluster_name`.
    #[schema(required = true, example = "Cluster-1")]
    pub name: Option<Box<str>>,
    /// `DEPLOYING`, `ADDING_HOSTS`, `READY`, `FAILED`, or a newer value. Source: `cluster_state`.
    #[schema(required = true, example = "READY")]
    pub state: Option<Box<str>>,
    /// Availability zones, in AWS's spelling; `null` if not known. Source: `availability_zones`.
    #[schema(required = true, example = json!(["us-west-2a", "us-west-2b"]))]
    pub availability_zones: Option<Vec<Box<str>>>,
    /// Number of hosts, the witness apart; `null` unless all are known. Source: `esx_host_list`.
    #[schema(required = true, example = 4)]
    pub host_count: Option<u32>,
    /// Type of its hosts, in AWS's spelling. Source: `esx_host_info.instance_type`.
    #[schema(required = true, example = "i4i.metal")]
    pub instance_type: Option<Box<str>>,
    /// `vsan1`, `vsanesa`, `novsan`, or a newer value; `null` stands for vSAN 1. Source:
    /// `vsan_version`.
    #[schema(required = true, example = "vsan1")]
    pub vsan_version: Option<Box<str>>,
    /// Whether hyper-threading is on. Source: `hyper_threading_enabled`.
    #[schema(required = true, example = false)]
    pub hyper_threading: Option<bool>,
    /// What its hosts add up to. Source: `cluster_capacity`.
    #[schema(required = true)]
    pub capacity: Option<Capacity>,
}

/// Computing capacity: a sum over hosts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Capacity {
    /// Physical CPU cores. Source: `total_number_of_cores`.
    #[schema(required = true, example = 256)]
    pub cpu_cores: Option<u64>,
    /// CPU frequency in GHz over all cores, rounded to 0.001. Source: `cpu_capacity_ghz`.
    #[schema(required = true, example = 742.4)]
    pub cpu_ghz: Option<f64>,
    /// Memory in GiB. Source: `memory_capacity_gib`.
    #[schema(required = true, example = 4096)]
    pub memory_gib: Option<u64>,
    /// Raw storage in GiB. Source: `storage_capacity_gib`.
    #[schema(required = true, example = 74504)]
    pub storage_gib: Option<u64>,
}

/// An ESX host of an SDDC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Host {
    /// The host's id, to be treated as opaque. Source: `esx_id`.
    #[schema(required = true, example = "e5a00000-0000-4000-8000-000100000001")]
    pub id: Option<Box<str>>,
    /// The SDDC it belongs to.
    #[schema(value_type = String, example = "5ddc0000-0000-4000-8000-000000000001")]
    pub sddc_id: SddcId,
    /// The cluster it belongs to; `null` if VMware Cloud does not tell.
    #[schema(value_type = Option<String>, required = true, example = "c1a57e40-0000-4000-8000-000000000001")]
    pub cluster_id: Option<Arc<str>>,
    /// VMware's short name for it. Source: `name`.
    #[schema(required = true, example = "esx-1-1")]
    pub name: Option<Box<str>>,
    /// Its DNS name. Source: `hostname`.
    #[schema(required = true, example = "esx-1.sddc-192-0-2-10.vmwarevmc.example")]
    pub hostname: Option<Box<str>>,
    /// `DEPLOYING`, `INITIALIZING`, `PROVISIONED`, `READY`, `DELETING`, `DELETED`, `FAILED`,
    /// `ADDING_TO_VCENTER`, `DELETING_FROM_VCENTER`, `PENDING_CLOUD_DELETION`, or a newer value.
    /// Source: `esx_state`.
    #[schema(required = true, example = "READY")]
    pub state: Option<Box<str>>,
    /// Type of the host, in AWS's spelling. Source: `instance_type`.
    #[schema(required = true, example = "i4i.metal")]
    pub instance_type: Option<Box<str>>,
    /// Availability zone, in AWS's spelling. Source: `availability_zone`.
    #[schema(required = true, example = "us-west-2a")]
    pub availability_zone: Option<Box<str>>,
    /// When its state last changed, UTC. Source: `state_last_updated`.
    #[schema(required = true, example = "2025-03-11T08:01:11.05Z")]
    pub state_updated_at: Option<Timestamp>,
}

/// An organization of VMware Cloud: the owner of SDDCs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Org {
    /// The organization's id: a UUID today, to be treated as opaque. Source: `id`.
    #[schema(value_type = String, example = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d")]
    pub id: OrgId,
    /// VMware's short name for it. Source: `name`.
    #[schema(required = true, example = "q7f3n0k2")]
    pub name: Option<Box<str>>,
    /// The name its owners gave it. Source: `display_name`.
    #[schema(required = true, example = "Example Corp - Production")]
    pub display_name: Option<Box<str>>,
    /// `CREATED`, `DELETED`, or a newer value. Source: `project_state`.
    #[schema(required = true, example = "CREATED")]
    pub state: Option<Box<str>>,
    /// For instance `CUSTOMER`. Source: `org_type`.
    #[serde(rename = "type")]
    #[schema(required = true, example = "CUSTOMER")]
    pub kind: Option<Box<str>>,
    /// When it was created, UTC. Source: `created`.
    #[schema(required = true, example = "2023-06-01T12:00:00.000001Z")]
    pub created_at: Option<Timestamp>,
    /// When VMware Cloud last changed its record of it, UTC. Source: `updated`.
    #[schema(required = true, example = "2025-03-01T00:00:00Z")]
    pub updated_at: Option<Timestamp>,
}

/// A task: work that VMware Cloud does or did on an organization, mostly on one of its SDDCs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Task {
    /// The task's id: a UUID today, to be treated as opaque. Source: `id`.
    #[schema(value_type = String, example = "7a5c0000-0000-4000-8000-000000000001")]
    pub id: TaskId,
    /// The organization under which the task was read.
    #[schema(value_type = String, example = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d")]
    pub org_id: OrgId,
    /// The SDDC that it works on; `null` if it is about something else. Source: `resource_id`, where
    /// `resource_type` is `sddc`.
    #[schema(value_type = Option<String>, required = true, example = "5ddc0000-0000-4000-8000-000000000003")]
    pub sddc_id: Option<SddcId>,
    /// What it does, such as `SDDC-PROVISION`. VMware publishes no list. Source: `task_type`.
    #[serde(rename = "type")]
    #[schema(required = true, example = "SDDC-PROVISION")]
    pub kind: Option<Box<str>>,
    /// `STARTED`, `CANCELING`, `FINISHED`, `FAILED`, `CANCELED`, or a newer value. Source: `status`.
    #[schema(required = true, example = "STARTED")]
    pub status: Option<Box<str>>,
    /// What it is at within its status; open. Source: `sub_status`.
    #[schema(required = true, example = "DEPLOY_GATEWAYS")]
    pub sub_status: Option<Box<str>>,
    /// The phase in progress, such as `SDDC_DEPLOY_GATEWAY`. Source: `phase_in_progress`.
    #[schema(required = true, example = "SDDC_DEPLOY_GATEWAY")]
    pub phase: Option<Box<str>>,
    /// How far it is, in percent. Source: `progress_percent`.
    #[schema(required = true, example = 46)]
    pub progress_percent: Option<u32>,
    /// Minutes that are left; `null` without an estimate. Source: `estimated_remaining_minutes`,
    /// where it is not below 0.
    #[schema(required = true, example = 58)]
    pub estimated_remaining_minutes: Option<u32>,
    /// When it began, UTC. Source: `start_time`.
    #[schema(required = true, example = "2025-03-20T09:59:56.485Z")]
    pub started_at: Option<Timestamp>,
    /// When it ended, UTC; `null` while it runs. Source: `end_time`.
    #[schema(required = true, example = json!(null))]
    pub ended_at: Option<Timestamp>,
    /// Name of the user who asked for it (personal data). Source: `user_name`.
    #[schema(required = true, example = "ops-bot@example.com")]
    pub created_by: Option<Box<str>>,
    /// The task that this one is a part of. Source: `parent_task_id`.
    #[schema(value_type = Option<String>, required = true, example = json!(null))]
    pub parent_task_id: Option<TaskId>,
    /// Why it failed, in VMware's words for customers, at most 500 characters. Source:
    /// `customer_error_message`, else `localized_error_message`.
    #[schema(required = true, example = json!(null))]
    pub error: Option<Box<str>>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use utoipa::PartialSchema;

    use super::*;

    fn schema<T: PartialSchema>() -> Value {
        serde_json::to_value(T::schema()).unwrap()
    }

    /// The document that a schema's own examples make up.
    fn example(schema: &Value) -> Value {
        let fields = schema["properties"].as_object().unwrap().iter();
        fields.map(|(name, field)| (name.clone(), field["example"].clone())).collect()
    }

    #[test]
    fn every_field_is_required_described_and_in_the_contracts_order() {
        let fields: [(Value, &str); 6] = [
            (
                schema::<Sddc>(),
                "id org_id name state provider region deployment_type sddc_type access_state \
                 account_link_state version created_at updated_at expires_at created_by \
                 cluster_count host_count hosts_ready availability_zones vcenter_url \
                 nsx_manager_url vpc_cidr capacity",
            ),
            (
                schema::<Cluster>(),
                "id sddc_id name state availability_zones host_count instance_type vsan_version \
                 hyper_threading capacity",
            ),
            (
                schema::<Host>(),
                "id sddc_id cluster_id name hostname state instance_type availability_zone \
                 state_updated_at",
            ),
            (
                schema::<Task>(),
                "id org_id sddc_id type status sub_status phase progress_percent \
                 estimated_remaining_minutes started_at ended_at created_by parent_task_id error",
            ),
            (schema::<Org>(), "id name display_name state type created_at updated_at"),
            (schema::<Capacity>(), "cpu_cores cpu_ghz memory_gib storage_gib"),
        ];
        for (schema, names) in fields {
            let names: Vec<&str> = names.split_whitespace().collect();
            assert_eq!(schema["required"], json!(names));
            let properties = schema["properties"].as_object().unwrap();
            assert_eq!(properties.len(), names.len());
            for (name, field) in properties {
                // A nullable object is `oneOf` a reference, described there, and null.
                let described = field.get("oneOf").map_or(field, |kinds| &kinds[0]);
                assert!(described["description"].is_string(), "{name}: {field}");
            }
        }
    }

    #[test]
    fn an_examples_document_can_be_read_as_the_document() {
        let document: Host = serde_json::from_value(example(&schema::<Host>())).unwrap();
        assert_eq!(serde_json::to_value(&document).unwrap(), example(&schema::<Host>()));
        let document: Org = serde_json::from_value(example(&schema::<Org>())).unwrap();
        assert_eq!(serde_json::to_value(&document).unwrap(), example(&schema::<Org>()));
        let document: Capacity = serde_json::from_value(example(&schema::<Capacity>())).unwrap();
        assert_eq!(serde_json::to_value(document).unwrap(), example(&schema::<Capacity>()));
        let document: Cluster = serde_json::from_value(example(&schema::<Cluster>())).unwrap();
        assert_eq!(serde_json::to_value(&document).unwrap(), example(&schema::<Cluster>()));
        let document: Sddc = serde_json::from_value(example(&schema::<Sddc>())).unwrap();
        assert_eq!(serde_json::to_value(&document).unwrap(), example(&schema::<Sddc>()));
    }

    #[test]
    fn open_enumerations_and_times_are_nullable_strings() {
        let sddc = schema::<Sddc>();
        assert_eq!(sddc["properties"]["state"]["type"], json!(["string", "null"]));
        assert_eq!(sddc["properties"]["created_at"]["type"], json!(["string", "null"]));
        assert_eq!(sddc["properties"]["created_at"]["format"], "date-time");
        assert_eq!(sddc["properties"]["availability_zones"]["type"], json!(["array", "null"]));
        assert_eq!(sddc["properties"]["availability_zones"]["items"]["type"], "string");
        assert_eq!(schema::<Cluster>()["properties"]["id"]["type"], json!(["string", "null"]));
    }
}
