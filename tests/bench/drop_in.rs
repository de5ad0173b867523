//! VMware's own API through the gateway: what that adds to a read, what a read costs that is kept, and what a large
//! list takes of memory while it is read.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use support::{authority::Files, http, process::Cloud};
use tempfile::TempDir;

use crate::{
    ROUNDS,
    load::Load,
    rivals::{nginx_config, program},
    server::{self, KEY, KEY_SHA256, Server},
    turns::{self, Turn},
};

/// What a tool asks with.
type Field = (String, String);

/// A table of each.
pub fn compare(span: Duration) {
    added(span);
    kept(span);
    large();
}

/// By one connection that asks something new each time: directly by TLS, through nginx that keeps its TLS
/// connections, and through the gateway. What each adds is the difference of the p50s.
fn added(span: Duration) {
    println!("drop-in, a read: {ROUNDS} rounds of {span:?}, 1 connection, upstream by TLS\n");
    let (folder, files) = (TempDir::new().expect("a temporary folder"), Files::new());
    let cloud = Cloud::start(&[]);
    let token = [("csp-auth-token".to_owned(), server::token_of(&cloud))];
    let org = only_org(&cloud, &token[0]);
    let upstream = in_front_of(&cloud, &files, folder.path());
    // The name that its certificate has.
    let url = format!("https://localhost:{}", upstream.address().port());
    let nginx = keeping(&upstream, folder.path());
    let ca = files.write("ca.pem", &files.authority.pem()).display().to_string();
    let urls = [("CSP__URL", &*url), ("VMC__URL", &*url), ("VMC__CA_FILE", &*ca)];
    let gateway = gateway(folder.path(), 4, &urls);
    let own = [token_of_gateway(&gateway)];
    for (name, path) in [("tasks", "tasks"), ("4 SDDCs", "sddcs")] {
        let path = format!("/vmc/api/orgs/{org}/{path}");
        println!("{name}");
        let script = always_new(folder.path(), &path);
        let loads = [
            ("directly", Load::new(&upstream, &token).at(&format!("{url}{path}"), 1)),
            ("nginx proxy_pass", Load::new(&nginx, &token).on(&path, 1)),
            ("gateway", Load::new(&gateway, &own).on(&path, 1)),
        ];
        let turns = loads.map(|(name, load)| {
            let load = load.scripted(&script);
            Turn::new(name, 0, move |span| load.run(span))
        });
        turns::compare(&turns, ROUNDS, span);
    }
}

/// A read that is kept against the facade's list, each beside a bare server that sends the same bytes.
fn kept(span: Duration) {
    println!("drop-in, kept: {ROUNDS} rounds of {span:?}, 64 connections, in turns\n");
    let folder = TempDir::new().expect("a temporary folder");
    let gateway = gateway(folder.path(), 4, &[]);
    let own = [token_of_gateway(&gateway)];
    let path = "/vmc/api/orgs";
    let shown = gateway.ask_with(path, &own[0]).body;
    let (bare_list, bare_orgs) = (Server::bare(&gateway.answer().body), Server::bare(&shown));
    let loads = [
        ("bare hyper, the list's bytes", 0, Load::new(&bare_list, &[])),
        ("GET /sddcs", 0, Load::new(&gateway, &[server::authorization()])),
        ("bare hyper, VMware's bytes", 2, Load::new(&bare_orgs, &[])),
        ("GET /vmc/api/orgs", 2, Load::new(&gateway, &own).on(path, 64)),
    ];
    let turns =
        loads.map(|(name, reference, load)| Turn::new(name, reference, move |span| load.run(span)));
    turns::compare(&turns, ROUNDS, span);
}

