//! The closed table of VMware's reads: what is not in it is no path of the gateway.
//!
//! A path reaches VMware Cloud only as one of these templates, with plain ids in its places: it is put
//! together from the template, and never copied from the request. What VMware offers to its own staff
//! (`/vmc/api/operator`), to other methods than GET, or to SDDCs of the past is not here.

use crate::{
    access::ReadGroup,
    ids::{OrgId, SddcId, is_plain},
};

/// A read of VMware's, as the gateway offers it.
#[derive(Debug, PartialEq, Eq)]
pub struct ReadRoute {
    /// VMware's path, with the names of its places: `{org_id}`, `{sddc_id}`, `{task_id}`, …
    pub template: &'static str,
    /// The query keys that it takes, as VMware spells them.
    pub query: &'static [&'static str],
    /// Whose leave it needs.
    pub group: ReadGroup,
    /// Whether it is answered at all.
    pub verdict: Verdict,
    /// Whether a read that failed may be made again.
    pub retryable: bool,
    /// Whether VMware may take up to a minute for it.
    pub slow: bool,
}

/// What the gateway does with a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is made.
    Pass,
    /// 403: its answer is a credential, or holds one.
    Credentials,
    /// 403: its answer holds pre-signed URLs, which are as good as a credential.
    SignedUrls,
    /// 403: VMware starts something.
    Starts,
}

const fn read(
    group: ReadGroup,
    template: &'static str,
    query: &'static [&'static str],
) -> ReadRoute {
    ReadRoute { template, query, group, verdict: Verdict::Pass, retryable: true, slow: false }
}

const fn refused(group: ReadGroup, template: &'static str, verdict: Verdict) -> ReadRoute {
    ReadRoute { verdict, retryable: false, ..read(group, template, &[]) }
}

impl ReadRoute {
    const fn slow_and_tried_once(self) -> Self {
        Self { slow: true, retryable: false, ..self }
    }

    /// Whether it is VMware's list of organizations.
    #[must_use]
    pub fn lists_orgs(&self) -> bool {
        self.template == "/vmc/api/orgs"
    }

    /// Whether it is an organization's list of SDDCs.
    #[must_use]
    pub fn lists_sddcs(&self) -> bool {
        self.template == "/vmc/api/orgs/{org_id}/sddcs"
    }

    /// The label of metrics: a closed set.
    #[must_use]
    pub const fn endpoint(&self) -> &'static str {
        match self.group {
            ReadGroup::Sddcs => "drop_in_sddcs",
            ReadGroup::Tasks => "drop_in_tasks",
            ReadGroup::Network => "drop_in_network",
            ReadGroup::Draas => "drop_in_draas",
            ReadGroup::Account => "drop_in_account",
            ReadGroup::Billing => "drop_in_billing",
        }
    }

    /// Whether it names anything but an organization.
    #[must_use]
    pub fn names_object(&self) -> bool {
        self.template.replace("{org_id}", "").contains('{')
    }

    /// Whether it names an SDDC: only such reads, and the list of SDDCs, are for callers whose SDDCs are
    /// limited.
    #[must_use]
    pub fn names_sddc(&self) -> bool {
        self.template.contains("{sddc_id}")
    }
}

use ReadGroup::{Account, Billing, Draas, Network, Sddcs, Tasks};

