//! What the drop-in surface needs to know: section `[drop_in]`.

use super::redaction::UnknownFields;

/// The settings of the drop-in surface.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    /// Whether there is one.
    pub enabled: bool,
    /// What becomes of values whose names are not known.
    pub unknown_fields: UnknownFields,
}
