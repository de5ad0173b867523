//! `config schema`: a JSON schema (2020-12) of the configuration file, for editors and reviews.

use serde_json::{Map, Value, json};

use super::{
    caller,
    keys::{Key, PresetValue, ValueShape},
    table::{KEYS, SECTIONS},
};

/// The schema, printed.
pub fn schema() -> String {
    let mut root = section("Configuration of sddc-gateway.");
    root["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    for (name, about) in SECTIONS {
        // `access.oidc` stands within `access`, which comes before it.
        let within = name.split('.').fold(&mut root, |within, part| {
            let properties = &mut within["properties"];
            if properties.get(part).is_none() {
                properties[part] = section(about.trim());
            }
            &mut properties[part]
        });
        for key in KEYS.iter().filter(|key| key.parts().0 == *name) {
            within["properties"][key.parts().1] = property(key);
        }
    }
    format!("{root:#}")
}

fn section(about: &str) -> Value {
    json!({
        "description": about,
        "type": "object",
        "additionalProperties": false,
        "properties": {},
    })
}

fn property(key: &Key) -> Value {
    let mut property = match key.shape {
        ValueShape::Text | ValueShape::Credential | ValueShape::Path | ValueShape::SecretPath => {
            json!({"type": "string"})
        }
        ValueShape::OneOf(words) => json!({"enum": words}),
        ValueShape::Count(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
        ValueShape::Duration(..) => {
            json!({"type": "string", "pattern": "^(?=.)([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"})
        }
        ValueShape::Size(min, max) => json!({"anyOf": [
            {"type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)?$"},
            {"type": "integer", "minimum": min, "maximum": max},
        ]}),
        ValueShape::Flag => json!({"type": "boolean"}),
        ValueShape::List | ValueShape::Credentials => {
            json!({"type": "array", "items": {"type": "string"}})
        }
        ValueShape::Tables => json!({"type": "array", "items": caller_table()}),
    };
    property["description"] = key.doc().into();
    if let PresetValue::Default(default) = key.preset {
        property["default"] = match key.shape {
            ValueShape::List | ValueShape::Credentials => json!([]),
            ValueShape::Count(..) | ValueShape::Flag => default.parse().unwrap_or_default(),
            _ => default.into(),
        };
    }
    property
}

fn caller_table() -> Value {
    let fields: Map<_, _> =
        caller::FIELDS.iter().map(|(name, form)| ((*name).to_owned(), form())).collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["name"],
        "properties": fields,
    })
}
