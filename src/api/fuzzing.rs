//! Fuzz bodies of this module and those below it. See [`crate::fuzzing`].

pub(crate) use super::{
    answer::fuzzing::{accept_encoding, cache_control, if_none_match},
    query::fuzzing::{cursor, query},
};
