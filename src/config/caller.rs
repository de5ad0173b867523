//! One caller's table: its fields, each by its type.

use std::{collections::BTreeMap, fmt::Display, num::NonZeroU32, str::FromStr, sync::Arc};

use jiff::Timestamp;
use serde_json::{Value, json};
use toml::de::{DeTable, DeValue};

use super::{
    claims,
    faults::{SettingOrigin, closest, printable},
    keys::ValueShape,
    layers::{strings, unknown, wrong_type},
    reader::Reader,
    value,
};
use crate::{
    access::{
        CallerName, CallerSettings, KeyDigest, NamePattern, Rate, ReadGroup, SanName, Scope, View,
        oidc::ClaimPattern,
    },
    ids::{OrgId, SddcId},
};

type JsonSchema = fn() -> Value;

/// The fields, each with its JSON schema.
pub(super) const FIELDS: [(&str, JsonSchema); 12] = [
    ("name", || json!({"type": "string"})),
    ("key_sha256", texts),
    ("oidc", || json!({"type": "object", "minProperties": 1})),
    ("tls_san", || json!({"type": "string"})),
    ("scopes", texts),
    ("drop_in", || {
        let groups: Vec<_> = ReadGroup::ALL.iter().map(|group| group.as_str()).collect();
        json!({"type": "array", "items": {"type": "string", "enum": groups}, "minItems": 1})
    }),
    ("orgs", texts),
    ("sddc_ids", texts),
    ("sddc_names", texts),
    ("rate", || json!({"type": "string"})),
    ("burst", || json!({"type": "integer", "minimum": 1, "maximum": MAX_BURST})),
    // TOML's own date and time, or a text.
    ("not_after", || json!({"type": ["string", "object"]})),
];

const MAX_BURST: u32 = 1_000_000;

fn texts() -> Value {
    json!({"type": "array", "items": {"type": "string"}, "minItems": 1})
}

/// How callers can be known, beside their keys.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuthMethods {
    /// By tokens: `[access.oidc]` is set.
    pub tokens: bool,
    /// By certificates: `api.tls_client_ca` is set.
    pub certificates: bool,
}

/// A table of `[[access.callers]]` or of a callers' file's `[[callers]]`.
pub(super) struct CallerTable<'t, 'i> {
    /// The key that faults are told of.
    pub(super) subject: &'static str,
    pub(super) methods: AuthMethods,
    pub(super) table: &'t DeTable<'i>,
    pub(super) origin: SettingOrigin,
}

/// A caller as written, and where each of its keys was.
pub(super) struct WrittenCaller {
    pub(super) caller: CallerSettings,
    pub(super) keys: Vec<(KeyDigest, SettingOrigin)>,
}

impl CallerTable<'_, '_> {
    /// The caller; `None` without a good name. What is wrong is noted and left out.
    pub(super) fn read(&self, reader: &mut Reader<'_>) -> Option<WrittenCaller> {
        self.refuse_unknown_fields(reader);
        let name = self.name(reader);
        let keys = self.list(reader, "key_sha256", str::parse::<KeyDigest>);
        let scopes: Option<Vec<_>> = self.parsed::<Scope, _>(reader, "scopes");
        let read_groups = self.read_groups(reader, scopes.as_deref());
        let view = View {
            orgs: self.parsed::<OrgId, _>(reader, "orgs").map(Arc::new),
            sddc_ids: self.parsed::<SddcId, _>(reader, "sddc_ids"),
            sddc_names: self.parsed::<NamePattern, _>(reader, "sddc_names"),
        };
        let rate = self.rate(reader);
        let not_after = self.not_after(reader);
        let oidc = self.oidc(reader);
        let tls_san = self.tls_san(reader);
        let named = self.find("tls_san").is_some();
        if keys.is_none() && oidc.is_none() && !named {
            let problem = "a caller needs key_sha256, oidc or tls_san: without a credential nobody can authenticate as it";
            reader.fault(self.subject, problem, &self.origin);
        }
        let keys = keys.unwrap_or_default();
        let all_seen = CallerSettings::new(name?);
        let caller = CallerSettings {
            key_sha256: keys.iter().map(|(digest, _)| *digest).collect(),
            oidc: oidc.unwrap_or_default(),
            tls_san,
            scopes: scopes.unwrap_or(all_seen.scopes),
            read_groups: read_groups.unwrap_or(all_seen.read_groups),
            view,
            rate,
            not_after,
            name: all_seen.name,
        };
        Some(WrittenCaller { caller, keys })
    }

    /// The subject of a field's faults.
    pub(super) fn field(&self, name: &str) -> String {
        format!("{}.{name}", self.subject)
    }

    fn find(&self, field: &str) -> Option<(&DeValue<'_>, SettingOrigin)> {
        let (_, value) = self.table.iter().find(|(name, _)| name.get_ref() == field)?;
        Some((value.get_ref(), self.origin.part(&value.span())))
    }

    fn refuse_unknown_fields(&self, reader: &mut Reader<'_>) {
        for (field, _) in self.table {
            let name = field.get_ref().as_ref();
            let names = || FIELDS.iter().map(|(name, _)| *name);
            if !names().any(|known| known == name) {
                let problem = unknown("field", closest(name, names()));
                let origin = self.origin.part(&field.span());
                reader.fault(&self.field(&printable(name)), problem, &origin);
            }
        }
    }

    fn name(&self, reader: &mut Reader<'_>) -> Option<CallerName> {
        if self.find("name").is_none() {
            reader.fault(&self.field("name"), "required but not set", &self.origin);
        }
        self.text(reader, "name", value::caller_name)
    }

