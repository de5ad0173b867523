//! Writes a planned SDDC as the JSON that VMC would send.

use super::{
    dice::{Dice, wire_time},
    json::{json_list, json_text, push},
    names::Names,
    plan::{ClusterPlan, Kind, Plan},
    template::Template,
};

/// The user who creates things; entity fields name people.
pub(super) const USER_ID: &str = "5d1f0c2e-7a34-3b1e-9c55-000000000001";
pub(super) const USER_NAME: &str = "ops-bot@example.com";
pub(super) const OPERATOR_ID: &str = "5d1f0c2e-7a34-3b1e-9c55-000000000002";

/// The parsed templates.
#[derive(Debug)]
pub(super) struct Templates {
    pub(super) org: Template,
    sddc: Template,
    resource: Template,
    resource_deploying: Template,
    cluster: Template,
    host: Template,
    witness: Template,
    agent: Template,
}

impl Templates {
    pub(super) fn parse() -> Self {
        Self {
            org: Template::parse(include_str!("templates/org.json")),
            sddc: Template::parse(include_str!("templates/sddc.json")),
            resource: Template::parse(include_str!("templates/resource.json")),
            resource_deploying: Template::parse(include_str!("templates/resource_deploying.json")),
            cluster: Template::parse(include_str!("templates/cluster.json")),
            host: Template::parse(include_str!("templates/host.json")),
            witness: Template::parse(include_str!("templates/witness.json")),
            agent: Template::parse(include_str!("templates/agent.json")),
        }
    }

    /// The whole document of an SDDC of the organization `org`.
    pub(super) fn sddc(&self, plan: &Plan, org: &str) -> String {
        let names = Names::of(plan, org);
        let ready = !matches!(plan.kind, Kind::Deploying | Kind::Failed);
        let settled = plan.kind != Kind::Deploying;
        let mut out = String::with_capacity(32 * 1024);
        self.sddc.render(&mut out, |slot, out| match slot {
            "updated" => out.push_str(&wire_time(plan.updated)),
            "version" => push(out, plan.version),
            "name" => out.push_str(&plan.name),
            "state" => out.push_str(state_of(plan.kind)),
            "expiration" => json_text(out, plan.expires().map(wire_time)),
            "sddc_type" => json_text(out, ready.then(|| sddc_type_of(plan.kind))),
            "link_state" => json_text(out, ready.then_some("LINKED")),
            "access_state" => json_text(out, settled.then_some("ENABLED")),
            "user_id" => out.push_str(USER_ID),
            "user_name" => out.push_str(USER_NAME),
            "updated_by_id" => json_text(out, settled.then_some(OPERATOR_ID)),
            "updated_by_name" => json_text(out, ready.then_some("Internal-Operator")),
            "resource_config" => self.resource_config(plan, &names, out),
            _ => names.fill(slot, out),
        });
        out
    }

    fn resource_config(&self, plan: &Plan, names: &Names<'_>, out: &mut String) {
        match plan.kind {
            Kind::Failed => out.push_str("null"),
            Kind::Deploying => {
                self.resource_deploying.render(out, |slot, out| names.fill(slot, out));
            }
            Kind::Ready | Kind::Small | Kind::OneNode | Kind::Stretched => {
                self.resource(plan, names, out);
            }
        }
    }

