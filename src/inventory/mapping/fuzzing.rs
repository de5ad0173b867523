//! Fuzz bodies: VMware's documents. See [`crate::fuzzing`].
//!
//! The allow-list is written down here a second time, from the contract (section 4.1). What it does
//! not list is replaced by a canary, and canaries are added: the mapped documents must stay as they
//! are.

use std::{collections::HashSet, hash::Hash};

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{TaskList, orgs, sddcs, tasks};
use crate::{
    csp::Scrubber,
    ids::OrgId,
    inventory::model::{Cluster, Host, Org, Sddc, SddcEntry, TaskEntry},
    vmc::{Lenient, OddCount, wire},
};

const CANARY: &str = "CANARY";
const SECRET: &str = "held secret";
/// Keys of secrets in an SDDC, and one that nobody knows.
const PLANTED: [&str; 8] = [
    "admin_password",
    "cloud_password",
    "nsx_mgr_login",
    "vc_ssh_credential",
    "key_pairs",
    "nsxt_csr_private_key",
    "PASSWORD",
    "name2",
];

/// A list of SDDCs: each is shown at most once, in a document of the documented kind, in which
/// nothing has a say that is not listed.
pub(crate) fn list_of_sddcs(data: &[u8]) {
    let read = |body: &[u8]| {
        let mut odd = OddCount::default();
        let wires = wire::parse_sddcs(body).ok()?;
        Some((wires.len(), sddcs(wires, &org(), &mut odd, &Scrubber::default()), odd))
    };
    let Some((count, entries, odd)) = read(data) else {
        assert!(!is_list(data));
        return;
    };
    assert_eq!(entries.len() + odd.skipped, count);
    assert!(odd.documents <= count);
    assert!(are_distinct(entries.iter().map(|entry| &entry.sddc.id)));
    entries.iter().for_each(is_sound);
    depends_on_what_is_listed(data, &SDDC, |body| read(body).map(|(_, it, _)| it));
    is_alone_as_in_a_list(data, wire::parse_sddc, wire::parse_sddcs);
}

/// A list of organizations, with the same rules.
pub(crate) fn list_of_orgs(data: &[u8]) {
    let read = |body: &[u8]| {
        let mut odd = OddCount::default();
        let wires = wire::parse_orgs(body).ok()?;
        Some((wires.len(), orgs(wires, &mut odd, &Scrubber::default()), odd))
    };
    let Some((count, entries, odd)) = read(data) else {
        assert!(!is_list(data));
        return;
    };
    assert_eq!(entries.len() + odd.skipped, count);
    entries.iter().for_each(is_document::<Org>);
    depends_on_what_is_listed(data, &ORG, |body| read(body).map(|(_, it, _)| it));
    is_alone_as_in_a_list(data, wire::parse_org, wire::parse_orgs);
}

/// A list of tasks, with the same rules; the newest come first, and error texts are fit to show.
pub(crate) fn list_of_tasks(data: &[u8]) {
    let scrubber = Scrubber::new([SECRET.into()]);
    let read = |body: &[u8]| {
        let mut odd = OddCount::default();
        let wires = wire::parse_tasks(body).ok()?;
        Some((wires.len(), tasks(wires, &org(), &mut odd, &scrubber), odd))
    };
    let Some((count, TaskList { entries, dropped, .. }, odd)) = read(data) else {
        assert!(!is_list(data));
        return;
    };
    assert_eq!(entries.len() + dropped + odd.skipped, count);
    assert!(are_distinct(entries.iter().map(|entry| &entry.task.id)));
    assert!(entries.is_sorted_by_key(|it| std::cmp::Reverse(it.task.started_at)));
    for TaskEntry { task, .. } in &entries {
        is_document(task);
        assert!(task.progress_percent.is_none_or(|percent| percent <= 100));
        if let Some(error) = &task.error {
            assert!(error.chars().count() <= 500 && !error.contains(char::is_control), "{error}");
            assert!(!error.contains(SECRET), "{error}");
        }
    }
    let again = |body: &[u8]| read(body).map(|(_, it, _)| it.entries);
    depends_on_what_is_listed(data, &TASK, again);
}

