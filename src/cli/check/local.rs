//! What can be seen on this machine: ports, files to write, and how the secret is written.

use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener},
    path::Path,
};

use super::report::CheckStep;
use crate::{
    access::oidc::KeysFrom,
    clock::Clock,
    config::Config,
    inventory::{self, SnapshotSource},
    os_error,
    telemetry::{self, AuditTarget},
};

/// Whether each upstream is called directly or through a proxy.
pub(super) fn routes(config: &Config) -> Vec<CheckStep> {
    let oidc = config.access.callers().and_then(|configured| configured.oidc.as_ref());
    let keys = oidc.and_then(|oidc| match &oidc.keys {
        KeysFrom::Url(url) => Some(("access.oidc.jwks_url", url)),
        KeysFrom::File(_) => None,
    });
    [("csp.url", &config.csp.url), ("vmc.url", &config.vmc.url)]
        .into_iter()
        .chain(keys)
        .chain(config.telemetry.otlp_endpoint.as_ref().map(|url| ("telemetry.otlp_endpoint", url)))
        .map(|(key, url)| {
            let (origin, route) = (url.origin().ascii_serialization(), config.proxies.route(url));
            CheckStep::ok("upstream", format!("{key}: {origin} is reached {route}"))
        })
        .collect()
}

/// What callers of VMware's own API can rely on, where it is offered.
pub(super) fn drop_in(config: &Config) -> Option<CheckStep> {
    config.drop_in.enabled.then(|| match &config.keys_file {
        Some(_) => {
            CheckStep::ok("configuration", "drop_in: access tokens are signed with keys.file")
        }
        None => CheckStep::ok(
            "configuration",
            "drop_in: access tokens are signed with a random key, since keys.file is not set: \
             they end with the process, and other replicas do not accept them",
        ),
    })
}

/// Whether the listeners' ports are free. Each is bound for a moment.
pub(super) fn ports(config: &Config) -> Vec<CheckStep> {
    let listeners = [("api.listen", config.api.listen), ("ops.listen", config.ops.listen)];
    listeners.map(|(key, address)| port(key, address)).into()
}

fn port(key: &str, address: SocketAddr) -> CheckStep {
    match TcpListener::bind(address) {
        Ok(_) if address.port() == 0 => {
            CheckStep::ok("port", format!("{key}: {address}, any port that is free"))
        }
        Ok(_) => CheckStep::ok("port", format!("{key}: {address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => CheckStep::warning(
            "port",
            format!("{key}: {address} is already in use"),
        )
        .remedy(format!(
            "nothing to do if the gateway is running; otherwise stop the process that listens \
                 there, or change {key}"
        )),
        Err(error) => {
            let why = os_error::describe(&error);
            CheckStep::failure(
                "port",
                format!("{key}: the gateway cannot listen on {address}: {why}"),
            )
            .remedy(format!("change {key}"))
        }
    }
}

/// Whether each file that the gateway writes can be written. Leaves no trace.
pub(super) fn files(config: &Config) -> Vec<CheckStep> {
    let snapshot = config.inventory.snapshot_file.as_deref();
    let snapshot = snapshot.map(|path| snapshot_file(config, path));
    let audit = match &config.telemetry.audit {
        Some(AuditTarget::File(path)) => {
            Some(written("telemetry.audit", path, telemetry::probe_audit_file(path)))
        }
        Some(AuditTarget::Stdout) | None => None,
    };
    snapshot.into_iter().chain(audit).collect()
}

fn snapshot_file(config: &Config, path: &Path) -> CheckStep {
    const KEY: &str = "inventory.snapshot_file";
    let source = SnapshotSource::of(&config.csp.url, &config.vmc.url, &config.csp.client_id);
    let (now, oldest) = (Clock::system().wall(), config.inventory.stale);
    let shown = path.display();
    match inventory::refused_snapshot(path, &source, now, oldest) {
        Some((why, true)) => {
            CheckStep::failure("file", format!("{KEY}: {shown} is neither used nor written: {why}"))
                .remedy(format!("remove it, or change {KEY}"))
        }
        Some((why, false)) => CheckStep::warning(
            "file",
            format!("{KEY}: {shown} will not be used at the next start: {why}"),
        )
        .remedy("nothing to do: the gateway replaces it after the first successful read"),
        None => written(KEY, path, inventory::probe_snapshot_file(path)),
    }
}

fn written(key: &str, path: &Path, outcome: io::Result<()>) -> CheckStep {
    let path = path.display();
    match outcome {
        Ok(()) => CheckStep::ok("file", format!("{key}: {path} can be written")),
        Err(error) => {
            let why = os_error::describe(&error);
            CheckStep::failure("file", format!("{key}: {path} cannot be written: {why}"))
                .remedy(format!("let the gateway's user write there, free space, or change {key}"))
        }
    }
}

/// Hints at what is seldom meant: quotes and blanks that have become a part of the id or secret.
pub(super) fn secrets(config: &Config) -> Vec<CheckStep> {
    let key = match config.secret_file {
        Some(_) => "csp.client_secret_file",
        None => "csp.client_secret",
    };
    let id = config.csp.client_id.hints().into_iter().map(|hint| ("csp.client_id", hint));
    let secret = config.csp.client_secret.hints().into_iter().map(|hint| (key, hint));
    id.chain(secret)
        .map(|(key, hint)| {
            CheckStep::warning("secret", format!("{key} {hint}"))
                .remedy("if that is not intended, remove them")
        })
        .collect()
}
