//! What can be asked of hosts.

use super::{
    Field,
    FieldKind::{OneOf, Open, Time},
    HeldBy, Resource, SortOrder, named,
    value_format::{HOSTNAME, ID, INSTANCE_TYPE, TEXT, ZONE},
};
use crate::inventory::model::{Host, SddcEntry};

const STATES: &[&str] = &[
    "DEPLOYING",
    "INITIALIZING",
    "PROVISIONED",
    "READY",
    "DELETING",
    "DELETED",
    "FAILED",
    "ADDING_TO_VCENTER",
    "DELETING_FROM_VCENTER",
    "PENDING_CLOUD_DELETION",
];

impl Resource for Host {
    type Document = Self;

    const FIELDS: &'static [Field<Self>] = &[
        Field::new("id", Open(&ID), |it| (&it.id).into()),
        Field::new("sddc_id", Open(&ID), |it| (&it.sddc_id).into()),
        Field::new("cluster_id", Open(&ID), |it| (&it.cluster_id).into()),
        Field::new("name", Open(&TEXT), |it| (&it.name).into()),
        Field::new("hostname", Open(&HOSTNAME), |it| (&it.hostname).into()),
        Field::new("state", OneOf(STATES), |it| (&it.state).into()),
        Field::new("instance_type", Open(&INSTANCE_TYPE), |it| (&it.instance_type).into()),
        Field::new("availability_zone", Open(&ZONE), |it| (&it.availability_zone).into()),
        Field::new("state_updated_at", Time, |it| (&it.state_updated_at).into()),
    ];

    const ORDER: &'static SortOrder<Self> =
        &SortOrder { field: named(Self::FIELDS, "name"), descending: false };

    const SEARCHED: &'static str = "`name` or `hostname`";

    fn document(&self) -> &Self {
        self
    }

    fn searched(&self) -> [Option<&str>; 2] {
        [self.name.as_deref(), self.hostname.as_deref()]
    }

    fn identity(&self) -> (Option<&str>, &str) {
        (self.id.as_deref(), self.sddc_id.as_str())
    }
}

impl HeldBy<SddcEntry> for Host {
    fn of(entry: &SddcEntry) -> &[Self] {
        &entry.hosts
    }
}