/// Every read there is.
pub static READ_ROUTES: &[ReadRoute] = &[
    // VMware Cloud on AWS: organizations and SDDCs.
    read(Sddcs, "/vmc/api/orgs", &[]),
    read(Sddcs, "/vmc/api/orgs/{org_id}", &[]),
    read(Sddcs, "/vmc/api/orgs/{org_id}/sddcs", &["includeDeleted", "$filter"]),
    read(Sddcs, "/vmc/api/orgs/{org_id}/sddcs/provision-spec", &[]),
    read(Sddcs, "/vmc/api/orgs/{org_id}/sddcs/{sddc_id}", &[]),
    read(Sddcs, "/vmc/api/orgs/{org_id}/sddcs/{sddc_id}/primarycluster", &[]),
    read(
        Sddcs,
        "/vmc/api/orgs/{org_id}/sddcs/{sddc_id}/clusters/{cluster_id}/config/constraints",
        &["expected_num_hosts"],
    ),
    read(Sddcs, "/vmc/api/orgs/{org_id}/sddcs/{sddc_id}/enablements", &[]),
    read(Sddcs, "/vmc/api/orgs/{org_id}/sddcs/{sddc_id}/sddc-template", &[]),
    read(Network, "/vmc/api/orgs/{org_id}/sddcs/{sddc_id}/networking/connectivity-tests", &[]),
    refused(
        Sddcs,
        "/vmc/api/orgs/{org_id}/sddcs/{sddc_id}/addons/{addon_type}/credentials",
        Verdict::Credentials,
    ),
    refused(
        Sddcs,
        "/vmc/api/orgs/{org_id}/sddcs/{sddc_id}/addons/{addon_type}/credentials/{name}",
        Verdict::Credentials,
    ),
    read(Sddcs, "/vmc/api/orgs/{org_id}/sddc-templates", &[]),
    read(Sddcs, "/vmc/api/orgs/{org_id}/sddc-templates/{template_id}", &[]),
    read(Sddcs, "/vmc/api/orgs/{org_id}/reservations", &[]),
    read(Sddcs, "/vmc/api/orgs/{org_id}/reservations/{reservation_id}/mw", &[]),
    read(
        Sddcs,
        "/vmc/api/orgs/{org_id}/tbrs/support-window",
        &["minimumSeatsAvailable", "createdBy"],
    ),
    read(Sddcs, "/vmc/api/orgs/{org_id}/storage/cluster-constraints", &["provider", "num_hosts"]),
    read(Tasks, "/vmc/api/orgs/{org_id}/tasks", &["$filter"]),
    read(Tasks, "/vmc/api/orgs/{org_id}/tasks/{task_id}", &[]),
    // Its accounts.
    read(Account, "/vmc/api/orgs/{org_id}/providers", &[]),
    read(Account, "/vmc/api/orgs/{org_id}/tos", &["termsId"]),
    refused(Account, "/vmc/api/orgs/{org_id}/account-link", Verdict::SignedUrls),
    read(Account, "/vmc/api/orgs/{org_id}/account-link/connected-accounts", &["provider"]),
    read(Account, "/vmc/api/orgs/{org_id}/account-link/sddc-connections", &["sddc"]),
    read(
        Account,
        "/vmc/api/orgs/{org_id}/account-link/compatible-subnets",
        &[
            "linkedAccountId",
            "region",
            "sddc",
            "forceRefresh",
            "instanceType",
            "sddcType",
            "numOfHosts",
        ],
    )
    .slow_and_tried_once(),
    refused(
        Account,
        "/vmc/api/orgs/{org_id}/account-link/compatible-subnets-async",
        Verdict::Starts,
    ),
    read(Account, "/vmc/api/orgs/{org_id}/aws/resources/servicequotas/requests", &[]),
    read(Account, "/vmc/api/orgs/{org_id}/aws/resources/servicequotas/requests/{request_id}", &[]),
    read(Account, "/vmc/api/customer-support/inputs", &["userId", "orgId"]),
    // Its bills.
    read(Billing, "/vmc/api/orgs/{org_id}/payment-methods", &["defaultFlag"]),
    read(Billing, "/vmc/api/orgs/{org_id}/subscriptions", &["offer_type"]),
    read(Billing, "/vmc/api/orgs/{org_id}/subscriptions/products", &[]),
    read(
        Billing,
        "/vmc/api/orgs/{org_id}/subscriptions/offer-instances",
        &["region", "product_type", "product", "type"],
    ),
    read(Billing, "/vmc/api/orgs/{org_id}/subscriptions/{subscription_id}", &[]),
    // Autoscaler.
    read(Sddcs, "/vmc/autoscaler/api/orgs/{org_id}/sddcs/{sddc_id}/edrs-policy", &[]),
    read(Sddcs, "/vmc/autoscaler/api/orgs/{org_id}/sddcs/{sddc_id}/remediation-policy", &[]),
    read(
        Sddcs,
        "/vmc/autoscaler/api/orgs/{org_id}/sddcs/{sddc_id}/clusters/{cluster_id}/edrs-policy",
        &[],
    ),
    read(
        Sddcs,
        "/vmc/autoscaler/api/orgs/{org_id}/sddcs/{sddc_id}/clusters/{cluster_id}/edrs-provisioning-spec",
        &[],
    ),
    read(
        Sddcs,
        "/vmc/autoscaler/api/orgs/{org_id}/sddcs/{sddc_id}/clusters/{cluster_id}/remediation-policy",
        &[],
    ),
    read(Tasks, "/vmc/autoscaler/api/orgs/{org_id}/tasks", &["$filter"]),
    read(Tasks, "/vmc/autoscaler/api/orgs/{org_id}/tasks/{task_id}", &[]),
    // Site Recovery.
    read(Draas, "/vmc/draas/api/orgs/{org_id}/sddcs/{sddc_id}/site-recovery", &[]),
    read(Draas, "/vmc/draas/api/orgs/{org_id}/sddcs/{sddc_id}/site-recovery/versions", &[]),
    read(Draas, "/vmc/draas/api/orgs/{org_id}/sddcs/{sddc_id}/site-recovery/replica-data", &[]),
    read(
        Draas,
        "/vmc/draas/api/orgs/{org_id}/sddcs/{sddc_id}/site-recovery/replica-disk-collections",
        &["datastore_mo_id"],
    ),
    read(
        Draas,
        "/vmc/draas/api/orgs/{org_id}/sddcs/{sddc_id}/site-recovery/replications-data",
        &[],
    ),
    read(
        Draas,
        "/vmc/draas/api/orgs/{org_id}/sddcs/{sddc_id}/site-recovery/vr-replication-issues",
        &[],
    ),
    read(Draas, "/vmc/draas/api/orgs/{org_id}/sddcs/{sddc_id}/site-recovery/vr-site-issues", &[]),
    read(Draas, "/vmc/draas/api/orgs/{org_id}/sddcs/{sddc_id}/replications-count", &[]),
    read(Draas, "/vmc/draas/api/orgs/{org_id}/tasks", &["$filter"]),
    read(Draas, "/vmc/draas/api/orgs/{org_id}/tasks/{task_id}", &[]),
    // Inventory, SDDC groups, Transit Connect.
    read(Sddcs, "/api/inventory/{org_id}/core/deployments", &[]),
    read(Sddcs, "/api/inventory/{org_id}/core/deployment-groups", &[]),
    read(Sddcs, "/api/inventory/{org_id}/core/deployment-groups/{group_id}", &[]),
    read(Network, "/api/network/{org_id}/core/network-connectivity-configs", &["group_id"]),
    read(
        Network,
        "/api/network/{org_id}/core/network-connectivity-configs/{config_id}",
        &["trait"],
    ),
    read(
        Network,
        "/api/network/{org_id}/core/network-connectivity-configs/{config_id}/route-tables",
        &[],
    ),
    read(
        Network,
        "/api/network/{org_id}/core/network-connectivity-configs/{config_id}/route-tables/{table_id}/routes",
        &[],
    ),
    read(Network, "/api/network/{org_id}/core/deployments/{deployment_id}/nsx", &[]),
    read(Tasks, "/api/operation/{org_id}/core/operations/{operation_id}", &[]),
];

