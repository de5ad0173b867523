//! Whatever VMware sends: nothing panics, and what can be read is shown.

use proptest::prelude::*;
use serde_json::Map;

use super::*;

/// Every place in a document, as a JSON pointer.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    let mut visit = |key: String, value| {
        let place = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        places(value, &place, all);
        all.push(place);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| visit(key.clone(), value)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| visit(index.to_string(), value));
        }
        _ => {}
    }
}

#[test]
fn any_one_field_of_the_wrong_kind_leaves_the_sddc_in_sight() {
    const ODD: [&str; 9] = [
        "true",
        "-7.5",
        "[]",
        "{}",
        "[[1], {\"a\": 1}]",
        "{\"secret\": \"FAKE\"}",
        "1e999",
        r#""\ud800""#,
        "\"\u{1}\"",
    ];
    const HERE: &str = "\"@here@\"";
    let intact = map(&one_node());
    let mut document = one_node();
    let mut all = Vec::new();
    places(&document, "", &mut all);
    assert!(all.len() > 200);
    for place in all {
        let kept = std::mem::replace(document.pointer_mut(&place).unwrap(), json!("@here@"));
        let text = document.to_string();
        for odd_value in ODD {
            let text = text.replace(HERE, odd_value).replace('\u{1}', "\\u0001");
            let (entry, odd) = map_text(&text);
            // A text in the place of the organization is another organization.
            let is_foreign = place == "/org_id" && odd_value == "\"\u{1}\"";
            if place == "/id" || is_foreign {
                assert_eq!((entry, odd.skipped), (None, 1), "{place} {odd_value}");
                continue;
            }
            let entry = entry.unwrap_or_else(|| panic!("lost by {place} {odd_value}"));
            assert_eq!(entry.sddc.id, intact.sddc.id);
            assert!(odd.documents <= 1 && odd.skipped == 0, "{place} {odd_value}");
            assert!(!format!("{entry:?}").contains("FAKE"), "{place} {odd_value}");
            if !place.starts_with(CONFIG) {
                assert_eq!((&entry.clusters, &entry.hosts), (&intact.clusters, &intact.hosts));
            }
        }
        *document.pointer_mut(&place).unwrap() = kept;
    }
    assert_eq!(map(&document), intact);
}

#[test]
fn an_entry_survives_being_written_and_read() {
    for document in samples() {
        let entry = map(&document);
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<SddcEntry>(&text).unwrap(), entry);
    }
}

/// Any JSON, with the keys that the mapping looks for more often than others.
fn any_json() -> impl Strategy<Value = Value> {
    let mut all = Vec::new();
    places(&one_node(), "", &mut all);
    let mut keys: Vec<String> =
        all.iter().filter_map(|place| place.rsplit('/').next()).map(str::to_owned).collect();
    keys.sort();
    keys.dedup();
    let key = prop_oneof![4 => proptest::sample::select(keys), 1 => any::<String>()];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "(https://)?[a-z0-9.:@%\\[\\]/]{0,20}".prop_map(Value::from),
        "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-9]{2}:00:00(Z|[+-][0-9]{2}:00)".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 200, 12, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((key.clone(), inner), 0..12)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_json_an_sddc_is_it_never_panics_and_always_maps_alike(
        config in any_json(), clusters in any_json(), host in any_json(), rest in any_json(),
    ) {
        let mut document = if rest.is_object() { rest } else { json!({"name": rest}) };
        document["id"] = json!("a");
        document["org_id"] = json!(ORG);
        document["resource_config"] = config;
        if let Value::Object(config) = &mut document["resource_config"] {
            config.insert("clusters".into(), json!([clusters, {"esx_host_list": [host]}]));
        }
        let text = document.to_string();
        let (entry, odd) = map_text(&text);
        let entry = entry.expect("the id is usable");
        prop_assert!(odd.documents <= 1 && odd.skipped == 0);
        let shown = serde_json::to_string(&entry).unwrap();
        prop_assert_eq!(shown, serde_json::to_string(&map_text(&text).0).unwrap());
        prop_assert!(entry.sddc.hosts_ready <= entry.sddc.host_count);
    }

    #[test]
    fn whatever_bytes_an_answer_is_it_never_panics(body in any::<Vec<u8>>(), list in any_json()) {
        for body in [body, list.to_string().into_bytes()] {
            let mut odd = OddCount::default();
            let _ = wire::parse_sddcs(&body).map(|wires| sddcs(wires, &org(), &mut odd, &Scrubber::default()));
            let _ = wire::parse_orgs(&body).map(|wires| orgs(wires, &mut odd, &Scrubber::default()));
            let _ = wire::parse_tasks(&body).map(|it| tasks(it, &org(), &mut odd, &Scrubber::default()));
            let _ = wire::parse_sddc(&body).map(|it| SddcEntry::from_wire(it, &org(), &mut odd, &Scrubber::default()));
            let _ = wire::parse_org(&body).map(|it| Org::from_wire(it, &mut odd, &Scrubber::default()));
        }
    }
}
