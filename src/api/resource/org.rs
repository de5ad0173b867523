//! What can be asked of organizations.

use super::{
    Field,
    FieldKind::{OneOf, Open, Time},
    Resource, SortOrder, named,
    value_format::{CODE, ID, TEXT},
};
use crate::inventory::model::Org;

impl Resource for Org {
    type Document = Self;

    const FIELDS: &'static [Field<Self>] = &[
        Field::new("id", Open(&ID), |it| (&it.id).into()),
        Field::new("name", Open(&TEXT), |it| (&it.name).into()),
        Field::new("display_name", Open(&TEXT), |it| (&it.display_name).into()),
        Field::new("state", OneOf(&["CREATED", "DELETED"]), |it| (&it.state).into()),
        Field::new("type", Open(&CODE), |it| (&it.kind).into()),
        Field::new("created_at", Time, |it| (&it.created_at).into()),
        Field::new("updated_at", Time, |it| (&it.updated_at).into()),
    ];

    const ORDER: &'static SortOrder<Self> =
        &SortOrder { field: named(Self::FIELDS, "name"), descending: false };

    const SEARCHED: &'static str = "`name` or `display_name`";

    fn document(&self) -> &Self {
        self
    }

    fn searched(&self) -> [Option<&str>; 2] {
        [self.name.as_deref(), self.display_name.as_deref()]
    }

    fn identity(&self) -> (Option<&str>, &str) {
        (Some(self.id.as_str()), "")
    }
}
