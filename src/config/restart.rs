//! Which keys have another value than at the start: SIGHUP re-reads files that the configuration
//! names, not the configuration itself.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use toml::de::DeValue;

use super::{Config, Faults, Source, keys::Key, layers, layers::SettingLayers, table::KEYS};

/// What was written for each key that was set. Values are kept as digests: some are secrets.
pub(super) struct WrittenDigests {
    source: Source,
    values: BTreeMap<&'static str, [u8; 32]>,
}

base::opaque_debug!(WrittenDigests);

impl WrittenDigests {
    pub(super) fn of(source: &Source, layers: &SettingLayers<'_>) -> Self {
        let value = |key: &&Key| Some((key.name, digest(&layers.entry(key)?.written)));
        Self { source: source.clone(), values: KEYS.iter().filter_map(value).collect() }
    }
}

impl Config {
    /// Loads the configuration again, from where this one came, and compares. The keys whose values
    /// are others now, in the order of the table; none for a configuration that was not loaded.
    ///
    /// # Errors
    /// What is wrong with the configuration as it is now.
    pub fn changed_keys(&self) -> Result<Vec<&'static str>, Faults> {
        let Some(before) = &self.written else { return Ok(Vec::new()) };
        let now = Self::load(&before.source)?;
        let now = now.written.as_ref();
        let value = |key| now.and_then(|now| now.values.get(key));
        let names = KEYS.iter().map(|key| key.name);
        Ok(names.filter(|key| before.values.get(key) != value(*key)).collect())
    }
}

fn digest(written: &layers::WrittenValue<'_>) -> [u8; 32] {
    let mut digest = Sha256::new();
    match written {
        layers::WrittenValue::Toml(value) => add(&mut digest, value),
        layers::WrittenValue::Text(text) => digest.update(text),
        layers::WrittenValue::Bytes => {}
    }
    digest.finalize().into()
}

/// The value without its places in the file: a comment more is no change.
fn add(digest: &mut Sha256, value: &DeValue<'_>) {
    let scalar = match value {
        DeValue::Array(items) => {
            digest.update(b"[");
            items.iter().for_each(|item| add(digest, item.get_ref()));
            return digest.update(b"]");
        }
        DeValue::Table(table) => {
            digest.update(b"{");
            for (key, value) in table {
                digest.update(key.get_ref().len().to_be_bytes());
                digest.update(key.get_ref().as_bytes());
                add(digest, value.get_ref());
            }
            return digest.update(b"}");
        }
        DeValue::String(text) => format!("s{text}"),
        DeValue::Integer(number) => format!("i{}:{}", number.radix(), number.as_str()),
        DeValue::Float(number) => format!("f{}", number.as_str()),
        DeValue::Boolean(flag) => format!("b{flag}"),
        DeValue::Datetime(time) => format!("d{time}"),
    };
    digest.update(scalar.len().to_be_bytes());
    digest.update(scalar);
}
