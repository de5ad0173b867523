//! The tables are the documents' own.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::*;
use crate::{
    api::openapi::generator,
    inventory::model::{Capacity, Cluster, GapReason, Host, Org, PartGaps, Sddc, SddcEntry, Task},
};

/// A table's names in its order, with what it gives for each field of that document.
fn projected<R: Resource>(document: &R) -> String {
    let field = |field: &Field<R>| {
        let value = serde_json::to_string(&(field.value)(document)).unwrap();
        format!("{}:{value}", json!(field.name))
    };
    let fields: Vec<_> = R::FIELDS.iter().map(field).collect();
    format!("{{{}}}", fields.join(","))
}

fn read<T: serde::de::DeserializeOwned>(document: Json) -> T {
    serde_json::from_value(document).unwrap()
}

/// The document that the examples of its fields make up; `capacity` is described elsewhere.
fn example(name: &str) -> Json {
    let mut example = generator::example(name);
    if matches!(name, "Sddc" | "Cluster") {
        example["capacity"] = serde_json::to_value(capacity()).unwrap();
    }
    example
}

fn capacity() -> Capacity {
    Capacity { cpu_cores: Some(256), cpu_ghz: Some(742.4), memory_gib: None, storage_gib: Some(1) }
}

/// The same with nothing known but what must be.
fn bare(name: &str) -> Json {
    let Json::Object(mut example) = example(name) else { unreachable!() };
    for (name, value) in &mut example {
        if !matches!(&**name, "id" | "org_id" | "sddc_id") {
            *value = Json::Null;
        }
    }
    example.into()
}

fn entry(sddc: Json) -> SddcEntry {
    let sddc: Sddc = read(sddc);
    let clusters = vec![read(example("Cluster"))];
    let (hosts, gaps) = (vec![read(example("Host"))], PartGaps::default());
    SddcEntry { sddc, clusters, hosts, gaps, version: None }
}

#[track_caller]
fn agrees<R: Resource>(document: &R) {
    assert_eq!(projected(document), serde_json::to_string(document.document()).unwrap());
}

#[test]
fn a_table_gives_the_same_bytes_as_the_document() {
    agrees(&entry(example("Sddc")));
    agrees(&entry(bare("Sddc")));
    for document in [example("Cluster"), bare("Cluster")] {
        agrees(&read::<Cluster>(document));
    }
    for document in [example("Host"), bare("Host")] {
        agrees(&read::<Host>(document));
    }
    for document in [example("Org"), bare("Org")] {
        agrees(&read::<Org>(document));
    }
    for document in [example("Task"), bare("Task")] {
        agrees(&read::<Task>(document));
    }
}

/// Documented values stand in the field's own description too, and a field's form takes its own
/// example.
fn is_documented<R: Resource>(name: &str) {
    let schema = generator::schema(name);
    for field in R::FIELDS {
        let described = &schema["properties"][field.name];
        let text = described["description"].as_str().unwrap_or_default();
        match field.kind {
            FieldKind::OneOf(documented) => {
                for value in documented {
                    assert!(text.contains(&format!("`{value}`")), "{}: {value}", field.name);
                }
                assert!(text.contains("a newer value"), "{}", field.name);
            }
            FieldKind::Open(form) => {
                let example = described["example"].as_str();
                assert!(example.is_none_or(|it| form.matches(it)), "{}: {example:?}", field.name);
            }
            FieldKind::Each(form) => {
                let examples = described["example"].as_array().unwrap();
                assert!(examples.iter().all(|it| form.matches(it.as_str().unwrap())));
            }
            FieldKind::Number | FieldKind::Flag | FieldKind::Time | FieldKind::Object => {}
        }
    }
}

#[test]
fn documented_values_are_those_of_the_descriptions() {
    is_documented::<SddcEntry>("Sddc");
    is_documented::<Cluster>("Cluster");
    is_documented::<Host>("Host");
    is_documented::<Org>("Org");
    is_documented::<Task>("Task");
}

#[test]
fn what_can_be_included_is_shown_as_it_is() {
    let entry = entry(example("Sddc"));
    let shown: Vec<_> =
        SddcEntry::INCLUDES.iter().map(|it| (it.name, json!((it.value)(&entry)))).collect();
    assert_eq!(shown, [("clusters", json!(entry.clusters)), ("hosts", json!(entry.hosts))]);
}

#[test]
fn what_can_be_included_is_null_where_nothing_of_it_is_known() {
    let known = entry(example("Sddc"));
    let shown = |gaps: PartGaps, hosts: &[Host]| {
        let entry =
            SddcEntry { clusters: Vec::new(), hosts: hosts.to_vec(), gaps, ..known.clone() };
        let values = SddcEntry::INCLUDES.iter().map(|it| json!((it.value)(&entry)).is_null());
        values.collect::<Vec<_>>()
    };
    let gap = Some(GapReason::NotReported);
    assert_eq!(shown(PartGaps::default(), &[]), [false, false], "it is known that there are none");
    assert_eq!(shown(PartGaps { clusters: None, hosts: gap }, &[]), [false, true]);
    assert_eq!(shown(PartGaps { clusters: gap, hosts: gap }, &known.hosts), [true, false]);
}

#[test]
fn values_are_compared_within_their_kind_and_lists_by_what_they_hold() {
    let zones: Vec<Box<str>> = vec!["us-west-2a".into(), "us-west-2b".into()];
    let text = |text: &'static str| Scalar::Text(text.into());
    assert!(Value::Texts(&zones).is(&text("us-west-2b")));
    assert!(!Value::Texts(&zones).is(&text("us-west-2")));
    assert!(!Value::Null.is(&text("null")));
    assert!(Value::Number(7).is(&Scalar::Number(7)));
    assert!(!Value::Text("7").is(&Scalar::Number(7)));
    assert!(Value::Flag(false).is(&Scalar::Flag(false)));
    let time: Timestamp = "2025-03-18T02:17:04Z".parse().unwrap();
    assert!(Value::Time(time).is(&Scalar::Time(time)));
    assert_eq!(Value::Texts(&zones).texts().count(), 2);
}
