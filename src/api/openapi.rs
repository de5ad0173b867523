//! The OpenAPI document: the committed files, printed and served as they are.
//!
//! The [`generator`] writes them from the handlers, the tables of fields and the simulator's data. It
//! is compiled for tests alone: one of them fails while the files differ from what it writes.

#[cfg(test)]
pub(super) mod generator;

use bytes::Bytes;
use serde_json::json;

use crate::{contact::Contact, public_path::PublicPath};

/// The OpenAPI 3.1 document as JSON.
pub const JSON: &str = include_str!("../../openapi/openapi.json");
/// The same document as YAML.
pub const YAML: &str = include_str!("../../openapi/openapi.yaml");

/// What stands before the paths that callers reach below the public path: links in descriptions, the
/// server, and the problems' `type`.
const LINKS: &[&str] = &["](", "\"url\": \"", "url: ", "\"type\": \"", "type: "];

/// Before what comes `info.contact`, in each of the two.
const LICENSE: [&str; 2] = ["    \"license\": {\n", "  license:\n"];

/// The document of a gateway that callers reach below `base`, and whom they ask about it.
pub(super) fn document_at(
    base: &PublicPath,
    contact: Option<&Contact>,
    document: &'static str,
) -> Bytes {
    if base.is_root() && contact.is_none() {
        return Bytes::from_static(document.as_bytes());
    }
    let document = base.join_all(document, LINKS);
    let Some(contact) = contact else { return document.into() };
    let mut info = json!({ "name": contact.as_str() });
    match (contact.mail(), contact.link()) {
        (Some(mail), _) => info["email"] = mail.into(),
        (None, Some(url)) => info["url"] = url.as_str().into(),
        (None, None) => {}
    }
    // JSON is YAML too.
    let [json, yaml] = LICENSE;
    let (before, entry) = if document.contains(json) {
        (json, format!("    \"contact\": {info},\n{json}"))
    } else {
        (yaml, format!("  contact: {info}\n{yaml}"))
    };
    document.replacen(before, &entry, 1).into()
}
