//! Each mapping rule by name, and VMware's quirks one by one.

mod odd;

use serde_json::{Value, json};

use super::*;

const SDDCS: &str = include_str!("../../../tests/fixtures/upstream/sddcs.json");
const ORGS: &str = include_str!("../../../tests/fixtures/upstream/orgs.json");
const ORG: &str = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d";

fn org() -> OrgId {
    ORG.parse().unwrap()
}

fn samples() -> Vec<Value> {
    serde_json::from_str(SDDCS).unwrap()
}

/// The sample with two stretched clusters.
fn stretched() -> Value {
    samples().swap_remove(0)
}

/// The sample with one cluster of one host.
fn one_node() -> Value {
    samples().swap_remove(1)
}

fn map_text(text: &str) -> (Option<SddcEntry>, OddCount) {
    let mut odd = OddCount::default();
    let wire = wire::parse_sddc(text.as_bytes()).unwrap();
    (SddcEntry::from_wire(wire, &org(), &mut odd, &Scrubber::default()), odd)
}

/// Maps a document in which nothing is odd.
fn map(document: &Value) -> SddcEntry {
    let (entry, odd) = map_text(&document.to_string());
    assert_eq!(odd, OddCount::default());
    entry.unwrap()
}

/// Maps the document with changes: JSON pointer, new value.
fn changed<const N: usize>(mut document: Value, changes: [(&str, Value); N]) -> SddcEntry {
    for (pointer, value) in changes {
        *document.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
    }
    map(&document)
}

fn counts(entry: &SddcEntry) -> (Option<u32>, Option<u32>, Option<u32>) {
    (entry.sddc.cluster_count, entry.sddc.host_count, entry.sddc.hosts_ready)
}

const CONFIG: &str = "/resource_config";
const CLUSTERS: &str = "/resource_config/clusters";
const ESX_HOSTS: &str = "/resource_config/esx_hosts";
const LIST_0: &str = "/resource_config/clusters/0/esx_host_list";
const LIST_1: &str = "/resource_config/clusters/1/esx_host_list";

#[test]
fn the_samples_become_these_documents() {
    let mut odd = OddCount::default();
    let entries =
        sddcs(wire::parse_sddcs(SDDCS.as_bytes()).unwrap(), &org(), &mut odd, &Scrubber::default());
    assert_eq!(odd, OddCount::default());
    insta::assert_json_snapshot!("sddcs", entries);
    let orgs = orgs(wire::parse_orgs(ORGS.as_bytes()).unwrap(), &mut odd, &Scrubber::default());
    assert_eq!(odd, OddCount::default());
    insta::assert_json_snapshot!("orgs", orgs);
}

#[test]
fn no_secret_of_the_samples_is_in_any_type() {
    let wires = wire::parse_sddcs(SDDCS.as_bytes()).unwrap();
    let read = format!("{wires:?}");
    let entries = sddcs(wires, &org(), &mut OddCount::default(), &Scrubber::default());
    let shown = serde_json::to_string(&entries).unwrap();
    assert!(SDDCS.contains("NOT-A-REAL-SECRET") && read.contains("prod-stretched"));
    for text in [read, format!("{entries:?}"), shown] {
        for marker in ["FAKE", "SECRET", "CERTIFICATE", "password", "cloudadmin", "fake-"] {
            assert!(!text.contains(marker), "{marker} in {text}");
        }
    }
}

#[test]
fn counts_are_null_without_resource_config() {
    let entry = changed(stretched(), [(CONFIG, Value::Null)]);
    assert_eq!(counts(&entry), (None, None, None));
    assert_eq!((entry.sddc.capacity, &entry.sddc.availability_zones), (None, &None));
    assert!(entry.clusters.is_empty() && entry.hosts.is_empty());
}

#[test]
fn counts_are_null_when_no_clusters_are_known() {
    let entry = changed(stretched(), [(CLUSTERS, Value::Null)]);
    assert_eq!(counts(&entry), (None, None, None));
    assert_eq!(entry.sddc.capacity, None);
    assert_eq!(entry.hosts.len(), 4, "the SDDC's own list is still shown");
    assert!(entry.hosts.iter().all(|host| host.cluster_id.is_none()));
}

