//! Typed settings: defaults < TOML file < environment < flags.
//!
//! Flow: [`Source`] → `layers` (which value won, and where it was set) → `reader` and `check` (each
//! value by its type, then together) → [`Config`].
//!
//! One table declares each key: its name, type, default, meaning and how it is written; the loader, the
//! unknown-key check, the origins in fault texts, `deploy/gateway.example.toml`, the JSON schema and
//! `config show` all come from it. Everything that is wrong is reported at once, each fault with its key and where it
//! was set, and nothing is opened or bound before all is right.

mod caller;
mod callers;
mod check;
mod claims;
mod example;
mod faults;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod keys;
mod layers;
mod reader;
mod restart;
mod schema;
mod show;
mod table;
mod tls;
mod value;
mod variables;
mod vmc_settings;

#[cfg(test)]
mod tests;

use std::{
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use secrecy::ExposeSecret;
use url::Url;

pub(crate) use self::value::{address, duration};
pub use self::{
    caller::AuthMethods,
    callers::callers_file,
    example::example,
    faults::{Fault, Faults},
    layers::Source,
    schema::schema,
    vmc_settings::VmcSettings,
};
use self::{
    layers::{ConfigFile, SettingLayers},
    reader::Reader,
};
use crate::{
    access::{self, CallerSettings, Scope},
    csp::{self, ClientSecret},
    drop_in, inventory, listener,
    reload::{self, LoadedFile},
    sharing,
    simulator::Options,
    telemetry,
    upstream::Proxies,
    validity::{DatedFile, DatedKind},
};

/// What was checked: every value in range, every file there, every combination sensible.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[api]`.
    pub api: listener::Settings,
    /// `[ops]`.
    pub ops: listener::OpsSettings,
    /// `[csp]`.
    pub csp: csp::Settings,
    /// `csp.client_secret_file`, if the secret comes from it; re-read while running.
    pub secret_file: Option<LoadedFile>,
    /// `[vmc]`.
    pub vmc: VmcSettings,
    /// `[inventory]`.
    pub inventory: inventory::Settings,
    /// `keys.file`; re-read while running.
    pub keys_file: Option<LoadedFile>,
    /// `[drop_in]`.
    pub drop_in: drop_in::Settings,
    /// `[shared]`, where replicas share.
    pub sharing: Option<sharing::Settings>,
    /// `[access]`.
    pub access: access::Settings,
    /// `[telemetry]`.
    pub telemetry: telemetry::Settings,
    /// `HTTPS_PROXY` and `NO_PROXY` of the environment.
    pub proxies: Proxies,
    /// The configuration file, if the client secret stands in it.
    file_with_secret: Option<PathBuf>,
    /// Variables that begin like the gateway's and are ignored, a sentence each.
    unknown_variables: Vec<String>,
    /// What was written; nothing where the configuration was not loaded.
    written: Option<Arc<restart::WrittenDigests>>,
}

