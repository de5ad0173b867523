//! Generated organizations, SDDCs and tasks: the same bytes for the same seed.
//!
//! Flow: seed and index → `Plan` → template → JSON text.
//!
//! Every key that VMC's published model knows is present, `null` when there is nothing: strict
//! bindings fail on an absent key. Every place known to carry a secret carries a canary that names
//! it (`CANARY-cloud_password-…`), also the keys that are on the wire but in no model.

mod dice;
mod json;
mod names;
mod places;
mod plan;
mod reads;
mod render;
mod tasks;
mod template;

pub(super) use dice::{Dice, wire_time};
pub(super) use plan::Kind;
pub(super) use reads::{Read, ReadPlaces};
pub(super) use tasks::{advance, started};

use json::push;
use plan::Plan;
use render::{OPERATOR_ID, Templates, USER_ID, USER_NAME};
use serde_json::Value;

/// The stream of chance for organizations.
const ORGS: u64 = 0x0126;
/// The stream of chance for the tasks that are made on request.
const MADE_TASKS: u64 = 0x3A7A;

/// Generates documents for one seed.
#[derive(Debug)]
pub(super) struct Documents {
    seed: u64,
    templates: Templates,
}

/// A generated SDDC.
pub(super) struct GeneratedSddc {
    pub(super) id: String,
    pub(super) json: String,
    pub(super) has_hosts: bool,
}

