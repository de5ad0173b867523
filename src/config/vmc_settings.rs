//! What the operator sets of the upstream reads: section `[vmc]`.

use std::time::Duration;

use url::Url;

use crate::{ids::OrgId, reload::LoadedFile};

/// Section `[vmc]`.
#[derive(Debug, Clone)]
pub struct VmcSettings {
    /// `vmc.url`: VMware Cloud on AWS. Plain `http` only to a loopback host.
    pub url: Url,
    /// `vmc.orgs`: served orgs, each with its own token. Empty: the app's own org's token, and the
    /// orgs it can see.
    pub orgs: Vec<OrgId>,
    /// `vmc.connect_timeout`: one connection, TLS included.
    pub connect_timeout: Duration,
    /// `vmc.timeout`: one try, from the first byte sent to the last byte read.
    pub timeout: Duration,
    /// `vmc.max_in_flight`: calls under way at once that callers wait for; the poller has as many of
    /// its own.
    pub max_in_flight: usize,
    /// `vmc.retries`: extra tries of a failed read.
    pub retries: usize,
    /// `vmc.max_body`: bytes of one upstream answer, decoded.
    pub max_body: u64,
    /// `vmc.plain_http`: hosts that `csp.url` and `vmc.url` may name with plain `http`.
    pub plain_http: Vec<String>,
    /// `vmc.ca_file`: PEM file with CAs trusted beside the public ones, for CSP and VMC.
    pub ca_file: Option<LoadedFile>,
}