/// The most that a gateway holds beyond what it held before, for each byte of a list of about 30 MB.
fn large() {
    const SDDCS: &str = "1250";
    let folder = TempDir::new().expect("a temporary folder");
    let cloud = Cloud::start(&["--sddcs", SDDCS]);
    let token = ("csp-auth-token".to_owned(), server::token_of(&cloud));
    let path = format!("/vmc/api/orgs/{}/sddcs", only_org(&cloud, &token));
    let url = cloud.url();
    let urls = [("CSP__URL", &*url), ("VMC__URL", &*url), ("INVENTORY__POLL", "0s")];
    let gateway = gateway(folder.path(), 4, &urls);
    let own = token_of_gateway(&gateway);
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{}: {}\r\n", token.0, token.1);
    let list = http::ask(cloud.address, &head, "").body;
    let mib = f64::from(u32::try_from(list.len()).expect("below 4 GiB")) / (1024.0 * 1024.0);
    let (before, begun) = (gateway.peak_mib(), server::now());
    gateway.ask_with(&path, &own);
    let took = begun.elapsed();
    let peak = gateway.peak_mib() - before;
    println!(
        "drop-in, a list of {mib:.1} MiB: {peak:.1} MiB more at the most ({:.2} x), {took:.2?}\n",
        peak / mib
    );
}

/// A gateway that offers VMware's own API to a caller who may use the facade too.
fn gateway(folder: &Path, sddcs: usize, settings: &[(&str, &str)]) -> Server {
    let caller = format!(
        "[[callers]]\nname = \"bench\"\nkey_sha256 = [\"{KEY_SHA256}\"]\n\
         scopes = [\"sddc:read\", \"vmc:read\"]\n"
    );
    let callers = folder.join("callers.toml");
    fs::write(&callers, caller).expect("the temporary folder has room");
    let callers = callers.display().to_string();
    let own = [("DROP_IN__ENABLED", "true"), ("ACCESS__CALLERS_FILE", &*callers)];
    Server::gateway_with(sddcs, &[&own, settings].concat())
}

/// A token for the caller's key.
fn token_of_gateway(gateway: &Server) -> Field {
    let head = "POST /csp/gateway/am/api/auth/api-tokens/authorize HTTP/1.1\r\nHost: localhost\r\n\
                Content-Type: application/x-www-form-urlencoded\r\n";
    let answer = http::ask(gateway.address(), head, &format!("refresh_token={KEY}")).json();
    let token = answer["access_token"].as_str().expect("a token");
    ("csp-auth-token".to_owned(), token.to_owned())
}

fn only_org(cloud: &Cloud, token: &Field) -> String {
    let head =
        format!("GET /vmc/api/orgs HTTP/1.1\r\nHost: localhost\r\n{}: {}\r\n", token.0, token.1);
    let orgs = http::ask(cloud.address, &head, "").json();
    orgs[0]["id"].as_str().expect("an org").to_owned()
}

/// TLS for the simulator, which has none.
fn in_front_of(cloud: &Cloud, files: &Files, folder: &Path) -> Server {
    let [cert, key] = ["tls.crt", "tls.key"].map(|name| files.path(name).display().to_string());
    let address = server::free_port();
    let config = format!(
        "listen {address} ssl; ssl_certificate {cert}; ssl_certificate_key {key};\n{}",
        passing("http", &cloud.address.to_string())
    );
    nginx(folder, "tls", &config, address)
}

/// nginx in the gateway's place.
fn keeping(upstream: &Server, folder: &Path) -> Server {
    let address = server::free_port();
    let config = format!("listen {address}; {}", passing("https", &upstream.address().to_string()));
    nginx(folder, "keeping", &config, address)
}

/// As in production: connections are kept.
fn passing(scheme: &str, upstream: &str) -> String {
    format!(
        "location / {{ proxy_pass {scheme}://upstream; proxy_http_version 1.1;\n\
         proxy_buffers 16 64k; proxy_buffer_size 64k; proxy_set_header Connection ''; }} }}\n\
         upstream upstream {{ server {upstream}; keepalive 16;"
    )
}

fn nginx(folder: &Path, name: &str, config: &str, address: SocketAddr) -> Server {
    let config = nginx_config(&folder.join(name), config);
    Server::other_unasked(&program(), &["-c".as_ref(), config.as_os_str()], address)
}

/// A script of `wrk`'s whose questions are each new, so that none is answered from what is kept.
fn always_new(folder: &Path, path: &str) -> PathBuf {
    let script = folder.join("always-new.lua");
    let text = format!(
        "local lot, at = os.time(), 0\n\
         function request()\n\
           at = at + 1\n\
           local id = lot .. \"-\" .. at\n\
           return wrk.format(\"GET\", \"{path}?%24filter=id%20ne%20%27\" .. id .. \"%27\")\n\
         end\n"
    );
    fs::write(&script, text).expect("the temporary folder has room");
    script
}
