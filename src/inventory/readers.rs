//! What organizations are read through, for reads that the inventory does not make itself.

use super::{
    freshness::{FreshnessRequirement, OrgSelector},
    org_source::OrgSource,
    orgs::Inventory,
    outcome::Unavailable,
};
use crate::{ids::OrgId, vmc::Reader};

impl Inventory {
    /// The reader of a served organization, with its token.
    ///
    /// # Errors
    /// [`Unavailable::NoSuchOrg`], or why that cannot be said for certain.
    pub async fn reader(&self, org: &OrgId) -> Result<Reader, Unavailable> {
        self.0.ensure_discovered(&FreshnessRequirement::default()).await?;
        let orgs = self.0.selected(&OrgSelector::Org(org.clone()));
        orgs.first().map(|org| org.reader().clone()).ok_or(Unavailable::NoSuchOrg)
    }

    /// Whether an organization is served, as far as that is known now.
    #[must_use]
    pub fn serves(&self, org: &OrgId) -> bool {
        self.0.orgs.load().iter().any(|known| known.id() == org)
    }

    /// Through what VMware's own list of organizations is read: once with the app's token, or once with
    /// that of each organization that has one of its own.
    pub fn readers_of_orgs(&self) -> Vec<(Option<OrgId>, Reader)> {
        match &self.0.source {
            OrgSource::Discovered(discovery) => vec![(None, discovery.reader.clone())],
            OrgSource::Configured => {
                let orgs = self.0.selected(&OrgSelector::All).into_iter();
                orgs.map(|org| (Some(org.id().clone()), org.reader().clone())).collect()
            }
        }
    }
}