#[test]
fn counts_of_an_empty_list_are_zero() {
    let entry = changed(stretched(), [(CLUSTERS, json!([])), (ESX_HOSTS, json!([]))]);
    assert_eq!(counts(&entry), (Some(0), Some(0), Some(0)));
    let entry = changed(stretched(), [(CLUSTERS, json!([])), (ESX_HOSTS, Value::Null)]);
    assert_eq!(counts(&entry), (Some(0), Some(0), Some(0)));
    let entry = changed(one_node(), [(LIST_0, json!([])), (ESX_HOSTS, json!([]))]);
    assert_eq!(counts(&entry), (Some(1), Some(0), Some(0)));
    assert_eq!(entry.clusters[0].host_count, Some(0));
}

#[test]
fn hosts_are_those_of_the_clusters_and_not_counted_twice() {
    let entry = map(&stretched());
    assert_eq!(counts(&entry), (Some(2), Some(10), Some(10)));
    let of_second = |host: &&Host| host.cluster_id == entry.clusters[1].id;
    assert_eq!(entry.hosts.iter().filter(of_second).count(), 6);
    assert_eq!(entry.clusters[1].host_count, Some(6));
}

#[test]
fn the_witness_is_no_host() {
    let mut document = stretched();
    let witness = document["resource_config"]["clusters"][0]["vsan_witness"].clone();
    for list in [LIST_0, ESX_HOSTS] {
        document.pointer_mut(list).unwrap().as_array_mut().unwrap().push(witness.clone());
    }
    let entry = map(&document);
    assert_eq!(entry.sddc.host_count, Some(10));
    assert_eq!(entry.clusters[0].host_count, Some(4));
    let entry = changed(document, [(LIST_0, Value::Null), (LIST_1, Value::Null)]);
    assert_eq!(entry.hosts.len(), 4);
}

#[test]
fn without_cluster_lists_the_sddcs_own_list_of_hosts_is_used() {
    let entry = changed(one_node(), [(LIST_0, Value::Null)]);
    assert_eq!(counts(&entry), (Some(1), Some(1), Some(1)));
    assert_eq!(entry.clusters[0].host_count, Some(1));
    assert_eq!(entry.hosts[0].cluster_id, entry.clusters[0].id, "there is only one cluster");

    let entry = changed(stretched(), [(LIST_0, Value::Null), (LIST_1, Value::Null)]);
    assert_eq!(entry.hosts.len(), 4);
    assert_eq!(entry.sddc.host_count, Some(4));
    assert!(entry.hosts.iter().all(|host| host.cluster_id.is_none()), "which of two?");
    assert_eq!(entry.clusters[0].host_count, None);
}

#[test]
fn host_counts_are_null_unless_every_clusters_hosts_are_known() {
    let entry = changed(stretched(), [(LIST_1, Value::Null)]);
    assert_eq!(counts(&entry), (Some(2), None, None));
    assert_eq!((entry.clusters[0].host_count, entry.clusters[1].host_count), (Some(4), None));
    assert_eq!(entry.hosts.len(), 4);

    let entry = changed(one_node(), [(LIST_0, Value::Null), (ESX_HOSTS, Value::Null)]);
    assert_eq!(counts(&entry), (Some(1), None, None));
}

