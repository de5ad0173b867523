//! From what was written to what was checked, section by section.

use std::{net::SocketAddr, time::Duration};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tracing::level_filters::LevelFilter;

use super::{
    caller::Ways,
    callers,
    faults::Origin,
    keys::environment_name,
    reader::Reader,
    value::{self, HOUR, SHORTEST, YEAR},
};
use crate::{
    access::{
        self, CallersFile, Roll,
        oidc::{self, KeysFrom},
    },
    csp::{self, BasicEncoding, ClientId, ClientSecret},
    ids::OrgId,
    inventory, listener,
    reload::LoadedFile,
    telemetry::{self, AuditTarget, Format},
    vmc,
};

const MAX_COUNT: usize = 1_000_000;
const MAX_ORGS: usize = 1000;

const LEVELS: &[(&str, LevelFilter)] = &[
    ("off", LevelFilter::OFF),
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];
const FORMATS: &[(&str, Format)] = &[("text", Format::Text), ("json", Format::Json)];
const ENCODINGS: &[(&str, BasicEncoding)] =
    &[("raw", BasicEncoding::Raw), ("form", BasicEncoding::Form)];

fn timeout(text: &str) -> Result<Duration, String> {
    value::duration(SHORTEST..=HOUR)(text)
}

pub(super) fn api(reader: &mut Reader<'_>) -> listener::Settings {
    let upto_hour = value::duration(Duration::ZERO..=HOUR);
    let hosts = reader.list("api.hosts", value::host);
    let trusted_proxies = reader.list("api.trusted_proxies", value::network);
    listener::Settings {
        listen: reader.value("api.listen", value::address),
        hosts: hosts.into_iter().map(|(host, _)| host).collect(),
        tls: super::tls::read(reader),
        max_in_flight: reader.value("api.max_in_flight", value::count(1..=MAX_COUNT)),
        max_connections: reader.value("api.max_connections", value::count(1..=MAX_COUNT)),
        max_connections_per_client: reader
            .optional("api.max_connections_per_client", value::count(1..=MAX_COUNT)),
        max_watchers: reader.value("api.max_watchers", value::count(1..=MAX_COUNT)),
        header_timeout: reader.value("api.header_timeout", timeout),
        idle_timeout: reader.value("api.idle_timeout", timeout),
        write_timeout: reader.value("api.write_timeout", timeout),
        request_timeout: reader.value("api.request_timeout", timeout),
        drain_delay: reader.value("api.drain_delay", &upto_hour),
        drain: reader.value("api.drain", &upto_hour),
        public_path: reader.value("api.public_path", value::public_path),
        trusted_proxies: trusted_proxies.into_iter().map(|(network, _)| network).collect(),
    }
}

pub(super) fn ops(reader: &mut Reader<'_>, api: SocketAddr) -> listener::OpsSettings {
    let listen = reader.value("ops.listen", value::address);
    let overlaps =
        listen.ip() == api.ip() || listen.ip().is_unspecified() || api.ip().is_unspecified();
    let collides = listen.port() == api.port() && listen.port() != 0 && overlaps;
    if collides && reader.sound(&["api.listen", "ops.listen"]) {
        // Whichever was set is the one to change.
        let set = if reader.is_set("ops.listen") { "ops.listen" } else { "api.listen" };
        let problem = format!("api.listen ({api}) and ops.listen ({listen}) take the same port");
        let origin = reader.origin(set);
        reader.fault(set, problem, &origin);
    }
    listener::OpsSettings { listen }
}

/// With the file that the secret comes from, if it does. `None` when the id or the secret is missing
/// or wrong, which is noted.
pub(super) fn csp(reader: &mut Reader<'_>) -> Option<(csp::Settings, Option<LoadedFile>)> {
    let plain_http = reader.quietly(plain_http);
    let url = reader.value("csp.url", value::upstream(&plain_http));
    let token_path = reader.value("csp.token_path", value::url_path);
    let basic_encoding = reader.value("csp.basic_encoding", value::choice(ENCODINGS));
    let client_id = client_id(reader);
    let (client_secret, secret_file) = client_secret(reader)?;
    let client_id = client_id?;
    let settings = csp::Settings { url, token_path, client_id, client_secret, basic_encoding };
    Some((settings, secret_file))
}

fn client_id(reader: &mut Reader<'_>) -> Option<ClientId> {
    if !reader.is_set("csp.client_id") {
        let variable = environment_name("csp.client_id");
        reader.missing(
            "csp.client_id",
            format!("required but not set (set csp.client_id in the file or {variable})"),
        );
    }
    reader.optional("csp.client_id", str::parse::<ClientId>)
}