fn org() -> OrgId {
    "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d".parse().expect("it is an id")
}

fn is_list(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    serde_json::from_str::<Value>(&text).is_ok_and(|document| document.is_array())
}

fn are_distinct<T: Eq + Hash>(items: impl Iterator<Item = T>) -> bool {
    let mut seen = HashSet::new();
    items.into_iter().all(|item| seen.insert(item))
}

fn is_sound(entry: &SddcEntry) {
    let SddcEntry { sddc, clusters, hosts, .. } = entry;
    is_document::<Sddc>(sddc);
    clusters.iter().for_each(is_document::<Cluster>);
    hosts.iter().for_each(is_document::<Host>);
    let is_count = |told: u32, true_one: usize| usize::try_from(told) == Ok(true_one);
    assert!(sddc.cluster_count.is_none_or(|count| is_count(count, clusters.len())));
    assert!(sddc.host_count.is_none_or(|count| is_count(count, hosts.len())));
    assert_eq!(sddc.hosts_ready.is_some(), sddc.host_count.is_some());
    assert!(sddc.hosts_ready <= sddc.host_count);
    assert!(sddc.org_id == org() && hosts.iter().all(|host| host.sddc_id == sddc.id));
    for url in [&sddc.vcenter_url, &sddc.nsx_manager_url].into_iter().flatten() {
        let url = url::Url::parse(url).expect("a URL that is shown is one");
        assert!(url.scheme() == "https" && url.has_host(), "{url}");
        assert!(url.username().is_empty() && url.password().is_none(), "{url}");
    }
}

/// What is written reads back as it was, and its times are UTC.
fn is_document<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(document: &T) {
    let text = serde_json::to_string(document).expect("documents have string keys only");
    let read: T = serde_json::from_str(&text).expect("a document reads back");
    assert_eq!(read, *document, "{text}");
    let Ok(Value::Object(fields)) = serde_json::from_str(&text) else { panic!("{text}") };
    for (_, time) in fields.iter().filter(|(name, _)| name.ends_with("_at")) {
        let Value::String(text) = time else {
            assert!(time.is_null(), "{time}");
            continue;
        };
        let time: Timestamp = text.parse().expect("a time");
        assert!(text.ends_with('Z') && time.to_string() == *text, "{text}");
    }
}

/// A document by itself is what it is as the only one of a list.
fn is_alone_as_in_a_list<T: PartialEq + std::fmt::Debug, E>(
    data: &[u8],
    one: impl Fn(&[u8]) -> Result<T, E>,
    list: impl Fn(&[u8]) -> Result<Vec<Lenient<T>>, E>,
) {
    let alone = one(data).ok();
    let wrapped = list(&[b"[", data, b"]"].concat()).ok();
    let wrapped = wrapped.and_then(|mut items| match items.pop() {
        Some(Lenient::Value(item)) if items.is_empty() => Some(item),
        _ => None,
    });
    assert!(alone.is_none() || alone == wrapped, "{alone:?} {wrapped:?}");
}

