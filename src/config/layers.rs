//! What was written: defaults < TOML file < environment < flags, each value with its origin.
//!
//! Flow: [`Source`] → [`SettingLayers`] (one winner per key) → [`Reader`](super::reader::Reader).
//!
//! Only names are judged here. A value is looked at once it has won, so a broken one that a later
//! layer replaces as a whole does no harm.

use std::{collections::HashMap, ffi::OsString, path::PathBuf, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    faults::{Fault, FileLines, SettingOrigin, closest, printable},
    keys::{ENVIRONMENT_PREFIX, Key, ValueShape},
    table::{self, KEYS, SECTIONS},
    variables::{self, CONFIG_VARIABLE, Foreign},
};

/// Where settings come from. It holds secrets, so it has no `Debug`.
#[derive(Default, Clone)]
pub struct Source {
    /// `--config`. Without it `SDDC_GATEWAY_CONFIG` of the environment names the file.
    pub file: Option<PathBuf>,
    /// The process's variables: `std::env::vars_os().collect()`.
    pub environment: Vec<(OsString, OsString)>,
    /// Flags that set a key: its name in the file, the value, the flag as in `--help`.
    pub overrides: Vec<(&'static str, String, &'static str)>,
    /// Decides the default of `telemetry.format`.
    pub stderr_is_terminal: bool,
}

/// The winning value of each key that was set.
pub(super) struct SettingLayers<'f> {
    entries: HashMap<&'static str, Entry<'f>>,
    /// Whether the file could be read: if not, nobody knows what is missing.
    pub(super) complete: bool,
    /// What is ignored but was probably meant, a sentence each.
    pub(super) warnings: Vec<String>,
}

/// A value as written. No `Debug`: it may be a secret.
pub(super) struct Entry<'f> {
    pub(super) written: WrittenValue<'f>,
    pub(super) origin: SettingOrigin,
}

/// How it was written.
pub(super) enum WrittenValue<'f> {
    /// In the file.
    Toml(DeValue<'f>),
    /// In the environment or as a flag.
    Text(String),
    /// In the environment, but not in UTF-8.
    Bytes,
}

impl<'f> SettingLayers<'f> {
    /// Nothing set: the defaults.
    pub(super) fn empty() -> Self {
        Self { entries: HashMap::new(), complete: true, warnings: Vec::new() }
    }

    /// Puts the layers on top of each other.
    pub(super) fn read(
        source: &Source,
        file: &'f Result<Option<ConfigFile>, Fault>,
        faults: &mut Vec<Fault>,
    ) -> Self {
        let mut layers = Self::empty();
        let parsed = match file {
            Ok(Some(file)) => layers.read_file(file, faults),
            Ok(None) => Ok(()),
            Err(fault) => Err(fault.clone()),
        };
        if let Err(fault) = parsed {
            layers.complete = false;
            faults.push(fault);
        }
        layers.read_environment(source, faults);
        for (name, value, flag) in &source.overrides {
            let origin = SettingOrigin::Flag(flag);
            match table::find(name) {
                Some(key) => layers.set(key, WrittenValue::Text(value.clone()), origin),
                None => faults.push(Fault::at(name, "unknown key", &origin)),
            }
        }
        layers
    }

    pub(super) fn entry(&self, key: &Key) -> Option<&Entry<'f>> {
        self.entries.get(key.name)
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn unset(&mut self, key: &Key) {
        self.entries.remove(key.name);
    }

    /// The file's path, if it is what sets the client secret.
    pub(super) fn file_with_secret(&self, source: &Source) -> Option<PathBuf> {
        let entry = self.entry(table::find("csp.client_secret")?)?;
        let (path, _) = config_file(source)?;
        matches!(entry.origin, SettingOrigin::File(..)).then_some(path)
    }

    fn set(&mut self, key: &Key, written: WrittenValue<'f>, origin: SettingOrigin) {
        self.entries.insert(key.name, Entry { written, origin });
    }

