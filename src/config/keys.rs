//! What a key is: its name in the file and the environment, how it is written, what holds without
//! it, and whether a fault may repeat its value.

use super::table::KEYS;

/// What every environment name begins with.
pub(super) const ENVIRONMENT_PREFIX: &str = "SDDC_GATEWAY_";

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Section and key as in the file: `api.listen`.
    pub name: &'static str,
    /// How its value is written.
    pub shape: Shape,
    /// What holds when it is not set.
    pub preset: Preset,
    /// Meaning and bounds, in sentences.
    pub doc: &'static str,
}

/// What holds when a key is not set.
#[derive(Debug, Clone, Copy)]
pub enum Preset {
    /// A default, written as in the environment.
    Default(&'static str),
    /// Nothing; the sample shows what could stand there, written as in the file.
    Unset(&'static str),
    /// Nothing, and no working file is without it; a sample as above.
    Required(&'static str),
}

/// How a value is written in the file. In the environment all of it is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A string.
    Text,
    /// A string that no fault quotes: a secret, or what a secret is easily pasted into.
    Credential,
    /// A string naming a file.
    Path,
    /// A whole number.
    Count,
    /// A string such as `30s`.
    Duration,
    /// A string such as `128MiB`, or a number of bytes.
    Size,
    /// `true` or `false`.
    Flag,
    /// An array of strings; comma-separated in the environment.
    List,
    /// Like [`Shape::List`], its items like [`Shape::Credential`].
    Credentials,
    /// An array of tables; has no environment form.
    Tables,
}

impl Key {
    /// The name in the environment, `None` for what has no such form.
    #[must_use]
    pub fn environment(&self) -> Option<String> {
        (self.shape != Shape::Tables).then(|| environment_name(self.name))
    }

    /// The default as text, `None` when nothing holds unless it is set.
    #[must_use]
    pub const fn default(&self) -> Option<&'static str> {
        match self.preset {
            Preset::Default(text) => Some(text),
            Preset::Unset(_) | Preset::Required(_) => None,
        }
    }

    /// Section and last part of the name; a section's own name may have a dot.
    #[must_use]
    pub fn parts(&self) -> (&'static str, &'static str) {
        self.name.rsplit_once('.').unwrap_or(("", self.name))
    }

    /// Whether a fault may repeat a wrong value.
    ///
    /// Not only secrets are held back: people put a password into a URL (`user:password@host`), a
    /// caller key where its digest belongs, and the secret itself where the name of its file
    /// belongs. The fault says where the value was set; that is enough to look it up.
    pub(super) fn may_quote(&self, value: &str) -> bool {
        let harmless = !value.contains('@') && !value.contains("sgw_");
        match self.shape {
            Shape::Credential | Shape::Credentials => false,
            Shape::Path => harmless && value.starts_with('/'),
            _ => harmless,
        }
    }
}

impl Shape {
    pub(super) const fn is_list(self) -> bool {
        matches!(self, Self::List | Self::Credentials)
    }

    /// For fault texts: "must be …".
    pub(super) const fn wanted(self) -> &'static str {
        match self {
            Self::Text | Self::Credential | Self::Path => "a string",
            Self::Count => "a whole number",
            Self::Duration => "a duration in quotes, such as \"30s\"",
            Self::Size => "a size in quotes, such as \"128MiB\", or a number of bytes",
            Self::Flag => "true or false",
            Self::List | Self::Credentials => "an array of strings",
            Self::Tables => "an array of tables: [[access.callers]]",
        }
    }
}

/// `api.listen` → `SDDC_GATEWAY_API__LISTEN`; every dot is `__`.
pub(super) fn environment_name(name: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}{}", name.replace('.', "__").to_ascii_uppercase())
}

/// Finds a key by its name in the file.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_name_is_section_and_key() {
        let name = |key| find(key).and_then(Key::environment);
        assert_eq!(name("csp.client_id").as_deref(), Some("SDDC_GATEWAY_CSP__CLIENT_ID"));
        assert_eq!(
            name("access.oidc.issuer").as_deref(),
            Some("SDDC_GATEWAY_ACCESS__OIDC__ISSUER"),
        );
        assert_eq!(name("access.callers"), None);
    }

    #[test]
    fn what_may_hold_a_secret_is_not_quoted() {
        let may = |key, value| find(key).is_some_and(|key| key.may_quote(value));
        assert!(may("api.listen", "foo"));
        assert!(may("csp.client_secret_file", "/run/secrets/missing"));
        assert!(!may("csp.client_secret_file", "s3cret"));
        assert!(!may("csp.client_secret", "s3cret"));
        assert!(!may("csp.client_id", "id:s3cret"));
        assert!(!may("csp.url", "http://user:s3cret@host"));
        assert!(!may("access.keys", "billing:sgw_s3cret"));
        assert!(!may("api.hosts", "sgw_s3cret"));
    }
}