#[test]
fn counts_and_sums_over_what_is_not_wholly_read_are_null_and_the_rest_is_listed() {
    let unreadable = Some(GapReason::Unreadable);
    for broken in [json!(7), Value::Null, json!([])] {
        let mut document = one_node();
        document.pointer_mut(CLUSTERS).unwrap().as_array_mut().unwrap().push(broken);
        let (entry, odd) = map_text(&document.to_string());
        let entry = entry.unwrap();
        assert_eq!(counts(&entry), (None, None, None));
        assert_eq!((entry.sddc.capacity, odd.documents), (None, 1));
        assert_eq!((entry.clusters.len(), entry.hosts.len()), (1, 1));
        assert_eq!(entry.clusters[0].host_count, Some(1), "of this one all is known");
        assert_eq!(entry.gaps, PartGaps { clusters: unreadable, hosts: unreadable });
    }
    let mut document = one_node();
    document.pointer_mut(LIST_0).unwrap().as_array_mut().unwrap().push(json!("a host"));
    let entry = map_text(&document.to_string()).0.unwrap();
    assert_eq!(counts(&entry), (Some(1), None, None));
    assert!(entry.sddc.capacity.is_some());
    assert_eq!((entry.hosts.len(), entry.clusters[0].host_count), (1, None));
    assert_eq!(entry.gaps, PartGaps { clusters: None, hosts: unreadable });
}

#[test]
fn a_document_of_another_organization_is_not_shown_and_counted() {
    let mut document = one_node();
    for (org, is_shown) in
        [(json!(ORG), true), (Value::Null, true), (json!(""), true), (json!("x"), false)]
    {
        document["org_id"] = org;
        let (entry, odd) = map_text(&document.to_string());
        assert_eq!((entry.is_some(), odd.skipped), (is_shown, usize::from(!is_shown)));
    }
}

/// Every text of a document in its place.
fn each_text_replaced(value: &mut Value, text: &str) {
    match value {
        Value::String(it) => text.clone_into(it),
        Value::Array(items) => items.iter_mut().for_each(|it| each_text_replaced(it, text)),
        Value::Object(fields) => {
            let ids = ["id", "org_id", "created", "updated"];
            let fields = fields.iter_mut().filter(|(key, _)| !ids.contains(&key.as_str()));
            fields.for_each(|(_, it)| each_text_replaced(it, text));
        }
        _ => {}
    }
}

#[test]
fn no_text_is_empty() {
    let mut document = stretched();
    each_text_replaced(&mut document, "");
    let shown = serde_json::to_string(&map_text(&document.to_string()).0).unwrap();
    assert!(!shown.contains("\"\""), "{shown}");
}

#[test]
fn secrets_are_taken_out_of_every_text() {
    const SECRET: &str = "held-secret";
    let scrubber = Scrubber::new([SECRET.into()]);
    for text in [format!("a {SECRET}"), format!("https://vc.example/{SECRET}")] {
        let mut document = stretched();
        each_text_replaced(&mut document, &text);
        let wire = wire::parse_sddc(document.to_string().as_bytes()).unwrap();
        let entry = SddcEntry::from_wire(wire, &org(), &mut OddCount::default(), &scrubber);
        let shown = serde_json::to_string(&entry).unwrap();
        assert!(!shown.contains(SECRET) && shown.contains("[redacted]"), "{shown}");
    }
    let mut document = stretched();
    document["id"] = json!(SECRET);
    let wire = wire::parse_sddc(document.to_string().as_bytes()).unwrap();
    assert!(SddcEntry::from_wire(wire, &org(), &mut OddCount::default(), &scrubber).is_none());
}

#[test]
fn it_is_told_why_parts_may_be_lacking() {
    let gaps = |pointers: &[&str], value: &Value| {
        let mut document = one_node();
        for pointer in pointers {
            *document.pointer_mut(pointer).unwrap() = value.clone();
        }
        let gaps = map_text(&document.to_string()).0.unwrap().gaps;
        [gaps.clusters, gaps.hosts].map(|gap| gap.map(GapReason::as_str))
    };
    let (untold, odd) = (Some("not-reported"), Some("unreadable"));
    assert_eq!(gaps(&[], &Value::Null), [None, None]);
    for pointers in [&[CONFIG][..], &[CLUSTERS], &[CLUSTERS, ESX_HOSTS]] {
        assert_eq!(gaps(pointers, &Value::Null), [untold, untold], "{pointers:?}");
        assert_eq!(gaps(pointers, &json!(7)), [odd, odd], "{pointers:?}");
        assert!(gaps(pointers, &json!({"a": 1}))[0].is_some(), "{pointers:?}");
    }
    assert_eq!(gaps(&[LIST_0], &Value::Null), [None, None], "the SDDC's own list has them");
    assert_eq!(gaps(&[LIST_0, ESX_HOSTS], &Value::Null), [None, untold]);
    assert_eq!(gaps(&[LIST_0, ESX_HOSTS], &json!("none")), [None, odd]);
    assert_eq!(gaps(&[CLUSTERS, ESX_HOSTS], &json!([])), [None, None]);
}