    fn read_file(&mut self, file: &'f ConfigFile, faults: &mut Vec<Fault>) -> Result<(), Fault> {
        let ConfigFile { lines, text } = file;
        // Not the error's `Display`: it quotes the line, which may hold the secret.
        let document = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            Fault::of(lines.position(text, at), format!("not valid TOML: {}", error.message()))
        })?;
        for (section, content) in document.into_inner() {
            let name = section.get_ref().as_ref();
            let origin = SettingOrigin::file(lines, &section.span());
            match content.into_inner() {
                _ if name.contains('.') => faults.push(dot_in_quotes(name, &origin)),
                content if is_section(name) => {
                    self.read_section(name, content, &origin, lines, faults);
                }
                DeValue::Table(_) => faults.push(unknown_section(name, &origin)),
                _ => faults.push(unknown_key(name, &origin)),
            }
        }
        Ok(())
    }

    fn read_section(
        &mut self,
        section: &str,
        content: DeValue<'f>,
        origin: &SettingOrigin,
        lines: &Arc<FileLines>,
        faults: &mut Vec<Fault>,
    ) {
        let DeValue::Table(table) = content else {
            faults.push(Fault::at(section, format!("must be a section: [{section}]"), origin));
            return;
        };
        for (key, value) in table {
            let leaf = key.get_ref().as_ref();
            let (name, origin) =
                (format!("{section}.{leaf}"), SettingOrigin::file(lines, &key.span()));
            let value = value.into_inner();
            match table::find(&name) {
                _ if leaf.contains('.') => faults.push(dot_in_quotes(&name, &origin)),
                Some(key) => self.set(key, WrittenValue::Toml(value), origin),
                None if is_section(&name) => {
                    self.read_section(&name, value, &origin, lines, faults);
                }
                None => faults.push(unknown_key(&name, &origin)),
            }
        }
    }

    fn read_environment(&mut self, source: &Source, faults: &mut Vec<Fault>) {
        for (name, value) in &source.environment {
            let name = name.to_string_lossy();
            let Some(rest) = name.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
            if !rest.contains("__") {
                match variables::judge(&name, rest, &value.to_string_lossy()) {
                    Foreign::Ignored => {}
                    Foreign::Unknown => self.warnings.push(format!(
                        "{}: the name of this variable begins like the gateway's, but it is none of \
                         them and is ignored",
                        printable(&name)
                    )),
                    Foreign::Slip(meant) => faults.push(Fault::of(
                        printable(&name),
                        format!("unknown variable; did you mean {meant}?"),
                    )),
                }
                continue;
            }
            match KEYS.iter().find(|key| key.variable() == *name) {
                None => faults.push(unknown_variable(&name)),
                Some(key) if key.shape == ValueShape::Tables => {
                    let short = table::access::keys.variable();
                    faults.push(Fault::of(
                        name,
                        format!("{} has no environment form; use {short}", key.name),
                    ));
                }
                Some(key) => {
                    let text = value.to_str().map(|text| WrittenValue::Text(text.to_owned()));
                    let origin = SettingOrigin::Environment(name.into_owned());
                    self.set(key, text.unwrap_or(WrittenValue::Bytes), origin);
                }
            }
        }
    }
}

/// The file's text. No `Debug`: it may hold the secret.
pub(super) struct ConfigFile {
    pub(super) lines: Arc<FileLines>,
    pub(super) text: String,
}

impl ConfigFile {
    /// Reads the file that the source names, if it names one.
    pub(super) fn open(source: &Source) -> Result<Option<Self>, Fault> {
        let Some((path, named_by)) = config_file(source) else { return Ok(None) };
        let name = path.display().to_string().escape_debug().to_string();
        let unreadable = |why: String| Fault::of(named_by, format!("\"{name}\" {why}"));
        let bytes = std::fs::read(&path).map_err(|error| {
            unreadable(format!("cannot be read: {}", crate::os_error::describe(&error)))
        })?;
        let text = String::from_utf8(bytes).map_err(|_| unreadable("is not UTF-8".into()))?;
        Ok(Some(Self { lines: Arc::new(FileLines::new(name, &text)), text }))
    }
}

/// The file's path, and what named it.
fn config_file(source: &Source) -> Option<(PathBuf, &'static str)> {
    let flag = source.file.clone().map(|path| (path, "--config"));
    flag.or_else(|| {
        let (_, path) = source.environment.iter().find(|(name, _)| name == CONFIG_VARIABLE)?;
        // Empty is how a compose file says "not set".
        (!path.is_empty()).then(|| (path.into(), CONFIG_VARIABLE))
    })
}

fn is_section(name: &str) -> bool {
    SECTIONS.iter().any(|(section, _)| *section == name)
}

/// `["access.oidc"]` is not `[access.oidc]`: taken for it, it could be set twice.
fn dot_in_quotes(name: &str, origin: &SettingOrigin) -> Fault {
    Fault::at(&printable(name), "unknown key; a dot in quotes is part of the name", origin)
}

