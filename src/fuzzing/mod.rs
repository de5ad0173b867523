//! Fuzz bodies: what must hold of everything that comes from outside, whatever its bytes are.
//!
//! ```text
//! fuzz/corpus/{target}/* ─┐
//! proptest ───────────────┼─► body ─► what it asserts
//! libFuzzer ──────────────┘
//! ```
//!
//! A body stands in the `fuzzing.rs` beside what it is about, since it needs what is private there;
//! so this is in the library. Only tests and the feature `fuzzing`, which the crate in `fuzz/` turns
//! on, compile it: a gateway that is shipped has none of it.
//!
//! `cargo test` runs each body over its corpus and with random and mutated bytes, `make fuzz` by
//! libFuzzer. A new one is a function, a line in [`TARGETS`] and a folder of seeds. What libFuzzer
//! finds goes into the corpus with the mend, so that it stays found.

pub(crate) mod input;
pub(crate) mod samples;
#[cfg(test)]
mod tests;

use crate::{access, api, config, csp, drop_in, inventory, listener};

/// Panics if what must hold does not.
pub type Body = fn(&[u8]);

/// Every body by its name, which is its corpus's too.
pub const TARGETS: &[(&str, Body)] = &[
    // A request, as it comes in.
    ("request_target", listener::fuzzing::request_target),
    ("host", listener::fuzzing::host),
    ("request_ids", listener::fuzzing::request_ids),
    ("credentials", access::fuzzing::credentials),
    ("jwt", access::oidc::fuzzing::jwt),
    ("claims", access::oidc::fuzzing::claims),
    ("forwarded", access::fuzzing::forwarded),
    ("name_pattern", access::fuzzing::name_pattern),
    ("query", api::fuzzing::query),
    ("cursor", api::fuzzing::cursor),
    ("read_target", drop_in::reads::fuzzing::read_target),
    ("if_none_match", api::fuzzing::if_none_match),
    ("cache_control", api::fuzzing::cache_control),
    ("accept_encoding", api::fuzzing::accept_encoding),
    // What upstream answers.
    ("token", csp::fuzzing::token),
    ("scrubber", csp::fuzzing::scrubber),
    ("orgs", inventory::fuzzing::list_of_orgs),
    ("sddcs", inventory::fuzzing::list_of_sddcs),
    ("tasks", inventory::fuzzing::list_of_tasks),
    ("redaction", drop_in::redaction::fuzzing::redaction),
    // Files.
    ("snapshot", inventory::fuzzing::snapshot),
    ("config", config::fuzzing::config),
    ("callers_file", config::fuzzing::callers_file),
    ("jwk_set", access::oidc::fuzzing::jwk_set),
];
