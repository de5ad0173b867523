//! Which organizations are served: those of `vmc.orgs`, or those that the app's token can see.

use std::sync::Arc;

use super::{Inner, kept::Kept, mapping, model::Org, slot};
use crate::{
    flight::Run,
    upstream::Breach,
    vmc::{Endpoint, OddCount, Reader, VmcError, wire},
};

/// The source of the list of organizations.
#[derive(Debug)]
pub(super) enum Directory {
    /// `vmc.orgs`: fixed.
    Configured,
    /// `GET /vmc/api/orgs`.
    Discovered(Discovery),
}

/// The discovered organizations and how they are read.
#[derive(Debug)]
pub(super) struct Discovery {
    pub(super) reader: Reader,
    pub(super) orgs: Kept<Vec<Org>>,
}

impl Discovery {
    /// Joins or starts the refresh of the list; slots are opened and retired before its waiters go
    /// on.
    pub(super) fn refresh(&self, inner: &Arc<Inner>) -> Run<Result<(), VmcError>> {
        self.orgs.refresh(|| {
            let inner = inner.clone();
            async move {
                let Directory::Discovered(discovery) = &inner.directory else { return Ok(()) };
                let metrics = inner.metrics.clone();
                let read = discovery.reader.read(Endpoint::Orgs, move |body| {
                    let wires =
                        wire::parse_orgs(body).map_err(|_| Breach::Body("a list of orgs"))?;
                    let mut odd = OddCount::default();
                    let mut orgs = mapping::orgs(wires, &mut odd);
                    metrics.odd_documents(odd.documents);
                    orgs.sort_by(|one, other| one.id.cmp(&other.id));
                    Ok(orgs)
                });
                let outcome = discovery.orgs.update(read).await;
                match &outcome {
                    Ok(()) => inner.reconcile(),
                    Err(error) if error.is_held() => {}
                    Err(error) => tracing::warn!(%error, "organizations not refreshed"),
                }
                outcome
            }
        })
    }

    /// Refreshes the list every `inventory.poll`, and after a failure when the gate lets it.
    pub(super) async fn keep_fresh(&self, inner: &Arc<Inner>) {
        inner.clock.sleep_until(slot::next_poll(&self.orgs, &self.reader, inner)).await;
        let _ = self.refresh(inner).result().await;
    }
}
