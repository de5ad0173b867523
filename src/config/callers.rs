//! `[[access.callers]]` and `access.keys`: who may call, each name and each key once.
//!
//! What people put here by mistake is the key itself instead of its digest, so a fault quotes
//! nothing of a caller but a name that was found good.

use std::{collections::HashMap, fmt::Display, str::FromStr, sync::Arc};

use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use super::{
    faults::{Origin, closest, printable},
    keys::Shape,
    layers::{Written, strings, unknown, wrong_type},
    reader::Reader,
};
use crate::access::{
    CallerName, CallerSettings, InvalidCallerName, InvalidKeyDigest, KeyDigest, NamePattern, Scope,
    View,
};
use crate::ids::{OrgId, SddcId};

const TABLES: &str = "access.callers";
const SHORT: &str = "access.keys";
const FIELDS: [&str; 6] = ["name", "key_sha256", "scopes", "orgs", "sddc_ids", "sddc_names"];

/// Reads both forms. What is wrong is noted and left out.
pub(super) fn read(reader: &mut Reader<'_>) -> Vec<CallerSettings> {
    let mut roll = Roll::default();
    if let Some(entry) = reader.entry(TABLES) {
        match &entry.written {
            Written::Toml(DeValue::Array(tables)) => {
                roll.read_tables(reader, tables, &entry.origin);
            }
            Written::Toml(other) => {
                reader.fault(TABLES, wrong_type(Shape::Tables, other), &entry.origin);
            }
            // No flag sets it, and the environment was told so.
            Written::Text(_) | Written::Bytes => {}
        }
    }
    let written_in_full = roll.callers.len();
    for ((name, digest), origin) in reader.list(SHORT, parse_short) {
        roll.hold(reader, SHORT, &name, digest, &origin);
        match roll.callers.iter().position(|caller| caller.name == name) {
            Some(at) if at < written_in_full => {
                let problem = format!("\"{name}\" is already one of {TABLES}");
                reader.fault(SHORT, problem, &origin);
            }
            Some(at) => roll.callers[at].key_sha256.push(digest),
            None => roll.callers.push(CallerSettings {
                name,
                key_sha256: vec![digest],
                scopes: vec![Scope::SddcRead],
                view: View::default(),
            }),
        }
    }
    roll.callers
}

fn parse_name(text: &str) -> Result<CallerName, String> {
    // It would be a good name, and then stand in every log line of that caller.
    if text.starts_with("sgw_") {
        return Err("this is a key, not a name; treat it as lost and make a new one".into());
    }
    text.parse().map_err(|fault: InvalidCallerName| fault.to_string())
}

fn parse_short(text: &str) -> Result<(CallerName, KeyDigest), String> {
    let (name, digest) = text.split_once(':').ok_or("must be name:sha256 of the key")?;
    let name = parse_name(name.trim()).map_err(|fault| format!("has no good name: {fault}"))?;
    let digest = digest
        .trim()
        .parse()
        .map_err(|fault: InvalidKeyDigest| format!("has no good digest: {fault}"))?;
    Ok((name, digest))
}

/// The callers so far, and whose each key is.
#[derive(Default)]
struct Roll {
    callers: Vec<CallerSettings>,
    holders: HashMap<KeyDigest, CallerName>,
}

impl Roll {
    fn read_tables(&mut self, reader: &mut Reader<'_>, tables: &DeArray<'_>, origin: &Origin) {
        for item in tables {
            let origin = origin.part(&item.span());
            match item.get_ref() {
                DeValue::Table(table) => self.read_table(reader, table, &origin),
                other => reader.fault(TABLES, wrong_type(Shape::Tables, other), &origin),
            }
        }
    }

