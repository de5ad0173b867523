//! Fuzz bodies of this module and those below it. See [`crate::fuzzing`].

pub(crate) use super::{
    mapping::fuzzing::{list_of_orgs, list_of_sddcs, list_of_tasks},
    snapshot_file::fuzzing::snapshot,
};
