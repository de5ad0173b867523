//! `GET /sd/prometheus`: Prometheus HTTP service discovery.

use axum::response::Response;
use serde::Serialize;
use url::Url;

use super::{
    ApiState,
    answer::{ClientCaching, EncodedAnswer, ResourceType},
    error::ApiError,
    pipeline::{EncodedPage, FetchedList, WatchMode, fetch, respond, visible},
    query::{AllowedParams, Target},
    request::InventoryRequest,
};
use crate::inventory::model::SddcEntry;

/// A Prometheus target and its labels. Prometheus drops labels that begin with `__` after relabelling.
#[derive(Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub(super) struct TargetGroup<'a> {
    /// The host and port of the SDDC's vCenter or NSX manager: always one element.
    targets: [String; 1],
    /// The SDDC that the target belongs to.
    labels: TargetLabels<'a>,
}

/// Labels are strings; an unknown value is the empty string.
#[derive(Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = TargetLabels))]
struct TargetLabels<'a> {
    /// The SDDC's id.
    #[serde(rename = "__meta_vmc_sddc_id")]
    id: &'a str,
    /// Its name.
    #[serde(rename = "__meta_vmc_sddc_name")]
    name: &'a str,
    /// Its region.
    #[serde(rename = "__meta_vmc_sddc_region")]
    region: &'a str,
    /// Its state.
    #[serde(rename = "__meta_vmc_sddc_state")]
    state: &'a str,
    /// Its organization's id.
    #[serde(rename = "__meta_vmc_sddc_org_id")]
    org_id: &'a str,
}

/// Discover targets for Prometheus
///
/// The vCenters or NSX managers of the SDDCs, in the format of `http_sd_configs`. SDDCs without
/// that URL are left out. While any organization cannot be shown, the answer is 503: Prometheus
/// then keeps the targets that it has, whereas a shorter list would make it drop some.
///
/// Source: `GET /vmc/api/orgs/{org}/sddcs`.
#[cfg_attr(test, utoipa::path(
    get, path = "/sd/prometheus", tag = "discovery",
    responses((status = 200, description = "The targets"))
))]
pub(super) async fn discover_targets(request: InventoryRequest) -> Result<Response, ApiError> {
    let target = request.all(ResourceType::Targets);
    let sees = |entry: &SddcEntry| request.visibility.sees(entry);
    let settled =
        fetch::<SddcEntry>(&request, &target, AllowedParams::DISCOVERY, WatchMode::AsAsked);
    // It takes no `partial`: none is missing.
    let FetchedList { query, list, served, .. } = settled.await?;
    let view = &served.content;
    let subject = request.subject(&target, &query, 0, view.content.revision, Vec::new());
    let encode = || {
        let shown = visible(view, &target.scope, sees);
        let selected = query.select(shown).items.into_iter();
        let target = query.target;
        let groups = selected.filter_map(|entry| group(entry, target));
        EncodedAnswer::json(&groups.collect::<Vec<_>>())
    };
    let ApiState { answers, clock, .. } = &*request.state;
    let entries = view.content.entries.len();
    let encoded =
        answers.encoded_in_turn(subject, entries, request.caller(), clock, encode).await?;
    let shows = |entry: &SddcEntry| {
        target.scope.holds(&entry.sddc.org_id) && view.shows(&entry.sddc.org_id) && sees(entry)
    };
    let served = served.without_content().with_held_back(view, shows);
    let page = EncodedPage::new(encoded, served).of(list, &target.scope, view.content.revision);
    Ok(respond(&request, &page, ClientCaching::WhileFresh))
}

fn group(entry: &SddcEntry, target: Option<Target>) -> Option<TargetGroup<'_>> {
    let sddc = &entry.sddc;
    let url = match target? {
        Target::Vcenter => sddc.vcenter_url.as_deref()?,
        Target::Nsx => sddc.nsx_manager_url.as_deref()?,
    };
    let labels = TargetLabels {
        id: sddc.id.as_str(),
        name: sddc.name.as_deref().unwrap_or_default(),
        region: sddc.region.as_deref().unwrap_or_default(),
        state: sddc.state.as_deref().unwrap_or_default(),
        org_id: sddc.org_id.as_str(),
    };
    Some(TargetGroup { targets: [address(url)?], labels })
}

/// What is answered about these SDDCs, for the published document.
#[cfg(test)]
pub(super) fn example(sddcs: &[SddcEntry]) -> serde_json::Value {
    let groups = sddcs.iter().filter_map(|entry| group(entry, Some(Target::Vcenter)));
    serde_json::json!(groups.take(1).collect::<Vec<_>>())
}

/// Host and port, an IPv6 address in brackets.
fn address(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_host_and_port() {
        for (url, target) in [
            ("https://vcenter.example/ui", "vcenter.example:443"),
            ("https://vcenter.example:8443", "vcenter.example:8443"),
            ("https://192.0.2.10/", "192.0.2.10:443"),
            ("https://[2001:db8::1]/", "[2001:db8::1]:443"),
        ] {
            assert_eq!(address(url).as_deref(), Some(target));
        }
        assert_eq!(address("vcenter.example"), None);
    }
}