    fn rate(&self, reader: &mut Reader<'_>) -> Option<Rate> {
        let rate: Option<Rate> = self.text(reader, "rate", value::parsed);
        let Some((burst, origin)) = self.find("burst") else { return rate };
        if self.find("rate").is_none() {
            reader.fault(&self.field("burst"), "has an effect only together with rate", &origin);
        }
        let problem = match (burst, whole(burst).and_then(NonZeroU32::new)) {
            (_, Some(burst)) if burst.get() <= MAX_BURST => {
                return rate.map(|rate| rate.with_burst(burst));
            }
            (DeValue::Integer(_), _) => format!("must be a whole number, 1 to {MAX_BURST}"),
            (other, _) => wrong_type(ValueShape::Count(1, MAX_BURST as usize), other),
        };
        reader.fault(&self.field("burst"), problem, &origin);
        None
    }

    /// What it may read of VMware's own API.
    fn read_groups(
        &self,
        reader: &mut Reader<'_>,
        scopes: Option<&[Scope]>,
    ) -> Option<Vec<ReadGroup>> {
        let (_, origin) = self.find("drop_in")?;
        if !scopes.is_some_and(|scopes| scopes.contains(&Scope::VmcRead)) {
            let problem = "has an effect only together with the scope vmc:read";
            reader.fault(&self.field("drop_in"), problem, &origin);
        }
        self.parsed::<ReadGroup, _>(reader, "drop_in")
    }

    /// The name of its certificate.
    fn tls_san(&self, reader: &mut Reader<'_>) -> Option<SanName> {
        let (_, origin) = self.find("tls_san")?;
        if !self.methods.certificates {
            let problem =
                "needs api.tls_client_ca: without it the gateway requests no client certificates";
            reader.fault(&self.field("tls_san"), problem, &origin);
        }
        self.text(reader, "tls_san", value::parsed)
    }

    /// Claims, and what they must be.
    fn oidc(&self, reader: &mut Reader<'_>) -> Option<BTreeMap<String, ClaimPattern>> {
        const WANTED: &str =
            "must be a table of claims and their values, such as { sub = \"billing\" }";
        let (value, origin) = self.find("oidc")?;
        let subject = self.field("oidc");
        if !self.methods.tokens {
            reader.fault(
                &subject,
                "needs access.oidc.issuer and the other keys of [access.oidc]",
                &origin,
            );
        }
        let table = match value {
            DeValue::Table(table) if !table.is_empty() => table,
            _ => {
                reader.fault(&subject, WANTED, &origin);
                return Some(BTreeMap::new());
            }
        };
        let mut faults = Vec::new();
        let claims = claims::read(table, &mut faults);
        for (problem, span) in faults {
            let origin = span.map_or_else(|| origin.clone(), |span| self.origin.part(&span));
            reader.fault(&subject, problem, &origin);
        }
        Some(claims)
    }

    fn not_after(&self, reader: &mut Reader<'_>) -> Option<Timestamp> {
        const WANTED: &str =
            "must be a time with its time zone, such as 2027-01-31T00:00:00Z (RFC 3339)";
        let (value, origin) = self.find("not_after")?;
        let written = match value {
            DeValue::String(text) => text.clone().into_owned(),
            DeValue::Datetime(moment) => moment.to_string(),
            other => {
                reader.fault(
                    &self.field("not_after"),
                    wrong_type(ValueShape::Text, other),
                    &origin,
                );
                return None;
            }
        };
        let moment = written.parse();
        moment.map_err(|_| reader.fault(&self.field("not_after"), WANTED, &origin)).ok()
    }

    /// A string, parsed.
    fn text<T>(
        &self,
        reader: &mut Reader<'_>,
        field: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (value, origin) = self.find(field)?;
        let parsed = match value {
            DeValue::String(text) => parse(text),
            other => Err(wrong_type(ValueShape::Text, other)),
        };
        parsed.map_err(|fault| reader.fault(&self.field(field), fault, &origin)).ok()
    }

    /// The good items of a list without their origins.
    fn parsed<T, C>(&self, reader: &mut Reader<'_>, field: &str) -> Option<C>
    where
        T: FromStr<Err: Display>,
        C: FromIterator<T>,
    {
        let items = self.list(reader, field, str::parse::<T>)?;
        Some(items.into_iter().map(|(item, _)| item).collect())
    }

    /// The good items of a list, `None` if the field is not there.
    fn list<T, E: Display>(
        &self,
        reader: &mut Reader<'_>,
        field: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<(T, SettingOrigin)>> {
        let (value, origin) = self.find(field)?;
        let items =
            strings(value, ValueShape::Credentials, &origin).unwrap_or_else(|(fault, origin)| {
                reader.fault(&self.field(field), fault, &origin);
                Vec::new()
            });
        if matches!(value, DeValue::Array(array) if array.is_empty()) {
            reader.fault(&self.field(field), "must not be empty", &origin);
        }
        let mut good = Vec::new();
        for (at, (text, origin)) in items.into_iter().enumerate() {
            match parse(&text) {
                Ok(item) => good.push((item, origin)),
                Err(fault) => {
                    reader.fault(&self.field(field), format!("entry {}: {fault}", at + 1), &origin);
                }
            }
        }
        Some(good)
    }
}

fn whole(value: &DeValue<'_>) -> Option<u32> {
    let number = value.as_integer()?;
    u32::from_str_radix(number.as_str(), number.radix()).ok()
}
