//! Loading as a whole: layers, faults, and what never appears in them.

mod access;
mod layering;
mod oidc;
mod properties;
mod secrets;
mod sharing;
mod show;
mod tls;
mod values;

use std::{
    ffi::OsString,
    os::unix::{ffi::OsStringExt, fs::PermissionsExt},
    path::PathBuf,
};

use tempfile::TempDir;
use tracing::level_filters::LevelFilter;

use super::{
    keys::{Key, ValueShape},
    table::KEYS,
    *,
};
use crate::{
    access::{KeyDigest, Scope},
    csp::BasicEncoding,
    telemetry::{AuditTarget, Format},
};

const CANARY: &str = "CANARY-s3cret";
const CA: &str = "\
-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIUeA8Uv+c+RC1UCYjJHt4tE9uq+d0wCgYIKoZIzj0EAwIw
HzEdMBsGA1UEAwwUc2RkYy1nYXRld2F5IHRlc3QgQ0EwIBcNMjYxMTIzMDMyOTQ2
WhgPMjEyNjEwMzAwMzI5NDZaMB8xHTAbBgNVBAMMFHNkZGMtZ2F0ZXdheSB0ZXN0
IENBMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEuiR4ZLxp8cNFgzLI3tu27ORW
VghxQSbD6AfnI+8fzvGVtMboL6l+nM4IKUWRUirZOQu0Wm1GLCQQgfZWG9hi4aNT
MFEwHQYDVR0OBBYEFM1Urx8DLgj5m5+QsWL7Wq5NkUijMB8GA1UdIwQYMBaAFM1U
rx8DLgj5m5+QsWL7Wq5NkUijMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwID
SAAwRQIhANk+dwtUYnMdTnMptWpHx7l4Wg3M2mKCB6gkDu405ebZAiBTJP+cQKnw
6+8XZ9Kst97Ve/Fj6TqPFX6JEQrQP1MPSw==
-----END CERTIFICATE-----
";

/// A gateway's surroundings: a directory with a configuration, variables, flags.
struct Scene {
    directory: TempDir,
    source: Source,
}

impl Scene {
    fn new() -> Self {
        Self { directory: TempDir::new().unwrap(), source: Source::default() }
    }

    /// One that starts: id and secret are set in the environment.
    fn minimal() -> Self {
        Self::new().with("CSP__CLIENT_ID", "app").with("CSP__CLIENT_SECRET", CANARY)
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.source.environment.push((format!("SDDC_GATEWAY_{name}").into(), value.into()));
        self
    }

    fn flag(mut self, key: &'static str, value: &str, flag: &'static str) -> Self {
        self.source.overrides.push((key, value.into(), flag));
        self
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn file(mut self, content: impl AsRef<[u8]>) -> Self {
        self.source.file = Some(self.write("gateway.toml", content));
        self
    }

    fn load(&self) -> Config {
        Config::load(&self.source).unwrap_or_else(|faults| panic!("{faults}"))
    }

    /// The fault lines, with the directory cut.
    fn faults(&self) -> Vec<String> {
        let directory = format!("{}/", self.directory.path().display());
        let faults = Config::load(&self.source).expect_err("it must not load");
        let text = faults.to_string();
        assert!(!text.contains(CANARY), "{text}");
        assert!(!format!("{faults:?}").contains(CANARY));
        assert_eq!(text.lines().count(), faults.iter().count());
        text.replace(&directory, "").lines().map(str::to_owned).collect()
    }

    fn fault(&self) -> String {
        let mut faults = self.faults();
        assert_eq!(faults.len(), 1, "{faults:#?}");
        faults.remove(0)
    }
}

fn digest(key: &str) -> KeyDigest {
    KeyDigest::of(key.as_bytes())
}

fn callers(config: &Config) -> Vec<(String, Vec<KeyDigest>)> {
    match &config.access {
        crate::access::Settings::Open => panic!("open"),
        crate::access::Settings::Callers(configured) => configured
            .all()
            .map(|caller| {
                assert_eq!(caller.scopes, [Scope::SddcRead]);
                (caller.name.to_string(), caller.key_sha256.clone())
            })
            .collect(),
    }
}
