//! Fuzz body: the configuration file. See [`crate::fuzzing`].

use std::{collections::HashSet, ffi::OsString, path::Path, sync::Arc};

use toml::de::{DeTable, DeValue};
use tracing::level_filters::LevelFilter;

use super::{
    AuthMethods, Config, Faults, Source,
    faults::FileLines,
    keys::ValueShape,
    layers::{ConfigFile, SettingLayers},
    table::KEYS,
};
use crate::{
    access::{self, CallerSettings, KeyDigest},
    upstream::Proxies,
};

/// Looks like what is easily pasted into the wrong place.
const CANARY: &str = "sgw_CANARY";

/// The file's text, under an environment that sets a secret and the log level: each fault is one
/// short line without a secret, and a good configuration knows each name and key once.
///
/// No file is opened: keys that name one are taken out first.
pub(crate) fn config(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let loaded = load(text);
    assert_eq!(format!("{:?}", load(text)), format!("{loaded:?}"));
    match loaded {
        Ok(config) => is_sound(&config),
        Err(faults) => are_fit_to_print(text, &faults),
    }
}

fn load(text: &str) -> Result<Config, Faults> {
    let variables = [("CSP__CLIENT_ID", "app"), ("CSP__CLIENT_SECRET", CANARY)];
    let variables = variables.into_iter().chain([("TELEMETRY__LOG", "warn")]);
    let environment = variables
        .map(|(name, value)| (OsString::from(format!("SDDC_GATEWAY_{name}")), value.into()));
    let source = Source { environment: environment.collect(), ..Source::default() };
    let lines = Arc::new(FileLines::new("gateway.toml".to_owned(), text));
    let file = Ok(Some(ConfigFile { lines, text: text.to_owned() }));
    let mut faults = Vec::new();
    let mut layers = SettingLayers::read(&source, &file, &mut faults);
    for key in
        KEYS.iter().filter(|key| matches!(key.shape, ValueShape::Path | ValueShape::SecretPath))
    {
        layers.unset(key);
    }
    Config::check(&layers, faults, Proxies::default(), false)
}

fn is_sound(config: &Config) {
    assert!(!format!("{config:?}").contains(CANARY), "a secret can be printed");
    assert_eq!(config.telemetry.log, LevelFilter::WARN, "the environment is above the file");
    assert!(config.inventory.fresh <= config.inventory.stale);
    assert!(config.inventory.stale_denied <= config.inventory.stale);
    assert!(config.api.max_in_flight > 0 && config.api.max_connections > 0);
    match &config.access {
        access::Settings::Open => {}
        access::Settings::Callers(configured) => are_told_apart(configured.all()),
    }
}

/// A callers' file's text, beside a caller that the configuration has: read as a whole, or refused
/// with faults that are fit to print.
pub(crate) fn callers_file(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let mut listed = CallerSettings::new("listed".parse().expect("a good name"));
    listed.key_sha256 = vec![KeyDigest::of(b"listed")];
    let read =
        |methods| super::callers_file(Path::new("callers.toml"), text, &[listed.clone()], methods);
    match read(AuthMethods { tokens: true, certificates: true }) {
        Ok(callers) => {
            assert!(callers.iter().all(|it| {
                !it.key_sha256.is_empty() || !it.oidc.is_empty() || it.tls_san.is_some()
            }));
            assert!(callers.iter().all(|it| !it.scopes.is_empty()));
            // Where no tokens and certificates are taken nobody can be known by one.
            let others = callers.iter().any(|it| !it.oidc.is_empty() || it.tls_san.is_some());
            assert_eq!(read(AuthMethods::default()).is_err(), others);
            are_told_apart(callers.iter().chain([&listed]));
        }
        Err(faults) => are_fit_to_print(text, &faults),
    }
}

/// Each name and each key once.
fn are_told_apart<'a>(callers: impl Iterator<Item = &'a CallerSettings>) {
    let (mut names, mut holders) = (HashSet::new(), HashSet::new());
    for caller in callers {
        assert!(names.insert(&caller.name), "a name is there twice");
        for digest in &caller.key_sha256 {
            assert!(holders.insert(digest), "a key is there twice");
        }
    }
}

fn are_fit_to_print(text: &str, faults: &Faults) {
    let printed = faults.to_string();
    assert!(faults.iter().count() > 0);
    assert_eq!(printed.lines().count(), faults.iter().count(), "{printed}");
    assert!(!printed.contains(|c: char| c.is_control() && c != '\n'), "{printed:?}");
    assert!(printed.lines().all(|line| line.chars().count() <= 1000), "{printed}");
    // A name that nobody knows is shown, whatever it is.
    let is_named = DeTable::parse(text).is_ok_and(|document| {
        document
            .into_inner()
            .iter()
            .any(|(name, value)| names_canary(name.get_ref(), value.get_ref()))
    });
    assert!(is_named || !printed.contains(CANARY), "{printed}");
}

fn names_canary(name: &str, value: &DeValue<'_>) -> bool {
    name.contains(CANARY) || has_named_canary(value)
}

fn has_named_canary(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Table(table) => {
            table.iter().any(|(name, value)| names_canary(name.get_ref(), value.get_ref()))
        }
        DeValue::Array(array) => array.iter().any(|value| has_named_canary(value.get_ref())),
        _ => false,
    }
}
