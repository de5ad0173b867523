//! From what was written to what was checked, section by section.

use std::net::SocketAddr;

use super::{
    caller::AuthMethods,
    callers,
    faults::SettingOrigin,
    keys::Key,
    reader::Reader,
    table::{
        KEYS, access, api, csp, drop_in, inventory, oidc, ops, own_keys, shared, telemetry, vmc,
    },
    value,
    vmc_settings::VmcSettings,
};
use crate::{
    access::{
        CallersFile, ConfiguredCallers,
        Settings::{self as AccessSettings, Callers, Open},
        oidc::{KeysFrom, Settings as OidcSettings, check_keys},
    },
    crypto::{CaFault, authorities},
    csp::{ClientId, ClientSecret, Settings as CspSettings},
    drop_in::Settings as DropInSettings,
    ids::OrgId,
    inventory::Settings as InventorySettings,
    listener::{OpsSettings, Settings as ListenerSettings},
    loopback::is_loopback,
    reload::LoadedFile,
    sharing::{SealingKeys, Settings as SharingSettings, SharedUrl},
    telemetry::{Format, Settings as TelemetrySettings},
};

const MAX_ORGS: usize = 1000;

pub(super) fn api(reader: &mut Reader<'_>) -> ListenerSettings {
    ListenerSettings {
        listen: reader.value(&api::listen),
        hosts: reader.list(&api::hosts),
        tls: super::tls::read(reader),
        max_in_flight: reader.value(&api::max_in_flight),
        max_connections: reader.value(&api::max_connections),
        max_connections_per_client: reader.optional(&api::max_connections_per_client),
        max_watchers: reader.value(&api::max_watchers),
        header_timeout: reader.value(&api::header_timeout),
        idle_timeout: reader.value(&api::idle_timeout),
        write_timeout: reader.value(&api::write_timeout),
        request_timeout: reader.value(&api::request_timeout),
        drain_delay: reader.value(&api::drain_delay),
        drain: reader.value(&api::drain),
        public_path: reader.value(&api::public_path),
        page: reader.value(&api::page),
        contact: reader.optional(&api::contact),
        trusted_proxies: reader.list(&api::trusted_proxies),
    }
}

pub(super) fn ops(reader: &mut Reader<'_>, api: SocketAddr) -> OpsSettings {
    let listen = reader.value(&ops::listen);
    let overlaps =
        listen.ip() == api.ip() || listen.ip().is_unspecified() || api.ip().is_unspecified();
    let collides = listen.port() == api.port() && listen.port() != 0 && overlaps;
    if collides && reader.sound(&[&api::listen, &ops::listen]) {
        // Whichever was set is the one to change.
        let set = if reader.is_set(&ops::listen) { &ops::listen } else { &api::listen };
        let problem = format!("api.listen ({api}) and ops.listen ({listen}) use the same port");
        let origin = reader.origin(set);
        reader.fault(set.name, problem, &origin);
    }
    OpsSettings { listen }
}

/// With the file that the secret comes from, if it does. `None` when the id or the secret is missing
/// or wrong, which is noted.
pub(super) fn csp(
    reader: &mut Reader<'_>,
    plain_http: &[String],
) -> Option<(CspSettings, Option<LoadedFile>)> {
    let url = reader.value_by(&csp::url, value::upstream(plain_http));
    let token_path = reader.value(&csp::token_path);
    let basic_encoding = reader.value(&csp::basic_encoding);
    let client_id = client_id(reader);
    let (client_secret, secret_file) = client_secret(reader)?;
    let client_id = client_id?;
    let settings = CspSettings { url, token_path, client_id, client_secret, basic_encoding };
    Some((settings, secret_file))
}

fn client_id(reader: &mut Reader<'_>) -> Option<ClientId> {
    if !reader.is_set(&csp::client_id) {
        let (name, variable) = (csp::client_id.name, csp::client_id.variable());
        reader
            .missing(name, format!("required but not set (set {name} in the file or {variable})"));
    }
    reader.optional(&csp::client_id)
}

fn client_secret(reader: &mut Reader<'_>) -> Option<(ClientSecret, Option<LoadedFile>)> {
    let (value, file) = (&csp::client_secret, &csp::client_secret_file);
    match (reader.is_set(value), reader.is_set(file)) {
        (true, true) => {
            refuse_both(reader, value, file);
            None
        }
        (false, false) => {
            let problem = format!(
                "required but not set (set either {} or {} in the file, or {} or {})",
                value.name,
                file.name,
                value.variable(),
                file.variable()
            );
            reader.missing(value.name, problem);
            None
        }
        (true, false) => Some((reader.optional(value)?, None)),
        (false, true) => {
            let file = reader.file(file, |content| ClientSecret::from_bytes(content).map(drop))?;
            Some((ClientSecret::from_bytes(file.content()).ok()?, Some(file)))
        }
    }
}