fn unknown_key(name: &str, origin: &SettingOrigin) -> Fault {
    let nested = SECTIONS.iter().map(|(section, _)| *section).filter(|name| name.contains('.'));
    let meant = closest(name, KEYS.iter().map(|key| key.name).chain(nested)).or_else(|| {
        // The right key in the wrong section, or in none.
        let leaf = name.rsplit('.').next();
        KEYS.iter().map(|key| key.name).find(|key| key.split('.').next_back() == leaf)
    });
    Fault::at(&printable(name), unknown("key", meant), origin)
}

fn unknown_section(name: &str, origin: &SettingOrigin) -> Fault {
    let meant = closest(name, SECTIONS.iter().map(|(section, _)| *section));
    Fault::at(&printable(name), unknown("section", meant), origin)
}

fn unknown_variable(name: &str) -> Fault {
    let meant =
        closest(&name.to_ascii_uppercase(), KEYS.iter().filter_map(|key| key.environment()));
    Fault::of(printable(name), unknown("key", meant.as_deref()))
}

/// "unknown …", with a suggestion if there is one.
pub(super) fn unknown(what: &str, meant: Option<&str>) -> String {
    let ending = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
    format!("unknown {what}{ending}")
}

impl WrittenValue<'_> {
    /// A single value as text, as it would stand in the environment.
    ///
    /// # Errors
    /// When the file has a value of another type; the text says which was wanted.
    pub(super) fn scalar(&self, shape: ValueShape) -> Result<String, String> {
        use ValueShape::{Count, Credential, Duration, Flag, OneOf, Path, SecretPath, Size, Text};
        let value = match self {
            Self::Text(text) => return Ok(text.clone()),
            Self::Bytes => return Err("is not UTF-8".into()),
            Self::Toml(value) => value,
        };
        match (shape, value) {
            (
                Text | OneOf(_) | Credential | Path | SecretPath | Duration(..) | Size(..),
                DeValue::String(text),
            ) => Ok(text.clone().into_owned()),
            (Count(..) | Size(..), DeValue::Integer(number)) => {
                // The radix is gone after this, so that a parser knows only one way of writing.
                i128::from_str_radix(number.as_str(), number.radix())
                    .map(|number| number.to_string())
                    .map_err(|_| "is too large a number".into())
            }
            (Flag, DeValue::Boolean(flag)) => Ok(flag.to_string()),
            (_, value) => Err(wrong_type(shape, value)),
        }
    }

    /// The items of a list, each with its origin.
    ///
    /// # Errors
    /// As [`Self::scalar`], with the origin of the item that is wrong.
    pub(super) fn items(
        &self,
        shape: ValueShape,
        origin: &SettingOrigin,
    ) -> Result<Vec<(String, SettingOrigin)>, (String, SettingOrigin)> {
        match self {
            Self::Bytes => Err(("is not UTF-8".into(), origin.clone())),
            Self::Text(text) if text.trim().is_empty() => Ok(Vec::new()),
            Self::Text(text) => {
                Ok(text.split(',').map(|item| (item.trim().to_owned(), origin.clone())).collect())
            }
            Self::Toml(value) => strings(value, shape, origin),
        }
    }
}

/// The strings of a TOML array, each with its origin.
pub(super) fn strings(
    value: &DeValue<'_>,
    shape: ValueShape,
    origin: &SettingOrigin,
) -> Result<Vec<(String, SettingOrigin)>, (String, SettingOrigin)> {
    let DeValue::Array(array) = value else {
        return Err((wrong_type(shape, value), origin.clone()));
    };
    let item = |item: &Spanned<DeValue<'_>>| {
        let origin = origin.part(&item.span());
        match item.get_ref() {
            DeValue::String(text) => Ok((text.clone().into_owned(), origin)),
            other => Err((wrong_type(shape, other), origin)),
        }
    };
    array.iter().map(item).collect()
}

/// What was wanted and what is there, by type: never the value.
pub(super) fn wrong_type(shape: ValueShape, value: &DeValue<'_>) -> String {
    let found = match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number without quotes",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    };
    match (shape, value) {
        (ValueShape::Duration(..), DeValue::Integer(_)) => {
            "needs a unit and quotes, such as \"30s\"".to_owned()
        }
        (ValueShape::List | ValueShape::Credentials, DeValue::String(_)) => {
            format!("must be {}, not {found}: write [\"…\"]", shape.wanted())
        }
        _ => format!("must be {}, not {found}", shape.wanted()),
    }
}
