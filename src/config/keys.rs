//! What a key is: its name in the file and the environment, how it is written, what holds without
//! it, and what of its value a fault may repeat.

use std::{net::SocketAddr, ops::Deref, path::PathBuf, time::Duration};

use super::{
    faults::quoted,
    value::{self, spell_duration, spell_size},
};

/// What every environment name begins with.
pub(super) const ENVIRONMENT_PREFIX: &str = "SDDC_GATEWAY_";

/// One setting, whatever its type.
#[derive(Debug)]
pub(super) struct Key {
    /// Section and key as in the file: `api.listen`.
    pub(super) name: &'static str,
    /// How its value is written.
    pub(super) shape: ValueShape,
    /// What holds when it is not set.
    pub(super) preset: PresetValue,
    /// Meaning, in sentences. The bounds are [`Self::doc`]'s to say.
    pub(super) meaning: &'static str,
}

/// One setting, and what its text means.
pub(super) struct Setting<T: 'static> {
    key: Key,
    pub(super) parse: Parse<T>,
}

/// From a value's text to its type: for a list, of one item.
pub(super) type Parse<T> = fn(&str) -> Result<T, String>;

/// How values of a type are written and read.
pub(super) struct ValueKind<T> {
    shape: ValueShape,
    parse: Parse<T>,
}

/// What holds when a key is not set.
#[derive(Debug, Clone, Copy)]
pub(super) enum PresetValue {
    /// A default, written as in the environment.
    Default(&'static str),
    /// Nothing; the sample shows what could stand there, written as in the file.
    Unset(&'static str),
    /// Nothing, and no working file is without it; a sample as above.
    Required(&'static str),
}

/// How a value is written in the file. In the environment all of it is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueShape {
    /// A string.
    Text,
    /// A string that is one of these.
    OneOf(&'static [&'static str]),
    /// A string that is never quoted: a secret, or what a secret is easily pasted into.
    Credential,
    /// A string naming a file.
    Path,
    /// A string naming a file with a secret, which is easily pasted in the name's place.
    SecretPath,
    /// A whole number, from the first to the second.
    Count(usize, usize),
    /// A string such as `30s`; its bounds in milliseconds.
    Duration(u64, u64),
    /// A string such as `128MiB`, or a number of bytes; its bounds in bytes.
    Size(u64, u64),
    /// `true` or `false`.
    Flag,
    /// An array of strings; comma-separated in the environment.
    List,
    /// Like [`ValueShape::List`], its items like [`ValueShape::Credential`].
    Credentials,
    /// An array of tables; has no environment form.
    Tables,
}

pub(super) const fn text<T>(parse: Parse<T>) -> ValueKind<T> {
    ValueKind { shape: ValueShape::Text, parse }
}

pub(super) const fn credential<T>(parse: Parse<T>) -> ValueKind<T> {
    ValueKind { shape: ValueShape::Credential, parse }
}

pub(super) const fn path<T>(parse: Parse<T>) -> ValueKind<T> {
    ValueKind { shape: ValueShape::Path, parse }
}

pub(super) const fn secret_path() -> ValueKind<PathBuf> {
    ValueKind { shape: ValueShape::SecretPath, parse: value::path }
}

pub(super) const fn list<T>(parse: Parse<T>) -> ValueKind<T> {
    ValueKind { shape: ValueShape::List, parse }
}

pub(super) const fn credentials<T>(parse: Parse<T>) -> ValueKind<T> {
    ValueKind { shape: ValueShape::Credentials, parse }
}

/// Tables are read by who knows their fields.
pub(super) const fn tables() -> ValueKind<()> {
    ValueKind { shape: ValueShape::Tables, parse: |_| Ok(()) }
}

pub(super) const fn address() -> ValueKind<SocketAddr> {
    text(value::address)
}

pub(super) const fn flag() -> ValueKind<bool> {
    ValueKind { shape: ValueShape::Flag, parse: value::flag }
}

pub(super) const fn count<const MIN: usize, const MAX: usize>() -> ValueKind<usize> {
    ValueKind { shape: ValueShape::Count(MIN, MAX), parse: |text| value::count(MIN..=MAX)(text) }
}

/// Between two numbers of milliseconds.
pub(super) const fn duration<const MIN: u64, const MAX: u64>() -> ValueKind<Duration> {
    let parse: Parse<Duration> =
        |text| value::duration(Duration::from_millis(MIN)..=Duration::from_millis(MAX))(text);
    ValueKind { shape: ValueShape::Duration(MIN, MAX), parse }
}

/// Between two numbers of bytes.
pub(super) const fn size<const MIN: u64, const MAX: u64>() -> ValueKind<u64> {
    ValueKind { shape: ValueShape::Size(MIN, MAX), parse: |text| value::size(MIN..=MAX)(text) }
}

/// One of the words of a table.
pub(super) const fn one_of<T>(words: &'static [&'static str], parse: Parse<T>) -> ValueKind<T> {
    ValueKind { shape: ValueShape::OneOf(words), parse }
}