    fn resource(&self, plan: &Plan, names: &Names<'_>, out: &mut String) {
        let mut parts = plan.parts.clone();
        let hosts: Vec<String> = plan
            .clusters
            .iter()
            .map(|cluster| self.hosts(plan, cluster, names, &mut parts))
            .collect();
        let (mut agent, mut agents) = (String::new(), String::new());
        self.agent(names, "agent", true, &mut agent);
        self.agent(names, "agents", true, &mut agents);
        let mut others = String::new();
        if plan.kind == Kind::Stretched {
            self.agent(names, "non_master_agents", false, &mut others);
        }
        self.resource.render(out, |slot, out| match slot {
            "clusters" => {
                json_list(out, plan.clusters.iter().zip(&hosts), |out, (cluster, hosts)| {
                    self.cluster(plan, cluster, hosts, names, &mut parts, out);
                });
            }
            // Upstream repeats the first cluster's hosts here: whoever adds both counts twice.
            "esx_hosts" => out.push_str(&hosts[0]),
            "agent" => out.push_str(&agent),
            "agents" => json_list(out, [&agents], |out, agent| out.push_str(agent)),
            "non_master_agents" => push(out, format_args!("[{others}]")),
            "vpc_zones" => json_list(out, &names.zones, |out, zone| {
                push(out, format_args!(r#"{{"id":"{zone}","subnets":[]}}"#));
            }),
            "account_links" => push(
                out,
                format_args!(
                    r#"[{{"connected_account_id":"{}","customer_subnet_ids":["subnet-0{}c"]}}]"#,
                    parts.uuid(),
                    names.tag
                ),
            ),
            "instance_type" => out.push_str(plan.clusters[0].hardware.instance_type),
            "vmc_version" => out.push_str(["1.22", "1.24", "1.26"][plan.index % 3]),
            "vc_instance_id" | "pop_id" => push(out, parts.uuid()),
            _ => names.fill(slot, out),
        });
    }

    fn agent(&self, names: &Names<'_>, role: &str, master: bool, out: &mut String) {
        self.agent.render(out, |slot, out| match slot {
            "role" => out.push_str(role),
            "master" => push(out, master),
            "agent_id" => push(
                out,
                format_args!("{}-0000-4000-8000-00000000000{}", names.tag, u8::from(master)),
            ),
            _ => names.fill(slot, out),
        });
    }

    fn cluster(
        &self,
        plan: &Plan,
        cluster: &ClusterPlan,
        hosts: &str,
        names: &Names<'_>,
        parts: &mut Dice,
        out: &mut String,
    ) {
        let (hardware, count, number) = (cluster.hardware, cluster.hosts as u64, cluster.number);
        self.cluster.render(out, |slot, out| match slot {
            "storage_gib" => push(out, hardware.storage_gib * count),
            "memory_gib" => push(out, hardware.memory_gib * count),
            "cores" => push(out, hardware.cores * count),
            "ssds" => push(out, hardware.ssds * count),
            "sockets" => push(out, hardware.sockets * count),
            "ghz" => {
                let tenths = hardware.ghz_tenths * count;
                push(out, format_args!("{}.{}", tenths / 10, tenths % 10));
            }
            "hosts" => out.push_str(hosts),
            "cluster_state" => out.push_str("READY"),
            "instance_type" => out.push_str(hardware.instance_type),
            "vsan_version" => out.push_str(hardware.vsan),
            "placement" => json_list(out, &names.zones, |out, zone| {
                push(
                    out,
                    format_args!(
                        r#"{{"availability_zone":"{zone}","partition_group_names":["partition-pg-{number}"]}}"#
                    ),
                );
            }),
            "cluster_id" => push(out, parts.uuid()),
            "cluster" => push(out, number),
            "mgmt_rp_name" => json_text(out, (number == 1).then_some("Mgmt-ResourcePool")),
            "compute_rp_name" if number == 1 => out.push_str("Compute-ResourcePool"),
            "compute_rp_name" => push(out, format_args!("Compute-ResourcePool-{number}")),
            "witness" if plan.kind == Kind::Stretched => self.witness(names, number, parts, out),
            "witness" => out.push_str("null"),
            _ => names.fill(slot, out),
        });
    }

    /// The cluster's hosts as a JSON list, dealt to the zones in turn.
    fn hosts(
        &self,
        plan: &Plan,
        cluster: &ClusterPlan,
        names: &Names<'_>,
        parts: &mut Dice,
    ) -> String {
        let host_time = plan.updated.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
        let mut out = String::with_capacity(cluster.hosts * 1400);
        json_list(&mut out, 1..=cluster.hosts, |out, number| {
            let (hex, esx_id) = (format!("{:016x}", parts.roll()), parts.uuid());
            self.host.render(out, |slot, out| match slot {
                "hex" => out.push_str(&hex),
                "esx_id" => push(out, esx_id),
                "ip" => {
                    push(out, format_args!("{}.{}.{}", names.net, cluster.number, 10 + number));
                }
                "mac" => push_mac(out, &hex),
                "partition" => push(out, (number - 1) % 7 + 1),
                "zone" => out.push_str(&names.zones[number % names.zones.len()]),
                // Milliseconds here, microseconds elsewhere: as upstream has it.
                "state_last_updated" => out.push_str(&host_time),
                "cluster" => push(out, cluster.number),
                "number" => push(out, number),
                "cluster_domain" => names.cluster_domain(cluster.number, out),
                "instance_type" => out.push_str(cluster.hardware.instance_type),
                "esx_state" => out.push_str("READY"),
                _ => names.fill(slot, out),
            });
        });
        out
    }

    fn witness(&self, names: &Names<'_>, cluster: usize, parts: &mut Dice, out: &mut String) {
        let (hex, esx_id) = (format!("{:016x}", parts.roll()), parts.uuid());
        self.witness.render(out, |slot, out| match slot {
            "hex" => out.push_str(&hex),
            "esx_id" => push(out, esx_id),
            "ip" => push(out, format_args!("{}.{}.5", names.net, 200 + cluster)),
            "mac" => push_mac(out, &hex),
            "cluster_domain" => names.cluster_domain(cluster, out),
            _ => names.fill(slot, out),
        });
    }
}

/// `sddc_state` of a kind.
fn state_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Ready | Kind::Small | Kind::OneNode | Kind::Stretched => "READY",
        Kind::Deploying => "DEPLOYING",
        Kind::Failed => "FAILED",
    }
}

fn sddc_type_of(kind: Kind) -> &'static str {
    if kind == Kind::OneNode { "1NODE" } else { "DEFAULT" }
}

/// A locally administered address from the last digits of `hex`.
fn push_mac(out: &mut String, hex: &str) {
    out.push_str("06");
    for at in (6..hex.len()).step_by(2) {
        out.push(':');
        out.push_str(&hex[at..at + 2]);
    }
}
