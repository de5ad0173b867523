//! The OpenAPI document: the committed files, printed and served as they are.
//!
//! The [`generator`] writes them from the handlers, the tables of fields and the simulator's data. It
//! is compiled for tests alone: one of them fails while the files differ from what it writes.

#[cfg(test)]
pub(super) mod generator;

use bytes::Bytes;

use crate::public_path::PublicPath;

/// The OpenAPI 3.1 document as JSON.
pub const JSON: &str = include_str!("../../openapi/openapi.json");
/// The same document as YAML.
pub const YAML: &str = include_str!("../../openapi/openapi.yaml");

/// What stands before the paths that callers reach below the public path: links in descriptions, the
/// server, and the problems' `type`.
const LINKS: &[&str] = &["](", "\"url\": \"", "url: ", "\"type\": \"", "type: "];

/// The document of a gateway that callers reach below `base`.
pub(super) fn document_at(base: &PublicPath, document: &'static str) -> Bytes {
    if base.is_root() {
        return Bytes::from_static(document.as_bytes());
    }
    base.join_all(document, LINKS).into()
}