fn client_secret(reader: &mut Reader<'_>) -> Option<(ClientSecret, Option<LoadedFile>)> {
    const VALUE: &str = "csp.client_secret";
    const FILE: &str = "csp.client_secret_file";
    match (reader.is_set(VALUE), reader.is_set(FILE)) {
        (true, true) => {
            let (value, file) = (reader.origin(VALUE), reader.origin(FILE));
            let problem = format!("set together with {FILE}; keep one of them ({value}, {file})");
            reader.fault(VALUE, problem, &Origin::Default);
            None
        }
        (false, false) => {
            let (value, file) = (environment_name(VALUE), environment_name(FILE));
            reader.missing(
                VALUE,
                format!(
                    "required but not set (set either {VALUE} or {FILE} in the file, or {value} \
                     or {file})"
                ),
            );
            None
        }
        (true, false) => Some((reader.optional(VALUE, ClientSecret::from_text)?, None)),
        (false, true) => {
            let file = reader.file(FILE, |content| ClientSecret::from_bytes(content).map(drop))?;
            Some((ClientSecret::from_bytes(file.content()).ok()?, Some(file)))
        }
    }
}

pub(super) fn vmc(reader: &mut Reader<'_>) -> vmc::Settings {
    let plain_http = plain_http(reader);
    vmc::Settings {
        url: reader.value("vmc.url", value::upstream(&plain_http)),
        orgs: orgs(reader),
        connect_timeout: reader.value("vmc.connect_timeout", timeout),
        timeout: reader.value("vmc.timeout", timeout),
        max_in_flight: reader.value("vmc.max_in_flight", value::count(1..=1000)),
        retries: reader.value("vmc.retries", value::count(0..=10)),
        max_body: reader.value("vmc.max_body", value::size(1 << 10..=4 << 30)),
        plain_http,
        ca_file: reader.file("vmc.ca_file", check_authorities),
    }
}

/// The hosts of `vmc.plain_http`.
fn plain_http(reader: &mut Reader<'_>) -> Vec<String> {
    let hosts = reader.list("vmc.plain_http", value::plain_host);
    hosts.into_iter().map(|(host, _)| host).collect()
}

fn orgs(reader: &mut Reader<'_>) -> Vec<OrgId> {
    let mut orgs: Vec<OrgId> = Vec::new();
    for (org, origin) in reader.list("vmc.orgs", str::parse::<OrgId>) {
        if orgs.contains(&org) {
            reader.fault("vmc.orgs", format!("\"{org}\" is there twice"), &origin);
        } else if orgs.len() == MAX_ORGS {
            reader.fault("vmc.orgs", format!("holds more than {MAX_ORGS} orgs"), &origin);
            break;
        } else {
            orgs.push(org);
        }
    }
    orgs
}

pub(super) fn inventory(reader: &mut Reader<'_>) -> inventory::Settings {
    let any = value::duration(Duration::ZERO..=YEAR);
    let poll = reader.value("inventory.poll", &any);
    let fresh = reader.value("inventory.fresh", &any);
    let stale = reader.value("inventory.stale", &any);
    let stale_denied = reader.value("inventory.stale_denied", &any);
    if stale < fresh && reader.sound(&["inventory.fresh", "inventory.stale"]) {
        let set =
            if reader.is_set("inventory.stale") { "inventory.stale" } else { "inventory.fresh" };
        let origin = reader.origin(set);
        let problem = format!("stale ({stale:?}) must not be below fresh ({fresh:?})");
        reader.fault(set, problem, &origin);
    }
    // A refusal is never a reason to show older data than a failure.
    let stale_denied = stale_denied.min(stale);
    let snapshot_file = reader.optional("inventory.snapshot_file", value::file_to_write);
    inventory::Settings { poll, fresh, stale, stale_denied, snapshot_file }
}

/// The keys that say who may call: with one of them set, access is not open.
const CALLER_KEYS: [&str; 9] = [
    "access.callers",
    "access.keys",
    "access.callers_file",
    ISSUER,
    AUDIENCE,
    CLIENT_IDS,
    JWKS_URL,
    JWKS_FILE,
    OIDC_CA_FILE,
];

pub(super) fn access(reader: &mut Reader<'_>, listen: SocketAddr) -> access::Settings {
    use access::Settings::{Callers, Open};
    let open = reader.optional("access.open", value::flag);
    let roll = roll(reader);
    let caller_key = CALLER_KEYS.into_iter().find(|name| reader.is_set(name));
    match (open, caller_key) {
        (Some(true), Some(name)) => {
            let (open, callers) = (reader.origin("access.open"), reader.origin(name));
            reader.fault(
                "access.open",
                format!("true lets everyone in, but {name} is set too ({callers}); keep one"),
                &open,
            );
        }
        (Some(true), None) => return Open,
        (_, None) if !value::is_loopback(listen.ip()) => refuse_unasked_openness(reader, listen),
        // An explicit `false` is a wish: it lets nobody in, on loopback too.
        (None, None) if !reader.is_set("access.open") => return Open,
        _ => {}
    }
    Callers(roll)
}

fn roll(reader: &mut Reader<'_>) -> Roll {
    let oidc = oidc(reader);
    let ways =
        Ways { tokens: reader.is_set(ISSUER), certificates: reader.is_set("api.tls_client_ca") };
    let callers = callers::read(reader, ways);
    let file = reader.optional("access.callers_file", value::path).map(|path| {
        // One that cannot be read lets nobody in, and is read again while running.
        let loaded = LoadedFile::read(&path).ok();
        let text = loaded.as_ref().map(LoadedFile::content).unwrap_or_default();
        let callers = match std::str::from_utf8(text) {
            Ok(text) => callers::read_file(reader, &path, text, &callers, ways),
            Err(_) => {
                let origin = reader.origin("access.callers_file");
                reader.fault("access.callers_file", "is not UTF-8", &origin);
                Vec::new()
            }
        };
        let loaded = loaded.filter(|file| !file.content().trim_ascii().is_empty());
        CallersFile { path, loaded, callers }
    });
    Roll { callers, file, oidc }
}

