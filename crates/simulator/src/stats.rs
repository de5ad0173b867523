//! Counters of what was asked, by which callers prove single flight and caching.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    route::{OrgRead, Route},
    vmc,
};

/// The name of lists of SDDCs that ask for the deleted ones too.
const WITH_DELETED: &str = "/vmc/api/orgs/{org}/sddcs?includeDeleted=true";

/// What the simulator was asked, since its start. Requests that met a fault are counted too: they
/// arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Tokens issued.
    pub mints: u64,
    /// Requests for a token, whatever became of them.
    pub mint_attempts: u64,
    /// Requests for an organization's SDDCs, those for the deleted ones too apart.
    pub sddc_list_reads: u64,
    /// Requests for an organization's SDDCs with the deleted ones (`includeDeleted=true`).
    pub deleted_list_reads: u64,
    /// Requests for one SDDC.
    pub sddc_reads: u64,
    /// Requests for VMC's list of organizations.
    pub org_list_reads: u64,
    /// Requests for one of VMC's organizations.
    pub org_reads: u64,
    /// Requests for an organization's tasks.
    pub task_list_reads: u64,
    /// Requests for one task.
    pub task_reads: u64,
    /// Answers 401 that no fault made up, of both services.
    pub unauthorized: u64,
    /// Requests that met a scripted fault.
    pub faults: u64,
    /// Requests by endpoint template (`/vmc/api/orgs/{org}/sddcs`, which with deleted SDDCs is
    /// `/vmc/api/orgs/{org}/sddcs?includeDeleted=true`); unknown paths are `other`.
    pub endpoints: BTreeMap<&'static str, u64>,
}

impl Stats {
    /// Requests to one endpoint, named by its template.
    pub fn endpoint(&self, template: &str) -> u64 {
        self.endpoints.get(template).copied().unwrap_or(0)
    }

    pub(super) fn count(&mut self, route: Option<&Route<'_>>, query: &str) {
        let with_deleted =
            matches!(route, Some(Route::InOrg(_, OrgRead::Sddcs))) && vmc::asks_for_deleted(query);
        let plain = route.map_or("other", Route::template);
        let endpoint = if with_deleted { WITH_DELETED } else { plain };
        *self.endpoints.entry(endpoint).or_default() += 1;
        let read = match route {
            Some(Route::Token | Route::Authorize | Route::ApiToken) => &mut self.mint_attempts,
            Some(Route::Orgs) => &mut self.org_list_reads,
            Some(Route::InOrg(_, read)) => match read {
                OrgRead::Sddcs if with_deleted => &mut self.deleted_list_reads,
                OrgRead::Sddcs => &mut self.sddc_list_reads,
                OrgRead::Sddc(_) => &mut self.sddc_reads,
                OrgRead::Itself => &mut self.org_reads,
                OrgRead::Tasks => &mut self.task_list_reads,
                OrgRead::Task(_) => &mut self.task_reads,
                OrgRead::PrimaryCluster(_) => return,
            },
            _ => return,
        };
        *read += 1;
    }

    pub(super) fn count_mint(&mut self) {
        self.mints += 1;
    }

    pub(super) fn count_unauthorized(&mut self) {
        self.unauthorized += 1;
    }

    pub(super) fn count_fault(&mut self) {
        self.faults += 1;
    }
}
