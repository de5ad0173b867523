//! What people would pick instead, and what this gateway was: nginx that caches or sends a file, and
//! the gateway's build of 2026-11-29. All serve the same bytes, each on the same core in turns.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    ROUNDS,
    load::Load,
    server::{self, Server},
    turns::{self, Turn},
};

/// The gateway, bare hyper, nginx and the baseline: the whole list and 304.
pub fn compare(span: Duration) {
    println!(
        "rivals: {ROUNDS} rounds of {span:?}, 64 connections, in turns; ratios to bare hyper\n"
    );
    for sddcs in [4, 100, 1000] {
        one_size(sddcs, span);
    }
}

fn one_size(sddcs: usize, span: Duration) {
    let folder = TempDir::new().expect("the temporary folder is writable");
    let gateway = Server::gateway(sddcs);
    let answer = gateway.answer();
    let bare = Server::bare(&answer.body);
    let cache = nginx(folder.path(), "cache", &caching(&bare));
    let file = nginx(folder.path(), "file", &from_a_file(&answer.body, folder.path()));
    let baseline = baseline().map(|program| Server::gateway_of(&program, sddcs));
    let key = [server::authorization()];
    let known = [server::authorization(), ("If-None-Match".to_owned(), answer.etag)];
    println!("{sddcs} SDDCs, {} bytes", answer.body.len());
    let mut loads = vec![
        ("bare hyper", Load::new(&bare, &[])),
        ("gateway", Load::new(&gateway, &key)),
        ("nginx proxy_cache, log on", Load::new(&cache, &[])),
        ("nginx, a file, log on", Load::new(&file, &[])),
        ("gateway, 304", Load::new(&gateway, &known)),
    ];
    let known_then = baseline
        .as_ref()
        .map(|then| [server::authorization(), ("If-None-Match".to_owned(), then.answer().etag)]);
    if let (Some(then), Some(known_then)) = (&baseline, &known_then) {
        loads.push(("gateway of 2026-11-29", Load::new(then, &key)));
        loads.push(("gateway of 2026-11-29, 304", Load::new(then, known_then)));
    }
    let turns: Vec<_> = loads
        .into_iter()
        .map(|(name, load)| Turn::new(name, 0, move |span| load.run(span)))
        .collect();
    turns::compare(&turns, ROUNDS, span);
}

/// What `tests/setup.sh bench` has built of that day's commit.
fn baseline() -> Option<PathBuf> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let program = target.join("bench/baseline/release/sddc-gateway");
    if program.exists() {
        return Some(program);
    }
    println!("  (no baseline: tests/setup.sh bench builds it)");
    None
}

fn nginx(folder: &Path, name: &str, location: &str) -> Server {
    let address = server::free_port();
    let config = nginx_config(&folder.join(name), &format!("listen {address}; {location}"));
    Server::other(&program(), &["-c".as_ref(), config.as_os_str()], address)
}

/// The configuration of one process, without a master, that logs as it would in production: buffered.
pub fn nginx_config(folder: &Path, server: &str) -> PathBuf {
    fs::create_dir_all(folder).expect("the temporary folder is writable");
    let path = folder.display();
    let config = format!(
        "daemon off; master_process off; pid {path}/pid; error_log {path}/error.log;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n\
           access_log {path}/access.log combined buffer=64k flush=1s;\n\
           client_body_temp_path {path}/body; proxy_temp_path {path}/proxy;\n\
           fastcgi_temp_path {path}/fastcgi; uwsgi_temp_path {path}/uwsgi;\n\
           scgi_temp_path {path}/scgi; default_type application/json; sendfile on;\n\
           keepalive_requests 1000000000;\n\
           proxy_cache_path {path}/cache keys_zone=bench:1m;\n\
           server {{ {server} }}\n\
         }}\n"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, config).expect("the temporary folder has room");
    file
}

/// What lets nginx answer from its cache.
pub fn caching(origin: &Server) -> String {
    format!(
        "location / {{ proxy_pass {}; proxy_cache bench; proxy_cache_valid 200 10m; }}",
        origin.url()
    )
}

fn from_a_file(body: &[u8], folder: &Path) -> String {
    let root = folder.join("root");
    fs::create_dir_all(&root).expect("the temporary folder is writable");
    fs::write(root.join("body"), body).expect("the temporary folder has room");
    format!("location = / {{ root {}; try_files /body =404; }}", root.display())
}

/// The nginx that `make test-setup` has brought, else the system's.
pub fn program() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let brought = target.join("tools/nginx/usr/sbin/nginx");
    if brought.exists() { brought } else { "nginx".into() }
}
