//! Identifiers that must not be mixed up.
//!
//! VMware's ids are UUIDs today, but nothing promises so: they are kept as the text that came in,
//! and checked only for what would be unsafe in a URL path or a metric label.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// An identifier with more than 64 characters, or with one outside `[A-Za-z0-9._-]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 1 to 64 characters of [A-Za-z0-9._-] and not only dots")]
pub struct InvalidId;

/// Whether a text is 1 to 64 characters of `[A-Za-z0-9._-]`: safe in a URL path and a metric label.
pub fn is_plain(text: &str) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(safe)
}

fn check(text: &str) -> Result<(), InvalidId> {
    let dots = text.bytes().all(|byte| byte == b'.');
    (is_plain(text) && !dots).then_some(()).ok_or(InvalidId)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(value_type = String))]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as it appears in paths and documents.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                check(text)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// A VMware Cloud organization.
    OrgId
}
id! {
    /// An SDDC: `id` of the upstream document.
    SddcId
}
id! {
    /// A task: `id` of the upstream document.
    TaskId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_what_can_stand_in_a_path_segment() {
        assert!("0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d".parse::<OrgId>().is_ok());
        for odd in ["", ".", "..", "a/b", "a b", "%2e", "ü", &"x".repeat(65)] {
            assert_eq!(odd.parse::<SddcId>(), Err(InvalidId), "{odd}");
        }
    }
}
