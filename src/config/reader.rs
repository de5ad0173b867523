//! Asks the layers for typed values and collects what is wrong with them.
//!
//! A wrong value is noted and its default goes on in its place, so that everything else is checked
//! too; a configuration with a fault never leaves [`Config::load`](super::Config::load).

use std::{fmt::Display, path::PathBuf};

use super::{
    faults::{Fault, SettingOrigin},
    keys::{Key, Setting},
    layers::{Entry, SettingLayers},
};
use crate::reload::LoadedFile;

/// The layers and the faults found so far.
pub(super) struct Reader<'a> {
    layers: &'a SettingLayers<'a>,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(layers: &'a SettingLayers<'a>, faults: Vec<Fault>) -> Self {
        Self { layers, faults }
    }

    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    /// The value of a key that has a default.
    pub(super) fn value<T>(&mut self, setting: &Setting<T>) -> T {
        self.value_by(setting, setting.parse)
    }

    /// The same for a value whose form depends on other keys.
    pub(super) fn value_by<T>(
        &mut self,
        key: &Key,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        self.parsed(key, &parse).unwrap_or_else(|| {
            let default = key.default().unwrap_or_default();
            parse(default).unwrap_or_else(|fault| unreachable!("default of {} {fault}", key.name))
        })
    }

    /// The value of a key, `None` if it is not set or wrong.
    pub(super) fn optional<T>(&mut self, setting: &Setting<T>) -> Option<T> {
        self.parsed(setting, setting.parse)
    }

    fn parsed<T>(&mut self, key: &Key, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let Entry { written, origin } = self.layers.entry(key)?;
        match written.scalar(key.shape) {
            Err(fault) => self.fault(key.name, fault, origin),
            Ok(text) => match parse(&text) {
                Ok(value) => return Some(value),
                Err(fault) => match key.quote(&text) {
                    Some(value) => self.fault(key.name, format!("{value} {fault}"), origin),
                    None => self.fault(key.name, fault, origin),
                },
            },
        }
        None
    }

    /// The file that a key names, if its content is good.
    pub(super) fn file<E: Display>(
        &mut self,
        setting: &Setting<PathBuf>,
        check: impl Fn(&[u8]) -> Result<(), E>,
    ) -> Option<LoadedFile> {
        self.parsed(setting, |text| {
            let path = (setting.parse)(text)?;
            let file = LoadedFile::read(&path).map_err(|fault| fault.to_string())?;
            check(file.content()).map_err(|fault| fault.to_string())?;
            Ok(file)
        })
    }

    /// The items of a list that are good. Nothing if it is not set.
    pub(super) fn list<T>(&mut self, setting: &Setting<T>) -> Vec<T> {
        self.list_with_origins(setting).into_iter().map(|(item, _)| item).collect()
    }

    /// The same, each with its origin.
    pub(super) fn list_with_origins<T>(&mut self, setting: &Setting<T>) -> Vec<(T, SettingOrigin)> {
        let key = setting.key();
        let Some(Entry { written, origin }) = self.layers.entry(key) else { return Vec::new() };
        let items = written.items(key.shape, origin).unwrap_or_else(|(fault, origin)| {
            self.fault(key.name, fault, &origin);
            Vec::new()
        });
        let mut good = Vec::new();
        for (at, (text, origin)) in items.into_iter().enumerate() {
            match (setting.parse)(&text) {
                Ok(item) => good.push((item, origin)),
                Err(fault) => {
                    let item = key.quote(&text).unwrap_or_else(|| format!("entry {}", at + 1));
                    self.fault(key.name, format!("{item} {fault}"), &origin);
                }
            }
        }
        good
    }

    /// As written, for what is no scalar and no list.
    pub(super) fn entry(&self, key: &Key) -> Option<&'a Entry<'a>> {
        self.layers.entry(key)
    }

    /// Whether any layer has the key, good or not.
    pub(super) fn is_set(&self, key: &Key) -> bool {
        self.entry(key).is_some()
    }

    /// Where the winning value was set.
    pub(super) fn origin(&self, key: &Key) -> SettingOrigin {
        self.entry(key).map_or(SettingOrigin::Default, |entry| entry.origin.clone())
    }

    /// Whether nothing was wrong with these keys: only then they can be compared.
    pub(super) fn sound(&self, keys: &[&Key]) -> bool {
        !self.faults.iter().any(|fault| keys.iter().any(|key| key.name == fault.subject))
    }

    /// Notes a fault.
    pub(super) fn fault(&mut self, subject: &str, problem: impl Display, origin: &SettingOrigin) {
        self.faults.push(Fault::at(subject, problem, origin));
    }

    /// Notes a fault that says itself where it is.
    pub(super) fn note(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Notes that something was not set, unless it may stand in the file that could not be read.
    pub(super) fn missing(&mut self, subject: &str, problem: impl Display) {
        if self.layers.complete {
            self.faults.push(Fault::of(subject, problem));
        }
    }
}
