//! What can be asked of SDDCs.

use super::{
    Field,
    FieldKind::{Each, Number, Object, OneOf, Open, Time},
    HeldBy, Resource, SortOrder, Value, named,
    value_format::{ID, NETWORK, REGION, TEXT, URL, VERSION, ZONE},
};
use crate::inventory::model::{Sddc, SddcEntry};

const STATES: &[&str] =
    &["DEPLOYING", "READY", "DELETING", "DELETED", "FAILED", "CANCELED", "READY_FOR_GLCM_BRINGUP"];

impl Resource for SddcEntry {
    type Document = Sddc;

    const FIELDS: &'static [Field<Self>] = &[
        Field::new("id", Open(&ID), |it| (&it.sddc.id).into()),
        Field::new("org_id", Open(&ID), |it| (&it.sddc.org_id).into()),
        Field::new("name", Open(&TEXT), |it| (&it.sddc.name).into()),
        Field::new("state", OneOf(STATES), |it| (&it.sddc.state).into()),
        Field::new("provider", OneOf(&["AWS", "ZEROCLOUD"]), |it| (&it.sddc.provider).into()),
        Field::new("region", Open(&REGION), |it| (&it.sddc.region).into()),
        Field::new("deployment_type", OneOf(&["SINGLE_AZ", "MULTI_AZ"]), |it| {
            (&it.sddc.deployment_type).into()
        }),
        Field::new("sddc_type", OneOf(&["DEFAULT", "1NODE"]), |it| (&it.sddc.sddc_type).into()),
        Field::new("access_state", OneOf(&["ENABLED", "DISABLED"]), |it| {
            (&it.sddc.access_state).into()
        }),
        Field::new("account_link_state", OneOf(&["DELAYED", "LINKED", "UNLINKED"]), |it| {
            (&it.sddc.account_link_state).into()
        }),
        Field::new("version", Open(&VERSION), |it| (&it.sddc.version).into()),
        Field::new("created_at", Time, |it| (&it.sddc.created_at).into()),
        Field::new("updated_at", Time, |it| (&it.sddc.updated_at).into()),
        Field::new("expires_at", Time, |it| (&it.sddc.expires_at).into()),
        Field::new("created_by", Open(&TEXT), |it| (&it.sddc.created_by).into()),
        Field::new("cluster_count", Number, |it| (&it.sddc.cluster_count).into()),
        Field::new("host_count", Number, |it| (&it.sddc.host_count).into()),
        Field::new("hosts_ready", Number, |it| (&it.sddc.hosts_ready).into()),
        Field::new("availability_zones", Each(&ZONE), |it| (&it.sddc.availability_zones).into()),
        Field::new("vcenter_url", Open(&URL), |it| (&it.sddc.vcenter_url).into()),
        Field::new("nsx_manager_url", Open(&URL), |it| (&it.sddc.nsx_manager_url).into()),
        Field::new("vpc_cidr", Open(&NETWORK), |it| (&it.sddc.vpc_cidr).into()),
        Field::new("capacity", Object, |it| (&it.sddc.capacity).into()),
    ];

    const INCLUDES: &'static [Field<Self>] = &[
        // Where some may be lacking, none shown would say that there are none.
        Field::new("clusters", Object, |it| match it.gaps.clusters {
            Some(_) if it.clusters.is_empty() => Value::Null,
            _ => (&it.clusters).into(),
        }),
        Field::new("hosts", Object, |it| match it.gaps.hosts {
            Some(_) if it.hosts.is_empty() => Value::Null,
            _ => (&it.hosts).into(),
        }),
    ];

    const CAN_BE_DELETED: bool = true;
    const CAN_BE_WATCHED: bool = true;

    const ORDER: &'static SortOrder<Self> =
        &SortOrder { field: named(Self::FIELDS, "name"), descending: false };

    const SEARCHED: &'static str = "`name`";

    fn document(&self) -> &Sddc {
        &self.sddc
    }

    fn searched(&self) -> [Option<&str>; 2] {
        [self.sddc.name.as_deref(), None]
    }

    fn identity(&self) -> (Option<&str>, &str) {
        (Some(self.sddc.id.as_str()), self.sddc.org_id.as_str())
    }
}

impl HeldBy<SddcEntry> for SddcEntry {
    fn of(entry: &SddcEntry) -> &[Self] {
        std::slice::from_ref(entry)
    }
}
