//! Fuzz bodies of this module and those below it. See [`crate::fuzzing`].

use super::{PAGES, facade};
pub(crate) use super::{
    answer::fuzzing::{accept_encoding, cache_control, if_none_match},
    question::fuzzing::{cursor, query},
};

/// The templates of all routes, as [`router`](super::router) gives them.
pub(crate) fn templates() -> Vec<String> {
    let (_, document) = facade().split_for_parts();
    document.paths.paths.into_keys().chain(PAGES.map(str::to_owned)).collect()
}
