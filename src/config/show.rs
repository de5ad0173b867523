//! `config show`: the settings in force, and where each comes from.

use std::{fmt::Write, ops::Range};

use toml::de::{DeTable, DeValue};

use super::{
    Config, Faults, Source,
    example::in_toml,
    faults::SettingOrigin,
    keys::{Key, ValueShape},
    layers::{ConfigFile, Entry, SettingLayers, WrittenValue},
    table::{KEYS, SECTIONS},
};

/// Stands for what is not shown.
const HIDDEN: &str = "***";

impl Config {
    /// The settings in force as TOML, each with where it was set. Secrets are `***`, and user names and
    /// passwords in URLs and proxy variables.
    ///
    /// # Errors
    /// As [`Config::load`]: what is wrong is not in force.
    pub fn show(source: &Source) -> Result<String, Faults> {
        let config = Self::load(source)?;
        let file = ConfigFile::open(source);
        let layers = SettingLayers::read(source, &file, &mut Vec::new());
        let mut text = String::new();
        for (section, _) in SECTIONS {
            let _ = writeln!(text, "[{section}]");
            for key in KEYS.iter().filter(|key| key.parts().0 == *section) {
                let _ = writeln!(text, "{}", line(key, layers.entry(key)));
            }
            text.push('\n');
        }
        let proxies: Vec<_> = config.proxies.variables(&source.environment).collect();
        if !proxies.is_empty() {
            text.push_str("# Of the environment:\n");
        }
        for (variable, value) in proxies {
            let value =
                proxy_without_user_info(&value.to_string_lossy()).escape_debug().to_string();
            let _ = writeln!(text, "# {variable} = {value}");
        }
        Ok(text)
    }
}

/// A key's line: `listen = "127.0.0.1:8080"  # default`.
fn line(key: &Key, entry: Option<&Entry<'_>>) -> String {
    let (_, name) = key.parts();
    let (value, origin) = match (entry, key.default()) {
        (Some(Entry { written, origin }), _) => (shown(key.shape, written), origin),
        (None, Some(default)) => (in_toml(key.shape, default), &SettingOrigin::Default),
        (None, None) => return format!("# {name} is not set"),
    };
    format!("{name} = {value}  # {origin}")
}

fn shown(shape: ValueShape, written: &WrittenValue<'_>) -> String {
    match (shape, written) {
        // The check has refused what is no text.
        (ValueShape::Credential | ValueShape::Credentials, _) | (_, WrittenValue::Bytes) => {
            in_toml(shape, HIDDEN)
        }
        (_, WrittenValue::Toml(value)) => without_secrets(value).to_string(),
        (_, WrittenValue::Text(text)) => in_toml(shape, &url_without_user_info(text)),
    }
}

/// A value of the file. Digests of keys are no secrets, but nobody reads them either, and a key that
/// stands in the place of one would be.
fn without_secrets(value: &DeValue<'_>) -> toml::Value {
    match value {
        DeValue::String(text) => url_without_user_info(text).into(),
        DeValue::Array(items) => {
            items.iter().map(|item| without_secrets(item.get_ref())).collect::<Vec<_>>().into()
        }
        DeValue::Table(table) => toml::Value::Table(fields_without_secrets(table)),
        DeValue::Boolean(flag) => (*flag).into(),
        DeValue::Datetime(moment) => toml::Value::Datetime(*moment),
        DeValue::Float(number) => number.as_str().parse::<f64>().unwrap_or_default().into(),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).unwrap_or_default().into()
        }
    }
}

fn fields_without_secrets(table: &DeTable<'_>) -> toml::Table {
    let field = |name: &str, value: &DeValue<'_>| match name {
        "key_sha256" => vec![HIDDEN].into(),
        _ => without_secrets(value),
    };
    let fields = table.iter().map(|(name, value)| (name.get_ref(), value.get_ref()));
    fields.map(|(name, value)| (name.to_string(), field(name, value))).collect()
}

/// `http://user:password@proxy:3128` → `http://***@proxy:3128`; also without a scheme.
fn proxy_without_user_info(text: &str) -> String {
    user_info(text).map_or_else(|| text.to_owned(), |at| with_hidden(text, at))
}

/// The same of a setting, where it is a URL: a mail address has an `@` too, and so has an audience such as
/// `api://app@tenant`.
fn url_without_user_info(text: &str) -> String {
    let is_secret = |at: &Range<usize>| {
        let scheme = text[..at.start].strip_suffix("://");
        scheme.is_some_and(|scheme| {
            scheme.ends_with("http") || scheme.ends_with("https") || text[at.clone()].contains(':')
        })
    };
    user_info(text).filter(is_secret).map_or_else(|| text.to_owned(), |at| with_hidden(text, at))
}

/// Where `user:password` stands in `http://user:password@proxy:3128` or `user:password@proxy:3128`.
fn user_info(text: &str) -> Option<Range<usize>> {
    let start = text.find("://").map_or(0, |at| at + 3);
    let end = text[start..].find(['/', '?', '#']).map_or(text.len(), |at| start + at);
    text[start..end].rfind('@').map(|at| start..start + at)
}

fn with_hidden(text: &str, Range { start, end }: Range<usize>) -> String {
    format!("{}{HIDDEN}{}", &text[..start], &text[end..])
}
