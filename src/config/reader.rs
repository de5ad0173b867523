//! Asks the layers for typed values and collects what is wrong with them.
//!
//! A wrong value is noted and its default goes on in its place, so that everything else is checked
//! too; a configuration with a fault never leaves [`Config::load`](super::Config::load).

use std::fmt::Display;

use super::{
    faults::{Fault, Origin, quoted},
    keys::{self, Key},
    layers::{Entry, Layers},
    value,
};
use crate::reload::LoadedFile;

/// The layers and the faults found so far.
pub(super) struct Reader<'a> {
    layers: &'a Layers<'a>,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(layers: &'a Layers<'a>, faults: Vec<Fault>) -> Self {
        Self { layers, faults }
    }

    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    /// The value of a key that has a default.
    pub(super) fn value<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> T {
        self.optional(name, &parse).unwrap_or_else(|| {
            let default = key(name).default().unwrap_or_default();
            parse(default).unwrap_or_else(|fault| unreachable!("default of {name} {fault}"))
        })
    }

    /// The value of a key, `None` if it is not set or wrong.
    pub(super) fn optional<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let key = key(name);
        let Entry { written, origin } = self.layers.entry(key)?;
        match written.scalar(key.shape) {
            Err(fault) => self.fault(name, fault, origin),
            Ok(text) => match parse(&text) {
                Ok(value) => return Some(value),
                Err(fault) if key.may_quote(&text) => {
                    self.fault(name, format!("{} {fault}", quoted(&text)), origin);
                }
                Err(fault) => self.fault(name, fault, origin),
            },
        }
        None
    }

    /// The file that a key names, if its content is good.
    pub(super) fn file<E: Display>(
        &mut self,
        name: &str,
        check: impl Fn(&[u8]) -> Result<(), E>,
    ) -> Option<LoadedFile> {
        self.optional(name, |text| {
            let file = LoadedFile::read(&value::path(text)?).map_err(|fault| fault.to_string())?;
            check(file.content()).map_err(|fault| fault.to_string())?;
            Ok::<_, String>(file)
        })
    }

    /// Reads what is read again elsewhere: its faults are noted there.
    pub(super) fn quietly<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let noted = self.faults.len();
        let value = read(self);
        self.faults.truncate(noted);
        value
    }

    /// The items of a list that are good, each with its origin. Nothing if it is not set.
    pub(super) fn list<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<(T, Origin)> {
        let key = key(name);
        let Some(Entry { written, origin }) = self.layers.entry(key) else { return Vec::new() };
        let items = written.items(key.shape, origin).unwrap_or_else(|(fault, origin)| {
            self.fault(name, fault, &origin);
            Vec::new()
        });
        self.parse_items(key, items, parse)
    }

    fn parse_items<T, E: Display>(
        &mut self,
        key: &Key,
        items: Vec<(String, Origin)>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<(T, Origin)> {
        let mut good = Vec::new();
        for (at, (text, origin)) in items.into_iter().enumerate() {
            match parse(&text) {
                Ok(item) => good.push((item, origin)),
                Err(fault) if key.may_quote(&text) => {
                    self.fault(key.name, format!("{} {fault}", quoted(&text)), &origin);
                }
                Err(fault) => self.fault(key.name, format!("entry {} {fault}", at + 1), &origin),
            }
        }
        good
    }

    /// As written, for what is no scalar and no list.
    pub(super) fn entry(&self, name: &str) -> Option<&'a Entry<'a>> {
        self.layers.entry(key(name))
    }

    /// Whether any layer has the key, good or not.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// Where the winning value was set.
    pub(super) fn origin(&self, name: &str) -> Origin {
        self.entry(name).map_or(Origin::Default, |entry| entry.origin.clone())
    }

    /// Whether nothing was wrong with these keys: only then they can be compared.
    pub(super) fn sound(&self, names: &[&str]) -> bool {
        !self.faults.iter().any(|fault| names.contains(&fault.subject.as_str()))
    }

    /// Notes a fault.
    pub(super) fn fault(&mut self, subject: &str, problem: impl Display, origin: &Origin) {
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

fn key(name: &str) -> &'static Key {
    keys::find(name).unwrap_or_else(|| unreachable!("{name} is not in the table"))
}
