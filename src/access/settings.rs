//! Who may call: section `[access]`.

use super::{CallerName, KeyDigest, Scope, View};

/// Whether callers must show who they are. Decided once, at start, from which keys are set; never
/// from how many callers there are.
#[derive(Debug, Clone)]
pub enum Settings {
    /// `access.open = true`, or no `access` key at all on a loopback listener: everyone is
    /// `anonymous` with scope `sddc:read`.
    Open,
    /// `access.keys` and `[[access.callers]]`.
    Callers(Vec<CallerSettings>),
}

/// One entry of `[[access.callers]]` or `access.keys`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerSettings {
    /// `name`: unique.
    pub name: CallerName,
    /// `key_sha256`: digests of the keys that this caller may show.
    pub key_sha256: Vec<KeyDigest>,
    /// `scopes`.
    pub scopes: Vec<Scope>,
    /// `orgs`, `sddc_ids`, `sddc_names`: what it may see.
    pub view: View,
}