#[test]
fn hosts_ready_are_the_hosts_in_state_ready() {
    let state = |index| format!("{LIST_0}/{index}/esx_state");
    let entry = changed(
        stretched(),
        [(&state(0), json!("FAILED")), (&state(1), Value::Null), (&state(2), json!("ready"))],
    );
    assert_eq!(counts(&entry), (Some(2), Some(10), Some(7)));
}

#[test]
fn capacity_is_the_clusters_sum() {
    let total = map(&stretched()).sddc.capacity.unwrap();
    assert_eq!((total.cpu_cores, total.cpu_ghz), (Some(256 + 288), Some(1462.4)));
    assert_eq!((total.memory_gib, total.storage_gib), (Some(8704), Some(327_866)));
}

#[test]
fn a_sum_of_frequencies_has_no_noise() {
    let ghz = |index| format!("{CLUSTERS}/{index}/cluster_capacity/cpu_capacity_ghz");
    let entry = changed(stretched(), [(&ghz(0), json!(0.1)), (&ghz(1), json!(0.2))]);
    assert_eq!(entry.sddc.capacity.unwrap().cpu_ghz, Some(0.3));
    let entry = changed(one_node(), [(&ghz(0), json!(82.800_000_000_000_01))]);
    assert_eq!(entry.clusters[0].capacity.unwrap().cpu_ghz, Some(82.8));
}

#[test]
fn capacity_is_null_if_one_cluster_lacks_it() {
    let of_second = format!("{CLUSTERS}/1/cluster_capacity");
    let entry = changed(stretched(), [(&of_second, Value::Null)]);
    assert_eq!(entry.sddc.capacity, None);
    assert!(entry.clusters[0].capacity.is_some() && entry.clusters[1].capacity.is_none());
    let entry = changed(stretched(), [(&of_second, json!({}))]);
    assert_eq!((entry.sddc.capacity, entry.clusters[1].capacity), (None, None));
    let entry = changed(stretched(), [(&format!("{of_second}/cpu_capacity_ghz"), Value::Null)]);
    let total = entry.sddc.capacity.unwrap();
    assert_eq!((total.cpu_cores, total.cpu_ghz), (Some(544), None), "each part on its own");
}

#[test]
fn capacity_that_cannot_be_is_null_and_counted() {
    let capacity = "/resource_config/clusters/0/cluster_capacity";
    let mut document = one_node();
    *document.pointer_mut(capacity).unwrap() = json!({
        "total_number_of_cores": -1, "cpu_capacity_ghz": -0.5, "memory_capacity_gib": 1.5,
        "storage_capacity_gib": u64::MAX,
    });
    let (entry, odd) = map_text(&document.to_string());
    assert_eq!(entry.unwrap().sddc.capacity, None);
    assert_eq!((odd.documents, odd.fields), (1, 4));

    let huge = "1.7976931348623157e308".parse::<f64>().unwrap();
    let cores = |index| format!("{CLUSTERS}/{index}/cluster_capacity/total_number_of_cores");
    let ghz = |index| format!("{CLUSTERS}/{index}/cluster_capacity/cpu_capacity_ghz");
    let most = [0, 1].map(|index| (cores(index), ghz(index)));
    let changes = [
        (most[0].0.as_str(), json!(i64::MAX)),
        (most[1].0.as_str(), json!(i64::MAX)),
        (most[0].1.as_str(), json!(huge)),
        (most[1].1.as_str(), json!(huge)),
    ];
    let total = changed(stretched(), changes).sddc.capacity.unwrap();
    assert_eq!((total.cpu_cores, total.cpu_ghz), (Some(2 * i64::MAX.unsigned_abs()), None));
}