/// What is kept of a value.
enum Listed {
    /// It, if it is no list or object.
    Plain,
    /// Each element.
    List(&'static Listed),
    /// These members: plain ones, with blanks between their names, and others.
    Object(&'static str, &'static [(&'static str, Listed)]),
}

use Listed::{List, Object, Plain};

const HOST: Listed = Object(
    "esx_id name hostname esx_state instance_type availability_zone state_last_updated",
    &[],
);

const CLUSTER: Listed = Object(
    "cluster_id cluster_name cluster_state vsan_version hyper_threading_enabled",
    &[
        ("availability_zones", List(&Plain)),
        ("esx_host_list", List(&HOST)),
        ("vsan_witness", Object("esx_id", &[])),
        ("esx_host_info", Object("instance_type", &[])),
        ("cluster_capacity", CAPACITY),
    ],
);

const CAPACITY: Listed =
    Object("total_number_of_cores cpu_capacity_ghz memory_capacity_gib storage_capacity_gib", &[]);

const SDDC: Listed = Object(
    "id org_id version created updated user_name name sddc_state provider sddc_type \
     account_link_state sddc_access_state expiration_date",
    &[("resource_config", CONFIG)],
);

const CONFIG: Listed = Object(
    "provider region deployment_type vc_url nsx_mgr_url",
    &[
        ("availability_zones", List(&Plain)),
        ("clusters", List(&CLUSTER)),
        ("esx_hosts", List(&HOST)),
        ("vpc_info", Object("vpc_cidr", &[])),
        ("sddc_manifest", Object("vmc_version", &[])),
    ],
);

const ORG: Listed = Object("id name display_name project_state org_type created updated", &[]);

/// `updated` decides whether a lower version is believed.
const TASK: Listed = Object(
    "id org_id version user_name status sub_status task_type resource_type resource_id \
     phase_in_progress updated progress_percent estimated_remaining_minutes start_time end_time \
     parent_task_id customer_error_message localized_error_message",
    &[],
);

/// What is mapped is the same whatever stands where nothing is listed.
fn depends_on_what_is_listed<T: PartialEq + std::fmt::Debug>(
    data: &[u8],
    element: &'static Listed,
    map: impl Fn(&[u8]) -> Option<Vec<T>>,
) {
    let text = String::from_utf8_lossy(data);
    // What has a number that is too large for a `Value` cannot be rewritten.
    let Ok(mut document) = serde_json::from_str::<Value>(&text) else { return };
    // A number may be spelled otherwise from here on.
    let mapped = map(document.to_string().as_bytes()).expect("it is a list still");
    let Value::Array(elements) = &mut document else { panic!("it was read as a list: {text}") };
    for value in elements {
        spoil(value, element);
    }
    let again = map(document.to_string().as_bytes()).expect("it is a list still");
    let has_canary = text.contains(CANARY);
    assert!(has_canary || !format!("{again:?}").contains(CANARY), "{again:?}");
    assert_eq!(again, mapped, "{document}");
}

/// Puts canaries in the place of all that is not listed, and some more.
fn spoil(value: &mut Value, listed: &Listed) {
    match (value, listed) {
        (Value::Object(members), Object(plain, others)) => {
            for (name, member) in members.iter_mut() {
                match others.iter().find(|(known, _)| known == name) {
                    Some((_, listed)) => spoil(member, listed),
                    None if plain.split(' ').any(|known| known == name) => spoil(member, &Plain),
                    None => *member = other(member),
                }
            }
            // Before and after: where secrets stand must not matter.
            let mut planted: Map<String, Value> = PLANTED[..4].iter().map(plant).collect();
            planted.extend(std::mem::take(members));
            planted.extend(PLANTED[4..].iter().map(plant));
            *members = planted;
        }
        (Value::Array(elements), List(listed)) => {
            for value in elements {
                spoil(value, listed);
            }
        }
        // A list or an object where none belongs is odd, whatever is in it.
        (Value::Array(elements), Plain | Object(..)) => *elements = vec![canary()],
        (Value::Object(members), Plain | List(_)) => *members = PLANTED.iter().map(plant).collect(),
        // So is a text.
        (Value::String(text), List(_) | Object(..)) => CANARY.clone_into(text),
        _ => {}
    }
}

/// Another value of the same kind: one of another kind would not be shown anywhere.
fn other(value: &Value) -> Value {
    match value {
        Value::Null | Value::String(_) => CANARY.into(),
        Value::Bool(flag) => Value::Bool(!flag),
        Value::Number(_) => 77.into(),
        Value::Array(_) => Value::Array(vec![CANARY.into(), canary()]),
        Value::Object(_) => canary(),
    }
}

fn plant(name: &&str) -> (String, Value) {
    ((*name).to_owned(), CANARY.into())
}

fn canary() -> Value {
    serde_json::json!({"password": CANARY, CANARY: [CANARY, {"id": CANARY, "name": CANARY}]})
}
