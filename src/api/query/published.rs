//! The parameters as they are published: from the same table by which they are read.

use serde_json::json;
use utoipa::openapi::{
    ArrayBuilder, KnownFormat, ObjectBuilder, RefOr, Required, Schema, SchemaFormat, Type,
    path::{Parameter as Published, ParameterBuilder, ParameterIn, ParameterStyle},
};

use super::{
    allowed_params::{AllowedParams, Parameter},
    read,
};
use crate::api::resource::{Field, FieldKind, Resource};

impl AllowedParams {
    /// The parameters of a path that takes these, about documents of that resource.
    pub(in crate::api) fn published<R: Resource>(self) -> Vec<Published> {
        let filters = self.filters::<R>().map(filter);
        filters.chain(self.parameters::<R>().map(parameter::<R>)).collect()
    }
}

/// The same parameter again is OR, which the document calls an exploded array.
fn filter<R>(field: &Field<R>) -> Published {
    let (said, schema) = match field.kind {
        FieldKind::OneOf(documented) => {
            let text = format!(
                "Documented values: {}; any other value is accepted if it occurs in what the caller may see.",
                quoted(documented)
            );
            (text, ObjectBuilder::new().schema_type(Type::String))
        }
        FieldKind::Open(form) | FieldKind::Each(form) => {
            let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some(form.pattern));
            (
                format!(
                    "Must be {}, or a value that occurs in what the caller may see.",
                    form.said
                ),
                schema,
            )
        }
        FieldKind::Number => {
            let schema = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
            (format!("Must be {}.", field.kind.said()), schema)
        }
        FieldKind::Flag | FieldKind::Object => (
            format!("Must be {}.", field.kind.said()),
            ObjectBuilder::new().schema_type(Type::Boolean),
        ),
        FieldKind::Time => {
            let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
            let schema = ObjectBuilder::new().schema_type(Type::String).format(Some(format));
            (format!("Must be {}.", field.kind.said()), schema)
        }
    };
    let wanted = if matches!(field.kind, FieldKind::Each(_)) { "has" } else { "is" };
    let description = format!(
        "Selects those whose `{}` {wanted} this value. Repeat the parameter to accept several values. {said}",
        field.name
    );
    let schema = ArrayBuilder::new().items(RefOr::T(Schema::from(schema.build())));
    let published = ParameterBuilder::new().style(Some(ParameterStyle::Form)).explode(Some(true));
    optional(published, field.name, &description).schema(Some(Schema::from(schema.build()))).build()
}

fn parameter<R: Resource>(parameter: Parameter) -> Published {
    let string = || ObjectBuilder::new().schema_type(Type::String);
    let (description, schema) = match parameter {
        Parameter::Target => (
            "Which server of each SDDC is the target: `vcenter` or `nsx`.".to_owned(),
            string().enum_values(Some(read::TARGETS)),
        ),
        Parameter::Q => (
            format!("Selects those with this text in their {}, ignoring case, or with this id.", R::SEARCHED),
            string().min_length(Some(1)).max_length(Some(read::MAX_Q_CHARS)),
        ),
        Parameter::Fields => (
            format!("Shows only these fields, separated by commas: {}.", quoted(&read::names(R::FIELDS))),
            string().pattern(Some("^[a-z_]+(,[a-z_]+)*$")),
        ),
        Parameter::Include => (
            format!("Shows these parts too, separated by commas: {}.", quoted(&read::names(R::INCLUDES))),
            string().pattern(Some("^[a-z_]+(,[a-z_]+)*$")),
        ),
        Parameter::Sort => (
            format!(
                "Sorts by this field; with `-` before the field, in descending order. `null` comes \
                 last, and equal values are ordered by id. One of {}.",
                quoted(&read::sortable::<R>())
            ),
            string().pattern(Some("^-?[a-z_]+$")).default(Some(json!(read::spelled(R::ORDER)))),
        ),
        Parameter::Limit => (
            "The largest number of items on a page. Without it, one page has all items.".to_owned(),
            ObjectBuilder::new()
                .schema_type(Type::Integer)
                .minimum(Some(1))
                .maximum(Some(read::MAX_ITEMS)),
        ),
        Parameter::Cursor => (
            "The `next_cursor` of the previous page, with an otherwise unchanged query. It does not expire.".to_owned(),
            string().pattern(Some("^[A-Za-z0-9_-]+$")),
        ),
        Parameter::Partial => (
            "`allow`: when some organizations cannot be shown, the answer is 200 with \
             `\"completeness\": \"partial\"` instead of 503 `incomplete`."
                .to_owned(),
            string().pattern(Some("^allow$")),
        ),
        Parameter::IncludeDeleted => (
            "Whether deleted SDDCs are listed.".to_owned(),
            ObjectBuilder::new().schema_type(Type::Boolean).default(Some(json!(false))),
        ),
        Parameter::Wait => (
            "With `If-None-Match`: the gateway waits at most this long for an answer that differs \
             from the one that the caller has, and then answers 304. A duration such as `45s`, or \
             a number of seconds; at most 120 s. The timeout of a proxy in between must be longer: \
             HAProxy in Debian's default configuration ends a request after 50 s."
                .to_owned(),
            string().pattern(Some("^([0-9]+m)?([0-9]+s)?([0-9]+ms)?$|^[0-9]+$")),
        ),
    };
    let published = optional(ParameterBuilder::new(), parameter.name(), &description);
    let required = if parameter == Parameter::Target { Required::True } else { Required::False };
    published.required(required).schema(Some(Schema::from(schema.build()))).build()
}

fn optional(published: ParameterBuilder, name: &str, description: &str) -> ParameterBuilder {
    published
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
}

fn quoted(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