/// Of two keys that say the same, one is set.
fn refuse_both(reader: &mut Reader<'_>, one: &Key, other: &Key) {
    let (first, second) = (reader.origin(one), reader.origin(other));
    let problem = format!("set together with {}; keep one of them ({first}, {second})", other.name);
    reader.fault(one.name, problem, &SettingOrigin::Default);
}

pub(super) fn vmc(reader: &mut Reader<'_>) -> VmcSettings {
    let plain_http = reader.list(&vmc::plain_http);
    VmcSettings {
        url: reader.value_by(&vmc::url, value::upstream(&plain_http)),
        orgs: orgs(reader),
        connect_timeout: reader.value(&vmc::connect_timeout),
        timeout: reader.value(&vmc::timeout),
        max_in_flight: reader.value(&vmc::max_in_flight),
        retries: reader.value(&vmc::retries),
        max_body: reader.value(&vmc::max_body),
        plain_http,
        ca_file: reader.file(&vmc::ca_file, check_authorities),
    }
}

fn orgs(reader: &mut Reader<'_>) -> Vec<OrgId> {
    let mut orgs: Vec<OrgId> = Vec::new();
    for (org, origin) in reader.list_with_origins(&vmc::orgs) {
        if orgs.contains(&org) {
            reader.fault(vmc::orgs.name, format!("\"{org}\" occurs twice"), &origin);
        } else if orgs.len() == MAX_ORGS {
            reader.fault(vmc::orgs.name, format!("has more than {MAX_ORGS} orgs"), &origin);
            break;
        } else {
            orgs.push(org);
        }
    }
    orgs
}

/// With the file of the keys, which is re-read. `None` where nothing is shared.
pub(super) fn sharing(reader: &mut Reader<'_>) -> (Option<LoadedFile>, Option<SharingSettings>) {
    let check_keys = |content: &[u8]| SealingKeys::parse(content).map(drop);
    let keys_file = reader.file(&own_keys::file, check_keys);
    let plain_hosts = reader.list(&shared::plain_hosts);
    let (value, file) = (&shared::redis_url, &shared::redis_url_file);
    let (url, url_file, set) = match (reader.is_set(value), reader.is_set(file)) {
        (false, false) => return (keys_file, None),
        (true, true) => {
            refuse_both(reader, value, file);
            return (keys_file, None);
        }
        (true, false) => (reader.optional(value), None, value.key()),
        (false, true) => {
            let is_text = |content: &[u8]| std::str::from_utf8(content).map(drop);
            let content = reader.file(file, is_text);
            let path = content.as_ref().map(|file| file.path().to_owned());
            let text =
                content.map(|file| String::from_utf8_lossy(file.content()).trim().to_owned());
            (text, path, file.key())
        }
    };
    let origin = reader.origin(set);
    let url = url.map(|url| SharedUrl::parse(&url, &plain_hosts));
    if let Some(Err(fault)) = &url {
        reader.fault(set.name, fault, &origin);
    }
    if !reader.is_set(&own_keys::file) {
        let problem = format!(
            "required with {} but not set: all replicas have the same file (set {} in the file or {})",
            set.name,
            own_keys::file.name,
            own_keys::file.variable()
        );
        reader.missing(own_keys::file.name, problem);
    }
    let sealing = keys_file.as_ref().and_then(|file| SealingKeys::parse(file.content()).ok());
    let settings = url.and_then(Result::ok).zip(sealing);
    (keys_file, settings.map(|(url, keys)| SharingSettings { url, url_file, keys }))
}

pub(super) fn drop_in(reader: &mut Reader<'_>) -> DropInSettings {
    DropInSettings {
        enabled: reader.value(&drop_in::enabled),
        unknown_fields: reader.value(&drop_in::unknown_fields),
    }
}

pub(super) fn inventory(reader: &mut Reader<'_>) -> InventorySettings {
    let poll = reader.value(&inventory::poll);
    let fresh = reader.value(&inventory::fresh);
    let stale = reader.value(&inventory::stale);
    let stale_denied = reader.value(&inventory::stale_denied);
    if stale < fresh && reader.sound(&[&inventory::fresh, &inventory::stale]) {
        let is_stale_set = reader.is_set(&inventory::stale);
        let set = if is_stale_set { &inventory::stale } else { &inventory::fresh };
        let origin = reader.origin(set);
        let problem = format!("stale ({stale:?}) must not be below fresh ({fresh:?})");
        reader.fault(set.name, problem, &origin);
    }
    // A refusal is never a reason to show older data than a failure.
    let stale_denied = stale_denied.min(stale);
    let snapshot_file = reader.optional(&inventory::snapshot_file);
    InventorySettings { poll, fresh, stale, stale_denied, snapshot_file }
}

/// The keys that say who may call: with one of them set, access is not open.
fn caller_keys() -> impl Iterator<Item = &'static Key> {
    [access::callers.key(), access::keys.key(), access::callers_file.key()]
        .into_iter()
        .chain(oidc_keys())
}

/// Every key of `[access.oidc]`.
fn oidc_keys() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().copied().filter(|key| key.parts().0 == "access.oidc")
}