#[test]
fn availability_zones_are_the_sddcs_own_else_the_clusters_together() {
    let own = format!("{CONFIG}/availability_zones");
    let of = |index| format!("{CLUSTERS}/{index}/availability_zones");
    let zones = |entry: SddcEntry| json!(entry.sddc.availability_zones);
    let document = || {
        let mut document = stretched();
        *document.pointer_mut(&of(0)).unwrap() = json!(["b", "a"]);
        *document.pointer_mut(&of(1)).unwrap() = json!(["a", "c"]);
        document
    };
    assert_eq!(zones(map(&document())), json!(["us-west-2a", "us-west-2b"]));
    assert_eq!(zones(changed(document(), [(&own, Value::Null)])), json!(["b", "a", "c"]));
    assert_eq!(zones(changed(document(), [(&own, json!([]))])), json!(["b", "a", "c"]));
    assert_eq!(zones(changed(document(), [(&own, json!([])), (CLUSTERS, json!([]))])), json!([]));
    assert_eq!(
        zones(changed(document(), [(&own, Value::Null), (CLUSTERS, json!([]))])),
        json!(null)
    );
}

#[test]
fn the_provider_is_the_sddcs_else_its_configurations() {
    let config = format!("{CONFIG}/provider");
    let provider = |entry: SddcEntry| entry.sddc.provider.unwrap();
    assert_eq!(&*provider(changed(stretched(), [(&config, json!("ZEROCLOUD"))])), "AWS");
    let changes = [("/provider", Value::Null), (config.as_str(), json!("ZEROCLOUD"))];
    assert_eq!(&*provider(changed(stretched(), changes)), "ZEROCLOUD");
}

#[test]
fn the_org_is_the_one_the_sddc_was_read_under() {
    assert_eq!(changed(stretched(), [("/org_id", Value::Null)]).sddc.org_id, org());
}

#[test]
fn the_two_versions_are_the_manifests_and_the_records() {
    let entry = map(&stretched());
    assert_eq!((entry.sddc.version.as_deref(), entry.version), (Some("1.24"), Some(154)));
    let entry = changed(stretched(), [("/resource_config/sddc_manifest", Value::Null)]);
    assert_eq!((entry.sddc.version, entry.version), (None, Some(154)));
}

#[test]
fn unknown_enumeration_values_pass_through() {
    let sddc = changed(
        stretched(),
        [
            ("/sddc_state", json!("Hibernating!")),
            ("/sddc_type", json!("2NODE")),
            ("/resource_config/deployment_type", json!("TRIPLE_AZ")),
        ],
    )
    .sddc;
    assert_eq!(sddc.state.as_deref(), Some("Hibernating!"));
    assert_eq!(sddc.sddc_type.as_deref(), Some("2NODE"));
    assert_eq!(sddc.deployment_type.as_deref(), Some("TRIPLE_AZ"));
}

#[test]
fn times_are_reprinted_in_utc_and_unreadable_ones_are_null_and_counted() {
    let mut document = one_node();
    document["created"] = json!("2024-11-05T11:12:31.5+02:00");
    document["updated"] = json!("last Tuesday");
    document["expiration_date"] = json!(1_745_257_500);
    let (entry, odd) = map_text(&document.to_string());
    let shown = serde_json::to_value(entry.unwrap().sddc).unwrap();
    assert_eq!(shown["created_at"], "2024-11-05T09:12:31.5Z");
    assert_eq!((&shown["updated_at"], &shown["expires_at"]), (&Value::Null, &Value::Null));
    assert_eq!((odd.documents, odd.skipped, odd.fields), (1, 0, 2));
}

