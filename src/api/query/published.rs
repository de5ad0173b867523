//! The parameters as they are published: from the same table by which they are read.

use serde_json::{Value, json};
use utoipa::openapi::{
    ArrayBuilder, ObjectBuilder, RefOr, Required, Schema, Type,
    path::{Parameter as Published, ParameterBuilder, ParameterIn, ParameterStyle},
};

use super::{
    allowed_params::{AllowedParams, FilterParameter, Parameter},
    read,
    select::Target,
};
use crate::api::resource::{Field, FieldKind, Operator, Resource};

/// A time as RFC 3339 writes it. Clients have types for `date-time` that cannot write a parameter.
const TIME: &str = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";
impl AllowedParams {
    /// The parameters of a path that takes these, about documents of that resource: what is asked
    /// most first. `example` is a document of it.
    pub(in crate::api) fn published<R: Resource>(self, example: &Value) -> Vec<Published> {
        let parameters = self.parameters::<R>().map(parameter::<R>);
        let filters = self.filters::<R>();
        parameters.chain(filters.map(|it| filter(it, &example[it.field.name]))).collect()
    }
}

fn filter<R>(parameter: FilterParameter<R>, example: &Value) -> Published {
    let FilterParameter { field, operator } = parameter;
    let (said, mut schema) = value(field);
    schema = schema.examples(first(example).or_else(|| sample(field.kind)));
    let name = field.name;
    let has = if matches!(field.kind, FieldKind::Each(_)) { "has" } else { "is" };
    let later =
        if matches!(field.kind, FieldKind::Time) { ["earlier", "later"] } else { ["less", "more"] };
    let selects = match operator {
        Operator::Is => format!(
            "Selects those whose `{name}` {has} this value. Repeat the parameter to accept several values."
        ),
        Operator::Not => format!(
            "Leaves out those whose `{name}` is this value; where it is `null`, they stay. Repeat the \
             parameter to leave out several values."
        ),
        Operator::AtLeast => format!(
            "Selects those whose `{name}` is this value or {}; where it is `null`, never.",
            later[1]
        ),
        Operator::AtMost => format!(
            "Selects those whose `{name}` is this value or {}; where it is `null`, never.",
            later[0]
        ),
    };
    let published =
        optional(ParameterBuilder::new(), &parameter.name(), &format!("{selects} {said}"));
    if operator.is_bound() {
        return published.schema(Some(Schema::from(schema.build()))).build();
    }
    // The same parameter again, which the document calls an exploded array.
    let schema = ArrayBuilder::new().items(RefOr::T(Schema::from(schema.build())));
    let published = published.style(Some(ParameterStyle::Form)).explode(Some(true));
    published.schema(Some(Schema::from(schema.build()))).build()
}

/// What values of a field are, in words and as a schema.
fn value<R>(field: &Field<R>) -> (String, ObjectBuilder) {
    let string = || ObjectBuilder::new().schema_type(Type::String);
    let must_be = format!("Must be {}.", field.kind.said());
    match field.kind {
        // Another value is taken too if it occurs; of these alone the document can promise it.
        FieldKind::OneOf(documented) => {
            let text = format!(
                "Documented values: {}; any other value is accepted if it occurs in what the caller may see.",
                quoted(documented)
            );
            (text, string().enum_values(Some(documented.iter().copied())))
        }
        FieldKind::Open(form) | FieldKind::Each(form) => (
            format!("Must be {}, or a value that occurs in what the caller may see.", form.said),
            string().pattern(Some(form.pattern)),
        ),
        FieldKind::Number => {
            (must_be, ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)))
        }
        FieldKind::Flag | FieldKind::Object => {
            (must_be, ObjectBuilder::new().schema_type(Type::Boolean))
        }
        FieldKind::Time => (must_be, string().pattern(Some(TIME))),
    }
}

/// The value of a field's example, or the first of its values.
fn first(example: &Value) -> Option<Value> {
    let value = example.get(0).unwrap_or(example);
    Some(value.clone()).filter(|value| !value.is_null())
}

/// For a field whose example is null.
fn sample(kind: FieldKind) -> Option<Value> {
    match kind {
        FieldKind::OneOf(documented) => documented.first().map(|it| json!(it)),
        FieldKind::Number => Some(json!(1)),
        FieldKind::Flag => Some(json!(true)),
        FieldKind::Time => Some(json!("2025-03-18T02:17:04Z")),
        FieldKind::Open(_) | FieldKind::Each(_) | FieldKind::Object => None,
    }
}

