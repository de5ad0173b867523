//! Small worlds of documents: few names and states, so that equal ones, nulls and whole twins are
//! common.

use jiff::Timestamp;
use proptest::{option, prelude::*, sample::select};

use crate::{
    api::resource::Resource,
    inventory::model::{Cluster, Host, PartGaps, Sddc, SddcEntry, Task},
};

pub(super) trait Sample: Resource {
    fn any() -> BoxedStrategy<Self>;
    /// Valid filters, each as it stands in a query.
    const FILTERS: &'static [(&'static str, &'static str)];
    /// Fields to sort by.
    const SORTS: &'static [&'static str];
}

fn texts(of: &'static [&'static str]) -> impl Strategy<Value = Option<Box<str>>> {
    option::weighted(0.8, select(of).prop_map(Box::from))
}

pub(super) fn id() -> impl Strategy<Value = String> {
    select(&["1", "2", "3", "4", "5"][..]).prop_map(str::to_owned)
}

fn time() -> impl Strategy<Value = Option<Timestamp>> {
    option::weighted(0.8, (0..4_i64).prop_map(|it| Timestamp::from_second(it * 1000).unwrap()))
}

const NAMES: &[&str] = &["alpha", "Alpha", "beta", "bet", "ümlaut", "Ümlaut & co", ""];
const STATES: &[&str] = &["READY", "FAILED", "SOMETHING_NEW"];
const ZONES: &[&str] = &["us-west-2a", "us-west-2b"];

impl Sample for Host {
    fn any() -> BoxedStrategy<Self> {
        let texts = (texts(&["1", "2", "3"]), texts(NAMES), texts(STATES), texts(ZONES));
        (texts, id(), option::of(id()), time())
            .prop_map(|((id, name, state, availability_zone), sddc_id, cluster_id, time)| Self {
                id,
                sddc_id: sddc_id.parse().unwrap(),
                cluster_id: cluster_id.map(Into::into),
                hostname: name.clone(),
                name,
                state,
                instance_type: None,
                availability_zone,
                state_updated_at: time,
            })
            .boxed()
    }

    const FILTERS: &'static [(&'static str, &'static str)] = &[
        ("state", "READY"),
        ("state", "FAILED"),
        ("name", "alpha"),
        ("sddc_id", "1"),
        ("cluster_id", "2"),
        ("availability_zone", "us-west-2a"),
        ("state_updated_at", "1970-01-01T00:16:40Z"),
    ];
    const SORTS: &'static [&'static str] = &["id", "name", "state", "state_updated_at", "sddc_id"];
}

impl Sample for Cluster {
    fn any() -> BoxedStrategy<Self> {
        let zones = option::of(proptest::collection::vec(select(ZONES).prop_map(Box::from), 0..3));
        let counts = (option::of(0..3_u32), option::of(any::<bool>()));
        (texts(&["1", "2"]), id(), texts(NAMES), texts(STATES), zones, counts)
            .prop_map(|(id, sddc_id, name, state, availability_zones, counts)| Self {
                id: id.map(Into::into),
                sddc_id: sddc_id.parse().unwrap(),
                name,
                state,
                availability_zones,
                host_count: counts.0,
                instance_type: None,
                vsan_version: None,
                hyper_threading: counts.1,
                capacity: None,
            })
            .boxed()
    }

    const FILTERS: &'static [(&'static str, &'static str)] = &[
        ("availability_zones", "us-west-2a"),
        ("availability_zones", "us-west-2b"),
        ("host_count", "1"),
        ("host_count", "02"),
        ("hyper_threading", "true"),
        ("state", "READY"),
    ];
    const SORTS: &'static [&'static str] =
        &["id", "name", "state", "host_count", "hyper_threading"];
}

impl Sample for SddcEntry {
    fn any() -> BoxedStrategy<Self> {
        let clusters = proptest::collection::vec(Cluster::any(), 0..2);
        (id(), id(), texts(NAMES), texts(STATES), option::of(0..3_u32), clusters)
            .prop_map(|(id, org_id, name, state, host_count, clusters)| Self {
                sddc: Sddc {
                    id: id.parse().unwrap(),
                    org_id: org_id.parse().unwrap(),
                    name,
                    state,
                    provider: None,
                    region: Some("US_WEST_2".into()),
                    deployment_type: None,
                    sddc_type: None,
                    access_state: None,
                    account_link_state: None,
                    version: None,
                    created_at: None,
                    updated_at: None,
                    expires_at: None,
                    created_by: None,
                    cluster_count: None,
                    host_count,
                    hosts_ready: None,
                    availability_zones: None,
                    vcenter_url: None,
                    nsx_manager_url: None,
                    vpc_cidr: None,
                    capacity: None,
                },
                clusters,
                hosts: Vec::new(),
                gaps: PartGaps::default(),
                version: None,
            })
            .boxed()
    }

    const FILTERS: &'static [(&'static str, &'static str)] = &[
        ("state", "READY"),
        ("state", "FAILED"),
        ("org_id", "1"),
        ("org_id", "2"),
        ("host_count", "1"),
        ("region", "US_WEST_2"),
    ];
    const SORTS: &'static [&'static str] = &["id", "name", "state", "host_count", "org_id"];
}

impl Sample for Task {
    fn any() -> BoxedStrategy<Self> {
        let kinds = &["SDDC-PROVISION", "SDDC-DELETE"];
        (id(), id(), texts(kinds), texts(STATES), option::of(0..3_u32), time())
            .prop_map(|(id, org_id, kind, status, progress_percent, started_at)| Self {
                id: id.parse().unwrap(),
                org_id: org_id.parse().unwrap(),
                sddc_id: None,
                kind,
                status,
                sub_status: None,
                phase: None,
                progress_percent,
                estimated_remaining_minutes: None,
                started_at,
                ended_at: None,
                created_by: None,
                parent_task_id: None,
                error: None,
            })
            .boxed()
    }

    const FILTERS: &'static [(&'static str, &'static str)] = &[
        ("type", "SDDC-DELETE"),
        ("status", "FAILED"),
        ("progress_percent", "2"),
        ("started_at", "1970-01-01T00:16:40Z"),
    ];
    const SORTS: &'static [&'static str] = &["id", "type", "started_at", "progress_percent"];
}