impl Documents {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, templates: Templates::parse() }
    }

    /// The SDDC at `index`, owned by `org`; `kind` overrides what chance says.
    pub(super) fn sddc(&self, index: usize, org: &str, kind: Option<Kind>) -> GeneratedSddc {
        let plan = Plan::draw(self.seed, index, kind);
        GeneratedSddc {
            id: plan.id.to_string(),
            json: self.templates.sddc(&plan, org),
            has_hosts: !plan.clusters.is_empty(),
        }
    }

    /// The organization at `index`: its id and its document.
    pub(super) fn org(&self, index: usize) -> (String, String) {
        let mut dice = Dice::new(self.seed, ORGS, index as u64);
        let id = dice.uuid().to_string();
        let created = wire_time(dice.moment(0, 200));
        let updated = wire_time(dice.moment(560, 90));
        let (name, version) = (format!("{:08x}", dice.roll() >> 32), 1 + dice.below(40));
        let mut json = String::new();
        self.templates.org.render(&mut json, |slot, out| match slot {
            "id" => out.push_str(&id),
            "name" => out.push_str(&name),
            "display_name" => match index {
                0 => out.push_str("Example Corp - Production"),
                1 => out.push_str("Example Corp - Sandbox"),
                _ => push(out, format_args!("Example Corp - Unit {index}")),
            },
            "version" => push(out, version),
            "created" => out.push_str(&created),
            "updated" => out.push_str(&updated),
            "user_id" => out.push_str(USER_ID),
            "user_name" => out.push_str(USER_NAME),
            "updated_by_id" => out.push_str(OPERATOR_ID),
            "sddc_limit" => out.push_str("10"),
            unknown => unreachable!("no value for the slot {unknown}"),
        });
        (id, json)
    }

    /// The id of the task at `index` of those that are made on request.
    pub(super) fn made_task_id(&self, index: u64) -> String {
        Dice::new(self.seed, MADE_TASKS, index).uuid().to_string()
    }

    /// The tasks an organization starts with. `sddcs`: some of its SDDCs, as id, name and state.
    pub(super) fn tasks(
        &self,
        index: usize,
        org: &str,
        sddcs: &[(String, String, String)],
    ) -> Vec<Value> {
        tasks::first(self.seed, index, org, sddcs)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn document(seed: u64, index: usize) -> Value {
        serde_json::from_str(&Documents::new(seed).sddc(index, "org", None).json).unwrap()
    }

    /// Every key at every depth as `.a.b[].c`, below `prefix`.
    fn keys(value: &Value, prefix: &str, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                for (key, value) in members {
                    let path = format!("{prefix}.{key}");
                    keys(value, &path, found);
                    found.insert(path);
                }
            }
            Value::Array(items) => {
                for item in items {
                    keys(item, &format!("{prefix}[]"), found);
                }
            }
            _ => {}
        }
    }

    fn texts(value: &Value, prefix: &str, found: &mut BTreeMap<String, Vec<String>>) {
        match value {
            Value::Object(members) => {
                for (key, value) in members {
                    texts(value, &format!("{prefix}.{key}"), found);
                }
            }
            Value::Array(items) => {
                for item in items {
                    texts(item, &format!("{prefix}[]"), found);
                }
            }
            Value::String(text) => found.entry(prefix.to_owned()).or_default().push(text.clone()),
            _ => {}
        }
    }

    /// Maps whose keys are data, not schema.
    fn is_schema(path: &str) -> bool {
        ![".ami_infos.", ".certificates.", ".management_vms.", ".custom_properties."]
            .iter()
            .any(|map| path.contains(map))
    }

    #[test]
    fn every_modelled_key_is_present() {
        let samples: Vec<Value> =
            serde_json::from_str(include_str!("../../../../tests/fixtures/upstream/sddcs.json"))
                .unwrap();
        for (index, sample) in samples.iter().enumerate() {
            let (mut expected, mut found) = (BTreeSet::new(), BTreeSet::new());
            keys(sample, "", &mut expected);
            keys(&document(1, index), "", &mut found);
            let missing: Vec<_> =
                expected.difference(&found).filter(|path| is_schema(path)).collect();
            assert!(missing.is_empty(), "SDDC {index} lacks {missing:?}");
        }
    }

    #[test]
    fn a_deploying_sddc_has_the_keys_of_a_ready_one() {
        let top = |index: usize| {
            let document = document(1, index);
            document["resource_config"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(top(0), top(2));
    }

    #[test]
    fn every_secret_is_a_canary_of_its_own() {
        let mut found = BTreeMap::new();
        texts(&document(1, 0), "", &mut found);
        for (path, values) in &found {
            let named = |value: &str| {
                path.split(['.', '[']).any(|key| !key.is_empty() && value.contains(key))
            };
            let secret =
                ["password", "secret", "credential", "key_material", "finger_print", "private_key"]
                    .iter()
                    .any(|mark| path.contains(mark));
            for value in values {
                assert!(!secret || value.starts_with("CANARY-"), "{path} holds {value}");
                assert!(!value.starts_with("CANARY-") || named(value), "{path} holds {value}");
            }
        }
        // The cluster's hosts are repeated in `esx_hosts`, and nowhere else may a canary be.
        let canaries = found.iter().filter(|(path, _)| !path.contains(".esx_hosts[]"));
        let canaries: Vec<_> = canaries
            .flat_map(|(_, values)| values)
            .filter(|value| value.contains("CANARY-"))
            .collect();
        let distinct: BTreeSet<_> = canaries.iter().collect();
        assert_eq!(distinct.len(), canaries.len());
        assert!(canaries.len() > 60, "{}", canaries.len());
    }

    #[test]
    fn no_secret_bearing_key_of_a_ready_sddc_is_empty() {
        let document = document(1, 1);
        let config = &document["resource_config"];
        for key in [
            "cloud_password",
            "nsx_cloud_admin_password",
            "nsx_cloud_audit_password",
            "admin_username",
            "admin_password",
            "temp_vc_admin_password",
            "nsx_manager_username",
            "nsx_manager_password",
            "nsx_manager_audit_username",
            "nsx_manager_audit_password",
            "root_nsx_controller_password",
            "root_nsx_edge_password",
            "nsx_proxy_username",
            "nsx_proxy_password",
            "sddc_manager_credentials",
            "new_nsx_credentials",
            "vc_ssh_credential",
            "fleet_management_queue_user",
            "fleet_management_queue_password",
            "fleet_management_username",
            "fleet_management_password",
            "perf_agent_svc_username",
            "perf_agent_svc_password",
            "backup_restore_vc_username",
            "backup_restore_vc_password",
            "vuln_scanner_admin_user",
            "vuln_scanner_password",
            "key_provider_data",
            "certificates",
            "management_vms",
            "agent",
            "agents",
            "nsx_user_client",
            "nsx_service_client",
            "nsx_native_client",
            "vc_oauth_client",
        ] {
            assert!(config[key].to_string().contains("CANARY-"), "{key}: {}", config[key]);
        }
        assert!(config["vpc_info"]["default_key_pair"].to_string().contains("CANARY-"));
        for host in [&config["esx_hosts"][0], &config["clusters"][0]["esx_host_list"][0]] {
            assert!(host["esx_credential"].to_string().contains("CANARY-"));
            assert!(host["finger_print"].to_string().contains("CANARY-"));
        }
    }

    #[test]
    fn a_seed_fixes_the_bytes() {
        let json = |seed, index| Documents::new(seed).sddc(index, "org", None).json;
        for index in 0..50 {
            assert_eq!(json(7, index), json(7, index));
            assert_ne!(json(7, index), json(8, index));
        }
    }

    #[test]
    fn the_first_four_show_every_surprise() {
        let shown: Vec<_> = (0..4)
            .map(|index| document(1, index))
            .map(|document| {
                format!("{} {}", document["name"], document["sddc_state"]).replace('"', "")
            })
            .collect();
        assert_eq!(
            shown,
            [
                "prod-eu-frankfurt-01 READY",
                "dev-us-oregon-01 READY",
                "stage-ap-sydney-01 DEPLOYING",
                "lab-us-virginia-01 FAILED"
            ]
        );
        assert_eq!(document(1, 0)["resource_config"]["deployment_type"], "MULTI_AZ");
        assert_eq!(document(1, 0)["resource_config"]["witness_availability_zone"], "eu-central-1c");
        assert_eq!(document(1, 1)["sddc_type"], "1NODE");
        assert!(document(1, 1)["expiration_date"].is_string());
        assert_eq!(document(1, 3)["resource_config"], Value::Null);
    }

    #[test]
    fn names_and_ids_do_not_repeat() {
        let documents = Documents::new(3);
        let all: Vec<Value> = (0..300)
            .map(|index| serde_json::from_str(&documents.sddc(index, "org", None).json).unwrap())
            .collect();
        for key in ["id", "name"] {
            let distinct: BTreeSet<_> =
                all.iter().map(|document| document[key].to_string()).collect();
            assert_eq!(distinct.len(), all.len(), "{key}");
        }
    }

    #[test]
    fn capacity_is_that_of_the_hosts_and_one_cluster_is_repeated() {
        for index in 0..100 {
            let document = document(5, index);
            let Some(clusters) = document["resource_config"]["clusters"].as_array() else {
                continue;
            };
            for cluster in clusters {
                let hosts = cluster["esx_host_list"].as_array().unwrap();
                let sockets = if hosts[0]["instance_type"] == "m7i.metal-24xl" { 1 } else { 2 };
                assert_eq!(cluster["cluster_capacity"]["number_of_sockets"], sockets * hosts.len());
            }
            if let Some(first) = clusters.first() {
                assert_eq!(document["resource_config"]["esx_hosts"], first["esx_host_list"]);
            }
        }
    }

    #[test]
    fn tasks_and_organizations_have_the_shape_of_the_samples() {
        let documents = Documents::new(1);
        let sample: Value =
            serde_json::from_str(include_str!("../../../../tests/fixtures/upstream/task.json"))
                .unwrap();
        let sddc = ("id".to_owned(), "name".to_owned(), "READY".to_owned());
        for task in documents.tasks(0, "org", &[sddc]) {
            let names =
                |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
            assert_eq!(names(&task), names(&sample));
            assert!(task["params"].to_string().contains("CANARY-"));
        }
        let samples: Vec<Value> =
            serde_json::from_str(include_str!("../../../../tests/fixtures/upstream/orgs.json"))
                .unwrap();
        let org: Value = serde_json::from_str(&documents.org(0).1).unwrap();
        let (mut expected, mut found) = (BTreeSet::new(), BTreeSet::new());
        keys(&samples[0], "", &mut expected);
        keys(&org, "", &mut found);
        assert_eq!(expected, found);
    }
}
