//! What the derived schemas do not say.

use std::collections::BTreeMap;

use utoipa::openapi::{
    ArrayBuilder, Ref, RefOr, Schema, Type,
    schema::{ArrayItems, SchemaType},
};

/// What `include=` adds to an SDDC: the field, and what it lists.
pub(super) const INCLUDED: [(&str, &str); 2] = [("clusters", "Cluster"), ("hosts", "Host")];

/// Lets lists refer to the documents that they are of, and names what `include=` adds.
pub(super) fn complete(schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    for (name, schema) in schemas.iter_mut() {
        let RefOr::T(Schema::Object(object)) = schema else { continue };
        if let Some(item) = name.strip_prefix("Page_")
            && let Some(RefOr::T(Schema::Array(items))) = object.properties.get_mut("items")
        {
            items.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(item).into()));
        }
        if name == "Sddc" {
            for (field, item) in INCLUDED {
                let said = format!("Only with `include={field}`; `null` where they are not known.");
                let list = ArrayBuilder::new()
                    .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
                    .items(Ref::from_schema_name(item))
                    .description(Some(said));
                object.properties.insert(field.to_owned(), Schema::from(list.build()).into());
            }
        }
    }
}
