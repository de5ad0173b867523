//! VMware's documents, reduced to the fields of the allow-list.
//!
//! Flow: body of an answer → `parse_*` → these types → `inventory::mapping` → documents.
//!
//! No type here has a place for a secret, and none keeps what it does not know: a field is added
//! only when a document shows it, and never one that carries a credential.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{
    cursor::NotJson,
    lenient::{self, FromJson, Lenient, wanted},
};

/// A list in which each element was read on its own.
pub type List<T> = Vec<Lenient<T>>;

wanted! {
    /// An SDDC, from `GET /vmc/api/orgs/{org}/sddcs` and `…/sddcs/{sddc}`.
    pub struct Sddc {
        "id" id: Box<str>,
        "org_id" org_id: Box<str>,
        "version" version: i64,
        "created" created: Timestamp,
        "updated" updated: Timestamp,
        "user_name" user_name: Box<str>,
        "name" name: Box<str>,
        "sddc_state" state: Box<str>,
        "provider" provider: Box<str>,
        "sddc_type" kind: Box<str>,
        "account_link_state" account_link_state: Box<str>,
        "sddc_access_state" access_state: Box<str>,
        "expiration_date" expiration_date: Timestamp,
        "resource_config" resource_config: ResourceConfig,
    }

    /// The part of an SDDC with its resources, and with all of its credentials: `null` or sparse
    /// while it is deployed.
    pub struct ResourceConfig {
        "provider" provider: Box<str>,
        "region" region: Box<str>,
        "deployment_type" deployment_type: Box<str>,
        "availability_zones" availability_zones: List<Box<str>>,
        "clusters" clusters: List<Cluster>,
        "esx_hosts" esx_hosts: List<Host>,
        "vc_url" vc_url: Box<str>,
        "nsx_mgr_url" nsx_mgr_url: Box<str>,
        "vpc_info" vpc_info: VpcInfo,
        "sddc_manifest" sddc_manifest: Manifest,
    }

    /// The AWS side of an SDDC.
    pub struct VpcInfo {
        "vpc_cidr" vpc_cidr: Box<str>,
    }

    /// What an SDDC was built from.
    pub struct Manifest {
        "vmc_version" vmc_version: Box<str>,
    }

    /// A vSphere cluster.
    pub struct Cluster {
        "cluster_id" id: Box<str>,
        "cluster_name" name: Box<str>,
        "cluster_state" state: Box<str>,
        "availability_zones" availability_zones: List<Box<str>>,
        "esx_host_list" hosts: List<Host>,
        "vsan_witness" witness: Witness,
        "esx_host_info" host_info: HostInfo,
        "vsan_version" vsan_version: Box<str>,
        "hyper_threading_enabled" hyper_threading: bool,
        "cluster_capacity" capacity: Capacity,
    }

    /// What a cluster's hosts have in common.
    pub struct HostInfo {
        "instance_type" instance_type: Box<str>,
    }

    /// The witness of a stretched cluster: a virtual machine that holds no workloads.
    pub struct Witness {
        "esx_id" id: Box<str>,
    }

    /// What the hosts of a cluster add up to.
    pub struct Capacity {
        "total_number_of_cores" cores: u64,
        "cpu_capacity_ghz" cpu_ghz: f64,
        "memory_capacity_gib" memory_gib: u64,
        "storage_capacity_gib" storage_gib: u64,
    }

    /// An ESX host.
    pub struct Host {
        "esx_id" id: Box<str>,
        "name" name: Box<str>,
        "hostname" hostname: Box<str>,
        "esx_state" state: Box<str>,
        "instance_type" instance_type: Box<str>,
        "availability_zone" availability_zone: Box<str>,
        "state_last_updated" state_last_updated: Timestamp,
    }

    /// An organization, from `GET /vmc/api/orgs` and `…/orgs/{org}`.
    pub struct Org {
        "id" id: Box<str>,
        "name" name: Box<str>,
        "display_name" display_name: Box<str>,
        "project_state" state: Box<str>,
        "org_type" kind: Box<str>,
        "created" created: Timestamp,
        "updated" updated: Timestamp,
    }

    /// A task, from `GET /vmc/api/orgs/{org}/tasks`. Its `params`, `error_message` and
    /// `service_errors` are VMware's own and may carry credentials.
    pub struct Task {
        "id" id: Box<str>,
        "org_id" org_id: Box<str>,
        "version" version: i64,
        "updated" updated: Timestamp,
        "user_name" user_name: Box<str>,
        "status" status: Box<str>,
        "sub_status" sub_status: Box<str>,
        "task_type" kind: Box<str>,
        "resource_type" resource_type: Box<str>,
        "resource_id" resource_id: Box<str>,
        "phase_in_progress" phase: Box<str>,
        "progress_percent" progress_percent: i64,
        "estimated_remaining_minutes" estimated_remaining_minutes: i64,
        "start_time" start_time: Timestamp,
        "end_time" end_time: Timestamp,
        "parent_task_id" parent_task_id: Box<str>,
        "customer_error_message" customer_error_message: Box<str>,
        "localized_error_message" localized_error_message: Box<str>,
    }
}