fn refuse_unasked_openness(reader: &mut Reader<'_>, listen: SocketAddr) {
    let origin = match reader.origin("api.listen") {
        Origin::Default => String::new(),
        origin => format!(" ({origin})"),
    };
    reader.missing(
        "access.keys",
        format!(
            "nobody is set who may call, while api.listen is {listen}{origin}, which is not \
             loopback; add a caller (`sddc-gateway key NAME` prints what to set), or let everyone \
             in knowingly with access.open = true",
        ),
    );
}

/// `None` when no key of the section is set, or when what is set is wrong, which is noted.
fn oidc(reader: &mut Reader<'_>) -> Option<oidc::Settings> {
    let all = [ISSUER, AUDIENCE, CLIENT_IDS, JWKS_URL, JWKS_FILE, OIDC_CA_FILE];
    if !all.iter().any(|name| reader.is_set(name)) {
        return None;
    }
    if !reader.is_set(ISSUER) {
        let variable = environment_name(ISSUER);
        let problem = format!(
            "required with the other keys of access.oidc but not set (set {ISSUER} in the file or \
             {variable})"
        );
        reader.missing(ISSUER, problem);
    }
    let issuer = reader.optional(ISSUER, value::issuer);
    let audience = reader.optional(AUDIENCE, value::text);
    let client_ids = reader.list(CLIENT_IDS, value::text);
    if client_ids.is_empty() && !reader.is_set(AUDIENCE) && reader.sound(&[CLIENT_IDS]) {
        let problem = format!(
            "neither it nor {CLIENT_IDS} is set: every token of the issuer, for whatever service, \
             would be taken; set at least one"
        );
        reader.missing(AUDIENCE, problem);
    }
    let keys = oidc_keys(reader);
    let ca_file = reader.file(OIDC_CA_FILE, check_authorities);
    let client_ids = client_ids.into_iter().map(|(id, _)| id).collect();
    Some(oidc::Settings { issuer: issuer?, audience, client_ids, keys: keys?, ca_file })
}

const ISSUER: &str = "access.oidc.issuer";
const AUDIENCE: &str = "access.oidc.audience";
const CLIENT_IDS: &str = "access.oidc.client_ids";
const OIDC_CA_FILE: &str = "access.oidc.ca_file";
const JWKS_URL: &str = "access.oidc.jwks_url";
const JWKS_FILE: &str = "access.oidc.jwks_file";

fn oidc_keys(reader: &mut Reader<'_>) -> Option<KeysFrom> {
    match (reader.is_set(JWKS_URL), reader.is_set(JWKS_FILE)) {
        (true, true) => {
            let (url, file) = (reader.origin(JWKS_URL), reader.origin(JWKS_FILE));
            let problem =
                format!("set together with {JWKS_FILE}; keep one of them ({url}, {file})");
            reader.fault(JWKS_URL, problem, &Origin::Default);
            None
        }
        (false, false) => {
            let problem = format!(
                "required with the other keys of access.oidc but not set (set either {JWKS_URL} \
                 or {JWKS_FILE})"
            );
            reader.missing(JWKS_URL, problem);
            None
        }
        (true, false) => reader.optional(JWKS_URL, value::document_url).map(KeysFrom::Url),
        (false, true) => {
            let check = |set: &[u8]| oidc::check_keys(set).map_err(|why| format!("holds {why}"));
            reader.file(JWKS_FILE, check).map(KeysFrom::File)
        }
    }
}

pub(super) fn telemetry(reader: &mut Reader<'_>, on_terminal: bool) -> telemetry::Settings {
    let usual = if on_terminal { Format::Text } else { Format::Json };
    telemetry::Settings {
        log: reader.value("telemetry.log", value::choice(LEVELS)),
        format: reader.optional("telemetry.format", value::choice(FORMATS)).unwrap_or(usual),
        audit: reader.optional("telemetry.audit", audit_target),
    }
}

/// A file of this name in the working directory is written `./stdout`.
fn audit_target(text: &str) -> Result<AuditTarget, String> {
    match text {
        "stdout" => Ok(AuditTarget::Stdout),
        name => value::file_to_write(name).map(AuditTarget::File),
    }
}

/// At least one certificate, and all of them usable: a client that trusts only some of a bundle
/// fails later, and far from the cause.
fn check_authorities(pem: &[u8]) -> Result<(), String> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| "holds broken PEM")?;
        let number = store.len() + 1;
        store
            .add(certificate)
            .map_err(|_| format!("holds a certificate that is no usable CA: number {number}"))?;
    }
    if store.is_empty() { Err("holds no PEM certificate".into()) } else { Ok(()) }
}
