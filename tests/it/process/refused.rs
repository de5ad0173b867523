//! A new version of a re-read file that cannot be used: told in all places, and the old one stays.

use std::{fs, path::Path};

use rustix::process::Signal;
use serde_json::{Value, json};
use support::signer::Signer;

use super::run::{Cloud, SECRET, Served, gateway, until};
use crate::tls_listener::authority::{Authority, Files, ListenerFiles};

const NOT_UTF8: &[u8] = b"\xff\xfe";

/// What is refused; `None` is no file at all.
type Versions = &'static [Option<&'static [u8]>];

/// The key, the file, and broken versions of it.
const REFUSED: [(&str, &str, Versions); 7] = [
    (
        "csp.client_secret_file",
        "secret",
        &[Some(b""), Some(b"\n"), Some(b" \t\r\n"), Some(NOT_UTF8), None],
    ),
    (
        "access.callers_file",
        "callers.toml",
        &[Some(b"[[callers"), Some(NOT_UTF8), Some(b""), Some(b" \n"), None],
    ),
    ("access.oidc.jwks_file", "jwks.json", &[Some(b""), Some(b"{}"), Some(b"<html>"), None]),
    ("api.tls_cert", "tls.crt", &[Some(b""), Some(b"letters"), None]),
    ("api.tls_cert", "tls.key", &[Some(b""), Some(b"letters"), None]),
    ("api.tls_client_ca", "client-ca.pem", &[Some(b""), Some(b"letters"), None]),
    ("api.tls_client_crl", "client.crl", &[Some(b""), Some(b"letters"), None]),
];

fn start(cloud: &Cloud, files: &Files) -> Served {
    let authority = Authority::new("callers' CA");
    files.settings_with_clients(&authority, Some(&authority.crl(&[])), false);
    files.write("secret", SECRET);
    files.write("callers.toml", "[[callers]]\nname = \"ci\"\noidc = { sub = \"ci\" }\n");
    files.write("jwks.json", &json!({"keys": [Signer::new("one", "ES256").jwk()]}).to_string());
    gateway(&["serve"])
        .of(cloud)
        .with("SDDC_GATEWAY_CSP__CLIENT_SECRET_FILE", files.path("secret"))
        .with("SDDC_GATEWAY_ACCESS__CALLERS_FILE", files.path("callers.toml"))
        .with("SDDC_GATEWAY_ACCESS__OIDC__ISSUER", "https://issuer.example")
        .with("SDDC_GATEWAY_ACCESS__OIDC__AUDIENCE", "sddc-gateway")
        .with("SDDC_GATEWAY_ACCESS__OIDC__JWKS_FILE", files.path("jwks.json"))
        .with("SDDC_GATEWAY_API__TLS_CERT", files.path("tls.crt"))
        .with("SDDC_GATEWAY_API__TLS_KEY", files.path("tls.key"))
        .with("SDDC_GATEWAY_API__TLS_CLIENT_CA", files.path("client-ca.pem"))
        .with("SDDC_GATEWAY_API__TLS_CLIENT_CRL", files.path("client.crl"))
        .serve()
}

/// The keys whose newest version is not in use, as `/readyz` and the metric have it.
fn refused(served: &Served) -> Vec<String> {
    let ready = served.ready().json();
    let reload = ready["reload"].as_object().unwrap();
    let mut told = Vec::new();
    for (key, state) in reload {
        assert_eq!(state["ok"] == true, state["last_error"].is_null(), "{state}");
        if state["ok"] == false {
            told.push(key.clone());
        }
    }
    told
}

/// Puts a whole file in the place of another: no look finds half of it.
fn put(path: &Path, content: &[u8]) {
    let new = path.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(&new, path).unwrap();
}

fn is_ok(served: &Served, key: &str) -> bool {
    let series = format!("sddc_gateway_config_reload_ok{{file=\"{key}\"}}");
    served.figure(&series) == "1"
}

#[test]
fn a_refused_version_of_any_file_is_told_until_it_is_mended() {
    let (cloud, files) = (Cloud::start(&[]), Files::new());
    let mut served = start(&cloud, &files);
    until("a first look", || served.ready().json()["reload"].as_object().unwrap().len() == 6);
    assert_eq!(refused(&served), [""; 0]);
    let mut versions = 0;
    for (key, name, broken) in REFUSED {
        let good = fs::read(files.path(name)).unwrap();
        for version in broken {
            match version {
                Some(content) => put(&files.path(name), content),
                None => fs::remove_file(files.path(name)).unwrap(),
            }
            versions += 1;
            served.signal(Signal::HUP);
            let what = format!("{name}: {version:?}");
            until(&what, || refused(&served) == [key]);
            assert!(!is_ok(&served, key), "{what}");
            let line = served.process.line("new version of the file cannot be used");
            let line: Value = serde_json::from_str(&line).unwrap();
            assert_eq!((&line["level"], &line["file"]), (&json!("WARN"), &json!(key)), "{line}");

            put(&files.path(name), &good);
            served.signal(Signal::HUP);
            until(&format!("{what} is mended"), || refused(&served).is_empty());
            assert!(is_ok(&served, key), "{what}");
        }
    }
    let ended = served.interrupt();
    assert_eq!(
        ended.stderr.matches("new version of the file cannot be used").count(),
        versions,
        "one line each"
    );
}
