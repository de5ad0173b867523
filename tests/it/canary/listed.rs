//! What of upstream's documents may be shown, and where: the allow-list as the contract words it, apart
//! from the code that follows it.

/// What a text of an upstream document becomes.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// A marker that may be shown in this field.
    Text(&'static str),
    /// The same as the host of a URL.
    Url(&'static str),
    /// A time, a number, an id: it stays, so that it is shown.
    Real,
}

use Form::{Real, Text, Url};

/// Contract section 4.1, "Documents": where in upstream's documents each field of ours comes from.
/// A path that is not here is not to be shown.
pub const LISTED: &[(&str, Form)] = &[
    ("sddc.id", Real),
    // Not shown, but a document of another organization is not shown either.
    ("sddc.org_id", Real),
    ("sddc.name", Text("name")),
    ("sddc.sddc_state", Text("state")),
    ("sddc.provider", Text("provider")),
    ("sddc.sddc_type", Text("sddc_type")),
    ("sddc.sddc_access_state", Text("access_state")),
    ("sddc.account_link_state", Text("account_link_state")),
    ("sddc.user_name", Text("created_by")),
    ("sddc.created", Real),
    ("sddc.updated", Real),
    ("sddc.expiration_date", Real),
    ("sddc.version", Real),
    ("sddc.resource_config.provider", Text("provider")),
    ("sddc.resource_config.region", Text("region")),
    ("sddc.resource_config.deployment_type", Text("deployment_type")),
    ("sddc.resource_config.availability_zones[]", Text("availability_zones")),
    ("sddc.resource_config.vc_url", Url("vcenter_url")),
    ("sddc.resource_config.nsx_mgr_url", Url("nsx_manager_url")),
    ("sddc.resource_config.vpc_info.vpc_cidr", Text("vpc_cidr")),
    ("sddc.resource_config.sddc_manifest.vmc_version", Text("version")),
    ("cluster.cluster_id", Real),
    ("cluster.cluster_name", Text("name")),
    ("cluster.cluster_state", Text("state")),
    ("cluster.availability_zones[]", Text("availability_zones")),
    ("cluster.esx_host_info.instance_type", Text("instance_type")),
    ("cluster.vsan_version", Text("vsan_version")),
    ("cluster.vsan_witness.esx_id", Real),
    ("cluster.hyper_threading_enabled", Real),
    ("cluster.cluster_capacity.total_number_of_cores", Real),
    ("cluster.cluster_capacity.cpu_capacity_ghz", Real),
    ("cluster.cluster_capacity.memory_capacity_gib", Real),
    ("cluster.cluster_capacity.storage_capacity_gib", Real),
    ("host.esx_id", Real),
    ("host.name", Text("name")),
    ("host.hostname", Text("hostname")),
    ("host.esx_state", Text("state")),
    ("host.instance_type", Text("instance_type")),
    ("host.availability_zone", Text("availability_zone")),
    ("host.state_last_updated", Real),
    ("org.id", Real),
    ("org.name", Text("name")),
    ("org.display_name", Text("display_name")),
    ("org.project_state", Text("state")),
    ("org.org_type", Text("type")),
    ("org.created", Real),
    ("org.updated", Real),
    ("task.id", Real),
    ("task.org_id", Real),
    ("task.version", Real),
    ("task.resource_id", Real),
    ("task.resource_type", Real),
    ("task.parent_task_id", Real),
    ("task.task_type", Text("type")),
    ("task.status", Text("status")),
    ("task.sub_status", Text("sub_status")),
    ("task.phase_in_progress", Text("phase")),
    ("task.user_name", Text("created_by")),
    ("task.customer_error_message", Text("error")),
    ("task.localized_error_message", Text("error")),
    ("task.progress_percent", Real),
    ("task.estimated_remaining_minutes", Real),
    ("task.start_time", Real),
    ("task.end_time", Real),
    // No document, but without it there is none.
    ("token.access_token", Real),
    ("token.expires_in", Real),
];

/// Parts of an SDDC that are documents of their own, under whatever path they stand.
pub const PARTS: &[(&str, &str)] = &[
    ("sddc.resource_config.clusters[]", "cluster"),
    ("sddc.resource_config.esx_hosts[]", "host"),
    ("cluster.esx_host_list[]", "host"),
];

/// What names an object.
pub const IDS: &[&str] = &["id", "cluster_id", "esx_id"];

/// How a path is listed, if it is.
pub fn form_of(path: &str) -> Option<Form> {
    LISTED.iter().find(|(listed, _)| *listed == path).map(|(_, form)| *form)
}

pub fn lists(path: &str) -> bool {
    form_of(path).is_some()
}

/// Whether an odd document has something else here. Without an id there would be no document, and
/// without an organization none of its SDDCs.
pub fn takes_over(path: &str) -> bool {
    let is_id = path.ends_with("id") || path == "task.resource_type";
    lists(path) && !is_id
}
