//! One reading that is counted and not kept: for `check`.

use super::listing::{Listing, SddcListing};
use crate::{
    ids::OrgId,
    telemetry::Metrics,
    upstream::{InvalidResponse, Priority},
    vmc::{Endpoint, OddCount, Reader, VmcError},
};

/// What a reading of an organization's SDDCs has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SddcSurvey {
    /// SDDCs that can be shown.
    pub(crate) sddcs: usize,
    /// Documents with something in them that cannot be read.
    pub(crate) malformed: usize,
}

/// Reads the SDDCs of an organization once, by the same rules as the inventory.
///
/// # Errors
/// [`VmcError`], also where there are SDDCs but none of them can be read.
pub(crate) async fn survey_sddcs(
    reader: &Reader,
    org: &OrgId,
    priority: Priority,
    metrics: &Metrics,
) -> Result<SddcSurvey, VmcError> {
    let (id, tokens) = (org.clone(), reader.tokens().clone());
    let read = reader.read(Endpoint::Sddcs(org), priority, move |body| {
        let mut odd = OddCount::default();
        let (sddcs, _gaps) = SddcListing::parse(body, &id, &tokens, &mut odd)?;
        let sddcs = sddcs.len();
        if sddcs == 0 && odd.documents > 0 {
            return Err(InvalidResponse::Body("a list of SDDCs with an id each").into());
        }
        Ok(SddcSurvey { sddcs, malformed: odd.documents })
    });
    let survey = read.await?;
    metrics.odd_documents(survey.malformed);
    Ok(survey)
}
