//! What can be asked of clusters.

use super::{
    Field,
    FieldKind::{Each, Flag, Number, Object, OneOf, Open},
    HeldBy, Resource, SortOrder, named,
    value_format::{ID, INSTANCE_TYPE, TEXT, ZONE},
};
use crate::inventory::model::{Cluster, SddcEntry};

const STATES: &[&str] = &["DEPLOYING", "ADDING_HOSTS", "READY", "FAILED"];

impl Resource for Cluster {
    type Document = Self;

    const FIELDS: &'static [Field<Self>] = &[
        Field::new("id", Open(&ID), |it| (&it.id).into()),
        Field::new("sddc_id", Open(&ID), |it| (&it.sddc_id).into()),
        Field::new("name", Open(&TEXT), |it| (&it.name).into()),
        Field::new("state", OneOf(STATES), |it| (&it.state).into()),
        Field::new("availability_zones", Each(&ZONE), |it| (&it.availability_zones).into()),
        Field::new("host_count", Number, |it| (&it.host_count).into()),
        Field::new("instance_type", Open(&INSTANCE_TYPE), |it| (&it.instance_type).into()),
        Field::new("vsan_version", OneOf(&["vsan1", "vsanesa", "novsan"]), |it| {
            (&it.vsan_version).into()
        }),
        Field::new("hyper_threading", Flag, |it| (&it.hyper_threading).into()),
        Field::new("capacity", Object, |it| (&it.capacity).into()),
    ];

    const ORDER: &'static SortOrder<Self> =
        &SortOrder { field: named(Self::FIELDS, "name"), descending: false };

    const SEARCHED: &'static str = "`name`";

    fn document(&self) -> &Self {
        self
    }

    fn searched(&self) -> [Option<&str>; 2] {
        [self.name.as_deref(), None]
    }

    fn identity(&self) -> (Option<&str>, &str) {
        (self.id.as_deref(), self.sddc_id.as_str())
    }
}

impl HeldBy<SddcEntry> for Cluster {
    fn of(entry: &SddcEntry) -> &[Self] {
        &entry.clusters
    }
}
