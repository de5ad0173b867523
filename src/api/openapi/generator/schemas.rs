//! What the derived schemas do not say.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::{
    ArrayBuilder, Object, ObjectBuilder, Ref, RefOr, Schema, Type,
    schema::{ArrayItems, SchemaType},
};

/// The documents that `fields=` shows in part.
const SHOWN_IN_PART: [&str; 5] = ["Sddc", "Cluster", "Host", "Task", "Org"];

/// What `include=` adds to an SDDC: the field, and what it lists.
const INCLUDED: [(&str, &str); 2] = [("clusters", "Cluster"), ("hosts", "Host")];

/// Fields that are left out where there is nothing to say. All others are always there.
const OPTIONAL: [(&str, &str); 5] = [
    ("Problem", "errors"),
    ("Problem", "missing"),
    ("Problem", "did_you_mean"),
    ("Problem", "contact"),
    ("ParameterFault", "did_you_mean"),
];

/// The schemas of ids, which are written as plain strings wherever they stand.
const IDS: [&str; 3] = ["OrgId", "SddcId", "TaskId"];

/// An example of each field, by the document's schema.
fn examples() -> Value {
    serde_json::from_str(include_str!("fields.json")).expect("the examples are JSON")
}

/// The document that the examples of a schema's fields make up.
pub(crate) fn example(name: &str) -> Value {
    examples()[name].take()
}

/// A schema of the document.
pub(crate) fn schema(name: &str) -> Value {
    serde_json::to_value(&super::document().components.expect("it has some").schemas[name])
        .expect("schemas have string keys only")
}

/// Lets lists refer to the documents that they are of, writes ids as strings, gives each field its
/// example, and names what `include=` adds.
pub(super) fn complete(schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    let examples = examples();
    for id in IDS {
        schemas.remove(id);
    }
    for (name, schema) in schemas.iter_mut() {
        let RefOr::T(Schema::Object(object)) = schema else { continue };
        let (own, item) = name.split_once('_').map_or((&**name, None), |(a, b)| (a, Some(b)));
        complete_fields(object, own, &examples[own]);
        if let (Some(item), Some(RefOr::T(Schema::Array(items)))) =
            (item, object.properties.get_mut("items"))
        {
            items.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(item).into()));
        }
        if name == "Sddc" {
            add_included(object);
        }
    }
    for name in SHOWN_IN_PART {
        add_part(schemas, name);
    }
}

/// Adds what `fields=` shows of a document, and the page of such. Nothing of it is sure to be there.
fn add_part(schemas: &mut BTreeMap<String, RefOr<Schema>>, name: &str) {
    let (page, part) = (format!("Page_{name}"), format!("{name}Part"));
    let object = |schema: &RefOr<Schema>| match schema {
        RefOr::T(Schema::Object(object)) => object.clone(),
        _ => panic!("{name} is an object"),
    };
    let mut document = object(&schemas[name]);
    document.required.clear();
    document.description =
        Some(format!("A {name} as `fields` shows it: with the fields that were asked for."));
    let mut list = object(&schemas[&page]);
    list.description = Some(format!("A list of {name} as `fields` shows them."));
    if let Some(RefOr::T(Schema::Array(items))) = list.properties.get_mut("items") {
        items.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(&part).into()));
    }
    schemas.insert(part, Schema::from(document).into());
    schemas.insert(format!("{page}Part"), Schema::from(list).into());
}

fn complete_fields(object: &mut Object, name: &str, examples: &Value) {
    let fields = object.properties.keys().cloned();
    object.required = fields.filter(|field| !OPTIONAL.contains(&(name, field.as_str()))).collect();
    for (field, schema) in &mut object.properties {
        if let Some(id) = plain_id(schema) {
            *schema = id.into();
        }
        let example = examples.get(field).cloned();
        match schema {
            RefOr::T(Schema::Object(field)) => field.example = example,
            RefOr::T(Schema::Array(field)) => field.example = example,
            _ => assert!(example.is_none(), "{name}.{field} takes no example"),
        }
    }
}

/// What stands for an id, or for an id or null.
fn plain_id(schema: &RefOr<Schema>) -> Option<Schema> {
    let is_id = |to: &Ref| IDS.iter().any(|id| to.ref_location.ends_with(&format!("/{id}")));
    let (to, kind) = match schema {
        RefOr::Ref(to) => (to, SchemaType::Type(Type::String)),
        RefOr::T(Schema::OneOf(one)) => {
            let to = one.items.iter().find_map(|it| match it {
                RefOr::Ref(to) => Some(to),
                RefOr::T(_) => None,
            });
            (to?, SchemaType::from_iter([Type::String, Type::Null]))
        }
        RefOr::T(_) => return None,
    };
    let description = Some(to.description.clone()).filter(|text| !text.is_empty());
    let id = ObjectBuilder::new().schema_type(kind).description(description);
    is_id(to).then(|| id.build().into())
}

fn add_included(sddc: &mut Object) {
    for (field, item) in INCLUDED {
        let said = format!("Present only with `include={field}`; `null` if they are not known.");
        let list = ArrayBuilder::new()
            .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
            .items(Ref::from_schema_name(item))
            .description(Some(said));
        sddc.properties.insert(field.to_owned(), Schema::from(list.build()).into());
    }
}