#[test]
fn urls_that_callers_should_not_open_are_null_and_counted() {
    let mut document = one_node();
    document["resource_config"]["vc_url"] = json!("https://cloudadmin:hunter2@vcenter.example/");
    document["resource_config"]["nsx_mgr_url"] = json!("https://169.254.169.254/");
    let (entry, odd) = map_text(&document.to_string());
    let sddc = entry.unwrap().sddc;
    assert_eq!((sddc.vcenter_url, sddc.nsx_manager_url), (None, None));
    assert_eq!((odd.documents, odd.fields), (1, 2));
}

#[test]
fn absent_fields_are_null_and_never_left_out() {
    let nothing =
        map(&json!({"id": "a", "resource_config": {"clusters": [{}], "esx_hosts": [{}]}}));
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let everything = serde_json::to_value(map(&one_node())).unwrap();
    let nothing = serde_json::to_value(nothing).unwrap();
    for pointer in ["", "/sddc", "/clusters/0", "/hosts/0"] {
        let (all, few) = (everything.pointer(pointer).unwrap(), nothing.pointer(pointer).unwrap());
        assert_eq!(fields(all), fields(few), "{pointer}");
    }
    assert_eq!(
        nothing.pointer("/hosts/0").unwrap(),
        &json!({
            "id": null, "sddc_id": "a", "cluster_id": null, "name": null, "hostname": null,
            "state": null, "instance_type": null, "availability_zone": null,
            "state_updated_at": null,
        })
    );
}

#[test]
fn null_in_every_field_gives_the_same_as_no_field() {
    fn nulled(value: &Value) -> Value {
        let fields = value.as_object().unwrap().keys();
        fields.map(|key| (key.clone(), Value::Null)).collect()
    }
    let mut document = nulled(&one_node());
    document["id"] = json!("a");
    assert_eq!(map(&document), map(&json!({"id": "a"})));
    let config = nulled(&one_node()["resource_config"]);
    assert_eq!(
        map(&json!({"id": "a", "resource_config": config})),
        map(&json!({"id": "a", "resource_config": {}}))
    );
}

#[test]
fn numbers_in_strings_are_numbers() {
    fn quoted(value: &mut Value) {
        match value {
            Value::Number(number) => *value = json!(number.to_string()),
            Value::Array(items) => items.iter_mut().for_each(quoted),
            Value::Object(fields) => fields.values_mut().for_each(quoted),
            _ => {}
        }
    }
    for document in samples() {
        let mut strings = document.clone();
        quoted(&mut strings);
        assert_ne!(strings, document);
        assert_eq!(map(&strings), map(&document));
    }
}

#[test]
fn an_sddc_without_a_usable_id_is_skipped_and_counted() {
    let body = json!([
        {"id": null}, {}, {"id": 7}, {"id": ""}, {"id": "../orgs"}, "sddc", null, [], {"id": "ok"}
    ]);
    let mut odd = OddCount::default();
    let wires = wire::parse_sddcs(body.to_string().as_bytes()).unwrap();
    let entries = sddcs(wires, &org(), &mut odd, &Scrubber::default());
    assert_eq!(entries.len(), 1);
    assert_eq!((odd.documents, odd.skipped), (8, 8));

    let mut odd = OddCount::default();
    let wires = wire::parse_orgs(body.to_string().as_bytes()).unwrap();
    assert_eq!(orgs(wires, &mut odd, &Scrubber::default()).len(), 1);
    assert_eq!((odd.documents, odd.skipped), (8, 8));
}

#[test]
fn of_an_sddc_listed_twice_the_newer_copy_stays() {
    let body = json!([
        {"id": "a", "version": 2, "name": "first"}, {"id": "b"},
        {"id": "a", "version": 1, "name": 5}, {"id": "a", "version": 3, "name": "newer"},
        {"id": "b", "name": "second"},
    ]);
    let mut odd = OddCount::default();
    let wires = wire::parse_sddcs(body.to_string().as_bytes()).unwrap();
    let entries = sddcs(wires, &org(), &mut odd, &Scrubber::default());
    let names: Vec<_> = entries.iter().map(|it| it.sddc.name.as_deref()).collect();
    assert_eq!(names, [Some("newer"), None]);
    assert_eq!((odd.documents, odd.skipped), (3, 3));
}