/// A choice of names in one parameter, separated by commas.
fn choice(names: &[&str], example: Vec<Value>) -> Schema {
    let item =
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names.iter().copied()));
    let list = ArrayBuilder::new().items(RefOr::T(Schema::from(item.build()))).min_items(Some(1));
    list.examples([Value::from(example)]).build().into()
}

fn parameter<R: Resource>(parameter: Parameter) -> Published {
    let string = || ObjectBuilder::new().schema_type(Type::String);
    let integer = || ObjectBuilder::new().schema_type(Type::Integer);
    let (description, schema): (_, Schema) = match parameter {
        Parameter::Target => (
            "Which server of each SDDC is the target: `vcenter` or `nsx`.".to_owned(),
            string().enum_values(Some(Target::NAMES)).build().into(),
        ),
        Parameter::Q => (
            format!("Selects those with this text in their {}, ignoring case, or with this id.", R::SEARCHED),
            string()
                .min_length(Some(1))
                .max_length(Some(read::MAX_Q_CHARS))
                .examples([json!("prod")])
                .build()
                .into(),
        ),
        Parameter::Fields => {
            let names = read::names(R::FIELDS);
            (
                "Shows only these fields, separated by commas.".to_owned(),
                choice(&names, names.iter().take(3).map(|it| json!(it)).collect()),
            )
        }
        Parameter::Include => {
            let names = read::names(R::INCLUDES);
            (
                "Shows these parts too, separated by commas.".to_owned(),
                choice(&names, names.iter().map(|it| json!(it)).collect()),
            )
        }
        Parameter::Sort => {
            let names = read::sortable::<R>();
            let orders: Vec<_> =
                names.iter().flat_map(|it| [(*it).to_owned(), format!("-{it}")]).collect();
            (
                "Sorts by this field; with `-` before the field, in descending order. `null` comes \
                 last, and equal values are ordered by id."
                    .to_owned(),
                string()
                    .enum_values(Some(orders))
                    .default(Some(json!(R::ORDER.spelled())))
                    .build()
                    .into(),
            )
        }
        Parameter::Limit => (
            "The largest number of items on a page. Without it, one page has all items.".to_owned(),
            integer()
                .minimum(Some(1))
                .maximum(Some(read::MAX_ITEMS))
                .examples([json!(50)])
                .build()
                .into(),
        ),
        Parameter::Cursor => (
            "The `next_cursor` of the previous page, with an otherwise unchanged query. It does not expire.".to_owned(),
            string().pattern(Some("^[A-Za-z0-9_-]+$")).examples([json!("eyJrIjoiYSJ9")]).build().into(),
        ),
        Parameter::Partial => (
            "`allow`: when some organizations cannot be shown, the answer is 200 with \
             `\"completeness\": \"partial\"` instead of 503 `incomplete`."
                .to_owned(),
            string().enum_values(Some(["allow"])).build().into(),
        ),
        Parameter::IncludeDeleted => (
            "Whether deleted SDDCs are listed.".to_owned(),
            ObjectBuilder::new().schema_type(Type::Boolean).default(Some(json!(false))).build().into(),
        ),
        Parameter::Wait => (
            "With `If-None-Match`: the gateway waits at most this long for an answer that differs \
             from the one that the caller has, and then answers 304. A duration such as `45s`, or \
             a number of seconds; at most 120 s. The timeout of a proxy in between must be longer: \
             HAProxy in Debian's default configuration ends a request after 50 s."
                .to_owned(),
            string()
                .pattern(Some("^(([0-9]|[1-9][0-9]|1[01][0-9]|120)s?|[12]m|1m([0-9]|[1-5][0-9])s)$"))
                .examples([json!("45s")])
                .build()
                .into(),
        ),
    };
    let mut published = optional(ParameterBuilder::new(), parameter.name(), &description);
    if matches!(parameter, Parameter::Fields | Parameter::Include) {
        published = published.style(Some(ParameterStyle::Form)).explode(Some(false));
    }
    let required = if parameter == Parameter::Target { Required::True } else { Required::False };
    published.required(required).schema(Some(schema)).build()
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