    fn read_table(&mut self, reader: &mut Reader<'_>, table: &DeTable<'_>, origin: &Origin) {
        refuse_unknown_fields(reader, table, origin);
        let name = name(reader, table, origin);
        let digests = list(reader, table, "key_sha256", str::parse::<KeyDigest>, origin);
        let scopes = list(reader, table, "scopes", str::parse::<Scope>, origin);
        let view = View {
            orgs: parsed::<OrgId, _>(reader, table, "orgs", origin).map(Arc::new),
            sddc_ids: parsed::<SddcId, _>(reader, table, "sddc_ids", origin),
            sddc_names: parsed::<NamePattern, _>(reader, table, "sddc_names", origin),
        };
        if digests.is_none() {
            reader.fault(&subject("key_sha256"), "required but not set", origin);
        }
        let Some(name) = name else { return };
        if self.callers.iter().any(|caller| caller.name == name) {
            let problem = format!("\"{name}\" is there twice; one caller may have several keys");
            reader.fault(&subject("name"), problem, origin);
            return;
        }
        let digests = digests.unwrap_or_default();
        for (digest, origin) in &digests {
            self.hold(reader, &subject("key_sha256"), &name, *digest, origin);
        }
        self.callers.push(CallerSettings {
            name,
            key_sha256: digests.into_iter().map(|(digest, _)| digest).collect(),
            scopes: scopes.map_or(vec![Scope::SddcRead], |scopes| {
                scopes.into_iter().map(|(scope, _)| scope).collect()
            }),
            view,
        });
    }

    /// Notes whose a key is; one key of two callers would leave open who called.
    fn hold(
        &mut self,
        reader: &mut Reader<'_>,
        subject: &str,
        name: &CallerName,
        digest: KeyDigest,
        origin: &Origin,
    ) {
        if let Some(holder) = self.holders.insert(digest, name.clone()) {
            reader.fault(subject, format!("a key of \"{name}\" is already \"{holder}\"'s"), origin);
        }
    }
}

fn subject(field: &str) -> String {
    format!("{TABLES}.{field}")
}

fn refuse_unknown_fields(reader: &mut Reader<'_>, table: &DeTable<'_>, origin: &Origin) {
    for (field, _) in table {
        let name = field.get_ref().as_ref();
        if !FIELDS.contains(&name) {
            let problem = unknown("field", closest(name, FIELDS));
            reader.fault(&subject(&printable(name)), problem, &origin.part(&field.span()));
        }
    }
}

fn find<'t, 'i>(table: &'t DeTable<'i>, field: &str) -> Option<&'t Spanned<DeValue<'i>>> {
    table.iter().find(|(name, _)| name.get_ref() == field).map(|(_, value)| value)
}

fn name(reader: &mut Reader<'_>, table: &DeTable<'_>, origin: &Origin) -> Option<CallerName> {
    let Some(value) = find(table, "name") else {
        reader.fault(&subject("name"), "required but not set", origin);
        return None;
    };
    let parsed = match value.get_ref() {
        DeValue::String(text) => parse_name(text),
        other => Err(wrong_type(Shape::Text, other)),
    };
    let origin = origin.part(&value.span());
    parsed.map_err(|fault| reader.fault(&subject("name"), fault, &origin)).ok()
}

/// The good items of a list without their origins.
fn parsed<T, C>(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    field: &str,
    origin: &Origin,
) -> Option<C>
where
    T: FromStr<Err: Display>,
    C: FromIterator<T>,
{
    let items = list(reader, table, field, str::parse::<T>, origin)?;
    Some(items.into_iter().map(|(item, _)| item).collect())
}

/// The good items of a list, `None` if the field is not there.
fn list<T, E: Display>(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    field: &str,
    parse: impl Fn(&str) -> Result<T, E>,
    origin: &Origin,
) -> Option<Vec<(T, Origin)>> {
    let value = find(table, field)?;
    let items = strings(value.get_ref(), Shape::Credentials, &origin.part(&value.span()));
    let items = items.unwrap_or_else(|(fault, origin)| {
        reader.fault(&subject(field), fault, &origin);
        Vec::new()
    });
    if matches!(value.get_ref(), DeValue::Array(array) if array.is_empty()) {
        reader.fault(&subject(field), "must not be empty", &origin.part(&value.span()));
    }
    let mut good = Vec::new();
    for (at, (text, origin)) in items.into_iter().enumerate() {
        match parse(&text) {
            Ok(item) => good.push((item, origin)),
            Err(fault) => {
                reader.fault(&subject(field), format!("entry {}: {fault}", at + 1), &origin);
            }
        }
    }
    Some(good)
}