/// A path that leads to a route.
#[derive(Debug, Clone)]
pub struct MatchedRead {
    /// The route.
    pub route: &'static ReadRoute,
    /// The path as VMware is asked for it: the template with its places filled in, and the trailing slash
    /// that the request has.
    pub path: String,
    /// The organization that it names.
    pub org: Option<OrgId>,
    /// The SDDC that it names.
    pub sddc: Option<SddcId>,
}

/// Finds the route that a path leads to.
#[derive(Debug)]
pub struct ReadMatcher(matchit::Router<&'static ReadRoute>);

impl Default for ReadMatcher {
    fn default() -> Self {
        let mut matcher = matchit::Router::new();
        for route in READ_ROUTES {
            matcher.insert(route.template, route).expect("no two templates are the same path");
        }
        Self(matcher)
    }
}

impl ReadMatcher {
    /// The route of a path, of which one trailing slash does not count: some tools send it. Each place
    /// holds plain characters that mean nothing to any server between here and VMware.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<MatchedRead> {
        let bare = path.strip_suffix('/').unwrap_or(path);
        let found = self.0.at(bare).ok()?;
        let (mut org, mut sddc) = (None, None);
        for (name, value) in found.params.iter() {
            // Of dots only: a parent folder.
            if !is_plain(value) || value.bytes().all(|byte| byte == b'.') {
                return None;
            }
            match name {
                "org_id" => org = value.parse().ok(),
                "sddc_id" => sddc = value.parse().ok(),
                _ => {}
            }
        }
        Some(MatchedRead { route: found.value, path: path.to_owned(), org, sddc })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(path: &str) -> Option<MatchedRead> {
        ReadMatcher::default().find(path)
    }

    fn example(template: &str) -> String {
        template.replace(['{', '}'], "")
    }

    #[test]
    fn each_template_leads_to_its_own_route() {
        for route in READ_ROUTES {
            let path = example(route.template);
            for path in [path.clone(), format!("{path}/")] {
                let found = find(&path).expect(&path);
                assert_eq!((found.route, &found.path), (route, &path));
                assert_eq!(found.org.is_some(), route.template.contains("{org_id}"), "{path}");
                assert_eq!(found.sddc.is_some(), route.names_sddc(), "{path}");
                let places = route.template.matches('{').count();
                assert_eq!(route.names_object(), places > usize::from(found.org.is_some()));
            }
        }
    }

    #[test]
    fn what_is_not_in_the_table_or_no_plain_path_leads_nowhere() {
        for path in [
            "/",
            "/vmc",
            "/vmc/api",
            "/vmc/api/operator/orgs",
            "/vmc/api/orgs//",
            "/vmc/api//orgs",
            "//vmc/api/orgs",
            "/vmc/api/orgs/o/sddcs/s/clusters",
            "/vmc/api/orgs/o/sddcs/..",
            "/vmc/api/orgs/../sddcs",
            "/vmc/api/orgs/./sddcs",
            "/vmc/api/orgs/o/sddcs/%2e%2e",
            "/vmc/api/orgs/o%2fsddcs",
            "/vmc/api/orgs/o%2Fsddcs/s",
            "/vmc/api/orgs/o;x=1",
            "/vmc/api/orgs/o\\sddcs",
            "/vmc/api/orgs/o%00",
            "/vmc/api/orgs/o /sddcs",
            "/VMC/api/orgs",
            "/vmc/api/orgs/o/sddcs/s/addons/a/credentials/n/x",
            "/api/wcp/v1/orgs/o/deployments/s",
        ] {
            assert!(find(path).is_none(), "{path}");
        }
        assert!(find(&format!("/vmc/api/orgs/{}", "x".repeat(65))).is_none());
    }

    #[test]
    fn what_returns_credentials_or_starts_something_is_never_made() {
        let refused: Vec<_> = READ_ROUTES
            .iter()
            .filter(|route| route.verdict != Verdict::Pass)
            .map(|route| {
                route.template.rsplit_once("/{sddc_id}/").map_or(route.template, |it| it.1)
            })
            .collect();
        assert_eq!(
            refused,
            [
                "addons/{addon_type}/credentials",
                "addons/{addon_type}/credentials/{name}",
                "/vmc/api/orgs/{org_id}/account-link",
                "/vmc/api/orgs/{org_id}/account-link/compatible-subnets-async",
            ]
        );
        for route in READ_ROUTES.iter().filter(|route| route.template.contains("credential")) {
            assert_eq!(route.verdict, Verdict::Credentials, "{}", route.template);
        }
    }
}
