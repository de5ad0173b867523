//! What it costs to know who calls: each kind of credential against the same gateway that is open to
//! everyone.

mod tls;
mod tokens;

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use support::{
    authority::{Authority, Files},
    issuer::{AUDIENCE, ISSUER, Issuer, SUBJECT},
};
use tempfile::TempDir;

use self::tls::TlsLoad;
pub use self::tls::take_core_1;
use crate::{
    load::Load,
    server::{self, KEY, KEY_SHA256, Server},
    turns::{self, Turn},
};

/// More than elsewhere: the differences are small.
const ROUNDS: usize = 9;
/// The smallest list, which makes the largest ratios.
const SDDCS: usize = 4;
const CALLERS: usize = 1000;
const RATED_KEY: &str = "sgw_bench_rated";
/// SHA-256 of `RATED_KEY`.
const RATED_KEY_SHA256: &str = "268288bc49040a42dfb0bec20cd19ae87bd3eaf51955fb596670c2090cce3ee2";
const CLIENT: &str = "dns:bench.example.com";
/// An open listener on loopback looks at the name in `Host`: so do these all.
const HOSTS: (&str, &str) = ("API__HOSTS", "127.0.0.1");
const OPEN: (&str, &str) = ("ACCESS__OPEN", "true");

/// Without TLS, and with it.
pub fn compare(span: Duration) {
    println!("access: {ROUNDS} rounds of {span:?}, 64 connections, in turns; {SDDCS} SDDCs\n");
    // The process's own core from here on.
    take_core_1();
    plain(span);
    secured(span);
}

fn plain(span: Duration) {
    let (folder, issuer) = (TempDir::new().expect("a temporary folder"), Issuer::new());
    let open = Server::gateway_with(SDDCS, &[HOSTS, OPEN]);
    let gateway = few_callers(folder.path(), &issuer);
    let thousand = thousand_callers(folder.path());
    let audited = audited(folder.path());
    let rated = bearer(RATED_KEY);
    let token = bearer(&issuer.token());
    let key = || server::authorization();
    let script = folder.path().join("tokens.lua");
    let fresh = Load::new(&gateway, &[]).scripted(&script);
    let load = |server, field: Option<(String, String)>| {
        let load = Load::new(server, field.as_slice());
        move |span| load.run(span)
    };
    let turns = [
        Turn::new("access.open", 0, load(&open, None)),
        Turn::new("key", 0, load(&gateway, Some(key()))),
        Turn::new("key with a rate", 0, load(&gateway, Some(rated))),
        Turn::new("key, one of 1000 callers", 0, load(&thousand, Some(key()))),
        Turn::new("key, audit to a file", 0, load(&audited, Some(key()))),
        Turn::new("JWT (ES256), the same", 0, load(&gateway, Some(token))),
        Turn::new("JWT (ES256), each new", 0, |span| {
            tokens::write_script(&issuer, &script);
            fresh.run(span)
        }),
    ];
    turns::compare(&turns, ROUNDS, span);
}

fn secured(span: Duration) {
    let (files, clients) = (Files::new(), Authority::new("callers' CA"));
    let [cert, key] = ["tls.crt", "tls.key"].map(|name| text(files.path(name)));
    let identity = [HOSTS, ("API__TLS_CERT", &*cert), ("API__TLS_KEY", &*key)];
    let open = Server::gateway_with(SDDCS, &[&identity[..], &[OPEN]].concat());
    let ca = text(files.write("client-ca.pem", &clients.pem()));
    let callers = caller("bench", &format!("key_sha256 = [\"{KEY_SHA256}\"]"))
        + &caller("bench-certificate", &format!("tls_san = \"{CLIENT}\""));
    let callers = text(files.write("callers.toml", &callers));
    let known = [("API__TLS_CLIENT_CA", &*ca), ("ACCESS__CALLERS_FILE", &*callers)];
    let gateway = Server::gateway_with(SDDCS, &[&identity[..], &known].concat());
    let authorization = format!("Authorization: Bearer {KEY}\r\n");
    let pair = clients.client(&[CLIENT]);
    let loads = [
        ("TLS, access.open", TlsLoad::open(&open, &files.authority, None, "")),
        ("TLS, key", TlsLoad::open(&gateway, &files.authority, None, &authorization)),
        ("TLS, client certificate", TlsLoad::open(&gateway, &files.authority, Some(&pair), "")),
    ];
    let turns = loads.map(|(name, load)| Turn::new(name, 0, move |span| load.run(span)));
    turns::compare(&turns, ROUNDS, span);
}

/// With a caller of each kind that `wrk` can play.
fn few_callers(folder: &Path, issuer: &Issuer) -> Server {
    let callers = caller("bench", &format!("key_sha256 = [\"{KEY_SHA256}\"]"))
        // More than it can use: it is never refused.
        + &caller("rated", &format!("key_sha256 = [\"{RATED_KEY_SHA256}\"]\nrate = \"1000000/s\""))
        + &caller("token", &format!("oidc = {{ sub = \"{SUBJECT}\" }}"));
    let callers = write(folder, "few.toml", &callers);
    let keys = text(issuer.keys());
    let settings = [
        HOSTS,
        ("ACCESS__CALLERS_FILE", &*callers),
        ("ACCESS__OIDC__ISSUER", ISSUER),
        ("ACCESS__OIDC__AUDIENCE", AUDIENCE),
        ("ACCESS__OIDC__JWKS_FILE", &*keys),
    ];
    Server::gateway_with(SDDCS, &settings)
}

/// Of whom the last one asks.
fn thousand_callers(folder: &Path) -> Server {
    let mut callers = String::new();
    for number in 1..CALLERS {
        let key = format!("key_sha256 = [\"{number:064x}\"]");
        callers += &caller(&format!("caller-{number}"), &key);
    }
    callers += &caller("bench", &format!("key_sha256 = [\"{KEY_SHA256}\"]"));
    let callers = write(folder, "thousand.toml", &callers);
    Server::gateway_with(SDDCS, &[HOSTS, ("ACCESS__CALLERS_FILE", &callers)])
}

fn audited(folder: &Path) -> Server {
    let keys = format!("bench:{KEY_SHA256}");
    let audit = text(folder.join("audit.jsonl"));
    let settings = [HOSTS, ("ACCESS__KEYS", &*keys), ("TELEMETRY__AUDIT", &*audit)];
    Server::gateway_with(SDDCS, &settings)
}

fn caller(name: &str, how: &str) -> String {
    let mut table = "[[callers]]\n".to_owned();
    writeln!(table, "name = \"{name}\"\n{how}").expect("a text takes it");
    table
}

fn bearer(credential: &str) -> (String, String) {
    ("Authorization".to_owned(), format!("Bearer {credential}"))
}

fn write(folder: &Path, name: &str, content: &str) -> String {
    fs::write(folder.join(name), content).expect("the temporary folder has room");
    text(folder.join(name))
}

fn text(path: PathBuf) -> String {
    path.into_os_string().into_string().expect("a temporary folder has a plain name")
}
