//! Other answers than the whole list: one SDDC, a filter, a page; over TLS with HTTP/2; one that has to
//! be asked for upstream; and with more connections.

mod http2;

use std::time::Duration;

use support::authority::Files;
use tempfile::TempDir;

use self::http2::Http2Load;
use crate::{
    ROUNDS,
    crowd::raise_open_files,
    load::Load,
    rivals::{caching, nginx_config, program},
    server::{self, Server},
    turns::{self, Turn},
};

/// A table of each.
pub fn compare(span: Duration) {
    questions(span);
    secured(span);
    misses(span);
    connections(span);
}

/// What callers ask for beside the whole list, each against a bare server that sends the same bytes.
fn questions(span: Duration) {
    const SDDCS: usize = 100;
    println!("kinds: {ROUNDS} rounds of {span:?}, 64 connections, in turns; {SDDCS} SDDCs\n");
    let gateway = Server::gateway(SDDCS);
    let list: serde_json::Value =
        serde_json::from_slice(&gateway.answer().body).expect("the list is JSON");
    let id = list["items"][0]["id"].as_str().expect("an id");
    for (name, path) in [
        ("one SDDC", format!("/sddcs/{id}")),
        ("a filter", "/sddcs?state=READY&sort=name".to_owned()),
        ("a page of 10", "/sddcs?limit=10".to_owned()),
        ("organizations", "/orgs".to_owned()),
        ("clusters", "/clusters?limit=10".to_owned()),
    ] {
        let bare = Server::bare(&gateway.ask(&path, "").body);
        let key = [server::authorization()];
        let loads = [
            ("bare hyper", Load::new(&bare, &[])),
            (name, Load::new(&gateway, &key).on(&path, 64)),
        ];
        let turns = loads.map(|(name, load)| Turn::new(name, 0, move |span| load.run(span)));
        turns::compare(&turns, ROUNDS, span);
    }
}

/// TLS 1.3 with HTTP/2, against nginx that does the same from its cache.
fn secured(span: Duration) {
    const SDDCS: usize = 4;
    println!("TLS 1.3, HTTP/2: {ROUNDS} rounds of {span:?}, 16 connections with 4 streams each\n");
    let (folder, files) = (TempDir::new().expect("a temporary folder"), Files::new());
    let [cert, key] = ["tls.crt", "tls.key"].map(|name| files.path(name).display().to_string());
    let keys = format!("bench:{}", server::KEY_SHA256);
    let settings = [("API__TLS_CERT", &*cert), ("API__TLS_KEY", &*key), ("ACCESS__KEYS", &*keys)];
    let gateway = Server::gateway_with(SDDCS, &settings);
    let origin = Server::bare(&Server::gateway(SDDCS).answer().body);
    let address = server::free_port();
    let config = format!(
        "listen {address} ssl http2; ssl_certificate {cert}; ssl_certificate_key {key};\n\
         ssl_protocols TLSv1.3; {}",
        caching(&origin)
    );
    let config = nginx_config(folder.path(), &config);
    let nginx = Server::other_unasked(&program(), &["-c".as_ref(), config.as_os_str()], address);
    let loads = [
        ("nginx proxy_cache, log on", Http2Load::new(&nginx, "/", &[])),
        ("gateway", Http2Load::new(&gateway, "/sddcs", &[server::authorization()])),
    ];
    let turns = loads.map(|(name, load)| Turn::new(name, 0, move |span| load.run(span)));
    turns::compare(&turns, ROUNDS, span);
}

/// Answers that are never from the snapshot, by one connection, against the same read made directly and
/// through nginx. What each adds is the difference of their p50.
fn misses(span: Duration) {
    const SDDCS: usize = 4;
    println!("a miss: {ROUNDS} rounds of {span:?}, 1 connection, in turns\n");
    let keys = format!("bench:{}", server::KEY_SHA256);
    let settings =
        [("ACCESS__KEYS", &*keys), ("INVENTORY__POLL", "0s"), ("INVENTORY__FRESH", "0s")];
    let gateway = Server::gateway_with(SDDCS, &settings);
    let upstream = gateway.upstream_url();
    let list: serde_json::Value =
        serde_json::from_slice(&gateway.answer().body).expect("the list is JSON");
    let org = list["items"][0]["org_id"].as_str().expect("an org");
    let path = format!("/vmc/api/orgs/{org}/sddcs");
    let token = [("csp-auth-token".to_owned(), gateway.upstream_token())];
    let folder = TempDir::new().expect("a temporary folder");
    let address = server::free_port();
    // As in production: connections are kept, and nothing is buffered on disk.
    let config = format!(
        "listen {address}; location / {{ proxy_pass http://upstream; proxy_http_version 1.1;\n\
         proxy_set_header Connection ''; }} }}\n\
         upstream upstream {{ server {}; keepalive 16;",
        upstream.trim_start_matches("http://")
    );
    let config = nginx_config(folder.path(), &config);
    let nginx = Server::other_unasked(&program(), &["-c".as_ref(), config.as_os_str()], address);
    let loads = [
        ("directly", Load::new(&gateway, &token).at(&format!("{upstream}{path}"), 1)),
        ("nginx proxy_pass", Load::new(&nginx, &token).on(&path, 1)),
        ("gateway", Load::new(&gateway, &[server::authorization()]).on("/sddcs", 1)),
    ];
    let turns = loads.map(|(name, load)| Turn::new(name, 0, move |span| load.run(span)));
    turns::compare(&turns, ROUNDS, span);
}

/// The whole list of 4 SDDCs to more and more connections.
fn connections(span: Duration) {
    raise_open_files();
    println!("connections: {ROUNDS} rounds of {span:?}, in turns; ratios to 64\n");
    let gateway = Server::gateway(4);
    let key = [server::authorization()];
    let turns = [("64", 64), ("1 000", 1000), ("9 000", 9000)].map(|(name, connections)| {
        let load = Load::new(&gateway, &key).on("/sddcs", connections);
        Turn::new(name, 0, move |span| load.run(span))
    });
    turns::compare(&turns, ROUNDS, span);
}
