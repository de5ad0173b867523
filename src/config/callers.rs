//! `[[access.callers]]`, `access.keys` and the callers' file: who may call, each name and each
//! credential once.
//!
//! What people put here by mistake is the key itself instead of its digest, so a fault quotes
//! nothing of a caller but a name that was found good.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
};

use toml::de::{DeArray, DeTable, DeValue};

use super::{
    caller::{AuthMethods, CallerTable},
    faults::{Fault, Faults, FileLines, SettingOrigin, closest, printable},
    keys::ValueShape,
    layers::{SettingLayers, WrittenValue, unknown, wrong_type},
    reader::Reader,
    table::{self, access},
};
use crate::access::{CallerName, CallerSettings, KeyDigest, SanName, oidc::ClaimPattern};

/// Reads both forms that the configuration itself has. What is wrong is noted and left out.
pub(super) fn read(reader: &mut Reader<'_>, methods: AuthMethods) -> Vec<CallerSettings> {
    let mut parser = CallerParser::of(access::callers.name, &[], methods);
    if let Some(entry) = reader.entry(&access::callers) {
        match &entry.written {
            WrittenValue::Toml(DeValue::Array(tables)) => {
                parser.read_tables(reader, tables, &entry.origin);
            }
            WrittenValue::Toml(other) => {
                let problem = wrong_type(ValueShape::Tables, other);
                reader.fault(access::callers.name, problem, &entry.origin);
            }
            // No flag sets it, and the environment was told so.
            WrittenValue::Text(_) | WrittenValue::Bytes => {}
        }
    }
    parser.read_short(reader);
    parser.callers
}

/// Reads the text of a callers' file: `[[callers]]`, and nothing else. `listed` are the callers that
/// the configuration has already, `methods` how callers can be known at all. An empty text is no fault: it lets nobody in.
///
/// # Errors
/// Everything that is wrong, at once, each with its line. No text holds a key.
pub fn callers_file(
    path: &Path,
    text: &str,
    listed: &[CallerSettings],
    methods: AuthMethods,
) -> Result<Vec<CallerSettings>, Faults> {
    let layers = SettingLayers::empty();
    let mut reader = Reader::new(&layers, Vec::new());
    let callers = read_file(&mut reader, path, text, listed, methods);
    let faults = reader.into_faults();
    if faults.is_empty() { Ok(callers) } else { Err(Faults::new(faults, table::place)) }
}

/// As [`callers_file`]; what is wrong is noted and left out.
pub(super) fn read_file(
    reader: &mut Reader<'_>,
    path: &Path,
    text: &str,
    listed: &[CallerSettings],
    methods: AuthMethods,
) -> Vec<CallerSettings> {
    let mut parser = CallerParser::of(access::callers_file.name, listed, methods);
    let lines =
        Arc::new(FileLines::new(path.display().to_string().escape_debug().to_string(), text));
    match DeTable::parse(text) {
        Ok(document) => parser.read_document(reader, document.get_ref(), &lines),
        // Not the error's `Display`: it quotes the line, which may hold a key.
        Err(error) => {
            let at = lines.position(text, error.span().map_or(0, |span| span.start));
            let problem = format!("not valid TOML: {} ({at})", error.message());
            reader.note(Fault::of(access::callers_file.name, problem));
        }
    }
    parser.callers
}

/// The callers so far, and whose each credential is.
struct CallerParser {
    /// The key that faults are told of.
    subject: &'static str,
    methods: AuthMethods,
    callers: Vec<CallerSettings>,
    /// The names of callers who stand elsewhere.
    elsewhere: Vec<CallerName>,
    by_key: HashMap<KeyDigest, CallerName>,
    /// Whose each certificate's name is.
    by_san: HashMap<SanName, CallerName>,
    /// The claims of each caller who is known by some.
    by_claims: Vec<(BTreeMap<String, ClaimPattern>, CallerName)>,
}

impl CallerParser {
    /// Nobody yet; the names and keys of `listed` are taken.
    fn of(subject: &'static str, listed: &[CallerSettings], methods: AuthMethods) -> Self {
        let keys = |caller: &CallerSettings| {
            let name = caller.name.clone();
            caller.key_sha256.clone().into_iter().map(move |digest| (digest, name.clone()))
        };
        Self {
            subject,
            methods,
            callers: Vec::new(),
            elsewhere: listed.iter().map(|caller| caller.name.clone()).collect(),
            by_key: listed.iter().flat_map(keys).collect(),
            by_san: listed
                .iter()
                .filter_map(|caller| Some((caller.tls_san.clone()?, caller.name.clone())))
                .collect(),
            by_claims: listed
                .iter()
                .filter(|caller| !caller.oidc.is_empty())
                .map(|caller| (caller.oidc.clone(), caller.name.clone()))
                .collect(),
        }
    }

