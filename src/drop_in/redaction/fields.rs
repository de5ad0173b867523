//! What becomes of the fields of VMware's documents: the one table of the redaction, which `fields.txt` holds.
//!
//! A field that VMware adds shows up as `null` until someone has looked at it and written it down there.

use std::{collections::HashMap, hash::BuildHasherDefault, sync::LazyLock};

use super::{
    UnknownFields,
    names::{NameHasher, looks_secret},
};

/// What becomes of the value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// It stays; members of the objects in it are fields, each with a class of its own.
    Keep,
    /// It becomes `null`.
    Null,
    /// It stays, but the members of the object that it is are data (zones, regions, settings): they stay, unless
    /// their names look secret.
    Map,
    /// A [`Class::Map`] of maps.
    MapOfMaps,
    /// A map of objects of which no tool takes a `null`, whatever their names.
    Entries,
    /// An object of fields; anything else in its place is free text and becomes `null`.
    Object,
}

use Class::{Entries, Keep, Map, MapOfMaps, Null, Object};

impl Class {
    /// The class that the table calls so.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "keep" => Keep,
            "null" => Null,
            "map" => Map,
            "map-of-maps" => MapOfMaps,
            "entries" => Entries,
            "object" => Object,
            _ => return None,
        })
    }

    /// The class of a member of an object of this class.
    pub(super) fn of_member(self, name: &str, unknown: UnknownFields) -> Self {
        match self {
            Keep | Object => class_of(name).unwrap_or_else(|| match unknown {
                UnknownFields::Keep if !looks_secret(name) => Keep,
                _ => Null,
            }),
            Map | MapOfMaps if looks_secret(name) => Null,
            MapOfMaps => Map,
            Map => Keep,
            Entries => Object,
            Null => Null,
        }
    }
}

/// The table as it is written: lines that begin with a class go on in those that are indented.
const TABLE: &str = include_str!("fields.txt");

/// Each name of the table and its class.
///
/// # Panics
/// If the table, which is part of the program, has a word in the place of a class that is none; tests read it.
fn fields() -> impl Iterator<Item = (&'static str, Class)> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let words = lines.flat_map(|line| {
        let begins_class = !line.starts_with(' ');
        line.split_ascii_whitespace()
            .enumerate()
            .map(move |(at, word)| (begins_class && at == 0, word))
    });
    let mut class = Null;
    words.filter_map(move |(is_class, word)| {
        if !is_class {
            return Some((word, class));
        }
        class = Class::named(word).expect("the table's classes exist");
        None
    })
}

/// The class of a field; `None` of one that no document of VMware's is known to have.
pub(super) fn class_of(name: &str) -> Option<Class> {
    static CLASSES: LazyLock<HashMap<&'static str, Class, BuildHasherDefault<NameHasher>>> =
        LazyLock::new(|| fields().collect());
    CLASSES.get(name).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn no_name_is_written_twice() {
        let mut seen = BTreeMap::new();
        for (name, class) in fields() {
            assert_eq!(seen.insert(name, class), None, "{name}");
        }
        assert!(seen.len() > 700, "{}", seen.len());
    }

    #[test]
    fn what_the_bindings_take_no_null_for_is_kept() {
        for name in [
            "id",
            "created",
            "updated",
            "user_id",
            "user_name",
            "updated_by_user_id",
            "version",
            "cluster_id",
        ] {
            assert_eq!(class_of(name), Some(Keep), "{name}");
        }
        for name in ["routetables", "ami_infos"] {
            assert_eq!(class_of(name), Some(Entries), "{name}");
        }
    }
}