impl<T> Setting<T> {
    pub(super) const fn new(
        name: &'static str,
        kind: &ValueKind<T>,
        preset: PresetValue,
        meaning: &'static str,
    ) -> Self {
        let ValueKind { shape, parse } = *kind;
        Self { key: Key { name, shape, preset, meaning }, parse }
    }

    /// The setting without its type.
    pub(super) const fn key(&self) -> &Key {
        &self.key
    }
}

impl<T> Deref for Setting<T> {
    type Target = Key;

    fn deref(&self) -> &Key {
        &self.key
    }
}

impl Key {
    /// The name in the environment, `None` for what has no such form.
    pub(super) fn environment(&self) -> Option<String> {
        (self.shape != ValueShape::Tables).then(|| self.variable())
    }

    /// `api.listen` → `SDDC_GATEWAY_API__LISTEN`; every dot is `__`.
    pub(super) fn variable(&self) -> String {
        format!("{ENVIRONMENT_PREFIX}{}", self.name.replace('.', "__").to_ascii_uppercase())
    }

    /// The default as text, `None` when nothing holds unless it is set.
    pub(super) const fn default(&self) -> Option<&'static str> {
        match self.preset {
            PresetValue::Default(text) => Some(text),
            PresetValue::Unset(_) | PresetValue::Required(_) => None,
        }
    }

    /// Section and last part of the name; a section's own name may have a dot.
    pub(super) fn parts(&self) -> (&'static str, &'static str) {
        self.name.rsplit_once('.').unwrap_or(("", self.name))
    }

    /// Meaning and bounds, in sentences.
    pub(super) fn doc(&self) -> String {
        let meaning = self.meaning.trim();
        match self.shape {
            ValueShape::Count(min, max) => format!("{meaning} Allowed: {min} to {max}."),
            ValueShape::Duration(min, max) => {
                let spell = |bound| spell_duration(Duration::from_millis(bound));
                format!("{meaning} Allowed: {} to {}.", spell(min), spell(max))
            }
            ValueShape::Size(min, max) => {
                format!("{meaning} Allowed: {} to {}.", spell_size(min), spell_size(max))
            }
            _ => meaning.to_owned(),
        }
    }

    /// How a fault may repeat a wrong value, if it may: in quotes, cut where the query of a URL begins.
    ///
    /// Not only secrets are held back: people put a password or a token into a URL
    /// (`user:password@host`, `?token=…`), a caller key where its digest belongs, and the secret itself
    /// where the name of its file belongs. The fault says where the value was set; that is enough to
    /// look it up.
    pub(super) fn quote(&self, value: &str) -> Option<String> {
        let is_harmless = !value.contains('@') && !value.contains("sgw_");
        let (may, end) = match self.shape {
            ValueShape::Credential | ValueShape::Credentials => (false, None),
            ValueShape::SecretPath => (value.starts_with('/'), None),
            // A PEM file's content, which may have a key in it, where the name belongs.
            ValueShape::Path => (!value.contains("-----") && !value.contains('\n'), None),
            _ => (true, value.find(['?', '#'])),
        };
        (may && is_harmless).then(|| match end {
            Some(end) => quoted(&format!("{}…", &value[..=end])),
            None => quoted(value),
        })
    }
}

impl ValueShape {
    pub(super) const fn is_list(self) -> bool {
        matches!(self, Self::List | Self::Credentials)
    }

    /// For fault texts: "must be …".
    pub(super) const fn wanted(self) -> &'static str {
        match self {
            Self::Text | Self::OneOf(_) | Self::Credential | Self::Path | Self::SecretPath => {
                "a string"
            }
            Self::Count(..) => "a whole number",
            Self::Duration(..) => "a duration in quotes, such as \"30s\"",
            Self::Size(..) => "a size in quotes, such as \"128MiB\", or a number of bytes",
            Self::Flag => "true or false",
            Self::List | Self::Credentials => "an array of strings",
            Self::Tables => "an array of tables: [[access.callers]]",
        }
    }
}
