//! Who may call, while it changes (contract section 3): the callers' file is re-read, and what it says
//! acts on the next request and on who waits.

mod changes;
mod staying;

use std::{io::Write, path::Path};

use http::Method;
use sddc_gateway::{
    access::{CallerKey, CallersFile},
    config::{AuthMethods, callers_file},
    reload::LoadedFile,
};
use tempfile::NamedTempFile;

use crate::harness::{Answer, Cloud, Setup, TestGateway, configured_callers};

/// A gateway whose callers stand in a file of their own.
struct Scene {
    gateway: TestGateway,
    file: NamedTempFile,
    key: CallerKey,
}

impl Scene {
    /// With one caller of these fields beside its name and key.
    async fn start(setup: Setup, fields: &str) -> Self {
        let key = CallerKey::generate().unwrap();
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(caller(&key, fields).as_bytes()).unwrap();
        let gateway = with_file(setup, file.path()).start().await;
        Self { gateway, file, key }
    }

    /// Puts another version of the file in its place, and lets the gateway look at it.
    fn rewrite(&self, text: &str) {
        std::fs::write(self.file.path(), text).unwrap();
        self.gateway.advance(5);
    }

    async fn ask(&self, path: &str) -> Answer {
        let headers = [("x-api-key", self.key.reveal())];
        self.gateway.send_bare(Method::GET, path, &headers).await
    }

    /// Waits until the file's reload shows this, and gives what `/readyz` says of it.
    async fn until_reload_is(&self, ok: bool) -> serde_json::Value {
        let reload = async |gateway: &TestGateway| {
            gateway.ops("/readyz").await.json()["reload"]["access.callers_file"].clone()
        };
        self.gateway
            .until("the reload's outcome", async |gateway| reload(gateway).await["ok"] == ok)
            .await;
        reload(&self.gateway).await
    }
}

/// A caller's table.
pub fn caller(key: &CallerKey, fields: &str) -> String {
    let digest = key.digest();
    format!("[[callers]]\nname = \"filed\"\nkey_sha256 = [\"{digest}\"]\n{fields}\n")
}

/// Reads the file as the configuration does at start.
pub fn with_file(setup: Setup, path: &Path) -> Setup {
    setup.with(|config| {
        let configured = configured_callers(config);
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let loaded = LoadedFile::read(path).ok().filter(|_| !text.trim().is_empty());
        let callers =
            callers_file(path, &text, &configured.callers, AuthMethods::default()).unwrap();
        configured.file = Some(CallersFile { path: path.to_owned(), loaded, callers });
    })
}

/// The ids of one org of a cloud, by its place.
fn org(cloud: &Cloud, at: usize) -> String {
    cloud.simulator.org_ids()[at].clone()
}