pub(super) fn access(reader: &mut Reader<'_>, listen: SocketAddr) -> AccessSettings {
    let open = reader.optional(&access::open);
    let configured = configured(reader);
    let caller_key = caller_keys().find(|key| reader.is_set(key));
    match (open, caller_key) {
        (Some(true), Some(key)) => {
            let (open, callers) = (reader.origin(&access::open), reader.origin(key));
            let problem =
                format!("true lets everyone in, but {} is set too ({callers}); keep one", key.name);
            reader.fault(access::open.name, problem, &open);
        }
        (Some(true), None) => return Open,
        (_, None) if !is_loopback(listen.ip()) => refuse_unasked_openness(reader, listen),
        // An explicit `false` is a wish: it lets nobody in, on loopback too.
        (None, None) if !reader.is_set(&access::open) => return Open,
        _ => {}
    }
    Callers(configured)
}

fn configured(reader: &mut Reader<'_>) -> ConfiguredCallers {
    let oidc = oidc(reader);
    let methods = AuthMethods {
        tokens: reader.is_set(&oidc::issuer),
        certificates: reader.is_set(&api::tls_client_ca),
    };
    let callers = callers::read(reader, methods);
    let file = reader.optional(&access::callers_file).map(|path| {
        // One that cannot be read lets nobody in, and is read again while running.
        let loaded = LoadedFile::read(&path).ok();
        let text = loaded.as_ref().map(LoadedFile::content).unwrap_or_default();
        let callers = match std::str::from_utf8(text) {
            Ok(text) => callers::read_file(reader, &path, text, &callers, methods),
            Err(_) => {
                let origin = reader.origin(&access::callers_file);
                reader.fault(access::callers_file.name, "is not UTF-8", &origin);
                Vec::new()
            }
        };
        let loaded = loaded.filter(|file| !file.content().trim_ascii().is_empty());
        CallersFile { path, loaded, callers }
    });
    ConfiguredCallers { callers, file, oidc }
}

fn refuse_unasked_openness(reader: &mut Reader<'_>, listen: SocketAddr) {
    let origin = match reader.origin(&api::listen) {
        SettingOrigin::Default => String::new(),
        origin => format!(" ({origin})"),
    };
    reader.missing(
        access::keys.name,
        format!(
            "no caller is configured, while api.listen is {listen}{origin}, which is not loopback; \
             add a caller (`sddc-gateway key NAME` prints what to set), or let everyone in with \
             access.open = true",
        ),
    );
}

/// `None` when no key of the section is set, or when what is set is wrong, which is noted.
fn oidc(reader: &mut Reader<'_>) -> Option<OidcSettings> {
    if !oidc_keys().any(|key| reader.is_set(key)) {
        return None;
    }
    if !reader.is_set(&oidc::issuer) {
        let (name, variable) = (oidc::issuer.name, oidc::issuer.variable());
        let problem = format!(
            "required with the other keys of access.oidc but not set (set {name} in the file or \
             {variable})"
        );
        reader.missing(name, problem);
    }
    let issuer = reader.optional(&oidc::issuer);
    let audience = reader.optional(&oidc::audience);
    let client_ids = reader.list(&oidc::client_ids);
    let names_none = client_ids.is_empty() && reader.sound(&[&oidc::client_ids]);
    if names_none && !reader.is_set(&oidc::audience) {
        let problem = format!(
            "neither this key nor {} is set: every token of the issuer, for whatever service, \
             would be accepted; set at least one of them",
            oidc::client_ids.name
        );
        reader.missing(oidc::audience.name, problem);
    }
    let keys = key_source(reader);
    let ca_file = reader.file(&oidc::ca_file, check_authorities);
    Some(OidcSettings { issuer: issuer?, audience, client_ids, keys: keys?, ca_file })
}

fn key_source(reader: &mut Reader<'_>) -> Option<KeysFrom> {
    let (url, file) = (&oidc::jwks_url, &oidc::jwks_file);
    match (reader.is_set(url), reader.is_set(file)) {
        (true, true) => {
            refuse_both(reader, url, file);
            None
        }
        (false, false) => {
            let problem = format!(
                "required with the other keys of access.oidc but not set (set either {} or {})",
                url.name, file.name
            );
            reader.missing(url.name, problem);
            None
        }
        (true, false) => reader.optional(url).map(KeysFrom::Url),
        (false, true) => {
            let check = |set: &[u8]| check_keys(set).map_err(|why| format!("contains {why}"));
            reader.file(file, check).map(KeysFrom::File)
        }
    }
}

pub(super) fn telemetry(reader: &mut Reader<'_>, on_terminal: bool) -> TelemetrySettings {
    let usual = if on_terminal { Format::Text } else { Format::Json };
    TelemetrySettings {
        log: reader.value(&telemetry::log),
        format: reader.optional(&telemetry::format).unwrap_or(usual),
        audit: reader.optional(&telemetry::audit),
        otlp_endpoint: reader.optional(&telemetry::otlp_endpoint),
    }
}

fn check_authorities(pem: &[u8]) -> Result<(), CaFault> {
    authorities(pem).map(drop)
}
