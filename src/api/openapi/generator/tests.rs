//! The committed files are what the code gives, and what they say of documents holds.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Value, json};

use super::*;
use crate::{
    api::{openapi, templates},
    inventory::model::Capacity,
    public_path::PublicPath,
};

#[test]
fn the_committed_files_are_what_the_code_gives() {
    let document = document();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi");
    for (name, text) in [("openapi.json", json(&document)), ("openapi.yaml", yaml(&document))] {
        let path = folder.join(name);
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == text, "openapi/{name} is out of date: run `make openapi`");
    }
}

#[test]
fn the_document_has_the_routes_that_ask_for_a_caller() {
    let document = document();
    let documented: BTreeSet<_> = document.paths.paths.keys().cloned().collect();
    assert_eq!(documented, templates().0.into_iter().collect());
}

/// The values that differ, by their path.
fn differing(one: &Value, other: &Value, at: &str, found: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(fields), Value::Object(_)) => {
            for (name, value) in fields {
                differing(value, &other[name], &format!("{at}/{name}"), found);
            }
        }
        (Value::Array(items), Value::Array(_)) => {
            for (index, value) in items.iter().enumerate() {
                differing(value, &other[index], at, found);
            }
        }
        _ if one != other => found.push(format!("{at}: {other}")),
        _ => {}
    }
}

#[test]
fn below_a_prefix_the_server_the_links_and_the_problems_types_begin_with_it() {
    let base: PublicPath = "/a/b".parse().unwrap();
    let text = openapi::document_at(&base, None, openapi::JSON);
    let (before, after): (Value, Value) =
        (serde_json::from_str(openapi::JSON).unwrap(), serde_json::from_slice(&text).unwrap());
    let mut found = Vec::new();
    differing(&before, &after, "", &mut found);
    assert!(found.iter().any(|it| it == "/servers/url: \"/a/b/\""), "{found:#?}");
    assert!(found.iter().any(|it| it.contains("(/a/b/docs/guide)")), "{found:#?}");
    let is_type = |it: &&String| it.contains("/value/type: \"/a/b/problems/");
    assert_eq!(found.iter().filter(is_type).count(), found.len() - 2, "{found:#?}");
    let lines = |text: &str| text.lines().filter(|line| line.contains("/a/b/")).count();
    let yaml = openapi::document_at(&base, None, openapi::YAML);
    assert_eq!(lines(str::from_utf8(&yaml).unwrap()), found.len());
    assert_eq!(openapi::document_at(&PublicPath::default(), None, openapi::YAML), openapi::YAML);
}

#[test]
fn the_document_says_whom_to_ask() {
    for (contact, info) in [
        ("cloud@example.org", json!({"name": "cloud@example.org", "email": "cloud@example.org"})),
        (
            "https://example.org/k",
            json!({"name": "https://example.org/k", "url": "https://example.org/k"}),
        ),
        ("\"us\": <#cloud>", json!({"name": "\"us\": <#cloud>"})),
    ] {
        let (base, contact) = (PublicPath::default(), contact.parse().unwrap());
        let text = openapi::document_at(&base, Some(&contact), openapi::JSON);
        let document: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(document["info"]["contact"], info);
        assert_eq!(document["info"]["license"]["name"], "Apache-2.0");
        let text = openapi::document_at(&base, Some(&contact), openapi::YAML);
        let line = format!("\n  contact: {info}\n  license:\n");
        assert!(str::from_utf8(&text).unwrap().contains(&line));
    }
}

#[test]
fn every_field_is_required_described_and_in_the_contracts_order() {
    let fields = [
        (
            "Sddc",
            "id org_id name state provider region deployment_type sddc_type access_state \
             account_link_state version created_at updated_at expires_at created_by cluster_count \
             host_count hosts_ready availability_zones vcenter_url nsx_manager_url vpc_cidr capacity",
        ),
        (
            "Cluster",
            "id sddc_id name state availability_zones host_count instance_type vsan_version \
             hyper_threading capacity",
        ),
        (
            "Host",
            "id sddc_id cluster_id name hostname state instance_type availability_zone \
             state_updated_at",
        ),
        (
            "Task",
            "id org_id sddc_id type status sub_status phase progress_percent \
             estimated_remaining_minutes started_at ended_at created_by parent_task_id error",
        ),
        ("Org", "id name display_name state type created_at updated_at"),
        ("Capacity", "cpu_cores cpu_ghz memory_gib storage_gib"),
    ];
    for (of, names) in fields {
        let schema = schema(of);
        let names: Vec<&str> = names.split_whitespace().collect();
        assert_eq!(schema["required"], json!(names));
        let properties = schema["properties"].as_object().unwrap();
        let included = if of == "Sddc" { 2 } else { 0 };
        assert_eq!(properties.len(), names.len() + included);
        for (name, field) in properties {
            // A nullable object is `oneOf` a reference, described there, and null.
            let described = field.get("oneOf").map_or(field, |kinds| &kinds[0]);
            assert!(described["description"].is_string(), "{name}: {field}");
        }
    }
}

fn reads_back<T: serde::Serialize + serde::de::DeserializeOwned>(name: &str) {
    let mut example = example(name);
    let document: T = serde_json::from_value(example.clone()).unwrap();
    let written = serde_json::to_value(&document).unwrap();
    if written.get("capacity").is_some() {
        example["capacity"] = Value::Null;
    }
    assert_eq!(written, example);
}

#[test]
fn an_examples_document_can_be_read_as_the_document() {
    reads_back::<Host>("Host");
    reads_back::<Org>("Org");
    reads_back::<Task>("Task");
    reads_back::<Capacity>("Capacity");
    reads_back::<Cluster>("Cluster");
    reads_back::<Sddc>("Sddc");
}

#[test]
fn open_enumerations_and_times_are_nullable_strings() {
    let sddc = schema("Sddc");
    assert_eq!(sddc["properties"]["state"]["type"], json!(["string", "null"]));
    assert_eq!(sddc["properties"]["created_at"]["type"], json!(["string", "null"]));
    assert_eq!(sddc["properties"]["created_at"]["format"], "date-time");
    assert_eq!(sddc["properties"]["availability_zones"]["type"], json!(["array", "null"]));
    assert_eq!(sddc["properties"]["availability_zones"]["items"]["type"], "string");
    assert_eq!(schema("Cluster")["properties"]["id"]["type"], json!(["string", "null"]));
}
