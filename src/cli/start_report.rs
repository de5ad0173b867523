//! What a gateway says at its start: who may call, what it serves, and which files it uses.

use std::path::Path;

use crate::{
    access::{self, oidc::KeysFrom},
    config::Config,
    reload::LoadedFile,
    telemetry::AuditTarget,
};

/// Logs a line for access, one for the upstreams, one for the files, and one for each warning.
pub(super) fn log(config: &Config) {
    match &config.access {
        access::Settings::Open => tracing::info!(
            access = "open",
            "access is open: everyone who can reach the listener has sddc:read"
        ),
        access::Settings::Callers(configured) => tracing::info!(
            access = "callers",
            callers = configured.all().count(),
            issuer = configured.oidc.as_ref().map(|oidc| oidc.issuer.as_str()),
            client_certificates = config.api.tls.as_ref().is_some_and(|tls| tls.client.is_some()),
            "only configured callers have access"
        ),
    }
    tracing::info!(
        csp.url = %config.csp.url,
        vmc.url = %config.vmc.url,
        orgs = config.vmc.orgs.len(),
        "{}",
        if config.vmc.orgs.is_empty() {
            "serving the organizations that the app's token can see"
        } else {
            "serving the organizations of vmc.orgs"
        }
    );
    let files: Vec<_> =
        files(config).iter().map(|(key, path)| format!("{key}={}", path.display())).collect();
    if !files.is_empty() {
        tracing::info!(files = files.join(", "), "files in use");
    }
    config.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
}

/// Each file that is read or written, by its key, in the order of the table.
fn files(config: &Config) -> Vec<(&'static str, &Path)> {
    let tls = config.api.tls.as_ref();
    let client = tls.and_then(|tls| tls.client.as_ref());
    let configured = config.access.callers();
    let oidc = configured.and_then(|configured| configured.oidc.as_ref());
    let keys = oidc.and_then(|oidc| match &oidc.keys {
        KeysFrom::File(file) => Some(file),
        KeysFrom::Url(_) => None,
    });
    let audit = match &config.telemetry.audit {
        Some(AuditTarget::File(path)) => Some(path.as_path()),
        Some(AuditTarget::Stdout) | None => None,
    };
    let callers = configured.and_then(|configured| configured.file.as_ref());
    let url_file = config.sharing.as_ref().and_then(|sharing| sharing.url_file.as_deref());
    let path = LoadedFile::path;
    [
        ("api.tls_cert", tls.map(|tls| tls.cert.path())),
        ("api.tls_key", tls.map(|tls| tls.key.path())),
        ("api.tls_client_ca", client.map(|client| client.ca.path())),
        ("api.tls_client_crl", client.and_then(|client| client.crl.as_ref()).map(path)),
        ("csp.client_secret_file", config.secret_file.as_ref().map(path)),
        ("vmc.ca_file", config.vmc.ca_file.as_ref().map(path)),
        ("inventory.snapshot_file", config.inventory.snapshot_file.as_deref()),
        ("keys.file", config.keys_file.as_ref().map(path)),
        ("shared.redis_url_file", url_file),
        ("access.callers_file", callers.map(|file| file.path.as_path())),
        ("access.oidc.jwks_file", keys.map(path)),
        ("access.oidc.ca_file", oidc.and_then(|oidc| oidc.ca_file.as_ref()).map(path)),
        ("telemetry.audit", audit),
    ]
    .into_iter()
    .filter_map(|(key, path)| Some((key, path?)))
    .collect()
}