impl Config {
    /// Reads the layers and checks them. Opens the configuration file and the files that it names,
    /// and nothing else.
    ///
    /// # Errors
    /// Everything that is wrong, at once; exit code 78. No text holds a secret.
    pub fn load(source: &Source) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let file = ConfigFile::open(source);
        let mut layers = SettingLayers::read(source, &file, &mut faults);
        let proxies = Proxies::read(&source.environment).unwrap_or_else(|found| {
            faults.extend(found.into_iter().map(|it| Fault::of(it.variable, it.problem)));
            Proxies::default()
        });
        let mut config = Self::check(&layers, faults, proxies, source.stderr_is_terminal)?;
        config.file_with_secret = layers.file_with_secret(source);
        config.unknown_variables = std::mem::take(&mut layers.warnings);
        config.written = Some(Arc::new(restart::WrittenDigests::of(source, &layers)));
        Ok(config)
    }

    fn check(
        layers: &SettingLayers<'_>,
        faults: Vec<Fault>,
        proxies: Proxies,
        stderr_is_terminal: bool,
    ) -> Result<Self, Faults> {
        let mut reader = Reader::new(layers, faults);
        let api = check::api(&mut reader);
        let ops = check::ops(&mut reader, api.listen);
        let vmc = check::vmc(&mut reader);
        let csp = check::csp(&mut reader, &vmc.plain_http);
        let inventory = check::inventory(&mut reader);
        let drop_in = check::drop_in(&mut reader);
        let (keys_file, sharing) = check::sharing(&mut reader);
        let access = check::access(&mut reader, api.listen);
        let telemetry = check::telemetry(&mut reader, stderr_is_terminal);
        let faults = reader.into_faults();
        match csp {
            Some((csp, secret_file)) if faults.is_empty() => {
                let file_with_secret = None;
                Ok(Self {
                    api,
                    ops,
                    csp,
                    secret_file,
                    vmc,
                    inventory,
                    keys_file,
                    drop_in,
                    sharing,
                    access,
                    telemetry,
                    proxies,
                    file_with_secret,
                    unknown_variables: Vec::new(),
                    written: None,
                })
            }
            _ => Err(Faults::new(faults, table::place)),
        }
    }

    /// The ops listener's address alone, for `healthcheck`: a probe must not fail because a secret is
    /// being rotated. Faults of other keys do not matter; a wrong address counts as not set.
    pub fn ops_listen(source: &Source) -> SocketAddr {
        let mut faults = Vec::new();
        let file = ConfigFile::open(source);
        let layers = SettingLayers::read(source, &file, &mut faults);
        let mut reader = Reader::new(&layers, faults);
        reader.value(&table::ops::listen)
    }

    /// The defaults around a simulator: access is open on any address, and the snapshot follows the
    /// simulator within seconds. Opens nothing. The simulator has its default id and secret.
    pub fn for_demo(listen: SocketAddr, ops_listen: SocketAddr, simulator: SocketAddr) -> Self {
        const SOON: Duration = Duration::from_secs(2);
        let Options { client_id, client_secret, .. } = Options::default();
        let url: Url = format!("http://{simulator}").parse().expect("an address makes a URL");
        let layers = SettingLayers::empty();
        let mut reader = Reader::new(&layers, Vec::new());
        Self {
            api: listener::Settings { listen, ..check::api(&mut reader) },
            ops: listener::OpsSettings { listen: ops_listen },
            csp: csp::Settings {
                url: url.clone(),
                token_path: reader.value(&table::csp::token_path),
                client_id: client_id.parse().expect("it is a good one"),
                client_secret: ClientSecret::from_text(client_secret.expose_secret())
                    .expect("it is not empty"),
                basic_encoding: csp::BasicEncoding::default(),
            },
            secret_file: None,
            vmc: VmcSettings { url, ..check::vmc(&mut reader) },
            inventory: inventory::Settings { poll: SOON, ..check::inventory(&mut reader) },
            keys_file: None,
            drop_in: drop_in::Settings::default(),
            sharing: None,
            access: access::Settings::Open,
            telemetry: telemetry::Settings {
                format: telemetry::Format::Text,
                ..check::telemetry(&mut reader, true)
            },
            proxies: Proxies::default(),
            file_with_secret: None,
            unknown_variables: Vec::new(),
            written: None,
        }
    }

    /// The files whose content has dates, in the order of their keys in the table.
    pub fn dated_files(&self) -> Vec<DatedFile> {
        let tls = self.api.tls.as_ref();
        let client = tls.and_then(|tls| tls.client.as_ref());
        let oidc = self.access.callers().and_then(|configured| configured.oidc.as_ref());
        let dated =
            |key, kind, file: Option<&LoadedFile>| file.map(|file| DatedFile::new(key, kind, file));
        let authorities = DatedKind::Authorities;
        [
            dated("api.tls_cert", DatedKind::Pair, tls.map(|tls| &tls.cert)),
            dated("api.tls_client_ca", authorities, client.map(|client| &client.ca)),
            dated(
                "api.tls_client_crl",
                DatedKind::Lists,
                client.and_then(|client| client.crl.as_ref()),
            ),
            dated("vmc.ca_file", authorities, self.vmc.ca_file.as_ref()),
            dated("access.oidc.ca_file", authorities, oidc.and_then(|oidc| oidc.ca_file.as_ref())),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// What is allowed but probably not meant, a sentence each; for the log at start and `check`.
    ///
    /// Looks at the modes of the files that hold secrets.
    pub fn warnings(&self) -> Vec<String> {
        let secret = self.secret_file.as_ref().map(|file| ("csp.client_secret_file", file.path()));
        let keys = self.keys_file.as_ref().map(|file| ("keys.file", file.path()));
        let private_key = self.api.tls.as_ref().map(|tls| ("api.tls_key", tls.key.path()));
        let file = self.file_with_secret.as_deref().map(|path| ("csp.client_secret", path));
        let mut warnings: Vec<_> = [secret, keys, private_key, file]
            .into_iter()
            .flatten()
            .filter(|(_, path)| is_world_readable(path))
            .map(|(key, path)| {
                format!("{key}: {} can be read by every user of this machine", path.display())
            })
            .collect();
        warnings.extend(self.unknown_variables.iter().cloned());
        warnings.extend(self.proxies.warnings().iter().cloned());
        // A secret that is too short would be found in too many words.
        if self.csp.client_secret.is_short() {
            warnings.push(
                "csp.client_secret: shorter than 8 bytes, so the gateway does not remove it from \
                 texts of VMware Cloud; use a longer one"
                    .into(),
            );
        }
        warnings.extend(self.vmc.plain_http.iter().map(|host| {
            format!(
                "vmc.plain_http: the client secret and tokens may be sent to {host} in clear text; \
                 use this only for a simulator"
            )
        }));
        match &self.sharing {
            Some(sharing) if sharing.url.is_plain() && !sharing.url.is_loopback() => {
                warnings.push(format!(
                    "shared.plain_hosts: the password of Redis is sent to {} in clear text",
                    sharing.url.host()
                ));
            }
            None if self.keys_file.is_some() && !self.drop_in.enabled => {
                warnings.push(
                    "keys.file: has no effect without shared.redis_url or drop_in.enabled".into(),
                );
            }
            _ => {}
        }
        if self.drop_in.enabled && !self.has_drop_in_callers() {
            warnings.push(
                "drop_in.enabled: no caller has both a key and the scope vmc:read, so no tool can get \
                 an access token"
                    .into(),
            );
        }
        if let access::Settings::Callers(configured) = &self.access {
            warnings.extend(configured.file.as_ref().and_then(unread));
            warnings.extend(configured.all().flat_map(CallerSettings::warnings));
            let idle =
                configured.all().filter(|it| !self.drop_in.enabled && it.is_for_tools_only());
            warnings.extend(idle.map(|caller| {
                format!(
                    "caller \"{}\": its only scope, vmc:read, has no effect without drop_in.enabled, so it \
                     can read nothing; set drop_in.enabled, or add the scope sddc:read",
                    caller.name
                )
            }));
            if configured.all().next().is_none() {
                warnings.push("access: no caller is configured, so nobody can authenticate".into());
            }
        }
        warnings
    }

    /// Whether there is a caller who can get an access token for VMware's own API.
    fn has_drop_in_callers(&self) -> bool {
        self.access.callers().is_some_and(|configured| {
            let may = |it: &CallerSettings| {
                it.scopes.contains(&Scope::VmcRead) && !it.key_sha256.is_empty()
            };
            configured.all().any(may)
        })
    }
}

/// A callers' file that cannot be read lets nobody in, and may come later.
fn unread(file: &access::CallersFile) -> Option<String> {
    let fault = reload::read(&file.path).err()?;
    let path = file.path.display();
    Some(format!(
        "access.callers_file: {path} {fault}: its callers cannot authenticate until it can be read"
    ))
}

fn is_world_readable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}
