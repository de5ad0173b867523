//! What can be asked of tasks.

use super::{
    Field,
    FieldKind::{Number, OneOf, Open, Time},
    HeldBy, Resource, SortOrder, named,
    value_format::{CODE, ID, TEXT},
};
use crate::inventory::model::{Task, TaskEntry};

const STATUSES: &[&str] = &["STARTED", "CANCELING", "FINISHED", "FAILED", "CANCELED"];

impl Resource for Task {
    type Document = Self;

    const FIELDS: &'static [Field<Self>] = &[
        Field::new("id", Open(&ID), |it| (&it.id).into()),
        Field::new("org_id", Open(&ID), |it| (&it.org_id).into()),
        Field::new("sddc_id", Open(&ID), |it| (&it.sddc_id).into()),
        Field::new("type", Open(&CODE), |it| (&it.kind).into()),
        Field::new("status", OneOf(STATUSES), |it| (&it.status).into()),
        Field::new("sub_status", Open(&CODE), |it| (&it.sub_status).into()),
        Field::new("phase", Open(&CODE), |it| (&it.phase).into()),
        Field::new("progress_percent", Number, |it| (&it.progress_percent).into()),
        Field::new("estimated_remaining_minutes", Number, |it| {
            (&it.estimated_remaining_minutes).into()
        }),
        Field::new("started_at", Time, |it| (&it.started_at).into()),
        Field::new("ended_at", Time, |it| (&it.ended_at).into()),
        Field::new("created_by", Open(&TEXT), |it| (&it.created_by).into()),
        Field::new("parent_task_id", Open(&ID), |it| (&it.parent_task_id).into()),
        Field::new("error", Open(&TEXT), |it| (&it.error).into()),
    ];

    const CAN_BE_WATCHED: bool = true;

    /// The newest first.
    const ORDER: &'static SortOrder<Self> =
        &SortOrder { field: named(Self::FIELDS, "started_at"), descending: true };

    const SEARCHED: &'static str = "`type`";

    fn document(&self) -> &Self {
        self
    }

    fn searched(&self) -> [Option<&str>; 2] {
        [self.kind.as_deref(), None]
    }

    fn identity(&self) -> (Option<&str>, &str) {
        (Some(self.id.as_str()), self.org_id.as_str())
    }
}

impl HeldBy<TaskEntry> for Task {
    fn of(entry: &TaskEntry) -> &[Self] {
        std::slice::from_ref(&entry.task)
    }
}