    fn read_document(
        &mut self,
        reader: &mut Reader<'_>,
        table: &DeTable<'_>,
        lines: &Arc<FileLines>,
    ) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let origin = SettingOrigin::file(lines, &key.span());
            match value.get_ref() {
                DeValue::Array(tables) if name == "callers" => {
                    self.read_tables(reader, tables, &origin);
                }
                _ if name == "callers" => {
                    reader.fault(self.subject, "must contain tables: [[callers]]", &origin);
                }
                _ => {
                    let subject = format!("{}.{}", self.subject, printable(name));
                    reader.fault(&subject, unknown("key", closest(name, ["callers"])), &origin);
                }
            }
        }
    }

    fn read_tables(
        &mut self,
        reader: &mut Reader<'_>,
        tables: &DeArray<'_>,
        origin: &SettingOrigin,
    ) {
        for item in tables {
            let origin = origin.part(&item.span());
            match item.get_ref() {
                DeValue::Table(table) => {
                    let (subject, methods) = (self.subject, self.methods);
                    self.add(reader, &CallerTable { subject, methods, table, origin });
                }
                other => reader.fault(self.subject, wrong_type(ValueShape::Tables, other), &origin),
            }
        }
    }

    fn add(&mut self, reader: &mut Reader<'_>, table: &CallerTable<'_, '_>) {
        let Some(written) = table.read(reader) else { return };
        let name = &written.caller.name;
        let problem = if self.callers.iter().any(|caller| caller.name == *name) {
            format!("\"{name}\" occurs twice; one caller may have several keys")
        } else if self.elsewhere.contains(name) {
            format!("\"{name}\" is already a caller of the configuration")
        } else {
            for (digest, origin) in &written.keys {
                self.hold(reader, &table.field("key_sha256"), name, *digest, origin);
            }
            if let Some(san) = &written.caller.tls_san
                && let Some(holder) = self.by_san.insert(san.clone(), name.clone())
            {
                let problem =
                    format!("the certificate name of \"{name}\" already belongs to \"{holder}\"");
                reader.fault(&table.field("tls_san"), problem, &table.origin);
            }
            self.claim(reader, table, &written.caller);
            self.callers.push(written.caller);
            return;
        };
        reader.fault(&table.field("name"), problem, &table.origin);
    }

    /// Notes whose claims these are: a token that fits several callers is refused, so two of the same
    /// claims would never be let in.
    fn claim(
        &mut self,
        reader: &mut Reader<'_>,
        table: &CallerTable<'_, '_>,
        caller: &CallerSettings,
    ) {
        if caller.oidc.is_empty() {
            return;
        }
        let name = &caller.name;
        match self.by_claims.iter().find(|(claims, _)| *claims == caller.oidc) {
            Some((_, holder)) => {
                let problem = format!("the claims of \"{name}\" already belong to \"{holder}\"");
                reader.fault(&table.field("oidc"), problem, &table.origin);
            }
            None => self.by_claims.push((caller.oidc.clone(), name.clone())),
        }
    }

    fn read_short(&mut self, reader: &mut Reader<'_>) {
        let written_in_full = self.callers.len();
        for ((name, digest), origin) in reader.list_with_origins(&access::keys) {
            self.hold(reader, access::keys.name, &name, digest, &origin);
            match self.callers.iter().position(|caller| caller.name == name) {
                Some(at) if at < written_in_full => {
                    let problem = format!("\"{name}\" is already one of {}", access::callers.name);
                    reader.fault(access::keys.name, problem, &origin);
                }
                Some(at) => self.callers[at].key_sha256.push(digest),
                None => self.callers.push(CallerSettings::with_key(name, digest)),
            }
        }
    }

    /// Notes whose a key is; one key of two callers would leave open who called.
    fn hold(
        &mut self,
        reader: &mut Reader<'_>,
        subject: &str,
        name: &CallerName,
        digest: KeyDigest,
        origin: &SettingOrigin,
    ) {
        if let Some(holder) = self.by_key.insert(digest, name.clone()) {
            reader.fault(
                subject,
                format!("a key of \"{name}\" already belongs to \"{holder}\""),
                origin,
            );
        }
    }
}