/// A whole answer that is not what it should be. Says nothing of what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReadable {
    /// Broken or empty JSON.
    #[error("the answer is not JSON")]
    NotJson,
    /// JSON, but not an array where one belongs.
    #[error("the answer is not a list")]
    NotAList,
    /// JSON, but not an object where one belongs.
    #[error("the answer is not an object")]
    NotAnObject,
}

/// Reads a list of SDDCs. An element that is no object is `Odd` or `Absent` in its place.
///
/// # Errors
/// `NotJson`, `NotAList`. What is odd inside an element is never an error.
pub fn parse_sddcs(body: &[u8]) -> Result<Vec<Lenient<Sddc>>, NotReadable> {
    list(body)
}

/// Reads one SDDC.
///
/// # Errors
/// `NotJson`, `NotAnObject`.
pub fn parse_sddc(body: &[u8]) -> Result<Sddc, NotReadable> {
    one(body)
}

/// Reads a list of organizations, as [`parse_sddcs`] does.
///
/// # Errors
/// `NotJson`, `NotAList`.
pub fn parse_orgs(body: &[u8]) -> Result<Vec<Lenient<Org>>, NotReadable> {
    list(body)
}

/// Reads one organization.
///
/// # Errors
/// `NotJson`, `NotAnObject`.
pub fn parse_org(body: &[u8]) -> Result<Org, NotReadable> {
    one(body)
}

/// Reads a list of tasks, as [`parse_sddcs`] does.
///
/// # Errors
/// `NotJson`, `NotAList`.
pub fn parse_tasks(body: &[u8]) -> Result<Vec<Lenient<Task>>, NotReadable> {
    list(body)
}

fn list<T: FromJson>(body: &[u8]) -> Result<List<T>, NotReadable> {
    whole(body, NotReadable::NotAList)
}

fn one<T: FromJson>(body: &[u8]) -> Result<T, NotReadable> {
    whole(body, NotReadable::NotAnObject)
}

fn whole<T: FromJson>(body: &[u8], other: NotReadable) -> Result<T, NotReadable> {
    match lenient::read(&text(body)) {
        Ok(Lenient::Value(value)) => Ok(value),
        Ok(Lenient::Absent | Lenient::Odd) => Err(other),
        Err(NotJson) => Err(NotReadable::NotJson),
    }
}

/// Bytes that are no UTF-8 cost the characters they stand for, not the document.
fn text(body: &[u8]) -> Cow<'_, str> {
    // Several times as fast where nothing has to be replaced.
    str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn an_answer_of_the_wrong_kind_is_named_and_not_quoted() {
        for broken in ["", " ", "[", "{\"id\":", "<html>", "[1,]", "[] x", "{} {}"] {
            assert_eq!(parse_sddcs(broken.as_bytes()), Err(NotReadable::NotJson), "{broken}");
            assert_eq!(parse_sddc(broken.as_bytes()), Err(NotReadable::NotJson), "{broken}");
        }
        for other in ["{}", "null", "1", "1e999", "\"[]\"", "true"] {
            assert_eq!(parse_orgs(other.as_bytes()), Err(NotReadable::NotAList), "{other}");
        }
        for other in ["[]", "[{}]", "null", "1", "1e999", "\"{}\"", "true"] {
            assert_eq!(parse_org(other.as_bytes()), Err(NotReadable::NotAnObject), "{other}");
        }
        let error = parse_org(b"\"TOP-SECRET\"").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("TOP-SECRET"));
        assert!(error.source().is_none());
    }

    #[test]
    fn one_odd_element_does_not_hide_the_others() {
        let body =
            br#" [{"id": "a"}, 1e999, null, "x", [], {"id": {"deep": 1e999}}, {"id": "b"}] "#;
        let ids: Vec<_> = parse_sddcs(body)
            .unwrap()
            .into_iter()
            .map(|element| match element {
                Lenient::Value(Sddc { id: Lenient::Value(id), .. }) => id.into(),
                Lenient::Value(_) => "no id".to_owned(),
                Lenient::Odd => "odd".to_owned(),
                Lenient::Absent => "absent".to_owned(),
            })
            .collect();
        assert_eq!(ids, ["a", "odd", "absent", "odd", "odd", "no id", "b"]);
    }

    #[test]
    fn bytes_that_are_no_utf8_cost_only_themselves() {
        let sddc = parse_sddc(b"{\"id\": \"a\", \"name\": \"M\xfcnchen\"}").unwrap();
        assert_eq!(sddc.id, Lenient::Value("a".into()));
        assert_eq!(sddc.name, Lenient::Value("M\u{fffd}nchen".into()));
    }
}
