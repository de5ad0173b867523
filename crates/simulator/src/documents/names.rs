//! The names, addresses and ids that many slots of one SDDC share.

use super::{
    dice::wire_time,
    json::{json_list, json_text, push},
    plan::{Kind, Plan},
};

/// What many slots of one SDDC share.
pub(super) struct Names<'a> {
    id: String,
    org: &'a str,
    /// Short mark of this SDDC in made-up AWS ids and canaries.
    pub(super) tag: String,
    created: String,
    region: &'static str,
    aws_region: &'static str,
    deployment: &'static str,
    pub(super) zones: Vec<String>,
    witness_zone: Option<String>,
    /// The first two octets of its management network.
    pub(super) net: String,
    public_ip: String,
    dashed_ip: String,
    domain: String,
}

impl<'a> Names<'a> {
    pub(super) fn of(plan: &Plan, org: &'a str) -> Self {
        let id = plan.id.to_string();
        // 198.18.0.0/15 is kept for tests (RFC 2544).
        let host = plan.index + 10;
        let public_ip =
            format!("198.{}.{}.{}", 18 + host / 65_536 % 2, host / 256 % 256, host % 256);
        let dashed_ip = public_ip.replace('.', "-");
        Self {
            tag: id[..8].to_owned(),
            id,
            org,
            created: wire_time(plan.created),
            region: plan.place.region,
            aws_region: plan.place.aws,
            deployment: if plan.kind == Kind::Stretched { "MULTI_AZ" } else { "SINGLE_AZ" },
            zones: plan.zones(),
            witness_zone: plan.witness_zone(),
            net: format!("10.{}", plan.index % 250 + 2),
            domain: format!("sddc-{dashed_ip}.vmwarevmc.example"),
            public_ip,
            dashed_ip,
        }
    }

    /// Appends the value of a slot.
    ///
    /// # Panics
    /// For a slot that no document knows: a template and this file disagree.
    pub(super) fn fill(&self, slot: &str, out: &mut String) {
        match slot {
            "id" => out.push_str(&self.id),
            "org" => out.push_str(self.org),
            "tag" => out.push_str(&self.tag),
            "created" => out.push_str(&self.created),
            "region" => out.push_str(self.region),
            "aws_region" => out.push_str(self.aws_region),
            "deployment" | "availability" => out.push_str(self.deployment),
            "net" => out.push_str(&self.net),
            "zones" => json_list(out, &self.zones, |out, zone| json_text(out, Some(zone))),
            "witness_zone" => json_text(out, self.witness_zone.as_deref()),
            "public_ip" => out.push_str(&self.public_ip),
            "dashed_ip" => out.push_str(&self.dashed_ip),
            "domain" => out.push_str(&self.domain),
            unknown => unreachable!("no value for the slot {unknown}"),
        }
    }

    /// Appends the domain of a cluster's hosts.
    pub(super) fn cluster_domain(&self, cluster: usize, out: &mut String) {
        push(out, format_args!("cluster-{cluster}."));
        out.push_str(&self.domain);
    }
}
